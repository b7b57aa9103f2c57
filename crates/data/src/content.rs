//! What a data set holds, and its canonical bytes.

use std::{
    borrow::Cow,
    io::{self, Read},
};

use crate::{Images, digest::sha256};

/// Class names and images, without a name.
///
/// The canonical bytes are, with little-endian numbers:
///
/// - the number of classes (`u32`), for each its name's length (`u32`) and UTF-8 bytes;
/// - for the training and then the test images: channels, height and width (`u32` each), the
///   number of images (`u64`), the labels (`u16` each), the pixels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Content {
    pub(crate) classes: Vec<String>,
    pub(crate) train: Images,
    pub(crate) test: Images,
}

impl Content {
    /// The canonical bytes, in pieces.
    pub(crate) fn parts(&self) -> [Cow<'_, [u8]>; 5] {
        [
            Cow::Owned(class_bytes(&self.classes)),
            Cow::Owned(head_bytes(&self.train)),
            Cow::Borrowed(&self.train.pixels),
            Cow::Owned(head_bytes(&self.test)),
            Cow::Borrowed(&self.test.pixels),
        ]
    }

    /// SHA-256 of the canonical bytes.
    pub(crate) fn digest(&self) -> [u8; 32] {
        sha256(self.parts().iter().map(AsRef::as_ref))
    }

    /// Reads canonical bytes; the sizes in them are not trusted.
    pub(crate) fn read(source: &mut impl Read) -> io::Result<Self> {
        let n_classes = read_u32(source)?;
        let mut classes = Vec::new();
        for _ in 0..n_classes {
            let n_bytes = read_u32(source)?;
            let name = String::from_utf8(take(source, n_bytes as usize)?);
            classes.push(name.map_err(io::Error::other)?);
        }
        Ok(Self { classes, train: read_images(source)?, test: read_images(source)? })
    }
}

fn class_bytes(classes: &[String]) -> Vec<u8> {
    let mut bytes = u32_bytes(classes.len()).to_vec();
    for name in classes {
        bytes.extend(u32_bytes(name.len()));
        bytes.extend(name.as_bytes());
    }
    bytes
}

/// All but the pixels.
fn head_bytes(images: &Images) -> Vec<u8> {
    let mut bytes: Vec<u8> = images.shape.into_iter().flat_map(u32_bytes).collect();
    bytes.extend((images.len() as u64).to_le_bytes());
    bytes.extend(images.labels.iter().flat_map(|label| label.to_le_bytes()));
    bytes
}

fn read_images(source: &mut impl Read) -> io::Result<Images> {
    let mut shape = [0; 3];
    for side in &mut shape {
        *side = read_u32(source)? as usize;
    }
    let n_images = u64::from_le_bytes(take_array(source)?);
    let n_images = usize::try_from(n_images).map_err(io::Error::other)?;
    let image = shape.iter().try_fold(1usize, |n, &side| n.checked_mul(side));
    let sizes = n_images.checked_mul(2).zip(image.and_then(|n| n.checked_mul(n_images)));
    let (n_label_bytes, n_pixels) = sizes.ok_or_else(|| io::Error::other("sizes overflow"))?;
    let labels = take(source, n_label_bytes)?;
    let labels = labels.as_chunks().0.iter().map(|&bytes| u16::from_le_bytes(bytes)).collect();
    Ok(Images::new(shape, take(source, n_pixels)?, labels))
}

fn u32_bytes(number: usize) -> [u8; 4] {
    u32::try_from(number).expect("class counts, names and image sides are below 2³²").to_le_bytes()
}

fn read_u32(source: &mut impl Read) -> io::Result<u32> {
    Ok(u32::from_le_bytes(take_array(source)?))
}

fn take_array<const N: usize>(source: &mut impl Read) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    source.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// The next `n_bytes`. Memory grows with what is there: the number may be wrong.
fn take(source: &mut impl Read, n_bytes: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(n_bytes.min(1 << 28));
    source.take(n_bytes as u64).read_to_end(&mut bytes)?;
    if bytes.len() < n_bytes {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn images(shape: [usize; 3], labels: Vec<u16>) -> Images {
        let n_pixels = shape.iter().product::<usize>() * labels.len();
        Images::new(shape, (0..n_pixels).map(|p| (p * 7) as u8).collect(), labels)
    }

    proptest! {
        #[test]
        fn reading_gives_back_what_was_written(
            classes in prop::collection::vec(".{0,5}", 0..4),
            shape in prop::array::uniform3(0usize..4),
            labels in prop::collection::vec(0u16.., 0..5),
        ) {
            let content = Content {
                classes,
                train: images(shape, labels.clone()),
                test: images([1, 2, 3], labels),
            };
            let bytes = content.parts().concat();
            prop_assert_eq!(Content::read(&mut bytes.as_slice()).unwrap(), content.clone());
            for n in 0..bytes.len() {
                prop_assert!(Content::read(&mut &bytes[..n]).is_err());
            }
        }

        #[test]
        fn arbitrary_bytes_do_no_harm(bytes in prop::collection::vec(0u8.., 0..200)) {
            drop(Content::read(&mut bytes.as_slice()));
        }
    }

    #[test]
    fn digest_tells_contents_apart() {
        let content = |classes: [&str; 2]| Content {
            classes: classes.map(String::from).to_vec(),
            train: images([1, 1, 1], vec![0, 1]),
            test: images([1, 1, 1], vec![0]),
        };
        assert_eq!(content(["a", "bc"]).digest(), content(["a", "bc"]).digest());
        assert_ne!(content(["a", "bc"]).digest(), content(["ab", "c"]).digest());
    }
}
