//! How long a model takes for an image: from batches that double until one takes long enough to be
//! measured.

use std::time::{Duration, Instant};

use nalgebra::DMatrix;

use crate::{
    error::Result,
    memory::blank,
    model::{ConditionalModel, Differentiable},
};

/// A batch that takes so long is not doubled any more.
const ENOUGH: Duration = Duration::from_millis(200);

/// Seconds that an image takes for its values, in batches of up to `most`.
///
/// # Errors
/// Where the model fails.
///
/// # Examples
/// ```
/// use nalgebra::DMatrix;
/// use undetected_onnx::{gaussian::GaussianModel, speed};
/// let mut model = GaussianModel::new(DMatrix::from_element(16, 2, 0.5), 0.1);
/// assert!(speed::of_values(&mut model, 8).unwrap() > 0.0);
/// ```
pub fn of_values(model: &mut dyn ConditionalModel, most: usize) -> Result<f64> {
    let spec = model.spec().clone();
    measured(most, &mut |count| model.log_prob(&blank(&spec, count)).map(drop))
}

/// [`of_values`] for values and gradient.
///
/// # Errors
/// Where the model fails.
pub fn of_gradients(model: &mut dyn Differentiable, most: usize) -> Result<f64> {
    let spec = model.spec().clone();
    measured(most, &mut |count| {
        let cotangent = DMatrix::from_element(spec.classes.len(), count, 1.0);
        model.log_prob_and_gradient(&blank(&spec, count), &cotangent).map(drop)
    })
}

/// Seconds an image of the largest batch that was asked for. The first call is not measured: engines
/// set themselves up in it.
fn measured(most: usize, ask: &mut dyn FnMut(usize) -> Result<()>) -> Result<f64> {
    let mut count = 1;
    ask(count)?;
    loop {
        let start = Instant::now();
        ask(count)?;
        let took = start.elapsed();
        if took >= ENOUGH || count >= most {
            return Ok(took.as_secs_f64() / count as f64);
        }
        count = (2 * count).min(most);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Batches double up to the largest, and a slow model is asked for one image twice, no more.
    #[test]
    fn a_slow_model_is_asked_little() {
        let mut asked = vec![];
        measured(20, &mut |count| {
            asked.push(count);
            Ok(())
        })
        .unwrap();
        assert_eq!(asked, [1, 1, 2, 4, 8, 16, 20]);
        let mut asked = vec![];
        let seconds = measured(20, &mut |count| {
            asked.push(count);
            std::thread::sleep(ENOUGH);
            Ok(())
        });
        assert_eq!(asked, [1, 1]);
        assert!(seconds.unwrap() >= ENOUGH.as_secs_f64());
    }
}
