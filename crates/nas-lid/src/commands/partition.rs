//! `nas-lid partition`: the cut of a similarity matrix.

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::ValueEnum;
use partition::{Similarity, best, separability};
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
    let place = || options.file.display().to_string();
    let text = std::fs::read_to_string(&options.file).with_context(place)?;
    let rows: Vec<Vec<f64>> = if text.trim_start().starts_with('{') {
        serde_json::from_str::<Named>(&text).with_context(place)?.similarity
    } else {
        serde_json::from_str(&text).with_context(place)?
    };
    let similarity = Similarity::try_from(rows).with_context(place)?;
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
    let cut = best(&similarity, options.groups, sizes, objective).with_context(place)?;
    let groups = cut.first().groups();
    let separability = separability(&similarity, cut.first());
    crate::print(match format {
        Format::Json => format!(
            "{}\n",
            json!({ "groups": groups, "score": cut.score, "separability": separability })
        ),
        Format::Text => {
            let separability = separability.map_or("undefined".to_owned(), |s| s.to_string());
            format!(
                "groups        {}\nscore         {}\nseparability  {separability}\n",
                cut.first(),
                cut.score
            )
        }
    });
    Ok(())
}
