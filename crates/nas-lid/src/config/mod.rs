//! The configuration of a run: raw as it stands in the file, then checked.

mod check;
pub(crate) mod data;
mod difference;
mod origin;
mod overrides;
pub(crate) mod ranges;
mod raw;

use std::fs;
use std::path::Path;

pub(crate) use self::data::{DataConfig, NormalizationConfig};
use anyhow::{Context, Result, anyhow, bail};
pub(crate) use raw::{
    AcrossLeaves, AloneConfig, EvaluationConfig, EvaluationStatistics, FirstWeights, LatencyConfig,
    Method, RunConfig, ScoredResolutions, SearchConfig, SpaceConfig, TruthConfig,
};
use serde::de::DeserializeOwned;

pub(crate) use self::difference::difference;
pub(crate) use self::origin::{Key, Origin};
use self::overrides::{make_absolute, set};
use self::ranges::Fault;
use crate::misuse::Misuse;

/// A configuration whose values fit together, and its text.
pub(crate) struct Plan {
    pub(crate) config: RunConfig,
    /// What is written into the run directory: the resolved configuration.
    pub(crate) text: String,
    pub(crate) origin: Origin,
}

impl Plan {
    /// Reads a file, applies `key=value` overrides to it and checks the result.
    pub(crate) fn read(file: &Path, overrides: &[String]) -> Result<Self> {
        let text = fs::read_to_string(file)
            .with_context(|| format!("configuration {}", file.display()))?;
        let plan = Self::parse(text, &file.display().to_string())?;
        if overrides.is_empty() { plan } else { plan.with(overrides)? }.absolute()
    }

    /// The plan with values that `key=value` changes; a fault is told of the one that made it.
    fn with(mut self, overrides: &[String]) -> Result<Self> {
        self.origin.overrides = overrides.to_vec();
        let mut table: toml::Table = self.text.parse()?;
        for assignment in overrides {
            set(&mut table, assignment)?;
        }
        let text = toml::to_string(&table)?;
        let config: RunConfig = toml::from_str(&text).map_err(|error| {
            let culprit = (0..overrides.len()).rfind(|&n| {
                self.is_read_after(&overrides[..n]) && !self.is_read_after(&overrides[..=n])
            });
            let all = || self.origin.assignments();
            let cause = culprit.map_or_else(all, |n| format!("--set {}", overrides[n]));
            Misuse(format!("{cause}: {}", one_line(&error)))
        })?;
        match config.check() {
            Ok(()) => Ok(Self { config, text, ..self }),
            Err((key, fault)) => bail!(self.origin.misuse(key, &fault)),
        }
    }

    /// Whether the plan can be read with some of the assignments.
    fn is_read_after(&self, overrides: &[String]) -> bool {
        self.text.parse::<toml::Table>().is_ok_and(|mut table| {
            overrides.iter().all(|assignment| set(&mut table, assignment).is_ok())
                && table.try_into::<RunConfig>().is_ok()
        })
    }

    /// The plan with the files it names found from any folder.
    fn absolute(self) -> Result<Self> {
        let mut table: toml::Table = self.text.parse()?;
        if !make_absolute(&mut table)? {
            return Ok(self);
        }
        let Self { config, text, .. } = Self::parse(toml::to_string(&table)?, &self.origin.place)?;
        Ok(Self { config, text, ..self })
    }

    fn parse(text: String, place: &str) -> Result<Self> {
        let config = checked(&text, place, RunConfig::check)?;
        let origin = Origin::of_file(text.clone(), place);
        Ok(Self { config, text, origin })
    }
}

/// The configuration in a TOML text, checked; an error has one line, which names that of the text.
pub(crate) fn checked<T: DeserializeOwned>(
    text: &str,
    place: &str,
    check: impl FnOnce(&T) -> Result<(), Fault>,
) -> Result<T> {
    let config = toml::from_str(text).map_err(|error| {
        let start = error.span().map_or(0, |span| span.start);
        anyhow!("{place}:{}: {}", line_at(text, start), one_line(&error))
    })?;
    match check(&config) {
        Ok(()) => Ok(config),
        Err((key, fault)) => bail!("{place}:{}: `{key}` {fault}", line_of(text, key)),
    }
}

fn one_line(error: &toml::de::Error) -> String {
    error.message().replace('\n', " ")
}

fn line_at(text: &str, byte: usize) -> usize {
    1 + text.as_bytes()[..byte.min(text.len())].iter().filter(|&&b| b == b'\n').count()
}

/// The line on which a dotted key is set, or the value it is a part of; the first line if neither can be found.
fn line_of(text: &str, key: &str) -> usize {
    let mut table = String::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if let Some(header) = line.strip_prefix('[').and_then(|line| line.split(']').next()) {
            table = header.to_owned();
        } else if let Some((name, _)) = line.split_once('=') {
            let name = name.trim();
            let whole = if table.is_empty() { name.to_owned() } else { format!("{table}.{name}") };
            let is_part = key.strip_prefix(&whole).is_some_and(|rest| rest.starts_with('.'));
            if whole == key || is_part {
                return number + 1;
            }
        }
    }
    1
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMOKE: &str = include_str!("../../../../configs/nb201-smoke.toml");

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let error = Plan::parse(text.to_owned(), "run.toml").map(drop).unwrap_err();
        assert!(error.to_string().starts_with(expected), "{error}");
    }

    fn line(of: &str) -> usize {
        1 + SMOKE.lines().position(|line| line.starts_with(of)).unwrap()
    }

    #[test]
    fn an_unknown_key_is_named_at_its_line() {
        let n = line("momentum");
        check(&SMOKE.replace("momentum", "momentun"), &format!("run.toml:{n}: unknown field"));
    }

    #[test]
    fn a_missing_key_is_named() {
        let text: String = SMOKE
            .lines()
            .filter(|l| !l.starts_with("momentum"))
            .map(|l| format!("{l}\n"))
            .collect();
        let error = Plan::parse(text, "run.toml").map(drop).unwrap_err().to_string();
        assert!(error.contains("missing field `momentum`"), "{error}");
    }

    #[test]
    fn a_value_out_of_range_is_named_at_its_line() {
        let n = line("momentum");
        let text = SMOKE.replace("momentum = 0.9", "momentum = 1.5");
        check(&text, &format!("run.toml:{n}: `training.momentum` must lie in [0, 1)"));
    }

    #[test]
    fn sizes_of_every_space_are_checked() {
        let proxyless = include_str!("../../../../configs/proxyless-smoke.toml");
        let ofa = include_str!("../../../../configs/ofa-smoke.toml");
        let refused = |text: &str, from: &str, to: &str, expected: &str| {
            let error = Plan::parse(text.replace(from, to), "run.toml").map(drop).unwrap_err();
            assert!(error.to_string().contains(expected), "{error}");
        };
        refused(SMOKE, "channels = 4", "channels = 0", "`space.nb201.channels` must lie between 1");
        refused(SMOKE, "cells-per-stage = 1", "cells-per-stage = 0", "cells-per-stage` must lie");
        refused(proxyless, "stem-stride = 1", "stem-stride = 0", "`space.proxyless.stem-stride`");
        refused(
            ofa,
            "depths = [3, 4]",
            "depths = [4, 3]",
            "`space.ofa.depths` must be some of [2,",
        );
        refused(
            ofa,
            "groups = [2]",
            "groups = [4]",
            "`split.groups` must lie between 2 and 3, got 4",
        );
        refused(ofa, "\"balanced\"", "\"min-2\"", "`split.cut.sizes` leave no edge of this space");
        refused(
            SMOKE,
            "groups = [2]",
            "groups = []",
            "`split.groups` must make at least one level",
        );
        let ten_levels = format!("groups = {:?}", [2; 10]);
        refused(SMOKE, "groups = [2]", &ten_levels, "and at most 1000 leaves");
        refused(
            SMOKE,
            "neighbors = 10",
            "neighbors = 1",
            "`split.lid.neighbors` must lie between 2",
        );
        refused(
            proxyless,
            "[24, 40",
            "[0, 40",
            "`space.proxyless.stage-channels` must lie between 1 and 4096",
        );
        refused(proxyless, "width = 0.1", "width = nan", "`space.proxyless.width` must lie");
        refused(ofa, "width = 0.1", "width = 1e9", "`space.ofa.width` must lie between");
        let alone = "trained-alone = { epochs = 1, first-lr = 0.1, last-lr = 0.0 }";
        refused(ofa, alone, "table = \"cifar10\"", "names a table, which only nb201 has");
    }

    #[test]
    fn every_configuration_of_a_run_is_whole() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs");
        let mut n_read = 0;
        for entry in fs::read_dir(folder).unwrap() {
            let file = entry.unwrap().path();
            let name = file.file_name().unwrap().to_string_lossy().into_owned();
            if name.ends_with(".toml") && !name.starts_with("retrain-") {
                Plan::read(&file, &[]).map(drop).unwrap();
                n_read += 1;
            }
        }
        assert_eq!(n_read, 13);
    }

    /// Numbers that may be as large as they like: more than there is of what they count does no harm.
    const BOUNDLESS: [&str; 3] = ["seed", "search.max-parameters", "search.max-macs"];

    /// Every key of a whole number, or of a list of them, with one that no run can have.
    fn beyond_bounds(value: &toml::Value, key: &str) -> Vec<(String, toml::Value)> {
        match value {
            toml::Value::Integer(_) => vec![(key.to_owned(), i64::MAX.into())],
            toml::Value::Array(values) if values.iter().any(toml::Value::is_integer) => {
                vec![(key.to_owned(), vec![i64::MAX; values.len()].into())]
            }
            toml::Value::Table(table) => {
                let of = |(name, value): (&String, _)| {
                    let dot = if key.is_empty() { "" } else { "." };
                    beyond_bounds(value, &format!("{key}{dot}{name}"))
                };
                table.iter().flat_map(of).collect()
            }
            _ => Vec::new(),
        }
    }

    #[test]
    fn whole_numbers_beyond_all_bounds_are_refused_by_key() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs");
        for name in ["nb201-cpu", "proxyless-smoke", "proxyless-cpu", "ofa-cpu", "ofa-smoke"] {
            let text = fs::read_to_string(folder.join(name).with_extension("toml")).unwrap();
            let table: toml::Table = toml::from_str(&text).unwrap();
            let changes = beyond_bounds(&table.clone().into(), "");
            assert!(25 < changes.len(), "{changes:?}");
            for (key, value) in changes {
                let mut changed = table.clone();
                set(&mut changed, &format!("{key}={value}")).unwrap();
                let read = Plan::parse(toml::to_string(&changed).unwrap(), name).map(drop);
                let fault = read.err().map(|fault| fault.to_string());
                if BOUNDLESS.contains(&key.as_str()) {
                    assert_eq!(fault, None, "{key}");
                } else {
                    let fault = fault.unwrap_or_default();
                    assert!(fault.contains(&format!("`{key}`")), "{key}: {fault}");
                }
            }
        }
    }

    #[test]
    fn images_are_checked() {
        let n = line("normalization");
        let given = "normalization = { given = { mean = [0.5], std = [0.0] } }";
        let text = SMOKE.replace("normalization = \"measured\"", given);
        check(&text, &format!("run.toml:{n}: `data.normalization.given.std` must be above 0"));
        check(
            &text.replace("[0.0]", "[]"),
            &format!("run.toml:{n}: `data.normalization.given.std` has 0"),
        );

        let n = line("source");
        let pictures = |center, most| {
            format!(
                "source = {{ pictures = {{ folder = \"p\", center = {center}, most-unreadable = {most} }} }}"
            )
        };
        let with = |source: &str| SMOKE.replace("source = \"digits\"", source);
        assert!(Plan::parse(with(&pictures(0.875, 0.0)), "run.toml").is_ok());
        check(
            &with(&pictures(0.0, 0.0)),
            &format!("run.toml:{n}: `data.source.pictures.center` must"),
        );
        check(&with(&pictures(1.0, 1.0)), &format!("run.toml:{n}: `data.source.pictures.most-unr"));

        let n = line("crop-area");
        let text = SMOKE.replace("crop-area = 1.0", "crop-area = 0.0");
        check(&text, &format!("run.toml:{n}: `data.augment.crop-area` must lie in (0, 1]"));
        let text = SMOKE.replace("contrast = 0.0", "contrast = -0.1");
        check(&text, &format!("run.toml:{}: `data.augment.jitter` must", n + 2));
    }
}
