//! How a product of two matrices is cut up, and the part of it that one cube of units works out.

use burn_cubecl::cubecl;
use cubecl::prelude::*;

/// Four numbers that are loaded and multiplied at once.
pub(crate) type Four = Vector<f32, Const<4>>;

/// A cube makes `rows` × `columns` sums, each of its units 4 × 4 of them, `depth` terms at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Tile {
    pub(crate) rows: usize,
    pub(crate) columns: usize,
    pub(crate) depth: usize,
}

impl Tile {
    pub(crate) const fn units(self) -> usize {
        self.rows * self.columns / 16
    }

    /// Fours of a row of the left matrix's part, one of them to keep its columns in different banks.
    pub(crate) const fn left_pitch(self) -> usize {
        self.rows / 4 + 1
    }

    /// The same of the right one.
    pub(crate) const fn right_pitch(self) -> usize {
        self.columns / 4 + 1
    }
}

/// Adds the products of what lies in shared memory to the sums of this unit: four fours, a row each.
#[cube]
pub(crate) fn multiply(
    left: &Shared<[Four]>,
    right: &Shared<[Four]>,
    sums: &mut Array<Four>,
    #[comptime] tile: Tile,
) {
    let (row, column) = place_in(tile);
    #[unroll]
    for k in 0..tile.depth {
        let a = left[comptime!(k * tile.left_pitch()) + row];
        let b = right[comptime!(k * tile.right_pitch()) + column];
        #[unroll]
        for i in 0..4usize {
            sums[i] = fma(Four::new(a.extract(i)), b, sums[i]);
        }
    }
}

/// Row and column of this unit's sums in its cube's part, in fours.
#[cube]
pub(crate) fn place_in(#[comptime] tile: Tile) -> (usize, usize) {
    let across = comptime!(tile.columns / 4);
    (UNIT_POS as usize / across, UNIT_POS as usize % across)
}

/// Four fours of zeros.
#[cube]
pub(crate) fn no_sums() -> Array<Four> {
    let mut sums = Array::<Four>::new(4usize);
    #[unroll]
    for i in 0..4usize {
        sums[i] = Four::new(0.0);
    }
    sums
}
