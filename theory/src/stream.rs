//! One random stream per sample, so that results do not depend on who draws which sample when.

use rand::{RngExt, SeedableRng};
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

    /// Fills `pieces` with the words that belong to the samples from index `first` on: sample i
    /// owns words W i to W i + W - 1 of one stream of the task.
    ///
    /// A few random words per sample, for those who draw little or seed a faster generator with
    /// them: a stream per sample costs a block of 256 bytes, of which they would use 16.
    ///
    /// That stream has the nonce 2^64 - 1, which is no sample's: 2^64 - 1 samples are the most that
    /// can be counted, and their indices start at 0.
    pub(crate) fn fill<const W: usize>(&self, first: u64, pieces: &mut [[u64; W]]) {
        let mut stream = self.get(u64::MAX);
        // A position in a stream counts words of 32 bits.
        stream.set_word_pos(u128::from(first) * W as u128 * 2);
        stream.fill(pieces.as_flattened_mut());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_belong_to_their_sample() {
        let streams = Streams::new(5, "pieces test");
        let mut all = [[0; 3]; 100];
        streams.fill(0, &mut all);
        for first in [1, 7, 50, 99] {
            let mut some = vec![[0; 3]; 100 - first];
            streams.fill(first as u64, &mut some);
            assert_eq!(some, all[first..]);
        }
        let mut other = [[0; 3]; 100];
        Streams::new(6, "pieces test").fill(0, &mut other);
        assert!(all.iter().zip(&other).all(|(one, other)| one != other));
    }

    #[test]
    fn last_samples_have_pieces() {
        let mut pieces = [[0u64; 4]; 2];
        Streams::new(0, "pieces test").fill(u64::MAX - 2, &mut pieces);
        assert_ne!(pieces[0], pieces[1]);
    }
}
