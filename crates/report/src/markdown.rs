//! The report as Markdown.

use crate::{Estimate, Report, Row};

/// What stands where nothing was measured.
const NOTHING: &str = "–";

/// Bytes in a MiB.
const MEBIBYTE: f64 = 1_048_576.0;

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
        or_nothing(row.split_peak_bytes, |n| format!("{:.0}", n as f64 / MEBIBYTE)),
    ]
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

/// What ranks are measured against.
pub(crate) fn yardstick(report: &Report) -> String {
    match &report.truth {
        Some(truth) => format!("ranks against {truth}"),
        None => "ranks skipped: no table of true accuracies".to_owned(),
    }
}

pub(crate) fn markdown(report: &Report) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let mut text = format!(
        "# {}\n\nData set **{}** · {} architectures · {} · run {} on {}\n\n",
        plain(&report.title),
        plain(&report.dataset),
        report.n_archs,
        plain(&yardstick(report)),
        code(&report.profile),
        plain(&report.device)
    );
    text += &line(&HEADS.map(str::to_owned));
    text += &line(&HEADS.map(|_| "---".to_owned()));
    for row in &report.rows {
        text += &line(&cells(row).map(|cell| plain(&cell)));
    }
    text.push('\n');
    for note in &report.notes {
        text += &format!("* {}\n", plain(note));
    }
    for (method, tree) in &report.trees {
        let (method, fence, end) = (plain(method), fence(tree, 3), line_end(tree));
        text += &format!("\nSplit tree, {method}:\n\n{fence}text\n{tree}{end}{fence}\n");
    }
    text += &format!("\nMade by {}.\n", code(&report.command));
    text
}

/// A text on one line, without what would start a cell or a tag.
fn plain(text: &str) -> String {
    text.replace('\n', " ").replace('|', "\\|").replace('<', "\\<")
}

/// A text on one line as code.
fn code(text: &str) -> String {
    let fence = fence(text, 1);
    let gap = if text.contains('`') { " " } else { "" };
    format!("{fence}{gap}{}{gap}{fence}", text.replace('\n', " "))
}

/// As many backticks as asked for, or more than stand in a row in the text.
fn fence(text: &str, least: usize) -> String {
    let longest = text.split(|letter| letter != '`').map(str::len).max().unwrap_or_default();
    "`".repeat(least.max(longest + 1))
}

/// What a text lacks to end its line.
fn line_end(text: &str) -> &'static str {
    if text.is_empty() || text.ends_with('\n') { "" } else { "\n" }
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
