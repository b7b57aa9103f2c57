//! What must not change the result: scale, place, order, turning, the number of threads.

mod draw;

use draw::split_mix;
use lid::{Degenerate, Estimator, Features, Lid, Neighbors, Points, estimate, tle};
use proptest::prelude::*;

const D: usize = 4;
const K: usize = 5;

fn neighbors(values: &[f32], d: usize, k: usize) -> Neighbors {
    let points = Points::new(values, d).expect("the inputs are finite");
    Neighbors::nearest(points, k).expect("k is below n")
}

fn lid(values: &[f32], estimator: Estimator) -> Lid {
    estimate(&neighbors(values, D, K), estimator, Degenerate::Skip).expect("some rows differ")
}

/// Row by row the distances to all others, in `f64` and sorted.
fn by_definition(values: &[f32], d: usize, k: usize) -> Vec<Vec<f64>> {
    let rows: Vec<&[f32]> = values.chunks_exact(d).collect();
    let squared = |a: &[f32], b: &[f32]| {
        let differences = a.iter().zip(b).map(|(&a, &b)| f64::from(a) - f64::from(b));
        differences.map(|difference| difference * difference).sum::<f64>()
    };
    let nearest = |i: usize| {
        let others = (0..rows.len()).filter(|&j| j != i);
        let mut distances: Vec<f64> = others.map(|j| squared(rows[i], rows[j]).sqrt()).collect();
        distances.sort_unstable_by(f64::total_cmp);
        distances.truncate(k);
        distances
    };
    (0..rows.len()).map(nearest).collect()
}

#[track_caller]
fn check_definition(values: &[f32], d: usize, k: usize) {
    let found = neighbors(values, d, k);
    for (row, expected) in by_definition(values, d, k).iter().enumerate() {
        for (found, expected) in found.row(row).iter().zip(expected) {
            // Up to 512 features sums of squares in f64 in another order, far below d · 2⁻⁵³ of their
            // value; beyond that the bound that `Neighbors::nearest` states.
            let tolerance = if d <= 512 { 1e-12 } else { 2e-7 };
            let error = (found - expected).abs();
            assert!(error <= tolerance * expected, "row {row}: {found} for {expected}");
        }
    }
}

/// `n` points uniform in a cube, rounded to `f32` after `map`.
fn cube(seed: u64, n: usize, d: usize, map: impl Fn(usize, f64) -> f64) -> Vec<f32> {
    (0..n * d).map(|at| map(at, split_mix(seed, at)) as f32).collect()
}

#[test]
fn nearest_is_the_definition_at_every_offset_and_scale() {
    for exponent in [-44, -30, -12, 0, 12, 30, 37] {
        // The last exponents of ten reach into the subnormal numbers and to the largest ones.
        let values = cube(3, 40, 30, |_, x| x * 10f64.powi(exponent));
        check_definition(&values, 30, K);
    }
    for offset in [1.0, 1e4, -1e7] {
        check_definition(&cube(4, 60, 300, |_, x| x + offset), 300, K);
    }
    // Columns of every scale and offset in one matrix, in more than one chunk.
    let mixed = |at: usize, x: f64| {
        let col = (at % 600) as i32;
        (x + f64::from(col % 7) * 1e3) * 10f64.powi(col % 25 - 12)
    };
    check_definition(&cube(5, 50, 600, mixed), 600, K);
    let ends = |at: usize, x: f64| if at.is_multiple_of(2) { x.signum() * 3.4e38 } else { x };
    check_definition(&cube(6, 30, 300, ends), 300, K);
}

#[test]
fn nearest_is_the_definition_for_bundles_of_near_duplicates() {
    // Ten bundles far apart; in a bundle the points differ in the last digits of an f32.
    let d = 40;
    let value = |at: usize| {
        let (row, col) = (at / d, at % d);
        let center = 100.0 * split_mix(1, (row % 10) * d + col);
        (center + 1e-4 * split_mix(2, at)) as f32
    };
    let values: Vec<f32> = (0..150 * d).map(value).collect();
    check_definition(&values, d, 10);
    // More neighbors than a bundle has points, so both kinds of distance meet in a row.
    check_definition(&values, d, 20);
    check_definition(&values, d, 149);
}

#[test]
fn nearest_is_the_definition_across_tiles() {
    for n in [127, 128, 129, 257, 520] {
        check_definition(&cube(7, n, 5, |_, x| x + 10.0), 5, 7);
    }
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    for (n, d) in [(128, 3000), (300, 700), (600, 40)] {
        let values = cube(8, n, d, |_, x| x + 3.0);
        let with = |n_threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(n_threads).build();
            pool.expect("threads start").install(|| neighbors(&values, d, 20))
        };
        let alone = with(1);
        for n_threads in [2, 3, 7] {
            assert_eq!(with(n_threads), alone, "{n} × {d}, {n_threads} threads");
        }
    }
}

fn rows() -> impl Strategy<Value = Vec<f32>> {
    (8usize..30).prop_flat_map(|n| prop::collection::vec(-1.0f32..1.0, n * D))
}

fn per_point(estimator: Estimator) -> impl Fn(&[f32]) -> Vec<Option<f64>> {
    move |values| lid(values, estimator).per_point().to_vec()
}

fn any_estimator() -> impl Strategy<Value = Estimator> {
    prop::sample::select(vec![
        Estimator::Mle,
        Estimator::MleUnbiased,
        Estimator::Mom,
        Estimator::TwoNn,
        Estimator::TwoNnMl,
    ])
}

fn close(a: &[Option<f64>], b: &[Option<f64>], tolerance: f64) -> bool {
    let near = |(a, b): (&Option<f64>, &Option<f64>)| match (a, b) {
        // An inverse dimension is a mean of logarithms, which is what rounding adds to.
        (Some(a), Some(b)) => (a.recip() - b.recip()).abs() <= tolerance * (1.0 + a.recip()),
        (None, None) => true,
        _ => false,
    };
    a.len() == b.len() && a.iter().zip(b).all(near)
}

proptest! {
    #[test]
    fn nearest_is_the_definition(values in rows(), exponent in -30i32..30) {
        let scaled: Vec<f32> = values.iter().map(|x| x * 2f32.powi(exponent)).collect();
        check_definition(&scaled, D, K);
    }

    #[test]
    fn a_power_of_two_changes_little_more_than_nothing(
        values in rows(), exponent in -40i32..40, estimator in any_estimator(),
    ) {
        let scaled: Vec<f32> = values.iter().map(|x| x * 2f32.powi(exponent)).collect();
        let lids = per_point(estimator);
        // Every step but the logarithms and roots scales exactly.
        prop_assert!(close(&lids(&scaled), &lids(&values), 1e-12));
    }

    #[test]
    fn any_scale_changes_only_the_rounding_of_features(
        values in rows(), scale in 1e-3f32..1e3, estimator in any_estimator(),
    ) {
        let scaled: Vec<f32> = values.iter().map(|x| x * scale).collect();
        let lids = per_point(estimator);
        // Features move by 6e-8 of up to 1; the nearest of 30 points in four dimensions are hardly
        // ever closer than 1e-2, so logarithms move by 1e-5 at most.
        prop_assert!(close(&lids(&scaled), &lids(&values), 1e-4));
    }

    #[test]
    fn a_translation_changes_only_the_rounding_of_features(
        values in rows(), offset in prop::array::uniform4(-8.0f32..8.0), estimator in any_estimator(),
    ) {
        let moved: Vec<f32> =
            values.iter().enumerate().map(|(at, x)| x + offset[at % D]).collect();
        let lids = per_point(estimator);
        // As for a scale, with features up to 8.
        prop_assert!(close(&lids(&moved), &lids(&values), 1e-3));
    }

    #[test]
    fn tight_localities_know_neither_scale_nor_order(
        values in rows(), exponent in -40i32..40, shift in 1usize..7,
    ) {
        let per_point = |values: &[f32]| {
            let points = Points::new(values, D).expect("they are finite");
            let found = tle(&points, &neighbors(values, D, K), Degenerate::Skip);
            found.expect("some rows differ").per_point().to_vec()
        };
        let mut turned: Vec<f32> = values.iter().map(|x| x * 2f32.powi(exponent)).collect();
        turned.rotate_left(shift * D);
        let mut expected = per_point(&values);
        expected.rotate_left(shift);
        // Where two neighbors nearly mirror each other, what is left of their squares has fewer digits.
        prop_assert!(close(&per_point(&turned), &expected, 1e-9));
    }

    #[test]
    fn tight_localities_are_blind_to_points_far_off(values in rows()) {
        // Exact at 2³⁰, too, where 32 bits would take all points for one.
        let here: Vec<f32> = values.iter().map(|x| (x * 1024.0).round() / 1024.0).collect();
        let both: Vec<f64> =
            [0.0, 2f64.powi(30)].iter().flat_map(|far| here.iter().map(move |&x| f64::from(x) + far)).collect();
        let features = Features::new(both, D).expect("they are finite");
        let found = features.nearest(K, &|_, _| ()).expect("k is below n");
        let found = tle(&features, &found, Degenerate::Skip).expect("some rows differ");
        let alone = Points::new(&here, D).expect("they are finite");
        let alone = tle(&alone, &neighbors(&here, D, K), Degenerate::Skip).expect("some rows differ");
        let twice = alone.per_point().repeat(2);
        prop_assert!(close(found.per_point(), &twice, 1e-12));
    }

    #[test]
    fn a_permutation_of_points_permutes_the_dimensions(
        values in rows(), shift in 1usize..7, estimator in any_estimator(),
    ) {
        let mut turned = values.clone();
        turned.rotate_left(shift * D);
        turned.chunks_exact_mut(D).for_each(|row| row.reverse());
        let lids = per_point(estimator);
        let mut expected = lids(&values);
        expected.rotate_left(shift);
        // The order of features and rows changes only the order of additions.
        prop_assert!(close(&lids(&turned), &expected, 1e-12));
    }

    #[test]
    fn a_rotation_changes_only_the_rounding_of_features(
        values in rows(), angles in prop::array::uniform3(0.0f64..6.3), estimator in any_estimator(),
    ) {
        let turned: Vec<f32> =
            values.chunks_exact(D).flat_map(|row| turn(row, &angles)).collect();
        let lids = per_point(estimator);
        // As for a scale.
        prop_assert!(close(&lids(&turned), &lids(&values), 1e-4));
    }
}

/// Turns a row in three planes, one after the other.
fn turn(row: &[f32], angles: &[f64; 3]) -> Vec<f32> {
    let mut row: Vec<f64> = row.iter().map(|&x| f64::from(x)).collect();
    for (plane, angle) in angles.iter().enumerate() {
        let (sin, cos) = angle.sin_cos();
        let (x, y) = (row[plane], row[plane + 1]);
        row[plane] = cos * x - sin * y;
        row[plane + 1] = sin * x + cos * y;
    }
    row.into_iter().map(|x| x as f32).collect()
}
