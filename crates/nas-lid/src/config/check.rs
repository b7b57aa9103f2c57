//! Ranges of values in configurations.

use crate::spaces::WIDTHS;

/// A key and what is wrong with its value.
pub(crate) type Fault = (&'static str, String);

pub(crate) fn positive(key: &'static str, value: usize) -> Result<(), Fault> {
    if value == 0 { Err((key, "is too small".into())) } else { Ok(()) }
}

/// What channels are multiplied by.
pub(crate) fn width(key: &'static str, value: f64) -> Result<(), Fault> {
    if WIDTHS.contains(&value) {
        Ok(())
    } else {
        let (least, most) = (WIDTHS.start(), WIDTHS.end());
        Err((key, format!("must lie between {least} and {most}, got {value}")))
    }
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
