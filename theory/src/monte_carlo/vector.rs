//! All coordinates of a sample, and a move measured on them.

use super::{Attack, DEPTH, MonteCarlo, UNIT};
use crate::annulus::norm_of;
use crate::counterexample::{Region, SUPPORT};
use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

/// Samples whose seeds are drawn together: few, so that a small number of high-dimensional ones
/// still keeps every thread busy.
pub(super) const RUN: u64 = 16;

pub(super) struct Vector<'a> {
    attack: &'a Attack<'a>,
}

/// One sample, after the attempt to move it.
struct Outcome {
    from: Region,
    success: bool,
    shift: Option<f64>,
}

impl<'a> Vector<'a> {
    pub(super) fn new(attack: &'a Attack<'a>) -> Self {
        Vector { attack }
    }

    /// Attacks one sample per seed. `x` is room for the coordinates of one.
    pub(super) fn attack(&self, seeds: &[[u64; 4]], x: &mut Vec<f64>, tally: &mut MonteCarlo) {
        x.resize(self.attack.example.dim() as usize, 0.0);
        for seed in seeds {
            tally.record(self.outcome(generator(seed), x));
        }
    }

    /// Draws the coordinates, moves them, and measures norms and the shift from the coordinates.
    fn outcome<R: Rng>(&self, mut rng: R, x: &mut [f64]) -> Outcome {
        let Attack { example, data, .. } = self.attack;
        let annulus = data.annulus(rng.next_u64());
        let radius = annulus.fill_point(&mut rng, x);
        let from = example.region(radius.ln());
        if from != Region::Shell {
            return Outcome { from, success: false, shift: None };
        }
        let room = 1.0 + example.shell() - radius;
        let scale = (1.0 - room * DEPTH) / radius;
        let shift = norm_of(x, |value| value - value * scale);
        let moved = norm_of(x, |value| value * scale);
        let success = shift < example.shell() && self.attack.items_hold(example.region(moved.ln()));
        Outcome { from, success, shift: Some(shift) }
    }
}

/// xoshiro256++ (Blackman and Vigna 2021), whose state is the seed. It draws normal deviates twice
/// as fast as the ChaCha that the seed comes from, and d of them need no more than statistical
/// quality.
fn generator(seed: &[u64; 4]) -> Xoshiro256PlusPlus {
    let mut state = [0; 32];
    for (bytes, word) in state.as_chunks_mut::<8>().0.iter_mut().zip(seed) {
        *bytes = word.to_le_bytes();
    }
    Xoshiro256PlusPlus::from_seed(state)
}

impl MonteCarlo {
    fn record(&mut self, outcome: Outcome) {
        self.samples += 1;
        for (count, region) in self.regions.iter_mut().zip(SUPPORT) {
            *count += u64::from(region == outcome.from);
        }
        self.successes += u64::from(outcome.success);
        if let Some(shift) = outcome.shift {
            self.moved += 1;
            self.longest = self.longest.max(shift);
            self.total += (shift / self.shell * UNIT).round() as u128;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fill_normal;
    use crate::stream::Streams;

    /// The mean of products of n pairs of independent deviates has the standard deviation
    /// 1 / sqrt(n); so has that of the deviates.
    #[test]
    fn generators_of_neighbours_are_uncorrelated() {
        const SAMPLES: usize = 20_000;
        const DIM: usize = 50;
        let mut seeds = vec![[0; 4]; SAMPLES];
        Streams::new(0, "neighbour test").fill(0, &mut seeds);
        let draw = |seed| {
            let mut x = [0.0; DIM];
            fill_normal(&mut generator(seed), &mut x);
            x
        };
        let draws: Vec<[f64; DIM]> = seeds.iter().map(draw).collect();
        let n = ((SAMPLES - 1) * DIM) as f64;
        let product =
            |pair: &[[f64; DIM]]| -> f64 { (0..DIM).map(|i| pair[0][i] * pair[1][i]).sum() };
        let correlation = draws.windows(2).map(product).sum::<f64>() / n;
        let mean = draws.as_flattened()[DIM..].iter().sum::<f64>() / n;
        assert!(correlation.abs() < 4.0 / n.sqrt(), "{correlation}");
        assert!(mean.abs() < 4.0 / n.sqrt(), "{mean}");
    }

    #[test]
    fn seed_is_the_state_in_order() {
        // The reference values of xoshiro256++ for the state 1, 2, 3, 4.
        let mut rng = generator(&[1, 2, 3, 4]);
        assert_eq!([rng.next_u64(), rng.next_u64()], [41_943_041, 58_720_359]);
    }
}
