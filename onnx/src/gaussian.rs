//! A model whose every figure is known exactly: the one that metrics and attacks are tested on.

use std::f64::consts::TAU;

use nalgebra::DMatrix;

use crate::{
    error::Result,
    model::{Batch, ConditionalModel, Dequantisation, ImageShape, ModelSpec},
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
}
