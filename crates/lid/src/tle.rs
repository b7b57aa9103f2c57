//! TLE (Amsaleg et al. 2019): the dimension from all pairs within a tight neighborhood.

use rayon::prelude::*;

use crate::error::Cause;
use crate::estimator::{Degenerate, cause, rule};
use crate::{Lid, LidError, Neighbors, Pairwise};

/// Estimates the dimension at every point from the distances to its neighbors and among them.
///
/// Every pair of neighbors gives two more measurements of the same neighborhood, so far fewer
/// neighbors suffice than maximum likelihood needs: a cross-check at small `k`. Pairs of duplicates
/// have no measurement and are left out, and so are pairs that mirror each other through the point.
/// `neighbors` are to be of the same `points`: of [`Points`](crate::Points), or of [`Features`](crate::Features).
///
/// # Errors
///
/// As [`estimate`](crate::estimate).
///
/// # Panics
///
/// If `neighbors` are not of as many points.
///
/// # Examples
///
/// ```
/// use lid::{Degenerate, Neighbors, Points, tle};
///
/// let values: Vec<f32> = (0..30).map(|i| (i * i) as f32).collect(); // Points on a line.
/// let points = Points::new(&values, 1)?;
/// let neighbors = Neighbors::nearest(points, 10)?;
/// let lid = tle(&points, &neighbors, Degenerate::Error)?;
/// assert!((0.5..1.5).contains(&lid.median()), "{}", lid.median());
/// # Ok::<(), lid::LidError>(())
/// ```
pub fn tle(
    points: &impl Pairwise,
    neighbors: &Neighbors,
    degenerate: Degenerate,
) -> Result<Lid, LidError> {
    let (n, k) = (neighbors.n(), neighbors.k());
    assert_eq!(points.n(), n, "points with neighbors");
    if k < 2 {
        return Err(LidError::TooFewNeighbors { k, needed: 2 });
    }
    let of_row = |row: usize| {
        let distances = neighbors.row(row);
        if let Some(cause) = cause(distances) {
            return rule(row, cause, degenerate);
        }
        let indices = neighbors.indices(row);
        let pairs: Vec<[usize; 2]> = pairs(k).map(|pair| pair.map(|at| indices[at])).collect();
        let squares = points.squared_distances(&pairs);
        match tight(distances, &squares) {
            Some(dimension) => Ok(Some(dimension)),
            None => rule(row, Cause::Equidistant, degenerate),
        }
    };
    let per_point: Vec<Result<_, _>> = (0..n).into_par_iter().map(of_row).collect();
    // Of several errors the first in order, not in time.
    let per_point: Result<Vec<_>, _> = per_point.into_iter().collect();
    Lid::new(per_point?).ok_or(LidError::AllSkipped { n })
}

/// Every pair i < j of k neighbors.
fn pairs(k: usize) -> impl Iterator<Item = [usize; 2]> {
    (0..k).flat_map(move |i| (i + 1..k).map(move |j| [i, j]))
}

/// Two neighbors mirror each other through the point when the square of the distance between one and the reflection of
/// the other is at most this part of their own squares: far above what 32-bit features leave of a zero.
const MIRRORED: f64 = 1e-8;

/// −2 m / (Σ ln s + Σ ln t + 2 Σ ln u) over the m measurements, all in units of the radius.
///
/// # Shapes
///
/// - `distances`: `[k]`, ascending
/// - `squares`: `[k (k − 1) / 2]`, squared distances among the neighbors, pair by pair
fn tight(distances: &[f64], squares: &[f64]) -> Option<f64> {
    let k = distances.len();
    let radius = distances[k - 1];
    let near = |at: usize| distances[at] / radius;
    let mut n_measurements = k;
    let mut logs = 2.0 * (0..k).map(|at| near(at).ln()).sum::<f64>();
    let apart = pairs(k).zip(squares).filter(|(_, square)| 0.0 < **square);
    for (pair, square) in apart {
        let between = square / (radius * radius);
        let [i, j] = pair.map(near);
        // The neighbor itself, and its reflection through the point.
        let squares = i * i + j * j;
        let reflected = 2.0 * squares - between;
        if reflected <= MIRRORED * squares {
            continue;
        }
        for [u, w] in [[i, j], [j, i]] {
            let [s, t] = [between, reflected].map(|square| measurement(u, w, square));
            n_measurements += 1;
            logs += s.ln() + t.ln();
        }
    }
    (logs < 0.0).then(|| -2.0 * n_measurements as f64 / logs)
}

/// The radius, in units of the neighborhood's, of the sphere through neighbor j that touches it where
/// the sphere around neighbor i does: the root of the paper's quadratic equation, without
/// cancellation.
fn measurement(u: f64, w: f64, square: f64) -> f64 {
    let linear = square + (u - w) * (u + w);
    let gap = (1.0 - u) * (1.0 + u);
    let root = (linear * linear + 4.0 * square * gap).sqrt();
    if 0.0 < linear { 2.0 * square / (root + linear) } else { (root - linear) / (2.0 * gap) }
}
