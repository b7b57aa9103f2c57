//! Small archives and pictures for tests.

use std::{io::Write, path::Path};

use flate2::{Compression, write::GzEncoder};
use image::{DynamicImage, ImageFormat};

use crate::{Gallery, Images};

/// A PNG picture of one color, `[height, width]` pixels.
pub(crate) fn png([height, width]: [u32; 2], color: [u8; 3]) -> Vec<u8> {
    encoded(image::RgbImage::from_pixel(width, height, image::Rgb(color)).into())
}

/// A gray PNG picture.
pub(crate) fn gray_png([height, width]: [u32; 2], level: u8) -> Vec<u8> {
    encoded(image::GrayImage::from_pixel(width, height, image::Luma([level])).into())
}

fn encoded(picture: DynamicImage) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    picture.write_to(&mut bytes, ImageFormat::Png).unwrap();
    bytes.into_inner()
}

/// A tar archive of files; unlike `tar::Builder::append_data` it takes any path.
pub(crate) fn tar(files: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, bytes) in files {
        let mut header = tar::Header::new_ustar();
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        builder.append(&header, bytes.as_slice()).unwrap();
    }
    builder.into_inner().unwrap()
}

/// The same bytes, compressed.
pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Writes the files into a folder.
pub(crate) fn unpacked(folder: &Path, files: &[(&str, Vec<u8>)]) {
    for (name, bytes) in files {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
}

/// Two classes, five training and two test pictures, deliberately out of order.
pub(crate) fn small_tree() -> Vec<(&'static str, Vec<u8>)> {
    let size = [2, 3];
    vec![
        ("test/dog/1.png", png(size, [70, 71, 72])),
        ("train/dog/b.png", png(size, [50, 51, 52])),
        ("train/dog/a.png", png(size, [40, 41, 42])),
        ("train/cat/10.png", png(size, [10, 11, 12])),
        ("train/cat/9.png", png(size, [30, 31, 32])),
        ("train/cat/2.png", gray_png(size, 20)),
        ("train/readme.txt", b"not a picture".to_vec()),
        ("train/cat/notes.txt", b"not a picture".to_vec()),
        ("test/cat/1.png", png(size, [60, 61, 62])),
    ]
}

/// An error and its causes, as the program prints them.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// The images of a gallery in memory.
pub(crate) fn in_memory(gallery: Gallery) -> Images {
    match gallery {
        Gallery::Images(images) => images,
        Gallery::Pictures(_) => unreachable!("these stay on disk"),
    }
}
