//! Where images come from.

use std::{
    fs,
    path::{Path, PathBuf},
    time::UNIX_EPOCH,
};

use serde::{Deserialize, Serialize};

use crate::{
    DataError, PictureFolder,
    cifar::{self, CIFAR_10, CIFAR_100, Layout},
    content::Content,
    digest::{hex, sha256},
    imagenet16, tree,
};

/// CIFAR-10 as pictures, read where the published archive is absent.
const CIFAR_10_TREE: &str = "cifar10-images.tar.gz";

/// Goes into the name of cached files: a change to the import must not meet an old file.
const IMPORT_VERSION: u32 = 2;

/// A data set by name, or a tree of pictures by path.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
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
    /// 157 700 photographs of 16 × 16 pixels in the first 120 classes of ImageNet, from the files
    /// `train_data_batch_1` to `_10` and `val_data` in the folder `ImageNet16`. The validation images
    /// of ImageNet are the test images.
    Imagenet16_120,
    /// JPEG and PNG pictures of one size at `train/<class>/` and `test/<class>/` (or `val/<class>/`) in a
    /// folder, a `.tar` or a `.tar.gz`. A relative path starts in the folder of archives, if one
    /// is given.
    Tree(PathBuf),
    /// JPEG and PNG pictures of any size, as ImageNet is published, that stay on disk.
    Pictures(PictureFolder),
}

/// What exists of a source.
#[derive(Debug, PartialEq)]
pub(crate) enum Found {
    /// What is imported into memory.
    Origin(Origin),
    /// What stays on disk.
    Pictures(PictureFolder),
}

/// A file or folder that exists, and how to import it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    Bundled,
    Cifar(PathBuf, &'static Layout),
    Imagenet16(PathBuf),
    Tree(PathBuf),
}

impl Source {
    /// A short name: that of the data set, or of the tree without `.tar.gz`.
    pub fn name(&self) -> String {
        let path = match self {
            Self::Digits => return "digits".into(),
            Self::Cifar10 => return "cifar10".into(),
            Self::Cifar100 => return "cifar100".into(),
            Self::Imagenet16_120 => return "imagenet16-120".into(),
            Self::Tree(path) | Self::Pictures(PictureFolder { folder: path, .. }) => path,
        };
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
        let stems = [".tar.gz", ".tgz", ".tar"].iter().filter_map(|end| name.strip_suffix(end));
        stems.into_iter().next().unwrap_or(&name).replace(['/', '.'], "-")
    }

    pub(crate) fn locate(&self, archives: Option<&Path>) -> Result<Found, DataError> {
        let (wanted, layout, tree) = match self {
            Self::Digits => return Ok(Found::Origin(Origin::Bundled)),
            Self::Tree(path) => return Ok(Found::Origin(Origin::Tree(existing(path, archives)?))),
            Self::Pictures(pictures) => {
                let folder = existing(&pictures.folder, archives)?;
                return if folder.is_dir() {
                    Ok(Found::Pictures(PictureFolder { folder, ..pictures.clone() }))
                } else {
                    Err(DataError::NoPictureFolder { path: folder })
                };
            }
            Self::Imagenet16_120 => {
                let wanted = "ImageNet16/train_data_batch_1 … 10 and ImageNet16/val_data";
                let Some(folder) = archives else { return Err(DataError::NoFolder { wanted }) };
                let path = folder.join(imagenet16::FOLDER);
                return if imagenet16::files(&path).iter().all(|file| file.exists()) {
                    Ok(Found::Origin(Origin::Imagenet16(path)))
                } else {
                    Err(DataError::MissingArchive { wanted, folder: folder.into() })
                };
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
            return Ok(Found::Origin(Origin::Cifar(binary, layout)));
        }
        match tree.map(|name| folder.join(name)).filter(|path| path.exists()) {
            Some(path) => Ok(Found::Origin(Origin::Tree(path))),
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
            Self::Imagenet16(path) => imagenet16::import(path),
            Self::Tree(path) => tree::import(path),
        }
    }

    /// Text that changes with the path, size and time of the archive, or of any picture in the
    /// folder; `None` for what needs no cache.
    pub(crate) fn key(&self) -> Result<Option<String>, DataError> {
        let path = match self {
            Self::Bundled => return Ok(None),
            Self::Cifar(path, _) | Self::Imagenet16(path) | Self::Tree(path) => path,
        };
        let path = fs::canonicalize(path).map_err(DataError::io(path.as_path()))?;
        let mut text = format!("version {IMPORT_VERSION}\n");
        let files = match self {
            Self::Imagenet16(_) => imagenet16::files(&path),
            _ if path.is_dir() => tree::files(&path)?.into_iter().map(|(_, file)| file).collect(),
            _ => vec![path.clone()],
        };
        for file in files {
            text += &stamp(&file)?;
        }
        // Half the digest will do to tell a few files apart.
        Ok(Some(hex(&sha256([text.as_bytes(), path.as_os_str().as_encoded_bytes()])[..16])))
    }
}

/// A path that starts in the folder of archives, if one is given.
fn existing(path: &Path, archives: Option<&Path>) -> Result<PathBuf, DataError> {
    let path = archives.map_or(path.into(), |folder| folder.join(path));
    if path.exists() { Ok(path) } else { Err(DataError::MissingTree { path }) }
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

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use serde::de::value::{Error, MapDeserializer, StrDeserializer};

    use super::*;

    #[track_caller]
    fn check(source: &Source, files: &[&str], expect: Expect) {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            fs::write(folder.path().join(file), "").unwrap();
        }
        let located = source.locate(Some(folder.path()));
        let text = match located {
            Ok(Found::Origin(Origin::Bundled)) => "bundled".into(),
            Ok(Found::Origin(Origin::Cifar(path, layout))) => {
                format!("{} {}", path.display(), layout.md5)
            }
            Ok(Found::Origin(Origin::Imagenet16(path) | Origin::Tree(path))) => {
                format!("tree {}", path.display())
            }
            Ok(Found::Pictures(of)) => format!("pictures {}", of.folder.display()),
            Err(error) => format!("error: {error}"),
        };
        expect.assert_eq(&text.replace(folder.path().to_str().unwrap(), "DIR"));
    }

    #[test]
    fn published_archives_go_before_trees() {
        let (binary, tree) = ("cifar-10-binary.tar.gz", "cifar10-images.tar.gz");
        check(
            &Source::Cifar10,
            &[binary, tree],
            expect!["DIR/cifar-10-binary.tar.gz c32a1d4ab5d03f1284b67883e8d87530"],
        );
        check(&Source::Cifar10, &[tree], expect!["tree DIR/cifar10-images.tar.gz"]);
        check(
            &Source::Cifar10,
            &[],
            expect!["error: no cifar-10-binary.tar.gz or cifar10-images.tar.gz in DIR"],
        );
        check(&Source::Cifar100, &[tree], expect!["error: no cifar-100-binary.tar.gz in DIR"]);
        check(
            &Source::Cifar100,
            &["cifar-100-binary.tar.gz"],
            expect!["DIR/cifar-100-binary.tar.gz 03b5dce01913d631647c71ecec9e9cb8"],
        );
        check(
            &Source::Imagenet16_120,
            &["val_data"],
            expect!["error: no ImageNet16/train_data_batch_1 … 10 and ImageNet16/val_data in DIR"],
        );
        check(&Source::Digits, &[], expect!["bundled"]);
        check(&Source::Tree("a.tar".into()), &["a.tar"], expect!["tree DIR/a.tar"]);
        check(&Source::Tree("a.tar".into()), &[], expect!["error: no image tree at DIR/a.tar"]);
        let pictures = |folder: &str| {
            let folder = folder.into();
            Source::Pictures(PictureFolder { folder, center: 0.875, most_unreadable: 0.0 })
        };
        check(&pictures("."), &[], expect!["pictures DIR/."]);
        check(&pictures("a"), &[], expect!["error: no image tree at DIR/a"]);
        check(
            &pictures("a.tar"),
            &["a.tar"],
            expect!["error: DIR/a.tar: pictures of any size are read from a folder: unpack it"],
        );
    }

    #[test]
    fn names_in_a_configuration() {
        let unit = |name| Source::deserialize(StrDeserializer::<Error>::new(name));
        assert_eq!(unit("digits").unwrap(), Source::Digits);
        assert_eq!(unit("cifar10").unwrap(), Source::Cifar10);
        assert_eq!(unit("cifar100").unwrap(), Source::Cifar100);
        let tree = MapDeserializer::<_, Error>::new([("tree", "pets.tar")].into_iter());
        let tree = serde::de::value::MapAccessDeserializer::new(tree);
        assert_eq!(Source::deserialize(tree).unwrap(), Source::Tree("pets.tar".into()));
        assert_eq!(unit("imagenet16-120").unwrap(), Source::Imagenet16_120);
        expect!["unknown variant `mnist`, expected one of `digits`, `cifar10`, `cifar100`, `imagenet16-120`, `tree`, `pictures`"]
            .assert_eq(&unit("mnist").unwrap_err().to_string());
    }

    #[test]
    fn only_digits_need_no_folder() {
        assert!(Source::Digits.locate(None).is_ok());
        assert!(Source::Cifar10.locate(None).is_err());
        expect!["no data folder was given; it must hold cifar-100-binary.tar.gz"]
            .assert_eq(&Source::Cifar100.locate(None).unwrap_err().to_string());
    }

    #[test]
    fn names_are_short() {
        let name = |path: &str| Source::Tree(path.into()).name();
        assert_eq!(name("/data/imagenette2.tar.gz"), "imagenette2");
        assert_eq!(name("flowers.tgz"), "flowers");
        assert_eq!(name("flowers/v1.2/"), "v1-2");
        assert_eq!(Source::Cifar10.name(), "cifar10");
    }

    #[test]
    fn key_changes_with_the_archive() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.tar");
        let key = |bytes: &str| {
            fs::write(&path, bytes).unwrap();
            fs::File::open(&path).unwrap().set_modified(UNIX_EPOCH).unwrap();
            Origin::Tree(path.clone()).key().unwrap().unwrap()
        };
        assert_eq!(key("a"), key("a"));
        assert_ne!(key("a"), key("ab"));
        fs::File::open(&path).unwrap().set_modified(std::time::SystemTime::now()).unwrap();
        let touched = Origin::Tree(path.clone()).key().unwrap().unwrap();
        assert_ne!(touched, key("ab"));
    }
}
