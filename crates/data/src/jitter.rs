//! Random changes of color.

use rand::{Rng, RngExt, seq::SliceRandom};
use serde::{Deserialize, Serialize};

/// How far brightness, contrast and saturation are changed, in random order.
///
/// Each is multiplied by a factor from `1 − strength` (at least 0) to `1 + strength`; a strength of 0
/// changes nothing. ImageNet is often trained with a brightness of 32/255 and a saturation of 0.5.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Jitter {
    /// Of the distance from black.
    pub brightness: f64,
    /// Of the distance from the image's mean gray.
    pub contrast: f64,
    /// Of the distance from each pixel's gray; gray images have none.
    pub saturation: f64,
}

/// Red, green and blue in the gray of a color (ITU-R BT.601).
const LUMA: [f32; 3] = [0.299, 0.587, 0.114];

impl Jitter {
    /// Colors as they are.
    pub const NONE: Self = Self { brightness: 0.0, contrast: 0.0, saturation: 0.0 };

    /// Changes the colors of one image.
    ///
    /// # Shapes
    ///
    /// - `planes`: `[c, h, w]` with 1 or 3 channels
    pub(crate) fn apply(self, planes: &mut [u8], n_channels: usize, rng: &mut impl Rng) {
        let mut changes = [
            (Change::Brightness, self.brightness),
            (Change::Contrast, self.contrast),
            (Change::Saturation, self.saturation),
        ];
        changes.shuffle(rng);
        for (change, strength) in changes {
            if 0.0 < strength {
                let factor = rng.random_range((1.0 - strength).max(0.0)..=1.0 + strength);
                change.apply(planes, n_channels, factor as f32);
            }
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Change {
    Brightness,
    Contrast,
    Saturation,
}

impl Change {
    /// Moves every level away from (or, with a factor below 1, towards) what it is compared with.
    fn apply(self, planes: &mut [u8], n_channels: usize, factor: f32) {
        let n_pixels = planes.len() / n_channels;
        match self {
            Self::Brightness => planes.iter_mut().for_each(|level| away(level, 0.0, factor)),
            Self::Contrast => {
                let gray = (0..n_pixels).map(|pixel| gray(planes, n_pixels, pixel));
                let mean = (gray.map(f64::from).sum::<f64>() / n_pixels as f64) as f32;
                planes.iter_mut().for_each(|level| away(level, mean, factor));
            }
            Self::Saturation => {
                for pixel in 0..n_pixels {
                    let gray = gray(planes, n_pixels, pixel);
                    let levels = planes[pixel..].iter_mut().step_by(n_pixels);
                    levels.for_each(|level| away(level, gray, factor));
                }
            }
        }
    }
}

/// The gray of one pixel.
fn gray(planes: &[u8], n_pixels: usize, pixel: usize) -> f32 {
    match planes.len() / n_pixels {
        3 => (0..3).map(|c| LUMA[c] * f32::from(planes[c * n_pixels + pixel])).sum(),
        _ => f32::from(planes[pixel]),
    }
}

fn away(level: &mut u8, from: f32, factor: f32) {
    // A cast of floats cuts off and saturates.
    *level = (from + (f32::from(*level) - from) * factor + 0.5) as u8;
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use space::Seed;

    use super::*;

    #[track_caller]
    fn check(change: Change, factor: f32, mut planes: [u8; 6], expected: [u8; 6]) {
        change.apply(&mut planes, 3, factor);
        assert_eq!(planes, expected);
    }

    #[test]
    fn changes_by_hand() {
        let two_pixels = [100, 200, 100, 0, 100, 50];
        check(Change::Brightness, 0.5, two_pixels, [50, 100, 50, 0, 50, 25]);
        check(Change::Brightness, 2.0, two_pixels, [200, 255, 200, 0, 200, 100]);
        // Grays 100 and 0.299 · 200 + 0.114 · 50 = 65.5, mean 82.75.
        check(Change::Contrast, 0.0, two_pixels, [83; 6]);
        check(Change::Contrast, 2.0, two_pixels, [117, 255, 117, 0, 117, 17]);
        check(Change::Saturation, 0.0, two_pixels, [100, 66, 100, 66, 100, 66]);
        check(Change::Saturation, 1.5, two_pixels, [100, 255, 100, 0, 100, 42]);
    }

    proptest! {
        #[test]
        fn no_strength_is_identity(planes in prop::collection::vec(0u8.., 12), seed in 0u64..) {
            let mut changed = planes.clone();
            Jitter::NONE.apply(&mut changed, 3, &mut Seed::new(seed).rng());
            prop_assert_eq!(changed, planes);
        }

        #[test]
        fn grays_have_no_saturation(levels in prop::collection::vec(0u8.., 5), seed in 0u64..) {
            let jitter = Jitter { saturation: 1.0, ..Jitter::NONE };
            let planes = levels.repeat(3);
            for (n_channels, planes) in [(1, levels), (3, planes)] {
                let mut changed = planes.clone();
                jitter.apply(&mut changed, n_channels, &mut Seed::new(seed).rng());
                prop_assert_eq!(changed, planes);
            }
        }

    }

    #[test]
    fn factors_fill_their_range() {
        let jitter = Jitter { brightness: 0.5, ..Jitter::NONE };
        let mut rng = Seed::new(0).rng();
        let mut levels: Vec<u8> = Vec::new();
        for _ in 0..500 {
            let mut level = [100];
            jitter.apply(&mut level, 1, &mut rng);
            levels.extend(level);
        }
        let ends = (levels.iter().min().copied(), levels.iter().max().copied());
        // Of 500 draws some fall within a hundredth of either end of [50, 150].
        assert!(matches!(ends, (Some(50 | 51), Some(149 | 150))), "{ends:?}");
    }
}
