//! The checker's arithmetic: intervals of binary fractions on integers, with its own series.
//!
//! It shares nothing with the arithmetic of enclosures. Every rounding is a shift of an integer,
//! and every series carries a bound on what it leaves out.

use num_bigint::BigInt;
use num_rational::BigRational;
use num_traits::{Signed, ToPrimitive, Zero};
use std::cmp::Ordering;

/// Extra bits of a series, for its roundings: each of fewer than 2^16 terms loses one unit.
const GUARD: u64 = 32;

/// mantissa x 2^exponent.
#[derive(Debug, Clone)]
pub(crate) struct Dyadic {
    pub mantissa: BigInt,
    pub exponent: i64,
}

impl Dyadic {
    fn integer(x: i64) -> Self {
        Dyadic { mantissa: x.into(), exponent: 0 }
    }

    /// Rounded to `bits` bits, up or down.
    fn rounded(self, bits: u64, up: bool) -> Self {
        let Some(shift) = self.mantissa.bits().checked_sub(bits).filter(|&shift| shift > 0) else {
            return self;
        };
        let mantissa = shifted_right(self.mantissa, shift, up);
        Dyadic { mantissa, exponent: self.exponent + shift as i64 }
    }

    /// The exponent of the leading bit.
    fn size(&self) -> i64 {
        self.exponent + self.mantissa.bits() as i64
    }

    fn plus(&self, other: &Dyadic) -> Dyadic {
        let exponent = self.exponent.min(other.exponent);
        let aligned = |x: &Dyadic| &x.mantissa << (x.exponent - exponent);
        Dyadic { mantissa: aligned(self) + aligned(other), exponent }
    }

    fn times(&self, other: &Dyadic) -> Dyadic {
        let mantissa = &self.mantissa * &other.mantissa;
        Dyadic { mantissa, exponent: self.exponent + other.exponent }
    }

    fn negated(&self) -> Dyadic {
        Dyadic { mantissa: -&self.mantissa, exponent: self.exponent }
    }

    fn over(&self, other: &Dyadic, bits: u64, up: bool) -> Dyadic {
        let wanted = bits as i64 + other.mantissa.bits() as i64 - self.mantissa.bits() as i64 + 1;
        let shift = wanted.max(0);
        let (mut a, mut b) = (&self.mantissa << shift, other.mantissa.clone());
        if b.is_negative() {
            (a, b) = (-a, -b);
        }
        let mantissa = if up { -floor_ratio(&-a, &b) } else { floor_ratio(&a, &b) };
        Dyadic { mantissa, exponent: self.exponent - other.exponent - shift }.rounded(bits, up)
    }

    fn compare(&self, other: &Dyadic) -> Ordering {
        self.plus(&other.negated()).mantissa.cmp(&BigInt::zero())
    }
}

/// The integer below a / b, for b > 0.
pub(crate) fn floor_ratio(a: &BigInt, b: &BigInt) -> BigInt {
    let quotient = a / b; // rounded towards zero
    if (a % b).is_negative() { quotient - 1 } else { quotient }
}

/// x / 2^shift, up or down.
fn shifted_right(x: BigInt, shift: u64, up: bool) -> BigInt {
    if up { -(-x >> shift) } else { x >> shift } // >> rounds towards negative infinity
}

/// A closed interval with ends of `bits` bits.
#[derive(Debug, Clone)]
pub(crate) struct Interval {
    pub low: Dyadic,
    pub high: Dyadic,
    bits: u64,
}

impl Interval {
    pub fn integer(x: i64, bits: u64) -> Self {
        Interval { low: Dyadic::integer(x), high: Dyadic::integer(x), bits }
    }

    pub fn fraction(x: &BigRational, bits: u64) -> Self {
        let whole = |n: &BigInt| Dyadic { mantissa: n.clone(), exponent: 0 };
        let (n, d) = (whole(x.numer()), whole(x.denom()));
        Interval { low: n.over(&d, bits, false), high: n.over(&d, bits, true), bits }
    }

    fn new(low: Dyadic, high: Dyadic, bits: u64) -> Self {
        Interval { low: low.rounded(bits, false), high: high.rounded(bits, true), bits }
    }

    pub fn plus(&self, other: &Self) -> Self {
        Interval::new(self.low.plus(&other.low), self.high.plus(&other.high), self.bits)
    }

    pub fn negated(&self) -> Self {
        Interval { low: self.high.negated(), high: self.low.negated(), bits: self.bits }
    }

    pub fn minus(&self, other: &Self) -> Self {
        self.plus(&other.negated())
    }

    pub fn times(&self, other: &Self) -> Self {
        let pairs = self.pairs(other).map(|(a, b)| a.times(b));
        self.spanning(pairs.clone(), pairs)
    }

    /// None when the divisor may be zero.
    pub fn over(&self, other: &Self) -> Option<Self> {
        other.sign()?;
        let at = |up| self.pairs(other).map(|(a, b)| a.over(b, self.bits, up));
        Some(self.spanning(at(false), at(true)))
    }

    fn pairs<'a>(&'a self, other: &'a Self) -> [(&'a Dyadic, &'a Dyadic); 4] {
        let (a, b) = (self, other);
        [(&a.low, &b.low), (&a.low, &b.high), (&a.high, &b.low), (&a.high, &b.high)]
    }

    fn spanning(&self, lows: [Dyadic; 4], highs: [Dyadic; 4]) -> Self {
        let [first, rest @ ..] = lows;
        let low = rest.into_iter().fold(first, smaller);
        let [first, rest @ ..] = highs;
        let high = rest.into_iter().fold(first, larger);
        Interval::new(low, high, self.bits)
    }

    /// The sign, or none when the interval contains zero.
    pub fn sign(&self) -> Option<Ordering> {
        let sign = |x: &Dyadic| x.mantissa.cmp(&BigInt::zero());
        (sign(&self.low) == sign(&self.high) && sign(&self.low) != Ordering::Equal)
            .then(|| sign(&self.low))
    }

    /// Whether the number is surely below another.
    pub fn is_below(&self, other: &Self) -> bool {
        self.high.compare(&other.low) == Ordering::Less
    }

    pub fn absolute(&self) -> Option<Self> {
        match self.sign()? {
            Ordering::Less => Some(self.negated()),
            _ => Some(self.clone()),
        }
    }

    pub fn larger(&self, other: &Self) -> Self {
        let low = larger(self.low.clone(), other.low.clone());
        Interval { low, high: larger(self.high.clone(), other.high.clone()), bits: self.bits }
    }

    pub fn smaller(&self, other: &Self) -> Self {
        self.negated().larger(&other.negated()).negated()
    }

    /// Natural logarithm, or none unless the number is surely positive.
    ///
    /// x = y 2^k with 2/3 <= y < 4/3, and ln x = 2 atanh((y - 1) / (y + 1)) + k ln 2.
    pub fn ln(&self) -> Option<Self> {
        if self.sign()? == Ordering::Less {
            return None;
        }
        let [low, high] = [&self.low, &self.high].map(|end| ln(end, self.bits));
        Some(Interval::new(low.low, high.high, self.bits))
    }

    /// ln(1 + x) = 2 atanh(x / (2 + x)), which keeps the digits of a small x.
    pub fn ln_1p(&self) -> Option<Self> {
        let (one, two) = (Interval::integer(1, self.bits), Interval::integer(2, self.bits));
        let ratio = self.over(&two.plus(self))?;
        let third = Interval::fraction(&BigRational::new(1.into(), 3.into()), self.bits);
        if ratio.is_below(&third) && third.negated().is_below(&ratio) {
            let [low, high] = [&ratio.low, &ratio.high].map(|end| atanh(end, self.bits));
            return Some(Interval::new(low.low, high.high, self.bits).times(&two));
        }
        one.plus(self).ln()
    }

    /// Exponential.
    pub fn exp(&self) -> Self {
        let [low, high] = [&self.low, &self.high].map(|end| exp(end, self.bits));
        Interval::new(low.low, high.high, self.bits)
    }

    /// The same interval for results of more bits.
    pub fn with_bits(&self, bits: u64) -> Self {
        Interval { bits, ..self.clone() }
    }

    /// How many zeros lead the binary expansion of the number, if it is below 1.
    pub fn leading_zeros(&self) -> u64 {
        (-self.high.size()).max(0) as u64
    }
}

fn smaller(a: Dyadic, b: Dyadic) -> Dyadic {
    if a.compare(&b) == Ordering::Greater { b } else { a }
}

fn larger(a: Dyadic, b: Dyadic) -> Dyadic {
    if a.compare(&b) == Ordering::Less { b } else { a }
}

/// atanh t for |t| <= 1/3, relative precision.
///
/// t + t^3 / 3 + t^5 / 5 + ...; what is left after the power t^n is below t^n / (n (1 - t^2)), and
/// 1 / (1 - t^2) <= 9/8 < 2.
fn atanh(t: &Dyadic, bits: u64) -> Interval {
    if t.mantissa.is_zero() {
        return Interval::integer(0, bits);
    }
    if t.mantissa.is_negative() {
        return atanh(&t.negated(), bits).negated();
    }
    // t as a multiple of 2^-width, between floor and ceiling.
    let width = (bits + GUARD) as i64 - t.size();
    let [low, high] = [false, true].map(|up| {
        let first = at_scale(t, width, up);
        let square = shifted_right(&first * &first, width as u64, up);
        let (mut sum, mut power, mut n) = (first.clone(), first, 1u32);
        loop {
            power = shifted_right(&power * &square, width as u64, up);
            n += 2;
            if power <= BigInt::from(1) {
                break;
            }
            sum += divided(&power, n, up);
        }
        // Every later power is at most this one: twice its share bounds their sum.
        if up { sum + divided(&(power * 2), n, true) + 1 } else { sum }
    });
    let at = |mantissa| Dyadic { mantissa, exponent: -width };
    Interval::new(at(low), at(high), bits)
}

fn divided(x: &BigInt, n: u32, up: bool) -> BigInt {
    let n = BigInt::from(n);
    if up { -floor_ratio(&-x, &n) } else { floor_ratio(x, &n) }
}

/// x 2^width, rounded to an integer.
fn at_scale(x: &Dyadic, width: i64, up: bool) -> BigInt {
    let shift = x.exponent + width;
    if shift >= 0 {
        &x.mantissa << shift
    } else {
        shifted_right(x.mantissa.clone(), shift.unsigned_abs(), up)
    }
}

/// ln 2 = 2 atanh(1/3).
fn ln_2(bits: u64) -> Interval {
    let third = Interval::fraction(&BigRational::new(1.into(), 3.into()), bits + GUARD);
    let [low, high] = [&third.low, &third.high].map(|end| atanh(end, bits + GUARD));
    let half = Interval::new(low.low, high.high, bits + GUARD);
    Interval { bits, ..half.times(&Interval::integer(2, bits)) }
}

fn ln(x: &Dyadic, bits: u64) -> Interval {
    // 1 <= x / 2^k < 2, and one step further down from 4/3 on.
    let mut k = x.size() - 1;
    let four_thirds = |y: &Dyadic| {
        let triple = Dyadic { mantissa: &y.mantissa * 3, exponent: y.exponent };
        triple.compare(&Dyadic::integer(4)) != Ordering::Less
    };
    if four_thirds(&Dyadic { mantissa: x.mantissa.clone(), exponent: x.exponent - k }) {
        k += 1;
    }
    let y = Dyadic { mantissa: x.mantissa.clone(), exponent: x.exponent - k };
    let bits = bits + GUARD;
    let (above, below) = (y.plus(&Dyadic::integer(1)), y.plus(&Dyadic::integer(-1)));
    let [low, high] = [false, true].map(|up| atanh(&below.over(&above, bits, up), bits));
    let twice = Interval::new(low.low, high.high, bits).times(&Interval::integer(2, bits));
    let whole = Interval::integer(k, bits).times(&ln_2(bits + 64));
    twice.plus(&whole)
}

/// e^x = 2^k (1 + r + r^2 / 2 + ...) with x = k ln 2 + r, r at least 0 and hardly above ln 2.
fn exp(x: &Dyadic, bits: u64) -> Interval {
    let width = bits + GUARD;
    let ln_2 = ln_2(width + 64);
    let exact = Interval { low: x.clone(), high: x.clone(), bits: width + 64 };
    let remainder = |k| exact.minus(&Interval::integer(k, width + 64).times(&ln_2));
    let mut k = (nearby(x) / std::f64::consts::LN_2).floor() as i64;
    if remainder(k).low.mantissa.is_negative() {
        k -= 1;
    }
    let rest = remainder(k);
    let low = exp_series(&rest.low, width as i64, false);
    let high = exp_series(&rest.high, width as i64, true);
    let at = |mantissa| Dyadic { mantissa, exponent: k - width as i64 };
    Interval::new(at(low), at(high), bits)
}

/// x to about 15 digits.
fn nearby(x: &Dyadic) -> f64 {
    let shift = x.mantissa.bits().saturating_sub(64);
    let leading = (&x.mantissa >> shift).to_f64().unwrap_or(0.0);
    leading * 2f64.powi((x.exponent + shift as i64) as i32)
}

/// The exponential series at 0 <= r < 1, in multiples of 2^-width. What is left after the term
/// r^n / n! is below twice the next one.
fn exp_series(r: &Dyadic, width: i64, up: bool) -> BigInt {
    let one = BigInt::from(1) << width;
    let r = at_scale(r, width, up);
    let (mut sum, mut term, mut n) = (one.clone(), one, 0u32);
    loop {
        n += 1;
        term = divided(&shifted_right(&term * &r, width as u64, up), n, up);
        if term <= BigInt::from(1) {
            return if up { sum + term * 2 + 1 } else { sum };
        }
        sum += &term;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::enclosure::Enclosure;
    use crate::stream::Streams;
    use rand::RngExt;

    fn exactly(x: &Dyadic) -> BigRational {
        let two = |n: u64| BigRational::from(BigInt::from(1) << n);
        let mantissa = BigRational::from(x.mantissa.clone());
        let power = two(x.exponent.unsigned_abs());
        if x.exponent < 0 { mantissa / power } else { mantissa * power }
    }

    fn ends(x: &Interval) -> [BigRational; 2] {
        [exactly(&x.low), exactly(&x.high)]
    }

    /// Ordinary, tiny, huge and close to 1.
    fn argument(i: u64) -> BigRational {
        let mut rng = Streams::new(5, "dyadic test").get(i);
        let x: f64 = rng.random_range(-1.0..1.0);
        let scale = [1.0, 1e-30, 300.0, 1e-9][i as usize % 4];
        BigRational::from_float(x * scale).unwrap()
    }

    /// astro-float's enclosures and these intervals must overlap, and both be narrow.
    fn assert_agree(mine: &Interval, theirs: &Enclosure, what: &str) {
        let ([a, b], [c, d]) = (ends(mine), theirs.ends().unwrap().map(|end| exactly(&end)));
        assert!(a <= b && c <= d && a <= d && c <= b, "{what}: disjoint");
        let size = a.abs().max(b.abs());
        let narrow = size * BigRational::new(1.into(), BigInt::from(1) << 120u32);
        assert!(&b - &a <= narrow && &d - &c <= narrow, "{what}: wide");
    }

    #[test]
    fn two_arithmetics_agree() {
        const BITS: usize = 128;
        for i in 0..2000 {
            let x = argument(i);
            let (mine, theirs) =
                (Interval::fraction(&x, BITS as u64), Enclosure::from_fraction(&x, BITS));
            assert_agree(&mine.exp(), &theirs.exp(), &format!("exp {x}"));
            let one = BigRational::from(BigInt::from(1));
            if x > -one.clone() {
                let (mine, theirs) = (mine.ln_1p().unwrap(), theirs.ln_1p());
                assert_agree(&mine, &theirs, &format!("ln(1 + {x})"));
            }
            let size = x.abs();
            let (mine, theirs) =
                (Interval::fraction(&size, BITS as u64), Enclosure::from_fraction(&size, BITS));
            assert_agree(&mine.ln().unwrap(), &theirs.ln(), &format!("ln {size}"));
        }
    }

    /// Sums, products and quotients against exact fractions.
    #[test]
    fn arithmetic_contains_the_exact_result() {
        for i in 0..500 {
            let (x, y) = (argument(i), argument(i + 7777));
            let [a, b] = [&x, &y].map(|x| Interval::fraction(x, 70));
            for (interval, exact) in [
                (a.plus(&b), &x + &y),
                (a.minus(&b), &x - &y),
                (a.times(&b), &x * &y),
                (a.over(&b).unwrap(), &x / &y),
            ] {
                let [low, high] = ends(&interval);
                assert!(low <= exact && exact <= high, "{x} {y}");
            }
        }
    }
}
