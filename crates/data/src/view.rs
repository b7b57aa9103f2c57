//! The part of an image that is shown.

use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::U8;
use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions, Resizer};
use rand::{Rng, RngExt};

/// Ratio of width to height of a random view: at least this, at most its inverse.
const LEAST_RATIO: f64 = 3.0 / 4.0;

/// Draws before a random view that does not fit is given up.
const N_DRAWS: usize = 10;

/// A rectangle of an image, in pixels; its borders may lie between them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct View {
    left: f64,
    top: f64,
    width: f64,
    height: f64,
}

impl View {
    /// The square in the middle whose side is `share` of the shorter side of an image of `size`,
    /// height and width.
    pub(crate) fn center([height, width]: [usize; 2], share: f64) -> Self {
        let side = height.min(width) as f64 * share;
        Self::amid([height, width], [side, side])
    }

    /// A rectangle at random that has at least `least_area`, a share, of an image of `size`, and a
    /// ratio of its sides between 3/4 and 4/3 (Szegedy et al. 2015).
    ///
    /// Where ten draws fit nowhere, the largest rectangle in the middle that has such a ratio.
    pub(crate) fn random(size: [usize; 2], least_area: f64, rng: &mut impl Rng) -> Self {
        let [height, width] = size.map(|side| side as f64);
        for _ in 0..N_DRAWS {
            let area = rng.random_range(least_area..=1.0) * height * width;
            let ratio = rng.random_range(LEAST_RATIO.ln()..=-LEAST_RATIO.ln()).exp();
            let sides = [(area / ratio).sqrt().round(), (area * ratio).sqrt().round()];
            let [free_rows, free_cols] = [height - sides[0], width - sides[1]];
            if sides.iter().all(|&side| 1.0 <= side) && 0.0 <= free_rows.min(free_cols) {
                let [top, left] =
                    [free_rows, free_cols].map(|free| f64::from(rng.random_range(0..=free as u32)));
                return Self { left, top, width: sides[1], height: sides[0] };
            }
        }
        let sides = [height.min(width / LEAST_RATIO), width.min(height / LEAST_RATIO)];
        Self::amid(size, sides)
    }

    /// The rectangle of `sides` in the middle of an image of `size`.
    fn amid(size: [usize; 2], [height, width]: [f64; 2]) -> Self {
        let [top, left] =
            [size[0] as f64 - height, size[1] as f64 - width].map(|free| (free / 2.0).max(0.0));
        Self { left, top, width, height }
    }

    /// What is seen, resized by a triangle filter as wide as the reduction asks (the bilinear filter
    /// of Pillow).
    ///
    /// # Shapes
    ///
    /// - `planes`: `[c, h, w]`, where `h, w` is `size`
    /// - output: `[c, h', w']`, where `h', w'` is `to`
    ///
    /// # Panics
    ///
    /// If `planes` are not of that shape, or the view does not lie in them.
    pub(crate) fn resized(&self, planes: &[u8], size: [usize; 2], to: [usize; 2]) -> Vec<u8> {
        let sides = |[height, width]: [usize; 2]| {
            [width, height].map(|side| u32::try_from(side).expect("sides of images are below 2³²"))
        };
        let [width, height] = sides(size);
        let [new_width, new_height] = sides(to);
        let options = ResizeOptions::new()
            .resize_alg(ResizeAlg::Convolution(FilterType::Bilinear))
            .crop(self.left, self.top, self.width, self.height);
        let mut resizer = Resizer::new();
        let n_channels = planes.len() / (size[0] * size[1]);
        let mut out = vec![0; n_channels * to[0] * to[1]];
        let outs = out.chunks_exact_mut(to[0] * to[1]);
        for (plane, out) in planes.chunks_exact(size[0] * size[1]).zip(outs) {
            let plane =
                TypedImageRef::<U8>::from_buffer(width, height, plane).expect("a whole plane");
            let mut out =
                TypedImage::<U8>::from_buffer(new_width, new_height, out).expect("a whole plane");
            resizer.resize_typed(&plane, &mut out, &options).expect("the view lies in the image");
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use space::Seed;

    use super::*;

    /// 5 rows, 7 columns.
    fn plane() -> Vec<u8> {
        let level = |(row, col)| ((row * 37 + col * 11 + (row * col * 5) % 17) % 256) as u8;
        (0..35).map(|pixel| level((pixel / 7, pixel % 7))).collect()
    }

    #[track_caller]
    fn check(view: View, to: [usize; 2], pillow: &[u8]) {
        let found = view.resized(&plane(), [5, 7], to);
        assert_eq!(found.len(), pillow.len());
        // Both round coefficients to fixed point, not to the same one.
        assert!(found.iter().zip(pillow).all(|(a, b)| a.abs_diff(*b) <= 1), "{found:?}");
    }

    // Pillow 12: `Image.fromarray(plane).resize((w, h), Image.BILINEAR, box=…)`.
    #[test]
    fn resizing_is_that_of_pillow() {
        let all = View { left: 0.0, top: 0.0, width: 7.0, height: 5.0 };
        check(all, [2, 3], &[50, 77, 100, 126, 154, 176]);
        let larger = [
            [0, 7, 16, 24, 33, 42, 50, 59, 66],
            [28, 38, 49, 61, 72, 74, 82, 94, 104],
            [59, 71, 82, 91, 105, 107, 118, 129, 135],
            [89, 105, 115, 122, 135, 139, 150, 159, 163],
            [120, 135, 148, 156, 164, 172, 180, 186, 190],
            [148, 157, 168, 179, 190, 201, 212, 217, 215],
        ];
        check(all, [6, 9], larger.as_flattened());
        let part = View { left: 1.5, top: 0.5, width: 5.0, height: 4.0 };
        check(part, [2, 3], &[64, 83, 101, 142, 160, 176]);
    }

    #[test]
    fn the_center_is_a_square_in_the_middle() {
        let view = View { left: 75.0, top: 12.5, width: 350.0, height: 350.0 };
        assert_eq!(View::center([375, 500], 350.0 / 375.0), view);
        let whole = View { left: 0.0, top: 0.0, width: 2.0, height: 2.0 };
        assert_eq!(View::center([2, 2], 1.0), whole);
    }

    #[test]
    fn what_fits_nowhere_is_the_largest_in_the_middle() {
        // No view of nine tenths of this has a ratio of 4/3 or less.
        let view = View::random([30, 300], 0.9, &mut Seed::new(0).rng());
        assert_eq!(view, View { left: 130.0, top: 0.0, width: 40.0, height: 30.0 });
    }

    proptest! {
        #[test]
        fn random_views_lie_in_the_image(
            size in prop::array::uniform2(1usize..600), least in 0.01..1.0, seed in 0u64..,
        ) {
            let view = View::random(size, least, &mut Seed::new(seed).rng());
            prop_assert!(0.0 <= view.left && view.left + view.width <= size[1] as f64);
            prop_assert!(0.0 <= view.top && view.top + view.height <= size[0] as f64);
            prop_assert!(0.0 < view.width.min(view.height));
            // And resizing takes them, of whatever size.
            let planes = vec![7; size[0] * size[1]];
            prop_assert_eq!(view.resized(&planes, size, [3, 4]), [7; 12]);
        }

        #[test]
        fn centers_lie_in_the_image(size in prop::array::uniform2(1usize..600), share in 0.001..=1.0) {
            let planes = vec![7; size[0] * size[1]];
            prop_assert_eq!(View::center(size, share).resized(&planes, size, [3, 4]), [7; 12]);
        }

        #[test]
        fn random_views_have_the_area_and_ratio_they_should(least in 0.1..0.7, seed in 0u64..) {
            let view = View::random([400, 400], least, &mut Seed::new(seed).rng());
            let area = view.width * view.height / 160_000.0;
            let ratio = view.width / view.height;
            // Sides are whole numbers.
            prop_assert!(least * 0.98 <= area && area <= 1.0, "{}", area);
            prop_assert!((0.73..=1.36).contains(&ratio), "{}", ratio);
        }
    }
}
