//! The published binary archives of CIFAR-10 and CIFAR-100.
//!
//! Krizhevsky 2009; the format is described at <https://www.cs.toronto.edu/~kriz/cifar.html>.

use std::{collections::BTreeMap, path::Path};

use crate::{DataError, Images, archive::for_each_file, content::Content, digest::md5_of_file};

/// Shape of every picture.
const SHAPE: [usize; 3] = [3, 32, 32];

/// How one archive is laid out.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    /// File name of the archive.
    pub(crate) archive: &'static str,
    /// Published MD5 digest of the archive.
    pub(crate) md5: &'static str,
    /// Folder inside the archive.
    folder: &'static str,
    /// Files of training records, in order.
    train: &'static [&'static str],
    /// File of test records.
    test: &'static str,
    /// File of class names, one a line.
    names: &'static str,
    /// Label bytes before the pixels of a record; the last is the class.
    n_label_bytes: usize,
}

/// CIFAR-10: records of 1 + 3072 bytes.
pub(crate) const CIFAR_10: Layout = Layout {
    archive: "cifar-10-binary.tar.gz",
    md5: "c32a1d4ab5d03f1284b67883e8d87530",
    folder: "cifar-10-batches-bin",
    train: &[
        "data_batch_1.bin",
        "data_batch_2.bin",
        "data_batch_3.bin",
        "data_batch_4.bin",
        "data_batch_5.bin",
    ],
    test: "test_batch.bin",
    names: "batches.meta.txt",
    n_label_bytes: 1,
};

/// CIFAR-100: records of 2 + 3072 bytes, the coarse class first.
pub(crate) const CIFAR_100: Layout = Layout {
    archive: "cifar-100-binary.tar.gz",
    md5: "03b5dce01913d631647c71ecec9e9cb8",
    folder: "cifar-100-binary",
    train: &["train.bin"],
    test: "test.bin",
    names: "fine_label_names.txt",
    n_label_bytes: 2,
};

/// Imports the archive at `path` if its digest is `md5`.
pub(crate) fn import(path: &Path, layout: &Layout, md5: &str) -> Result<Content, DataError> {
    let found = md5_of_file(path)?;
    if found != md5 {
        return Err(DataError::Digest { path: path.into(), expected: md5.into(), found });
    }
    let mut files = BTreeMap::new();
    let wanted = |name: &str| layout.file_of(name).is_some();
    for_each_file(path, wanted, |name, bytes| {
        files.insert(layout.file_of(&name), bytes);
        Ok(())
    })?;
    let file = |name: &'static str| {
        let entry = || format!("{}/{name}", layout.folder);
        files
            .get(&Some(name))
            .ok_or_else(|| DataError::MissingEntry { path: path.into(), entry: entry() })
    };
    let names = String::from_utf8_lossy(file(layout.names)?);
    let names = names.lines().map(str::trim).filter(|name| !name.is_empty());
    let classes: Vec<String> = names.map(String::from).collect();

    let records = |names: &[&'static str]| {
        let mut images = Images::new(SHAPE, Vec::new(), Vec::new());
        for &name in names {
            layout.append(path, name, file(name)?, classes.len(), &mut images)?;
        }
        Ok(images)
    };
    let (train, test) = (records(layout.train)?, records(&[layout.test])?);
    Ok(Content { classes, train, test })
}

impl Layout {
    /// The file of this layout that an entry of an archive is.
    fn file_of(&self, entry: &str) -> Option<&'static str> {
        let entry = entry.strip_prefix("./").unwrap_or(entry);
        let name = entry.strip_prefix(self.folder)?.strip_prefix('/')?;
        let mut files = self.train.iter().chain([&self.test, &self.names]);
        files.find(|file| **file == name).copied()
    }

    /// Appends the records of one file to `images`.
    fn append(
        &self,
        path: &Path,
        name: &str,
        bytes: &[u8],
        n_classes: usize,
        images: &mut Images,
    ) -> Result<(), DataError> {
        let entry = || format!("{}/{name}", self.folder);
        let record_bytes = self.n_label_bytes + SHAPE.iter().product::<usize>();
        let n_bytes = bytes.len();
        if n_bytes == 0 || n_bytes % record_bytes != 0 {
            let (path, entry) = (path.into(), entry());
            return Err(DataError::RecordLength { path, entry, n_bytes, record_bytes });
        }
        for (record, bytes) in bytes.chunks_exact(record_bytes).enumerate() {
            let (labels, pixels) = bytes.split_at(self.n_label_bytes);
            let label = u16::from(labels[self.n_label_bytes - 1]);
            if n_classes <= usize::from(label) {
                let (path, entry) = (path.into(), entry());
                return Err(DataError::Label { path, entry, record, label, n_classes });
            }
            images.labels.push(label);
            images.pixels.extend_from_slice(pixels);
        }
        Ok(())
    }
}
