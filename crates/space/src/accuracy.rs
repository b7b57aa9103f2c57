//! Accuracies that know which images they were measured on.

use std::cmp::Ordering;
use std::fmt;
use std::marker::PhantomData;

/// Validation images: they may steer a search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Valid {}

/// Test images: they are only ever reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Test {}

/// Top-1 accuracy as a fraction in `[0, 1]`, displayed in percent.
///
/// # Examples
///
/// ```
/// use space::{Accuracy, Valid};
///
/// let accuracy = Accuracy::<Valid>::from_fraction(0.9373);
/// assert_eq!(accuracy.to_string(), "93.73");
/// ```
///
/// Accuracies on different images do not compare:
///
/// ```compile_fail
/// use space::{Accuracy, Test, Valid};
///
/// Accuracy::<Valid>::from_fraction(0.5) < Accuracy::<Test>::from_fraction(0.6);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Accuracy<Split> {
    fraction: f64,
    split: PhantomData<Split>,
}

impl<Split> Accuracy<Split> {
    /// The accuracy of this fraction.
    ///
    /// # Panics
    ///
    /// If `fraction` is not in `[0, 1]`.
    pub fn from_fraction(fraction: f64) -> Self {
        assert!((0.0..=1.0).contains(&fraction), "{fraction} is no fraction");
        Self { fraction, split: PhantomData }
    }

    /// The accuracy of `n_right` answers out of `n`.
    ///
    /// # Panics
    ///
    /// If `n` is 0 or fewer than `n_right`.
    pub fn from_counts(n_right: usize, n: usize) -> Self {
        assert!(0 < n && n_right <= n, "{n_right} right answers out of {n}");
        Self::from_fraction(n_right as f64 / n as f64)
    }

    /// The fraction in `[0, 1]`.
    pub fn fraction(self) -> f64 {
        self.fraction
    }
}

impl<Split: PartialEq> PartialOrd for Accuracy<Split> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        self.fraction.partial_cmp(&other.fraction)
    }
}

impl<Split> fmt::Display for Accuracy<Split> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.2}", 100.0 * self.fraction)
    }
}
