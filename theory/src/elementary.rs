//! Elementary functions without branches or calls, so that a loop over them vectorises.

use std::f64::consts::{LN_2, LOG2_E, SQRT_2};

/// ln 2 without its last 32 bits: a multiple of it by an exponent is exact.
const LN_2_HIGH: f64 = f64::from_bits(LN_2.to_bits() & !0xffff_ffff);
const LN_2_LOW: f64 = LN_2 - LN_2_HIGH;
const MANTISSA: u64 = (1 << 52) - 1;
const ONE: u64 = 1f64.to_bits();
/// 2^52, in whose binade consecutive integers are consecutive numbers.
const INTEGERS: f64 = (1u64 << 52) as f64;

/// 1 / n! at index n.
const OVER_FACTORIAL: [f64; 15] = {
    let mut values = [1.0; 15];
    let mut n = 1;
    while n < 15 {
        values[n] = values[n - 1] / n as f64;
        n += 1;
    }
    values
};

/// A number in [0, 1) from the first 52 bits of a word.
#[inline(always)]
pub(crate) fn unit(word: u64) -> f64 {
    f64::from_bits(ONE | (word >> 12)) - 1.0
}

/// A number in (0, 1) from the first 52 bits of a word: half a step above that of [`unit`].
#[inline(always)]
pub(crate) fn open_unit(word: u64) -> f64 {
    f64::from_bits(ONE | (word >> 12)) - (1.0 - f64::EPSILON / 2.0)
}

/// ln(1 + x), for -1 < x <= 0.
///
/// With 1 + x = 2^k (1 + f), 1 + f between sqrt(1/2) and sqrt(2), and s = f / (2 + f):
/// ln(1 + f) = 2 artanh(s) = f - f^2 / 2 + s (f^2 / 2 + sum over n >= 1 of 2 s^2n / (2n + 1)).
///
/// Numerics: s^2 < 0.03, so ten terms of the series leave less than 2^-54. Where k = 0, f is x
/// itself, which 1 + x would round; elsewhere x < -0.29 and the rounding is relative to ln 2.
#[inline(always)]
pub(crate) fn ln_1p(x: f64) -> f64 {
    const HALF_ROOT: u64 = (SQRT_2 / 2.0).to_bits();
    let bits = (1.0 + x).to_bits().wrapping_add(ONE - HALF_ROOT);
    let biased = f64::from_bits(INTEGERS.to_bits() | (bits >> 52));
    let k = biased - (INTEGERS + 1023.0);
    let scaled = f64::from_bits((bits & MANTISSA).wrapping_add(HALF_ROOT));
    let f = if k == 0.0 { x } else { scaled - 1.0 };
    let s = f / (2.0 + f);
    let (z, w) = (s * s, s * s * (s * s));
    // Even and odd powers of s^2 apart: two short chains of operations instead of a long one.
    let odd = 2.0 / 3.0 + w * (2.0 / 7.0 + w * (2.0 / 11.0 + w * (2.0 / 15.0 + w * (2.0 / 19.0))));
    let even = 2.0 / 5.0 + w * (2.0 / 9.0 + w * (2.0 / 13.0 + w * (2.0 / 17.0 + w * (2.0 / 21.0))));
    let half_square = 0.5 * f * f;
    let series = z * odd + w * even;
    k * LN_2_HIGH - ((half_square - (s * (half_square + series) + k * LN_2_LOW)) - f)
}

/// e^x - 1, for -700 <= x <= 0.
///
/// With x = k ln 2 + r, |r| <= ln(2) / 2: 2^k (e^r - 1) + (2^k - 1), and the power series of
/// e^r - 1.
///
/// Numerics: the series stops after r^14 / 14!, below 2^-56 of its sum. k = 0 close to 0.
#[inline(always)]
pub(crate) fn exp_m1(x: f64) -> f64 {
    // In the binade of 1.5 * 2^52 a sum is rounded to an integer, found in the last bits.
    const ROUND: f64 = 1.5 * INTEGERS;
    let rounded = x * LOG2_E + ROUND;
    let power = f64::from_bits((rounded.to_bits() << 52).wrapping_add(ONE));
    let k = rounded - ROUND;
    let r = (x - k * LN_2_HIGH) - k * LN_2_LOW;
    let (r2, r4) = (r * r, r * r * (r * r));
    // Four terms at a time: short chains of operations again.
    let four = |n: usize| {
        let term = |k: usize| OVER_FACTORIAL[n + k];
        (term(0) + r * term(1)) + r2 * (term(2) + r * term(3))
    };
    let series = four(2) + r4 * (four(6) + r4 * (four(10) + r4 * OVER_FACTORIAL[14]));
    let fraction = r + r2 * series;
    power * fraction + (power - 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Largest relative error against the standard library, in units of 2^-52, over arguments of
    /// every magnitude below `largest`.
    fn worst(ours: fn(f64) -> f64, std: fn(f64) -> f64, largest: f64) -> f64 {
        let argument = |i: u32| -largest * f64::from(i % 1000 + 1) / 1001.0;
        let scale = |i: u32| 2f64.powi(-i32::try_from(i / 1000).unwrap());
        let arguments = (0..1_000_000).map(|i| argument(i) * scale(i));
        let error = |x| (ours(x) / std(x) - 1.0).abs() / f64::EPSILON;
        arguments.map(error).fold(0.0, f64::max)
    }

    /// The standard library is allowed one unit, ours two.
    #[test]
    fn agree_with_the_standard_library() {
        assert!(worst(ln_1p, f64::ln_1p, 1.0) < 3.0, "{}", worst(ln_1p, f64::ln_1p, 1.0));
        assert!(worst(exp_m1, f64::exp_m1, 700.0) < 3.0, "{}", worst(exp_m1, f64::exp_m1, 700.0));
    }

    #[test]
    fn uniform_numbers_reach_their_ends() {
        let step = f64::EPSILON;
        assert_eq!((unit(0), unit(u64::MAX)), (0.0, 1.0 - step));
        assert_eq!((open_unit(0), open_unit(u64::MAX)), (step / 2.0, 1.0 - step / 2.0));
    }

    #[test]
    fn ends_of_the_domain() {
        assert_eq!((ln_1p(0.0), exp_m1(0.0)), (0.0, 0.0));
        assert_eq!((ln_1p(-1e-300), exp_m1(-1e-300)), (-1e-300, -1e-300));
        assert_eq!((ln_1p(-5e-324), exp_m1(-5e-324)), (-5e-324, -5e-324));
        let nearest = -1.0 + f64::EPSILON / 2.0;
        assert!((ln_1p(nearest) / nearest.ln_1p() - 1.0).abs() < 1e-15);
        assert_eq!(exp_m1(-700.0), -1.0);
    }
}
