//! Whether a classifier is right as often as its confidence says.

use undetected_theory::Proportion;

use crate::likelihood::Score;

/// Confidences in B bins of equal width, with how often the prediction was right.
///
/// Bin b of 0..B holds b/B < p(predicted given x) <= (b + 1)/B; bin 0 holds 0 as well. It is filled
/// image by image and its size does not depend on their number.
///
/// Source: Guo, Pleiss, Sun and Weinberger, On calibration of modern neural networks, 2017, section 2.
#[derive(Debug, Clone, PartialEq)]
pub struct Reliability {
    bins: Vec<Bin>,
    unclassified: u64,
}

/// What fell into one bin.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bin {
    /// Lower end, excluded but for 0.
    pub low: f64,
    /// Upper end, included.
    pub high: f64,
    /// Images in it.
    pub count: u64,
    /// Those predicted correctly.
    pub correct: u64,
    confidence: f64,
}

impl Bin {
    /// The share predicted correctly, `None` in an empty bin.
    pub fn accuracy(&self) -> Option<Proportion> {
        (self.count > 0).then_some(Proportion { successes: self.correct, trials: self.count })
    }

    /// The mean confidence, `None` in an empty bin.
    pub fn mean_confidence(&self) -> Option<f64> {
        (self.count > 0).then(|| self.confidence / self.count as f64)
    }
}

impl Reliability {
    /// `bins` empty bins.
    ///
    /// # Panics
    /// If there is to be no bin.
    pub fn new(bins: usize) -> Self {
        assert!(bins > 0, "a reliability curve has at least one bin");
        let edge = |place: usize| place as f64 / bins as f64;
        let empty =
            |b| Bin { low: edge(b), high: edge(b + 1), count: 0, correct: 0, confidence: 0.0 };
        Self { bins: (0..bins).map(empty).collect(), unclassified: 0 }
    }

    /// Counts a labelled image. One without a prediction, its densities being NaN or all -inf, is
    /// counted apart ([`unclassified`](Self::unclassified)); one without a label is not counted.
    pub fn add(&mut self, score: &Score) {
        let Some(label) = score.label else { return };
        match (score.predicted, score.confidence) {
            (Some(predicted), Some(confidence)) => self.count(confidence, predicted == label),
            _ => self.unclassified += 1,
        }
    }

    fn count(&mut self, confidence: f64, correct: bool) {
        // A sum of exponentials may exceed its largest term's share by a rounding.
        let last = self.bins.len() - 1;
        let place = self.bins.partition_point(|bin| bin.high < confidence).min(last);
        let bin = &mut self.bins[place];
        bin.count += 1;
        bin.correct += u64::from(correct);
        bin.confidence += confidence;
    }

    /// The curve: confidence and accuracy bin after bin, with counts.
    pub fn bins(&self) -> &[Bin] {
        &self.bins
    }

    /// Labelled images that are classified as nothing: in no bin, and no part of the error.
    pub fn unclassified(&self) -> u64 {
        self.unclassified
    }

    /// The expected calibration error: sum over bins of n_b/n |accuracy_b - mean confidence_b|.
    ///
    /// `None` without a classified image. It grows with the number of bins and is biased upwards in
    /// small samples: state both beside it.
    ///
    /// # Examples
    /// ```
    /// use undetected_onnx::{calibration::Reliability, likelihood::Score};
    /// let score = Score {
    ///     index: 0, label: Some(1), predicted: Some(1), confidence: Some(0.75), log_px: -9.0,
    ///     log_px_given_label: None, log_px_given_predicted: None, ln_label_given_x: None,
    ///     complexity: None,
    ///     gradient_norm: None,
    /// };
    /// let mut reliability = Reliability::new(10);
    /// reliability.add(&score);
    /// // Right with confidence 3/4.
    /// assert_eq!(reliability.expected_error(), Some(0.25));
    /// reliability.add(&Score { predicted: Some(0), ..score });
    /// // Right once of twice.
    /// assert_eq!(reliability.expected_error(), Some(0.25));
    /// ```
    pub fn expected_error(&self) -> Option<f64> {
        let n: u64 = self.bins.iter().map(|bin| bin.count).sum();
        let gap = |bin: &Bin| (bin.correct as f64 - bin.confidence).abs();
        (n > 0).then(|| self.bins.iter().map(gap).sum::<f64>() / n as f64)
    }
}
