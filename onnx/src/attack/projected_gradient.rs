//! Projected gradient descent within an L2 ball.

use std::ops::ControlFlow;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use undetected_theory::{Streams, fill_normal};

use super::{
    Answer, Attack, Best, Scene, Search, Stop, Subject, Subjects, check_range, descent::Descent,
    distance, refine::Refine, require_confidence, require_positive,
};
use crate::error::{Error, Result};

/// Share of the radius that is used, so that rounding to float32 does not leave the ball.
const INSIDE: f64 = 1.0 - 1e-6;

/// Normalised gradient steps inside the ball of radius `epsilon`, from the original and then from
/// random points of the ball, until a candidate meets the criterion.
///
/// A step is x - `rel_stepsize` epsilon g/‖g‖, put back into the ball and then into the pixel range.
/// g is the gradient of (1 - w) max(0, margin + confidence) + w max(0, T - s(x)), with w the
/// detector's weight, or of the first term alone.
///
/// Source: Madry et al., ICLR 2018; steps and relative step size as in Foolbox 3.3.4's L2PGD.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct ProjectedGradient {
    /// Radius, on pixels scaled to \[0, 1\].
    pub epsilon: f64,
    /// Steps of each start.
    pub steps: u64,
    /// Length of a step, as a share of the radius.
    pub rel_stepsize: f64,
    /// Starts from random points after the one from the original.
    pub restarts: u64,
    /// Nats by which the classifier is to be fooled.
    pub confidence: f64,
    /// w, the share of the detector's term from 0 to 1, of an attack that is to evade it.
    pub detector_weight: Option<f64>,
    /// Bisections of the line between original and answer.
    pub refine: u32,
}

impl ProjectedGradient {
    /// Foolbox's steps and step size, without restarts, detector and bisection.
    pub fn new(epsilon: f64) -> Self {
        Self {
            epsilon,
            steps: 50,
            rel_stepsize: 0.025,
            restarts: 0,
            confidence: 0.0,
            detector_weight: None,
            refine: 0,
        }
    }
}

impl Attack for ProjectedGradient {
    type Search<'a> = ProjectedGradientSearch<'a>;

    const USES_GRADIENT: bool = true;

    fn minds_detector(&self) -> bool {
        self.detector_weight.is_some()
    }

    fn check(&self, scene: &Scene<'_>, subjects: &Subjects) -> Result<()> {
        require_positive("epsilon", self.epsilon)?;
        require_positive("rel_stepsize", self.rel_stepsize)?;
        require_confidence(self.confidence)?;
        if let Some(weight) = self.detector_weight.filter(|weight| !(0.0..=1.0).contains(weight)) {
            return Err(Error::setting(format!("detector weight {weight}"), "must lie in [0, 1]"));
        }
        if self.steps == 0 {
            return Err(Error::setting("steps 0", "must be at least 1"));
        }
        Descent::check(scene, self.minds_detector())?;
        check_range(scene, subjects)
    }

    fn search<'a>(
        &'a self,
        scene: &'a Scene<'a>,
        subject: Subject<'a>,
        log_prob: &[f64],
    ) -> Self::Search<'a> {
        let (goal, minds) = (subject.goal, self.minds_detector());
        ProjectedGradientSearch {
            attack: self,
            scene,
            original: subject.x,
            descent: Descent::new(scene, goal, self.confidence, minds, log_prob),
            stream: Streams::new(scene.seed, "projected-gradient").get(subject.index),
            shift: vec![0.0; subject.x.len()],
            step: 0,
            start: 0,
            total: 0,
            best: Best::default(),
            fooling: Best::default(),
            refine: None,
        }
    }
}

/// [`ProjectedGradient`] on one sample.
pub struct ProjectedGradientSearch<'a> {
    attack: &'a ProjectedGradient,
    scene: &'a Scene<'a>,
    original: &'a [f32],
    descent: Descent<'a>,
    stream: ChaCha8Rng,
    /// Of the next point from the original: kept by itself, because rounded pixels would not feel a
    /// projection that shortens it by little.
    shift: Vec<f32>,
    step: u64,
    start: u64,
    total: u64,
    best: Best,
    fooling: Best,
    refine: Option<Refine>,
}

impl ProjectedGradientSearch<'_> {
    /// The radius in the pixels' own unit.
    fn radius(&self) -> f64 {
        INSIDE * self.attack.epsilon * self.scene.scale()
    }

    fn bisect(&mut self, refine: &mut Refine, answer: &Answer<'_>) -> ControlFlow<Stop> {
        let met = self.descent.read(answer.log_prob).is_some_and(|reading| reading.met);
        if met {
            let l2 = distance(self.scene, answer.x, self.original);
            self.best.offer(answer.x, l2, answer.evaluations);
        }
        if refine.tell(met) { ControlFlow::Break(Stop::Found) } else { ControlFlow::Continue(()) }
    }

    fn descend(&mut self, answer: &Answer<'_>) -> ControlFlow<Stop> {
        let Some(reading) = self.descent.read(answer.log_prob) else { return self.restart() };
        let weight = self.attack.detector_weight.unwrap_or(0.0);
        let l2 = distance(self.scene, answer.x, self.original);
        if reading.fooled && self.descent.minds_detector() {
            self.fooling.offer(answer.x, l2, answer.evaluations);
        }
        if reading.met {
            self.best.offer(answer.x, l2, answer.evaluations);
            if self.attack.refine == 0 {
                return ControlFlow::Break(Stop::Found);
            }
            self.refine = Some(Refine::new(answer.x, self.attack.refine));
            return ControlFlow::Continue(());
        }
        if self.step == self.attack.steps {
            return self.restart();
        }
        let weights = (1.0 - weight, weight);
        match self.descent.factor(&reading, answer.log_prob, weights.0, weights.1) {
            None => ControlFlow::Continue(()),
            Some(factor) if factor > 0.0 && self.advance(answer.gradient) => {
                self.step += 1;
                self.total += 1;
                ControlFlow::Continue(())
            }
            Some(_) => self.restart(),
        }
    }

    /// One step; whether the gradient has a direction.
    fn advance(&mut self, gradient: &[f32]) -> bool {
        let norm = gradient.iter().map(|slope| f64::from(*slope).powi(2)).sum::<f64>().sqrt();
        if !(norm > 0.0 && norm.is_finite()) {
            return false;
        }
        let length = (self.attack.rel_stepsize * self.radius() / norm) as f32;
        self.shift.iter_mut().zip(gradient).for_each(|(shift, slope)| *shift -= length * slope);
        self.project();
        true
    }

    /// Into the ball, then into the pixel range: the original lies in both, so the second never
    /// leaves the first.
    fn project(&mut self) {
        let (low, high) = self.scene.bounds();
        let norm = self.shift.iter().map(|shift| f64::from(*shift).powi(2)).sum::<f64>().sqrt();
        let share = (self.radius() / norm).min(1.0) as f32;
        for (shift, original) in self.shift.iter_mut().zip(self.original) {
            *shift = (share * *shift).clamp(low - original, high - original);
        }
    }

    /// The next start: a uniform point of the ball.
    fn restart(&mut self) -> ControlFlow<Stop> {
        if self.start == self.attack.restarts {
            return ControlFlow::Break(Stop::Exhausted);
        }
        self.start += 1;
        self.step = 0;
        let dims = self.original.len();
        let mut direction = vec![0.0; dims];
        fill_normal(&mut self.stream, &mut direction);
        let norm = direction.iter().map(|z| z * z).sum::<f64>().sqrt();
        let share = self.stream.random::<f64>().powf(1.0 / dims as f64);
        let length = share * self.radius() / norm;
        self.shift.iter_mut().zip(direction).for_each(|(shift, z)| *shift = (length * z) as f32);
        self.project();
        ControlFlow::Continue(())
    }
}

impl Search for ProjectedGradientSearch<'_> {
    fn wants_gradient(&self) -> bool {
        self.refine.is_none()
    }

    fn ask(&mut self, x: &mut [f32], cotangent: &mut [f64]) {
        match &self.refine {
            Some(refine) => refine.ask(self.original, x),
            None => {
                let (low, high) = self.scene.bounds();
                let points = self.original.iter().zip(&self.shift);
                for (x, (original, shift)) in x.iter_mut().zip(points) {
                    *x = (original + shift).clamp(low, high);
                }
                self.descent.ask(cotangent);
            }
        }
    }

    fn tell(&mut self, answer: &Answer<'_>) -> ControlFlow<Stop> {
        match self.refine.take() {
            Some(mut refine) => {
                let flow = self.bisect(&mut refine, answer);
                self.refine = Some(refine);
                flow
            }
            None => self.descend(answer),
        }
    }

    fn best(&self) -> &Best {
        &self.best
    }

    fn fooling(&self) -> Option<&Best> {
        self.descent.minds_detector().then_some(&self.fooling)
    }

    fn steps(&self) -> u64 {
        self.total
    }
}
