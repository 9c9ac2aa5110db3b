//! The Bayes classifier of a class-conditional density.

use std::borrow::Borrow;

use crate::likelihood::Score;

/// The class of the largest ln p(y) + log p(x given y), the first of equals.
///
/// `None` where a density is NaN or +inf, or all are -inf: such an input is classified as nothing.
///
/// # Examples
/// ```
/// use undetected_onnx::classify::predict;
/// assert_eq!(predict(&[0.0, 0.0, 0.0], &[-7500.0, -7400.0, -7600.0]), Some(1));
/// assert_eq!(predict(&[0.0, 0.0], &[f64::NAN, -3.0]), None);
/// ```
pub fn predict(ln_prior: &[f64], log_prob: &[f64]) -> Option<usize> {
    let mut best: Option<(usize, f64)> = None;
    for (class, (prior, log_p)) in ln_prior.iter().zip(log_prob).enumerate() {
        let joint = prior + log_p;
        if joint.is_nan() || joint == f64::INFINITY {
            return None;
        }
        if best.is_none_or(|(_, largest)| joint > largest) {
            best = Some((class, joint));
        }
    }
    best.filter(|(_, joint)| joint.is_finite()).map(|(class, _)| class)
}

/// How many labelled images there are, and how many of them are predicted correctly.
pub fn count_correct(scores: impl IntoIterator<Item = impl Borrow<Score>>) -> (usize, usize) {
    scores.into_iter().fold((0, 0), |(labelled, correct), score| {
        let Score { label, predicted, .. } = score.borrow();
        let is_labelled = label.is_some();
        (
            labelled + usize::from(is_labelled),
            correct + usize::from(is_labelled && label == predicted),
        )
    })
}
