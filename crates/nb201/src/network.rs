//! The network whose cells hold every operation.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use rand_chacha::ChaCha8Rng;
use space::{Arch, EdgeId};
use supernet::{
    Activation, Affine, Conv, ConvConfig, ConvNorm, ConvNormConfig, Epsilon, Groups, Linear,
    Network, Norm, Pass, Taps, avg_pool2, avg_pool3, global_avg_pool,
};

use crate::cell::{EDGES, N_NODES, Operation, live_edges};
use crate::space_impl::{Block, Nb201};

/// Stem, cells with a residual reduction between stages, batch norm, pooling, classifier.
#[derive(Module, Debug)]
pub struct Nb201Network {
    stem: ConvNorm,
    cells: Vec<Cell>,
    reductions: Vec<Reduction>,
    norm: Norm,
    classifier: Linear,
    cells_per_stage: usize,
}

impl Nb201Network {
    /// Draws all weights.
    ///
    /// # Panics
    ///
    /// If the space has no cells, or its images cannot be halved twice.
    pub fn init(space: &Nb201, device: &Device, rng: &mut ChaCha8Rng) -> Self {
        let side = space.resolution;
        assert!(0 < space.config.cells_per_stage, "a network without cells");
        assert!(0 < side && side.is_multiple_of(4), "images of side {side} cannot be halved twice");
        let affine = if space.config.affine { Affine::Yes } else { Affine::No };
        let channels = space.config.channels;
        let stem = conv_norm(space.image_channels, channels, 3, Activation::None);
        let stem = stem.init(device, rng);
        let (mut cells, mut reductions) = (Vec::new(), Vec::new());
        for block in space.blocks() {
            match block {
                Block::Cell { channels } => cells.push(Cell::init(channels, affine, device, rng)),
                Block::Reduction { n_in, n_out } => {
                    reductions.push(Reduction::init(n_in, n_out, device, rng));
                }
            }
        }
        let last = space.last_channels();
        Self {
            stem,
            cells,
            reductions,
            norm: Norm::new(last, Affine::Yes, Epsilon::PyTorch, device),
            classifier: Linear::new(last, space.classes, device, rng),
            cells_per_stage: space.config.cells_per_stage,
        }
    }
}

impl Network for Nb201Network {
    /// The cells; the stem or a reduction is part of the cell after it. The stem alone is cheaper to run
    /// for every operation of an edge than to keep its output for all of them.
    fn n_parts(&self) -> usize {
        self.cells.len()
    }

    fn edges_of_part(&self, _part: usize) -> Vec<EdgeId> {
        (0..EDGES.len()).map(EdgeId).collect()
    }

    fn forward_part(
        &self,
        part: usize,
        mut x: Tensor<4>,
        arch: &Arch,
        pass: &mut Pass<'_>,
    ) -> Tensor<4> {
        if part == 0 {
            x = self.stem.forward(x, pass);
        } else if part.is_multiple_of(self.cells_per_stage) {
            x = self.reductions[part / self.cells_per_stage - 1].forward(x, pass);
            pass.tap(Taps::Blocks, &x);
        }
        let x = self.cells[part].forward(x, arch, pass);
        pass.tap(Taps::Blocks, &x);
        x
    }

    fn forward_head(&self, x: Tensor<4>, pass: &mut Pass<'_>) -> Tensor<2> {
        let x = self.norm.forward_relu(x, pass);
        self.classifier.forward(global_avg_pool(x, pass), pass)
    }

    fn edge_of(parameter: &str) -> Option<EdgeId> {
        let (_, rest) = parameter.strip_prefix("cells.")?.split_once(".edges.")?;
        rest.split('.').next()?.parse().ok().map(EdgeId)
    }
}

/// The operations of one cell that have parameters.
#[derive(Module, Debug)]
struct Cell {
    edges: Vec<Edge>,
}

#[derive(Module, Debug)]
struct Edge {
    conv_3x3: ConvNorm,
    conv_1x1: ConvNorm,
}

impl Cell {
    fn init(channels: usize, affine: Affine, device: &Device, rng: &mut ChaCha8Rng) -> Self {
        let mut conv = |kernel| {
            let config = conv_norm(channels, channels, kernel, Activation::ReluBefore);
            ConvNormConfig { affine, ..config }.init(device, rng)
        };
        Self {
            edges: EDGES.iter().map(|_| Edge { conv_3x3: conv(3), conv_1x1: conv(1) }).collect(),
        }
    }

    /// Runs the live edges only.
    ///
    /// # Shapes
    ///
    /// - `x` and output: `[b, c, h, w]`
    fn forward(&self, x: Tensor<4>, arch: &Arch, pass: &mut Pass<'_>) -> Tensor<4> {
        let live = live_edges(arch);
        let (dims, device) = (x.dims(), x.device());
        let mut nodes: [Option<Tensor<4>>; N_NODES] = Default::default();
        nodes[0] = Some(x);
        // Node by node, and each is given up once its edges have run: an activation is what probing
        // takes most memory for.
        for from in 0..N_NODES - 1 {
            let node = nodes[from].take();
            if 0 < from {
                match &node {
                    Some(node) => pass.tap(Taps::Nodes, node),
                    None => pass.tap(Taps::Nodes, &Tensor::zeros(dims, &device)),
                }
            }
            let Some(node) = node else { continue };
            let leaving = EDGES.iter().enumerate().filter(|(_, ends)| ends.0 == from);
            for (edge, &(_, to)) in leaving.filter(|&(edge, _)| live[edge]) {
                let operation = Operation::of(arch.op(EdgeId(edge)));
                let term = self.edges[edge].forward(node.clone(), operation, pass);
                nodes[to] = Some(match nodes[to].take() {
                    Some(sum) => sum + term,
                    None => term,
                });
            }
        }
        nodes[N_NODES - 1].take().unwrap_or_else(|| Tensor::zeros(dims, &device))
    }
}

impl Edge {
    fn forward(&self, x: Tensor<4>, operation: Operation, pass: &mut Pass<'_>) -> Tensor<4> {
        match operation {
            Operation::None => x.zeros_like(),
            Operation::AvgPool3x3 => avg_pool3(x, pass),
            Operation::Conv3x3 => self.conv_3x3.forward(x, pass),
            Operation::Conv1x1 => self.conv_1x1.forward(x, pass),
            Operation::Skip => x,
        }
    }
}

/// The residual block that halves the image and doubles the channels.
#[derive(Module, Debug)]
struct Reduction {
    conv_a: ConvNorm,
    conv_b: ConvNorm,
    downsample: Conv,
}

impl Reduction {
    fn init(n_in: usize, n_out: usize, device: &Device, rng: &mut ChaCha8Rng) -> Self {
        let conv_a =
            ConvNormConfig { stride: 2, ..conv_norm(n_in, n_out, 3, Activation::ReluBefore) };
        let downsample = ConvConfig { n_in, n_out, kernel: 1, stride: 1, groups: Groups::One };
        Self {
            conv_a: conv_a.init(device, rng),
            conv_b: conv_norm(n_out, n_out, 3, Activation::ReluBefore).init(device, rng),
            downsample: downsample.init(device, rng),
        }
    }

    /// # Shapes
    ///
    /// - `x`: `[b, c, h, w]`
    /// - output: `[b, 2c, h / 2, w / 2]`
    fn forward(&self, x: Tensor<4>, pass: &mut Pass<'_>) -> Tensor<4> {
        let residual = self.downsample.forward(avg_pool2(x.clone(), pass), pass);
        self.conv_b.forward(self.conv_a.forward(x, pass), pass) + residual
    }
}

fn conv_norm(n_in: usize, n_out: usize, kernel: usize, activation: Activation) -> ConvNormConfig {
    ConvNormConfig {
        n_in,
        n_out,
        kernel,
        stride: 1,
        groups: Groups::One,
        affine: Affine::Yes,
        epsilon: Epsilon::PyTorch,
        activation,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_know_their_edge() {
        let edge = Nb201Network::edge_of;
        assert_eq!(edge("cells.3.edges.2.conv_3x3.conv.weight"), Some(EdgeId(2)));
        assert_eq!(edge("reductions.0.conv_a.conv.weight"), None);
        assert_eq!(edge("classifier.weight"), None);
    }
}
