//! The cell: four nodes, six edges, five operations.

use space::{Arch, EdgeId, OpId};

/// From which node to which each edge leads, in edge order.
pub(crate) const EDGES: [(usize, usize); 6] = [(0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3)];

/// Nodes of a cell; the first is its input, the last its output.
pub(crate) const N_NODES: usize = 4;

/// The names of the operations, in the order of their numbers.
pub(crate) const OP_NAMES: [&str; 5] =
    ["none", "avg_pool_3x3", "nor_conv_3x3", "nor_conv_1x1", "skip_connect"];

/// An operation on an edge of a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Zeros.
    None,
    /// The mean of each 3 × 3 neighborhood.
    AvgPool3x3,
    /// ReLU, 3 × 3 convolution, batch norm.
    Conv3x3,
    /// ReLU, 1 × 1 convolution, batch norm.
    Conv1x1,
    /// The input.
    Skip,
}

impl Operation {
    const ALL: [Self; 5] = [Self::None, Self::AvgPool3x3, Self::Conv3x3, Self::Conv1x1, Self::Skip];

    /// The operation of a number.
    ///
    /// # Panics
    ///
    /// If there is no such operation.
    pub fn of(op: OpId) -> Self {
        Self::ALL[op.0]
    }

    /// The side of the kernel of a convolution.
    pub fn kernel(self) -> Option<usize> {
        match self {
            Self::Conv3x3 => Some(3),
            Self::Conv1x1 => Some(1),
            Self::None | Self::AvgPool3x3 | Self::Skip => None,
        }
    }
}

/// Whether each edge lies on a path from input to output that no `none` cuts.
///
/// # Panics
///
/// If the architecture has another number of edges.
pub fn live_edges(arch: &Arch) -> [bool; EDGES.len()] {
    assert_eq!(arch.n_edges(), EDGES.len(), "edges of a cell");
    let open = |edge: usize| Operation::of(arch.op(EdgeId(edge))) != Operation::None;
    let (mut fed, mut used) = ([false; N_NODES], [false; N_NODES]);
    fed[0] = true;
    used[N_NODES - 1] = true;
    for (edge, &(from, to)) in EDGES.iter().enumerate() {
        fed[to] |= open(edge) && fed[from];
    }
    for (edge, &(from, to)) in EDGES.iter().enumerate().rev() {
        used[from] |= open(edge) && used[to];
    }
    let live = |edge: usize| {
        let (from, to) = EDGES[edge];
        open(edge) && fed[from] && used[to]
    };
    std::array::from_fn(live)
}

/// The canonical form of an architecture: equal for cells that compute the same by dropping `none`
/// and seeing through `skip_connect` (the isomorphism of the NAS-Bench-201 paper).
pub fn canonical(arch: &Arch) -> String {
    let mut nodes = vec!["0".to_owned()];
    for node in 1..N_NODES {
        let mut terms: Vec<String> = EDGES
            .iter()
            .enumerate()
            .filter(|(_, (_, to))| *to == node)
            .map(|(edge, (from, _))| {
                let input = &nodes[*from];
                match Operation::of(arch.op(EdgeId(edge))) {
                    Operation::None => "#".to_owned(),
                    Operation::Skip => input.clone(),
                    _ if input == "#" => "#".to_owned(),
                    _ => format!("({input})@{}", OP_NAMES[arch.op(EdgeId(edge)).0]),
                }
            })
            .collect();
        terms.sort_unstable();
        nodes.push(terms.join("+"));
    }
    nodes.pop().unwrap_or_default()
}
