//! `nas-lid partition`: the cut of a similarity matrix.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use clap::ValueEnum;
use partition::{Similarity, best, min_cut, separability, silhouette, spectral_cut};
use serde_json::json;

use crate::Format;
use crate::matrix::{self, Matrix};
use crate::misuse::Misuse;

/// What to cut.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// A symmetric matrix as JSON (`[[1, 0.5], [0.5, 1]]`, alone or under the key `similarity`), npy
    /// or CSV
    file: PathBuf,
    /// Number of groups
    #[arg(long, default_value_t = 2, value_parser = super::some())]
    groups: usize,
    /// Allowed sizes of the groups [default: balanced, or those of the method]
    #[arg(long, value_enum)]
    sizes: Option<Sizes>,
    /// What the best partition maximizes [default: intra-sum, or that of the method]
    #[arg(long, value_enum)]
    objective: Option<Objective>,
    /// How the partition is found
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
#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Sizes {
    Any,
    Balanced,
    #[value(name = "min-2")]
    Min2,
}

/// What the best partition maximizes.
#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Objective {
    IntraSum,
    MeanIntra,
    Gap,
    NormalizedCut,
}

impl Options {
    /// Whether the method finds what is asked for.
    fn check(&self) -> Result<(), Misuse> {
        let of_method = match self.method {
            Method::Exact => return Ok(()),
            Method::MinCut => Objective::IntraSum,
            Method::Spectral => Objective::NormalizedCut,
        };
        let sizes = self.sizes.unwrap_or(Sizes::Any);
        let objective = self.objective.unwrap_or(of_method);
        if (self.groups, sizes, objective) == (2, Sizes::Any, of_method) {
            return Ok(());
        }
        let [method, objective] = [self.method.to_possible_value(), of_method.to_possible_value()]
            .map(|value| value.map_or_else(String::new, |value| value.get_name().to_owned()));
        let finds = format!("finds 2 groups of any sizes by {objective}");
        Err(Misuse(format!("--method {method} {finds}")))
    }
}

pub(crate) fn run(options: &Options, format: Format) -> Result<()> {
    options.check()?;
    let matrix = matrix::read(&options.file, "similarity")?;
    let output = output(matrix, options, format);
    crate::print(output.with_context(|| options.file.display().to_string())?)
}

fn output(matrix: Matrix<f64>, options: &Options, format: Format) -> Result<String> {
    let Matrix { n, d, values } = matrix;
    ensure!(n == d, "{n} rows of {d} numbers are no square matrix");
    let similarity = Similarity::new(n, values)?;
    let sizes = match options.sizes.unwrap_or(Sizes::Balanced) {
        Sizes::Any => partition::Sizes::Any,
        Sizes::Balanced => partition::Sizes::Balanced,
        Sizes::Min2 => partition::Sizes::Min2,
    };
    let objective = match options.objective.unwrap_or(Objective::IntraSum) {
        Objective::IntraSum => partition::Objective::IntraSum,
        Objective::MeanIntra => partition::Objective::MeanIntra,
        Objective::Gap => partition::Objective::Gap,
        Objective::NormalizedCut => partition::Objective::NormalizedCut,
    };
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
                // Other methods do not count them.
                "maximizers": (options.method == Method::Exact).then_some(cut.maximizers.len()),
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
        let (sizes, objective) = (Some(sizes), Some(objective));
        Options { file: PathBuf::new(), groups: 2, sizes, objective, method }
    }

    fn printed(text: &str, options: &Options) -> Result<String> {
        let file = tempfile::NamedTempFile::new()?;
        std::fs::write(file.path(), text)?;
        output(matrix::read(file.path(), "similarity")?, options, Format::Json)
    }

    #[track_caller]
    fn check(text: &str, options: &Options, groups: Value, score: f64) {
        let printed: Value = serde_json::from_str(&printed(text, options).unwrap()).unwrap();
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
        let asked = |method, groups, sizes, objective| Options {
            file: PathBuf::new(),
            groups,
            sizes,
            objective,
            method,
        };
        let by = |method| asked(method, 2, None, None);
        check(MATRIX, &by(Method::MinCut), json!([[0, 1, 2], [3]]), 1.875);
        let spectral = printed(MATRIX, &by(Method::Spectral)).unwrap();
        assert!(spectral.contains("[[0,1,2],[3]]"), "{spectral}");
        assert!(spectral.contains("\"maximizers\":null"), "{spectral}");

        let refused = |options: Options| options.check().unwrap_err().to_string();
        let expected = "--method spectral finds 2 groups of any sizes by normalized-cut";
        assert_eq!(refused(asked(Method::Spectral, 3, None, None)), expected);
        let expected = "--method min-cut finds 2 groups of any sizes by intra-sum";
        assert_eq!(refused(asked(Method::MinCut, 2, Some(Sizes::Min2), None)), expected);
        assert_eq!(refused(asked(Method::MinCut, 2, None, Some(Objective::Gap))), expected);
        let by_name = asked(Method::MinCut, 2, Some(Sizes::Any), Some(Objective::IntraSum));
        assert!(by_name.check().is_ok());
    }

    #[test]
    fn the_cut_of_a_csv_file_is_that_of_json() {
        let csv =
            "op,a,b,c,d\na,1,.875,.5,.125\nb,.875,1,.5,.125\nc,.5,.5,1,.25\nd,.125,.125,.25,1";
        let options = options(Sizes::Balanced, Objective::IntraSum);
        let [json, csv] = [MATRIX, csv].map(|text| printed(text, &options).unwrap());
        assert_eq!(json, csv);
    }

    #[test]
    fn files_that_are_no_similarity_are_refused() {
        let refused = |text: &str, expected: &str| {
            let options = options(Sizes::Balanced, Objective::IntraSum);
            let error = format!("{:#}", printed(text, &options).unwrap_err());
            assert!(error.contains(expected), "{error}");
        };
        refused("", "no rows of numbers");
        refused("{\"matrix\": []}", "missing field `similarity`");
        refused("[]", "at least one vertex is needed");
        refused("[[1, 0],\n [null, 1]]", "line 2");
        refused("[[1, 0.5], [0.5]]", "row 1");
        refused("[[1, 0.5], [0.25, 1]]", "not symmetric");
        refused("[[1]]", "no partition of 1 vertices into 2 groups");
    }
}
