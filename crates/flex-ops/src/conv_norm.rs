//! \[ReLU →\] convolution → batch norm over a batch, forward and backward.

use rayon::prelude::*;

use crate::Isa;
use crate::geometry::{Geometry, Packed};
use crate::isa::Work;
use crate::kernel;
use crate::lanes::Lanes;

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
        self.n_out * self.geometry.area()
    }

    fn n_values(&self) -> f64 {
        (self.n_images * self.geometry.area()) as f64
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
    let mut values = vec![0.0; shape.n_images * shape.output()];
    let sums: Vec<Vec<[f64; 2]>> = images
        .par_chunks_exact(shape.input())
        .zip(values.par_chunks_exact_mut(shape.output()))
        .map_init(
            || Planes::new(shape, 1),
            |planes, (image, values)| {
                isa.run(ConvolveImage { shape, packed: &packed, image, planes, values })
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
struct Planes {
    images: Vec<f32>,
    outputs: Vec<f32>,
    result: Vec<f32>,
}

impl Planes {
    fn new(shape: Shape, n_images: usize) -> Self {
        let (padded, plain) = (shape.geometry.padded_plane(), shape.geometry.output_plane());
        Self {
            images: vec![0.0; n_images * shape.n_in * padded],
            outputs: vec![0.0; n_images * shape.n_out * padded],
            result: vec![0.0; shape.n_out.max(shape.n_in) * plain],
        }
    }
}

struct ConvolveImage<'a> {
    shape: Shape,
    packed: &'a Packed,
    image: &'a [f32],
    planes: &'a mut Planes,
    values: &'a mut [f32],
}

impl Work for ConvolveImage<'_> {
    type Output = Vec<[f64; 2]>;

    #[inline(always)]
    fn run<L: Lanes>(self) -> Self::Output {
        let Self { shape, packed, image, planes, values } = self;
        let geometry = shape.geometry;
        pad_all(shape, image, &mut planes.images);
        let out = &mut planes.result[..shape.n_out * geometry.output_plane()];
        kernel::convolve::<L>(geometry, packed, &planes.images, out);
        values
            .chunks_exact_mut(geometry.area())
            .zip(out.chunks_exact(geometry.output_plane()))
            .map(|(channel, plane)| {
                geometry.crop(plane, channel);
                kernel::sum_and_dot(channel, channel)
            })
            .collect()
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
    struct Affine<'a>(&'a [f32], &'a mut [f32], &'a [[f32; 2]], usize);
    impl Work for Affine<'_> {
        type Output = ();

        #[inline(always)]
        fn run<L: Lanes>(self) {
            let Self(values, normalized, channels, area) = self;
            let planes = values.chunks_exact(area).zip(normalized.chunks_exact_mut(area));
            for ((from, to), [factor, shift]) in planes.zip(channels) {
                kernel::affine(from, *factor, *shift, to);
            }
        }
    }
    let mut normalized = vec![0.0; values.len()];
    let size = area * channels.len();
    values
        .par_chunks_exact(size)
        .zip(normalized.par_chunks_exact_mut(size))
        .for_each(|(values, to)| isa.run(Affine(values, to, channels, area)));
    normalized
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
    let n_taps = shape.geometry.n_taps();
    let packed = Packed::backward(forward.weights, shape.n_out, shape.n_in, n_taps);
    let mut images = vec![0.0; forward.images.len()];
    let partial: Vec<Vec<f32>> = forward
        .images
        .par_chunks(CHUNK * shape.input())
        .zip(forward.values.par_chunks(CHUNK * shape.output()))
        .zip(slopes.par_chunks(CHUNK * shape.output()))
        .zip(images.par_chunks_mut(CHUNK * shape.input()))
        .map_init(
            || Planes::new(shape, CHUNK),
            |planes, (((images, values), slopes), gradient)| {
                let (slants, packed) = (&slants[..], &packed);
                isa.run(BackwardChunk {
                    shape,
                    packed,
                    slants,
                    images,
                    values,
                    slopes,
                    planes,
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
            let planes = self.0.chunks_exact(self.2).zip(self.1.chunks_exact(self.2));
            planes.map(|(slopes, values)| kernel::sum_and_dot(slopes, values)).collect()
        }
    }
    let sums: Vec<Vec<[f64; 2]>> = slopes
        .par_chunks_exact(shape.output())
        .zip(forward.values.par_chunks_exact(shape.output()))
        .map(|(slopes, values)| isa.run(Sums(slopes, values, shape.geometry.area())))
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
    packed: &'a Packed,
    slants: &'a [[f32; 3]],
    images: &'a [f32],
    values: &'a [f32],
    slopes: &'a [f32],
    planes: &'a mut Planes,
    gradient: &'a mut [f32],
}

impl Work for BackwardChunk<'_> {
    type Output = Vec<f32>;

    #[inline(always)]
    fn run<L: Lanes>(self) -> Vec<f32> {
        let Self { shape, packed, slants, images, values, slopes, planes, gradient } = self;
        let geometry = shape.geometry;
        let (area, plane, step) =
            (geometry.area(), geometry.padded_plane(), geometry.output_plane());
        let n_images = images.len() / shape.input();
        let mut dense = vec![0.0; area];
        for i in 0..n_images {
            let image = &images[i * shape.input()..][..shape.input()];
            let padded = &mut planes.images[i * shape.n_in * plane..][..shape.n_in * plane];
            pad_all(shape, image, padded);
            let outputs = &mut planes.outputs[i * shape.n_out * plane..][..shape.n_out * plane];
            for (c, (slant, output)) in
                slants.iter().zip(outputs.chunks_exact_mut(plane)).enumerate()
            {
                let at = i * shape.output() + c * area;
                kernel::slanted(&slopes[at..at + area], &values[at..at + area], *slant, &mut dense);
                geometry.pad(&dense, output, |x| x);
            }
            let result = &mut planes.result[..shape.n_in * step];
            kernel::convolve::<L>(geometry, packed, outputs, result);
            let gradient = &mut gradient[i * shape.input()..][..shape.input()];
            let channels = gradient.chunks_exact_mut(area).zip(result.chunks_exact(step));
            for ((gradient, plane), inputs) in channels.zip(image.chunks_exact(area)) {
                geometry.crop(plane, gradient);
                if shape.relu {
                    kernel::mask_by_relu(inputs, gradient);
                }
            }
        }
        let mut weights = vec![0.0; shape.n_out * shape.n_in * geometry.n_taps()];
        let images = &planes.images[..n_images * shape.n_in * plane];
        let outputs = &planes.outputs[..n_images * shape.n_out * plane];
        kernel::weight_gradient::<L>(
            geometry,
            [shape.n_out, shape.n_in],
            images,
            outputs,
            &mut weights,
        );
        weights
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wave(n: usize, step: f32) -> Vec<f32> {
        (0..n).map(|i| (i as f32 * step).sin()).collect()
    }

    #[track_caller]
    fn close(what: &str, isa: Isa, found: &[f32], expected: &[f32]) {
        let scale = expected.iter().fold(0.0_f32, |largest, x| largest.max(x.abs()));
        for (a, b) in found.iter().zip(expected) {
            // All sets add the same products in the same order: a few roundings at most differ.
            assert!((a - b).abs() <= 1e-5 * scale, "{what} with {isa:?}: {a} for {b}");
        }
    }

    #[test]
    fn all_instruction_sets_agree_with_the_portable_one() {
        for (kernel, [n_in, n_out]) in [(1, [8, 16]), (3, [3, 8]), (3, [13, 5]), (5, [2, 4])] {
            let geometry = Geometry { height: 7, width: 6, kernel };
            let shape = Shape { n_images: 11, n_in, n_out, geometry, relu: true };
            let images = wave(shape.n_images * shape.input(), 0.7);
            let weights = wave(n_in * n_out * kernel * kernel, 1.3);
            let slopes = wave(shape.n_images * shape.output(), 0.3);
            let run = |isa| {
                let convolved = convolve(isa, shape, &images, &weights);
                let forward = Forward {
                    images: &images,
                    weights: &weights,
                    values: &convolved.values,
                    mean: &convolved.mean,
                    inverse_deviation: &vec![0.5; n_out],
                    scale: &vec![1.0; n_out],
                };
                let gradients = backward(isa, shape, &forward, &slopes);
                (convolved.values, gradients)
            };
            let (values, gradients) = run(Isa::Portable);
            for isa in Isa::available() {
                let (found, found_gradients) = run(isa);
                close("values", isa, &found, &values);
                close("image gradients", isa, &found_gradients.images, &gradients.images);
                close("weight gradients", isa, &found_gradients.weights, &gradients.weights);
            }
        }
    }
}
