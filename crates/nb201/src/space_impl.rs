//! NAS-Bench-201 as a search space: texts, costs, taps.

use serde::{Deserialize, Serialize};
use space::{Arch, ArchFault, Cost, EdgeId, Mask, OpId, SearchSpace, SpaceError, Tally};

use crate::cell::{EDGES, N_NODES, OP_NAMES, Operation, live_depth, live_edges};

/// The stages of the network; the channels double and the images halve between them.
pub(crate) const N_STAGES: usize = 3;

/// Sizes of the networks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Nb201Config {
    /// Channels of the first stage.
    pub channels: usize,
    /// Cells in each of the three stages.
    pub cells_per_stage: usize,
    /// Whether the batch norms on edges have a trained scale and shift.
    pub affine: bool,
}

/// The NAS-Bench-201 search space (Dong & Yang 2020) on images of one size.
///
/// # Examples
///
/// ```
/// use nb201::{Nb201, Nb201Config};
/// use space::SearchSpace;
///
/// let config = Nb201Config { channels: 16, cells_per_stage: 5, affine: true };
/// let space = Nb201::new(&config, 3, 32, 10);
/// let text = "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|\
///             +|nor_conv_3x3~0|nor_conv_3x3~1|nor_conv_3x3~2|";
/// let arch = space.parse(text)?;
/// assert_eq!(space.cost(&arch).parameters, 1_531_546);
/// assert_eq!(space.format(&arch), text);
/// # Ok::<(), space::SpaceError>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Nb201 {
    pub(crate) config: Nb201Config,
    pub(crate) image_channels: usize,
    pub(crate) classes: usize,
    pub(crate) resolution: usize,
}

/// One block between stem and classifier.
pub(crate) enum Block {
    /// A cell with as many channels in as out.
    Cell { channels: usize },
    /// A residual block that halves the image and doubles the channels.
    Reduction { n_in: usize, n_out: usize },
}

impl Nb201 {
    /// The space for images of `image_channels × resolution × resolution` in `classes` classes.
    pub fn new(
        config: &Nb201Config,
        image_channels: usize,
        resolution: usize,
        classes: usize,
    ) -> Self {
        Self { config: *config, image_channels, classes, resolution }
    }

    /// The blocks from first to last.
    pub(crate) fn blocks(&self) -> Vec<Block> {
        let mut blocks = Vec::new();
        for stage in 0..N_STAGES {
            let channels = self.config.channels << stage;
            if 0 < stage {
                blocks.push(Block::Reduction { n_in: channels / 2, n_out: channels });
            }
            blocks.extend((0..self.config.cells_per_stage).map(|_| Block::Cell { channels }));
        }
        blocks
    }

    /// Channels after the last stage.
    pub(crate) fn last_channels(&self) -> usize {
        self.config.channels << (N_STAGES - 1)
    }

    fn cost_of_edges(&self, arch: &Arch, counts: impl Fn(usize) -> bool) -> Cost {
        let mut tally = Tally::new([self.image_channels, self.resolution, self.resolution]);
        tally.conv(self.config.channels, 3, 1).norm();
        for block in self.blocks() {
            match block {
                Block::Cell { channels } => {
                    let kernels = (0..EDGES.len()).filter(|&edge| counts(edge));
                    for kernel in kernels.filter_map(|e| Operation::of(arch.op(EdgeId(e))).kernel())
                    {
                        tally.conv(channels, kernel, 1);
                        if self.config.affine {
                            tally.norm();
                        }
                    }
                }
                Block::Reduction { n_in, n_out } => {
                    tally.conv(n_out, 3, 2).norm().conv(n_out, 3, 1).norm();
                    let [_, height, width] = tally.shape();
                    let downsample = *Tally::new([n_in, height, width]).conv(n_out, 1, 1);
                    tally.beside(downsample.cost());
                }
            }
        }
        tally.norm().global_pool().linear(self.classes).cost()
    }
}

const FORM: &str = "|op~0|+|op~0|op~1|+|op~0|op~1|op~2|";

impl SearchSpace for Nb201 {
    fn name(&self) -> &'static str {
        "nb201"
    }

    fn full_mask(&self) -> Mask {
        Mask::full(&[OP_NAMES.len(); EDGES.len()])
    }

    fn edge_name(&self, edge: EdgeId) -> String {
        let (from, to) = EDGES[edge.0];
        format!("{from}→{to}")
    }

    fn mask_key(&self, edge: EdgeId) -> String {
        let (from, to) = EDGES[edge.0];
        format!("{from}_{to}")
    }

    fn op_names(&self, _edge: EdgeId) -> &[&'static str] {
        &OP_NAMES
    }

    fn parse(&self, text: &str) -> Result<Arch, SpaceError> {
        let fault = |reason| SpaceError::Arch { text: text.to_owned(), space: self.name(), reason };
        let form = || fault(ArchFault::Form(FORM));
        let nodes: Vec<&str> = text.split('+').collect();
        if nodes.len() != N_NODES - 1 {
            return Err(form());
        }
        let mut ops = Vec::with_capacity(EDGES.len());
        for (node, terms) in (1..).zip(nodes) {
            let inner = terms.strip_prefix('|').and_then(|terms| terms.strip_suffix('|'));
            let terms: Vec<&str> = inner.ok_or_else(form)?.split('|').collect();
            if terms.len() != node {
                return Err(form());
            }
            for (from, term) in terms.into_iter().enumerate() {
                let (name, source) = term.split_once('~').ok_or_else(form)?;
                if source != from.to_string() {
                    return Err(form());
                }
                let op = OP_NAMES.iter().position(|known| *known == name);
                ops.push(OpId(op.ok_or_else(|| {
                    fault(ArchFault::Operation {
                        name: name.to_owned(),
                        edge: self.edge_name(EdgeId(ops.len())),
                        expected: OP_NAMES.join(", "),
                    })
                })?));
            }
        }
        Ok(Arch::new(ops))
    }

    fn format(&self, arch: &Arch) -> String {
        let node = |node: usize| {
            let into = EDGES.iter().enumerate().filter(move |(_, (_, to))| *to == node);
            let term = |(edge, (from, _)): (usize, &(usize, usize))| {
                format!("{}~{from}|", OP_NAMES[arch.op(EdgeId(edge)).0])
            };
            format!("|{}", into.map(term).collect::<String>())
        };
        (1..N_NODES).map(node).collect::<Vec<_>>().join("+")
    }

    fn cost(&self, arch: &Arch) -> Cost {
        self.cost_of_edges(arch, |_| true)
    }

    fn live_cost(&self, arch: &Arch) -> Cost {
        let live = live_edges(arch);
        self.cost_of_edges(arch, |edge| live[edge])
    }

    fn live_depth(&self, arch: &Arch) -> usize {
        self.config.cells_per_stage * N_STAGES * live_depth(arch)
    }

    fn is_connected(&self, arch: &Arch) -> bool {
        live_edges(arch).contains(&true)
    }

    fn is_inert(&self, arch: &Arch, edge: EdgeId) -> bool {
        !live_edges(&arch.with(edge, Operation::Skip.id()))[edge.0]
    }

    fn taps(&self, _arch: &Arch) -> Vec<[usize; 3]> {
        let mut side = self.resolution;
        let shape = |block| match block {
            Block::Cell { channels } => [channels, side, side],
            Block::Reduction { n_out, .. } => {
                side = side.div_ceil(2);
                [n_out, side, side]
            }
        };
        self.blocks().into_iter().map(shape).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::canonical;

    fn space(channels: usize, cells_per_stage: usize) -> Nb201 {
        Nb201::new(&Nb201Config { channels, cells_per_stage, affine: true }, 3, 32, 10)
    }

    fn arch(ops: [usize; 6]) -> Arch {
        Arch::new(ops.map(OpId).into())
    }

    #[track_caller]
    fn check(ops: [usize; 6], parameters: u64, macs: u64) {
        assert_eq!(space(16, 5).cost(&arch(ops)), Cost { parameters, macs });
    }

    /// `golden/nb201_archs.json`: parameters of the PyTorch network and its multiply-adds.
    #[test]
    fn costs_of_known_architectures() {
        check([0; 6], 73_306, 7_783_040);
        check([1; 6], 73_306, 7_783_040);
        check([2; 6], 1_531_546, 220_119_680);
        // NATS-Bench publishes 0.129306 M and 15.64737 MFLOPs, 10 of them for the bias.
        check([1, 3, 4, 3, 4, 4], 129_306, 15_647_360);
        check([2, 2, 1, 0, 2, 1], 802_426, 113_951_360);
        check([4, 4, 4, 0, 3, 0], 101_306, 11_715_200);
        check([3; 6], 241_306, 31_376_000);
        check([2, 0, 0, 0, 0, 0], 316_346, 43_172_480);
    }

    #[test]
    fn depths_count_every_cell() {
        // In each of 15 cells three convolutions in a row that reach one pixel each, and one that reaches none.
        assert_eq!(space(16, 5).live_depth(&arch([2; 6])), 15 * 6);
        assert_eq!(space(16, 5).live_depth(&arch([0, 0, 2, 3, 2, 1])), 15);
    }

    /// NATS-Bench, architecture 0 on CIFAR-100 and ImageNet-16-120: 15.65322 and 3.91948 MFLOPs,
    /// one for the bias of each class.
    #[test]
    fn costs_follow_classes_and_resolution() {
        let config = Nb201Config { channels: 16, cells_per_stage: 5, affine: true };
        let cost = |resolution, classes| {
            Nb201::new(&config, 3, resolution, classes).cost(&arch([1, 3, 4, 3, 4, 4]))
        };
        assert_eq!(cost(32, 100), Cost { parameters: 135_156, macs: 15_653_120 });
        assert_eq!(cost(16, 120), Cost { parameters: 136_456, macs: 3_919_360 });
    }

    #[test]
    fn costs_follow_norms_and_image_channels() {
        let config = Nb201Config { channels: 16, cells_per_stage: 5, affine: false };
        let Cost { parameters, macs } = space(16, 5).cost(&arch([2; 6]));
        // Scale and shift of 16, 32 and 64 channels on six edges of five cells.
        let norms = 2 * 6 * 5 * (16 + 32 + 64);
        let plain = Nb201::new(&config, 3, 32, 10).cost(&arch([2; 6]));
        assert_eq!(plain, Cost { parameters: parameters - norms, macs });
        // Two channels of the image and their 3 × 3 kernels less.
        let stem = 2 * 16 * 9;
        let gray = Nb201::new(&config, 1, 32, 10).cost(&arch([2; 6]));
        let expected =
            Cost { parameters: plain.parameters - stem, macs: plain.macs - stem * 32 * 32 };
        assert_eq!(gray, expected);
    }

    #[test]
    fn all_texts_read_back_and_6466_cells_differ() {
        let space = space(16, 5);
        let archs: Vec<Arch> = space.full_mask().archs().collect();
        assert_eq!(archs.len(), 15_625);
        for arch in &archs {
            assert_eq!(space.parse(&space.format(arch)).as_ref(), Ok(arch));
        }
        // Dong & Yang 2020, section 2.2.
        assert_eq!(archs.iter().map(canonical).collect::<BTreeSet<_>>().len(), 6466);
    }

    #[track_caller]
    fn refused(text: &str, expected: &str) {
        let error = space(16, 5).parse(text).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }

    #[test]
    fn other_texts_are_refused() {
        refused("", "expected the form");
        refused("|none~0|+|none~0|none~1|", "expected the form");
        refused("|none~0|+|none~0|none~0|+|none~0|none~1|none~2|", "expected the form");
        refused(
            "|none~0|+|none~0|max_pool~1|+|none~0|none~1|none~2|",
            "unknown operation `max_pool` on edge 1→2",
        );
    }

    #[test]
    fn seventeen_taps_of_the_published_network() {
        let taps = space(16, 5).taps(&arch([0; 6]));
        assert_eq!(taps.len(), 17);
        assert_eq!(taps[4..7], [[16, 32, 32], [32, 16, 16], [32, 16, 16]]);
        assert_eq!(taps[16], [64, 8, 8]);
    }

    #[test]
    fn dead_edges_cost_nothing_live() {
        let space = space(16, 5);
        // Node 1 is fed by a convolution, but nothing leaves it.
        let dead = arch([2, 0, 0, 4, 0, 2]);
        let bare = arch([0, 0, 0, 4, 0, 0]);
        assert_eq!(space.live_cost(&dead), space.cost(&bare));
        assert!(space.is_connected(&dead));
        assert!(!space.is_connected(&arch([2, 0, 0, 0, 0, 2])));
    }

    #[test]
    fn an_edge_is_inert_where_no_operation_is_live() {
        let space = space(16, 5);
        for arch in space.full_mask().archs() {
            for edge in space.full_mask().edges() {
                let lives = |op| live_edges(&arch.with(edge, OpId(op)))[edge.0];
                assert_eq!(space.is_inert(&arch, edge), !(0..OP_NAMES.len()).any(lives));
            }
        }
        // Node 1 leads nowhere.
        assert!(space.is_inert(&arch([2, 0, 0, 4, 0, 2]), EdgeId(0)));
        assert!(!space.is_inert(&arch([2, 0, 2, 0, 0, 0]), EdgeId(3)));
    }

    #[test]
    fn samples_are_as_large_as_asked_for_and_spread_over_the_costs() {
        let space = space(16, 5);
        let sample = |n| space::stratified_sample(&space, n, &mut space::Seed::new(3).rng());
        for (n, expected) in [(300, 300), (15_000, 15_000), (20_000, 15_625)] {
            assert_eq!(sample(n).into_iter().collect::<BTreeSet<_>>().len(), expected);
        }
        // The share of the cheap is that of the whole space, closer than chance would have it.
        let half = space.cost(&arch([2; 6])).parameters / 2;
        let share = |archs: Vec<Arch>| {
            let is_cheap = |arch: &&Arch| space.cost(arch).parameters < half;
            archs.iter().filter(is_cheap).count() as f64 / archs.len() as f64
        };
        let (of_sample, of_all) = (share(sample(300)), share(space.full_mask().archs().collect()));
        // Chance alone spreads it by .017; strata are a three-hundredth each.
        assert!((of_sample - of_all).abs() < 2.0 / 300.0, "{of_sample}, {of_all}");
    }

    #[test]
    fn extremes_are_those_of_all_architectures() {
        let space = space(16, 5);
        let macs = |arch: &Arch| space.cost(arch).macs;
        let check = |mask: &Mask| {
            let [cheapest, costliest] = space::extremes(&space, mask);
            let connected = mask.archs().filter(|arch| space.is_connected(arch));
            assert_eq!(connected.map(|arch| macs(&arch)).min(), Some(macs(&cheapest)));
            assert!(space.is_connected(&cheapest));
            assert_eq!(mask.archs().map(|arch| macs(&arch)).max(), Some(macs(&costliest)));
        };
        let mask = space.full_mask();
        check(&mask);
        // Where the shortest way costs a convolution and a longer one nothing.
        let leaf = mask.split(EdgeId(3), &[vec![0, 3], vec![1, 2, 4]]).unwrap().remove(0);
        check(&leaf);
    }
}
