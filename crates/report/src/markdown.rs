//! The report as Markdown.

use crate::{Estimate, Report, Row};

/// What stands where nothing was measured.
const NOTHING: &str = "–";

/// The heads of the columns.
pub(crate) const HEADS: [&str; 11] = [
    "method",
    "epochs",
    "τ",
    "τ by loss",
    "ρ",
    "P@5 %",
    "P@10 %",
    "true accuracy of the chosen",
    "best of ten",
    "split, s",
    "split, MiB",
];

/// The cells of a row, as people read them.
pub(crate) fn cells(row: &Row) -> [String; HEADS.len()] {
    let percent = |fraction: Option<f64>| or_nothing(fraction, |f| format!("{:.2}", 100.0 * f));
    [
        row.method.clone(),
        or_nothing(row.epochs, |epochs| epochs.to_string()),
        or_nothing(row.tau, with_interval),
        or_nothing(row.tau_by_loss, with_interval),
        or_nothing(row.spearman, with_interval),
        or_nothing(row.precision_at_5, |p| format!("{:.2}", p.value)),
        or_nothing(row.precision_at_10, |p| format!("{:.2}", p.value)),
        percent(row.chosen_test),
        percent(row.best_of_ten),
        or_nothing(row.split_seconds, |seconds| format!("{seconds:.1}")),
        or_nothing(row.split_peak_bytes, |n| format!("{:.0}", n as f64 / f64::from(1 << 20))),
    ]
}

fn or_nothing<T>(value: Option<T>, text: impl Fn(T) -> String) -> String {
    value.map_or_else(|| NOTHING.to_owned(), text)
}

/// `.603 [.55, .65]`.
fn with_interval(estimate: Estimate) -> String {
    let bare = |value: f64, digits: usize| format!("{value:.digits$}").replacen("0.", ".", 1);
    let Estimate { value, low, high } = estimate;
    format!("{} [{}, {}]", bare(value, 3), bare(low, 2), bare(high, 2))
}

/// One line that says what was measured on what.
pub(crate) fn subject(report: &Report) -> String {
    let truth = match &report.truth {
        Some(truth) => format!("ranks against {truth}"),
        None => "ranks skipped: no table of true accuracies".to_owned(),
    };
    format!(
        "Data set **{}** · {} architectures · {truth} · run `{}` on {}",
        report.dataset, report.n_archs, report.profile, report.device
    )
}

pub(crate) fn markdown(report: &Report) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let mut text = format!("# {}\n\n{}\n\n", report.title, subject(report));
    text += &line(&HEADS.map(str::to_owned));
    text += &line(&HEADS.map(|_| "---".to_owned()));
    for row in &report.rows {
        text += &line(&cells(row));
    }
    text.push('\n');
    for note in &report.notes {
        text += &format!("* {note}\n");
    }
    for (method, tree) in &report.trees {
        text += &format!("\nSplit tree, {method}:\n\n```text\n{}```\n", ended(tree));
    }
    text += &format!("\nMade by `{}`.\n", report.command);
    text
}

fn ended(tree: &str) -> String {
    if tree.ends_with('\n') { tree.to_owned() } else { format!("{tree}\n") }
}
