//! The Gaussian blur that takes high frequencies out of a background.

use crate::error::{Error, Result};

/// A Gaussian filter of one bandwidth.
#[derive(Debug, Clone, PartialEq)]
pub struct Blur {
    bandwidth: f64,
    /// Of the middle and of each neighbour on one side.
    weights: Vec<f64>,
}

/// The kernel ends where it has fallen to e^-8 of its middle.
const REACH: f64 = 4.0;

impl Blur {
    /// The filter of standard deviation `bandwidth`, in pixels; 0 changes nothing.
    ///
    /// ```text
    /// w_k = exp(-k^2 / (2 b^2)) / sum_j exp(-j^2 / (2 b^2)),   |k|, |j| <= floor(4 b + 1/2)
    /// ```
    ///
    /// # Errors
    /// [`Error::Setting`] unless 0 <= b <= `side`: a wider filter leaves one grey value, and is
    /// rather a mistake.
    pub fn new(bandwidth: f64, side: usize) -> Result<Self> {
        if !(0.0..=side as f64).contains(&bandwidth) {
            let problem =
                format!("{bandwidth} does not lie between 0 and {side}, the image's side");
            return Err(Error::setting("--blur", problem));
        }
        let radius = (REACH * bandwidth + 0.5).floor() as usize;
        let bell = |k: usize| (-0.5 * (k as f64 / bandwidth).powi(2)).exp();
        // The middle stands apart: at bandwidth 0 its exponent would be 0/0.
        let mut weights: Vec<f64> = std::iter::once(1.0).chain((1..=radius).map(bell)).collect();
        let sum = 2.0 * weights.iter().sum::<f64>() - 1.0;
        weights.iter_mut().for_each(|weight| *weight /= sum);
        Ok(Self { bandwidth, weights })
    }

    /// Its standard deviation, in pixels.
    pub fn bandwidth(&self) -> f64 {
        self.bandwidth
    }

    /// A square image of `side` columns filtered along both axes, mirrored beyond its edges
    /// (d c b a | a b c d | d c b a).
    pub fn apply(&self, image: Vec<f64>, side: usize) -> Vec<f64> {
        if self.weights.len() == 1 {
            return image;
        }
        // Each pass filters the rows and transposes.
        self.pass(&self.pass(&image, side), side)
    }

    fn pass(&self, image: &[f64], side: usize) -> Vec<f64> {
        let mut filtered = vec![0.0; image.len()];
        for (row, line) in image.chunks_exact(side).enumerate() {
            for column in 0..side {
                filtered[column * side + row] = self.at(line, column);
            }
        }
        filtered
    }

    fn at(&self, line: &[f64], column: usize) -> f64 {
        let value = |place: isize| line[mirrored(place, line.len())];
        let middle = column as isize;
        let pairs = self.weights.iter().zip(0..).skip(1);
        pairs.fold(self.weights[0] * value(middle), |sum, (weight, distance)| {
            sum + weight * (value(middle - distance) + value(middle + distance))
        })
    }
}

fn mirrored(place: isize, length: usize) -> usize {
    let period = 2 * length;
    let folded = place.rem_euclid(period as isize) as usize;
    folded.min(period - 1 - folded)
}
