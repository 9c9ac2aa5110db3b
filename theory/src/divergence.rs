//! The two Kullback-Leibler divergences and the bounds of Lemmas 2 and 3.

use crate::counterexample::{Class, CounterExample, Joint, Region};
use crate::enclosed::Enclosed;
use crate::enclosure::Enclosure;
use crate::log_space::{SignedLn, ln_1m_exp, ln_add_exp, ln_neg_ln_1m_exp};
use crate::verdict::Verdict;
use std::cmp::Ordering;
use std::f64::consts::LN_2;

/// Below this argument the series is used: it loses nothing there, and above it the closed form
/// loses less than four bits.
const SERIES_BELOW: f64 = 0.5;
/// Terms of the series: 0.5^19 / 19! is below 1e-22.
const SERIES_TERMS: i32 = 20;

/// A divergence of class 0 with its bound, in nats, as natural logarithms.
///
/// Class 1 is perfect (p(x|1) = q(x|1)), so the divergence of the joint distributions of (x, y) is
/// the class prior 1/2 times that of class 0. The printed lemmas leave this factor out, which
/// makes them weaker than they could be but not wrong.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Divergence {
    /// ln of the divergence of the densities of x given y = 0.
    pub ln_class0: f64,
    /// ln of the lemma's bound on it.
    pub ln_bound: f64,
    /// What the bound leaves.
    pub slack: Slack,
}

impl Divergence {
    /// Divergence given y = 0; rounds to 0 where only [`Divergence::ln_class0`] can hold it.
    pub fn class0(&self) -> f64 {
        self.ln_class0.exp()
    }

    /// ln of the divergence of the joint distributions.
    pub fn ln_joint(&self) -> f64 {
        self.ln_class0 - LN_2
    }

    /// Divergence of the joint distributions.
    pub fn joint(&self) -> f64 {
        self.class0() / 2.0
    }

    /// The lemma's bound on the divergence given y = 0.
    pub fn bound(&self) -> f64 {
        self.ln_bound.exp()
    }
}

/// Bound minus divergence, as two nonnegative parts that are not subtracted.
///
/// Under the hypothesis of the lemma, lambda1 > (1 + shell)^-d, the second part is zero. So the
/// lemma holds with a slack that may be far too small to survive a subtraction.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Slack {
    /// ln of the sum of the positive terms.
    pub ln_gain: f64,
    /// ln of the sum of the negative terms, negative infinity when there are none.
    pub ln_loss: f64,
    /// Whether the divergence is below its bound, from the enclosure of their difference.
    pub verdict: Verdict,
}

impl Slack {
    fn sum(terms: &[SignedLn], verdict: Verdict) -> Self {
        let part = |negative| {
            terms
                .iter()
                .filter(|term| term.negative == negative)
                .fold(f64::NEG_INFINITY, |sum, term| ln_add_exp(sum, term.ln_abs))
        };
        Slack { ln_gain: part(false), ln_loss: part(true), verdict }
    }

    /// The slack in nats; rounds to 0 below the range of f64.
    pub fn value(&self) -> f64 {
        self.ln_gain.exp() - self.ln_loss.exp()
    }
}

impl CounterExample {
    /// KL(q, p), the model relative to the data, with the bound of Lemma 2.
    ///
    /// With v = (1 + shell)^-d, a = ln(lambda1 / v) and b = ln((1 - lambda1) / (1 - v)), the two
    /// log-ratios of p(x|0) over q(x|0), the divergence is
    /// lambda1 g(a) + (1 - lambda1) g(b), g(t) = 1 - (1 + t) e^-t >= 0.
    /// Bound: ln(1 / (1 - lambda1)). Slack: v a - (1 - v) ln(1 - v) - v ln(1 - lambda1).
    ///
    /// Source: equations 13 to 15. The printed closed form, -v ln(lambda1 / v) + (1 - v)
    /// ln((1 - v) / (1 - lambda1)), is equal but cancels as lambda1 approaches v; here both terms
    /// are nonnegative.
    ///
    /// Numerics: 1e-12 relative, from d = 1 to 1,000,000, for the divergence and its logarithm.
    ///
    /// ```
    /// use undetected_theory::{CounterExample, Lambda2, Weight};
    ///
    /// // d = 1, shell = 0.5: v = 2/3. With lambda1 = 1/3 the ratios are 1/2 and 2, and
    /// // KL = 2/3 ln 2 - 1/3 ln 2.
    /// let matched = Lambda2::Matched { delta: 0.1 };
    /// let third = Weight::Ln(-(3f64.ln()));
    /// let kl = CounterExample::new(1, 0.5, third, matched).unwrap().kl_q_p();
    /// assert!((kl.class0() - 2f64.ln() / 3.0).abs() < 1e-15);
    /// assert!((kl.bound() - 1.5f64.ln()).abs() < 1e-15);
    /// ```
    pub fn kl_q_p(&self) -> Divergence {
        let ln_ball = -self.ln_volume_ratio();
        let ln_bound = ln_neg_ln_1m_exp(self.ln_lambda1());
        let [ball, _] = self.class0_ratios();
        let terms = [
            SignedLn { negative: ball.negative, ln_abs: ln_ball + ball.ln_abs },
            positive(ln_1m_exp(ln_ball) + ln_neg_ln_1m_exp(ln_ball)),
            positive(ln_ball + ln_bound),
        ];
        let slack = Slack::sum(&terms, self.is_positive(Enclosed::kl_q_p_slack));
        Divergence { ln_class0: self.ln_sum(ln_reverse), ln_bound, slack }
    }

    /// KL(p, q), the data relative to the model, with the bound of Lemma 3.
    ///
    /// With v, a and b as in [`CounterExample::kl_q_p`], the divergence is
    /// lambda1 f(a) + (1 - lambda1) f(b), f(t) = e^-t - 1 + t >= 0.
    /// Bound: lambda1 d ln(1 + shell). Slack: -lambda1 ln(lambda1) - (1 - lambda1) b.
    ///
    /// Source: equations 16 and 17, rearranged as for KL(q, p).
    ///
    /// Numerics: as for KL(q, p).
    ///
    /// ```
    /// use undetected_theory::{CounterExample, Lambda2, Weight};
    ///
    /// // As for kl_q_p: KL = 1/3 ln(1/2) + 2/3 ln 2.
    /// let matched = Lambda2::Matched { delta: 0.1 };
    /// let third = Weight::Ln(-(3f64.ln()));
    /// let kl = CounterExample::new(1, 0.5, third, matched).unwrap().kl_p_q();
    /// assert!((kl.class0() - 2f64.ln() / 3.0).abs() < 1e-15);
    /// assert!((kl.bound() - 1.5f64.ln() / 3.0).abs() < 1e-15);
    /// ```
    pub fn kl_p_q(&self) -> Divergence {
        let ln_lambda1 = self.ln_lambda1();
        let [_, shell] = self.class0_ratios();
        let terms = [
            positive(ln_lambda1 + (-ln_lambda1).ln()),
            SignedLn { negative: !shell.negative, ln_abs: self.ln_complement1() + shell.ln_abs },
        ];
        let slack = Slack::sum(&terms, self.is_positive(Enclosed::kl_p_q_slack));
        Divergence {
            ln_class0: self.ln_sum(ln_forward),
            ln_bound: ln_lambda1 + self.ln_volume_ratio().ln(),
            slack,
        }
    }

    fn is_positive(&self, quantity: impl Fn(&Enclosed) -> Enclosure) -> Verdict {
        self.enclosures().decide(|at| quantity(at).sign().map(|sign| sign == Ordering::Greater))
    }

    /// ln of the sum over the two regions of class 0.
    fn ln_sum(&self, ln_term: impl Fn(Term) -> f64) -> f64 {
        let regions = [Region::Ball, Region::Shell].into_iter().zip(self.class0_ratios());
        regions.fold(f64::NEG_INFINITY, |sum, (region, ratio)| {
            let ln_mass = |joint: &Joint| joint.ln_mass(Class::Zero, region);
            let (ln_p, ln_q) = (ln_mass(self.data()), ln_mass(self.model()));
            ln_add_exp(sum, ln_term(Term { ln_p, ln_q, ratio }))
        })
    }
}

/// A region as a divergence sees it: its log-masses given class 0, and their difference, which is
/// known to more digits.
struct Term {
    ln_p: f64,
    ln_q: f64,
    ratio: SignedLn,
}

fn positive(ln_abs: f64) -> SignedLn {
    SignedLn { negative: false, ln_abs }
}

/// ln(p (1 - (1 + t) e^-t)), a region's term of KL(q, p), with t = ln(p / q).
///
/// Series: sum over k >= 2 of (-1)^k (k - 1) t^k / k!. Below -1 it is p - q (1 + t), two positive
/// terms.
fn ln_reverse(Term { ln_p, ln_q, ratio }: Term) -> f64 {
    let t = ratio.value();
    if t.abs() < SERIES_BELOW {
        ln_p + 2.0 * ratio.ln_abs - LN_2 + ln_series(t, |k| k - 1.0)
    } else if t >= -1.0 {
        ln_p + (-(1.0 + t) * (-t).exp()).ln_1p()
    } else {
        ln_add_exp(ln_p, ln_q + (-1.0 - t).ln())
    }
}

/// ln(p (e^-t - 1 + t)), a region's term of KL(p, q), with t = ln(p / q).
///
/// Series: sum over k >= 2 of (-1)^k t^k / k!. Below zero it is q (1 - (1 - t) e^t).
fn ln_forward(Term { ln_p, ln_q, ratio }: Term) -> f64 {
    let t = ratio.value();
    if t.abs() < SERIES_BELOW {
        ln_p + 2.0 * ratio.ln_abs - LN_2 + ln_series(t, |_| 1.0)
    } else if t > 0.0 {
        ln_p + ((-t).exp() - 1.0 + t).ln()
    } else {
        ln_q + (-(1.0 - t) * t.exp()).ln_1p()
    }
}

/// ln of the sum over k >= 2 of coefficient(k) (-t)^(k-2) 2 / k!, whose first term is 1.
fn ln_series(t: f64, coefficient: impl Fn(f64) -> f64) -> f64 {
    let mut power = 1.0;
    let mut rest = 0.0;
    for k in 3..=SERIES_TERMS {
        let k = f64::from(k);
        power *= -t / k;
        rest += coefficient(k) * power;
    }
    rest.ln_1p()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn branches_agree_where_they_meet() {
        for t in [SERIES_BELOW, -SERIES_BELOW, -1.0] {
            for function in [ln_reverse, ln_forward] {
                let at = |t: f64| function(Term { ln_p: 0.0, ln_q: -t, ratio: SignedLn::from(t) });
                let (below, above) = (at(t * (1.0 - 1e-15)), at(t * (1.0 + 1e-15)));
                assert!((below - above).abs() < 1e-14, "at {t}: {below} and {above}");
            }
        }
    }
}
