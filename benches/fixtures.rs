//! Seeded inputs and criterion settings.

use std::time::Duration;

use criterion::Criterion;

/// Settings for kernels of milliseconds.
pub fn settings() -> Criterion {
    Criterion::default().sample_size(20).measurement_time(Duration::from_secs(4))
}

/// Sets up the process as `nas-lid` does: freed memory is kept, and this thread is one of those that share parallel
/// work.
///
/// # Panics
///
/// If anything has run in parallel before.
pub fn work_as_program() {
    flex_ops::keep_freed_memory();
    let pool = rayon::ThreadPoolBuilder::new().use_current_thread();
    pool.build_global().expect("nothing has run in parallel before");
}

/// `n × d` numbers in [-1, 1), the same every time (SplitMix64, Steele et al. 2014).
pub fn points(n: usize, d: usize) -> Vec<f32> {
    let mut state = 7_u64;
    let mut draw = || {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 40) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..n * d).map(|_| draw()).collect()
}
