//! The cost of convolutions on the processor, beside the most that its multipliers can do, and of a
//! mobile inverted bottleneck (MBConv): forward, and a training step.

use std::hint::black_box;

use benches::{points, settings, work_as_program};
use burn::tensor::{Device, Tensor, TensorData};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use flex_ops::{After, Before, Groups, Options, Stage, conv_norm, conv_norms};
use lanes::{Isa, LANES, Lanes, Work};

const N_IMAGES: usize = 32;
const NARROW: usize = 24;
const WIDE: usize = 144;
const SIDE: usize = 56;
const KERNEL: usize = 5;

/// Weight, scale and shift of each of the three convolutions.
type Weights = [(Tensor<4>, [Tensor<1>; 2]); 3];

fn tensor(shape: [usize; 4], device: &Device) -> Tensor<4> {
    let [a, b, c, d] = shape;
    Tensor::from_data(TensorData::new(points(a * b, c * d), shape), device)
}

fn weights(device: &Device) -> Weights {
    let shapes = [[WIDE, NARROW, 1, 1], [WIDE, 1, KERNEL, KERNEL], [NARROW, WIDE, 1, 1]];
    shapes.map(|shape| {
        let (scale, shift) = (Tensor::ones([shape[0]], device), Tensor::zeros([shape[0]], device));
        (tensor(shape, device), [scale, shift])
    })
}

fn forward(x: Tensor<4>, weights: &Weights) -> Tensor<4> {
    let expand = Options { after: After::Relu6, ..Options::PLAIN };
    let options = [expand, Options { groups: Groups::Depthwise, ..expand }, Options::PLAIN];
    let residual = x.clone();
    let stage = |((weight, affine), options): (&(Tensor<4>, [Tensor<1>; 2]), Options)| Stage {
        weight: weight.clone(),
        affine: affine.clone(),
        given: None,
        options,
    };
    let (output, _) = conv_norms(x, weights.iter().zip(options).map(stage).collect());
    output + residual
}

/// One step of plain gradient descent.
fn step(x: Tensor<4>, weights: Weights) -> Weights {
    const RATE: f64 = 0.01;
    let weights = weights
        .map(|(weight, channels)| (weight.require_grad(), channels.map(Tensor::require_grad)));
    let gradients = forward(x, &weights).square().mean().backward();
    weights.map(|(weight, channels)| {
        let slope = weight.grad(&gradients).expect("every weight takes part");
        let weight = Tensor::from_inner(weight.inner() - slope * RATE);
        let channels = channels.map(|channel| {
            let slope = channel.grad(&gradients).expect("every channel takes part");
            Tensor::from_inner(channel.inner() - slope * RATE)
        });
        (weight, channels)
    })
}

/// Products and sums that depend on themselves alone, enough of them to fill all pipes and no more than
/// there are registers for.
struct Peak {
    n_rounds: usize,
}

impl Peak {
    /// As many products of vectors, by so many chains.
    #[inline(always)]
    fn chains<L: Lanes, const N: usize>(self) -> [f32; LANES] {
        let (factor, addend) = (L::splat(black_box(0.5)), L::splat(black_box(1.0)));
        let mut chains = [L::splat(0.0); N];
        for _ in 0..self.n_rounds * LANES / N {
            for chain in &mut chains {
                *chain = chain.mul_add(factor, addend);
            }
        }
        let mut all = [L::splat(0.0); LANES];
        all[..N].copy_from_slice(&chains);
        L::sums(all)
    }
}

impl Work for Peak {
    type Output = [f32; LANES];

    #[inline(always)]
    fn run<L: Lanes>(self) -> Self::Output {
        if L::IS_REGISTER { self.chains::<L, LANES>() } else { self.chains::<L, 4>() }
    }
}

/// Floating-point operations a second: of the multipliers alone, and of 3 × 3 convolutions of as many
/// channels in as out, as many numbers in each, counted as in the definition. A step computes two
/// gradients beside the output.
fn conv(criterion: &mut Criterion) {
    const N_ROUNDS: usize = 100_000;
    work_as_program();
    let mut group = criterion.benchmark_group("conv,k=3");
    let n_flops = 2 * LANES * LANES * N_ROUNDS * rayon::current_num_threads();
    group.throughput(Throughput::Elements(n_flops as u64));
    group.bench_function("peak", |bencher| {
        bencher.iter(|| rayon::broadcast(|_| Isa::widest().run(Peak { n_rounds: N_ROUNDS })));
    });
    for (channels, side) in [(16, 32), (32, 16), (64, 8)] {
        let n_flops = 2 * N_IMAGES * side * side * channels * channels * 9;
        let images = [N_IMAGES, channels, side, side];
        let options = Options { before: Before::Relu, ..Options::PLAIN };
        let inputs = |device: &Device| {
            let scale = Tensor::ones([channels], device);
            let weight = tensor([channels, channels, 3, 3], device);
            (tensor(images, device), weight, scale.clone(), scale)
        };
        let plain = inputs(&Device::flex());
        group.throughput(Throughput::Elements(n_flops as u64));
        group.bench_function(format!("forward,C={channels},side={side}"), |bencher| {
            bencher.iter(|| {
                let (x, weight, scale, shift) = black_box(&plain).clone();
                conv_norm(x, weight, scale, shift, options)
            });
        });
        let (x, weight, scale, shift) = inputs(&Device::flex().autodiff());
        let tracked = (x.require_grad(), weight.require_grad(), scale, shift);
        group.throughput(Throughput::Elements(3 * n_flops as u64));
        group.bench_function(format!("step,C={channels},side={side}"), |bencher| {
            bencher.iter(|| {
                let (x, weight, scale, shift) = black_box(&tracked).clone();
                conv_norm(x, weight, scale, shift, options).output.sum().backward()
            });
        });
    }
    group.finish();
}

fn mbconv(criterion: &mut Criterion) {
    let device = Device::flex();
    let mut group = criterion.benchmark_group(format!("mbconv,k={KERNEL},side={SIDE}"));
    group.throughput(Throughput::Elements(N_IMAGES as u64));
    let (x, plain) = (tensor([N_IMAGES, NARROW, SIDE, SIDE], &device), weights(&device));
    group.bench_function("forward", |bencher| {
        bencher.iter(|| forward(black_box(&x).clone(), &plain));
    });
    let device = device.autodiff();
    let x = tensor([N_IMAGES, NARROW, SIDE, SIDE], &device).require_grad();
    let mut trained = Some(weights(&device));
    group.bench_function("step", |bencher| {
        bencher.iter(|| {
            let weights = trained.take().expect("it is put back below");
            trained = Some(step(black_box(&x).clone(), weights));
        });
    });
    group.finish();
}

/// A step of the parts of an inverted bottleneck on images as small as CIFAR-10 becomes in a chain.
fn parts(criterion: &mut Criterion) {
    const N_IMAGES: usize = 64;
    let device = Device::flex().autodiff();
    let mut group = criterion.benchmark_group("mbconv,part");
    let depthwise = Options { groups: Groups::Depthwise, ..Options::PLAIN };
    let cases = [
        ("expand", 1, [24, 144], 8, Options::PLAIN),
        ("expand", 1, [48, 288], 2, Options::PLAIN),
        ("project", 1, [288, 48], 2, Options::PLAIN),
        ("mix", 1, [80, 1280], 2, Options::PLAIN),
        ("depthwise", 3, [144, 144], 16, depthwise),
        ("depthwise", 3, [144, 144], 4, depthwise),
        ("depthwise", 7, [144, 144], 16, depthwise),
        ("depthwise", 7, [144, 144], 8, depthwise),
        ("depthwise", 7, [144, 144], 4, depthwise),
        ("depthwise", 7, [144, 144], 2, depthwise),
    ];
    for (part, kernel, [n_in, n_out], side, options) in cases {
        let n_seen = if options.groups == Groups::One { n_in } else { 1 };
        let x = tensor([N_IMAGES, n_in, side, side], &device).require_grad();
        let weight = tensor([n_out, n_seen, kernel, kernel], &device).require_grad();
        let scale = Tensor::ones([n_out], &device);
        let tracked = (x, weight, scale.clone(), scale);
        let n_flops = 3 * 2 * N_IMAGES * side * side * n_out * n_seen * kernel * kernel;
        group.throughput(Throughput::Elements(n_flops as u64));
        let id = format!("{part},{n_in}to{n_out},k={kernel},side={side}");
        group.bench_function(id, |bencher| {
            bencher.iter(|| {
                let (x, weight, scale, shift) = black_box(&tracked).clone();
                conv_norm(x, weight, scale, shift, options).output.sum().backward()
            });
        });
    }
    group.finish();
}

criterion_group! { name = operations; config = settings(); targets = conv, mbconv, parts }
criterion_main!(operations);
