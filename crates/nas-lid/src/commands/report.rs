//! `nas-lid report`: the pages of a run, made again, or one table of several seeds.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use report::{Report, ReportError, over_seeds};

use crate::Format;
use crate::manifest::{Discord, Manifest};
use crate::run_dir::{Claim, RunDir};
use crate::summary::LIVE_PARAMETERS;

pub(crate) fn run(dirs: &[PathBuf], format: Format) -> Result<()> {
    crate::print(match dirs {
        [dir] => again(dir, format)?,
        dirs => together(dirs, format)?,
    })
}

/// Writes the pages of a run again from its `report.json`.
fn again(dir: &Path, format: Format) -> Result<String> {
    let (run, _) = RunDir::existing(dir)?;
    let report = read(&run)?;
    let _claim = Claim::on(dir)?;
    run.write("report.md", report.to_markdown().as_bytes())?;
    run.write("report.html", report.to_html().as_bytes())?;
    Ok(match format {
        Format::Text => report.to_markdown(),
        Format::Json => report.to_json(),
    })
}

/// Means over runs whose configurations differ in the seed alone.
fn together(dirs: &[PathBuf], format: Format) -> Result<String> {
    let runs: Vec<(RunDir, Manifest)> =
        dirs.iter().map(|dir| RunDir::existing(dir)).collect::<Result<_>>()?;
    let configs: Vec<(i64, toml::Table)> =
        runs.iter().map(|(run, _)| config(run)).collect::<Result<_>>()?;
    let place = |at: usize| dirs[at].display();
    for (at, (seed, others)) in configs.iter().enumerate() {
        let differs = "differ in more than their seed";
        ensure!(*others == configs[0].1, "{} and {} {differs}", place(0), place(at));
        if let Some(first) = configs[..at].iter().position(|(earlier, _)| earlier == seed) {
            bail!("{} and {} have the same seed {seed}", place(first), place(at));
        }
    }
    let (_, first) = &runs[0];
    for (at, (_, other)) in runs.iter().enumerate() {
        // A table that only one of them knows is missed by the other.
        if let Some(Discord { part, .. }) = first.discord(other).or_else(|| other.discord(first)) {
            bail!("{} and {} were made with another {part}", place(0), place(at));
        }
    }
    let reports: Vec<Report> = runs.iter().map(|(run, _)| read(run)).collect::<Result<_>>()?;
    let report = over_seeds(&reports, LIVE_PARAMETERS).map_err(|error| match error {
        ReportError::Unlike { run, .. } => {
            anyhow::Error::new(error).context(place(run).to_string())
        }
        error => error.into(),
    })?;
    Ok(match format {
        Format::Text => report.to_markdown(),
        Format::Json => report.to_json(),
    })
}

fn read(run: &RunDir) -> Result<Report> {
    let file = run.path("report.json");
    let place = || file.display().to_string();
    ensure!(file.exists(), "{}: the run is not finished", place());
    let text = std::fs::read_to_string(&file).with_context(place)?;
    Report::read_json(&text).with_context(place)
}

/// The seed of a run, and the rest of its configuration.
fn config(run: &RunDir) -> Result<(i64, toml::Table)> {
    let file = run.path("config.toml");
    let place = || file.display().to_string();
    let text = std::fs::read_to_string(&file).with_context(place)?;
    let mut table: toml::Table = text.parse().with_context(place)?;
    let seed = table.remove("seed").as_ref().and_then(toml::Value::as_integer);
    Ok((seed.context("there is no seed").with_context(place)?, table))
}

#[cfg(test)]
mod tests {
    use report::{Estimate, Row};

    use super::*;

    /// A finished run in a folder of its own.
    fn finished(root: &Path, seed: i64, epochs: i64, tau: f64) -> PathBuf {
        let dir = root.join(format!("{seed}-{epochs}-{tau}"));
        let config = format!("seed = {seed}\n[training]\nepochs = {epochs}\n");
        let commit = if seed == 9 { "later" } else { "now" }.into();
        let manifest = Manifest { commit, ..Manifest::of(&config) };
        let run = RunDir::open(&dir, &config, &manifest).unwrap();
        let tau = Some(Estimate { value: tau, low: 0.0, high: 1.0 });
        let rows = vec![Row { method: LIVE_PARAMETERS.into(), tau, ..Row::default() }];
        let report = Report { title: "A run".into(), rows, ..Report::default() };
        run.write("report.json", report.to_json().as_bytes()).unwrap();
        dir
    }

    #[test]
    fn seeds_are_put_together() {
        let root = tempfile::tempdir().unwrap();
        let runs = [1, 2, 3].map(|seed| finished(root.path(), seed, 9, 0.5 + seed as f64 / 100.0));
        let text = together(&runs, Format::Text).unwrap();
        assert!(text.contains("| live parameters | .520 [.50, .54] |"), "{text}");
        let text = again(&runs[0], Format::Text).unwrap();
        assert!(text.contains("| live parameters | – | .510 ["), "{text}");
        assert!(runs[0].join("report.html").exists());
    }

    #[test]
    fn runs_that_are_no_seeds_of_each_other_are_refused() {
        let root = tempfile::tempdir().unwrap();
        let refused = |runs: &[PathBuf], expected: &str| {
            let error = format!("{:#}", together(runs, Format::Text).unwrap_err());
            assert!(error.ends_with(expected), "{error}");
        };
        let [first, same, other] = [(1, 9, 0.5), (1, 9, 0.6), (2, 8, 0.5)]
            .map(|(seed, epochs, tau)| finished(root.path(), seed, epochs, tau));
        refused(&[first.clone(), same], " have the same seed 1");
        refused(&[first.clone(), other], " differ in more than their seed");
        let later = finished(root.path(), 9, 9, 0.5);
        refused(&[first.clone(), later], " were made with another commit of the program");
        let edited = finished(root.path(), 3, 9, 0.5);
        std::fs::write(edited.join("config.toml"), "seed = 4").unwrap();
        refused(&[first.clone(), edited], " was made with another config.toml");
        let empty = root.path().join("empty");
        refused(&[first, empty], ": no such run directory");
    }
}
