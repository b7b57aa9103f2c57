//! Decoded pictures and their place in a tree.

use std::path::{Component, Path};

use image::ImageError;

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
        let picture = image::load_from_memory(bytes)?;
        let size = [picture.height() as usize, picture.width() as usize];
        if !picture.color().has_color() {
            return Ok(Self { size, pixels: Pixels::Gray(picture.into_luma8().into_raw()) });
        }
        let interleaved = picture.into_rgb8().into_raw();
        let channel = |c| interleaved.iter().skip(c).step_by(3).copied();
        let pixels = (0..3).flat_map(channel).collect();
        Ok(Self { size, pixels: Pixels::Color(pixels) })
    }
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
}
