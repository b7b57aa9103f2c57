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
        if n_bytes == 0 || !n_bytes.is_multiple_of(record_bytes) {
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

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;
    use crate::fixtures::{gzip, tar};

    /// A record whose pixels count up from `first`, modulo 251.
    fn record(labels: &[u8], first: usize) -> Vec<u8> {
        let pixels = (0..3072).map(|p| ((first + p) % 251) as u8);
        labels.iter().copied().chain(pixels).collect()
    }

    fn cifar_10() -> Vec<(&'static str, Vec<u8>)> {
        vec![
            ("cifar-10-batches-bin/batches.meta.txt", b"airplane\nship\n\n".to_vec()),
            ("cifar-10-batches-bin/readme.html", b"read me".to_vec()),
            ("cifar-10-batches-bin/data_batch_2.bin", record(&[1], 2)),
            ("cifar-10-batches-bin/data_batch_1.bin", [record(&[0], 0), record(&[1], 1)].concat()),
            ("cifar-10-batches-bin/data_batch_3.bin", record(&[0], 3)),
            ("cifar-10-batches-bin/data_batch_4.bin", record(&[0], 4)),
            ("cifar-10-batches-bin/data_batch_5.bin", record(&[1], 5)),
            ("cifar-10-batches-bin/test_batch.bin", record(&[1], 6)),
        ]
    }

    fn imported(files: &[(&str, Vec<u8>)], layout: &Layout) -> Result<Content, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(layout.archive);
        std::fs::write(&path, gzip(&tar(files))).unwrap();
        let content = import(&path, layout, &md5_of_file(&path).unwrap());
        let folder = folder.path().to_str().unwrap();
        content.map_err(|error| error.to_string().replace(folder, "DIR"))
    }

    #[track_caller]
    fn check_error(files: &[(&str, Vec<u8>)], expect: Expect) {
        expect.assert_eq(&imported(files, &CIFAR_10).unwrap_err());
    }

    #[test]
    fn cifar_10_in_the_order_of_its_batches() {
        let content = imported(&cifar_10(), &CIFAR_10).unwrap();
        assert_eq!(content.classes, ["airplane", "ship"]);
        assert_eq!(content.train.labels, [0, 1, 1, 0, 0, 1]);
        assert_eq!(content.test.labels, [1]);
        for row in 0..6 {
            assert_eq!(content.train.image(row), &record(&[], row)[..], "image {row}");
        }
        assert_eq!(content.test.image(0), &record(&[], 6)[..]);
    }

    #[test]
    fn cifar_100_uses_the_fine_label() {
        let files = [
            ("./cifar-100-binary/fine_label_names.txt", b"apple\nbaby\nbear\n".to_vec()),
            ("./cifar-100-binary/coarse_label_names.txt", b"fruit\n".to_vec()),
            ("./cifar-100-binary/train.bin", [record(&[9, 2], 0), record(&[8, 0], 1)].concat()),
            ("./cifar-100-binary/test.bin", record(&[7, 1], 2)),
        ];
        let content = imported(&files, &CIFAR_100).unwrap();
        assert_eq!(content.train.labels, [2, 0]);
        assert_eq!(content.test.labels, [1]);
        assert_eq!(content.train.image(1), &record(&[], 1)[..]);
    }

    #[test]
    fn faulty_archives_name_file_and_place() {
        let mut files = cifar_10();
        files[4].1[0] = 2;
        check_error(
            &files,
            expect![
                "DIR/cifar-10-binary.tar.gz: cifar-10-batches-bin/data_batch_3.bin, record 0: label 2 of 2 classes"
            ],
        );
        files[4].1.truncate(3000);
        check_error(
            &files,
            expect![
                "DIR/cifar-10-binary.tar.gz: cifar-10-batches-bin/data_batch_3.bin has 3000 bytes, not a positive multiple of 3073"
            ],
        );
        files.remove(4);
        check_error(
            &files,
            expect!["DIR/cifar-10-binary.tar.gz: no entry cifar-10-batches-bin/data_batch_3.bin"],
        );
    }

    #[test]
    fn an_archive_that_is_not_the_published_one_shows_both_digests() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(CIFAR_10.archive);
        // The MD5 digest of "abc" is in RFC 1321.
        std::fs::write(&path, b"abc").unwrap();
        let error = import(&path, &CIFAR_10, CIFAR_10.md5).unwrap_err().to_string();
        expect!["DIR/cifar-10-binary.tar.gz: truncated or corrupt archive, expected md5 c32a1d4ab5d03f1284b67883e8d87530, found 900150983cd24fb0d6963f7d28e17f72"]
            .assert_eq(&error.replace(folder.path().to_str().unwrap(), "DIR"));
    }
}
