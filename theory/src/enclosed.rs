//! Every quantity of the counter-example as a rigorous enclosure.

use crate::bernoulli::bernoulli;
use crate::counterexample::{Class, Region, SUPPORT};
use crate::enclosure::Enclosure;
use crate::exact::{Exact, ExactGoal, ExactParameters, ExactWeight};
use crate::verdict::Verdict;
use num_bigint::BigInt;
use num_rational::BigRational;
use num_traits::One;
use std::sync::OnceLock;

/// One of the two distributions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Distribution {
    /// p, the data.
    Data,
    /// q, the model.
    Model,
}

use Distribution::{Data, Model};

/// Precisions that are tried one after the other until a comparison is decided.
pub(crate) const BITS: [usize; 8] = [128, 256, 512, 1024, 2048, 4096, 8192, 16_384];

/// Decides a comparison of enclosures with as many bits as it takes, up to 16,384; beyond that it
/// is undecided.
pub(crate) fn decide(compare: impl Fn(usize) -> Option<bool>) -> Verdict {
    BITS.into_iter().find_map(compare).map_or(Verdict::Undecided, Verdict::exact)
}

/// The enclosures of one counter-example, kept for each precision that was needed.
#[derive(Debug, Clone)]
pub(crate) struct Enclosures {
    parameters: ExactParameters,
    levels: [OnceLock<Enclosed>; BITS.len()],
}

impl Enclosures {
    pub fn new(parameters: ExactParameters) -> Self {
        Enclosures { parameters, levels: [const { OnceLock::new() }; BITS.len()] }
    }

    pub fn parameters(&self) -> &ExactParameters {
        &self.parameters
    }

    /// From the least precision to the greatest.
    pub fn levels(&self) -> impl Iterator<Item = &Enclosed> {
        BITS.iter()
            .zip(&self.levels)
            .map(|(&bits, level)| level.get_or_init(|| Enclosed::new(&self.parameters, bits)))
    }

    /// As [`decide`].
    pub fn decide(&self, compare: impl Fn(&Enclosed) -> Option<bool>) -> Verdict {
        self.levels().find_map(compare).map_or(Verdict::Undecided, Verdict::exact)
    }
}

/// The counter-example's quantities as intervals that contain them, all computed with one precision.
///
/// The parameters are exact: an f64 stands for the binary fraction that it is. Formulas are those
/// of the paper, with v = (1 + shell)^-d and L = d ln(1 + shell).
#[derive(Debug, Clone)]
pub struct Enclosed {
    parameters: ExactParameters,
    bits: usize,
    ln_volume_ratio: Enclosure,
    ball: Enclosure,
}

impl Enclosed {
    pub(crate) fn new(parameters: &ExactParameters, bits: usize) -> Self {
        let shell = Enclosure::from_fraction(&parameters.shell, bits);
        let ln_volume_ratio = Enclosure::integer(parameters.dim as i64, bits) * shell.ln_1p();
        let ball = (-&ln_volume_ratio).exp();
        Enclosed { parameters: parameters.clone(), bits, ln_volume_ratio, ball }
    }

    /// L = d ln(1 + shell).
    pub fn ln_volume_ratio(&self) -> Enclosure {
        self.ln_volume_ratio.clone()
    }

    /// v = (1 + shell)^-d, the mass of the unit ball under q(x|0).
    pub fn model_ball(&self) -> Enclosure {
        self.ball.clone()
    }

    /// ln lambda1.
    pub fn ln_lambda1(&self) -> Enclosure {
        self.ln_weight(&self.parameters.lambda1)
    }

    /// ln lambda2.
    pub fn ln_lambda2(&self) -> Enclosure {
        self.ln_weight(&self.parameters.lambda2)
    }

    /// lambda1.
    pub fn lambda1(&self) -> Enclosure {
        self.weight(&self.parameters.lambda1)
    }

    /// lambda2.
    pub fn lambda2(&self) -> Enclosure {
        self.weight(&self.parameters.lambda2)
    }

    /// P(x in the unit ball) under p: (lambda1 + lambda2) / 2.
    pub fn unit_ball_mass(&self) -> Enclosure {
        (self.lambda1() + self.lambda2()) / self.integer(2)
    }

    /// P(x in the shell) under p: (1 - lambda1) / 2, the points that are attacked.
    pub fn attackable_mass(&self) -> Enclosure {
        self.complement(&self.parameters.lambda1) / self.integer(2)
    }

    /// ln P(x in region | y); none where the class has no mass.
    ///
    /// Source: equations 7 to 10.
    pub fn ln_mass(&self, of: Distribution, class: Class, region: Region) -> Option<Enclosure> {
        match (of, class, region) {
            (Data, Class::Zero, Region::Ball) => Some(self.ln_lambda1()),
            (Data, Class::Zero, Region::Shell) => Some(self.ln_complement1()),
            (Model, Class::Zero, Region::Ball) => Some(-&self.ln_volume_ratio),
            (Model, Class::Zero, Region::Shell) => Some(self.ln_model_shell()),
            (_, Class::One, Region::Ball) => Some(self.ln_lambda2()),
            (_, Class::One, Region::Outer) => Some(self.ln_complement(&self.parameters.lambda2)),
            _ => None,
        }
    }

    /// ln of the density of x given y over that of the uniform distribution on the unit ball.
    pub fn ln_relative_density(
        &self,
        of: Distribution,
        class: Class,
        region: Region,
    ) -> Option<Enclosure> {
        let ln_mass = self.ln_mass(of, class, region)?;
        Some(match region {
            Region::Ball => ln_mass,
            // The volumes (1 + shell)^d - 1 and 3^d - 2^d, relative to the unit ball.
            Region::Shell => ln_mass - (&self.ln_volume_ratio + self.ln_model_shell()),
            _ => ln_mass - self.ln_outer_volume(),
        })
    }

    /// ln of the density of x given y.
    pub fn ln_conditional_density(
        &self,
        of: Distribution,
        class: Class,
        region: Region,
    ) -> Option<Enclosure> {
        Some(self.ln_relative_density(of, class, region)? - self.ln_unit_ball_volume())
    }

    /// ln of the density of x.
    pub fn ln_density(&self, of: Distribution, region: Region) -> Option<Enclosure> {
        Some(self.relative_density(of, region)?.ln() - self.ln_unit_ball_volume())
    }

    /// The density of x over that of the uniform distribution on the unit ball.
    pub(crate) fn relative_density(&self, of: Distribution, region: Region) -> Option<Enclosure> {
        let classes = [Class::Zero, Class::One];
        let densities = classes.map(|class| self.ln_relative_density(of, class, region));
        let sum = densities.into_iter().flatten().map(|ln| ln.exp()).reduce(|a, b| a + b)?;
        Some(sum / self.integer(2))
    }

    /// The highest density of x over that of the uniform distribution on the unit ball.
    pub(crate) fn highest_relative_density(&self, of: Distribution) -> Enclosure {
        let densities = SUPPORT.map(|region| self.relative_density(of, region));
        let zero = self.integer(0);
        densities.into_iter().flatten().fold(zero, |highest, density| highest.max(&density))
    }

    /// ln(P(0|x) / P(1|x)) in the unit ball: ln(lambda1 / lambda2) for p, -ln lambda2 - L for q.
    ///
    /// Source: Lemma 1, equations 11 and 12.
    pub fn ln_odds(&self, of: Distribution) -> Enclosure {
        match of {
            Data => match self.parameters.lambda1.ratio(&self.parameters.lambda2) {
                Some(ratio) => self.fraction(&ratio).ln(),
                None => self.ln_lambda1() - self.ln_lambda2(),
            },
            Model => -(self.ln_lambda2() + &self.ln_volume_ratio),
        }
    }

    /// P(y|x) in the unit ball.
    pub fn posterior(&self, of: Distribution, class: Class) -> Enclosure {
        let odds = match class {
            Class::Zero => self.ln_odds(of),
            Class::One => -self.ln_odds(of),
        };
        self.integer(1) / (self.integer(1) + (-odds).exp())
    }

    /// KL(q, p) of class 0: v ln(v / lambda1) + (1 - v) ln((1 - v) / (1 - lambda1)), nats.
    ///
    /// Source: equations 13 to 15.
    pub fn kl_q_p_class0(&self) -> Enclosure {
        let ball = &self.ball * (-self.ln_ball_ratio());
        ball + self.model_shell() * (self.ln_model_shell() - self.ln_complement1())
    }

    /// KL(p, q) of class 0: lambda1 ln(lambda1 / v) + (1 - lambda1) ln((1 - lambda1) / (1 - v)).
    ///
    /// Source: equations 16 and 17.
    pub fn kl_p_q_class0(&self) -> Enclosure {
        let around = self.complement(&self.parameters.lambda1);
        let ball = self.lambda1() * self.ln_ball_ratio();
        ball + around * (self.ln_complement1() - self.ln_model_shell())
    }

    /// KL of the joint distributions of (x, y): half of class 0's, since class 1 is perfect.
    pub fn kl_joint(&self, class0: &Enclosure) -> Enclosure {
        class0 / &self.integer(2)
    }

    /// Lemma 2's bound on KL(q, p) of class 0: ln(1 / (1 - lambda1)).
    pub fn kl_q_p_bound(&self) -> Enclosure {
        -self.ln_complement1()
    }

    /// Lemma 3's bound on KL(p, q) of class 0: lambda1 L.
    pub fn kl_p_q_bound(&self) -> Enclosure {
        self.lambda1() * &self.ln_volume_ratio
    }

    /// What Lemma 2's bound leaves: v ln(lambda1 / v) - (1 - v) ln(1 - v) - v ln(1 - lambda1).
    ///
    /// Equal to the bound minus the divergence, which agree in as many digits as v has zeros; the
    /// terms here have one sign under the lemma's hypothesis lambda1 > v.
    pub fn kl_q_p_slack(&self) -> Enclosure {
        let around = self.model_shell() * self.ln_model_shell();
        &self.ball * (self.ln_ball_ratio() - self.ln_complement1()) - around
    }

    /// What Lemma 3's bound leaves: -lambda1 ln(lambda1) - (1 - lambda1) ln((1 - lambda1) / (1 - v)).
    pub fn kl_p_q_slack(&self) -> Enclosure {
        let around = self.complement(&self.parameters.lambda1);
        let ball = self.lambda1() * self.ln_lambda1();
        -(ball + around * (self.ln_complement1() - self.ln_model_shell()))
    }

    /// The variation of p(x|0) over that of q(x|0), item 7 of Proposition 1:
    /// (1 + shell) |lambda1 - s| + (1 - lambda1) / (1 - v), where s = (1 - lambda1) v / (1 - v) is
    /// the density in the shell over that of the uniform distribution on the unit ball.
    pub fn variation_ratio(&self) -> Enclosure {
        let outer_jump = self.complement(&self.parameters.lambda1) / self.model_shell();
        let inner_jump = (self.lambda1() - &outer_jump * &self.ball).abs();
        (self.integer(1) + self.fraction(&self.parameters.shell)) * inner_jump + outer_jump
    }

    /// ln of the largest mass that a ball of radius `shell` can have, or of a bound on it: d
    /// ln(shell) plus ln of the highest density over that of the uniform distribution on the unit
    /// ball. Item 6 of Proposition 1.
    pub fn ln_ball_mass(&self, of: Distribution) -> Enclosure {
        self.ln_small_ball() + self.highest_relative_density(of).ln()
    }

    /// The probability, under p and q alike, of points that q finds denser than the unit ball: those
    /// of the outer annulus, if any; see item 5 of Proposition 1.
    pub(crate) fn denser_mass(&self) -> Enclosure {
        let densities = [Region::Ball, Region::Outer].map(|r| self.relative_density(Model, r));
        let mass = self.complement(&self.parameters.lambda2) / self.integer(2);
        let zero = self.integer(0);
        match densities {
            [Some(ball), Some(outer)] => match ball.is_below(&outer) {
                Some(true) => mass,
                Some(false) => zero,
                None => zero.hull(&mass),
            },
            _ => zero,
        }
    }

    /// The window of lambda1 in some dimension, for this shell.
    pub(crate) fn window(&self, dim: u64, goal: &ExactGoal) -> EnclosedWindow {
        EnclosedWindow::new(dim, &self.parameters.shell, goal, self.bits)
    }

    /// d ln(shell), the volume of a ball of radius `shell` over that of the unit ball.
    pub(crate) fn ln_small_ball(&self) -> Enclosure {
        self.integer(self.parameters.dim as i64) * self.fraction(&self.parameters.shell).ln()
    }

    /// ln C_d, the volume of the unit ball: (d / 2) ln(pi) - ln Gamma(d / 2 + 1).
    pub fn ln_unit_ball_volume(&self) -> Enclosure {
        let half = BigRational::new(BigInt::from(self.parameters.dim), 2.into());
        let ln_pi = Enclosure::pi(self.bits).ln();
        self.fraction(&half) * ln_pi - ln_gamma(&(half + BigRational::one()), self.bits)
    }

    /// ln(lambda1 / v), the log-ratio of p(x|0) over q(x|0) in the unit ball.
    pub(crate) fn ln_ball_ratio(&self) -> Enclosure {
        self.ln_lambda1() + &self.ln_volume_ratio
    }

    /// ln((1 - lambda1) / (1 - v)), the log-ratio in the shell, with the digits of a small one.
    pub(crate) fn ln_shell_ratio(&self) -> Enclosure {
        ((&self.ball - self.lambda1()) / self.model_shell()).ln_1p()
    }

    fn ln_complement1(&self) -> Enclosure {
        self.ln_complement(&self.parameters.lambda1)
    }

    /// ln(1 - v), the log-mass of the shell under q(x|0), with the digits of a v close to 1.
    fn ln_model_shell(&self) -> Enclosure {
        match self.ball.is_below(&self.half()) {
            Some(true) => (-&self.ball).ln_1p(),
            _ => self.model_shell().ln(),
        }
    }

    /// 1 - v.
    fn model_shell(&self) -> Enclosure {
        -(-&self.ln_volume_ratio).exp_m1()
    }

    /// ln(3^d - 2^d) = d ln 3 + ln(1 - (2 / 3)^d).
    fn ln_outer_volume(&self) -> Enclosure {
        let dim = self.integer(self.parameters.dim as i64);
        let ln_ratio = self.fraction(&BigRational::new(2.into(), 3.into())).ln();
        &dim * self.integer(3).ln() + (-(&dim * ln_ratio).exp()).ln_1p()
    }

    fn weight(&self, weight: &ExactWeight) -> Enclosure {
        match weight.fraction() {
            Some(fraction) => self.fraction(fraction),
            None => self.fraction(&weight.factor) * self.fraction(&weight.ln).exp(),
        }
    }

    fn ln_weight(&self, weight: &ExactWeight) -> Enclosure {
        let ln = self.fraction(&weight.ln);
        if weight.factor.is_one() { ln } else { self.fraction(&weight.factor).ln() + ln }
    }

    /// 1 - weight, with the digits of a weight close to 1.
    fn complement(&self, weight: &ExactWeight) -> Enclosure {
        match weight.fraction() {
            Some(fraction) => self.fraction(&(BigRational::one() - fraction)),
            None if weight.factor.is_one() => -self.fraction(&weight.ln).exp_m1(),
            None => self.integer(1) - self.weight(weight),
        }
    }

    /// ln(1 - weight), with the digits of a small weight and of one close to 1.
    fn ln_complement(&self, weight: &ExactWeight) -> Enclosure {
        let value = self.weight(weight);
        match value.is_below(&self.half()) {
            Some(true) => (-value).ln_1p(),
            _ => self.complement(weight).ln(),
        }
    }

    fn half(&self) -> Enclosure {
        self.fraction(&BigRational::new(1.into(), 2.into()))
    }

    pub(crate) fn integer(&self, x: i64) -> Enclosure {
        Enclosure::integer(x, self.bits)
    }

    pub(crate) fn fraction(&self, x: &BigRational) -> Enclosure {
        Enclosure::from_fraction(x, self.bits)
    }
}

/// ln Gamma(z) for z > 0, by Stirling's series with its first omitted term as the error bound.
///
/// ln Gamma(z) = (z - 1/2) ln z - z + ln(2 pi) / 2 + sum over k of B_2k / (2k (2k - 1) z^(2k-1)),
/// and for z > 0 the error is smaller than the first omitted term (NIST DLMF 5.11(ii)). Small z are
/// moved up by Gamma(z) = Gamma(z + n) / (z (z + 1) ... (z + n - 1)).
fn ln_gamma(z: &BigRational, bits: usize) -> Enclosure {
    let enclose = |x: &BigRational| Enclosure::from_fraction(x, bits);
    let least = BigRational::from(BigInt::from(bits / 4));
    let (mut z, mut product) = (z.clone(), Enclosure::integer(1, bits));
    while z < least {
        product = product * enclose(&z);
        z += BigRational::one();
    }
    let half = BigRational::new(1.into(), 2.into());
    let two_pi = Enclosure::integer(2, bits) * Enclosure::pi(bits);
    let x = enclose(&z);
    let leading = enclose(&(&z - &half)) * x.ln() - &x + enclose(&half) * two_pi.ln();
    // At 2k = z the terms are about (2 pi e)^-z, so that bits / 4 for both reaches 2^-bits.
    let last = bits / 4;
    let mut power = x.clone();
    let mut sum = leading - product.ln();
    for (k, number) in bernoulli(last + 2).into_iter().enumerate().skip(2).step_by(2) {
        let k = k as i64;
        let term = enclose(&(number / BigInt::from(k * (k - 1)))) / &power;
        if k as usize > last {
            let error = term.abs();
            return sum + (-&error).hull(&error);
        }
        sum = sum + term;
        power = power * &x * &x;
    }
    unreachable!("the loop ends with the error term")
}

/// The ends of the window of ln lambda1 in which every condition of Proposition 1 is met, as
/// enclosures of the same quantities as [`crate::Window`].
#[derive(Debug, Clone)]
pub struct EnclosedWindow {
    /// max(2 ln((1 - delta) / delta), 0) - L, excluded.
    pub ln_lambda1_min: Enclosure,
    /// min(ln kl_epsilon - ln L, ln(1 - exp(-kl_epsilon)), ln(1/3)), excluded.
    pub ln_lambda1_max: Enclosure,
}

impl EnclosedWindow {
    pub(crate) fn new(dim: u64, shell: &BigRational, goal: &ExactGoal, bits: usize) -> Self {
        let enclose = |x: &BigRational| Enclosure::from_fraction(x, bits);
        let volume = Enclosure::integer(dim as i64, bits) * enclose(shell).ln_1p();
        let delta = &goal.delta().0;
        let odds = (BigRational::one() - delta) / delta;
        let zero = Enclosure::integer(0, bits);
        let least = (Enclosure::integer(2, bits) * enclose(&odds).ln()).max(&zero);
        let kl_epsilon = enclose(&goal.kl_epsilon().0);
        let third = enclose(&BigRational::new(1.into(), 3.into()));
        let lemma2 = (-(-&kl_epsilon).exp_m1()).ln();
        EnclosedWindow {
            ln_lambda1_min: least - &volume,
            ln_lambda1_max: (kl_epsilon.ln() - volume.ln()).min(&lemma2).min(&third.ln()),
        }
    }

    /// Whether some lambda1 lies in the window of dimension `dim`.
    pub(crate) fn is_open(dim: u64, shell: &Exact, goal: &ExactGoal) -> Verdict {
        decide(|bits| {
            let window = EnclosedWindow::new(dim, &shell.0, goal, bits);
            window.ln_lambda1_min.is_below(&window.ln_lambda1_max)
        })
    }
}
