//! Data sets, imported once.

use std::path::Path;

use crate::{DataError, Images, Source, cache, content::Content, digest::hex};

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
/// assert_eq!(digits.train.shape, [1, 8, 8]);
/// assert_eq!(digits.classes[usize::from(digits.train.label(7))], "7");
/// # Ok::<(), data::DataError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dataset {
    /// A short name, such as `cifar10`.
    pub name: String,
    /// The name of each class; a label is a place in it.
    pub classes: Vec<String>,
    /// Images to learn from and to validate on.
    pub train: Images,
    /// Images to report accuracy on, and for nothing else.
    pub test: Images,
    /// SHA-256 of classes, labels and pixels, hexadecimal. The name and the kind of archive do not
    /// enter it.
    pub digest: String,
}

impl Dataset {
    /// Loads a data set whose archive, if it needs one, lies in the folder `archives`.
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
    pub fn load(
        source: &Source,
        archives: Option<&Path>,
        cache: &Path,
    ) -> Result<Self, DataError> {
        let origin = source.locate(archives)?;
        let name = source.name();
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
        Self { name, classes, train, test, digest: hex(&digest) }
    }
}
