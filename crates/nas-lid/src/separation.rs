//! How far apart the groups of the first split lie, by method and form.

use std::collections::BTreeMap;

use report::Separation;
use search::{Evidence, Reading};

use crate::config::{Method, RunConfig};
use crate::method::Grown;

/// What each method read from the undivided supernet; nothing where it measured nothing.
pub(crate) fn separations(config: &RunConfig, grown: &BTreeMap<Method, Grown>) -> Vec<Separation> {
    let evidence = |grown: &Grown| -> Vec<Evidence> {
        grown.tree.split.iter().flat_map(|split| split.evidence.clone()).collect()
    };
    grown
        .iter()
        .flat_map(|(method, grown)| {
            of_method(method.name(), &evidence(grown), config.split.probe_batches)
        })
        .collect()
}

/// One separation for each form that was read on some edge, in the order of the readings.
fn of_method(method: &str, evidence: &[Evidence], probe_batches: usize) -> Vec<Separation> {
    let mut forms: Vec<(&str, Vec<&Reading>)> = Vec::new();
    for reading in evidence.iter().flat_map(|evidence| &evidence.readings) {
        match forms.iter_mut().find(|(form, _)| *form == reading.form) {
            Some((_, readings)) => readings.push(reading),
            None => forms.push((&reading.form, vec![reading])),
        }
    }
    let separation = |(form, readings): (&str, Vec<&Reading>)| Separation {
        method: method.to_owned(),
        form: form.to_owned(),
        similarity: spread(&readings),
        silhouette: mean(&readings, Reading::silhouette),
        separability: mean(&readings, Reading::separability),
        reliability: mean(&readings, |reading| reading.reliability),
        skipped: readings.iter().map(|reading| reading.skipped).sum(),
        batches: readings.len() * probe_batches,
    };
    forms.into_iter().map(separation).collect()
}

/// Least, median and greatest similarity of two operations of an edge.
fn spread(readings: &[&Reading]) -> [f64; 3] {
    let mut pairs: Vec<f64> = readings
        .iter()
        .flat_map(|reading| reading.similarity.pairs())
        .map(|(_, _, similarity)| similarity)
        .collect();
    pairs.sort_by(f64::total_cmp);
    // A reading is of at least two operations, so there is a pair.
    [pairs[0], pairs[pairs.len() / 2], pairs[pairs.len() - 1]]
}

/// The mean of a figure over the readings that have it.
fn mean(readings: &[&Reading], figure: impl Fn(&Reading) -> Option<f64>) -> Option<f64> {
    let figures: Vec<f64> = readings.iter().filter_map(|&reading| figure(reading)).collect();
    (!figures.is_empty()).then(|| figures.iter().sum::<f64>() / figures.len() as f64)
}

#[cfg(test)]
mod tests {
    use partition::Similarity;
    use space::EdgeId;

    use super::*;

    fn evidence(edge: usize, alike: f64, forms: &[&str]) -> Evidence {
        let values = vec![1.0, alike, 0.5, alike, 1.0, 0.5, 0.5, 0.5, 1.0];
        let reading = |form: &&str| Reading {
            form: (*form).to_owned(),
            similarity: Similarity::new(3, values.clone()).unwrap(),
            groups: vec![vec![0, 1], vec![2]],
            reliability: None,
            skipped: edge + form.len(),
        };
        let readings = forms.iter().map(reading).collect();
        let groups = vec![vec![0, 1], vec![2]];
        Evidence { edge: EdgeId(edge), groups, score: 0.0, readings }
    }

    #[test]
    fn figures_are_means_over_the_edges_that_have_the_form() {
        let all = [evidence(1, 0.75, &["a", "bb"]), evidence(2, 1.0, &["a"])];
        let found = of_method("lid", &all, 10);
        let forms: Vec<&str> = found.iter().map(|separation| separation.form.as_str()).collect();
        assert_eq!(forms, ["a", "bb"]);
        assert_eq!(found[0].similarity.map(f64::to_bits), [0.5, 0.5, 1.0].map(f64::to_bits));
        assert_eq!(found[0].separability, Some((0.25 / 0.5 + 0.0) / 2.0));
        assert_eq!(found[1].separability, Some(0.5));
        assert_eq!((found[0].reliability, found[0].skipped, found[0].batches), (None, 5, 20));
        assert_eq!((found[1].skipped, found[1].batches), (3, 10));
    }

    #[test]
    fn chance_reads_nothing() {
        assert_eq!(of_method("random", &[evidence(0, 0.5, &[])], 10), []);
    }
}
