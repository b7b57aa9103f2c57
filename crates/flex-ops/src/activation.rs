//! What happens to a normalized value, and the slope of it.

use lanes::Lanes;

use crate::After;

/// A function of one number; both methods are inlined into the entry points of [`lanes::Isa::run`].
pub(crate) trait Activation {
    fn apply(x: f32) -> f32;
    /// The derivative; at a corner that of the flat side.
    fn slope(x: f32) -> f32;
}

/// Work that an activation is part of.
pub(crate) trait Activated {
    type Output;
    /// Must be `#[inline(always)]`, and so must all it calls.
    fn run<L: Lanes, A: Activation>(self) -> Self::Output;
}

impl After {
    #[inline(always)]
    pub(crate) fn run<L: Lanes, W: Activated>(self, work: W) -> W::Output {
        match self {
            Self::Nothing => work.run::<L, Identity>(),
            Self::Relu => work.run::<L, Relu>(),
            Self::Relu6 => work.run::<L, Relu6>(),
            Self::HardSwish => work.run::<L, HardSwish>(),
        }
    }
}

pub(crate) struct Identity;

impl Activation for Identity {
    #[inline(always)]
    fn apply(x: f32) -> f32 {
        x
    }

    #[inline(always)]
    fn slope(_: f32) -> f32 {
        1.0
    }
}

pub(crate) struct Relu;

impl Activation for Relu {
    #[inline(always)]
    fn apply(x: f32) -> f32 {
        // Not `max`, which would hide a NaN.
        if x < 0.0 { 0.0 } else { x }
    }

    #[inline(always)]
    fn slope(x: f32) -> f32 {
        if 0.0 < x { 1.0 } else { 0.0 }
    }
}

pub(crate) struct Relu6;

impl Activation for Relu6 {
    #[inline(always)]
    fn apply(x: f32) -> f32 {
        let x = Relu::apply(x);
        if 6.0 < x { 6.0 } else { x }
    }

    #[inline(always)]
    fn slope(x: f32) -> f32 {
        if 0.0 < x && x < 6.0 { 1.0 } else { 0.0 }
    }
}

pub(crate) struct HardSwish;

impl Activation for HardSwish {
    #[inline(always)]
    fn apply(x: f32) -> f32 {
        x * (Relu6::apply(x + 3.0) * (1.0 / 6.0))
    }

    #[inline(always)]
    fn slope(x: f32) -> f32 {
        if x <= -3.0 {
            0.0
        } else if 3.0 <= x {
            1.0
        } else {
            x.mul_add(1.0 / 3.0, 0.5)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Central differences away from the corners, where two sides meet.
    #[track_caller]
    fn check<A: Activation>(corners: &[f32]) {
        const STEP: f32 = 1.0 / 256.0;
        for x in (-80..80).map(|i| i as f32 / 8.0 + 0.05) {
            if corners.iter().any(|corner| (x - corner).abs() <= STEP) {
                continue;
            }
            let difference = (A::apply(x + STEP) - A::apply(x - STEP)) / (2.0 * STEP);
            assert!((A::slope(x) - difference).abs() < 1e-3, "{} for {difference}", A::slope(x));
        }
        assert!(A::apply(f32::NAN).is_nan());
    }

    #[test]
    fn slopes_are_those_of_the_functions() {
        check::<Identity>(&[]);
        check::<Relu>(&[0.0]);
        check::<Relu6>(&[0.0, 6.0]);
        check::<HardSwish>(&[-3.0, 3.0]);
    }

    #[test]
    fn corners_have_the_slope_of_the_flat_side() {
        let slopes =
            [Relu::slope(0.0), Relu6::slope(0.0), Relu6::slope(6.0), HardSwish::slope(-3.0)];
        assert!(slopes.iter().all(|slope| slope.abs() < f32::MIN_POSITIVE), "{slopes:?}");
        assert!((HardSwish::slope(3.0) - 1.0).abs() < f32::EPSILON);
    }
}
