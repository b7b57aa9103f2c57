//! Decoded pictures and their place in a tree.

use std::path::{Component, Path};

use image::{ImageError, ImageFormat, error::DecodingError};

/// Extensions of pictures, in lower case.
const EXTENSIONS: [&str; 3] = ["jpg", "jpeg", "png"];

/// The part of a tree that a picture is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Part {
    Train,
    Test,
    Val,
}

impl Part {
    pub(crate) const ALL: [Self; 3] = [Self::Train, Self::Test, Self::Val];

    /// Name of the folder.
    pub(crate) fn folder(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Test => "test",
            Self::Val => "val",
        }
    }
}

/// Where a picture is in a tree; sorts by part, class and file name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Address {
    pub(crate) part: Part,
    pub(crate) class: String,
    pub(crate) file: String,
}

impl Address {
    /// The address in the last three names of a path, `…/train/<class>/<file>`.
    ///
    /// `None` if that is no picture of a tree. Names that begin with a dot are none: archives made
    /// on a Mac hold such a shadow of every file.
    pub(crate) fn parse(path: &str) -> Option<Self> {
        let names = Path::new(path).components().filter_map(|part| match part {
            Component::Normal(name) => name.to_str(),
            _ => None,
        });
        let names: Vec<&str> = names.collect();
        let &[.., part, class, file] = names.as_slice() else { return None };
        let part = Part::ALL.into_iter().find(|known| known.folder() == part)?;
        let hidden = class.starts_with('.') || file.starts_with('.');
        let address = Self { part, class: class.into(), file: file.into() };
        (!hidden && is_picture(file)).then_some(address)
    }
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}/{}", self.part.folder(), self.class, self.file)
    }
}

fn is_picture(file: &str) -> bool {
    file.rsplit_once('.')
        .is_some_and(|(_, extension)| EXTENSIONS.contains(&extension.to_lowercase().as_str()))
}

/// A decoded picture.
#[derive(Clone, Debug)]
pub(crate) struct Picture {
    /// Height and width.
    pub(crate) size: [usize; 2],
    pub(crate) pixels: Pixels,
}

/// The channels of a picture, one after the other.
#[derive(Clone, Debug)]
pub(crate) enum Pixels {
    Gray(Vec<u8>),
    Color(Vec<u8>),
}

impl Picture {
    /// Decodes a JPEG or PNG file: 8 bits a channel, transparency dropped.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, ImageError> {
        if bytes.starts_with(&START_OF_IMAGE) && is_cut_off(bytes) {
            let format = ImageFormat::Jpeg.into();
            return Err(ImageError::Decoding(DecodingError::new(format, "the file is cut off")));
        }
        let picture = image::load_from_memory(bytes)?;
        let size = [picture.height() as usize, picture.width() as usize];
        if !picture.color().has_color() {
            return Ok(Self { size, pixels: Pixels::Gray(picture.into_luma8().into_raw()) });
        }
        Ok(Self { size, pixels: Pixels::Color(planes(&picture.into_rgb8().into_raw())) })
    }
}

const START_OF_IMAGE: [u8; 2] = [0xff, 0xd8];
const END_OF_IMAGE: u8 = 0xd9;

/// Whether a JPEG file ends before the marker that ends its picture; the decoder would make up the rest.
///
/// What follows that marker does not matter, nor what segments hold, as thumbnails do.
fn is_cut_off(bytes: &[u8]) -> bool {
    let mut rest = &bytes[START_OF_IMAGE.len()..];
    loop {
        // Within a scan a marker's first byte is followed by 0, and marks of restarts stand by themselves.
        let is_marker = |pair: &[u8]| pair[0] == 0xff && !matches!(pair[1], 0 | 0xd0..=0xd7 | 0xff);
        let Some(start) = rest.windows(2).position(is_marker) else { return true };
        match rest[start + 1] {
            END_OF_IMAGE => return false,
            _ => {
                let segment = &rest[start + 2..];
                let Some(length) = segment.first_chunk() else { return true };
                // The numbers of a scan follow the segment that starts it, up to the next marker.
                let Some(after) = segment.get(usize::from(u16::from_be_bytes(*length))..) else {
                    return true;
                };
                rest = after;
            }
        }
    }
}

/// One channel after the other.
fn planes(interleaved: &[u8]) -> Vec<u8> {
    let mut planes = vec![0; interleaved.len()];
    let (red, others) = planes.split_at_mut(interleaved.len() / 3);
    let (green, blue) = others.split_at_mut(interleaved.len() / 3);
    let pixels = interleaved.as_chunks().0.iter();
    for (((pixel, red), green), blue) in pixels.zip(red).zip(green).zip(blue) {
        [*red, *green, *blue] = *pixel;
    }
    planes
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    #[track_caller]
    fn check(path: &str, expect: Expect) {
        let text = Address::parse(path).map_or("none".into(), |address| address.to_string());
        expect.assert_eq(&text);
    }

    #[test]
    fn addresses() {
        check("train/cat/1.jpg", expect!["train/cat/1.jpg"]);
        check("./test/a b/2.PNG", expect!["test/a b/2.PNG"]);
        check("imagenette2/val/n01/3.JPEG", expect!["val/n01/3.JPEG"]);
        check("train/cat/1.txt", expect!["none"]);
        check("train/cat/jpg", expect!["none"]);
        check("train/1.jpg", expect!["none"]);
        check("train/cat/._1.jpg", expect!["none"]);
        check("valid/cat/1.jpg", expect!["none"]);
        check("train/cat/deeper/1.jpg", expect!["none"]);
    }

    #[test]
    fn colors_come_one_after_the_other() {
        let mut bytes = std::io::Cursor::new(Vec::new());
        let picture = image::RgbImage::from_raw(2, 1, vec![1, 2, 3, 4, 5, 6]).unwrap();
        picture.write_to(&mut bytes, ImageFormat::Png).unwrap();
        let picture = Picture::decode(bytes.get_ref()).unwrap();
        assert_eq!(picture.size, [1, 2]);
        let Pixels::Color(planes) = picture.pixels else { panic!("gray") };
        assert_eq!(planes, [1, 4, 2, 5, 3, 6]);
    }

    #[test]
    fn jpeg_files_are_whole() {
        let mut bytes = std::io::Cursor::new(Vec::new());
        let level = |x: u32, y: u32| image::Luma([(x * y % 251) as u8]);
        let picture = image::GrayImage::from_fn(40, 30, level);
        picture.write_to(&mut bytes, ImageFormat::Jpeg).unwrap();
        let bytes = bytes.into_inner();
        // Cameras write what they like after the end.
        for after in [&[][..], &[0; 9], &[0xff, 0xda, 7, 0xff]] {
            let whole = [bytes.as_slice(), after].concat();
            assert_eq!(Picture::decode(&whole).unwrap().size, [30, 40]);
        }
        for n in 0..bytes.len() - 1 {
            assert!(Picture::decode(&bytes[..n]).is_err(), "{n} of {} bytes", bytes.len());
        }
    }
}
