//! One forward pass: where batch norm takes its statistics from, and who looks at the features.

use burn::tensor::Tensor;
use burn::tensor::module::{batch_norm, batch_norm_train};

use crate::Taps;

/// Added to a variance before its root is taken, as in PyTorch.
const EPSILON: f64 = 1e-5;

/// Mean and biased variance of each channel.
#[derive(Clone, Debug)]
pub struct Moments {
    mean: Tensor<1>,
    variance: Tensor<1>,
}

impl Moments {
    /// The average of several passes, norm by norm.
    ///
    /// # Panics
    ///
    /// If there are no passes or they ran through different numbers of norms.
    pub fn average(passes: Vec<Vec<Self>>) -> Vec<Self> {
        let n = passes.len();
        let sum = passes.into_iter().reduce(|sum, pass| {
            assert_eq!(sum.len(), pass.len(), "passes of different architectures");
            let add = |(a, b): (Self, Self)| Self {
                mean: a.mean + b.mean,
                variance: a.variance + b.variance,
            };
            sum.into_iter().zip(pass).map(add).collect()
        });
        let scale = 1.0 / n as f64;
        let divide = |m: Self| Self { mean: m.mean * scale, variance: m.variance * scale };
        sum.expect("at least one pass").into_iter().map(divide).collect()
    }
}

/// Where batch norm takes its statistics from.
enum Source {
    OfBatch,
    Recording(Vec<Moments>),
    Given { moments: Vec<Moments>, next: usize },
}

/// Receives the number of a tap and the activation `[b, c, h, w]` there.
type Sink<'a> = &'a mut dyn FnMut(usize, Tensor<4>);

/// Who looks at which taps, and the number of the next.
struct Viewer<'a> {
    wanted: Taps,
    sink: Sink<'a>,
    next: usize,
}

impl Viewer<'_> {
    fn sees(&self, kind: Taps) -> bool {
        self.wanted == Taps::Nodes || kind == Taps::Blocks
    }
}

/// One forward pass through a network along one path.
///
/// The norms of a path are met in the same order on every pass, so statistics are kept in that
/// order and never in the network: probing and recalibration change no weight and no statistic.
pub struct Pass<'a> {
    source: Source,
    viewer: Option<Viewer<'a>>,
}

impl<'a> Pass<'a> {
    /// Batch norm by the statistics of the batch.
    pub fn of_batch() -> Self {
        Self { source: Source::OfBatch, viewer: None }
    }

    /// The same, and the statistics are kept for [`Pass::into_moments`].
    pub fn recording() -> Self {
        Self { source: Source::Recording(Vec::new()), viewer: None }
    }

    /// Batch norm by statistics recorded before.
    pub fn given(moments: Vec<Moments>) -> Self {
        Self { source: Source::Given { moments, next: 0 }, viewer: None }
    }

    /// Batch norm by the statistics of the batch; `sink` sees the activation at every tap.
    pub fn tapped(taps: Taps, sink: Sink<'a>) -> Self {
        Self::tapped_from(0, taps, sink)
    }

    /// The same from the middle of a network on, whose next tap has this number.
    pub fn tapped_from(next: usize, taps: Taps, sink: Sink<'a>) -> Self {
        Self { source: Source::OfBatch, viewer: Some(Viewer { wanted: taps, sink, next }) }
    }

    /// The number of the next tap that is looked at; zero if nobody looks.
    pub fn next_tap(&self) -> usize {
        self.viewer.as_ref().map_or(0, |viewer| viewer.next)
    }

    /// What a recording pass has recorded, norm by norm.
    pub fn into_moments(self) -> Vec<Moments> {
        match self.source {
            Source::Recording(moments) => moments,
            Source::OfBatch | Source::Given { .. } => Vec::new(),
        }
    }

    /// Shows an activation to whoever looks at taps of this kind.
    ///
    /// # Shapes
    ///
    /// - `x`: `[b, c, h, w]`
    pub fn tap(&mut self, kind: Taps, x: &Tensor<4>) {
        if let Some(viewer) = self.viewer.as_mut().filter(|viewer| viewer.sees(kind)) {
            (viewer.sink)(viewer.next, x.clone());
            viewer.next += 1;
        }
    }

    /// Leaves out the number of a tap that other paths have, so that a place has one number on all.
    pub fn skip_tap(&mut self, kind: Taps) {
        if let Some(viewer) = self.viewer.as_mut().filter(|viewer| viewer.sees(kind)) {
            viewer.next += 1;
        }
    }

    /// Mean and variance for the next norm, if this pass was given them.
    ///
    /// # Panics
    ///
    /// If they are of another path.
    pub(crate) fn next_given(&mut self) -> Option<[Tensor<1>; 2]> {
        let Source::Given { moments, next } = &mut self.source else { return None };
        let Moments { mean, variance } = moments[*next].clone();
        *next += 1;
        Some([mean, variance])
    }

    /// Keeps statistics of the batch if this pass records.
    pub(crate) fn observe(&mut self, mean: Tensor<1>, variance: Tensor<1>) {
        if let Source::Recording(moments) = &mut self.source {
            moments.push(Moments { mean, variance });
        }
    }

    /// Batch norm.
    ///
    /// # Shapes
    ///
    /// - `x` and output: `[b, c, h, w]`
    /// - `scale`, `shift`: `[c]`
    ///
    /// # Panics
    ///
    /// If given statistics are of another path.
    pub(crate) fn normalize(
        &mut self,
        x: Tensor<4>,
        scale: Tensor<1>,
        shift: Tensor<1>,
    ) -> Tensor<4> {
        if let Some([mean, variance]) = self.next_given() {
            return batch_norm(x, scale, shift, mean, variance, EPSILON);
        }
        let normalized = batch_norm_train(x, scale, shift, EPSILON);
        self.observe(normalized.mean, normalized.variance);
        normalized.output
    }
}
