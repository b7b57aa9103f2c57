//! Pictures that stay on disk.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::available_parallelism,
};

use image::ImageError;
use rayon::{ThreadPool, ThreadPoolBuilder};
use serde::{Deserialize, Serialize};

use crate::{
    DataError, Dataset, Gallery,
    digest::{hex, sha256},
    picture::{Address, Picture},
    tree::{self, Classes, Side},
};

/// Side of the images until another one is asked for.
const USUAL_RESOLUTION: usize = 224;

/// A folder of pictures of any size, and how it is read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct PictureFolder {
    /// The folder, with pictures at `train/<class>/` and `test/<class>/` (or `val/<class>/`). A
    /// relative path starts in the folder of archives, if one is given.
    pub folder: PathBuf,
    /// Side of the square in the middle that is shown where nothing is random, as a share of the
    /// shorter side, in `(0, 1]`; 0.875 is usual.
    pub center: f64,
    /// Share of all pictures, in `[0, 1)`, that may turn out to be unreadable.
    pub most_unreadable: f64,
}

impl PictureFolder {
    /// The data set in an existing folder; its pictures are listed and not read.
    pub(crate) fn open(self, name: String) -> Result<Dataset, DataError> {
        let is_share = 0.0 < self.center && self.center <= 1.0;
        if !is_share {
            return Err(DataError::Center { center: self.center });
        }
        let files = tree::files(&self.folder)?;
        let classes = Classes::of(&self.folder, files.iter().map(|(address, _)| address))?;
        let (mut train, mut test) = (Vec::new(), Vec::new());
        let (mut labels, mut text) = (Vec::with_capacity(files.len()), String::new());
        for (place, (address, file)) in files.iter().enumerate() {
            let n_bytes = fs::metadata(file).map_err(DataError::io(file.as_path()))?.len();
            text += &format!("{address} {n_bytes}\n");
            let label = classes.label(address)?;
            match label {
                Some((Side::Train, _)) => train.push(place),
                Some((Side::Test, _)) => test.push(place),
                None => {}
            }
            labels.push(label.map_or(0, |(_, label)| label));
        }
        classes.check_tested(test.is_empty())?;
        let classes = classes.names;
        let addresses = files.into_iter().map(|(address, _)| address).collect();
        let all = Gallery::Pictures(Pictures::new(self, addresses, labels)?);
        let digest = hex(&sha256([text.as_bytes()]));
        Ok(Dataset { name, classes, train: all.select(&train), test: all.select(&test), digest })
    }
}

/// Labeled pictures of any size on disk; each is decoded when it is shown.
///
/// Gray pictures are shown with three channels alike. Cloning shares all of it.
#[derive(Clone, Debug)]
pub struct Pictures {
    files: Arc<Files>,
    /// Places in the files.
    rows: Arc<[usize]>,
    labels: Arc<[u16]>,
    resolution: usize,
}

/// All pictures of a data set.
#[derive(Debug)]
struct Files {
    folder: PictureFolder,
    addresses: Vec<Address>,
    /// Those that turned out to be unreadable.
    unreadable: Mutex<BTreeSet<usize>>,
    /// Its threads decode. They are not the trainer's, which may be waiting for them.
    pool: ThreadPool,
}

impl Pictures {
    /// All pictures at `addresses` in `folder`, whose path is that of an existing folder.
    fn new(
        folder: PictureFolder,
        addresses: Vec<Address>,
        labels: Vec<u16>,
    ) -> Result<Self, DataError> {
        let n_threads = available_parallelism().map_or(1, usize::from);
        let pool = ThreadPoolBuilder::new().num_threads(n_threads).build();
        let pool = pool.map_err(|source| DataError::Threads { n_threads, source })?;
        let rows = (0..addresses.len()).collect();
        let unreadable = Mutex::default();
        let files = Arc::new(Files { folder, addresses, unreadable, pool });
        Ok(Self { files, rows, labels: labels.into(), resolution: USUAL_RESOLUTION })
    }

    /// The class of each picture.
    pub fn labels(&self) -> &[u16] {
        &self.labels
    }

    /// Height and width of the images that are shown.
    pub fn resolution(&self) -> usize {
        self.resolution
    }

    /// The same pictures, shown at another resolution.
    pub(crate) fn at(&self, resolution: usize) -> Self {
        Self { resolution, ..self.clone() }
    }

    /// The pictures at `rows`, in that order.
    pub(crate) fn select(&self, rows: &[usize]) -> Self {
        Self {
            files: Arc::clone(&self.files),
            rows: rows.iter().map(|&row| self.rows[row]).collect(),
            labels: rows.iter().map(|&row| self.labels[row]).collect(),
            resolution: self.resolution,
        }
    }

    /// The pictures of the whole data set that have been found unreadable so far, by place.
    pub(crate) fn unreadable(&self) -> BTreeSet<usize> {
        self.files.unreadable().clone()
    }

    /// Counts pictures that an earlier process has found unreadable.
    pub(crate) fn recall(&self, unreadable: &BTreeSet<usize>) {
        self.files.unreadable().extend(unreadable);
    }

    /// Share of the shorter side that is shown where nothing is random.
    pub(crate) fn center(&self) -> f64 {
        self.files.folder.center
    }

    /// The threads that decode.
    pub(crate) fn pool(&self) -> &ThreadPool {
        &self.files.pool
    }

    pub(crate) fn decode(&self, row: usize) -> Result<Picture, Fault> {
        let bytes = fs::read(self.files.path(self.rows[row])).map_err(Fault::Disk)?;
        Picture::decode(&bytes).map_err(Fault::Picture)
    }

    /// Names and counts a picture that could not be decoded.
    ///
    /// # Errors
    ///
    /// If there are too many of them by now, or it is the disk's fault.
    pub(crate) fn note(&self, row: usize, fault: Fault) -> Result<(), DataError> {
        let files = &self.files;
        let place = self.rows[row];
        let why = match fault {
            Fault::Disk(error) => return Err(DataError::io(files.path(place))(error)),
            Fault::Picture(why) => why,
        };
        let mut unreadable = files.unreadable();
        if unreadable.insert(place) {
            tracing::warn!("{}: skipped: {why}", files.path(place).display());
        }
        let (n_unreadable, n_pictures) = (unreadable.len(), files.addresses.len());
        if n_unreadable as f64 <= files.folder.most_unreadable * n_pictures as f64 {
            return Ok(());
        }
        let most = files.folder.most_unreadable;
        let path = files.path(place);
        Err(DataError::Unreadable { path, n_unreadable, n_pictures, most, source: why })
    }
}

/// Why a picture is not shown.
#[derive(Debug)]
pub(crate) enum Fault {
    /// Its file cannot be read, which says nothing of the picture.
    Disk(io::Error),
    /// It cannot be decoded.
    Picture(ImageError),
}

impl Files {
    fn unreadable(&self) -> MutexGuard<'_, BTreeSet<usize>> {
        self.unreadable.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn path(&self, place: usize) -> PathBuf {
        let Address { part, class, file } = &self.addresses[place];
        [Path::new(part.folder()), class.as_ref(), file.as_ref()]
            .iter()
            .fold(self.folder.folder.clone(), |path, name| path.join(name))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use expect_test::{Expect, expect};
    use space::Seed;
    use tempfile::TempDir;

    use super::*;
    use crate::{
        Augment, Batch, Batches, Jitter, Normalization, Source,
        fixtures::{chain, gray_png, png, unpacked},
    };

    type Files = Vec<(&'static str, Vec<u8>)>;

    /// Five training and two test pictures of different sizes.
    fn files() -> Files {
        vec![
            ("train/cat/a.png", png([9, 13], [10, 20, 30])),
            ("train/cat/b.png", gray_png([30, 7], 40)),
            ("train/cat/c.png", png([8, 8], [50, 60, 70])),
            ("train/dog/a.png", png([5, 40], [80, 90, 100])),
            ("train/dog/b.png", png([64, 48], [110, 120, 130])),
            ("val/cat/a.png", png([3, 3], [1, 2, 3])),
            ("val/dog/a.png", png([1, 9], [4, 5, 6])),
        ]
    }

    fn loaded(files: &Files, most_unreadable: f64) -> (TempDir, Result<Dataset, String>) {
        let folder = tempfile::tempdir().unwrap();
        unpacked(folder.path(), files);
        let of = PictureFolder { folder: folder.path().into(), center: 0.875, most_unreadable };
        let dataset = Dataset::load(&Source::Pictures(of), None, Path::new("unused"));
        let text = |error: DataError| chain(&error).replace(folder.path().to_str().unwrap(), "DIR");
        let dataset = dataset.map_err(text);
        (folder, dataset)
    }

    /// Numbers are bytes over 255.
    fn batches(images: &Gallery, augment: Augment, size: usize) -> Batches {
        let plain = Normalization { mean: vec![0.0; 3], std: vec![1.0; 3] };
        Batches::new(Arc::new(images.at(4).unwrap()), &plain, augment, size).unwrap()
    }

    /// The first pixel of each channel of each image.
    fn colors(batch: &Batch) -> Vec<[u8; 3]> {
        let planes: Vec<u8> =
            batch.images.chunks(16).map(|plane| (plane[0] * 255.0).round() as u8).collect();
        planes.as_chunks().0.to_vec()
    }

    #[test]
    fn pictures_of_any_size_are_shown_at_one() {
        let (_folder, dataset) = loaded(&files(), 0.0);
        let dataset = dataset.unwrap();
        assert_eq!((dataset.classes.len(), dataset.train.len(), dataset.test.len()), (2, 5, 2));
        assert_eq!(dataset.train.shape(), [3, 224, 224]);
        let batch = batches(&dataset.train, Augment::NONE, 5).sequential(0..5).next().unwrap();
        let batch = batch.unwrap();
        assert_eq!((&batch.labels[..], batch.shape), (&[0, 0, 0, 1, 1][..], [5, 3, 4, 4]));
        let expected = [[10, 20, 30], [40, 40, 40], [50, 60, 70], [80, 90, 100], [110, 120, 130]];
        assert_eq!(colors(&batch), expected);
        assert!(dataset.train.at(0).is_err());
    }

    #[test]
    fn random_looks_are_functions_of_seed_epoch_and_step() {
        let (_folder, dataset) = loaded(&files(), 0.0);
        let images = dataset.unwrap().train;
        let jitter = Jitter { brightness: 0.5, contrast: 0.5, saturation: 0.5 };
        let augment = Augment { crop_area: 0.1, jitter, flip: true, ..Augment::NONE };
        let [first, again] = [(); 2].map(|()| batches(&images, augment, 2));
        let epoch = first.epoch(Seed::new(3), 7);
        let shown: Vec<Batch> = (0..2).map(|step| first.batch(&epoch, step).unwrap()).collect();
        let ahead = again.prefetch(again.epoch(Seed::new(3), 7), 0..2, 1);
        assert_eq!(ahead.map(Result::unwrap).collect::<Vec<_>>(), shown);
        let other = first.epoch(Seed::new(3), 8);
        assert_ne!(first.batch(&other, 0).unwrap().images, shown[0].images);
    }

    #[test]
    fn images_in_memory_have_random_looks_too() {
        let pixels = (0..64).map(|pixel| pixel * 4).collect();
        let images = Gallery::from(crate::Images::new([1, 8, 8], pixels, vec![0]));
        let normalization = Normalization { mean: vec![0.0], std: vec![1.0] };
        let augment = Augment { crop_area: 0.1, ..Augment::NONE };
        let batches = Batches::new(Arc::new(images), &normalization, augment, 1).unwrap();
        let looks: BTreeSet<Vec<u32>> = (0..20)
            .map(|number| {
                let batch = batches.batch(&batches.epoch(Seed::new(0), number), 0).unwrap();
                batch.images.iter().map(|value| value.to_bits()).collect()
            })
            .collect();
        assert!(10 < looks.len(), "{}", looks.len());
    }

    #[test]
    fn unreadable_pictures_are_left_out_until_there_are_too_many() {
        let mut spoiled = files();
        spoiled[1].1.truncate(30);
        spoiled[4].1 = b"no picture".to_vec();
        let (_folder, dataset) = loaded(&spoiled, 2.0 / 7.0);
        let images = dataset.unwrap().train;
        let whole = batches(&images, Augment::NONE, 5);
        for _ in 0..2 {
            let batch = whole.sequential(0..5).next().unwrap().unwrap();
            assert_eq!((&batch.labels[..], batch.shape), (&[0, 0, 1][..], [3, 3, 4, 4]));
            assert_eq!(colors(&batch), [[10, 20, 30], [50, 60, 70], [80, 90, 100]]);
        }
        let alone = whole.sequential(0..5).next().unwrap().unwrap();
        assert_eq!(Normalization::of(&images.at(4).unwrap()).unwrap().mean.len(), 3);
        assert_eq!(alone.labels.len(), 3);
        let singles = Batches::new(
            Arc::new(images.at(4).unwrap()),
            &Normalization { mean: vec![0.0; 3], std: vec![1.0; 3] },
            Augment::NONE,
            1,
        )
        .unwrap();
        let n_shown =
            singles.sequential(0..5).map(|batch| batch.unwrap().labels.len()).sum::<usize>();
        assert_eq!((n_shown, singles.sequential(1..2).count()), (3, 0));
        let epoch = singles.epoch(Seed::new(1), 2);
        let made: Vec<_> = singles.prefetch(epoch.clone(), 0..5, 1).collect();
        for (step, (batch, &row)) in made.into_iter().zip(epoch.order()).enumerate() {
            match batch {
                Ok(batch) => assert_eq!(batch.labels, [i32::from(images.labels()[row])]),
                Err(error) => {
                    assert!([1, 4].contains(&row));
                    let expected =
                        format!("epoch 2, step {step}: no picture of the batch is readable");
                    assert_eq!(error.to_string(), expected);
                }
            }
        }
        let found = images.unreadable();
        assert_eq!(found.len(), 2);
        let again = loaded(&spoiled, 2.0 / 7.0).1.unwrap().test;
        again.recall(&found);
        assert_eq!(again.unreadable(), found);

        let (folder, dataset) = loaded(&spoiled, 0.2);
        let many =
            batches(&dataset.unwrap().train, Augment::NONE, 5).sequential(0..5).next().unwrap();
        let text = chain(&many.unwrap_err()).replace(folder.path().to_str().unwrap(), "DIR");
        expect!["2 of 7 pictures are unreadable, more than 20 %; the last is DIR/train/dog/b.png: The image format could not be determined"].assert_eq(&text);
    }

    #[test]
    fn faulty_folders_name_the_place() {
        #[track_caller]
        fn check(files: &Files, expect: Expect) {
            expect.assert_eq(&loaded(files, 0.0).1.unwrap_err());
        }
        check(&vec![], expect!["DIR: no pictures under train/<class>/"]);
        check(&files()[..5].to_vec(), expect!["DIR: no pictures under test/<class>/"]);
        check(&files()[3..].to_vec(), expect!["DIR: 1 class under train, at least 2 are needed"]);
        let foreign = [files(), vec![("val/emu/a.png", png([1, 1], [0; 3]))]].concat();
        check(&foreign, expect!["DIR: class emu is under val and not under train"]);
    }

    #[test]
    fn digest_is_of_places_and_sizes() {
        let digest = |files: &Files| loaded(files, 0.0).1.unwrap().digest;
        assert_eq!(digest(&files()), digest(&files()));
        let mut longer = files();
        longer[0].1.push(0);
        assert_ne!(digest(&longer), digest(&files()));
        let mut renamed = files();
        renamed[0].0 = "train/cat/0.png";
        assert_ne!(digest(&renamed), digest(&files()));
    }
}
