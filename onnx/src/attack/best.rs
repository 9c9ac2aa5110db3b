//! The closest candidate so far.

use super::Scene;

/// The closest candidate that met a criterion.
#[derive(Debug, Clone, Default)]
pub struct Best {
    /// Its pixels; empty before there is one.
    x: Vec<f32>,
    l2: Option<f64>,
    trace: Vec<(u64, f64)>,
}

/// The trace keeps a distance that is this share of the last one kept.
const KEPT: f64 = 0.99;

impl Best {
    /// Distance of the closest, on pixels scaled to \[0, 1\].
    pub fn l2(&self) -> Option<f64> {
        self.l2
    }

    /// Its pixels.
    pub fn x(&self) -> Option<&[f32]> {
        self.l2.map(|_| self.x.as_slice())
    }

    /// Its distance after so many evaluations, wherever it had fallen by a hundredth.
    pub fn trace(&self) -> &[(u64, f64)] {
        &self.trace
    }

    /// Takes a candidate that met the criterion after so many evaluations; whether it is closer
    /// than all before.
    pub fn offer(&mut self, x: &[f32], l2: f64, evaluations: u64) -> bool {
        if self.l2.is_some_and(|best| l2 >= best) {
            return false;
        }
        self.x.clear();
        self.x.extend_from_slice(x);
        self.l2 = Some(l2);
        if self.trace.last().is_none_or(|(_, kept)| l2 <= KEPT * kept) {
            self.trace.push((evaluations, l2));
        }
        true
    }
}

/// ‖a - b‖₂ over the length of the pixel range: the distance on pixels scaled to \[0, 1\].
///
/// # Numerics
/// Differences of f32 pixels are squared and summed in f64.
pub fn distance(scene: &Scene<'_>, a: &[f32], b: &[f32]) -> f64 {
    norm_of_difference(a, b) / scene.scale()
}

/// ‖a‖₂.
pub(super) fn norm(a: &[f64]) -> f64 {
    a.iter().map(|a| a * a).sum::<f64>().sqrt()
}

/// ‖a - b‖₂ in the pixels' own unit.
pub(super) fn norm_of_difference(a: &[f32], b: &[f32]) -> f64 {
    const LANES: usize = 8;
    let mut sums = [0.0; LANES];
    let (a_blocks, a_rest) = a.as_chunks::<LANES>();
    let (b_blocks, b_rest) = b.as_chunks::<LANES>();
    for (a, b) in a_blocks.iter().zip(b_blocks) {
        for lane in 0..LANES {
            sums[lane] += (f64::from(a[lane]) - f64::from(b[lane])).powi(2);
        }
    }
    let rest = a_rest.iter().zip(b_rest).map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2));
    (sums.iter().sum::<f64>() + rest.sum::<f64>()).sqrt()
}
