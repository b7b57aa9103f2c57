//! Gradients of images and weights, place by place of padded planes.

use std::ops::Range;

use lanes::{Isa, LANES, Lanes, Work};

use crate::activation::{Activated, Activation};
use crate::backward::{self, Chunk};
use crate::dense::{Planes, Series};
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

/// Numbers of padded planes that a second-level cache holds beside others.
const CACHED: usize = 1 << 17;

/// Positions of a channel from which it is worth to take one plane after the other.
const MANY_POSITIONS: usize = 256;

/// In which order a chunk is gone through.
#[derive(Clone, Copy)]
enum Order {
    /// Image by image; the gradient of the weights in vectors of [output channels](by_channel).
    Outputs,
    /// So many images before the weights take their part of them, in vectors of positions.
    Images(usize),
    /// Likewise, but after every channel of every image: a depthwise kernel.
    Planes,
}

impl Order {
    fn of(shape: Shape) -> Self {
        let geometry = shape.geometry;
        if shape.is_by_channel() {
            return Self::Outputs;
        }
        if shape.groups == Groups::Depthwise && MANY_POSITIONS <= geometry.output_area() {
            return Self::Planes;
        }
        let size = shape.n_in * geometry.padded_plane() + shape.n_out * geometry.slopes_plane();
        Self::Images((CACHED / size).clamp(1, backward::n_chunk(shape)))
    }

    /// Images whose padded planes are at hand together.
    fn n_images(self) -> usize {
        match self {
            Self::Images(n) => n,
            Self::Outputs | Self::Planes => 1,
        }
    }

    /// Their channels, of the input and the output.
    fn n_channels(self, shape: Shape) -> [usize; 2] {
        match self {
            Self::Images(_) | Self::Outputs => [shape.n_in, shape.n_out],
            Self::Planes => [1, 1],
        }
    }
}

/// Scratch memory of one thread.
struct Scratch {
    order: Order,
    /// Padded planes of what is at hand of the images; unused where images are such planes.
    images: Vec<f32>,
    /// Padded planes of the gradients of its convolution.
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
        let (geometry, order) = (shape.geometry, Order::of(shape));
        let [n_in, n_out] = order.n_channels(shape).map(|n| n * order.n_images());
        let is_by_channel = shape.is_by_channel();
        let n_rows = if is_by_channel { by_channel::n_rows(shape.n_out) } else { 1 };
        let n_dense = n_rows * by_channel::n_columns(geometry);
        Self {
            order,
            images: vec![0.0; n_in * geometry.padded_plane()],
            slopes: vec![0.0; n_out * geometry.slopes_plane()],
            dense: vec![0.0; n_dense],
            positions: if is_by_channel { vec![0.0; n_dense] } else { Vec::new() },
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
        let (shape, n_images) = (self.chunk.shape, self.chunk.n_images());
        let mut weights = vec![0.0; n_sums(shape)];
        match self.scratch.order {
            Order::Planes => self.plane_by_plane::<L>(&mut weights),
            Order::Outputs => {
                for i in 0..n_images {
                    self.part::<L>([i, 0], 0);
                    self.add_by_channel::<L>(&mut weights);
                }
            }
            Order::Images(n) => {
                for first in (0..n_images).step_by(n) {
                    let images = first..n_images.min(first + n);
                    for i in images.clone() {
                        self.part::<L>([i, 0], i - first);
                    }
                    self.add_by_position::<L>(images, &mut weights);
                }
            }
        }
        weights
    }
}

/// The gradients of the convolution for some channels of an image, into their padded planes.
struct PadSlopes<'c, 'a, 'b> {
    work: &'c mut ChunkGradients<'a, 'b>,
    /// The image, and which part of its channels.
    part: [usize; 2],
    slot: usize,
}

impl Activated for PadSlopes<'_, '_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes, A: Activation>(self) {
        let Self { work: ChunkGradients { chunk, scratch, .. }, part: [image, part], slot } = self;
        let geometry = chunk.shape.geometry;
        let (area, plane) = (geometry.output_area(), geometry.slopes_plane());
        let Scratch { order, slopes: padded, dense, .. } = &mut **scratch;
        let [_, n_out] = order.n_channels(chunk.shape);
        let planes = padded[slot * n_out * plane..].chunks_exact_mut(plane);
        let n_columns = by_channel::n_columns(geometry);
        for (c, plane) in planes.take(n_out).enumerate() {
            let row = if chunk.shape.is_by_channel() { c } else { 0 };
            let dense = &mut dense[row * n_columns..][..area];
            chunk.slanted::<A>(image, part * n_out + c, dense);
            geometry.pad_slopes(dense, plane);
        }
    }
}

impl ChunkGradients<'_, '_> {
    /// Takes some channels of an image, all or one, and the gradients of their convolution into the padded
    /// planes of a slot, and these to the gradient of the channels.
    #[inline(always)]
    fn part<L: Lanes>(&mut self, part: [usize; 2], slot: usize) {
        let shape = self.chunk.shape;
        let [n_in, _] = self.scratch.order.n_channels(shape);
        let padded = n_in * shape.geometry.padded_plane();
        let planes = &mut self.scratch.images[slot * padded..][..padded];
        shape.pad(self.chunk.channels_of(part, n_in), planes);
        shape.after.run::<L, _>(PadSlopes { work: self, part, slot });
        self.image_gradient::<L>(part, slot);
    }

    /// All gradients of a depthwise kernel, each plane while the caches hold it.
    #[inline(always)]
    fn plane_by_plane<L: Lanes>(&mut self, weights: &mut [f32]) {
        let Shape { n_in, geometry, .. } = self.chunk.shape;
        let n_taps = geometry.n_taps();
        let mut sums = vec![[0.0; LANES]; n_in * n_taps];
        for i in 0..self.chunk.n_images() {
            for (channel, sums) in sums.chunks_exact_mut(n_taps).enumerate() {
                self.part::<L>([i, channel], 0);
                let image = self.chunk.channels_of([i, channel], 1);
                let [images, slopes] = self.planes(image, 1);
                let of_first = |planes| Series { planes, first: 0, every: 1 };
                let (images, slopes) = (of_first(images), of_first(slopes));
                let step = geometry.output_plane();
                depthwise::add_products::<L>(self.offsets, step, images, slopes, sums);
            }
        }
        add_lanes(&sums, weights);
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

    /// Adds what the images at hand give.
    #[inline(always)]
    fn add_by_position<L: Lanes>(&self, images: Range<usize>, weights: &mut [f32]) {
        let shape = self.chunk.shape;
        let Shape { n_in, n_out, geometry, .. } = shape;
        let n_images = images.len();
        let images = &self.chunk.images[images.start * shape.input()..images.end * shape.input()];
        let [images, slopes] = self.planes(images, n_images);
        let step = geometry.output_plane();
        if shape.groups == Groups::One {
            return dense::weight_gradient::<L>(step, [n_out, n_in], images, slopes, weights);
        }
        let n_taps = geometry.n_taps();
        let mut sums = vec![[0.0; LANES]; n_taps];
        for (first, weights) in weights.chunks_exact_mut(n_taps).enumerate() {
            sums.fill([0.0; LANES]);
            let images = Series { planes: images, first, every: n_in };
            let slopes = Series { planes: slopes, first, every: n_out };
            depthwise::add_products::<L>(self.offsets, step, images, slopes, &mut sums);
            add_lanes(&sums, weights);
        }
    }

    /// The padded planes of so many images, or of a channel, and of the gradients of their
    /// convolution, from the first of these on.
    #[inline(always)]
    fn planes<'a>(&'a self, images: &'a [f32], n_images: usize) -> [Planes<'a>; 2] {
        let shape = self.chunk.shape;
        let Scratch { order, images: padded, slopes, .. } = &*self.scratch;
        let [n_in, n_out] = order.n_channels(shape).map(|n| n * n_images);
        let plane = shape.geometry.slopes_plane();
        let slopes = &slopes[shape.geometry.lead()..n_out * plane];
        let padded = &padded[..n_in * shape.geometry.padded_plane()];
        [shape.padded(images, padded), Planes { values: slopes, plane }]
    }

    /// The gradient of some channels of an image, from padded planes of gradients of the convolution.
    #[inline(always)]
    fn image_gradient<L: Lanes>(&mut self, part: [usize; 2], slot: usize) {
        let Shape { geometry, before, .. } = self.chunk.shape;
        let (area, plane) = (geometry.area(), geometry.slopes_plane());
        let [n_in, n_out] = self.scratch.order.n_channels(self.chunk.shape);
        let first = part[1] * n_in;
        let gradient = self.gradient.take(n_in * area);
        let Scratch { slopes, planes, phase: of_phase, .. } = &mut *self.scratch;
        let slopes = Planes { values: &slopes[slot * n_out * plane..][..n_out * plane], plane };
        for (phase, weights) in self.phases {
            let (offsets, window) = (&phase.offsets, phase.window);
            if phase.taps.is_empty() || window.area() == 0 {
                continue;
            }
            if window.area() == area {
                weights.convolve::<L>(first, offsets, slopes, window, planes, gradient);
            } else {
                of_phase.resize(n_in * window.area(), 0.0);
                weights.convolve::<L>(first, offsets, slopes, window, planes, of_phase);
                let channels = gradient.chunks_exact_mut(area);
                for (gradient, from) in channels.zip(of_phase.chunks_exact(window.area())) {
                    geometry.scatter(phase, from, gradient);
                }
            }
        }
        if before == Before::Relu {
            elementwise::mask_by_relu::<L>(self.chunk.channels_of(part, n_in), gradient);
        }
    }
}

/// Adds to each number the sum of a vector.
fn add_lanes(vectors: &[[f32; LANES]], to: &mut [f32]) {
    for (to, lanes) in to.iter_mut().zip(vectors) {
        *to += lanes.iter().sum::<f32>();
    }
}
