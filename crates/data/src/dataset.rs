//! Data sets, imported once.

use std::path::Path;

use crate::{DataError, Gallery, Source, cache, content::Content, digest::hex, source::Found};

/// Training and test images with the names of their classes.
///
/// # Examples
///
/// ```
/// use std::path::Path;
///
/// use data::{Dataset, Source};
///
/// let digits = Dataset::load(&Source::Digits, None, Path::new("unused"))?;
/// assert_eq!(digits.train.shape(), [1, 8, 8]);
/// assert_eq!(digits.classes[usize::from(digits.train.labels()[7])], "7");
/// # Ok::<(), data::DataError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Dataset {
    /// A short name, such as `cifar10`.
    pub name: String,
    /// The name of each class; a label is a place in it.
    pub classes: Vec<String>,
    /// Images to learn from and to validate on.
    pub train: Gallery,
    /// Images to report accuracy on, and for nothing else.
    pub test: Gallery,
    /// SHA-256 of classes, labels and pixels, hexadecimal; of pictures on disk, of their places and
    /// sizes. The name and the kind of archive do not enter it.
    pub digest: String,
}

impl Dataset {
    /// Loads a data set whose archive, if it needs one, lies in the folder `archives`.
    ///
    /// Pictures of any size stay on disk ([`Source::Pictures`]); everything else comes into memory.
    ///
    /// The first time it is imported and written to the folder `cache`, as one file that is named
    /// after the archive's path, size and time; afterwards that file is read. A cached file that
    /// does not match its own digest is imported again. Pictures are decoded on rayon's threads,
    /// and their order does not depend on them.
    ///
    /// # Errors
    ///
    /// For a missing, truncated or corrupt archive, and for a tree that is no data set: see
    /// [`DataError`]. Nothing is written then.
    pub fn load(source: &Source, archives: Option<&Path>, cache: &Path) -> Result<Self, DataError> {
        let found = source.locate(archives)?;
        let name = source.name();
        let origin = match found {
            Found::Pictures(folder) => return folder.open(name),
            Found::Origin(origin) => origin,
        };
        let Some(key) = origin.key()? else {
            let content = origin.import()?;
            let digest = content.digest();
            return Ok(Self::new(name, content, digest));
        };
        let file = cache.join(format!("{name}-{key}.images"));
        if let Some((content, digest)) = cache::read(&file) {
            return Ok(Self::new(name, content, digest));
        }
        let content = origin.import()?;
        let digest = cache::write(&file, &content)?;
        Ok(Self::new(name, content, digest))
    }

    fn new(name: String, content: Content, digest: [u8; 32]) -> Self {
        let Content { classes, train, test } = content;
        Self { name, classes, train: train.into(), test: test.into(), digest: hex(&digest) }
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, path::PathBuf};

    use expect_test::expect;

    use super::*;
    use crate::fixtures::{gzip, in_memory, png, small_tree, tar, unpacked};

    /// The cached files, whole or not.
    fn cached(cache: &Path) -> Vec<PathBuf> {
        let Ok(entries) = fs::read_dir(cache) else { return Vec::new() };
        entries.map(|entry| entry.unwrap().path()).collect()
    }

    #[test]
    fn a_cached_set_equals_the_imported_one() {
        let (archives, cache) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::write(archives.path().join("pets.tar.gz"), gzip(&tar(&small_tree()))).unwrap();
        let source = Source::Tree("pets.tar.gz".into());
        let load = || {
            let loaded = Dataset::load(&source, Some(archives.path()), cache.path()).unwrap();
            let Dataset { name, classes, train, test, digest } = loaded;
            (name, classes, in_memory(train), in_memory(test), digest)
        };

        let imported = load();
        assert_eq!(imported.0, "pets");
        let files = cached(cache.path());
        assert_eq!(files.len(), 1);
        let bytes = fs::read(&files[0]).unwrap();
        let written = fs::metadata(&files[0]).unwrap().modified().unwrap();
        assert_eq!(load(), imported);
        assert_eq!(fs::metadata(&files[0]).unwrap().modified().unwrap(), written);

        // A corrupt file is imported again, and is whole afterwards.
        let mut corrupt = bytes.clone();
        *corrupt.last_mut().unwrap() ^= 1;
        for corrupt in [corrupt.as_slice(), &bytes[..99], b""] {
            fs::write(&files[0], corrupt).unwrap();
            assert_eq!(load(), imported);
            assert_eq!(fs::read(&files[0]).unwrap(), bytes);
        }
        assert_eq!(cached(cache.path()), files);
    }

    #[test]
    fn digest_is_of_the_content_alone() {
        let (archives, cache) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::write(archives.path().join("pets.tar"), tar(&small_tree())).unwrap();
        unpacked(&archives.path().join("animals"), &small_tree());
        let load = |name: &str| {
            let source = Source::Tree(name.into());
            Dataset::load(&source, Some(archives.path()), cache.path()).unwrap()
        };
        let (pets, animals) = (load("pets.tar"), load("animals"));
        assert_eq!(pets.digest, animals.digest);
        assert_ne!(pets.name, animals.name);

        let one_more = [("train/cat/3.png", png([2, 3], [0; 3]))];
        unpacked(&archives.path().join("animals"), &one_more);
        let grown = load("animals");
        assert_eq!(grown.train.len(), 6);
        assert_ne!(grown.digest, animals.digest);
    }

    #[test]
    fn a_failed_import_writes_nothing() {
        let (archives, cache) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::write(archives.path().join("cifar-10-binary.tar.gz"), "").unwrap();
        let whole = gzip(&tar(&small_tree()));
        fs::write(archives.path().join("pets.tar.gz"), &whole[..whole.len() / 2]).unwrap();
        for source in [Source::Cifar10, Source::Tree("pets.tar.gz".into()), Source::Cifar100] {
            let cache = cache.path().join("new");
            assert!(Dataset::load(&source, Some(archives.path()), &cache).is_err());
            assert!(!cache.exists());
        }
    }

    #[test]
    fn digits_need_neither_folder() {
        let digits = Dataset::load(&Source::Digits, None, Path::new("/nowhere")).unwrap();
        expect!["digits 1500 297 7617ad02"].assert_eq(&format!(
            "{} {} {} {}",
            digits.name,
            digits.train.len(),
            digits.test.len(),
            &digits.digest[..8],
        ));
    }
}
