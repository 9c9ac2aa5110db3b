//! The Boundary attack.

use std::ops::ControlFlow;

use rand_chacha::ChaCha8Rng;
use undetected_theory::{Streams, fill_normal};

use super::{
    Answer, Attack, Best, Confident, Scene, Search, Start, Stop, Subject, Subjects,
    best::{dot_difference, norm, norm_of_difference},
    check_range, distance,
    guidance::Guide,
    require_positive,
    start::{Starting, Tried},
    step_sizes::StepSizes,
};
use crate::error::{Error, Result};

/// Walks along the border of what meets the criterion, towards the original; sees decisions alone.
///
/// With o the original, p the closest candidate so far, r = ‖o - p‖, u = (o - p)/r, each step:
///
/// 1. e is a standard normal vector without its part along u, scaled to length
///    `spherical_step` r; s = o + (e - (o - p))/√(1 + `spherical_step`²) is back on the sphere
///    around o, up to being put into the pixel range;
/// 2. the candidate is s moved towards o by max(0, `source_step` r + ‖o - s‖ - r), put into the range;
/// 3. it replaces p if it meets the criterion and is closer;
/// 4. every `update_stats_every_k`-th step asks for s as well, and step sizes adapt.
///
/// Source: Brendel, Rauber and Bethge, ICLR 2018, as in Foolbox 3.3.4, except that every sample has
/// random numbers of its own: Foolbox draws one e for the whole batch.
#[derive(Debug, Clone, PartialEq)]
pub struct Boundary {
    /// Most steps.
    pub steps: u64,
    /// First step on the sphere, relative to the distance.
    pub spherical_step: f64,
    /// First step towards the original, relative to the distance.
    pub source_step: f64,
    /// The attack has converged when the source step is below this.
    pub source_step_convergence: f64,
    /// Factor by which steps grow and shrink.
    pub step_adaptation: f64,
    /// Steps from one look at the spherical candidate to the next.
    pub update_stats_every_k: u64,
    /// Where it starts.
    pub start: Start,
    /// Whether candidates must be accepted by the detector: the decision is then one of C + 1
    /// classes (section 4.3).
    pub evade_detector: bool,
    /// Whether directions are learned from earlier steps.
    pub guidance: Option<Guidance>,
}

/// How much of what earlier steps taught goes into the next: every other step's e is
/// share g + √(1 - share²) e/‖e‖, with g the unit vector along the mean of earlier random directions,
/// each weighed by whether its candidate was taken.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Guidance {
    /// The largest share, from 0 to below 1; it falls where guided steps are taken less often.
    pub share: f64,
    /// Steps that are remembered, as a multiple of the number of pixels.
    pub memory: f64,
}

impl Boundary {
    /// Foolbox 3.3.4's parameters, with its start by default.
    pub fn foolbox() -> Self {
        Self {
            steps: 25_000,
            spherical_step: 1e-2,
            source_step: 1e-2,
            source_step_convergence: 1e-7,
            step_adaptation: 1.5,
            update_stats_every_k: 10,
            start: Start::Blended { tries: 1000, steps: 50 },
            evade_detector: false,
            guidance: None,
        }
    }

    /// The same with directions learned from earlier steps, longer first steps, and more looks at how
    /// long they should be: the same queries bring it closer.
    pub fn guided() -> Self {
        Self {
            spherical_step: 3e-2,
            source_step: 3e-2,
            update_stats_every_k: 4,
            guidance: Some(Guidance { share: 0.5, memory: 0.2 }),
            ..Self::foolbox()
        }
    }
}

impl Attack for Boundary {
    type Search<'a> = BoundarySearch<'a>;

    const USES_GRADIENT: bool = false;

    fn minds_detector(&self) -> bool {
        self.evade_detector
    }

    fn check(&self, scene: &Scene<'_>, subjects: &Subjects) -> Result<()> {
        require_positive("spherical_step", self.spherical_step)?;
        require_positive("source_step", self.source_step)?;
        require_positive("step_adaptation", self.step_adaptation)?;
        if self.source_step_convergence.is_nan() || self.source_step_convergence < 0.0 {
            let name = format!("source_step_convergence {}", self.source_step_convergence);
            return Err(Error::setting(name, "must be 0 or more"));
        }
        if self.update_stats_every_k == 0 {
            return Err(Error::setting("update_stats_every_k 0", "must be at least 1"));
        }
        if let Some(Guidance { share, memory }) = self.guidance {
            require_positive("guidance memory", memory)?;
            if !(0.0..1.0).contains(&share) {
                return Err(Error::setting(
                    format!("guidance share {share}"),
                    "must lie in [0, 1)",
                ));
            }
        }
        self.start.check(scene, subjects)?;
        check_range(scene, subjects)
    }

    fn search<'a>(
        &'a self,
        scene: &'a Scene<'a>,
        subject: Subject<'a>,
        _log_prob: &[f64],
    ) -> Self::Search<'a> {
        let pixels = subject.x.len();
        BoundarySearch {
            attack: self,
            scene,
            original: subject.x,
            criterion: Confident { goal: subject.goal, confidence: 0.0 },
            stream: Streams::new(scene.seed, "boundary-walk").get(subject.index),
            sizes: StepSizes::new(self.spherical_step, self.source_step, self.step_adaptation),
            next: Next::Start(Box::new(Starting::new(&self.start, scene, &subject))),
            guide: self.guidance.map(|Guidance { share, memory }| {
                Guide::new(pixels, share, (memory * pixels as f64).max(1.0))
            }),
            noise: vec![0.0; pixels],
            spherical: vec![0.0; pixels],
            step: 0,
            best: Best::default(),
        }
    }
}

/// What is asked next.
enum Next<'a> {
    /// A candidate for a start.
    Start(Box<Starting<'a>>),
    /// The candidate of a step.
    Candidate,
    /// The point on the sphere that the candidate of this step came from; with what became of that.
    Spherical { step_met: bool },
}

/// [`Boundary`] on one sample.
pub struct BoundarySearch<'a> {
    attack: &'a Boundary,
    scene: &'a Scene<'a>,
    original: &'a [f32],
    criterion: Confident,
    stream: ChaCha8Rng,
    sizes: StepSizes,
    next: Next<'a>,
    guide: Option<Guide>,
    noise: Vec<f64>,
    spherical: Vec<f32>,
    step: u64,
    best: Best,
}

impl BoundarySearch<'_> {
    /// Draws the spherical point and writes the candidate.
    fn propose(&mut self, x: &mut [f32]) {
        let (low, high) = self.scene.bounds();
        let best = self.best.x().expect("a walk has a start");
        let r = norm_of_difference(self.original, best);
        fill_normal(&mut self.stream, &mut self.noise);
        let along = dot_difference(&self.noise, self.original, best) / (r * r);
        for (e, (o, p)) in self.noise.iter_mut().zip(self.original.iter().zip(best)) {
            *e -= along * (f64::from(*o) - f64::from(*p));
        }
        if let Some(guide) = &mut self.guide {
            guide.mix(&mut self.noise, self.original, best, r);
        }
        let length = self.sizes.spherical * r / norm(&self.noise);
        let shrink = 1.0 / (1.0 + self.sizes.spherical.powi(2)).sqrt();
        let points = self.noise.iter().zip(self.original).zip(best);
        for (s, ((e, o), p)) in self.spherical.iter_mut().zip(points) {
            let (o, p) = (f64::from(*o), f64::from(*p));
            *s = ((o + (length * e - (o - p)) * shrink) as f32).clamp(low, high);
        }
        let n = norm_of_difference(self.original, &self.spherical);
        let share = (self.sizes.source * r + n - r).max(0.0) / n;
        for ((x, s), o) in x.iter_mut().zip(&self.spherical).zip(self.original) {
            let (s, o) = (f64::from(*s), f64::from(*o));
            *x = ((s + share * (o - s)) as f32).clamp(low, high);
        }
    }

    fn try_start(&mut self, answer: &Answer<'_>, met: bool) -> ControlFlow<Stop> {
        let Next::Start(starting) = &mut self.next else { unreachable!("a start was asked for") };
        match starting.tell(met) {
            Tried::Next => ControlFlow::Continue(()),
            Tried::Lost => ControlFlow::Break(Stop::NoStart),
            Tried::Found => {
                let l2 = distance(self.scene, answer.x, self.original);
                self.best.offer(answer.x, l2, answer.evaluations);
                self.go_on()
            }
        }
    }

    fn try_candidate(&mut self, answer: &Answer<'_>, met: bool) -> ControlFlow<Stop> {
        self.step += 1;
        let l2 = distance(self.scene, answer.x, self.original);
        let taken = met && self.best.offer(answer.x, l2, answer.evaluations);
        if let Some(guide) = &mut self.guide {
            guide.learn(taken);
        }
        if self.step.is_multiple_of(self.attack.update_stats_every_k) {
            self.next = Next::Spherical { step_met: met };
            return ControlFlow::Continue(());
        }
        self.go_on()
    }

    /// To the next step, if there is one.
    fn go_on(&mut self) -> ControlFlow<Stop> {
        if self.sizes.source < self.attack.source_step_convergence {
            return ControlFlow::Break(Stop::Converged);
        }
        if self.step == self.attack.steps {
            return ControlFlow::Break(Stop::Exhausted);
        }
        self.next = Next::Candidate;
        ControlFlow::Continue(())
    }
}

impl Search for BoundarySearch<'_> {
    fn wants_gradient(&self) -> bool {
        false
    }

    fn ask(&mut self, x: &mut [f32], _cotangent: &mut [f64]) {
        match &self.next {
            Next::Start(starting) => starting.ask(self.original, x),
            Next::Candidate => self.propose(x),
            Next::Spherical { .. } => x.copy_from_slice(&self.spherical),
        }
    }

    fn tell(&mut self, answer: &Answer<'_>) -> ControlFlow<Stop> {
        let met = self.scene.is_met(self.criterion, self.attack.evade_detector, answer.log_prob);
        match self.next {
            Next::Start(_) => self.try_start(answer, met),
            Next::Candidate => self.try_candidate(answer, met),
            Next::Spherical { step_met } => {
                self.sizes.update(met, step_met);
                self.go_on()
            }
        }
    }

    fn best(&self) -> &Best {
        &self.best
    }

    fn fooling(&self) -> Option<&Best> {
        None
    }

    fn steps(&self) -> u64 {
        self.step
    }
}
