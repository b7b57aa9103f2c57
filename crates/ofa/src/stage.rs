//! The stages of MobileNetV3-Large, as Once-for-All has them.

use supernet::Activation::{self, HardSwish, Relu};

/// Stages in which blocks are chosen.
pub(crate) const N_STAGES: usize = 5;

/// Most blocks of a stage.
pub(crate) const STAGE_BLOCKS: usize = 4;

/// Most blocks of all stages.
pub(crate) const N_BLOCKS: usize = N_STAGES * STAGE_BLOCKS;

/// Channels of the stem and of the fixed first block at width 1.
pub(crate) const STEM: f64 = 16.0;

/// Channels of the two last convolutions at width 1.
pub(crate) const LAST: [f64; 2] = [960.0, 1280.0];

/// What all blocks of a stage share.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stage {
    /// Channels at width 1.
    pub(crate) channels: f64,
    /// Stride of the first block.
    pub(crate) stride: usize,
    /// Whether the channels in between are gated.
    pub(crate) squeeze_excite: bool,
    pub(crate) activation: Activation,
}

impl Stage {
    pub(crate) const ALL: [Self; N_STAGES] = [
        Self { channels: 24.0, stride: 2, squeeze_excite: false, activation: Relu },
        Self { channels: 40.0, stride: 2, squeeze_excite: true, activation: Relu },
        Self { channels: 80.0, stride: 2, squeeze_excite: false, activation: HardSwish },
        Self { channels: 112.0, stride: 1, squeeze_excite: true, activation: HardSwish },
        Self { channels: 160.0, stride: 2, squeeze_excite: true, activation: HardSwish },
    ];
}
