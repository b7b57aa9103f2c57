//! The report as Markdown.

use crate::table::Table;
use crate::{Report, SeedReport};

/// What ranks are measured against.
pub(crate) fn yardstick(truth: Option<&str>) -> String {
    match truth {
        Some(truth) => format!("ranks against {truth}"),
        None => "ranks skipped: no table of true accuracies".to_owned(),
    }
}

pub(crate) fn markdown(report: &Report) -> String {
    let mut text = format!(
        "# {}\n\nData set **{}** · {} architectures · {} · run {} on {}\n\n",
        plain(&report.title),
        plain(&report.dataset),
        report.n_archs,
        plain(&yardstick(report.truth.as_deref())),
        code(&report.run),
        plain(&report.device)
    );
    text += &table(&Table::methods(report));
    text.push('\n');
    for note in &report.notes {
        text += &format!("* {}\n", plain(note));
    }
    for other in Table::others(report) {
        text += &format!("\n{}:\n\n{}", other.caption, table(&other));
    }
    for (method, tree) in &report.trees {
        let (method, fence, end) = (plain(method), fence(tree, 3), line_end(tree));
        text += &format!("\nSplit tree, {method}:\n\n{fence}text\n{tree}{end}{fence}\n");
    }
    text += &format!("\nMade by {}.\n", code(&report.command));
    text
}

/// The same for several runs.
pub(crate) fn seeds(report: &SeedReport, means: &Table, note: &str) -> String {
    format!(
        "# {}\n\nData set **{}** · {} · {} seeds\n\n{}\n* {}\n",
        plain(&report.title),
        plain(&report.dataset),
        plain(&yardstick(report.truth.as_deref())),
        report.n_seeds,
        table(means),
        plain(note)
    )
}

fn table(table: &Table) -> String {
    let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    let heads = table.heads.iter().map(|head| plain(head)).collect();
    let mut text = line(heads) + &line(vec!["---".to_owned(); table.heads.len()]);
    for row in &table.rows {
        text += &line(row.iter().map(|cell| plain(cell)).collect());
    }
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
