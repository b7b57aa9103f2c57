//! Operations are alike if the features they lead to have the same intrinsic dimensions.

use data::Batch;
use lid::{Aggregate, Estimator};
use partition::Measure;
use serde::{Deserialize, Serialize};
use space::{Mask, SearchSpace, Seed};
use supernet::{Supernet, Taps};

use crate::probe::{ProbeFault, TapLids, tap_lids};
use crate::survey::{Comparison, Form, Survey, Vectors};
use crate::{Criterion, CutOptions, Evidence, Incomparable, SearchError};

/// Compares the LID of features along the paths: NAS-LID, He et al. 2023.
///
/// In a random context each operation of the edge has a profile, the LID at each tap. Forward passes
/// suffice. Operations are compared on the taps that all of them have, and at a tap on the images
/// that have a dimension under all of them; a tap without such images is left out. A context without
/// such taps, or in which all operations have the same profile, is skipped and counted; an edge
/// without any other is not split.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LidCriterion {
    /// How profiles are taken and compared.
    pub options: LidOptions,
    /// How operations are divided.
    pub cut: CutOptions,
}

/// How profiles of LID are taken and compared.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct LidOptions {
    /// Nearest neighbors of each image; published: 20.
    pub neighbors: usize,
    /// How the dimension follows from the distances.
    pub estimator: Estimator,
    /// Which activations are recorded.
    pub taps: Taps,
    /// What stands for a tap in the vector of an operation.
    pub features: PerTap,
    /// How the LIDs of the images become one, if [`PerTap::Mean`] asks for one.
    pub aggregate: Aggregate,
    /// How vectors are compared.
    pub measure: Measure,
}

/// What stands for a tap in the vector of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PerTap {
    /// One number, aggregated over the images: the published profile.
    Mean,
    /// The LID of each image.
    PerImage,
}

impl PerTap {
    /// In the order of their discriminants.
    const ALL: [Self; 2] = [Self::Mean, Self::PerImage];

    fn name(self) -> &'static str {
        match self {
            Self::Mean => "mean",
            Self::PerImage => "per-image",
        }
    }
}

impl Criterion for LidCriterion {
    fn evidence(
        &self,
        supernet: &dyn Supernet,
        space: &dyn SearchSpace,
        mask: &Mask,
        batches: &[Batch],
        seed: Seed,
        progress: &mut dyn FnMut(usize, usize),
    ) -> Result<Vec<Evidence>, SearchError> {
        let (cut, forms) = (&self.cut, forms(&self.options));
        Survey { space, mask, batches, seed, cut, forms }
            .run(&|comparison| profiles(supernet, &self.options, comparison), progress)
    }
}

/// The form that decides, then the others of what is usual.
pub(crate) fn forms(options: &LidOptions) -> Vec<Form> {
    let decisive = (options.features, options.measure);
    let usual = PerTap::ALL
        .into_iter()
        .flat_map(|features| [Measure::Cosine, Measure::Pearson].map(|measure| (features, measure)))
        .filter(|&form| form != decisive);
    let form = |(features, measure): (PerTap, Measure)| Form {
        name: format!("{}, {measure}", features.name()),
        view: features as usize,
        measure,
    };
    std::iter::once(decisive).chain(usual).map(form).collect()
}

/// The profiles of the operations as vectors, for each of [`PerTap::ALL`].
pub(crate) fn profiles(
    supernet: &dyn Supernet,
    options: &LidOptions,
    comparison: &Comparison<'_>,
) -> Result<Vec<Vectors>, SearchError> {
    let &Comparison { edge, number: batch, ref archs, .. } = comparison;
    let place = |ProbeFault { arch, tap, source }| {
        let op = archs[arch].op(edge);
        SearchError::Probe { edge, op, batch, tap, source }
    };
    let profiles = tap_lids(supernet, archs, comparison.batch, options).map_err(place)?;
    let vectors = |features| vectors(&profiles, features, options.aggregate);
    Ok(PerTap::ALL.map(vectors).into())
}

/// The profiles as vectors over the taps and images that all of them have.
///
/// # Shapes
///
/// - output: `[n, t]`, `t` the common taps, or the common images of them all
fn vectors(profiles: &[TapLids], features: PerTap, aggregate: Aggregate) -> Vectors {
    let mut vectors = vec![Vec::new(); profiles.len()];
    let (first, others) = profiles.split_first().ok_or(Incomparable::NoTap)?;
    for tap in first.keys().filter(|tap| others.iter().all(|other| other.contains_key(tap))) {
        let columns: Vec<&[Option<f64>]> =
            profiles.iter().map(|profile| profile[tap].as_slice()).collect();
        let Some(lids) = common(&columns) else { continue };
        for (vector, lids) in vectors.iter_mut().zip(lids) {
            match features {
                PerTap::Mean => vector.push(aggregate.of(lids)),
                PerTap::PerImage => vector.extend(lids),
            }
        }
    }
    if vectors.iter().all(Vec::is_empty) { Err(Incomparable::NoTap) } else { Ok(vectors) }
}

/// The LIDs of the images that have one in every column; none without such images.
fn common(columns: &[&[Option<f64>]]) -> Option<Vec<Vec<f64>>> {
    let n = columns.iter().map(|column| column.len()).max()?;
    let fewest = columns.iter().map(|column| column.len()).min()?;
    assert_eq!(fewest, n, "images at one tap");
    let rows: Vec<usize> =
        (0..n).filter(|&row| columns.iter().all(|column| column[row].is_some())).collect();
    let lids = |column: &&[Option<f64>]| rows.iter().filter_map(|&row| column[row]).collect();
    (!rows.is_empty()).then(|| columns.iter().map(lids).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(features: PerTap) -> LidOptions {
        LidOptions {
            neighbors: 20,
            estimator: Estimator::Mle,
            taps: Taps::Nodes,
            features,
            aggregate: Aggregate::Mean,
            measure: Measure::Pearson,
        }
    }

    fn profile(taps: &[(usize, [Option<f64>; 3])]) -> TapLids {
        taps.iter().map(|(tap, lids)| (*tap, lids.to_vec())).collect()
    }

    #[track_caller]
    fn check(profiles: &[TapLids], features: PerTap, expected: Result<&[&[f64]], Incomparable>) {
        let expected = expected.map(|rows| rows.iter().map(|row| row.to_vec()).collect::<Vec<_>>());
        assert_eq!(vectors(profiles, features, Aggregate::Mean), expected);
    }

    #[test]
    fn profiles_meet_on_common_taps_and_images() {
        // Tap 1 is missing in the second, tap 2 has no image in the first, tap 3 shares two images.
        let none = [None; 3];
        let profiles = [
            profile(&[
                (0, [Some(1.0), Some(2.0), Some(3.0)]),
                (1, [Some(9.0); 3]),
                (2, none),
                (3, [Some(2.0), None, Some(4.0)]),
            ]),
            profile(&[
                (0, [Some(4.0), Some(5.0), Some(6.0)]),
                (2, [Some(9.0); 3]),
                (3, [Some(6.0), Some(9.0), Some(8.0)]),
            ]),
        ];
        check(&profiles, PerTap::Mean, Ok(&[&[2.0, 3.0], &[5.0, 7.0]]));
        let per_image: [&[f64]; 2] = [&[1.0, 2.0, 3.0, 2.0, 4.0], &[4.0, 5.0, 6.0, 6.0, 8.0]];
        check(&profiles, PerTap::PerImage, Ok(&per_image));
    }

    #[test]
    fn profiles_that_share_nothing_are_no_comparison() {
        let [left, right] = [0, 1].map(|tap| profile(&[(tap, [Some(1.0); 3])]));
        check(&[left.clone(), right], PerTap::Mean, Err(Incomparable::NoTap));
        let dead = profile(&[(0, [None; 3])]);
        check(&[left, dead], PerTap::PerImage, Err(Incomparable::NoTap));
    }

    #[test]
    fn the_decisive_form_comes_first_and_once() {
        let names = |features, measure| -> Vec<String> {
            let options = LidOptions { measure, ..options(features) };
            forms(&options).into_iter().map(|form| form.name).collect()
        };
        let usual = ["mean, cosine", "mean, pearson", "per-image, cosine", "per-image, pearson"];
        assert_eq!(names(PerTap::Mean, Measure::Cosine), usual);
        let spearman = names(PerTap::Mean, Measure::Spearman);
        assert_eq!(
            (spearman[0].as_str(), &spearman[1..]),
            ("mean, spearman", &usual.map(String::from)[..])
        );
    }

    #[test]
    fn options_have_kebab_keys() {
        let text = serde_json::to_string(&options(PerTap::PerImage)).unwrap();
        assert!(text.contains(r#""features":"per-image""#), "{text}");
        let read = serde_json::from_str::<LidOptions>(&text).unwrap();
        assert_eq!(read, options(PerTap::PerImage));
        assert!(serde_json::from_str::<LidOptions>(&text.replace("neighbors", "k")).is_err());
    }
}
