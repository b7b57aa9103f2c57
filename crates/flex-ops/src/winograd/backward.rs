//! The gradients of some images and what they give to that of the weights.

use lanes::{Isa, Lanes, Work};

use super::{Channels, Gradient, Kernel, Scratch, Tiles, convolve};
use crate::activation::{Activated, Activation};
use crate::backward::{self, Chunk};
use crate::pieces::Piece;
use crate::shape::Shape;
use crate::{Before, by_channel, elementwise};

/// The gradients of the images of a batch and of the weights.
pub(crate) fn gradients(
    isa: Isa,
    tiles: Tiles,
    batch: Chunk<'_>,
    weights: &[f32],
) -> (Vec<f32>, Vec<f32>) {
    let Shape { n_in, n_out, geometry, .. } = batch.shape;
    let kernel = Kernel::backward(isa, weights, [n_out, n_in]);
    let of_chunk = |scratch: &mut BackwardScratch, chunk: Chunk<'_>, gradient: &mut Piece<'_>| {
        isa.run(ChunkGradients { chunk, tiles, kernel: &kernel, scratch, gradient })
    };
    let scratch = || BackwardScratch::new(batch.shape);
    let (images, sums) = backward::in_chunks(batch, scratch, of_chunk);
    (images, by_channel::weights(&sums, n_out, geometry.n_taps()))
}

/// Scratch memory of one thread.
struct BackwardScratch {
    weights: Gradient,
    tiles: Scratch,
    /// Gradients of the convolution of some images, as [`Gradient::add`] wants them.
    slopes: Vec<f32>,
}

impl BackwardScratch {
    fn new(shape: Shape) -> Self {
        Self {
            weights: Gradient::new(shape.n_in, shape.n_out),
            tiles: Scratch::new(shape.n_out),
            slopes: Vec::new(),
        }
    }
}

/// Takes the gradients of outputs to those of the images, and returns what they give to that of the weights,
/// as [`Gradient::taps`].
struct ChunkGradients<'a, 'b> {
    chunk: Chunk<'a>,
    tiles: Tiles,
    kernel: &'a Kernel,
    scratch: &'a mut BackwardScratch,
    gradient: &'a mut Piece<'b>,
}

impl Work for ChunkGradients<'_, '_> {
    type Output = Vec<f32>;

    #[inline(always)]
    fn run<L: Lanes>(self) -> Vec<f32> {
        let Self { chunk, tiles, kernel, scratch, gradient } = self;
        let Shape { n_in, n_out, geometry, before, .. } = chunk.shape;
        let BackwardScratch { weights, tiles: of_tiles, slopes } = scratch;
        let plane = by_channel::n_columns(geometry);
        let of_image = by_channel::n_rows(n_out) * plane;
        weights.clear();
        for first in (0..chunk.n_images()).step_by(tiles.images_at_once()) {
            let n_images = tiles.images_at_once().min(chunk.n_images() - first);
            slopes.resize(n_images * of_image, 0.0);
            let to = Slopes { chunk, first, to: slopes };
            chunk.shape.after.run::<L, _>(to);
            let size = chunk.shape.input();
            let images = &chunk.images[first * size..][..n_images * size];
            let gradient = gradient.take(n_images * size);
            let outputs =
                Channels { values: slopes, n: of_image / plane, plane, before: Before::Nothing };
            convolve::<L>(kernel, tiles, outputs, of_tiles, gradient);
            if before == Before::Relu {
                elementwise::mask_by_relu::<L>(images, gradient);
            }
            let images = Channels { values: images, n: n_in, plane: geometry.area(), before };
            weights.add::<L>(tiles, images, outputs);
        }
        weights.taps::<L>()
    }
}

/// The gradients of the convolution of some images.
struct Slopes<'a, 'b> {
    chunk: Chunk<'a>,
    first: usize,
    to: &'b mut [f32],
}

impl Activated for Slopes<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes, A: Activation>(self) {
        let Self { chunk, first, to } = self;
        let Shape { n_out, geometry, .. } = chunk.shape;
        let (area, plane) = (geometry.output_area(), by_channel::n_columns(geometry));
        for (image, to) in to.chunks_exact_mut(by_channel::n_rows(n_out) * plane).enumerate() {
            for (channel, to) in to.chunks_exact_mut(plane).take(n_out).enumerate() {
                chunk.slanted::<A>(first + image, channel, &mut to[..area]);
            }
        }
    }
}
