//! Batches of normalized images.

use std::{ops::Range, sync::Arc};

use rand::seq::IndexedRandom;
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
    /// The same at every resolution that batches are drawn from.
    images: Vec<Arc<Gallery>>,
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
        Ok(Self { images: vec![images], levels, augment: Augment::NONE, batch_size })
    }

    /// The same, and each batch is at one of these resolutions, too: of all that are there by now, one is drawn evenly
    /// from the stream `resolution` of the step. What augmentation counts in pixels grows with the images.
    ///
    /// # Shapes
    ///
    /// - `others`: `[n, c, h′, w′]` each, the same images in the same order
    ///
    /// # Panics
    ///
    /// If some have other labels or channels.
    #[must_use]
    pub fn or_at(mut self, others: impl IntoIterator<Item = Arc<Gallery>>) -> Self {
        for other in others {
            let [[n_channels, ..], [n, ..]] = [other.shape(), self.images().shape()];
            assert_eq!(n_channels, n, "channels at another resolution");
            assert_eq!(other.labels(), self.images().labels(), "labels at another resolution");
            self.images.push(other);
        }
        self
    }

    /// The images that batches are drawn from, at the first resolution.
    pub fn images(&self) -> &Arc<Gallery> {
        &self.images[0]
    }

    /// Images in a batch.
    pub fn batch_size(&self) -> usize {
        self.batch_size
    }

    /// Batches in an epoch. The images left over sit it out; each epoch leaves out its own.
    pub fn n_steps(&self) -> usize {
        self.images().len() / self.batch_size
    }

    /// The order of the images in an epoch, from the stream `epoch/{number}/order` of `seed`.
    pub fn epoch(&self, seed: Seed, number: u64) -> Epoch {
        Epoch::new(self.images().len(), seed, number)
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
        let (n_steps, n_images) = (self.n_steps(), self.images().len());
        assert!(step < n_steps, "step {step} of {n_steps}");
        assert_eq!(epoch.order().len(), n_images, "images of the epoch and the batches");

        let rows = &epoch.order()[step * self.batch_size..][..self.batch_size];
        let seed = epoch.step_seed(step);
        let images = match &self.images[..] {
            [only] => only,
            several => {
                let drawn = several.choose(&mut seed.child("resolution").rng());
                drawn.expect("there are several")
            }
        };
        let batch = self.of_rows(images, rows, Some(seed))?;
        if batch.labels.is_empty() {
            return Err(DataError::NothingReadable { epoch: epoch.number(), step });
        }
        Ok(batch)
    }

    /// The images in `rows` as they are, at the first resolution, in their order and in batches of
    /// `batch_size`; the last may be smaller.
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
        let n_images = self.images().len();
        assert!(rows.end <= n_images, "rows {rows:?} of {n_images} images");
        let n_batches = rows.len().div_ceil(self.batch_size);
        let batches = (0..n_batches).map(move |batch| {
            let start = rows.start + batch * self.batch_size;
            let end = rows.end.min(start + self.batch_size);
            self.of_rows(self.images(), &Vec::from_iter(start..end), None)
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

    /// The images of a gallery in `rows`, augmented from the stream `seed` if there is one.
    fn of_rows(
        &self,
        gallery: &Gallery,
        rows: &[usize],
        seed: Option<Seed>,
    ) -> Result<Batch, DataError> {
        let shape = gallery.shape();
        let n_pixels = shape.iter().product::<usize>();
        let mut images = vec![0.0; rows.len() * n_pixels];
        let placements = self.placements(gallery, rows.len(), seed);
        let show = |place: usize, out: &mut [f32]| {
            let look = seed.and_then(|seed| Look::random(self.augment, seed, place));
            self.show(gallery, rows[place], look, &placements[place], out)
        };
        let shown: Vec<Result<(), Fault>> = match gallery {
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
                    labels.push(i32::from(gallery.labels()[row]));
                }
                Err(fault) => gallery.note(row, fault)?,
            }
        }
        images.truncate(labels.len() * n_pixels);
        let [channels, height, width] = shape;
        Ok(Batch { shape: [labels.len(), channels, height, width], images, labels })
    }

    fn placements(&self, gallery: &Gallery, n: usize, seed: Option<Seed>) -> Vec<Placement> {
        let Some(seed) = seed else { return vec![Placement::IDENTITY; n] };
        let [[_, first, _], [_, height, width]] = [self.images().shape(), gallery.shape()];
        let augment = self.augment.scaled(first, height);
        let mut rng = seed.rng();
        (0..n).map(|_| Placement::draw(augment, [height, width], &mut rng)).collect()
    }

    /// Writes one image, normalized.
    fn show(
        &self,
        gallery: &Gallery,
        row: usize,
        look: Option<Look>,
        placement: &Placement,
        out: &mut [f32],
    ) -> Result<(), Fault> {
        let [_, height, width] = gallery.shape();
        let shown = gallery.shown(row, look)?;
        let planes = shown.chunks_exact(height * width);
        let outs = out.chunks_exact_mut(height * width);
        for ((plane, levels), out) in planes.zip(self.levels.iter()).zip(outs) {
            placement.paint(plane, width, levels, out);
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "batch_tests.rs"]
mod tests;
