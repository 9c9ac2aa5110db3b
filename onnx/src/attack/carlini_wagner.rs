//! The Carlini-Wagner L2 attack.

use std::ops::ControlFlow;

use super::{
    Answer, Attack, Best, Scene, Search, Stop, Subject, Subjects,
    adam::Adam,
    best::norm_of_difference,
    check_range,
    constant::Constant,
    descent::{Descent, Reading},
    distance,
    refine::Refine,
    require_confidence, require_positive,
    tanh::tanh,
};
use crate::error::{Error, Result};

/// Keeps pixels at the ends of the range off the infinities of atanh.
const SHRINK: f32 = 0.999_999;

/// The loss must fall below this share of what it was a tenth of the steps ago.
const PROGRESS: f64 = 0.9999;

/// From so many search steps on, the last repeats the smallest constant that succeeded.
const SETTLES_FROM: u64 = 10;

/// Minimises c max(0, margin + confidence) + c' max(0, T - s(x')) + ‖x' - x_r‖² in tanh space, for
/// constants c and c' found by search.
///
/// With a the middle and b half the length of the pixel range, w = atanh(0.999999 (x - a)/b),
/// x' = a + b tanh(w + d) and x_r = a + b tanh(w), Adam moves d from 0. The answer is the candidate
/// closest to the original x itself that meets the criterion. Each step of the search starts Adam
/// anew, and counts as a success if any candidate met the criterion; with the detector's term, if one
/// since the loss was last looked at did, a tenth of the steps ago: Adam may cross what both terms
/// allow on its way to where they do not hold, and larger constants, which would end there, would
/// never be tried. The norm is that of pixels scaled to \[0, 1\].
///
/// Source: Carlini and Wagner, S&P 2017; order of operations as in Foolbox 3.3.4. For the detector's
/// term: section 4.3, after Carlini and Wagner, AISec 2017.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct CarliniWagner {
    /// Steps of the search over c.
    pub binary_search_steps: u64,
    /// Most steps of Adam for each c.
    pub steps: u64,
    /// Adam's, in tanh space.
    pub stepsize: f64,
    /// Nats by which the classifier is to be fooled.
    pub confidence: f64,
    /// The first c.
    pub initial_const: f64,
    /// Whether Adam stops where the loss did not fall within a tenth of the steps.
    pub abort_early: bool,
    /// What the detector's term weighs, of an attack that is to evade it.
    pub detector: Option<DetectorWeight>,
    /// Bisections of the line between original and answer.
    pub refine: u32,
}

/// c', the constant of the detector's term.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DetectorWeight {
    /// c itself. Source: Carlini and Wagner's code for detectors of density.
    Shared,
    /// One with a search of its own. Where no candidate met the criterion, c grows if none fooled,
    /// else c'. Needs more steps of the search than a shared one.
    Separate {
        /// The first c'.
        initial_const: f64,
    },
    /// Always the same.
    Fixed {
        /// c'.
        constant: f64,
    },
}

impl Default for CarliniWagner {
    /// Foolbox's parameters, and 20 bisections.
    fn default() -> Self {
        Self { refine: 20, ..Self::foolbox() }
    }
}

impl CarliniWagner {
    /// Foolbox 3.3.4, rule by rule: nine search steps of 10,000, step size 0.01, c from 0.001, early
    /// abort, no bisection.
    ///
    /// Foolbox stops Adam for a whole batch, when the *sum* of its losses no longer falls; a sample
    /// then depends on its neighbours. Here it stops for each sample, which is what Foolbox does of
    /// a batch of one.
    pub fn foolbox() -> Self {
        Self {
            binary_search_steps: 9,
            steps: 10_000,
            stepsize: 1e-2,
            confidence: 0.0,
            initial_const: 1e-3,
            abort_early: true,
            detector: None,
            refine: 0,
        }
    }
}

impl Attack for CarliniWagner {
    type Search<'a> = CarliniWagnerSearch<'a>;

    const USES_GRADIENT: bool = true;

    fn minds_detector(&self) -> bool {
        self.detector.is_some()
    }

    fn check(&self, scene: &Scene<'_>, subjects: &Subjects) -> Result<()> {
        require_positive("stepsize", self.stepsize)?;
        require_positive("initial_const", self.initial_const)?;
        require_confidence(self.confidence)?;
        match self.detector {
            Some(DetectorWeight::Separate { initial_const: constant })
            | Some(DetectorWeight::Fixed { constant }) => {
                require_positive("the detector term's constant", constant)?;
            }
            Some(DetectorWeight::Shared) | None => {}
        }
        if self.steps == 0 || self.binary_search_steps == 0 {
            return Err(Error::setting("steps, binary_search_steps", "must be at least 1"));
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
        let (low, high) = scene.bounds();
        let (middle, half) = ((low + high) / 2.0, (high - low) / 2.0);
        let start = subject.x.iter().map(|x| (SHRINK * ((x - middle) / half)).atanh());
        let start: Vec<f32> = start.collect();
        let reconstruction = start.iter().map(|w| middle + half * tanh(*w)).collect();
        let pixels = subject.x.len();
        let (goal, minds) = (subject.goal, self.minds_detector());
        let detector_constant = match self.detector {
            Some(DetectorWeight::Separate { initial_const: constant })
            | Some(DetectorWeight::Fixed { constant }) => constant,
            Some(DetectorWeight::Shared) | None => self.initial_const,
        };
        CarliniWagnerSearch {
            attack: self,
            scene,
            original: subject.x,
            descent: Descent::new(scene, goal, self.confidence, minds, log_prob),
            middle,
            half,
            start,
            reconstruction,
            delta: vec![0.0; pixels],
            tanh: vec![0.0; pixels],
            gradient: vec![0.0; pixels],
            adam: Adam::new(pixels, self.stepsize),
            margin_constant: Constant::new(self.initial_const),
            detector_constant: Constant::new(detector_constant),
            search_step: 0,
            step: 0,
            total: 0,
            last_checked: f64::INFINITY,
            was_flat: false,
            found: Found::default(),
            best: Best::default(),
            fooling: Best::default(),
            refine: None,
        }
    }
}

/// What the candidates of one search step did, any of those that count.
#[derive(Debug, Clone, Copy, Default)]
struct Found {
    fooled: bool,
    met: bool,
}

/// [`CarliniWagner`] on one sample.
pub struct CarliniWagnerSearch<'a> {
    attack: &'a CarliniWagner,
    scene: &'a Scene<'a>,
    original: &'a [f32],
    descent: Descent<'a>,
    middle: f32,
    half: f32,
    start: Vec<f32>,
    reconstruction: Vec<f32>,
    delta: Vec<f32>,
    tanh: Vec<f32>,
    gradient: Vec<f32>,
    adam: Adam,
    margin_constant: Constant,
    detector_constant: Constant,
    search_step: u64,
    step: u64,
    total: u64,
    last_checked: f64,
    /// Whether no term of the model was left at the last point. The next one is then asked without a
    /// gradient, at a third of the cost, and again with one if that was a mistake.
    was_flat: bool,
    found: Found,
    best: Best,
    fooling: Best,
    refine: Option<Refine>,
}

impl CarliniWagnerSearch<'_> {
    /// c and c', in the float32 of the loss.
    fn constants(&self) -> (f64, f64) {
        let single = |constant: Constant| f64::from(constant.value as f32);
        match self.attack.detector {
            None => (single(self.margin_constant), 0.0),
            Some(DetectorWeight::Shared) => {
                (single(self.margin_constant), single(self.margin_constant))
            }
            Some(DetectorWeight::Separate { .. } | DetectorWeight::Fixed { .. }) => {
                (single(self.margin_constant), single(self.detector_constant))
            }
        }
    }

    fn descend(&mut self, answer: &Answer<'_>) -> ControlFlow<Stop> {
        let Some(reading) = self.descent.read(answer.log_prob) else {
            return self.end_search_step();
        };
        let is_flat = reading.hinge == 0.0 && reading.shortfall == 0.0;
        if answer.gradient.is_empty() && !is_flat {
            self.was_flat = false;
            return ControlFlow::Continue(()); // asked again, with a gradient
        }
        self.was_flat = is_flat;
        let (c, c_detector) = self.constants();
        let Some(factor) = self.descent.factor(&reading, answer.log_prob, c, c_detector) else {
            return ControlFlow::Continue(()); // asked again, with the right cotangent
        };
        let shift = norm_of_difference(answer.x, &self.reconstruction) / self.scene.scale();
        let loss = c * reading.hinge + c_detector * reading.shortfall + shift * shift;
        if !self.advance(answer, factor) || !loss.is_finite() {
            return self.end_search_step();
        }
        self.total += 1;
        if self.is_stuck(loss) {
            return self.end_search_step();
        }
        self.note(&reading, answer);
        self.step += 1;
        match self.step == self.attack.steps {
            true => self.end_search_step(),
            false => ControlFlow::Continue(()),
        }
    }

    /// Adam's step; whether the gradient was finite.
    fn advance(&mut self, answer: &Answer<'_>, factor: f64) -> bool {
        let scale = self.scene.scale() as f32;
        let (factor, pull) = (factor as f32, 2.0 / (scale * scale));
        let shifts = answer.x.iter().zip(&self.reconstruction);
        for (out, (x, from)) in self.gradient.iter_mut().zip(shifts) {
            *out = pull * (x - from);
        }
        // A factor of 0 is no term, whatever gradient was asked for.
        if factor != 0.0 {
            let slopes = self.gradient.iter_mut().zip(answer.gradient);
            slopes.for_each(|(out, slope)| *out += factor * slope);
        }
        for (out, tanh) in self.gradient.iter_mut().zip(&self.tanh) {
            *out = *out * self.half * (1.0 - tanh * tanh);
        }
        let finite = self.gradient.iter().all(|slope| slope.is_finite());
        if finite {
            self.adam.step(&mut self.delta, &self.gradient);
        }
        finite
    }

    /// Whether the loss has not fallen since it was last looked at, a tenth of the steps ago.
    fn is_stuck(&mut self, loss: f64) -> bool {
        if !self.step.is_multiple_of(self.attack.steps.div_ceil(10)) {
            return false;
        }
        let stuck = self.attack.abort_early && loss > PROGRESS * self.last_checked;
        self.last_checked = loss;
        if !stuck && self.descent.minds_detector() {
            self.found = Found::default();
        }
        stuck
    }

    /// Takes note of a candidate: the one before the step.
    fn note(&mut self, reading: &Reading, answer: &Answer<'_>) {
        self.found.fooled |= reading.fooled;
        self.found.met |= reading.met;
        if reading.fooled {
            let l2 = distance(self.scene, answer.x, self.original);
            if reading.met {
                self.best.offer(answer.x, l2, answer.evaluations);
            }
            if self.descent.minds_detector() {
                self.fooling.offer(answer.x, l2, answer.evaluations);
            }
        }
    }

    fn end_search_step(&mut self) -> ControlFlow<Stop> {
        self.update_constants();
        self.search_step += 1;
        if self.search_step == self.attack.binary_search_steps {
            return self.end_search();
        }
        let is_last = self.search_step + 1 == self.attack.binary_search_steps;
        if is_last && self.attack.binary_search_steps >= SETTLES_FROM {
            self.margin_constant.settle();
            if matches!(self.attack.detector, Some(DetectorWeight::Separate { .. })) {
                self.detector_constant.settle();
            }
        }
        self.delta.fill(0.0);
        self.adam.reset();
        self.was_flat = false;
        (self.step, self.last_checked, self.found) = (0, f64::INFINITY, Found::default());
        ControlFlow::Continue(())
    }

    fn update_constants(&mut self) {
        let Found { fooled, met } = self.found;
        let is_separate = matches!(self.attack.detector, Some(DetectorWeight::Separate { .. }));
        if met || !fooled || !is_separate {
            self.margin_constant.update(met);
        }
        if is_separate && (met || fooled) {
            self.detector_constant.update(met);
        }
    }

    fn end_search(&mut self) -> ControlFlow<Stop> {
        match self.best.x().filter(|_| self.attack.refine > 0) {
            Some(answer) => {
                self.refine = Some(Refine::new(answer, self.attack.refine));
                ControlFlow::Continue(())
            }
            None => ControlFlow::Break(Stop::Exhausted),
        }
    }

    fn bisect(&mut self, refine: &mut Refine, answer: &Answer<'_>) -> ControlFlow<Stop> {
        let met = self.descent.read(answer.log_prob).is_some_and(|reading| reading.met);
        if met {
            let l2 = distance(self.scene, answer.x, self.original);
            self.best.offer(answer.x, l2, answer.evaluations);
        }
        match refine.tell(met) {
            true => ControlFlow::Break(Stop::Exhausted),
            false => ControlFlow::Continue(()),
        }
    }
}

impl Search for CarliniWagnerSearch<'_> {
    fn wants_gradient(&self) -> bool {
        self.refine.is_none() && !self.was_flat
    }

    fn ask(&mut self, x: &mut [f32], cotangent: &mut [f64]) {
        if let Some(refine) = &self.refine {
            return refine.ask(self.original, x);
        }
        self.descent.ask(cotangent);
        let points = self.start.iter().zip(&self.delta);
        for ((x, last), (start, delta)) in x.iter_mut().zip(&mut self.tanh).zip(points) {
            *last = tanh(start + delta);
            *x = self.middle + self.half * *last;
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
