//! The program as people run it: all stages, interruptions, bad input.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use nb201::Table;
use space::SearchSpace;
use weights::Weights;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_nas-lid"));
    command.env_remove("NASLID_DATA");
    command
}

/// The smoke run, made smaller: what is tested here is the order of things.
fn smoke(out: &Path) -> Command {
    let mut command = program();
    command.arg("run").arg(root().join("configs/nb201-smoke.toml")).arg("--out").arg(out);
    for small in ["ranking.archs=12", "training.warm-up.epochs=[1]", "evaluation.images=100"] {
        command.args(["--set", small]);
    }
    command
}

/// The smoke run of a chain, one-shot alone, and two networks trained alone.
fn chain(out: &Path) -> Command {
    let mut command = program();
    command.arg("run").arg(root().join("configs/proxyless-smoke.toml")).arg("--out").arg(out);
    for small in [
        "ranking.archs=2",
        "ranking.truth.trained-alone.epochs=3",
        "split.methods=[\"one-shot\"]",
        "evaluation.images=100",
    ] {
        command.args(["--set", small]);
    }
    command
}

/// Files of a run directory that hold times.
const TIMED: [&str; 6] =
    ["log", "metrics.jsonl", "split-tree.json", "report.json", "report.md", "report.html"];

/// All other files that a run directory holds.
fn files(out: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let (mut files, mut folders) = (BTreeMap::new(), vec![out.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a run directory can be read") {
            let path = entry.expect("it can be listed").path();
            if path.is_dir() {
                folders.push(path);
            } else if !TIMED.iter().any(|name| path == out.join(name)) {
                let bytes = std::fs::read(&path).expect("a file of ours can be read");
                files.insert(path.strip_prefix(out).expect("it lies within").to_owned(), bytes);
            }
        }
    }
    files
}

/// Two run directories hold the same bytes, but for times.
#[track_caller]
fn agree(a: &Path, b: &Path) {
    let [a, b] = [files(a), files(b)];
    assert_eq!(a.keys().collect::<Vec<_>>(), b.keys().collect::<Vec<_>>());
    for (name, bytes) in &a {
        assert!(b[name] == *bytes, "{}", name.display());
    }
}

#[track_caller]
fn succeeds(output: &Output) {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn killed_anywhere_a_run_ends_with_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let undisturbed = folder.path().join("undisturbed");
    let clock = Instant::now();
    succeeds(&smoke(&undisturbed).output().unwrap());
    let whole = clock.elapsed();
    // One method a line, twelve architectures each.
    let scores = std::fs::read_to_string(undisturbed.join("scores.csv")).unwrap();
    assert_eq!(scores.lines().count(), 1 + 4 * 12);
    let weights = |name: &&PathBuf| name.starts_with("checkpoints");
    assert!(10 < files(&undisturbed).keys().filter(weights).count());

    let disturbed = folder.path().join("disturbed");
    for share in [0.1, 0.25, 0.5, 0.3] {
        let mut child =
            smoke(&disturbed).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(whole.mul_f64(share).max(Duration::from_millis(50)));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    succeeds(&smoke(&disturbed).output().unwrap());
    agree(&disturbed, &undisturbed);

    // A finished run is not done again, and its report can be made again.
    let trees = std::fs::read(disturbed.join("split-tree.json")).unwrap();
    succeeds(&program().arg("resume").arg(&disturbed).output().unwrap());
    assert_eq!(std::fs::read(disturbed.join("split-tree.json")).unwrap(), trees);
    let report = program().args(["report", "--format", "json"]).arg(&disturbed).output().unwrap();
    succeeds(&report);
    assert!(String::from_utf8(report.stdout).unwrap().contains("\"dataset\": \"digits\""));

    // Another configuration has no business there.
    let other = smoke(&disturbed).args(["--set", "seed=2"]).output().unwrap();
    refused(&other, 1, "was made with another configuration (`seed` was 1, now 2)");
    is_ranked_later(&disturbed, folder.path());
}

/// A table of accuracies that comes later adds ranks, and is not lost or changed after that.
#[track_caller]
fn is_ranked_later(run: &Path, folder: &Path) {
    let archs: Vec<_> = Table::space().full_mask().archs().collect();
    let table = |first: f64| {
        let rows =
            archs.iter().enumerate().map(|(at, arch)| (arch, [first + at as f64 / 400.0; 3]));
        std::fs::write(folder.join(Table::FILE), Table::text(rows)).expect("the folder is ours");
        smoke(run).arg("--data").arg(folder).output().expect("the program starts")
    };
    let report = || std::fs::read_to_string(run.join("report.md")).expect("the run is finished");
    assert!(report().contains("ranks are skipped"));
    succeeds(&table(10.0));
    assert!(!report().contains("ranks are skipped"));
    refused(&table(11.0), 1, "another table of true accuracies");
    let without = smoke(run).output().expect("the program starts");
    refused(&without, 1, "another table of true accuracies");
    assert!(!report().contains("ranks are skipped"));
}

#[test]
fn networks_trained_alone_survive_interruptions() {
    let folder = tempfile::tempdir().unwrap();
    let [undisturbed, disturbed] =
        ["undisturbed", "disturbed"].map(|name| folder.path().join(name));
    succeeds(&chain(&undisturbed).output().unwrap());
    // Until the first network that is trained alone has a checkpoint.
    let mut child = chain(&disturbed).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let alone = disturbed.join("checkpoints/alone");
    while std::fs::read_dir(&alone).map_or(0, Iterator::count) == 0 {
        assert!(child.try_wait().unwrap().is_none(), "the run has ended");
        std::thread::sleep(Duration::from_millis(20));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    succeeds(&chain(&disturbed).output().unwrap());
    agree(&disturbed, &undisturbed);
    goes_out_and_in_again(&undisturbed);
    is_retrained(&undisturbed, folder.path());
}

/// With everything that there is to remember, and killed on its way.
#[track_caller]
fn is_retrained(run: &Path, folder: &Path) {
    let file = root().join("configs/retrain-digits.toml");
    let mut text = std::fs::read_to_string(file).expect("the project has it");
    for (old, new) in [
        ("epochs = 20", "epochs = 3"),
        ("mixup = 0.0", "mixup = 0.2"),
        ("stochastic-depth = 0.0", "stochastic-depth = 0.2"),
        ("averaging = 0.0", "averaging = 0.9"),
        ("distillation = 0.0", "distillation = 0.5"),
        ("erasing = 0.0", "erasing = 0.25"),
        ("[optimizer.sgd]", "[optimizer.rms-prop]\ndecay = 0.9\nepsilon = 1e-3"),
        ("nesterov = true", ""),
    ] {
        assert!(text.contains(old), "{old}");
        text = text.replace(old, new);
    }
    let config = folder.join("retrain.toml");
    std::fs::write(&config, text).expect("the folder is ours");
    let retrain = |name: &str| {
        let mut command = program();
        command.arg("retrain").arg(run).args(["--method", "one-shot", "--format", "json"]);
        command.args(["--name", name]).arg("--config").arg(&config);
        command
    };
    let output = retrain("undisturbed").output().expect("the program starts");
    succeeds(&output);
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).expect("it prints JSON");
    let share = |key: &str| json[key].as_f64().unwrap_or(-1.0);
    assert!(0.0 <= share("top_1") && share("top_1") <= share("top_5") && share("top_5") <= 1.0);

    let quiet = |command: &mut Command| command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    let mut child = quiet(&mut retrain("disturbed")).expect("the program starts");
    let checkpoint = run.join("retrain/disturbed/checkpoint.safetensors");
    while !checkpoint.exists() {
        assert!(child.try_wait().is_ok_and(|ended| ended.is_none()), "the training has ended");
        std::thread::sleep(Duration::from_millis(20));
    }
    child.kill().expect("it still runs");
    child.wait().expect("it was killed");
    succeeds(&retrain("disturbed").output().expect("the program starts"));
    let [a, b] = ["undisturbed", "disturbed"].map(|name| {
        let file = run.join(format!("retrain/{name}/weights.safetensors"));
        std::fs::read(file).expect("the training is done")
    });
    assert!(a == b, "the weights differ");
    refused(&retrain("../x").output().expect("the program starts"), 1, "letters, digits");
}

/// The best network that a run has found becomes the first weights of another.
#[track_caller]
fn goes_out_and_in_again(run: &Path) {
    let export = |method: &str| {
        let mut command = program();
        command.arg("export").arg(run).args(["--method", method, "--format", "json"]);
        command.output().expect("the program starts")
    };
    refused(&export("lid"), 1, "the run has not searched by lid yet");
    let output = export("one-shot");
    succeeds(&output);
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).expect("it prints JSON");
    let file = Path::new(json["file"].as_str().unwrap_or_default());
    let exported = Weights::read(file).expect("it was just written");
    assert_eq!(exported.metadata["arch"], json["arch"]);

    let again = |weights: &str| {
        let mut command = chain(&run.join("never"));
        let first = format!("training.first-weights={{ published = {weights} }}");
        command.args(["--dry-run", "--set", &first]).output().expect("the program starts")
    };
    let output = again(&json["file"].to_string());
    succeeds(&output);
    let log = String::from_utf8_lossy(&output.stderr).into_owned();
    let expected = format!("{} tensors taken, unused 0, kept 0", exported.tensors.len());
    assert!(log.contains(&expected), "{log}");
    refused(&again("\"nowhere.pth\""), 1, "nowhere.pth: No such file");
}

#[track_caller]
fn refused(output: &Output, code: i32, expected: &str) {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{stderr}");
    assert!(stderr.contains(expected), "{stderr}");
    assert_eq!(stderr.lines().filter(|line| line.starts_with("error")).count(), 1, "{stderr}");
}

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
    refused(&set("training.momentum=2"), 1, "`training.momentum` must lie in [0, 1)");
    refused(&set("training.no-such-key=2"), 1, "there is no key `training.no-such-key`");
    refused(&set("data.resolution=2"), 1, "nb201 halves the images twice");
    refused(&set("data.source=cifar10"), 1, "cifar10");
    refused(&set("seed=99999999999999999999"), 1, "--set seed=99999999999999999999: ");
    let limit = "`search.max-parameters` is 10, but no architecture has fewer than ";
    refused(&set("search.max-parameters=10"), 1, limit);
    let nowhere = smoke(&out).args(["--data", "/no/such"]).output().unwrap();
    refused(&nowhere, 1, "/no/such: no such folder, which --data or NASLID_DATA names");
    refused(&smoke(&out).args(["--device", "cuda:9"]).output().unwrap(), 1, "no CUDA device 9");
    assert!(!out.exists());
    let foreign = folder.path().join("foreign");
    std::fs::create_dir(&foreign).unwrap();
    std::fs::write(foreign.join("config.toml"), "precious").unwrap();
    refused(&smoke(&foreign).output().unwrap(), 1, "is not empty and no run directory");
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
    assert_eq!(json["taps"].as_array().unwrap().len(), 17);
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
    refused(&arch(&["--width", "0"]), 1, "--width must lie between 0.01 and 10");
    refused(&arch(&["--stage-channels", "8,8"]), 1, "--stage-channels: expected six");
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
    refused(&run("unknown"), 1, "`search.latency` must be a table");
    let text = std::fs::read_to_string(&file).unwrap();
    let gap = text.replacen("\"5\": ", "\"7\": ", 1);
    std::fs::write(&file, gap).unwrap();
    refused(
        &run(&table),
        1,
        "part 1 of the latency table has no time of 0 s or more for operations 5",
    );
    succeeds(&of_proxyless("16"));
    refused(
        &run(&table),
        1,
        "is of another space, other sizes, another resolution or other kernels",
    );
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
    refused(&probe("lid", &["--batch-size", "20"]), 1, "must lie between 21 and 4096");
}
