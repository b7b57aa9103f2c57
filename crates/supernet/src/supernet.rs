//! The object-safe face of a supernet, whatever its space and device.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use data::Batch;
use space::{Accuracy, Arch, EdgeId, LatencyTable, Mask, Seed, Valid};
use weights::Weights;

use crate::{Features, Imported, Optimizer, SupernetError};

/// How one step changes the weights.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepOptions {
    /// Learning rate.
    pub lr: f64,
    /// How the gradient becomes an update.
    pub optimizer: Optimizer,
    /// L2 penalty, added to the gradient; the share by which AdamW shrinks weights at learning rate 1. Of every tensor that
    /// is trained: Cai et al. 2020 spare norms and biases.
    pub weight_decay: f64,
    /// Largest L2 norm of the whole gradient; none: no clipping.
    pub max_gradient_norm: Option<f64>,
    /// Probability mass spread evenly over all classes, in `[0, 1)`.
    pub label_smoothing: f64,
    /// The share that the average of the weights keeps at each step; none: no average.
    pub averaging: Option<f64>,
}

/// Blocks that add their input are left out at random in training (Huang et al. 2016).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StochasticDepth {
    /// Probability in the last part of the network; that of the others rises to it with their place.
    pub rate: f64,
    /// The stream of this step.
    pub seed: Seed,
}

/// What networks learn from in one step.
#[derive(Clone, Copy, Debug)]
pub struct Lesson<'a> {
    /// Images and labels.
    pub batch: &'a Batch,
    /// The labels of images that were mixed into those of the batch, and the share of its own.
    pub mixed: Option<(&'a [i32], f64)>,
    /// The probabilities that another network answers, `[b × classes]` row by row, and the share of the
    /// loss that is the cross-entropy with them instead of the labels.
    pub teacher: Option<(&'a [f32], f64)>,
    /// The same share, with the first of several networks as the teacher of the others (in-place
    /// distillation, Yu and Huang 2019; OFA and BigNAS distil from their largest network).
    pub distillation: f64,
    /// Whether blocks are left out at random.
    pub stochastic_depth: Option<StochasticDepth>,
}

impl<'a> Lesson<'a> {
    /// The labels alone, to all of the network.
    pub fn plain(batch: &'a Batch) -> Self {
        Self { batch, mixed: None, teacher: None, distillation: 0.0, stochastic_depth: None }
    }
}

/// Which activations are recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Taps {
    /// The output of every block.
    Blocks,
    /// Those, and every node inside a block.
    Nodes,
}

/// Where batch norm takes its mean and variance from when weights are evaluated.
#[derive(Clone, Copy, Debug)]
pub enum Statistics<'a> {
    /// The batch itself.
    OfBatch,
    /// The average over these batches, measured anew for the architecture at hand.
    Recalibrated(&'a [Batch]),
    /// What the norms keep: of published weights, or of [`Supernet::store_statistics`].
    Stored,
}

/// How well an architecture does with inherited weights.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Evaluation {
    /// Top-1 accuracy on the validation images.
    pub accuracy: Accuracy<Valid>,
    /// Mean cross-entropy in nats.
    pub loss: f64,
}

/// Receives which of the architectures have these features, the number of the tap and the features.
pub type TapSink<'a> = dyn FnMut(Range<usize>, usize, &Features<'_>) + 'a;

/// Weights shared by every architecture of a space.
pub trait Supernet: Send + Sync {
    /// One step of gradient descent along one path; tensors of which no part is on it do not move.
    ///
    /// Returns the loss before the step, in nats.
    ///
    /// # Errors
    ///
    /// If the loss or its gradient is not finite; the weights are then unchanged.
    fn train_step(
        &mut self,
        batch: &Batch,
        arch: &Arch,
        options: &StepOptions,
    ) -> Result<f64, SupernetError> {
        self.train_together(&Lesson::plain(batch), std::slice::from_ref(arch), options)
    }

    /// One step of gradient descent on the sum of the losses along several paths.
    ///
    /// Returns their mean before the step, in nats.
    ///
    /// # Errors
    ///
    /// If a loss or the gradient is not finite; the weights are then unchanged.
    fn train_together(
        &mut self,
        lesson: &Lesson<'_>,
        archs: &[Arch],
        options: &StepOptions,
    ) -> Result<f64, SupernetError>;

    /// Accuracy and loss of `arch` on `batches`; changes nothing.
    ///
    /// # Panics
    ///
    /// If there are no batches.
    fn evaluate(&self, arch: &Arch, batches: &[Batch], statistics: Statistics<'_>) -> Evaluation;

    /// The probabilities of the classes of every image, `[b × classes]` row by row; changes nothing.
    fn answers(&self, arch: &Arch, batch: &Batch, statistics: Statistics<'_>) -> Vec<f32>;

    /// Passes `batch` forward along each of `archs`, handing out the features of one tap at a time.
    ///
    /// Up to the first place where two of them part, the batch goes once for all. Batch norm uses the
    /// statistics of the batch; nothing is changed, no graph is kept.
    fn probe(&self, archs: &[Arch], batch: &Batch, taps: Taps, sink: &mut TapSink<'_>);

    /// The gradient of the loss on every parameter of the path but those of `edge`, by name.
    ///
    /// # Errors
    ///
    /// If the loss is not finite.
    fn shared_gradient(
        &self,
        arch: &Arch,
        batch: &Batch,
        edge: EdgeId,
    ) -> Result<BTreeMap<String, Vec<f32>>, SupernetError>;

    /// A copy that trains on its own; it starts without momentum.
    fn fork(&self) -> Box<dyn Supernet>;

    /// A copy with the average of the weights over the steps, where there is one.
    fn averaged(&self) -> Box<dyn Supernet>;

    /// Writes weights, what training remembers, and `note` to a safetensors file, whole or not at all.
    ///
    /// # Errors
    ///
    /// If the file cannot be written.
    fn save(&self, file: &Path, note: &str) -> Result<(), SupernetError>;

    /// Reads what [`Supernet::save`] wrote, and returns its note.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, is not as it was written or is of another network; the weights are then unchanged.
    fn load(&mut self, file: &Path) -> Result<String, SupernetError>;

    /// Takes the weights of a published PyTorch network; training starts anew, without momentum.
    ///
    /// A classifier for other classes is left as it is.
    ///
    /// # Errors
    ///
    /// If a tensor is missing or has another shape; the weights are then unchanged.
    fn import(&mut self, published: &Weights) -> Result<Imported, SupernetError>;

    /// All weights and kept statistics under the names of the published PyTorch network.
    fn export(&self) -> Weights;

    /// Keeps at every norm of `arch` the average statistics over these batches.
    ///
    /// # Panics
    ///
    /// If there are no batches.
    fn store_statistics(&mut self, arch: &Arch, batches: &[Batch]);

    /// Seconds of every part with every choice of its operations under a mask, the fastest of `repeats`
    /// runs each; batch norm by what norms keep.
    ///
    /// # Errors
    ///
    /// If a part has more choices than can be measured one by one, as a cell of many edges has.
    fn measure_parts(
        &self,
        mask: &Mask,
        batch: &Batch,
        repeats: usize,
    ) -> Result<LatencyTable, SupernetError>;

    /// Seconds of a forward pass along `arch`, as [`Supernet::measure_parts`] measures.
    fn measure(&self, arch: &Arch, batch: &Batch, repeats: usize) -> f64;
}
