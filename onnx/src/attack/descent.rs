//! What attacks with gradients descend: the goal's margin, and by how much the detector's threshold
//! is missed.

use crate::error::Result;

use super::{Confident, Criterion, DetectorTerm, Goal, Scene, Undetected};

/// A gradient's weights are used if they were guessed to this, absolutely: the gradient is then
/// right to the rounding of its own float32.
const COTANGENT_TOLERANCE: f64 = 1e-6;

/// The two terms of an objective at one point.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reading {
    /// max(0, margin + confidence), nats.
    pub(super) hinge: f64,
    /// The class that the margin is against.
    rival: usize,
    /// max(0, T - s(x)), nats; 0 where no detector is minded.
    pub(super) shortfall: f64,
    /// Whether the goal is reached, with its confidence.
    pub(super) fooled: bool,
    /// Whether the detector accepts it as well; as `fooled` where none is minded.
    pub(super) met: bool,
}

/// The objective of one sample.
pub(super) struct Descent<'a> {
    scene: &'a Scene<'a>,
    criterion: Confident,
    term: Option<DetectorTerm>,
    guess: Vec<f64>,
    needed: Vec<f64>,
}

impl<'a> Descent<'a> {
    /// The objective; with the detector's term if it is minded.
    pub(super) fn new(
        scene: &'a Scene<'a>,
        goal: Goal,
        confidence: f64,
        minds_detector: bool,
        log_prob: &[f64],
    ) -> Self {
        let term = minds_detector.then(|| {
            let detector = scene.detector.expect("checked: an attack that minds one has one");
            DetectorTerm::new(detector).expect("checked: it has a term")
        });
        let mut guess = vec![0.0; log_prob.len()];
        if let Some(margin) = goal.margin(scene.ln_prior, log_prob) {
            goal.add_margin_slope(1.0, margin.rival, &mut guess);
        }
        let (criterion, needed) = (Confident { goal, confidence }, vec![0.0; log_prob.len()]);
        Self { scene, criterion, term, guess, needed }
    }

    /// Refuses a detector that has no term.
    pub(super) fn check(scene: &Scene<'_>, minds_detector: bool) -> Result<()> {
        match scene.detector.filter(|_| minds_detector) {
            Some(detector) => DetectorTerm::new(detector).map(|_| ()),
            None => Ok(()),
        }
    }

    /// Whether a detector is minded.
    pub(super) fn minds_detector(&self) -> bool {
        self.term.is_some()
    }

    /// What densities say; `None` where the point is classified as nothing.
    pub(super) fn read(&self, log_prob: &[f64]) -> Option<Reading> {
        let (prior, Confident { goal, confidence }) = (self.scene.ln_prior, self.criterion);
        let margin = goal.margin(prior, log_prob)?;
        let fooled = self.criterion.is_met(prior, log_prob);
        let shortfall = self.term.as_ref().map_or(0.0, |term| term.shortfall(prior, log_prob));
        let accepted = self
            .term
            .as_ref()
            .is_none_or(|term| Undetected { detector: term.detector() }.is_met(prior, log_prob));
        Some(Reading {
            hinge: (margin.nats + confidence).max(0.0),
            rival: margin.rival,
            shortfall,
            fooled,
            met: fooled && accepted,
        })
    }

    /// Writes the cotangent that the next point's gradient is asked with: that of the last one.
    pub(super) fn ask(&self, cotangent: &mut [f64]) {
        cotangent.copy_from_slice(&self.guess);
    }

    /// What the model's gradient is to be multiplied with to be that of
    /// `margin_weight` hinge + `detector_weight` shortfall; `None` where it was asked with the
    /// wrong cotangent and the point has to be asked again.
    ///
    /// # Numerics
    /// Weights are divided by the larger one, which is the factor: cotangents stay of order one.
    pub(super) fn factor(
        &mut self,
        reading: &Reading,
        log_prob: &[f64],
        margin_weight: f64,
        detector_weight: f64,
    ) -> Option<f64> {
        let margin_weight = if reading.hinge > 0.0 { margin_weight } else { 0.0 };
        let detector_weight = if reading.shortfall > 0.0 { detector_weight } else { 0.0 };
        let factor = margin_weight.max(detector_weight);
        if factor == 0.0 {
            return Some(0.0);
        }
        self.needed.fill(0.0);
        let goal = self.criterion.goal;
        goal.add_margin_slope(margin_weight / factor, reading.rival, &mut self.needed);
        if let Some(term) = &self.term {
            let weight = detector_weight / factor;
            term.add_descent(weight, self.scene.ln_prior, log_prob, &mut self.needed);
        }
        let pairs = self.needed.iter().zip(&self.guess);
        let right = pairs.into_iter().all(|(a, b)| (a - b).abs() <= COTANGENT_TOLERANCE);
        if right {
            return Some(factor);
        }
        self.guess.copy_from_slice(&self.needed);
        None
    }
}
