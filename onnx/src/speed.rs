//! How long a model takes for an image: the least of batches that double until the time is up.

use std::time::{Duration, Instant};

use nalgebra::DMatrix;

use crate::{
    error::Result,
    memory::blank,
    model::{ConditionalModel, Differentiable},
};

/// After so long nothing more is asked.
const ENOUGH: Duration = Duration::from_millis(500);
/// Calls with the largest batch: what else the machine does slows down one or the other.
const REPEATS: usize = 3;

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

/// Seconds an image, in the fastest batch. The first call is not measured: engines set themselves up
/// in it.
fn measured(most: usize, ask: &mut dyn FnMut(usize) -> Result<()>) -> Result<f64> {
    ask(1)?;
    let start = Instant::now();
    let (mut count, mut repeats, mut least) = (1, 0, f64::INFINITY);
    loop {
        let before = Instant::now();
        ask(count)?;
        least = least.min(before.elapsed().as_secs_f64() / count as f64);
        repeats += usize::from(count == most);
        if start.elapsed() >= ENOUGH || repeats == REPEATS {
            return Ok(least);
        }
        count = (2 * count).min(most);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Batches double up to the largest, which is repeated; a slow model is asked for one image twice, no
    /// more.
    #[test]
    fn a_slow_model_is_asked_little() {
        let mut asked = vec![];
        measured(20, &mut |count| {
            asked.push(count);
            Ok(())
        })
        .unwrap();
        assert_eq!(asked, [1, 1, 2, 4, 8, 16, 20, 20, 20]);
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
