//! `cargo xtask data`: the data sets, where they come from and what they must be.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};

use crate::fetch::{self, Checksum};

/// Names the folder of data where no argument does.
pub(crate) const FOLDER_VARIABLE: &str = "NASLID_DATA";

/// Accuracies of all 15 625 architectures; the run directory's ranks need it.
pub(crate) const NB201_TABLE: &str = "nb201-test-accuracy-200ep.csv";

/// The archive that the project's own download fetches.
pub(crate) const CIFAR10_BINARY: &str = "cifar-10-binary.tar.gz";

/// The same images as JPEG files, read as well.
pub(crate) const CIFAR10_IMAGES: &str = "cifar10-images.tar.gz";

/// Arguments of `cargo xtask data`.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// What to get.
    data_set: DataSet,
    /// Folder to put it in; the default is `NASLID_DATA`, then `data` in the workspace.
    #[arg(long)]
    dir: Option<PathBuf>,
    /// File or address to get it from, instead of the known one.
    #[arg(long, value_name = "FILE-or-URL")]
    from: Option<String>,
}

/// A data set that can be got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum DataSet {
    /// CIFAR-10 images, binary version, 162 MB.
    Cifar10,
    /// CIFAR-100 images, binary version, 161 MB.
    Cifar100,
    /// NAS-Bench-201 test accuracies as a table of four columns, 1.7 MB; needs `--from`.
    Nb201,
}

impl DataSet {
    fn file(self) -> &'static str {
        match self {
            Self::Cifar10 => CIFAR10_BINARY,
            Self::Cifar100 => "cifar-100-binary.tar.gz",
            Self::Nb201 => NB201_TABLE,
        }
    }

    /// Where the public download is, if there is one.
    fn address(self) -> Option<&'static str> {
        match self {
            Self::Cifar10 => Some("https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"),
            Self::Cifar100 => Some("https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz"),
            Self::Nb201 => None,
        }
    }

    fn checksum(self) -> Checksum {
        match self {
            Self::Cifar10 => Checksum::Md5("c32a1d4ab5d03f1284b67883e8d87530"),
            Self::Cifar100 => Checksum::Md5("03b5dce01913d631647c71ecec9e9cb8"),
            Self::Nb201 => {
                Checksum::Sha256("f5449e787a3c40bf494e13c3538ec15e555a702d2faffa23e0e56db63a6eb0f9")
            }
        }
    }
}

pub(crate) fn run(root: &Path, options: &Options) -> Result<ExitCode> {
    let folder = folder(root, options.dir.as_deref(), env::var_os(FOLDER_VARIABLE));
    let path = install(options.data_set, options.from.as_deref(), &folder)?;
    println!("{} is whole", path.display());
    Ok(ExitCode::SUCCESS)
}

/// The folder of data: the one given, else that of the variable, else `data` in the workspace.
pub(crate) fn folder(root: &Path, given: Option<&Path>, variable: Option<OsString>) -> PathBuf {
    let variable = variable.filter(|value| !value.is_empty()).map(PathBuf::from);
    given.map(Path::to_path_buf).or(variable).unwrap_or_else(|| root.join("data"))
}

/// Puts the data set into the folder, unless it is there and whole; returns its path.
pub(crate) fn install(data_set: DataSet, from: Option<&str>, folder: &Path) -> Result<PathBuf> {
    let path = folder.join(data_set.file());
    let checksum = data_set.checksum();
    let Some(origin) = from.or(data_set.address()) else {
        if path.exists() {
            fetch::verify(&path, checksum)?;
            return Ok(path);
        }
        bail!(
            "the table {NB201_TABLE} has no public download: `nas-lid nats FILES --out {}` makes one from the \
             files of NATS-Bench, where they are to be found; that of someone who has it is checked and put \
             there by `cargo xtask data nb201 --from FILE-or-URL`",
            folder.display()
        );
    };
    let remote = origin.starts_with("http://") || origin.starts_with("https://");
    let result = if remote {
        fetch::download(origin, &path, checksum)
    } else {
        fetch::copy(Path::new(origin), &path, checksum)
    };
    result.with_context(|| format!("failed to get {} from {origin}", data_set.file()))?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_is_given_or_named_or_beside() {
        let root = Path::new("/w");
        let folder =
            |given, variable: Option<&str>| folder(root, given, variable.map(OsString::from));
        assert_eq!(folder(Some(Path::new("d")), Some("/v")), Path::new("d"));
        assert_eq!(folder(None, Some("/v")), Path::new("/v"));
        assert_eq!(folder(None, Some("")), Path::new("/w/data"));
        assert_eq!(folder(None, None), Path::new("/w/data"));
    }

    #[test]
    fn table_without_origin_says_how_to_get_one() {
        let folder = tempfile::tempdir().unwrap();
        let error = install(DataSet::Nb201, None, folder.path()).unwrap_err().to_string();
        assert!(error.contains("cargo xtask data nb201 --from FILE-or-URL"), "{error}");
    }

    #[test]
    fn wrong_table_is_not_installed() {
        let folder = tempfile::tempdir().unwrap();
        let source = folder.path().join("table.csv");
        std::fs::write(&source, "arch,cifar10\n").unwrap();
        let target = folder.path().join("data");
        let error = install(DataSet::Nb201, source.to_str(), &target).unwrap_err();
        assert!(format!("{error:#}").contains("sha256"), "{error:#}");
        assert!(!target.join(NB201_TABLE).exists());
    }
}
