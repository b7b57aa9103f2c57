//! Why there is no report or no figure.

use rank::RankError;
use thiserror::Error;

/// Why a text is no report, or a scorer cannot be measured.
#[derive(Debug, Error)]
pub enum ReportError {
    /// The text is not what [`Report::to_json`](crate::Report::to_json) writes.
    #[error("no report")]
    Json(#[from] serde_json::Error),
    /// A figure is undefined.
    #[error(transparent)]
    Rank(#[from] RankError),
}
