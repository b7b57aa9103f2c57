//! The report as one page that needs no other file.

use crate::Report;
use crate::markdown::yardstick;
use crate::plot::plot;
use crate::table::Table;

const STYLE: &str = "
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 72rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .7rem; text-align: right; border-bottom: 1px solid #8886; }
th:first-child, td:first-child { text-align: left; }
.wide { overflow-x: auto; }
pre { padding: 1rem; background: #8882; overflow-x: auto; }
svg { display: block; margin: 1.5rem 0; max-width: 100%; }
svg text { fill: currentColor; font-size: 13px; }
svg line { stroke: currentColor; }
";

pub(crate) fn html(report: &Report) -> String {
    let notes: String = report.notes.iter().map(|note| cell("li", note)).collect();
    let others: String = Table::others(report)
        .iter()
        .map(|other| format!("<h2>{}</h2>\n{}", other.caption, table(other)))
        .collect();
    let tree = |(method, tree): &(String, String)| {
        format!("<h2>Split tree, {}</h2>\n<pre>{}</pre>\n", escaped(method), escaped(tree))
    };
    let trees: String = report.trees.iter().map(tree).collect();
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>{title}</title>\n\
         <style>{STYLE}</style>\n<h1>{title}</h1>\n\
         <p>Data set <b>{dataset}</b> · {n_archs} architectures · {yardstick} · \
         run <code>{run}</code> on {device}</p>\n\
         {methods}{plot}<ul>{notes}</ul>\n{others}{trees}\
         <p>Made by <code>{command}</code>.</p>\n</html>\n",
        title = escaped(&report.title),
        dataset = escaped(&report.dataset),
        n_archs = report.n_archs,
        yardstick = escaped(&yardstick(report.truth.as_deref())),
        run = escaped(&report.run),
        device = escaped(&report.device),
        methods = table(&Table::methods(report)),
        plot = plot(report),
        command = escaped(&report.command),
    )
}

fn table(table: &Table) -> String {
    let line = |cells: String| format!("<tr>{cells}</tr>\n");
    let heads = line(table.heads.iter().map(|head| cell("th", head)).collect());
    let row = |row: &Vec<String>| line(row.iter().map(|text| cell("td", text)).collect());
    let rows: String = table.rows.iter().map(row).collect();
    format!("<div class=\"wide\"><table>\n{heads}{rows}</table></div>\n")
}

fn cell(tag: &str, text: &str) -> String {
    format!("<{tag}>{}</{tag}>", escaped(text))
}

/// A text that cannot be taken for markup.
pub(crate) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
