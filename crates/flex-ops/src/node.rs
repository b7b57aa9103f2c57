//! The operation as one node of burn's autodiff graph.

use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::{Autodiff, Flex};
use burn::tensor::{Bytes, DType, Device, Shape as TensorShape, Tensor, TensorData};
use burn_flex::{FlexTensor, Layout};
use lanes::Isa;
use tracing::trace_span;

use crate::backward::{self, Forward, Norm, backward};
use crate::chain::Normalization;
use crate::forward::{self, Convolved};
use crate::geometry::Geometry;
use crate::shape::Shape;
use crate::{Epsilon, Groups, Normalized, Options, PROFILE, Stage};

/// On an autodiff device; without given statistics by those of the batch.
pub(crate) fn conv_norm(x: Tensor<4>, stage: Stage) -> Normalized {
    let Stage { weight, affine: [scale, shift], given, options } = stage;
    let shape = shape(x.dims(), weight.dims(), options);
    let device = x.device().inner();
    let norm = if given.is_none() { Norm::OfBatch } else { Norm::Given };
    let (x, weight) = (tracked(x), tracked(weight));
    let (scale, shift) = (tracked(scale), tracked(shift));
    let (images, weights) = (contiguous(x.primitive()), contiguous(weight.primitive()));
    let convolved = convolve(shape, &images, None, &weights, given);
    let affine = [&scale, &shift].map(|t| contiguous(t.primitive()));
    let channels = channels(&convolved, affine.each_ref(), options.epsilon);
    let Convolved { values, mean, variance } = convolved;
    let (output, kept) = normalize(shape, values, &channels);
    let output = tensor(shape.unstack(output, shape.n_out), &shape.output_dims());
    let nodes = [x.node(), weight.node(), scale.node(), shift.node()];
    let output = match ConvNorm.prepare::<NoCheckpointing>(nodes).compute_bound().stateful() {
        OpsKind::Tracked(mut prep) => {
            let state = State {
                x: prep.checkpoint(&x),
                weight: prep.checkpoint(&weight),
                values: kept,
                channels,
                mean: mean.clone(),
                inverse_deviation: variance
                    .iter()
                    .map(|v| inverse_deviation(*v, options.epsilon))
                    .collect(),
                norm,
                shape,
            };
            prep.finish(state, output)
        }
        OpsKind::UnTracked(prep) => prep.finish(output),
    };
    let output = Tensor::from_primitive::<Autodiff<Flex>>(output);
    let [mean, variance] = [mean, variance].map(|values| moment(values, &device));
    Normalized { output, mean, variance }
}

/// The convolution alone.
pub(crate) fn conv(x: Tensor<4>, weight: Tensor<4>, stride: usize, groups: Groups) -> Tensor<4> {
    let options = Options { stride, groups, ..Options::PLAIN };
    let shape = shape(x.dims(), weight.dims(), options);
    let convolve = |x: &FlexTensor, weight: &FlexTensor| {
        let Convolved { values, .. } = convolve(shape, x, None, weight, None);
        tensor(shape.unstack(values, shape.n_out), &shape.output_dims())
    };
    if !x.is_autodiff() {
        let output = convolve(&contiguous(&flex(x)), &contiguous(&flex(weight)));
        return Tensor::from_primitive::<Flex>(output);
    }
    let (x, weight) = (tracked(x), tracked(weight));
    let output = convolve(&contiguous(x.primitive()), &contiguous(weight.primitive()));
    let nodes = [x.node(), weight.node()];
    let output = match Conv.prepare::<NoCheckpointing>(nodes).compute_bound().stateful() {
        OpsKind::Tracked(mut prep) => {
            let state = State {
                x: prep.checkpoint(&x),
                weight: prep.checkpoint(&weight),
                // As many numbers as are asked for; those that are finite do not count.
                values: Some(output.clone()),
                channels: vec![[1.0, 0.0]; shape.n_out],
                mean: vec![0.0; shape.n_out],
                inverse_deviation: vec![1.0; shape.n_out],
                norm: Norm::Absent,
                shape,
            };
            prep.finish(state, output)
        }
        OpsKind::UnTracked(prep) => prep.finish(output),
    };
    Tensor::from_primitive::<Autodiff<Flex>>(output)
}

/// A statistic of every channel.
pub(crate) fn moment(values: Vec<f32>, device: &Device) -> Tensor<1> {
    let n = values.len();
    Tensor::from_data(TensorData::new(values, [n]), device)
}

/// The sizes of an operation.
pub(crate) fn shape(images: [usize; 4], weight: [usize; 4], options: Options) -> Shape {
    let [n_images, n_in, height, width] = images;
    let [n_out, _, kernel, _] = weight;
    let Options { stride, groups, before, after, .. } = options;
    let geometry = Geometry { height, width, kernel, stride };
    Shape { n_images, n_in, n_out, geometry, groups, before, after, n_stacked: 1 }.stacked()
}

pub(crate) type Tracked = <Autodiff<Flex> as burn::backend::BackendTypes>::FloatTensorPrimitive;

pub(crate) fn tracked<const D: usize>(t: Tensor<D>) -> Tracked {
    t.try_into_primitive::<Autodiff<Flex>>().expect("the caller has looked at the device")
}

pub(crate) fn flex<const D: usize>(t: Tensor<D>) -> FlexTensor {
    t.try_into_primitive::<Flex>().expect("the caller has looked at the device")
}

fn inverse_deviation(variance: f32, epsilon: Epsilon) -> f32 {
    1.0 / (variance + epsilon.value()).sqrt()
}

/// The convolution of images as `norm`, if there is one, leaves them, with its own or the given statistics.
pub(crate) fn convolve(
    shape: Shape,
    x: &FlexTensor,
    norm: Option<&Normalization>,
    weight: &FlexTensor,
    given: Option<[Tensor<1>; 2]>,
) -> Convolved {
    let _span = trace_span!(target: PROFILE, "convolutions, forward").entered();
    let images = shape.stack(x.storage(), shape.n_in);
    let convolved = forward::convolve(Isa::widest(), shape, &images, norm, weight.storage());
    match given {
        None => convolved,
        Some(given) => {
            let numbers = |t: Tensor<1>| t.try_into_vec_as().expect("statistics are 32-bit floats");
            let [mean, variance] = given.map(numbers);
            Convolved { mean, variance, ..convolved }
        }
    }
}

/// The output, and the values if they are to be kept.
fn normalize(
    shape: Shape,
    mut values: Vec<f32>,
    channels: &[[f32; 2]],
) -> (Vec<f32>, Option<FlexTensor>) {
    let _span = trace_span!(target: PROFILE, "norms, forward").entered();
    if shape.is_computed_again() {
        forward::normalize_in_place(Isa::widest(), shape, &mut values, channels);
        return (values, None);
    }
    let output = forward::normalize(Isa::widest(), shape, &values, channels);
    (output, Some(tensor(values, &[shape.n_images, shape.output()])))
}

/// Factor and shift that normalize each channel.
pub(crate) fn channels(
    convolved: &Convolved,
    [scale, shift]: [&FlexTensor; 2],
    epsilon: Epsilon,
) -> Vec<[f32; 2]> {
    let (scale, shift): (&[f32], &[f32]) = (scale.storage(), shift.storage());
    let moments = convolved.mean.iter().zip(&convolved.variance);
    let of_channel = |((scale, shift), (mean, variance)): ((&f32, &f32), (&f32, &f32))| {
        let factor = scale * inverse_deviation(*variance, epsilon);
        [factor, shift - factor * mean]
    };
    scale.iter().zip(shift).zip(moments).map(of_channel).collect()
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

#[derive(Debug)]
struct ConvNorm;

/// What is kept until backward; inputs are kept by their own nodes.
#[derive(Clone, Debug)]
struct State {
    x: NodeId,
    weight: NodeId,
    /// Of the convolution, stacked; none if they are computed again.
    values: Option<FlexTensor>,
    channels: Vec<[f32; 2]>,
    mean: Vec<f32>,
    inverse_deviation: Vec<f32>,
    norm: Norm,
    shape: Shape,
}

impl Backward<Flex, 4> for ConvNorm {
    type State = State;

    fn backward(self, ops: Ops<State, 4>, grads: &mut Gradients, checkpointer: &mut Checkpointer) {
        let [x, weight, scale, shift] = ops.parents;
        let slopes = contiguous(&grads.consume::<Flex>(&ops.node));
        let State { shape, .. } = ops.state;
        let found = ops.state.gradients(&slopes, checkpointer);
        register(grads, x.map(|node| node.id), found.images, &shape.input_dims());
        register(grads, weight.map(|node| node.id), found.weights, &shape.weight_dims());
        register(grads, scale.map(|node| node.id), found.scale, &[shape.n_out]);
        register(grads, shift.map(|node| node.id), found.shift, &[shape.n_out]);
    }
}

#[derive(Debug)]
struct Conv;

impl Backward<Flex, 2> for Conv {
    type State = State;

    fn backward(self, ops: Ops<State, 2>, grads: &mut Gradients, checkpointer: &mut Checkpointer) {
        let [x, weight] = ops.parents;
        let slopes = contiguous(&grads.consume::<Flex>(&ops.node));
        let State { shape, .. } = ops.state;
        let found = ops.state.gradients(&slopes, checkpointer);
        register(grads, x.map(|node| node.id), found.images, &shape.input_dims());
        register(grads, weight.map(|node| node.id), found.weights, &shape.weight_dims());
    }
}

fn register(grads: &mut Gradients, node: Option<NodeId>, numbers: Vec<f32>, dims: &[usize]) {
    if let Some(node) = node {
        grads.register::<Flex>(node, tensor(numbers, dims));
    }
}

impl State {
    /// Of everything that entered, that of the images as a batch.
    fn gradients(
        &self,
        slopes: &FlexTensor,
        checkpointer: &mut Checkpointer,
    ) -> backward::Gradients {
        let Self { shape, values, channels, mean, inverse_deviation, norm, .. } = self;
        let mut retrieve = |id| contiguous(&checkpointer.retrieve_node_output::<FlexTensor>(id));
        let (x, weight) = (retrieve(self.x), retrieve(self.weight));
        let images = shape.stack(x.storage(), shape.n_in);
        let slopes = shape.stack(slopes.storage(), shape.n_out);
        let again;
        let values = match values {
            Some(values) => values.storage(),
            None => {
                let _span = trace_span!(target: PROFILE, "convolutions, again").entered();
                again = forward::convolve(Isa::widest(), *shape, &images, None, weight.storage());
                &again.values
            }
        };
        let forward = Forward {
            images: &images,
            weights: weight.storage(),
            values,
            channels,
            mean,
            inverse_deviation,
            norm: *norm,
        };
        let found = backward(Isa::widest(), *shape, &forward, &slopes);
        backward::Gradients { images: shape.unstack(found.images, shape.n_in), ..found }
    }
}
