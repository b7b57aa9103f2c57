//! Figures from outside: `shared/golden/lid_cases.json`, computed with NumPy in `f64`, PyTorch in
//! `f32` and scikit-dimension 0.5.0 on inputs made by a closed form.

mod draw;

use draw::split_mix;
use lid::{Degenerate, Estimator, Lid, Neighbors, Points, estimate, mle_as_published};

/// The linear congruential generator, and sums of twelve draws as normal numbers.
struct Lcg(u32);

impl Lcg {
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        f64::from(self.0) / 2f64.powi(32)
    }

    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.uniform()).sum::<f64>() - 6.0
    }
}

fn gauss(seed: u32, n: usize, d: usize) -> Vec<f32> {
    let mut lcg = Lcg(seed);
    (0..n * d).map(|_| lcg.normal() as f32).collect()
}

fn hash(seed: u64, n: usize, d: usize) -> Vec<f32> {
    (0..n * d).map(|at| split_mix(seed, at) as f32).collect()
}

/// sin(0.1 · i · j + i).
fn sines(n: usize, d: usize) -> Vec<f32> {
    let sine = |i: f64, j: f64| (0.1 * i * j + i).sin() as f32;
    (0..n * d).map(|at| sine((at / d) as f64, (at % d) as f64)).collect()
}

fn points(values: &[f32], d: usize) -> Points<'_> {
    Points::new(values, d).expect("the inputs are finite")
}

fn lid(values: &[f32], d: usize, k: usize, estimator: Estimator) -> Lid {
    let neighbors = Neighbors::nearest(points(values, d), k).expect("k is below n");
    estimate(&neighbors, estimator, Degenerate::Error).expect("the inputs are in general position")
}

#[track_caller]
fn close(found: f64, expected: f64, tolerance: f64) {
    assert!((found / expected - 1.0).abs() < tolerance, "{found} for {expected}");
}

/// `f64_eps0` and `f64_eps0_harmonic`.
#[track_caller]
fn check(values: &[f32], d: usize, k: usize, mean: f64, harmonic: f64) {
    let lid = lid(values, d, k, Estimator::Mle);
    // Distances with a rounding of 1e-16 are divided by a spread of 1e-3 and more, and sines of
    // another library may round an input the other way: a few parts in 1e10 in the mean. Above 512
    // features squares are rounded to f32, which leaves 1e-8 of a distance; the sines have points
    // whose neighbors are equally far to a few parts in 1000.
    let tolerance = if d <= 512 { 1e-9 } else { 5e-6 };
    close(lid.mean(), mean, tolerance);
    close(lid.harmonic_mean(), harmonic, tolerance);
}

#[test]
fn mle_of_gaussians() {
    check(&gauss(1, 128, 64), 64, 5, 42.30000363962231, 32.53238652076698);
    check(&gauss(1, 128, 64), 64, 10, 30.461563067719915, 26.818919279588005);
    check(&gauss(1, 128, 64), 64, 20, 24.47761986487494, 23.036108615036937);
    check(&gauss(2, 64, 64), 64, 5, 37.53251357047621, 26.417553624685493);
    check(&gauss(2, 64, 64), 64, 20, 18.44989894645561, 17.74842379996159);
}

#[test]
fn mle_of_many_uniform_features() {
    check(&hash(7, 128, 4096), 4096, 5, 483.95767374726995, 370.6590879403304);
    check(&hash(7, 128, 4096), 4096, 20, 252.8662089867598, 240.64587075699785);
    check(&hash(8, 128, 16384), 16384, 20, 490.13295548694055, 470.79163741424514);
}

#[test]
fn mle_of_sines() {
    check(&sines(128, 64), 64, 5, 6.289708878046911, 5.654872484677531);
    check(&sines(128, 64), 64, 20, 12.085680547900116, 11.395478587516898);
    check(&sines(128, 4096), 4096, 20, 124.22684870850979, 56.850455083886175);
}

/// `TwoNN` of `skdim_on_minmax_f32`: scikit-dimension scales all features together first.
#[test]
fn two_nn_of_scikit_dimension() {
    // It stores the scaled features as f32, so its distances are good to about 1e-7, and the
    // logarithm of their ratio, near 1e-2, to about 1e-5 before averaging.
    close(lid(&gauss(1, 128, 64), 64, 2, Estimator::TwoNn).mean(), 32.70807205074143, 1e-5);
    close(lid(&gauss(2, 64, 64), 64, 2, Estimator::TwoNn).mean(), 25.34556393594091, 1e-5);
    close(lid(&hash(7, 128, 4096), 4096, 2, Estimator::TwoNn).mean(), 305.082487044947, 1e-4);
    close(lid(&sines(128, 64), 64, 2, Estimator::TwoNn).mean(), 2.599245861467755, 1e-5);
}

/// `reference_f32`.
#[test]
fn the_published_formula() {
    let check = |values: &[f32], d: usize, k: usize, expected: f64, tolerance: f64| {
        close(mle_as_published(points(values, d), k), expected, tolerance);
    };
    // Another order of addition changes an f32 distance by a few 1e-7; that is divided by a spread
    // of about 1 / LID.
    check(&gauss(1, 128, 64), 64, 5, 42.30024337768555, 2e-5);
    check(&gauss(1, 128, 64), 64, 20, 24.47759246826172, 1e-5);
    check(&gauss(2, 64, 64), 64, 10, 22.755414962768555, 1e-5);
    check(&sines(128, 64), 64, 20, 12.085662841796875, 1e-5);
    check(&hash(7, 128, 4096), 4096, 20, 252.86949157714844, 1e-4);
}

/// `shared/notes/method.md`: the offset and the scale at which the published code fails.
#[test]
fn offset_and_scale_spoil_only_the_published_formula() {
    let values = gauss(1, 128, 64);
    let truth = lid(&values, 64, 20, Estimator::Mle).mean();
    let small: Vec<f32> = values.iter().map(|value| value * 2f32.powi(-40)).collect();
    // A power of two changes no digit.
    close(lid(&small, 64, 20, Estimator::Mle).mean(), truth, 1e-14);
    assert!(mle_as_published(points(&small, 64), 20) < 1.0);

    let moved: Vec<f32> = values.iter().map(|value| value + 1e4).collect();
    // At 1e4 an f32 is rounded to 5e-4 of the spread of a feature.
    close(lid(&moved, 64, 20, Estimator::Mle).mean(), truth, 1e-3);
    assert!(mle_as_published(points(&moved, 64), 20) < 0.5 * truth);
}

/// `skdim.id.TLE(epsilon=1e-12)` of scikit-dimension 0.5.0, per point and their mean.
#[track_caller]
fn check_tle(values: &[f32], d: usize, k: usize, first: [f64; 4], mean: f64) {
    let points = points(values, d);
    let neighbors = Neighbors::nearest(points, k).expect("k is below n");
    let lid = lid::tle(&points, &neighbors, Degenerate::Error).expect("general position");
    for (found, expected) in lid.per_point().iter().zip(first) {
        // Its quadratic formula cancels where a neighbor is nearly as far as the last.
        close(found.expect("no row is skipped"), expected, 1e-7);
    }
    close(lid.mean(), mean, 1e-7);
}

#[test]
fn tle_of_scikit_dimension() {
    let first = [86.20382386121264, 12.128504059959793, 13.009196143553131, 12.390971628693805];
    check_tle(&sines(128, 64), 64, 20, first, 12.053071515933645);
    let first = [2.862207888726552, 3.8739311638719305, 4.785195769903974, 4.05984392125038];
    check_tle(&hash(3, 200, 5), 5, 20, first, 4.609073441701352);
    let first = [3.560047605881651, 6.495177922034958, 6.49587076585235, 3.4641106603290006];
    check_tle(&hash(3, 200, 5), 5, 10, first, 5.173947894031001);
}

#[test]
fn tle_takes_near_duplicates_at_its_radius() {
    let points = Points::new(&[0.0, 0.0, 0.5, 0.0, 1.0, 0.0, 1.0, 1e-9], 2).expect("finite");
    let neighbors = Neighbors::nearest(points, 3).expect("four points");
    // To the second all others are equally far.
    let lid = lid::tle(&points, &neighbors, Degenerate::Skip).expect("the first is not degenerate");
    assert!(lid.per_point()[0].is_some_and(|dimension| 0.0 < dimension && dimension < 10.0));
}

#[test]
fn tle_leaves_out_neighbors_that_mirror_each_other() {
    // (1, 5) and (−1, −5) mirror each other through the first point. Expected: the formula of the paper in numpy, such
    // pairs left out; whatever rounding makes of them at other scales.
    let cross: [f32; 10] = [0.0, 0.0, 1.0, 0.25, -0.5, 1.0, 1.0, 5.0, -1.0, -5.0];
    let expected = [1.64305, 1.69796, 1.50625, 1.30154, 1.3982];
    for scale in [1.0, 0.1, 0.3, 3.0, 1e-9] {
        let values = cross.map(|value| value * scale);
        let points = Points::new(&values, 2).expect("finite");
        let neighbors = Neighbors::nearest(points, 4).expect("five points");
        let lid = lid::tle(&points, &neighbors, Degenerate::Error).expect("no row is degenerate");
        for (found, expected) in lid.per_point().iter().zip(expected) {
            let found = found.expect("no row is skipped");
            assert!((found - expected).abs() < 2e-5, "{found} for {expected} at {scale}");
        }
    }
}
