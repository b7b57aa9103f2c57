use super::*;
use crate::forward::convolve;
use crate::geometry::Geometry;
use crate::{After, Before, Groups};

fn wave(n: usize, step: f32) -> Vec<f32> {
    (0..n).map(|i| (i as f32 * step).sin()).collect()
}

#[track_caller]
fn same_bits(what: &str, isa: Isa, found: &[f32], expected: &[f32]) {
    let bits = |numbers: &[f32]| numbers.iter().map(|number| number.to_bits()).collect::<Vec<_>>();
    assert_eq!(bits(found), bits(expected), "{what} with {isa:?}");
}

#[test]
fn all_instruction_sets_agree_with_the_portable_one() {
    use Groups::{Depthwise, One};
    let cases = [
        (1, 1, One, [8, 16]),
        (1, 1, One, [16, 3]),
        (1, 1, One, [5, 3]),
        (1, 2, One, [6, 7]),
        (1, 1, Depthwise, [3, 3]),
        (3, 1, One, [3, 8]),
        (3, 1, One, [2, 24]),
        (3, 2, One, [13, 5]),
        (3, 1, One, [16, 32]),
        (3, 2, One, [16, 32]),
        (5, 2, One, [32, 32]),
        (5, 1, One, [2, 4]),
        (3, 1, Depthwise, [8, 8]),
        (5, 2, Depthwise, [3, 3]),
        (7, 1, Depthwise, [5, 5]),
    ];
    // The last two are large enough for depthwise kernels to go plane by plane, of stride 1 and 2.
    let sizes = [
        [7, 6],
        [5, 17],
        [9, 12],
        [1, 1],
        [4, 4],
        [3, 32],
        [2, 33],
        [5, 16],
        [2, 16],
        [16, 17],
        [32, 33],
    ];
    let cases =
        cases.into_iter().enumerate().flat_map(|(i, case)| sizes.map(|size| (i, size, case)));
    for (case, [height, width], (kernel, stride, groups, [n_in, n_out])) in cases {
        let after = [After::Nothing, After::Relu, After::Relu6, After::HardSwish][case % 4];
        let geometry = Geometry { height, width, kernel, stride };
        let before = [Before::Relu, Before::Nothing][case % 2];
        let shape =
            Shape { n_images: 11, n_in, n_out, geometry, groups, before, after, n_stacked: 1 };
        let images = wave(shape.n_images * shape.input(), 0.7);
        let weights = wave(n_out * shape.n_seen() * kernel * kernel, 1.3);
        let slopes = wave(shape.n_images * shape.output(), 0.3);
        let run = |isa| {
            let convolved = convolve(isa, shape, &images, None, &weights);
            let forward = Forward {
                images: &images,
                weights: &weights,
                values: &convolved.values,
                channels: &vec![[0.5, 0.1]; n_out],
                mean: &convolved.mean,
                inverse_deviation: &vec![0.5; n_out],
                norm: Norm::OfBatch,
            };
            let gradients = backward(isa, shape, &forward, &slopes);
            (convolved.values, gradients)
        };
        let (values, gradients) = run(Isa::Portable);
        for isa in Isa::available() {
            let (found, found_gradients) = run(isa);
            same_bits("values", isa, &found, &values);
            same_bits("image gradients", isa, &found_gradients.images, &gradients.images);
            same_bits("weight gradients", isa, &found_gradients.weights, &gradients.weights);
        }
    }
}

/// A sum of products, and that of their magnitudes.
fn dot(a: &[f32], b: &[f32]) -> [f64; 2] {
    let products = a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b));
    products.fold([0.0, 0.0], |[sum, size], product| [sum + product, size + product.abs()])
}

/// A number of a 3 × 3 convolution of stride 1 by its definition.
fn output(shape: Shape, images: &[f32], weights: &[f32], [i, o, y, x]: [usize; 4]) -> f64 {
    let Geometry { height, width, .. } = shape.geometry;
    let mut sum = 0.0;
    for input in 0..shape.n_in {
        let image = &images[(i * shape.n_in + input) * height * width..];
        for (tap, weight) in weights[(o * shape.n_in + input) * 9..][..9].iter().enumerate() {
            let [row, column] = [y + tap / 3, x + tap % 3];
            if (1..=height).contains(&row) && (1..=width).contains(&column) {
                let pixel = image[(row - 1) * width + column - 1];
                sum += f64::from(*weight) * f64::from(pixel);
            }
        }
    }
    sum
}

#[test]
fn tiles_of_all_widths_agree_with_the_definition() {
    let isa = Isa::widest();
    for (width, height) in (1..=33).flat_map(|width| (1..=5).map(move |height| (width, height))) {
        for ([n_in, n_out], n_images) in [([1, 1], 1), ([9, 17], 3), ([3, 2], 11)] {
            let geometry = Geometry { height, width, kernel: 3, stride: 1 };
            let (before, after) = (Before::Nothing, After::Nothing);
            let groups = Groups::One;
            let shape =
                Shape { n_images, n_in, n_out, geometry, groups, before, after, n_stacked: 1 };
            let images = wave(n_images * shape.input(), 0.7);
            let weights = wave(n_out * n_in * 9, 1.3);
            let slopes = wave(n_images * shape.output(), 0.3);
            let values = convolve(isa, shape, &images, None, &weights).values;
            for (at, found) in values.iter().enumerate() {
                let (plane, place) = (at / (height * width), at % (height * width));
                let at = [plane / n_out, plane % n_out, place / width, place % width];
                let expected = output(shape, &images, &weights, at);
                // Sums of up to 81 products of numbers up to 1.
                assert!((f64::from(*found) - expected).abs() < 2e-5, "{at:?} of {shape:?}");
            }
            let forward = Forward {
                images: &images,
                weights: &weights,
                values: &values,
                channels: &vec![[1.0, 0.0]; n_out],
                mean: &vec![0.0; n_out],
                inverse_deviation: &vec![1.0; n_out],
                norm: Norm::Absent,
            };
            let gradients = backward(isa, shape, &forward, &slopes);
            // The outputs are linear in the images and in the weights.
            let [expected, size] = dot(&values, &slopes);
            let products = [dot(&images, &gradients.images), dot(&weights, &gradients.weights)];
            for [found, _] in products {
                assert!((found - expected).abs() < 1e-5 * size.max(1.0), "{found} of {shape:?}");
            }
        }
    }
}

#[test]
fn no_images_have_gradients_of_zeros() {
    for (groups, n_seen) in [(Groups::One, 3), (Groups::Depthwise, 1)] {
        for kernel in [1, 3] {
            let geometry = Geometry { height: 4, width: 4, kernel, stride: 1 };
            let (before, after) = (Before::Nothing, After::Nothing);
            let shape = Shape {
                n_images: 0,
                n_in: 3,
                n_out: 3,
                geometry,
                groups,
                before,
                after,
                n_stacked: 1,
            };
            let weights = wave(3 * n_seen * kernel * kernel, 0.7);
            let values = convolve(Isa::widest(), shape, &[], None, &weights).values;
            let forward = Forward {
                images: &[],
                weights: &weights,
                values: &values,
                channels: &[[1.0, 0.0]; 3],
                mean: &[0.0; 3],
                inverse_deviation: &[1.0; 3],
                norm: Norm::Given,
            };
            let gradients = backward(Isa::widest(), shape, &forward, &[]);
            same_bits("weights", Isa::widest(), &gradients.weights, &vec![0.0; weights.len()]);
            assert!(values.is_empty() && gradients.images.is_empty());
        }
    }
}
