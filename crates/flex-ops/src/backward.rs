//! \[ReLU →\] convolution → batch norm → \[activation\], backward.

use lanes::{Isa, Lanes, Work};
use rayon::prelude::*;
use tracing::trace_span;

use crate::activation::{Activated, Activation};
use crate::pieces::{Piece, in_pieces};
use crate::shape::Shape;
use crate::winograd::{self, Tiles};
use crate::{PROFILE, elementwise, places};

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
    let batch = Chunk {
        shape,
        channels: forward.channels,
        slants: &slants,
        images: forward.images,
        values: forward.values,
        slopes,
    };
    if batch.n_images() == 0 {
        let weights = vec![0.0; shape.weight_dims().iter().product()];
        return Gradients { images: Vec::new(), weights, scale, shift };
    }
    let (images, weights) = match Tiles::of(shape) {
        Some(tiles) => winograd::gradients(isa, tiles, batch, forward.weights),
        None => places::gradients(isa, batch, forward.weights),
    };
    Gradients { images, weights, scale, shift }
}

/// Some images, and what there is of their outputs.
#[derive(Clone, Copy)]
pub(crate) struct Chunk<'a> {
    pub(crate) shape: Shape,
    pub(crate) channels: &'a [[f32; 2]],
    pub(crate) slants: &'a [[f32; 2]],
    pub(crate) images: &'a [f32],
    pub(crate) values: &'a [f32],
    pub(crate) slopes: &'a [f32],
}

impl Chunk<'_> {
    pub(crate) fn n_images(&self) -> usize {
        self.images.len() / self.shape.input()
    }

    /// `n` input channels of an image: the first `n` for part 0, the next for part 1, and so on.
    pub(crate) fn channels_of(&self, [image, part]: [usize; 2], n: usize) -> &[f32] {
        let size = n * self.shape.geometry.area();
        &self.images[image * self.shape.input() + part * size..][..size]
    }

    /// The gradient of a channel of the convolution of an image.
    #[inline(always)]
    pub(crate) fn slanted<A: Activation>(&self, image: usize, channel: usize, to: &mut [f32]) {
        let area = self.shape.geometry.output_area();
        let at = (image * self.shape.n_out + channel) * area;
        let (slopes, values) = (&self.slopes[at..at + area], &self.values[at..at + area]);
        let (factors, slant) = (self.channels[channel], self.slants[channel]);
        elementwise::slanted::<A>(slopes, values, factors, slant, to);
    }

    /// As many of the images, from `first` on.
    pub(crate) fn part(&self, first: usize, n_images: usize) -> Self {
        let range = |size: usize| first * size..(first + n_images) * size;
        let (inputs, outputs) = (range(self.shape.input()), range(self.shape.output()));
        Self {
            images: &self.images[inputs],
            values: &self.values[outputs.clone()],
            slopes: &self.slopes[outputs],
            ..*self
        }
    }
}

/// The gradients of all images of a batch and what each chunk of them gives to that of the weights, from the work
/// on one chunk, which fills a piece.
pub(crate) fn in_chunks<S>(
    batch: Chunk<'_>,
    scratch: impl Fn() -> S + Sync + Send,
    work: impl Fn(&mut S, Chunk<'_>, &mut Piece<'_>) -> Vec<f32> + Sync + Send,
) -> (Vec<f32>, Vec<f32>) {
    let shape = batch.shape;
    let n_images = n_chunk(shape);
    let of_chunk = |scratch: &mut S, i: usize, gradient: &mut Piece<'_>| {
        let chunk = batch.part(i * n_images, gradient.len() / shape.input());
        work(scratch, chunk, gradient)
    };
    let (n, size) = (batch.images.len(), n_images * shape.input());
    let (images, partial) = in_pieces(n, size, scratch, of_chunk);
    (images, sum(partial))
}

/// Entries of `n_images` in a chunk.
pub(crate) fn n_chunk(shape: Shape) -> usize {
    (CHUNK / shape.n_stacked).max(1)
}

/// The sums of numbers at the same place.
fn sum(partial: Vec<Vec<f32>>) -> Vec<f32> {
    let mut partial = partial.into_iter();
    let mut sums = partial.next().expect("there are images");
    for partial in partial {
        for (sum, part) in sums.iter_mut().zip(partial) {
            *sum += part;
        }
    }
    sums
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
        .map(|(slopes, values)| isa.run(Sums { shape, slopes, values, forward }))
        .collect();
    (0..shape.n_out)
        .map(|c| {
            let total = sums.iter().fold([0.0, 0.0], |t, s| [t[0] + s[c][0], t[1] + s[c][1]]);
            (total[0] as f32, (total[1] * f64::from(forward.inverse_deviation[c])) as f32)
        })
        .unzip()
}

struct Sums<'a> {
    shape: Shape,
    slopes: &'a [f32],
    values: &'a [f32],
    forward: &'a Forward<'a>,
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
        let Forward { channels, mean, .. } = *self.forward;
        // A loop, because closures are not compiled for the instruction set.
        let mut sums = Vec::with_capacity(channels.len());
        let planes = self.slopes.chunks_exact(area).zip(self.values.chunks_exact(area));
        for ((slopes, values), (channel, mean)) in planes.zip(channels.iter().zip(mean)) {
            sums.push(elementwise::sum_and_dot::<L, A>(slopes, values, *channel, *mean));
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

#[cfg(test)]
#[path = "backward_tests.rs"]
mod tests;
