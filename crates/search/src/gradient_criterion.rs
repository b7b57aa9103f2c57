//! Operations are alike if they pull the shared weights the same way.

use std::collections::{BTreeMap, BTreeSet};

use data::Batch;
use partition::Measure;
use space::{Mask, SearchSpace, Seed};
use supernet::Supernet;

use crate::survey::{Comparison, Form, Survey, Vectors};
use crate::{Criterion, CutOptions, Evidence, SearchError};

/// Compares the loss gradients on the shared weights: GM-NAS, Hu et al. 2022.
///
/// In a random context each operation of the edge has a gradient on every parameter of its path
/// but those of the edge itself. A parameter that one operation's path lacks counts as a gradient of
/// zero. Nothing is computed once for all operations: each gradient goes all the way back. A context in which an operation has no gradient at all, or all operations have the same, is
/// skipped and counted; an edge without any other is not split.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GradientCriterion {
    /// How gradients are compared; published: cosine.
    pub measure: Measure,
    /// How operations are divided.
    pub cut: CutOptions,
}

impl Criterion for GradientCriterion {
    fn evidence(
        &self,
        supernet: &dyn Supernet,
        space: &dyn SearchSpace,
        mask: &Mask,
        batches: &[Batch],
        seed: Seed,
        progress: &mut dyn FnMut(usize, usize),
    ) -> Result<Vec<Evidence>, SearchError> {
        let (cut, forms) = (&self.cut, self.forms());
        Survey { space, mask, batches, seed, cut, forms }
            .run(&|comparison| gradients(supernet, comparison), progress)
    }
}

impl GradientCriterion {
    /// The form that decides, then the other of what is usual.
    fn forms(&self) -> Vec<Form> {
        let usual = [Measure::Cosine, Measure::Pearson];
        let others = usual.into_iter().filter(|&measure| measure != self.measure);
        let form = |measure: Measure| Form { name: measure.to_string(), view: 0, measure };
        std::iter::once(self.measure).chain(others).map(form).collect()
    }
}

/// A gradient by the names of the parameters.
type Gradient = BTreeMap<String, Vec<f32>>;

fn gradients(
    supernet: &dyn Supernet,
    comparison: &Comparison<'_>,
) -> Result<Vec<Vectors>, SearchError> {
    let &Comparison { edge, number: batch, .. } = comparison;
    let mut gradients = Vec::with_capacity(comparison.archs.len());
    for arch in &comparison.archs {
        let gradient = supernet.shared_gradient(arch, comparison.batch, edge);
        let place = |source| SearchError::Gradient { edge, op: arch.op(edge), batch, source };
        gradients.push(gradient.map_err(place)?);
    }
    Ok(vec![Ok(align(&gradients))])
}

/// The gradients as vectors over the union of their parameters, in the order of the names.
///
/// # Shapes
///
/// - output: `[n, t]`, `t` the numbers in all parameters together
fn align(gradients: &[Gradient]) -> Vec<Vec<f64>> {
    let names: BTreeSet<&String> = gradients.iter().flat_map(BTreeMap::keys).collect();
    let mut vectors = vec![Vec::new(); gradients.len()];
    for name in names {
        let parts: Vec<Option<&Vec<f32>>> = gradients.iter().map(|g| g.get(name)).collect();
        let len = parts.iter().flatten().map(|part| part.len()).max().unwrap_or(0);
        for (vector, part) in vectors.iter_mut().zip(parts) {
            let got = part.map_or(len, Vec::len);
            assert_eq!(got, len, "parameter `{name}` has two sizes");
            match part {
                Some(part) => vector.extend(part.iter().map(|&number| f64::from(number))),
                None => vector.resize(vector.len() + len, 0.0),
            }
        }
    }
    vectors
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_parameters_are_zeros() {
        let gradient = |parts: &[(&str, &[f32])]| -> Gradient {
            parts.iter().map(|(name, part)| ((*name).to_owned(), part.to_vec())).collect()
        };
        let left = gradient(&[("b", &[1.0, 2.0]), ("c", &[3.0])]);
        let right = gradient(&[("a", &[4.0]), ("c", &[5.0])]);
        assert_eq!(align(&[left, right]), [[0.0, 1.0, 2.0, 3.0], [4.0, 0.0, 0.0, 5.0]]);
    }
}
