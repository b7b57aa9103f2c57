//! The small commands: all but `run` and `resume`.

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

use std::ops::RangeInclusive;

use clap::builder::RangedU64ValueParser;

use crate::config::ranges::{self, Fault, MOST};

/// Most images at once.
const MOST_IMAGES: usize = 4096;

/// How often figures may be resampled.
fn resamples() -> RangedU64ValueParser<usize> {
    within(0..=MOST)
}

/// At least one of something.
fn some() -> RangedU64ValueParser<usize> {
    within(1..=MOST)
}

fn within(range: RangeInclusive<usize>) -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(*range.start() as u64..=*range.end() as u64)
}

/// The confidence of intervals.
fn confidence(text: &str) -> Result<f64, String> {
    number(text, ranges::inner_share)
}

/// A part that is less than the whole.
fn share(text: &str) -> Result<f64, String> {
    number(text, ranges::share)
}

fn number(text: &str, check: fn(&'static str, f64) -> Result<(), Fault>) -> Result<f64, String> {
    let number = text.parse().map_err(|_| "no number".to_owned())?;
    check("", number).map_err(|(_, fault)| fault)?;
    Ok(number)
}
