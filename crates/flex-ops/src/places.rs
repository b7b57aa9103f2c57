//! Gradients of images and weights, place by place of padded planes.

use lanes::{Isa, Lanes, Work};

use crate::activation::{Activated, Activation};
use crate::backward::{self, Chunk};
use crate::dense::Planes;
use crate::forward::Ordered;
use crate::geometry::{Packed, Phase};
use crate::pieces::Piece;
use crate::shape::Shape;
use crate::{Before, Groups, by_channel, dense, depthwise, elementwise};

/// The gradients of the images of a batch and of the weights.
pub(crate) fn gradients(isa: Isa, batch: Chunk<'_>, weights: &[f32]) -> (Vec<f32>, Vec<f32>) {
    let shape = batch.shape;
    let (phases, offsets) = (phases(shape, weights), shape.geometry.offsets());
    let of_chunk = |scratch: &mut Scratch, chunk: Chunk<'_>, gradient: &mut Piece<'_>| {
        isa.run(ChunkGradients { chunk, phases: &phases, offsets: &offsets, scratch, gradient })
    };
    let (images, weights) = backward::in_chunks(batch, || Scratch::new(shape), of_chunk);
    if shape.is_by_channel() {
        return (images, by_channel::weights(&weights, shape.n_out, shape.geometry.n_taps()));
    }
    (images, weights)
}

/// For each phase of the images the weights that lead to it.
fn phases(shape: Shape, weights: &[f32]) -> Vec<(Phase, Ordered)> {
    let Shape { n_in, n_out, geometry, groups, .. } = shape;
    let n_taps = geometry.n_taps();
    let of_phase = |phase: Phase| {
        let weights = match groups {
            Groups::One => {
                Ordered::Dense(Packed::backward(weights, [n_out, n_in], n_taps, &phase.taps))
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

/// Numbers of the gradient of the weights, in the order in which they are summed.
fn n_sums(shape: Shape) -> usize {
    let n_rows = if shape.is_by_channel() { by_channel::n_rows(shape.n_out) } else { shape.n_out };
    n_rows * shape.n_seen() * shape.geometry.n_taps()
}

/// Scratch memory of one thread.
struct Scratch {
    /// Padded planes of images: all of a chunk, or one if sums are by channel; unused where images
    /// are such planes.
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
            (backward::n_chunk(shape), 1)
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

struct ChunkGradients<'a, 'b> {
    chunk: Chunk<'a>,
    phases: &'a [(Phase, Ordered)],
    offsets: &'a [usize],
    scratch: &'a mut Scratch,
    gradient: &'a mut Piece<'b>,
}

impl Work for ChunkGradients<'_, '_> {
    type Output = Vec<f32>;

    #[inline(always)]
    fn run<L: Lanes>(mut self) -> Vec<f32> {
        let n_images = self.chunk.n_images();
        let mut weights = vec![0.0; n_sums(self.chunk.shape)];
        if self.chunk.shape.is_by_channel() {
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
    work: &'c mut ChunkGradients<'a, 'b>,
    image: usize,
    slot: usize,
}

impl Activated for PadSlopes<'_, '_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes, A: Activation>(self) {
        let Self { work: ChunkGradients { chunk, scratch, .. }, image, slot } = self;
        let Shape { n_out, geometry, .. } = chunk.shape;
        let (area, plane) = (geometry.output_area(), geometry.slopes_plane());
        let Scratch { slopes: padded, dense, .. } = &mut **scratch;
        let planes = padded[slot * n_out * plane..].chunks_exact_mut(plane);
        let n_columns = by_channel::n_columns(geometry);
        for (c, plane) in planes.take(n_out).enumerate() {
            let row = if chunk.shape.is_by_channel() { c } else { 0 };
            let dense = &mut dense[row * n_columns..][..area];
            chunk.slanted::<A>(image, c, dense);
            geometry.pad_slopes(dense, plane);
        }
    }
}

impl ChunkGradients<'_, '_> {
    /// Pads an image and the gradients of its convolution into the padded planes of a slot, and takes
    /// them to the gradient of the image.
    #[inline(always)]
    fn image<L: Lanes>(&mut self, i: usize, slot: usize) {
        let Shape { n_in, geometry, .. } = self.chunk.shape;
        let (size, padded) = (self.chunk.shape.input(), n_in * geometry.padded_plane());
        let planes = &mut self.scratch.images[slot * padded..][..padded];
        self.chunk.shape.pad(&self.chunk.images[i * size..][..size], planes);
        self.chunk.shape.after.run::<L, _>(PadSlopes { work: self, image: i, slot });
        self.image_gradient::<L>(i, slot);
    }

    /// Adds what the image at hand gives to the gradient of the weights.
    #[inline(always)]
    fn add_by_channel<L: Lanes>(&mut self, sums: &mut [f32]) {
        let geometry = self.chunk.shape.geometry;
        let Scratch { images, dense, positions, .. } = &mut *self.scratch;
        by_channel::transpose::<L>(dense, by_channel::n_columns(geometry), positions);
        let image = Planes { values: images, plane: geometry.padded_plane() };
        by_channel::weight_gradient::<L>(geometry, self.offsets, image, positions, sums);
    }

    /// Adds what all images of the chunk give.
    #[inline(always)]
    fn add_by_position<L: Lanes>(&self, n_images: usize, sums: &mut [f32]) {
        let Shape { n_in, n_out, geometry, .. } = self.chunk.shape;
        let slopes_plane = geometry.slopes_plane();
        let padded = &self.scratch.images[..n_images * n_in * geometry.padded_plane()];
        let images = self.chunk.shape.padded(self.chunk.images, padded);
        let slopes = &self.scratch.slopes[geometry.lead()..n_images * n_out * slopes_plane];
        let slopes = Planes { values: slopes, plane: slopes_plane };
        let step = geometry.output_plane();
        match self.chunk.shape.groups {
            Groups::One => dense::weight_gradient::<L>(step, [n_out, n_in], images, slopes, sums),
            Groups::Depthwise => {
                depthwise::weight_gradient::<L>(self.offsets, step, images, slopes, sums);
            }
        }
    }

    /// The gradient of one image, from padded planes of gradients of the convolution.
    #[inline(always)]
    fn image_gradient<L: Lanes>(&mut self, i: usize, slot: usize) {
        let Shape { n_in, n_out, geometry, before, .. } = self.chunk.shape;
        let (area, plane) = (geometry.area(), geometry.slopes_plane());
        let size = self.chunk.shape.input();
        let gradient = self.gradient.take(size);
        let Scratch { slopes, planes, phase: of_phase, .. } = &mut *self.scratch;
        let slopes = Planes { values: &slopes[slot * n_out * plane..][..n_out * plane], plane };
        for (phase, weights) in self.phases {
            let (offsets, window) = (&phase.offsets, phase.window);
            if phase.taps.is_empty() || window.area() == 0 {
                continue;
            }
            if window.area() == area {
                weights.convolve::<L>(0, offsets, slopes, window, planes, gradient);
            } else {
                of_phase.resize(n_in * window.area(), 0.0);
                weights.convolve::<L>(0, offsets, slopes, window, planes, of_phase);
                let channels = gradient.chunks_exact_mut(area);
                for (gradient, from) in channels.zip(of_phase.chunks_exact(window.area())) {
                    geometry.scatter(phase, from, gradient);
                }
            }
        }
        if before == Before::Relu {
            elementwise::mask_by_relu(&self.chunk.images[i * size..][..size], gradient);
        }
    }
}
