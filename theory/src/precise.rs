//! The few logarithms that f64 cannot give, computed with more bits and rounded once.
//!
//! ln lambda1 + d ln(1 + shell) is the difference of two numbers that may agree to all digits of
//! f64 when lambda1 is close to (1 + shell)^-d. Everything downstream depends on its sign and its
//! leading digits, so it is formed here with at least 320 bits.

use crate::log_space::SignedLn;
use crate::verdict::Verdict;
use crate::weight::{Lambda2, Weight};
use astro_float::{BigFloat, Consts, RoundingMode, WORD_BIT_SIZE};
use std::f64::consts::LN_2;

/// Bits beyond those that a tiny shell or logarithm uses up in 1 + shell or 1 - lambda1.
const BITS: usize = 320;
/// Bits that must survive a cancellation; 53 would do for an f64.
const SURVIVING_BITS: i64 = 128;
/// Exact ties aside, two products of the weights closer than 2^-TIE_BITS are not told apart.
const TIE_BITS: i64 = 256;

/// Logarithms of ratios, each correct to the last digits of f64.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LogRatios {
    /// d ln(1 + shell), the log-volume of the model's support over that of the unit ball.
    pub ln_volume_ratio: f64,
    /// ln(p / q) of class 0 inside the unit ball.
    pub ball: f64,
    /// ln(p / q) of class 0 in the shell: ln((1 - lambda1) / (1 - (1 + shell)^-d)).
    pub shell: SignedLn,
    /// ln(p(0|x) / p(1|x)) inside the unit ball, the data's log-odds.
    pub data_odds: f64,
    /// ln(q(0|x) / q(1|x)) inside the unit ball, the model's log-odds.
    pub model_odds: f64,
    pub ln_lambda2: f64,
}

impl LogRatios {
    /// Doubles the precision until nothing that matters has cancelled. That ends, because the
    /// weight (1 + shell)^-d is rational but neither a dyadic fraction nor the exponential of one,
    /// so lambda1 never equals it.
    pub fn new(dim: u64, shell: f64, lambda1: Weight, lambda2: Lambda2) -> Self {
        let mut bits = BITS + bits_below_one(shell) + ln_bits_below_one(lambda1);
        loop {
            match Precise::new(bits).log_ratios(dim, shell, lambda1, lambda2) {
                Some(ratios) => return ratios,
                None => bits *= 2,
            }
        }
    }
}

/// Decides lambda2 / lambda1 <= delta / (1 - delta) as lambda2 (1 - delta) <= lambda1 delta.
///
/// Both products are exact for weights given as values. A weight given by its logarithm is
/// irrational, so a tie cannot be exact and is undecided.
pub(crate) fn odds_at_most(lambda1: Weight, lambda2: Weight, delta: f64) -> Verdict {
    let mut precise = Precise::new(BITS);
    let exact = matches!((lambda1, lambda2), (Weight::Value(_), Weight::Value(_)));
    let (left, right, margin) = precise.odds_products(lambda1, lambda2, delta);
    let resolved = margin.exponent().unwrap_or(0) as i64
        > right.exponent().unwrap_or(0).max(left.exponent().unwrap_or(0)) as i64 - TIE_BITS;
    if margin.is_zero() && exact {
        Verdict::Proved
    } else if margin.is_zero() || !resolved {
        Verdict::Undecided
    } else {
        Verdict::exact(margin.is_positive())
    }
}

/// Arithmetic with one precision.
struct Precise {
    bits: usize,
    consts: Consts,
}

const NEAREST: RoundingMode = RoundingMode::ToEven;

impl Precise {
    fn new(bits: usize) -> Self {
        // Fails only when memory is exhausted.
        Precise { bits, consts: Consts::new().expect("memory for the constants") }
    }

    fn log_ratios(
        &mut self,
        dim: u64,
        shell: f64,
        lambda1: Weight,
        lambda2: Lambda2,
    ) -> Option<LogRatios> {
        let one_plus_shell = self.add(&self.from(1.0), &self.from(shell));
        let ln_volume_ratio =
            self.ln(&one_plus_shell).mul(&self.from(dim as f64), self.bits, NEAREST);
        let ln_lambda1 = self.ln_weight(lambda1);
        let data_odds = self.data_odds(&ln_lambda1, lambda2);
        let ln_lambda2 = self.sub(&ln_lambda1, &data_odds);
        let ball = self.add(&ln_lambda1, &ln_volume_ratio);
        let lost = ln_volume_ratio.exponent()? as i64 - ball.exponent()? as i64;
        if ball.is_zero() || lost > self.bits as i64 - SURVIVING_BITS {
            return None;
        }
        Some(LogRatios {
            ln_volume_ratio: to_f64(&ln_volume_ratio),
            ball: to_f64(&ball),
            shell: self.shell_ratio(lambda1, &ln_volume_ratio),
            data_odds: to_f64(&data_odds),
            model_odds: to_f64(&self.add(&ln_lambda2, &ln_volume_ratio).neg()),
            ln_lambda2: to_f64(&ln_lambda2),
        })
    }

    /// ln(lambda1 / lambda2).
    fn data_odds(&mut self, ln_lambda1: &BigFloat, lambda2: Lambda2) -> BigFloat {
        match lambda2 {
            Lambda2::Given(weight) => {
                let ln_lambda2 = self.ln_weight(weight);
                self.sub(ln_lambda1, &ln_lambda2)
            }
            Lambda2::Matched { delta } => {
                let delta = self.from(delta);
                let ln_complement = self.ln(&self.sub(&self.from(1.0), &delta));
                let ln_delta = self.ln(&delta);
                self.sub(&ln_complement, &ln_delta)
            }
        }
    }

    /// ln(1 + t) with t = (v - lambda1) / (1 - v) and v = (1 + shell)^-d.
    fn shell_ratio(&mut self, lambda1: Weight, ln_volume_ratio: &BigFloat) -> SignedLn {
        let ball = ln_volume_ratio.neg().exp(self.bits, NEAREST, &mut self.consts);
        let lambda1 = self.weight(lambda1);
        let excess = self.sub(&ball, &lambda1);
        let t = excess.div(&self.sub(&self.from(1.0), &ball), self.bits, NEAREST);
        if (t.exponent().unwrap_or(0) as i64) < -SURVIVING_BITS {
            return signed_ln(&t); // ln(1 + t) = t (1 - t / 2 + ...), t far below f64's epsilon
        }
        signed_ln(&self.ln(&self.add(&self.from(1.0), &t)))
    }

    fn odds_products(
        &mut self,
        lambda1: Weight,
        lambda2: Weight,
        delta: f64,
    ) -> (BigFloat, BigFloat, BigFloat) {
        let complement = self.sub(&self.from(1.0), &self.from(delta));
        let left = self.weight(lambda2).mul(&complement, self.bits, NEAREST);
        let right = self.weight(lambda1).mul(&self.from(delta), self.bits, NEAREST);
        let margin = self.sub(&right, &left);
        (left, right, margin)
    }

    fn weight(&mut self, weight: Weight) -> BigFloat {
        match weight {
            Weight::Value(value) => self.from(value),
            Weight::Ln(ln) => self.from(ln).exp(self.bits, NEAREST, &mut self.consts),
        }
    }

    fn ln_weight(&mut self, weight: Weight) -> BigFloat {
        match weight {
            Weight::Value(value) => self.ln(&self.from(value)),
            Weight::Ln(ln) => self.from(ln),
        }
    }

    fn from(&self, x: f64) -> BigFloat {
        big(x, self.bits)
    }

    fn ln(&mut self, x: &BigFloat) -> BigFloat {
        x.ln(self.bits, NEAREST, &mut self.consts)
    }

    fn add(&self, a: &BigFloat, b: &BigFloat) -> BigFloat {
        a.add(b, self.bits, NEAREST)
    }

    fn sub(&self, a: &BigFloat, b: &BigFloat) -> BigFloat {
        a.sub(b, self.bits, NEAREST)
    }
}

/// x, exactly. astro-float 0.9.6 reads a subnormal f64 as half its value, so those are scaled up
/// to normal numbers and the exponent is put back.
fn big(x: f64, bits: usize) -> BigFloat {
    const SCALE: i32 = 64;
    if !x.is_subnormal() {
        return BigFloat::from_f64(x, bits);
    }
    let mut scaled = BigFloat::from_f64(x * 2f64.powi(SCALE), bits);
    let exponent = scaled.exponent().unwrap_or(0);
    scaled.set_exponent(exponent - SCALE);
    scaled
}

/// Leading zeros of x after the binary point: what 1 + x needs beyond the digits of x.
fn bits_below_one(x: f64) -> usize {
    (-x.abs().log2()).max(0.0) as usize
}

fn ln_bits_below_one(weight: Weight) -> usize {
    match weight {
        Weight::Value(_) => 0,
        Weight::Ln(ln) => bits_below_one(ln),
    }
}

/// Mantissa in [1/2, 1) and binary exponent of |x|; (0, 0) for zero.
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

fn to_f64(x: &BigFloat) -> f64 {
    let (mantissa, exponent) = parts(x);
    let half = exponent / 2; // two steps, because 2^exponent alone may leave the range of f64
    let size = mantissa * 2f64.powi(half) * 2f64.powi(exponent - half);
    if x.is_negative() { -size } else { size }
}

fn signed_ln(x: &BigFloat) -> SignedLn {
    let (mantissa, exponent) = parts(x);
    SignedLn { negative: x.is_negative(), ln_abs: mantissa.ln() + f64::from(exponent) * LN_2 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conversion_inverts_from_f64() {
        for x in [1.0, -0.1, 3e-20, 1e6, 123.456e100, 5e-324, f64::MAX, -1.0 + f64::EPSILON] {
            assert_eq!(to_f64(&big(x, 320)), x);
            let ln = signed_ln(&big(x, 320));
            assert!(
                (ln.ln_abs - x.abs().ln()).abs() <= 4e-16 * x.abs().ln().abs().max(1.0),
                "{x:e}"
            );
            assert_eq!(ln.negative, x < 0.0);
        }
        assert_eq!(to_f64(&big(0.0, 320)), 0.0);
    }

    #[test]
    fn ties_of_the_odds_are_exact_for_values() {
        let decide = |l1, l2| odds_at_most(Weight::Value(l1), Weight::Value(l2), 0.25);
        assert_eq!(decide(0.75, 0.25), Verdict::Proved); // 0.25 * 0.75 on both sides
        assert_eq!(decide(0.75, 0.25 + f64::EPSILON), Verdict::Refuted);
        assert_eq!(decide(0.75, 0.25 - f64::EPSILON), Verdict::Proved);
        let tie = odds_at_most(Weight::Ln(-3.0), Weight::Ln(-3.0), 0.5);
        assert_eq!(tie, Verdict::Undecided);
    }
}
