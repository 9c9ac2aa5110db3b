//! Item 6 of Proposition 1: how much probability fits into a small ball.

use crate::counterexample::{CounterExample, Joint, Region, SUPPORT};
use crate::error::{Error, require};

/// A bound on Levy's concentration function: the largest probability of x in any ball of one
/// radius, wherever its centre.
///
/// Source: item 6 of Proposition 1, "for shell < 1 the probability in any radius ball can be made
/// as small as desired". As printed it is false: the ball of radius 3 around 0 has probability 1,
/// and that of radius 1 + shell at least 1/2, in every dimension. The proof has "any ball of radius
/// shell", and for a radius r < 1 it is true: the probability is at most r^d, so it falls by
/// ln(1/r) nats per dimension.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Concentration {
    /// Natural logarithm of a number that the probability of no ball of this radius exceeds.
    pub ln_bound: f64,
    /// Whether some ball of this radius has exactly this probability.
    pub is_attained: bool,
}

impl CounterExample {
    /// The probability under p of any ball of radius `radius`: at most r^d times the highest
    /// density of x relative to that of the uniform distribution on the unit ball.
    ///
    /// The bound is attained where a ball of radius r fits into the densest region, which takes
    /// r <= 1 for the unit ball, r <= shell / 2 for the shell and r <= 1/2 for the outer annulus:
    /// all norms in the ball lie within r of that of its centre.
    ///
    /// From d = 2 on, if lambda1 > v = (1 + shell)^-d, the densest region is the unit ball and the
    /// bound is r^d (lambda1 + lambda2) / 2. For there p(x|0) is higher than in the shell by
    /// (lambda1 - v) / (1 - v) > 0, and higher than p(x|1) in the outer annulus, as
    /// lambda1 > v > 2^-d >= 1 / (3^d - 2^d). On the line the last step fails, and the outer
    /// annulus can be denser.
    ///
    /// Source: item 6 of Proposition 1; see [`Concentration`].
    ///
    /// Errors: 0 < radius < 1, the hypothesis of item 6, is violated.
    ///
    /// ```
    /// use undetected_theory::{CounterExample, Lambda2, Weight};
    ///
    /// // v = 4/9 < 1/2, so the unit ball is densest: (1/10)^2 (0.5 + 0.1) / 2.
    /// let lambda2 = Lambda2::Given(Weight::Value(0.1));
    /// let example = CounterExample::new(2, 0.5, Weight::Value(0.5), lambda2).unwrap();
    /// let tenth = example.data_concentration(0.1).unwrap();
    /// assert!((tenth.ln_bound - 0.003f64.ln()).abs() < 1e-14);
    /// assert!(tenth.is_attained);
    /// assert!(example.data_concentration(1.0).is_err());
    /// ```
    pub fn data_concentration(&self, radius: f64) -> Result<Concentration, Error> {
        self.concentration(self.data(), radius)
    }

    /// The probability under q of any ball of radius `radius`, as for p.
    ///
    /// From d = 2 on the densest region is the unit ball, whatever the weights, and the bound is
    /// r^d (v + lambda2) / 2: the chain of inequalities above starts with v.
    ///
    /// Source: item 6 of Proposition 1; see [`Concentration`].
    ///
    /// Errors: 0 < radius < 1, the hypothesis of item 6, is violated.
    ///
    /// ```
    /// use undetected_theory::{CounterExample, Lambda2, Weight};
    ///
    /// // On the line q(x) is (2/3 + 0.1) / 4 in (-1, 1) and (1 - 0.1) / 4 between 2 and 3, so the
    /// // best interval of length 1 is (2, 3). A longer one does not fit there.
    /// let lambda2 = Lambda2::Given(Weight::Value(0.1));
    /// let example = CounterExample::new(1, 0.5, Weight::Value(0.5), lambda2).unwrap();
    /// let half = example.model_concentration(0.5).unwrap();
    /// assert!((half.ln_bound - 0.225f64.ln()).abs() < 1e-15);
    /// assert!(half.is_attained);
    /// assert!(!example.model_concentration(0.6).unwrap().is_attained);
    /// ```
    pub fn model_concentration(&self, radius: f64) -> Result<Concentration, Error> {
        self.concentration(self.model(), radius)
    }

    fn concentration(&self, joint: &Joint, radius: f64) -> Result<Concentration, Error> {
        require(radius > 0.0 && radius < 1.0, "radius", radius, "0 < radius < 1")?;
        let ln_density = |region| joint.ln_relative_density(region);
        let highest = SUPPORT.map(ln_density).into_iter().fold(f64::NEG_INFINITY, f64::max);
        let fits = |region| ln_density(region) == highest && radius <= self.largest_radius(region);
        Ok(Concentration {
            ln_bound: self.dim() as f64 * radius.ln() + highest,
            is_attained: SUPPORT.into_iter().any(fits),
        })
    }

    /// The radius of the largest ball inside a region that carries mass.
    fn largest_radius(&self, region: Region) -> f64 {
        match region {
            Region::Ball => 1.0,
            Region::Shell => self.shell() / 2.0,
            Region::Outer | Region::Outside => 0.5,
        }
    }
}
