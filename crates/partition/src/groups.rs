//! The partition: disjoint groups that hold every vertex.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::PartitionError;

/// Disjoint, non-empty groups of the vertices `0..n`, together all of them.
///
/// Normalized: members ascend, and groups are ordered by their first member. Two partitions are
/// therefore equal exactly if they group alike. In files it is a list of groups.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Vec<Vec<usize>>", into = "Vec<Vec<usize>>")]
pub struct Partition {
    groups: Vec<Vec<usize>>,
}

impl Partition {
    /// Checks and normalizes groups; `n` is the number of their members.
    ///
    /// # Errors
    ///
    /// If there is no group, a group is empty, a vertex is there twice, or one below `n` is missing.
    ///
    /// # Examples
    ///
    /// ```
    /// use partition::Partition;
    ///
    /// let partition = Partition::new(vec![vec![3, 1], vec![2, 0]])?;
    /// assert_eq!(partition.groups(), [[0, 2], [1, 3]]);
    /// assert_eq!(partition.labels(), [0, 1, 0, 1]);
    /// # Ok::<(), partition::PartitionError>(())
    /// ```
    pub fn new(mut groups: Vec<Vec<usize>>) -> Result<Self, PartitionError> {
        if groups.is_empty() {
            return Err(PartitionError::Empty);
        }
        if let Some(group) = groups.iter().position(Vec::is_empty) {
            return Err(PartitionError::EmptyGroup { group });
        }
        let mut members = groups.concat();
        members.sort_unstable();
        if let Some(pair) = members.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(PartitionError::Repeated { vertex: pair[0] });
        }
        if let Some(vertex) = members.iter().zip(0..).position(|(&member, at)| member != at) {
            return Err(PartitionError::Missing { vertex, n: members.len() });
        }
        groups.iter_mut().for_each(|group| group.sort_unstable());
        groups.sort_unstable_by_key(|group| group[0]);
        Ok(Self { groups })
    }

    /// The partition of a restricted growth string: labels from 0, each new one the next number.
    pub(crate) fn from_labels(labels: &[u8]) -> Self {
        let n_groups = labels.iter().max().map_or(0, |&last| usize::from(last) + 1);
        let mut groups = vec![Vec::new(); n_groups];
        for (vertex, &label) in labels.iter().enumerate() {
            groups[usize::from(label)].push(vertex);
        }
        Self { groups }
    }

    /// The groups: members ascend, groups are ordered by their first member.
    pub fn groups(&self) -> &[Vec<usize>] {
        &self.groups
    }

    /// The groups, owned.
    pub fn into_groups(self) -> Vec<Vec<usize>> {
        self.groups
    }

    /// Number of vertices.
    pub fn n(&self) -> usize {
        self.groups.iter().map(Vec::len).sum()
    }

    /// Number of groups.
    pub fn n_groups(&self) -> usize {
        self.groups.len()
    }

    /// The group of each vertex, by its position in [`groups`](Self::groups).
    ///
    /// # Shapes
    ///
    /// - output: `[n]`
    pub fn labels(&self) -> Vec<usize> {
        let mut labels = vec![0; self.n()];
        for (label, group) in self.groups.iter().enumerate() {
            for &vertex in group {
                labels[vertex] = label;
            }
        }
        labels
    }
}

impl TryFrom<Vec<Vec<usize>>> for Partition {
    type Error = PartitionError;

    fn try_from(groups: Vec<Vec<usize>>) -> Result<Self, PartitionError> {
        Self::new(groups)
    }
}

impl From<Partition> for Vec<Vec<usize>> {
    fn from(partition: Partition) -> Self {
        partition.groups
    }
}

/// `{0 2 | 1 3}`.
impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let group =
            |group: &Vec<usize>| group.iter().map(usize::to_string).collect::<Vec<_>>().join(" ");
        write!(f, "{{{}}}", self.groups.iter().map(group).collect::<Vec<_>>().join(" | "))
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    #[track_caller]
    fn check(groups: &[&[usize]], expect: Expect) {
        let groups = groups.iter().map(|group| group.to_vec()).collect();
        let got = match Partition::new(groups) {
            Ok(partition) => partition.to_string(),
            Err(error) => format!("error: {error}"),
        };
        expect.assert_eq(&got);
    }

    #[test]
    fn groups_are_normalized_and_complete() {
        check(&[&[4, 1], &[3, 0], &[2]], expect!["{0 3 | 1 4 | 2}"]);
        check(&[], expect!["error: nothing to compare: at least one vertex is needed"]);
        check(&[&[0], &[]], expect!["error: group 1 is empty"]);
        check(&[&[0, 1], &[1, 2]], expect!["error: vertex 1 is in the groups twice"]);
        check(&[&[0, 1], &[3]], expect!["error: groups with 3 members lack vertex 2"]);
    }

    #[test]
    fn files_hold_groups() {
        let partition: Partition = serde_json::from_str("[[2,1],[0]]").unwrap();
        assert_eq!(serde_json::to_string(&partition).unwrap(), "[[0],[1,2]]");
        assert!(serde_json::from_str::<Partition>("[[0],[0]]").is_err());
    }
}
