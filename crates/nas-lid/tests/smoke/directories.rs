//! What run directories hold.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use weights::Weights;

use crate::common::{program, refused};

/// Files of a run directory that hold times.
const TIMED: [&str; 3] = ["log", "report.md", "report.html"];

/// What the manifests, reports and trees of two runs may differ in.
const OF_RUN: [&str; 6] =
    ["seconds", "split-seconds", "peak-bytes", "split-peak-bytes", "command", "run"];

/// A manifest, report or tree without that.
fn strip(value: &mut serde_json::Value) {
    if let Some(object) = value.as_object_mut() {
        object.retain(|key, _| !OF_RUN.contains(&key.as_str()));
        object.values_mut().for_each(strip);
    }
    value.as_array_mut().into_iter().flatten().for_each(strip);
}

/// Epochs and losses; those of a training that is done again come last.
fn without_times(metrics: &str) -> Vec<u8> {
    let stripped = |line| {
        let mut value: serde_json::Value = serde_json::from_str(line).expect("JSON of ours");
        strip(&mut value);
        format!("{value}\n")
    };
    let mut lines: Vec<String> = metrics.lines().map(stripped).collect();
    lines.sort();
    lines.concat().into_bytes()
}

/// All other files that a run directory holds, and of its manifest, metrics, report and trees what two runs have in
/// common.
pub(crate) fn files(out: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let (mut files, mut folders) = (BTreeMap::new(), vec![out.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a run directory can be read") {
            let path = entry.expect("it can be listed").path();
            if path.is_dir() {
                folders.push(path);
            } else if !TIMED.iter().any(|name| path == out.join(name)) {
                let mut bytes = std::fs::read(&path).expect("a file of ours can be read");
                if ["manifest.json", "split-tree.json", "report.json"]
                    .iter()
                    .any(|name| path == out.join(name))
                {
                    let mut value = serde_json::from_slice(&bytes).expect("JSON of ours");
                    strip(&mut value);
                    bytes = value.to_string().into_bytes();
                }
                if path == out.join("metrics.jsonl") {
                    bytes = without_times(&String::from_utf8(bytes).expect("lines of ours"));
                }
                files.insert(path.strip_prefix(out).expect("it lies within").to_owned(), bytes);
            }
        }
    }
    files
}

/// A safetensors file without its metadata: whose tensors they are does not matter.
pub(crate) fn tensors_of(file: &[u8]) -> Vec<u8> {
    let Weights { tensors, .. } = Weights::from_safetensors(file).expect("a file of ours");
    Weights { tensors, ..Weights::default() }.to_safetensors()
}

/// Two run directories hold the same bytes, but for times.
#[track_caller]
pub(crate) fn agree(a: &Path, b: &Path) {
    let [a, b] = [files(a), files(b)];
    assert_eq!(a.keys().collect::<Vec<_>>(), b.keys().collect::<Vec<_>>());
    for (name, bytes) in &a {
        assert!(b[name] == *bytes, "{}", name.display());
    }
}

/// Weights of another run, and weights of which a bit has changed, are refused by the name of their file.
#[track_caller]
pub(crate) fn foreign_weights_are_refused(run: &Path, other: &Path) {
    let folder = Path::new("checkpoints/lid/0.1");
    let mut kept = std::fs::read_dir(run.join(folder)).expect("the run is finished");
    let is_kept = |name: &OsString| name.to_string_lossy().contains("fine-tune-epoch-");
    let name = kept.find_map(|entry| entry.ok().map(|entry| entry.file_name()).filter(is_kept));
    let name = folder.join(name.expect("leaves have late checkpoints"));
    let file = run.join(&name);
    let bytes = std::fs::read(&file).expect("a file of ours can be read");
    let mut flipped = bytes.clone();
    *flipped.last_mut().expect("it has tensors") ^= 1;
    let foreign = std::fs::read(other.join(&name)).expect("the runs have the same leaves");
    let damaged = "is damaged: it is not as it was written";
    for (weights, fault) in [(&flipped, damaged), (&foreign, "belongs to another run")] {
        std::fs::write(&file, weights).expect("the run is ours");
        let resumed = program().arg("resume").arg(run).output().expect("the program starts");
        refused(&resumed, 1, &format!("{} {fault}", name.display()));
    }
    std::fs::write(&file, bytes).expect("the run is ours");
}

/// What no program of ours has written is refused by the name of its file.
#[track_caller]
pub(crate) fn edits_are_refused(run: &Path) {
    let of_lid = "search/lid.json";
    for (name, place, value) in [
        (of_lid, "/0/arch/0", serde_json::json!(99)),
        (of_lid, "/0/arch", serde_json::json!([0])),
        (of_lid, "/0/valid-accuracy", serde_json::json!(9.2)),
        (of_lid, "", serde_json::json!([])),
        ("split-tree.json", "/lid/tree/split/edge", serde_json::json!(99)),
        ("split-tree.json", "/lid/tree/mask/0", serde_json::json!([0])),
    ] {
        let file = run.join(name);
        let bytes = std::fs::read(&file).expect("the run is finished");
        let mut edited: serde_json::Value = serde_json::from_slice(&bytes).expect("JSON of ours");
        *edited.pointer_mut(place).expect("there is such a value") = value;
        std::fs::write(&file, edited.to_string()).expect("the run is ours");
        let resumed = program().arg("resume").arg(run).output().expect("the program starts");
        refused(&resumed, 1, &format!("{name} is damaged"));
        std::fs::write(&file, bytes).expect("the run is ours");
    }
    // Nor are its files written over, by whatever path they are named.
    let refused_out = |out: &str, reason: &str| {
        let mut export = program();
        export.current_dir(run).args(["export", ".", "--out", out]);
        refused(&export.output().expect("the program starts"), 2, reason);
    };
    refused_out("config.toml", "weights are a file named *.safetensors");
    refused_out("checkpoints/lid/0.1/fine-tune.safetensors", "what lies there is of the run");
    let absolute = run.join("checkpoints/new.safetensors");
    refused_out(&absolute.to_string_lossy(), "what lies there is of the run");
}
