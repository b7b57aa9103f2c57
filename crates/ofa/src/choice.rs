//! What is chosen on an edge, and the values and names of the operations there.

use space::EdgeId;

use crate::OfaError;
use crate::stage::{N_BLOCKS, N_STAGES, STAGE_BLOCKS};

/// Sides of the depthwise kernels, the smallest first.
pub(crate) const KERNELS: [usize; 3] = [3, 5, 7];

/// The edges of all blocks; those of the depths follow.
pub(crate) const N_BLOCK_EDGES: usize = 2 * N_BLOCKS;

/// All edges.
pub(crate) const N_EDGES: usize = N_BLOCK_EDGES + N_STAGES;

/// What is chosen on an edge.
///
/// In the order of the edges: kernel and expansion of the first block, of the second, …, then the depth
/// of each stage. It is that of published masks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Choice {
    /// The side of a block's kernel.
    Kernel {
        /// The block, from 0.
        block: usize,
    },
    /// How many times the channels of its input a block has in between.
    Expand {
        /// The block, from 0.
        block: usize,
    },
    /// How many blocks a stage has.
    Depth {
        /// The stage, from 0.
        stage: usize,
    },
}

impl Choice {
    /// What is chosen on `edge`.
    ///
    /// # Panics
    ///
    /// If there is no such edge.
    pub(crate) fn of(edge: EdgeId) -> Self {
        assert!(edge.0 < N_EDGES, "edge {} of {N_EDGES}", edge.0);
        match edge.0.checked_sub(N_BLOCK_EDGES) {
            Some(stage) => Self::Depth { stage },
            None if edge.0.is_multiple_of(2) => Self::Kernel { block: edge.0 / 2 },
            None => Self::Expand { block: edge.0 / 2 },
        }
    }

    /// The edge on which this is chosen.
    pub(crate) fn edge(self) -> EdgeId {
        EdgeId(match self {
            Self::Kernel { block } => 2 * block,
            Self::Expand { block } => 2 * block + 1,
            Self::Depth { stage } => N_BLOCK_EDGES + stage,
        })
    }

    /// Every choice in the order of the edges.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        (0..N_EDGES).map(|edge| Self::of(EdgeId(edge)))
    }

    /// The key in published masks.
    pub(crate) fn name(self) -> String {
        match self {
            Self::Kernel { block } => format!("ks_block{}", block + 1),
            Self::Expand { block } => format!("er_block{}", block + 1),
            Self::Depth { stage } => format!("depth{}", stage + 1),
        }
    }
}

/// Values that can be chosen, ascending, and their names.
#[derive(Clone, Debug)]
pub(crate) struct Values {
    pub(crate) numbers: Vec<usize>,
    pub(crate) names: Vec<&'static str>,
}

/// Values and their names.
type Named = [(usize, &'static str); 3];

impl Values {
    /// All kernels.
    pub(crate) fn kernels() -> Self {
        Self { numbers: KERNELS.into(), names: vec!["3x3", "5x5", "7x7"] }
    }

    /// Some expansions.
    pub(crate) fn expand_ratios(numbers: &[usize]) -> Result<Self, OfaError> {
        Self::some_of([(3, "e3"), (4, "e4"), (6, "e6")], "expand-ratios", numbers)
    }

    /// Some depths.
    pub(crate) fn depths(numbers: &[usize]) -> Result<Self, OfaError> {
        Self::some_of([(2, "d2"), (3, "d3"), (STAGE_BLOCKS, "d4")], "depths", numbers)
    }

    fn some_of(known: Named, key: &'static str, numbers: &[usize]) -> Result<Self, OfaError> {
        let name = |number: &usize| known.iter().find(|(n, _)| n == number).map(|&(_, name)| name);
        let names: Option<Vec<&'static str>> = numbers.iter().map(name).collect();
        match names {
            Some(names) if !names.is_empty() && numbers.is_sorted_by(|a, b| a < b) => {
                Ok(Self { numbers: numbers.into(), names })
            }
            _ => Err(OfaError::Choices {
                key,
                got: numbers.into(),
                known: known.map(|(number, _)| number).into(),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_know_their_edges() {
        let all: Vec<Choice> = Choice::all().collect();
        assert_eq!(all.len(), 45);
        assert!(all.iter().enumerate().all(|(i, choice)| choice.edge() == EdgeId(i)));
        let names = [0, 1, 39, 40, 44].map(|i: usize| all[i].name());
        assert_eq!(names, ["ks_block1", "er_block1", "er_block20", "depth1", "depth5"]);
    }

    #[test]
    fn values_are_some_of_the_known_ones() {
        assert_eq!(Values::depths(&[2, 4]).unwrap().names, ["d2", "d4"]);
        for bad in [&[][..], &[4, 3], &[4, 4], &[4, 5]] {
            let error = Values::depths(bad).unwrap_err().to_string();
            assert!(error.starts_with("`depths` must be some of [2, 3, 4] in asc"), "{error}");
        }
    }
}
