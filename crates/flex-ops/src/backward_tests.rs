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
    let sizes = [[7, 6], [5, 17], [9, 12], [1, 1], [4, 4], [3, 32], [2, 33]];
    let cases =
        cases.into_iter().enumerate().flat_map(|(i, case)| sizes.map(|size| (i, size, case)));
    for (case, [height, width], (kernel, stride, groups, [n_in, n_out])) in cases {
        let after = [After::Nothing, After::Relu, After::Relu6, After::HardSwish][case % 4];
        let geometry = Geometry { height, width, kernel, stride };
        let before = Before::Relu;
        let shape =
            Shape { n_images: 11, n_in, n_out, geometry, groups, before, after, n_stacked: 1 };
        let images = wave(shape.n_images * shape.input(), 0.7);
        let weights = wave(n_out * shape.n_seen() * kernel * kernel, 1.3);
        let slopes = wave(shape.n_images * shape.output(), 0.3);
        let run = |isa| {
            let convolved = convolve(isa, shape, &images, &weights);
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
