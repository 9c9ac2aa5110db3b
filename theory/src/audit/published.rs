//! Numbers that the paper prints and the ledger takes as given: its measurements.

use crate::error::Error;
use crate::objective::Objective;

/// What table 1 and appendix B say of one data set.
pub(super) struct Published {
    /// Lowest and highest bits/dim of table 1.
    pub bits_per_dim: [f64; 2],
    /// Highest accuracy of table 1.
    pub accuracy: f64,
    /// D of equation 6.
    pub n_dims: u64,
}

pub(super) const MNIST: Published =
    Published { bits_per_dim: [0.95, 1.10], accuracy: 0.993, n_dims: 32 * 32 };
pub(super) const CIFAR10: Published =
    Published { bits_per_dim: [3.47, 3.54], accuracy: 0.840, n_dims: 3 * 32 * 32 };

/// Classes of both data sets.
const CLASSES: u64 = 10;
/// Section 4.2's distance from certainty.
const DELTA: f64 = 1e-5;

impl Published {
    /// At the lowest and at the highest bits/dim of table 1.
    pub fn objectives(&self) -> Result<[Objective; 2], Error> {
        let [low, high] = self.bits_per_dim;
        let at = |bits_per_dim| Objective::new(CLASSES, self.n_dims, bits_per_dim, DELTA);
        Ok([at(low)?, at(high)?])
    }

    /// Standard deviation of the log-density of a standard normal vector of D dimensions over its
    /// own samples, in nats: -||z||^2 / 2 has variance D / 2. The latent density of a flow with
    /// this prior varies by it if the flow fits.
    pub fn latent_spread(&self) -> f64 {
        (self.n_dims as f64 / 2.0).sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::numeric::{integral, ln_normal};

    /// The moments of -z^2 / 2 by quadrature, one coordinate of D independent ones.
    #[test]
    fn latent_spread_is_the_standard_deviation() {
        let moment = |power| {
            integral(|z| ln_normal(z, 0.0, 1.0).exp() * (-z * z / 2.0).powi(power), -20.0, 20.0)
        };
        let variance = moment(2) - moment(1).powi(2);
        let spread = (MNIST.n_dims as f64 * variance).sqrt();
        assert!((MNIST.latent_spread() - spread).abs() < 1e-9);
    }
}
