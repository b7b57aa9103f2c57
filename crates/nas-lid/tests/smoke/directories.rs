//! What run directories hold.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::common::{program, refused};

/// Files of a run directory that hold times.
const TIMED: [&str; 4] = ["log", "metrics.jsonl", "report.md", "report.html"];

/// What the reports and trees of two runs may differ in.
const OF_RUN: [&str; 6] =
    ["seconds", "split-seconds", "peak-bytes", "split-peak-bytes", "command", "profile"];

/// A report or tree without that.
fn strip(value: &mut serde_json::Value) {
    if let Some(object) = value.as_object_mut() {
        object.retain(|key, _| !OF_RUN.contains(&key.as_str()));
        object.values_mut().for_each(strip);
    }
    value.as_array_mut().into_iter().flatten().for_each(strip);
}

/// All other files that a run directory holds, and of its report and its trees what they have in common.
pub(crate) fn files(out: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let (mut files, mut folders) = (BTreeMap::new(), vec![out.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a run directory can be read") {
            let path = entry.expect("it can be listed").path();
            if path.is_dir() {
                folders.push(path);
            } else if !TIMED.iter().any(|name| path == out.join(name)) {
                let mut bytes = std::fs::read(&path).expect("a file of ours can be read");
                if ["split-tree.json", "report.json"].iter().any(|name| path == out.join(name)) {
                    let mut value = serde_json::from_slice(&bytes).expect("JSON of ours");
                    strip(&mut value);
                    bytes = value.to_string().into_bytes();
                }
                files.insert(path.strip_prefix(out).expect("it lies within").to_owned(), bytes);
            }
        }
    }
    files
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
    let config = run.join("config.toml");
    let mut export = program();
    export.arg("export").arg(run).arg("--out").arg(config);
    refused(
        &export.output().expect("the program starts"),
        2,
        "weights are a file named *.safetensors",
    );
}
