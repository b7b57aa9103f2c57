//! One pass over images.

use rand::seq::SliceRandom;
use space::Seed;

/// One pass over the images: their order, and the stream its augmentation is drawn from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Epoch {
    seed: Seed,
    number: u64,
    order: Vec<usize>,
}

impl Epoch {
    pub(crate) fn new(n_images: usize, seed: Seed, number: u64) -> Self {
        let mut order: Vec<usize> = (0..n_images).collect();
        order.shuffle(&mut seed.child(&format!("epoch/{number}/order")).rng());
        Self { seed, number, order }
    }

    /// The images in the order of this epoch, each once.
    pub fn order(&self) -> &[usize] {
        &self.order
    }

    /// The number of this epoch.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The stream that a step is augmented from.
    pub(crate) fn step_seed(&self, step: usize) -> Seed {
        self.seed.child(&format!("epoch/{}/step/{step}", self.number))
    }
}
