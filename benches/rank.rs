//! The cost of judging a scorer on all of NAS-Bench-201.

use std::hint::black_box;

use benches::{points, settings};
use criterion::{Criterion, criterion_group, criterion_main};
use rank::{kendall_tau_b, spearman};

const N_ARCHS: usize = 15_625;

fn correlations(criterion: &mut Criterion) {
    let draw: Vec<f64> = points(2, N_ARCHS).into_iter().map(f64::from).collect();
    let (truth, noise) = draw.split_at(N_ARCHS);
    let predicted: Vec<f64> = truth.iter().zip(noise).map(|(truth, noise)| truth + noise).collect();
    // Accuracies on 500 images: many ties.
    let coarse: Vec<f64> = predicted.iter().map(|value| (250.0 * value).round()).collect();
    for (name, predicted) in [("distinct", &predicted), ("ties", &coarse)] {
        criterion.bench_function(&format!("kendall-tau-b/n={N_ARCHS},{name}"), |bencher| {
            bencher.iter(|| kendall_tau_b(black_box(predicted), black_box(truth)));
        });
        criterion.bench_function(&format!("spearman/n={N_ARCHS},{name}"), |bencher| {
            bencher.iter(|| spearman(black_box(predicted), black_box(truth)));
        });
    }
}

criterion_group! { name = judging; config = settings(); targets = correlations }
criterion_main!(judging);
