//! Numbers by a closed form, the same in every language: those of `shared/golden/lid_cases.json`.

/// SplitMix64: draw number `at` of `seed`, uniform in `[-1, 1)`.
pub(crate) fn split_mix(seed: u64, at: usize) -> f64 {
    let mut z = (at as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(seed);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^= z >> 31;
    (z >> 11) as f64 / 2f64.powi(53) * 2.0 - 1.0
}
