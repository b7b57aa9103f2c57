//! Labeled images, wherever they are.

use std::borrow::Cow;
use std::collections::BTreeSet;

use space::Seed;

use crate::{
    Augment, DataError, Images, Jitter, Pictures, picture::Pixels, pictures::Fault, view::View,
};

/// Labeled images in memory, or pictures on disk.
///
/// # Examples
///
/// ```
/// use data::{Gallery, Images};
///
/// let gallery = Gallery::from(Images::new([1, 2, 2], vec![0, 10, 20, 30], vec![4]));
/// assert_eq!((gallery.len(), gallery.labels(), gallery.shape()), (1, &[4][..], [1, 2, 2]));
/// assert_eq!(gallery.at(1)?.shape(), [1, 1, 1]);
/// # Ok::<(), data::DataError>(())
/// ```
#[derive(Clone, Debug)]
pub enum Gallery {
    /// All of one size, in memory.
    Images(Images),
    /// Of any size, decoded when they are shown.
    Pictures(Pictures),
}

impl From<Images> for Gallery {
    fn from(images: Images) -> Self {
        Self::Images(images)
    }
}

impl Gallery {
    /// Number of images.
    pub fn len(&self) -> usize {
        self.labels().len()
    }

    /// Whether there is no image.
    pub fn is_empty(&self) -> bool {
        self.labels().is_empty()
    }

    /// The class of each image.
    pub fn labels(&self) -> &[u16] {
        match self {
            Self::Images(images) => &images.labels,
            Self::Pictures(pictures) => pictures.labels(),
        }
    }

    /// Channels, height and width of an image that is shown.
    pub fn shape(&self) -> [usize; 3] {
        match self {
            Self::Images(images) => images.shape,
            Self::Pictures(pictures) => [3, pictures.resolution(), pictures.resolution()],
        }
    }

    /// The same images at another resolution: those in memory averaged down
    /// ([`Images::downscaled`]), pictures resized when they are shown.
    ///
    /// # Errors
    ///
    /// [`DataError::Resolution`] if images in memory do not average to it, or it is 0.
    pub fn at(&self, resolution: usize) -> Result<Self, DataError> {
        match self {
            Self::Images(images) => images.downscaled(resolution).map(Self::Images),
            Self::Pictures(_) if resolution == 0 => {
                let [_, height, width] = self.shape();
                Err(DataError::Resolution { height, width, resolution })
            }
            Self::Pictures(pictures) => Ok(Self::Pictures(pictures.at(resolution))),
        }
    }

    /// Names and counts an image that could not be shown.
    ///
    /// # Errors
    ///
    /// If there are too many of them by now, or it is the disk's fault.
    pub(crate) fn note(&self, row: usize, fault: Fault) -> Result<(), DataError> {
        match self {
            Self::Images(_) => unreachable!("images in memory can be shown: {fault:?}"),
            Self::Pictures(pictures) => pictures.note(row, fault),
        }
    }

    /// The pictures of the whole data set that have been found unreadable so far, by number.
    pub fn unreadable(&self) -> BTreeSet<usize> {
        match self {
            Self::Images(_) => BTreeSet::new(),
            Self::Pictures(pictures) => pictures.unreadable(),
        }
    }

    /// Counts pictures that an earlier process has found unreadable, too.
    pub fn recall(&self, unreadable: &BTreeSet<usize>) {
        if let Self::Pictures(pictures) = self {
            pictures.recall(unreadable);
        }
    }

    /// The images at `rows`, in that order.
    ///
    /// # Panics
    ///
    /// If a row is not below the number of images.
    #[must_use]
    pub fn select(&self, rows: &[usize]) -> Self {
        match self {
            Self::Images(images) => Self::Images(images.select(rows)),
            Self::Pictures(pictures) => Self::Pictures(pictures.select(rows)),
        }
    }

    /// The pixels of an image as it is, or as it looks by chance.
    ///
    /// # Shapes
    ///
    /// - output: [`shape`](Self::shape)
    pub(crate) fn shown(&self, row: usize, look: Option<Look>) -> Result<Cow<'_, [u8]>, Fault> {
        let [n_channels, height, width] = self.shape();
        let mut rng = look.map(|look| look.seed.rng());
        let mut random_view = |size| {
            let (look, rng) = (look.filter(|look| look.least_area < 1.0)?, rng.as_mut()?);
            Some(View::random(size, look.least_area, rng))
        };
        let mut shown = match self {
            Self::Images(images) => match random_view([height, width]) {
                None => Cow::Borrowed(images.image(row)),
                Some(view) => {
                    let size = [height, width];
                    Cow::Owned(view.resized(images.image(row), size, size))
                }
            },
            Self::Pictures(pictures) => {
                let picture = pictures.decode(row)?;
                let view = random_view(picture.size);
                let view = view.unwrap_or_else(|| View::center(picture.size, pictures.center()));
                let resized = |planes: &[u8]| view.resized(planes, picture.size, [height, width]);
                Cow::Owned(match &picture.pixels {
                    Pixels::Gray(plane) => resized(plane).repeat(n_channels),
                    Pixels::Color(planes) => resized(planes),
                })
            }
        };
        if let (Some(look), Some(rng)) = (look, &mut rng)
            && look.jitter != Jitter::NONE
        {
            look.jitter.apply(shown.to_mut(), n_channels, rng);
        }
        Ok(shown)
    }
}

/// What changes before the pixels of an image are placed, and the stream it is drawn from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Look {
    least_area: f64,
    jitter: Jitter,
    seed: Seed,
}

impl Look {
    /// The look of the image at `place` of a batch with the stream `seed`; `None` if none is random.
    pub(crate) fn random(augment: Augment, seed: Seed, place: usize) -> Option<Self> {
        let Augment { crop_area: least_area, jitter, .. } = augment;
        let is_random = least_area < 1.0 || jitter != Jitter::NONE;
        is_random.then(|| Self { least_area, jitter, seed: seed.child(&format!("look/{place}")) })
    }
}
