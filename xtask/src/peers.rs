//! `cargo xtask bench-peers`: our benchmarks and the same work in Python, in turns on one machine.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::SystemTime;

use anyhow::{Context, Result, ensure};
use clap::Args;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::memory::{self, mebi};
use crate::program::{self, Backends};
use crate::{process, python};

/// Arguments of `cargo xtask bench-peers`.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// How often both sides are measured; the fastest counts.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..))]
    rounds: u64,
    /// Python with venv.
    #[arg(long, default_value = "python3")]
    python: String,
}

/// A benchmark of ours, which of its groups, and the script of its peers.
struct Pair {
    bench: &'static str,
    filter: &'static str,
    script: &'static str,
}

/// What the scripts need.
const REQUIREMENTS: &str = "benches/peers/requirements.txt";

const PAIRS: [Pair; 3] = [
    Pair { bench: "lid", filter: "nearest", script: "lid.py" },
    Pair { bench: "flex_ops", filter: "mbconv", script: "mbconv.py" },
    Pair { bench: "supernet", filter: "^C=.*(step|score)", script: "training.py" },
];

/// Freed memory is kept by both sides, as `nas-lid` does: returning it costs more than the work.
const ALLOCATOR: [(&str, &str); 2] =
    [("MALLOC_MMAP_THRESHOLD_", "1073741824"), ("MALLOC_TRIM_THRESHOLD_", "1073741824")];

/// Seconds by benchmark and by who did it.
type Seconds = BTreeMap<String, BTreeMap<String, f64>>;

/// How we are called in the table.
const OURS: &str = "ours";

pub(crate) fn run(root: &Path, options: &Options) -> Result<ExitCode> {
    let target = process::target_directory(root)?;
    let python = python::environment(&options.python, &target, &root.join(REQUIREMENTS))?;
    let mut found = Seconds::new();
    let measured = (1..=options.rounds).try_for_each(|round| {
        PAIRS.iter().try_for_each(|pair| {
            println!("round {round}: {} and {}", pair.bench, pair.script);
            ours(root, &target, pair, &mut found)?;
            theirs(root, &python, pair, &mut found)
        })
    });
    // Also what a failure has left.
    print!("\n{}", table(&found));
    measured?;
    let unpaired = found.iter().find(|(_, by)| !by.contains_key(OURS));
    ensure!(
        unpaired.is_none(),
        "no benchmark of ours is called {:?}",
        unpaired.map(|(name, _)| name)
    );
    print!("\n{}", memory_table(root, &python)?);
    Ok(ExitCode::SUCCESS)
}

/// Images of the training step whose memory is measured, there and here.
const N_IMAGES: usize = 64;

/// Peak memory of a training step, measured by both sides in the same way.
fn memory_table(root: &Path, python: &Path) -> Result<String> {
    let program = program::build(root, Backends::Cpu)?;
    let theirs: BTreeMap<String, u64> = printed(root, python, "memory.py")?;
    let mut text = String::from(
        "| memory of a step | kept | ours, MiB | peer | peer, MiB | ours of the peer's |\n\
         | --- | --- | --- | --- | --- | --- |\n",
    );
    for kept in ["activations", "part-inputs"] {
        let ours = memory::of_step(root, &program, N_IMAGES, kept)?;
        for (layout, bytes) in &theirs {
            text += &format!(
                "| C=16,N=5,side=32 | {kept} | {:.0} | PyTorch, {layout} | {:.0} | {:.2} |\n",
                mebi(ours),
                mebi(*bytes),
                ours as f64 / *bytes as f64
            );
        }
    }
    Ok(text)
}

/// Runs a benchmark of ours and takes its fastest call from what criterion keeps.
fn ours(root: &Path, target: &Path, pair: &Pair, found: &mut Seconds) -> Result<()> {
    let mut command = process::cargo(root);
    command.args(["bench", "--quiet", "-p", "benches", "--bench", pair.bench, "--", "--quiet"]);
    let started = SystemTime::now();
    process::complete(command.arg(pair.filter).envs(ALLOCATOR))?;
    for (name, file) in samples_in(&target.join("criterion"))? {
        // Others are of an earlier program.
        if file.metadata()?.modified()? < started {
            continue;
        }
        let text = fs::read_to_string(&file).with_context(|| file.display().to_string())?;
        let sample: Sample =
            serde_json::from_str(&text).with_context(|| file.display().to_string())?;
        faster(found, &name, OURS, sample.fastest());
    }
    Ok(())
}

/// Criterion's `sample.json`: nanoseconds of so many calls each.
#[derive(Deserialize)]
struct Sample {
    iters: Vec<f64>,
    times: Vec<f64>,
}

impl Sample {
    /// Seconds of a call in the fastest of the samples.
    fn fastest(&self) -> f64 {
        let calls = self.iters.iter().zip(&self.times).map(|(calls, time)| time / calls);
        calls.fold(f64::INFINITY, f64::min) / 1e9
    }
}

/// The samples of the newest measurements, by group and benchmark.
fn samples_in(folder: &Path) -> Result<Vec<(String, PathBuf)>> {
    let entries = |folder: &Path| -> Result<Vec<PathBuf>> {
        let entries = fs::read_dir(folder).with_context(|| folder.display().to_string())?;
        let paths: Result<Vec<PathBuf>, _> = entries.map(|entry| Ok(entry?.path())).collect();
        Ok(paths.map_err(|error: std::io::Error| error)?)
    };
    let mut found = Vec::new();
    for group in entries(folder)?.into_iter().filter(|path| path.is_dir()) {
        for bench in entries(&group)?.into_iter().filter(|path| path.is_dir()) {
            let file = bench.join("new/sample.json");
            if file.exists() {
                let name = bench.strip_prefix(folder).unwrap_or(&bench).display().to_string();
                found.push((name, file));
            }
        }
    }
    Ok(found)
}

/// Runs a script; it prints seconds, alone or by peer.
fn theirs(root: &Path, python: &Path, pair: &Pair, found: &mut Seconds) -> Result<()> {
    for (name, value) in printed::<BTreeMap<String, Value>>(root, python, pair.script)? {
        match value {
            Value::Object(peers) => {
                for (peer, seconds) in peers {
                    faster(found, &name, &peer, seconds.as_f64().context("seconds are a number")?);
                }
            }
            alone => {
                let seconds = alone.as_f64().context("seconds are a number")?;
                faster(found, &name, "PyTorch", seconds);
            }
        }
    }
    Ok(())
}

/// What a script prints.
fn printed<T: DeserializeOwned>(root: &Path, python: &Path, script: &str) -> Result<T> {
    let mut command = Command::new(python);
    command.arg(root.join("benches/peers").join(script)).envs(ALLOCATOR);
    let output = command.output().with_context(|| format!("failed to start {command:?}"))?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command:?} failed: {complaint}");
    serde_json::from_slice(&output.stdout)
        .with_context(|| format!("{command:?} printed no figures"))
}

fn faster(found: &mut Seconds, name: &str, who: &str, seconds: f64) {
    let least = found.entry(name.to_owned()).or_default().entry(who.to_owned());
    least.and_modify(|least| *least = least.min(seconds)).or_insert(seconds);
}

/// What both sides have measured; the last column is above 1 where we are faster.
fn table(found: &Seconds) -> String {
    let mut text = String::from(
        "| work | ours, ms | peer | peer, ms | speed against the peer |\n\
         | --- | --- | --- | --- | --- |\n",
    );
    for (name, by) in found {
        let Some(&ours) = by.get(OURS) else { continue };
        for (peer, &seconds) in by.iter().filter(|(peer, _)| *peer != OURS) {
            text += &format!(
                "| {name} | {:.3} | {peer} | {:.3} | {:.2} |\n",
                1e3 * ours,
                1e3 * seconds,
                seconds / ours
            );
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn the_fastest_of_both_sides_stand_beside_each_other() {
        let folder = tempfile::tempdir().unwrap();
        let sample = folder.path().join("nearest/n=2/new/sample.json");
        fs::create_dir_all(sample.parent().unwrap()).unwrap();
        fs::write(&sample, r#"{"sampling_mode": "Linear", "iters": [1, 2], "times": [3e6, 4e6]}"#)
            .unwrap();
        let [(name, file)] = &samples_in(folder.path()).unwrap()[..] else { panic!("one sample") };
        let sample: Sample = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
        let mut found = Seconds::new();
        faster(&mut found, name, OURS, sample.fastest());
        faster(&mut found, name, OURS, 1.0);
        faster(&mut found, name, "PyTorch", 0.003);
        faster(&mut found, "unpaired", "PyTorch", 0.003);
        expect![[r#"
            | work | ours, ms | peer | peer, ms | speed against the peer |
            | --- | --- | --- | --- | --- |
            | nearest/n=2 | 2.000 | PyTorch | 3.000 | 1.50 |
        "#]]
        .assert_eq(&table(&found));
    }
}
