//! A run on somebody's own pictures, of any size, one of which is broken.

use std::path::Path;
use std::process::{Command, Output};

use image::{Rgb, RgbImage};

/// Pictures of two classes: stripes that lie or stand, on each side of the split.
fn pictures(folder: &Path) {
    for (side, n) in [("train", 40), ("val", 8)] {
        for class in ["lying", "standing"] {
            let class_folder = folder.join(side).join(class);
            std::fs::create_dir_all(&class_folder).expect("the folder is ours");
            for number in 0..n {
                let [width, height] = [17 + number % 9, 20 + number % 5];
                let picture = RgbImage::from_fn(width, height, |x, y| {
                    let along = if class == "lying" { y } else { x };
                    Rgb([
                        if along / 3 % 2 == 0 { 250 } else { 5 },
                        number as u8,
                        (10 * (x % 7)) as u8,
                    ])
                });
                picture
                    .save(class_folder.join(format!("{number}.png")))
                    .expect("the folder is ours");
            }
        }
    }
    std::fs::write(folder.join("train/lying/7.png"), "no picture").expect("the folder is ours");
}

/// A run of both criteria that takes a moment.
fn run(folder: &Path, out: &Path, most_unreadable: &str) -> Output {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let folder = folder.display();
    let source = format!(
        "data.source={{ pictures = {{ folder = \"{folder}\", center = 0.9, most-unreadable = {most_unreadable} }} }}"
    );
    let mut command = Command::new(env!("CARGO_BIN_EXE_nas-lid"));
    command.env_remove("NASLID_DATA").arg("run").arg(root.join("configs/nb201-smoke.toml"));
    command.arg("--out").arg(out);
    for set in [
        &source,
        "data.resolutions=[12]",
        "data.valid-images=24",
        "data.augment.crop-area=0.5",
        "data.augment.jitter.brightness=0.2",
        "training.batch-size=16",
        "training.warm-up.epochs=[1]",
        "evaluation.images=20",
        "evaluation.batch-size=10",
        "split.methods=[\"one-shot\", \"lid\"]",
        "split.probe-batch-size=16",
        "data.normalization={ given = { mean = [0.5, 0.5, 0.5], std = [0.25, 0.25, 0.25] } }",
        "ranking.archs=4",
        "ranking.truth=\"unknown\"",
    ] {
        command.args(["--set", set]);
    }
    command.output().expect("the program starts")
}

#[test]
fn broken_pictures_are_named_counted_and_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let (images, out) = (folder.path().join("images"), folder.path().join("run"));
    pictures(&images);
    let output = run(&images, &out, "0.05");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    let read = |file: &str| std::fs::read_to_string(out.join(file)).unwrap();
    assert!(read("report.md").contains("1 unreadable pictures were left out"));
    assert!(read("log").contains("train/lying/7.png"));
    assert_eq!(read("scores.csv").lines().count(), 1 + 2 * 4);

    // What this process does not show again is counted all the same.
    let report = read("report.html");
    let output = run(&images, &out, "0.05");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(read("report.html"), report);

    let output = run(&images, &folder.path().join("strict"), "0.0");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    let errors: Vec<&str> = stderr.lines().filter(|line| line.starts_with("error")).collect();
    assert!(errors.len() == 1 && errors[0].contains("train/lying/7.png"), "{stderr}");
}
