//! One table of several runs that differ in their seed alone.

use rank::mean_and_interval;
use serde::Serialize;

use crate::table::Table;
use crate::{Estimate, Report, ReportError, Row, markdown};

/// Means over seeds, each with its interval of 95 % by Student's t.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct SeedReport {
    /// The heading.
    pub title: String,
    /// The images.
    pub dataset: String,
    /// What ranks are measured against.
    pub truth: Option<String>,
    /// Number of runs.
    pub n_seeds: usize,
    /// The method that the others are compared with.
    pub baseline: String,
    /// One row a method.
    pub rows: Vec<SeedRow>,
}

/// One method over all seeds; what was not measured in every run is missing.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct SeedRow {
    /// Its name.
    pub method: String,
    /// Kendall's τ-b of scores by validation accuracy.
    pub tau: Option<Estimate>,
    /// The same of scores as they were measured, where those are shifted to compare leaves.
    pub tau_as_measured: Option<Estimate>,
    /// By how much τ exceeds the baseline's in the same run.
    pub tau_above_baseline: Option<Estimate>,
    /// Kendall's τ-b of scores by validation loss.
    pub tau_by_loss: Option<Estimate>,
    /// Kendall's τ-b of the mean of two ranks: by validation accuracy and by live parameters.
    pub tau_with_live_parameters: Option<Estimate>,
    /// Spearman's ρ.
    pub spearman: Option<Estimate>,
    /// Precision at the top 5 %.
    pub precision_at_5: Option<Estimate>,
    /// Precision at the top 10 %.
    pub precision_at_10: Option<Estimate>,
    /// True test accuracy of what the search chose, a fraction.
    pub chosen_test: Option<Estimate>,
    /// The best true test accuracy of the ten first choices, a fraction.
    pub best_of_ten: Option<Estimate>,
    /// Time of the split decisions.
    pub split_seconds: Option<Estimate>,
    /// Peak memory above rest of a split decision, in bytes.
    pub split_peak_bytes: Option<Estimate>,
}

/// Puts runs together; `baseline` names the method that the others are compared with.
///
/// # Errors
///
/// [`ReportError::TooFewRuns`] below two, [`ReportError::Unlike`] if they have not the same images,
/// truth and methods, [`ReportError::NoBaseline`].
pub fn over_seeds(runs: &[Report], baseline: &str) -> Result<SeedReport, ReportError> {
    let [first, others @ ..] = runs else { return Err(ReportError::TooFewRuns { n: 0 }) };
    if others.is_empty() {
        return Err(ReportError::TooFewRuns { n: 1 });
    }
    let methods = |run: &Report| run.rows.iter().map(|row| row.method.clone()).collect::<Vec<_>>();
    for (number, run) in (1..).zip(others) {
        let parts = [
            ("images", first.dataset == run.dataset),
            ("truth", first.truth == run.truth),
            ("methods", methods(first) == methods(run)),
        ];
        if let Some((what, _)) = parts.into_iter().find(|(_, is_same)| !is_same) {
            return Err(ReportError::Unlike { run: number, what });
        }
    }
    let base = methods(first).iter().position(|method| method == baseline);
    let base = base.ok_or_else(|| ReportError::NoBaseline { baseline: baseline.to_owned() })?;
    let rows =
        (0..first.rows.len()).map(|at| seed_row(runs, at, base)).collect::<Result<_, _>>()?;
    Ok(SeedReport {
        title: first.title.clone(),
        dataset: first.dataset.clone(),
        truth: first.truth.clone(),
        n_seeds: runs.len(),
        baseline: baseline.to_owned(),
        rows,
    })
}

/// The method in row `at` of every run, compared with that in row `base`.
fn seed_row(runs: &[Report], at: usize, base: usize) -> Result<SeedRow, ReportError> {
    let mean = |figure: &dyn Fn(&Report) -> Option<f64>| -> Result<_, ReportError> {
        let figures: Option<Vec<f64>> = runs.iter().map(figure).collect();
        let Some(figures) = figures else { return Ok(None) };
        let (value, interval) = mean_and_interval(&figures)?;
        Ok(Some(Estimate { value, low: interval.low, high: interval.high }))
    };
    let of = |figure: fn(&Row) -> Option<f64>| mean(&move |run| figure(&run.rows[at]));
    let tau = |row: &Row| row.tau.map(|tau| tau.value);
    let above = |run: &Report| Some(tau(&run.rows[at])? - tau(&run.rows[base])?);
    Ok(SeedRow {
        method: runs[0].rows[at].method.clone(),
        tau: of(tau)?,
        tau_as_measured: of(|row| row.tau_as_measured.map(|tau| tau.value))?,
        tau_above_baseline: if at == base { None } else { mean(&above)? },
        tau_by_loss: of(|row| row.tau_by_loss.map(|tau| tau.value))?,
        tau_with_live_parameters: of(|row| row.tau_with_live_parameters.map(|tau| tau.value))?,
        spearman: of(|row| row.spearman.map(|rho| rho.value))?,
        precision_at_5: of(|row| row.precision_at_5.map(|p| p.value))?,
        precision_at_10: of(|row| row.precision_at_10.map(|p| p.value))?,
        chosen_test: of(|row| row.chosen_test)?,
        best_of_ten: of(|row| row.best_of_ten)?,
        split_seconds: of(|row| row.split_seconds)?,
        split_peak_bytes: of(|row| row.split_peak_bytes.map(|bytes| bytes as f64))?,
    })
}

impl SeedReport {
    /// A table and a note as Markdown.
    pub fn to_markdown(&self) -> String {
        let note = format!(
            "Means over {} seeds with intervals of 95 % by Student's t; \"τ above {}\" compares within \
             the same run.",
            self.n_seeds, self.baseline
        );
        markdown::seeds(self, &Table::seeds(self), &note)
    }

    /// Everything, for programs.
    pub fn to_json(&self) -> String {
        let text = serde_json::to_string_pretty(self).expect("all keys are strings");
        text + "\n"
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    fn run(live: f64, lid: f64) -> Report {
        let row = |method: &str, tau: f64| Row {
            method: method.into(),
            tau: Some(Estimate { value: tau, low: 0.0, high: 1.0 }),
            ..Row::default()
        };
        let mut rows = vec![row("live parameters", live), row("lid", lid)];
        rows[1].chosen_test = Some(0.93);
        (rows[1].split_seconds, rows[1].split_peak_bytes) = (Some(17.0), Some(8 << 20));
        Report {
            title: "NAS-LID".into(),
            dataset: "digits".into(),
            truth: Some("cifar10".into()),
            rows,
            ..Report::default()
        }
    }

    #[test]
    fn means_and_paired_differences_have_intervals() {
        let runs = [run(0.65, 0.70), run(0.64, 0.66)];
        let report = over_seeds(&runs, "live parameters").unwrap();
        // Half the range of two values is s ∕ √2 · √2 ∕ 2; t is 12.706.
        expect![[r#"
            # NAS-LID

            Data set **digits** · ranks against cifar10 · 2 seeds

            | method | τ | τ as measured | τ above live parameters | τ by loss | τ with live parameters | ρ | P@5 % | P@10 % | true accuracy of the chosen | best of ten | split, s | split, MiB |
            | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |
            | live parameters | .645 [.58, .71] | – | – | – | – | – | – | – | – | – | – | – |
            | lid | .680 [.43, .93] | – | .035 [-.16, .23] | – | – | – | – | – | 93.00 [93.00, 93.00] | – | 17.0 | 8 |

            * Means over 2 seeds with intervals of 95 % by Student's t; "τ above live parameters" compares within the same run.
        "#]]
        .assert_eq(&report.to_markdown());
        let json: serde_json::Value = serde_json::from_str(&report.to_json()).unwrap();
        assert_eq!(json["n-seeds"], 2);
        assert!((json["rows"][1]["tau"]["value"].as_f64().unwrap() - 0.68).abs() < 1e-12);
    }

    #[test]
    fn figures_that_one_run_lacks_are_missing() {
        let mut runs = [run(0.65, 0.70), run(0.64, 0.66)];
        runs[1].rows[1].tau = None;
        let report = over_seeds(&runs, "live parameters").unwrap();
        assert_eq!((report.rows[1].tau, report.rows[1].tau_above_baseline), (None, None));
        assert!(report.rows[0].tau.is_some());
    }

    #[test]
    fn runs_that_differ_in_more_than_their_seed_are_refused() {
        let message =
            |runs: &[Report], baseline| over_seeds(runs, baseline).unwrap_err().to_string();
        let mut runs = [run(0.65, 0.70), run(0.64, 0.66)];
        assert_eq!(message(&[], "lid"), "0 runs give no mean over seeds: two are needed");
        assert_eq!(message(&runs[..1], "lid"), "1 runs give no mean over seeds: two are needed");
        assert_eq!(message(&runs, "random"), "no row is called random");
        runs[1].rows.pop();
        assert_eq!(message(&runs, "lid"), "run 1 has other methods than the first");
        runs[1].dataset = "cifar10".into();
        assert_eq!(message(&runs, "lid"), "run 1 has other images than the first");
    }
}
