//! Sizes of the operation on one batch.

use crate::dense::Planes;
use crate::geometry::Geometry;
use crate::winograd::Tiles;
use crate::{After, Before, Groups};

/// Input channels up to which a 1 × 1 convolution is computed again in backward.
const MOST_COMPUTED_AGAIN: usize = 64;

/// Sizes of the operation on one batch, and what surrounds the convolution.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) n_images: usize,
    pub(crate) n_in: usize,
    pub(crate) n_out: usize,
    pub(crate) geometry: Geometry,
    pub(crate) groups: Groups,
    pub(crate) before: Before,
    pub(crate) after: After,
    /// Images that one of `n_images` holds, [one above the other](crate::stack).
    pub(crate) n_stacked: usize,
}

impl Shape {
    /// Numbers of an image.
    pub(crate) fn input(&self) -> usize {
        self.n_in * self.geometry.area()
    }

    /// Numbers of an image's output.
    pub(crate) fn output(&self) -> usize {
        self.n_out * self.geometry.output_area()
    }

    /// Numbers of a channel of the whole batch after the convolution.
    pub(crate) fn n_values(&self) -> usize {
        self.n_images * self.geometry.output_area()
    }

    /// Input channels that an output channel sees.
    pub(crate) fn n_seen(&self) -> usize {
        match self.groups {
            Groups::One => self.n_in,
            Groups::Depthwise => 1,
        }
    }

    /// Whether weights, where no tiles serve, have a gradient of vectors of
    /// [output channels](crate::by_channel); else of positions.
    pub(crate) fn is_by_channel(&self) -> bool {
        self.groups == Groups::One && 1 < self.geometry.kernel
    }

    /// Whether backward convolves again instead of keeping what the convolution gave.
    ///
    /// From few channels to at least as many that takes hardly longer than to write and read memory, and it
    /// halves what such a convolution keeps.
    pub(crate) fn is_computed_again(&self) -> bool {
        let is_cheap = self.geometry.kernel == 1 && self.n_in <= MOST_COMPUTED_AGAIN;
        self.groups == Groups::One && is_cheap && self.n_in <= self.n_out
    }

    /// Whether a convolution can normalize what it reads: one of [tiles](crate::winograd) reads too often.
    pub(crate) fn reads_normalized(&self) -> bool {
        self.before == Before::Nothing && Tiles::of(*self).is_none()
    }

    pub(crate) fn output_dims(&self) -> [usize; 4] {
        let [height, width] = self.geometry.output_size();
        [self.n_images * self.n_stacked, self.n_out, height / self.n_stacked, width]
    }

    pub(crate) fn weight_dims(&self) -> [usize; 4] {
        let kernel = self.geometry.kernel;
        [self.n_out, self.n_seen(), kernel, kernel]
    }

    pub(crate) fn input_dims(&self) -> [usize; 4] {
        let Geometry { height, width, .. } = self.geometry;
        [self.n_images * self.n_stacked, self.n_in, height / self.n_stacked, width]
    }

    /// Whether channels are their own padded planes.
    fn is_padded(&self) -> bool {
        let geometry = self.geometry;
        let is_bare = geometry.is_pointwise() && self.before == Before::Nothing;
        is_bare && geometry.padded_plane() == geometry.area()
    }

    /// What [`Shape::pad`] has left: the channels themselves where that is nothing.
    #[inline(always)]
    pub(crate) fn padded<'a>(&self, channels: &'a [f32], planes: &'a [f32]) -> Planes<'a> {
        let values = if self.is_padded() { channels } else { planes };
        Planes { values, plane: self.geometry.padded_plane() }
    }

    /// Copies channels into padded planes whose border is zero already, unless they are such planes themselves.
    #[inline(always)]
    pub(crate) fn pad(&self, channels: &[f32], planes: &mut [f32]) {
        if self.is_padded() {
            return;
        }
        let geometry = self.geometry;
        let channels = channels.chunks_exact(geometry.area());
        for (channel, plane) in channels.zip(planes.chunks_exact_mut(geometry.padded_plane())) {
            match self.before {
                // Not `max`, which would hide a NaN.
                Before::Relu => geometry.pad(channel, plane, |x| if x < 0.0 { 0.0 } else { x }),
                Before::Nothing => geometry.pad(channel, plane, |x| x),
            }
        }
    }
}
