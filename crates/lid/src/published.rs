//! The published estimate, errors included.

use crate::Points;

/// The published offset of the radius and of the sum of logarithms.
const EPSILON: f32 = 1e-6;

/// The most rows for which PyTorch's `cdist` takes differences instead of a matrix product.
const MAX_ROWS_BY_DIFFERENCE: usize = 25;

/// The mean LID as the authors' Python computes it: only to compare with old results.
///
/// For every row, v are the `k` smallest `f32` distances after the first is dropped as the point
/// itself; its LID is −k / (Σ ln(v_j / (v_k + 1e-6)) + 1e-6). Kept with that are: distances by an
/// uncentered matrix product above 25 rows, which drown in rounding under an offset; epsilons that
/// depend on the scale; a division by `k` where fewer neighbors exist; and NaN or an infinity as a
/// result. See [`crate::estimate`] for the right one.
///
/// # Shapes
///
/// - `points`: `[n, d]`
///
/// # Panics
///
/// If there is only one point, or `k` is 0: the published code fails there.
pub fn mle_as_published(points: Points<'_>, k: usize) -> f64 {
    let n = points.n();
    assert!(2 <= n && 1 <= k, "no neighbors: {n} points, k = {k}");
    let distances =
        if n <= MAX_ROWS_BY_DIFFERENCE { by_difference(points) } else { by_product(points) };
    let lid = |row: &[f32]| {
        let mut row = row.to_vec();
        row.sort_unstable_by(f32::total_cmp);
        let nearest = &row[1..n.min(k.saturating_add(1))];
        let radius = nearest[nearest.len() - 1] + EPSILON;
        let logs: f32 = nearest.iter().map(|distance| (distance / radius).ln()).sum();
        -(k as f32) / (logs + EPSILON)
    };
    let sum: f32 = distances.chunks_exact(n).map(lid).sum();
    f64::from(sum / n as f32)
}

fn by_difference(points: Points<'_>) -> Vec<f32> {
    let distance = |row: usize, col: usize| {
        let pairs = points.row(row).iter().zip(points.row(col));
        pairs.map(|(a, b)| (a - b) * (a - b)).sum::<f32>().sqrt()
    };
    let n = points.n();
    (0..n * n).map(|at| distance(at / n, at % n)).collect()
}

/// \[−2x, ‖x‖², 1\] · \[y, 1, ‖y‖²\]ᵀ, clamped at 0, as `cdist` does.
fn by_product(points: Points<'_>) -> Vec<f32> {
    let (n, width) = (points.n(), points.d() + 2);
    let mut left = Vec::with_capacity(n * width);
    let mut right = Vec::with_capacity(n * width);
    for row in 0..n {
        let features = points.row(row);
        let squared_norm: f32 = features.iter().map(|feature| feature * feature).sum();
        left.extend(features.iter().map(|feature| -2.0 * feature));
        left.extend([squared_norm, 1.0]);
        right.extend(features);
        right.extend([1.0, squared_norm]);
    }
    let distance = |at: usize| {
        let (a, b) = (&left[at / n * width..][..width], &right[at % n * width..][..width]);
        dot(a, b).max(0.0).sqrt()
    };
    (0..n * n).map(distance).collect()
}

/// An inner product in `f32`, eight sums side by side.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let (a_vectors, a_rest) = a.as_chunks::<8>();
    let (b_vectors, b_rest) = b.as_chunks::<8>();
    let mut sums = [0.0_f32; 8];
    for (a, b) in a_vectors.iter().zip(b_vectors) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += a * b;
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    sums.iter().sum::<f32>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_errors_are_kept() {
        // Two points and k = 20 divide by 20; the two epsilons nearly cancel.
        let pair = mle_as_published(Points::new(&[0.0, 2.0], 1).unwrap(), 20);
        assert!(pair < -1e7, "{pair}");
        // Equal distances leave only the epsilons, which at distance 1 cancel to rounding.
        let simplex: Vec<f32> = (0..64).map(|at| f32::from(u8::from(at % 9 == 0))).collect();
        let simplex = mle_as_published(Points::new(&simplex, 8).unwrap(), 5);
        assert!(1e5 < simplex.abs(), "{simplex}");
        // All points equal: ln 0.
        let equal = mle_as_published(Points::new(&[3.0; 8], 2).unwrap(), 2);
        assert!(equal.abs() < 1e-12, "{equal}");
    }
}
