//! Batches made ahead of need.

use std::{
    ops::Range,
    panic::resume_unwind,
    sync::mpsc::{Receiver, sync_channel},
    thread::{JoinHandle, spawn},
};

use crate::{Batch, Batches, DataError, Epoch};

/// A batch, or why there is none.
type Made = Result<Batch, DataError>;

/// Batches made on a thread of their own; see [`Batches::prefetch`].
///
/// Dropping it early stops the thread after the batch it is making.
///
/// # Panics
///
/// `next` passes on a panic of the thread.
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
///
/// use data::{Augment, Batches, Images, Normalization};
/// use space::Seed;
///
/// let images = Images::new([1, 1, 2], (0..12).collect(), vec![0, 1, 0, 1, 0, 1]);
/// let images = images.into();
/// let normalization = Normalization::of(&images)?;
/// let batches = Batches::new(Arc::new(images), &normalization, Augment::NONE, 2)?;
/// let epoch = batches.epoch(Seed::new(666), 0);
/// for (step, batch) in batches.prefetch(epoch.clone(), 0..3, 1).enumerate() {
///     assert_eq!(batch?, batches.batch(&epoch, step)?);
/// }
/// # Ok::<(), data::DataError>(())
/// ```
#[derive(Debug)]
pub struct Prefetch {
    /// `None` once the thread has ended.
    running: Option<(Receiver<Made>, JoinHandle<()>)>,
    n_left: usize,
}

impl Prefetch {
    pub(crate) fn start(
        batches: Batches,
        epoch: Epoch,
        steps: Range<usize>,
        n_ahead: usize,
    ) -> Self {
        let n_left = steps.len();
        let (sender, receiver) = sync_channel(n_ahead);
        let thread = spawn(move || {
            for step in steps {
                if sender.send(batches.batch(&epoch, step)).is_err() {
                    return; // Nobody wants the rest.
                }
            }
        });
        Self { running: Some((receiver, thread)), n_left }
    }
}

impl Iterator for Prefetch {
    type Item = Made;

    fn next(&mut self) -> Option<Made> {
        let (receiver, _) = self.running.as_ref()?;
        if let Ok(batch) = receiver.recv() {
            self.n_left -= 1;
            return Some(batch);
        }
        let (_, thread) = self.running.take()?;
        if let Err(panic) = thread.join() {
            resume_unwind(panic);
        }
        None
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.n_left, Some(self.n_left))
    }
}

impl ExactSizeIterator for Prefetch {}

impl Drop for Prefetch {
    fn drop(&mut self) {
        if let Some((receiver, thread)) = self.running.take() {
            drop(receiver);
            // Its batches were given up, so a panic in making them concerns nobody.
            drop(thread.join());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, thread::sleep, time::Duration};

    use proptest::prelude::*;
    use space::Seed;

    use super::*;
    use crate::{Augment, Images, Normalization};

    fn batches() -> Batches {
        let images = Images::new([1, 3, 4], (0..240).collect(), (0..20).collect()).into();
        let normalization = Normalization::of(&images).unwrap();
        let augment = Augment { crop_padding: 1, flip: true, cutout: 2, ..Augment::NONE };
        Batches::new(Arc::new(images), &normalization, augment, 3).unwrap()
    }

    proptest! {
        #[test]
        fn prefetched_batches_are_the_same(number in 0u64.., n_ahead in 0usize..9, start in 0usize..6) {
            let batches = batches();
            let epoch = batches.epoch(Seed::new(number), 0);
            let expected: Vec<_> = (start..6).map(|step| batches.batch(&epoch, step).unwrap()).collect();
            let prefetch = batches.prefetch(epoch, start..6, n_ahead);
            prop_assert_eq!(prefetch.len(), 6 - start);
            prop_assert_eq!(prefetch.map(Result::unwrap).collect::<Vec<_>>(), expected);
        }
    }

    #[test]
    fn dropping_early_stops_the_thread() {
        let batches = batches();
        for n_taken in 0..4 {
            let epoch = batches.epoch(Seed::new(0), 0);
            let mut prefetch = batches.prefetch(epoch, 0..6, 1);
            assert_eq!(prefetch.by_ref().take(n_taken).count(), n_taken);
            drop(prefetch);
            // The thread was joined, so its share of the images is given back.
            assert_eq!(Arc::strong_count(batches.images()), 1);
        }
    }

    #[test]
    fn a_slow_caller_bounds_the_batches_in_memory() {
        let batches = batches();
        let epoch = batches.epoch(Seed::new(0), 0);
        let prefetch = batches.prefetch(epoch, 0..6, 2);
        sleep(Duration::from_millis(20));
        // The thread waits with its third batch: it has not ended.
        let (_, thread) = prefetch.running.as_ref().unwrap();
        assert!(!thread.is_finished());
    }

    #[test]
    fn an_ended_iterator_stays_ended() {
        let batches = batches();
        let mut prefetch = batches.prefetch(batches.epoch(Seed::new(0), 0), 5..6, 1);
        assert!(prefetch.next().is_some());
        assert!(prefetch.next().is_none());
        assert!(prefetch.next().is_none());
    }
}
