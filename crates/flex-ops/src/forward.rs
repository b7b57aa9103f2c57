//! \[ReLU →\] convolution → batch norm → \[activation\], forward.

use lanes::{Isa, Lanes, Work};
use rayon::prelude::*;

use crate::activation::{Activated, Activation};
use crate::chain::Normalization;
use crate::dense::Planes;
use crate::geometry::{Packed, ROWS, Window};
use crate::pieces::{Piece, in_pieces};
use crate::shape::Shape;
use crate::winograd::{self, Channels, Tiles};
use crate::{Groups, dense, depthwise, elementwise};

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
    /// `[channels, taps]`.
    Depthwise(Vec<f32>),
}

impl Ordered {
    /// Convolves padded planes, those that the outputs see, into channels of a window's places, from channel
    /// `first` on, a multiple of [`ROWS`] if they are dense; `planes` is scratch memory.
    #[inline(always)]
    pub(crate) fn convolve<L: Lanes>(
        &self,
        first: usize,
        offsets: &[usize],
        padded: Planes<'_>,
        window: Window,
        planes: &mut Vec<f32>,
        out: &mut [f32],
    ) {
        let step = window.plane();
        if step == window.area() {
            self.convolve_planes::<L>(first, offsets, padded, step, out);
        } else {
            planes.resize(out.len() / window.area() * step, 0.0);
            self.convolve_planes::<L>(first, offsets, padded, step, planes);
            window.crop(planes, out);
        }
    }

    #[inline(always)]
    fn convolve_planes<L: Lanes>(
        &self,
        first: usize,
        offsets: &[usize],
        padded: Planes<'_>,
        step: usize,
        out: &mut [f32],
    ) {
        match self {
            Self::Dense(packed) => {
                dense::convolve::<L>(packed, first, offsets, padded, step, out);
            }
            Self::Depthwise(weights) => {
                let weights = &weights[first * offsets.len()..];
                depthwise::convolve::<L>(weights, offsets, padded, step, out);
            }
        }
    }
}

/// How a convolution is computed.
enum Way {
    /// In [tiles](winograd) of outputs.
    Tiles(Tiles, winograd::Kernel),
    /// Place by place of padded planes, at such distances.
    Places(Ordered, Vec<usize>),
}

impl Way {
    fn of(isa: Isa, shape: Shape, weights: &[f32]) -> Self {
        let (geometry, n_channels) = (shape.geometry, [shape.n_out, shape.n_in]);
        if let Some(tiles) = Tiles::of(shape) {
            return Self::Tiles(tiles, winograd::Kernel::forward(isa, weights, n_channels));
        }
        let weights = match shape.groups {
            Groups::One => Ordered::Dense(Packed::forward(weights, n_channels, geometry.n_taps())),
            Groups::Depthwise => Ordered::Depthwise(weights.to_vec()),
        };
        Self::Places(weights, geometry.offsets())
    }

    /// Images that are convolved together.
    fn images_at_once(&self) -> usize {
        match self {
            Self::Tiles(tiles, _) => tiles.images_at_once(),
            Self::Places(..) => 1,
        }
    }
}

/// Convolves a batch, as `norm` leaves it, if there is one, and measures every channel.
///
/// # Panics
///
/// If there is a norm and the convolution does not [take one](Shape::reads_normalized).
pub(crate) fn convolve(
    isa: Isa,
    shape: Shape,
    images: &[f32],
    norm: Option<&Normalization>,
    weights: &[f32],
) -> Convolved {
    assert!(norm.is_none() || shape.reads_normalized(), "nobody would apply the norm");
    let way = Way::of(isa, shape, weights);
    let n_at_once = way.images_at_once();
    let of_images = |scratch: &mut Scratch, i: usize, values: &mut Piece<'_>| {
        let n = values.len() / shape.output();
        let images = &images[i * n_at_once * shape.input()..][..n * shape.input()];
        isa.run(ConvolveImages { shape, way: &way, images, norm, scratch, values })
    };
    let (n_values, size) = (shape.n_images * shape.output(), n_at_once * shape.output());
    let (values, planes) = in_pieces(n_values, size, || Scratch::new(shape, &way), of_images);
    let planes = planes.concat();
    let n_planes = (planes.len() / shape.n_out) as f64;
    let moments = |channel: usize| {
        let of_channel = || planes.iter().skip(channel).step_by(shape.n_out);
        let mean = of_channel().map(|[mean, _]| mean).sum::<f64>() / n_planes;
        let within =
            of_channel().map(|[_, scatter]| scatter).sum::<f64>() / shape.n_values() as f64;
        let between = of_channel().map(|[of_plane, _]| (of_plane - mean).powi(2)).sum::<f64>();
        let variance = within + between / n_planes;
        // Not `max`, which would hide a NaN.
        (mean as f32, if variance < 0.0 { 0.0 } else { variance as f32 })
    };
    let (mean, variance) = (0..shape.n_out).map(moments).unzip();
    Convolved { values, mean, variance }
}

/// Scratch memory of one thread.
struct Scratch {
    /// Padded planes of the channels that an output sees.
    image: Vec<f32>,
    /// What the convolution leaves, if it is to be cropped.
    planes: Vec<f32>,
    /// That of tiles.
    tiles: winograd::Scratch,
}

impl Scratch {
    fn new(shape: Shape, way: &Way) -> Self {
        let (n_planes, n_in) = match way {
            Way::Tiles(..) => (0, shape.n_in),
            Way::Places(..) => (shape.n_seen(), 0),
        };
        let image = vec![0.0; n_planes * shape.geometry.padded_plane()];
        Self { image, planes: Vec::new(), tiles: winograd::Scratch::new(n_in) }
    }
}

struct ConvolveImages<'a, 'b> {
    shape: Shape,
    way: &'a Way,
    images: &'a [f32],
    norm: Option<&'a Normalization>,
    scratch: &'a mut Scratch,
    values: &'a mut Piece<'b>,
}

impl Work for ConvolveImages<'_, '_> {
    /// [Mean and scatter](elementwise::mean_and_scatter) of the channels of every image.
    type Output = Vec<[f64; 2]>;

    #[inline(always)]
    fn run<L: Lanes>(self) -> Self::Output {
        let Self { shape, way, images, norm, scratch, values } = self;
        let (n_images, area) = (images.len() / shape.input(), shape.geometry.output_area());
        let mut measured = Vec::with_capacity(n_images * shape.n_out);
        match way {
            Way::Tiles(tiles, kernel) => {
                let channels = values.take(values.len());
                let (n, plane, before) = (shape.n_in, shape.geometry.area(), shape.before);
                let images = Channels { values: images, n, plane, before };
                winograd::convolve::<L>(kernel, *tiles, images, &mut scratch.tiles, channels);
                measure::<L>(channels, area, &mut measured);
            }
            Way::Places(weights, offsets) => {
                let Scratch { image, planes, .. } = scratch;
                let n_groups = shape.n_in / shape.n_seen();
                let n_made = shape.n_out / n_groups;
                let size = shape.n_seen() * shape.geometry.area();
                for (group, channels) in images.chunks_exact(size).enumerate() {
                    let padded = match norm {
                        None => {
                            shape.pad(channels, image);
                            shape.padded(channels, image)
                        }
                        Some(norm) => {
                            let (geometry, first) = (shape.geometry, group % n_groups);
                            norm.pad::<L>(geometry, first * shape.n_seen(), channels, image);
                            Planes { values: image, plane: geometry.padded_plane() }
                        }
                    };
                    // Few channels at a time: the caches hold them until they are measured.
                    for first in (0..n_made).step_by(ROWS) {
                        let channels = values.take(ROWS.min(n_made - first) * area);
                        let (first, window) = (group * n_made + first, shape.geometry.window());
                        weights.convolve::<L>(first, offsets, padded, window, planes, channels);
                        measure::<L>(channels, area, &mut measured);
                    }
                }
            }
        }
        measured
    }
}

/// Mean and scatter of every channel.
#[inline(always)]
fn measure<L: Lanes>(channels: &[f32], area: usize, measured: &mut Vec<[f64; 2]>) {
    // A loop, because closures are not compiled for the instruction set.
    for channel in channels.chunks_exact(area) {
        measured.push(elementwise::mean_and_scatter::<L>(channel));
    }
}

/// The activation of `factor · value + shift` for every channel of a batch.
pub(crate) fn normalize(isa: Isa, shape: Shape, values: &[f32], channels: &[[f32; 2]]) -> Vec<f32> {
    let (size, area) = (shape.output(), shape.geometry.output_area());
    let of_image = |(): &mut (), i: usize, normalized: &mut Piece<'_>| {
        let planes = values[i * size..][..size].chunks_exact(area);
        for (values, channel) in planes.zip(channels) {
            let plane = normalized.take_copy(values);
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
