//! Attacks on models whose optimum is known.

mod common;

use approx::assert_relative_eq;
use common::shipped;
use nalgebra::DMatrix;
use rand::RngExt;
use undetected_onnx::{
    Result,
    attack::{
        Attack, Boundary, CarliniWagner, DetectorWeight, Goal, Health, Outcome, Pool,
        ProjectedGradient, Settings, Start, Stop, Subjects, Summary, excess, run,
        run_without_gradient,
    },
    classify,
    contract::Overrides,
    detect::{Statistic, ThresholdDetector, Thresholds},
    engine::{EngineChoice, EngineOptions},
    gaussian::GaussianModel,
    gradient::{DifferentiableCheckpoint, GradientOptions},
    model::{Batch, ConditionalModel, Differentiable, ModelSpec},
};
use undetected_theory::Streams;

/// Answers are never closer than the optimum but for the rounding of densities: margins of 1e4 nats
/// in f64, over a slope of 1 nat a unit at least.
const ROUNDING: f64 = 1e-9;

/// A linear classifier with its samples and how far each is from the border.
struct Linear {
    model: GaussianModel,
    means: DMatrix<f64>,
    subjects: Subjects,
    optima: Vec<f64>,
}

/// Two classes whose means lie 0.8 to 1.6 apart around the middle of the range; samples around the
/// means, of their class. The nearest misclassified point lies inside the range, so the distance to
/// the hyperplane is the optimum.
fn linear(dim: usize, samples: usize) -> Linear {
    let mut stream = Streams::new(1, "linear test").get(dim as u64);
    let mut direction = DMatrix::from_fn(dim, 1, |_, _| stream.random::<f64>() - 0.5);
    direction /= direction.norm();
    let half = 0.3;
    let means = DMatrix::from_fn(dim, 2, |pixel, class| {
        0.5 + if class == 0 { half } else { -half } * direction[pixel]
    });
    let spread = 0.2 / (dim as f64).sqrt();
    let x = DMatrix::from_fn(dim, samples, |pixel, sample| {
        let noise = spread * (stream.random::<f64>() - 0.5);
        (means[(pixel, sample % 2)] + noise) as f32
    });
    let optima = (0..samples).map(|sample| {
        let from_middle = x.column(sample).map(|x| f64::from(x) - 0.5);
        from_middle.dot(&direction.column(0)).abs()
    });
    let optima = optima.collect();
    let subjects = Subjects {
        batch: Batch { x, noise: DMatrix::zeros(0, samples) },
        indices: (0..samples as u64).collect(),
        goals: (0..samples).map(|sample| Goal::Misclassified { label: sample % 2 }).collect(),
    };
    Linear { model: GaussianModel::new(means.clone(), 0.2), means, subjects, optima }
}

fn settings(batch_size: usize) -> Settings {
    Settings { batch_size, fixed_shape: false, seed: 0 }
}

/// Runs an attack; outcomes in the order of the samples.
fn attack<A: Attack>(
    attack: &A,
    model: &mut dyn Differentiable,
    subjects: &Subjects,
    detector: Option<&ThresholdDetector>,
    settings: &Settings,
) -> Vec<Outcome> {
    let mut outcomes = vec![];
    let mut sink = |outcome| {
        outcomes.push(outcome);
        Ok(())
    };
    run(attack, model, subjects, detector, settings, &mut sink).unwrap();
    outcomes.sort_by_key(|outcome| outcome.index);
    outcomes
}

/// One of several samples.
fn single(subjects: &Subjects, sample: usize) -> Subjects {
    Subjects {
        batch: Batch {
            x: subjects.batch.x.columns(sample, 1).into_owned(),
            noise: subjects.batch.noise.columns(sample, 1).into_owned(),
        },
        indices: vec![subjects.indices[sample]],
        goals: vec![subjects.goals[sample]],
    }
}

fn assert_close(linear: &Linear, outcomes: &[Outcome], within: f64) {
    assert_eq!(outcomes.len(), linear.optima.len());
    for (outcome, optimum) in outcomes.iter().zip(&linear.optima) {
        let answer = outcome.adversarial.as_ref().expect("an answer");
        let excess = answer.l2 / optimum - 1.0;
        assert!(answer.fooled && excess > -ROUNDING && excess < within, "{excess}: {outcome:?}");
    }
}

fn at_least_as_likely(statistic: Statistic, threshold: f64) -> ThresholdDetector {
    ThresholdDetector::fixed(statistic, Thresholds::Common(threshold)).unwrap()
}

/// The ball of radius epsilon holds an adversarial example exactly if epsilon exceeds the optimum.
#[test]
fn projected_gradient_succeeds_exactly_beyond_the_optimum() {
    for dim in [2, 100, 3072] {
        let mut linear = linear(dim, 8);
        for sample in 0..8 {
            let one = single(&linear.subjects, sample);
            for (factor, expected) in [(0.999, Stop::Exhausted), (1.001, Stop::Found)] {
                let epsilon = factor * linear.optima[sample];
                let method = ProjectedGradient { restarts: 2, ..ProjectedGradient::new(epsilon) };
                let outcomes = attack(&method, &mut linear.model, &one, None, &settings(1));
                assert_eq!(outcomes[0].stop, expected, "{dim}, {factor}");
                assert_eq!(
                    outcomes[0].is_fooled_within(epsilon),
                    expected == Stop::Found,
                    "{epsilon} {:?}",
                    outcomes[0]
                );
            }
        }
        // A generous ball, and the border of the line that leads out of it.
        let method = ProjectedGradient { refine: 20, ..ProjectedGradient::new(1.0) };
        let outcomes = attack(&method, &mut linear.model, &linear.subjects, None, &settings(3));
        assert_close(&linear, &outcomes, 0.001);
    }
}

/// A thousand steps for each constant are enough.
#[test]
fn carlini_wagner_finds_the_optimum() {
    for dim in [2, 100, 3072] {
        let mut linear = linear(dim, 8);
        let method = CarliniWagner { steps: 1000, ..CarliniWagner::default() };
        let outcomes = attack(&method, &mut linear.model, &linear.subjects, None, &settings(8));
        assert_close(&linear, &outcomes, 0.01);
        assert!(outcomes.iter().all(|outcome| outcome.health == Health::default()));
    }
}

/// Foolbox's own rules: full budget, no bisection.
#[test]
fn carlini_wagner_with_foolbox_rules() {
    for (dim, samples) in [(2, 4), (100, 4), (3072, 1)] {
        let mut linear = linear(dim, samples);
        let method = CarliniWagner::foolbox();
        let outcomes = attack(&method, &mut linear.model, &linear.subjects, None, &settings(8));
        assert_close(&linear, &outcomes, 0.01);
    }
}

/// Targeted at one of three collinear classes, beyond the next one: the nearest point of the far
/// class lies behind the border between the other two.
#[test]
fn a_target_behind_another_class() {
    let means = DMatrix::from_row_slice(2, 3, &[0.2, 0.5, 0.8, 0.5, 0.5, 0.5]);
    let mut model = GaussianModel::new(means, 0.1);
    let subjects = Subjects {
        batch: Batch { x: DMatrix::from_vec(2, 1, vec![0.2, 0.45]), noise: DMatrix::zeros(0, 1) },
        indices: vec![0],
        goals: vec![Goal::Targeted { class: 2 }],
    };
    let optimum = 0.65 - 0.2;
    let carlini = CarliniWagner { steps: 1000, ..CarliniWagner::default() };
    let boundary = Boundary { steps: 3000, ..Boundary::foolbox() };
    for outcome in [
        attack(&carlini, &mut model, &subjects, None, &settings(1)).remove(0),
        attack(&boundary, &mut model, &subjects, None, &settings(1)).remove(0),
    ] {
        let excess = outcome.fooled_l2().unwrap() / optimum - 1.0;
        // The optimum is exact to the float32 of the original.
        assert!(excess > -1e-6 && excess < 0.01, "{excess}");
        assert_eq!(outcome.adversarial.unwrap().predicted, Some(2));
    }
}

/// A confident answer leads by the confidence, where the linear margin is known.
#[test]
fn confidence_is_a_distance_beyond_the_border() {
    let mut linear = linear(100, 4);
    let confidence = 3.0;
    let method = CarliniWagner { steps: 1000, confidence, ..CarliniWagner::default() };
    let outcomes = attack(&method, &mut linear.model, &linear.subjects, None, &settings(4));
    // The margin falls by |mean_0 - mean_1|/sigma² = 0.6/0.04 nats a unit.
    let beyond = confidence / 15.0;
    linear.optima.iter_mut().for_each(|optimum| *optimum += beyond);
    assert_close(&linear, &outcomes, 0.01);
    assert!(
        outcomes.iter().all(|o| o.adversarial.as_ref().unwrap().margin.unwrap() <= -confidence)
    );
}

/// Stated budgets: Foolbox's 25,000 steps in 2 and 100 dimensions, 40,000 in 3072.
#[test]
fn boundary_finds_the_optimum() {
    let cases = [(2, 8, 5000, 0.02), (100, 8, 25_000, 0.02), (3072, 1, 40_000, 0.05)];
    for (dim, samples, steps, within) in cases {
        let mut linear = linear(dim, samples);
        let method = Boundary { steps, ..Boundary::foolbox() };
        let outcomes = attack(&method, &mut linear.model, &linear.subjects, None, &settings(8));
        assert_close(&linear, &outcomes, within);
    }
}

/// What earlier steps teach brings it closer with the same evaluations, and as close in the end.
#[test]
fn guidance_saves_evaluations() {
    let mut linear = linear(400, 5);
    let mut run =
        |method: Boundary| attack(&method, &mut linear.model, &linear.subjects, None, &settings(5));
    let plain = run(Boundary { steps: 2000, ..Boundary::foolbox() });
    let guided = run(Boundary::guided());
    let median = |outcomes| excess(outcomes, &linear.optima, &[1000])[0].median.unwrap();
    assert!(median(&guided) < median(&plain) / 2.0, "{} {}", median(&guided), median(&plain));
    assert_close(&linear, &guided, 0.02);
}

/// A detector that accepts the border only close to the line between the means, and samples off that
/// line: the optimum lies off the shortest way.
struct Constrained {
    linear: Linear,
    detector: ThresholdDetector,
}

const SIGMA: f64 = 0.2;
const HALF: f64 = 0.3;

/// log p at a along the axis and t off it, but for the normaliser: -t²/2 sigma² + ln of the mixture.
fn relative_log_p(a: f64, t: f64) -> f64 {
    let part = |mean: f64| 0.5 * (-(a - mean).powi(2) / (2.0 * SIGMA * SIGMA)).exp();
    -t * t / (2.0 * SIGMA * SIGMA) + (part(HALF) + part(-HALF)).ln()
}

/// The nearest (a <= 0, t) to (a0, t0) with log p >= `threshold`, on a fine grid of a.
fn constrained_optimum(a0: f64, t0: f64, threshold: f64) -> f64 {
    let distance = |i: i32| {
        let a = -f64::from(i) * 1e-5;
        let room = 2.0 * SIGMA * SIGMA * (relative_log_p(a, 0.0) - threshold);
        (room >= 0.0).then(|| (a0 - a).hypot((t0 - room.sqrt()).max(0.0)))
    };
    (0..60_000).filter_map(distance).fold(f64::INFINITY, f64::min)
}

fn constrained(dim: usize, samples: usize) -> Constrained {
    let mut linear = linear(dim, samples);
    linear.model = GaussianModel::new(linear.means.clone(), SIGMA);
    let axis = (linear.means.column(0) - linear.means.column(1)) / (2.0 * HALF);
    let mut stream = Streams::new(2, "constrained test").get(0);
    // On the border, up to 0.05 off the line.
    let relative = relative_log_p(0.0, 0.05);
    for sample in 0..samples {
        let mut off = nalgebra::DVector::from_fn(dim, |_, _| stream.random::<f64>() - 0.5);
        off -= &axis * axis.dot(&off);
        off *= 0.18 / off.norm();
        let sign = if sample % 2 == 0 { HALF } else { -HALF };
        let x = off + sign * &axis;
        linear.subjects.batch.x.set_column(sample, &x.map(|x| (0.5 + x) as f32));
        let x = linear.subjects.batch.x.column(sample).map(|x| f64::from(x) - 0.5);
        let a = axis.dot(&x).abs();
        let t = (x.norm_squared() - a * a).sqrt();
        linear.optima[sample] = constrained_optimum(a, t, relative);
    }
    let normaliser = dim as f64 / 2.0 * (std::f64::consts::TAU * SIGMA * SIGMA).ln();
    let detector = at_least_as_likely(Statistic::Marginal, relative - normaliser);
    Constrained { linear, detector }
}

fn assert_undetected(constrained: &Constrained, outcomes: &[Outcome], within: f64) {
    // The grid of the optimum is 1e-5 wide, where distance is stationary: far below 1e-6.
    for (outcome, optimum) in outcomes.iter().zip(&constrained.linear.optima) {
        let excess = outcome.undetected_l2().expect("undetected") / optimum - 1.0;
        assert!(excess > -1e-6 && excess < within, "{excess}: {outcome:?}");
    }
}

/// Every gradient attack that minds the detector finds the nearest undetected point; the one that
/// does not is detected.
#[test]
fn gradient_attacks_evade_the_detector() {
    for dim in [2, 100] {
        let mut case = constrained(dim, 6);
        let Constrained { linear, detector } = &mut case;
        let detector = Some(&*detector);
        let plain = CarliniWagner { steps: 1000, ..CarliniWagner::default() };
        let model = &mut linear.model;
        let outcomes = attack(&plain, model, &linear.subjects, detector, &settings(6));
        assert!(outcomes.iter().all(|o| o.adversarial.as_ref().unwrap().accepted == Some(false)));
        assert!(outcomes.iter().all(|o| o.original.accepted == Some(true)));
        let mut results = vec![];
        for weight in [
            DetectorWeight::Shared,
            DetectorWeight::Separate { initial_const: 1e-3 },
            DetectorWeight::Fixed { constant: 1.0 },
        ] {
            // Adam's first steps are of 0.01 in every pixel, 0.05 in 100 dimensions: as wide as what
            // the detector accepts of the border.
            let method = CarliniWagner { detector: Some(weight), ..plain };
            results.push((attack(&method, model, &linear.subjects, detector, &settings(4)), 0.01));
        }
        let pgd = ProjectedGradient {
            restarts: 3,
            detector_weight: Some(0.5),
            refine: 20,
            ..ProjectedGradient::new(0.4)
        };
        results.push((attack(&pgd, model, &linear.subjects, detector, &settings(4)), 0.25));
        for (outcomes, within) in results {
            assert_undetected(&case, &outcomes, within);
        }
    }
}

/// Started from images of the target class that the detector accepts.
#[test]
fn boundary_evades_the_detector() {
    for dim in [2, 100] {
        let mut case = constrained(dim, 6);
        let linear = &mut case.linear;
        for (sample, goal) in linear.subjects.goals.iter_mut().enumerate() {
            *goal = Goal::Targeted { class: 1 - sample % 2 };
        }
        let classes = vec![0, 1];
        let pool = Pool { x: linear.means.map(|x| x as f32), classes };
        let start = Start::Real { pool, tries: 5, steps: 0 };
        let method = Boundary { start, evade_detector: true, ..Boundary::foolbox() };
        let model = &mut linear.model;
        let detector = Some(&case.detector);
        let outcomes = attack(&method, model, &linear.subjects, detector, &settings(6));
        assert_undetected(&case, &outcomes, 0.02);
    }
}

fn backwards(subjects: &Subjects) -> Subjects {
    let order: Vec<usize> = (0..subjects.len()).rev().collect();
    Subjects {
        batch: Batch {
            x: subjects.batch.x.select_columns(&order),
            noise: subjects.batch.noise.select_columns(&order),
        },
        indices: order.iter().map(|&place| subjects.indices[place]).collect(),
        goals: order.iter().map(|&place| subjects.goals[place]).collect(),
    }
}

/// Whatever the batch size, the shape of calls, the order of samples and the threads.
#[test]
fn outcomes_depend_on_the_sample_alone() {
    fn check<A: Attack>(method: &A, linear: &mut Linear) {
        let model = &mut linear.model;
        let expected = attack(method, model, &linear.subjects, None, &settings(1));
        for batch_size in [2, 5, 64] {
            for fixed_shape in [false, true] {
                let settings = Settings { fixed_shape, ..settings(batch_size) };
                for subjects in [&linear.subjects, &backwards(&linear.subjects)] {
                    assert_eq!(attack(method, model, subjects, None, &settings), expected);
                }
            }
        }
        let other =
            attack(method, model, &linear.subjects, None, &Settings { seed: 1, ..settings(64) });
        assert_eq!(other != expected, !A::USES_GRADIENT, "random numbers come from the seed");
        for threads in [1, 4] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let found = pool.install(|| {
                attack(method, &mut linear.model.clone(), &linear.subjects, None, &settings(64))
            });
            assert_eq!(found, expected);
        }
    }
    let mut linear = linear(3072, 12);
    check(&Boundary { steps: 30, ..Boundary::guided() }, &mut linear);
    let quick = CarliniWagner { steps: 10, initial_const: 1.0, ..CarliniWagner::default() };
    check(&quick, &mut linear);
}

/// A model with a fault: densities are NaN where the first pixel is above a limit, its gradient is
/// turned round, or its densities change from call to call.
#[derive(Clone)]
struct Faulty {
    model: GaussianModel,
    limit: f32,
    turned: bool,
    noise: f64,
    calls: f64,
}

impl Faulty {
    /// No fault but the limit.
    fn limited(model: &GaussianModel, limit: f32) -> Self {
        Self { model: model.clone(), limit, turned: false, noise: 0.0, calls: 0.0 }
    }
}

impl ConditionalModel for Faulty {
    fn spec(&self) -> &ModelSpec {
        self.model.spec()
    }

    fn log_prob(&mut self, batch: &Batch) -> Result<DMatrix<f64>> {
        self.calls += 1.0;
        let mut log_prob = self.model.log_prob(batch)?;
        for (x, mut column) in batch.x.column_iter().zip(log_prob.column_iter_mut()) {
            column[0] += self.noise * self.calls;
            if x[0] > self.limit {
                column.fill(f64::NAN);
            }
        }
        Ok(log_prob)
    }
}

impl Differentiable for Faulty {
    fn log_prob_and_gradient(
        &mut self,
        batch: &Batch,
        cotangent: &DMatrix<f64>,
    ) -> Result<(DMatrix<f64>, DMatrix<f32>)> {
        let (_, gradient) = self.model.log_prob_and_gradient(batch, cotangent)?;
        Ok((self.log_prob(batch)?, if self.turned { -gradient } else { gradient }))
    }
}

#[test]
fn a_sample_without_density_leaves_the_others_alone() {
    let mut linear = linear(100, 6);
    let quick = CarliniWagner { steps: 100, ..CarliniWagner::default() };
    let expected = attack(&quick, &mut linear.model, &linear.subjects, None, &settings(6));
    let mut faulty = Faulty::limited(&linear.model, 0.9);
    linear.subjects.batch.x[(0, 2)] = 0.95;
    let found = attack(&quick, &mut faulty, &linear.subjects, None, &settings(6));
    assert_eq!((found[2].stop, &found[2].adversarial), (Stop::NoDensity, &None));
    assert!(found[2].original.margin.is_none() && !found[2].is_fooled_within(f64::INFINITY));
    for sample in [0, 1, 3, 4, 5] {
        assert_eq!(found[sample], expected[sample]);
    }
    let summary = Summary::of(&found).unwrap();
    assert_eq!((summary.samples, summary.within(1.0).fooled.successes), (6, 5));
    assert!(summary.stops.contains(&(Stop::NoDensity, 1)));
}

#[test]
fn faults_are_flagged() {
    let linear = linear(100, 2);
    let quick = CarliniWagner { steps: 20, ..CarliniWagner::default() };
    let healthy = Faulty::limited(&linear.model, 0.9);
    let mut turned = Faulty { turned: true, ..healthy.clone() };
    let outcomes = attack(&quick, &mut turned, &linear.subjects, None, &settings(2));
    assert!(outcomes.iter().all(|outcome| outcome.health.gradient_check_failed));
    let mut changing = Faulty { noise: 0.01, ..healthy };
    let outcomes = attack(&quick, &mut changing, &linear.subjects, None, &settings(2));
    assert!(outcomes.iter().all(|outcome| outcome.health.non_deterministic));
}

/// Densities that are NaN just above where a sample's first pixel starts are met by its attack.
#[test]
fn what_an_attack_meets_without_density_is_flagged() {
    let linear = linear(100, 2);
    let quick = CarliniWagner { steps: 20, ..CarliniWagner::default() };
    let flagged = |sample: usize, above: f32| {
        let one = single(&linear.subjects, sample);
        let mut faulty = Faulty::limited(&linear.model, one.batch.x[(0, 0)] + above);
        attack(&quick, &mut faulty, &one, None, &settings(1)).remove(0).health.non_finite
    };
    for sample in 0..2 {
        assert!(flagged(sample, 1e-4) && !flagged(sample, 1.0), "{sample}");
    }
}

/// A model whose margins do not show that it has no density beyond a limit.
struct Walled {
    inner: GaussianModel,
    limit: f32,
}

impl ConditionalModel for Walled {
    fn spec(&self) -> &ModelSpec {
        self.inner.spec()
    }

    fn log_prob(&mut self, batch: &Batch) -> Result<DMatrix<f64>> {
        Faulty::limited(&self.inner, self.limit).log_prob(batch)
    }
}

impl Differentiable for Walled {
    fn log_prob_and_gradient(
        &mut self,
        batch: &Batch,
        cotangent: &DMatrix<f64>,
    ) -> Result<(DMatrix<f64>, DMatrix<f32>)> {
        Faulty::limited(&self.inner, self.limit).log_prob_and_gradient(batch, cotangent)
    }

    fn margins_and_gradient(
        &mut self,
        batch: &Batch,
        cotangent: &DMatrix<f64>,
    ) -> Result<(DMatrix<f64>, DMatrix<f32>)> {
        self.inner.log_prob_and_gradient(batch, cotangent)
    }
}

/// What margins lead to and densities do not confirm is searched again with whole densities; what they
/// confirm is the answer.
#[test]
fn an_answer_has_a_density() {
    let linear = linear(100, 2);
    let quick = CarliniWagner { steps: 100, ..CarliniWagner::default() };
    // Of two samples of different classes one moves towards the wall.
    let upwards = (0..2).map(|sample| single(&linear.subjects, sample)).find_map(|one| {
        let free = attack(&quick, &mut linear.model.clone(), &one, None, &settings(1)).remove(0);
        let (from, to) = (one.batch.x[(0, 0)], free.image.as_ref().expect("it fools")[0]);
        (to > from).then_some((one, free, from, to))
    });
    let (one, free, from, to) = upwards.expect("one of both");
    for (limit, confirmed) in [(to + 1e-2, true), (0.5 * (from + to), false)] {
        let of = |model: &mut dyn Differentiable| {
            attack(&quick, model, &one, None, &settings(1)).remove(0)
        };
        let found = of(&mut Walled { inner: linear.model.clone(), limit });
        let whole = of(&mut Faulty::limited(&linear.model, limit));
        let expected = if confirmed { &free } else { &whole };
        assert_eq!((&found.adversarial, &found.image), (&expected.adversarial, &expected.image));
        assert_eq!(found.queries.gradient > expected.queries.gradient, !confirmed);
        assert!(!found.health.non_deterministic);
    }
}

/// A budget that ends on the way is told from one that ends at the border.
#[test]
fn a_budget_that_ends_too_early_is_flagged() {
    for (dim, steps, expected) in [(400, 300, true), (2, 5000, false)] {
        let mut linear = linear(dim, 4);
        let method = Boundary { steps, ..Boundary::foolbox() };
        let outcomes = attack(&method, &mut linear.model, &linear.subjects, None, &settings(4));
        let count = outcomes.iter().filter(|outcome| outcome.health.still_improving).count();
        // All but one at least: what fell last may have fallen by less than a hundredth.
        assert_eq!(count >= 3, expected, "{dim}, {steps}: {count}");
        assert!(expected || count == 0, "{dim}, {steps}: {count}");
    }
}

/// On an engine that computes image by image, for a shipped checkpoint with gradients.
#[test]
fn outcomes_on_a_checkpoint_depend_on_the_sample_alone() {
    fn check<A: Attack>(method: &A, model: &mut DifferentiableCheckpoint, subjects: &Subjects) {
        let expected = attack(method, model, subjects, None, &settings(1));
        assert!(expected.iter().any(|outcome| outcome.adversarial.is_some()));
        for (batch_size, fixed_shape) in [(3, false), (3, true), (7, true)] {
            let settings = Settings { fixed_shape, ..settings(batch_size) };
            assert_eq!(attack(method, model, &backwards(subjects), None, &settings), expected);
        }
        let shards = (0..subjects.len()).flat_map(|sample| {
            attack(method, model, &single(subjects, sample), None, &settings(2))
        });
        assert_eq!(shards.collect::<Vec<_>>(), expected);
    }
    let path = shipped("checkpoints/glow-mnist-reweight-small.onnx");
    let options = EngineOptions { choice: EngineChoice::Tract, ..EngineOptions::default() };
    let gradient = GradientOptions::default();
    let mut model =
        DifferentiableCheckpoint::open(&path, &Overrides::default(), &options, gradient).unwrap();
    let parity = model.checkpoint.contract.parity.clone().unwrap();
    let spec = model.spec().clone();
    let (count, pixels) = (parity.count, spec.image.len());
    let batch = Batch {
        x: DMatrix::from_vec(pixels, count, parity.x),
        noise: DMatrix::from_vec(spec.noise_len, count, parity.noise),
    };
    let log_prob = model.log_prob(&batch).unwrap();
    let goals = log_prob.column_iter().map(|column| {
        let label = classify::predict(&spec.ln_prior, column.as_slice()).unwrap();
        Goal::Misclassified { label }
    });
    let goals = goals.collect();
    let subjects = Subjects { batch, indices: (0..count as u64).collect(), goals };
    let quick = CarliniWagner {
        steps: 15,
        binary_search_steps: 2,
        initial_const: 0.1,
        stepsize: 0.05,
        ..CarliniWagner::default()
    };
    check(&quick, &mut model, &subjects);
    check(&Boundary { steps: 15, ..Boundary::guided() }, &mut model, &subjects);
}

/// What is an adversarial example already is one at distance 0.
#[test]
fn a_misclassified_sample_needs_no_attack() {
    let mut linear = linear(2, 2);
    linear.subjects.goals[0] = Goal::Misclassified { label: 1 };
    let method = CarliniWagner { steps: 20, ..CarliniWagner::default() };
    let outcomes = attack(&method, &mut linear.model, &linear.subjects, None, &settings(2));
    assert_eq!(outcomes[0].stop, Stop::AlreadyMet);
    assert_eq!((outcomes[0].fooled_l2(), outcomes[0].queries.total()), (Some(0.0), 0));
}

/// Rates at any budget are counts of the outcomes, and the curve steps where they do.
#[test]
fn the_summary_counts() {
    let mut case = constrained(100, 6);
    let model = &mut case.linear.model;
    let plain = CarliniWagner { steps: 200, ..CarliniWagner::default() };
    let aware = CarliniWagner { detector: Some(DetectorWeight::Shared), ..plain };
    let detector = Some(&case.detector);
    let mut outcomes = attack(&plain, model, &case.linear.subjects, detector, &settings(6));
    outcomes.extend(attack(&aware, model, &case.linear.subjects, detector, &settings(6)));
    let summary = Summary::of(&outcomes).unwrap();
    assert_eq!(summary.samples, 12);
    let curve = summary.curve();
    let epsilons = curve.iter().map(|rates| rates.epsilon).chain([0.0, 0.29, 0.31, 10.0]);
    for epsilon in epsilons {
        let rates = summary.within(epsilon);
        let fooled = outcomes.iter().filter(|o| o.is_fooled_within(epsilon)).count() as u64;
        let undetected = outcomes.iter().filter(|o| o.is_undetected_within(epsilon)).count() as u64;
        assert_eq!((rates.fooled.successes, rates.fooled.trials), (fooled, 12));
        assert_eq!(rates.undetected.unwrap().successes, undetected);
    }
    let last = curve.last().unwrap();
    assert_eq!((last.fooled.successes, last.undetected.unwrap().successes), (12, 6));
    let queries: u64 = outcomes.iter().map(|outcome| outcome.queries.total()).sum();
    assert_eq!(summary.queries.total(), queries);
}

/// Excess over the optimum falls with evaluations, from nothing found to the answer's.
#[test]
fn excess_falls_with_evaluations() {
    let mut linear = linear(100, 5);
    let method = Boundary { steps: 3000, ..Boundary::foolbox() };
    let outcomes = attack(&method, &mut linear.model, &linear.subjects, None, &settings(5));
    let curve = excess(&outcomes, &linear.optima, &[0, 100, 1000, 3000, 1_000_000]);
    assert_eq!((curve[0].median, curve[0].answered), (None, 0));
    assert!(curve[1..].is_sorted_by(|a, b| a.median.unwrap() >= b.median.unwrap()));
    let mut finals: Vec<f64> = outcomes
        .iter()
        .zip(&linear.optima)
        .map(|(o, b)| o.fooled_l2().unwrap() / b - 1.0)
        .collect();
    finals.sort_by(f64::total_cmp);
    // The trace keeps distances that fell by a hundredth.
    assert_relative_eq!(curve[4].median.unwrap() + 1.0, finals[2] + 1.0, max_relative = 0.0102);
}

#[test]
fn what_cannot_work_is_refused() {
    fn refusal<A: Attack>(
        method: &A,
        subjects: &Subjects,
        detector: Option<&ThresholdDetector>,
    ) -> String {
        let mut model = linear(2, 2).model;
        let mut sink = |_| Ok(());
        match run(method, &mut model, subjects, detector, &settings(2), &mut sink) {
            Ok(()) => panic!("an error was expected"),
            Err(error) => error.to_string(),
        }
    }
    let subjects = linear(2, 2).subjects;
    let carlini =
        CarliniWagner { detector: Some(DetectorWeight::Shared), ..CarliniWagner::default() };
    assert!(refusal(&carlini, &subjects, None).contains("is needed by an attack"));
    let complexity = at_least_as_likely(Statistic::ComplexityCorrected, 0.0);
    assert!(refusal(&carlini, &subjects, Some(&complexity)).contains("stored images"));
    let gradient = at_least_as_likely(Statistic::GradientNorm, 0.0);
    assert!(refusal(&carlini, &subjects, Some(&gradient)).contains("gradient's norm"));
    let plain = CarliniWagner { confidence: -1.0, ..CarliniWagner::default() };
    assert!(refusal(&plain, &subjects, None).contains("confidence -1"));
    let mut outside = subjects.clone();
    outside.batch.x[(0, 1)] = 1.5;
    assert!(refusal(&Boundary::foolbox(), &outside, None).contains("sample 1: has a pixel of 1.5"));
    let mut wrong = subjects.clone();
    wrong.goals[0] = Goal::Targeted { class: 2 };
    assert!(refusal(&Boundary::foolbox(), &wrong, None).contains("class 2: must be below 2"));
    let start = Start::Given { x: DMatrix::zeros(2, 3), steps: 0 };
    let boundary = Boundary { start, ..Boundary::foolbox() };
    assert!(refusal(&boundary, &subjects, None).contains("for each of 2 samples; are 3 of 2"));
    let mut sink = |_| Ok(());
    let refused = run_without_gradient(
        &CarliniWagner::default(),
        &mut linear(2, 2).model,
        &subjects,
        None,
        &settings(2),
        &mut sink,
    );
    assert!(refused.unwrap_err().to_string().contains("uses gradients"));
}
