//! Where images come from.

use std::{
    fs,
    path::{Path, PathBuf},
    time::UNIX_EPOCH,
};

use serde::{Deserialize, Serialize};

use crate::{
    DataError,
    cifar::{self, CIFAR_10, CIFAR_100, Layout},
    content::Content,
    digest::{hex, sha256},
    tree,
};

/// CIFAR-10 as pictures, read where the published archive is absent.
const CIFAR_10_TREE: &str = "cifar10-images.tar.gz";

/// Goes into the name of cached files: a change to the import must not meet an old file.
const IMPORT_VERSION: u32 = 1;

/// A data set by name, or a tree of pictures by path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub enum Source {
    /// 1797 handwritten digits of 8 × 8 gray pixels in 10 classes, part of the program. The last
    /// 297 are the test images.
    Digits,
    /// 60 000 photographs of 32 × 32 pixels in 10 classes, from `cifar-10-binary.tar.gz` or, where
    /// there is none, from the tree `cifar10-images.tar.gz`.
    Cifar10,
    /// 60 000 photographs of 32 × 32 pixels in 100 classes, from `cifar-100-binary.tar.gz`.
    Cifar100,
    /// JPEG and PNG pictures at `train/<class>/` and `test/<class>/` (or `val/<class>/`) in a
    /// folder, a `.tar` or a `.tar.gz`. A relative path starts in the folder of archives, if one
    /// is given.
    Tree(PathBuf),
}

/// A file or folder that exists, and how to import it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    Bundled,
    Cifar(PathBuf, &'static Layout),
    Tree(PathBuf),
}

impl Source {
    /// Whether the images are there: [`Dataset::load`](crate::Dataset::load) would not miss a file.
    pub fn available(&self, archives: Option<&Path>) -> bool {
        self.locate(archives).is_ok()
    }

    /// A short name: that of the data set, or of the tree without `.tar.gz`.
    pub fn name(&self) -> String {
        let path = match self {
            Self::Digits => return "digits".into(),
            Self::Cifar10 => return "cifar10".into(),
            Self::Cifar100 => return "cifar100".into(),
            Self::Tree(path) => path,
        };
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
        let stems = [".tar.gz", ".tgz", ".tar"].iter().filter_map(|end| name.strip_suffix(end));
        stems.into_iter().next().unwrap_or(&name).replace(['/', '.'], "-")
    }

    pub(crate) fn locate(&self, archives: Option<&Path>) -> Result<Origin, DataError> {
        let (wanted, layout, tree) = match self {
            Self::Digits => return Ok(Origin::Bundled),
            Self::Tree(path) => {
                let path = archives.map_or(path.clone(), |folder| folder.join(path));
                let found = path.exists();
                return if found { Ok(Origin::Tree(path)) } else { Err(DataError::MissingTree { path }) };
            }
            Self::Cifar10 => {
                let wanted = "cifar-10-binary.tar.gz or cifar10-images.tar.gz";
                (wanted, &CIFAR_10, Some(CIFAR_10_TREE))
            }
            Self::Cifar100 => (CIFAR_100.archive, &CIFAR_100, None),
        };
        let Some(folder) = archives else { return Err(DataError::NoFolder { wanted }) };
        let binary = folder.join(layout.archive);
        if binary.exists() {
            return Ok(Origin::Cifar(binary, layout));
        }
        match tree.map(|name| folder.join(name)).filter(|path| path.exists()) {
            Some(path) => Ok(Origin::Tree(path)),
            None => Err(DataError::MissingArchive { wanted, folder: folder.into() }),
        }
    }
}

impl Origin {
    /// Decodes everything.
    pub(crate) fn import(&self) -> Result<Content, DataError> {
        match self {
            Self::Bundled => Ok(crate::digits::content()),
            Self::Cifar(path, layout) => cifar::import(path, layout, layout.md5),
            Self::Tree(path) => tree::import(path),
        }
    }

    /// Text that changes with the path, size and time of the archive, or of any picture in the
    /// folder; `None` for what needs no cache.
    pub(crate) fn key(&self) -> Result<Option<String>, DataError> {
        let path = match self {
            Self::Bundled => return Ok(None),
            Self::Cifar(path, _) | Self::Tree(path) => path,
        };
        let path = fs::canonicalize(path).map_err(DataError::io(path.as_path()))?;
        let mut text = format!("version {IMPORT_VERSION}\n");
        if path.is_dir() {
            for (_, file) in tree::files(&path)? {
                text += &stamp(&file)?;
            }
        } else {
            text += &stamp(&path)?;
        }
        // Half the digest will do to tell a few files apart.
        Ok(Some(hex(&sha256([text.as_bytes(), path.as_os_str().as_encoded_bytes()])[..16])))
    }
}

/// Path, size and time of one file, as a line.
fn stamp(file: &Path) -> Result<String, DataError> {
    let metadata = fs::metadata(file).map_err(DataError::io(file))?;
    let time = metadata.modified().map_err(DataError::io(file))?;
    let nanoseconds = match time.duration_since(UNIX_EPOCH) {
        Ok(after) => after.as_nanos().cast_signed(),
        Err(before) => -before.duration().as_nanos().cast_signed(),
    };
    Ok(format!("{file:?} {} {nanoseconds}\n", metadata.len()))
}
