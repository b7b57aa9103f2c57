//! Runs of all stages, interrupted wherever it may be.

#[path = "../common/mod.rs"]
mod common;
mod directories;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use common::{chain, program, refused, root, smoke, succeeds};
use directories::{agree, edits_are_refused, files, foreign_weights_are_refused, tensors_of};
use nb201::{Nb201, Nb201Config, Table};
use space::SearchSpace;
use weights::Weights;

/// Twelve architectures of each method: those of one leaf are shifted alike, those of the undivided
/// supernet not at all.
#[track_caller]
fn leaves_are_compared(scores: &str) {
    let mut shifts: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for line in scores.lines().skip(1) {
        let cells: Vec<&str> = line.split(',').collect();
        let number = |cell: usize| cells[cell].parse::<f64>().expect("a number");
        shifts.entry(cells[0]).or_default().push(number(5) - number(3));
    }
    let lengths: Vec<usize> = shifts.values().map(Vec::len).collect();
    assert_eq!(lengths, [12; 4], "{scores}");
    for (method, mut shifts) in shifts {
        shifts.sort_by(f64::total_cmp);
        shifts.dedup_by(|a, b| (*a - *b).abs() < 1e-12);
        let is_divided = method != "one-shot";
        assert!(shifts.len() <= 1 + usize::from(is_divided), "{method}: {shifts:?}");
        assert_eq!(shifts.iter().any(|shift| 1e-6 < shift.abs()), is_divided, "{method}");
    }
}

/// Starts a program, and kills it as soon as something is there.
#[track_caller]
fn killed_once(command: &mut Command, is_there: impl Fn() -> bool) {
    let quiet = command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = quiet.spawn().expect("the program starts");
    while !is_there() {
        let has_ended = child.try_wait().expect("it can be asked").is_some();
        assert!(!has_ended, "it has ended before");
        std::thread::sleep(Duration::from_millis(1));
    }
    child.kill().expect("it still runs");
    child.wait().expect("it was killed");
}

#[test]
fn killed_anywhere_a_run_ends_with_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let undisturbed = folder.path().join("undisturbed");
    let clock = Instant::now();
    succeeds(&smoke(&undisturbed).output().unwrap());
    let whole = clock.elapsed();
    leaves_are_compared(&std::fs::read_to_string(undisturbed.join("scores.csv")).unwrap());
    for method in ["random", "gradient", "lid"] {
        let found = std::fs::read(undisturbed.join(format!("search/{method}.json"))).unwrap();
        let found: Vec<serde_json::Value> = serde_json::from_slice(&found).unwrap();
        let number = |of: &serde_json::Value, key: &str| of[key].as_f64().unwrap();
        let compared = |of| number(of, "valid-accuracy") + number(of, "shift");
        assert!(found.is_sorted_by(|a, b| compared(b) <= compared(a)), "{method}: {found:?}");
    }
    let weights = |name: &&PathBuf| name.starts_with("checkpoints");
    assert!(10 < files(&undisturbed).keys().filter(weights).count());

    // What is kept between forward and backward changes nothing else.
    let again = folder.path().join("again");
    succeeds(&smoke(&again).args(["--set", "kept=part-inputs"]).output().unwrap());
    let [kept, recomputed] = [&undisturbed, &again].map(|out| {
        let mut files = files(out);
        for name in ["config.toml", "manifest.json"] {
            assert!(files.remove(Path::new(name)).is_some(), "{name}");
        }
        for (name, bytes) in &mut files {
            if name.extension().is_some_and(|kind| kind == "safetensors") {
                *bytes = tensors_of(bytes);
            }
        }
        files
    });
    assert!(kept == recomputed, "other files by `kept = \"part-inputs\"`");

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

    // A checkpoint that is lost is made again.
    let lost = disturbed.join("checkpoints/lid/0.1");
    let is_kept = |path: &PathBuf| path.to_string_lossy().contains("fine-tune-epoch-");
    let mut kept = std::fs::read_dir(lost).unwrap().map(|entry| entry.unwrap().path());
    std::fs::remove_file(kept.find(is_kept).unwrap()).unwrap();
    succeeds(&smoke(&disturbed).output().unwrap());
    agree(&disturbed, &undisturbed);

    // A finished run is not done again, and its report can be made again.
    let trees = std::fs::read(disturbed.join("split-tree.json")).unwrap();
    succeeds(&program().arg("resume").arg(&disturbed).output().unwrap());
    assert_eq!(std::fs::read(disturbed.join("split-tree.json")).unwrap(), trees);
    let report = program().args(["report", "--format", "json"]).arg(&disturbed).output().unwrap();
    succeeds(&report);
    assert!(String::from_utf8(report.stdout).unwrap().contains("\"dataset\": \"digits\""));

    let dry = smoke(&disturbed).arg("--dry-run").output().unwrap();
    assert!(String::from_utf8_lossy(&dry.stdout).contains("begun: the run goes on"));

    // Another configuration has no business there.
    let other = smoke(&disturbed).args(["--set", "seed=2"]).output().unwrap();
    refused(&other, 1, "was made with another configuration (`seed` was 1, now 2)");
    edits_are_refused(&disturbed);
    foreign_weights_are_refused(&disturbed, &again);
    is_ranked_later(&disturbed, folder.path());
}

/// Not with the same bytes: on a card a sum's order may differ from one time to the next.
#[cfg(feature = "cuda")]
#[test]
fn on_a_card_a_killed_run_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    let run = || {
        let mut command = smoke(&out);
        command.args(["--device", "cuda:0"]);
        command
    };
    killed_once(&mut run(), || out.join("split-tree.json").exists());
    let warmed_up = out.join("checkpoints/shared/0/warm-up.safetensors");
    let written = || std::fs::metadata(&warmed_up).unwrap().modified().unwrap();
    let before = written();
    succeeds(&run().output().unwrap());
    assert_eq!(written(), before, "what was trained is trained again");
    leaves_are_compared(&std::fs::read_to_string(out.join("scores.csv")).unwrap());
    assert!(std::fs::read_to_string(out.join("report.md")).unwrap().contains("cuda:0"));
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

/// Parameters of which networks of the smoke run have up to 23 000.
const LIMIT: u64 = 15_000;

/// Neither a method nor a score without training chooses a larger network.
#[track_caller]
fn limit_is_kept(report: &serde_json::Value) {
    let space =
        Nb201::new(&Nb201Config { channels: 4, cells_per_stage: 1, affine: true }, 1, 8, 10);
    let chosen = |row: &serde_json::Value| {
        let arch = row["chosen"].as_str().and_then(|arch| space.parse(arch).ok());
        space.cost(&arch.expect("every row has chosen")).parameters
    };
    let chosen: Vec<u64> = report["rows"].as_array().into_iter().flatten().map(chosen).collect();
    assert_eq!(chosen.len(), 5);
    assert!(chosen.iter().all(|n| *n <= LIMIT), "{chosen:?}");
    // Of so many networks some come near.
    assert!(9 * LIMIT / 10 < chosen[0], "{chosen:?}");
}

#[test]
fn leaves_are_split_again_and_what_is_lost_of_them_is_made_again() {
    let folder = tempfile::tempdir().unwrap();
    let [undisturbed, disturbed] =
        ["undisturbed", "disturbed"].map(|name| folder.path().join(name));
    let run = |out: &Path| {
        let mut command = smoke(out);
        let methods = "split.methods=[\"one-shot\", \"random\", \"lid\"]";
        let limit = format!("search.max-parameters={LIMIT}");
        for more in ["split.groups=[2, 2]", "training.warm-up.epochs=[1, 2]", methods, &limit] {
            command.args(["--set", more]);
        }
        command
    };
    succeeds(&run(&undisturbed).output().unwrap());
    let report = std::fs::read(undisturbed.join("report.json")).unwrap();
    let report: serde_json::Value = serde_json::from_slice(&report).unwrap();
    // A warm-up of two leaves and a fine-tuning of four, in one-shot of as many epochs.
    let epochs = report["rows"].as_array().unwrap().iter().filter_map(|row| row["epochs"].as_u64());
    let epochs: Vec<u64> = epochs.collect();
    assert_eq!(epochs, [epochs[0]; 3]);
    let leaves = |method: &str| {
        let checkpoints = undisturbed.join("checkpoints").join(method);
        std::fs::read_dir(checkpoints).unwrap().count()
    };
    assert_eq!(["one-shot", "random", "lid"].map(leaves), [1, 6, 6]);
    limit_is_kept(&report);

    let warmed_up = disturbed.join("checkpoints/lid/0.0/warm-up.safetensors");
    killed_once(&mut run(&disturbed), || warmed_up.exists());
    succeeds(&run(&disturbed).output().unwrap());
    agree(&disturbed, &undisturbed);

    // Again, of a finished run, and killed after the first of two epochs.
    std::fs::remove_file(&warmed_up).unwrap();
    killed_once(&mut run(&disturbed), || warmed_up.exists());
    succeeds(&run(&disturbed).output().unwrap());
    agree(&disturbed, &undisturbed);
}

#[test]
fn networks_trained_alone_survive_interruptions() {
    let folder = tempfile::tempdir().unwrap();
    let [undisturbed, disturbed] =
        ["undisturbed", "disturbed"].map(|name| folder.path().join(name));
    succeeds(&chain(&undisturbed).output().unwrap());
    // Until the first network that is trained alone has a checkpoint.
    let alone = disturbed.join("checkpoints/alone");
    let is_there = || 0 < std::fs::read_dir(&alone).map_or(0, Iterator::count);
    killed_once(&mut chain(&disturbed), is_there);
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
    std::fs::write(&config, &text).expect("the folder is ours");
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

    let checkpoint = run.join("retrain/disturbed/checkpoint.safetensors");
    killed_once(&mut retrain("disturbed"), || checkpoint.exists());
    succeeds(&retrain("disturbed").output().expect("the program starts"));
    let [a, b] = ["undisturbed", "disturbed"].map(|name| {
        let file = run.join(format!("retrain/{name}/weights.safetensors"));
        std::fs::read(file).expect("the training is done")
    });
    assert!(a == b, "the weights differ");
    refused(&retrain("../x").output().expect("the program starts"), 2, "letters, digits");
    // A last step that is too long for numbers is seen by nothing that is trained after it.
    let changed = |changes: &[(&str, &str)]| {
        let new = changes.iter().fold(text.clone(), |text, (old, new)| text.replace(old, new));
        std::fs::write(&config, new).expect("the folder is ours");
        retrain("changed").output().expect("the program starts")
    };
    refused(
        &changed(&[("crop-padding = 1", "crop-padding = 8")]),
        1,
        "`augment.crop-padding`: 8, but a side",
    );
    let one_step = [
        ("batch-size = 64", "batch-size = 1500"),
        ("statistics-batches = 16", "statistics-batches = 1"),
        ("epochs = 3", "epochs = 1"),
        ("warm-up-epochs = 1.0", "warm-up-epochs = 0.0"),
        ("lr = 0.1", "lr = 1e38"),
        ("averaging = 0.9", "averaging = 0.0"),
    ];
    refused(&changed(&one_step), 1, "its training has diverged");
    assert!(!run.join("retrain/changed/weights.safetensors").exists());
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
    refused(&again("\"nowhere.pth\""), 2, "nowhere.pth: No such file");
}
