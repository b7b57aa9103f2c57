//! Convolutions with their norms, one after the other, whose values in between are normalized when they are
//! read.

use burn::backend::Flex;
use burn::tensor::Tensor;
use lanes::{Isa, Lanes};
use tracing::trace_span;

use crate::activation::{Activated, Activation};
use crate::forward::{self, Convolved};
use crate::geometry::Geometry;
use crate::node::{channels, contiguous, conv_norm, convolve, flex, moment, shape, tensor};
use crate::{After, Normalized, PROFILE, Stage};

/// A batch norm that is still to be applied, and its activation.
pub(crate) struct Normalization {
    /// Factor and shift of each channel.
    pub(crate) channels: Vec<[f32; 2]>,
    pub(crate) after: After,
}

impl Normalization {
    /// Copies channels, normalized, into padded planes whose border is zero already; `first` is the number of
    /// the first of them.
    #[inline(always)]
    pub(crate) fn pad<L: Lanes>(
        &self,
        geometry: Geometry,
        first: usize,
        images: &[f32],
        planes: &mut [f32],
    ) {
        let channels = &self.channels[first..];
        self.after.run::<L, _>(PadNormalized { geometry, channels, images, planes });
    }
}

struct PadNormalized<'a> {
    geometry: Geometry,
    channels: &'a [[f32; 2]],
    images: &'a [f32],
    planes: &'a mut [f32],
}

impl Activated for PadNormalized<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes, A: Activation>(self) {
        let Self { geometry, channels, images, planes } = self;
        let planes = planes.chunks_exact_mut(geometry.padded_plane());
        let images = images.chunks_exact(geometry.area()).zip(planes);
        for ((image, plane), &[factor, shift]) in images.zip(channels) {
            geometry.pad(image, plane, |x| A::apply(x.mul_add(factor, shift)));
        }
    }
}

/// The output of the last stage, and mean and variance of every one.
pub(crate) fn conv_norms(x: Tensor<4>, stages: Vec<Stage>) -> (Tensor<4>, Vec<[Tensor<1>; 2]>) {
    if x.is_autodiff() {
        return each_by_itself(x, stages);
    }
    let device = x.device();
    let mut dims = x.dims();
    let mut images = contiguous(&flex(x));
    let mut pending: Option<Normalization> = None;
    let mut moments = Vec::with_capacity(stages.len());
    let mut stages = stages.into_iter().peekable();
    while let Some(Stage { weight, affine, given, options }) = stages.next() {
        let shape_here = shape(dims, weight.dims(), options);
        let weight = contiguous(&flex(weight));
        let mut convolved = convolve(shape_here, &images, pending.as_ref(), &weight, given);
        let [scale, shift] = affine.map(|t| contiguous(&flex(t)));
        let channels = channels(&convolved, [&scale, &shift], options.epsilon);
        dims = shape_here.output_dims();
        let next = stages.peek().map(|next| shape(dims, next.weight.dims(), next.options));
        pending = if next.is_some_and(|next| next.reads_normalized()) {
            Some(Normalization { channels, after: options.after })
        } else {
            let values = &mut convolved.values;
            let _span = trace_span!(target: PROFILE, "norms, forward").entered();
            forward::normalize_in_place(Isa::widest(), shape_here, values, &channels);
            None
        };
        let Convolved { values, mean, variance } = convolved;
        images = tensor(shape_here.unstack(values, shape_here.n_out), &dims);
        moments.push([mean, variance].map(|t| moment(t, &device)));
    }
    (Tensor::from_primitive::<Flex>(images), moments)
}

/// Gradients need what lies in between.
fn each_by_itself(mut x: Tensor<4>, stages: Vec<Stage>) -> (Tensor<4>, Vec<[Tensor<1>; 2]>) {
    let mut moments = Vec::with_capacity(stages.len());
    for stage in stages {
        let Normalized { output, mean, variance } = conv_norm(x, stage);
        x = output;
        moments.push([mean, variance]);
    }
    (x, moments)
}
