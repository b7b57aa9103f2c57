//! Batches made ahead of need.

use std::{
    ops::Range,
    panic::resume_unwind,
    sync::mpsc::{Receiver, sync_channel},
    thread::{JoinHandle, spawn},
};

use crate::{Batch, Batches, Epoch};

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
/// let normalization = Normalization::of(&images)?;
/// let batches = Batches::new(Arc::new(images), &normalization, Augment::NONE, 2)?;
/// let epoch = batches.epoch(Seed::new(666), 0);
/// for (step, batch) in batches.prefetch(epoch.clone(), 0..3, 1).enumerate() {
///     assert_eq!(batch, batches.batch(&epoch, step));
/// }
/// # Ok::<(), data::DataError>(())
/// ```
#[derive(Debug)]
pub struct Prefetch {
    /// `None` once the thread has ended.
    running: Option<(Receiver<Batch>, JoinHandle<()>)>,
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
    type Item = Batch;

    fn next(&mut self) -> Option<Batch> {
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
