//! Ranges of values in configurations.

use std::fmt::Display;
use std::ops::RangeInclusive;

/// A key and what is wrong with its value.
pub(crate) type Fault = (&'static str, String);

/// More of anything that is trained, drawn or compared is a slip of the keyboard. The product of three such
/// numbers stays below 2⁶⁴.
pub(crate) const MOST: usize = 1_000_000;

/// A value from `range`.
pub(crate) fn within<T: PartialOrd + Display>(
    key: &'static str,
    value: T,
    range: RangeInclusive<T>,
) -> Result<(), Fault> {
    if range.contains(&value) {
        Ok(())
    } else {
        let (least, most) = (range.start(), range.end());
        Err((key, format!("must lie between {least} and {most}, got {value}")))
    }
}

/// At least one, or up to `most`.
pub(crate) fn count(key: &'static str, value: usize, most: usize) -> Result<(), Fault> {
    within(key, value, 1..=most)
}

/// None, or up to `most`.
pub(crate) fn at_most<T: PartialOrd + Display + Default>(
    key: &'static str,
    value: T,
    most: T,
) -> Result<(), Fault> {
    within(key, value, T::default()..=most)
}

/// Learning rates, each not negative.
pub(crate) fn learning_rates<const N: usize>(rates: [(&'static str, f64); N]) -> Result<(), Fault> {
    rates.into_iter().try_for_each(|(key, rate)| not_negative(key, rate))
}

/// A part that is less than the whole.
pub(crate) fn share(key: &'static str, value: f64) -> Result<(), Fault> {
    if (0.0..1.0).contains(&value) {
        Ok(())
    } else {
        Err((key, format!("must lie in [0, 1), got {value}")))
    }
}

/// A part, or the whole.
pub(crate) fn whole_share(key: &'static str, value: f64) -> Result<(), Fault> {
    if (0.0..=1.0).contains(&value) {
        Ok(())
    } else {
        Err((key, format!("must lie in [0, 1], got {value}")))
    }
}

/// A part that is more than nothing, or the whole.
pub(crate) fn upper_share(key: &'static str, value: f64) -> Result<(), Fault> {
    if 0.0 < value && value <= 1.0 {
        Ok(())
    } else {
        Err((key, format!("must lie in (0, 1], got {value}")))
    }
}

/// A part that is neither nothing nor the whole.
pub(crate) fn inner_share(key: &'static str, value: f64) -> Result<(), Fault> {
    if 0.0 < value && value < 1.0 {
        Ok(())
    } else {
        Err((key, format!("must lie in (0, 1), got {value}")))
    }
}

pub(crate) fn not_negative(key: &'static str, value: f64) -> Result<(), Fault> {
    if value.is_finite() && 0.0 <= value {
        Ok(())
    } else {
        Err((key, format!("must not be negative, got {value}")))
    }
}

pub(crate) fn above_zero(key: &'static str, value: f64) -> Result<(), Fault> {
    if value.is_finite() && 0.0 < value {
        Ok(())
    } else {
        Err((key, format!("must be above 0, got {value}")))
    }
}
