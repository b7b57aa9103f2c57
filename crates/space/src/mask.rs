//! Which operations are allowed on each edge, and the architectures under such a mask.

use std::fmt;

use rand::{Rng, RngExt};
use serde::{Deserialize, Serialize};

use crate::SpaceError;

/// A place where one operation is chosen; edges are numbered in the order of their space.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EdgeId(pub usize);

/// One of the operations of an edge, numbered in the order of its space.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct OpId(pub usize);

/// One operation per edge.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Arch(Vec<OpId>);

impl Arch {
    /// The architecture with these operations, in edge order.
    pub fn new(ops: Vec<OpId>) -> Self {
        Self(ops)
    }

    /// The operations in edge order.
    pub fn ops(&self) -> &[OpId] {
        &self.0
    }

    /// The number of edges.
    pub fn n_edges(&self) -> usize {
        self.0.len()
    }

    /// The operation on `edge`.
    ///
    /// # Panics
    ///
    /// If the architecture has no such edge.
    pub fn op(&self, edge: EdgeId) -> OpId {
        self.0[edge.0]
    }

    /// The same architecture with another operation on one edge.
    ///
    /// # Panics
    ///
    /// If the architecture has no such edge.
    #[must_use]
    pub fn with(&self, edge: EdgeId, op: OpId) -> Self {
        let mut ops = self.0.clone();
        ops[edge.0] = op;
        Self(ops)
    }
}

impl fmt::Display for Arch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, op) in self.0.iter().enumerate() {
            let separator = if i == 0 { "" } else { "-" };
            write!(f, "{separator}{}", op.0)?;
        }
        Ok(())
    }
}

/// The operations still allowed on each edge; never empty on any of them.
///
/// # Examples
///
/// ```
/// use space::{EdgeId, Mask};
///
/// let full = Mask::full(&[3, 2]);
/// assert_eq!(full.n_archs(), 6);
/// let children = full.split(EdgeId(0), &[vec![0, 2], vec![1]]).unwrap();
/// assert_eq!(children.iter().map(|child| child.n_archs()).sum::<u128>(), 6);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Vec<Vec<OpId>>", into = "Vec<Vec<OpId>>")]
pub struct Mask {
    allowed: Vec<Vec<OpId>>,
}

impl Mask {
    /// The mask that allows `n_ops[edge]` operations on each edge.
    ///
    /// # Panics
    ///
    /// If an edge has no operation.
    pub fn full(n_ops: &[usize]) -> Self {
        assert!(n_ops.iter().all(|&n| 0 < n), "an edge without operations: {n_ops:?}");
        Self { allowed: n_ops.iter().map(|&n| (0..n).map(OpId).collect()).collect() }
    }

    /// The mask that allows one architecture alone.
    pub fn of(arch: &Arch) -> Self {
        Self { allowed: arch.ops().iter().map(|&op| vec![op]).collect() }
    }

    /// The architecture with the first operation of every edge.
    pub fn first(&self) -> Arch {
        Arch::new(self.allowed.iter().map(|ops| ops[0]).collect())
    }

    /// The number of edges.
    pub fn n_edges(&self) -> usize {
        self.allowed.len()
    }

    /// All edges in order.
    pub fn edges(&self) -> impl Iterator<Item = EdgeId> + use<> {
        (0..self.allowed.len()).map(EdgeId)
    }

    /// The operations allowed on `edge`, in ascending order.
    ///
    /// # Panics
    ///
    /// If the mask has no such edge.
    pub fn ops(&self, edge: EdgeId) -> &[OpId] {
        &self.allowed[edge.0]
    }

    /// Whether every operation of `arch` is allowed.
    pub fn contains(&self, arch: &Arch) -> bool {
        arch.n_edges() == self.n_edges()
            && self.allowed.iter().zip(arch.ops()).all(|(allowed, op)| allowed.contains(op))
    }

    /// The number of architectures under this mask.
    pub fn n_archs(&self) -> u128 {
        self.allowed.iter().map(|ops| ops.len() as u128).product()
    }

    /// Every architecture under this mask; the last edge turns fastest.
    pub fn archs(&self) -> impl Iterator<Item = Arch> + '_ {
        (0..self.n_archs()).map(|index| {
            let mut rest = index;
            let mut ops = vec![OpId(0); self.n_edges()];
            for (slot, allowed) in ops.iter_mut().zip(&self.allowed).rev() {
                let n = allowed.len() as u128;
                *slot = allowed[(rest % n) as usize];
                rest /= n;
            }
            Arch(ops)
        })
    }

    /// One architecture, each edge drawn uniformly.
    pub fn sample(&self, rng: &mut impl Rng) -> Arch {
        Arch(self.allowed.iter().map(|ops| ops[rng.random_range(0..ops.len())]).collect())
    }

    /// The masks that remain when the operations of `edge` are divided into groups.
    ///
    /// Groups hold positions in [`Mask::ops`] of that edge.
    ///
    /// # Errors
    ///
    /// If the groups are not disjoint, not complete or one of them is empty.
    pub fn split(&self, edge: EdgeId, groups: &[Vec<usize>]) -> Result<Vec<Self>, SpaceError> {
        let ops = self.ops(edge);
        let mut members: Vec<usize> = groups.iter().flatten().copied().collect();
        members.sort_unstable();
        if !members.iter().copied().eq(0..ops.len()) || groups.iter().any(Vec::is_empty) {
            return Err(SpaceError::Groups { edge, n_ops: ops.len() });
        }
        let child = |group: &Vec<usize>| {
            let mut allowed = self.allowed.clone();
            let mut kept: Vec<OpId> = group.iter().map(|&position| ops[position]).collect();
            kept.sort_unstable();
            allowed[edge.0] = kept;
            Self { allowed }
        };
        Ok(groups.iter().map(child).collect())
    }
}

impl TryFrom<Vec<Vec<OpId>>> for Mask {
    type Error = SpaceError;

    fn try_from(allowed: Vec<Vec<OpId>>) -> Result<Self, SpaceError> {
        let sound = |ops: &Vec<OpId>| !ops.is_empty() && ops.is_sorted_by(|a, b| a < b);
        match allowed.iter().position(|ops| !sound(ops)) {
            Some(edge) => Err(SpaceError::Mask { edge: EdgeId(edge) }),
            None => Ok(Self { allowed }),
        }
    }
}

impl From<Mask> for Vec<Vec<OpId>> {
    fn from(mask: Mask) -> Self {
        mask.allowed
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Seed;

    proptest! {
        #[test]
        fn enumeration_is_complete_and_distinct(n_ops in prop::collection::vec(1usize..5, 1..5)) {
            let mask = Mask::full(&n_ops);
            let archs: std::collections::BTreeSet<Arch> = mask.archs().collect();
            prop_assert_eq!(archs.len() as u128, mask.n_archs());
            prop_assert!(archs.iter().all(|arch| mask.contains(arch)));
        }

        #[test]
        fn children_are_disjoint_and_complete(n in 2usize..6, cut in 1usize..5, seed: u64) {
            let cut = cut.min(n - 1);
            let parent = Mask::full(&[3, n, 2]);
            let groups = [(0..cut).collect(), (cut..n).collect()];
            let children = parent.split(EdgeId(1), &groups).unwrap();
            let total: u128 = children.iter().map(Mask::n_archs).sum();
            prop_assert_eq!(total, parent.n_archs());
            let arch = parent.sample(&mut Seed::new(seed).rng());
            prop_assert!(Mask::of(&arch).archs().eq([arch.clone()]));
            prop_assert_eq!(children.iter().filter(|child| child.contains(&arch)).count(), 1);
        }
    }

    #[test]
    fn groups_must_be_a_partition() {
        let mask = Mask::full(&[3]);
        let split = |groups: &[Vec<usize>]| mask.split(EdgeId(0), groups).is_ok();
        assert!(split(&[vec![0, 2], vec![1]]));
        assert!(!split(&[vec![0], vec![1]]));
        assert!(!split(&[vec![0, 1], vec![1, 2]]));
        assert!(!split(&[vec![0, 1, 2], vec![]]));
    }
}
