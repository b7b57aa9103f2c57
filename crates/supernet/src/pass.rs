//! One forward pass: where batch norm takes its statistics from, and who looks at the features.

use burn::module::{Param, ParamId};
use burn::tensor::module::{batch_norm, batch_norm_train};
use burn::tensor::{Device, Tensor};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::linear::prefix;
use crate::{Norm, StochasticDepth, Taps};

/// Mean and biased variance of each channel at one norm.
#[derive(Clone, Debug)]
pub struct Moments {
    /// Where the norm keeps its mean and variance.
    places: [ParamId; 2],
    mean: Tensor<1>,
    variance: Tensor<1>,
}

impl Moments {
    /// The average of several passes, norm by norm; each counts the same, however many images it saw.
    ///
    /// # Panics
    ///
    /// If there are no passes or they ran through different numbers of norms.
    pub fn average(passes: Vec<Vec<Self>>) -> Vec<Self> {
        let n = passes.len();
        let sum = passes.into_iter().reduce(|sum, pass| {
            assert_eq!(sum.len(), pass.len(), "passes of different architectures");
            let add = |(a, b): (Self, Self)| {
                let (mean, variance) = (a.mean + b.mean, a.variance + b.variance);
                Self { mean, variance, ..a }
            };
            sum.into_iter().zip(pass).map(add).collect()
        });
        let scale = 1.0 / n as f64;
        let divide = |m: Self| {
            let (mean, variance) = (m.mean * scale, m.variance * scale);
            Self { mean, variance, ..m }
        };
        sum.expect("at least one pass").into_iter().map(divide).collect()
    }

    /// Each of the two with the place where its norm keeps it.
    pub(crate) fn into_parts(self) -> [(ParamId, Tensor<1>); 2] {
        let [mean, variance] = self.places;
        [(mean, self.mean), (variance, self.variance)]
    }
}

/// What computes convolutions, norms and means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kernels {
    /// The fused ones of `flex-ops` on the processor and of `cube-ops` on a card.
    Fused,
    /// Those of burn everywhere.
    Stock,
}

/// The crate whose operations run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ops {
    /// burn's own, on any device.
    Stock,
    /// `flex-ops`.
    Flex,
    /// `cube-ops`.
    #[cfg(feature = "cuda")]
    Cube,
}

impl Kernels {
    /// Those that are taken on a device.
    pub(crate) fn on(self, device: &Device) -> Ops {
        match self {
            Self::Fused if flex_ops::is_supported(device) => Ops::Flex,
            #[cfg(feature = "cuda")]
            Self::Fused if cube_ops::is_supported(device) => Ops::Cube,
            Self::Fused | Self::Stock => Ops::Stock,
        }
    }
}

/// Where batch norm takes its statistics from.
enum Source {
    OfBatch,
    Recording(Vec<Moments>),
    Given {
        moments: Vec<Moments>,
        next: usize,
    },
    /// What each norm keeps.
    Stored,
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
/// The norms of a path are met in the same order on every pass, so recorded statistics are kept in
/// that order: probing and recalibration change no weight, and nothing that a norm keeps.
pub struct Pass<'a> {
    source: Source,
    viewer: Option<Viewer<'a>>,
    /// Who leaves out blocks, and the probability in the part that runs.
    lottery: Option<Lottery>,
    kernels: Kernels,
}

/// Leaves out blocks at random.
#[derive(Clone)]
struct Lottery {
    rate: f64,
    rng: ChaCha8Rng,
    /// Probability that a block of the present part is left out.
    here: f64,
}

/// What becomes of a block that adds its input.
pub enum Fate {
    /// Only its input goes on.
    LeftOut,
    /// It runs, and what it adds is multiplied by this, so that the mean over all fates is the same.
    Runs(f64),
}

impl<'a> Pass<'a> {
    /// Batch norm by the statistics of the batch.
    pub fn of_batch() -> Self {
        Self::new(Source::OfBatch)
    }

    fn new(source: Source) -> Self {
        Self { source, viewer: None, lottery: None, kernels: Kernels::Fused }
    }

    /// The same, computed by these kernels.
    #[must_use]
    pub fn by(self, kernels: Kernels) -> Self {
        Self { kernels, ..self }
    }

    /// The operations to take on a device.
    pub(crate) fn ops(&self, device: &Device) -> Ops {
        self.kernels.on(device)
    }

    /// The same, and blocks that add their input are left out at random.
    #[must_use]
    pub fn leaving_out(self, depth: StochasticDepth) -> Self {
        let lottery = Lottery { rate: depth.rate, rng: depth.seed.rng(), here: 0.0 };
        Self { lottery: Some(lottery), ..self }
    }

    /// One by the statistics of the batch that leaves out the blocks that this one will from here on.
    pub(crate) fn again(&self) -> Pass<'static> {
        Pass { lottery: self.lottery.clone(), ..Pass::of_batch() }.by(self.kernels)
    }

    /// A part of the network begins, of so many.
    pub(crate) fn enter(&mut self, part: usize, n_parts: usize) {
        if let Some(lottery) = &mut self.lottery {
            lottery.here = lottery.rate * (part + 1) as f64 / n_parts as f64;
        }
    }

    /// Decides about a block that adds its input.
    pub fn fate(&mut self) -> Fate {
        let Some(Lottery { rng, here, .. }) = &mut self.lottery else { return Fate::Runs(1.0) };
        if rng.random_bool(*here) { Fate::LeftOut } else { Fate::Runs(1.0 / (1.0 - *here)) }
    }

    /// Batch norm by the statistics of the batch, which are kept for [`Pass::into_moments`].
    pub fn recording() -> Self {
        Self::new(Source::Recording(Vec::new()))
    }

    /// Batch norm by statistics recorded before.
    pub fn given(moments: Vec<Moments>) -> Self {
        Self::new(Source::Given { moments, next: 0 })
    }

    /// Batch norm by the statistics that every norm keeps.
    pub fn stored() -> Self {
        Self::new(Source::Stored)
    }

    /// Batch norm by the statistics of the batch; `sink` sees the activation at every tap.
    pub fn tapped(taps: Taps, sink: Sink<'a>) -> Self {
        Self::tapped_from(0, taps, sink)
    }

    /// The same from the middle of a network on, whose next tap has this number.
    pub fn tapped_from(next: usize, taps: Taps, sink: Sink<'a>) -> Self {
        Self { viewer: Some(Viewer { wanted: taps, sink, next }), ..Self::of_batch() }
    }

    /// The number of the next tap that is looked at; zero if nobody looks.
    pub fn next_tap(&self) -> usize {
        self.viewer.as_ref().map_or(0, |viewer| viewer.next)
    }

    /// What a recording pass has recorded, norm by norm.
    pub fn into_moments(self) -> Vec<Moments> {
        match self.source {
            Source::Recording(moments) => moments,
            Source::OfBatch | Source::Given { .. } | Source::Stored => Vec::new(),
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

    /// Mean and variance of the first channels for the next norm, if this pass takes none of the batch.
    ///
    /// # Panics
    ///
    /// If they are of another path.
    pub(crate) fn next_given(&mut self, norm: &Norm, channels: usize) -> Option<[Tensor<1>; 2]> {
        match &mut self.source {
            Source::OfBatch | Source::Recording(_) => None,
            Source::Stored => {
                let first = |param: &Param<Tensor<1>>| prefix(param.val(), &[channels]);
                Some([first(&norm.mean), first(&norm.variance)])
            }
            Source::Given { moments, next } => {
                let Moments { places, mean, variance } = moments[*next].clone();
                assert_eq!(places, norm.places(), "statistics of another path");
                *next += 1;
                Some([mean, variance])
            }
        }
    }

    /// Keeps statistics of the batch if this pass records.
    pub(crate) fn observe(&mut self, norm: &Norm, mean: Tensor<1>, variance: Tensor<1>) {
        if let Source::Recording(moments) = &mut self.source {
            moments.push(Moments { places: norm.places(), mean, variance });
        }
    }

    /// Batch norm of as many channels as there are scales.
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
        norm: &Norm,
        x: Tensor<4>,
        [scale, shift]: [Tensor<1>; 2],
    ) -> Tensor<4> {
        let ([channels], epsilon) = (scale.dims(), f64::from(norm.epsilon.value()));
        if let Some([mean, variance]) = self.next_given(norm, channels) {
            return batch_norm(x, scale, shift, mean, variance, epsilon);
        }
        let normalized = batch_norm_train(x, scale, shift, epsilon);
        self.observe(norm, normalized.mean, normalized.variance);
        normalized.output
    }
}
