//! Intervals of whatever is read off a ranking, by resampling it.

use rand::RngExt;
use rayon::prelude::*;
use undetected_theory::Streams;

use super::{CONFIDENCE, Estimate, Ranking, ranking::Levels};

/// `metric` of the ranking, with the percentile interval of `rounds` bootstrap samples.
///
/// Each round draws as many positives from the positives, and negatives from the negatives, with
/// replacement, round r from stream (seed, "bootstrap", r). The ends are the order statistics at
/// the quantiles (1 ± [`CONFIDENCE`])/2 of the rounds' values.
///
/// Source: Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13.
///
/// # Numerics
/// Approximate: too narrow for small groups, and empty of meaning at the ends of a metric's range (a
/// resample of groups that do not overlap does not overlap either): no interval where all rounds
/// agree. O(n) a round for n scores; rounds are spread over the threads.
///
/// # Panics
/// If there are fewer rounds than one end needs to be an inner order statistic, 2/(1 - CONFIDENCE).
pub fn bootstrap(
    ranking: &Ranking,
    metric: impl Fn(&Ranking) -> f64 + Sync,
    rounds: u64,
    seed: u64,
) -> Estimate {
    let [estimate] = bootstrap_each(ranking, |ranking| [metric(ranking)], rounds, seed);
    estimate
}

/// [`bootstrap`] of several metrics, each to the last bit as by itself, from the same samples: drawing
/// them is most of the work.
///
/// # Panics
/// As [`bootstrap`].
pub fn bootstrap_each<const N: usize>(
    ranking: &Ranking,
    metrics: impl Fn(&Ranking) -> [f64; N] + Sync,
    rounds: u64,
    seed: u64,
) -> [Estimate; N] {
    let tail = (1.0 - CONFIDENCE) / 2.0;
    let outside = (tail * rounds as f64).floor() as usize;
    assert!(outside >= 1, "{rounds} bootstrap rounds are too few for a {CONFIDENCE} interval");
    let resampler = Resampler::new(ranking);
    let streams = Streams::new(seed, "bootstrap");
    let measure = |sample: &mut Ranking, round| {
        resampler.draw(sample, &mut streams.get(round));
        metrics(sample)
    };
    let rounds: Vec<[f64; N]> =
        (0..rounds).into_par_iter().map_init(|| ranking.clone(), measure).collect();
    let whole = metrics(ranking);
    std::array::from_fn(|metric| {
        let mut values: Vec<f64> = rounds.iter().map(|values| values[metric]).collect();
        values.sort_by(f64::total_cmp);
        let (low, high) = (values[outside - 1], values[values.len() - outside]);
        let interval = (values.first() != values.last()).then_some((low, high));
        Estimate { value: whole[metric], interval }
    })
}

/// The level of each positive and of each negative.
struct Resampler {
    positives: Vec<u32>,
    negatives: Vec<u32>,
}

impl Resampler {
    fn new(ranking: &Ranking) -> Self {
        let levels = |counts: &[u32]| {
            let each = (0..).zip(counts);
            each.flat_map(|(level, &count)| std::iter::repeat_n(level, count as usize)).collect()
        };
        let Levels { positives, negatives } = ranking.levels();
        Self { positives: levels(positives), negatives: levels(negatives) }
    }

    /// Counts of a sample in place of those that `sample`, of the same levels, has.
    fn draw(&self, sample: &mut Ranking, stream: &mut impl RngExt) {
        let Levels { positives, negatives } = sample.levels_mut();
        for (counts, group) in [(positives, &self.positives), (negatives, &self.negatives)] {
            counts.fill(0);
            for _ in group {
                counts[group[stream.random_range(0..group.len())] as usize] += 1;
            }
        }
    }
}
