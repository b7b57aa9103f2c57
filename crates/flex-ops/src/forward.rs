//! \[ReLU →\] convolution → batch norm → \[activation\], forward.

use lanes::{Isa, Lanes, Work};
use rayon::prelude::*;

use crate::activation::{Activated, Activation, Identity};
use crate::dense::Planes;
use crate::geometry::{Packed, ROWS, Window};
use crate::pieces::{Piece, in_pieces};
use crate::shape::Shape;
use crate::{Groups, channel_tiles, dense, depthwise, elementwise};

/// The convolution and its statistics.
pub(crate) struct Convolved {
    /// `[n_images, n_out, h, w]`.
    pub(crate) values: Vec<f32>,
    pub(crate) mean: Vec<f32>,
    /// Biased.
    pub(crate) variance: Vec<f32>,
}

/// Weights in the order in which the kernels read them.
pub(crate) enum Ordered {
    Dense(Packed),
    /// Whose output channels fill vectors.
    ByChannel(Packed),
    /// `[channels, taps]`.
    Depthwise(Vec<f32>),
}

impl Ordered {
    /// Weights of a dense convolution, packed in blocks of as many output channels as its kernel wants.
    pub(crate) fn dense(
        isa: Isa,
        [n_out, n_taps]: [usize; 2],
        window: Window,
        pack: impl FnOnce(usize) -> Packed,
    ) -> Self {
        if channel_tiles::serve(isa, n_out, n_taps, window) {
            Self::ByChannel(pack(channel_tiles::CHANNELS))
        } else {
            Self::Dense(pack(ROWS))
        }
    }

    /// Convolves padded planes into channels of a window's places; `planes` is scratch memory.
    #[inline(always)]
    pub(crate) fn convolve<L: Lanes>(
        &self,
        offsets: &[usize],
        padded: Planes<'_>,
        window: Window,
        planes: &mut Vec<f32>,
        out: &mut [f32],
    ) {
        let step = window.plane();
        let n_planes = out.len() / window.area();
        match self {
            Self::ByChannel(packed) => {
                channel_tiles::convolve::<L>(packed, offsets, padded, window, out);
            }
            Self::Dense(packed) => {
                planes.resize(n_planes * step, 0.0);
                dense::convolve::<L>(packed, offsets, padded, step, planes);
                window.crop(planes, out);
            }
            Self::Depthwise(weights) => {
                planes.resize(n_planes * step, 0.0);
                depthwise::convolve::<L>(weights, offsets, padded, step, planes);
                window.crop(planes, out);
            }
        }
    }
}

/// Convolves a batch and measures every channel.
pub(crate) fn convolve(isa: Isa, shape: Shape, images: &[f32], weights: &[f32]) -> Convolved {
    let geometry = shape.geometry;
    let weights = match shape.groups {
        Groups::One => {
            let (n_channels, n_taps) = ([shape.n_out, shape.n_in], geometry.n_taps());
            let pack = |n_rows| Packed::forward(n_rows, weights, n_channels, n_taps);
            Ordered::dense(isa, [shape.n_out, n_taps], geometry.window(), pack)
        }
        Groups::Depthwise => Ordered::Depthwise(weights.to_vec()),
    };
    let offsets = geometry.offsets();
    let of_image = |scratch: &mut Scratch, i: usize, values: &mut Piece<'_>| {
        let image = &images[i * shape.input()..][..shape.input()];
        let (weights, offsets) = (&weights, &offsets);
        isa.run(ConvolveImage { shape, weights, offsets, image, scratch, values })
    };
    let n_values = shape.n_images * shape.output();
    let (values, sums) = in_pieces(n_values, shape.output(), || Scratch::new(shape), of_image);
    let n = shape.n_values() as f64;
    let moments = |channel: usize| {
        let total = sums.iter().fold([0.0, 0.0], |[sum, squares], image| {
            [sum + image[channel][0], squares + image[channel][1]]
        });
        let mean = total[0] / n;
        (mean as f32, (total[1] / n - mean * mean).max(0.0) as f32)
    };
    let (mean, variance) = (0..shape.n_out).map(moments).unzip();
    Convolved { values, mean, variance }
}

/// Scratch memory of one thread.
struct Scratch {
    /// Padded planes of an image.
    image: Vec<f32>,
    /// What the convolution leaves, if it is to be cropped.
    planes: Vec<f32>,
}

impl Scratch {
    fn new(shape: Shape) -> Self {
        let image = vec![0.0; shape.n_in * shape.geometry.padded_plane()];
        Self { image, planes: Vec::new() }
    }
}

struct ConvolveImage<'a, 'b> {
    shape: Shape,
    weights: &'a Ordered,
    offsets: &'a [usize],
    image: &'a [f32],
    scratch: &'a mut Scratch,
    values: &'a mut Piece<'b>,
}

impl Work for ConvolveImage<'_, '_> {
    type Output = Vec<[f64; 2]>;

    #[inline(always)]
    fn run<L: Lanes>(self) -> Self::Output {
        let Self { shape, weights, offsets, image, scratch, values } = self;
        let geometry = shape.geometry;
        shape.pad(image, &mut scratch.image);
        let padded = Planes { values: &scratch.image, plane: geometry.padded_plane() };
        let channels = values.take(shape.output());
        weights.convolve::<L>(offsets, padded, geometry.window(), &mut scratch.planes, channels);
        // A loop, because closures are not compiled for the instruction set.
        let mut sums = Vec::with_capacity(shape.n_out);
        for channel in channels.chunks_exact(geometry.output_area()) {
            sums.push(elementwise::sum_and_dot::<L, Identity>(channel, channel, [1.0, 0.0]));
        }
        sums
    }
}

/// The activation of `factor · value + shift` for every channel of a batch.
pub(crate) fn normalize(isa: Isa, shape: Shape, values: &[f32], channels: &[[f32; 2]]) -> Vec<f32> {
    let (size, area) = (shape.output(), shape.geometry.output_area());
    let of_image = |(): &mut (), i: usize, normalized: &mut Piece<'_>| {
        let planes = values[i * size..][..size].chunks_exact(area);
        for (values, channel) in planes.zip(channels) {
            let plane = normalized.take(area);
            plane.copy_from_slice(values);
            isa.run(Normalize { shape, plane, channel: *channel });
        }
    };
    in_pieces(values.len(), size, || (), of_image).0
}

/// The same where the values are not needed any more.
pub(crate) fn normalize_in_place(
    isa: Isa,
    shape: Shape,
    values: &mut [f32],
    channels: &[[f32; 2]],
) {
    values.par_chunks_exact_mut(shape.output()).for_each(|image| {
        let planes = image.chunks_exact_mut(shape.geometry.output_area());
        for (plane, channel) in planes.zip(channels) {
            isa.run(Normalize { shape, plane, channel: *channel });
        }
    });
}

struct Normalize<'a> {
    shape: Shape,
    plane: &'a mut [f32],
    channel: [f32; 2],
}

impl Work for Normalize<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        self.shape.after.run::<L, _>(self);
    }
}

impl Activated for Normalize<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes, A: Activation>(self) {
        elementwise::normalize::<A>(self.plane, self.channel);
    }
}
