//! Attacks on models whose optimum is known.

use approx::assert_relative_eq;
use nalgebra::DMatrix;
use rand::RngExt;
use undetected_onnx::{
    Result,
    attack::{
        Attack, Boundary, CarliniWagner, DetectorWeight, Goal, Outcome, ProjectedGradient, Settings,
        Start, Stop, Subjects, Summary, run, run_without_gradient,
    },
    detect::{Statistic, ThresholdDetector, Thresholds},
    gaussian::GaussianModel,
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
            let mut one = linear.subjects.clone();
            one.batch.x = linear.subjects.batch.x.columns(sample, 1).into_owned();
            one.batch.noise = DMatrix::zeros(0, 1);
            (one.indices, one.goals) = (vec![0], vec![linear.subjects.goals[sample]]);
            for (factor, expected) in [(0.999, Stop::Exhausted), (1.001, Stop::Found)] {
                let epsilon = factor * linear.optima[sample];
                let method = ProjectedGradient { restarts: 2, ..ProjectedGradient::new(epsilon) };
                let outcomes = attack(&method, &mut linear.model, &one, None, &settings(1));
                assert_eq!(outcomes[0].stop, expected, "{dim}, {factor}");
                assert_eq!(outcomes[0].is_fooled_within(epsilon), expected == Stop::Found, "{epsilon} {:?}", outcomes[0]);
            }
        }
        // A generous ball, and the border of the line that leads out of it.
        let method = ProjectedGradient { refine: 20, ..ProjectedGradient::new(1.0) };
        let outcomes = attack(&method, &mut linear.model, &linear.subjects, None, &settings(3));
        assert_close(&linear, &outcomes, 0.001);
    }
}

#[test]
fn carlini_wagner_finds_the_optimum() {
    for dim in [2, 100, 3072] {
        let mut linear = linear(dim, 8);
        let method = CarliniWagner { steps: 1000, ..CarliniWagner::default() };
        let outcomes = attack(&method, &mut linear.model, &linear.subjects, None, &settings(8));
        for (o, optimum) in outcomes.iter().zip(&linear.optima) {
            println!("cw {dim}: {:?} {:?} {:?}", o.fooled_l2().map(|l| l / optimum - 1.0), o.queries, o.health);
        }
        assert_close(&linear, &outcomes, 0.01);
    }
}

#[test]
fn boundary_finds_the_optimum() {
    for (dim, samples, steps, within) in [(2, 8, 5000, 0.02), (100, 8, 25_000, 0.02), (3072, 2, 50_000, 0.05)] {
        let mut linear = linear(dim, samples);
        let method = Boundary { steps, ..Boundary::foolbox() };
        let outcomes = attack(&method, &mut linear.model, &linear.subjects, None, &settings(8));
        for (o, optimum) in outcomes.iter().zip(&linear.optima) {
            println!("boundary {dim}: {:?} {:?} {:?}", o.fooled_l2().map(|l| l / optimum - 1.0), o.queries, o.stop);
        }
        assert_close(&linear, &outcomes, within);
    }
}
