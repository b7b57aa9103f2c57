//! Work that is shared among cubes.

use burn_cubecl::cubecl;
use cubecl::prelude::*;

/// Cubes that keep a card busy.
const ENOUGH_CUBES: usize = 512;

/// So many things a cube, and fewer for the last one, but never none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shares {
    pub(crate) each: usize,
    pub(crate) n: usize,
}

impl Shares {
    /// Of things that are there, where so many cubes stand side by side: a multiple of the fewest that are worth a
    /// cube.
    pub(crate) fn of(n_things: usize, n_side_by_side: usize, least: usize) -> Self {
        let n = ENOUGH_CUBES.div_ceil(n_side_by_side).min(n_things.div_ceil(least));
        let each = n_things.div_ceil(n).next_multiple_of(least);
        Self { each, n: n_things.div_ceil(each) }
    }
}

/// Behind the last thing of a share that starts at `first`.
#[cube]
pub(crate) fn end_of_share(first: usize, each: usize, n_things: usize) -> usize {
    let mut end = first + each;
    if n_things < end {
        end = n_things;
    }
    end
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_share_is_empty() {
        for n_things in 1..700 {
            for n_side_by_side in [1, 3, 100, 600] {
                for least in [1, 2, 16] {
                    let Shares { each, n } = Shares::of(n_things, n_side_by_side, least);
                    assert!((n - 1) * each < n_things && n_things <= n * each);
                    assert!(each.is_multiple_of(least));
                }
            }
        }
    }
}
