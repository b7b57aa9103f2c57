//! burn's convolution with another gradient of its weights.
//!
//! To burn that gradient is a convolution with a few outputs, each the sum over all images and places; a card then has
//! as many threads as there are weights, and most of it stands still. Here the images are divided among groups, each of
//! which has sums of its own, and those are added.

use std::marker::PhantomData;

use burn::backend::Backend;
#[cfg(feature = "cuda")]
use burn::backend::Cube;
use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::{Autodiff, BackendTypes, TensorMetadata};
#[cfg(feature = "cuda")]
use burn::tensor::Tensor;
use burn::tensor::{Shape, Slice};
use flex_ops::Groups;

use crate::stock_conv::StockConv;

type Numbers<B> = <B as BackendTypes>::FloatTensorPrimitive;
type Tracked<B> = <Autodiff<B> as BackendTypes>::FloatTensorPrimitive;

/// Sums that are worked out at once keep a card busy if they are as many.
const ENOUGH_SUMS: usize = 1 << 18;

/// More take too much memory.
const MOST_SUMS: usize = 1 << 24;

/// [`StockConv::forward`] on an autodiff device of a card.
#[cfg(feature = "cuda")]
pub(crate) fn on_card(x: Tensor<4>, weight: Tensor<4>, conv: StockConv) -> Tensor<4> {
    let tracked = |t: Tensor<4>| {
        t.try_into_primitive::<Autodiff<Cube>>().expect("other devices have kernels of their own")
    };
    Tensor::from_primitive::<Autodiff<Cube>>(convolve::<Cube>(tracked(x), tracked(weight), conv))
}

/// The convolution.
///
/// # Shapes
///
/// - `x`: `[b, n_in, h, w]`
/// - `weight`: `[n_out, n_in, k, k]`, or `[n_in, 1, k, k]` if depthwise
pub(crate) fn convolve<B: Backend>(
    x: Tracked<B>,
    weight: Tracked<B>,
    conv: StockConv,
) -> Tracked<B> {
    let nodes = [x.node(), weight.node()];
    let output = B::conv2d(x.primitive().clone(), weight.primitive().clone(), None, conv.options());
    match Conv(PhantomData::<B>).prepare::<NoCheckpointing>(nodes).compute_bound().stateful() {
        OpsKind::Tracked(mut prep) => {
            let state = State { x: prep.checkpoint(&x), weight: prep.checkpoint(&weight), conv };
            prep.finish(state, output)
        }
        OpsKind::UnTracked(prep) => prep.finish(output),
    }
}

#[derive(Debug)]
struct Conv<B>(PhantomData<B>);

#[derive(Clone, Debug)]
struct State {
    x: NodeId,
    weight: NodeId,
    conv: StockConv,
}

impl<B: Backend> Backward<B, 2> for Conv<B> {
    type State = State;

    fn backward(self, ops: Ops<State, 2>, grads: &mut Gradients, checkpointer: &mut Checkpointer) {
        let [of_x, of_weight] = ops.parents;
        let slopes = grads.consume::<B>(&ops.node);
        let State { x, weight, conv } = ops.state;
        let x: Numbers<B> = checkpointer.retrieve_node_output(x);
        let weight: Numbers<B> = checkpointer.retrieve_node_output(weight);
        if let Some(node) = of_weight {
            let found = of_weights::<B>(x.clone(), slopes.clone(), weight.shape(), conv);
            grads.register::<B>(node.id, found);
        }
        if let Some(node) = of_x {
            let found = B::conv2d_x_backward(x, weight, slopes, conv.options());
            grads.register::<B>(node.id, found);
        }
    }
}

/// The gradient of the weights from that of the output.
fn of_weights<B: Backend>(
    x: Numbers<B>,
    slopes: Numbers<B>,
    weight: Shape,
    conv: StockConv,
) -> Numbers<B> {
    let [b, n_in, h, w] = x.shape().dims();
    let [_, n_out, oh, ow] = slopes.shape().dims();
    let n_groups = n_groups(b, weight.num_elements());
    let each = b / n_groups;
    let images = B::float_swap_dims(x, 0, 1);
    let sums = match conv.groups {
        Groups::One => {
            let slopes = B::float_reshape(slopes, Shape::new([n_groups, each, n_out, oh * ow]));
            let filters = B::float_swap_dims(slopes, 1, 2);
            let filters = B::float_reshape(filters, Shape::new([n_groups * n_out, each, oh, ow]));
            let options = conv.options_of_gradient(n_groups);
            let sums = B::conv2d(images, filters, None, options);
            let [_, _, kh, kw] = sums.shape().dims();
            let sums = B::float_reshape(sums, Shape::new([n_in, n_groups, n_out, kh, kw]));
            let sums = B::float_sum_dim(sums, 1);
            B::float_swap_dims(B::float_reshape(sums, Shape::new([n_in, n_out, kh, kw])), 0, 1)
        }
        Groups::Depthwise => {
            let images = B::float_reshape(images, Shape::new([1, n_in * b, h, w]));
            let filters = B::float_swap_dims(slopes, 0, 1);
            let filters = B::float_reshape(filters, Shape::new([n_in * n_groups, each, oh, ow]));
            let options = conv.options_of_gradient(n_in * n_groups);
            let sums = B::conv2d(images, filters, None, options);
            let [_, _, kh, kw] = sums.shape().dims();
            let sums = B::float_reshape(sums, Shape::new([n_in, n_groups, kh, kw]));
            B::float_sum_dim(sums, 1)
        }
    };
    // A stride that does not divide the images leaves places behind the kernel.
    let whole: Vec<Slice> = weight.iter().map(|&size| Slice::from(0..size)).collect();
    B::float_slice(sums, &whole)
}

/// Into how many groups so many images are divided: the fewest of equal size that give enough sums, and not too many.
fn n_groups(n_images: usize, n_weights: usize) -> usize {
    let fits = |n: &usize| n_images.is_multiple_of(*n) && n * n_weights <= MOST_SUMS;
    let is_enough = |n: &usize| ENOUGH_SUMS <= n * n_weights;
    let fitting = || (1..=n_images).filter(fits);
    fitting().find(is_enough).or_else(|| fitting().next_back()).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use burn::backend::Flex;
    use burn::tensor::module::conv2d;
    use burn::tensor::{Device, Tensor, TensorData};
    use rand::RngExt;
    use space::Seed;

    use super::*;
    use crate::checkpoint::to_host;

    /// Output and gradients, by burn and here.
    #[track_caller]
    fn check(shape: [usize; 4], n_out: usize, [kernel, stride]: [usize; 2], groups: Groups) {
        let device = Device::flex().autodiff();
        let mut rng = Seed::new(3).rng();
        let mut random = |shape: [usize; 4]| {
            let n = shape.iter().product();
            let values: Vec<f32> = (0..n).map(|_| 2.0 * rng.random::<f32>() - 1.0).collect();
            Tensor::<4>::from_data(TensorData::new(values, shape), &device).require_grad()
        };
        let [_, n_in, ..] = shape;
        let n_seen = if groups == Groups::One { n_in } else { 1 };
        let (x, weight) = (random(shape), random([n_out, n_seen, kernel, kernel]));
        let conv = StockConv { stride, kernel, groups, n_in };
        let tracked = |t: &Tensor<4>| t.clone().try_into_primitive::<Autodiff<Flex>>().unwrap();
        let ours = convolve::<Flex>(tracked(&x), tracked(&weight), conv);
        let ours = Tensor::<4>::from_primitive::<Autodiff<Flex>>(ours);
        let theirs = conv2d(x.clone(), weight.clone(), None, conv.options());
        let slopes = random(theirs.dims()).inner();
        let found = [ours, theirs].map(|output| {
            let slopes = Tensor::from_inner(slopes.clone());
            let grads = (output.clone() * slopes).sum().backward();
            let of = |t: &Tensor<4>| to_host(t.grad(&grads).expect("a gradient"));
            [to_host(output.inner()), of(&x), of(&weight)]
        });
        let [ours, theirs] = found;
        for (ours, theirs) in ours.iter().zip(&theirs) {
            assert_eq!(ours.len(), theirs.len());
            let largest = theirs.iter().fold(0.0_f32, |m, x| m.max(x.abs()));
            for (a, b) in ours.iter().zip(theirs) {
                assert!((a - b).abs() <= 1e-4 * largest, "{a} for {b}, {conv:?} {shape:?}");
            }
        }
    }

    #[test]
    fn gradients_are_those_of_burn() {
        for (kernel, stride) in [(1, 1), (3, 1), (3, 2), (5, 1), (7, 2), (1, 2)] {
            for side in [7, 8] {
                check([6, 3, side, side + 2], 4, [kernel, stride], Groups::One);
                check([6, 5, side, side + 2], 5, [kernel, stride], Groups::Depthwise);
            }
        }
        check([1, 2, 5, 5], 3, [3, 1], Groups::One);
        // Three images a group.
        check([6, 128, 4, 4], 128, [3, 1], Groups::One);
        check([6, 3000, 4, 4], 3000, [7, 2], Groups::Depthwise);
    }

    #[test]
    fn images_are_divided_evenly() {
        assert_eq!(n_groups(64, 16 * 16 * 9), 64);
        assert_eq!((n_groups(6, 128 * 128 * 9), n_groups(6, 3000 * 49)), (2, 2));
        assert_eq!(n_groups(256, 64 * 64 * 9), 8);
        assert_eq!(n_groups(96, 1 << 20), 1);
        assert_eq!(n_groups(7, 1 << 17), 7);
        assert_eq!(n_groups(1, 9), 1);
        assert_eq!((n_groups(257, 1 << 17), n_groups(4, 1 << 25)), (1, 1));
    }
}
