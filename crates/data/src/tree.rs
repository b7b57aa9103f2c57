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
    let mut pictures = Decoded { path, size: None, decoded: BTreeMap::new() };
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
                let Some(inside) = inside.to_str() else {
                    return Err(DataError::Name { path: file });
                };
                files.extend(Address::parse(inside).map(|address| (address, file)));
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
struct Decoded<'a> {
    path: &'a Path,
    size: Option<[usize; 2]>,
    decoded: BTreeMap<Address, Pixels>,
}

impl Decoded<'_> {
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
        let classes = Classes::of(self.path, self.decoded.keys())?;
        let gray = self.decoded.values().all(|pixels| matches!(pixels, Pixels::Gray(_)));
        let [height, width] = self.size.unwrap_or_default();
        let shape = [if gray { 1 } else { 3 }, height, width];
        let mut train = Images::new(shape, Vec::new(), Vec::new());
        let mut test = train.clone();
        for (address, pixels) in self.decoded {
            let Some((side, label)) = classes.label(&address)? else { continue };
            let images = match side {
                Side::Train => &mut train,
                Side::Test => &mut test,
            };
            images.labels.push(label);
            match pixels {
                Pixels::Gray(plane) => (0..shape[0]).for_each(|_| images.pixels.extend(&plane)),
                Pixels::Color(planes) => images.pixels.extend(planes),
            }
        }
        classes.check_tested(test.is_empty())?;
        Ok(Content { classes: classes.names, train, test })
    }
}

/// What a picture is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Train,
    Test,
}

/// The classes of a tree.
#[derive(Debug)]
pub(crate) struct Classes<'a> {
    path: &'a Path,
    /// Sorted.
    pub(crate) names: Vec<String>,
    /// The part whose pictures are tested: `test`, or `val` where there is no `test`.
    tested: Part,
}

impl<'a> Classes<'a> {
    /// The classes that have training pictures.
    pub(crate) fn of<'b>(
        path: &'a Path,
        sorted: impl Iterator<Item = &'b Address> + Clone,
    ) -> Result<Self, DataError> {
        let has_test = sorted.clone().any(|address| address.part == Part::Test);
        let train = sorted.filter(|address| address.part == Part::Train);
        let mut names: Vec<&String> = train.map(|address| &address.class).collect();
        names.dedup();
        check_classes(path, names.len())?;
        let tested = if has_test { Part::Test } else { Part::Val };
        Ok(Self { path, names: names.into_iter().cloned().collect(), tested })
    }

    /// What the picture at an address is used for, if at all, and its class.
    pub(crate) fn label(&self, address: &Address) -> Result<Option<(Side, u16)>, DataError> {
        let side = match address.part {
            Part::Train => Side::Train,
            part if part == self.tested => Side::Test,
            _ => return Ok(None),
        };
        match self.names.binary_search(&address.class) {
            Ok(label) => Ok(Some((side, u16::try_from(label).expect("classes were counted")))),
            Err(_) => {
                let (path, split) = (self.path.into(), self.tested.folder());
                Err(DataError::UnknownClass { path, split, class: address.class.clone() })
            }
        }
    }

    /// Refuses a tree without pictures to test.
    pub(crate) fn check_tested(&self, is_empty: bool) -> Result<(), DataError> {
        let (path, split) = (self.path.into(), Part::Test.folder());
        if is_empty { Err(DataError::EmptySplit { path, split }) } else { Ok(()) }
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

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;
    use crate::fixtures::{chain, gray_png, gzip, png, small_tree, tar, unpacked};

    type Files = Vec<(&'static str, Vec<u8>)>;

    /// What a folder, a plain and a compressed archive of the files give.
    fn imported(files: &Files) -> [Result<Content, String>; 3] {
        let folder = tempfile::tempdir().unwrap();
        let [tree, plain, compressed] =
            ["tree", "plain", "compressed"].map(|name| folder.path().join(name));
        fs::create_dir(&tree).unwrap();
        unpacked(&tree, files);
        fs::write(&plain, tar(files)).unwrap();
        fs::write(&compressed, gzip(&tar(files))).unwrap();
        [tree, plain, compressed].map(|path| {
            let text = path.to_str().unwrap().to_owned();
            import(&path).map_err(|error| chain(&error).replace(&text, "TREE"))
        })
    }

    #[track_caller]
    fn check_error(files: Files, expect: Expect) {
        let [folder, plain, compressed] = imported(&files).map(Result::unwrap_err);
        expect.assert_eq(&folder);
        assert_eq!((&plain, &compressed), (&folder, &folder));
    }

    #[cfg(unix)]
    #[test]
    fn a_name_that_is_no_text_is_refused() {
        use std::os::unix::ffi::OsStrExt;
        let folder = tempfile::tempdir().unwrap();
        unpacked(folder.path(), &small_tree());
        let name = std::ffi::OsStr::from_bytes(b"caf\xe9.png");
        fs::write(folder.path().join("train/cat").join(name), "").unwrap();
        let refusal = import(folder.path()).unwrap_err().to_string();
        assert!(refusal.ends_with(".png: the name is not UTF-8"), "{refusal}");
    }

    #[test]
    fn pictures_are_sorted_by_class_and_name() {
        let [folder, plain, compressed] = imported(&small_tree()).map(Result::unwrap);
        assert_eq!(folder.classes, ["cat", "dog"]);
        assert_eq!(folder.train.shape, [3, 2, 3]);
        assert_eq!(folder.train.labels, [0, 0, 0, 1, 1]);
        let firsts: Vec<u8> = (0..5).map(|row| folder.train.image(row)[0]).collect();
        assert_eq!(firsts, [10, 20, 30, 40, 50]);
        assert_eq!(folder.test.labels, [0, 1]);
        // Channels lie one after the other; a gray picture among colored ones has three alike.
        let planes: Vec<u8> = [40, 41, 42].into_iter().flat_map(|level| [level; 6]).collect();
        assert_eq!(folder.train.image(3), planes);
        assert_eq!(folder.train.image(1), [20; 18]);
        assert_eq!((&plain, &compressed), (&folder, &folder));
    }

    #[test]
    fn gray_trees_have_one_channel() {
        let files = vec![
            ("train/a/1.png", gray_png([1, 2], 1)),
            ("train/b/1.png", gray_png([1, 2], 2)),
            ("val/b/1.png", gray_png([1, 2], 3)),
        ];
        for content in imported(&files) {
            let content = content.unwrap();
            assert_eq!(content.train, Images::new([1, 1, 2], vec![1, 1, 2, 2], vec![0, 1]));
            assert_eq!(content.test, Images::new([1, 1, 2], vec![3, 3], vec![1]));
        }
    }

    #[test]
    fn test_goes_before_val() {
        let mut files = small_tree();
        files.push(("val/cat/1.png", png([2, 3], [0; 3])));
        let expected = imported(&small_tree())[0].clone();
        assert_eq!(imported(&files)[0], expected);
    }

    #[test]
    fn faulty_trees_name_the_place() {
        let plus = |file| [small_tree(), vec![file]].concat();
        check_error(vec![], expect!["TREE: no pictures under train/<class>/"]);
        let mut files = small_tree();
        files.retain(|(name, _)| !name.contains("dog"));
        check_error(files, expect!["TREE: 1 class under train, at least 2 are needed"]);
        let mut files = small_tree();
        files.retain(|(name, _)| !name.starts_with("test"));
        check_error(files, expect!["TREE: no pictures under test/<class>/"]);
        check_error(
            plus(("train/dog/c.jpg", b"no".to_vec())),
            expect![
                "TREE: train/dog/c.jpg: unreadable picture: The image format could not be determined"
            ],
        );
        check_error(
            plus(("train/dog/c.png", png([3, 3], [0; 3]))),
            expect![
                "TREE: train/dog/c.png is 3 × 3 pixels, the pictures before it 3 × 2; of any size they may be in `pictures`"
            ],
        );
        check_error(
            plus(("test/emu/1.png", png([2, 3], [0; 3]))),
            expect!["TREE: class emu is under test and not under train"],
        );
    }

    #[test]
    fn of_several_unreadable_pictures_the_first_is_named() {
        let mut files = small_tree();
        for (_, bytes) in &mut files {
            bytes.truncate(40);
        }
        let [folder, plain, _] = imported(&files).map(Result::unwrap_err);
        assert!(folder.starts_with("TREE: train/cat/10.png: unreadable picture: "), "{folder}");
        // An archive is read in its own order.
        assert!(plain.starts_with("TREE: test/dog/1.png: unreadable picture: "), "{plain}");
    }

    #[test]
    fn a_picture_twice_in_an_archive_is_refused() {
        let files = [small_tree(), vec![("copy/train/cat/2.png", png([2, 3], [0; 3]))]].concat();
        let error = imported(&files)[1].clone().unwrap_err();
        expect!["TREE: two pictures are called train/cat/2.png"].assert_eq(&error);
    }

    #[test]
    fn labels_number_at_most_65535_classes() {
        let text = |n| check_classes(Path::new("TREE"), n).unwrap_err().to_string();
        assert!(check_classes(Path::new("TREE"), 65_535).is_ok());
        expect!["TREE: 65536 classes under train, at most 65535 are possible"]
            .assert_eq(&text(65_536));
    }
}
