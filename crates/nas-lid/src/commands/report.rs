//! `nas-lid report`: the pages of a run, made again, or one table of several seeds.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use report::{Report, ReportError, over_seeds};

use crate::Format;
use crate::run_dir::{Claim, RunDir, must_exist};
use crate::summary::LIVE_PARAMETERS;

pub(crate) fn run(dirs: &[PathBuf], format: Format) -> Result<()> {
    crate::print(match dirs {
        [dir] => again(dir, format)?,
        dirs => together(dirs, format)?,
    })
}

/// Writes the pages of a run again from its `report.json`.
fn again(dir: &Path, format: Format) -> Result<String> {
    let report = read(dir)?;
    let _claim = Claim::on(dir)?;
    let run = RunDir::unopened(dir);
    run.write("report.md", report.to_markdown().as_bytes())?;
    run.write("report.html", report.to_html().as_bytes())?;
    Ok(match format {
        Format::Text => report.to_markdown(),
        Format::Json => report.to_json(),
    })
}

/// Means over runs whose configurations differ in the seed alone.
fn together(dirs: &[PathBuf], format: Format) -> Result<String> {
    let configs: Vec<(i64, toml::Table)> =
        dirs.iter().map(|dir| config(dir)).collect::<Result<_>>()?;
    for (at, (seed, others)) in configs.iter().enumerate() {
        ensure!(
            *others == configs[0].1,
            "{} and {} differ in more than their seed",
            dirs[0].display(),
            dirs[at].display()
        );
        if let Some(first) = configs[..at].iter().position(|(earlier, _)| earlier == seed) {
            bail!("{} and {} have the same seed {seed}", dirs[first].display(), dirs[at].display());
        }
    }
    check_origin(dirs)?;
    let reports: Vec<Report> = dirs.iter().map(|dir| read(dir)).collect::<Result<_>>()?;
    let report = over_seeds(&reports, LIVE_PARAMETERS).map_err(|error| match error {
        ReportError::Unlike { run, .. } => {
            anyhow::Error::new(error).context(dirs[run].display().to_string())
        }
        error => error.into(),
    })?;
    Ok(match format {
        Format::Text => report.to_markdown(),
        Format::Json => report.to_json(),
    })
}

/// The same program, images, table and device made all of them.
fn check_origin(dirs: &[PathBuf]) -> Result<()> {
    let (_, first) = RunDir::existing(&dirs[0])?;
    for dir in &dirs[1..] {
        let (_, other) = RunDir::existing(dir)?;
        // A table that only one of them knows is missed by the other.
        if let Some(discord) = first.discord(&other).or_else(|| other.discord(&first)) {
            let [one, other] = [&dirs[0], dir].map(|dir| dir.display());
            bail!("{one} and {other} were made with another {}", discord.part);
        }
    }
    Ok(())
}

fn read(dir: &Path) -> Result<Report> {
    let file = dir.join("report.json");
    let place = || file.display().to_string();
    must_exist(dir)?;
    ensure!(file.exists(), "{}: the run is not finished", place());
    let text = std::fs::read_to_string(&file).with_context(place)?;
    Report::read_json(&text).with_context(place)
}

/// The seed of a run, and the rest of its configuration.
fn config(dir: &Path) -> Result<(i64, toml::Table)> {
    let (run, _) = RunDir::existing(dir)?;
    let file = run.path("config.toml");
    let place = || file.display().to_string();
    let mut table: toml::Table =
        std::fs::read_to_string(&file).with_context(place)?.parse().with_context(place)?;
    let seed = table.remove("seed").as_ref().and_then(toml::Value::as_integer);
    Ok((seed.context("there is no seed").with_context(place)?, table))
}

#[cfg(test)]
mod tests {
    use report::{Estimate, Row};

    use super::*;
    use crate::manifest::Manifest;

    /// A finished run in a folder of its own.
    fn finished(root: &Path, seed: i64, epochs: i64, tau: f64) -> PathBuf {
        let dir = root.join(format!("{seed}-{epochs}-{tau}"));
        let run = RunDir::unopened(&dir);
        let config = format!("seed = {seed}\n[training]\nepochs = {epochs}\n");
        run.write("config.toml", config.as_bytes()).unwrap();
        let commit = if seed == 9 { "later" } else { "now" }.into();
        let manifest = Manifest { commit, ..Manifest::of(&config) };
        run.write_json("manifest.json", &manifest).unwrap();
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
