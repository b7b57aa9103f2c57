//! The operations as nodes of burn's autodiff graph.

use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::{Autodiff, BackendTypes, Cube};
use burn::tensor::Tensor;
use burn_cubecl::tensor::CubeTensor;
use flex_ops::{After, Epsilon, Groups, Normalized};

use crate::normalize::{Channels, Plan, normalize, to_values};
use crate::shape::{Direction, Shape};
use crate::tensors::{in_order, plain};
use crate::{convolve, depthwise, pool, weigh};

type Tracked = <Autodiff<Cube> as BackendTypes>::FloatTensorPrimitive;

fn tracked<const D: usize>(t: Tensor<D>) -> Tracked {
    t.try_into_primitive::<Autodiff<Cube>>().expect("the caller has looked at the device")
}

/// \[ReLU →\] convolution.
pub(crate) fn conv(x: Tensor<4>, weight: Tensor<4>, shape: Shape) -> Tensor<4> {
    if !x.is_autodiff() {
        return Tensor::from_primitive::<Cube>(convolved(shape, plain(x), plain(weight)));
    }
    let (x, weight) = (tracked(x), tracked(weight));
    let output = convolved(shape, in_order(x.primitive()), in_order(weight.primitive()));
    let nodes = [x.node(), weight.node()];
    let output = match Conv.prepare::<NoCheckpointing>(nodes).compute_bound().stateful() {
        OpsKind::Tracked(mut prep) => {
            let state = Parents { x: prep.checkpoint(&x), weight: prep.checkpoint(&weight), shape };
            prep.finish(state, output)
        }
        OpsKind::UnTracked(prep) => prep.finish(output),
    };
    Tensor::from_primitive::<Autodiff<Cube>>(output)
}

fn convolved(shape: Shape, x: CubeTensor, weight: CubeTensor) -> CubeTensor {
    let launch = if shape.groups == Groups::One { convolve::launch } else { depthwise::launch };
    launch(shape, Direction::Forward, x.clone(), weight, x)
}

#[derive(Debug)]
struct Conv;

/// The inputs of a convolution, which their own nodes keep.
#[derive(Clone, Debug)]
struct Parents {
    x: NodeId,
    weight: NodeId,
    shape: Shape,
}

impl Backward<Cube, 2> for Conv {
    type State = Parents;

    fn backward(
        self,
        ops: Ops<Parents, 2>,
        grads: &mut Gradients,
        checkpointer: &mut Checkpointer,
    ) {
        let [of_x, of_weight] = ops.parents;
        let slopes = in_order(&grads.consume::<Cube>(&ops.node));
        let Parents { x, weight, shape } = ops.state;
        let x = in_order(&checkpointer.retrieve_node_output::<CubeTensor>(x));
        let weight = in_order(&checkpointer.retrieve_node_output::<CubeTensor>(weight));
        let is_dense = shape.groups == Groups::One;
        if let Some(node) = of_weight {
            let to_weights = if is_dense { weigh::to_weights } else { depthwise::to_weights };
            grads.register::<Cube>(node.id, to_weights(shape, x.clone(), slopes.clone()));
        }
        if let Some(node) = of_x {
            let launch = if is_dense { convolve::launch } else { depthwise::launch };
            let of_images = launch(shape, Direction::Backward, slopes, weight, x);
            grads.register::<Cube>(node.id, of_images);
        }
    }
}

/// A batch after norm and activation.
pub(crate) fn norm(
    x: Tensor<4>,
    [scale, shift]: [Tensor<1>; 2],
    given: Option<[Tensor<1>; 2]>,
    epsilon: Epsilon,
    after: After,
) -> Normalized {
    let given = given.map(|both| both.map(|t| plain(if t.is_autodiff() { t.inner() } else { t })));
    if !x.is_autodiff() {
        let affine = [plain(scale), plain(shift)];
        let (output, channels, _) = normalize(plain(x), affine, given, epsilon, after);
        return normalized(Tensor::from_primitive::<Cube>(output), channels);
    }
    let (x, scale, shift) = (tracked(x), tracked(scale), tracked(shift));
    let affine = [&scale, &shift].map(|t| in_order(t.primitive()));
    let values = in_order(x.primitive());
    let (output, channels, plan) = normalize(values.clone(), affine, given, epsilon, after);
    let nodes = [x.node(), scale.node(), shift.node()];
    let output = match Norm.prepare::<NoCheckpointing>(nodes).compute_bound().stateful() {
        OpsKind::Tracked(prep) => {
            let channels = channels.clone();
            prep.finish(Normal { values, channels, plan }, output)
        }
        OpsKind::UnTracked(prep) => prep.finish(output),
    };
    normalized(Tensor::from_primitive::<Autodiff<Cube>>(output), channels)
}

fn normalized(output: Tensor<4>, channels: Channels) -> Normalized {
    let [mean, variance] = [channels.mean, channels.variance].map(Tensor::from_primitive::<Cube>);
    Normalized { output, mean, variance }
}

#[derive(Debug)]
struct Norm;

/// What the gradient of a norm is made from.
#[derive(Clone, Debug)]
struct Normal {
    values: CubeTensor,
    channels: Channels,
    plan: Plan,
}

impl Backward<Cube, 3> for Norm {
    type State = Normal;

    fn backward(self, ops: Ops<Normal, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
        let [x, scale, shift] = ops.parents;
        let slopes = in_order(&grads.consume::<Cube>(&ops.node));
        let Normal { values, channels, plan } = ops.state;
        let found = to_values(slopes, values, channels, plan);
        let found = [(x, found.values), (scale, found.scale), (shift, found.shift)];
        for (node, gradient) in found {
            if let Some(node) = node {
                grads.register::<Cube>(node.id, gradient);
            }
        }
    }
}

/// The mean of each 3 × 3 neighborhood.
pub(crate) fn avg_pool3(x: Tensor<4>) -> Tensor<4> {
    if !x.is_autodiff() {
        return Tensor::from_primitive::<Cube>(pool::avg_pool3(plain(x), Direction::Forward));
    }
    let x = tracked(x);
    let output = pool::avg_pool3(in_order(x.primitive()), Direction::Forward);
    let output = match AvgPool3.prepare::<NoCheckpointing>([x.node()]).compute_bound().stateful() {
        OpsKind::Tracked(prep) => prep.finish((), output),
        OpsKind::UnTracked(prep) => prep.finish(output),
    };
    Tensor::from_primitive::<Autodiff<Cube>>(output)
}

#[derive(Debug)]
struct AvgPool3;

impl Backward<Cube, 1> for AvgPool3 {
    type State = ();

    fn backward(self, ops: Ops<(), 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let slopes = in_order(&grads.consume::<Cube>(&ops.node));
        let [x] = ops.parents;
        if let Some(node) = x {
            grads.register::<Cube>(node.id, pool::avg_pool3(slopes, Direction::Backward));
        }
    }
}
