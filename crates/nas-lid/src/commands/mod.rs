//! The small commands: each reads files or texts that this project need not have made.

pub(crate) mod arch;
pub(crate) mod export;
pub(crate) mod latency;
pub(crate) mod lid;
pub(crate) mod nats;
pub(crate) mod partition;
pub(crate) mod probe;
pub(crate) mod rank;
pub(crate) mod report;
pub(crate) mod retrain;
pub(crate) mod weights;

use clap::builder::RangedU64ValueParser;

use crate::config::check::MOST;

/// Most images at once.
const MOST_IMAGES: usize = 4096;

/// How often figures may be resampled.
fn resamples() -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(..=MOST as u64)
}
