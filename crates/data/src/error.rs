//! What can be wrong with data.

use std::{io, path::PathBuf};

use thiserror::Error;

/// Why images could not be had, each with its place.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DataError {
    /// The source lies in an archive, and no folder of archives was given.
    #[error("no data folder was given; it must hold {wanted}")]
    NoFolder {
        /// File names, any of which would do.
        wanted: &'static str,
    },
    /// None of the archives is in the folder.
    #[error("no {wanted} in {}", folder.display())]
    MissingArchive {
        /// File names, any of which would do.
        wanted: &'static str,
        /// Where they were looked for.
        folder: PathBuf,
    },
    /// The folder or archive of an image tree does not exist.
    #[error("no image tree at {}", path.display())]
    MissingTree {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// A file or folder could not be read or written.
    #[error("{}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// A published archive is not the published one.
    #[error(
        "{}: truncated or corrupt archive, expected md5 {expected}, found {found}",
        path.display()
    )]
    Digest {
        /// The archive.
        path: PathBuf,
        /// The published MD5 digest, hexadecimal.
        expected: String,
        /// The MD5 digest of the file, hexadecimal.
        found: String,
    },
    /// A file is no pickle of plain values.
    #[error("{}: no pickle of images", path.display())]
    Pickle {
        /// The file.
        path: PathBuf,
        /// What is wrong, and at which byte.
        source: pickle::PickleError,
    },
    /// A pickle has other images or labels.
    #[error("{}: `{key}` is not what ImageNet16 has there", path.display())]
    Batch {
        /// The file.
        path: PathBuf,
        /// The key in its dictionary.
        key: &'static str,
    },
    /// A parameter of mixing images that is no positive number.
    #[error("images cannot be mixed by shares from Beta({alpha}, {alpha})")]
    Mixup {
        /// The parameter.
        alpha: f64,
    },
    /// An archive does not decompress, or is no tar archive.
    #[error("{}: truncated or corrupt archive", path.display())]
    Archive {
        /// The archive.
        path: PathBuf,
        /// What the decoder said.
        source: io::Error,
    },
    /// An entry of an archive is shorter than its header promises.
    #[error(
        "{}: truncated archive, {entry} has {found} of {expected} bytes",
        path.display()
    )]
    Truncated {
        /// The archive.
        path: PathBuf,
        /// The path inside it.
        entry: String,
        /// Bytes promised.
        expected: u64,
        /// Bytes present.
        found: u64,
    },
    /// A picture whose name is no text.
    #[error("{}: the name is not UTF-8", path.display())]
    Name {
        /// The picture.
        path: PathBuf,
    },
    /// An archive lacks the zeros that it ends with, and with them perhaps more.
    #[error("{}: truncated archive, its end is missing", path.display())]
    NoEnd {
        /// The archive.
        path: PathBuf,
    },
    /// An entry of an archive has an absolute path or one with `..`.
    #[error("{}: entry {entry} points outside the archive", path.display())]
    Escape {
        /// The archive.
        path: PathBuf,
        /// The path inside it.
        entry: String,
    },
    /// A picture in an archive is a link to another file.
    #[error("{}: entry {entry} is a link, not a file", path.display())]
    Link {
        /// The archive.
        path: PathBuf,
        /// The path inside it.
        entry: String,
    },
    /// An archive lacks a file it should hold.
    #[error("{}: no entry {entry}", path.display())]
    MissingEntry {
        /// The archive.
        path: PathBuf,
        /// The path inside it.
        entry: String,
    },
    /// A file of records ends within a record.
    #[error(
        "{}: {entry} has {n_bytes} bytes, not a positive multiple of {record_bytes}",
        path.display()
    )]
    RecordLength {
        /// The archive.
        path: PathBuf,
        /// The path inside it.
        entry: String,
        /// Bytes in the file.
        n_bytes: usize,
        /// Bytes in a record.
        record_bytes: usize,
    },
    /// A record names a class that does not exist.
    #[error(
        "{}: {entry}, record {record}: label {label} of {n_classes} classes",
        path.display()
    )]
    Label {
        /// The archive.
        path: PathBuf,
        /// The path inside it.
        entry: String,
        /// The record, from 0.
        record: usize,
        /// The label found.
        label: u16,
        /// Number of classes.
        n_classes: usize,
    },
    /// A picture could not be decoded.
    #[error("{}: {entry}: unreadable picture", path.display())]
    Picture {
        /// The tree or archive.
        path: PathBuf,
        /// The path inside it.
        entry: String,
        /// What the decoder said.
        source: image::ImageError,
    },
    /// Too many pictures could not be decoded.
    #[error(
        "{n_unreadable} of {n_pictures} pictures are unreadable, more than {} %; the last is {}",
        most * 100.0, path.display()
    )]
    Unreadable {
        /// The last of them.
        path: PathBuf,
        /// Pictures that could not be decoded so far.
        n_unreadable: usize,
        /// All pictures of the folder.
        n_pictures: usize,
        /// The share of them that may be so.
        most: f64,
        /// What the decoder said of it.
        source: image::ImageError,
    },
    /// The part of pictures that is shown is no part of them.
    #[error("the middle of a picture has {center} of its shorter side, not a share above 0")]
    Center {
        /// Share of the shorter side.
        center: f64,
    },
    /// A batch of which no picture could be decoded.
    #[error("epoch {epoch}, step {step}: no picture of the batch is readable")]
    NothingReadable {
        /// The epoch.
        epoch: u64,
        /// The step in it, from 0.
        step: usize,
    },
    /// Pictures of any size are read from a folder alone.
    #[error("{}: pictures of any size are read from a folder: unpack it", path.display())]
    NoPictureFolder {
        /// What is no folder.
        path: PathBuf,
    },
    /// Threads that decode could not be started.
    #[error("{n_threads} threads to decode pictures cannot be started")]
    Threads {
        /// How many were wanted.
        n_threads: usize,
        /// What rayon said.
        source: rayon::ThreadPoolBuildError,
    },
    /// Pictures of one tree have different sizes.
    #[error(
        "{}: {entry} is {} × {} pixels, the pictures before it {} × {}; of any size they may be in \
         `pictures`",
        path.display(), found[1], found[0], expected[1], expected[0]
    )]
    Size {
        /// The tree or archive.
        path: PathBuf,
        /// The path inside it of the first picture that differs.
        entry: String,
        /// Height and width of the pictures before.
        expected: [usize; 2],
        /// Height and width of this picture.
        found: [usize; 2],
    },
    /// Two pictures of a tree have the same split, class and file name.
    #[error("{}: two pictures are called {entry}", path.display())]
    Duplicate {
        /// The tree or archive.
        path: PathBuf,
        /// Split, class and file name.
        entry: String,
    },
    /// A tree has no picture for training or testing.
    #[error("{}: no pictures under {split}/<class>/", path.display())]
    EmptySplit {
        /// The tree or archive.
        path: PathBuf,
        /// The folder that is empty or absent.
        split: &'static str,
    },
    /// A tree has fewer classes than can be told apart.
    #[error("{}: {n_classes} class under train, at least 2 are needed", path.display())]
    TooFewClasses {
        /// The tree or archive.
        path: PathBuf,
        /// Classes found.
        n_classes: usize,
    },
    /// A tree has more classes than a label can number.
    #[error("{}: {n_classes} classes under train, at most 65535 are possible", path.display())]
    TooManyClasses {
        /// The tree or archive.
        path: PathBuf,
        /// Classes found.
        n_classes: usize,
    },
    /// A class to be tested was not trained.
    #[error("{}: class {class} is under {split} and not under train", path.display())]
    UnknownClass {
        /// The tree or archive.
        path: PathBuf,
        /// The folder of test pictures.
        split: &'static str,
        /// The class.
        class: String,
    },
    /// The resolution does not divide the images into square blocks.
    #[error("images of {width} × {height} pixels do not average to {resolution} × {resolution}")]
    Resolution {
        /// Height of the images.
        height: usize,
        /// Width of the images.
        width: usize,
        /// Height and width wanted.
        resolution: usize,
    },
    /// More validation images were wanted than leave one for training, or none.
    #[error("{n_valid} of {n_images} images cannot be held out, some must remain on either side")]
    Split {
        /// Images to split.
        n_images: usize,
        /// Validation images wanted.
        n_valid: usize,
    },
    /// A batch is empty, or larger than the set it is drawn from.
    #[error("a batch of {batch_size} cannot be drawn from {n_images} images")]
    BatchSize {
        /// Images to draw from.
        n_images: usize,
        /// Images in a batch.
        batch_size: usize,
    },
    /// A channel has the same value everywhere, so it has no scale.
    #[error("channel {channel} is the same in all {n_images} images")]
    ConstantChannel {
        /// The channel, from 0.
        channel: usize,
        /// Number of images.
        n_images: usize,
    },
}

impl DataError {
    /// The error of an operation on the file or folder at `path`.
    pub(crate) fn io(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { path, source }
    }

    /// The error of decoding the archive at `path`.
    pub(crate) fn archive(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Archive { path, source }
    }
}
