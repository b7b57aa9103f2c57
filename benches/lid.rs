//! The cost of LID against points, features and neighbors: does a probe wait for it?

use std::hint::black_box;

use benches::{points, settings};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use gemm::Parallelism;
use lid::{Degenerate, Estimator, Neighbors, Points, estimate};

/// Points and features: layers of supernets on batches of 128 and 512.
const SIZES: [(usize, usize); 4] = [(128, 4096), (128, 16384), (128, 65536), (512, 16384)];

fn nearest(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("nearest");
    for (n, d) in SIZES {
        let values = points(n, d);
        group.throughput(Throughput::Bytes(4 * (n * d) as u64));
        group.bench_function(format!("n={n},d={d},k=20"), |bencher| {
            let points = Points::new(&values, d).expect("the draws are finite");
            bencher.iter(|| Neighbors::nearest(black_box(points), 20));
        });
    }
    group.finish();
}

/// What `nearest` is measured against: the bare product of the points with themselves, by the fastest
/// matrix product there is in Rust.
fn product(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("product");
    for (n, d) in SIZES {
        let values = points(n, d);
        let mut product = vec![0.0; n * n];
        group.bench_function(format!("n={n},d={d}"), |bencher| {
            bencher.iter(|| multiply_transposed(black_box(&values), d, &mut product));
        });
    }
    group.finish();
}

/// X·Xᵀ on all threads.
#[expect(unsafe_code, reason = "gemm takes pointers; their extents are asserted")]
fn multiply_transposed(values: &[f32], d: usize, product: &mut [f32]) {
    let n = values.len() / d;
    assert_eq!((values.len(), product.len()), (n * d, n * n));
    // SAFETY: the strides stay inside [n, d] and [n, n], which are the lengths of the slices, and
    // `product` is borrowed alone.
    unsafe {
        gemm::gemm(
            n,
            n,
            d,
            product.as_mut_ptr(),
            1,
            n.cast_signed(),
            false,
            values.as_ptr(),
            1,
            d.cast_signed(),
            values.as_ptr(),
            d.cast_signed(),
            1,
            0.0,
            1.0,
            false,
            false,
            false,
            Parallelism::Rayon(0),
        );
    }
}

fn mle(criterion: &mut Criterion) {
    let values = points(128, 64);
    let points = Points::new(&values, 64).expect("the draws are finite");
    let neighbors = Neighbors::nearest(points, 20).expect("128 points have 20 neighbors");
    criterion.bench_function("mle/n=128,k=20", |bencher| {
        bencher.iter(|| estimate(black_box(&neighbors), Estimator::Mle, Degenerate::Error));
    });
}

criterion_group! { name = lid_cost; config = settings(); targets = nearest, product, mle }
criterion_main!(lid_cost);
