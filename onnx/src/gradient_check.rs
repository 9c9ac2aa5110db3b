//! Whether a model's gradient is that of its values: against differences of the same engine.

use nalgebra::{DMatrix, DVector};
use rand::RngExt;
use undetected_theory::Streams;

use crate::{
    error::Result,
    model::{Batch, Differentiable},
};

/// Images looked at, at most.
const IMAGES: usize = 2;
/// Random directions per image, beside those of the gradients.
const RANDOM: usize = 3;
/// Lengths of the steps in pixel ranges, from coarse to fine.
const STEPS: [f64; 9] = [1e-1, 5e-2, 2.5e-2, 1.2e-2, 6e-3, 3e-3, 1.5e-3, 7e-4, 3e-4];
/// Allowed deviation, relative to the larger of both slopes and of what a gradient of this length
/// has along a random direction.
///
/// Wide enough for float32, whose values of thousands of nats are rounded to 5e-4, and for kinks;
/// a wrong sign deviates by 2, a factor of 2 by 1/2.
pub const TOLERANCE: f64 = 0.1;
/// Slopes whose estimates from neighbouring steps differ by more than this are no evidence.
const CONSISTENCY: f64 = 0.03;

/// What the check found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Flag {
    /// The gradient is that of the values.
    Agrees,
    /// It is not.
    Wrong,
    /// It is zero, as the values do not change either: there is nothing to follow.
    Vanishes,
    /// No direction in which the values change smoothly enough to tell.
    Inconclusive,
    /// A straight-through estimate, which differences cannot confirm.
    Estimate,
}

impl std::fmt::Display for Flag {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Agrees => "agrees with differences",
            Self::Wrong => "gradient wrong",
            Self::Vanishes => "gradient vanishes",
            Self::Inconclusive => "gradient not checkable",
            Self::Estimate => "straight-through estimate, not a gradient",
        })
    }
}

/// The health of a gradient.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct GradientHealth {
    /// In a word.
    pub flag: Flag,
    /// Slopes that could be compared.
    pub compared: usize,
    /// Slopes that could not.
    pub inconclusive: usize,
    /// Largest deviation of those compared, relative; see [`TOLERANCE`].
    pub largest_deviation: f64,
}

impl GradientHealth {
    /// That of an estimate.
    pub fn estimate() -> Self {
        Self { flag: Flag::Estimate, compared: 0, inconclusive: 0, largest_deviation: f64::NAN }
    }

    /// Whether the gradient may be used.
    pub fn is_sound(&self) -> bool {
        matches!(self.flag, Flag::Agrees | Flag::Estimate)
    }
}

/// One slope to compare: class weights and a unit direction.
struct Probe {
    cotangent: DVector<f64>,
    gradient: DVector<f64>,
    direction: DVector<f64>,
}

/// Compares `model`'s gradient with central differences of its values at the first images of `batch`.
///
/// Of one class and of a margin between two, along the gradient itself and along random directions
/// in which it has signal. The slope by differences is that of the finest of three neighbouring steps
/// that agree, whatever the gradient says: coarser ones see curvature and kinks, finer ones rounding.
/// Where none agree the slope is left out.
///
/// # Errors
/// Those of the model.
pub fn check(model: &mut dyn Differentiable, batch: &Batch) -> Result<GradientHealth> {
    let mut health =
        GradientHealth { flag: Flag::Agrees, compared: 0, inconclusive: 0, largest_deviation: 0.0 };
    let mut still = true;
    for image in 0..batch.len().min(IMAGES) {
        let one = Batch {
            x: batch.x.columns(image, 1).into_owned(),
            noise: batch.noise.columns(image, 1).into_owned(),
        };
        for probe in probes(model, &one, image)? {
            let slopes = Slopes::measure(model, &one, &probe)?;
            still &= slopes.still(&probe);
            match slopes.deviation(&probe) {
                Some(deviation) => {
                    health.compared += 1;
                    health.largest_deviation = worse(health.largest_deviation, deviation);
                }
                None => health.inconclusive += 1,
            }
        }
    }
    health.flag = match () {
        () if still => Flag::Vanishes,
        () if health.compared == 0 => Flag::Inconclusive,
        () if health.largest_deviation <= TOLERANCE => Flag::Agrees,
        () => Flag::Wrong,
    };
    Ok(health)
}

/// The larger one; NaN is the worst.
fn worse(a: f64, b: f64) -> f64 {
    if a.is_nan() || b.is_nan() { f64::NAN } else { a.max(b) }
}

/// Weights of one class, and of the margin of that class to the next.
fn cotangents(classes: usize, image: usize) -> Vec<DVector<f64>> {
    let class = image % classes;
    let mut one = DVector::zeros(classes);
    one[class] = 1.0;
    let mut margin = one.clone();
    margin[(class + 1) % classes] = -1.0;
    if classes == 1 { vec![one] } else { vec![one, margin] }
}

fn probes(model: &mut dyn Differentiable, one: &Batch, image: usize) -> Result<Vec<Probe>> {
    let mut stream = Streams::new(0, "gradient-check").get(image as u64);
    let mut probes = vec![];
    for cotangent in cotangents(model.spec().classes.len(), image) {
        let weights = DMatrix::from_columns(std::slice::from_ref(&cotangent));
        let gradient = model.log_prob_and_gradient(one, &weights)?.1;
        let gradient = gradient.column(0).map(f64::from);
        let along = gradient.clone();
        let random = (0..RANDOM)
            .map(|_| DVector::from_fn(gradient.len(), |_, _| 2.0 * stream.random::<f64>() - 1.0));
        let directions: Vec<DVector<f64>> = std::iter::once(along).chain(random).collect();
        for direction in directions {
            let norm = direction.norm();
            let direction = if norm > 0.0 { direction / norm } else { direction };
            let (cotangent, gradient) = (cotangent.clone(), gradient.clone());
            probes.push(Probe { cotangent, gradient, direction });
        }
    }
    Ok(probes)
}

/// By step: the length of the step along the gradient, and the change of the values.
struct Slopes {
    /// (slope by differences, slope by the gradient) for every step.
    pairs: Vec<(f64, f64)>,
    /// What a gradient of this length has along a random direction.
    typical: f64,
}

impl Slopes {
    fn measure(model: &mut dyn Differentiable, one: &Batch, probe: &Probe) -> Result<Self> {
        let (low, high) = model.spec().pixel_range;
        let (x, count) = (one.x.column(0), 2 * STEPS.len());
        let step = |column: usize| {
            let length = STEPS[column / 2] * (high - low);
            if column.is_multiple_of(2) { length } else { -length }
        };
        let moved = DMatrix::from_fn(x.len(), count, |dim, column| {
            (f64::from(x[dim]) + step(column) * probe.direction[dim]) as f32
        });
        let noise = DMatrix::from_fn(one.noise.nrows(), count, |dim, _| one.noise[(dim, 0)]);
        let batch = Batch { x: moved, noise };
        let values = model.log_prob(&batch)?.tr_mul(&probe.cotangent);
        let pairs = (0..STEPS.len()).map(|index| {
            let (ahead, behind) = (2 * index, 2 * index + 1);
            // As far as float32 really moved.
            let place = |column| batch.x.column(column).map(f64::from);
            let displacement = place(ahead) - place(behind);
            let length = 2.0 * step(ahead);
            let change = (values[ahead] - values[behind]) / length;
            (change, probe.gradient.dot(&displacement) / length)
        });
        let typical = probe.gradient.norm() / (x.len() as f64).sqrt();
        Ok(Self { pairs: pairs.collect(), typical })
    }

    /// Whether neither the values nor the gradient move.
    fn still(&self, probe: &Probe) -> bool {
        probe.gradient.norm() == 0.0 && self.pairs.iter().all(|(change, _)| *change == 0.0)
    }

    /// The relative deviation at the finest step that agrees with both its neighbours.
    fn deviation(&self, probe: &Probe) -> Option<f64> {
        if probe.gradient.iter().any(|slope| !slope.is_finite()) {
            return Some(f64::NAN);
        }
        let scale = |a: f64, b: f64| a.abs().max(b.abs()).max(self.typical);
        let neighbours = self.pairs.windows(3).map(|three| {
            let ((coarse, _), (change, by_gradient), (fine, _)) = (three[0], three[1], three[2]);
            let spread = (coarse - change).abs().max((change - fine).abs());
            (spread / scale(change, 0.0), change, by_gradient)
        });
        let agreed = neighbours.rev().find(|(spread, ..)| *spread <= CONSISTENCY);
        agreed.map(|(_, change, by_gradient)| {
            (change - by_gradient).abs() / scale(change, by_gradient)
        })
    }
}
