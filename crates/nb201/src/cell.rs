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

    /// The number of the operation.
    pub(crate) fn id(self) -> OpId {
        OpId(self as usize)
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

/// Convolutions that follow one another, each with the pixels that it reaches to either side, on the path
/// through a cell that has most of that.
///
/// # Panics
///
/// If the architecture has another number of edges.
pub(crate) fn live_depth(arch: &Arch) -> usize {
    let live = live_edges(arch);
    let mut longest = [0; N_NODES];
    for (edge, &(from, to)) in EDGES.iter().enumerate().filter(|(edge, _)| live[*edge]) {
        let kernel = Operation::of(arch.op(EdgeId(edge))).kernel();
        longest[to] = longest[to].max(longest[from] + kernel.map_or(0, |side| side.div_ceil(2)));
    }
    longest[N_NODES - 1]
}

/// The canonical form of an architecture, as the NAS-Bench-201 paper counts cells: 6466 differ.
///
/// Each node is its sorted terms; `skip_connect` is seen through, and `none` and whatever follows
/// a node fed by one `none` is `#`. Equal forms compute the same. The converse does not hold: a sum
/// of zeros is not seen to be zero, and a sum that is skipped on is not merged into the next.
///
/// # Panics
///
/// If the architecture has fewer edges than a cell.
///
/// # Examples
///
/// ```
/// use nb201::{Nb201, Nb201Config, canonical};
/// use space::SearchSpace;
///
/// let config = Nb201Config { channels: 16, cells_per_stage: 5, affine: true };
/// let space = Nb201::new(&config, 3, 32, 10);
/// let a = "|skip_connect~0|+|none~0|none~1|+|nor_conv_1x1~0|nor_conv_3x3~1|none~2|";
/// let b = "|skip_connect~0|+|none~0|none~1|+|nor_conv_3x3~0|nor_conv_1x1~1|none~2|";
/// let [a, b] = [space.parse(a)?, space.parse(b)?];
/// assert_eq!(canonical(&a), canonical(&b));
/// # Ok::<(), space::SpaceError>(())
/// ```
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

#[cfg(test)]
mod tests {
    use space::Mask;

    use super::*;

    /// Every way from the input of a cell to its output, in edges.
    const PATHS: [&[usize]; 4] = [&[3], &[0, 4], &[1, 5], &[0, 2, 5]];

    #[test]
    fn live_edges_are_those_of_open_paths() {
        let (mut n_dead, mut n_live) = (0, 0);
        for arch in Mask::full(&[OP_NAMES.len(); EDGES.len()]).archs() {
            let open = |edge: &usize| arch.op(EdgeId(*edge)) != OpId(0);
            let paths = PATHS.iter().filter(|path| path.iter().all(open));
            let mut expected = [false; EDGES.len()];
            paths.copied().flatten().for_each(|&edge| expected[edge] = true);
            let live = live_edges(&arch);
            assert_eq!(live, expected, "{arch}");
            n_dead += usize::from(!live.contains(&true));
            n_live += live.into_iter().filter(|&is_live| is_live).count();
        }
        // Both counted in Python; `golden/nb201_archs.json` has the first as the number of
        // architectures whose output is constant.
        assert_eq!([n_dead, n_live], [341, 63_700]);
    }

    #[test]
    fn the_live_depth_is_that_of_the_deepest_open_path() {
        for arch in Mask::full(&[OP_NAMES.len(); EDGES.len()]).archs() {
            let op = |&edge: &usize| Operation::of(arch.op(EdgeId(edge)));
            let is_open = |path: &&&[usize]| path.iter().all(|edge| op(edge) != Operation::None);
            let depth = |path: &&'static [usize]| {
                path.iter().map(|edge| match op(edge) {
                    Operation::Conv3x3 => 2,
                    Operation::Conv1x1 => 1,
                    Operation::None | Operation::AvgPool3x3 | Operation::Skip => 0,
                })
            };
            let depths = PATHS.iter().filter(is_open).map(|path| depth(path).sum::<usize>());
            let expected = depths.max().unwrap_or(0);
            assert_eq!(live_depth(&arch), expected, "{arch}");
        }
    }

    #[track_caller]
    fn check(ops: [usize; 6], expected: &str) {
        assert_eq!(canonical(&Arch::new(ops.map(OpId).into())), expected);
    }

    #[test]
    fn canonical_forms_by_hand() {
        check([0, 0, 0, 0, 0, 0], "#+#+#");
        check([4, 4, 4, 4, 4, 4], "0+0+0+0");
        // A convolution of the zero at node 1 is zero, and terms are sorted.
        check([0, 0, 2, 2, 2, 0], "#+#+(0)@nor_conv_3x3");
        check([4, 0, 0, 3, 2, 0], "#+(0)@nor_conv_1x1+(0)@nor_conv_3x3");
        check([4, 0, 0, 2, 3, 0], "#+(0)@nor_conv_1x1+(0)@nor_conv_3x3");
        // The sum of two zeros is not seen to be zero.
        check([0, 0, 0, 4, 0, 2], "#+(#+#)@nor_conv_3x3+0");
    }
}
