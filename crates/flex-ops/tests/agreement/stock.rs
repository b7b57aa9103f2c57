//! The fused operation against burn's own, forward and backward.

use burn::tensor::activation::relu;
use burn::tensor::module::{avg_pool2d, batch_norm_train, conv2d};
use burn::tensor::ops::{AvgPoolOptions, ConvOptions};
use burn::tensor::{Device, Tensor};
use flex_ops::{
    After, Before, Descent, Epsilon, Groups, Lookahead, Options, conv, conv_norm, conv_norm_given,
    descend, sum_of_squares,
};

use crate::distance;
use crate::inputs::Inputs;

/// What follows the batch norm, from burn's own operations.
fn activated(x: Tensor<4>, after: After) -> Tensor<4> {
    match after {
        After::Nothing => x,
        After::Relu => relu(x),
        After::Relu6 => relu(x).clamp_max(6.0),
        After::HardSwish => x.clone() * ((x + 3.0).clamp(0.0, 6.0) / 6.0),
    }
}

/// Where the derivative of what follows jumps.
const fn kinks(after: After) -> &'static [f32] {
    match after {
        After::Nothing => &[],
        After::Relu => &[0.0],
        After::Relu6 => &[0.0, 6.0],
        After::HardSwish => &[-3.0, 3.0],
    }
}

/// Where batch norm takes its statistics from.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Statistics {
    OfBatch,
    Given,
}

/// The inputs of an operation, drawn anew for each.
struct Case {
    x: Tensor<4>,
    weight: Tensor<4>,
    scale: Tensor<1>,
    shift: Tensor<1>,
    given: [Tensor<1>; 2],
    /// The gradient of the output.
    slope: Tensor<4>,
    options: Options,
}

impl Case {
    fn draw([b, n_in, h, w]: [usize; 4], n_out: usize, kernel: usize, options: Options) -> Self {
        let seed = b * 7 + n_in * 5 + h * 3 + w + n_out + kernel;
        let mut inputs = Inputs::new(seed as u64, Device::flex().autodiff());
        let n_seen = if options.groups == Groups::Depthwise { 1 } else { n_in };
        Self {
            x: inputs.normal([b, n_in, h, w], 0.1).require_grad(),
            weight: inputs.normal([n_out, n_seen, kernel, kernel], 0.1).require_grad(),
            scale: inputs.channels(n_out).require_grad(),
            shift: inputs.channels(n_out).require_grad(),
            given: [inputs.channels(n_out).inner(), inputs.channels(n_out).inner()],
            slope: inputs
                .normal([b, n_out, h.div_ceil(options.stride), w.div_ceil(options.stride)], 0.0),
            options,
        }
    }

    fn fused(&self, statistics: Statistics) -> (Tensor<4>, Option<[Tensor<1>; 2]>) {
        let Self { x, weight, scale, shift, given, options, .. } = self;
        let (x, weight, scale, shift) = (x.clone(), weight.clone(), scale.clone(), shift.clone());
        if statistics == Statistics::Given {
            let output = conv_norm_given(x, weight, [scale, shift], given.clone(), *options);
            return (output, None);
        }
        let found = conv_norm(x, weight, scale, shift, *options);
        (found.output, Some([found.mean, found.variance]))
    }

    /// Before what follows the norm.
    fn stock(&self, statistics: Statistics) -> (Tensor<4>, Option<[Tensor<1>; 2]>) {
        let Self { x, weight, scale, shift, given, options, .. } = self;
        let Options { stride, groups, before, .. } = *options;
        let [_, n_in, _, _] = x.dims();
        let n_groups = if groups == Groups::Depthwise { n_in } else { 1 };
        let padding = weight.dims()[2] / 2;
        let input = if before == Before::Relu { relu(x.clone()) } else { x.clone() };
        let conv = ConvOptions::new([stride, stride], [padding, padding], [1, 1], n_groups);
        let convolved = conv2d(input, weight.clone(), None, conv);
        let (scale, shift) = (scale.clone(), shift.clone());
        let added = f64::from(self.options.epsilon.value());
        if statistics == Statistics::Given {
            let wide =
                |t: &Tensor<1>| Tensor::from_inner(t.clone()).reshape([1, t.dims()[0], 1, 1]);
            let [mean, variance] = [0, 1].map(|i| wide(&given[i]));
            let n = scale.dims()[0];
            let normalized = (convolved - mean) / (variance + added).sqrt();
            return (normalized * scale.reshape([1, n, 1, 1]) + shift.reshape([1, n, 1, 1]), None);
        }
        let found = batch_norm_train(convolved, scale, shift, added);
        (found.output, Some([found.mean.inner(), found.variance.inner()]))
    }

    /// The gradient of the output but where `normalized` is so near a kink that rounding decides on which
    /// side of it a value lies.
    fn slope(&self, normalized: &Tensor<4>) -> Tensor<4> {
        kinks(self.options.after).iter().fold(self.slope.clone(), |slope, kink| {
            slope.mask_fill((normalized.clone() - *kink).abs().lower_elem(1e-4), 0.0)
        })
    }
}

#[track_caller]
fn check(size: [usize; 4], n_out: usize, kernel: usize, options: Options) {
    for statistics in [Statistics::OfBatch, Statistics::Given] {
        let case = Case::draw(size, n_out, kernel, options);
        // Sums of up to some thousand terms in f32, in another order and, in tiles, of their sums and differences.
        let close = |what: &str, distance: f32| {
            assert!(
                distance < 2e-4,
                "{what} of {size:?} → {n_out}, kernel {kernel}, {options:?}, {statistics:?}: {distance}"
            );
        };
        let ((fused, moments), (normalized, expected)) =
            (case.fused(statistics), case.stock(statistics));
        let slope = case.slope(&normalized);
        let stock = activated(normalized, options.after);
        close("output", distance(fused.clone().inner(), stock.clone().inner()));
        for (found, expected) in moments.iter().flatten().zip(expected.iter().flatten()) {
            close("statistics", distance(found.clone(), expected.clone()));
        }
        let stock_gradients = (stock * slope.clone()).sum().backward();
        let fused_gradients = (fused.clone() * slope).sum().backward();
        for (name, t) in [("input", &case.x), ("weight", &case.weight)] {
            let [a, b] = [&fused_gradients, &stock_gradients]
                .map(|gradients| t.grad(gradients).expect("it was asked for"));
            close(name, distance(a, b));
        }
        for (name, t) in [("scale", &case.scale), ("shift", &case.shift)] {
            let [a, b] = [&fused_gradients, &stock_gradients]
                .map(|gradients| t.grad(gradients).expect("it was asked for"));
            close(name, distance(a, b));
        }
        // On a plain device the same numbers come out.
        let [scale, shift] = [case.scale, case.shift].map(Tensor::inner);
        let (x, weight) = (case.x.inner(), case.weight.inner());
        let plain = Case { x, weight, scale, shift, ..case };
        assert_eq!(plain.fused(statistics).0.into_data(), fused.inner().into_data());
    }
}

const AFTERS: [After; 4] = [After::Nothing, After::Relu, After::Relu6, After::HardSwish];

#[test]
fn all_channels_and_kernels_agree_with_burn() {
    for [kernel, stride] in [[1, 1], [1, 2], [3, 1], [3, 2], [3, 3], [5, 1], [5, 2]] {
        // A single weight before a batch norm has no gradient but rounding.
        let single = if kernel == 1 { (2, 8) } else { (1, 8) };
        for (i, (n_in, n_out)) in
            [single, (3, 16), (8, 8), (13, 5), (24, 8), (16, 24), (32, 32)].into_iter().enumerate()
        {
            for before in [Before::Nothing, Before::Relu] {
                let options = Options { stride, before, after: AFTERS[i % 4], ..Options::PLAIN };
                check([9, n_in, 7, 6], n_out, kernel, options);
            }
        }
    }
}

#[test]
fn depthwise_convolutions_agree_with_burn() {
    for (i, n) in [1, 3, 8, 13, 16, 24].into_iter().enumerate() {
        for [kernel, stride] in [[3, 1], [3, 2], [5, 1], [5, 2], [7, 1], [7, 2], [9, 1]] {
            for before in [Before::Nothing, Before::Relu] {
                let after = AFTERS[(i + kernel) % 4];
                let epsilon = Epsilon::TensorFlow;
                let options = Options { stride, before, epsilon, after, ..Options::DEPTHWISE };
                check([9, n, 7, 6], n, kernel, options);
            }
        }
    }
    let options = Options { groups: Groups::Depthwise, after: After::Relu6, ..Options::PLAIN };
    check([2, 144, 9, 11], 144, 5, options);
}

#[test]
fn odd_sizes_and_single_images_agree_with_burn() {
    for size in [
        [1, 8, 16, 16],
        [3, 4, 1, 5],
        [17, 8, 4, 4],
        [2, 8, 33, 21],
        [8, 8, 2, 2],
        [2, 3, 5, 32],
        [2, 3, 4, 33],
        [10, 2, 7, 1],
    ] {
        for stride in [1, 2] {
            let options = Options { stride, before: Before::Relu, ..Options::PLAIN };
            check(size, 8, 3, options);
            check(size, 32, 3, options);
            check(size, 3, 1, options);
            let depthwise =
                Options { groups: Groups::Depthwise, after: After::HardSwish, ..options };
            check(size, size[1], 3, depthwise);
        }
    }
}

#[test]
fn convolutions_alone_agree_with_burn() {
    for (kernel, stride, groups, [n_in, n_out], side) in [
        (1, 1, Groups::One, [8, 16], 8),
        (1, 1, Groups::One, [16, 5], 2),
        (1, 2, Groups::One, [3, 4], 5),
        (3, 2, Groups::One, [4, 32], 9),
        (3, 1, Groups::One, [5, 9], 7),
        (3, 1, Groups::Depthwise, [6, 6], 4),
    ] {
        let options = Options { stride, groups, ..Options::PLAIN };
        let Case { x, weight, slope, .. } =
            Case::draw([6, n_in, side, side], n_out, kernel, options);
        let n_groups = if groups == Groups::Depthwise { n_in } else { 1 };
        let padding = [kernel / 2, kernel / 2];
        let stock_options = ConvOptions::new([stride, stride], padding, [1, 1], n_groups);
        let stock = conv2d(x.clone(), weight.clone(), None, stock_options);
        let fused = conv(x.clone(), weight.clone(), stride, groups);
        assert!(distance(fused.clone().inner(), stock.clone().inner()) < 1e-5);
        let plain = conv(x.clone().inner(), weight.clone().inner(), stride, groups);
        assert_eq!(plain.into_data(), fused.clone().inner().into_data());
        let stock = (stock * slope.clone()).sum().backward();
        let fused = (fused * slope).sum().backward();
        for t in [&x, &weight] {
            let [fused, stock] =
                [&fused, &stock].map(|gradients| t.grad(gradients).expect("it was asked for"));
            assert!(distance(fused, stock) < 2e-5);
        }
    }
}

#[test]
fn descent_agrees_with_burn() {
    let mut inputs = Inputs::new(3, Device::flex());
    for n in [1, 15, 16, 100] {
        let [weight, gradient, last] = [(); 3].map(|()| inputs.normal([n], 0.0));
        for (last, lookahead) in [
            (None, Lookahead::Nesterov),
            (Some(last.clone()), Lookahead::Nesterov),
            (Some(last), Lookahead::None),
        ] {
            let by = Descent { clip: 0.5, weight_decay: 0.01, momentum: 0.9, lookahead, lr: 0.1 };
            let slope = gradient.clone() * 0.5 + weight.clone() * 0.01;
            let update = match last.clone() {
                None => slope.clone(),
                Some(last) => last * 0.9 + slope.clone(),
            };
            let direction = match lookahead {
                Lookahead::Nesterov => slope + update.clone() * 0.9,
                Lookahead::None => update.clone(),
            };
            let expected = [weight.clone() - direction * 0.1, update];
            let found = descend(weight.clone(), gradient.clone(), last, by);
            for (found, expected) in found.into_iter().zip(expected) {
                assert!(distance(found, expected) < 1e-6);
            }
        }
        let squares: f32 = gradient.clone().square().sum().into_scalar();
        let found = sum_of_squares(gradient);
        assert!((found / f64::from(squares) - 1.0).abs() < 1e-5);
    }
}

#[test]
fn stacks_of_small_images_agree_with_burn() {
    for (size, after) in [
        ([48, 8, 2, 2], After::Nothing),
        ([18, 8, 4, 4], After::Relu),
        ([24, 16, 1, 1], After::Relu6),
        ([40, 3, 3, 5], After::HardSwish),
    ] {
        for before in [Before::Relu, Before::Nothing] {
            check(size, 13, 1, Options { before, after, ..Options::PLAIN });
        }
    }
}

/// More images than are at hand together, and planes by themselves.
#[test]
fn large_images_agree_with_burn() {
    for (i, before) in [Before::Relu, Before::Nothing].into_iter().enumerate() {
        check([9, 24, 21, 31], 41, 1, Options { before, after: AFTERS[i], ..Options::PLAIN });
        for (kernel, stride) in [(3, 1), (3, 2), (5, 1), (7, 2)] {
            let options = Options { stride, before, after: AFTERS[3 - i], ..Options::DEPTHWISE };
            check([9, 5, 33, 32], 5, kernel, options);
        }
    }
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    let device = Device::flex().autodiff();
    let mut inputs = Inputs::new(5, device.clone());
    let [weight, depthwise] = [[8, 8, 3, 3], [8, 1, 5, 5]].map(|shape| inputs.normal(shape, 0.0));
    // Of the last three, several images are convolved together, and not as many each time.
    for [height, width] in [[17, 16], [9, 9], [4, 6], [4, 4], [1, 1]] {
        let x = inputs.normal([20, 8, height, width], 0.0);
        let results = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
            pool.expect("it was asked for").install(|| {
                let leaves = [&x, &weight, &depthwise].map(|t| t.clone().require_grad());
                let [x, weight, depthwise] = leaves.clone();
                let layer = |x, weight, options| {
                    let (scale, shift) = (Tensor::ones([8], &device), Tensor::zeros([8], &device));
                    conv_norm(x, weight, scale, shift, options).output
                };
                let y = layer(x, weight, Options { before: Before::Relu, ..Options::PLAIN });
                let options =
                    Options { groups: Groups::Depthwise, after: After::Relu6, ..Options::PLAIN };
                let gradients = layer(y.clone(), depthwise, options).square().sum().backward();
                let gradients =
                    leaves.map(|t| t.grad(&gradients).expect("it was asked for").into_data());
                (y.inner().into_data(), gradients)
            })
        };
        assert_eq!(results(1), results(4));
    }
}

#[track_caller]
fn check_pool(
    shape: [usize; 4],
    stock: impl Fn(Tensor<4>) -> Tensor<4>,
    fused: impl Fn(Tensor<4>) -> Tensor<4>,
) {
    let mut inputs = Inputs::new(9, Device::flex().autodiff());
    let x = inputs.normal(shape, 0.0).require_grad();
    let (stock, fused) = (stock(x.clone()), fused(x.clone()));
    let slope = inputs.normal(stock.dims(), 0.0);
    // Sums of nine numbers in another order.
    let output = distance(fused.clone().inner(), stock.clone().inner());
    assert!(output < 1e-5, "{shape:?}: {output}");
    let stock = x.grad(&(stock * slope.clone()).sum().backward()).expect("it was asked for");
    let fused = x.grad(&(fused * slope).sum().backward()).expect("it was asked for");
    let gradient = distance(fused, stock);
    assert!(gradient < 1e-5, "{shape:?}: {gradient}");
}

#[test]
fn pooling_agrees_with_burn() {
    for shape in
        [[3, 2, 5, 4], [1, 1, 1, 1], [2, 3, 1, 6], [2, 3, 6, 1], [2, 1, 2, 2], [5, 8, 16, 16]]
    {
        let options = AvgPoolOptions::new([3, 3]).with_stride([1, 1]).with_padding([1, 1]);
        let options = options.with_count_include_pad(false);
        check_pool(shape, |x| avg_pool2d(x, options.clone()), flex_ops::avg_pool3);
    }
    for shape in [[3, 2, 5, 4], [2, 3, 2, 7], [2, 1, 2, 2], [5, 8, 16, 16]] {
        let options = AvgPoolOptions::new([2, 2]).with_stride([2, 2]);
        check_pool(shape, |x| avg_pool2d(x, options.clone()), flex_ops::avg_pool2);
    }
    for shape in [[3, 2, 5, 4], [2, 3, 1, 1], [5, 8, 16, 16]] {
        let [b, c, h, w] = shape;
        check_pool(
            shape,
            |x| x.reshape([b, c, h * w]).mean_dim(2).reshape([b, c, 1, 1]),
            |x| flex_ops::global_avg_pool(x).reshape([b, c, 1, 1]),
        );
    }
}
