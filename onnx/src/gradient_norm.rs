//! How steep log p(x) is at an image.

use nalgebra::DMatrix;

use crate::{
    error::Result,
    likelihood::ln_marginal,
    model::{Batch, Differentiable},
};

/// |d log p(x) / du| for each image of `batch`, L2, with u the pixels scaled to \[0, 1\].
///
/// d log p(x) / dx = sum_y p(y given x) d log p(x given y) / dx, and dx = R du for a pixel range of
/// length R: nats per pixel range, comparable between models of different range.
///
/// `None` where log p(x) or the norm is NaN or infinite.
///
/// # Shapes
/// `log_prob` (log p(x given y) of the same batch, nats) is classes x N; the result has N elements.
///
/// # Errors
/// Those of the model.
///
/// # Examples
/// ```
/// use nalgebra::{DMatrix, dmatrix};
/// use undetected_onnx::{gaussian::GaussianModel, gradient_norm, model::{Batch, ConditionalModel}};
/// // One Gaussian: |mean - x| / sigma² = |(0.3, 0.4)| / 0.25 = 2.
/// let mut model = GaussianModel::new(dmatrix![0.5; 0.5], 0.5);
/// let batch = Batch { x: dmatrix![0.2; 0.1], noise: DMatrix::zeros(0, 1) };
/// let log_prob = model.log_prob(&batch).unwrap();
/// let norm = gradient_norm::of(&mut model, &batch, &log_prob).unwrap()[0].unwrap();
/// assert!((norm - 2.0).abs() < 1e-6);
/// ```
pub fn of(
    model: &mut dyn Differentiable,
    batch: &Batch,
    log_prob: &DMatrix<f64>,
) -> Result<Vec<Option<f64>>> {
    let spec = model.spec();
    let range = spec.pixel_range.1 - spec.pixel_range.0;
    let cotangent = posterior(&spec.ln_prior, log_prob);
    let (_, gradient) = model.log_prob_and_gradient(batch, &cotangent)?;
    let norms = gradient.column_iter().zip(cotangent.column_iter()).map(|(slopes, weights)| {
        let squares: f64 = slopes.iter().map(|&slope| f64::from(slope).powi(2)).sum();
        let norm = range * squares.sqrt();
        // No weight: there is no density to differentiate.
        (norm.is_finite() && weights.sum() > 0.0).then_some(norm)
    });
    Ok(norms.collect())
}

/// p(y given x), classes x N; 0 for every class where log p(x) is not finite.
fn posterior(ln_prior: &[f64], log_prob: &DMatrix<f64>) -> DMatrix<f64> {
    let mut weights = log_prob.clone();
    for mut column in weights.column_iter_mut() {
        let log_px = ln_marginal(ln_prior, column.as_slice());
        for (weight, prior) in column.iter_mut().zip(ln_prior) {
            *weight = if log_px.is_finite() { (prior + *weight - log_px).exp() } else { 0.0 };
        }
    }
    weights
}
