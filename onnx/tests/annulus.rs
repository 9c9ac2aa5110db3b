//! The paper's theorem, rediscovered by an attack that knows nothing of the geometry; and q as a
//! checkpoint.

mod common;

use common::file;
use nalgebra::DMatrix;
use rand::RngExt;
use undetected_onnx::{
    annulus::{AnnulusModel, RANGE, to_onnx},
    attack::{
        Boundary, CarliniWagner, Goal, Outcome, Pool, Settings, Start, Stop, Subjects, run,
        run_without_gradient,
    },
    checkpoint::Checkpoint,
    contract::Overrides,
    detect::{Detector, Statistic, ThresholdDetector, Thresholds},
    engine::{EngineChoice, EngineOptions},
    likelihood::Score,
    model::{Batch, ConditionalModel},
};
use undetected_theory::{
    Annulus, CounterExample, Decomposition, Goal as TheoryGoal, Lambda2, Region, Streams, Weight,
    feasible_lambda1,
};

const SHELL: f64 = 0.1;

fn example(dim: u64) -> CounterExample {
    let lambda2 = Lambda2::Given(Weight::Value(0.02));
    CounterExample::new(dim, SHELL, Weight::Value(0.02), lambda2).unwrap()
}

/// The counter-example of Proposition 1 itself, with the default divergence and confidence.
fn proposition(dim: u64) -> CounterExample {
    let goal = TheoryGoal::new(0.01, 0.01).unwrap();
    let lambda1 = feasible_lambda1(dim, SHELL, &goal).unwrap();
    CounterExample::new(dim, SHELL, lambda1, Lambda2::Matched { delta: 0.01 }).unwrap()
}

/// Uniform points between two radii, one a column.
fn draw(dim: usize, inner: f64, outer: f64, count: usize, task: &str) -> DMatrix<f32> {
    let annulus = Annulus::new(dim as u64, inner, outer).unwrap();
    let (streams, mut point) = (Streams::new(3, task), vec![0.0; dim]);
    let mut points = Vec::with_capacity(dim * count);
    for index in 0..count {
        annulus.fill_point(&mut streams.get(index as u64), &mut point);
        points.extend(point.iter().map(|x| *x as f32));
    }
    DMatrix::from_vec(dim, count, points)
}

/// Points of class 1: of the ball with probability lambda2, else of the outer annulus.
fn class1(example: &CounterExample, count: usize) -> DMatrix<f32> {
    let dim = example.dim() as usize;
    let (mut points, ball) =
        (draw(dim, 2.0, 3.0, count, "outer"), draw(dim, 0.0, 1.0, count, "ball"));
    let mut coin = Streams::new(3, "component").get(0);
    for column in 0..count {
        if coin.random::<f64>() < example.ln_lambda2().exp() {
            points.set_column(column, &ball.column(column));
        }
    }
    points
}

fn batch(x: DMatrix<f32>) -> Batch {
    let noise = DMatrix::zeros(0, x.ncols());
    Batch { x, noise }
}

fn shell_samples(dim: usize, count: usize) -> Subjects {
    Subjects {
        batch: batch(draw(dim, 1.0, 1.0 + SHELL, count, "shell")),
        indices: (0..count as u64).collect(),
        goals: vec![Goal::Targeted { class: 1 }; count],
    }
}

fn scores(model: &mut dyn ConditionalModel, x: DMatrix<f32>) -> Vec<Score> {
    let prior = model.spec().ln_prior.clone();
    let log_prob = model.log_prob(&batch(x)).unwrap();
    let score = |column: nalgebra::DVectorView<'_, f64>| {
        Score::new(0, None, &prior, column.as_slice(), None)
    };
    log_prob.column_iter().map(score).collect()
}

/// The density threshold that just accepts the shell, where the attack starts.
fn one_sided(example: &CounterExample) -> ThresholdDetector {
    let level = example.model().ln_density(Region::Shell);
    // The harness sums the two classes anew: a rounding below the level.
    let threshold = Thresholds::Common(level - 1e-9);
    ThresholdDetector::fixed(Statistic::Marginal, threshold).unwrap()
}

/// Around minus the entropy of q, as wide as the shell or the outer annulus is off it.
fn typical_set(example: &CounterExample) -> ThresholdDetector {
    let centre = -Decomposition::new(example.model(), example.model()).image.nats;
    let off = |region| (example.model().ln_density(region) - centre).abs();
    let width = f64::max(off(Region::Shell), off(Region::Outer));
    let threshold = Thresholds::Common(-width - 1e-9);
    ThresholdDetector::fixed(Statistic::Typicality { centre }, threshold).unwrap()
}

fn walk(
    model: &mut dyn ConditionalModel,
    example: &CounterExample,
    samples: usize,
    start: Start,
) -> Vec<Outcome> {
    let attack = Boundary { start, evade_detector: true, ..Boundary::foolbox() };
    let subjects = shell_samples(example.dim() as usize, samples);
    let settings = Settings { batch_size: samples, fixed_shape: false, seed: 0 };
    let mut outcomes = vec![];
    let mut sink = |outcome| {
        outcomes.push(outcome);
        Ok(())
    };
    let detector = one_sided(example);
    run_without_gradient(&attack, model, &subjects, Some(&detector), &settings, &mut sink).unwrap();
    outcomes
}

/// Distance norm(x) - 1 within 2 %, the label flipped, likelier than before, so that no one-sided
/// threshold flags it; and flagged by the typical set.
fn assert_theorem(example: &CounterExample, outcomes: &[Outcome], samples: usize) {
    let dim = example.dim() as usize;
    let subjects = shell_samples(dim, samples);
    let mut model = AnnulusModel::new(example.clone());
    let typical = typical_set(example);
    assert!(scores(&mut model, subjects.batch.x.clone()).iter().all(|s| typical.accepts(s)));
    assert!(scores(&mut model, draw(dim, 2.0, 3.0, 9, "o")).iter().all(|s| typical.accepts(s)));
    assert_eq!(outcomes.len(), samples);
    for outcome in outcomes {
        let x = subjects.batch.x.column(outcome.index as usize);
        let norm = x.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
        let answer = outcome.adversarial.as_ref().expect("an answer");
        let excess = answer.l2 * (RANGE.1 - RANGE.0) / (norm - 1.0) - 1.0;
        assert!(excess > 0.0 && excess < 0.02, "{excess} of {}: {outcome:?}", norm - 1.0);
        assert_eq!((outcome.original.predicted, answer.predicted), (Some(0), Some(1)));
        assert!(answer.is_undetected() && answer.log_px > outcome.original.log_px);
        let image = DMatrix::from_column_slice(dim, 1, outcome.image.as_ref().unwrap());
        assert!(!typical.accepts(&scores(&mut model, image)[0]));
    }
}

/// Started from real images of class 1 that the detector accepts: the few that lie in the ball.
#[test]
fn boundary_rediscovers_the_theorem() {
    let example = example(100);
    let x = class1(&example, 300);
    let pool = Pool { classes: vec![1; x.ncols()], x };
    let start = Start::Real { pool, tries: 300, steps: 0 };
    let outcomes = walk(&mut AnnulusModel::new(example.clone()), &example, 10, start);
    assert_theorem(&example, &outcomes, 10);
}

/// The same for Proposition 1's own weights in dimension 500, where the ball holds so little that
/// accepted images of class 1 are drawn from it directly.
#[test]
fn boundary_rediscovers_the_theorem_with_the_weights_of_the_proposition() {
    let example = proposition(500);
    let start = Start::Given { x: draw(500, 0.0, 1.0, 4, "accepted"), steps: 0 };
    let outcomes = walk(&mut AnnulusModel::new(example.clone()), &example, 4, start);
    assert_theorem(&example, &outcomes, 4);
}

/// Without an accepted image to start from there is no attack: a marked outcome.
#[test]
fn an_image_that_the_detector_rejects_is_no_start() {
    let example = example(100);
    let start = Start::Given { x: draw(100, 2.0, 3.0, 3, "outer"), steps: 50 };
    let outcomes = walk(&mut AnnulusModel::new(example.clone()), &example, 3, start);
    let lost = |outcome: &Outcome| outcome.stop == Stop::NoStart && outcome.health.lost_start;
    assert!(outcomes.iter().all(|outcome| lost(outcome) && outcome.adversarial.is_none()));
}

/// A density without slope says nothing to an attack by gradients, and the outcome says so.
#[test]
fn carlini_wagner_sees_no_slope() {
    let mut model = AnnulusModel::new(example(100));
    let attack = CarliniWagner { steps: 10, binary_search_steps: 2, ..CarliniWagner::default() };
    let subjects = Subjects {
        // Of the ball, where both densities are finite: its label is 1.
        batch: batch(draw(100, 0.0, 1.0, 3, "ball")),
        indices: vec![0, 1, 2],
        goals: vec![Goal::Misclassified { label: 1 }; 3],
    };
    let settings = Settings { batch_size: 3, fixed_shape: false, seed: 0 };
    let mut outcomes = vec![];
    let mut sink = |outcome: Outcome| {
        outcomes.push(outcome);
        Ok(())
    };
    run(&attack, &mut model, &subjects, None, &settings, &mut sink).unwrap();
    assert!(outcomes.iter().all(|o| o.health.zero_gradient && o.health.flat_objective));
    assert!(outcomes.iter().all(|o| o.adversarial.is_none() && o.stop == Stop::Exhausted));
}

fn open(example: &CounterExample, choice: EngineChoice) -> Checkpoint {
    let (_folder, path) = file("annulus.onnx", &to_onnx(example));
    let options = EngineOptions { choice, ..EngineOptions::default() };
    Checkpoint::open(&path, &Overrides::default(), &options).unwrap()
}

/// Points of every region, a thousandth and more off the spheres: equal to f64's rounding, -inf
/// included.
#[test]
fn the_checkpoint_is_the_model() {
    for example in [example(1), example(2), example(100), proposition(500)] {
        let dim = example.dim() as usize;
        let between = [(0.0, 0.999), (1.001, 1.099), (1.101, 1.999), (2.001, 2.999), (3.001, 4.0)];
        for choice in [EngineChoice::Tract, EngineChoice::Ort] {
            let mut checkpoint = open(&example, choice);
            assert!(checkpoint.parity.is_some());
            for (inner, outer) in between {
                let x = batch(draw(dim, inner, outer, 5, "region"));
                let found = checkpoint.log_prob(&x).unwrap();
                let expected = AnnulusModel::new(example.clone()).log_prob(&x).unwrap();
                let equal = |(a, b): (&f64, &f64)| a == b || (a - b).abs() <= 1e-12 * b.abs();
                assert!(found.iter().zip(&expected).all(equal), "{choice:?}: {found} {expected}");
            }
        }
    }
}

/// The attack on the file is the attack on the model.
#[test]
fn boundary_on_the_checkpoint() {
    let example = example(100);
    let start = Start::Given { x: draw(100, 0.0, 1.0, 3, "accepted"), steps: 0 };
    let mut checkpoint = open(&example, EngineChoice::Tract);
    let outcomes = walk(&mut checkpoint, &example, 3, start);
    assert_theorem(&example, &outcomes, 3);
}
