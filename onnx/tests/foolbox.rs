//! The Carlini-Wagner attack against Foolbox's, step by step.

use nalgebra::DMatrix;
use undetected_onnx::{
    Result,
    attack::{CarliniWagner, Goal, Outcome, Settings, Subjects, run},
    gaussian::GaussianModel,
    model::{Batch, ConditionalModel, Differentiable, ModelSpec},
};

/// Foolbox's densities and distances are float32, ours f64: a candidate differs by a few roundings,
/// which Adam's division by the root of small squares enlarges.
const CANDIDATE_TOLERANCE: f64 = 1e-5;
/// The answer is the closest of hundreds of candidates on both sides of a border, relatively.
const ANSWER_TOLERANCE: f64 = 1e-5;

/// A model that remembers how far from the first image it was asked.
struct Recorded {
    model: GaussianModel,
    original: Vec<f32>,
    distances: Vec<f64>,
}

impl Recorded {
    fn record(&mut self, batch: &Batch) {
        let squares = batch.x.iter().zip(&self.original);
        let square: f64 = squares.map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2)).sum();
        self.distances.push(square.sqrt());
    }
}

impl ConditionalModel for Recorded {
    fn spec(&self) -> &ModelSpec {
        self.model.spec()
    }

    fn log_prob(&mut self, batch: &Batch) -> Result<DMatrix<f64>> {
        self.record(batch);
        self.model.log_prob(batch)
    }
}

impl Differentiable for Recorded {
    fn log_prob_and_gradient(
        &mut self,
        batch: &Batch,
        cotangent: &DMatrix<f64>,
    ) -> Result<(DMatrix<f64>, DMatrix<f32>)> {
        self.record(batch);
        self.model.log_prob_and_gradient(batch, cotangent)
    }
}

struct Row {
    means: Vec<f64>,
    x: Vec<f32>,
    goal: Goal,
    attack: CarliniWagner,
    distances: Vec<f64>,
    candidates: u64,
    l2: f64,
}

fn row(line: &str) -> Row {
    let columns: Vec<&str> = line.split(',').collect();
    let numbers = |column: usize| -> Vec<f64> {
        columns[column].split(' ').map(|number| number.parse().expect("a number")).collect()
    };
    let class = columns[3].parse().expect("a class");
    Row {
        means: numbers(0),
        x: numbers(1).into_iter().map(|x| x as f32).collect(),
        goal: match columns[2] {
            "label" => Goal::Misclassified { label: class },
            _ => Goal::Targeted { class },
        },
        attack: CarliniWagner {
            confidence: numbers(4)[0],
            steps: columns[5].parse().expect("steps"),
            binary_search_steps: columns[6].parse().expect("steps"),
            ..CarliniWagner::foolbox()
        },
        distances: numbers(7),
        candidates: columns[8].parse().expect("a count"),
        l2: numbers(9)[0],
    }
}

/// Ours, with the distances of its candidates.
fn attack(row: &Row) -> (Outcome, Vec<f64>) {
    let pixels = row.x.len();
    let means = DMatrix::from_vec(pixels, row.means.len() / pixels, row.means.clone());
    let model = GaussianModel::new(means, 0.2);
    let mut model = Recorded { model, original: row.x.clone(), distances: vec![] };
    let subjects = Subjects {
        batch: Batch {
            x: DMatrix::from_vec(pixels, 1, row.x.clone()),
            noise: DMatrix::zeros(0, 1),
        },
        indices: vec![0],
        goals: vec![row.goal],
    };
    let settings = Settings { batch_size: 1, fixed_shape: false, seed: 0 };
    let mut outcomes = vec![];
    let mut sink = |outcome| {
        outcomes.push(outcome);
        Ok(())
    };
    run(&row.attack, &mut model, &subjects, None, &settings, &mut sink).unwrap();
    let outcome = outcomes.remove(0);
    // An answer is asked anew and on the 8-bit grid; before the search come the harness's checks.
    let asked_after = if outcome.adversarial.is_some() { 2 } else { 0 };
    model.distances.truncate(model.distances.len() - asked_after);
    let asked_before = model.distances.len() - outcome.queries.total() as usize;
    let distances = model.distances.split_off(asked_before);
    (outcome, distances)
}

#[test]
fn carlini_wagner_is_foolboxs() {
    let rows = include_str!("reference/carlini_wagner.csv").lines().skip(1).map(row);
    let mut answered = 0;
    for (number, row) in rows.enumerate() {
        let (outcome, mut distances) = attack(&row);
        // Candidates asked again, for a gradient or another class's, are not candidates of Foolbox's.
        distances.dedup();
        for (step, (found, expected)) in distances.iter().zip(&row.distances).enumerate() {
            let difference = (found - expected).abs();
            assert!(difference < CANDIDATE_TOLERANCE, "{number}, {step}: {found} for {expected}");
        }
        // As many to the last: every early abort was the same.
        assert_eq!(outcome.steps, row.candidates, "{number}");
        match outcome.fooled_l2() {
            Some(l2) => assert!((l2 / row.l2 - 1.0).abs() < ANSWER_TOLERANCE, "{number}: {l2}"),
            None => assert!(row.l2.is_nan(), "{number}: Foolbox found {}", row.l2),
        }
        answered += usize::from(outcome.adversarial.is_some());
    }
    assert_eq!(answered, 14);
}
