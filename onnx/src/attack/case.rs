//! One sample under attack, from the original's densities to its outcome.

use std::ops::ControlFlow;

use super::{
    Answer, Attack, Best, Confident, Health, Judgement, Outcome, Queries, Scene, Search, Stop,
    Subject, Subjects, detector_term::threshold, distance, grid, probe::Probe,
};
use crate::{classify, model::ModelSpec};

/// Two values of one image that differ by more than this, relative to max(1, |value|), are not
/// rounding in float32: the model is not deterministic.
const REPEATABLE: f64 = 1e-6;

/// Share of the evaluations after which a distance that falls is still improving.
const LATE: f64 = 0.9;

/// What a sample waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    /// Densities.
    Values,
    /// A gradient of margins, and the differences between the classes' densities.
    Margins,
    /// Densities and a gradient.
    Gradient,
}

impl Asked {
    pub(super) const ALL: [Self; 3] = [Self::Values, Self::Margins, Self::Gradient];
}

/// Where a sample is on its way: what it is asked next.
enum Phase {
    /// Its original.
    Original,
    /// The same again, which must say the same.
    Repeat,
    /// Points that compare the gradient at the original with differences.
    Probe(Probe),
    /// What the search asks.
    Search,
    /// The search's answer, anew.
    Answer,
    /// The closest candidate that fools, flagged or not.
    Fooling,
    /// The answer on the 8-bit grid.
    Rounded(Vec<f32>),
    /// Nothing more.
    Done,
}

/// A sample under attack.
pub(super) struct Case<'a, A: Attack + 'a> {
    attack: &'a A,
    scene: &'a Scene<'a>,
    subject: Subject<'a>,
    noise: &'a [f32],
    phase: Phase,
    search: Option<A::Search<'a>>,
    /// Whether gradients are asked for with whole densities.
    whole: bool,
    log_prob: Vec<f64>,
    original: Option<Judgement>,
    adversarial: Option<Judgement>,
    fooling: Option<Judgement>,
    rounded: Option<Judgement>,
    queries: Queries,
    stop: Stop,
    health: Health,
    seen: Seen,
}

/// What the search has seen of the model.
#[derive(Default)]
struct Seen {
    margins: Option<(f64, f64)>,
    zero_gradients: u64,
    other_gradients: u64,
}

impl<'a, A: Attack + 'a> Case<'a, A> {
    pub(super) fn new(
        attack: &'a A,
        scene: &'a Scene<'a>,
        subjects: &'a Subjects,
        place: usize,
    ) -> Self {
        let column = |matrix: &'a nalgebra::DMatrix<f32>| {
            let rows = matrix.nrows();
            &matrix.as_slice()[place * rows..(place + 1) * rows]
        };
        Self {
            attack,
            scene,
            subject: Subject {
                index: subjects.indices[place],
                place,
                x: column(&subjects.batch.x),
                goal: subjects.goals[place],
            },
            noise: column(&subjects.batch.noise),
            phase: Phase::Original,
            search: None,
            whole: attack.minds_detector(),
            log_prob: vec![],
            original: None,
            adversarial: None,
            fooling: None,
            rounded: None,
            queries: Queries::default(),
            stop: Stop::Exhausted,
            health: Health::default(),
            seen: Seen::default(),
        }
    }

    pub(super) fn spec(&self) -> &ModelSpec {
        self.scene.spec
    }

    pub(super) fn noise(&self) -> &[f32] {
        self.noise
    }

    pub(super) fn is_done(&self) -> bool {
        matches!(self.phase, Phase::Done)
    }

    /// Whether it waits for this.
    pub(super) fn is_waiting_for(&self, asked: Asked) -> bool {
        let gradient = match &self.phase {
            Phase::Done => return false,
            Phase::Search => self.searching().wants_gradient(),
            Phase::Probe(probe) => probe.wants_gradient(),
            _ => false,
        };
        asked
            == match gradient {
                true if self.whole => Asked::Gradient,
                true => Asked::Margins,
                false => Asked::Values,
            }
    }

    pub(super) fn ask(&mut self, x: &mut [f32], cotangent: &mut [f64]) {
        match &mut self.phase {
            Phase::Original | Phase::Repeat => x.copy_from_slice(self.subject.x),
            Phase::Probe(probe) => probe.ask(x, cotangent),
            Phase::Search => {
                let search = self.search.as_mut().expect("a search is under way");
                search.ask(x, cotangent);
            }
            Phase::Answer => x.copy_from_slice(self.answer().expect("there is an answer")),
            Phase::Fooling => x.copy_from_slice(self.fooled().expect("something fooled")),
            Phase::Rounded(rounded) => x.copy_from_slice(rounded),
            Phase::Done => unreachable!("nothing is asked of an outcome"),
        }
    }

    /// Takes the densities of the point it asked for; `slopes` are cotangent and gradient.
    pub(super) fn tell(&mut self, x: &[f32], log_prob: &[f64], slopes: Option<(&[f64], &[f32])>) {
        let (cotangent, gradient) = slopes.unwrap_or_default();
        match &mut self.phase {
            Phase::Original => self.begin(log_prob),
            Phase::Repeat => self.repeat(log_prob),
            Phase::Probe(probe) => {
                if let Some(verdict) = probe.tell(x, log_prob, gradient) {
                    self.health.gradient_check_failed = !verdict;
                    self.phase = Phase::Search;
                }
            }
            Phase::Search => self.step(x, log_prob, cotangent, gradient),
            Phase::Answer => {
                self.adversarial = Some(self.judge(x, log_prob));
                self.after_answer(log_prob);
            }
            Phase::Fooling => {
                self.fooling = Some(self.judge(x, log_prob));
                self.after_fooling();
            }
            Phase::Rounded(_) => {
                self.rounded = Some(self.judge(x, log_prob));
                self.phase = Phase::Done;
            }
            Phase::Done => unreachable!("nothing was asked"),
        }
    }

    fn begin(&mut self, log_prob: &[f64]) {
        self.log_prob = log_prob.to_vec();
        self.original = Some(self.judge(self.subject.x, log_prob));
        self.phase = Phase::Repeat;
    }

    fn repeat(&mut self, log_prob: &[f64]) {
        let repeats = |(a, b): (&f64, &f64)| {
            a == b || a.is_nan() && b.is_nan() || (a - b).abs() <= REPEATABLE * a.abs().max(1.0)
        };
        self.health.non_deterministic = !self.log_prob.iter().zip(log_prob).all(repeats);
        let prior = self.scene.ln_prior;
        if classify::predict(prior, &self.log_prob).is_none() {
            return self.end(Stop::NoDensity);
        }
        if self.is_met(&self.log_prob) {
            self.adversarial.clone_from(&self.original);
            self.fooling.clone_from(&self.original);
            self.rounded.clone_from(&self.original);
            return self.end(Stop::AlreadyMet);
        }
        self.search = Some(self.attack.search(self.scene, self.subject, &self.log_prob));
        self.phase = match A::USES_GRADIENT {
            true => Phase::Probe(Probe::new(self.scene, self.subject, &self.log_prob)),
            false => Phase::Search,
        };
    }

    fn step(&mut self, x: &[f32], log_prob: &[f64], cotangent: &[f64], gradient: &[f32]) {
        if gradient.is_empty() {
            self.queries.forward += 1;
        } else {
            self.queries.gradient += 1;
            self.health.non_finite |= !log_prob.iter().all(|value| value.is_finite())
                || !gradient.iter().all(|slope| slope.is_finite());
            self.seen.gradient(cotangent, gradient);
        }
        let margin = self.subject.goal.margin(self.scene.ln_prior, log_prob);
        self.seen.margin(margin.map(|margin| margin.nats));
        let evaluations = self.queries.total();
        let answer = Answer { x, log_prob, cotangent, gradient, evaluations };
        let search = self.search.as_mut().expect("a search is under way");
        if let ControlFlow::Break(stop) = search.tell(&answer) {
            self.stop = stop;
            self.health.lost_start = stop == Stop::NoStart;
            self.phase = match (self.answer(), self.fooled()) {
                (Some(_), _) => Phase::Answer,
                (None, Some(_)) => Phase::Fooling,
                (None, None) => Phase::Done,
            };
        }
    }

    fn after_answer(&mut self, log_prob: &[f64]) {
        let is_met = self.is_met(log_prob);
        if A::USES_GRADIENT && !is_met && !self.whole {
            return self.search_again();
        }
        self.health.non_deterministic |= !is_met;
        self.phase = match self.searching().fooling() {
            Some(fooling) if fooling.x().is_some() => Phase::Fooling,
            _ => {
                self.fooling.clone_from(&self.adversarial);
                self.rounding()
            }
        };
    }

    /// With whole densities, after margins have led to what they do not confirm: a point without density,
    /// or one whose margin rounding decides.
    fn search_again(&mut self) {
        self.whole = true;
        self.adversarial = None;
        self.search = Some(self.attack.search(self.scene, self.subject, &self.log_prob));
        self.phase = Phase::Search;
    }

    fn after_fooling(&mut self) {
        self.phase = if self.adversarial.is_some() { self.rounding() } else { Phase::Done };
    }

    fn rounding(&self) -> Phase {
        let answer = self.answer().expect("there is an answer");
        Phase::Rounded(grid::round(self.scene.spec, self.subject.x, answer))
    }

    fn end(&mut self, stop: Stop) {
        self.stop = stop;
        self.phase = Phase::Done;
    }

    fn searching(&self) -> &A::Search<'a> {
        self.search.as_ref().expect("a search is under way")
    }

    fn answer(&self) -> Option<&[f32]> {
        self.search.as_ref().and_then(|search| search.best().x())
    }

    fn fooled(&self) -> Option<&[f32]> {
        self.search.as_ref().and_then(Search::fooling).and_then(Best::x)
    }

    fn is_met(&self, log_prob: &[f64]) -> bool {
        let criterion = Confident { goal: self.subject.goal, confidence: 0.0 };
        self.scene.is_met(criterion, self.attack.minds_detector(), log_prob)
    }

    fn judge(&self, x: &[f32], log_prob: &[f64]) -> Judgement {
        let l2 = distance(self.scene, x, self.subject.x);
        Judgement::new(self.scene, self.subject.goal, l2, log_prob)
    }

    pub(super) fn outcome(mut self) -> Outcome {
        let (evaluations, exhausted) = (self.queries.total(), self.stop == Stop::Exhausted);
        let trace = self.search.as_ref().map_or(&[][..], |search| search.best().trace());
        let late = |(at, _): &(u64, f64)| *at as f64 > LATE * evaluations as f64;
        self.health.still_improving = exhausted && trace.last().is_some_and(late);
        self.seen.report(&mut self.health);
        let predicted = self.adversarial.as_ref().and_then(|answer| answer.predicted);
        let image = match self.stop {
            Stop::AlreadyMet => Some(self.subject.x),
            _ => self.answer(),
        };
        Outcome {
            index: self.subject.index,
            goal: self.subject.goal,
            threshold: self.scene.detector.and_then(|detector| threshold(detector, predicted)),
            queries: self.queries,
            steps: self.search.as_ref().map_or(0, Search::steps),
            stop: self.stop,
            health: self.health,
            trace: trace.to_vec(),
            image: image.map(<[f32]>::to_vec),
            original: self.original.expect("evaluated first"),
            adversarial: self.adversarial,
            fooling: self.fooling,
            rounded: self.rounded,
        }
    }
}

impl Seen {
    fn gradient(&mut self, cotangent: &[f64], gradient: &[f32]) {
        if cotangent.iter().any(|weight| *weight != 0.0) {
            match gradient.iter().all(|slope| *slope == 0.0) {
                true => self.zero_gradients += 1,
                false => self.other_gradients += 1,
            }
        }
    }

    fn margin(&mut self, margin: Option<f64>) {
        if let Some(margin) = margin {
            let (low, high) = self.margins.unwrap_or((margin, margin));
            self.margins = Some((low.min(margin), high.max(margin)));
        }
    }

    fn report(&self, health: &mut Health) {
        health.zero_gradient = self.zero_gradients > 0 && self.other_gradients == 0;
        health.flat_objective = self.margins.is_some_and(|(low, high)| low == high);
    }
}
