//! Figures from outside: NumPy in `f64` on inputs made by a closed form.

use lid::{Degenerate, Estimator, Neighbors, Points, estimate, mle_as_published};

/// The linear congruential generator of the figures, and sums of twelve draws as normal numbers.
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

#[track_caller]
fn check(values: &[f32], k: usize, mean: f64, harmonic: f64) {
    let neighbors = Neighbors::nearest(Points::new(values, 64).unwrap(), k).unwrap();
    let lid = estimate(&neighbors, Estimator::Mle, Degenerate::Error).unwrap();
    // The figures are sums of logarithms of f64 distances; ours differ in the last digits only.
    assert!((lid.mean() / mean - 1.0).abs() < 1e-9, "{} for {mean}", lid.mean());
    let found = lid.harmonic_mean();
    assert!((found / harmonic - 1.0).abs() < 1e-9, "{found} for {harmonic}");
}

/// `golden/lid_cases.json`, `gauss_128x64` and `gauss_64x64`: `f64_eps0`, `f64_eps0_harmonic`.
#[test]
fn mle_of_gaussians() {
    check(&gauss(1, 128, 64), 5, 42.30000363962231, 32.53238652076698);
    check(&gauss(1, 128, 64), 10, 30.461563067719915, 26.818919279588005);
    check(&gauss(1, 128, 64), 20, 24.47761986487494, 23.036108615036937);
    check(&gauss(2, 64, 64), 20, 18.44989894645561, 17.74842379996159);
}

/// The same file, `reference_f32`.
#[test]
fn the_published_formula() {
    let values = gauss(1, 128, 64);
    let found = mle_as_published(Points::new(&values, 64).unwrap(), 5).unwrap();
    // The published distances are of f32, with a relative error of about 1e-6.
    assert!((found / 42.300_243 - 1.0).abs() < 1e-5, "{found}");
}
