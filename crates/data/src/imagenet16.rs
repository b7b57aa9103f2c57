//! The batches of ImageNet16: ImageNet downsampled to 16 × 16 pixels, as NAS-Bench-201 uses it.
//!
//! Chrabaszcz et al. 2017, *A Downsampled Variant of ImageNet as an Alternative to the CIFAR datasets*;
//! Dong & Yang 2020 keep the first 120 of its 1000 classes.

use std::{fs, path::Path};

use pickle::{Element, Pickle};
use rayon::prelude::*;

use crate::{DataError, Images, content::Content};

/// The folder of the files, in the folder of archives.
pub(crate) const FOLDER: &str = "ImageNet16";

/// Files of training images; they are pickles.
const N_TRAIN_FILES: usize = 10;

/// The file of validation images, which are the test images here.
const TEST_FILE: &str = "val_data";

const SHAPE: [usize; 3] = [3, 16, 16];

/// Classes that are kept: labels 1 to 120.
const N_CLASSES: u16 = 120;

/// Every file of the data set in `folder`.
pub(crate) fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let train = (1..=N_TRAIN_FILES).map(|i| folder.join(format!("train_data_batch_{i}")));
    train.chain([folder.join(TEST_FILE)]).collect()
}

/// Imports the files; nothing in them is executed.
pub(crate) fn import(folder: &Path) -> Result<Content, DataError> {
    let batches: Vec<Images> =
        files(folder).par_iter().map(|file| batch(file)).collect::<Result<_, _>>()?;
    let (train, test) = batches.split_at(N_TRAIN_FILES);
    let together = |batches: &[Images]| {
        let pixels = batches.iter().flat_map(|batch| &batch.pixels).copied().collect();
        let labels = batches.iter().flat_map(|batch| &batch.labels).copied().collect();
        Images::new(SHAPE, pixels, labels)
    };
    let classes = (1..=N_CLASSES).map(|class| class.to_string()).collect();
    Ok(Content { classes, train: together(train), test: together(test) })
}

/// The images of the first classes in one file: `{"data": [n, 3 · 16 · 16] bytes, "labels": 1 … 1000}`.
fn batch(file: &Path) -> Result<Images, DataError> {
    let bytes = fs::read(file).map_err(DataError::io(file))?;
    let pickle =
        Pickle::read(&bytes).map_err(|source| DataError::Pickle { path: file.into(), source })?;
    let fault = |key| DataError::Batch { path: file.into(), key };
    let root = pickle.root();
    let size = SHAPE.iter().product::<usize>();
    let data = root.get("data").and_then(|data| data.array());
    let data = data.filter(|data| {
        data.element == Element::Unsigned(1) && matches!(data.shape, [_, n] if *n == size)
    });
    let data = data.ok_or_else(|| fault("data"))?;
    let labels = root.get("labels").and_then(|labels| labels.members());
    let labels = labels.ok_or_else(|| fault("labels"))?;
    if labels.len() != data.bytes.len() / size {
        return Err(fault("labels"));
    }
    let (mut pixels, mut kept) = (Vec::new(), Vec::new());
    for (label, image) in labels.zip(data.bytes.chunks_exact(size)) {
        let label = label.integer().and_then(|label| u16::try_from(label).ok());
        let label = label.filter(|&label| 0 < label).ok_or_else(|| fault("labels"))?;
        if label <= N_CLASSES {
            kept.push(label - 1);
            pixels.extend_from_slice(image);
        }
    }
    Ok(Images::new(SHAPE, pixels, kept))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `{"data": numpy.array of bytes, "labels": […]}` in protocol 4, an image in one shade each.
    fn pickled(images: &[(u16, u8)]) -> Vec<u8> {
        let n = images.len() as u8;
        let mut bytes =
            b"\x80\x04}\x94(\x8c\x04data\x8c\x15numpy.core.multiarray\x8c\x0c_reconstruct\
            \x93\x8c\x05numpy\x8c\x07ndarray\x93K\0\x85C\x01b\x87R(K\x01K"
                .to_vec();
        bytes.push(n);
        bytes.extend(b"M\0\x03\x86\x8c\x05numpy\x8c\x05dtype\x93\x8c\x02u1\x89\x88\x87R");
        bytes.extend(b"(K\x03\x8c\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tb\x89B");
        bytes.extend((768 * u32::from(n)).to_le_bytes());
        bytes.extend(images.iter().flat_map(|&(_, shade)| [shade; 768]));
        bytes.extend(b"tb\x8c\x06labels](");
        for &(label, _) in images {
            bytes.push(b'M');
            bytes.extend(label.to_le_bytes());
        }
        bytes.extend(b"eu.");
        bytes
    }

    #[test]
    fn the_first_120_classes_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        for (i, file) in files(folder.path()).iter().enumerate() {
            fs::write(file, pickled(&[(120, i as u8), (121, 99), (1, 50)])).unwrap();
        }
        let content = import(folder.path()).unwrap();
        assert_eq!(content.classes.len(), 120);
        assert_eq!(content.train.labels[..4], [119, 0, 119, 0]);
        assert_eq!(content.train.len(), 20);
        assert_eq!(content.train.image(2), [1; 768]);
        assert_eq!(
            (content.test.labels.as_slice(), content.test.image(0)),
            (&[119, 0][..], &[10; 768][..])
        );
    }

    #[test]
    fn other_files_are_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(TEST_FILE);
        let refused = |bytes: &[u8], expected: &str| {
            fs::write(&file, bytes).unwrap();
            let error = batch(&file).map(drop).unwrap_err().to_string();
            assert!(error.contains("val_data") && error.contains(expected), "{error}");
        };
        refused(&pickled(&[(0, 1)]), "`labels`");
        refused(b"}.", "`data`");
        refused(b"cos\nsystem\n.", "no pickle of images");
        fs::remove_file(&file).unwrap();
        assert!(batch(&file).is_err());
    }
}
