//! The report as one page that needs no other file.

use crate::Report;
use crate::markdown::{HEADS, cells, yardstick};
use crate::plot::plot;

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
    let cell = |tag: &str, text: &str| format!("<{tag}>{}</{tag}>", escaped(text));
    let line = |tag: &str, cells: &[String]| {
        let cells: String = cells.iter().map(|text| cell(tag, text)).collect();
        format!("<tr>{cells}</tr>\n")
    };
    let head = line("th", &HEADS.map(str::to_owned));
    let rows: String = report.rows.iter().map(|row| line("td", &cells(row))).collect();
    let notes: String = report.notes.iter().map(|note| cell("li", note)).collect();
    let tree = |(method, tree): &(String, String)| {
        format!("<h2>Split tree, {}</h2>\n<pre>{}</pre>\n", escaped(method), escaped(tree))
    };
    let trees: String = report.trees.iter().map(tree).collect();
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>{title}</title>\n\
         <style>{STYLE}</style>\n<h1>{title}</h1>\n\
         <p>Data set <b>{dataset}</b> · {n_archs} architectures · {yardstick} · \
         run <code>{profile}</code> on {device}</p>\n\
         <div class=\"wide\"><table>\n{head}{rows}</table></div>\n{plot}<ul>{notes}</ul>\n{trees}\
         <p>Made by <code>{command}</code>.</p>\n</html>\n",
        title = escaped(&report.title),
        dataset = escaped(&report.dataset),
        n_archs = report.n_archs,
        yardstick = escaped(&yardstick(report)),
        profile = escaped(&report.profile),
        device = escaped(&report.device),
        plot = plot(report),
        command = escaped(&report.command),
    )
}

/// A text that cannot be taken for markup.
pub(crate) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
