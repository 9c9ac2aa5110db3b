//! Detectors applied to samples, clean and attacked.

use super::{Detector, OperatingPoint};
use crate::annulus::Annulus;
use crate::counterexample::{CounterExample, Region, SUPPORT};
use crate::error::Error;
use crate::proportion::Proportion;
use crate::stream::Streams;
use rand::Rng;
use rayon::prelude::*;

/// Where clean and attacked samples lay, which is all that a detector's decision depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DetectorTally {
    /// Samples drawn from p.
    pub samples: u64,
    /// How many of them lay in each region of [`SUPPORT`].
    pub clean: [u64; 3],
    /// How many of them were attacked: those in the shell.
    pub moved: u64,
    /// How many of the attacked ones lay in each region afterwards.
    pub landed: [u64; 3],
}

impl DetectorTally {
    /// The share of clean samples that are rejected.
    pub fn false_alarm(&self, point: &OperatingPoint) -> Proportion {
        Proportion { successes: rejected(&self.clean, point), trials: self.samples }
    }

    /// The share of attacked samples that are rejected; none if nothing was attacked.
    pub fn detection(&self, point: &OperatingPoint) -> Option<Proportion> {
        let successes = rejected(&self.landed, point);
        (self.moved > 0).then_some(Proportion { successes, trials: self.moved })
    }

    /// The share of pairs in which the clean sample scores higher than the attacked one, ties
    /// counting half; none if nothing was attacked.
    ///
    /// Source: the statistic of Mann and Whitney, 1947, over the number of pairs.
    pub fn auroc(&self, detector: &Detector) -> Option<f64> {
        let levels = detector.levels();
        let mut higher = 0.0;
        for (clean, &clean_count) in levels.iter().zip(&self.clean) {
            for (landed, &landed_count) in levels.iter().zip(&self.landed) {
                let pairs = clean_count as f64 * landed_count as f64;
                higher += pairs * (f64::from(clean > landed) + f64::from(clean >= landed)) / 2.0;
            }
        }
        (self.moved > 0).then(|| higher / (self.samples as f64 * self.moved as f64))
    }

    fn empty() -> Self {
        DetectorTally { samples: 0, clean: [0; 3], moved: 0, landed: [0; 3] }
    }

    fn record(mut self, (clean, landed): (Region, Option<Region>)) -> Self {
        let count = |counts: &mut [u64; 3], region| {
            for (count, other) in counts.iter_mut().zip(SUPPORT) {
                *count += u64::from(other == region);
            }
        };
        self.samples += 1;
        count(&mut self.clean, clean);
        if let Some(region) = landed {
            self.moved += 1;
            count(&mut self.landed, region);
        }
        self
    }

    fn merge(self, other: Self) -> Self {
        let sum = |a: [u64; 3], b: [u64; 3]| [a[0] + b[0], a[1] + b[1], a[2] + b[2]];
        DetectorTally {
            samples: self.samples + other.samples,
            clean: sum(self.clean, other.clean),
            moved: self.moved + other.moved,
            landed: sum(self.landed, other.landed),
        }
    }
}

fn rejected(counts: &[u64; 3], point: &OperatingPoint) -> u64 {
    let regions = SUPPORT.iter().zip(counts);
    regions.filter(|&(&region, _)| point.rejects(region)).map(|(_, count)| count).sum()
}

/// Draws x from p and attacks each x of the shell by the contraction x' = x / (1 + shell), whose
/// shift ||x|| shell / (1 + shell) is below shell.
///
/// Of all moves into the unit ball this one hides best, see
/// [`ln_least_false_alarm`](super::ln_least_false_alarm); to a detector that sees densities alone
/// they are one and the same. Sample i has its own random stream, so the result depends on neither
/// the number of threads nor the order. Runs on the current rayon pool.
///
/// Errors: `samples` is 0.
///
/// ```
/// use undetected_theory::*;
///
/// let lambda2 = Lambda2::Given(Weight::Value(0.1));
/// let example = CounterExample::new(50, 0.1, Weight::Value(0.3), lambda2).unwrap();
/// let tally = simulate_detectors(&example, 10_000, 0).unwrap();
/// let point = Detector::new(&example, Score::TwoSided).cheapest_detection();
/// let interval = tally.false_alarm(&point).interval(0.99);
/// assert!(interval.low < 0.2 && 0.2 < interval.high); // the ball: (0.3 + 0.1) / 2
/// assert_eq!(tally.detection(&point).unwrap().estimate(), 1.0);
/// ```
pub fn simulate_detectors(
    example: &CounterExample,
    samples: u64,
    seed: u64,
) -> Result<DetectorTally, Error> {
    if samples == 0 {
        return Err(Error::NoSamples);
    }
    let streams = Streams::new(seed, "detectors");
    let annuli = [
        Annulus::new(example.dim(), 0.0, 1.0)?,
        Annulus::with_shell(example.dim(), example.shell(), false)?,
        Annulus::new(example.dim(), 2.0, 3.0)?,
    ];
    let draw = |index| draw_and_attack(example, &annuli, &mut streams.get(index));
    Ok((0..samples)
        .into_par_iter()
        .fold(DetectorTally::empty, |tally, index| tally.record(draw(index)))
        .reduce(DetectorTally::empty, DetectorTally::merge))
}

/// The region of a clean sample and, if it can be attacked, the region it is moved to.
fn draw_and_attack<R: Rng>(
    example: &CounterExample,
    annuli: &[Annulus; 3],
    rng: &mut R,
) -> (Region, Option<Region>) {
    let annulus = match example.data().sample_region(rng) {
        Region::Ball => &annuli[0],
        Region::Shell => &annuli[1],
        _ => &annuli[2],
    };
    let draw = annulus.sample_radius(rng);
    let clean = example.region(draw.ln_radius);
    // ln(||x|| / (1 + shell)), without the digits that a subtraction would lose.
    let landed = (clean == Region::Shell).then(|| example.region(-draw.ln_outer_ratio));
    (clean, landed)
}
