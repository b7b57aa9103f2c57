//! Points drawn from sets of known dimension.
//!
//! With n points and k neighbors the harmonic mean of the 1/(k−1) form has a relative standard
//! error near 1/√(n(k − 1)), about twice that with the dependence of neighboring rows. What remains
//! is bias at the border, where a ball around a point is cut off: it lowers the estimate, the more
//! the higher the dimension. The tolerances below are for both, and say which is larger.

mod draw;

use draw::split_mix;
use lid::{Degenerate, Estimator, Neighbors, Points, estimate, tle};

const N: usize = 1000;
const K: usize = 20;

/// A stream of SplitMix64.
struct Stream {
    seed: u64,
    at: usize,
}

impl Stream {
    fn uniform(&mut self) -> f64 {
        self.at += 1;
        split_mix(self.seed, self.at)
    }

    /// A normal number by Box and Muller.
    fn normal(&mut self) -> f64 {
        let radius = (1.0 - f64::midpoint(self.uniform(), 1.0)).max(f64::MIN_POSITIVE);
        (-2.0 * radius.ln()).sqrt() * (std::f64::consts::PI * self.uniform()).cos()
    }

    fn normals(&mut self, d: usize) -> Vec<f64> {
        (0..d).map(|_| self.normal()).collect()
    }

    /// A point of the sphere in `d` features.
    fn direction(&mut self, d: usize) -> Vec<f64> {
        let normals = self.normals(d);
        let length = normals.iter().map(|value| value * value).sum::<f64>().sqrt();
        normals.into_iter().map(|value| value / length).collect()
    }

    /// A point of the ball in `d` features.
    fn inside(&mut self, d: usize) -> Vec<f64> {
        let radius = f64::midpoint(self.uniform(), 1.0).powf(1.0 / d as f64);
        self.direction(d).into_iter().map(|value| value * radius).collect()
    }
}

/// `N` points, each made by `point` from one stream.
fn sample(seed: u64, mut point: impl FnMut(&mut Stream) -> Vec<f64>) -> Vec<f32> {
    let mut stream = Stream { seed, at: 0 };
    (0..N).flat_map(|_| point(&mut stream)).map(|value| value as f32).collect()
}

/// The swiss roll.
fn rolled_up_sheet(seed: u64) -> Vec<f32> {
    sample(seed, |stream| {
        let angle = 1.5 * std::f64::consts::PI * (1.0 + f64::midpoint(stream.uniform(), 1.0));
        vec![angle * angle.cos(), 10.5 * (1.0 + stream.uniform()), angle * angle.sin()]
    })
}

#[track_caller]
fn check(values: &[f32], estimator: Estimator, truth: f64, tolerance: f64) {
    let points = Points::new(values, values.len() / N).expect("the draws are finite");
    let neighbors = Neighbors::nearest(points, K).expect("k is below n");
    let lid = estimate(&neighbors, estimator, Degenerate::Error).expect("the draws differ");
    let found = lid.harmonic_mean();
    assert!((found / truth - 1.0).abs() < tolerance, "{estimator}: {found} for {truth}");
}

#[test]
fn a_ball_has_the_dimension_of_its_space() {
    // Statistical error 1.5 %; the border costs 2 % in the plane and 10 % at d = 5.
    for (d, tolerance) in [(1, 0.05), (2, 0.06), (3, 0.1), (5, 0.15)] {
        let values = sample(d as u64, |stream| stream.inside(d));
        check(&values, Estimator::MleUnbiased, d as f64, tolerance);
        // The mean of all k distances holds r_k itself, which makes (k / (k − 1)) (d + 1) − 1.
        let truth = K as f64 / (K - 1) as f64 * (d + 1) as f64 - 1.0;
        check(&values, Estimator::Mom, truth, tolerance);
    }
}

#[test]
fn a_cube_has_the_dimension_of_its_space() {
    // As the ball, with more border.
    for (d, tolerance) in [(1, 0.05), (2, 0.07), (4, 0.15)] {
        let values = sample(10 + d as u64, |stream| (0..d).map(|_| stream.uniform()).collect());
        check(&values, Estimator::MleUnbiased, d as f64, tolerance);
    }
}

#[test]
fn a_sphere_has_one_dimension_less_than_its_space() {
    // No border; curvature is weak among 20 of 1000 points.
    for (d, tolerance) in [(2, 0.05), (3, 0.05), (5, 0.06)] {
        let values = sample(20 + d as u64, |stream| stream.direction(d));
        check(&values, Estimator::MleUnbiased, (d - 1) as f64, tolerance);
    }
}

#[test]
fn a_linear_subspace_keeps_its_dimension_in_any_space() {
    let mut stream = Stream { seed: 30, at: 0 };
    let basis: Vec<Vec<f64>> = (0..3).map(|_| stream.normals(200)).collect();
    let values = sample(31, |stream| {
        let weights = stream.inside(3);
        (0..200).map(|j| basis.iter().zip(&weights).map(|(b, w)| b[j] * w).sum()).collect()
    });
    // The ball in three dimensions, its axes stretched a little.
    check(&values, Estimator::MleUnbiased, 3.0, 0.1);
    check(&values, Estimator::TwoNn, 3.0, 0.12);
}

#[test]
fn a_rolled_up_sheet_is_two_dimensional() {
    let values = rolled_up_sheet(40);
    // Twenty neighbors lie within a distance of 3, where the roll is bent but not met again.
    check(&values, Estimator::MleUnbiased, 2.0, 0.07);
    check(&values, Estimator::TwoNn, 2.0, 0.1);
}

#[test]
fn the_published_form_is_larger_by_a_constant() {
    let values = sample(50, |stream| stream.inside(3));
    // k / (k − 1).
    check(&values, Estimator::Mle, 3.0 * 20.0 / 19.0, 0.1);
}

#[test]
fn two_nn_looks_no_further_than_two_neighbors() {
    // Its standard error is 1/√n = 3 %, tripled; the border matters little at this range.
    for d in [1, 2, 4] {
        let values = sample(60 + d as u64, |stream| stream.inside(d));
        check(&values, Estimator::TwoNn, d as f64, 0.1);
        check(&values, Estimator::TwoNnMl, d as f64, 0.1);
    }
}

#[test]
fn tight_localities_find_the_dimension_with_half_the_neighbors() {
    let check = |values: &[f32], truth: f64| {
        let points = Points::new(values, values.len() / N).expect("the draws are finite");
        let neighbors = Neighbors::nearest(points, K / 2).expect("k is below n");
        let found = tle(&points, &neighbors, Degenerate::Error).expect("the draws differ");
        let found = found.harmonic_mean();
        assert!((found / truth - 1.0).abs() < 0.15, "tle: {found} for {truth}");
    };
    // So few neighbors give a tenth too much, as 1 ∕ k does in maximum likelihood; the border of the
    // ball takes some of it back.
    for d in [2, 3, 5] {
        check(&sample(70 + d as u64, |stream| stream.inside(d)), d as f64);
        check(&sample(80 + d as u64, |stream| stream.direction(d)), (d - 1) as f64);
    }
    check(&rolled_up_sheet(90), 2.0);
}
