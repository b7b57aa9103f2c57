//! The small commands, dry runs and bad input.

mod common;

use std::path::Path;

use common::{chain, program, refused, root, smoke, succeeds};

#[test]
fn a_dry_run_says_where_the_time_of_a_step_goes_and_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    let output = smoke(&out).arg("--dry-run").output().unwrap();
    succeeds(&output);
    let plan = String::from_utf8_lossy(&output.stdout);
    let step = plan.lines().find(|line| line.starts_with("of a step")).unwrap();
    for work in
        ["convolutions, forward", "convolutions, backward", "norms", "pools", "optimizer", "images"]
    {
        assert!(step.contains(work), "no {work} in {step}");
    }
    let json = smoke(&out).args(["--dry-run", "--format", "json"]).output().unwrap();
    let json: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert!(0.0 < json["step_seconds"].as_f64().unwrap(), "{json}");
    assert_eq!(json["prospect"], "starts");
    assert!(!out.exists());
}

#[cfg(target_os = "linux")]
#[test]
fn output_that_cannot_be_written_is_a_failure_and_a_reader_who_leaves_is_none() {
    let arch = "|none~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|";
    let to = |file: &str| {
        let file = std::fs::OpenOptions::new().write(true).open(file).unwrap();
        program().args(["arch", "nb201", arch]).stdout(file).output().unwrap()
    };
    succeeds(&to("/dev/null"));
    refused(&to("/dev/full"), 1, "cannot write to standard output");
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    succeeds(&program().args(["arch", "nb201", arch]).stdout(writer).output().unwrap());
}

#[test]
fn bad_input_gets_one_line_and_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    let set = |assignment: &str| smoke(&out).args(["--set", assignment]).output().unwrap();
    refused(&set("training.momentum=2"), 2, "`training.momentum` must lie in [0, 1)");
    refused(&set("training.no-such-key=2"), 2, "there is no key `training.no-such-key`");
    let refused_resolutions = |list: &str, reason: &str| {
        refused(&set(&format!("data.resolutions={list}")), 2, reason);
    };
    refused(&set("data.resolutions=[]"), 2, "`data.resolutions` must have 1 to 100 entries, got 0");
    refused_resolutions("[8, 2]", "nb201 halves the images twice, but their resolution is 2");
    refused_resolutions("[8, 3]", "images of 8 × 8 pixels do not average to 3 × 3");
    refused(&set("data.source=cifar10"), 1, "cifar10");
    refused(&set("seed=99999999999999999999"), 2, "--set seed=99999999999999999999: ");
    let limit =
        "--set search.max-parameters=10: `search.max-parameters`: 10, but no architecture has";
    refused(&set("search.max-parameters=10"), 2, limit);
    let nowhere = smoke(&out).args(["--data", "/no/such"]).output().unwrap();
    refused(&nowhere, 1, "/no/such: no such folder, which --data or NASLID_DATA names");
    refused(&smoke(&out).args(["--device", "cuda:9"]).output().unwrap(), 1, "no CUDA device 9");
    refused(&smoke(&out).args(["--device", "gpu"]).output().unwrap(), 2, "unknown device `gpu`");
    let batch = "--set training.batch-size=5000: `training.batch-size`: a batch of 5000 cannot";
    refused(&set("training.batch-size=5000"), 2, batch);
    let statistics = "`evaluation.recalibration-batches`: 100 batches of ";
    refused(&set("evaluation.recalibration-batches=100"), 2, statistics);
    let probes = "--set split.probe-batches=1000: `split.probe-batches`: 1000 batches of ";
    refused(&set("split.probe-batches=1000"), 2, probes);
    // What an assignment does not go with is told where it stands, with the assignment.
    let mut levels = program();
    levels.arg("run").arg(root().join("configs/nb201-smoke.toml")).arg("--out").arg(&out);
    let levels = levels.args(["--set", "split.groups=[2,2]"]).output().unwrap();
    refused(&levels, 2, " with --set split.groups=[2,2]: `training.warm-up.epochs` must have one");
    refused(&levels, 2, "configs/nb201-smoke.toml:");
    refused(&set("data.augment.crop-padding=8"), 2, "`data.augment.crop-padding` must lie between");
    refused(&set("data.valid-images=1500"), 2, "`data.valid-images`: 1500 of 1500 images cannot");
    let text = std::fs::read_to_string(root().join("configs/nb201-smoke.toml")).unwrap();
    let file = folder.path().join("large.toml");
    std::fs::write(&file, text.replace("valid-images = ", "valid-images = 1500 # ")).unwrap();
    let line = 1 + text.lines().position(|line| line.starts_with("valid-images")).unwrap();
    let of_file = program().arg("run").arg(&file).arg("--out").arg(&out).output().unwrap();
    refused(&of_file, 1, &format!("large.toml:{line}: `data.valid-images`: 1500 of 1500 images"));
    assert!(!out.exists());
    let foreign = folder.path().join("foreign");
    std::fs::create_dir(&foreign).unwrap();
    std::fs::write(foreign.join("config.toml"), "precious").unwrap();
    for more in [&[][..], &["--dry-run"]] {
        let output = smoke(&foreign).args(more).output().unwrap();
        refused(&output, 1, "is not empty and no run directory");
    }
    assert_eq!(std::fs::read_to_string(foreign.join("config.toml")).unwrap(), "precious");

    let arch = |text: &str| program().args(["arch", "nb201", text]).output().unwrap();
    let unknown = "|none~0|+|none~0|max~1|+|none~0|none~1|none~2|";
    refused(&arch(unknown), 1, "unknown operation `max` on edge 1→2");
    refused(&arch("none"), 1, "expected the form");
    let nats = |dir: &Path| program().arg("nats").arg(dir).arg("--out").arg(&out).output().unwrap();
    refused(&nats(folder.path()), 1, "no files such as 000000.pickle.pbz2");
    std::fs::write(folder.path().join("000000.pickle.pbz2"), "BZh9").unwrap();
    refused(&nats(folder.path()), 1, "000000.pickle.pbz2: ");
    assert_eq!(std::fs::read_dir(&out).unwrap().count(), 0);
    refused(&program().args(["lid", "/no/such.npy"]).output().unwrap(), 1, "/no/such.npy");
    let lid = |more: &[&str]| program().args(["lid", "x.npy"]).args(more).output().unwrap();
    refused(&lid(&["--neighbors", "0"]), 2, "0 is not in 1..=1000000");
    refused(&lid(&["--confidence", "2"]), 2, "must lie in (0, 1), got 2");
    refused(&lid(&["--discard", "1"]), 2, "must lie in [0, 1), got 1");
    refused(&lid(&["--estimator", "tle", "--distances"]), 2, "tight localities need the features");
    refused(&lid(&["--estimator", "two-nn", "--bootstrap", "9"]), 2, "two-nn has one dimension");
}

#[test]
fn an_architecture_is_described() {
    let text = "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|\
                +|nor_conv_3x3~0|nor_conv_3x3~1|nor_conv_3x3~2|";
    let output = program().args(["arch", "nb201", text, "--format", "json"]).output().unwrap();
    succeeds(&output);
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    // `anchors.md`: counts of the published network.
    assert_eq!(json["parameters"], 1_531_546);
    assert_eq!(json["macs"], 220_119_680);
    assert_eq!(
        (&json["live_parameters"], &json["live_macs"]),
        (&json["parameters"], &json["macs"])
    );
    assert_eq!(json["taps"].as_array().unwrap().len(), 17);
}

#[test]
fn what_no_path_reaches_is_not_live() {
    // The third node has no input: its 1 x 1 convolution costs, but nothing passes.
    let text = "|nor_conv_3x3~0|+|none~0|none~1|+|none~0|nor_conv_1x1~1|nor_conv_1x1~2|";
    let output = program().args(["arch", "nb201", text, "--format", "json"]).output().unwrap();
    succeeds(&output);
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let count = |key: &str| json[key].as_u64().unwrap();
    // Five convolutions at each of three widths: channels squared, and a scale and a shift a channel.
    let dead: u64 = [16, 32, 64].iter().map(|c| 5 * (c * c + 2 * c)).sum();
    assert_eq!(count("parameters") - count("live_parameters"), dead);
    let dead: u64 =
        [(16, 32), (32, 16), (64, 8)].iter().map(|(c, side)| 5 * c * c * side * side).sum();
    assert_eq!(count("macs") - count("live_macs"), dead);
}

#[test]
fn a_published_mask_is_described() {
    // `proxylessv1` of the published masks, and what `golden/proxyless_archs.json` counts for it.
    const OPS: [usize; 21] = [2, 0, 6, 5, 4, 0, 2, 2, 5, 2, 2, 2, 3, 2, 2, 2, 5, 5, 4, 4, 5];
    let key = |block: usize| format!("s{}_c{}", block / 4, block % 4);
    let mask: serde_json::Map<String, serde_json::Value> = (0..21)
        .map(|block| {
            let n = if block % 4 == 0 { 6 } else { 7 };
            (key(block), (0..n).map(|op| op == OPS[block]).collect())
        })
        .collect();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mask.json");
    std::fs::write(&file, serde_json::to_string(&mask).unwrap()).unwrap();
    let arch = |more: &[&str]| {
        let mut command = program();
        command.args(["arch", "proxyless", "--format", "json"]).arg(&file).args(more);
        command.output().unwrap()
    };
    let output = arch(&["--width", "1.4", "--resolution", "236"]);
    succeeds(&output);
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&json["parameters"], &json["macs"]), (&7_196_272.into(), &765_608_240.into()));
    assert_eq!(json["taps"][23], serde_json::json!([1000, 1, 1]));
    refused(&arch(&["--width", "0"]), 2, "--width must lie between 0.01 and 10");
    refused(&arch(&["--stage-channels", "8,8"]), 2, "--stage-channels: expected six, got 2");
    refused(&arch(&["--depths", "3,4"]), 2, "proxyless has no --depths");
    std::fs::write(&file, "{}").unwrap();
    refused(&arch(&[]), 1, "mask.json: no key `s0_c0`");
}

#[test]
fn parts_are_timed_for_the_search() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("latency.json");
    let latency = |space: &str, more: &[&str]| {
        let mut command = program();
        command.args(["latency", space, "--repeats", "1", "--out"]).arg(&file).args(more);
        command.output().unwrap()
    };
    let sizes = ["--width", "0.1", "--stem-stride", "1", "--resolution"];
    let of_proxyless = |resolution| latency("proxyless", &[&sizes[..], &[resolution]].concat());
    succeeds(&of_proxyless("8"));
    let run = |table: &str| {
        let mut command = chain(&folder.path().join("run"));
        let latency = format!("search.latency={table}");
        command.args(["--set", "search.evolution.selection=pareto-latency", "--set", &latency]);
        command.arg("--dry-run").output().unwrap()
    };
    let table = format!("{{ table = {file:?} }}");
    succeeds(&run(&table));
    refused(&run("unknown"), 2, "`search.latency` must be a table");
    let text = std::fs::read_to_string(&file).unwrap();
    let gap = text.replacen("\"5\": ", "\"7\": ", 1);
    std::fs::write(&file, gap).unwrap();
    refused(
        &run(&table),
        2,
        "part 1 of the latency table has no time of 0 s or more for operations 5",
    );
    succeeds(&of_proxyless("16"));
    refused(
        &run(&table),
        2,
        "is of another space, other sizes, another resolution or other kernels",
    );
    let stock = [&sizes[..], &["8", "--kernels", "stock"]].concat();
    succeeds(&latency("proxyless", &stock));
    refused(&run(&table), 2, "another resolution or other kernels");
    refused(&latency("nb201", &[]), 1, "part 0 of the network has 15625 choices of operations");
}

#[test]
fn a_probe_is_timed() {
    let arch = "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|none~0|none~1|nor_conv_1x1~2|";
    let probe = |criterion: &str, more: &[&str]| {
        let small = ["--channels", "4", "--cells-per-stage", "1", "--format", "json"];
        let mut command = program();
        command.args(["probe", criterion, arch]).args(small).args(more);
        command.output().unwrap()
    };
    for criterion in ["lid", "gradient"] {
        let output = probe(criterion, &["--batch-size", "24"]);
        succeeds(&output);
        let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert!(0.0 < json["seconds"].as_f64().unwrap(), "{json}");
    }
    refused(&probe("lid", &["--batch-size", "20"]), 2, "20 is not in 21..=4096");
}
