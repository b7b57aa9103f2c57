//! What is compared on.

use burn::tensor::{Device, Tensor, TensorData};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use rand_distr::{Distribution, Normal, Uniform};

/// Draws inputs. burn's own generator is one of the whole process: tests beside each other would take
/// turns, and what they drew could not be drawn again.
pub(crate) struct Inputs {
    rng: ChaCha8Rng,
    device: Device,
}

impl Inputs {
    pub(crate) fn new(seed: u64, device: Device) -> Self {
        Self { rng: ChaCha8Rng::seed_from_u64(seed), device }
    }

    /// Images or weights.
    pub(crate) fn normal<const D: usize>(&mut self, shape: [usize; D], mean: f32) -> Tensor<D> {
        self.draw(shape, Normal::new(mean, 1.0).expect("a positive deviation"))
    }

    /// Scales, shifts, means or variances of `n` channels.
    pub(crate) fn channels(&mut self, n: usize) -> Tensor<1> {
        self.draw([n], Uniform::new(0.4, 1.6).expect("a range"))
    }

    fn draw<const D: usize>(&mut self, shape: [usize; D], of: impl Distribution<f32>) -> Tensor<D> {
        let values = of.sample_iter(&mut self.rng).take(shape.iter().product()).collect();
        Tensor::from_data(TensorData::new::<f32, _>(values, shape), &self.device)
    }
}
