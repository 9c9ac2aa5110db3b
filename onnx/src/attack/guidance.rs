//! Where the Boundary attack's successful steps point to.

use super::best::{dot_difference, norm};

/// Steps over which the share of successes without guidance is averaged.
const RATE_MEMORY: f64 = 50.0;
/// By how much one outcome changes the logarithm of the share, at most.
const LEARNING_RATE: f64 = 0.1;
/// Below this the share does not fall, so that it can rise again.
const LEAST_SHARE: f64 = 0.01;

/// A running mean of directions, weighed by what became of steps along them.
///
/// With z the random unit vector of a step and s its outcome (1 if the candidate was taken, else 0),
/// m becomes (1 - 1/M)(m + (s - s̄) z), s̄ being the share of unguided steps taken of late.
/// Candidates are taken where z points into the region, so m points along the normal of its border:
/// the gradient estimate of HopSkipJump, from queries that are made anyway.
///
/// Every other step is guided: share g + √(1 - share²) z, g the unit vector along the part of m that
/// is tangent to the sphere. The share grows where guided steps are taken more often than others and
/// falls where they are not, near the end above all: there the normal has no tangent part, and what
/// is left of m is noise.
///
/// Source: Chen, Jordan and Wainwright, HopSkipJumpAttack, S&P 2020, for the estimate and its
/// baseline.
#[derive(Debug, Clone)]
pub(super) struct Guide {
    largest_share: f64,
    share: f64,
    memory: f64,
    mean: Vec<f64>,
    rate: f64,
    is_guided: bool,
    /// z of the last step.
    drawn: Vec<f64>,
}

impl Guide {
    /// `share` is the largest, and the first; `memory` is M.
    pub(super) fn new(pixels: usize, share: f64, memory: f64) -> Self {
        let (mean, drawn) = (vec![0.0; pixels], vec![0.0; pixels]);
        Self { largest_share: share, share, memory, mean, rate: 0.5, is_guided: false, drawn }
    }

    /// Makes a guided step's direction of a random one, e, which is tangent to the sphere of radius
    /// `r` around `original` at `best`.
    pub(super) fn mix(&mut self, e: &mut [f64], original: &[f32], best: &[f32], r: f64) {
        self.is_guided = !self.is_guided;
        let length = norm(e);
        self.drawn.iter_mut().zip(e.iter()).for_each(|(drawn, e)| *drawn = e / length);
        if !self.is_guided {
            return;
        }
        let along = dot_difference(&self.mean, original, best) / (r * r);
        for ((e, m), (o, p)) in e.iter_mut().zip(&self.mean).zip(original.iter().zip(best)) {
            *e = m - along * (f64::from(*o) - f64::from(*p));
        }
        let tangent = norm(e);
        let (share, rest) = match tangent > 0.0 {
            true => (self.share / tangent, (1.0 - self.share * self.share).sqrt()),
            false => (0.0, 1.0),
        };
        e.iter_mut().zip(&self.drawn).for_each(|(e, drawn)| *e = share * *e + rest * drawn);
    }

    /// Takes in what became of the step.
    pub(super) fn learn(&mut self, taken: bool) {
        let lead = f64::from(u8::from(taken)) - self.rate;
        let keep = 1.0 - 1.0 / self.memory;
        for (mean, drawn) in self.mean.iter_mut().zip(&self.drawn) {
            *mean = keep * (*mean + lead * drawn);
        }
        if self.is_guided {
            let share = self.share * (LEARNING_RATE * lead).exp();
            self.share = share.clamp(LEAST_SHARE.min(self.largest_share), self.largest_share);
        } else {
            self.rate += lead / RATE_MEMORY;
        }
    }
}

#[cfg(test)]
mod tests {
    use undetected_theory::{Streams, fill_normal};

    use super::*;

    /// Steps are taken where they go up along the first axis: that is where the mean points after
    /// twice as many steps as there are dimensions, and guided steps are tangent and go there.
    #[test]
    fn learns_the_direction_of_success() {
        let (dim, steps) = (50, 100);
        let mut guide = Guide::new(dim, 0.5, 100.0);
        let mut stream = Streams::new(0, "guide test").get(0);
        let mut original = vec![0.0; dim];
        original[1] = 2.0;
        let best = vec![0.0; dim];
        let mut e = vec![0.0; dim];
        for _ in 0..steps {
            fill_normal(&mut stream, &mut e);
            e[1] = 0.0;
            guide.mix(&mut e, &original, &best, 2.0);
            assert!(e[1].abs() < 1e-12, "tangent to the sphere");
            guide.learn(guide.drawn[0] > 0.0);
        }
        let cosine = guide.mean[0] / norm(&guide.mean);
        assert!(cosine > 0.5, "{cosine}");
    }
}
