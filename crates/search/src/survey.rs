//! One loop for every criterion that measures: edges, batches, similarities, the cut.

use data::Batch;
use partition::{Measure, PartitionError, Similarity};
use space::{Arch, EdgeId, Mask, SearchSpace, Seed};

use crate::{CutOptions, Evidence, Incomparable, Reading, SearchError, context};

/// What a survey needs beside the vectors of the operations.
pub(crate) struct Survey<'a> {
    pub(crate) space: &'a dyn SearchSpace,
    pub(crate) mask: &'a Mask,
    pub(crate) batches: &'a [Batch],
    pub(crate) seed: Seed,
    pub(crate) cut: &'a CutOptions,
    /// What is read from the vectors; the first decides.
    pub(crate) forms: Vec<Form>,
}

/// A form in which the operations of an edge are compared.
pub(crate) struct Form {
    pub(crate) name: String,
    /// Which of the vectors of a comparison.
    pub(crate) view: usize,
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

/// Measures the operations of a comparison, for every view that a form may ask for.
type Measuring<'a> = dyn Fn(&Comparison<'_>) -> Result<Vec<Vectors>, SearchError> + 'a;

impl Survey<'_> {
    /// The evidence on every edge that can be split; `vectors` measures the operations. An edge that no
    /// batch compares has none, which is an error only if no edge has any.
    pub(crate) fn run(
        &self,
        vectors: &Measuring<'_>,
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
        let (mut all, mut incomparable) = (Vec::new(), None);
        for edge in edges {
            match self.evidence(edge, vectors, &mut step) {
                Ok(evidence) => all.push(evidence),
                Err(error @ SearchError::Incomparable { .. }) => incomparable = Some(error),
                Err(error) => return Err(error),
            }
        }
        match incomparable {
            Some(error) if all.is_empty() => Err(error),
            _ => Ok(all),
        }
    }

    /// The evidence on one edge, a function of seed and edge alone.
    pub(crate) fn evidence(
        &self,
        edge: EdgeId,
        vectors: &Measuring<'_>,
        step: &mut dyn FnMut(),
    ) -> Result<Evidence, SearchError> {
        let mut similarities = vec![Vec::new(); self.forms.len()];
        let mut last = None;
        for (number, batch) in self.batches.iter().enumerate() {
            let stream = self.seed.child(&format!("split/edge-{}/batch-{number}", edge.0));
            let archs = context::draw(self.space, self.mask, edge, &mut stream.rng());
            let comparison = Comparison { edge, number, batch, archs };
            let views = vectors(&comparison)?;
            for (at, (form, similarities)) in self.forms.iter().zip(&mut similarities).enumerate() {
                match similarity(&comparison, &views[form.view], form.measure)? {
                    Ok(similarity) => similarities.push(similarity),
                    Err(reason) if at == 0 => last = Some(reason),
                    Err(_) => {}
                }
            }
            step();
        }
        if let Some(last) = last.filter(|_| similarities[0].is_empty()) {
            return Err(SearchError::Incomparable { edge, n_batches: self.batches.len(), last });
        }
        self.conclude(edge, &similarities)
    }

    /// The verdict of the first form, and what the others read where they can.
    fn conclude(
        &self,
        edge: EdgeId,
        similarities: &[Vec<Similarity>],
    ) -> Result<Evidence, SearchError> {
        let mut forms = self.forms.iter().zip(similarities);
        let (form, decisive) = forms.next().expect("a survey has a form that decides");
        let (first, score) =
            self.reading(form, decisive).map_err(|source| SearchError::Cut { edge, source })?;
        let groups = first.groups.clone();
        let others =
            forms.filter_map(|(form, similarities)| Some(self.reading(form, similarities).ok()?.0));
        let readings = std::iter::once(first).chain(others).collect();
        Ok(Evidence { edge, groups, score, readings })
    }

    /// What one form makes of the batches it could compare, and the score of the edge by it.
    fn reading(
        &self,
        form: &Form,
        similarities: &[Similarity],
    ) -> Result<(Reading, f64), PartitionError> {
        let similarity = Similarity::mean(similarities)?;
        let (partition, score) = self.cut.divide(&similarity)?;
        let (groups, reliability) = (partition.into_groups(), reliability(similarities)?);
        let (form, skipped) = (form.name.clone(), self.batches.len() - similarities.len());
        Ok((Reading { form, similarity, groups, reliability, skipped }, score))
    }
}

/// How alike the operations of a comparison are, or why they cannot be compared.
fn similarity(
    comparison: &Comparison<'_>,
    vectors: &Vectors,
    measure: Measure,
) -> Result<Result<Similarity, Incomparable>, SearchError> {
    let vectors = match vectors {
        Ok(vectors) => vectors,
        Err(reason) => return Ok(Err(reason.clone())),
    };
    if identical(vectors) {
        return Ok(Err(Incomparable::Identical));
    }
    match Similarity::of(vectors, measure) {
        Ok(similarity) => Ok(Ok(similarity)),
        Err(flat @ PartitionError::FlatVector { .. }) => Ok(Err(Incomparable::Flat(flat))),
        Err(source) => {
            let (edge, batch) = (comparison.edge, comparison.number);
            Err(SearchError::Similarity { edge, batch, source })
        }
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
    let pairs = |half: &[Similarity]| -> Result<Vec<f64>, PartitionError> {
        Ok(Similarity::mean(half)?.pairs().map(|(_, _, similarity)| similarity).collect())
    };
    let halves = [pairs(&even)?, pairs(&odd)?];
    match Similarity::of(&halves, Measure::Pearson) {
        Ok(correlation) => Ok(Some(correlation.get(0, 1))),
        // A single pair is constant, too.
        Err(PartitionError::FlatVector { .. }) => Ok(None),
        Err(error) => Err(error),
    }
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
