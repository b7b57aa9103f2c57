//! The cost of NAS-Bench-201: its architectures, and training, scoring and probing its supernet.

use std::hint::black_box;

use benches::{points, settings, work_as_program};
use burn::tensor::Device;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use data::Batch;
use nb201::{Nb201, Nb201Config, Nb201Network, canonical};
use space::{Arch, SearchSpace, Seed};
use supernet::{
    Engine, Features, Kept, Lookahead, Optimizer, Statistics, StepOptions, Supernet, Taps,
};

/// Channels, cells a stage, side of the images: the networks of the benchmark, and the `cpu` profile.
const SIZES: [(usize, usize, usize); 2] = [(16, 5, 32), (8, 1, 16)];

const N_IMAGES: usize = 64;

/// Every operation but `none`.
const MIXED: &str = "|nor_conv_3x3~0|+|nor_conv_1x1~0|avg_pool_3x3~1|+\
                     |skip_connect~0|nor_conv_3x3~1|nor_conv_1x1~2|";

const STEP: StepOptions = StepOptions {
    lr: 0.01,
    optimizer: Optimizer::Sgd { momentum: 0.9, lookahead: Lookahead::Nesterov },
    weight_decay: 5e-4,
    max_gradient_norm: Some(5.0),
    label_smoothing: 0.0,
    averaging: None,
};

fn space(channels: usize, cells_per_stage: usize, side: usize) -> Nb201 {
    Nb201::new(&Nb201Config { channels, cells_per_stage, affine: true }, 3, side, 10)
}

fn batch(side: usize, n: usize) -> Batch {
    let images = points(n, 3 * side * side);
    Batch { images, labels: (0..n).map(|i| (i % 10) as i32).collect(), shape: [n, 3, side, side] }
}

fn archs(criterion: &mut Criterion) {
    let space = space(16, 5, 32);
    criterion.bench_function("archs/enumerate,n=15625", |bencher| {
        bencher.iter(|| space.full_mask().archs().count());
    });
    let all: Vec<Arch> = space.full_mask().archs().collect();
    criterion.bench_function("archs/canonical,n=15625", |bencher| {
        bencher.iter(|| all.iter().map(|arch| canonical(black_box(arch)).len()).sum::<usize>());
    });
    criterion.bench_function("archs/cost,n=15625", |bencher| {
        bencher.iter(|| all.iter().map(|arch| space.cost(black_box(arch)).macs).sum::<u64>());
    });
}

fn passes(criterion: &mut Criterion) {
    work_as_program();
    let device = Device::flex();
    for (channels, cells, side) in SIZES {
        let space = space(channels, cells, side);
        let arch = space.parse(MIXED).expect("an architecture of the space");
        let mut rng = Seed::new(1).rng();
        let network = Nb201Network::init(&space, &device.clone().autodiff(), &mut rng);
        let mut supernet = Engine::new(network, &device);
        let batch = batch(side, N_IMAGES);
        let mut group = criterion.benchmark_group(format!("C={channels},N={cells},side={side}"));
        group.throughput(Throughput::Elements(N_IMAGES as u64));
        group.bench_function("score", |bencher| {
            let batches = std::slice::from_ref(&batch);
            bencher.iter(|| supernet.evaluate(&arch, black_box(batches), Statistics::OfBatch));
        });
        group.bench_function("probe", |bencher| {
            bencher.iter(|| {
                let mut n_numbers = 0;
                let mut sink = |_, _, features: &Features<'_>| n_numbers += features.d();
                supernet.probe(
                    std::slice::from_ref(&arch),
                    black_box(&batch),
                    Taps::Blocks,
                    &mut sink,
                );
                n_numbers
            });
        });
        group.bench_function("step", |bencher| {
            bencher.iter(|| supernet.train_step(black_box(&batch), &arch, &STEP));
        });
        let mut supernet = supernet.keeping(Kept::PartInputs);
        group.bench_function("step,kept=part-inputs", |bencher| {
            bencher.iter(|| supernet.train_step(black_box(&batch), &arch, &STEP));
        });
        group.finish();
    }
}

/// Images a second against the size of a batch; `RAYON_NUM_THREADS=1` says what one thread does.
fn batch_sizes(criterion: &mut Criterion) {
    let (channels, cells, side) = SIZES[1];
    let (space, device) = (space(channels, cells, side), Device::flex());
    let arch = space.parse(MIXED).expect("an architecture of the space");
    let mut rng = Seed::new(1).rng();
    let network = Nb201Network::init(&space, &device.clone().autodiff(), &mut rng);
    let mut supernet = Engine::new(network, &device);
    let mut group = criterion.benchmark_group(format!("batch/C={channels},N={cells},side={side}"));
    for n in [16, 32, 64, 128, 256] {
        let batch = batch(side, n);
        group.throughput(Throughput::Elements(n as u64));
        group.bench_function(format!("step,n={n}"), |bencher| {
            bencher.iter(|| supernet.train_step(black_box(&batch), &arch, &STEP));
        });
        group.bench_function(format!("score,n={n}"), |bencher| {
            let batches = std::slice::from_ref(&batch);
            bencher.iter(|| supernet.evaluate(&arch, black_box(batches), Statistics::OfBatch));
        });
    }
    group.finish();
}

criterion_group! { name = networks; config = settings(); targets = archs, passes, batch_sizes }
criterion_main!(networks);
