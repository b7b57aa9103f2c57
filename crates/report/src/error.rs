//! Why there is no report or no figure.

use rank::RankError;
use thiserror::Error;

/// Why a text is no report, or a scorer cannot be measured.
#[derive(Debug, Error)]
pub enum ReportError {
    /// The text is not what [`Report::to_json`](crate::Report::to_json) writes.
    #[error("no report")]
    Json(#[from] serde_json::Error),
    /// A mean over seeds needs two runs.
    #[error("{n} runs give no mean over seeds: two are needed")]
    TooFewRuns {
        /// Runs that there are.
        n: usize,
    },
    /// Runs differ in more than their seed.
    #[error("run {run} has other {what} than the first")]
    Unlike {
        /// The run, from 0.
        run: usize,
        /// What differs.
        what: &'static str,
    },
    /// There is nothing to compare with.
    #[error("no row is called {baseline}")]
    NoBaseline {
        /// The name that was asked for.
        baseline: String,
    },
    /// A figure is undefined.
    #[error(transparent)]
    Rank(#[from] RankError),
}
