//! How far the Boundary attack is from the optimum after so many queries, where the optimum is known.
//!
//! `cargo bench --bench boundary_excess` draws `benches/boundary-excess.svg`: two Gaussian classes,
//! whose classifier is linear, so that the optimum is the distance to the hyperplane between them.

use std::path::Path;

use nalgebra::DMatrix;
use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use undetected::{
    onnx::{
        attack::{Boundary, Goal, Outcome, Settings, Subjects, excess, run_without_gradient},
        gaussian::GaussianModel,
        model::Batch,
    },
    report::{Axis, Curve, Dash, Figure, Key, Panel, Rule, Sample, colour},
};

const DIMS: [usize; 3] = [2, 100, 3072];
const SAMPLES: usize = 8;
const STEPS: u64 = 25_000;
const SIGMA: f64 = 0.2;
/// From the middle of the range to either mean.
const HALF: f64 = 0.3;
/// Width of the samples' noise around their mean, in all pixels together.
const SPREAD: f64 = 0.2;
/// Queries at which the excess is drawn, for each factor of ten.
const PLACES_A_DECADE: f64 = 20.0;
/// The axis starts here.
const LEAST_EXCESS: f64 = 1e-4;

/// A linear classifier, samples of both classes around their means, and their optima.
fn linear(dim: usize) -> (GaussianModel, Subjects, Vec<f64>) {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(dim as u64);
    let axis = DMatrix::from_fn(dim, 1, |_, _| rng.random::<f64>() - 0.5).normalize();
    let sign = |class: usize| if class == 0 { HALF } else { -HALF };
    let means = DMatrix::from_fn(dim, 2, |pixel, class| 0.5 + sign(class) * axis[pixel]);
    let spread = SPREAD / (dim as f64).sqrt();
    let x = DMatrix::from_fn(dim, SAMPLES, |pixel, sample| {
        (means[(pixel, sample % 2)] + spread * (rng.random::<f64>() - 0.5)) as f32
    });
    let optima = x.column_iter().map(|x| x.map(|x| f64::from(x) - 0.5).dot(&axis.column(0)).abs());
    let optima = optima.collect();
    let subjects = Subjects {
        batch: Batch { x, noise: DMatrix::zeros(0, SAMPLES) },
        indices: (0..SAMPLES as u64).collect(),
        goals: (0..SAMPLES).map(|sample| Goal::Misclassified { label: sample % 2 }).collect(),
    };
    (GaussianModel::new(means, SIGMA), subjects, optima)
}

/// Places and values of a curve.
type Points = Vec<(f64, f64)>;

/// log10 of queries and of the median excess, down to the least.
fn curve(dim: usize, method: Boundary) -> Points {
    let (mut model, subjects, optima) = linear(dim);
    let settings = Settings { batch_size: SAMPLES, fixed_shape: false, seed: 0 };
    let mut outcomes: Vec<Outcome> = vec![];
    let mut sink = |outcome| {
        outcomes.push(outcome);
        Ok(())
    };
    run_without_gradient(&method, &mut model, &subjects, None, &settings, &mut sink)
        .expect("the attack runs");
    outcomes.sort_by_key(|outcome| outcome.index);
    let last = (STEPS as f64).log10();
    let places = (0..=(last * PLACES_A_DECADE) as u32).map(|i| f64::from(i) / PLACES_A_DECADE);
    let places: Vec<f64> = places.collect();
    let queries: Vec<u64> = places.iter().map(|place| 10f64.powf(*place) as u64).collect();
    let curve = excess(&outcomes, &optima, &queries);
    let points = places.into_iter().zip(curve);
    points.filter_map(|(place, at)| Some((place, at.median?.max(LEAST_EXCESS).log10()))).collect()
}

fn figure(dims: &[(usize, [Points; 2])]) -> Figure {
    let styles = [("as Foolbox", Dash::Dashed), ("guided", Dash::Solid)];
    let (mut curves, mut keys, mut said) = (vec![], vec![], vec![]);
    for (place, (dim, found)) in dims.iter().enumerate() {
        for ((name, dash), points) in styles.iter().zip(found) {
            let (colour, dash) = (colour(place), *dash);
            let end = points.last().map_or(f64::NAN, |(_, excess)| 10f64.powf(*excess));
            said.push(format!("d = {dim}, {name}: {end:.1e} at the end"));
            curves.push(Curve { points: points.clone(), colour: colour.clone(), dash });
            keys.push(Key {
                label: format!("d = {dim}, {name}"),
                colour,
                sample: Sample::Line(dash),
            });
        }
    }
    let values = curves.iter().flat_map(|curve| curve.points.iter().map(|(_, excess)| *excess));
    Figure {
        title: "Boundary attack: excess over the optimal distance".to_owned(),
        note: format!(
            "Linear classifier of two Gaussians in d dimensions; median of {SAMPLES} samples, started from \
             uniform noise. The trace keeps distances that fell by a hundredth. Below {LEAST_EXCESS}: \
             drawn there."
        ),
        description: said.join("; "),
        columns: 1,
        strips: vec![],
        panels: vec![Panel {
            title: String::new(),
            x: Axis::decades("queries a sample", [0.0, (STEPS as f64).log10()]),
            y: Axis::decades("distance / optimum - 1", values.collect::<Vec<_>>()),
            curves,
            marks: vec![],
            bands: vec![],
            rules: vec![Rule::Level((0.02_f64).log10(), "2 %".to_owned())],
            keys,
        }],
        keys: vec![],
    }
}

fn main() {
    let methods = [Boundary::foolbox(), Boundary::guided()];
    let dims = DIMS.map(|dim| {
        (dim, methods.clone().map(|method| curve(dim, Boundary { steps: STEPS, ..method })))
    });
    let figure = figure(&dims);
    println!("{}", figure.description.replace("; ", "\n"));
    let svg = figure.svg().expect("it can be drawn");
    std::fs::write(Path::new("benches/boundary-excess.svg"), svg).expect("written");
    if let Some(path) = std::env::args().skip(1).find(|argument| argument.ends_with(".png")) {
        std::fs::write(path, figure.png().expect("it can be drawn")).expect("written");
    }
}
