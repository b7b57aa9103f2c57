//! The cost of a cut against the number of operations: exact, and by the methods for large graphs.

use std::hint::black_box;

use benches::{points, settings};
use criterion::{Criterion, criterion_group, criterion_main};
use partition::{Measure, Objective, Similarity, Sizes, best, min_cut, spectral_cut};

/// Cosines between as many random profiles of 17 taps, shifted to be positive.
fn similarity(n: usize) -> Similarity {
    let vectors: Vec<Vec<f64>> = points(n, 17)
        .chunks_exact(17)
        .map(|row| row.iter().map(|&value| f64::from(value) + 1.5).collect())
        .collect();
    Similarity::of(&vectors, Measure::Cosine).expect("the profiles are no zeros")
}

fn exact(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("exact");
    for (n, n_groups) in [(5, 2), (7, 2), (7, 3), (12, 2), (12, 3)] {
        let similarity = similarity(n);
        group.bench_function(format!("n={n},groups={n_groups}"), |bencher| {
            bencher.iter(|| {
                best(black_box(&similarity), n_groups, Sizes::Balanced, Objective::IntraSum)
            });
        });
    }
    group.finish();
}

fn large(criterion: &mut Criterion) {
    for n in [12, 32, 128] {
        let similarity = similarity(n);
        criterion.bench_function(&format!("min-cut/n={n}"), |bencher| {
            bencher.iter(|| min_cut(black_box(&similarity)));
        });
        criterion.bench_function(&format!("spectral/n={n}"), |bencher| {
            bencher.iter(|| spectral_cut(black_box(&similarity)));
        });
    }
}

criterion_group! { name = cuts; config = settings(); targets = exact, large }
criterion_main!(cuts);
