//! ProxylessNAS as a search space: texts, costs, taps.

use serde::{Deserialize, Serialize};
use space::{
    Arch, ArchFault, Cost, EdgeId, Mask, OpId, SearchSpace, SpaceError, Tally, multiple_of_eight,
};

use crate::block::{BOTTLENECK_NAMES, Block, N_BLOCKS, OP_NAMES, Operation, STAGE_BLOCKS};

/// Channels of the first convolution, of the first block and of the last convolution at width 1.
const STEM: f64 = 32.0;
const FIRST: f64 = 16.0;
const LAST: f64 = 1280.0;

/// Sizes of the networks.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ProxylessConfig {
    /// What all channels are multiplied by, before they are rounded to multiples of eight.
    pub width: f64,
    /// Channels of each stage at width 1; published 24, 40, 80, 96, 192, 320, once also 30 and 182
    /// instead of 24 and 192.
    pub stage_channels: [usize; 6],
    /// Stride of the first convolution: 2 for ImageNet, 1 for images of 32 pixels.
    pub stem_stride: usize,
}

/// The ProxylessNAS search space (Cai et al. 2019) on images of one size.
///
/// # Examples
///
/// ```
/// use proxyless::{Proxyless, ProxylessConfig};
/// use space::SearchSpace;
///
/// let stage_channels = [24, 40, 80, 96, 192, 320];
/// let config = ProxylessConfig { width: 0.5, stage_channels, stem_stride: 1 };
/// let space = Proxyless::new(&config, 3, 32, 10);
/// let text = "3e6 skip skip 5e3 | 3e3 skip skip skip | 7e6 skip skip skip | \
///             3e3 skip skip skip | 3e3 skip 5e6 skip | 7e6";
/// let arch = space.parse(text)?;
/// assert_eq!(space.format(&arch), text);
/// assert_eq!(space.taps(&arch)[1], [16, 16, 16]);
/// # Ok::<(), space::SpaceError>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Proxyless {
    pub(crate) config: ProxylessConfig,
    pub(crate) image_channels: usize,
    pub(crate) resolution: usize,
    pub(crate) classes: usize,
}

impl Proxyless {
    /// The space for images of `image_channels × resolution × resolution` in `classes` classes.
    pub fn new(
        config: &ProxylessConfig,
        image_channels: usize,
        resolution: usize,
        classes: usize,
    ) -> Self {
        Self { config: *config, image_channels, resolution, classes }
    }

    pub(crate) fn stem_channels(&self) -> usize {
        multiple_of_eight(STEM * self.config.width)
    }

    pub(crate) fn first_channels(&self) -> usize {
        multiple_of_eight(FIRST * self.config.width)
    }

    /// Channels of the last convolution, which widths below 1 leave as they are.
    pub(crate) fn last_channels(&self) -> usize {
        multiple_of_eight(LAST * self.config.width.max(1.0))
    }

    pub(crate) fn stage_channels(&self, stage: usize) -> usize {
        multiple_of_eight(self.config.stage_channels[stage] as f64 * self.config.width)
    }

    /// The names of the operations of a block. Where it keeps the shape it can be skipped: that is every block but the
    /// first of a stage, and that one, too, where widths are so small that stages have the same.
    fn ops_of(&self, block: Block) -> &'static [&'static str] {
        let n_out = self.stage_channels(block.stage);
        let n_in = match (block.stage, block.number) {
            (0, 0) => self.first_channels(),
            (stage, 0) => self.stage_channels(stage - 1),
            _ => n_out,
        };
        if block.stride == 1 && n_in == n_out { &OP_NAMES } else { BOTTLENECK_NAMES }
    }

    /// Counts the layers along a path; `tap` sees the shape at every tap.
    fn tally(&self, arch: &Arch, mut tap: impl FnMut([usize; 3])) -> Cost {
        assert_eq!(arch.n_edges(), N_BLOCKS, "blocks of a chain");
        let mut tally = Tally::new([self.image_channels, self.resolution, self.resolution]);
        tally.conv(self.stem_channels(), 3, self.config.stem_stride).norm();
        tally.depthwise(3, 1).norm().conv(self.first_channels(), 1, 1).norm();
        tap(tally.shape());
        for (block, &op) in Block::all().zip(arch.ops()) {
            if let Operation::Bottleneck { kernel, expand } = Operation::of(op) {
                let n_mid = expand * tally.shape()[0];
                tally.conv(n_mid, 1, 1).norm().depthwise(kernel, block.stride).norm();
                tally.conv(self.stage_channels(block.stage), 1, 1).norm();
            }
            tap(tally.shape());
        }
        tally.conv(self.last_channels(), 1, 1).norm();
        tap(tally.shape());
        tally.global_pool().linear(self.classes);
        tap(tally.shape());
        tally.cost()
    }
}

const FORM: &str =
    "3e6 skip 5e3 7e6 | … with 4, 4, 4, 4, 4 and 1 blocks, no skip where a block changes the shape";

impl SearchSpace for Proxyless {
    fn name(&self) -> &'static str {
        "proxyless"
    }

    fn full_mask(&self) -> Mask {
        let n_ops: Vec<usize> = Block::all().map(|block| self.ops_of(block).len()).collect();
        Mask::full(&n_ops)
    }

    fn edge_name(&self, edge: EdgeId) -> String {
        let block = Block::all().nth(edge.0).expect("an edge of this space");
        format!("s{}_c{}", block.stage, block.number)
    }

    fn op_names(&self, edge: EdgeId) -> &[&'static str] {
        self.ops_of(Block::all().nth(edge.0).expect("an edge of this space"))
    }

    fn parse(&self, text: &str) -> Result<Arch, SpaceError> {
        let fault = |reason| SpaceError::Arch { text: text.to_owned(), space: self.name(), reason };
        let stages: Vec<Vec<&str>> =
            text.split('|').map(|stage| stage.split_whitespace().collect()).collect();
        if !stages.iter().map(Vec::len).eq(STAGE_BLOCKS) {
            return Err(fault(ArchFault::Form(FORM)));
        }
        let op = |(edge, name): (usize, &str)| {
            let known = self.op_names(EdgeId(edge));
            known.iter().position(|op| *op == name).map(OpId).ok_or_else(|| {
                fault(ArchFault::Operation {
                    name: name.to_owned(),
                    edge: self.edge_name(EdgeId(edge)),
                    expected: known.join(", "),
                })
            })
        };
        let ops: Result<Vec<OpId>, SpaceError> =
            stages.into_iter().flatten().enumerate().map(op).collect();
        Ok(Arch::new(ops?))
    }

    fn format(&self, arch: &Arch) -> String {
        let mut names = arch.ops().iter().map(|op| OP_NAMES[op.0]);
        let stage = |n| names.by_ref().take(n).collect::<Vec<_>>().join(" ");
        STAGE_BLOCKS.map(stage).join(" | ")
    }

    fn cost(&self, arch: &Arch) -> Cost {
        self.tally(arch, |_| ())
    }

    fn live_depth(&self, arch: &Arch) -> usize {
        let depth = |&op: &OpId| match Operation::of(op) {
            Operation::Bottleneck { kernel, .. } => kernel.div_ceil(2),
            Operation::Skip => 0,
        };
        arch.ops().iter().map(depth).sum()
    }

    /// The first block, the 21 blocks, the last convolution, the logits.
    fn taps(&self, arch: &Arch) -> Vec<[usize; 3]> {
        let mut taps = Vec::with_capacity(N_BLOCKS + 3);
        self.tally(arch, |shape| taps.push(shape));
        taps
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use space::Seed;

    use super::*;

    const PUBLISHED: [usize; 6] = [24, 40, 80, 96, 192, 320];
    /// The widths in the published training script.
    const TRAINED: [usize; 6] = [30, 40, 80, 96, 182, 320];

    const V1: [usize; 21] = [2, 0, 6, 5, 4, 0, 2, 2, 5, 2, 2, 2, 3, 2, 2, 2, 5, 5, 4, 4, 5];
    const DRAWN: [usize; 21] = [3, 0, 6, 6, 5, 2, 1, 0, 5, 3, 0, 3, 2, 6, 0, 2, 4, 0, 3, 1, 1];

    fn space(width: f64, stage_channels: [usize; 6], resolution: usize) -> Proxyless {
        let config = ProxylessConfig { width, stage_channels, stem_stride: 2 };
        Proxyless::new(&config, 3, resolution, 1000)
    }

    fn arch(ops: [usize; 21]) -> Arch {
        Arch::new(ops.map(OpId).into())
    }

    /// `golden/proxyless_archs.json`: the network of PyTorch, counted layer by layer.
    #[test]
    fn costs_of_known_architectures() {
        let check = |space: Proxyless, ops, parameters, macs| {
            assert_eq!(space.cost(&arch(ops)), Cost { parameters, macs });
        };
        check(space(1.0, PUBLISHED, 224), V1, 4_088_112, 348_030_656);
        check(space(1.0, PUBLISHED, 236), V1, 4_088_112, 412_532_360);
        check(space(1.4, PUBLISHED, 224), V1, 7_196_272, 644_062_832);
        check(space(1.4, TRAINED, 224), V1, 6_889_568, 677_973_968);
        check(space(1.4, TRAINED, 236), V1, 6_889_568, 800_215_256);
        check(space(1.0, PUBLISHED, 224), DRAWN, 4_074_384, 328_993_568);
        check(space(1.4, PUBLISHED, 224), DRAWN, 7_250_368, 627_171_944);
        check(space(1.4, TRAINED, 224), DRAWN, 6_904_312, 639_536_408);
    }

    /// `golden/proxyless_archs.json`.
    #[test]
    fn twenty_four_taps() {
        let taps = space(1.4, TRAINED, 236).taps(&arch(V1));
        assert_eq!(taps.len(), 24);
        assert_eq!(taps[..2], [[24, 118, 118], [40, 59, 59]]);
        assert_eq!(
            taps[17..],
            [
                [256, 8, 8],
                [256, 8, 8],
                [256, 8, 8],
                [256, 8, 8],
                [448, 8, 8],
                [1792, 8, 8],
                [1000, 1, 1]
            ]
        );
    }

    #[test]
    fn small_images_keep_their_pixels_in_the_stem() {
        let config = ProxylessConfig { width: 0.25, stage_channels: PUBLISHED, stem_stride: 1 };
        let taps = Proxyless::new(&config, 1, 8, 10).taps(&arch(V1));
        assert_eq!([taps[0], taps[1], taps[20]], [[8, 8, 8], [8, 4, 4], [48, 1, 1]]);
    }

    #[test]
    fn skipped_blocks_make_a_chain_no_deeper() {
        let text = "3e6 skip skip 5e3 | 3e3 skip skip skip | 7e6 skip skip skip | \
                    3e3 skip skip skip | 3e3 skip 5e6 skip | 7e6";
        let space = space(1.0, PUBLISHED, 224);
        // Kernels of 3, 5, 3, 7, 3, 3, 5 and 7.
        let expected = 2 + 3 + 2 + 4 + 2 + 2 + 3 + 4;
        assert_eq!(space.live_depth(&space.parse(text).unwrap()), expected);
    }

    proptest! {
        #[test]
        fn texts_read_back(seed: u64) {
            let space = space(1.0, PUBLISHED, 224);
            let arch = space.full_mask().sample(&mut Seed::new(seed).rng());
            prop_assert_eq!(space.parse(&space.format(&arch)), Ok(arch));
        }
    }

    #[track_caller]
    fn refused(text: &str, expected: &str) {
        let error = space(1.0, PUBLISHED, 224).parse(text).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }

    #[test]
    fn other_texts_are_refused() {
        let text = space(1.0, PUBLISHED, 224).format(&arch(V1));
        refused("", "expected the form");
        refused(&text.replace(" | 7e6", ""), "expected the form");
        refused(&text.replacen("5e3", "skip", 1), "unknown operation `skip` on edge s0_c0");
        refused(
            &text.replace("skip", "9e3"),
            "unknown operation `9e3` on edge s0_c2, expected one",
        );
    }

    #[test]
    fn edges_are_named_as_in_published_masks() {
        let space = space(1.0, PUBLISHED, 224);
        let names: Vec<String> = space.full_mask().edges().map(|e| space.edge_name(e)).collect();
        assert_eq!(
            (names[0].as_str(), names[7].as_str(), names[20].as_str()),
            ("s0_c0", "s1_c3", "s5_c0")
        );
        assert_eq!(space.op_names(EdgeId(4)).len(), 6);
        assert_eq!(space.op_names(EdgeId(5)).len(), 7);
    }

    #[test]
    fn blocks_that_keep_the_shape_can_be_skipped() {
        let skipped = |width: f64| {
            let space = self::space(width, PUBLISHED, 224);
            let can_be = |&edge: &usize| space.op_names(EdgeId(edge)).contains(&"skip");
            [0, 4, 8, 12, 16, 20].into_iter().filter(can_be).collect::<Vec<_>>()
        };
        assert!(skipped(1.0).is_empty());
        assert!(skipped(1.4).is_empty());
        // 80 and 96 channels become 24, as the published code has it: stride 1 and as many channels.
        assert_eq!(skipped(0.25), [12]);
        let archs = self::space(0.25, PUBLISHED, 224).full_mask().n_archs();
        assert_eq!(archs, 6_u128.pow(5) * 7_u128.pow(16));
    }
}
