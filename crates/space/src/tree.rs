//! The tree of masks that repeated splits make.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{EdgeId, Mask, SpaceError};

/// The place of a node in the tree: the root is `0`, its second child `0.1`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NodeId(String);

impl NodeId {
    /// The root of every tree.
    pub fn root() -> Self {
        Self("0".into())
    }

    /// The child at this position.
    #[must_use]
    pub fn child(&self, position: usize) -> Self {
        Self(format!("{self}.{position}"))
    }

    /// The node above, unless this is the root.
    pub fn parent(&self) -> Option<Self> {
        self.0.rsplit_once('.').map(|(parent, _)| Self(parent.into()))
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A supernet's mask, and how it was split, if it was.
///
/// `E` is what was known of each edge when the split was decided.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SplitTree<E> {
    /// The place in the tree.
    pub id: NodeId,
    /// The architectures of this node.
    pub mask: Mask,
    /// The split, unless this is a leaf.
    pub split: Option<Split<E>>,
}

/// The division of one edge's operations.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Split<E> {
    /// The edge that was split.
    pub edge: EdgeId,
    /// What was known of each edge that could have been split.
    pub evidence: Vec<E>,
    /// One subtree for each group of operations.
    pub children: Vec<SplitTree<E>>,
}

impl<E> SplitTree<E> {
    /// A tree of one node.
    pub fn root(mask: Mask) -> Self {
        Self { id: NodeId::root(), mask, split: None }
    }

    /// Whether splits can have made this tree of that mask: one from a file need not be so.
    pub fn divides(&self, mask: &Mask) -> bool {
        let Some(split) = &self.split else { return self.mask == *mask };
        if self.mask != *mask || mask.n_edges() <= split.edge.0 {
            return false;
        }
        let ops = mask.ops(split.edge);
        let group = |child: &Self| {
            let kept = child.mask.edges().nth(split.edge.0).map(|edge| child.mask.ops(edge))?;
            kept.iter().map(|op| ops.iter().position(|other| other == op)).collect()
        };
        let groups: Option<Vec<Vec<usize>>> = split.children.iter().map(group).collect();
        let masks = groups.and_then(|groups| mask.split(split.edge, &groups).ok());
        masks.is_some_and(|masks| {
            let mut children = split.children.iter().zip(&masks).enumerate();
            children.all(|(at, (child, mask))| child.id == self.id.child(at) && child.divides(mask))
        })
    }

    /// The node of this place, if the tree holds it.
    pub fn node(&self, id: &NodeId) -> Option<&Self> {
        if self.id == *id {
            return Some(self);
        }
        self.split.iter().flat_map(|split| &split.children).find_map(|child| child.node(id))
    }

    /// The leaves from first to last.
    pub fn leaves(&self) -> Vec<&Self> {
        match &self.split {
            None => vec![self],
            Some(split) => split.children.iter().flat_map(Self::leaves).collect(),
        }
    }

    /// The leaves from first to last, to be split.
    pub fn leaves_mut(&mut self) -> Vec<&mut Self> {
        match self.split {
            None => vec![self],
            Some(ref mut split) => split.children.iter_mut().flat_map(Self::leaves_mut).collect(),
        }
    }

    /// Splits a leaf.
    ///
    /// # Errors
    ///
    /// If the groups are no partition of the edge's operations.
    ///
    /// # Panics
    ///
    /// If the node is no leaf.
    pub fn grow(
        &mut self,
        edge: EdgeId,
        groups: &[Vec<usize>],
        evidence: Vec<E>,
    ) -> Result<(), SpaceError> {
        assert!(self.split.is_none(), "node {} is split already", self.id);
        let masks = self.mask.split(edge, groups)?;
        let child = |(i, mask)| Self { id: self.id.child(i), mask, split: None };
        let children = masks.into_iter().enumerate().map(child).collect();
        self.split = Some(Split { edge, evidence, children });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leaves_stand_in_order_and_know_their_parents() {
        let mut tree = SplitTree::<()>::root(Mask::full(&[4, 2]));
        tree.grow(EdgeId(0), &[vec![0, 3], vec![1, 2]], vec![]).unwrap();
        tree.leaves_mut()[1].grow(EdgeId(1), &[vec![0], vec![1]], vec![]).unwrap();
        let ids: Vec<String> = tree.leaves().iter().map(|leaf| leaf.id.to_string()).collect();
        assert_eq!(ids, ["0.0", "0.1.0", "0.1.1"]);
        assert_eq!(tree.leaves()[2].id.parent(), Some(NodeId::root().child(1)));
        assert_eq!(NodeId::root().parent(), None);
        let second = NodeId::root().child(1);
        assert_eq!(tree.node(&second).map(|node| node.mask.n_archs()), Some(4));
        assert_eq!(tree.node(&NodeId::root().child(2)), None);
    }

    #[test]
    fn trees_that_no_split_makes_are_known() {
        let mask = Mask::full(&[4, 2]);
        let mut tree = SplitTree::<()>::root(mask.clone());
        assert!(tree.divides(&mask) && !tree.divides(&Mask::full(&[4, 3])));
        tree.grow(EdgeId(0), &[vec![0, 3], vec![1, 2]], vec![]).unwrap();
        tree.leaves_mut()[1].grow(EdgeId(1), &[vec![0], vec![1]], vec![]).unwrap();
        assert!(tree.divides(&mask));
        let spoilt = |spoil: fn(&mut Split<()>)| {
            let mut other = tree.clone();
            other.split.as_mut().map(spoil).unwrap();
            !other.divides(&mask)
        };
        assert!(spoilt(|split| split.edge = EdgeId(1)));
        assert!(spoilt(|split| split.edge = EdgeId(99)));
        assert!(spoilt(|split| split.children.swap(0, 1)));
        assert!(spoilt(|split| drop(split.children.pop())));
        assert!(spoilt(|split| split.children[0].mask = Mask::full(&[4])));
        assert!(spoilt(|split| split.children[0].mask = Mask::full(&[])));
        assert!(spoilt(|split| split.children[1].mask = split.children[0].mask.clone()));
        assert!(spoilt(|split| split.children[1].id = NodeId::root()));
        assert!(spoilt(|split| split.children[1].split.as_mut().unwrap().children.truncate(1)));
    }
}
