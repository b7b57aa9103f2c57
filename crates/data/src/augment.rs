//! Random crops, flips and holes.

use std::ops::Range;

use rand::{Rng, RngExt};
use serde::{Deserialize, Serialize};

use crate::Jitter;

/// Random changes to training images.
///
/// They apply in this order: a part of the image is cut out and resized, its colors change, it is
/// padded with black and cropped to its old size, mirrored, normalized, and a square or rectangle of it
/// set to 0, the mean of the training images.
///
/// # Examples
///
/// ```
/// use data::Augment;
///
/// let as_published = Augment { crop_padding: 4, flip: true, ..Augment::NONE };
/// assert_ne!(as_published, Augment::NONE);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Augment {
    /// Least share of an image's area, in `(0, 1]`, that a part cut out at random has, with sides in a
    /// ratio of 3/4 to 4/3; 1 cuts nothing out.
    pub crop_area: f64,
    /// Random changes of color.
    pub jitter: Jitter,
    /// Black pixels added on each side before a random crop of the old size; 0 is no crop. Where there are several
    /// resolutions, this and `cutout` are of the first, and grow with the image.
    pub crop_padding: usize,
    /// Whether every second image, at random, is mirrored left to right.
    pub flip: bool,
    /// Side in pixels of a square set to 0; its center is any pixel, so it may overlap the border.
    /// 0 is no hole.
    pub cutout: usize,
    /// Probability, in `[0, 1]`, that instead of that a rectangle is set to 0, of 2 to 33 % of the image
    /// and sides in a ratio of 0.3 to 3.3 (Zhong et al. 2020).
    pub erasing: f64,
}

impl Augment {
    /// Images as they are.
    pub const NONE: Self = Self {
        crop_area: 1.0,
        jitter: Jitter::NONE,
        crop_padding: 0,
        flip: false,
        cutout: 0,
        erasing: 0.0,
    };
}

impl Augment {
    /// The same changes to images of `side` pixels, where these are to images of `from`.
    pub(crate) fn scaled(self, from: usize, side: usize) -> Self {
        let scaled = |pixels: usize| (pixels as f64 * side as f64 / from as f64).round() as usize;
        Self { crop_padding: scaled(self.crop_padding), cutout: scaled(self.cutout), ..self }
    }
}

/// Where the pixels of one image go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Placement {
    /// Row and column of the image that come to the upper left corner; negative is padding.
    pub(crate) corner: [isize; 2],
    pub(crate) mirrored: bool,
    /// Rows and columns of the hole, inside the image.
    pub(crate) hole: [Range<usize>; 2],
}

impl Placement {
    /// Every pixel stays.
    pub(crate) const IDENTITY: Self = Self { corner: [0, 0], mirrored: false, hole: [0..0, 0..0] };

    /// Draws a placement for an image of `size`, height and width.
    pub(crate) fn draw(augment: Augment, size: [usize; 2], rng: &mut impl Rng) -> Self {
        let padding = i32::try_from(augment.crop_padding).unwrap_or(i32::MAX / 2);
        let corner = [(); 2].map(|()| rng.random_range(-padding..=padding) as isize);
        let mirrored = augment.flip && rng.random::<bool>();
        let hole = size.map(|side| {
            let center = rng.random_range(0..side as u32) as usize;
            let start = center as isize - (augment.cutout / 2) as isize;
            let end = start.saturating_add_unsigned(augment.cutout);
            clamped(start, side)..clamped(end, side)
        });
        let is_erased = 0.0 < augment.erasing && rng.random_bool(augment.erasing);
        let hole = if is_erased { rectangle(size, rng) } else { hole };
        Self { corner, mirrored, hole }
    }

    /// Writes one channel of an image, normalized by `levels`.
    ///
    /// # Shapes
    ///
    /// - `plane`, `out`: `[h, w]`
    pub(crate) fn paint(&self, plane: &[u8], width: usize, levels: &[f32; 256], out: &mut [f32]) {
        let [top, left] = self.corner;
        let height = plane.len() / width;
        let cols = clamped(left.saturating_neg(), width)..clamped(width as isize - left, width);
        for (row, line) in out.chunks_exact_mut(width).enumerate() {
            let source_row = row.checked_add_signed(top).filter(|&row| row < height);
            let Some(source_row) = source_row.filter(|_| !cols.is_empty()) else {
                line.fill(levels[0]);
                continue;
            };
            let source_col = cols.start.strict_add_signed(left);
            let source = &plane[source_row * width + source_col..][..cols.len()];
            line[..cols.start].fill(levels[0]);
            for (value, &pixel) in line[cols.clone()].iter_mut().zip(source) {
                *value = levels[usize::from(pixel)];
            }
            line[cols.end..].fill(levels[0]);
            if self.mirrored {
                line.reverse();
            }
        }
        let [rows, cols] = self.hole.clone();
        for line in out.chunks_exact_mut(width).take(rows.end).skip(rows.start) {
            line[cols.clone()].fill(0.0);
        }
    }
}

/// Rows and columns of a random rectangle inside an image; it is cut off where it is longer than a side.
fn rectangle(size: [usize; 2], rng: &mut impl Rng) -> [Range<usize>; 2] {
    let area = rng.random_range(0.02..=0.33) * (size[0] * size[1]) as f64;
    let ratio = rng.random_range(0.3_f64.ln()..=3.3_f64.ln()).exp();
    let sides = [(area * ratio).sqrt(), (area / ratio).sqrt()];
    [0, 1].map(|axis| {
        let side = (sides[axis].round() as usize).clamp(1, size[axis]);
        let start = rng.random_range(0..=(size[axis] - side) as u32) as usize;
        start..start + side
    })
}

/// `place`, or the nearer end of `0..=side`.
fn clamped(place: isize, side: usize) -> usize {
    usize::try_from(place).unwrap_or(0).min(side)
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use proptest::prelude::*;
    use serde::de::value::{Error, MapDeserializer};
    use space::Seed;

    use super::*;

    /// Levels that give back the byte, so results read as pixels.
    fn bytes() -> [f32; 256] {
        std::array::from_fn(|byte| byte as f32)
    }

    fn painted(placement: &Placement, plane: &[u8], width: usize) -> Vec<u8> {
        let mut out = vec![f32::NAN; plane.len()];
        placement.paint(plane, width, &bytes(), &mut out);
        out.into_iter().map(|value| value as u8).collect()
    }

    #[track_caller]
    fn check(placement: Placement, expect: [u8; 9]) {
        assert_eq!(painted(&placement, &[1, 2, 3, 4, 5, 6, 7, 8, 9], 3), expect);
    }

    #[test]
    fn what_counts_in_pixels_grows_with_the_image() {
        let augment = Augment { crop_padding: 2, cutout: 3, flip: true, ..Augment::NONE };
        assert_eq!(augment.scaled(16, 16), augment);
        assert_eq!(augment.scaled(16, 32), Augment { crop_padding: 4, cutout: 6, ..augment });
        assert_eq!(augment.scaled(16, 8), Augment { crop_padding: 1, cutout: 2, ..augment });
    }

    #[test]
    fn placements_by_hand() {
        let identity = Placement::IDENTITY;
        check(identity.clone(), [1, 2, 3, 4, 5, 6, 7, 8, 9]);
        check(Placement { mirrored: true, ..identity.clone() }, [3, 2, 1, 6, 5, 4, 9, 8, 7]);
        check(Placement { corner: [1, 0], ..identity.clone() }, [4, 5, 6, 7, 8, 9, 0, 0, 0]);
        check(Placement { corner: [0, -1], ..identity.clone() }, [0, 1, 2, 0, 4, 5, 0, 7, 8]);
        check(Placement { corner: [-1, 2], ..identity.clone() }, [0, 0, 0, 3, 0, 0, 6, 0, 0]);
        check(Placement { corner: [0, 3], ..identity.clone() }, [0; 9]);
        check(Placement { corner: [0, -7], ..identity.clone() }, [0; 9]);
        check(Placement { corner: [9, 0], ..identity.clone() }, [0; 9]);
        check(Placement { hole: [0..2, 1..3], ..identity.clone() }, [1, 0, 0, 4, 0, 0, 7, 8, 9]);
        // The crop comes before the flip, the hole after both.
        let all = Placement { corner: [0, 1], mirrored: true, hole: [2..3, 0..2] };
        check(all, [0, 3, 2, 0, 6, 5, 0, 0, 8]);
    }

    #[test]
    fn unknown_keys_are_errors() {
        let keys = [("crop-padding", 4usize), ("padding", 4)].into_iter();
        let error: Error = Augment::deserialize(MapDeserializer::new(keys)).unwrap_err();
        expect![
            "unknown field `padding`, expected one of `crop-area`, `jitter`, `crop-padding`, `flip`, `cutout`, `erasing`"
        ]
        .assert_eq(&error.to_string());
    }

    #[test]
    fn all_crops_and_both_flips_occur() {
        let augment = Augment { crop_padding: 1, flip: true, ..Augment::NONE };
        let mut rng = Seed::new(0).rng();
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..400 {
            let placement = Placement::draw(augment, [4, 4], &mut rng);
            seen.insert((placement.corner, placement.mirrored));
        }
        assert_eq!(seen.len(), 18);
    }

    #[test]
    fn an_even_hole_inside_the_image_has_its_full_size() {
        let augment = Augment { cutout: 4, ..Augment::NONE };
        let mut rng = Seed::new(0).rng();
        let mut sides = std::collections::BTreeSet::new();
        for _ in 0..400 {
            let [rows, cols] = Placement::draw(augment, [16, 16], &mut rng).hole;
            sides.extend([rows.len(), cols.len()]);
        }
        // Cut off at the upper border to 2 and 3, at the lower border to 3.
        assert_eq!(Vec::from_iter(sides), [2, 3, 4]);
    }

    #[test]
    fn rectangles_are_erased_at_their_rate_and_size() {
        let augment = Augment { erasing: 0.25, ..Augment::NONE };
        let mut rng = Seed::new(0).rng();
        let holes: Vec<[Range<usize>; 2]> =
            (0..2000).map(|_| Placement::draw(augment, [32, 32], &mut rng).hole).collect();
        let erased: Vec<usize> =
            holes.iter().map(|[rows, cols]| rows.len() * cols.len()).filter(|&n| 0 < n).collect();
        // Four standard deviations of a share of 2000.
        assert!((erased.len() as f64 / 2000.0 - 0.25).abs() < 0.039, "{}", erased.len());
        // 2 to 33 % of 1024, rounded to whole sides.
        assert!(erased.iter().all(|n| (15..=360).contains(n)));
    }

    proptest! {
        #[test]
        fn flip_twice_is_identity(plane in prop::collection::vec(1u8.., 12)) {
            let flip = Placement { mirrored: true, ..Placement::IDENTITY };
            prop_assert_eq!(painted(&flip, &painted(&flip, &plane, 4), 4), plane);
        }

        #[test]
        fn no_padding_no_flip_no_hole_is_identity(number in 0u64.., side in 1usize..9) {
            let mut rng = Seed::new(number).rng();
            let placement = Placement::draw(Augment::NONE, [side, side], &mut rng);
            let plane: Vec<u8> = (0..side * side).map(|p| p as u8).collect();
            prop_assert_eq!(painted(&placement, &plane, side), plane);
        }

        #[test]
        fn any_crop_moves_or_blackens(number in 0u64.., crop_padding in 0usize..12, cutout in 0usize..9) {
            let augment = Augment { crop_padding, flip: true, cutout, erasing: 0.5, ..Augment::NONE };
            let placement = Placement::draw(augment, [4, 5], &mut Seed::new(number).rng());
            let plane: Vec<u8> = (1..=20).collect();
            let mut kept: Vec<u8> = painted(&placement, &plane, 5);
            kept.retain(|&pixel| 0 < pixel);
            kept.sort_unstable();
            let n_kept = kept.len();
            kept.dedup();
            prop_assert_eq!(kept.len(), n_kept, "no pixel is doubled");
        }
    }
}
