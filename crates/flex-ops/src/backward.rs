//! \[ReLU →\] convolution → batch norm → \[activation\], backward.

use lanes::{Isa, Lanes, Work};
use rayon::prelude::*;
use tracing::trace_span;

use crate::activation::{Activated, Activation};
use crate::dense::Planes;
use crate::forward::Ordered;
use crate::geometry::{Packed, Phase};
use crate::pieces::{Piece, in_pieces};
use crate::shape::Shape;
use crate::{Before, Groups, PROFILE, by_channel, dense, depthwise, elementwise};

/// Images whose weight gradients are summed by one thread, at least one stack. Fixed, so that the
/// order of all sums is the same for any number of threads.
const CHUNK: usize = 8;

/// What backward needs of forward.
pub(crate) struct Forward<'a> {
    pub(crate) images: &'a [f32],
    pub(crate) weights: &'a [f32],
    /// Of the convolution.
    pub(crate) values: &'a [f32],
    /// Factor and shift that normalize each channel.
    pub(crate) channels: &'a [[f32; 2]],
    pub(crate) mean: &'a [f32],
    /// 1/√(variance + ε).
    pub(crate) inverse_deviation: &'a [f32],
    pub(crate) norm: Norm,
}

/// The norm after a convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Norm {
    /// By mean and deviation of the batch, which have a gradient, too.
    OfBatch,
    /// By others.
    Given,
    /// There is none: the factor of each channel is 1, and scale and shift have no gradient.
    Absent,
}

/// Gradients of everything that entered.
pub(crate) struct Gradients {
    pub(crate) images: Vec<f32>,
    pub(crate) weights: Vec<f32>,
    pub(crate) scale: Vec<f32>,
    pub(crate) shift: Vec<f32>,
}

/// Takes the gradient of the output to the gradients of the inputs.
pub(crate) fn backward(isa: Isa, shape: Shape, forward: &Forward<'_>, slopes: &[f32]) -> Gradients {
    let (shift, scale) = match forward.norm {
        Norm::Absent => (vec![0.0; shape.n_out], vec![0.0; shape.n_out]),
        Norm::OfBatch | Norm::Given => channel_gradients(isa, shape, forward, slopes),
    };
    let slants = slants(shape, forward, &shift, &scale);
    let _span = trace_span!(target: PROFILE, "convolutions, backward").entered();
    let phases = phases(isa, shape, forward.weights);
    let offsets = shape.geometry.offsets();
    let n_chunk = n_chunk(shape);
    let of_chunk = |scratch: &mut Scratch, i: usize, gradient: &mut Piece<'_>| {
        let n_images = gradient.len() / shape.input();
        let inputs = i * n_chunk * shape.input()..(i * n_chunk + n_images) * shape.input();
        let outputs = i * n_chunk * shape.output()..(i * n_chunk + n_images) * shape.output();
        isa.run(BackwardChunk {
            shape,
            phases: &phases,
            offsets: &offsets,
            channels: forward.channels,
            slants: &slants,
            images: &forward.images[inputs],
            values: &forward.values[outputs.clone()],
            slopes: &slopes[outputs],
            scratch,
            gradient,
        })
    };
    let (n, size) = (forward.images.len(), n_chunk * shape.input());
    let (images, partial) = in_pieces(n, size, || Scratch::new(shape), of_chunk);
    let mut weights = vec![0.0; n_sums(shape)];
    for partial in &partial {
        for (total, part) in weights.iter_mut().zip(partial) {
            *total += part;
        }
    }
    if shape.is_by_channel() {
        weights = by_channel::weights(&weights, shape.n_out, shape.geometry.n_taps());
    }
    Gradients { images, weights, scale, shift }
}

/// Σdy and Σdy·x̂ of every channel, dy the gradient of the norm's output.
fn channel_gradients(
    isa: Isa,
    shape: Shape,
    forward: &Forward<'_>,
    slopes: &[f32],
) -> (Vec<f32>, Vec<f32>) {
    let _span = trace_span!(target: PROFILE, "norms, backward").entered();
    let sums: Vec<Vec<[f64; 2]>> = slopes
        .par_chunks_exact(shape.output())
        .zip(forward.values.par_chunks_exact(shape.output()))
        .map(|(slopes, values)| isa.run(Sums { shape, slopes, values, channels: forward.channels }))
        .collect();
    (0..shape.n_out)
        .map(|c| {
            let total = sums.iter().fold([0.0, 0.0], |t, s| [t[0] + s[c][0], t[1] + s[c][1]]);
            let centered = total[1] - f64::from(forward.mean[c]) * total[0];
            let deviation = f64::from(forward.inverse_deviation[c]);
            (total[0] as f32, (centered * deviation) as f32)
        })
        .unzip()
}

struct Sums<'a> {
    shape: Shape,
    slopes: &'a [f32],
    values: &'a [f32],
    channels: &'a [[f32; 2]],
}

impl Work for Sums<'_> {
    type Output = Vec<[f64; 2]>;

    #[inline(always)]
    fn run<L: Lanes>(self) -> Self::Output {
        self.shape.after.run::<L, _>(self)
    }
}

impl Activated for Sums<'_> {
    type Output = Vec<[f64; 2]>;

    #[inline(always)]
    fn run<L: Lanes, A: Activation>(self) -> Self::Output {
        let area = self.shape.geometry.output_area();
        // A loop, because closures are not compiled for the instruction set.
        let mut sums = Vec::with_capacity(self.channels.len());
        let planes = self.slopes.chunks_exact(area).zip(self.values.chunks_exact(area));
        for ((slopes, values), channel) in planes.zip(self.channels) {
            sums.push(elementwise::sum_and_dot::<L, A>(slopes, values, *channel));
        }
        sums
    }
}

/// What the gradient of a value of the convolution holds beside `factor · dy`, as an affine form of
/// the value: dz = a·dy − a·(Σdy)/m − a·x̂·(Σdy·x̂)/m with a = scale/σ.
fn slants(shape: Shape, forward: &Forward<'_>, shift: &[f32], scale: &[f32]) -> Vec<[f32; 2]> {
    let n = shape.n_values() as f32;
    let of_channel = |c: usize| {
        if forward.norm != Norm::OfBatch {
            return [0.0, 0.0];
        }
        let [factor, _] = forward.channels[c];
        let slant = -factor * forward.inverse_deviation[c] * scale[c] / n;
        [slant, -factor * shift[c] / n - slant * forward.mean[c]]
    };
    (0..shape.n_out).map(of_channel).collect()
}

/// For each phase of the images the weights that lead to it.
fn phases(isa: Isa, shape: Shape, weights: &[f32]) -> Vec<(Phase, Ordered)> {
    let Shape { n_in, n_out, geometry, groups, .. } = shape;
    let n_taps = geometry.n_taps();
    let of_phase = |phase: Phase| {
        let weights = match groups {
            Groups::One => {
                let (n_channels, taps) = ([n_out, n_in], &phase.taps);
                let pack = |n_rows| Packed::backward(n_rows, weights, n_channels, n_taps, taps);
                Ordered::dense(isa, [n_in, taps.len()], phase.window, pack)
            }
            Groups::Depthwise => {
                let of_channel = |taps: &[f32]| phase.taps.iter().map(|&t| taps[t]).collect();
                let channels: Vec<Vec<f32>> =
                    weights.chunks_exact(n_taps).map(of_channel).collect();
                Ordered::Depthwise(channels.concat())
            }
        };
        (phase, weights)
    };
    geometry.phases().into_iter().map(of_phase).collect()
}

/// Entries of `n_images` that one thread sums.
fn n_chunk(shape: Shape) -> usize {
    (CHUNK / shape.n_stacked).max(1)
}

/// Numbers of the gradient of the weights, in the order in which they are summed.
fn n_sums(shape: Shape) -> usize {
    let n_rows = if shape.is_by_channel() { by_channel::n_rows(shape.n_out) } else { shape.n_out };
    n_rows * shape.n_seen() * shape.geometry.n_taps()
}

/// Scratch memory of one thread.
struct Scratch {
    /// Padded planes of images: all of a chunk, or one if sums are by channel.
    images: Vec<f32>,
    /// Padded planes of gradients of the convolution, of as many images.
    slopes: Vec<f32>,
    /// Those of one image before they are padded, or of one channel if sums are by position.
    dense: Vec<f32>,
    /// The same, transposed.
    positions: Vec<f32>,
    /// What a convolution leaves, if it is to be cropped.
    planes: Vec<f32>,
    /// The gradients of one phase.
    phase: Vec<f32>,
}

impl Scratch {
    fn new(shape: Shape) -> Self {
        let geometry = shape.geometry;
        let (n_images, n_channels) = if shape.is_by_channel() {
            (1, by_channel::n_rows(shape.n_out))
        } else {
            (n_chunk(shape), 1)
        };
        let n_dense = n_channels * by_channel::n_columns(geometry);
        Self {
            images: vec![0.0; n_images * shape.n_in * geometry.padded_plane()],
            slopes: vec![0.0; n_images * shape.n_out * geometry.slopes_plane()],
            dense: vec![0.0; n_dense],
            positions: if shape.is_by_channel() { vec![0.0; n_dense] } else { Vec::new() },
            planes: Vec::new(),
            phase: Vec::new(),
        }
    }
}

struct BackwardChunk<'a, 'b> {
    shape: Shape,
    phases: &'a [(Phase, Ordered)],
    offsets: &'a [usize],
    channels: &'a [[f32; 2]],
    slants: &'a [[f32; 2]],
    images: &'a [f32],
    values: &'a [f32],
    slopes: &'a [f32],
    scratch: &'a mut Scratch,
    gradient: &'a mut Piece<'b>,
}

impl Work for BackwardChunk<'_, '_> {
    type Output = Vec<f32>;

    #[inline(always)]
    fn run<L: Lanes>(mut self) -> Vec<f32> {
        let n_images = self.images.len() / self.shape.input();
        let mut weights = vec![0.0; n_sums(self.shape)];
        if self.shape.is_by_channel() {
            for i in 0..n_images {
                self.image::<L>(i, 0);
                self.add_by_channel::<L>(&mut weights);
            }
        } else {
            for i in 0..n_images {
                self.image::<L>(i, i);
            }
            self.add_by_position::<L>(n_images, &mut weights);
        }
        weights
    }
}

/// The gradients of the convolution for one image, into their padded planes.
struct PadSlopes<'c, 'a, 'b> {
    chunk: &'c mut BackwardChunk<'a, 'b>,
    image: usize,
    slot: usize,
}

impl Activated for PadSlopes<'_, '_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes, A: Activation>(self) {
        let Self { chunk, image, slot } = self;
        let Shape { n_out, geometry, .. } = chunk.shape;
        let (area, plane) = (geometry.output_area(), geometry.slopes_plane());
        let Scratch { slopes: padded, dense, .. } = &mut *chunk.scratch;
        let planes = padded[slot * n_out * plane..].chunks_exact_mut(plane);
        let n_columns = by_channel::n_columns(geometry);
        let channels = chunk.channels.iter().zip(chunk.slants).zip(planes).enumerate();
        for (c, ((channel, slant), plane)) in channels {
            let at = (image * n_out + c) * area;
            let (slopes, values) = (&chunk.slopes[at..at + area], &chunk.values[at..at + area]);
            let row = if chunk.shape.is_by_channel() { c } else { 0 };
            let dense = &mut dense[row * n_columns..][..area];
            elementwise::slanted::<A>(slopes, values, *channel, *slant, dense);
            geometry.pad_slopes(dense, plane);
        }
    }
}

impl BackwardChunk<'_, '_> {
    /// Copies an image and the gradients of its convolution into the padded planes of a slot, and takes
    /// them to the gradient of the image.
    #[inline(always)]
    fn image<L: Lanes>(&mut self, i: usize, slot: usize) {
        let Shape { n_in, geometry, .. } = self.shape;
        let (size, padded) = (self.shape.input(), n_in * geometry.padded_plane());
        let planes = &mut self.scratch.images[slot * padded..][..padded];
        self.shape.pad(&self.images[i * size..][..size], planes);
        self.shape.after.run::<L, _>(PadSlopes { chunk: self, image: i, slot });
        self.image_gradient::<L>(i, slot);
    }

    /// Adds what the image at hand gives to the gradient of the weights.
    #[inline(always)]
    fn add_by_channel<L: Lanes>(&mut self, sums: &mut [f32]) {
        let geometry = self.shape.geometry;
        let Scratch { images, dense, positions, .. } = &mut *self.scratch;
        by_channel::transpose::<L>(dense, by_channel::n_columns(geometry), positions);
        let image = Planes { values: images, plane: geometry.padded_plane() };
        by_channel::weight_gradient::<L>(geometry, self.offsets, image, positions, sums);
    }

    /// Adds what all images of the chunk give.
    #[inline(always)]
    fn add_by_position<L: Lanes>(&self, n_images: usize, sums: &mut [f32]) {
        let Shape { n_in, n_out, geometry, .. } = self.shape;
        let [plane, slopes_plane] = [geometry.padded_plane(), geometry.slopes_plane()];
        let images = Planes { values: &self.scratch.images[..n_images * n_in * plane], plane };
        let slopes = &self.scratch.slopes[geometry.lead()..n_images * n_out * slopes_plane];
        let slopes = Planes { values: slopes, plane: slopes_plane };
        let step = geometry.output_plane();
        match self.shape.groups {
            Groups::One => dense::weight_gradient::<L>(step, [n_out, n_in], images, slopes, sums),
            Groups::Depthwise => {
                depthwise::weight_gradient::<L>(self.offsets, step, images, slopes, sums);
            }
        }
    }

    /// The gradient of one image, from padded planes of gradients of the convolution.
    #[inline(always)]
    fn image_gradient<L: Lanes>(&mut self, i: usize, slot: usize) {
        let Shape { n_in, n_out, geometry, before, .. } = self.shape;
        let (area, plane) = (geometry.area(), geometry.slopes_plane());
        let size = self.shape.input();
        let gradient = self.gradient.take(size);
        let Scratch { slopes, planes, phase: of_phase, .. } = &mut *self.scratch;
        let slopes = Planes { values: &slopes[slot * n_out * plane..][..n_out * plane], plane };
        for (phase, weights) in self.phases {
            let (offsets, window) = (&phase.offsets, phase.window);
            if phase.taps.is_empty() || window.area() == 0 {
                continue;
            }
            if window.area() == area {
                weights.convolve::<L>(offsets, slopes, window, planes, gradient);
            } else {
                of_phase.resize(n_in * window.area(), 0.0);
                weights.convolve::<L>(offsets, slopes, window, planes, of_phase);
                let channels = gradient.chunks_exact_mut(area);
                for (gradient, from) in channels.zip(of_phase.chunks_exact(window.area())) {
                    geometry.scatter(phase, from, gradient);
                }
            }
        }
        if before == Before::Relu {
            elementwise::mask_by_relu(&self.images[i * size..][..size], gradient);
        }
    }
}

#[cfg(test)]
#[path = "backward_tests.rs"]
mod tests;
