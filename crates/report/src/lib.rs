//! From the figures of a run to tables and one self-contained page.
//!
//! *Floor 5. May be used by the program; knows no tensor library and no files.*
//!
//! ```
//! use report::{Report, Row};
//!
//! let row = Row { method: "lid".into(), chosen_test: Some(0.9376), ..Row::default() };
//! let report = Report { title: "A run".into(), rows: vec![row], ..Report::default() };
//! assert!(report.to_markdown().contains("| lid |"));
//! assert_eq!(Report::read_json(&report.to_json())?, report);
//! # Ok::<(), report::ReportError>(())
//! ```

mod error;
mod html;
mod markdown;
mod measured;
mod plot;
mod seeds;
mod table;

use serde::{Deserialize, Serialize};

pub use error::ReportError;
pub use measured::{Estimate, Measured, TEN, measure};
pub use seeds::{SeedReport, SeedRow, over_seeds};

/// What a run has found, and how it was made.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Report {
    /// The heading.
    pub title: String,
    /// The images.
    pub dataset: String,
    /// What ranks are measured against; none: no ranks.
    pub truth: Option<String>,
    /// Architectures in the ranking sample.
    pub n_archs: usize,
    /// The name of the run.
    #[serde(alias = "profile")]
    pub run: String,
    /// The command that made it.
    pub command: String,
    /// The device it ran on.
    pub device: String,
    /// One row a method.
    pub rows: Vec<Row>,
    /// How far apart the groups of the first split lie, by method and form.
    pub separations: Vec<Separation>,
    /// The split tree of each method as indented text.
    pub trees: Vec<(String, String)>,
    /// What a reader must know.
    pub notes: Vec<String>,
}

/// One method; what was not measured is missing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Row {
    /// Its name.
    pub method: String,
    /// Epochs trained in all.
    pub epochs: Option<u64>,
    /// Kendall's τ-b of scores by validation accuracy.
    pub tau: Option<Estimate>,
    /// The same of scores as they were measured, where those are shifted to compare leaves.
    pub tau_as_measured: Option<Estimate>,
    /// Kendall's τ-b of scores by validation loss.
    pub tau_by_loss: Option<Estimate>,
    /// Kendall's τ-b of the mean of two ranks: by validation accuracy and by live parameters.
    pub tau_with_live_parameters: Option<Estimate>,
    /// Spearman's ρ.
    pub spearman: Option<Estimate>,
    /// Precision at the top 1 %.
    pub precision_at_1: Option<Estimate>,
    /// Precision at the top 5 %.
    pub precision_at_5: Option<Estimate>,
    /// Precision at the top 10 %.
    pub precision_at_10: Option<Estimate>,
    /// The best true accuracy of the sample less that of its predicted best, a fraction.
    pub regret_in_sample: Option<Estimate>,
    /// The best true accuracy of the ten of the sample that are predicted best, a fraction.
    pub best_of_ten_in_sample: Option<Estimate>,
    /// The architecture that the search chose.
    pub chosen: Option<String>,
    /// Its validation accuracy with inherited weights, a fraction.
    pub chosen_valid: Option<f64>,
    /// Its true test accuracy, a fraction.
    pub chosen_test: Option<f64>,
    /// The best true accuracy that is known less that of the chosen, a fraction.
    pub regret: Option<f64>,
    /// The best true test accuracy of the ten first choices, a fraction.
    pub best_of_ten: Option<f64>,
    /// Time of the split decisions.
    pub split_seconds: Option<f64>,
    /// Peak memory above rest of a split decision.
    pub split_peak_bytes: Option<u64>,
}

/// How alike the operations of the edges are in one form of what a method measures, and how far
/// apart its groups lie; means over the edges that could be split.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Separation {
    /// The method.
    pub method: String,
    /// What was compared, and by which measure.
    pub form: String,
    /// Least, median and greatest similarity of two operations of an edge.
    pub similarity: [f64; 3],
    /// Silhouette of the best groups, in [−1, 1].
    pub silhouette: Option<f64>,
    /// Mean distance within the best groups over that between them.
    pub separability: Option<f64>,
    /// Correlation of the similarities of two halves of the batches.
    pub reliability: Option<f64>,
    /// Batches that could not be compared in this form, of the edges that could in some.
    pub skipped: usize,
    /// Batches of these edges together.
    pub batches: usize,
}

impl Report {
    /// A table, notes and trees as Markdown.
    pub fn to_markdown(&self) -> String {
        markdown::markdown(self)
    }

    /// A page for browsers that needs no other file.
    pub fn to_html(&self) -> String {
        html::html(self)
    }

    /// Everything, for programs.
    pub fn to_json(&self) -> String {
        let text = serde_json::to_string_pretty(self).expect("all keys are strings");
        text + "\n"
    }

    /// Reads what [`Report::to_json`] wrote.
    ///
    /// # Errors
    ///
    /// [`ReportError::Json`] if the text is no report.
    pub fn read_json(text: &str) -> Result<Self, ReportError> {
        Ok(serde_json::from_str(text)?)
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    fn sample() -> Report {
        let tau = Estimate { value: 0.6034, low: 0.551, high: 0.649 };
        let lid = Row {
            method: "lid".into(),
            epochs: Some(150),
            tau: Some(tau),
            tau_as_measured: Some(Estimate { value: 0.25, low: 0.2, high: 0.3 }),
            precision_at_1: Some(Estimate { value: 0.0, low: 0.0, high: 0.5 }),
            regret_in_sample: Some(Estimate { value: 0.005, low: 0.0, high: 0.0125 }),
            chosen: Some("|a~0|".into()),
            chosen_valid: Some(0.5),
            chosen_test: Some(0.93761),
            split_seconds: Some(2.13),
            split_peak_bytes: Some(8 << 20),
            ..Row::default()
        };
        Report {
            title: "NAS-LID on <nb201>".into(),
            dataset: "digits".into(),
            truth: Some("cifar10".into()),
            n_archs: 300,
            run: "cpu".into(),
            command: "nas-lid run x.toml".into(),
            device: "cpu".into(),
            rows: vec![Row { method: "parameters".into(), ..Row::default() }, lid],
            separations: vec![Separation {
                method: "lid".into(),
                form: "mean, cosine".into(),
                similarity: [0.99, 0.998, 1.0],
                silhouette: Some(0.25),
                separability: None,
                reliability: Some(-0.125),
                skipped: 2,
                batches: 60,
            }],
            trees: vec![("lid".into(), "0: split on edge 0→1\n".into())],
            notes: vec!["One seed.".into()],
        }
    }

    #[test]
    fn markdown_is_a_table_with_notes_and_trees() {
        expect![[r#"
            # NAS-LID on \<nb201>

            Data set **digits** · 300 architectures · ranks against cifar10 · run `cpu` on cpu

            | method | epochs | τ | τ as measured | τ by loss | τ with live parameters | ρ | P@5 % | P@10 % | true accuracy of the chosen | best of ten | split, s | split, MiB |
            | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |
            | parameters | – | – | – | – | – | – | – | – | – | – | – | – |
            | lid | 150 | .603 [.55, .65] | .250 [.20, .30] | – | – | – | – | – | 93.76 | – | 2.1 | 8 |

            * One seed.

            What each method chose:

            | method | validation accuracy | regret | architecture |
            | --- | --- | --- | --- |
            | lid | 50.00 | – | \|a~0\| |

            The best of the ranked architectures, and whether they were found:

            | method | P@1 % | P@5 % | P@10 % | regret among them | best of their ten |
            | --- | --- | --- | --- | --- | --- |
            | lid | .000 [.00, .50] | – | – | 0.50 [0.00, 1.25] | – |

            How far the groups lie apart at the first split, means over the edges:

            | method | form | similarity: least | median | greatest | silhouette | distance within / between | reliability | batches left out |
            | --- | --- | --- | --- | --- | --- | --- | --- | --- |
            | lid | mean, cosine | .990 | .998 | 1.000 | .250 | – | -.125 | 2 of 60 |

            Split tree, lid:

            ```text
            0: split on edge 0→1
            ```

            Made by `nas-lid run x.toml`.
        "#]]
        .assert_eq(&sample().to_markdown());
    }

    #[test]
    fn the_page_escapes_what_it_is_given() {
        let page = sample().to_html();
        assert!(page.contains("NAS-LID on &lt;nb201&gt;"));
        assert!(!page.contains("<nb201>"));
        assert!(page.contains("<circle"));
    }

    #[test]
    fn no_text_of_a_report_becomes_markup() {
        let evil = || "<x>&\"|\n```".to_owned();
        let tau = Some(Estimate { value: 0.5, low: 0.4, high: 0.6 });
        let report = Report {
            title: evil(),
            dataset: evil(),
            truth: Some(evil()),
            n_archs: 1,
            run: evil(),
            command: evil(),
            device: evil(),
            rows: vec![Row { method: evil(), tau, ..Row::default() }],
            separations: vec![Separation { method: evil(), form: evil(), ..Separation::default() }],
            trees: vec![(evil(), evil())],
            notes: vec![evil()],
        };
        let page = report.to_html();
        assert!(!page.contains("<x>") && !page.contains("&\"") && !page.contains("x&gt;&\""));

        let markdown = report.to_markdown();
        let table: Vec<&str> = markdown.lines().filter(|line| line.starts_with("| ")).collect();
        assert_eq!(table.len(), 6);
        let bars = |line: &str| line.replace("\\|", "").matches('|').count();
        for table in table.chunks(3) {
            assert!(table.iter().all(|line| bars(line) == bars(table[0])), "{table:?}");
        }
        assert!(markdown.contains("````text\n<x>&\"|\n```\n````\n"), "{markdown}");
    }

    #[test]
    fn json_reads_back_and_other_texts_do_not() {
        assert_eq!(Report::read_json(&sample().to_json()).unwrap(), sample());
        let error = Report::read_json("{}").unwrap_err();
        let cause = std::error::Error::source(&error).unwrap();
        expect!["no report: missing field `title` at line 1 column 2"]
            .assert_eq(&format!("{error}: {cause}"));
    }

    #[test]
    fn json_holds_figures_with_their_interval() {
        let json: serde_json::Value = serde_json::from_str(&sample().to_json()).unwrap();
        let row = &json["rows"][1];
        assert_eq!(row["method"], "lid");
        assert_eq!(row["tau"], serde_json::json!({ "value": 0.6034, "low": 0.551, "high": 0.649 }));
        assert!(row["tau-by-loss"].is_null() && row["precision-at-5"].is_null());
    }
}
