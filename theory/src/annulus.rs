//! The uniform distribution on an annulus.

use crate::elementary::ln_1p;
use crate::error::{Error, require, require_dim, require_shell};
use crate::log_space::{ln_1m_exp, ln_unit_ball_volume};
use crate::normal::fill_normal;
use rand::distr::{Distribution, Open01};
use rand::{Rng, RngExt};

/// U(a, b): uniform on the points of R^d whose Euclidean norm lies between two radii a and b.
///
/// A ball is the annulus whose inner radius is 0. The radii are kept as logarithms, so that a
/// radius 1 + shell keeps all digits of a small shell.
///
/// Source: section 2 of the paper, the densities of equations 2 and 3.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Annulus {
    dim: u64,
    ln_inner: f64,
    ln_outer: f64,
    /// 1 - (a / b)^d, with a and b the radii.
    hollow: f64,
}

/// The norm of a point drawn from an annulus, without the digits that exp would lose.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RadialDraw {
    /// Natural logarithm of the norm.
    pub ln_radius: f64,
    /// Natural logarithm of outer radius over norm: positive, even where the two radii round to
    /// the same f64.
    pub ln_outer_ratio: f64,
}

impl Annulus {
    /// The annulus between the radii `inner` and `outer` in R^`dim`.
    ///
    /// Errors: 1 <= dim <= 1,000,000 or 0 <= inner < outer < infinity is violated.
    ///
    /// ```
    /// # use undetected_theory::Annulus;
    /// let ring = Annulus::new(2, 2.0, 3.0).unwrap();
    /// assert!((ring.ln_volume().exp() - 5.0 * std::f64::consts::PI).abs() < 1e-13); // 9 pi - 4 pi
    /// assert!(Annulus::new(2, 3.0, 3.0).is_err());
    /// ```
    pub fn new(dim: u64, inner: f64, outer: f64) -> Result<Self, Error> {
        require_dim(dim)?;
        require(inner >= 0.0, "inner", inner, "inner >= 0")?;
        require(outer > inner && outer.is_finite(), "outer", outer, "inner < outer < inf")?;
        Ok(Annulus::from_logarithms(dim, inner.ln(), outer.ln()))
    }

    /// U(1, 1 + shell), or U(0, 1 + shell) with `from_center`, with every digit of `shell`.
    ///
    /// Errors: 1 <= dim <= 1,000,000 or 0 < shell < 1 is violated.
    pub fn with_shell(dim: u64, shell: f64, from_center: bool) -> Result<Self, Error> {
        require_dim(dim)?;
        require_shell(shell)?;
        let ln_inner = if from_center { f64::NEG_INFINITY } else { 0.0 };
        Ok(Annulus::from_logarithms(dim, ln_inner, shell.ln_1p()))
    }

    fn from_logarithms(dim: u64, ln_inner: f64, ln_outer: f64) -> Self {
        let hollow = -(dim as f64 * (ln_inner - ln_outer)).exp_m1();
        Annulus { dim, ln_inner, ln_outer, hollow }
    }

    /// ln of the volume: ln C_d + d ln b + ln(1 - (a / b)^d), with C_d the volume of the unit
    /// ball, d the dimension, a and b the radii.
    pub fn ln_volume(&self) -> f64 {
        ln_unit_ball_volume(self.dim) + self.ln_relative_volume()
    }

    /// ln of the volume over that of the unit ball: d ln b + ln(1 - (a / b)^d).
    pub fn ln_relative_volume(&self) -> f64 {
        self.dim as f64 * self.ln_outer + self.ln_hollow()
    }

    /// ln of the density at a point whose norm has the logarithm `ln_radius`: -ln(volume) inside,
    /// both bounding spheres included, and negative infinity outside.
    ///
    /// ```
    /// # use undetected_theory::Annulus;
    /// let interval = Annulus::new(1, 0.0, 2.0).unwrap(); // -2 < x < 2
    /// assert!((interval.ln_pdf(1.5f64.ln()) - 0.25f64.ln()).abs() < 1e-14);
    /// assert_eq!(interval.ln_pdf(2.5f64.ln()), f64::NEG_INFINITY);
    /// ```
    pub fn ln_pdf(&self, ln_radius: f64) -> f64 {
        if self.contains(ln_radius) { -self.ln_volume() } else { f64::NEG_INFINITY }
    }

    /// Whether a point whose norm has this logarithm lies in the closed annulus.
    pub fn contains(&self, ln_radius: f64) -> bool {
        (self.ln_inner..=self.ln_outer).contains(&ln_radius)
    }

    /// Draws the norm exactly: its d-th power is uniform between a^d and b^d.
    ///
    /// With T uniform on (0, 1), ln(b / r) = -ln(1 - (1 - (a / b)^d) T) / d.
    ///
    /// Numerics: ln(b / r) is positive for every T, so the draw never touches the outer sphere;
    /// it is clamped to the inner one, which rounding may pass by one unit in the last place.
    pub fn sample_radius<R: Rng + ?Sized>(&self, rng: &mut R) -> RadialDraw {
        self.radius_at(rng.sample(Open01))
    }

    /// The norm that a T between 0 and 1 gives, without branches.
    #[inline(always)]
    pub(crate) fn radius_at(&self, t: f64) -> RadialDraw {
        let ln_outer_ratio = -ln_1p(-self.hollow * t) / self.dim as f64;
        let ln_radius = self.ln_outer - ln_outer_ratio;
        let ln_radius = if ln_radius > self.ln_inner { ln_radius } else { self.ln_inner };
        RadialDraw { ln_radius, ln_outer_ratio }
    }

    /// This annulus or, where `condition` fails, another in the same dimension, without branches.
    #[inline(always)]
    pub(crate) fn select(self, condition: bool, other: Annulus) -> Annulus {
        Annulus {
            dim: self.dim,
            ln_inner: if condition { self.ln_inner } else { other.ln_inner },
            ln_outer: if condition { self.ln_outer } else { other.ln_outer },
            hollow: if condition { self.hollow } else { other.hollow },
        }
    }

    /// Draws the coordinates of a point: a normalised Gaussian vector times an exact norm. Returns
    /// the norm that the coordinates have, which rounding moves off the one drawn.
    ///
    /// Panics: if `point` does not have `dim` elements.
    pub fn fill_point<R: Rng + ?Sized>(&self, rng: &mut R, point: &mut [f64]) -> f64 {
        assert_eq!(point.len() as u64, self.dim, "a point has one coordinate per dimension");
        let radius = self.sample_radius(rng).ln_radius.exp();
        fill_normal(rng, point);
        scaled(point, radius / norm_of(point, |x| x))
    }

    fn ln_hollow(&self) -> f64 {
        ln_1m_exp(self.dim as f64 * (self.ln_inner - self.ln_outer))
    }
}

impl Distribution<Vec<f64>> for Annulus {
    fn sample<R: Rng + ?Sized>(&self, rng: &mut R) -> Vec<f64> {
        let mut point = vec![0.0; self.dim as usize];
        self.fill_point(rng, &mut point);
        point
    }
}

/// Partial sums of a norm, so that its error grows with d / 8 and its loop vectorises.
const LANES: usize = 8;

/// Euclidean norm of a vector after mapping each coordinate.
pub(crate) fn norm_of(x: &[f64], map: impl Fn(f64) -> f64) -> f64 {
    let mut sums = [0.0; LANES];
    let (blocks, rest) = x.as_chunks::<LANES>();
    for block in blocks {
        for (sum, &value) in sums.iter_mut().zip(block) {
            *sum += map(value).powi(2);
        }
    }
    for (sum, &value) in sums.iter_mut().zip(rest) {
        *sum += map(value).powi(2);
    }
    sums.iter().sum::<f64>().sqrt()
}

/// Scales a vector in place and returns its norm afterwards, in one pass.
fn scaled(x: &mut [f64], scale: f64) -> f64 {
    let mut sums = [0.0; LANES];
    let (blocks, rest) = x.as_chunks_mut::<LANES>();
    for block in blocks {
        for (sum, value) in sums.iter_mut().zip(block) {
            *value *= scale;
            *sum += value.powi(2);
        }
    }
    for (sum, value) in sums.iter_mut().zip(rest) {
        *value *= scale;
        *sum += value.powi(2);
    }
    sums.iter().sum::<f64>().sqrt()
}
