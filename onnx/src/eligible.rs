//! The real images that an experiment starts from: classified correctly and accepted.

use std::borrow::Borrow;

use crate::{detect::Detector, likelihood::Score};

/// What became of candidates. Each is counted once, under the first reason against it in this order.
///
/// Source: section 4.4, "real images that are classified correctly and are above the detection
/// threshold".
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Eligible {
    /// Images that there were to choose from.
    pub candidates: usize,
    /// Without a label.
    pub unlabelled: usize,
    /// Of a log p(x) that is NaN or infinite.
    pub not_finite: usize,
    /// Predicted as another class than their own, or as none.
    pub misclassified: usize,
    /// Rejected by the detector.
    pub rejected: usize,
    /// What is left: index and class.
    pub images: Vec<(usize, usize)>,
}

impl Eligible {
    /// Those among the images of `scores`, in their order.
    pub fn among(
        scores: impl IntoIterator<Item = impl Borrow<Score>>,
        detector: &dyn Detector,
    ) -> Self {
        let mut eligible = Self::default();
        scores.into_iter().for_each(|score| eligible.admit(score.borrow(), detector));
        eligible
    }

    /// Why there are not more, for errors.
    pub fn reasons(&self) -> String {
        format!(
            "of {} candidates {} have no label, {} no finite density, {} are misclassified and {} \
             rejected by the detector, which leaves {}",
            self.candidates,
            self.unlabelled,
            self.not_finite,
            self.misclassified,
            self.rejected,
            self.images.len()
        )
    }

    /// Keeps the image, or counts the reason against it.
    fn admit(&mut self, score: &Score, detector: &dyn Detector) {
        self.candidates += 1;
        let reason = match score.label {
            None => &mut self.unlabelled,
            _ if !score.log_px.is_finite() => &mut self.not_finite,
            label if score.predicted != label => &mut self.misclassified,
            _ if !detector.accepts(score) => &mut self.rejected,
            Some(label) => return self.images.push((score.index, label)),
        };
        *reason += 1;
    }
}
