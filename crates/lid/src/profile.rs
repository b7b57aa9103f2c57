//! The dimensions of one architecture, tap by tap.

use serde::{Deserialize, Serialize};

/// LID at each tap of one architecture, in the order of the taps.
///
/// # Examples
///
/// ```
/// let profile: lid::Profile = [4.9, 7.5, 12.0].into_iter().collect();
/// assert_eq!(profile.taps(), 3);
/// assert_eq!(profile.as_slice()[1], 7.5);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Profile(Vec<f64>);

impl Profile {
    /// Number of taps.
    pub fn taps(&self) -> usize {
        self.0.len()
    }

    /// The dimensions.
    ///
    /// # Shapes
    ///
    /// - output: `[t]`
    pub fn as_slice(&self) -> &[f64] {
        &self.0
    }
}

impl FromIterator<f64> for Profile {
    fn from_iter<I: IntoIterator<Item = f64>>(lids: I) -> Self {
        Self(lids.into_iter().collect())
    }
}
