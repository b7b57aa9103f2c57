//! A space and a supernet in closed form, with a planted division.

use std::collections::BTreeMap;
use std::path::Path;

use data::Batch;
use rand::RngExt;
use space::{Arch, Cost, EdgeId, LatencyTable, Mask, OpId, SearchSpace, Seed, SpaceError};
use supernet::{
    Evaluation, Features, Imported, Lesson, Statistics, StepOptions, Supernet, SupernetError,
    TapSink, Taps,
};
use weights::Weights;

/// The edge whose operations are of two kinds.
pub(crate) const PLANTED_EDGE: EdgeId = EdgeId(1);

/// The operations of the first kind on [`PLANTED_EDGE`].
const FIRST_KIND: [OpId; 2] = [OpId(0), OpId(3)];

/// The edge whose operation 0 disconnects, and whose operation 1 makes edge 0 reach nothing.
pub(crate) const NONE_EDGE: EdgeId = EdgeId(2);

/// The operation of edge 0 whose paths have one tap less.
const SHALLOW: OpId = OpId(2);

/// Dimensions of the features at the taps, by kind; rotated in a space of [`N_FEATURES`].
const DIMENSIONS: [[usize; 4]; 2] = [[2, 6, 2, 6], [6, 2, 6, 2]];

const N_FEATURES: usize = 8;

/// Any number of edges; an architecture costs the sum of its operation numbers.
pub(crate) struct Toy {
    n_ops: Vec<usize>,
}

impl Toy {
    pub(crate) fn new(n_ops: &[usize]) -> Self {
        Self { n_ops: n_ops.to_vec() }
    }
}

fn has(arch: &Arch, edge: EdgeId, op: usize) -> bool {
    arch.ops().get(edge.0) == Some(&OpId(op))
}

fn is_connected(arch: &Arch) -> bool {
    !has(arch, NONE_EDGE, 0)
}

impl SearchSpace for Toy {
    fn name(&self) -> &'static str {
        "toy"
    }

    fn full_mask(&self) -> Mask {
        Mask::full(&self.n_ops)
    }

    fn edge_name(&self, edge: EdgeId) -> String {
        edge.0.to_string()
    }

    fn op_names(&self, _edge: EdgeId) -> &[&'static str] {
        &[]
    }

    fn parse(&self, _text: &str) -> Result<Arch, SpaceError> {
        unimplemented!("the toy has no texts")
    }

    fn format(&self, arch: &Arch) -> String {
        arch.to_string()
    }

    fn cost(&self, arch: &Arch) -> Cost {
        let parameters = arch.ops().iter().map(|op| op.0 as u64).sum();
        Cost { parameters, macs: 10 * parameters }
    }

    fn live_cost(&self, arch: &Arch) -> Cost {
        self.cost(arch)
    }

    fn live_depth(&self, arch: &Arch) -> usize {
        arch.n_edges()
    }

    fn is_connected(&self, arch: &Arch) -> bool {
        is_connected(arch)
    }

    /// Of operation 1 of [`NONE_EDGE`] the space does not tell, so that criteria must see it themselves.
    fn is_inert(&self, arch: &Arch, edge: EdgeId) -> bool {
        edge == EdgeId(0) && has(arch, NONE_EDGE, 3)
    }

    fn taps(&self, _arch: &Arch) -> Vec<[usize; 3]> {
        Vec::new()
    }
}

/// Features and gradients that depend on the kind of the planted operation, and noise by path.
pub(crate) struct ToyNet;

fn kind(arch: &Arch) -> usize {
    usize::from(!FIRST_KIND.contains(&arch.op(PLANTED_EDGE)))
}

/// The random stream of a path on a batch; edge 0 may be dead.
fn noise(arch: &Arch, batch: &Batch) -> Seed {
    let is_dead = has(arch, NONE_EDGE, 1);
    let live = if is_dead { arch.with(EdgeId(0), OpId(0)) } else { arch.clone() };
    Seed::new(u64::from(batch.images[0].to_bits())).child(&live.to_string())
}

/// Uniform points in a cube of the dimension of a tap.
fn features(arch: &Arch, batch: &Batch, tap: usize) -> Vec<f32> {
    let n = batch.labels.len();
    if !is_connected(arch) && 2 <= tap {
        return vec![0.0; n * N_FEATURES];
    }
    let dimension = DIMENSIONS[kind(arch)][tap];
    let mut rng = noise(arch, batch).child(&tap.to_string()).rng();
    let mut feature = |col| if col < dimension { rng.random() } else { 0.0 };
    (0..n * N_FEATURES).map(|i| feature(i % N_FEATURES)).collect()
}

impl Supernet for ToyNet {
    fn train_together(
        &mut self,
        _lesson: &Lesson<'_>,
        _archs: &[Arch],
        _options: &StepOptions,
    ) -> Result<f64, SupernetError> {
        unimplemented!("the toy has no weights")
    }

    fn evaluate(&self, _: &Arch, _: &[Batch], _: Statistics<'_>) -> Evaluation {
        unimplemented!("the toy has no weights")
    }

    fn probe(&self, archs: &[Arch], batch: &Batch, _taps: Taps, sink: &mut TapSink<'_>) {
        for (number, arch) in archs.iter().enumerate() {
            let is_shallow = arch.op(EdgeId(0)) == SHALLOW && !has(arch, NONE_EDGE, 1);
            for tap in 0..if is_shallow { 3 } else { 4 } {
                let features = features(arch, batch, tap);
                sink(number..number + 1, tap, &Features::on_host(&features, N_FEATURES));
            }
        }
    }

    fn shared_gradient(
        &self,
        arch: &Arch,
        batch: &Batch,
        edge: EdgeId,
    ) -> Result<BTreeMap<String, Vec<f32>>, SupernetError> {
        let mut rng = noise(arch, batch).rng();
        let mut near = |center: f32| center + 0.2 * (rng.random::<f32>() - 0.5);
        let mut gradient = BTreeMap::from([("classifier".to_owned(), vec![near(0.1), near(0.1)])]);
        if !is_connected(arch) {
            return Ok(gradient);
        }
        let shared = if kind(arch) == 0 { [1.0, 0.0, 0.5] } else { [0.0, 1.0, -0.5] };
        gradient.insert("stem".to_owned(), shared.map(&mut near).to_vec());
        if kind(arch) == 0 {
            gradient.insert("first-kind".to_owned(), vec![near(1.0)]);
        }
        for (other, op) in arch.ops().iter().enumerate().filter(|&(other, _)| other != edge.0) {
            let name = format!("edge-{other}/op-{}", op.0);
            gradient.insert(name, vec![near(0.1)]);
        }
        Ok(gradient)
    }

    fn answers(&self, _arch: &Arch, _batch: &Batch, _: Statistics<'_>) -> Vec<f32> {
        unimplemented!("the toy has no weights")
    }

    fn fork(&self) -> Box<dyn Supernet> {
        Box::new(Self)
    }

    fn averaged(&self) -> Box<dyn Supernet> {
        Box::new(Self)
    }

    fn save(&self, _file: &Path, _note: &str) -> Result<(), SupernetError> {
        unimplemented!("the toy has no weights")
    }

    fn load(&mut self, _file: &Path) -> Result<String, SupernetError> {
        unimplemented!("the toy has no weights")
    }

    fn import(&mut self, _published: &Weights) -> Result<Imported, SupernetError> {
        unimplemented!("the toy has no weights")
    }

    fn export(&self) -> Weights {
        unimplemented!("the toy has no weights")
    }

    fn store_statistics(&mut self, _arch: &Arch, _batches: &[Batch]) {
        unimplemented!("the toy has no weights")
    }

    fn measure_parts(
        &self,
        _mask: &Mask,
        _batch: &Batch,
        _repeats: usize,
    ) -> Result<LatencyTable, SupernetError> {
        unimplemented!("the toy takes no time")
    }

    fn measure(&self, _arch: &Arch, _batch: &Batch, _repeats: usize) -> f64 {
        unimplemented!("the toy takes no time")
    }
}

/// Batches of `n_images` whose content is their number.
pub(crate) fn batches(n_batches: usize, n_images: usize) -> Vec<Batch> {
    let batch = |number| Batch {
        images: vec![number as f32; n_images],
        labels: vec![0; n_images],
        shape: [n_images, 1, 1, 1],
    };
    (0..n_batches).map(batch).collect()
}
