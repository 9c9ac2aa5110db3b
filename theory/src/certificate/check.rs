//! The checker's side of a certificate: the paper's formulas in the checker's own arithmetic.

use crate::certificate::decimal::Decimal;
use crate::certificate::dyadic::Interval;
use crate::counterexample::Class;
use crate::enclosed::Distribution;
use crate::exact::{ExactGoal, ExactParameters, ExactWeight};
use crate::statement::{Quantity, Side};
use num_bigint::BigInt;
use num_rational::BigRational;
use num_traits::One;
use std::cell::OnceCell;

/// Precisions that are tried until an interval determines its digits.
const BITS: [u64; 8] = [160, 320, 640, 1280, 2560, 5120, 10_240, 20_480];

/// Computes the sides of statements about one counter-example.
pub(crate) struct Checker<'a> {
    parameters: &'a ExactParameters,
    /// For each precision, once it is needed.
    values: [OnceCell<Option<Values>>; BITS.len()],
}

impl<'a> Checker<'a> {
    pub fn new(parameters: &'a ExactParameters) -> Self {
        Checker { parameters, values: [const { OnceCell::new() }; BITS.len()] }
    }

    /// Decimal bounds on a side; none where no precision determines them.
    pub fn around(&self, side: &Side, digits: u32) -> Option<[Decimal; 2]> {
        if matches!(side, Side::Real(quantity) if self.vanishes(*quantity)) {
            return None;
        }
        BITS.into_iter().zip(&self.values).find_map(|(bits, values)| {
            let interval = match side {
                Side::Exact(x) => Some(Interval::fraction(x, bits)),
                Side::Real(quantity) => {
                    let values = values.get_or_init(|| Values::new(self.parameters, bits));
                    values.as_ref()?.of(*quantity)
                }
                Side::WindowEnd { dim, goal, upper } => {
                    window_end(*dim, &self.parameters.shell, goal, *upper, bits)
                }
            }?;
            Decimal::around(&interval.low, &interval.high, digits)
        })
    }

    /// Whether a quantity is exactly 0: a divergence of a distribution from itself, or even odds. No
    /// precision tells it from its neighbours, and the last that is tried takes seconds.
    fn vanishes(&self, quantity: Quantity) -> bool {
        let ExactParameters { dim, shell, lambda1, lambda2 } = self.parameters;
        let is_v = |weight: &ExactWeight| {
            weight.fraction().is_some_and(|weight| is_ball_volume(weight, *dim, shell))
        };
        match quantity {
            Quantity::KlQp | Quantity::KlPq => is_v(lambda1),
            Quantity::LogOdds(Distribution::Data) => lambda1.fraction() == lambda2.fraction(),
            Quantity::LogOdds(Distribution::Model) => is_v(lambda2),
            _ => false,
        }
    }
}

/// Whether x = (1 + shell)^-d, both in lowest terms. Powers are taken of numbers that are long enough only.
fn is_ball_volume(x: &BigRational, dim: u64, shell: &BigRational) -> bool {
    let outer = BigRational::one() + shell;
    let bits = outer.numer().bits();
    let possible = dim.saturating_mul(bits - 1)..=dim.saturating_mul(bits);
    let Some(power) = u32::try_from(dim).ok().filter(|_| possible.contains(&x.denom().bits()))
    else {
        return false;
    };
    *x.denom() == outer.numer().pow(power) && *x.numer() == outer.denom().pow(power)
}

/// The numbers that every formula starts from.
struct Values {
    bits: u64,
    dim: Interval,
    shell: Interval,
    /// v = (1 + shell)^-d.
    v: Interval,
    l1: Interval,
    l2: Interval,
}

impl Values {
    /// Weights must be fractions, as those of certificates are.
    fn new(parameters: &ExactParameters, bits: u64) -> Option<Self> {
        let dim = Interval::fraction(&BigRational::from(BigInt::from(parameters.dim)), bits);
        let shell = Interval::fraction(&parameters.shell, bits);
        let volume = dim.times(&shell.ln_1p()?);
        let weight = |x: Option<&BigRational>| Some(Interval::fraction(x?, bits));
        Some(Values {
            bits,
            v: volume.negated().exp(),
            dim,
            shell,
            l1: weight(parameters.lambda1.fraction())?,
            l2: weight(parameters.lambda2.fraction())?,
        })
    }

    fn of(&self, quantity: Quantity) -> Option<Interval> {
        let half = |x: Interval| Some(self.ratio(1, 2).times(&x));
        match quantity {
            Quantity::KlQp => half(self.kl(&self.v, &self.l1)?),
            Quantity::KlPq => half(self.kl(&self.l1, &self.v)?),
            Quantity::AttackableMass => half(self.one().minus(&self.l1)),
            Quantity::LogOdds(of) => self.class0_ball(of).over(&self.l2)?.ln(),
            Quantity::Posterior(of, class) => {
                let (zero, one) = (self.class0_ball(of), &self.l2);
                let mass = if class == Class::Zero { zero } else { one };
                mass.over(&zero.plus(one))
            }
            Quantity::DenserMass => half(self.one().minus(&self.l2)),
            Quantity::BallMass(of) => self.ln_ball_mass(self.class0_ball(of)),
            Quantity::SmallBall => self.ln_small_ball(),
            Quantity::VariationRatio => self.variation_ratio(),
            Quantity::SlackQp => self.slack_q_p(),
            Quantity::SlackPq => self.slack_p_q(),
        }
    }

    /// The mass of the unit ball given y = 0.
    fn class0_ball(&self, of: Distribution) -> &Interval {
        match of {
            Distribution::Data => &self.l1,
            Distribution::Model => &self.v,
        }
    }

    /// The divergence of one class-0 density from another, by their masses of the unit ball:
    /// a ln(a / b) + (1 - a) ln((1 - a) / (1 - b)).
    fn kl(&self, a: &Interval, b: &Interval) -> Option<Interval> {
        let ball = a.times(&a.over(b)?.ln()?);
        let around = ln_complement(a)?.minus(&ln_complement(b)?);
        Some(ball.plus(&self.one().minus(a).times(&around)))
    }

    /// Lemma 2: v ln(lambda1 / v) - (1 - v) ln(1 - v) - v ln(1 - lambda1).
    fn slack_q_p(&self) -> Option<Interval> {
        let ball = self.v.times(&self.l1.over(&self.v)?.ln()?);
        let around = self.one().minus(&self.v).times(&ln_complement(&self.v)?);
        Some(ball.minus(&around).minus(&self.v.times(&ln_complement(&self.l1)?)))
    }

    /// Lemma 3: -lambda1 ln lambda1 + (1 - lambda1) ln((1 - v) / (1 - lambda1)).
    fn slack_p_q(&self) -> Option<Interval> {
        let around = ln_complement(&self.v)?.minus(&ln_complement(&self.l1)?);
        let around = self.one().minus(&self.l1).times(&around);
        Some(around.minus(&self.l1.times(&self.l1.ln()?)))
    }

    /// Item 6: d ln(shell) + ln of the highest density, relative to 1 / C_d, of the marginal whose
    /// class 0 gives the unit ball this mass.
    fn ln_ball_mass(&self, ball: &Interval) -> Option<Interval> {
        let outside = self.one().over(&self.v)?.minus(&self.one()); // (1 + shell)^d - 1
        let shell = self.one().minus(ball).over(&outside)?;
        // 3^d - 2^d = 3^d (1 - (2 / 3)^d)
        let power = |base: Interval| Some(self.dim.times(&base.ln()?).exp());
        let hollow = self.one().minus(&power(self.ratio(2, 3))?);
        let outer_volume = power(self.ratio(3, 1))?.times(&hollow);
        let outer = self.one().minus(&self.l2).over(&outer_volume)?;
        let highest = ball.plus(&self.l2).larger(&shell).larger(&outer);
        Some(self.ln_small_ball()?.plus(&self.ratio(1, 2).times(&highest).ln()?))
    }

    fn ln_small_ball(&self) -> Option<Interval> {
        Some(self.dim.times(&self.shell.ln()?))
    }

    /// Item 7: the jumps at the radii 1 and 1 + shell times their spheres' areas, over that of a
    /// uniform ball.
    fn variation_ratio(&self) -> Option<Interval> {
        let around = self.one().minus(&self.l1);
        let shell = around.times(&self.v).over(&self.one().minus(&self.v))?;
        let inner = self.l1.minus(&shell).absolute()?;
        let outer = shell.over(&self.v)?; // times (1 + shell)^d
        Some(self.one().plus(&self.shell).times(&inner).plus(&outer))
    }

    fn one(&self) -> Interval {
        Interval::integer(1, self.bits)
    }

    fn ratio(&self, a: i64, b: i64) -> Interval {
        Interval::fraction(&BigRational::new(a.into(), b.into()), self.bits)
    }
}

/// ln(1 - x).
fn ln_complement(x: &Interval) -> Option<Interval> {
    x.negated().ln_1p()
}

/// An end of the window of ln lambda1, as [`crate::Window`] defines it.
fn window_end(
    dim: u64,
    shell: &BigRational,
    goal: &ExactGoal,
    upper: bool,
    bits: u64,
) -> Option<Interval> {
    let whole = |x: &BigRational| Interval::fraction(x, bits);
    let dim = whole(&BigRational::from(BigInt::from(dim)));
    let volume = dim.times(&whole(shell).ln_1p()?);
    let (kl_epsilon, delta) = (&goal.kl_epsilon().0, &goal.delta().0);
    if !upper {
        let odds = (BigRational::one() - delta) / delta;
        let twice = whole(&(&odds * &odds)).ln()?;
        let least = if odds > BigRational::one() { twice } else { Interval::integer(0, bits) };
        return Some(least.minus(&volume));
    }
    let lemma3 = whole(kl_epsilon).over(&volume)?.ln()?;
    // 1 - e^-x loses as many bits as x has leading zeros.
    let more = bits + whole(kl_epsilon).leading_zeros();
    let survival = Interval::fraction(kl_epsilon, more).negated().exp();
    let lemma2 = Interval::integer(1, more).minus(&survival).with_bits(bits).ln()?;
    let third = whole(&BigRational::new(1.into(), 3.into())).ln()?;
    Some(lemma3.smaller(&lemma2).smaller(&third))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn volumes_are_recognised_exactly() {
        let fraction = |a: i64, b: i64| BigRational::new(a.into(), b.into());
        // (1 + 1/4)^-3 = (4/5)^3, and 1/4 in other terms.
        assert!(is_ball_volume(&fraction(64, 125), 3, &fraction(2, 8)));
        assert!(!is_ball_volume(&fraction(64, 126), 3, &fraction(1, 4)));
        assert!(!is_ball_volume(&fraction(64, 125), 4, &fraction(1, 4)));
        assert!(!is_ball_volume(&fraction(1, 3), u64::MAX, &fraction(1, 4)));
    }
}
