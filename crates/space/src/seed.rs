//! Named streams of random numbers.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The root of a tree of named random streams.
///
/// A stream depends on its path of names alone, so the order in which work is done cannot change
/// a result.
///
/// # Examples
///
/// ```
/// use rand::RngExt;
/// use space::Seed;
///
/// let seed = Seed::new(666);
/// let draw = |name: &str| seed.child(name).rng().random::<u64>();
/// assert_eq!(draw("split/edge-3"), draw("split/edge-3"));
/// assert_ne!(draw("split/edge-3"), draw("split/edge-4"));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Seed(u64);

impl Seed {
    /// The stream of a number that the user gave.
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The stream called `name` under this one.
    #[must_use]
    pub fn child(self, name: &str) -> Self {
        let digest = Sha256::new().chain_update(self.0.to_le_bytes()).chain_update(name).finalize();
        let (head, _) = digest.split_first_chunk().expect("a SHA-256 digest has 32 bytes");
        Self(u64::from_le_bytes(*head))
    }

    /// A generator at the start of this stream; its numbers are the same on every platform.
    pub fn rng(self) -> ChaCha8Rng {
        ChaCha8Rng::seed_from_u64(self.0)
    }

    /// The number behind the stream, for generators of other libraries.
    pub const fn number(self) -> u64 {
        self.0
    }
}
