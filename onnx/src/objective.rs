//! What the training objective of a class-conditional model is made of (equation 4).

use crate::{likelihood::Score, model::ModelSpec, moments::Moments, statistics::Estimate};

/// E\[-log p(x, y)\] = E\[-log p(x)\] + E\[-log p(y given x)\] over labelled images, in nats.
///
/// Filled image by image; its size does not depend on their number.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Objective {
    marginal: Moments,
    class: Moments,
    not_finite: u64,
}

impl Objective {
    /// Counts a labelled image. Where log p(x) or log p(label given x) is NaN or infinite it is
    /// counted apart ([`not_finite`](Self::not_finite)), out of both means; one without a label is
    /// not counted.
    ///
    /// -log p(x) is taken as the length of a code for 8-bit values, -log p(x) + D ln(256/R) on a
    /// pixel range of length R ([`ModelSpec::code_length`]): the nats of a density have no zero of
    /// their own, those of a code do, and only of them is a part a share.
    pub fn add(&mut self, spec: &ModelSpec, score: &Score) {
        let Some(class) = score.ln_label_given_x else { return };
        let marginal = spec.code_length(score.log_px);
        if marginal.is_finite() && class.is_finite() {
            self.marginal.push(marginal);
            self.class.push(-class);
        } else {
            self.not_finite += 1;
        }
    }

    /// E\[-log p(x)\], the code length in nats. `None` without an image.
    pub fn marginal(&self) -> Option<Estimate> {
        self.marginal.estimate()
    }

    /// E\[-log p(y given x)\], nats. `None` without an image.
    pub fn class(&self) -> Option<Estimate> {
        self.class.estimate()
    }

    /// The class term's share of the sum. `None` without an image, or where the sum is not positive
    /// (no image costs less than nothing: the declared range or D is wrong).
    pub fn class_share(&self) -> Option<f64> {
        self.share_of(self.class()?.value)
    }

    /// The same share, had p(y given x) been uniform over `classes`: the class term would be ln C.
    pub fn uniform_share(&self, classes: usize) -> Option<f64> {
        self.share_of(uniform_cost(classes))
    }

    fn share_of(&self, class: f64) -> Option<f64> {
        let sum = self.marginal()?.value + class;
        (sum > 0.0).then(|| class / sum)
    }

    /// Images behind the means.
    pub fn count(&self) -> u64 {
        self.class.n
    }

    /// Labelled images without finite log p(x) and log p(label given x).
    pub fn not_finite(&self) -> u64 {
        self.not_finite
    }
}

/// ln C, the E\[-log p(y given x)\] of a model that knows nothing of `classes` C classes, nats.
///
/// # Examples
/// ```
/// assert_eq!(undetected_onnx::objective::uniform_cost(1), 0.0);
/// assert!((undetected_onnx::objective::uniform_cost(10) - 2.302585).abs() < 1e-6);
/// ```
pub fn uniform_cost(classes: usize) -> f64 {
    (classes as f64).ln()
}
