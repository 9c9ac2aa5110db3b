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

/// Partial sums, so that loops vectorise.
const LANES: usize = 8;

/// The sum of `term` over places 0 to n - 1.
#[inline(always)]
fn sum(n: usize, term: impl Fn(usize) -> f64) -> f64 {
    let mut sums = [0.0; LANES];
    for block in 0..n / LANES {
        for (lane, sum) in sums.iter_mut().enumerate() {
            *sum += term(block * LANES + lane);
        }
    }
    sums.iter().sum::<f64>() + (n - n % LANES..n).map(term).sum::<f64>()
}

/// ‖a‖₂.
pub(super) fn norm(a: &[f64]) -> f64 {
    sum(a.len(), |i| a[i] * a[i]).sqrt()
}

/// ‖a - b‖₂ in the pixels' own unit.
pub(super) fn norm_of_difference(a: &[f32], b: &[f32]) -> f64 {
    let b = &b[..a.len()];
    sum(a.len(), |i| (f64::from(a[i]) - f64::from(b[i])).powi(2)).sqrt()
}

/// v·(a - b).
pub(super) fn dot_difference(v: &[f64], a: &[f32], b: &[f32]) -> f64 {
    let (a, b) = (&a[..v.len()], &b[..v.len()]);
    sum(v.len(), |i| v[i] * (f64::from(a[i]) - f64::from(b[i])))
}
