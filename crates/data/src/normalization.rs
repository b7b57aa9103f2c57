//! Mean and spread of the channels.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{DataError, Gallery, Images, Pictures, pictures::Fault};

/// Pictures on disk that are measured.
const N_MEASURED: usize = 1000;

/// Mean and standard deviation of each channel, in units where black is 0 and white is 1.
///
/// # Examples
///
/// ```
/// use data::{Images, Normalization};
///
/// let images = Images::new([1, 1, 2], vec![0, 255], vec![0]);
/// let normalization = Normalization::of(&images.into())?;
/// assert_eq!(normalization.mean, [0.5]);
/// assert_eq!(normalization.std, [0.5]);
/// # Ok::<(), data::DataError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Normalization {
    /// Mean of each channel.
    pub mean: Vec<f32>,
    /// Population standard deviation of each channel.
    pub std: Vec<f32>,
}

impl Normalization {
    /// The normalization that gives each channel of `images` mean 0 and standard deviation 1.
    ///
    /// To be taken from training images only. The sums are exact, so the order of the images does
    /// not matter. Of pictures on disk a thousand are looked at, spread evenly.
    ///
    /// # Shapes
    ///
    /// - `images`: `[n, c, h, w]`
    /// - `mean`, `std`: `[c]`
    ///
    /// # Errors
    ///
    /// [`DataError::ConstantChannel`] if a channel has one value everywhere, or there is no image;
    /// [`DataError::Unreadable`] if too many pictures on disk have been unreadable by now.
    pub fn of(images: &Gallery) -> Result<Self, DataError> {
        let counts = match images {
            Gallery::Images(of) => of_images(of),
            Gallery::Pictures(of) => of_pictures(images, of)?,
        };
        let (mut mean, mut std) = (Vec::new(), Vec::new());
        for (channel, count) in counts.iter().enumerate() {
            let Some([channel_mean, channel_std]) = moments(count) else {
                return Err(DataError::ConstantChannel { channel, n_images: images.len() });
            };
            mean.push(channel_mean);
            std.push(channel_std);
        }
        Ok(Self { mean, std })
    }

    /// The normalized number of every byte, for each channel: `(byte / 255 − mean) / std`.
    pub(crate) fn levels(&self) -> Vec<[f32; 256]> {
        let channels = self.mean.iter().zip(&self.std);
        channels
            .map(|(mean, std)| std::array::from_fn(|byte| (byte as f32 / 255.0 - mean) / std))
            .collect()
    }
}

/// How often each byte occurs in each channel.
type Counts = Vec<[u64; 256]>;

fn of_images(images: &Images) -> Counts {
    let mut counts = vec![[0; 256]; images.shape[0]];
    for image in images.pixels.chunks_exact(images.shape.iter().product::<usize>().max(1)) {
        add(&mut counts, image);
    }
    counts
}

fn of_pictures(images: &Gallery, pictures: &Pictures) -> Result<Counts, DataError> {
    let n = images.len().min(N_MEASURED);
    let rows: Vec<usize> = (0..n).map(|place| place * images.len() / n).collect();
    let count = |&row: &usize| {
        let shown = images.shown(row, None)?;
        let mut counts = vec![[0; 256]; images.shape()[0]];
        add(&mut counts, &shown);
        Ok(counts)
    };
    let counted: Vec<Result<Counts, Fault>> =
        pictures.pool().install(|| rows.par_iter().map(count).collect());
    let mut total = vec![[0; 256]; images.shape()[0]];
    for (row, counts) in rows.into_iter().zip(counted) {
        match counts {
            Ok(counts) => {
                let pairs = total.iter_mut().flatten().zip(counts.iter().flatten());
                pairs.for_each(|(total, count)| *total += count);
            }
            Err(fault) => images.note(row, fault)?,
        }
    }
    Ok(total)
}

/// Counts the pixels of one image.
fn add(counts: &mut Counts, image: &[u8]) {
    let n_pixels = image.len() / counts.len();
    for (count, plane) in counts.iter_mut().zip(image.chunks_exact(n_pixels)) {
        for &pixel in plane {
            count[usize::from(pixel)] += 1;
        }
    }
}

/// Mean and standard deviation of bytes that occur `count[byte]` times, over 255; `None` if fewer
/// than two different bytes occur.
fn moments(count: &[u64; 256]) -> Option<[f32; 2]> {
    if count.iter().filter(|&&n| 0 < n).count() < 2 {
        return None;
    }
    let n: u64 = count.iter().sum();
    let weighted = |f: &dyn Fn(f64) -> f64| {
        let terms = count.iter().enumerate().map(|(byte, &n)| f(byte as f64) * n as f64);
        terms.sum::<f64>() / n as f64
    };
    let mean = weighted(&|byte| byte);
    let variance = weighted(&|byte| (byte - mean).powi(2));
    Some([(mean / 255.0) as f32, (variance.sqrt() / 255.0) as f32])
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn channels_are_normalized_apart() {
        // By hand: channel 0 holds 0, 51, 102, 153: mean 76.5/255 = 0.3, variance 0.05.
        let images =
            Images::new([2, 1, 2], vec![0, 51, 255, 0, 102, 153, 255, 0], vec![0, 1]).into();
        let normalization = Normalization::of(&images).unwrap();
        expect!["Normalization { mean: [0.3, 0.5], std: [0.2236068, 0.5] }"]
            .assert_eq(&format!("{normalization:?}"));
    }

    #[test]
    fn constant_channel_has_no_scale() {
        let images = Images::new([2, 1, 2], vec![0, 1, 9, 9], vec![0]).into();
        let error = Normalization::of(&images).unwrap_err();
        expect!["channel 1 is the same in all 1 images"].assert_eq(&error.to_string());
        let none = Images::new([1, 1, 2], vec![], vec![]).into();
        assert!(Normalization::of(&none).is_err());
    }

    proptest! {
        #[test]
        fn normalized_bytes_have_mean_0_and_variance_1(pixels in prop::collection::vec(0u8.., 8..64)) {
            prop_assume!(pixels.iter().any(|p| *p != pixels[0]));
            let n = pixels.len();
            let images = Images::new([1, 1, n], pixels.clone(), vec![0]).into();
            let levels = Normalization::of(&images).unwrap().levels();
            let values: Vec<f64> =
                pixels.iter().map(|&p| f64::from(levels[0][usize::from(p)])).collect();
            let mean = values.iter().sum::<f64>() / n as f64;
            let variance = values.iter().map(|v| v * v).sum::<f64>() / n as f64;
            // Levels are f32; where one pixel differs by 1/255 from bright ones, the difference
            // from the mean keeps about four digits.
            prop_assert!(mean.abs() < 2e-3, "mean {mean}");
            prop_assert!((variance - 1.0).abs() < 2e-3, "variance {variance}");
        }
    }
}
