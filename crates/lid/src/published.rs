//! What the published Python computes, for comparison with old results.

use crate::{LidError, Neighbors, Points};

/// Added to every radius and to every sum, in `f32`, whatever the scale of the features.
const EPSILON: f32 = 1e-6;

/// The mean of −k / (Σ ln(rᵢ / (r_k + ε)) + ε) with ε = 1e-6 in `f32`.
///
/// Wrong for features of small scale and for equidistant neighbors; see [`crate::estimate`].
/// Distances are exact here, where the published ones come from a Gram matrix in `f32`.
///
/// # Errors
///
/// As [`Neighbors::nearest`].
pub fn mle_as_published(points: Points<'_>, k: usize) -> Result<f32, LidError> {
    let neighbors = Neighbors::nearest(points, k)?;
    let of_row = |distances: &[f64]| {
        let radius = distances[k - 1] as f32 + EPSILON;
        let sum: f32 = distances.iter().map(|&r| (r as f32 / radius).ln()).sum();
        -(k as f32) / (sum + EPSILON)
    };
    Ok(neighbors.rows().map(of_row).sum::<f32>() / neighbors.n() as f32)
}
