//! Decimal bounds that are the same whoever computes them.

use crate::certificate::dyadic::{Dyadic, floor_ratio};
use crate::exact::integer_power_of_ten;
use num_bigint::{BigInt, Sign};
use num_rational::BigRational;
use num_traits::{Signed, Zero};
use std::cmp::Ordering;

/// A prime that no ordinary parameter brings in. See [`Decimal::around`].
const OFFSET: u64 = (1 << 61) - 1;

/// digits x 10^exponent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Decimal {
    digits: BigInt,
    exponent: i64,
}

impl Decimal {
    /// The bounds with so many significant digits on the number that an interval encloses, or none
    /// while the interval does not determine them.
    ///
    /// With x = s x 10^e and s of that many digits, they are floor(s - 1/P) and ceil(s + 1/P), P =
    /// 2^61 - 1. The offset keeps numbers that happen to be short decimals away from the points at
    /// which the bounds change, where no interval could determine them.
    pub fn around(low: &Dyadic, high: &Dyadic, digits: u32) -> Option<[Decimal; 2]> {
        let [a, b] = [low, high].map(|end| bounds(&end.mantissa, end.exponent, digits));
        (a.is_some() && a == b).then_some(a).flatten()
    }

    /// Bounds with so many digits on a fraction.
    pub fn around_fraction(x: &BigRational, digits: u32) -> [Decimal; 2] {
        if x.is_zero() {
            return [Decimal::zero(), Decimal::zero()];
        }
        let size = |n: &BigInt| n.bits() as f64 * std::f64::consts::LOG10_2;
        let exponent = (size(x.numer()) - size(x.denom())) as i64 - i64::from(digits);
        let (mut numerator, mut denominator) = (x.numer().clone(), x.denom().clone());
        if exponent < 0 {
            numerator *= integer_power_of_ten(exponent.unsigned_abs());
        } else {
            denominator *= integer_power_of_ten(exponent as u64);
        }
        let low = floor_ratio(&numerator, &denominator);
        let high = -floor_ratio(&-numerator, &denominator);
        [low, high].map(|digits| Decimal { digits, exponent })
    }

    fn zero() -> Self {
        Decimal { digits: BigInt::zero(), exponent: 0 }
    }

    /// d.ddd e exponent, with every digit.
    pub fn text(&self) -> String {
        let digits = self.digits.magnitude().to_string();
        let sign = if self.digits.is_negative() { "-" } else { "" };
        let (first, rest) = digits.split_at(1);
        format!("{sign}{first}.{rest}e{}", self.exponent + rest.len() as i64)
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> Ordering {
        let sign = |x: &Decimal| x.digits.sign();
        if sign(self) != sign(other) || sign(self) == Sign::NoSign {
            return sign(self).cmp(&sign(other));
        }
        // Numbers whose sizes differ by more than ten digits need no common exponent.
        let size = |x: &Decimal| x.exponent + x.digits.magnitude().to_string().len() as i64;
        let gap = size(self) - size(other);
        if gap.abs() > 10 {
            let larger = gap.cmp(&0);
            return if self.digits.is_negative() { larger.reverse() } else { larger };
        }
        let least = self.exponent.min(other.exponent);
        let aligned = |x: &Decimal| &x.digits * integer_power_of_ten((x.exponent - least) as u64);
        aligned(self).cmp(&aligned(other))
    }
}

/// The bounds on m 2^e.
///
/// The exponent of ten is the largest with s + 1/3 >= 10^(digits - 1), so that it does not change at
/// a power of ten itself either.
fn bounds(m: &BigInt, e: i64, digits: u32) -> Option<[Decimal; 2]> {
    if m.is_zero() {
        return None;
    }
    let log10 = (m.bits() as i64 + e) as f64 * std::f64::consts::LOG10_2;
    let mut exponent = log10 as i64 + 3 - i64::from(digits); // surely not too small
    let least = integer_power_of_ten(u64::from(digits) - 1);
    loop {
        let (numerator, shift) = scaled(m, e, exponent);
        let one = BigInt::from(1) << shift;
        if floor_ratio(&(numerator.abs() * 3 + &one), &(&one * 3)) < least {
            exponent -= 1;
            continue;
        }
        // floor(s - 1/P) with s = numerator / 2^shift, and the mirror image.
        let p = BigInt::from(OFFSET);
        let low = floor_ratio(&(&numerator * &p - &one), &(&one * &p));
        let high = -floor_ratio(&(-numerator * &p - &one), &(&one * &p));
        return Some([low, high].map(|digits| Decimal { digits, exponent }));
    }
}

/// m 2^e / 10^exponent as a fraction over a power of two: numerator and shift. Where the power of
/// ten would divide, it is a positive exponent of a number that is far above 1, which no quantity
/// with a huge binary exponent is; the quotient is then kept to 64 bits beyond its integer part.
fn scaled(m: &BigInt, e: i64, exponent: i64) -> (BigInt, u64) {
    let up = if exponent < 0 { integer_power_of_ten(exponent.unsigned_abs()) } else { 1.into() };
    let numerator = m * up;
    let (numerator, shift) =
        if e < 0 { (numerator, e.unsigned_abs()) } else { (numerator << e, 0) };
    if exponent <= 0 {
        return (numerator, shift);
    }
    const GUARD: u64 = 64;
    let power = integer_power_of_ten(exponent as u64);
    (floor_ratio(&(numerator << GUARD), &power), shift + GUARD)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn around(m: i64, e: i64) -> [String; 2] {
        let x = Dyadic { mantissa: m.into(), exponent: e };
        Decimal::around(&x, &x, 4).unwrap().map(|decimal| decimal.text())
    }

    #[test]
    fn bounds_enclose() {
        assert_eq!(around(1, -1), ["4.999e-1", "5.001e-1"]); // a short decimal is kept away from
        assert_eq!(around(-1, -1), ["-5.001e-1", "-4.999e-1"]);
        assert_eq!(around(1, 20), ["1.048e6", "1.049e6"]); // 1,048,576
        assert_eq!(around(1, -20), ["9.536e-7", "9.537e-7"]); // 9.5367e-7
        assert_eq!(around(1, 0), ["9.99e-1", "1.001e0"]);
        assert_eq!(around(3, -3000), ["2.438e-903", "2.439e-903"]);
    }

    #[test]
    fn wide_intervals_determine_nothing() {
        let [low, high] =
            [1_010_000, 1_011_000].map(|m: i64| Dyadic { mantissa: m.into(), exponent: 0 });
        assert_eq!(Decimal::around(&low, &high, 4), None);
        assert!(Decimal::around(&low, &high, 1).is_some());
    }

    /// Neither the bounds nor the exponent change at a power of ten itself.
    #[test]
    fn intervals_around_a_power_of_ten_determine_bounds() {
        let [low, high] = [-1, 1]
            .map(|side| Dyadic { mantissa: (BigInt::from(1) << 200) + side, exponent: -200 });
        let bounds = Decimal::around(&low, &high, 20).unwrap().map(|decimal| decimal.text());
        assert_eq!(bounds, ["9.999999999999999999e-1", "1.0000000000000000001e0"]);
    }

    #[test]
    fn order_needs_no_common_exponent() {
        let decimal = |digits: i64, exponent| Decimal { digits: digits.into(), exponent };
        assert!(decimal(1, -400_000) < decimal(5, -1));
        assert!(decimal(-1, 5) < decimal(1, -400_000));
        assert!(decimal(-1, -400_000) > decimal(-5, -1));
        assert_eq!(decimal(10, 0).cmp(&decimal(1, 1)), Ordering::Equal);
        assert!(decimal(11, 0) > decimal(1, 1));
    }
}
