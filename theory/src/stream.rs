//! One random stream per sample, so that results do not depend on who draws which sample when.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// Longest name of a task, in bytes: what the key has room for beside the seed.
const MAX_TASK: usize = 24;

/// A family of independent random streams, one per sample index.
///
/// Stream i is ChaCha with 8 rounds, a counter-based generator: its 256-bit key is the seed (64
/// bits, little-endian) followed by the name of the task, its 64-bit nonce is i, and its counter
/// starts at 0. Different (seed, task, i) never share a block of output.
#[derive(Debug, Clone)]
pub struct Streams {
    keyed: ChaCha8Rng,
}

impl Streams {
    /// The streams of one task under one seed.
    ///
    /// Panics: if the name of the task is longer than 24 bytes.
    ///
    /// ```
    /// use rand::RngExt;
    /// use undetected_theory::Streams;
    ///
    /// let streams = Streams::new(7, "example");
    /// let (mut first, mut again, mut other) = (streams.get(0), streams.get(0), streams.get(1));
    /// let draw: u64 = first.random();
    /// assert_eq!(draw, again.random::<u64>());
    /// assert_ne!(draw, other.random::<u64>());
    /// ```
    pub fn new(seed: u64, task: &str) -> Self {
        assert!(task.len() <= MAX_TASK, "task name {task:?} is longer than {MAX_TASK} bytes");
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        key[8..8 + task.len()].copy_from_slice(task.as_bytes());
        Streams { keyed: ChaCha8Rng::from_seed(key) }
    }

    /// The stream of the sample at `index`, from its beginning.
    pub fn get(&self, index: u64) -> ChaCha8Rng {
        let mut stream = self.keyed.clone();
        stream.set_stream(index);
        stream
    }
}
