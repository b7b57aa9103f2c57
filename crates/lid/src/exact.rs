//! Squared distances from the differences themselves.

use std::ops::Range;

use lanes::{Isa, LANES, Lanes, Work};
use rayon::prelude::*;

use crate::Points;

/// Vectors summed side by side, so that no addition waits for the one before.
const N_SUMS: usize = 4;

/// Vectors added in `f32` before the sums go on in `f64`: two to each sum, and the four sums.
const RUN: usize = 2 * N_SUMS;

/// The least mean square, 2⁻¹⁰⁰, of which the underflow of single squares is no noticeable part.
const SMALL: f64 = 1.0 / (1u128 << 100) as f64;

/// The most features of which all is done in `f64`: there are few roundings to average out, and
/// little time to be won.
const MAX_IN_F64: usize = 512;

/// Features taken at once: these of a hundred points fit a second-level cache, in which every point
/// is needed for many pairs.
const COLUMNS: usize = 2048;

/// Pairs of a task.
const PAIRS: usize = 128;

/// Numbers of what all parts of the columns contribute to some pairs: 16 MiB.
const PARTS: usize = 1 << 21;

/// The squared Euclidean distances of pairs of points.
///
/// Above 512 features differences and squares are rounded to `f32`, of which eight, two and two and then
/// in a tree, are added before `f64` takes over: 6 · 2⁻²⁴ of a squared distance at worst, 10⁻⁸ as a rule,
/// and no offset of the features does harm. Where squares over- or underflow, all is done in `f64`. The same
/// bits on every instruction set and for any number of threads.
pub(crate) fn squared_distances(isa: Isa, points: Points<'_>, pairs: &[[usize; 2]]) -> Vec<f64> {
    let d = points.d();
    let n_parts = if d <= MAX_IN_F64 { 0 } else { d.div_ceil(COLUMNS) };
    let n_at_once = (PARTS / n_parts.max(1)).max(PAIRS).min(pairs.len()).max(1);
    let mut parts = vec![0.0; n_parts * n_at_once];
    let mut squares = vec![0.0; pairs.len()];
    for (squares, pairs) in squares.chunks_mut(n_at_once).zip(pairs.chunks(n_at_once)) {
        // Threads share the columns before the pairs, so that each reads its own features.
        parts.par_chunks_mut(n_at_once).enumerate().for_each(|(part, squares)| {
            let cols = part * COLUMNS..d.min((part + 1) * COLUMNS);
            let tasks = squares.par_chunks_mut(PAIRS).zip(pairs.par_chunks(PAIRS));
            tasks.for_each(|(squares, pairs)| {
                isa.run(Part { points, pairs, cols: cols.clone(), squares });
            });
        });
        for part in parts.chunks(n_at_once) {
            for (square, part) in squares.iter_mut().zip(part) {
                *square += part;
            }
        }
    }
    squares.par_chunks_mut(PAIRS).zip(pairs.par_chunks(PAIRS)).for_each(|(squares, pairs)| {
        isa.run(Repair { points, pairs, squares });
    });
    squares
}

/// The same of a few pairs by the calling thread alone, which may hold a lock.
pub(crate) fn squared_distances_here(
    isa: Isa,
    points: Points<'_>,
    pairs: &[[usize; 2]],
) -> Vec<f64> {
    let d = points.d();
    let (mut squares, mut part) = (vec![0.0; pairs.len()], vec![0.0; pairs.len()]);
    if MAX_IN_F64 < d {
        for start in (0..d).step_by(COLUMNS) {
            let cols = start..d.min(start + COLUMNS);
            isa.run(Part { points, pairs, cols, squares: &mut part });
            for (square, part) in squares.iter_mut().zip(&part) {
                *square += part;
            }
        }
    }
    isa.run(Repair { points, pairs, squares: &mut squares });
    squares
}

/// What some columns contribute.
struct Part<'a> {
    points: Points<'a>,
    pairs: &'a [[usize; 2]],
    cols: Range<usize>,
    squares: &'a mut [f64],
}

impl Work for Part<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let of_row = |row: usize| &self.points.row(row)[self.cols.clone()];
        for (square, &[a, b]) in self.squares.iter_mut().zip(self.pairs) {
            *square = in_f32::<L>(of_row(a), of_row(b));
        }
    }
}

/// Does in `f64` what cannot be trusted: sums that are too small, as all are where nothing was added,
/// or too large.
struct Repair<'a> {
    points: Points<'a>,
    pairs: &'a [[usize; 2]],
    squares: &'a mut [f64],
}

impl Work for Repair<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let least = SMALL * self.points.d() as f64;
        for (square, &[a, b]) in self.squares.iter_mut().zip(self.pairs) {
            if *square < least || !square.is_finite() {
                *square = in_f64(self.points.row(a), self.points.row(b), 1.0);
            }
        }
    }
}

#[inline(always)]
fn in_f32<L: Lanes>(a: &[f32], b: &[f32]) -> f64 {
    let (a_vectors, a_rest) = a.as_chunks::<LANES>();
    let (b_vectors, b_rest) = b.as_chunks::<LANES>();
    let (a_runs, a_last) = a_vectors.as_chunks::<RUN>();
    let (b_runs, b_last) = b_vectors.as_chunks::<RUN>();
    let mut totals = [0.0_f64; LANES];
    // The lengths of whole runs are known, and nothing is left of the loops in them.
    for (a, b) in a_runs.iter().zip(b_runs) {
        add_run::<L>(a, b, &mut totals);
    }
    add_run::<L>(a_last, b_last, &mut totals);
    total(totals) + if a_rest.is_empty() { 0.0 } else { in_f64(a_rest, b_rest, 1.0) }
}

/// Adds the squares of a few vectors.
#[inline(always)]
fn add_run<L: Lanes>(a: &[[f32; LANES]], b: &[[f32; LANES]], totals: &mut [f64; LANES]) {
    let mut sums = [L::splat(0.0); N_SUMS];
    for (a, b) in a.chunks(N_SUMS).zip(b.chunks(N_SUMS)) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            let difference = L::load(a).sub(L::load(b));
            *sum = difference.mul_add(difference, *sum);
        }
    }
    let [first, second, third, fourth] = sums;
    let mut lanes = [0.0; LANES];
    first.add(second).add(third.add(fourth)).store(&mut lanes);
    for (total, lane) in totals.iter_mut().zip(lanes) {
        *total += f64::from(lane);
    }
}

/// The sum of the squares of differences times `scale`. The difference of two `f32` is exact to 2⁻⁵³ in `f64`, and the
/// square of the largest or the smallest one is far inside its range.
#[inline(always)]
pub(crate) fn in_f64<T: Copy>(a: &[T], b: &[T], scale: f64) -> f64
where
    f64: From<T>,
{
    let (a_vectors, a_rest) = a.as_chunks::<LANES>();
    let (b_vectors, b_rest) = b.as_chunks::<LANES>();
    let mut sums = [0.0; LANES];
    for (a, b) in a_vectors.iter().zip(b_vectors) {
        for ((sum, &a), &b) in sums.iter_mut().zip(a).zip(b) {
            let difference = (f64::from(a) - f64::from(b)) * scale;
            *sum += difference * difference;
        }
    }
    for ((sum, &a), &b) in sums.iter_mut().zip(a_rest).zip(b_rest) {
        let difference = (f64::from(a) - f64::from(b)) * scale;
        *sum += difference * difference;
    }
    total(sums)
}

/// The sum, half by half, so that few additions wait for others.
#[inline(always)]
fn total(mut sums: [f64; LANES]) -> f64 {
    let mut half = LANES / 2;
    while 0 < half {
        for i in 0..half {
            sums[i] += sums[i + half];
        }
        half /= 2;
    }
    sums[0]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn distance(isa: Isa, a: &[f32], b: &[f32]) -> f64 {
        let values = [a, b].concat();
        squared_distances(isa, Points::new(&values, a.len()).unwrap(), &[[0, 1]])[0]
    }

    #[track_caller]
    fn check(a: &[f32], b: &[f32], expected: f64) {
        for isa in Isa::available() {
            let found = distance(isa, a, b);
            // A hundred additions in a row of the sums that stay in f64.
            assert!((found - expected).abs() <= 1e-14 * expected, "{isa:?}: {found}");
        }
    }

    #[test]
    fn hand_made_distances() {
        check(&[1.0, 2.0], &[4.0, 6.0], 25.0);
        check(&[2.0; 37], &[1.0; 37], 37.0);
        check(&[2.0; 1234], &[4.0; 1234], 4.0 * 1234.0);
        check(&[0.1; 20], &[0.1; 20], 0.0);
    }

    #[test]
    fn the_ends_of_the_range_of_f32_neither_overflow_nor_vanish() {
        let tiny = f32::from_bits(1);
        for n in [16, 1024] {
            let (far, near) = ((2.0 * f64::from(f32::MAX)).powi(2), f64::from(tiny).powi(2));
            check(&vec![f32::MAX; n], &vec![f32::MIN; n], n as f64 * far);
            check(&vec![tiny; n], &vec![0.0; n], n as f64 * near);
        }
    }

    #[test]
    fn equal_features_round_no_worse_than_promised() {
        // Where all squares are equal, all roundings go the same way.
        for step in 0..200 {
            let apart = 1.0 + step as f32 / 200.0;
            let (a, b) = (vec![apart * 1.1; 4096], vec![apart * 0.1 / 3.0; 4096]);
            let exact = in_f64(&a, &b, 1.0);
            for isa in Isa::available() {
                let error = (distance(isa, &a, &b) - exact).abs();
                assert!(error <= 6.0 / f64::from(1 << 24) * exact, "{isa:?}, {apart}: {error}");
            }
        }
    }

    #[test]
    fn more_pairs_than_are_taken_at_once() {
        let d = 4096;
        let values: Vec<f32> = (0..3 * d).map(|i| (i as f32 * 0.37).sin()).collect();
        let points = Points::new(&values, d).unwrap();
        let few = squared_distances(Isa::widest(), points, &[[0, 1], [1, 2], [0, 2]]);
        let pairs = [[0, 1], [1, 2], [0, 2]].repeat(PARTS / 2 / 3 + 100);
        let many = squared_distances(Isa::widest(), points, &pairs);
        assert!(many.chunks(3).all(|squares| squares == few));
    }

    #[test]
    fn one_thread_gives_the_same_bits() {
        for d in [3, MAX_IN_F64, MAX_IN_F64 + 1, 2 * COLUMNS + 5] {
            let values: Vec<f32> = (0..4 * d).map(|i| 1e3 + (i as f32 * 0.37).sin()).collect();
            let points = Points::new(&values, d).unwrap();
            let pairs = [[0, 1], [2, 1], [0, 3], [2, 2]];
            let bits =
                |squares: Vec<f64>| squares.into_iter().map(f64::to_bits).collect::<Vec<_>>();
            let [all, one] = [squared_distances, squared_distances_here]
                .map(|by| bits(by(Isa::widest(), points, &pairs)));
            assert_eq!(all, one, "{d} features");
        }
    }

    #[test]
    fn all_sets_give_the_same_bits_near_the_truth() {
        let wave = |step: f32| -> Vec<f32> {
            (0..3000).map(|i| 1e3 + (i as f32 * step).sin() * 1.03_f32.powi(i % 300)).collect()
        };
        let (a, b) = (wave(0.7), wave(0.3));
        let expected = distance(Isa::available()[0], &a, &b);
        for isa in Isa::available() {
            assert_eq!(distance(isa, &a, &b).to_bits(), expected.to_bits(), "{isa:?}");
        }
        let exact = in_f64(&a, &b, 1.0);
        assert!((expected - exact).abs() <= 6.0 / f64::from(1 << 24) * exact);
    }
}
