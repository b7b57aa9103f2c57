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
    let cases = [(1, 1, [8, 16]), (3, 1, [3, 8]), (3, 2, [13, 5]), (5, 1, [2, 4])];
    for (kernel, stride, [n_in, n_out]) in cases {
        let geometry = Geometry { height: 7, width: 6, kernel, stride };
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
