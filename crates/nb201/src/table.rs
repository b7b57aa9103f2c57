//! The true accuracies of all architectures, from a CSV file.

use std::collections::HashMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use space::{Accuracy, Arch, SearchSpace, Test};

use crate::{Nb201, Nb201Config, Nb201Error};

/// A column of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TruthSet {
    /// CIFAR-10.
    Cifar10,
    /// CIFAR-100.
    Cifar100,
    /// ImageNet-16-120.
    Imagenet16_120,
}

/// Mean test accuracy after 200 epochs of every architecture, on three data sets.
#[derive(Clone, Debug)]
pub struct Table {
    rows: HashMap<Arch, [Accuracy<Test>; 3]>,
}

/// The columns of the file.
const HEADER: [&str; 4] = ["arch", "cifar10", "cifar100", "imagenet16_120"];

impl Table {
    /// The name under which people have the file.
    pub const FILE: &str = "nb201-test-accuracy-200ep.csv";

    /// The networks that the accuracies are of.
    pub fn space() -> Nb201 {
        let config = Nb201Config { channels: 16, cells_per_stage: 5, affine: true };
        Nb201::new(&config, 3, 32, 10)
    }

    /// Reads a file with the header `arch,cifar10,cifar100,imagenet16_120`, accuracies in percent.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, its header differs, a line is no architecture with three
    /// percentages or names one again, or not all architectures are there.
    pub fn read(file: &Path) -> Result<Self, Nb201Error> {
        let space = Table::space();
        let mut reader = csv::Reader::from_path(file)?;
        if reader.headers()? != HEADER.as_slice() {
            return Err(Nb201Error::Header { expected: HEADER.join(",") });
        }
        let mut rows = HashMap::new();
        for record in reader.records() {
            let record = record?;
            let line = record.position().map_or(0, csv::Position::line);
            let arch =
                space.parse(&record[0]).map_err(|source| Nb201Error::Arch { line, source })?;
            let accuracy = |column: usize| {
                let text = &record[column];
                let percent = text.parse().ok().filter(|p: &f64| (0.0..=100.0).contains(p));
                percent
                    .map(|percent| Accuracy::from_fraction(percent / 100.0))
                    .ok_or_else(|| Nb201Error::Percent { line, text: text.to_owned() })
            };
            let row = [accuracy(1)?, accuracy(2)?, accuracy(3)?];
            if rows.insert(arch, row).is_some() {
                return Err(Nb201Error::Repeated { line });
            }
        }
        let expected = space.full_mask().n_archs();
        if rows.len() as u128 != expected {
            return Err(Nb201Error::Incomplete { n: rows.len(), expected });
        }
        let is_small = |column: usize| {
            rows.values().all(|row: &[Accuracy<Test>; 3]| row[column].fraction() <= 0.01)
        };
        match (0..3).find(|&column| is_small(column)) {
            Some(column) => Err(Nb201Error::Fractions { column: HEADER[1 + column] }),
            None => Ok(Self { rows }),
        }
    }

    /// A file that [`Table::read`] reads, from mean accuracies in percent.
    ///
    /// # Panics
    ///
    /// If an architecture is of another space.
    pub fn text<'a>(rows: impl IntoIterator<Item = (&'a Arch, [f64; 3])>) -> String {
        let space = Table::space();
        let mut text = HEADER.join(",") + "\n";
        for (arch, [cifar10, cifar100, imagenet16]) in rows {
            let arch = space.format(arch);
            text += &format!("{arch},{cifar10:.4},{cifar100:.4},{imagenet16:.4}\n");
        }
        text
    }

    /// The accuracy of an architecture; none if it is of another space.
    pub fn accuracy(&self, set: TruthSet, arch: &Arch) -> Option<Accuracy<Test>> {
        let [cifar10, cifar100, imagenet16] = *self.rows.get(arch)?;
        Some(match set {
            TruthSet::Cifar10 => cifar10,
            TruthSet::Cifar100 => cifar100,
            TruthSet::Imagenet16_120 => imagenet16,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use serde::de::IntoDeserializer;
    use serde::de::value::{Error, StrDeserializer};

    use super::*;

    /// An error and its causes, as the program prints them.
    fn chain(error: &dyn std::error::Error) -> String {
        let causes = std::iter::successors(Some(error), |error| error.source());
        causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
    }

    #[track_caller]
    fn named(name: &str, expected: TruthSet) {
        let name: StrDeserializer<'_, Error> = name.into_deserializer();
        assert_eq!(TruthSet::deserialize(name), Ok(expected));
    }

    #[test]
    fn columns_have_names() {
        named("cifar10", TruthSet::Cifar10);
        named("cifar100", TruthSet::Cifar100);
        named("imagenet16-120", TruthSet::Imagenet16_120);
    }

    fn read(text: &str) -> Result<Table, Nb201Error> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        Table::read(file.path())
    }

    #[track_caller]
    fn refused(rows: &str, expected: &str) {
        let text = format!("arch,cifar10,cifar100,imagenet16_120\n{rows}");
        let error = chain(&read(&text).unwrap_err());
        assert!(error.contains(expected), "{error}");
    }

    #[test]
    fn bad_tables_are_refused_by_line() {
        let arch = "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|";
        refused("", "0 of 15625 architectures");
        refused("|none~0|,1,2,3\n", "line 2: `|none~0|` is no architecture of nb201");
        refused(&format!("{arch},10,1,x\n"), "line 2: `x` is no percentage");
        refused(&format!("{arch},10,1,101\n"), "line 2: `101` is no percentage");
        refused(&format!("{arch},NaN,1,1\n"), "line 2: `NaN` is no percentage");
        refused(&format!("{arch},10,1\n"), "line: 2,");
        refused(&format!("{arch},10,1,1\n{arch},10,1,1\n"), "line 3 names an architecture again");
        assert!(read("a,b\n").unwrap_err().to_string().contains("expected the header"));
    }

    #[test]
    fn a_whole_table_is_looked_up() {
        let space = Table::space();
        let archs: Vec<Arch> = space.full_mask().archs().collect();
        let rows = (0..).zip(&archs).map(|(i, arch)| (arch, [f64::from(i) / 200.0, 50.0, 20.0]));
        let text = Table::text(rows);
        let table = read(&text).unwrap();
        let check = |set, expected: f64| {
            let found = table.accuracy(set, &archs[200]).unwrap().fraction();
            assert!((found - expected).abs() < 1e-12, "{set:?}: {found}");
        };
        check(TruthSet::Cifar10, 0.01);
        check(TruthSet::Cifar100, 0.5);
        check(TruthSet::Imagenet16_120, 0.2);
        assert_eq!(table.accuracy(TruthSet::Cifar10, &Arch::new(vec![])), None);

        let fractions = Table::text(archs.iter().map(|arch| (arch, [50.0, 0.5, 20.0])));
        let refusal = read(&fractions).unwrap_err().to_string();
        assert!(refusal.starts_with("`cifar100` is at most 1 everywhere"), "{refusal}");
    }
}
