//! Whether a gradient is the slope of the values it came with.

use super::{Goal, Scene, Subject};

/// Lengths of the shifts, on pixels scaled to \[0, 1\]: the longer where values are coarse, the
/// shorter where the density is curved.
const SHIFTS: [f64; 2] = [1e-2, 1e-3];

/// A slope passes that is within this share of the difference. Differences of float32 densities are
/// themselves off by several per cent: this finds a wrong gradient, not an inaccurate one.
const TOLERANCE: f64 = 0.25;

/// Compares the margin's gradient at the original with central differences along it.
///
/// The change of the margin from x - h g/‖g‖ to x + h g/‖g‖, both put back into the pixel range,
/// must be g times the shift that is left; for one of two lengths h.
pub(super) struct Probe {
    x: Vec<f32>,
    range: (f32, f32),
    scale: f64,
    goal: Goal,
    rival: usize,
    gradient: Vec<f32>,
    stage: usize,
    below: Option<(Vec<f32>, f64)>,
}

impl Probe {
    pub(super) fn new(scene: &Scene<'_>, subject: Subject<'_>, log_prob: &[f64]) -> Self {
        let margin = subject.goal.margin(scene.ln_prior, log_prob);
        Self {
            x: subject.x.to_vec(),
            range: scene.bounds(),
            scale: scene.scale(),
            goal: subject.goal,
            rival: margin.expect("an original without density is not attacked").rival,
            gradient: vec![],
            stage: 0,
            below: None,
        }
    }

    pub(super) fn wants_gradient(&self) -> bool {
        self.gradient.is_empty()
    }

    /// First the gradient, then a point below and one above for each shift.
    pub(super) fn ask(&mut self, x: &mut [f32], cotangent: &mut [f64]) {
        x.copy_from_slice(&self.x);
        if self.wants_gradient() {
            self.goal.add_margin_slope(1.0, self.rival, cotangent);
            return;
        }
        let norm = self.gradient.iter().map(|slope| f64::from(*slope).powi(2)).sum::<f64>().sqrt();
        let sign = if self.below.is_some() { 1.0 } else { -1.0 };
        let shift = (sign * SHIFTS[self.stage] * self.scale / norm) as f32;
        for (x, slope) in x.iter_mut().zip(&self.gradient) {
            *x = (*x + shift * slope).clamp(self.range.0, self.range.1);
        }
    }

    /// Whether the gradient passes, as soon as that is known.
    pub(super) fn tell(&mut self, x: &[f32], log_prob: &[f64], gradient: &[f32]) -> Option<bool> {
        if self.wants_gradient() {
            self.gradient = gradient.to_vec();
            // There is no direction to go in; a zero gradient has a flag of its own.
            let is_zero = gradient.iter().all(|slope| *slope == 0.0);
            let is_finite = gradient.iter().all(|slope| slope.is_finite());
            return (is_zero || !is_finite).then_some(is_zero);
        }
        let value = self.value(log_prob);
        let Some((from, below)) = self.below.take() else {
            self.below = Some((x.to_vec(), value));
            return None;
        };
        let shifts = x.iter().zip(&from).map(|(to, from)| f64::from(*to) - f64::from(*from));
        let slopes = self.gradient.iter().map(|slope| f64::from(*slope));
        let expected: f64 = shifts.zip(slopes).map(|(shift, slope)| shift * slope).sum();
        if ((value - below) - expected).abs() <= TOLERANCE * expected.abs() {
            return Some(true);
        }
        self.stage += 1;
        (self.stage == SHIFTS.len()).then_some(false)
    }

    /// The margin against the same rival throughout: the maximum of several has kinks.
    fn value(&self, log_prob: &[f64]) -> f64 {
        let mut slope = vec![0.0; log_prob.len()];
        self.goal.add_margin_slope(1.0, self.rival, &mut slope);
        slope.iter().zip(log_prob).filter(|(s, _)| **s != 0.0).map(|(s, v)| s * v).sum()
    }
}
