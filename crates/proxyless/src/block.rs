//! The places of a chain where an operation is chosen, and the operations.

use space::OpId;

/// Blocks of each stage.
pub(crate) const STAGE_BLOCKS: [usize; 6] = [4, 4, 4, 4, 4, 1];

/// Strides of the first block of each stage.
const STAGE_STRIDES: [usize; 6] = [2, 2, 2, 1, 2, 1];

/// All blocks in which an operation is chosen.
pub(crate) const N_BLOCKS: usize = 21;

/// The names of the operations, in the order of their numbers: kernel and expansion, and to skip the block.
///
/// Published masks have the same order, `3x3_MBConv3` to `7x7_MBConv6` and `Zero`.
pub(crate) const OP_NAMES: [&str; 7] = ["3e3", "3e6", "5e3", "5e6", "7e3", "7e6", "skip"];

/// Those of a block that its input cannot replace.
pub(crate) const BOTTLENECK_NAMES: &[&str] = OP_NAMES.split_at(6).0;

/// An operation of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    /// 1 × 1 convolution to `expand` times the channels, depthwise convolution, 1 × 1 convolution; the
    /// input is added where it has the same shape.
    Bottleneck {
        /// Side of the depthwise kernel.
        kernel: usize,
        /// How many times the channels of the input lie in between.
        expand: usize,
    },
    /// The input.
    Skip,
}

impl Operation {
    /// The operation of a number.
    ///
    /// # Panics
    ///
    /// If there is no such operation.
    pub(crate) fn of(op: OpId) -> Self {
        const BOTTLENECKS: [(usize, usize); 6] = [(3, 3), (3, 6), (5, 3), (5, 6), (7, 3), (7, 6)];
        match BOTTLENECKS.get(op.0) {
            Some(&(kernel, expand)) => Self::Bottleneck { kernel, expand },
            None => {
                assert_eq!(op.0, BOTTLENECKS.len(), "operation");
                Self::Skip
            }
        }
    }
}

/// A block in which an operation is chosen.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Block {
    pub(crate) stage: usize,
    /// Its number within the stage.
    pub(crate) number: usize,
    pub(crate) stride: usize,
}

impl Block {
    /// Every block from first to last.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        STAGE_BLOCKS.into_iter().enumerate().flat_map(|(stage, n)| {
            (0..n).map(move |number| {
                let stride = if number == 0 { STAGE_STRIDES[stage] } else { 1 };
                Self { stage, number, stride }
            })
        })
    }
}
