//! Small images one above the other, so that a 1 × 1 convolution fills its tiles with them.
//!
//! Such a convolution does not tell images from rows. In a stack each channel holds its pixels of all
//! images: `[stacks][channels][images][pixels]` instead of `[stacks][images][channels][pixels]`.

use std::borrow::Cow;

use crate::Groups;
use crate::geometry::TILE;
use crate::pieces::{Piece, in_pieces};
use crate::shape::Shape;

/// Most images of a stack.
const LARGEST: usize = 8;

impl Shape {
    /// The same operation on stacks of as many images as fill a tile, where it allows them.
    pub(crate) fn stacked(self) -> Self {
        let geometry = self.geometry;
        if self.groups != Groups::One || geometry.kernel != 1 || geometry.stride != 1 {
            return self;
        }
        let wanted = TILE.div_ceil(geometry.area()).min(LARGEST);
        let divides = |n: &usize| self.n_images.is_multiple_of(*n);
        let n = (1..=wanted).rev().find(divides).unwrap_or(1);
        let mut stacked = self;
        stacked.n_images /= n;
        stacked.geometry.height *= n;
        stacked.n_stacked = n;
        stacked
    }

    /// The images of a batch in stacks.
    pub(crate) fn stack<'a>(&self, images: &'a [f32], n_channels: usize) -> Cow<'a, [f32]> {
        if self.n_stacked == 1 {
            return Cow::Borrowed(images);
        }
        Cow::Owned(swap(images, self.n_stacked, n_channels, self.geometry.area() / self.n_stacked))
    }

    /// The images of stacks as a batch.
    pub(crate) fn unstack(&self, stacks: Vec<f32>, n_channels: usize) -> Vec<f32> {
        if self.n_stacked == 1 {
            return stacks;
        }
        swap(&stacks, n_channels, self.n_stacked, self.geometry.area() / self.n_stacked)
    }
}

/// `[n][rows][columns][area]` to `[n][columns][rows][area]`.
fn swap(numbers: &[f32], rows: usize, columns: usize, area: usize) -> Vec<f32> {
    let size = rows * columns * area;
    let fill = |(): &mut (), i: usize, piece: &mut Piece<'_>| {
        let from = &numbers[i * size..][..size];
        for column in 0..columns {
            for row in 0..rows {
                let pixels = &from[(row * columns + column) * area..][..area];
                piece.take(area).copy_from_slice(pixels);
            }
        }
    };
    in_pieces(numbers.len(), size, || (), fill).0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::Geometry;
    use crate::{After, Before};

    fn shape(n_images: usize, side: usize, kernel: usize) -> Shape {
        Shape {
            n_images,
            n_in: 3,
            n_out: 2,
            geometry: Geometry { height: side, width: side, kernel, stride: 1 },
            groups: Groups::One,
            before: Before::Nothing,
            after: After::Nothing,
            n_stacked: 1,
        }
    }

    #[test]
    fn stacks_fill_a_tile_and_divide_the_batch() {
        let n = |n_images, side, kernel| shape(n_images, side, kernel).stacked().n_stacked;
        assert_eq!([n(64, 2, 1), n(64, 4, 1), n(64, 1, 1), n(6, 2, 1)], [8, 2, 8, 6]);
        assert_eq!([n(7, 4, 1), n(64, 6, 1), n(64, 2, 3)], [1, 1, 1]);
        let stacked = shape(64, 2, 1).stacked();
        assert_eq!((stacked.output_dims(), stacked.input_dims()), ([64, 2, 2, 2], [64, 3, 2, 2]));
    }

    #[test]
    fn images_come_back_from_their_stacks() {
        let shape = shape(4, 4, 1).stacked();
        assert_eq!(shape.n_stacked, 2);
        let images: Vec<f32> = (0..4 * 3 * 16).map(|i| i as f32).collect();
        let stacks = shape.stack(&images, 3).into_owned();
        // The first channel of the second image follows that of the first.
        assert_eq!(stacks[14..18], [14.0, 15.0, 48.0, 49.0]);
        assert_eq!(shape.unstack(stacks, 3), images);
    }
}
