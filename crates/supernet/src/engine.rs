//! The supernet of any network made of burn modules.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId};
use burn::tensor::activation::softmax;
use burn::tensor::{Device, Tensor, TensorData};
use data::Batch;
use flex_ops::PROFILE;
use space::{Accuracy, Arch, EdgeId, LatencyTable, Mask};
use tracing::trace_span;
use weights::Weights;

use crate::checkpoint::{self, Trained, to_host};
use crate::gradient::{self, Backward, RoundTrip};
use crate::loss::{Teacher, cross_entropy, loss, on_device};
use crate::optimizer::{self, State};
use crate::{
    Evaluation, Features, Imported, Kept, Kernels, Lesson, Moments, Pass, Statistics, StepOptions,
    Supernet, SupernetError, TapSink, Taps,
};
use crate::{latency, published};

/// A network of one space that can run along any of its paths: parts in a row, and a head.
pub trait Network: Module + Sync + 'static {
    /// How many parts follow one another before the head.
    fn n_parts(&self) -> usize;

    /// The edges whose operations a part runs, or that decide whether it is there at all.
    fn edges_of_part(&self, part: usize) -> Vec<EdgeId>;

    /// Computes one part.
    ///
    /// # Shapes
    ///
    /// - `x`: `[b, c, h, w]`, the images for the first part
    /// - output: `[b, c′, h′, w′]`
    fn forward_part(
        &self,
        part: usize,
        x: Tensor<4>,
        arch: &Arch,
        pass: &mut Pass<'_>,
    ) -> Tensor<4>;

    /// Computes the logits from what the last part gives.
    ///
    /// # Shapes
    ///
    /// - `x`: `[b, c, h, w]`
    /// - output: `[b, classes]`
    fn forward_head(&self, x: Tensor<4>, pass: &mut Pass<'_>) -> Tensor<2>;

    /// Computes the logits along one path.
    ///
    /// # Shapes
    ///
    /// - `images`: `[b, c, h, w]`
    /// - output: `[b, classes]`
    fn forward(&self, images: Tensor<4>, arch: &Arch, pass: &mut Pass<'_>) -> Tensor<2> {
        let n_parts = self.n_parts();
        let part = |x, part| {
            pass.enter(part, n_parts);
            self.forward_part(part, x, arch, pass)
        };
        let x = (0..n_parts).fold(images, part);
        self.forward_head(x, pass)
    }

    /// The edge that a parameter belongs to, by the path of its name; none for shared layers.
    fn edge_of(parameter: &str) -> Option<EdgeId>;

    /// The name of a tensor in the published PyTorch network; its own name if none was published.
    fn published_name(tensor: &str) -> String {
        tensor.to_owned()
    }
}

/// A network, what its training remembers, and the device it lives on.
pub struct Engine<N> {
    trained: Trained<N>,
    device: Device,
    kernels: Kernels,
    kept: Kept,
}

impl<N: Network> Engine<N> {
    /// Takes a network whose parameters live on `device.autodiff()`.
    pub fn new(network: N, device: &Device) -> Self {
        let trained = Trained { network, state: State::new(), average: None };
        Self { trained, device: device.clone(), kernels: Kernels::Fused, kept: Kept::Activations }
    }

    /// Makes a network on `device.autodiff()`. On a card its weights stay out of the memory that comes and goes with
    /// every step, which is looked through for each new tensor; so does what replaces them if CubeCL's
    /// `memory.persistent_memory` is `size-match`.
    pub fn build(device: &Device, init: impl Fn(&Device) -> N + Send) -> Self {
        let tracked = device.clone().autodiff();
        let network = device.memory_persistent_allocations(tracked, move |device| init(&device));
        Self::new(network, device)
    }

    /// The same, and it computes by these kernels.
    #[must_use]
    pub fn by(self, kernels: Kernels) -> Self {
        Self { kernels, ..self }
    }

    /// The same, and its gradients keep this between forward and backward.
    #[must_use]
    pub fn keeping(self, kept: Kept) -> Self {
        Self { kept, ..self }
    }

    /// Another network in the place of this one, untrained.
    fn with(&self, network: N) -> Self {
        Self::new(network, &self.device).by(self.kernels).keeping(self.kept)
    }

    /// The network with the weights as they are.
    pub fn network(&self) -> &N {
        &self.trained.network
    }

    /// The loss along one path and its gradient, and the logits.
    fn backward(
        &self,
        lesson: &Lesson<'_>,
        teacher: Option<&Teacher>,
        arch: &Arch,
        label_smoothing: f64,
    ) -> Backward {
        let pass = Pass::of_batch().by(self.kernels);
        let pass = match lesson.stochastic_depth {
            Some(depth) => pass.leaving_out(depth),
            None => pass,
        };
        let trip = RoundTrip { network: self.network(), arch, pass };
        let loss = |logits| loss(lesson, teacher, logits, label_smoothing);
        trip.run(images(lesson.batch, &self.device), loss, self.kept)
    }

    /// Makes passes whose norms take these statistics.
    fn passes<'p>(&self, arch: &Arch, statistics: Statistics<'_>) -> Box<dyn Fn() -> Pass<'p>> {
        let kernels = self.kernels;
        match statistics {
            Statistics::OfBatch => Box::new(move || Pass::of_batch().by(kernels)),
            Statistics::Stored => Box::new(move || Pass::stored().by(kernels)),
            Statistics::Recalibrated(training) => {
                let moments = self.moments(arch, training);
                Box::new(move || Pass::given(moments.clone()).by(kernels))
            }
        }
    }

    /// The average over the batches of the statistics at every norm on the path.
    fn moments(&self, arch: &Arch, batches: &[Batch]) -> Vec<Moments> {
        let network = self.network().valid();
        let record = |batch| {
            let mut pass = Pass::recording().by(self.kernels);
            network.forward(images(batch, &self.device), arch, &mut pass);
            pass.into_moments()
        };
        Moments::average(batches.iter().map(record).collect())
    }
}

impl<N: Network> Supernet for Engine<N> {
    fn train_together(
        &mut self,
        lesson: &Lesson<'_>,
        archs: &[Arch],
        options: &StepOptions,
    ) -> Result<f64, SupernetError> {
        let (mut sum, mut losses) = (optimizer::Sum::new(), Vec::new());
        let mut teacher = lesson.teacher.map(|(answers, share)| {
            let shape = [lesson.batch.labels.len(), answers.len() / lesson.batch.labels.len()];
            let data = TensorData::new(answers.to_vec(), shape);
            Teacher { probabilities: Tensor::from_data(data, &self.device), share }
        });
        for (number, arch) in archs.iter().enumerate() {
            let Backward { loss, gradients, logits } =
                self.backward(lesson, teacher.as_ref(), arch, options.label_smoothing);
            let _span = trace_span!(target: PROFILE, "optimizer").entered();
            optimizer::merge(&mut sum, gradients);
            losses.push(loss);
            if number == 0 && 0.0 < lesson.distillation {
                let (probabilities, share) = (softmax(logits, 1), lesson.distillation);
                teacher = Some(Teacher { probabilities, share });
            }
        }
        let losses = gradient::numbers(losses, archs)?;
        let _span = trace_span!(target: PROFILE, "optimizer").entered();
        let (trained, kernels) = (&mut self.trained, self.kernels);
        let network = trained.network.clone();
        trained.network = optimizer::step(network, sum, &mut trained.state, options, kernels)
            .map_err(|norm| SupernetError::Gradient { norm, arch: archs[0].clone() })?;
        if let Some(keep) = options.averaging {
            let average = trained.average.take().unwrap_or_else(|| trained.network.clone());
            trained.average = Some(optimizer::blend(average, keep, &trained.network));
        }
        Ok(losses.iter().sum::<f64>() / losses.len() as f64)
    }

    fn evaluate(&self, arch: &Arch, batches: &[Batch], statistics: Statistics<'_>) -> Evaluation {
        assert!(!batches.is_empty(), "nothing to evaluate on");
        let network = self.network().valid();
        let pass = self.passes(arch, statistics);
        let examine = |batch: &Batch| {
            let logits = network.forward(images(batch, &self.device), arch, &mut pass());
            let labels = on_device(&batch.labels, &self.device);
            let [b, _] = logits.dims();
            let right = logits.clone().argmax(1).reshape([b]).equal(labels.clone());
            (b, right.int().sum(), cross_entropy(logits, labels, 0.0))
        };
        // All are on their way before the first is waited for.
        let examined: Vec<_> = batches.iter().map(examine).collect();
        let (mut n, mut n_right, mut loss) = (0, 0, 0.0);
        for (b, right, mean) in examined {
            n_right += right.into_scalar::<i64>() as usize;
            loss += f64::from(mean.into_scalar::<f32>()) * b as f64;
            n += b;
        }
        Evaluation { accuracy: Accuracy::from_counts(n_right, n), loss: loss / n as f64 }
    }

    fn answers(&self, arch: &Arch, batch: &Batch, statistics: Statistics<'_>) -> Vec<f32> {
        let mut pass = self.passes(arch, statistics)();
        let images = images(batch, &self.device);
        to_host(softmax(self.network().valid().forward(images, arch, &mut pass), 1))
    }

    fn probe(&self, archs: &[Arch], batch: &Batch, taps: Taps, sink: &mut TapSink<'_>) {
        let Some(first) = archs.first() else { return };
        let network = self.network().valid();
        let n_shared = n_shared_parts(&network, archs);
        let mut see = |tap, x| show(x, |features| sink(0..archs.len(), tap, features));
        let mut pass = Pass::tapped(taps, &mut see).by(self.kernels);
        let part = |x, part| network.forward_part(part, x, first, &mut pass);
        let shared = (0..n_shared).fold(images(batch, &self.device), part);
        let next_tap = pass.next_tap();

        for (number, arch) in archs.iter().enumerate() {
            let mut see = |tap, x| show(x, |features| sink(number..number + 1, tap, features));
            let mut pass = Pass::tapped_from(next_tap, taps, &mut see).by(self.kernels);
            let part = |x, part| network.forward_part(part, x, arch, &mut pass);
            let x = (n_shared..network.n_parts()).fold(shared.clone(), part);
            network.forward_head(x, &mut pass);
        }
    }

    fn shared_gradient(
        &self,
        arch: &Arch,
        batch: &Batch,
        edge: EdgeId,
    ) -> Result<BTreeMap<String, Vec<f32>>, SupernetError> {
        let Backward { loss, gradients, .. } =
            self.backward(&Lesson::plain(batch), None, arch, 0.0);
        gradient::numbers(vec![loss], std::slice::from_ref(arch))?;
        let shared = |name: &str| N::edge_of(name) != Some(edge);
        let mut collect = Collect { path: Vec::new(), gradients, shared, found: BTreeMap::new() };
        self.network().visit(&mut collect);
        Ok(collect.found)
    }

    fn fork(&self) -> Box<dyn Supernet> {
        Box::new(self.with(self.network().clone()))
    }

    fn averaged(&self) -> Box<dyn Supernet> {
        let average = self.trained.average.as_ref().unwrap_or(self.network());
        Box::new(self.with(average.clone()))
    }

    fn save(&self, file: &Path, note: &str) -> Result<(), SupernetError> {
        checkpoint::save(&self.trained, note, file)
    }

    fn load(&mut self, file: &Path) -> Result<String, SupernetError> {
        let (trained, note) = checkpoint::load(self.network().clone(), &self.device, file)?;
        self.trained = trained;
        Ok(note)
    }

    fn import(&mut self, published: &Weights) -> Result<Imported, SupernetError> {
        let (network, imported) = published::import(self.network().clone(), published)?;
        *self = self.with(network);
        Ok(imported)
    }

    fn export(&self) -> Weights {
        published::export(self.network())
    }

    fn store_statistics(&mut self, arch: &Arch, batches: &[Batch]) {
        let parts = self.moments(arch, batches).into_iter().flat_map(Moments::into_parts);
        self.trained.network = self.network().clone().map(&mut Store(parts.collect()));
    }

    fn measure_parts(
        &self,
        mask: &Mask,
        batch: &Batch,
        repeats: usize,
    ) -> Result<LatencyTable, SupernetError> {
        let images = images(batch, &self.device);
        latency::measure(&self.network().valid(), self.kernels, mask, images, repeats)
    }

    fn measure(&self, arch: &Arch, batch: &Batch, repeats: usize) -> f64 {
        let (network, images) = (self.network().valid(), images(batch, &self.device));
        latency::fastest(&self.device, repeats, || {
            network.forward(images.clone(), arch, &mut Pass::stored().by(self.kernels))
        })
    }
}

/// Puts statistics of the first channels where norms keep them.
struct Store(HashMap<ParamId, Tensor<1>>);

impl ModuleMapper for Store {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some(new) = self.0.remove(&param.id) else { return param };
        param.map(|old| {
            let mut values = to_host(old.clone());
            values[..new.dims()[0]].copy_from_slice(&to_host(new));
            Tensor::from_data(TensorData::new(values, old.dims()), &old.device())
        })
    }
}

/// How many of the first parts are the same for all architectures.
fn n_shared_parts<N: Network>(network: &N, archs: &[Arch]) -> usize {
    let agree = |edge: &EdgeId| archs.windows(2).all(|pair| pair[0].op(*edge) == pair[1].op(*edge));
    let is_shared = |part: &usize| network.edges_of_part(*part).iter().all(agree);
    (0..network.n_parts()).take_while(is_shared).count()
}

/// Shows an activation `[b, c, h, w]` as features where it lies.
fn show(x: Tensor<4>, sink: impl FnOnce(&Features<'_>)) {
    let [b, c, h, w] = x.dims();
    if flex_ops::is_supported(&x.device()) {
        sink(&Features::on_host(&to_host(x), c * h * w));
    } else {
        sink(&Features::on_device(&x.reshape([b, c * h * w])));
    }
}

/// Gathers the gradients of the parameters that satisfy `shared`.
struct Collect<F> {
    path: Vec<String>,
    gradients: optimizer::Sum,
    shared: F,
    found: BTreeMap<String, Vec<f32>>,
}

impl<F: Fn(&str) -> bool> ModuleVisitor for Collect<F> {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let name = self.path.join(".");
        if (self.shared)(&name)
            && let Some(gradient) = self.gradients.remove(&param.id)
        {
            self.found.insert(name, to_host(gradient));
        }
    }
}

fn images(batch: &Batch, device: &Device) -> Tensor<4> {
    Tensor::from_data(TensorData::new(batch.images.clone(), batch.shape), device)
}
