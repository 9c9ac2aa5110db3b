//! A detector as a quantity that can be differentiated.

use crate::{
    classify,
    detect::{Statistic, ThresholdDetector, Thresholds},
    error::{Error, Result},
    likelihood::{Score, ln_marginal},
};

/// max(0, T - s(x)): by how many nats a statistic falls short of a detector's threshold.
///
/// Source: section 4.3, whose term max(0, -log p(x') - T) this is for log p(x), with the threshold
/// on the likelihood instead of on its negative; other statistics likewise.
#[derive(Debug, Clone, PartialEq)]
pub struct DetectorTerm {
    detector: ThresholdDetector,
}

impl DetectorTerm {
    /// The term of a detector.
    ///
    /// # Errors
    /// [`Error::Setting`] where the statistic is no function of the densities alone.
    pub fn new(detector: &ThresholdDetector) -> Result<Self> {
        match detector.statistic() {
            Statistic::ComplexityCorrected => Err(Error::setting(
                "detector",
                "judges the code length of stored images, which an attack's candidates are not; \
                 attack a detector of the likelihood",
            )),
            Statistic::GradientNorm => Err(Error::setting(
                "detector",
                "judges the gradient's norm, which the densities of an attack's candidates do not tell, \
                 and whose own gradient is a second derivative; attack a detector of the likelihood",
            )),
            _ => Ok(Self { detector: detector.clone() }),
        }
    }

    /// The detector.
    pub fn detector(&self) -> &ThresholdDetector {
        &self.detector
    }

    /// T - s(x) where it is positive, else 0; infinite where the input has no statistic.
    pub fn shortfall(&self, ln_prior: &[f64], log_prob: &[f64]) -> f64 {
        let score = Score::new(0, None, ln_prior, log_prob, None);
        let statistic = self.detector.statistic().of(&score);
        match threshold(&self.detector, score.predicted).zip(statistic) {
            Some((threshold, statistic)) => (threshold - statistic).max(0.0),
            None => f64::INFINITY,
        }
    }

    /// Adds `weight` times the derivative of -s(x) by each log p(x given y).
    ///
    /// d log p(x) / d log p(x given y) = p(y given x); of log p(x, y) and log p(x given y) at the
    /// predicted y it is 1 for that y; of the typicality it is that of log p(x), with the sign of
    /// centre - log p(x). Nothing is added where the input is classified as nothing.
    pub fn add_descent(
        &self,
        weight: f64,
        ln_prior: &[f64],
        log_prob: &[f64],
        cotangent: &mut [f64],
    ) {
        let Some(predicted) = classify::predict(ln_prior, log_prob) else { return };
        let log_px = ln_marginal(ln_prior, log_prob);
        let slope = match self.detector.statistic() {
            Statistic::Marginal => 1.0,
            Statistic::Typicality { centre } => (centre - log_px).signum(),
            Statistic::Joint | Statistic::GivenPredicted => {
                cotangent[predicted] -= weight;
                return;
            }
            Statistic::ComplexityCorrected | Statistic::GradientNorm => {
                unreachable!("refused by new")
            }
        };
        for ((cotangent, prior), log_p) in cotangent.iter_mut().zip(ln_prior).zip(log_prob) {
            *cotangent -= weight * slope * (prior + log_p - log_px).exp();
        }
    }
}

/// The threshold that a detector holds an input of this predicted class to, nats.
pub(super) fn threshold(detector: &ThresholdDetector, predicted: Option<usize>) -> Option<f64> {
    match detector.thresholds() {
        Thresholds::Common(threshold) => Some(*threshold),
        Thresholds::PerClass(thresholds) => predicted.map(|class| thresholds[class]),
    }
}

#[cfg(test)]
mod tests {
    use approx::assert_relative_eq;

    use super::*;

    const PRIOR: [f64; 3] = [-1.2, -0.9, -1.3];

    fn terms() -> Vec<DetectorTerm> {
        let common = |statistic| {
            let detector = ThresholdDetector::fixed(statistic, Thresholds::Common(-2.0)).unwrap();
            DetectorTerm::new(&detector).unwrap()
        };
        let per_class = Thresholds::PerClass(vec![-1.0, -2.5, 0.0]);
        let per_class = ThresholdDetector::fixed(Statistic::Marginal, per_class).unwrap();
        let mut terms: Vec<_> = [
            Statistic::Marginal,
            Statistic::Joint,
            Statistic::GivenPredicted,
            Statistic::Typicality { centre: -9.0 },
            Statistic::Typicality { centre: -1.0 },
        ]
        .map(common)
        .into();
        terms.push(DetectorTerm::new(&per_class).unwrap());
        terms
    }

    #[test]
    fn derivative_is_the_difference_quotient() {
        let at = [-4.0, -4.5, -5.5];
        let step = 1e-6;
        for term in terms() {
            let mut cotangent = [0.0; 3];
            term.add_descent(1.0, &PRIOR, &at, &mut cotangent);
            for class in 0..3 {
                let value = |shift: f64| {
                    let mut moved = at;
                    moved[class] += shift;
                    term.shortfall(&PRIOR, &moved)
                };
                let quotient = (value(step) - value(-step)) / (2.0 * step);
                assert_relative_eq!(cotangent[class], quotient, epsilon = 1e-8);
            }
        }
    }

    /// The shortfall is 0 exactly where the detector accepts.
    #[test]
    fn nothing_falls_short_of_what_is_accepted() {
        let levels = [-9.0, -2.2, -1.0, 3.0, f64::NEG_INFINITY, f64::NAN];
        let points = levels.iter().flat_map(|a| levels.iter().map(move |b| [*a, *b, -2.0]));
        let (mut accepted, mut all) = (0, 0);
        for (point, term) in points.flat_map(|point| terms().into_iter().map(move |t| (point, t))) {
            let score = Score::new(0, None, &PRIOR, &point, None);
            let accepts = crate::detect::Detector::accepts(term.detector(), &score);
            assert_eq!(accepts, term.shortfall(&PRIOR, &point) == 0.0, "{term:?} at {point:?}");
            accepted += usize::from(accepts);
            all += 1;
        }
        assert!(accepted > all / 10 && accepted < all * 9 / 10, "{accepted} of {all}");
    }

    #[test]
    fn a_detector_of_more_than_densities_is_refused() {
        for statistic in [Statistic::ComplexityCorrected, Statistic::GradientNorm] {
            let detector = ThresholdDetector::fixed(statistic, Thresholds::Common(0.0));
            assert!(DetectorTerm::new(&detector.unwrap()).is_err());
        }
    }
}
