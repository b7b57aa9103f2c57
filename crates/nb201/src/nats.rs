//! The files of NATS-Bench: every training of an architecture, epoch by epoch.
//!
//! Dong et al. 2021, *NATS-Bench*; the directory `NATS-tss-v1_0-3ffb9-simple` has a pickle for each of the
//! 15 625 architectures.

use std::io::Read;

use pickle::{Item, Pickle};
use space::{Arch, SearchSpace};

use crate::{NatsFault, Nb201Error, Table};

/// All trainings of an architecture.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// The architecture.
    pub arch: Arch,
    /// Its trainings.
    pub trainings: Vec<Training>,
}

/// One training of an architecture.
#[derive(Clone, Debug, PartialEq)]
pub struct Training {
    /// Epochs in all: 12 or 200.
    pub epochs: u32,
    /// `cifar10-valid`, `cifar10`, `cifar100` or `ImageNet16-120`.
    pub dataset: String,
    /// The seed of the training.
    pub seed: i64,
    /// What was measured, in the order of the file.
    pub measurements: Vec<Measurement>,
}

/// Accuracy and loss on one set of images after one epoch.
#[derive(Clone, Debug, PartialEq)]
pub struct Measurement {
    /// `train`, `x-valid`, `x-test` or `ori-test`.
    pub set: String,
    /// The epoch, from 0.
    pub epoch: u32,
    /// In percent.
    pub accuracy: f64,
    /// Cross-entropy in nats.
    pub loss: f64,
}

/// Most bytes of a file that are decompressed; a hundred times what the published ones have.
const LARGEST: u64 = 1 << 25;

/// The data sets, and the sets of images that are measured.
const DATASETS: [&str; 4] = ["cifar10-valid", "cifar10", "cifar100", "ImageNet16-120"];
const SETS: [&str; 4] = ["train", "x-valid", "x-test", "ori-test"];

/// Columns of the table: data set, and the images it is tested on.
const TESTED: [(&str, &str); 3] =
    [("cifar10", "ori-test"), ("cifar100", "x-test"), ("ImageNet16-120", "x-test")];

/// Epochs of the trainings in the table.
const TABLE_EPOCHS: u32 = 200;

impl Record {
    /// Reads a file `000000.pickle.pbz2`: a bzip2-compressed pickle. Nothing in it is executed.
    ///
    /// # Errors
    ///
    /// If it is no bzip2, no pickle of plain values, or has another content.
    pub fn read(compressed: impl Read) -> Result<Self, Nb201Error> {
        let mut bytes = Vec::new();
        let decoder = bzip2::read::MultiBzDecoder::new(compressed);
        decoder.take(LARGEST).read_to_end(&mut bytes)?;
        let pickle = Pickle::read(&bytes)?;
        Self::of(pickle.root())
    }

    /// Mean test accuracies after 200 epochs over the seeds, in percent and in the order of the
    /// table's columns; none where there is no such training.
    pub fn test_accuracies(&self) -> [Option<f64>; 3] {
        TESTED.map(|(dataset, set)| {
            let trainings =
                self.trainings.iter().filter(|t| t.epochs == TABLE_EPOCHS && t.dataset == dataset);
            let last = |training: &Training| {
                let is_last = |m: &&Measurement| m.set == set && m.epoch == TABLE_EPOCHS - 1;
                training.measurements.iter().find(is_last).map(|m| m.accuracy)
            };
            let accuracies: Vec<f64> = trainings.map(last).collect::<Option<_>>()?;
            let n = accuracies.len() as f64;
            (0.0 < n).then(|| accuracies.iter().sum::<f64>() / n)
        })
    }

    fn of(root: Item<'_>) -> Result<Self, Nb201Error> {
        let mut arch = None;
        let mut trainings = Vec::new();
        for epochs in ["12", "200"] {
            let of_epochs = at(root, epochs)?;
            let text = at(of_epochs, "arch_str")?.text().ok_or(NatsFault::Kind("arch_str"))?;
            let parsed = Table::space().parse(text).map_err(NatsFault::Arch)?;
            if arch.get_or_insert_with(|| parsed.clone()) != &parsed {
                return Err(NatsFault::Kind("arch_str").into());
            }
            let results = at(of_epochs, "all_results")?.entries();
            for (key, training) in results.ok_or(NatsFault::Kind("all_results"))? {
                trainings.push(Training::of(key, training)?);
            }
        }
        let arch = arch.ok_or(NatsFault::Missing("arch_str".into()))?;
        Ok(Self { arch, trainings })
    }
}

impl Training {
    fn of(key: Item<'_>, training: Item<'_>) -> Result<Self, NatsFault> {
        let key: Vec<Item<'_>> = key.members().into_iter().flatten().collect();
        let [dataset, seed] = key[..] else { return Err(NatsFault::Kind("all_results")) };
        let fault = NatsFault::Kind("all_results");
        let dataset = dataset.text().filter(|name| DATASETS.contains(name));
        let (Some(dataset), Some(seed)) = (dataset, seed.integer()) else {
            return Err(fault);
        };
        let epochs = at(training, "epochs")?.integer().and_then(|n| u32::try_from(n).ok());
        let mut measurements = Vec::new();
        let train = |epoch: Item<'_>| Some(("train".to_owned(), epoch.integer()?));
        curve(training, ["train_acc1es", "train_losses"], train, &mut measurements)?;
        let evaluated = |name: Item<'_>| {
            let (set, epoch) = name.text()?.split_once('@')?;
            Some((set.to_owned(), epoch.parse().ok()?))
        };
        curve(training, ["eval_acc1es", "eval_losses"], evaluated, &mut measurements)?;
        Ok(Self {
            epochs: epochs.ok_or(NatsFault::Kind("epochs"))?,
            dataset: dataset.to_owned(),
            seed,
            measurements,
        })
    }
}

/// Adds what two dictionaries with the same keys in the same order say of accuracies and losses.
fn curve(
    training: Item<'_>,
    [accuracies, losses]: [&'static str; 2],
    place: impl Fn(Item<'_>) -> Option<(String, i64)>,
    measurements: &mut Vec<Measurement>,
) -> Result<(), NatsFault> {
    let entries = |key| at(training, key)?.entries().ok_or(NatsFault::Kind(key));
    let (values, losses) = (entries(accuracies)?, entries(losses)?);
    if values.len() != losses.len() {
        return Err(NatsFault::Kind(accuracies));
    }
    for ((key, accuracy), (loss_key, loss)) in values.zip(losses) {
        let read = || {
            let (set, epoch) = place(key).filter(|(set, _)| SETS.contains(&set.as_str()))?;
            if place(loss_key)? != (set.clone(), epoch) {
                return None;
            }
            let epoch = u32::try_from(epoch).ok()?;
            let accuracy = accuracy.number().filter(|a| (0.0..=100.0).contains(a))?;
            Some(Measurement { set, epoch, accuracy, loss: loss.number()? })
        };
        measurements.push(read().ok_or(NatsFault::Kind(accuracies))?);
    }
    Ok(())
}

fn at<'a>(item: Item<'a>, key: &str) -> Result<Item<'a>, NatsFault> {
    item.get(key).ok_or_else(|| NatsFault::Missing(key.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn training(dataset: &str, seed: i64, accuracy: f64) -> Training {
        let set = if dataset == "cifar10" { "ori-test" } else { "x-test" };
        let measurement =
            |epoch, accuracy| Measurement { set: set.to_owned(), epoch, accuracy, loss: 0.5 };
        let measurements = vec![measurement(198, 1.0), measurement(199, accuracy)];
        Training { epochs: 200, dataset: dataset.to_owned(), seed, measurements }
    }

    /// Architecture 11 of NATS-Bench: what its file has, and the row of the published table.
    #[test]
    fn the_table_has_means_over_seeds() {
        let trainings = vec![
            training("cifar10", 777, 91.79),
            training("cifar10", 888, 91.76),
            training("cifar10", 999, 91.2),
            training("cifar100", 777, 66.860_000_061_035_15),
            training("cifar100", 888, 67.679_999_951_171_88),
            training("cifar100", 999, 68.279_999_914_550_79),
        ];
        let record = Record { arch: Arch::new(Vec::new()), trainings };
        let [cifar10, cifar100, imagenet16] = record.test_accuracies();
        assert!((cifar10.unwrap() - 91.5833).abs() < 1e-4);
        assert!((cifar100.unwrap() - 67.6067).abs() < 1e-4);
        assert_eq!(imagenet16, None);
    }

    /// `{"12": {"arch_str": …, "all_results": {("cifar10", 777): {…}}}, "200": …}`, compressed.
    fn file(arch: &str, [accuracy_key, loss_key]: [&str; 2]) -> Vec<u8> {
        let text = |text: &str| [&[0x8c, text.len() as u8], text.as_bytes()].concat();
        let dict = |entries: &[(&[u8], Vec<u8>)]| {
            let entries: Vec<u8> = entries
                .iter()
                .flat_map(|(key, value)| [key.to_vec(), value.clone()].concat())
                .collect();
            [b"}(".to_vec(), entries, b"u".to_vec()].concat()
        };
        let number = |n: u8| vec![b'K', n];
        let curve = |key: Vec<u8>, value: u8| dict(&[(&key, number(value))]);
        let training = dict(&[
            (&text("epochs"), number(12)),
            (&text("train_acc1es"), curve(number(11), 75)),
            (&text("train_losses"), curve(number(11), 1)),
            (&text("eval_acc1es"), curve(text(accuracy_key), 74)),
            (&text("eval_losses"), curve(text(loss_key), 1)),
        ]);
        let key = [text("cifar10"), b"M\x09\x03\x86".to_vec()].concat();
        let results = |training: &[u8]| dict(&[(&key, training.to_vec())]);
        let of_epochs =
            |results| dict(&[(&text("arch_str"), text(arch)), (&text("all_results"), results)]);
        let root = dict(&[
            (&text("12"), of_epochs(results(&training))),
            (&text("200"), of_epochs(b"}".to_vec())),
        ]);
        let pickle = [b"\x80\x04".to_vec(), root, b".".to_vec()].concat();
        let mut compressed = Vec::new();
        bzip2::read::BzEncoder::new(&pickle[..], bzip2::Compression::fast())
            .read_to_end(&mut compressed)
            .unwrap();
        compressed
    }

    const ARCH: &str = "|none~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|";

    const KEYS: [&str; 2] = ["ori-test@11"; 2];

    #[test]
    fn seeds_and_epochs_are_kept() {
        let record = Record::read(&file(ARCH, KEYS)[..]).unwrap();
        assert_eq!(Table::space().format(&record.arch), ARCH);
        let [training] = &record.trainings[..] else { panic!("{record:?}") };
        assert_eq!((training.epochs, training.seed), (12, 777));
        let measurement = |set: &str, accuracy| Measurement {
            set: set.to_owned(),
            epoch: 11,
            accuracy,
            loss: 1.0,
        };
        let expected = [measurement("train", 75.0), measurement("ori-test", 74.0)];
        assert_eq!(training.measurements, expected);
        assert_eq!(record.test_accuracies(), [None; 3]);
    }

    #[test]
    fn other_files_are_refused() {
        let refused = |bytes: &[u8], expected: &str| {
            let error = Record::read(bytes).map(drop).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        };
        refused(b"no bzip2", "bz2 header missing");
        refused(&file("|none~0|", KEYS), "is no architecture of nb201");
        refused(&file(ARCH, ["ori-test@11", "ori-test@12"]), "`eval_acc1es` is not of NATS-Bench");
        refused(&file(ARCH, ["a,b@11"; 2]), "`eval_acc1es` is not of NATS-Bench");
        let whole = file(ARCH, KEYS);
        refused(&whole[..whole.len() / 2], "not finished");
    }
}
