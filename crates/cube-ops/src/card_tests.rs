//! Everything against `flex-ops` on the processor, on a CUDA card if there is one, else through Vulkan.

use burn::tensor::{Device, Tensor, TensorData};
use flex_ops::{After, Before, Descent, Epsilon, Groups, Lookahead, Options, Stage};

use crate::{
    Moving, avg_pool3, conv, conv_norm, descend, is_supported, norm, squared_distances,
    sums_of_squares,
};

/// The largest difference to the processor, as a fraction of the largest number or of 1: what a norm takes out again
/// has no gradient but rounding.
const TOLERANCE: f32 = 2e-5;

fn card() -> Device {
    #[cfg(feature = "cuda")]
    if !Device::enumerate(burn::tensor::DeviceType::Cuda).into_vec().is_empty() {
        return Device::cuda(0);
    }
    #[cfg(feature = "webgpu")]
    {
        Device::wgpu(burn::tensor::DeviceKind::Cpu)
    }
    #[cfg(not(feature = "webgpu"))]
    panic!("no CUDA card");
}

/// Numbers between -1 and 1 that look random.
fn numbers(n: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    };
    (0..n).map(|_| next()).collect()
}

fn tensor<const D: usize>(dims: [usize; D], seed: u64, device: &Device) -> Tensor<D> {
    let n = dims.iter().product();
    Tensor::from_data(TensorData::new(numbers(n, seed), dims), device)
}

fn to_host<const D: usize>(t: Tensor<D>) -> Vec<f32> {
    t.try_into_vec_as().expect("32-bit floats")
}

#[track_caller]
fn check(name: &str, card: &[f32], processor: &[f32]) {
    assert_eq!(card.len(), processor.len(), "{name}");
    let largest = processor.iter().fold(1.0_f32, |m, x| m.max(x.abs()));
    for (i, (a, b)) in card.iter().zip(processor).enumerate() {
        assert!((a - b).abs() <= TOLERANCE * largest, "{name}: {a} for {b} at {i}");
    }
}

/// A convolution and its norm.
#[derive(Clone, Copy, Debug)]
struct Case {
    images: [usize; 4],
    n_out: usize,
    kernel: usize,
    options: Options,
    is_given: bool,
}

impl Case {
    /// Output, statistics and the gradients of everything that enters, by one of both crates.
    fn run(self, device: &Device, by: impl Fn(Tensor<4>, Stage) -> Found) -> Vec<Vec<f32>> {
        let Self { images, n_out, kernel, options, is_given } = self;
        let device = device.clone().autodiff();
        let n_seen = if options.groups == Groups::One { images[1] } else { 1 };
        let x = tensor(images, 1, &device).require_grad();
        let weight = tensor([n_out, n_seen, kernel, kernel], 2, &device).require_grad();
        let scale = (tensor([n_out], 3, &device) + 1.5).require_grad();
        let shift = tensor([n_out], 4, &device).require_grad();
        let given = is_given.then(|| {
            [tensor([n_out], 5, &device), tensor([n_out], 6, &device) + 1.25].map(Tensor::inner)
        });
        let given = given.map(|both| both.map(Tensor::from_inner));
        let affine = [scale.clone(), shift.clone()];
        let stage = Stage { weight: weight.clone(), affine, given, options };
        let (output, mean, variance) = by(x.clone(), stage);
        let slopes = tensor(output.dims(), 7, &device);
        let grads = (output.clone() * slopes).sum().backward();
        vec![
            to_host(output.inner()),
            to_host(mean),
            to_host(variance),
            to_host(x.grad(&grads).expect("a gradient")),
            to_host(weight.grad(&grads).expect("a gradient")),
            to_host(scale.grad(&grads).expect("a gradient")),
            to_host(shift.grad(&grads).expect("a gradient")),
        ]
    }

    #[track_caller]
    fn check(self) {
        let on_card = self.run(&card(), |x, stage| {
            let found = conv_norm(x, stage);
            (found.output, found.mean, found.variance)
        });
        let processor = self.run(&Device::flex(), |x, stage| {
            let (output, mut moments) = flex_ops::conv_norms(x, vec![stage]);
            let [mean, variance] = moments.remove(0);
            (output, mean, variance)
        });
        let names = ["output", "mean", "variance", "images", "weights", "scale", "shift"];
        for ((name, a), b) in names.iter().zip(&on_card).zip(&processor) {
            check(&format!("{name} of {self:?}"), a, b);
        }
    }
}

type Found = (Tensor<4>, Tensor<1>, Tensor<1>);

#[test]
fn dense_convolutions_are_those_of_the_processor() {
    let mut n = 0;
    for (n_in, n_out) in [(1, 1), (3, 16), (8, 13), (16, 16), (16, 32), (24, 144), (70, 40)] {
        for (kernel, stride) in [(1, 1), (1, 2), (3, 1), (3, 2), (5, 1), (7, 2)] {
            n += 1;
            let images = [[3, n_in, 9, 10], [1, n_in, 5, 7], [5, n_in, 8, 8]][n % 3];
            let before = [Before::Nothing, Before::Relu][n % 2];
            let after = [After::Nothing, After::Relu, After::Relu6, After::HardSwish][n % 4];
            let options = Options { stride, groups: Groups::One, before, after, ..Options::PLAIN };
            Case { images, n_out, kernel, options, is_given: n % 5 == 0 }.check();
        }
    }
}

#[test]
fn depthwise_convolutions_are_those_of_the_processor() {
    let mut n = 0;
    for channels in [1, 3, 13, 24, 144] {
        for (kernel, stride) in [(1, 1), (3, 1), (3, 2), (5, 1), (5, 2), (7, 1), (7, 2)] {
            n += 1;
            let images = [[3, channels, 9, 10], [1, channels, 5, 7], [5, channels, 8, 8]][n % 3];
            let before = [Before::Nothing, Before::Relu][n % 2];
            let after = [After::Nothing, After::Relu, After::Relu6, After::HardSwish][n % 4];
            let options = Options { stride, before, after, ..Options::DEPTHWISE };
            Case { images, n_out: channels, kernel, options, is_given: n % 5 == 0 }.check();
        }
    }
}

#[test]
fn many_images_are_shared_among_cubes() {
    let options = Options { before: Before::Relu, ..Options::PLAIN };
    Case { images: [40, 16, 32, 32], n_out: 16, kernel: 3, options, is_given: false }.check();
    Case { images: [33, 64, 8, 8], n_out: 64, kernel: 3, options, is_given: false }.check();
    let options = Options { after: After::Relu6, ..Options::DEPTHWISE };
    Case { images: [37, 5, 14, 14], n_out: 5, kernel: 5, options, is_given: false }.check();
}

#[test]
fn norms_are_those_of_the_processor() {
    let all = [After::Nothing, After::Relu, After::Relu6, After::HardSwish];
    for (i, after) in all.into_iter().enumerate() {
        for offset in [0.0, 100.0] {
            let epsilon = [Epsilon::PyTorch, Epsilon::TensorFlow][i % 2];
            type By = fn(Tensor<4>, [Tensor<1>; 2], Epsilon, After) -> Tensor<4>;
            let run = |device: &Device, by: By| {
                let device = device.clone().autodiff();
                let x = (tensor([6, 7, 5, 4], 1, &device) * 3.0 + offset).inner();
                let x = Tensor::from_inner(x).require_grad();
                let affine = [2, 3].map(|seed| tensor([7], seed, &device).require_grad());
                let output = by(x.clone(), affine.clone(), epsilon, after);
                let slopes = tensor(output.dims(), 4, &device);
                let grads = (output.clone() * slopes).sum().backward();
                let [scale, shift] = affine.map(|t| to_host(t.grad(&grads).expect("a gradient")));
                let of_x = to_host(x.grad(&grads).expect("a gradient"));
                [to_host(output.inner()), of_x, scale, shift]
            };
            let on_card = run(&card(), |x, affine, epsilon, after| {
                norm(x, affine, None, epsilon, after).output
            });
            let processor = run(&Device::flex(), |x, affine, epsilon, after| {
                flex_ops::norm(x, affine, epsilon, after).output
            });
            for (a, b) in on_card.iter().zip(&processor) {
                check(&format!("{after:?} {offset}"), a, b);
            }
        }
    }
}

#[test]
fn pools_are_those_of_the_processor() {
    for dims in [[2, 3, 5, 7], [1, 1, 1, 4], [3, 16, 8, 8]] {
        let run = |device: &Device, by: fn(Tensor<4>) -> Tensor<4>| {
            let device = device.clone().autodiff();
            let x = tensor(dims, 1, &device).require_grad();
            let output = by(x.clone());
            let grads = (output.clone() * tensor(dims, 2, &device)).sum().backward();
            [to_host(output.inner()), to_host(x.grad(&grads).expect("a gradient"))]
        };
        let (on_card, processor) =
            (run(&card(), avg_pool3), run(&Device::flex(), flex_ops::avg_pool3));
        for (a, b) in on_card.iter().zip(&processor) {
            check(&format!("{dims:?}"), a, b);
        }
    }
}

#[test]
fn without_gradients_outputs_are_the_same() {
    let run = |device: &Device| {
        let (x, weight) = (tensor([2, 3, 6, 6], 1, device), tensor([4, 3, 3, 3], 2, device));
        let affine = [3, 4].map(|seed| tensor([4], seed, device));
        let by = |t: Tensor<4>| to_host(t);
        if *device == Device::flex() {
            let x = flex_ops::conv(x, weight, 2, Groups::One);
            let x = flex_ops::norm(x, affine, Epsilon::TensorFlow, After::Relu).output;
            return by(flex_ops::avg_pool3(x));
        }
        let x = conv(x, weight, 2, Groups::One);
        by(avg_pool3(norm(x, affine, None, Epsilon::TensorFlow, After::Relu).output))
    };
    check("outputs", &run(&card()), &run(&Device::flex()));
}

#[test]
fn slices_and_turned_images_are_read_in_order() {
    let run = |device: &Device, by: fn(Tensor<4>, Tensor<4>) -> Tensor<4>| {
        let x = tensor([2, 9, 7, 5], 1, device).slice([0..2, 1..6, 0..7, 0..5]).swap_dims(2, 3);
        let weight = tensor([6, 8, 5, 5], 2, device).slice([0..4, 0..5, 1..4, 1..4]);
        to_host(by(x, weight))
    };
    let on_card = run(&card(), |x, weight| conv(x, weight, 1, Groups::One));
    let processor = run(&Device::flex(), |x, weight| flex_ops::conv(x, weight, 1, Groups::One));
    check("outputs", &on_card, &processor);
}

#[test]
fn steps_are_those_of_the_processor() {
    let sizes = [1000, 1, 70, 256, 257];
    for lookahead in [Lookahead::None, Lookahead::Nesterov] {
        let by = Descent { clip: 0.5, weight_decay: 0.01, momentum: 0.9, lookahead, lr: 0.1 };
        let steps = 2..5;
        let on_card: Vec<Vec<f32>> = {
            let start = |&n| (tensor([n], 1, &card()), None);
            let mut state: Vec<(Tensor<1>, Option<Tensor<1>>)> = sizes.iter().map(start).collect();
            for seed in steps.clone() {
                let moving = |(weight, last): (Tensor<1>, _)| {
                    let gradient = tensor(weight.dims(), seed, &card());
                    Moving { weight, gradient, last }
                };
                // The second finds the last updates in other hands, which must not see them change.
                let held = if seed == 3 { state.clone() } else { Vec::new() };
                let before: Vec<_> = held.into_iter().filter_map(|(_, last)| last).collect();
                let as_they_were: Vec<_> = before.iter().cloned().map(to_host).collect();
                let moved = descend(state.drain(..).map(moving).collect(), by);
                assert!(before.into_iter().map(to_host).eq(as_they_were));
                state = moved.into_iter().map(|[weight, update]| (weight, Some(update))).collect();
            }
            state.into_iter().map(|(weight, _)| to_host(weight)).collect()
        };
        for (n, on_card) in sizes.into_iter().zip(on_card) {
            let (mut weight, mut last) = (tensor([n], 1, &Device::flex()), None);
            for seed in steps.clone() {
                let gradient = tensor([n], seed, &Device::flex());
                let [moved, update] = flex_ops::descend(weight, gradient, last, by);
                (weight, last) = (moved, Some(update));
            }
            check(&format!("{n} numbers, {lookahead:?}"), &on_card, &to_host(weight));
        }
    }
}

#[test]
fn squares_are_those_of_the_processor() {
    let sizes = [1, 70, 256, 16_384, 16_385, 100_000].into_iter().chain((1..40).map(|n| 29 * n));
    let squares =
        |device: &Device| sizes.clone().map(|n| tensor([n], 1, device)).collect::<Vec<_>>();
    let on_card: f32 = to_host(sums_of_squares(squares(&card())).expect("some")).iter().sum();
    let processor: f64 = squares(&Device::flex()).into_iter().map(flex_ops::sum_of_squares).sum();
    check("squares", &[on_card], &[processor as f32]);
    assert!(sums_of_squares(Vec::new()).is_none());
}

/// Against sums in 64 bits.
#[test]
fn distances_are_those_of_differences() {
    for (n, d) in [(1, 1), (5, 3), (33, 130), (128, 1000), (70, 4097)] {
        let points = tensor([n, d], 1, &card()) + 1e3;
        let numbers: Vec<f64> = to_host(points.clone()).into_iter().map(f64::from).collect();
        let square = |i: usize, j: usize| {
            let [a, b] = [i, j].map(|row| &numbers[row * d..][..d]);
            a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum::<f64>() as f32
        };
        let expected: Vec<f32> = (0..n * n).map(|pair| square(pair / n, pair % n)).collect();
        let found = to_host(squared_distances(points));
        check(&format!("{n} points of {d} features"), &found, &expected);
        assert!((0..n).all(|i| found[i * n + i].to_bits() == 0));
    }
}

#[test]
fn a_number_that_is_none_stays_none() {
    let mut values = numbers(2 * 3 * 4 * 4, 1);
    values[5] = f32::NAN;
    let x = Tensor::<4>::from_data(TensorData::new(values, [2, 3, 4, 4]), &card());
    let output = conv_norm(
        x,
        Stage {
            weight: tensor([5, 3, 3, 3], 2, &card()),
            affine: [3, 4].map(|seed| tensor([5], seed, &card())),
            given: None,
            options: Options { before: Before::Relu, after: After::Relu6, ..Options::PLAIN },
        },
    );
    assert!(to_host(output.output).iter().all(|x| x.is_nan()));
}

#[test]
fn devices_are_told_apart() {
    assert!(is_supported(&card()) && is_supported(&card().autodiff()));
    assert!(!is_supported(&Device::flex()));
}
