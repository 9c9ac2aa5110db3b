//! Item 7 of Proposition 1: the total variation of the densities.

use crate::counterexample::{Class, CounterExample, Joint, Region};
use crate::error::{Error, require, require_dim};
use crate::log_space::{SignedLn, ln_1m_exp, ln_add_exp};
use std::f64::consts::LN_2;

/// The radius of the ball that holds all mass of the counter-example.
pub const SUPPORT_RADIUS: f64 = 3.0;

/// Total variations of a distribution of (x, y), per unit of length, as natural logarithms.
///
/// The total variation of a density f on R^d is its seminorm among functions of bounded variation:
/// the supremum of the integral of f div(phi) over smooth vector fields phi of compact support
/// with |phi| <= 1. Where f is constant between spheres around 0 it is the sum over the spheres of
/// |jump of f| times area, and that of radius R has the area d C_d R^(d-1). It is no distance
/// between distributions, which goes by the same name.
///
/// Source: item 7 of Proposition 1, "the total variation of the distribution can be made as small
/// as desired", is false. Its proof says that the area of a sphere of fixed radius falls to zero
/// as d grows. But so does the volume C_d that the density is divided by; C_d cancels, a factor
/// d is left, and the total variation grows in proportion to d. [`least_variation`] shows that no
/// other density with this support does better. What holds instead: p(x|0) is hardly rougher than
/// the uniform q(x|0), which has the least total variation that its support admits. With
/// v = (1 + shell)^-d the ratio of the two is exactly 1 + shell (lambda1 - v) / (1 - v) where
/// lambda1 >= v, and that is at most 1 + shell lambda1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Variation {
    /// ln of the total variation of the density of x given y = 0.
    pub ln_class0: f64,
    /// ln of the total variation of the density of x given y = 1.
    pub ln_class1: f64,
    /// ln of the total variation of the density of x.
    pub ln_marginal: f64,
}

impl Variation {
    /// ln of the total variation in x of the density of (x, y), summed over y: the mean of the
    /// two classes. Not below that of the density of x.
    pub fn ln_joint(&self) -> f64 {
        ln_add_exp(self.ln_class0, self.ln_class1) - LN_2
    }
}

impl CounterExample {
    /// Total variation of the data p.
    ///
    /// With d = `dim`, v = (1 + shell)^-d and the jump j = (lambda1 - v) / (1 - v) of p(x|0) at
    /// the unit sphere, times C_d:
    /// p(x|0): d (|j| + (1 - lambda1) / ((1 - v) (1 + shell))),
    /// p(x|1): d (lambda2 + o) with o = (1 - lambda2) (2^(d-1) + 3^(d-1)) / (3^d - 2^d),
    /// p(x): d/2 (|j + lambda2| + (1 - lambda1) / ((1 - v) (1 + shell)) + o).
    ///
    /// Source: item 7 of Proposition 1; see [`Variation`].
    ///
    /// Numerics: every logarithm within 1e-12, absolute, from d = 1 to 1,000,000. Where the jumps
    /// cancel, what they leave is below the term beside them.
    ///
    /// ```
    /// use undetected_theory::{CounterExample, Lambda2, Weight};
    ///
    /// // On the line: p(x|0) is 1/4 on (-1, 1), 1/2 on the 1/2 beside it, so it goes up by 1/2,
    /// // down by 1/4, up by 1/4 and down by 1/2. p(x|1) is 1/4 there and 1/4 between 2 and 3.
    /// let half = Weight::Value(0.5);
    /// let example = CounterExample::new(1, 0.5, half, Lambda2::Given(half)).unwrap();
    /// let variation = example.data_variation();
    /// assert!((variation.ln_class0 - 1.5f64.ln()).abs() < 1e-15);
    /// assert!((variation.ln_class1 - 1.5f64.ln()).abs() < 1e-15);
    /// // p(x): 1/4 both below 1 and below 1.5, so that the jumps at 1 vanish; 1/8 from 2 to 3.
    /// assert!(variation.ln_marginal.abs() < 1e-15); // 2/4 + 4/8
    /// ```
    pub fn data_variation(&self) -> Variation {
        let (ln1, ln_ball) = (self.ln_lambda1(), -self.ln_volume_ratio());
        let ln_abs = ln_abs_difference(ln1, ln_ball) - ln_1m_exp(ln_ball);
        self.variation(self.data(), SignedLn { negative: ln1 < ln_ball, ln_abs })
    }

    /// Total variation of the model q.
    ///
    /// With o as in [`CounterExample::data_variation`]: q(x|0): d / (1 + shell), the least that
    /// its support admits; q(x|1): d (lambda2 + o); q(x): d/2 (lambda2 + 1 / (1 + shell) + o).
    ///
    /// Source: item 7 of Proposition 1; see [`Variation`].
    ///
    /// Numerics: as for the data.
    ///
    /// ```
    /// use undetected_theory::{CounterExample, Lambda2, Weight};
    ///
    /// // In R^2, q(x|0) is 1 / (2.25 pi) within 1.5, and the circle around it is 3 pi long.
    /// let half = Weight::Value(0.5);
    /// let example = CounterExample::new(2, 0.5, half, Lambda2::Given(half)).unwrap();
    /// assert!((example.model_variation().ln_class0 - (3.0 / 2.25f64).ln()).abs() < 1e-15);
    /// ```
    pub fn model_variation(&self) -> Variation {
        self.variation(self.model(), SignedLn { negative: false, ln_abs: f64::NEG_INFINITY })
    }

    /// `jump`: that of class 0 at the unit sphere, inwards, times C_d.
    fn variation(&self, joint: &Joint, jump: SignedLn) -> Variation {
        let (ln_dim, ln2) = ((self.dim() as f64).ln(), self.ln_lambda2());
        let ln_ball = -self.ln_volume_ratio();
        let in_shell = joint.ln_mass(Class::Zero, Region::Shell);
        let rim = in_shell - ln_1m_exp(ln_ball) - self.shell().ln_1p();
        let outer = joint.ln_mass(Class::One, Region::Outer) + ln_outer_spheres(self.dim());
        let jumps = if jump.negative {
            ln_abs_difference(ln2, jump.ln_abs)
        } else {
            ln_add_exp(ln2, jump.ln_abs)
        };
        Variation {
            ln_class0: ln_dim + ln_add_exp(jump.ln_abs, rim),
            ln_class1: ln_dim + ln_add_exp(ln2, outer),
            ln_marginal: ln_dim - LN_2 + ln_add_exp(jumps, ln_add_exp(rim, outer)),
        }
    }
}

/// The least total variation of any density on R^`dim` that vanishes outside the ball of radius
/// `radius`: d / R.
///
/// The field phi(x) = x / R, cut off outside the ball, has |phi| <= 1 and there the divergence
/// d / R, so the integral of f div(phi) is d / R for every density f. The uniform density on the
/// ball attains it.
///
/// Errors: 1 <= dim <= 1,000,000 or 0 < radius < infinity is violated.
///
/// ```
/// use undetected_theory::{SUPPORT_RADIUS, least_variation};
///
/// assert_eq!(least_variation(600, SUPPORT_RADIUS), Ok(200.0));
/// // On the line: a density on (-2, 2) reaches 1/4 somewhere, and comes up from and goes to 0.
/// assert_eq!(least_variation(1, 2.0), Ok(0.5));
/// ```
pub fn least_variation(dim: u64, radius: f64) -> Result<f64, Error> {
    require_dim(dim)?;
    require(radius > 0.0 && radius.is_finite(), "radius", radius, "0 < radius < inf")?;
    Ok(dim as f64 / radius)
}

/// ln of (2^(d-1) + 3^(d-1)) / (3^d - 2^d), the spheres around the outer annulus.
fn ln_outer_spheres(dim: u64) -> f64 {
    let ln_ratio = (2.0 / 3.0f64).ln();
    let inner = ((dim - 1) as f64 * ln_ratio).exp();
    inner.ln_1p() - 3f64.ln() - ln_1m_exp(dim as f64 * ln_ratio)
}

/// ln|e^a - e^b|, negative infinity where they are equal; at most one may be negative infinity.
fn ln_abs_difference(a: f64, b: f64) -> f64 {
    let (low, high) = if a < b { (a, b) } else { (b, a) };
    high + ln_1m_exp(low - high)
}
