//! Handwritten digits that come with the program.
//!
//! Alpaydin and Kaynak 1998, CC BY 4.0; see `assets/CREDITS.txt`.

use std::io::Read;

use flate2::read::GzDecoder;

use crate::{Images, content::Content};

/// Rows of 64 values in `0..=16` and a label, as comma-separated text.
const ASSET: &[u8] = include_bytes!("../assets/digits.csv.gz");

/// Channels, height, width.
const SHAPE: [usize; 3] = [1, 8, 8];

/// The last so many rows of the file are the test images.
const N_TEST: usize = 297;

/// 1500 training and 297 test images of 8 × 8 pixels, in the order of the file.
pub(crate) fn content() -> Content {
    let mut text = String::new();
    GzDecoder::new(ASSET)
        .read_to_string(&mut text)
        .expect("the asset is compiled in, and a test reads it");
    let mut all = Images::new(SHAPE, Vec::new(), Vec::new());
    for line in text.lines() {
        let values = line.split(',').map(|value| {
            value.parse::<u16>().expect("the asset holds numbers, and a test reads it")
        });
        let values: Vec<u16> = values.collect();
        let (label, pixels) = values.split_last().expect("a split line has a first value");
        all.labels.push(*label);
        all.pixels.extend(pixels.iter().map(|&value| scaled(value)));
    }
    let n_train = all.len() - N_TEST;
    let rows: Vec<usize> = (0..all.len()).collect();
    let (train, test) = (all.select(&rows[..n_train]), all.select(&rows[n_train..]));
    Content { classes: (0..10).map(|digit: u8| digit.to_string()).collect(), train, test }
}

/// `0..=16` to `0..=255`, rounded to the nearest.
fn scaled(value: u16) -> u8 {
    u8::try_from((value * 255 + 8) / 16).expect("the asset holds no value above 16")
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;
    use crate::digest::hex;

    #[test]
    fn shape_and_classes() {
        let Content { classes, train, test } = content();
        assert_eq!((train.len(), test.len()), (1500, 297));
        assert_eq!((train.shape, test.shape), ([1, 8, 8], [1, 8, 8]));
        assert_eq!(classes.concat(), "0123456789");
        // The file begins and ends with these digits.
        assert_eq!(train.labels[..10], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
        assert_eq!(test.labels[291..], [4, 9, 0, 8, 9, 8]);
    }

    #[test]
    fn digest_is_that_of_python() {
        // Origin: CPython 3.11 with gzip, struct and hashlib, from the CSV file and the definition
        // of the canonical bytes in `content.rs`.
        expect!["7617ad0267b14ace5d8b2ae26678e911a63b22a3f75b4f1906a62d61abe54938"]
            .assert_eq(&hex(&content().digest()));
    }

    #[test]
    fn first_row_of_the_first_image() {
        // The file begins 0, 0, 5, 13, 9, 1, 0, 0; times 255 / 16.
        assert_eq!(content().train.image(0)[..8], [0, 0, 80, 207, 143, 16, 0, 0]);
    }
}
