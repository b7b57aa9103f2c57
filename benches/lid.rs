//! The cost of LID against points, features and neighbors: does a probe wait for it?

use std::hint::black_box;

use benches::{points, settings};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use lid::{Degenerate, Estimator, Neighbors, Points, estimate};

fn nearest(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("nearest");
    for (n, d) in [(128, 4096), (128, 16384), (128, 65536), (512, 16384)] {
        let values = points(n, d);
        group.throughput(Throughput::Bytes(4 * (n * d) as u64));
        group.bench_function(format!("n={n},d={d},k=20"), |bencher| {
            let points = Points::new(&values, d).expect("the draws are finite");
            bencher.iter(|| Neighbors::nearest(black_box(points), 20));
        });
    }
    group.finish();
}

fn mle(criterion: &mut Criterion) {
    let values = points(128, 64);
    let points = Points::new(&values, 64).expect("the draws are finite");
    let neighbors = Neighbors::nearest(points, 20).expect("128 points have 20 neighbors");
    criterion.bench_function("mle/n=128,k=20", |bencher| {
        bencher.iter(|| estimate(black_box(&neighbors), Estimator::Mle, Degenerate::Error));
    });
}

criterion_group! { name = lid_cost; config = settings(); targets = nearest, mle }
criterion_main!(lid_cost);
