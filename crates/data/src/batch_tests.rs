//! Tests of batches.

use expect_test::expect;
use proptest::prelude::*;

use super::*;
use crate::Images;

const AUGMENT: Augment = Augment { crop_padding: 2, flip: true, cutout: 3, ..Augment::NONE };

/// `n` images of 2 channels, 4 × 5 pixels; the first pixel is the number of the image.
fn images(n: usize) -> Arc<Gallery> {
    let pixels = (0..n * 40).map(|p| if p % 40 == 0 { p / 40 } else { p * 13 % 251 } as u8);
    let labels = (0..n).map(|i| i as u16 % 3).collect();
    Arc::new(Images::new([2, 4, 5], pixels.collect(), labels).into())
}

fn batches(n: usize, augment: Augment, batch_size: usize) -> Batches {
    let images = images(n);
    let normalization = Normalization::of(&images).unwrap();
    Batches::new(images, &normalization, augment, batch_size).unwrap()
}

#[test]
fn one_batch_by_hand() {
    let images = Images::new([2, 1, 2], vec![0, 255, 51, 102], vec![7]).into();
    let normalization = Normalization { mean: vec![0.5, 0.2], std: vec![0.5, 0.1] };
    let batches = Batches::new(Arc::new(images), &normalization, Augment::NONE, 1).unwrap();
    let batch = batches.batch(&batches.epoch(Seed::new(0), 0), 0).unwrap();
    assert_eq!((batch.labels, batch.shape), (vec![7], [1, 2, 1, 2]));
    for (value, expected) in batch.images.iter().zip([-1.0f32, 1.0, 0.0, 2.0]) {
        // Differences of numbers near 0.5 in f32, divided by 0.1.
        assert!((value - expected).abs() < 1e-6, "{value} for {expected}");
    }
}

#[test]
fn batch_sizes_that_make_no_batch_are_refused() {
    let images = images(5);
    let normalization = Normalization::of(&images).unwrap();
    let text = |batch_size| {
        let batches = Batches::new(Arc::clone(&images), &normalization, Augment::NONE, batch_size);
        batches.unwrap_err().to_string()
    };
    expect!["a batch of 6 cannot be drawn from 5 images"].assert_eq(&text(6));
    expect!["a batch of 0 cannot be drawn from 5 images"].assert_eq(&text(0));
    let evaluation = Batches::for_evaluation(images, &normalization, 6).unwrap();
    assert_eq!(evaluation.sequential(0..5).map(|batch| batch.unwrap().shape[0]).sum::<usize>(), 5);
}

#[test]
fn sequential_batches_keep_the_order_and_are_not_augmented() {
    let augmented = batches(7, AUGMENT, 3);
    let plain = batches(7, Augment::NONE, 3);
    let of = |batches: &Batches| -> Vec<Batch> {
        batches.sequential(1..6).map(Result::unwrap).collect()
    };
    let found = of(&augmented);
    assert_eq!(found, of(&plain));
    assert_eq!(found[0].labels, [1, 2, 0]);
    assert_eq!(found[1].labels, [1, 2]);
    assert_eq!(found[1].shape, [2, 2, 4, 5]);
    assert_eq!(plain.sequential(3..3).count(), 0);
}

#[test]
fn seeds_epochs_and_steps_differ() {
    let batches = batches(64, AUGMENT, 4);
    let orders = [(1, 0), (1, 1), (2, 0)].map(|(seed, number)| {
        let epoch = batches.epoch(Seed::new(seed), number);
        epoch.order().to_vec()
    });
    assert_ne!(orders[0], orders[1]);
    assert_ne!(orders[0], orders[2]);
    let epoch = batches.epoch(Seed::new(1), 0);
    assert_ne!(batches.batch(&epoch, 0).unwrap(), batches.batch(&epoch, 1).unwrap());
}

/// Images of 8 × 8 pixels, and the same averaged down.
fn at_two_resolutions() -> [Arc<Gallery>; 2] {
    let pixels = (0..64 * 40).map(|p| (p * 13 % 251) as u8).collect();
    let large: Gallery = Images::new([1, 8, 8], pixels, (0..40).map(|i| i % 3).collect()).into();
    let small = large.at(4).unwrap();
    [large, small].map(Arc::new)
}

#[test]
fn a_resolution_is_drawn_for_every_batch() {
    let [large, small] = at_two_resolutions();
    let normalization = Normalization::of(&large).unwrap();
    let [of_large, of_small] = [&large, &small]
        .map(|images| Batches::new(images.clone(), &normalization, Augment::NONE, 4).unwrap());
    let both = of_large.clone().or_at([small]);
    let mut n_small = 0;
    for number in 0..20 {
        let epoch = both.epoch(Seed::new(3), number);
        for step in 0..both.n_steps() {
            let found = both.batch(&epoch, step).unwrap();
            let of = if found.shape[2] == 4 { &of_small } else { &of_large };
            assert_eq!(found, of.batch(&epoch, step).unwrap());
            n_small += usize::from(found.shape[2] == 4);
        }
    }
    // Of 200; six standard deviations are 42.
    assert!((58..=142).contains(&n_small), "{n_small}");
}

#[test]
fn augmentation_depends_on_the_step_even_for_the_same_image() {
    let images = Arc::new(Images::new([1, 8, 8], (0..64).collect(), vec![0]).into());
    let normalization = Normalization::of(&images).unwrap();
    let batches = Batches::new(images, &normalization, AUGMENT, 1).unwrap();
    let seen =
        [0, 1, 2].map(|number| batches.batch(&batches.epoch(Seed::new(0), number), 0).unwrap());
    assert_ne!(seen[0], seen[1]);
    assert_ne!(seen[1], seen[2]);
}

proptest! {
    #[test]
    fn an_epoch_shows_each_image_at_most_once(n in 1usize..40, share in 0.0..1.0, number in 0u64..) {
        let batch_size = 1 + (share * (n - 1) as f64) as usize;
        let batches = batches(n, Augment::NONE, batch_size);
        let epoch = batches.epoch(Seed::new(number), 3);
        let mut order = epoch.order().to_vec();
        order.sort_unstable();
        prop_assert_eq!(order, (0..n).collect::<Vec<_>>());

        let labels: Vec<i32> =
            (0..batches.n_steps()).flat_map(|step| batches.batch(&epoch, step).unwrap().labels).collect();
        prop_assert_eq!(labels.len(), n / batch_size * batch_size);
        for (label, &row) in labels.iter().zip(epoch.order()) {
            prop_assert_eq!(*label, i32::from(batches.images().labels()[row]));
        }
    }

    #[test]
    fn batch_is_a_function_of_seed_epoch_and_step(number in 0u64.., epoch in 0u64..100, step in 0usize..4) {
        let first = batches(18, AUGMENT, 4);
        let again = batches(18, AUGMENT, 4);
        let first_epoch = first.epoch(Seed::new(number), epoch);
        let expected = first.batch(&first_epoch, step).unwrap();
        // Other batches in between, and another thread, change nothing.
        for other in 0..4 {
            again.batch(&again.epoch(Seed::new(number), epoch + 1), other).unwrap();
        }
        let found = std::thread::scope(|scope| {
            let again_epoch = again.epoch(Seed::new(number), epoch);
            let again = &again;
            scope.spawn(move || again.batch(&again_epoch, step)).join().unwrap().unwrap()
        });
        prop_assert_eq!(found, expected);
    }
}
