//! How well a score separates two groups of inputs, whatever the threshold: ROC and what is read
//! off it.

use undetected_theory::Proportion;

use super::{Estimate, z};
use crate::likelihood::rankable;

/// The group that counts as positive: what a true-positive rate is a rate of.
///
/// "FPR at 95 % TPR" is the share of fooled inputs accepted where 95 % of real ones are (`In`), or
/// the share of real inputs rejected where 95 % of the others are (`Out`): other numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Positive {
    /// In-distribution inputs: positive is what scores at or above a threshold.
    In,
    /// Out-of-distribution inputs: positive is what scores at or below a threshold, or is rejected.
    Out,
}

/// A point of a ROC curve.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct RocPoint {
    /// The score at or beyond which inputs are called positive; `None` where none is.
    pub threshold: Option<f64>,
    /// Positives called positive.
    pub true_positives: u64,
    /// Share of positives called positive.
    pub tpr: f64,
    /// Negatives called positive.
    pub false_positives: u64,
    /// Share of negatives called positive.
    pub fpr: f64,
}

/// Positives and negatives counted at each distinct score, the most positive score first.
///
/// Scores are likelier real for higher. One that is NaN or infinite is a rejected input and ranks
/// below every finite score, +inf too: all of these tie at -inf, and are never likely. -0 and 0 tie.
///
/// # Numerics
/// Everything is counted in whole numbers, and divided last. O(n log n) for n scores.
#[derive(Debug, Clone, PartialEq)]
pub struct Ranking {
    positive: Positive,
    /// Positives and negatives.
    counts: (u64, u64),
    /// Distinct scores.
    scores: Vec<f64>,
    levels: Levels,
}

/// Numbers of positives and of negatives at each distinct score: in lists of their own and small, for
/// [`bootstrap`](super::bootstrap) counts anew a thousand times, anywhere in them.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Levels {
    pub(super) positives: Vec<u32>,
    pub(super) negatives: Vec<u32>,
}

impl Levels {
    /// Both numbers of each.
    fn iter(&self) -> impl Iterator<Item = (u64, u64)> {
        let both = self.positives.iter().zip(&self.negatives);
        both.map(|(&positives, &negatives)| (u64::from(positives), u64::from(negatives)))
    }
}

impl Ranking {
    /// Ranks both groups. `None` where one is empty: nothing is separated from nothing.
    pub fn new(inside: &[f64], outside: &[f64], positive: Positive) -> Option<Self> {
        if inside.is_empty() || outside.is_empty() {
            return None;
        }
        let of = |scores: &[f64], group| -> Vec<(f64, Positive)> {
            scores.iter().map(|&score| (rankable(score), group)).collect()
        };
        let mut all = [of(inside, Positive::In), of(outside, Positive::Out)].concat();
        all.sort_by(|one, other| other.0.total_cmp(&one.0));
        if positive == Positive::Out {
            all.reverse();
        }
        let (mut scores, mut levels) = (Vec::new(), Levels::default());
        for (score, group) in all {
            if scores.last() != Some(&score) {
                scores.push(score);
                levels.positives.push(0);
                levels.negatives.push(0);
            }
            let counts = match group == positive {
                true => &mut levels.positives,
                false => &mut levels.negatives,
            };
            *counts.last_mut().expect("one was pushed") += 1;
        }
        let (inside, outside) = (inside.len() as u64, outside.len() as u64);
        let counts = match positive {
            Positive::In => (inside, outside),
            Positive::Out => (outside, inside),
        };
        Some(Self { positive, counts, scores, levels })
    }

    /// The group that counts as positive.
    pub fn positive(&self) -> Positive {
        self.positive
    }

    /// Numbers of positives and of negatives.
    pub fn counts(&self) -> (u64, u64) {
        self.counts
    }

    pub(super) fn levels(&self) -> &Levels {
        &self.levels
    }

    /// For other counts of as many inputs; a score without any changes nothing.
    pub(super) fn levels_mut(&mut self) -> &mut Levels {
        &mut self.levels
    }

    /// The ROC curve: (0, 0), then the point of each distinct score, the last of which is (1, 1).
    pub fn roc(&self) -> Vec<RocPoint> {
        let (positives, negatives) = self.counts();
        let point = |threshold, true_positives, false_positives| RocPoint {
            threshold,
            true_positives,
            tpr: true_positives as f64 / positives as f64,
            false_positives,
            fpr: false_positives as f64 / negatives as f64,
        };
        let mut called = (0, 0);
        let steps = self.scores.iter().zip(self.levels.iter()).map(|(&score, here)| {
            called = (called.0 + here.0, called.1 + here.1);
            point(Some(score), called.0, called.1)
        });
        std::iter::once(point(None, 0, 0)).chain(steps).collect()
    }

    /// P(a positive is more positive than a negative) + P(they tie) / 2, over all pairs: the area
    /// under the ROC curve, the same number whichever group is positive.
    ///
    /// # Examples
    /// ```
    /// use undetected_onnx::statistics::{Positive, Ranking};
    /// // Of six pairs three are in order and two tie.
    /// let ranking = Ranking::new(&[2.0, 1.0, 0.0], &[1.0, 0.0], Positive::In).unwrap();
    /// assert_eq!(ranking.auroc(), (3.0 + 2.0 / 2.0) / 6.0);
    /// ```
    pub fn auroc(&self) -> f64 {
        let (positives, negatives) = self.counts();
        let mut before: u64 = 0;
        // Twice the number of pairs, so that a tie is a whole number.
        let mut doubled: u128 = 0;
        for (positives, negatives) in self.levels.iter() {
            doubled += u128::from(negatives) * u128::from(2 * before + positives);
            before += positives;
        }
        doubled as f64 / (2.0 * positives as f64 * negatives as f64)
    }

    /// Average precision: sum over thresholds of (recall - recall before) · precision.
    ///
    /// scikit-learn's definition: a step function, not the trapezoids that overstate the area.
    pub fn average_precision(&self) -> f64 {
        let positives = self.counts().0 as f64;
        let (mut caught, mut called, mut sum) = (0, 0, 0.0);
        for (here, negatives) in self.levels.iter() {
            caught += here;
            called += here + negatives;
            // A level without positives adds no recall, and may have no precision: 1 stands for what is then
            // none. In a resample that is every third level, and a branch would be guessed wrongly.
            sum += here as f64 * (caught as f64 / called.max(1) as f64);
        }
        sum / positives
    }

    /// Negatives called positive where at least a share `tpr` of the positives are: at the strictest
    /// such threshold, without interpolation.
    ///
    /// Its interval ([`Proportion::interval`]) is that of a threshold given beforehand; the choice of
    /// it from the same positives is in [`bootstrap`](super::bootstrap)'s.
    ///
    /// # Panics
    /// If `tpr` is not in (0, 1\].
    pub fn fpr_at(&self, tpr: f64) -> Proportion {
        assert!(tpr > 0.0 && tpr <= 1.0, "tpr = {tpr} must lie in (0, 1]");
        let (positives, trials) = self.counts();
        let enough = |caught: u64| caught as f64 / positives as f64 >= tpr;
        // Found beforehand, since a division at each level would be most of the work. Rounding puts it
        // one off at most.
        let guess = (tpr * positives as f64) as u64;
        let needed = (guess.saturating_sub(1)..=positives).find(|&caught| enough(caught));
        let needed = needed.expect("all positives are a share of 1");
        let (mut caught, mut successes) = (0, 0);
        for (here, negatives) in self.levels.iter() {
            caught += here;
            successes += negatives;
            if caught >= needed {
                break;
            }
        }
        Proportion { successes, trials }
    }

    /// AUROC with DeLong's interval, on the logit scale.
    ///
    /// With V_i the share of negatives that positive i is more positive than, ties half, and V_j
    /// that of positives more positive than negative j, the variance of the area A is
    /// var(V_i)/positives + var(V_j)/negatives. The interval is that of ln(A/(1 - A)), of standard
    /// deviation s/(A(1 - A)), turned back: it stays in (0, 1). `None` for a group of one, or where
    /// the variance is 0, such as two groups that do not overlap: the normal limit says nothing there.
    ///
    /// Source: DeLong, DeLong and Clarke-Pearson, Biometrics 44, 1988; the logit: Pepe, The
    /// Statistical Evaluation of Medical Tests, 2003.
    pub fn auroc_estimate(&self) -> Estimate {
        let area = self.auroc();
        let deviation = self.delong_variance().sqrt();
        let interval = (deviation > 0.0).then(|| {
            let (middle, half) =
                ((area / (1.0 - area)).ln(), z() * deviation / (area * (1.0 - area)));
            let back = |logit: f64| 1.0 / (1.0 + (-logit).exp());
            (back(middle - half), back(middle + half))
        });
        Estimate { value: area, interval }
    }

    /// NaN for a group of one.
    fn delong_variance(&self) -> f64 {
        let (positives, negatives) = self.counts();
        let (m, n) = (positives as f64, negatives as f64);
        let area = self.auroc();
        let (mut before_m, mut before_n) = (0.0, 0.0);
        let (mut squares_m, mut squares_n) = (0.0, 0.0);
        for (positives, negatives) in self.levels.iter() {
            let (here_m, here_n) = (positives as f64, negatives as f64);
            let placement_m = (n - before_n - here_n / 2.0) / n;
            let placement_n = (before_m + here_m / 2.0) / m;
            squares_m += here_m * (placement_m - area).powi(2);
            squares_n += here_n * (placement_n - area).powi(2);
            (before_m, before_n) = (before_m + here_m, before_n + here_n);
        }
        squares_m / ((m - 1.0) * m) + squares_n / ((n - 1.0) * n)
    }
}

/// AUROC of scores that are likelier real for higher, with DeLong's interval
/// ([`Ranking::auroc_estimate`]); `None` where a group is empty.
pub fn auroc(inside: &[f64], outside: &[f64]) -> Option<Estimate> {
    Ranking::new(inside, outside, Positive::In).map(|ranking| ranking.auroc_estimate())
}
