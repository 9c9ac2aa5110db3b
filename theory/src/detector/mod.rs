//! What notices the attack: thresholds on scores of x, with their exact error probabilities.
//!
//! The paper calls the attack undetectable because the likelihood only increases. That is true of
//! one-sided thresholds on a density, and of nothing else: a detector that also rejects what is too
//! likely, or what the model is less than certain of, detects every attack and pays with the mass
//! of the unit ball, which the conditions of Proposition 1 themselves keep small.

mod score;
mod simulation;

pub use score::{SCORES, Score};
pub use simulation::{DetectorTally, simulate_detectors};

use crate::counterexample::{Class, CounterExample, Region, SUPPORT};
use crate::log_space::{ln_1m_exp, ln_add_exp};
use std::f64::consts::LN_2;

/// A score with a threshold still to be chosen: it rejects a point whose score is at most the
/// threshold.
///
/// Every score takes one value per region of [`SUPPORT`], so at most four thresholds differ, and
/// all that can be known of the detector is a few numbers. Thresholds are not randomised: a
/// detector rejects all of a region or nothing of it.
///
/// The attack moves every x of the shell into the unit ball, so it is detected always or never.
/// What detection costs is the false alarms, the probability under p that a clean x is rejected:
/// at least that of the ball, (lambda1 + lambda2) / 2. Where the window of Proposition 1 admits
/// lambda1 and lambda2 is matched, this is below kl_epsilon / (2 (1 - delta) d ln(1 + shell)), so
/// a detector that rejects the ball first costs less the higher the dimension.
///
/// ```
/// use undetected_theory::*;
///
/// // lambda1 = 0.3, lambda2 = 0.1: the ball holds 0.2 of the data, the shell 0.35, the rest 0.45.
/// let lambda2 = Lambda2::Given(Weight::Value(0.1));
/// let example = CounterExample::new(50, 0.1, Weight::Value(0.3), lambda2).unwrap();
/// let close = |got: f64, want: f64| assert!((got - want).abs() < 1e-15);
///
/// // One-sided: the ball is the last to be rejected, so detection rejects all data.
/// let density = Detector::new(&example, Score::Density);
/// assert_eq!(density.cheapest_detection().false_alarm(), 1.0);
/// assert!(density.evaded());
/// close(density.auroc(), 0.1); // half of the ties in the ball
///
/// // Two-sided: the ball is rejected first.
/// let two_sided = Detector::new(&example, Score::TwoSided);
/// close(two_sided.cheapest_detection().false_alarm(), 0.2);
/// assert!(!two_sided.evaded());
/// close(two_sided.auroc(), 0.9);
/// ```
#[derive(Debug, Clone)]
pub struct Detector<'a> {
    example: &'a CounterExample,
    score: Score,
    levels: [f64; 3],
}

impl<'a> Detector<'a> {
    /// The detector that thresholds this score.
    pub fn new(example: &'a CounterExample, score: Score) -> Self {
        Detector { example, score, levels: score.levels(example) }
    }

    /// The score.
    pub fn score(&self) -> Score {
        self.score
    }

    /// The score of any x in each region of [`SUPPORT`], nats, up to a constant that depends on
    /// the score alone; higher is more like the data.
    pub fn levels(&self) -> [f64; 3] {
        self.levels
    }

    /// One point for each threshold that makes a difference, from rejecting nothing to rejecting
    /// everything: the detector's whole receiver operating characteristic.
    pub fn operating_points(&self) -> Vec<OperatingPoint> {
        let mut thresholds = self.levels.to_vec();
        thresholds.sort_by(f64::total_cmp);
        thresholds.dedup();
        let rejecting = |rejected| OperatingPoint::new(self.example, rejected);
        std::iter::once([false; 3])
            .chain(thresholds.iter().map(|&t| self.levels.map(|level| level <= t)))
            .map(rejecting)
            .collect()
    }

    /// The threshold with the fewest false alarms among those that detect the attack. It rejects
    /// the unit ball and every region whose score is no higher.
    pub fn cheapest_detection(&self) -> OperatingPoint {
        let [ball, ..] = self.levels;
        OperatingPoint::new(self.example, self.levels.map(|level| level <= ball))
    }

    /// The strictest threshold whose false-alarm probability is at most `limit`; rejects nothing
    /// where every other threshold exceeds it.
    ///
    /// ```
    /// # use undetected_theory::*;
    /// // The ball holds 0.2 of the data.
    /// # let lambda2 = Lambda2::Given(Weight::Value(0.1));
    /// let example = CounterExample::new(50, 0.1, Weight::Value(0.3), lambda2).unwrap();
    /// let detector = Detector::new(&example, Score::ClassRatio);
    /// assert!(detector.within(0.25).detects());
    /// assert!(!detector.within(0.05).detects());
    /// ```
    pub fn within(&self, limit: f64) -> OperatingPoint {
        let affordable = |point: &OperatingPoint| point.false_alarm() <= limit;
        let points = self.operating_points().into_iter().take_while(affordable);
        points.last().unwrap_or(OperatingPoint::new(self.example, [false; 3]))
    }

    /// Whether detection costs at least half of the clean data.
    ///
    /// This is item 5 of Proposition 1 put in terms of errors: a one-sided threshold that rejects
    /// a point whose score is at least the median rejects at least half of the data. Whatever the
    /// dimension and the weights, it holds of [`Score::Density`], [`Score::Joint`],
    /// [`Score::Conditional`] and [`Score::BackgroundRatio`], which never put the ball below the
    /// shell: rejecting it rejects (1 + lambda2) / 2 of the data or more.
    ///
    /// Numerics: with R the rejected set, P(R) >= 1/2 says P(R|1) >= P(not R|0), a comparison of
    /// two logarithms that does not round where the masses differ from 1/2 by little.
    pub fn evaded(&self) -> bool {
        let OperatingPoint { rejected, .. } = self.cheapest_detection();
        let data = self.example.data();
        let ln_mass_given = |class, reject| {
            let regions = SUPPORT.into_iter().zip(rejected).filter(|&(_, r)| r == reject);
            ln_sum(regions.map(|(region, _)| data.ln_mass(class, region)))
        };
        ln_mass_given(Class::One, true) >= ln_mass_given(Class::Zero, false)
    }

    /// Area under the receiver operating characteristic: the probability that a clean x scores
    /// higher than an attacked one, ties counting half.
    ///
    /// 1 is a perfect detector, 1/2 a coin; 0 means that the detector with its sign changed would
    /// be perfect.
    pub fn auroc(&self) -> f64 {
        let [ball, ..] = self.levels;
        let mass = |condition: &dyn Fn(f64) -> bool| -> f64 {
            let regions = SUPPORT.into_iter().zip(self.levels).filter(|&(_, l)| condition(l));
            regions.map(|(region, _)| self.example.data().mass(region)).sum()
        };
        mass(&|level| level > ball) + mass(&|level| level == ball) / 2.0
    }
}

/// What a detector does at one threshold.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OperatingPoint {
    /// Which regions of [`SUPPORT`] are rejected.
    pub rejected: [bool; 3],
    /// ln of the probability that a clean x, drawn from p, is rejected.
    pub ln_false_alarm: f64,
    /// ln of the probability that it is accepted.
    pub ln_accepted: f64,
}

impl OperatingPoint {
    /// Numerics: the smaller of the two probabilities is a sum of masses and the larger its
    /// complement, so both keep their digits next to 0 and next to 1.
    fn new(example: &CounterExample, rejected: [bool; 3]) -> Self {
        let of = |reject| {
            let regions = SUPPORT.into_iter().zip(rejected).filter(|&(_, r)| r == reject);
            ln_sum(regions.map(|(region, _)| ln_data_mass(example, region)))
        };
        let complement = |ln| ln_1m_exp(ln) + 0.0; // certainty is 0, not -0
        let (ln_false_alarm, ln_accepted) = (of(true), of(false));
        if ln_false_alarm < ln_accepted {
            OperatingPoint { rejected, ln_false_alarm, ln_accepted: complement(ln_false_alarm) }
        } else {
            OperatingPoint { rejected, ln_false_alarm: complement(ln_accepted), ln_accepted }
        }
    }

    /// Probability that a clean x, drawn from p, is rejected.
    pub fn false_alarm(&self) -> f64 {
        self.ln_false_alarm.exp()
    }

    /// Whether points in this region are rejected. What lies outside the support is.
    pub fn rejects(&self, region: Region) -> bool {
        SUPPORT.iter().zip(self.rejected).all(|(&other, reject)| other != region || reject)
    }

    /// Whether the attack is detected: always or never, since all of it lands in the unit ball.
    pub fn detects(&self) -> bool {
        self.rejects(Region::Ball)
    }
}

/// ln of the false-alarm probability that no test of x alone can undercut if it is to detect the
/// contraction x' = x / (1 + shell) always: ln((1 - v) (lambda1 + lambda2) / 2), v = (1 +
/// shell)^-d. To detect it with probability b costs at least b times as much.
///
/// x is uniform on the shell and scaling keeps it uniform, so x' is uniform on the points of norm
/// 1 / (1 + shell) to 1, a layer that holds 1 - v of the unit ball. There the density of x' over
/// that of p is constant, so among tests that detect a share b none has fewer false alarms than b
/// times the mass of the layer (Neyman and Pearson, 1933). The shift is ||x|| shell / (1 + shell),
/// below shell almost surely. A move that keeps closer to the sphere is cheaper to detect: points
/// of norm above 1 - t hold only 1 - (1 - t)^d of the ball.
///
/// ```
/// use undetected_theory::*;
///
/// // d = 2, shell = 0.5: v = 4/9, the ball holds (0.3 + 0.1) / 2.
/// let lambda2 = Lambda2::Given(Weight::Value(0.1));
/// let example = CounterExample::new(2, 0.5, Weight::Value(0.3), lambda2).unwrap();
/// assert!((ln_least_false_alarm(&example).exp() - 5.0 / 9.0 * 0.2).abs() < 1e-15);
/// ```
pub fn ln_least_false_alarm(example: &CounterExample) -> f64 {
    ln_data_mass(example, Region::Ball) + ln_1m_exp(-example.ln_volume_ratio())
}

/// ln P(x in region) under p.
fn ln_data_mass(example: &CounterExample, region: Region) -> f64 {
    let of = |class| example.data().ln_mass(class, region);
    ln_add_exp(of(Class::Zero), of(Class::One)) - LN_2
}

fn ln_sum(terms: impl Iterator<Item = f64>) -> f64 {
    terms.fold(f64::NEG_INFINITY, ln_add_exp)
}
