//! Numbers and parameters without rounding: what enclosures and certificates start from.

use crate::error::{Error, require, require_dim};
use crate::feasibility::Goal;
use num_bigint::{BigInt, BigUint};
use num_rational::BigRational;
use num_traits::{One, Signed, ToPrimitive, Zero};
use std::fmt;
use std::str::FromStr;

/// Largest decimal exponent that is read: far beyond any weight that matters.
const MAX_EXPONENT: i64 = 1_000_000;
/// Least logarithm of a weight; enclosures have room for its square.
pub(crate) const MIN_LN_WEIGHT: f64 = -1e8;

/// A rational number, written as a decimal or as a quotient of decimals.
///
/// Its text is unique: a decimal without superfluous zeros, in scientific notation when it would
/// have more than six zeros, divided by an integer that shares no factor with 10 nor with it.
///
/// ```
/// use undetected_theory::Exact;
///
/// let read = |text: &str| text.parse::<Exact>().unwrap().to_string();
/// assert_eq!(read("1.0e-1"), "0.1");
/// assert_eq!(read("-12.5e3"), "-12500");
/// assert_eq!(read("0.00000025"), "2.5e-7");
/// assert_eq!(read("0.2/0.6"), "1/3");
/// assert!("0x1".parse::<Exact>().is_err());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Exact(pub(crate) BigRational);

impl Exact {
    /// The value of a finite f64.
    pub(crate) fn from_f64(x: f64) -> Self {
        // Parameters are checked to be finite.
        Exact(BigRational::from_float(x).unwrap_or_else(BigRational::zero))
    }

    /// The f64 next to it, for reading.
    pub fn to_f64(&self) -> f64 {
        self.0.to_f64().unwrap_or(f64::NAN)
    }
}

/// Text that is not a number.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a decimal number such as 0.1, 2.5e-3 or 1/3")]
pub struct NotExact {
    text: String,
}

impl FromStr for Exact {
    type Err = NotExact;

    fn from_str(text: &str) -> Result<Self, NotExact> {
        let (numerator, denominator) = text.split_once('/').unwrap_or((text, "1"));
        match (decimal(numerator), decimal(denominator)) {
            (Some(n), Some(d)) if !d.is_zero() => Ok(Exact(n / d)),
            _ => Err(NotExact { text: text.to_owned() }),
        }
    }
}

/// [sign] digits [. digits] [e integer]
fn decimal(text: &str) -> Option<BigRational> {
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let exponent: i64 = exponent.parse().ok().filter(|e: &i64| e.abs() <= MAX_EXPONENT)?;
    let (negative, digits) = match mantissa.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, mantissa),
    };
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    let all = format!("{whole}{part}");
    if all.is_empty() || !all.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let size = all.parse::<BigInt>().ok()?;
    let value = BigRational::from(if negative { -size } else { size });
    Some(value * power_of_ten(exponent - part.len() as i64))
}

/// 10^exponent.
fn power_of_ten(exponent: i64) -> BigRational {
    let power = BigRational::from(integer_power_of_ten(exponent.unsigned_abs()));
    if exponent < 0 { power.recip() } else { power }
}

/// 10^exponent, for exponents that fit memory.
pub(crate) fn integer_power_of_ten(exponent: u64) -> BigInt {
    BigInt::from(10).pow(exponent as u32)
}

impl fmt::Display for Exact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let denominator = self.0.denom().magnitude();
        let twos = denominator.trailing_zeros().unwrap_or(0);
        let (fives, rest) = without_fives(denominator >> twos);
        let places = twos.max(fives) as i64;
        let scaled = &self.0 * BigRational::from(BigInt::from(rest.clone())) * power_of_ten(places);
        let sign = if self.0.is_negative() { "-" } else { "" };
        write!(f, "{sign}{}", decimal_text(&scaled.numer().magnitude().to_string(), places))?;
        if rest.is_one() { Ok(()) } else { write!(f, "/{rest}") }
    }
}

/// digits / 10^places, without superfluous zeros.
fn decimal_text(digits: &str, places: i64) -> String {
    const MOST_ZEROS: i64 = 6;
    let kept = digits.trim_end_matches('0');
    if kept.is_empty() {
        return "0".to_owned();
    }
    let exponent = digits.len() as i64 - 1 - places;
    let more = kept.len() as i64 - 1; // digits after the first
    if exponent < -MOST_ZEROS || exponent - more > MOST_ZEROS {
        let (first, rest) = kept.split_at(1);
        let point = if rest.is_empty() { "" } else { "." };
        format!("{first}{point}{rest}e{exponent}")
    } else if exponent < 0 {
        format!("0.{}{kept}", "0".repeat(-exponent as usize - 1))
    } else if exponent >= more {
        format!("{kept}{}", "0".repeat((exponent - more) as usize))
    } else {
        let (whole, part) = kept.split_at(exponent as usize + 1);
        format!("{whole}.{part}")
    }
}

/// How often 5 divides x, and what is left.
fn without_fives(mut x: BigUint) -> (u64, BigUint) {
    let mut count = 0;
    while (&x % 5u32).is_zero() {
        x /= 5u32;
        count += 1;
    }
    (count, x)
}

/// A weight factor x e^ln, which holds weights given as themselves, by their logarithm, and
/// matched to one of either kind.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ExactWeight {
    pub factor: BigRational,
    pub ln: BigRational,
}

impl ExactWeight {
    pub fn value(x: &Exact) -> Self {
        ExactWeight { factor: x.0.clone(), ln: BigRational::zero() }
    }

    pub fn ln(x: f64) -> Self {
        ExactWeight { factor: BigRational::one(), ln: Exact::from_f64(x).0 }
    }

    /// delta / (1 - delta) times this weight.
    pub fn matched(&self, delta: &BigRational) -> Self {
        let ratio = delta / (BigRational::one() - delta);
        ExactWeight { factor: &self.factor * ratio, ln: self.ln.clone() }
    }

    /// The weight as a fraction, if it is one.
    pub fn fraction(&self) -> Option<&BigRational> {
        self.ln.is_zero().then_some(&self.factor)
    }

    /// This weight over another, if that is a fraction.
    pub fn ratio(&self, other: &Self) -> Option<BigRational> {
        (self.ln == other.ln).then(|| &self.factor / &other.factor)
    }
}

/// The parameters of a counter-example, exactly.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ExactParameters {
    pub dim: u64,
    pub shell: BigRational,
    pub lambda1: ExactWeight,
    pub lambda2: ExactWeight,
}

/// kl_epsilon and delta, exactly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExactGoal {
    kl_epsilon: Exact,
    delta: Exact,
}

impl ExactGoal {
    /// As [`Goal::new`].
    ///
    /// Errors: 0 < kl_epsilon or 0 < delta < 1 is violated.
    pub fn new(kl_epsilon: Exact, delta: Exact) -> Result<Self, Error> {
        let positive = kl_epsilon.0.is_positive();
        require(positive, "kl_epsilon", kl_epsilon.to_f64(), "0 < kl_epsilon < inf")?;
        require(in_unit_interval(&delta), "delta", delta.to_f64(), "0 < delta < 1")?;
        Ok(ExactGoal { kl_epsilon, delta })
    }

    /// Epsilon of section 2: the limit of both divergences, in nats.
    pub fn kl_epsilon(&self) -> &Exact {
        &self.kl_epsilon
    }

    /// Small delta: how far from certainty the labels may be.
    pub fn delta(&self) -> &Exact {
        &self.delta
    }
}

impl From<&Goal> for ExactGoal {
    fn from(goal: &Goal) -> Self {
        ExactGoal {
            kl_epsilon: Exact::from_f64(goal.kl_epsilon()),
            delta: Exact::from_f64(goal.delta()),
        }
    }
}

pub(crate) fn in_unit_interval(x: &Exact) -> bool {
    x.0.is_positive() && x.0 < BigRational::one()
}

/// Checks a dimension and an exact shell width.
pub(crate) fn require_geometry(dim: u64, shell: &Exact) -> Result<(), Error> {
    require_dim(dim)?;
    require(in_unit_interval(shell), "shell", shell.to_f64(), "0 < shell < 1")?;
    Ok(())
}
