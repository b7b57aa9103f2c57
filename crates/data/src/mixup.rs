//! Images mixed with others, and their labels.

use rand::seq::SliceRandom;
use rand_distr::{Beta, Distribution};
use space::Seed;

use crate::{Batch, DataError};

/// A batch in which every image is mixed with another (Zhang et al. 2018, *mixup*).
#[derive(Clone, Debug, PartialEq)]
pub struct Mixed {
    /// The mixed images, and the labels of the first of each two.
    pub batch: Batch,
    /// The labels of the second.
    pub others: Vec<i32>,
    /// How much of a mixed image is of the first.
    pub share: f64,
}

impl Batch {
    /// Mixes every image with one of a random permutation; one share for all is drawn from Beta(α, α).
    ///
    /// # Errors
    ///
    /// [`DataError::Mixup`] if `alpha` is not a positive number.
    ///
    /// # Examples
    ///
    /// ```
    /// use data::Batch;
    /// use space::Seed;
    ///
    /// let batch = Batch { images: vec![0.0, 1.0], labels: vec![0, 1], shape: [2, 1, 1, 1] };
    /// let mixed = batch.mixed(0.2, Seed::new(3))?;
    /// assert!((0.0..=1.0).contains(&mixed.share));
    /// # Ok::<(), data::DataError>(())
    /// ```
    pub fn mixed(self, alpha: f64, seed: Seed) -> Result<Mixed, DataError> {
        let mut rng = seed.rng();
        let beta = Beta::new(alpha, alpha).map_err(|_| DataError::Mixup { alpha })?;
        let share = beta.sample(&mut rng);
        let mut partners: Vec<usize> = (0..self.labels.len()).collect();
        partners.shuffle(&mut rng);
        let [_, c, h, w] = self.shape;
        let image = |number: usize| &self.images[number * c * h * w..][..c * h * w];
        let (own, other) = (share as f32, (1.0 - share) as f32);
        let mut images = Vec::with_capacity(self.images.len());
        for (first, &second) in partners.iter().enumerate() {
            let pixels = image(first).iter().zip(image(second));
            images.extend(pixels.map(|(a, b)| own * a + other * b));
        }
        let others = partners.iter().map(|&partner| self.labels[partner]).collect();
        Ok(Mixed { batch: Self { images, ..self }, others, share })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch() -> Batch {
        let images = (0..12).map(|pixel| (pixel / 2) as f32).collect();
        Batch { images, labels: (0..6).collect(), shape: [6, 1, 1, 2] }
    }

    #[test]
    fn pixels_and_labels_are_mixed_alike() {
        let Mixed { batch, others, share } = batch().mixed(0.4, Seed::new(2)).unwrap();
        for ((pixels, own), other) in batch.images.chunks(2).zip(&batch.labels).zip(&others) {
            // An image's pixels are its label.
            let expected = share * f64::from(*own) + (1.0 - share) * f64::from(*other);
            assert!(pixels.iter().all(|pixel| (f64::from(*pixel) - expected).abs() < 1e-5));
        }
        let mut sorted = others.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, batch.labels);
    }

    #[test]
    fn shares_are_symmetric_around_one_half() {
        let share = |number| batch().mixed(0.4, Seed::new(number)).unwrap().share;
        let mean = (0..2000).map(share).sum::<f64>() / 2000.0;
        // Standard deviation 0.37: four times that of a mean of 2000.
        assert!((mean - 0.5).abs() < 0.034, "{mean}");
    }

    #[test]
    fn no_number_is_refused() {
        for alpha in [0.0, -1.0, f64::NAN] {
            assert!(matches!(batch().mixed(alpha, Seed::new(0)), Err(DataError::Mixup { .. })));
        }
    }
}
