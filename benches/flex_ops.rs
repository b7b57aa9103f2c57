//! The cost of a mobile inverted bottleneck (MBConv) on the processor: forward, and a training step.

use std::hint::black_box;

use benches::{points, settings, work_in_pool};
use burn::tensor::{Device, Tensor, TensorData};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use flex_ops::{After, Groups, Options, conv_norm};

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
    let layers = weights.iter().zip(options);
    let output = layers.fold(x, |x, ((weight, [scale, shift]), options)| {
        conv_norm(x, weight.clone(), scale.clone(), shift.clone(), options).output
    });
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

fn mbconv(criterion: &mut Criterion) {
    work_in_pool();
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

criterion_group! { name = bottleneck; config = settings(); targets = mbconv }
criterion_main!(bottleneck);
