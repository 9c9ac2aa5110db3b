//! Intervals of whatever is read off a ranking, by resampling it.

use rand::RngExt;
use rayon::prelude::*;
use undetected_theory::Streams;

use super::{CONFIDENCE, Estimate, Ranking};

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
    let tail = (1.0 - CONFIDENCE) / 2.0;
    let outside = (tail * rounds as f64).floor() as usize;
    assert!(outside >= 1, "{rounds} bootstrap rounds are too few for a {CONFIDENCE} interval");
    let resampler = Resampler::new(ranking);
    let streams = Streams::new(seed, "bootstrap");
    let mut values: Vec<f64> = (0..rounds)
        .into_par_iter()
        .map(|round| metric(&resampler.draw(ranking, &mut streams.get(round))))
        .collect();
    values.sort_by(f64::total_cmp);
    let (low, high) = (values[outside - 1], values[values.len() - outside]);
    let interval = (values.first() != values.last()).then_some((low, high));
    Estimate { value: metric(ranking), interval }
}

/// The level of each positive and of each negative.
struct Resampler {
    positives: Vec<usize>,
    negatives: Vec<usize>,
}

impl Resampler {
    fn new(ranking: &Ranking) -> Self {
        let levels = || ranking.levels().iter().enumerate();
        let each = |(level, count): (usize, u64)| std::iter::repeat_n(level, count as usize);
        Self {
            positives: levels().map(|(i, level)| (i, level.positives)).flat_map(each).collect(),
            negatives: levels().map(|(i, level)| (i, level.negatives)).flat_map(each).collect(),
        }
    }

    fn draw(&self, ranking: &Ranking, stream: &mut impl RngExt) -> Ranking {
        let mut resample = |group: &[usize]| {
            let mut counts = vec![0; ranking.levels().len()];
            group.iter().for_each(|_| counts[group[stream.random_range(0..group.len())]] += 1);
            counts
        };
        let (positives, negatives) = (resample(&self.positives), resample(&self.negatives));
        ranking.with_counts(positives.into_iter().zip(negatives))
    }
}
