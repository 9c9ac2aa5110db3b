//! Interval arithmetic with outward rounding, in any precision. The one file that names astro-float.
//!
//! Every operation returns an interval that contains the exact result for every choice of numbers
//! from its operands. Sums, products and quotients are rounded down at the lower end and up at the
//! upper one. astro-float documents its `Up` and `Down` as ways to break ties but implements
//! directed rounding; the tests below hold it to that with exact fractions. Its logarithm and
//! exponential are taken to be right within one unit in the last place, which is added on both
//! sides; the tests compare them with the certificate checker's own series.

use crate::certificate::dyadic::Dyadic;
use crate::log_space::SignedLn;
use astro_float::{BigFloat, Consts, RoundingMode, Sign, WORD_BIT_SIZE};
use num_bigint::BigInt;
use num_rational::BigRational;
use num_traits::{Signed, Zero};
use std::cell::RefCell;
use std::cmp::Ordering;
use std::f64::consts::LN_2;
use std::ops::{Add, Div, Mul, Neg, Sub};

const DOWN: RoundingMode = RoundingMode::Down;
const UP: RoundingMode = RoundingMode::Up;

thread_local! {
    /// Digits of ln 2 and pi that astro-float has computed so far.
    static CONSTS: RefCell<Consts> = RefCell::new(Consts::new().expect("memory for constants"));
}

/// A closed interval that contains a real number.
///
/// The ends are binary fractions of any precision; [`Enclosure::lower`] and [`Enclosure::upper`]
/// give them rounded outwards to f64.
#[derive(Debug, Clone)]
pub struct Enclosure {
    lower: BigFloat,
    upper: BigFloat,
    bits: usize,
}

impl Enclosure {
    /// A fraction, rounded outwards to `bits` bits.
    pub(crate) fn from_fraction(x: &BigRational, bits: usize) -> Self {
        let (numerator, denominator) = (exactly(x.numer()), exactly(x.denom()));
        Enclosure {
            lower: numerator.div(&denominator, bits, DOWN),
            upper: numerator.div(&denominator, bits, UP),
            bits,
        }
    }

    /// An integer, exactly; results computed from it have `bits` bits.
    pub(crate) fn integer(x: i64, bits: usize) -> Self {
        let x = exactly(&BigInt::from(x));
        Enclosure { lower: x.clone(), upper: x, bits }
    }

    /// pi.
    pub(crate) fn pi(bits: usize) -> Self {
        widened(bits, |rounding| CONSTS.with_borrow_mut(|consts| consts.pi(bits, rounding)))
    }

    /// Lower end, rounded down.
    pub fn lower(&self) -> f64 {
        let mut x = nearest(&self.lower);
        while from_f64(x) > self.lower {
            x = x.next_down();
        }
        x
    }

    /// Upper end, rounded up.
    pub fn upper(&self) -> f64 {
        let mut x = nearest(&self.upper);
        while from_f64(x) < self.upper {
            x = x.next_up();
        }
        x
    }

    /// The f64 nearest to the lower end: the number itself, once the interval is narrow enough.
    pub fn value(&self) -> f64 {
        nearest(&self.lower)
    }

    /// Whether an f64 lies in the interval.
    ///
    /// ```
    /// use undetected_theory::{CounterExample, Lambda2, Weight};
    ///
    /// let (lambda1, lambda2) = (Weight::Value(0.25), Lambda2::Given(Weight::Value(0.125)));
    /// let example = CounterExample::new(2, 0.5, lambda1, lambda2).unwrap().enclosed(128);
    /// assert!(example.unit_ball_mass().contains(0.1875)); // (lambda1 + lambda2) / 2
    /// assert!(!example.ln_lambda1().contains(0.25f64.ln())); // which is rounded
    /// ```
    pub fn contains(&self, x: f64) -> bool {
        let x = from_f64(x);
        self.lower <= x && x <= self.upper
    }

    /// The ends, exactly; none of an interval without bounds.
    pub(crate) fn ends(&self) -> Option<[Dyadic; 2]> {
        Some([dyadic(&self.lower)?, dyadic(&self.upper)?])
    }

    /// Whether the number lies below another: none while the intervals overlap.
    pub(crate) fn is_below(&self, other: &Enclosure) -> Option<bool> {
        if self.upper < other.lower {
            Some(true)
        } else if self.lower >= other.upper {
            Some(false)
        } else {
            None
        }
    }

    /// The sign of the number: none while the interval contains zero.
    pub(crate) fn sign(&self) -> Option<Ordering> {
        if self.lower.is_positive() && !self.lower.is_zero() {
            Some(Ordering::Greater)
        } else if self.upper.is_negative() && !self.upper.is_zero() {
            Some(Ordering::Less)
        } else {
            None
        }
    }

    /// Whether the number is known within 2^-`bits` of itself.
    pub(crate) fn is_known_to(&self, bits: i64) -> bool {
        let width = self.upper.sub(&self.lower, 64, UP);
        let narrow = exponent(&width) < exponent(&self.lower) - bits;
        self.lower == self.upper || self.sign().is_some() && narrow
    }

    /// Sign and logarithm of the absolute value, to the precision of f64, of a narrow interval.
    pub(crate) fn signed_ln(&self) -> SignedLn {
        let (mantissa, exponent) = parts(&self.lower);
        let ln_abs = mantissa.ln() + f64::from(exponent) * LN_2;
        SignedLn { negative: self.lower.is_negative(), ln_abs }
    }

    /// Natural logarithm; the whole line unless the number is known to be positive.
    ///
    /// The upper end is ln(lower) + width / lower, since the logarithm is concave.
    pub fn ln(&self) -> Self {
        if self.sign() != Some(Ordering::Greater) {
            return Enclosure::anything(self.bits);
        }
        let at_lower = self.at_lower(|x, bits, consts| x.ln(bits, RoundingMode::ToEven, consts));
        let rise = self.width().div(&self.lower, self.bits, UP);
        let upper = at_lower.upper.add(&rise, self.bits, UP);
        Enclosure { upper, ..at_lower }
    }

    /// Exponential.
    ///
    /// The upper end is exp(lower) (1 + 2 width) for a width up to 1.
    pub(crate) fn exp(&self) -> Self {
        let exp =
            |x: &Self| x.at_lower(|x, bits, consts| x.exp(bits, RoundingMode::ToEven, consts));
        let (at_lower, width) = (exp(self), self.width());
        if width > from_f64(1.0) {
            let at_upper = exp(&Enclosure { lower: self.upper.clone(), ..self.clone() });
            return Enclosure { upper: at_upper.upper, ..at_lower };
        }
        let rise = width.mul(&from_f64(2.0), self.bits, UP).mul(&at_lower.upper, self.bits, UP);
        let upper = at_lower.upper.add(&rise, self.bits, UP);
        Enclosure { upper, ..at_lower }
    }

    /// ln(1 + x), with the digits of a small x.
    ///
    /// Below 2^-bits it is x - x^2 <= ln(1 + x) <= x, which holds for x >= -0.68.
    pub(crate) fn ln_1p(&self) -> Self {
        if self.magnitude() < -(self.bits as i64) {
            let lower = self - &(self * self);
            return Enclosure { lower: lower.lower, upper: self.upper.clone(), bits: self.bits };
        }
        let more = self.bits + (-self.magnitude()).max(0) as usize;
        let sum = Enclosure::integer(1, more) + self.with_bits(more);
        sum.ln().with_bits(self.bits)
    }

    /// e^x - 1, with the digits of a small x.
    ///
    /// Below 2^-bits it is x <= e^x - 1 <= x + x^2, which holds for x <= 1.79.
    pub(crate) fn exp_m1(&self) -> Self {
        if self.magnitude() < -(self.bits as i64) {
            let upper = self + &(self * self);
            return Enclosure { lower: self.lower.clone(), upper: upper.upper, bits: self.bits };
        }
        let more = self.bits + (-self.magnitude()).max(0) as usize;
        (self.with_bits(more).exp() - Enclosure::integer(1, more)).with_bits(self.bits)
    }

    /// Absolute value.
    pub(crate) fn abs(&self) -> Self {
        match self.sign() {
            Some(Ordering::Less) => -self,
            Some(_) => self.clone(),
            None => {
                let (low, high) = (self.lower.abs(), self.upper.abs());
                let upper = if low > high { low } else { high };
                Enclosure { lower: BigFloat::new(self.bits), upper, bits: self.bits }
            }
        }
    }

    /// The larger of two numbers.
    pub(crate) fn max(&self, other: &Self) -> Self {
        let larger = |a: &BigFloat, b: &BigFloat| if a > b { a.clone() } else { b.clone() };
        Enclosure {
            lower: larger(&self.lower, &other.lower),
            upper: larger(&self.upper, &other.upper),
            bits: self.bits,
        }
    }

    /// The smaller of two numbers.
    pub(crate) fn min(&self, other: &Self) -> Self {
        -(-self).max(&-other)
    }

    /// The smallest interval that contains both.
    pub(crate) fn hull(&self, other: &Self) -> Self {
        let lower = if other.lower < self.lower { &other.lower } else { &self.lower };
        let upper = if other.upper > self.upper { &other.upper } else { &self.upper };
        Enclosure { lower: lower.clone(), upper: upper.clone(), bits: self.bits }
    }

    /// The same interval, or one around it, whose results will have `bits` bits.
    pub(crate) fn with_bits(&self, bits: usize) -> Self {
        let zero = BigFloat::new(bits);
        Enclosure {
            lower: self.lower.add(&zero, bits, DOWN),
            upper: self.upper.add(&zero, bits, UP),
            bits,
        }
    }

    fn anything(bits: usize) -> Self {
        Enclosure { lower: from_f64(f64::NEG_INFINITY), upper: from_f64(f64::INFINITY), bits }
    }

    /// Binary exponent of the end that is further from zero.
    fn magnitude(&self) -> i64 {
        exponent(&self.lower).max(exponent(&self.upper))
    }

    fn width(&self) -> BigFloat {
        self.upper.sub(&self.lower, self.bits, UP)
    }

    /// A function of the lower end that is known within a unit in the last place.
    fn at_lower(&self, f: impl Fn(&BigFloat, usize, &mut Consts) -> BigFloat) -> Self {
        let x = CONSTS.with_borrow_mut(|consts| f(&self.lower, self.bits, consts));
        Enclosure { lower: step(&x, DOWN), upper: step(&x, UP), bits: self.bits }
    }
}

/// A constant that is known within a unit in the last place.
fn widened(bits: usize, f: impl Fn(RoundingMode) -> BigFloat) -> Enclosure {
    let x = f(RoundingMode::ToEven);
    Enclosure { lower: step(&x, DOWN), upper: step(&x, UP), bits }
}

/// x moved by one unit in the last place.
fn step(x: &BigFloat, direction: RoundingMode) -> BigFloat {
    let Some(bits) = x.mantissa_max_bit_len().filter(|_| !x.is_zero()) else {
        // Zero: the result of ln 1 alone, which is exact.
        return x.clone();
    };
    let mut unit = BigFloat::from_f64(0.5, bits);
    unit.set_exponent(x.exponent().unwrap_or(0).saturating_sub(bits as i32 - 1));
    if direction == UP { x.add(&unit, bits, UP) } else { x.sub(&unit, bits, DOWN) }
}

impl Add<&Enclosure> for &Enclosure {
    type Output = Enclosure;
    fn add(self, other: &Enclosure) -> Enclosure {
        let bits = self.bits.min(other.bits);
        Enclosure {
            lower: self.lower.add(&other.lower, bits, DOWN),
            upper: self.upper.add(&other.upper, bits, UP),
            bits,
        }
    }
}

impl Neg for &Enclosure {
    type Output = Enclosure;
    fn neg(self) -> Enclosure {
        let [lower, upper] = [&self.upper, &self.lower].map(|end| end.clone().neg());
        Enclosure { lower, upper, bits: self.bits }
    }
}

impl Sub<&Enclosure> for &Enclosure {
    type Output = Enclosure;
    fn sub(self, other: &Enclosure) -> Enclosure {
        self + &-other
    }
}

impl Mul<&Enclosure> for &Enclosure {
    type Output = Enclosure;
    fn mul(self, other: &Enclosure) -> Enclosure {
        self.spanning(other, |a, b, bits, rounding| a.mul(b, bits, rounding))
    }
}

impl Div<&Enclosure> for &Enclosure {
    type Output = Enclosure;
    fn div(self, other: &Enclosure) -> Enclosure {
        if other.sign().is_none() {
            return Enclosure::anything(self.bits.min(other.bits));
        }
        self.spanning(other, |a, b, bits, rounding| a.div(b, bits, rounding))
    }
}

impl Enclosure {
    /// An operation whose extremes over two intervals lie at their ends.
    fn spanning(
        &self,
        other: &Self,
        operation: impl Fn(&BigFloat, &BigFloat, usize, RoundingMode) -> BigFloat,
    ) -> Self {
        let bits = self.bits.min(other.bits);
        let pairs = [
            (&self.lower, &other.lower),
            (&self.lower, &other.upper),
            (&self.upper, &other.lower),
            (&self.upper, &other.upper),
        ];
        let at = |rounding| pairs.map(|(a, b)| operation(a, b, bits, rounding));
        let [first, rest @ ..] = at(DOWN);
        let lower = rest.into_iter().fold(first, |low, x| if x < low { x } else { low });
        let [first, rest @ ..] = at(UP);
        let upper = rest.into_iter().fold(first, |high, x| if x > high { x } else { high });
        Enclosure { lower, upper, bits }
    }
}

/// The operators on owned intervals, so that formulas read as formulas.
macro_rules! owned_operators {
    ($($trait:ident $method:ident),*) => {$(
        impl $trait<Enclosure> for Enclosure {
            type Output = Enclosure;
            fn $method(self, other: Enclosure) -> Enclosure {
                (&self).$method(&other)
            }
        }
        impl $trait<&Enclosure> for Enclosure {
            type Output = Enclosure;
            fn $method(self, other: &Enclosure) -> Enclosure {
                (&self).$method(other)
            }
        }
        impl $trait<Enclosure> for &Enclosure {
            type Output = Enclosure;
            fn $method(self, other: Enclosure) -> Enclosure {
                self.$method(&other)
            }
        }
    )*};
}
owned_operators!(Add add, Sub sub, Mul mul, Div div);

impl Neg for Enclosure {
    type Output = Enclosure;
    fn neg(self) -> Enclosure {
        -&self
    }
}

/// An integer with all its digits.
fn exactly(x: &BigInt) -> BigFloat {
    if x.is_zero() {
        return BigFloat::new(WORD_BIT_SIZE);
    }
    let bits = x.bits();
    let words = bits.div_ceil(WORD_BIT_SIZE as u64);
    let aligned = x.abs() << (words * WORD_BIT_SIZE as u64 - bits);
    let sign = if x.is_negative() { Sign::Neg } else { Sign::Pos };
    let digits: Vec<_> =
        aligned.iter_u64_digits().map(|digit| digit as astro_float::Word).collect();
    BigFloat::from_words(&digits, sign, bits as astro_float::Exponent)
}

/// The value of a finite number; none of an infinite one.
fn dyadic(x: &BigFloat) -> Option<Dyadic> {
    if x.is_zero() {
        return Some(Dyadic { mantissa: BigInt::zero(), exponent: 0 });
    }
    let (words, _, sign, exponent, _) = x.as_raw_parts()?;
    let halves = words.iter().flat_map(|&word| [word as u32, (word >> 32) as u32]);
    let sign = if sign == Sign::Neg { num_bigint::Sign::Minus } else { num_bigint::Sign::Plus };
    let exponent = i64::from(exponent) - (words.len() * WORD_BIT_SIZE) as i64;
    Some(Dyadic { mantissa: BigInt::new(sign, halves.collect()), exponent })
}

/// x, exactly. astro-float 0.9.6 reads a subnormal f64 as half its value, so those are scaled up
/// to normal numbers and the exponent is put back.
fn from_f64(x: f64) -> BigFloat {
    const SCALE: i32 = 64;
    const BITS: usize = 64;
    if !x.is_subnormal() {
        return BigFloat::from_f64(x, BITS);
    }
    let mut scaled = BigFloat::from_f64(x * 2f64.powi(SCALE), BITS);
    let exponent = scaled.exponent().unwrap_or(0);
    scaled.set_exponent(exponent - SCALE);
    scaled
}

/// Binary exponent; that of zero is below all others, that of infinity above.
fn exponent(x: &BigFloat) -> i64 {
    match x.exponent() {
        _ if x.is_zero() => i64::MIN / 2,
        Some(exponent) => i64::from(exponent),
        None => i64::MAX / 2,
    }
}

/// Mantissa in [1/2, 1] and binary exponent of |x|; (0, 0) for zero.
fn parts(x: &BigFloat) -> (f64, i32) {
    match x.as_raw_parts() {
        Some((words, _, _, exponent, _)) if !x.is_zero() => {
            let word = 0.5f64.powi(WORD_BIT_SIZE as i32);
            let mantissa = words.iter().fold(0.0, |low, &w| (w as f64 + low) * word);
            (mantissa, exponent)
        }
        _ => (0.0, 0),
    }
}

/// The f64 nearest to x, or one beside it.
fn nearest(x: &BigFloat) -> f64 {
    if x.is_inf() {
        return if x.is_negative() { f64::NEG_INFINITY } else { f64::INFINITY };
    }
    let (mantissa, exponent) = parts(x);
    let half = exponent / 2; // two steps, because 2^exponent alone may leave the range of f64
    let size = mantissa * 2f64.powi(half) * 2f64.powi(exponent - half);
    if x.is_negative() { -size } else { size }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::Streams;
    use rand::RngExt;

    fn fraction(x: &Dyadic) -> BigRational {
        let power = BigRational::from(BigInt::from(1) << x.exponent.unsigned_abs());
        let mantissa = BigRational::from(x.mantissa.clone());
        if x.exponent < 0 { mantissa / power } else { mantissa * power }
    }

    fn ends(x: &Enclosure) -> [BigRational; 2] {
        x.ends().expect("finite ends").map(|end| fraction(&end))
    }

    fn random(i: u64) -> BigRational {
        let mut rng = Streams::new(8, "enclosure test").get(i);
        let (n, d) =
            (rng.random_range(-1_000_000..1_000_000i64), rng.random_range(1..1_000_000i64));
        BigRational::new(n.into(), d.into())
    }

    /// Each operation, rounded to either side of the exact result, strictly unless that is a binary
    /// fraction of so many bits, and by no more than a unit in the last place per operand.
    #[test]
    fn rounding_is_directed() {
        const BITS: usize = 64;
        let mut inexact = 0;
        for i in 0..2000 {
            let (x, y) = (random(i), random(i + 100_000));
            let [a, b] = [&x, &y].map(|x| Enclosure::from_fraction(x, BITS));
            let mut results = vec![(a.clone(), x.clone()), (&a + &b, &x + &y), (&a - &b, &x - &y)];
            results.push((&a * &b, &x * &y));
            if !y.is_zero() {
                results.push((&a / &b, &x / &y));
            }
            for (enclosure, exact) in results {
                let [lower, upper] = ends(&enclosure);
                assert!(lower <= exact && exact <= upper, "{x} {y}: {exact}");
                inexact += usize::from(lower < exact && exact < upper);
                let size = lower.abs().max(upper.abs()).max(x.abs()).max(y.abs());
                assert!(upper - lower <= size / (BigInt::from(1) << 59u32), "{x} {y}: wide");
            }
        }
        assert!(inexact > 5000, "only {inexact} results were rounded at all");
    }

    #[test]
    fn every_f64_is_read_exactly() {
        for x in
            [1.0, -0.1, 3e-20, 1e6, 123.456e100, 5e-324, -1e-310, f64::MAX, -1.0 + f64::EPSILON]
        {
            let exact = BigRational::from_float(x).unwrap();
            assert_eq!(fraction(&dyadic(&from_f64(x)).unwrap()), exact, "{x:e}");
            let enclosure = Enclosure::from_fraction(&exact, 128);
            assert_eq!([enclosure.lower(), enclosure.upper(), enclosure.value()], [x; 3]);
            let ln = enclosure.signed_ln();
            let tolerance = 4e-16 * x.abs().ln().abs().max(1.0); // two roundings of the logarithm
            assert!((ln.ln_abs - x.abs().ln()).abs() <= tolerance, "{x:e}");
            assert_eq!(ln.negative, x < 0.0);
        }
    }

    /// Bounds outside the range of f64 are rounded to its ends, outwards.
    #[test]
    fn f64_bounds_stay_outside() {
        let tiny = Enclosure::integer(-100_000, 128).exp();
        assert_eq!([tiny.lower(), tiny.upper()], [0.0, f64::from_bits(1)]);
        let huge = Enclosure::integer(100_000, 128).exp();
        assert_eq!([huge.lower(), huge.upper()], [f64::MAX, f64::INFINITY]);
        let third = Enclosure::from_fraction(&BigRational::new(1.into(), 3.into()), 128);
        assert_eq!(third.lower().next_up(), third.upper());
    }
}
