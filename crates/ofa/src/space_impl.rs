//! Once-for-All as a search space: costs, taps, and what an architecture has chosen.

use serde::{Deserialize, Serialize};
use space::{Arch, Cost, EdgeId, Mask, SearchSpace, SpaceError, Tally, multiple_of_eight};

use crate::choice::{Choice, Values};
use crate::stage::{LAST, N_BLOCKS, N_STAGES, STAGE_BLOCKS, STEM, Stage};
use crate::{OfaError, text};

/// Sizes of the networks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct OfaConfig {
    /// What all channels are multiplied by, before they are rounded to multiples of eight.
    pub width: f64,
    /// How many times the channels of its input a block may have in between: some of 3, 4, 6.
    pub expand_ratios: Vec<usize>,
    /// How many blocks a stage may have: some of 2, 3, 4.
    pub depths: Vec<usize>,
    /// Stride of the first convolution: 2 for ImageNet, 1 for images of 32 pixels.
    pub stem_stride: usize,
}

/// The Once-for-All search space (Cai et al. 2020) on images of one size.
///
/// # Examples
///
/// ```
/// use ofa::{Ofa, OfaConfig};
/// use space::SearchSpace;
///
/// let config =
///     OfaConfig { width: 1.0, expand_ratios: vec![4, 6], depths: vec![3, 4], stem_stride: 1 };
/// let space = Ofa::new(&config, 3, 32, 10)?;
/// let text = ["3e6 5e4 7e6 (3e4)"; 5].join(" | ");
/// let arch = space.parse(&text)?;
/// assert_eq!(space.format(&arch), text);
/// assert_eq!(space.taps(&arch).len(), 5 * 3 + 3);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Ofa {
    pub(crate) width: f64,
    pub(crate) stem_stride: usize,
    pub(crate) image_channels: usize,
    pub(crate) resolution: usize,
    pub(crate) classes: usize,
    kernels: Values,
    expand_ratios: Values,
    depths: Values,
}

impl Ofa {
    /// The space for images of `image_channels × resolution × resolution` in `classes` classes.
    ///
    /// # Errors
    ///
    /// If the configuration names no expansions or depths, unknown ones, or not in ascending order.
    pub fn new(
        config: &OfaConfig,
        image_channels: usize,
        resolution: usize,
        classes: usize,
    ) -> Result<Self, OfaError> {
        Ok(Self {
            width: config.width,
            stem_stride: config.stem_stride,
            image_channels,
            resolution,
            classes,
            kernels: Values::kernels(),
            expand_ratios: Values::expand_ratios(&config.expand_ratios)?,
            depths: Values::depths(&config.depths)?,
        })
    }

    /// Architectures that differ in a block that is there; blocks beyond the depth are not told apart.
    ///
    /// # Examples
    ///
    /// ```
    /// use ofa::{Ofa, OfaConfig};
    ///
    /// let config =
    ///     OfaConfig { width: 1.0, expand_ratios: vec![4, 6], depths: vec![3, 4], stem_stride: 2 };
    /// let space = Ofa::new(&config, 3, 224, 1000)?;
    /// assert_eq!(space.n_distinct(), 7_902_399_035_768_832);
    /// # Ok::<(), ofa::OfaError>(())
    /// ```
    pub fn n_distinct(&self) -> u128 {
        let block = (self.kernels.numbers.len() * self.expand_ratios.numbers.len()) as u128;
        let stage: u128 = self.depths.numbers.iter().map(|&depth| block.pow(depth as u32)).sum();
        stage.pow(N_STAGES as u32)
    }

    pub(crate) fn values(&self, choice: Choice) -> &Values {
        match choice {
            Choice::Kernel { .. } => &self.kernels,
            Choice::Expand { .. } => &self.expand_ratios,
            Choice::Depth { .. } => &self.depths,
        }
    }

    /// The largest expansion of all blocks.
    pub(crate) fn largest_expand(&self) -> usize {
        self.expand_ratios.numbers[self.expand_ratios.numbers.len() - 1]
    }

    /// Side of the kernel of a block.
    pub(crate) fn kernel(&self, arch: &Arch, block: usize) -> usize {
        self.chosen(arch, Choice::Kernel { block })
    }

    /// Expansion of a block.
    pub(crate) fn expand(&self, arch: &Arch, block: usize) -> usize {
        self.chosen(arch, Choice::Expand { block })
    }

    /// Blocks of a stage.
    pub(crate) fn depth(&self, arch: &Arch, stage: usize) -> usize {
        self.chosen(arch, Choice::Depth { stage })
    }

    fn chosen(&self, arch: &Arch, choice: Choice) -> usize {
        self.values(choice).numbers[arch.op(choice.edge()).0]
    }

    /// Channels at this width.
    pub(crate) fn channels(&self, at_width_1: f64) -> usize {
        multiple_of_eight(at_width_1 * self.width)
    }

    /// Counts the layers along a path; `tap` sees the shape at every tap.
    fn tally(&self, arch: &Arch, mut tap: impl FnMut([usize; 3])) -> Cost {
        let mut tally = Tally::new([self.image_channels, self.resolution, self.resolution]);
        let stem = self.channels(STEM);
        tally.conv(stem, 3, self.stem_stride).norm();
        tally.depthwise(3, 1).norm().conv(stem, 1, 1).norm();
        for (stage, shared) in Stage::ALL.into_iter().enumerate() {
            for number in 0..self.depth(arch, stage) {
                let block = stage * STAGE_BLOCKS + number;
                let n_mid = n_mid(tally.shape()[0], self.expand(arch, block));
                let stride = if number == 0 { shared.stride } else { 1 };
                tally.conv(n_mid, 1, 1).norm().depthwise(self.kernel(arch, block), stride).norm();
                if shared.squeeze_excite {
                    tally.squeeze_excite(n_squeezed(n_mid));
                }
                tally.conv(self.channels(shared.channels), 1, 1).norm();
                tap(tally.shape());
            }
        }
        let [expanded, mixed] = LAST.map(|channels| self.channels(channels));
        tally.conv(expanded, 1, 1).norm();
        tap(tally.shape());
        tally.global_pool().conv(mixed, 1, 1);
        tap(tally.shape());
        tally.linear(self.classes);
        tap(tally.shape());
        tally.cost()
    }
}

/// Channels in the middle of a block.
pub(crate) fn n_mid(n_in: usize, expand: usize) -> usize {
    multiple_of_eight((n_in * expand) as f64)
}

/// Numbers in the middle of a gate: a quarter of its channels.
///
/// The published Python of NAS-LID multiplies by four instead.
pub(crate) fn n_squeezed(channels: usize) -> usize {
    multiple_of_eight((channels / 4) as f64)
}

impl SearchSpace for Ofa {
    fn name(&self) -> &'static str {
        "ofa"
    }

    fn full_mask(&self) -> Mask {
        let n_ops = |choice| self.values(choice).numbers.len();
        Mask::full(&Choice::all().map(n_ops).collect::<Vec<_>>())
    }

    fn edge_name(&self, edge: EdgeId) -> String {
        Choice::of(edge).name()
    }

    fn op_names(&self, edge: EdgeId) -> &[&'static str] {
        &self.values(Choice::of(edge)).names
    }

    fn parse(&self, text: &str) -> Result<Arch, SpaceError> {
        text::parse(self, text).map_err(|reason| SpaceError::Arch {
            text: text.to_owned(),
            space: self.name(),
            reason,
        })
    }

    fn format(&self, arch: &Arch) -> String {
        text::format(self, arch)
    }

    /// Blocks beyond the depth and the transforms of kernels are not counted.
    fn cost(&self, arch: &Arch) -> Cost {
        self.tally(arch, |_| ())
    }

    fn live_depth(&self, arch: &Arch) -> usize {
        let is_there = |edge| !self.is_inert(arch, edge);
        let blocks = (0..N_BLOCKS).filter(|&block| is_there(Choice::Kernel { block }.edge()));
        blocks.map(|block| self.kernel(arch, block).div_ceil(2)).sum()
    }

    fn is_inert(&self, arch: &Arch, edge: EdgeId) -> bool {
        match Choice::of(edge) {
            Choice::Kernel { block } | Choice::Expand { block } => {
                self.depth(arch, block / STAGE_BLOCKS) <= block % STAGE_BLOCKS
            }
            Choice::Depth { .. } => false,
        }
    }

    /// The blocks that are there, the two last convolutions, the logits.
    fn taps(&self, arch: &Arch) -> Vec<[usize; 3]> {
        let mut taps = Vec::new();
        self.tally(arch, |shape| taps.push(shape));
        taps
    }
}

#[cfg(test)]
mod tests {
    use space::{OpId, Seed};
    use supernet::{Paths, Sampling, Sandwich};

    use super::*;

    fn space(width: f64) -> Ofa {
        let config =
            OfaConfig { width, expand_ratios: vec![4, 6], depths: vec![3, 4], stem_stride: 2 };
        Ofa::new(&config, 3, 224, 1000).unwrap()
    }

    fn arch(kernels: [usize; 20], expand_ratios: [usize; 20], depths: [usize; 5]) -> Arch {
        let blocks = kernels.into_iter().zip(expand_ratios).flat_map(|(k, e)| [k, e]);
        Arch::new(blocks.chain(depths).map(OpId).collect())
    }

    fn published() -> Arch {
        arch(
            [2, 2, 2, 1, 2, 2, 2, 1, 2, 2, 1, 2, 2, 2, 2, 2, 2, 2, 1, 2],
            [1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 1, 0, 1, 1, 1, 1, 1, 1, 0, 1],
            [1; 5],
        )
    }

    fn drawn() -> Arch {
        arch(
            [2, 1, 2, 2, 2, 1, 1, 2, 1, 2, 1, 0, 0, 2, 0, 1, 1, 2, 2, 0],
            [1, 1, 0, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 1, 0, 1, 1, 0],
            [0, 0, 1, 0, 0],
        )
    }

    /// `golden/ofa_archs.json`, the rows of gates of a quarter: PyTorch's network, layer by layer.
    #[test]
    fn costs_of_known_architectures() {
        let check = |width, arch, parameters, macs| {
            assert_eq!(space(width).cost(&arch), Cost { parameters, macs });
        };
        check(1.0, published(), 7_144_160, 517_520_800);
        check(1.2, published(), 9_972_776, 777_493_104);
        check(1.2, drawn(), 7_657_232, 537_538_976);
    }

    #[test]
    fn the_extremes_take_the_ends_of_every_choice() {
        let space = space(1.0);
        let [cheapest, costliest] = space::extremes(&space, &space.full_mask());
        assert_eq!(cheapest, arch([0; 20], [0; 20], [0; 5]));
        assert_eq!(costliest, arch([2; 20], [1; 20], [1; 5]));
    }

    #[test]
    fn a_sandwich_begins_with_the_costliest_and_has_each_network_once() {
        let space = space(1.0);
        let sandwich = Sampling::Sandwich(Sandwich { between: 2, distillation: 1.0 });
        let mask = space.full_mask();
        let step = |mask: &Mask| Paths::new(&space, mask, sandwich, Seed::new(3)).of_step(1, 2);
        let paths = step(&mask);
        assert_eq!(paths[0], arch([2; 20], [1; 20], [1; 5]));
        assert_eq!(paths[1], arch([0; 20], [0; 20], [0; 5]));
        assert_eq!(paths.len(), 4);
        assert_eq!(step(&Mask::of(&drawn())), [drawn()]);
    }

    /// `golden/ofa_archs.json`.
    #[test]
    fn taps_follow_the_depths() {
        let taps = space(1.2).taps(&drawn());
        assert_eq!(taps.len(), 3 + 3 + 4 + 3 + 3 + 3);
        assert_eq!(taps[2..4], [[32, 56, 56], [48, 28, 28]]);
        assert_eq!(taps[16..], [[1152, 7, 7], [1536, 1, 1], [1000, 1, 1]]);
        assert_eq!(space(1.2).taps(&published()).len(), 23);
    }

    #[test]
    fn kernels_of_the_blocks_that_are_there_make_a_chain_deep() {
        let [shallow, wide] = [([0; 20], [1; 5]), ([2; 20], [0; 5])];
        let depth = |(kernels, depths)| space(1.0).live_depth(&arch(kernels, [0; 20], depths));
        // Twenty blocks of 3 × 3, fifteen of 7 × 7.
        assert_eq!([depth(shallow), depth(wide)], [20 * 2, 15 * 4]);
    }

    #[test]
    fn choices_of_absent_blocks_are_inert() {
        let inert = |choice: Choice| space(1.0).is_inert(&drawn(), choice.edge());
        assert!(inert(Choice::Kernel { block: 3 }) && inert(Choice::Expand { block: 19 }));
        assert!(!inert(Choice::Kernel { block: 2 }) && !inert(Choice::Expand { block: 11 }));
        assert!(!inert(Choice::Depth { stage: 0 }));
    }

    #[test]
    fn texts_show_what_is_there() {
        let text = space(1.0).format(&drawn());
        assert!(
            text.starts_with("7e6 5e6 7e4 (7e6) | 7e6 5e6 5e6 (7e6) | 5e6 7e6 5e6 3e4 |"),
            "{text}"
        );
    }

    /// `golden/ofa_archs.json`: what the classic choices make.
    #[test]
    fn distinct_architectures_are_counted() {
        let config = OfaConfig {
            width: 1.0,
            expand_ratios: vec![3, 4, 6],
            depths: vec![2, 3, 4],
            stem_stride: 2,
        };
        let classic = Ofa::new(&config, 3, 224, 1000).unwrap();
        assert_eq!(classic.n_distinct(), 21_758_655_492_572_485_851);
    }
}
