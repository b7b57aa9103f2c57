//! Batch norm alone against burn's own, forward and backward.

use burn::tensor::activation::relu;
use burn::tensor::module::batch_norm_train;
use burn::tensor::{Device, Tensor};
use flex_ops::{After, Epsilon, norm, norm_given};

use crate::distance;
use crate::inputs::Inputs;

/// What is normalized.
struct Case {
    x: Tensor<4>,
    scale: Tensor<1>,
    shift: Tensor<1>,
    /// Mean and variance.
    given: [Tensor<1>; 2],
}

impl Case {
    fn draw(size: [usize; 4]) -> Self {
        let seed = size.iter().sum::<usize>() as u64;
        let mut inputs = Inputs::new(seed, Device::flex().autodiff());
        let mut channels = || inputs.channels(size[1]);
        Self {
            scale: channels().require_grad(),
            shift: channels().require_grad(),
            given: [channels().inner(), channels().inner()],
            x: inputs.normal(size, 0.1).require_grad(),
        }
    }
}

#[test]
fn norms_alone_agree_with_burn() {
    for [height, width] in [[3, 4], [17, 16]] {
        for epsilon in [Epsilon::PyTorch, Epsilon::TensorFlow] {
            check_norm([7, 5, height, width], epsilon);
        }
    }
}

#[track_caller]
fn check_norm(size: [usize; 4], epsilon: Epsilon) {
    let added = f64::from(epsilon.value());
    let Case { x, scale, shift, given } = &Case::draw(size);
    let stock = batch_norm_train(x.clone(), scale.clone(), shift.clone(), added);
    let affine = [scale.clone(), shift.clone()];
    let fused = norm(x.clone(), affine.clone(), epsilon, After::Relu);
    assert!(distance(fused.mean, stock.mean.inner()) < 1e-5);
    assert!(distance(fused.variance, stock.variance.inner()) < 1e-5);
    let stock = relu(stock.output);
    assert!(distance(fused.output.clone().inner(), stock.clone().inner()) < 1e-5);
    let [stock, fused] = [stock, fused.output].map(|y| y.square().sum().backward());
    let close = |distance: f32| assert!(distance < 1e-4, "{distance}");
    let both = [&fused, &stock];
    let [a, b] = both.map(|gradients| x.grad(gradients).expect("it was asked for"));
    close(distance(a, b));
    for t in [scale, shift] {
        let [a, b] = both.map(|gradients| t.grad(gradients).expect("it was asked for"));
        close(distance(a, b));
    }
    let fused = norm_given(x.clone(), affine, given.clone(), epsilon, After::Relu);
    let wide = |t: &Tensor<1>| t.clone().reshape([1, 5, 1, 1]);
    let [mean, variance] = given.each_ref().map(wide);
    let normalized = (x.clone().inner() - mean) / (variance + added).sqrt();
    let [scale, shift] = [scale, shift].map(|t| wide(&t.clone().inner()));
    close(distance(fused.inner(), relu(normalized * scale + shift)));
}

#[test]
fn norms_are_blind_to_an_offset() {
    let Case { x, scale, shift, .. } = Case::draw([9, 5, 17, 16]);
    // Of both exactly the same differences; the gradient of a squared ReLU has no jumps.
    let far = x.inner() + 1e4;
    let near = far.clone() - 1e4;
    let [far, near] = [far, near].map(|x| x.autodiff().require_grad());
    let affine = || [scale.clone(), shift.clone()];
    let [a, b] = [&far, &near].map(|x| norm(x.clone(), affine(), Epsilon::PyTorch, After::Relu));
    assert!(distance(a.variance.clone(), b.variance.clone()) < 1e-5);
    // The mean is rounded to 1e-3 / 2.
    assert!(distance(a.output.clone().inner(), b.output.clone().inner()) < 1e-3);
    let [a, b] = [a, b].map(|found| found.output.square().sum().backward());
    let [of_far, of_near] = [(&far, &a), (&near, &b)].map(|(x, gradients)| x.grad(gradients));
    let (of_far, of_near) = (of_far.expect("asked for"), of_near.expect("asked for"));
    assert!(distance(of_far, of_near) < 2e-3);
    for t in [&scale, &shift] {
        let [a, b] = [&a, &b].map(|gradients| t.grad(gradients).expect("it was asked for"));
        assert!(distance(a, b) < 1e-3);
    }
}
