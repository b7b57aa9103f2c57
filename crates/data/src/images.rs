//! Labeled images of one shape.

use std::ops::Range;

use crate::DataError;

/// Images of one shape in one block of memory, each with the number of its class.
///
/// # Examples
///
/// ```
/// use data::Images;
///
/// let images = Images::new([1, 2, 2], vec![0, 10, 20, 30, 7, 7, 7, 7], vec![0, 1]);
/// assert_eq!(images.image(1), [7, 7, 7, 7]);
/// assert_eq!(images.downscaled(1)?.pixels, [15, 7]);
/// # Ok::<(), data::DataError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Images {
    /// Channels, height, width.
    pub shape: [usize; 3],
    /// All pixels, `n × c × h × w`, from 0 (black) to 255.
    pub pixels: Vec<u8>,
    /// The class of each image.
    pub labels: Vec<u16>,
}

impl Images {
    /// Images from their pixels.
    ///
    /// # Shapes
    ///
    /// - `shape`: `c, h, w`
    /// - `pixels`: `[n, c, h, w]`
    /// - `labels`: `[n]`
    ///
    /// # Panics
    ///
    /// If the number of pixels is not the product of `shape` and the number of labels.
    pub fn new(shape: [usize; 3], pixels: Vec<u8>, labels: Vec<u16>) -> Self {
        let (n_pixels, n_images) = (pixels.len(), labels.len());
        let expected = shape.iter().product::<usize>() * n_images;
        assert_eq!(n_pixels, expected, "{n_images} images of shape {shape:?}");
        Self { shape, pixels, labels }
    }

    /// Number of images.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there is no image.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// The pixels of one image.
    ///
    /// # Shapes
    ///
    /// - output: `[c, h, w]`
    ///
    /// # Panics
    ///
    /// If there are not more than `row` images.
    pub fn image(&self, row: usize) -> &[u8] {
        let n_pixels = self.shape.iter().product::<usize>();
        &self.pixels[row * n_pixels..][..n_pixels]
    }

    /// The class of one image.
    ///
    /// # Panics
    ///
    /// If there are not more than `row` images.
    pub fn label(&self, row: usize) -> u16 {
        self.labels[row]
    }

    /// The images at `rows`, in that order.
    ///
    /// # Panics
    ///
    /// If a row is not below the number of images.
    #[must_use]
    pub fn select(&self, rows: &[usize]) -> Self {
        let mut pixels = Vec::with_capacity(rows.len() * self.shape.iter().product::<usize>());
        for &row in rows {
            pixels.extend_from_slice(self.image(row));
        }
        Self::new(self.shape, pixels, rows.iter().map(|&row| self.labels[row]).collect())
    }

    /// The same images at a lower resolution: each pixel is the mean of a square block, a half
    /// rounded up.
    ///
    /// # Shapes
    ///
    /// - output: `[n, c, resolution, resolution]`
    ///
    /// # Errors
    ///
    /// [`DataError::Resolution`] if the images are not square, or their side is not a multiple of
    /// `resolution`.
    pub fn downscaled(&self, resolution: usize) -> Result<Self, DataError> {
        let [channels, height, width] = self.shape;
        let divides = 0 < resolution && height == width && height % resolution == 0;
        if !divides || height == 0 {
            return Err(DataError::Resolution { height, width, resolution });
        }
        let block = height / resolution;
        let mut pixels = Vec::with_capacity(self.pixels.len() / (block * block));
        for stripe in self.pixels.chunks_exact(block * width) {
            for col in (0..width).step_by(block) {
                pixels.push(block_mean(stripe, width, col..col + block));
            }
        }
        Ok(Self::new([channels, resolution, resolution], pixels, self.labels.clone()))
    }
}

/// The rounded mean of the columns `cols` of all rows of `stripe`.
fn block_mean(stripe: &[u8], width: usize, cols: Range<usize>) -> u8 {
    let rows = stripe.chunks_exact(width);
    let n = (rows.len() * cols.len()) as u64;
    let sum: u64 = rows.flat_map(|row| &row[cols.clone()]).map(|&pixel| u64::from(pixel)).sum();
    u8::try_from((sum + n / 2) / n).expect("a mean of bytes is a byte")
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(side: usize, resolution: usize, expect: Expect) {
        let pixels = (0..2 * side * side).map(|p| (p * 3) as u8).collect();
        let images = Images::new([2, side, side], pixels, vec![4]);
        let text = match images.downscaled(resolution) {
            Ok(small) => format!("{:?} {:?} {:?}", small.shape, small.pixels, small.labels),
            Err(error) => format!("error: {error}"),
        };
        expect.assert_eq(&text);
    }

    #[test]
    fn downscaling_averages_square_blocks() {
        // By hand: the first block of 4 × 4 is 0 3 12 15, mean 7.5, rounded to 8.
        check(4, 2, expect!["[2, 2, 2] [8, 14, 32, 38, 56, 62, 80, 86] [4]"]);
        check(2, 1, expect!["[2, 1, 1] [5, 17] [4]"]);
        check(2, 2, expect!["[2, 2, 2] [0, 3, 6, 9, 12, 15, 18, 21] [4]"]);
        check(4, 3, expect!["error: images of 4 × 4 pixels do not average to 3 × 3"]);
        check(4, 8, expect!["error: images of 4 × 4 pixels do not average to 8 × 8"]);
        check(4, 0, expect!["error: images of 4 × 4 pixels do not average to 0 × 0"]);
    }

    #[test]
    fn oblong_images_have_no_square_resolution() {
        let images = Images::new([1, 2, 4], vec![0; 8], vec![0]);
        let error = images.downscaled(2).unwrap_err();
        expect!["images of 4 × 2 pixels do not average to 2 × 2"].assert_eq(&error.to_string());
    }

    proptest! {
        #[test]
        fn downscaling_in_two_steps_of_constant_blocks_is_exact(values in prop::collection::vec(0u8.., 4)) {
            let pixels = (0..64).map(|p| values[p / 32 * 2 + p % 8 / 4]).collect();
            let images = Images::new([1, 8, 8], pixels, vec![0]);
            prop_assert_eq!(&images.downscaled(2).unwrap().pixels, &values);
            let twice = images.downscaled(4).unwrap().downscaled(2).unwrap();
            prop_assert_eq!(twice.pixels, values);
        }

        #[test]
        fn selecting_keeps_pixel_and_label_together(rows in prop::collection::vec(0usize..9, 0..20)) {
            let images = Images::new([1, 1, 2], (0..18).collect(), (0..9).collect());
            let selected = images.select(&rows);
            prop_assert_eq!(selected.len(), rows.len());
            for (place, &row) in rows.iter().enumerate() {
                prop_assert_eq!(selected.image(place), images.image(row));
                prop_assert_eq!(selected.label(place), images.label(row));
            }
        }
    }
}
