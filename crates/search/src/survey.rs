//! One loop for every criterion that measures: edges, batches, similarities, the cut.

use data::Batch;
use partition::{Measure, PartitionError, Similarity};
use space::{Arch, EdgeId, Mask, SearchSpace, Seed};

use crate::{CutOptions, Evidence, Incomparable, SearchError, context};

/// What a survey needs beside the vectors of the operations.
pub(crate) struct Survey<'a> {
    pub(crate) space: &'a dyn SearchSpace,
    pub(crate) mask: &'a Mask,
    pub(crate) batches: &'a [Batch],
    pub(crate) seed: Seed,
    pub(crate) cut: &'a CutOptions,
    pub(crate) measure: Measure,
}

/// The operations of one edge in one context, on one batch.
pub(crate) struct Comparison<'a> {
    pub(crate) edge: EdgeId,
    /// The number of the batch.
    pub(crate) number: usize,
    pub(crate) batch: &'a Batch,
    /// The context with each operation on the edge, in the order of the mask.
    pub(crate) archs: Vec<Arch>,
}

/// One vector for each operation of a comparison, all of one length, or why there are none.
pub(crate) type Vectors = Result<Vec<Vec<f64>>, Incomparable>;

impl Survey<'_> {
    /// The evidence on every edge that can be split; `vectors` measures the operations.
    pub(crate) fn run(
        &self,
        vectors: &dyn Fn(&Comparison<'_>) -> Result<Vectors, SearchError>,
        progress: &mut dyn FnMut(usize, usize),
    ) -> Result<Vec<Evidence>, SearchError> {
        if self.batches.is_empty() {
            return Err(SearchError::NoBatches);
        }
        let edges = self.cut.splittable(self.space, self.mask)?;
        let total = edges.len() * self.batches.len();
        let mut n_done = 0;
        let mut step = || {
            n_done += 1;
            progress(n_done, total);
        };
        edges.into_iter().map(|edge| self.evidence(edge, vectors, &mut step)).collect()
    }

    /// The evidence on one edge, a function of seed and edge alone.
    pub(crate) fn evidence(
        &self,
        edge: EdgeId,
        vectors: &dyn Fn(&Comparison<'_>) -> Result<Vectors, SearchError>,
        step: &mut dyn FnMut(),
    ) -> Result<Evidence, SearchError> {
        let mut similarities = Vec::new();
        let mut last = None;
        for (number, batch) in self.batches.iter().enumerate() {
            let stream = self.seed.child(&format!("split/edge-{}/batch-{number}", edge.0));
            let archs = context::draw(self.space, self.mask, edge, &mut stream.rng());
            let comparison = Comparison { edge, number, batch, archs };
            match self.similarity(&comparison, vectors(&comparison)?)? {
                Ok(similarity) => similarities.push(similarity),
                Err(reason) => last = Some(reason),
            }
            step();
        }
        if let Some(last) = last.filter(|_| similarities.is_empty()) {
            return Err(SearchError::Incomparable { edge, n_batches: self.batches.len(), last });
        }
        self.conclude(edge, &similarities)
    }

    fn similarity(
        &self,
        comparison: &Comparison<'_>,
        vectors: Vectors,
    ) -> Result<Result<Similarity, Incomparable>, SearchError> {
        let vectors = match vectors {
            Ok(vectors) => vectors,
            Err(reason) => return Ok(Err(reason)),
        };
        if identical(&vectors) {
            return Ok(Err(Incomparable::Identical));
        }
        match Similarity::of(&vectors, self.measure) {
            Ok(similarity) => Ok(Ok(similarity)),
            Err(flat @ PartitionError::FlatVector { .. }) => Ok(Err(Incomparable::Flat(flat))),
            Err(source) => {
                let (edge, batch) = (comparison.edge, comparison.number);
                Err(SearchError::Similarity { edge, batch, source })
            }
        }
    }

    fn conclude(&self, edge: EdgeId, similarities: &[Similarity]) -> Result<Evidence, SearchError> {
        let misfit = |source| SearchError::Cut { edge, source };
        let similarity = Similarity::mean(similarities).map_err(misfit)?;
        let (partition, score) = self.cut.divide(&similarity).map_err(misfit)?;
        let reliability = reliability(similarities).map_err(misfit)?;
        let groups = partition.into_groups();
        let skipped = self.batches.len() - similarities.len();
        Ok(Evidence { edge, similarity: Some(similarity), groups, score, reliability, skipped })
    }
}

/// Whether all vectors are the same, bit by bit.
fn identical(vectors: &[Vec<f64>]) -> bool {
    let same = |a: &f64, b: &f64| a.total_cmp(b).is_eq();
    let alike = |pair: &[Vec<f64>]| pair[0].iter().zip(&pair[1]).all(|(a, b)| same(a, b));
    vectors.windows(2).all(alike)
}

/// Pearson correlation of the pairs in the mean of the 1st, 3rd, 5th … and of the other matrices.
///
/// `None` if there are fewer than two matrices or three vertices, or all pairs of a half are alike.
fn reliability(similarities: &[Similarity]) -> Result<Option<f64>, PartitionError> {
    let half = |parity: usize| -> Vec<Similarity> {
        similarities.iter().skip(parity).step_by(2).cloned().collect()
    };
    let (even, odd) = (half(0), half(1));
    if odd.is_empty() {
        return Ok(None);
    }
    let halves = [pairs(&Similarity::mean(&even)?), pairs(&Similarity::mean(&odd)?)];
    match Similarity::of(&halves, Measure::Pearson) {
        Ok(correlation) => Ok(Some(correlation.get(0, 1))),
        // A single pair is constant, too.
        Err(PartitionError::FlatVector { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The entries above the diagonal, row by row.
fn pairs(similarity: &Similarity) -> Vec<f64> {
    let n = similarity.n();
    let pairs = (0..n).flat_map(|row| (row + 1..n).map(move |col| (row, col)));
    pairs.map(|(row, col)| similarity.get(row, col)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matrix(pairs: [f64; 3]) -> Similarity {
        let [a, b, c] = pairs;
        Similarity::new(3, vec![1.0, a, b, a, 1.0, c, b, c, 1.0]).unwrap()
    }

    #[track_caller]
    fn check(similarities: &[Similarity], expected: Option<f64>) {
        match (reliability(similarities).unwrap(), expected) {
            // A correlation of three numbers: rounding only.
            (Some(got), Some(expected)) => assert!((got - expected).abs() < 1e-12, "{got}"),
            (got, expected) => assert_eq!(got, expected),
        }
    }

    #[test]
    fn reliability_correlates_two_halves() {
        let (up, down) = (matrix([0.1, 0.2, 0.3]), matrix([0.9, 0.8, 0.7]));
        check(&[up.clone(), up.clone()], Some(1.0));
        check(&[up.clone(), down.clone(), up.clone(), down], Some(-1.0));
        // Deviations −1 0 1 and −1 1 0: 1 / 2.
        check(&[up.clone(), matrix([0.1, 0.3, 0.2])], Some(0.5));
        check(std::slice::from_ref(&up), None);
        check(&[up, matrix([0.5; 3])], None);
        let two = Similarity::new(2, vec![1.0, 0.5, 0.5, 1.0]).unwrap();
        check(&[two.clone(), two], None);
    }

    #[test]
    fn identical_means_to_the_last_bit() {
        assert!(identical(&[vec![1.0, 2.0], vec![1.0, 2.0], vec![1.0, 2.0]]));
        assert!(!identical(&[vec![1.0, 2.0], vec![1.0, 2.0], vec![1.0, 2.0 + f64::EPSILON * 2.0]]));
    }
}
