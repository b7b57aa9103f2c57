//! The tables of a report, as cells that people read.

use crate::{Estimate, Report, Row, SeedReport, SeedRow, Separation};

/// What stands where nothing was measured.
const NOTHING: &str = "–";

/// Bytes in a MiB.
const MEBIBYTE: f64 = 1_048_576.0;

/// Heads and cells, whatever they are written as.
pub(crate) struct Table {
    /// What stands above it; the main table needs none.
    pub(crate) caption: &'static str,
    pub(crate) heads: Vec<String>,
    pub(crate) rows: Vec<Vec<String>>,
}

impl Table {
    /// One row a method.
    pub(crate) fn methods(report: &Report) -> Self {
        let heads = heads(&[
            "method",
            "epochs",
            "τ",
            "τ as measured",
            "τ by loss",
            "τ with live parameters",
            "ρ",
            "P@5 %",
            "P@10 %",
            "true accuracy of the chosen",
            "best of ten",
            "split, s",
            "split, MiB",
        ]);
        Self { caption: "", heads, rows: report.rows.iter().map(method).collect() }
    }

    /// One row a method, means over seeds.
    pub(crate) fn seeds(report: &SeedReport) -> Self {
        let above = format!("τ above {}", report.baseline);
        let heads = heads(&[
            "method",
            "τ",
            "τ as measured",
            &above,
            "τ by loss",
            "τ with live parameters",
            "ρ",
            "P@5 %",
            "P@10 %",
            "true accuracy of the chosen",
            "best of ten",
            "split, s",
            "split, MiB",
        ]);
        Self { caption: "", heads, rows: report.rows.iter().map(seed_method).collect() }
    }

    /// Everything else that has rows.
    pub(crate) fn others(report: &Report) -> Vec<Self> {
        let chosen = Self {
            caption: "What each method chose",
            heads: heads(&["method", "validation accuracy", "regret", "architecture"]),
            rows: report.rows.iter().filter_map(chosen).collect(),
        };
        let in_sample = Self {
            caption: "The best of the ranked architectures, and whether they were found",
            heads: heads(&[
                "method",
                "P@1 %",
                "P@5 %",
                "P@10 %",
                "regret among them",
                "best of their ten",
            ]),
            rows: report.rows.iter().filter_map(in_sample).collect(),
        };
        let separations = Self {
            caption: "How far the groups lie apart at the first split, means over the edges",
            heads: heads(&[
                "method",
                "form",
                "similarity: least",
                "median",
                "greatest",
                "silhouette",
                "distance within / between",
                "reliability",
                "batches left out",
            ]),
            rows: report.separations.iter().map(separation).collect(),
        };
        let tables = [chosen, in_sample, separations];
        tables.into_iter().filter(|table| !table.rows.is_empty()).collect()
    }
}

fn method(row: &Row) -> Vec<String> {
    vec![
        row.method.clone(),
        or_nothing(row.epochs, |epochs| epochs.to_string()),
        interval(row.tau),
        interval(row.tau_as_measured),
        interval(row.tau_by_loss),
        interval(row.tau_with_live_parameters),
        interval(row.spearman),
        share(row.precision_at_5),
        share(row.precision_at_10),
        percent(row.chosen_test),
        percent(row.best_of_ten),
        or_nothing(row.split_seconds, |seconds| format!("{seconds:.1}")),
        or_nothing(row.split_peak_bytes, |n| format!("{:.0}", n as f64 / MEBIBYTE)),
    ]
}

fn seed_method(row: &SeedRow) -> Vec<String> {
    vec![
        row.method.clone(),
        interval(row.tau),
        interval(row.tau_as_measured),
        interval(row.tau_above_baseline),
        interval(row.tau_by_loss),
        interval(row.tau_with_live_parameters),
        interval(row.spearman),
        share(row.precision_at_5),
        share(row.precision_at_10),
        percents(row.chosen_test),
        percents(row.best_of_ten),
        or_nothing(row.split_seconds, |of| format!("{:.1}", of.value)),
        or_nothing(row.split_peak_bytes, |of| format!("{:.0}", of.value / MEBIBYTE)),
    ]
}

fn heads(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

fn chosen(row: &Row) -> Option<Vec<String>> {
    let arch = row.chosen.clone()?;
    Some(vec![row.method.clone(), percent(row.chosen_valid), percent(row.regret), arch])
}

fn in_sample(row: &Row) -> Option<Vec<String>> {
    row.precision_at_1?;
    Some(vec![
        row.method.clone(),
        interval(row.precision_at_1),
        interval(row.precision_at_5),
        interval(row.precision_at_10),
        percents(row.regret_in_sample),
        percents(row.best_of_ten_in_sample),
    ])
}

fn separation(separation: &Separation) -> Vec<String> {
    let figure = |value: Option<f64>| or_nothing(value, |value| bare(value, 3));
    let [least, median, greatest] = separation.similarity.map(|value| bare(value, 3));
    vec![
        separation.method.clone(),
        separation.form.clone(),
        least,
        median,
        greatest,
        figure(separation.silhouette),
        figure(separation.separability),
        figure(separation.reliability),
        format!("{} of {}", separation.skipped, separation.batches),
    ]
}

fn interval(figure: Option<Estimate>) -> String {
    or_nothing(figure, with_interval)
}

fn share(figure: Option<Estimate>) -> String {
    or_nothing(figure, |share| format!("{:.2}", share.value))
}

fn percent(fraction: Option<f64>) -> String {
    or_nothing(fraction, |fraction| format!("{:.2}", 100.0 * fraction))
}

/// `93.48 [90.75, 96.21]`.
fn percents(fraction: Option<Estimate>) -> String {
    or_nothing(fraction, |Estimate { value, low, high }| {
        let [value, low, high] = [value, low, high].map(|fraction| 100.0 * fraction);
        format!("{value:.2} [{low:.2}, {high:.2}]")
    })
}

fn or_nothing<T>(value: Option<T>, text: impl Fn(T) -> String) -> String {
    value.map_or_else(|| NOTHING.to_owned(), text)
}

/// `.603 [.55, .65]`.
fn with_interval(Estimate { value, low, high }: Estimate) -> String {
    format!("{} [{}, {}]", bare(value, 3), bare(low, 2), bare(high, 2))
}

/// A figure without the zero before its point, and without the sign of a zero.
fn bare(value: f64, n_digits: usize) -> String {
    let text = format!("{value:.n_digits$}");
    let (sign, digits) = text.strip_prefix('-').map_or(("", text.as_str()), |rest| ("-", rest));
    let sign = if digits.contains(|digit| matches!(digit, '1'..='9')) { sign } else { "" };
    match digits.strip_prefix("0.") {
        Some(fraction) => format!("{sign}.{fraction}"),
        None => format!("{sign}{digits}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(value: f64, low: f64, high: f64, expected: &str) {
        assert_eq!(with_interval(Estimate { value, low, high }), expected);
    }

    #[test]
    fn figures_lose_the_zero_before_the_point_only() {
        check(0.6034, 0.551, 0.649, ".603 [.55, .65]");
        check(-0.25, -0.304, 0.0, "-.250 [-.30, .00]");
        check(-0.0001, -0.001, 1.0, ".000 [.00, 1.00]");
        check(10.5, -10.25, 20.0, "10.500 [-10.25, 20.00]");
    }
}
