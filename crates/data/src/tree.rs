//! Trees of pictures, `train/<class>/<file>` and `test/<class>/<file>`, as folder or archive.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use rayon::prelude::*;

use crate::{
    DataError, Images,
    archive::for_each_file,
    content::Content,
    picture::{Address, Part, Picture, Pixels},
};

/// Pictures held undecoded at a time.
const CHUNK: usize = 2048;

/// Imports the tree at `path`, a folder or an archive.
///
/// Classes are sorted by name, pictures by class and file name. Where there is no `test`, `val` is
/// tested. There are three channels, or one if every picture is gray.
pub(crate) fn import(path: &Path) -> Result<Content, DataError> {
    let mut pictures = Pictures { path, size: None, decoded: BTreeMap::new() };
    if path.is_dir() {
        for chunk in files(path)?.chunks(CHUNK) {
            pictures.extend(chunk.to_vec(), |file| {
                fs::read(&*file).map_err(DataError::io(file.as_path()))
            })?;
        }
    } else {
        let mut chunk = Vec::with_capacity(CHUNK);
        let wanted = |name: &str| Address::parse(name).is_some();
        for_each_file(path, wanted, |name, bytes| {
            chunk.extend(Address::parse(&name).map(|address| (address, bytes)));
            if chunk.len() < CHUNK {
                return Ok(());
            }
            pictures.extend(std::mem::take(&mut chunk), |bytes| Ok(std::mem::take(bytes)))
        })?;
        pictures.extend(chunk, |bytes| Ok(std::mem::take(bytes)))?;
    }
    pictures.assemble()
}

/// The pictures of a folder with their files, sorted.
pub(crate) fn files(root: &Path) -> Result<Vec<(Address, PathBuf)>, DataError> {
    let mut files = Vec::new();
    for part in Part::ALL {
        let part = root.join(part.folder());
        for class in children(&part)? {
            for file in children(&class)? {
                let inside = file.strip_prefix(root).expect("a child's path begins with the root");
                let address = Address::parse(&inside.to_string_lossy());
                files.extend(address.map(|address| (address, file)));
            }
        }
    }
    files.sort();
    Ok(files)
}

/// What is in a folder; nothing if it is no folder.
fn children(folder: &Path) -> Result<Vec<PathBuf>, DataError> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let entries = fs::read_dir(folder).map_err(DataError::io(folder))?;
    entries.map(|entry| entry.map(|entry| entry.path()).map_err(DataError::io(folder))).collect()
}

/// Decoded pictures of one size.
struct Pictures<'a> {
    path: &'a Path,
    size: Option<[usize; 2]>,
    decoded: BTreeMap<Address, Pixels>,
}

impl Pictures<'_> {
    /// Reads and decodes in parallel; an error is that of the first faulty picture.
    fn extend<T: Send>(
        &mut self,
        mut files: Vec<(Address, T)>,
        read: impl Fn(&mut T) -> Result<Vec<u8>, DataError> + Sync,
    ) -> Result<(), DataError> {
        let path = self.path;
        let decode = |(address, file): &mut (Address, T)| {
            let place = |source| {
                let (path, entry) = (path.into(), address.to_string());
                DataError::Picture { path, entry, source }
            };
            Picture::decode(&read(file)?).map_err(place)
        };
        let mut pictures = Vec::new();
        files.par_iter_mut().map(decode).collect_into_vec(&mut pictures);
        for ((address, _), picture) in files.into_iter().zip(pictures) {
            self.insert(address, picture?)?;
        }
        Ok(())
    }

    fn insert(&mut self, address: Address, picture: Picture) -> Result<(), DataError> {
        let expected = *self.size.get_or_insert(picture.size);
        if picture.size != expected {
            return Err(DataError::Size {
                path: self.path.into(),
                entry: address.to_string(),
                expected,
                found: picture.size,
            });
        }
        if self.decoded.contains_key(&address) {
            let (path, entry) = (self.path.into(), address.to_string());
            return Err(DataError::Duplicate { path, entry });
        }
        self.decoded.insert(address, picture.pixels);
        Ok(())
    }

    fn assemble(self) -> Result<Content, DataError> {
        let has_test = self.decoded.keys().any(|address| address.part == Part::Test);
        let test_part = if has_test { Part::Test } else { Part::Val };
        let classes = self.classes()?;
        let gray = self.decoded.values().all(|pixels| matches!(pixels, Pixels::Gray(_)));
        let [height, width] = self.size.unwrap_or_default();
        let shape = [if gray { 1 } else { 3 }, height, width];
        let mut train = Images::new(shape, Vec::new(), Vec::new());
        let mut test = train.clone();
        for (address, pixels) in self.decoded {
            let images = match address.part {
                Part::Train => &mut train,
                part if part == test_part => &mut test,
                _ => continue,
            };
            let Ok(label) = classes.binary_search(&address.class) else {
                let (path, split) = (self.path.into(), test_part.folder());
                return Err(DataError::UnknownClass { path, split, class: address.class });
            };
            images.labels.push(u16::try_from(label).expect("classes were counted"));
            match pixels {
                Pixels::Gray(plane) => (0..shape[0]).for_each(|_| images.pixels.extend(&plane)),
                Pixels::Color(planes) => images.pixels.extend(planes),
            }
        }
        if test.is_empty() {
            let split = Part::Test.folder();
            return Err(DataError::EmptySplit { path: self.path.into(), split });
        }
        Ok(Content { classes, train, test })
    }

    /// The sorted classes that have training pictures.
    fn classes(&self) -> Result<Vec<String>, DataError> {
        let train = self.decoded.keys().filter(|address| address.part == Part::Train);
        let mut classes: Vec<String> = train.map(|address| address.class.clone()).collect();
        classes.dedup();
        check_classes(self.path, classes.len())?;
        Ok(classes)
    }
}

/// Refuses a number of classes that cannot be told apart or numbered.
fn check_classes(path: &Path, n_classes: usize) -> Result<(), DataError> {
    let path = || path.to_path_buf();
    match n_classes {
        0 => Err(DataError::EmptySplit { path: path(), split: Part::Train.folder() }),
        1 => Err(DataError::TooFewClasses { path: path(), n_classes }),
        65_536.. => Err(DataError::TooManyClasses { path: path(), n_classes }),
        _ => Ok(()),
    }
}
