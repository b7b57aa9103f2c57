//! `nas-lid partition`: the cut of a similarity matrix.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use clap::ValueEnum;
use partition::{Similarity, best, min_cut, separability, silhouette, spectral_cut};
use serde::Deserialize;
use serde_json::json;

use crate::Format;

/// What to cut.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// A JSON matrix: `[[1, 0.5], [0.5, 1]]`, or such a matrix under the key `similarity`
    file: PathBuf,
    /// Number of groups
    #[arg(long, default_value_t = 2)]
    groups: usize,
    /// Allowed sizes of the groups
    #[arg(long, value_enum, default_value_t = Sizes::Balanced)]
    sizes: Sizes,
    /// What the best partition maximizes
    #[arg(long, value_enum, default_value_t = Objective::IntraSum)]
    objective: Objective,
    /// How the partition is found; the methods for large graphs choose objective and sizes themselves
    #[arg(long, value_enum, default_value_t = Method::Exact)]
    method: Method,
}

/// How the partition is found.
#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Method {
    /// Every partition is tried: up to 12 vertices
    Exact,
    /// Two groups of the least similarity between them (Stoer-Wagner): intra-sum, any sizes
    MinCut,
    /// Two groups by the second eigenvector (Shi-Malik): a good normalized cut, any sizes
    Spectral,
}

/// Allowed sizes of the groups.
#[derive(Clone, Copy, ValueEnum)]
enum Sizes {
    Any,
    Balanced,
    #[value(name = "min-2")]
    Min2,
}

/// What the best partition maximizes.
#[derive(Clone, Copy, ValueEnum)]
enum Objective {
    IntraSum,
    MeanIntra,
    Gap,
    NormalizedCut,
}

#[derive(Deserialize)]
struct Named {
    similarity: Vec<Vec<f64>>,
}

pub(crate) fn run(options: &Options, format: Format) -> Result<()> {
    let text = std::fs::read_to_string(&options.file);
    let output = text.map_err(Into::into).and_then(|text| output(&text, options, format));
    crate::print(output.with_context(|| options.file.display().to_string())?);
    Ok(())
}

fn output(text: &str, options: &Options, format: Format) -> Result<String> {
    let rows: Vec<Vec<f64>> = if text.trim_start().starts_with('{') {
        serde_json::from_str::<Named>(text)?.similarity
    } else {
        serde_json::from_str(text)?
    };
    let similarity = Similarity::try_from(rows)?;
    let sizes = match options.sizes {
        Sizes::Any => partition::Sizes::Any,
        Sizes::Balanced => partition::Sizes::Balanced,
        Sizes::Min2 => partition::Sizes::Min2,
    };
    let objective = match options.objective {
        Objective::IntraSum => partition::Objective::IntraSum,
        Objective::MeanIntra => partition::Objective::MeanIntra,
        Objective::Gap => partition::Objective::Gap,
        Objective::NormalizedCut => partition::Objective::NormalizedCut,
    };
    let is_possible = options.method == Method::Exact || options.groups == 2;
    ensure!(is_possible, "this method finds 2 groups, not {}", options.groups);
    let cut = match options.method {
        Method::Exact => best(&similarity, options.groups, sizes, objective)?,
        Method::MinCut => min_cut(&similarity)?,
        Method::Spectral => spectral_cut(&similarity)?,
    };
    let groups = cut.first().groups();
    let separability = separability(&similarity, cut.first());
    let silhouette = silhouette(&similarity, cut.first());
    Ok(match format {
        Format::Json => format!(
            "{}\n",
            json!({
                "groups": groups,
                "score": cut.score,
                "maximizers": cut.maximizers.len(),
                "separability": separability,
                "silhouette": silhouette,
            })
        ),
        Format::Text => {
            let figure =
                |value: Option<f64>| value.map_or("undefined".to_owned(), |v| v.to_string());
            format!(
                "groups        {}\nscore         {}\nseparability  {}\nsilhouette    {}\n",
                cut.first(),
                cut.score,
                figure(separability),
                figure(silhouette)
            )
        }
    })
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    /// Vertices 0 and 1 are alike, 2 is near them, 3 is alone.
    const MATRIX: &str = "[[1, 0.875, 0.5, 0.125], [0.875, 1, 0.5, 0.125], [0.5, 0.5, 1, 0.25], \
                          [0.125, 0.125, 0.25, 1]]";

    fn options(sizes: Sizes, objective: Objective) -> Options {
        let method = Method::Exact;
        Options { file: PathBuf::new(), groups: 2, sizes, objective, method }
    }

    #[track_caller]
    fn check(text: &str, options: &Options, groups: Value, score: f64) {
        let printed = output(text, options, Format::Json).unwrap();
        let printed: Value = serde_json::from_str(&printed).unwrap();
        assert_eq!(printed["groups"], groups);
        assert!((printed["score"].as_f64().unwrap() - score).abs() < 1e-12, "{printed}");
        assert!(printed["separability"].is_number());
    }

    #[test]
    fn sizes_and_objectives_reach_the_cut() {
        let (pairs, alone) = (json!([[0, 1], [2, 3]]), json!([[0, 1, 2], [3]]));
        check(MATRIX, &options(Sizes::Balanced, Objective::IntraSum), pairs.clone(), 1.125);
        check(MATRIX, &options(Sizes::Min2, Objective::MeanIntra), pairs, 0.5625);
        check(MATRIX, &options(Sizes::Any, Objective::IntraSum), alone, 1.875);
    }

    #[test]
    fn methods_for_large_graphs_reach_the_cut() {
        let options = |method, groups| Options {
            method,
            groups,
            ..options(Sizes::Balanced, Objective::IntraSum)
        };
        check(MATRIX, &options(Method::MinCut, 2), json!([[0, 1, 2], [3]]), 1.875);
        let spectral = output(MATRIX, &options(Method::Spectral, 2), Format::Json).unwrap();
        assert!(spectral.contains("[[0,1,2],[3]]"), "{spectral}");
        let error = output(MATRIX, &options(Method::Spectral, 3), Format::Json).unwrap_err();
        assert_eq!(error.to_string(), "this method finds 2 groups, not 3");
    }

    #[test]
    fn a_matrix_may_stand_under_its_name() {
        let named = format!("{{\"similarity\": {MATRIX}}}");
        let options = options(Sizes::Balanced, Objective::IntraSum);
        let [bare, named] =
            [MATRIX, &named].map(|text| output(text, &options, Format::Text).unwrap());
        assert_eq!(bare, named);
        assert!(bare.contains("\nscore         1.125\nseparability  "), "{bare}");
    }

    #[test]
    fn files_that_are_no_similarity_are_refused() {
        let refused = |text: &str, expected: &str| {
            let options = options(Sizes::Balanced, Objective::IntraSum);
            let error = format!("{:#}", output(text, &options, Format::Json).unwrap_err());
            assert!(error.contains(expected), "{error}");
        };
        refused("", "EOF while parsing");
        refused("{\"matrix\": []}", "missing field `similarity`");
        refused("[[1, 0],\n [null, 1]]", "line 2");
        refused("[[1, 0.5], [0.5]]", "row 1");
        refused("[[1, 0.5], [0.25, 1]]", "not symmetric");
        refused("[[1]]", "1");
    }
}
