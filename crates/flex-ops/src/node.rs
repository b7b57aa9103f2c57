//! The operation as one node of burn's autodiff graph.

use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::{Autodiff, Flex};
use burn::tensor::{Bytes, DType, Shape as TensorShape, Tensor};
use burn_flex::{FlexTensor, Layout};

use crate::conv_norm::{self, Convolved, Forward, Shape};
use crate::geometry::Geometry;
use crate::{EPSILON, Isa, Normalized};

/// Runs on a plain or an autodiff device.
pub(crate) fn conv_norm(
    x: Tensor<4>,
    weight: Tensor<4>,
    scale: Tensor<1>,
    shift: Tensor<1>,
    stride: usize,
    relu: bool,
) -> Normalized {
    let [n_images, n_in, height, width] = x.dims();
    let [n_out, _, kernel, _] = weight.dims();
    let geometry = Geometry { height, width, kernel, stride };
    let shape = Shape { n_images, n_in, n_out, geometry, relu };
    let device = x.device().inner();
    if !x.is_autodiff() {
        let plain = |t| contiguous(&t);
        let (x, weight) = (plain(flex(x)), plain(flex(weight)));
        let (scale, shift) = (plain(flex(scale)), plain(flex(shift)));
        let (convolved, channels) = forward(shape, &x, &weight, &scale, &shift);
        let Convolved { mut values, mean, variance } = convolved;
        let area = shape.geometry.output_area();
        conv_norm::normalize_in_place(Isa::widest(), area, &mut values, &channels);
        let output = Tensor::from_primitive::<Flex>(tensor(values, &shape.output_dims()));
        return Normalized::new(output, mean, variance, &device);
    }
    let (x, weight) = (tracked(x), tracked(weight));
    let (scale, shift) = (tracked(scale), tracked(shift));
    let (convolved, channels) = forward(
        shape,
        &contiguous(x.primitive()),
        &contiguous(weight.primitive()),
        &contiguous(scale.primitive()),
        &contiguous(shift.primitive()),
    );
    let area = shape.geometry.output_area();
    let output = conv_norm::normalize(Isa::widest(), area, &convolved.values, &channels);
    let output = tensor(output, &shape.output_dims());
    let Convolved { values, mean, variance } = convolved;
    let nodes = [x.node(), weight.node(), scale.node(), shift.node()];
    let output = match ConvNorm.prepare::<NoCheckpointing>(nodes).compute_bound().stateful() {
        OpsKind::Tracked(mut prep) => {
            let state = State {
                x: prep.checkpoint(&x),
                weight: prep.checkpoint(&weight),
                scale: prep.checkpoint(&scale),
                values: tensor(values, &shape.output_dims()),
                mean: mean.clone(),
                inverse_deviation: variance.iter().map(|v| inverse_deviation(*v)).collect(),
                shape,
            };
            prep.finish(state, output)
        }
        OpsKind::UnTracked(prep) => prep.finish(output),
    };
    Normalized::new(Tensor::from_primitive::<Autodiff<Flex>>(output), mean, variance, &device)
}

pub(crate) type Tracked = <Autodiff<Flex> as burn::backend::BackendTypes>::FloatTensorPrimitive;

pub(crate) fn tracked<const D: usize>(t: Tensor<D>) -> Tracked {
    t.try_into_primitive::<Autodiff<Flex>>().expect("the caller has looked at the device")
}

pub(crate) fn flex<const D: usize>(t: Tensor<D>) -> FlexTensor {
    t.try_into_primitive::<Flex>().expect("the caller has looked at the device")
}

fn inverse_deviation(variance: f32) -> f32 {
    1.0 / (variance + EPSILON).sqrt()
}

/// The convolution, and factor and shift that normalize each channel.
fn forward(
    shape: Shape,
    x: &FlexTensor,
    weight: &FlexTensor,
    scale: &FlexTensor,
    shift: &FlexTensor,
) -> (Convolved, Vec<[f32; 2]>) {
    let convolved = conv_norm::convolve(Isa::widest(), shape, x.storage(), weight.storage());
    let (scale, shift): (&[f32], &[f32]) = (scale.storage(), shift.storage());
    let channels: Vec<[f32; 2]> = (0..shape.n_out)
        .map(|c| {
            let factor = scale[c] * inverse_deviation(convolved.variance[c]);
            [factor, shift[c] - factor * convolved.mean[c]]
        })
        .collect();
    (convolved, channels)
}

/// A tensor whose storage holds its numbers in order and nothing else.
pub(crate) fn contiguous(t: &FlexTensor) -> FlexTensor {
    t.to_contiguous()
}

/// A tensor of these numbers.
pub(crate) fn tensor(values: Vec<f32>, dims: &[usize]) -> FlexTensor {
    let layout = Layout::contiguous(TensorShape::from(dims.to_vec()));
    FlexTensor::new(Bytes::from_elems(values), layout, DType::F32)
}

impl Shape {
    fn output_dims(&self) -> [usize; 4] {
        let [height, width] = self.geometry.output_size();
        [self.n_images, self.n_out, height, width]
    }

    fn input_dims(&self) -> [usize; 4] {
        [self.n_images, self.n_in, self.geometry.height, self.geometry.width]
    }
}

#[derive(Debug)]
struct ConvNorm;

/// What is kept until backward: the convolution's values; inputs are kept by their own nodes.
#[derive(Clone, Debug)]
struct State {
    x: NodeId,
    weight: NodeId,
    scale: NodeId,
    values: FlexTensor,
    mean: Vec<f32>,
    inverse_deviation: Vec<f32>,
    shape: Shape,
}

impl Backward<Flex, 4> for ConvNorm {
    type State = State;

    fn backward(self, ops: Ops<State, 4>, grads: &mut Gradients, checkpointer: &mut Checkpointer) {
        let [x_node, weight_node, scale_node, shift_node] = ops.parents;
        let slopes = contiguous(&grads.consume::<Flex>(&ops.node));
        let State { x, weight, scale, values, mean, inverse_deviation, shape } = ops.state;
        let retrieve = |checkpointer: &mut Checkpointer, id| {
            contiguous(&checkpointer.retrieve_node_output::<FlexTensor>(id))
        };
        let x = retrieve(checkpointer, x);
        let weight = retrieve(checkpointer, weight);
        let scale = retrieve(checkpointer, scale);
        let forward = Forward {
            images: x.storage(),
            weights: weight.storage(),
            values: values.storage(),
            mean: &mean,
            inverse_deviation: &inverse_deviation,
            scale: scale.storage(),
        };
        let found = conv_norm::backward(Isa::widest(), shape, &forward, slopes.storage());
        let kernel = shape.geometry.kernel;
        let weight_dims = [shape.n_out, shape.n_in, kernel, kernel];
        let results = [
            (x_node, tensor(found.images, &shape.input_dims())),
            (weight_node, tensor(found.weights, &weight_dims)),
            (scale_node, tensor(found.scale, &[shape.n_out])),
            (shift_node, tensor(found.shift, &[shape.n_out])),
        ];
        for (node, gradient) in results {
            if let Some(node) = node {
                grads.register::<Flex>(node.id, gradient);
            }
        }
    }
}
