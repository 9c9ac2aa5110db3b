//! The model q of the paper's counter-example (section 2) as a model to attack.

mod export;

pub use export::to_onnx;

use nalgebra::DMatrix;
use undetected_theory::{Class, CounterExample, Region};

use crate::{
    error::Result,
    model::{Batch, ConditionalModel, Dequantisation, Differentiable, ImageShape, ModelSpec},
};

/// The pixel range: the cube around the ball of radius 3 that holds all of p and q.
pub const RANGE: (f64, f64) = (-3.0, 3.0);

/// q(x|0) = U(0, 1 + shell), q(x|1) = lambda2 U(0, 1) + (1 - lambda2) U(2, 3) in R^d, an image of
/// one row of d pixels.
///
/// Of the points that q takes for class 1 those of the open unit ball are nearest to an x of the
/// shell, at distances down to ‖x‖ - 1, where x/‖x‖ itself belongs to the shell.
///
/// # Numerics
/// The norm of the f32 pixels is exact to f64's rounding, so a point within about 1e-16 of a sphere
/// may be counted to either side. Outside the support both densities are -inf.
///
/// # Examples
/// ```
/// use nalgebra::DMatrix;
/// use undetected_onnx::{annulus::AnnulusModel, model::{Batch, ConditionalModel}};
/// use undetected_theory::{CounterExample, Lambda2, Weight};
///
/// // In the plane, shell 1/2: q(x|0) = 1/(2.25 pi) up to radius 1.5, q(x|1) = 0.1/pi in the ball.
/// let lambda2 = Lambda2::Given(Weight::Value(0.1));
/// let example = CounterExample::new(2, 0.5, Weight::Value(0.3), lambda2).unwrap();
/// let x = DMatrix::from_column_slice(2, 2, &[0.5, 0.0, 0.0, 1.25]);
/// let batch = Batch { x, noise: DMatrix::zeros(0, 2) };
/// let found = AnnulusModel::new(example).log_prob(&batch).unwrap();
/// let pi = std::f64::consts::PI;
/// assert!((found[(0, 0)] - (1.0 / (2.25 * pi)).ln()).abs() < 1e-13);
/// assert!((found[(1, 0)] - (0.1 / pi).ln()).abs() < 1e-13);
/// assert_eq!((found[(0, 1)], found[(1, 1)]), (found[(0, 0)], f64::NEG_INFINITY));
/// ```
#[derive(Debug, Clone)]
pub struct AnnulusModel {
    spec: ModelSpec,
    example: CounterExample,
}

impl AnnulusModel {
    /// The model of a counter-example.
    pub fn new(example: CounterExample) -> Self {
        let dim = example.dim() as usize;
        let spec = ModelSpec {
            name: name(&example),
            image: ImageShape { channels: 1, height: 1, width: dim },
            noise_len: 0,
            classes: vec!["0".to_owned(), "1".to_owned()],
            ln_prior: vec![0.5_f64.ln(); 2],
            n_dims: dim,
            pixel_range: RANGE,
            dequantisation: Dequantisation::Uniform,
        };
        Self { spec, example }
    }

    /// The counter-example.
    pub fn example(&self) -> &CounterExample {
        &self.example
    }
}

fn name(example: &CounterExample) -> String {
    format!("annulus-d{}", example.dim())
}

/// log q(x|0) and log q(x|1) in a region.
fn densities(example: &CounterExample, region: Region) -> [f64; 2] {
    [Class::Zero, Class::One].map(|class| example.model().ln_conditional_density(class, region))
}

impl ConditionalModel for AnnulusModel {
    fn spec(&self) -> &ModelSpec {
        &self.spec
    }

    fn log_prob(&mut self, batch: &Batch) -> Result<DMatrix<f64>> {
        let column = |x: nalgebra::DVectorView<'_, f32>| {
            let square: f64 = x.iter().map(|x| f64::from(*x).powi(2)).sum();
            densities(&self.example, self.example.region(square.ln() / 2.0))
        };
        let values: Vec<f64> = batch.x.column_iter().flat_map(column).collect();
        Ok(DMatrix::from_vec(2, batch.len(), values))
    }
}

impl Differentiable for AnnulusModel {
    /// 0, wherever it exists.
    fn log_prob_and_gradient(
        &mut self,
        batch: &Batch,
        _cotangent: &DMatrix<f64>,
    ) -> Result<(DMatrix<f64>, DMatrix<f32>)> {
        Ok((self.log_prob(batch)?, DMatrix::zeros(batch.x.nrows(), batch.len())))
    }
}
