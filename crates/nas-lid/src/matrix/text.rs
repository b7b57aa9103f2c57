//! Matrices in JSON and CSV.

use anyhow::{Context, Result, bail, ensure};
use csv::StringRecord;
use serde_json::Value;

use super::{Matrix, check};
use crate::lines::{line, shown, start};
use crate::unique::Unique;

/// Reads JSON if the text starts like it, and CSV otherwise.
pub(super) fn matrix(text: &str, key: &str) -> Result<Matrix<f64>> {
    if text.trim_start().starts_with(['[', '{']) { json(text, key) } else { csv(text) }
}

/// A list of rows, alone or under the key of an object.
fn json(text: &str, key: &str) -> Result<Matrix<f64>> {
    let rows: Vec<Vec<f64>> = if text.trim_start().starts_with('{') {
        let Unique(mut object) = serde_json::from_str::<Unique<Value>>(text)?;
        let rows = object.remove(key).with_context(|| format!("missing field `{key}`"))?;
        serde_json::from_value(rows).with_context(|| format!("field `{key}`"))?
    } else {
        serde_json::from_str(text)?
    };
    let d = rows.first().map_or(0, Vec::len);
    let mut values = Vec::with_capacity(rows.iter().map(Vec::len).sum());
    for (row, numbers) in rows.iter().enumerate() {
        ensure!(numbers.len() == d, "row {row} has {} numbers, row 0 has {d}", numbers.len());
        for (col, &number) in numbers.iter().enumerate() {
            check(number, row, col)?;
            values.push(number);
        }
    }
    Ok(Matrix { n: rows.len(), d, values })
}

/// Rows of numbers. Above them may stand names of the columns: a line without a number, or one of which
/// the first field alone is empty. Where the first is, or holds no number at all in any row, its column is
/// of the names of rows, above which a name may be missing.
fn csv(text: &str) -> Result<Matrix<f64>> {
    let Form { has_head, has_names, n, n_fields } = Form::of(text)?;
    let d = n_fields - usize::from(has_names);
    ensure!(0 < d, "no numbers between commas");
    let mut values = Vec::with_capacity(n * d);
    each_record(text, |index, record| {
        if has_head && index == 0 {
            return Ok(());
        }
        let row = values.len() / d;
        for (col, cell) in record.iter().skip(usize::from(has_names)).enumerate() {
            let place = || format!("line {}", line(text, start(record)));
            let Ok(number) = cell.trim().parse() else {
                bail!("{}: `{}` is no number", place(), shown(cell));
            };
            check(number, row, col).with_context(place)?;
            values.push(number);
        }
        Ok(())
    })?;
    Ok(Matrix { n, d, values })
}

/// What surrounds the numbers of a CSV file, and how many there are.
#[derive(Default)]
struct Form {
    has_head: bool,
    /// Whether the first column holds names of the rows.
    has_names: bool,
    /// Rows below the head.
    n: usize,
    /// Fields of each of them.
    n_fields: usize,
}

impl Form {
    fn of(text: &str) -> Result<Self> {
        let mut form = Self { has_names: true, ..Self::default() };
        let (mut has_corner, mut n_head, mut first) = (false, 0, 0);
        each_record(text, |index, record| {
            if index == 0 {
                form.has_head = is_head(record);
                has_corner = form.has_head && record[0].is_empty();
                if form.has_head {
                    n_head = record.len();
                    return Ok(());
                }
            }
            let place = || line(text, start(record));
            if form.n == 0 {
                (form.n_fields, first) = (record.len(), place());
            }
            let (found, expected) = (record.len(), form.n_fields);
            ensure!(found == expected, "line {}: {found} fields, not {expected}", place());
            form.has_names &= !record[0].trim().is_empty() && !is_number(&record[0]);
            form.n += 1;
            Ok(())
        })?;
        ensure!(0 < form.n, "no rows of numbers");
        form.has_names |= has_corner;
        let n_unnamed = usize::from(form.has_names && !has_corner);
        ensure!(
            !form.has_head || (form.n_fields - n_unnamed..=form.n_fields).contains(&n_head),
            "line {first}: {} fields below {n_head} names",
            form.n_fields
        );
        Ok(form)
    }
}

/// Whether a first line names the columns.
fn is_head(record: &StringRecord) -> bool {
    let n_empty = record.iter().filter(|name| name.is_empty()).count();
    if record.iter().any(is_number) {
        record[0].is_empty() && n_empty == 1
    } else {
        n_empty < record.len()
    }
}

fn is_number(cell: &str) -> bool {
    cell.trim().parse::<f64>().is_ok()
}

/// Shows every record and its number, always in the same one: copies would keep the room of the longest.
fn each_record(text: &str, mut see: impl FnMut(usize, &StringRecord) -> Result<()>) -> Result<()> {
    let mut reader =
        csv::ReaderBuilder::new().flexible(true).has_headers(false).from_reader(text.as_bytes());
    let mut record = StringRecord::new();
    let mut index = 0;
    while reader.read_record(&mut record)? {
        see(index, &record)?;
        index += 1;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(text: &str, n: usize, values: &[f64]) {
        let expected = Matrix { n, d: values.len() / n, values: values.to_vec() };
        assert_eq!(matrix(text, "points").unwrap(), expected);
    }

    #[track_caller]
    fn refused(text: &str, expected: &str) {
        assert_eq!(format!("{:#}", matrix(text, "points").unwrap_err()), expected);
    }

    #[test]
    fn rows_are_read_with_and_without_names() {
        check("1,2\n3,4\n", 2, &[1., 2., 3., 4.]);
        check("a,b\r\n1, 2\r\n3,4", 2, &[1., 2., 3., 4.]);
        // As pandas writes a frame with numbered and with named rows.
        check(",a,b\n0,1,2\n1,3,4\n", 2, &[1., 2., 3., 4.]);
        check(",a,b\nskip,1,2\nconv,3,4\n", 2, &[1., 2., 3., 4.]);
        check("op,a,b\nskip,1,2\nconv,3,4\n", 2, &[1., 2., 3., 4.]);
        check("skip,1,2\nconv,3,4\n", 2, &[1., 2., 3., 4.]);
        check(",a,\n0,1,2\n1,3,4\n", 2, &[1., 2., 3., 4.]);
        check(",0,1\n0,1,2\n1,3,4\n", 2, &[1., 2., 3., 4.]);
        // As R writes it.
        check("a,b\nskip,1,2\nconv,3,4\n", 2, &[1., 2., 3., 4.]);
        check("[[1, 2.5], [-3e2, 4]]", 2, &[1., 2.5, -300., 4.]);
        check("{\"n\": 1, \"points\": [[7]]}", 1, &[7.]);
    }

    #[test]
    fn bad_cells_are_named_by_place() {
        refused("a,b\n", "no rows of numbers");
        refused("a\n\n1\n2,3\n", "line 4: 2 fields, not 1");
        refused("a,b\n1,2\n3,x\n", "line 3: `x` is no number");
        refused("1,x\n3,4\n", "line 1: `x` is no number");
        refused("a,b\n,2\n3,4\n", "line 2: `` is no number");
        refused("a,b\nx,2\n3,4\n", "line 2: `x` is no number");
        refused("1 2\n3 4\n", "no numbers between commas");
        refused("1,2\n3,nan\n", "line 2: row 1, column 1 is NaN");
        // Commas for decimal points.
        refused("x\n\n1,5\n2,25\n", "line 3: 2 fields below 1 names");
        refused("a,b,c\n1,2\n", "line 2: 2 fields below 3 names");
        refused(",\n3,4\n", "line 1: `` is no number");
        refused(",0,\n0,3,4\n", "line 1: `` is no number");
        refused("[[1], [2]", "EOF while parsing a list at line 1 column 9");
        refused(
            "{\"points\": [[1]], \"points\": []}",
            "the key `points` is there twice at line 1 column 26",
        );
        refused("[[1, 2], [3]]", "row 1 has 1 numbers, row 0 has 2");
        refused("{\"distances\": [[0]]}", "missing field `points`");
        refused(
            "{\"points\": 3}",
            "field `points`: invalid type: integer `3`, expected a sequence",
        );
        // As many rows as the first has numbers: a terabyte, if the others had as many.
        let n = 400_000;
        let rows = format!("[[{}]{}]", vec!["1"; n].join(","), ",[]".repeat(n));
        refused(&rows, &format!("row 1 has 0 numbers, row 0 has {n}"));
        let lines = vec!["1"; n].join(",") + &"\n1".repeat(n);
        refused(&lines, &format!("line 2: 1 fields, not {n}"));
        let depth = "[".repeat(100_000);
        assert!(matrix(&depth, "points").is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[\\[\\]{}0-9a-z.,:\"\n\r -]{0,60}") {
            if let Ok(matrix) = matrix(&text, "points") {
                prop_assert_eq!(matrix.values.len(), matrix.n * matrix.d);
            }
        }
    }
}
