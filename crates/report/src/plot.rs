//! τ of every method with its interval, as a drawing inside a page.

use crate::html::escaped;
use crate::{Estimate, Report};

/// Width of the axis, in the units of the drawing, as are all lengths here.
const WIDTH: f64 = 500.0;
/// Height of a line of the drawing.
const STEP: f64 = 26.0;
/// Room for a letter of a method's name, ample at 13 px.
const LETTER: f64 = 8.0;
/// Room right of the axis for half of the last label.
const MARGIN: f64 = 20.0;
/// From one label of the axis to the next.
const TICK: f64 = 0.2;

/// The drawing; empty where no method has a τ.
pub(crate) fn plot(report: &Report) -> String {
    let taus: Vec<(&str, Estimate)> =
        report.rows.iter().filter_map(|row| Some((row.method.as_str(), row.tau?))).collect();
    if taus.is_empty() {
        return String::new();
    }
    let axis = Axis::of(&taus);
    let height = STEP * (taus.len() as f64 + 1.5);
    let mut svg = format!(
        "<svg viewBox=\"0 0 {} {height}\" role=\"img\" \
         aria-label=\"Kendall τ with intervals\">\n",
        axis.left + WIDTH + MARGIN
    );
    svg += &axis.ticks(height - 1.2 * STEP);
    for (i, (method, tau)) in taus.iter().enumerate() {
        let y = STEP * (i as f64 + 0.6);
        svg += &format!(
            "<text x=\"0\" y=\"{}\">{}</text><line x1=\"{}\" x2=\"{}\" y1=\"{y}\" y2=\"{y}\" \
             stroke-width=\"2\"/><circle cx=\"{}\" cy=\"{y}\" r=\"5\" fill=\"currentColor\"/>\n",
            y + 4.0,
            escaped(method),
            axis.x(tau.low),
            axis.x(tau.high),
            axis.x(tau.value)
        );
    }
    svg + "</svg>\n"
}

/// The axis of τ, from the tick at or below the least interval, 0 at most, to 1.
struct Axis {
    /// Where it starts, right of the longest name.
    left: f64,
    /// Ticks below zero.
    n_negative: i32,
}

impl Axis {
    fn of(taus: &[(&str, Estimate)]) -> Self {
        let longest = taus.iter().map(|(method, _)| method.chars().count()).max();
        let least = taus.iter().map(|(_, tau)| tau.low.min(tau.value)).fold(0.0, f64::min);
        // τ is never below −1: at most five ticks.
        let n_negative = (-least / TICK).ceil().min(5.0) as i32;
        Self { left: LETTER * (longest.unwrap_or_default() + 2) as f64, n_negative }
    }

    fn x(&self, tau: f64) -> f64 {
        let least = -TICK * f64::from(self.n_negative);
        // A tenth of a unit is finer than any screen.
        (10.0 * (self.left + WIDTH * (tau - least) / (1.0 - least))).round() / 10.0
    }

    fn ticks(&self, bottom: f64) -> String {
        let tick = |i: i32| {
            let tau = TICK * f64::from(i);
            let (x, y) = (self.x(tau), bottom + 16.0);
            format!(
                "<line x1=\"{x}\" x2=\"{x}\" y1=\"0\" y2=\"{bottom}\" stroke-opacity=\".2\"/>\
                 <text x=\"{x}\" y=\"{y}\" text-anchor=\"middle\">{tau:.1}</text>\n"
            )
        };
        (-self.n_negative..=5).map(tick).collect()
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;
    use crate::Row;

    #[track_caller]
    fn check(taus: &[(&str, f64, f64, f64)], expected: Expect) {
        let row = |&(method, low, value, high): &(&str, f64, f64, f64)| Row {
            method: method.to_owned(),
            tau: Some(Estimate { value, low, high }),
            ..Row::default()
        };
        let rows = taus.iter().map(row).collect();
        expected.assert_eq(&plot(&Report { rows, ..Report::default() }));
    }

    #[test]
    fn no_figures_need_no_drawing() {
        check(&[], expect![""]);
    }

    #[test]
    fn a_negative_figure_is_drawn_where_it_is() {
        check(
            &[("<a>", 0.4, 0.5, 0.6), ("random", -0.3, -0.2, 0.1)],
            expect![[r#"
            <svg viewBox="0 0 584 91" role="img" aria-label="Kendall τ with intervals">
            <line x1="64" x2="64" y1="0" y2="59.8" stroke-opacity=".2"/><text x="64" y="75.8" text-anchor="middle">-0.4</text>
            <line x1="135.4" x2="135.4" y1="0" y2="59.8" stroke-opacity=".2"/><text x="135.4" y="75.8" text-anchor="middle">-0.2</text>
            <line x1="206.9" x2="206.9" y1="0" y2="59.8" stroke-opacity=".2"/><text x="206.9" y="75.8" text-anchor="middle">0.0</text>
            <line x1="278.3" x2="278.3" y1="0" y2="59.8" stroke-opacity=".2"/><text x="278.3" y="75.8" text-anchor="middle">0.2</text>
            <line x1="349.7" x2="349.7" y1="0" y2="59.8" stroke-opacity=".2"/><text x="349.7" y="75.8" text-anchor="middle">0.4</text>
            <line x1="421.1" x2="421.1" y1="0" y2="59.8" stroke-opacity=".2"/><text x="421.1" y="75.8" text-anchor="middle">0.6</text>
            <line x1="492.6" x2="492.6" y1="0" y2="59.8" stroke-opacity=".2"/><text x="492.6" y="75.8" text-anchor="middle">0.8</text>
            <line x1="564" x2="564" y1="0" y2="59.8" stroke-opacity=".2"/><text x="564" y="75.8" text-anchor="middle">1.0</text>
            <text x="0" y="19.6">&lt;a&gt;</text><line x1="349.7" x2="421.1" y1="15.6" y2="15.6" stroke-width="2"/><circle cx="385.4" cy="15.6" r="5" fill="currentColor"/>
            <text x="0" y="45.6">random</text><line x1="99.7" x2="242.6" y1="41.6" y2="41.6" stroke-width="2"/><circle cx="135.4" cy="41.6" r="5" fill="currentColor"/>
            </svg>
        "#]],
        );
    }
}
