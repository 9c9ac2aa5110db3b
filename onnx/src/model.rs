//! What every metric, detector and attack sees of a model.

use std::f64::consts::LN_2;

use nalgebra::DMatrix;

use crate::{error::Result, limits};

/// Channels, height and width of one image; its flat order is C, H, W.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct ImageShape {
    /// Colour channels.
    pub channels: usize,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
}

impl ImageShape {
    /// Numbers in one image, C·H·W.
    pub fn len(self) -> usize {
        self.channels * self.height * self.width
    }

    /// Whether it has a pixel and no more than [`limits::IMAGE`] numbers: [`len`](Self::len) of any
    /// other shape may leave the range of integers.
    pub fn is_possible(self) -> bool {
        let sizes = [self.channels, self.height, self.width];
        limits::product(&sizes, limits::IMAGE).is_some_and(|len| len > 0)
    }

    /// Whether the image has no pixel.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }
}

impl std::fmt::Display for ImageShape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}x{}x{}", self.channels, self.height, self.width)
    }
}

/// How an 8-bit value becomes a real number, and with it what `log_prob` means (`onnx/CONTRACT.md`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Dequantisation {
    /// Uniformly inside the value's bin, from the harness's seeded stream: bits/dim are an upper
    /// bound on the code length, and comparable with literature.
    Uniform,
    /// The bin's centre: deterministic, and bounds nothing.
    Centre,
    /// The grid value itself; `log_prob` is a probability mass already.
    None,
}

/// What is known of a model beside its densities.
#[derive(Debug, Clone, serde::Serialize)]
pub struct ModelSpec {
    /// Shown in tables.
    pub name: String,
    /// Shape of one image.
    pub image: ImageShape,
    /// Numbers of padding noise per image (appendix A.3), 0 without.
    pub noise_len: usize,
    /// Class names, in the order of `log_prob`'s rows.
    pub classes: Vec<String>,
    /// ln p(y) for each class, nats.
    pub ln_prior: Vec<f64>,
    /// The D of bits/dim.
    pub n_dims: usize,
    /// Lower and upper end of the pixels' range.
    pub pixel_range: (f64, f64),
    /// How 8-bit values become real numbers.
    pub dequantisation: Dequantisation,
}

impl ModelSpec {
    /// Bits per dimension of a log-likelihood in nats.
    ///
    /// -(`log_p` - D ln(256/R)) / (D ln 2) for a density on a pixel range of length R; without the
    /// constant where `log_p` is a probability mass (dequantisation `none`). Lower = likelier.
    pub fn bits_per_dim(&self, log_p: f64) -> f64 {
        self.code_length(log_p) / (self.n_dims as f64 * LN_2)
    }

    /// The length in nats of a code for 8-bit values: -`log_p` + D ln(256/R), see
    /// [`bits_per_dim`](Self::bits_per_dim).
    pub fn code_length(&self, log_p: f64) -> f64 {
        -(log_p - self.ln_bins())
    }

    /// The log-likelihood in nats that has these bits per dimension; inverse of
    /// [`bits_per_dim`](Self::bits_per_dim).
    pub fn nats(&self, bits_per_dim: f64) -> f64 {
        self.ln_bins() - bits_per_dim * self.n_dims as f64 * LN_2
    }

    fn ln_bins(&self) -> f64 {
        let (low, high) = self.pixel_range;
        match self.dequantisation {
            Dequantisation::None => 0.0,
            _ => self.n_dims as f64 * (256.0 / (high - low)).ln(),
        }
    }
}

/// Images as a model takes them.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// Pixels in the model's range, one image per column (D x N): in memory this is a C-order
    /// (N, C, H, W) tensor.
    pub x: DMatrix<f32>,
    /// Padding noise, uniform on [0, 1), one image per column (`noise_len` x N; no row without).
    pub noise: DMatrix<f32>,
}

impl Batch {
    /// Number of images.
    pub fn len(&self) -> usize {
        self.x.ncols()
    }

    /// Whether it holds no image.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A class-conditional density.
pub trait ConditionalModel {
    /// What is known of the model beside its densities.
    fn spec(&self) -> &ModelSpec;

    /// log p(x given y) in nats, total over dimensions.
    ///
    /// # Shapes
    /// `batch` holds N images; the result is classes x N.
    ///
    /// # Errors
    /// Where the engine behind the model fails. A NaN or infinite density is a value, not an error.
    fn log_prob(&mut self, batch: &Batch) -> Result<DMatrix<f64>>;
}

/// A density that can be differentiated by its input: what white-box attacks need.
pub trait Differentiable: ConditionalModel {
    /// log p(x given y), and the gradient by x of sum_y c_y log p(x given y) for each image.
    ///
    /// With c = e_a - e_b it is a class margin's gradient, with c = p(y given x) that of log p(x).
    /// c is a constant: nothing is differentiated through it. Values come with the gradient, so an
    /// attack can check that the c it guessed beforehand is the one that the values call for.
    ///
    /// # Shapes
    /// `batch` holds N images, `cotangent` (c) is classes x N; log p is classes x N, the gradient
    /// pixels x N, in nats per unit of the model's pixel range.
    ///
    /// # Errors
    /// Where the engine behind the model fails. A NaN or infinite derivative is a value.
    fn log_prob_and_gradient(
        &mut self,
        batch: &Batch,
        cotangent: &DMatrix<f64>,
    ) -> Result<(DMatrix<f64>, DMatrix<f32>)>;

    /// The same for weights c that sum to 0 for each image, as those of a margin do: what all classes of an
    /// image share is then of no account, and a model may leave it out of the values.
    ///
    /// The differences of the values between the classes are those of
    /// [`log_prob_and_gradient`](Self::log_prob_and_gradient), but for rounding. An image that has no
    /// density for what is left out may so have values.
    ///
    /// # Errors
    /// Those of [`log_prob_and_gradient`](Self::log_prob_and_gradient).
    fn margins_and_gradient(
        &mut self,
        batch: &Batch,
        cotangent: &DMatrix<f64>,
    ) -> Result<(DMatrix<f64>, DMatrix<f32>)> {
        self.log_prob_and_gradient(batch, cotangent)
    }
}
