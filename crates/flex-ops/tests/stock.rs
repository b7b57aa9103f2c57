//! The fused operation against burn's own, forward and backward.

use burn::tensor::activation::relu;
use burn::tensor::module::{avg_pool2d, batch_norm_train, conv2d};
use burn::tensor::ops::{AvgPoolOptions, ConvOptions};
use burn::tensor::{Device, Distribution, Tensor};
use flex_ops::{Before, conv_norm};

/// The largest difference, in units of the largest value of the stock result.
fn distance<const D: usize>(fused: Tensor<D>, stock: Tensor<D>) -> f32 {
    let scale: f32 = stock.clone().abs().max().into_scalar();
    let difference: f32 = (fused - stock).abs().max().into_scalar();
    difference / scale.max(1e-6)
}

#[track_caller]
fn check([b, n_in, h, w]: [usize; 4], n_out: usize, [kernel, stride]: [usize; 2], before: Before) {
    let device = Device::flex();
    device.seed((b * 7 + n_in * 5 + h * 3 + w + n_out + kernel) as u64);
    let device = device.autodiff();
    let draw = |shape: &[usize]| {
        let shape = [shape[0], shape[1], shape[2], shape[3]];
        Tensor::<4>::random(shape, Distribution::Normal(0.1, 1.0), &device)
    };
    let x = draw(&[b, n_in, h, w]).require_grad();
    let weight = draw(&[n_out, n_in, kernel, kernel]).require_grad();
    let channel =
        || Tensor::<1>::random([n_out], Distribution::Normal(1.0, 0.3), &device).require_grad();
    let (scale, shift) = (channel(), channel());
    let slope = draw(&[b, n_out, h.div_ceil(stride), w.div_ceil(stride)]);

    let padding = kernel / 2;
    let input = if before == Before::Relu { relu(x.clone()) } else { x.clone() };
    let options = ConvOptions::new([stride, stride], [padding, padding], [1, 1], 1);
    let convolved = conv2d(input, weight.clone(), None, options);
    let stock = batch_norm_train(convolved, scale.clone(), shift.clone(), 1e-5);
    let fused = conv_norm(x.clone(), weight.clone(), scale.clone(), shift.clone(), stride, before);

    let plain = |t: &Tensor<4>| t.clone().inner();
    // Sums of up to some thousand terms in f32, in another order.
    let close = |what: &str, distance: f32| {
        assert!(
            distance < 2e-4,
            "{what} of {b}×{n_in}×{h}×{w} → {n_out}, k {kernel}, stride {stride}: {distance}"
        );
    };
    close("output", distance(plain(&fused.output), plain(&stock.output)));
    close("mean", distance(fused.mean, stock.mean.inner()));
    close("variance", distance(fused.variance, stock.variance.inner()));
    let fused_output = plain(&fused.output);
    let stock_gradients = (stock.output * slope.clone()).sum().backward();
    let fused_gradients = (fused.output * slope).sum().backward();
    let pair = |t: &Tensor<4>| {
        (
            t.grad(&fused_gradients).expect("it was asked for"),
            t.grad(&stock_gradients).expect("it was asked for"),
        )
    };
    let (a, b_) = pair(&x);
    close("input gradient", distance(a, b_));
    let (a, b_) = pair(&weight);
    close("weight gradient", distance(a, b_));
    for (name, t) in [("scale", &scale), ("shift", &shift)] {
        let (a, b_) = (
            t.grad(&fused_gradients).expect("it was asked for"),
            t.grad(&stock_gradients).expect("it was asked for"),
        );
        close(name, distance(a, b_));
    }

    // On a plain device the same numbers come out.
    let (scale, shift) = (scale.inner(), shift.inner());
    let again = conv_norm(x.clone().inner(), weight.inner(), scale, shift, stride, before);
    assert_eq!(again.output.into_data(), fused_output.into_data());
}

#[test]
fn all_channels_and_kernels_agree_with_burn() {
    for [kernel, stride] in [[1, 1], [1, 2], [3, 1], [3, 2], [3, 3], [5, 1], [5, 2]] {
        // A single weight before a batch norm has no gradient but rounding.
        let single = if kernel == 1 { (2, 8) } else { (1, 8) };
        for (n_in, n_out) in [single, (3, 16), (8, 8), (13, 5), (24, 8), (16, 24)] {
            for before in [Before::Nothing, Before::Relu] {
                check([9, n_in, 7, 6], n_out, [kernel, stride], before);
            }
        }
    }
}

#[test]
fn odd_sizes_and_single_images_agree_with_burn() {
    for size in [[1, 8, 16, 16], [3, 4, 1, 5], [17, 8, 4, 4], [2, 8, 33, 21], [8, 8, 2, 2]] {
        for stride in [1, 2] {
            check(size, 8, [3, stride], Before::Relu);
            check(size, 3, [1, stride], Before::Relu);
        }
    }
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    let device = Device::flex();
    device.seed(5);
    let device = device.autodiff();
    let x = Tensor::<4>::random([20, 8, 9, 9], Distribution::Normal(0.0, 1.0), &device);
    let weight = Tensor::<4>::random([8, 8, 3, 3], Distribution::Normal(0.0, 1.0), &device);
    let gradient = |threads| {
        let pool =
            rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("it was asked for");
        pool.install(|| {
            let weight = weight.clone().require_grad();
            let (scale, shift) = (Tensor::ones([8], &device), Tensor::zeros([8], &device));
            let y = conv_norm(x.clone(), weight.clone(), scale, shift, 1, Before::Relu).output;
            let gradients = y.square().sum().backward();
            weight
                .grad(&gradients)
                .expect("it was asked for")
                .try_into_vec_as::<f32>()
                .expect("it was asked for")
        })
    };
    let bits = |values: Vec<f32>| values.into_iter().map(f32::to_bits).collect::<Vec<_>>();
    assert_eq!(bits(gradient(1)), bits(gradient(4)));
}

#[track_caller]
fn check_pool(
    shape: [usize; 4],
    stock: impl Fn(Tensor<4>) -> Tensor<4>,
    fused: impl Fn(Tensor<4>) -> Tensor<4>,
) {
    let device = Device::flex();
    device.seed(9);
    let device = device.autodiff();
    let draw = |shape| Tensor::<4>::random(shape, Distribution::Normal(0.0, 1.0), &device);
    let x = draw(shape).require_grad();
    let (stock, fused) = (stock(x.clone()), fused(x.clone()));
    let slope = draw(stock.dims());
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
    for shape in [[3, 2, 5, 4], [1, 1, 1, 1], [2, 3, 1, 6], [2, 1, 2, 2], [5, 8, 16, 16]] {
        let options = AvgPoolOptions::new([3, 3]).with_stride([1, 1]).with_padding([1, 1]);
        let options = options.with_count_include_pad(false);
        check_pool(shape, |x| avg_pool2d(x, options.clone()), flex_ops::avg_pool3);
    }
    for shape in [[3, 2, 5, 4], [2, 3, 2, 7], [2, 1, 2, 2], [5, 8, 16, 16]] {
        let options = AvgPoolOptions::new([2, 2]).with_stride([2, 2]);
        check_pool(shape, |x| avg_pool2d(x, options.clone()), flex_ops::avg_pool2);
    }
}
