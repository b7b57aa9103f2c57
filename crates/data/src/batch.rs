//! Batches of normalized images.

use std::{ops::Range, sync::Arc};

use rayon::prelude::*;
use space::Seed;

use crate::{
    Augment, DataError, Epoch, Gallery, Normalization, Prefetch, augment::Placement, gallery::Look,
    pictures::Fault,
};

/// Normalized images with their classes, ready to become a tensor.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// Normalized pixels, `b × c × h × w`.
    pub images: Vec<f32>,
    /// The class of each image.
    pub labels: Vec<i32>,
    /// Images, channels, height, width.
    pub shape: [usize; 4],
}

/// Draws batches from images.
///
/// Cloning shares the images. A batch depends on none before it, so batches may be made on several
/// threads, in any order. Pictures on disk are decoded on threads of their own, as many as the machine
/// has; one that cannot be is left out, so that its batch is smaller.
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
///
/// use data::{Augment, Batches, Images, Normalization};
/// use space::Seed;
///
/// let images = Images::new([1, 1, 2], (0..10).collect(), vec![0, 1, 0, 1, 0]);
/// let normalization = Normalization::of(&images.clone().into())?;
/// let batches = Batches::new(Arc::new(images.into()), &normalization, Augment::NONE, 2)?;
/// assert_eq!(batches.n_steps(), 2);
///
/// let epoch = batches.epoch(Seed::new(666), 0);
/// assert_eq!(batches.batch(&epoch, 1)?, batches.batch(&epoch, 1)?);
///
/// let mut sizes = Vec::new();
/// for batch in batches.sequential(0..5) {
///     sizes.push(batch?.labels.len());
/// }
/// assert_eq!(sizes, [2, 2, 1]);
/// # Ok::<(), data::DataError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Batches {
    images: Arc<Gallery>,
    levels: Arc<[[f32; 256]]>,
    augment: Augment,
    batch_size: usize,
}

impl Batches {
    /// Batches of `batch_size` for training.
    ///
    /// # Shapes
    ///
    /// - `images`: `[n, c, h, w]`
    /// - `normalization`: `[c]`
    ///
    /// # Errors
    ///
    /// [`DataError::BatchSize`] unless `0 < batch_size ≤ n`: an epoch has at least one step.
    ///
    /// # Panics
    ///
    /// If `normalization` is of another number of channels.
    pub fn new(
        images: Arc<Gallery>,
        normalization: &Normalization,
        augment: Augment,
        batch_size: usize,
    ) -> Result<Self, DataError> {
        let n_images = images.len();
        if n_images < batch_size {
            return Err(DataError::BatchSize { n_images, batch_size });
        }
        let batches = Self::for_evaluation(images, normalization, batch_size)?;
        Ok(Self { augment, ..batches })
    }

    /// Batches of `batch_size` for evaluation, where there may be fewer images than that.
    ///
    /// # Errors
    ///
    /// [`DataError::BatchSize`] if `batch_size` is 0.
    ///
    /// # Panics
    ///
    /// If `normalization` is of another number of channels.
    pub fn for_evaluation(
        images: Arc<Gallery>,
        normalization: &Normalization,
        batch_size: usize,
    ) -> Result<Self, DataError> {
        if batch_size == 0 {
            return Err(DataError::BatchSize { n_images: images.len(), batch_size });
        }
        let levels: Arc<[_]> = normalization.levels().into();
        assert_eq!(levels.len(), images.shape()[0], "channels of the normalization and the images");
        Ok(Self { images, levels, augment: Augment::NONE, batch_size })
    }

    /// The images that batches are drawn from.
    pub fn images(&self) -> &Arc<Gallery> {
        &self.images
    }

    /// Images in a batch.
    pub fn batch_size(&self) -> usize {
        self.batch_size
    }

    /// Batches in an epoch. The images left over sit it out; the next epoch leaves out others.
    pub fn n_steps(&self) -> usize {
        self.images.len() / self.batch_size
    }

    /// The order of the images in an epoch, from the stream `epoch/{number}/order` of `seed`.
    pub fn epoch(&self, seed: Seed, number: u64) -> Epoch {
        Epoch::new(self.images.len(), seed, number)
    }

    /// One augmented batch, from the stream `epoch/{number}/step/{step}` of the epoch's seed.
    ///
    /// A function of seed, epoch and step: neither earlier batches nor threads change it.
    ///
    /// # Shapes
    ///
    /// - output: `[b, c, h, w]`; `b` is the batch size, less pictures on disk that are unreadable
    ///
    /// # Errors
    ///
    /// [`DataError::Unreadable`] if too many pictures on disk have been unreadable by now, and
    /// [`DataError::NothingReadable`] if all of this batch are; [`DataError::Io`].
    ///
    /// # Panics
    ///
    /// If `step` is not below [`n_steps`](Self::n_steps), or the epoch is of other batches.
    pub fn batch(&self, epoch: &Epoch, step: usize) -> Result<Batch, DataError> {
        let (n_steps, n_images) = (self.n_steps(), self.images.len());
        assert!(step < n_steps, "step {step} of {n_steps}");
        assert_eq!(epoch.order().len(), n_images, "images of the epoch and the batches");

        let rows = &epoch.order()[step * self.batch_size..][..self.batch_size];
        let batch = self.of_rows(rows, Some(epoch.step_seed(step)))?;
        if batch.labels.is_empty() {
            return Err(DataError::NothingReadable { epoch: epoch.number(), step });
        }
        Ok(batch)
    }

    /// The images in `rows` as they are and in their order, in batches of `batch_size`; the last
    /// may be smaller.
    ///
    /// Imported trees are sorted by class, so the first batches need not represent the rest.
    ///
    /// # Shapes
    ///
    /// - items: `[b, c, h, w]` with `0 < b ≤ batch_size`
    ///
    /// # Errors
    ///
    /// [`DataError::Unreadable`] if too many pictures on disk have been unreadable by then.
    ///
    /// # Panics
    ///
    /// If `rows` reaches beyond the images.
    pub fn sequential(&self, rows: Range<usize>) -> impl Iterator<Item = Result<Batch, DataError>> {
        let n_images = self.images.len();
        assert!(rows.end <= n_images, "rows {rows:?} of {n_images} images");
        let n_batches = rows.len().div_ceil(self.batch_size);
        let batches = (0..n_batches).map(move |batch| {
            let start = rows.start + batch * self.batch_size;
            let end = rows.end.min(start + self.batch_size);
            self.of_rows(&Vec::from_iter(start..end), None)
        });
        // Those of which no picture is readable are left out.
        batches.filter(|batch| batch.as_ref().map_or(true, |batch| !batch.labels.is_empty()))
    }

    /// The same batches as [`batch`](Self::batch) for each of `steps`, made on a thread of their
    /// own while the caller works on earlier ones.
    ///
    /// At most `n_ahead` batches wait, besides the one being made.
    ///
    /// # Panics
    ///
    /// If `steps` reaches beyond [`n_steps`](Self::n_steps), or no thread can be started.
    pub fn prefetch(&self, epoch: Epoch, steps: Range<usize>, n_ahead: usize) -> Prefetch {
        let n_steps = self.n_steps();
        assert!(steps.end <= n_steps, "steps {steps:?} of {n_steps}");
        Prefetch::start(self.clone(), epoch, steps, n_ahead)
    }

    /// The images in `rows`, augmented from the stream `seed` if there is one.
    fn of_rows(&self, rows: &[usize], seed: Option<Seed>) -> Result<Batch, DataError> {
        let shape = self.images.shape();
        let n_pixels = shape.iter().product::<usize>();
        let mut images = vec![0.0; rows.len() * n_pixels];
        let placements = self.placements(rows.len(), seed);
        let show = |place: usize, out: &mut [f32]| {
            let look = seed.and_then(|seed| Look::random(self.augment, seed, place));
            self.show(rows[place], look, &placements[place], out)
        };
        let shown: Vec<Result<(), Fault>> = match self.images.as_ref() {
            Gallery::Images(_) => {
                let outs = images.chunks_exact_mut(n_pixels).enumerate();
                outs.map(|(place, out)| show(place, out)).collect()
            }
            Gallery::Pictures(pictures) => pictures.pool().install(|| {
                let outs = images.par_chunks_exact_mut(n_pixels).enumerate();
                outs.map(|(place, out)| show(place, out)).collect()
            }),
        };
        let mut labels = Vec::with_capacity(rows.len());
        for (place, (&row, shown)) in rows.iter().zip(shown).enumerate() {
            match shown {
                Ok(()) => {
                    let to = labels.len();
                    if to < place {
                        images.copy_within(place * n_pixels..(place + 1) * n_pixels, to * n_pixels);
                    }
                    labels.push(i32::from(self.images.labels()[row]));
                }
                Err(fault) => self.images.note(row, fault)?,
            }
        }
        images.truncate(labels.len() * n_pixels);
        let [channels, height, width] = shape;
        Ok(Batch { shape: [labels.len(), channels, height, width], images, labels })
    }

    fn placements(&self, n: usize, seed: Option<Seed>) -> Vec<Placement> {
        let Some(seed) = seed else { return vec![Placement::IDENTITY; n] };
        let [_, height, width] = self.images.shape();
        let mut rng = seed.rng();
        (0..n).map(|_| Placement::draw(self.augment, [height, width], &mut rng)).collect()
    }

    /// Writes one image, normalized.
    fn show(
        &self,
        row: usize,
        look: Option<Look>,
        placement: &Placement,
        out: &mut [f32],
    ) -> Result<(), Fault> {
        let [_, height, width] = self.images.shape();
        let shown = self.images.shown(row, look)?;
        let planes = shown.chunks_exact(height * width);
        let outs = out.chunks_exact_mut(height * width);
        for ((plane, levels), out) in planes.zip(self.levels.iter()).zip(outs) {
            placement.paint(plane, width, levels, out);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use proptest::prelude::*;

    use super::*;
    use crate::Images;

    const AUGMENT: Augment = Augment { crop_padding: 2, flip: true, cutout: 3, ..Augment::NONE };

    /// `n` images of 2 channels, 4 × 5 pixels; the first pixel is the number of the image.
    fn images(n: usize) -> Arc<Gallery> {
        let pixels = (0..n * 40).map(|p| if p % 40 == 0 { p / 40 } else { p * 13 % 251 } as u8);
        let labels = (0..n).map(|i| i as u16 % 3).collect();
        Arc::new(Images::new([2, 4, 5], pixels.collect(), labels).into())
    }

    fn batches(n: usize, augment: Augment, batch_size: usize) -> Batches {
        let images = images(n);
        let normalization = Normalization::of(&images).unwrap();
        Batches::new(images, &normalization, augment, batch_size).unwrap()
    }

    #[test]
    fn one_batch_by_hand() {
        let images = Images::new([2, 1, 2], vec![0, 255, 51, 102], vec![7]).into();
        let normalization = Normalization { mean: vec![0.5, 0.2], std: vec![0.5, 0.1] };
        let batches = Batches::new(Arc::new(images), &normalization, Augment::NONE, 1).unwrap();
        let batch = batches.batch(&batches.epoch(Seed::new(0), 0), 0).unwrap();
        assert_eq!((batch.labels, batch.shape), (vec![7], [1, 2, 1, 2]));
        for (value, expected) in batch.images.iter().zip([-1.0f32, 1.0, 0.0, 2.0]) {
            // Differences of numbers near 0.5 in f32, divided by 0.1.
            assert!((value - expected).abs() < 1e-6, "{value} for {expected}");
        }
    }

    #[test]
    fn batch_sizes_that_make_no_batch_are_refused() {
        let images = images(5);
        let normalization = Normalization::of(&images).unwrap();
        let text = |batch_size| {
            let batches =
                Batches::new(Arc::clone(&images), &normalization, Augment::NONE, batch_size);
            batches.unwrap_err().to_string()
        };
        expect!["a batch of 6 cannot be drawn from 5 images"].assert_eq(&text(6));
        expect!["a batch of 0 cannot be drawn from 5 images"].assert_eq(&text(0));
        let evaluation = Batches::for_evaluation(images, &normalization, 6).unwrap();
        assert_eq!(
            evaluation.sequential(0..5).map(|batch| batch.unwrap().shape[0]).sum::<usize>(),
            5
        );
    }

    #[test]
    fn sequential_batches_keep_the_order_and_are_not_augmented() {
        let augmented = batches(7, AUGMENT, 3);
        let plain = batches(7, Augment::NONE, 3);
        let of = |batches: &Batches| -> Vec<Batch> {
            batches.sequential(1..6).map(Result::unwrap).collect()
        };
        let found = of(&augmented);
        assert_eq!(found, of(&plain));
        assert_eq!(found[0].labels, [1, 2, 0]);
        assert_eq!(found[1].labels, [1, 2]);
        assert_eq!(found[1].shape, [2, 2, 4, 5]);
        assert_eq!(plain.sequential(3..3).count(), 0);
    }

    #[test]
    fn seeds_epochs_and_steps_differ() {
        let batches = batches(64, AUGMENT, 4);
        let orders = [(1, 0), (1, 1), (2, 0)].map(|(seed, number)| {
            let epoch = batches.epoch(Seed::new(seed), number);
            epoch.order().to_vec()
        });
        assert_ne!(orders[0], orders[1]);
        assert_ne!(orders[0], orders[2]);
        let epoch = batches.epoch(Seed::new(1), 0);
        assert_ne!(batches.batch(&epoch, 0).unwrap(), batches.batch(&epoch, 1).unwrap());
    }

    #[test]
    fn augmentation_depends_on_the_step_even_for_the_same_image() {
        let images = Arc::new(Images::new([1, 8, 8], (0..64).collect(), vec![0]).into());
        let normalization = Normalization::of(&images).unwrap();
        let batches = Batches::new(images, &normalization, AUGMENT, 1).unwrap();
        let seen =
            [0, 1, 2].map(|number| batches.batch(&batches.epoch(Seed::new(0), number), 0).unwrap());
        assert_ne!(seen[0], seen[1]);
        assert_ne!(seen[1], seen[2]);
    }

    proptest! {
        #[test]
        fn an_epoch_shows_each_image_at_most_once(n in 1usize..40, share in 0.0..1.0, number in 0u64..) {
            let batch_size = 1 + (share * (n - 1) as f64) as usize;
            let batches = batches(n, Augment::NONE, batch_size);
            let epoch = batches.epoch(Seed::new(number), 3);
            let mut order = epoch.order().to_vec();
            order.sort_unstable();
            prop_assert_eq!(order, (0..n).collect::<Vec<_>>());

            let labels: Vec<i32> =
                (0..batches.n_steps()).flat_map(|step| batches.batch(&epoch, step).unwrap().labels).collect();
            prop_assert_eq!(labels.len(), n / batch_size * batch_size);
            for (label, &row) in labels.iter().zip(epoch.order()) {
                prop_assert_eq!(*label, i32::from(batches.images().labels()[row]));
            }
        }

        #[test]
        fn batch_is_a_function_of_seed_epoch_and_step(number in 0u64.., epoch in 0u64..100, step in 0usize..4) {
            let first = batches(18, AUGMENT, 4);
            let again = batches(18, AUGMENT, 4);
            let first_epoch = first.epoch(Seed::new(number), epoch);
            let expected = first.batch(&first_epoch, step).unwrap();
            // Other batches in between, and another thread, change nothing.
            for other in 0..4 {
                again.batch(&again.epoch(Seed::new(number), epoch + 1), other).unwrap();
            }
            let found = std::thread::scope(|scope| {
                let again_epoch = again.epoch(Seed::new(number), epoch);
                let again = &again;
                scope.spawn(move || again.batch(&again_epoch, step)).join().unwrap().unwrap()
            });
            prop_assert_eq!(found, expected);
        }
    }
}
