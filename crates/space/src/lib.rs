//! Vocabulary of search spaces: edges, operations, masks, architectures, split tree, accuracies.

mod seed;

pub use seed::Seed;
