//! What happens to a number before a convolution and after a norm, and the slope of the latter.

use burn_cubecl::cubecl;
use cubecl::prelude::*;
use flex_ops::{After, Before};

/// A number that a convolution sees; not by `max`, which would hide a NaN.
#[cube]
pub(crate) fn gated(x: f32, #[comptime] before: Before) -> f32 {
    let mut seen = x;
    if comptime!(before == Before::Relu) && x < 0.0 {
        seen = 0.0;
    }
    seen
}

/// A number after the activation; not by `max`, which would hide a NaN.
#[cube]
pub(crate) fn activated(x: f32, #[comptime] after: After) -> f32 {
    let mut y = x;
    match comptime!(after) {
        After::Nothing => {}
        After::Relu => {
            if x < 0.0 {
                y = 0.0;
            }
        }
        After::Relu6 => {
            let (is_low, is_high) = (x < 0.0, 6.0 < x);
            if is_low {
                y = 0.0;
            }
            if is_high {
                y = 6.0;
            }
        }
        After::HardSwish => {
            let share = (x + 3.0) / 6.0;
            if share < 0.0 {
                y = 0.0;
            } else if share < 1.0 {
                y = x * share;
            }
        }
    }
    y
}

/// The derivative of the activation; at a corner that of the flat side.
#[cube]
pub(crate) fn steepness(x: f32, #[comptime] after: After) -> f32 {
    let mut slope = 0.0f32;
    match comptime!(after) {
        After::Nothing => {
            slope = 1.0f32;
        }
        After::Relu => {
            if x > 0.0 {
                slope = 1.0f32;
            }
        }
        After::Relu6 => {
            if x > 0.0 && x < 6.0 {
                slope = 1.0f32;
            }
        }
        After::HardSwish => {
            slope = (x + x + 3.0) / 6.0;
            if x <= -3.0f32 {
                slope = 0.0f32;
            }
            if x >= 3.0 {
                slope = 1.0f32;
            }
        }
    }
    slope
}
