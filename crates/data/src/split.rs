//! Holding validation images out.

use rand::seq::SliceRandom;
use space::Seed;

use crate::{DataError, Gallery};

/// Splits `images` into training and validation images, at random and with the same share of
/// every class.
///
/// Exactly `n_valid` images are held out. Class `y` with `n_y` of `n` images gives
/// `⌊n_valid · n_y / n⌋` of them; the rest comes from the classes with the largest remainders, in
/// a tie from the lower class. Both sides keep the order of `images`. The images of class `y` are
/// drawn from the stream `valid-split/class-{y}`, so other classes do not change them.
///
/// # Errors
///
/// [`DataError::Split`] unless `0 < n_valid < n`.
///
/// # Examples
///
/// ```
/// use data::{Images, split};
/// use space::Seed;
///
/// let images = Images::new([1, 1, 1], (0..6).collect(), vec![0, 0, 0, 0, 1, 1]);
/// let (train, valid) = split(&images.into(), 3, Seed::new(666))?;
/// assert_eq!(train.labels(), [0, 0, 1]);
/// assert_eq!(valid.labels(), [0, 0, 1]);
/// # Ok::<(), data::DataError>(())
/// ```
pub fn split(
    images: &Gallery,
    n_valid: usize,
    seed: Seed,
) -> Result<(Gallery, Gallery), DataError> {
    let n_images = images.len();
    let both_sides = 0 < n_valid && n_valid < n_images;
    if !both_sides {
        return Err(DataError::Split { n_images, n_valid });
    }
    let mut members: Vec<Vec<usize>> = Vec::new();
    for (row, &label) in images.labels().iter().enumerate() {
        let class = usize::from(label);
        if members.len() <= class {
            members.resize_with(class + 1, Vec::new);
        }
        members[class].push(row);
    }
    let mut is_valid = vec![false; n_images];
    for (class, n_held_out) in quotas(&members, n_valid, n_images).into_iter().enumerate() {
        let mut rng = seed.child(&format!("valid-split/class-{class}")).rng();
        members[class].shuffle(&mut rng);
        for &row in &members[class][..n_held_out] {
            is_valid[row] = true;
        }
    }
    let (valid, train): (Vec<_>, Vec<_>) = (0..n_images).partition(|&row| is_valid[row]);
    Ok((images.select(&train), images.select(&valid)))
}

/// How many of `n_valid` images each class gives: the method of largest remainders.
fn quotas(members: &[Vec<usize>], n_valid: usize, n_images: usize) -> Vec<usize> {
    let shares = members.iter().map(|rows| rows.len() * n_valid);
    let mut quotas: Vec<usize> = shares.clone().map(|share| share / n_images).collect();
    let remainders: Vec<usize> = shares.map(|share| share % n_images).collect();
    let mut classes: Vec<usize> = (0..members.len()).collect();
    classes.sort_by_key(|&class| std::cmp::Reverse(remainders[class]));
    let n_missing = n_valid - quotas.iter().sum::<usize>();
    for &class in &classes[..n_missing] {
        quotas[class] += 1;
    }
    quotas
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use proptest::prelude::*;

    use super::*;
    use crate::{Images, fixtures::in_memory};

    fn sides(images: &Images, n_valid: usize, seed: u64) -> Result<[Images; 2], DataError> {
        let (train, valid) = split(&images.clone().into(), n_valid, Seed::new(seed))?;
        Ok([train, valid].map(in_memory))
    }

    fn numbered(labels: Vec<u16>) -> Images {
        let pixels = (0..labels.len()).flat_map(|row| (row as u16).to_le_bytes()).collect();
        Images::new([1, 1, 2], pixels, labels)
    }

    fn counts(images: &Images, n_classes: usize) -> Vec<usize> {
        (0..n_classes)
            .map(|y| images.labels.iter().filter(|&&l| usize::from(l) == y).count())
            .collect()
    }

    #[test]
    fn both_sides_must_be_non_empty() {
        let images = numbered(vec![0, 1, 1]);
        let text = |n| sides(&images, n, 0).unwrap_err().to_string();
        expect!["0 of 3 images cannot be held out, some must remain on either side"]
            .assert_eq(&text(0));
        expect!["3 of 3 images cannot be held out, some must remain on either side"]
            .assert_eq(&text(3));
    }

    #[test]
    fn quotas_follow_the_largest_remainders() {
        // 10 images, 4 wanted: shares 2.0, 1.2 and 0.8, so the third class gets the missing one.
        let members = [vec![0; 5], vec![0; 3], vec![0; 2]];
        assert_eq!(quotas(&members, 4, 10), [2, 1, 1]);
        // A tie of 0.5 each goes to the lower class.
        assert_eq!(quotas(&[vec![0; 2], vec![0; 2]], 1, 4), [1, 0]);
    }

    #[test]
    fn another_seed_is_another_split() {
        let images = numbered((0..200).map(|row| row % 4).collect());
        let valid = |number| sides(&images, 50, number).unwrap()[1].clone();
        assert_eq!(valid(1), valid(1));
        assert_ne!(valid(1), valid(2));
    }

    proptest! {
        #[test]
        fn sides_are_disjoint_complete_and_stratified(
            labels in prop::collection::vec(0u16..5, 2..60),
            share in 0.0..1.0,
            number in 0u64..,
        ) {
            let images = numbered(labels);
            let n_valid = 1 + (share * (images.len() - 1) as f64) as usize;
            prop_assume!(n_valid < images.len());
            let [train, valid] = sides(&images, n_valid, number).unwrap();
            prop_assert_eq!(valid.len(), n_valid);

            let both = [&train, &valid].into_iter().flat_map(|side| {
                (0..side.len()).map(|row| (side.image(row).to_vec(), side.label(row)))
            });
            let mut both: Vec<_> = both.collect();
            both.sort_by_key(|(pixels, _)| u16::from_le_bytes([pixels[0], pixels[1]]));
            let all: Vec<_> =
                (0..images.len()).map(|row| (images.image(row).to_vec(), images.label(row))).collect();
            prop_assert_eq!(both, all);

            let share = n_valid as f64 / images.len() as f64;
            for (of_valid, of_all) in counts(&valid, 5).into_iter().zip(counts(&images, 5)) {
                // Rounding moves at most one image.
                prop_assert!((of_valid as f64 - share * of_all as f64).abs() < 1.0 + 1e-9);
            }
        }
    }
}
