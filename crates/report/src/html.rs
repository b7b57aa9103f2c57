//! The report as one page that needs no other file.

use crate::markdown::{HEADS, cells, subject};
use crate::{Estimate, Report};

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
         <style>{STYLE}</style>\n<h1>{title}</h1>\n<p>{subject}</p>\n\
         <div class=\"wide\"><table>\n{head}{rows}</table></div>\n{plot}<ul>{notes}</ul>\n{trees}\
         <p>Made by <code>{command}</code>.</p>\n</html>\n",
        title = escaped(&report.title),
        subject = escaped(&subject(report)).replace("**", ""),
        plot = plot(report),
        command = escaped(&report.command),
    )
}

/// τ of every method with its interval.
fn plot(report: &Report) -> String {
    let taus: Vec<(&str, Estimate)> =
        report.rows.iter().filter_map(|row| Some((row.method.as_str(), row.tau?))).collect();
    if taus.is_empty() {
        return String::new();
    }
    let (left, width, step) = (150.0, 500.0, 26.0);
    let x = |tau: f64| left + width * tau.clamp(0.0, 1.0);
    let height = step * (taus.len() as f64 + 1.5);
    let mut svg = format!(
        "<svg viewBox=\"0 0 720 {height}\" role=\"img\" aria-label=\"Kendall τ with intervals\">\n"
    );
    for tenth in (0..=10).step_by(2) {
        let tau = f64::from(tenth) / 10.0;
        let (x, bottom) = (x(tau), height - 1.2 * step);
        svg += &format!(
            "<line x1=\"{x}\" x2=\"{x}\" y1=\"0\" y2=\"{bottom}\" stroke-opacity=\".2\"/>\
             <text x=\"{x}\" y=\"{}\" text-anchor=\"middle\">{tau:.1}</text>\n",
            bottom + 16.0
        );
    }
    for (i, (method, tau)) in taus.iter().enumerate() {
        let y = step * (i as f64 + 0.6);
        svg += &format!(
            "<text x=\"0\" y=\"{}\">{}</text><line x1=\"{}\" x2=\"{}\" y1=\"{y}\" y2=\"{y}\" \
             stroke-width=\"2\"/><circle cx=\"{}\" cy=\"{y}\" r=\"5\" fill=\"currentColor\"/>\n",
            y + 4.0,
            escaped(method),
            x(tau.low),
            x(tau.high),
            x(tau.value)
        );
    }
    svg + "</svg>\n"
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
