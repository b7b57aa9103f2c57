//! Claims of an experiment, held against its report.

use std::fmt;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use serde_json::Value;

/// A file of `configs/expect/`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Expectations {
    claim: Vec<Claim>,
}

/// What one figure of the report must be.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Claim {
    row: String,
    metric: String,
    at_least: Option<f64>,
    at_most: Option<f64>,
}

/// A claim and what was measured; `None` if the report has no such figure.
#[derive(Debug, PartialEq)]
pub(crate) struct Verdict {
    claim: Claim,
    measured: Option<f64>,
}

impl Verdict {
    /// A figure that was not measured misses its claim.
    pub(crate) fn holds(&self) -> bool {
        self.measured.is_some_and(|measured| {
            self.claim.at_least.is_none_or(|least| least <= measured)
                && self.claim.at_most.is_none_or(|most| measured <= most)
        })
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Claim { row, metric, at_least, at_most } = &self.claim;
        let word = if self.holds() { "held  " } else { "MISSED" };
        write!(f, "{word} {row} {metric}")?;
        if let Some(least) = at_least {
            write!(f, " at least {least}")?;
        }
        if let Some(most) = at_most {
            write!(f, " at most {most}")?;
        }
        match self.measured {
            Some(measured) => write!(f, ": {measured:.4}"),
            None => write!(f, ": not measured"),
        }
    }
}

/// Compares the claims of `expectations` with the report of a run.
pub(crate) fn compare(expectations: &Path, report: &Path) -> Result<Vec<Verdict>> {
    let read = |path: &Path| {
        fs::read_to_string(path).with_context(|| format!("failed to read {}", path.display()))
    };
    let claims = parse(&read(expectations)?)
        .with_context(|| format!("failed to use {}", expectations.display()))?;
    let report: Value = serde_json::from_str(&read(report)?)
        .with_context(|| format!("failed to parse {}", report.display()))?;
    Ok(claims.into_iter().map(|claim| judge(claim, &report)).collect())
}

fn parse(text: &str) -> Result<Vec<Claim>> {
    let Expectations { claim: claims } = toml::from_str(text)?;
    for Claim { row, metric, at_least, at_most } in &claims {
        let bounded = at_least.is_some() || at_most.is_some();
        ensure!(bounded, "claim on {row} {metric} has neither `at-least` nor `at-most`");
    }
    Ok(claims)
}

fn judge(claim: Claim, report: &Value) -> Verdict {
    let mut rows = report["rows"].as_array().into_iter().flatten();
    let measured = rows
        .find(|row| row["method"] == claim.row.as_str())
        .map(|row| &row[claim.metric.as_str()])
        // A figure with an interval is an object, one without a number.
        .and_then(|figure| figure.as_f64().or_else(|| figure["value"].as_f64()));
    Verdict { claim, measured }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    const REPORT: &str = r#"{"rows": [
        {"method": "lid", "tau": {"value": 0.55, "low": 0.5, "high": 0.6}, "regret": 1.5},
        {"method": "random", "tau": null}
    ]}"#;

    #[track_caller]
    fn check(claim: &str, expect: Expect) {
        let got = match parse(&format!("[[claim]]\n{claim}")) {
            Ok(claims) => {
                judge(claims[0].clone(), &serde_json::from_str(REPORT).unwrap()).to_string()
            }
            Err(error) => format!("error: {}", error.to_string().lines().last().unwrap()),
        };
        expect.assert_eq(&got);
    }

    #[test]
    fn claims_hold_or_are_missed() {
        check(
            "row = \"lid\"\nmetric = \"tau\"\nat-least = 0.55",
            expect!["held   lid tau at least 0.55: 0.5500"],
        );
        check(
            "row = \"lid\"\nmetric = \"tau\"\nat-least = 0.6",
            expect!["MISSED lid tau at least 0.6: 0.5500"],
        );
        check(
            "row = \"lid\"\nmetric = \"regret\"\nat-most = 1",
            expect!["MISSED lid regret at most 1: 1.5000"],
        );
        check(
            "row = \"random\"\nmetric = \"tau\"\nat-least = 0",
            expect!["MISSED random tau at least 0: not measured"],
        );
        check(
            "row = \"absent\"\nmetric = \"tau\"\nat-least = 0",
            expect!["MISSED absent tau at least 0: not measured"],
        );
    }

    #[test]
    fn claims_without_bounds_or_with_typos_are_errors() {
        check(
            "row = \"lid\"\nmetric = \"tau\"",
            expect!["error: claim on lid tau has neither `at-least` nor `at-most`"],
        );
        check(
            "row = \"lid\"\nmetric = \"tau\"\nat-leats = 0",
            expect![
                "error: unknown field `at-leats`, expected one of `row`, `metric`, `at-least`, `at-most`"
            ],
        );
    }

    #[test]
    fn files_are_compared() {
        let folder = tempfile::tempdir().unwrap();
        let (expectations, report) = (folder.path().join("e.toml"), folder.path().join("r.json"));
        fs::write(&expectations, "[[claim]]\nrow = \"lid\"\nmetric = \"tau\"\nat-most = 1.0\n")
            .unwrap();
        assert!(format!("{:#}", compare(&expectations, &report).unwrap_err()).contains("r.json"));
        fs::write(&report, REPORT).unwrap();
        let verdicts = compare(&expectations, &report).unwrap();
        assert!(verdicts.iter().all(Verdict::holds));
    }
}
