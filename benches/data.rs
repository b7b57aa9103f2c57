//! Images a second that come out of pictures on disk, to be trained on and to be evaluated.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use benches::{points, settings};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use data::{Augment, Batches, Dataset, Jitter, Normalization, PictureFolder, Source};
use image::{DynamicImage, Rgb32FImage, codecs::jpeg::JpegEncoder, imageops};
use space::Seed;

/// Width and height of the usual picture of ImageNet.
const SIZE: [u32; 2] = [500, 375];

/// At this quality the pictures are about as long as those of ImageNet, 110 kB; the names say how long.
const QUALITY: u8 = 93;

const N_PICTURES: usize = 64;

/// A picture of random numbers on finer and finer grids, all of the same weight: the spectrum of natural
/// images.
fn picture(seed: usize) -> DynamicImage {
    let [width, height] = SIZE;
    let mut sum = Rgb32FImage::new(width, height);
    for level in 1..=8 {
        let side = 1 << level;
        let levels = points(1, 3 * side * side + seed).split_off(seed);
        let grid = Rgb32FImage::from_raw(side as u32, side as u32, levels);
        let grid = grid.expect("as many levels as the grid has");
        let fine = imageops::resize(&grid, width, height, imageops::FilterType::Triangle);
        for (sum, level) in sum.iter_mut().zip(fine.iter()) {
            *sum += level;
        }
    }
    sum.iter_mut().for_each(|level| *level = 0.5 + 0.125 * *level);
    DynamicImage::from(sum).to_rgb8().into()
}

fn write(picture: &DynamicImage, file: &Path) {
    fs::create_dir_all(file.parent().expect("a class folder")).expect("a folder can be made");
    let to = fs::File::create(file).expect("a file can be made");
    picture.write_with_encoder(JpegEncoder::new_with_quality(to, QUALITY)).expect("it is written");
}

fn pictures(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut n_bytes = 0;
    for number in 0..N_PICTURES {
        let file = folder.path().join(format!("train/{}/{number}.jpg", number % 2));
        write(&picture(number), &file);
        n_bytes += fs::metadata(&file).expect("it was written").len();
    }
    let kb = n_bytes / 1000 / N_PICTURES as u64;
    for class in 0..2 {
        write(&picture(class), &folder.path().join(format!("test/{class}/0.jpg")));
    }
    let source =
        PictureFolder { folder: folder.path().into(), center: 0.875, most_unreadable: 0.0 };
    let dataset = Dataset::load(&Source::Pictures(source), None, Path::new("unused"));
    let images = Arc::new(dataset.expect("two classes").train);
    let normalization = Normalization { mean: vec![0.5; 3], std: vec![0.25; 3] };
    let jitter = Jitter { brightness: 0.125, contrast: 0.0, saturation: 0.5 };
    let random = Augment { crop_area: 0.08, jitter, flip: true, ..Augment::NONE };

    let mut group = criterion.benchmark_group("pictures");
    group.throughput(Throughput::Elements(N_PICTURES as u64));
    for (name, augment) in [("training", random), ("evaluation", Augment::NONE)] {
        let batches = Batches::new(images.clone(), &normalization, augment, N_PICTURES);
        let batches = batches.expect("as many pictures");
        let epoch = batches.epoch(Seed::new(1), 0);
        group.bench_function(format!("{name},size=500x375,kB={kb},resolution=224"), |bencher| {
            bencher.iter(|| batches.batch(&epoch, 0).expect("whole pictures"));
        });
    }
    group.finish();
}

criterion_group! { name = data_sets; config = settings(); targets = pictures }
criterion_main!(data_sets);
