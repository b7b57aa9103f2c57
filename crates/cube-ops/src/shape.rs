//! The sizes of a convolution.

use flex_ops::{Before, Groups, Options};

/// Which way numbers go through an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Direction {
    /// From inputs to outputs.
    Forward,
    /// Gradients from outputs to inputs, by the transposed map.
    Backward,
}

/// The sizes of a convolution and what surrounds it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) n_images: usize,
    pub(crate) n_in: usize,
    pub(crate) n_out: usize,
    pub(crate) height: usize,
    pub(crate) width: usize,
    pub(crate) kernel: usize,
    pub(crate) stride: usize,
    pub(crate) groups: Groups,
    pub(crate) before: Before,
}

impl Shape {
    pub(crate) fn new(images: [usize; 4], weight: [usize; 4], options: Options) -> Self {
        let [n_images, n_in, height, width] = images;
        let [n_out, _, kernel, _] = weight;
        let Options { stride, groups, before, .. } = options;
        Self { n_images, n_in, n_out, height, width, kernel, stride, groups, before }
    }

    /// `[b, n_in, h, w]`.
    pub(crate) fn input(&self) -> [usize; 4] {
        [self.n_images, self.n_in, self.height, self.width]
    }

    /// What is read and what is written.
    pub(crate) fn ends(&self, direction: Direction) -> [[usize; 4]; 2] {
        match direction {
            Direction::Forward => [self.input(), self.output()],
            Direction::Backward => [self.output(), self.input()],
        }
    }

    /// `[b, n_out, h′, w′]`.
    pub(crate) fn output(&self) -> [usize; 4] {
        let [h, w] = [self.height, self.width].map(|side| side.div_ceil(self.stride));
        [self.n_images, self.n_out, h, w]
    }
}
