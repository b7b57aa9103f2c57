//! \[ReLU →\] convolution → batch norm over a batch, forward and backward.

use lanes::{Isa, Lanes, Work};
use rayon::prelude::*;

use crate::geometry::{Geometry, Packed, Phase};
use crate::kernel::{self, Planes};

/// Images whose weight gradients are summed before they leave the registers. Fixed, so that the
/// order of all sums is the same for any number of threads.
const CHUNK: usize = 8;

/// Sizes of the operation on one batch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) n_images: usize,
    pub(crate) n_in: usize,
    pub(crate) n_out: usize,
    pub(crate) geometry: Geometry,
    pub(crate) relu: bool,
}

impl Shape {
    fn input(&self) -> usize {
        self.n_in * self.geometry.area()
    }

    fn output(&self) -> usize {
        self.n_out * self.geometry.output_area()
    }

    fn n_values(&self) -> f64 {
        (self.n_images * self.geometry.output_area()) as f64
    }
}

/// The convolution and its statistics.
pub(crate) struct Convolved {
    /// `[n_images, n_out, h, w]`.
    pub(crate) values: Vec<f32>,
    pub(crate) mean: Vec<f32>,
    /// Biased.
    pub(crate) variance: Vec<f32>,
}

/// Convolves a batch and measures every channel.
pub(crate) fn convolve(isa: Isa, shape: Shape, images: &[f32], weights: &[f32]) -> Convolved {
    let geometry = shape.geometry;
    let packed = Packed::forward(weights, shape.n_out, shape.n_in, geometry.n_taps());
    let offsets = geometry.offsets();
    let mut values = vec![0.0; shape.n_images * shape.output()];
    let sums: Vec<Vec<[f64; 2]>> = images
        .par_chunks_exact(shape.input())
        .zip(values.par_chunks_exact_mut(shape.output()))
        .map_init(
            || Scratch::forward(shape),
            |scratch, (image, values)| {
                let (packed, offsets) = (&packed, &offsets);
                isa.run(ConvolveImage { shape, packed, offsets, image, scratch, values })
            },
        )
        .collect();
    let n = shape.n_values();
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
    /// Padded planes of images.
    images: Vec<f32>,
    /// Padded planes of output gradients.
    slopes: Vec<f32>,
    /// What a convolution leaves.
    result: Vec<f32>,
}

impl Scratch {
    fn forward(shape: Shape) -> Self {
        let geometry = shape.geometry;
        Self {
            images: vec![0.0; shape.n_in * geometry.padded_plane()],
            slopes: Vec::new(),
            result: vec![0.0; shape.n_out * geometry.output_plane()],
        }
    }

    fn backward(shape: Shape) -> Self {
        let geometry = shape.geometry;
        Self {
            images: vec![0.0; CHUNK * shape.n_in * geometry.padded_plane()],
            slopes: vec![0.0; CHUNK * shape.n_out * geometry.slopes_plane()],
            result: vec![0.0; shape.n_in * geometry.image_plane()],
        }
    }
}

struct ConvolveImage<'a> {
    shape: Shape,
    packed: &'a Packed,
    offsets: &'a [usize],
    image: &'a [f32],
    scratch: &'a mut Scratch,
    values: &'a mut [f32],
}

impl Work for ConvolveImage<'_> {
    type Output = Vec<[f64; 2]>;

    #[inline(always)]
    fn run<L: Lanes>(self) -> Self::Output {
        let Self { shape, packed, offsets, image, scratch, values } = self;
        let geometry = shape.geometry;
        pad_all(shape, image, &mut scratch.images);
        let padded = Planes { values: &scratch.images, plane: geometry.padded_plane() };
        let step = geometry.output_plane();
        kernel::convolve::<L>(packed, offsets, padded, step, &mut scratch.result);
        let channels = values.chunks_exact_mut(geometry.output_area());
        // A loop, because closures are not compiled for the instruction set.
        let mut sums = Vec::with_capacity(shape.n_out);
        for (channel, plane) in channels.zip(scratch.result.chunks_exact(step)) {
            geometry.crop(plane, channel);
            sums.push(kernel::sum_and_dot(channel, channel));
        }
        sums
    }
}

#[inline(always)]
fn pad_all(shape: Shape, image: &[f32], planes: &mut [f32]) {
    let geometry = shape.geometry;
    let channels = image.chunks_exact(geometry.area());
    for (channel, plane) in channels.zip(planes.chunks_exact_mut(geometry.padded_plane())) {
        if shape.relu {
            // Not `max`, which would hide a NaN.
            geometry.pad(channel, plane, |x| if x < 0.0 { 0.0 } else { x });
        } else {
            geometry.pad(channel, plane, |x| x);
        }
    }
}

/// `factor · value + shift` for every channel of a batch.
pub(crate) fn normalize(isa: Isa, area: usize, values: &[f32], channels: &[[f32; 2]]) -> Vec<f32> {
    let mut normalized = vec![0.0; values.len()];
    let size = area * channels.len();
    let images = normalized.par_chunks_exact_mut(size).zip(values.par_chunks_exact(size));
    images.for_each(|(image, values)| {
        image.copy_from_slice(values);
        isa.run(Affine { image, channels, area });
    });
    normalized
}

/// The same where the values are not needed any more.
pub(crate) fn normalize_in_place(isa: Isa, area: usize, values: &mut [f32], channels: &[[f32; 2]]) {
    let images = values.par_chunks_exact_mut(area * channels.len());
    images.for_each(|image| isa.run(Affine { image, channels, area }));
}

struct Affine<'a> {
    image: &'a mut [f32],
    channels: &'a [[f32; 2]],
    area: usize,
}

impl Work for Affine<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let planes = self.image.chunks_exact_mut(self.area);
        for (plane, [factor, shift]) in planes.zip(self.channels) {
            kernel::affine(plane, *factor, *shift);
        }
    }
}

/// What backward needs of forward.
pub(crate) struct Forward<'a> {
    pub(crate) images: &'a [f32],
    pub(crate) weights: &'a [f32],
    pub(crate) values: &'a [f32],
    pub(crate) mean: &'a [f32],
    /// 1/√(variance + ε).
    pub(crate) inverse_deviation: &'a [f32],
    pub(crate) scale: &'a [f32],
}

/// Gradients of everything that entered.
pub(crate) struct Gradients {
    pub(crate) images: Vec<f32>,
    pub(crate) weights: Vec<f32>,
    pub(crate) scale: Vec<f32>,
    pub(crate) shift: Vec<f32>,
}

/// Takes the gradient of the normalized output to the gradients of the inputs.
pub(crate) fn backward(isa: Isa, shape: Shape, forward: &Forward<'_>, slopes: &[f32]) -> Gradients {
    let (shift, scale) = channel_gradients(isa, shape, forward, slopes);
    let n = shape.n_values() as f32;
    // dz = a·dy − a·(Σdy)/m − a·x̂·(Σdy·x̂)/m with a = scale/σ, as one affine form of dy and z.
    let slants: Vec<[f32; 3]> = (0..shape.n_out)
        .map(|c| {
            let deviation = forward.inverse_deviation[c];
            let factor = forward.scale[c] * deviation;
            let slant = -factor * deviation * scale[c] / n;
            [factor, slant, -factor * shift[c] / n - slant * forward.mean[c]]
        })
        .collect();
    let Shape { n_in, n_out, geometry, .. } = shape;
    let pack = |phase: &Phase| {
        Packed::backward(forward.weights, n_out, n_in, geometry.n_taps(), &phase.taps)
    };
    let phases = geometry.phases().into_iter().map(|phase| {
        let packed = pack(&phase);
        (phase, packed)
    });
    let phases: Vec<(Phase, Packed)> = phases.collect();
    let offsets = geometry.offsets();
    let mut images = vec![0.0; forward.images.len()];
    let partial: Vec<Vec<f32>> = forward
        .images
        .par_chunks(CHUNK * shape.input())
        .zip(forward.values.par_chunks(CHUNK * shape.output()))
        .zip(slopes.par_chunks(CHUNK * shape.output()))
        .zip(images.par_chunks_mut(CHUNK * shape.input()))
        .map_init(
            || Scratch::backward(shape),
            |scratch, (((images, values), slopes), gradient)| {
                isa.run(BackwardChunk {
                    shape,
                    phases: &phases,
                    offsets: &offsets,
                    slants: &slants,
                    images,
                    values,
                    slopes,
                    scratch,
                    gradient,
                })
            },
        )
        .collect();
    let mut weights = vec![0.0; forward.weights.len()];
    for partial in &partial {
        for (total, part) in weights.iter_mut().zip(partial) {
            *total += part;
        }
    }
    Gradients { images, weights, scale, shift }
}

/// Σdy and Σdy·x̂ of every channel.
fn channel_gradients(
    isa: Isa,
    shape: Shape,
    forward: &Forward<'_>,
    slopes: &[f32],
) -> (Vec<f32>, Vec<f32>) {
    struct Sums<'a>(&'a [f32], &'a [f32], usize);
    impl Work for Sums<'_> {
        type Output = Vec<[f64; 2]>;

        #[inline(always)]
        fn run<L: Lanes>(self) -> Self::Output {
            let Self(slopes, values, area) = self;
            // A loop, because closures are not compiled for the instruction set.
            let mut sums = Vec::with_capacity(slopes.len() / area);
            for (slopes, values) in slopes.chunks_exact(area).zip(values.chunks_exact(area)) {
                sums.push(kernel::sum_and_dot(slopes, values));
            }
            sums
        }
    }
    let sums: Vec<Vec<[f64; 2]>> = slopes
        .par_chunks_exact(shape.output())
        .zip(forward.values.par_chunks_exact(shape.output()))
        .map(|(slopes, values)| isa.run(Sums(slopes, values, shape.geometry.output_area())))
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

struct BackwardChunk<'a> {
    shape: Shape,
    phases: &'a [(Phase, Packed)],
    offsets: &'a [usize],
    slants: &'a [[f32; 3]],
    images: &'a [f32],
    values: &'a [f32],
    slopes: &'a [f32],
    scratch: &'a mut Scratch,
    gradient: &'a mut [f32],
}

impl Work for BackwardChunk<'_> {
    type Output = Vec<f32>;

    #[inline(always)]
    fn run<L: Lanes>(self) -> Vec<f32> {
        let Self { shape, phases, offsets, slants, images, values, slopes, scratch, gradient } =
            self;
        let geometry = shape.geometry;
        let area = geometry.output_area();
        let (image_size, slopes_size) =
            (shape.n_in * geometry.padded_plane(), shape.n_out * geometry.slopes_plane());
        let n_images = images.len() / shape.input();
        let mut dense = vec![0.0; area];
        for i in 0..n_images {
            let image = &images[i * shape.input()..][..shape.input()];
            pad_all(shape, image, &mut scratch.images[i * image_size..][..image_size]);
            let padded = &mut scratch.slopes[i * slopes_size..][..slopes_size];
            let planes = padded.chunks_exact_mut(geometry.slopes_plane());
            for (c, (slant, plane)) in slants.iter().zip(planes).enumerate() {
                let at = i * shape.output() + c * area;
                kernel::slanted(&slopes[at..at + area], &values[at..at + area], *slant, &mut dense);
                geometry.pad_slopes(&dense, plane);
            }
            let gradient = &mut gradient[i * shape.input()..][..shape.input()];
            image_gradient::<L>(shape, phases, padded, &mut scratch.result, image, gradient);
        }
        let mut weights = vec![0.0; shape.n_out * shape.n_in * geometry.n_taps()];
        let images = &scratch.images[..n_images * image_size];
        let slopes = &scratch.slopes[geometry.lead()..n_images * slopes_size];
        kernel::weight_gradient::<L>(
            offsets,
            geometry.output_plane(),
            [shape.n_out, shape.n_in],
            Planes { values: images, plane: geometry.padded_plane() },
            Planes { values: slopes, plane: geometry.slopes_plane() },
            &mut weights,
        );
        weights
    }
}

/// The gradient of one image, from padded planes of output gradients.
#[inline(always)]
fn image_gradient<L: Lanes>(
    shape: Shape,
    phases: &[(Phase, Packed)],
    slopes: &[f32],
    result: &mut [f32],
    image: &[f32],
    gradient: &mut [f32],
) {
    let geometry = shape.geometry;
    let (area, step) = (geometry.area(), geometry.image_plane());
    let slopes = Planes { values: slopes, plane: geometry.slopes_plane() };
    for (phase, packed) in phases {
        if phase.taps.is_empty() {
            continue;
        }
        kernel::convolve::<L>(packed, &phase.offsets, slopes, step, result);
        for (gradient, plane) in gradient.chunks_exact_mut(area).zip(result.chunks_exact(step)) {
            geometry.scatter(phase, plane, gradient);
        }
    }
    if shape.relu {
        kernel::mask_by_relu(image, gradient);
    }
}

#[cfg(test)]
#[path = "conv_norm_tests.rs"]
mod tests;
