//! A model whose every figure is known exactly: the one that metrics and attacks are tested on.

use std::f64::consts::TAU;

use nalgebra::DMatrix;

use crate::{
    error::Result,
    model::{Batch, ConditionalModel, Dequantisation, Differentiable, ImageShape, ModelSpec},
};

/// Isotropic Gaussians of one scale: p(x given y) = N(x; mean_y, sigma² I).
///
/// With two classes and equal priors the Bayes classifier is linear, its accuracy is
/// Φ(|mean_0 - mean_1| / (2 sigma)), and the shortest shift that changes the prediction is the
/// distance to the hyperplane half-way between the means.
#[derive(Debug, Clone)]
pub struct GaussianModel {
    spec: ModelSpec,
    means: DMatrix<f64>,
    sigma: f64,
}

impl GaussianModel {
    /// A model with one column of `means` (D x K) per class, and a uniform prior.
    ///
    /// # Panics
    /// If there is no class or `sigma` is not positive and finite.
    pub fn new(means: DMatrix<f64>, sigma: f64) -> Self {
        assert!(means.ncols() > 0, "a model has at least one class");
        assert!(sigma.is_finite() && sigma > 0.0, "sigma = {sigma} must be positive and finite");
        let classes = means.ncols();
        let spec = ModelSpec {
            name: "gaussian".to_owned(),
            image: ImageShape { channels: 1, height: 1, width: means.nrows() },
            noise_len: 0,
            classes: (0..classes).map(|class| class.to_string()).collect(),
            ln_prior: vec![-(classes as f64).ln(); classes],
            n_dims: means.nrows(),
            pixel_range: (0.0, 1.0),
            dequantisation: Dequantisation::Uniform,
        };
        Self { spec, means, sigma }
    }
}

impl ConditionalModel for GaussianModel {
    fn spec(&self) -> &ModelSpec {
        &self.spec
    }

    /// -|x - mean_y|² / (2 sigma²) - D/2 ln(2 pi sigma²).
    fn log_prob(&mut self, batch: &Batch) -> Result<DMatrix<f64>> {
        let variance = self.sigma * self.sigma;
        let normaliser = 0.5 * self.means.nrows() as f64 * (TAU * variance).ln();
        Ok(DMatrix::from_fn(self.means.ncols(), batch.len(), |class, sample| {
            let (x, mean) = (batch.x.column(sample), self.means.column(class));
            let squares = x.iter().zip(mean.iter()).map(|(&x, mean)| (f64::from(x) - mean).powi(2));
            -squares.sum::<f64>() / (2.0 * variance) - normaliser
        }))
    }

    fn differentiable(&mut self) -> Option<&mut dyn Differentiable> {
        Some(self)
    }
}

impl Differentiable for GaussianModel {
    /// sum_y c_y (mean_y - x) / sigma².
    fn log_prob_and_gradient(
        &mut self,
        batch: &Batch,
        cotangent: &DMatrix<f64>,
    ) -> Result<(DMatrix<f64>, DMatrix<f32>)> {
        let weighted_means = &self.means * cotangent;
        let total = cotangent.row_sum();
        let gradient = DMatrix::from_fn(batch.x.nrows(), batch.len(), |pixel, sample| {
            let x = f64::from(batch.x[(pixel, sample)]);
            ((weighted_means[(pixel, sample)] - total[sample] * x) / self.sigma.powi(2)) as f32
        });
        Ok((self.log_prob(batch)?, gradient))
    }
}

#[cfg(test)]
mod tests {
    use approx::assert_relative_eq;

    use super::*;

    /// Central differences of a quadratic are exact up to rounding: the pixels and steps are dyadic.
    #[test]
    fn gradient_is_the_difference_quotient() {
        let means = DMatrix::from_row_slice(2, 3, &[0.5, -1.0, 0.25, 2.0, 0.0, -0.75]);
        let mut model = GaussianModel::new(means, 0.5);
        let noise = DMatrix::zeros(0, 2);
        let batch = Batch { x: DMatrix::from_row_slice(2, 2, &[0.25, 1.0, -0.5, 0.75]), noise };
        let cotangent = DMatrix::from_row_slice(3, 2, &[1.0, 0.5, -1.0, 0.0, 0.25, 2.0]);
        let (log_prob, gradient) = model.log_prob_and_gradient(&batch, &cotangent).unwrap();
        assert_eq!(log_prob, model.log_prob(&batch).unwrap());
        let step = 0.125;
        for (pixel, sample) in [(0, 0), (1, 0), (0, 1), (1, 1)] {
            let mut objective_at = |shift: f32| {
                let mut moved = batch.clone();
                moved.x[(pixel, sample)] += shift;
                cotangent.column(sample).dot(&model.log_prob(&moved).unwrap().column(sample))
            };
            let quotient = (objective_at(step) - objective_at(-step)) / f64::from(2.0 * step);
            let slope = f64::from(gradient[(pixel, sample)]);
            assert_relative_eq!(slope, quotient, max_relative = 1e-6);
        }
    }
}
