//! `nas-lid rank`: how well predictions rank the truth.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use serde_json::json;

use crate::Format;

/// What to compare.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// A CSV file with a header: a key, then a score
    predictions: PathBuf,
    /// A CSV file with a header: the same keys, then the truth; it may hold more keys
    truth: PathBuf,
    /// Column of the predictions [default: the second]
    #[arg(long)]
    column: Option<String>,
    /// Column of the truth [default: the second]
    #[arg(long)]
    truth_column: Option<String>,
}

pub(crate) fn run(options: &Options, format: Format) -> Result<()> {
    let predictions = column(&options.predictions, options.column.as_deref())?;
    let known: HashMap<String, f64> =
        column(&options.truth, options.truth_column.as_deref())?.into_iter().collect();
    let mut predicted = Vec::with_capacity(predictions.len());
    let mut truth = Vec::with_capacity(predictions.len());
    for (key, score) in predictions {
        let true_value = known
            .get(&key)
            .with_context(|| format!("{} has no row `{key}`", options.truth.display()))?;
        predicted.push(score);
        truth.push(*true_value);
    }
    let best_of = 10.min(truth.len());
    let tau = rank::kendall_tau_b(&predicted, &truth)?;
    let rho = rank::spearman(&predicted, &truth)?;
    let precision = |fraction| rank::precision_at_top(&predicted, &truth, fraction);
    let [one, five, ten] = [precision(0.01)?, precision(0.05)?, precision(0.10)?];
    let regret = rank::regret_of_top(&predicted, &truth)?;
    let best = rank::best_of(&predicted, &truth, best_of)?;
    crate::print(match format {
        Format::Json => format!(
            "{}\n",
            json!({
                "n": truth.len(),
                "kendall_tau_b": tau,
                "spearman": rho,
                "precision_at": { "1": one, "5": five, "10": ten },
                "regret_top1": regret,
                "best_of_10": best,
            })
        ),
        Format::Text => format!(
            "n              {}\nKendall τ-b    {tau:.4}\nSpearman ρ     {rho:.4}\n\
             precision at   1 %: {one:.3}, 5 %: {five:.3}, 10 %: {ten:.3}\n\
             regret         {regret}\nbest of ten    {best}\n",
            truth.len()
        ),
    });
    Ok(())
}

/// Keys and numbers of a column, in the order of the file.
fn column(file: &Path, name: Option<&str>) -> Result<Vec<(String, f64)>> {
    let read = || -> Result<Vec<(String, f64)>> {
        let mut reader = csv::Reader::from_path(file)?;
        let headers = reader.headers()?.clone();
        let index = match name {
            None => 1,
            Some(name) => {
                let found = headers.iter().position(|header| header == name);
                found.with_context(|| format!("there is no column `{name}`"))?
            }
        };
        ensure!(0 < index && index < headers.len(), "a key and a number are needed in every row");
        let mut seen = HashMap::new();
        let mut rows = Vec::new();
        for record in reader.records() {
            let record = record?;
            let line = record.position().map_or(0, csv::Position::line);
            let (key, text) = (record[0].to_owned(), &record[index]);
            match text.trim().parse::<f64>() {
                Ok(value) if value.is_finite() => rows.push((key.clone(), value)),
                _ => bail!("line {line}: `{text}` is no finite number"),
            }
            if let Some(first) = seen.insert(key, line) {
                bail!("line {line} repeats the key of line {first}");
            }
        }
        Ok(rows)
    };
    read().with_context(|| file.display().to_string())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn file(text: &str) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        file
    }

    #[test]
    fn columns_are_found_by_name_or_place() {
        let csv = file("arch,a,b\n|x~0|,1,2\n|y~0|,3,4\n");
        let rows = |name| column(csv.path(), name).unwrap();
        assert_eq!(rows(None), [("|x~0|".to_owned(), 1.0), ("|y~0|".to_owned(), 3.0)]);
        assert_eq!(rows(Some("b"))[1], ("|y~0|".to_owned(), 4.0));
    }

    #[track_caller]
    fn refused(text: &str, expected: &str) {
        let error = format!("{:#}", column(file(text).path(), None).unwrap_err());
        assert!(error.contains(expected), "{error}");
    }

    #[test]
    fn bad_rows_are_named_by_line() {
        refused("arch\nx\n", "a key and a number");
        refused("arch,a\nx,1\ny,nan\n", "line 3: `nan` is no finite number");
        refused("arch,a\nx,1\nx,2\n", "line 3 repeats the key of line 2");
    }
}
