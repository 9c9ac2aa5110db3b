//! The data distribution p and the model q of the counter-example.

use crate::annulus::Annulus;
use crate::enclosed::{Enclosed, Enclosures};
use crate::error::{Error, require, require_dim, require_shell};
use crate::exact::{Exact, ExactParameters, ExactWeight};
use crate::log_space::{SignedLn, ln_1m_exp, ln_add_exp, ln_unit_ball_volume};
use crate::posterior::Posterior;
use crate::precise::LogRatios;
use crate::weight::{Lambda2, Weight};
use rand::{Rng, RngExt};
use std::f64::consts::LN_2;

/// The label y.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// y = 0: the unit ball and the shell around it.
    Zero,
    /// y = 1: the unit ball and a distant annulus.
    One,
}

/// Where a point lies. Every density of the counter-example is constant on each region.
///
/// The paper's annuli are closed, so its spheres of radius 1 belong to two of them; densities are
/// only defined up to such sets. Here the unit ball is open, as in Lemma 1 (||x|| < 1), and the
/// other regions are closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Region {
    /// ||x|| < 1.
    Ball,
    /// 1 <= ||x|| <= 1 + shell.
    Shell,
    /// 2 <= ||x|| <= 3.
    Outer,
    /// Anywhere else, where all densities vanish.
    Outside,
}

/// The regions that carry mass, from the centre outwards.
pub const SUPPORT: [Region; 3] = [Region::Ball, Region::Shell, Region::Outer];

/// The counter-example with checked parameters: after construction nothing fails.
///
/// With U(a, b) uniform on an annulus and both classes of probability 1/2,
/// p(x|0) = lambda1 U(0, 1) + (1 - lambda1) U(1, 1 + shell), q(x|0) = U(0, 1 + shell), and
/// p(x|1) = q(x|1) = lambda2 U(0, 1) + (1 - lambda2) U(2, 3).
///
/// Source: equations 2, 3 and 7 to 10 of the paper.
#[derive(Debug, Clone)]
pub struct CounterExample {
    dim: u64,
    shell: f64,
    lambda1: Weight,
    enclosures: Enclosures,
    ratios: LogRatios,
    data: Joint,
    model: Joint,
}

impl CounterExample {
    /// The counter-example in R^`dim` with a shell of width `shell`.
    ///
    /// Numerics: costs a few enclosures of 128 bits or more, about half a millisecond.
    ///
    /// Errors: 1 <= dim <= 1,000,000, 0 < shell < 1, 0 < lambda1 < 1 or 0 < lambda2 < 1 is
    /// violated, or a weight given by its logarithm is below exp(-10^8).
    ///
    /// ```
    /// use undetected_theory::{CounterExample, Lambda2, Region, Weight};
    ///
    /// let lambda2 = Lambda2::Given(Weight::Value(0.1));
    /// let example = CounterExample::new(2, 0.5, Weight::Value(0.3), lambda2).unwrap();
    /// let data = example.data().posterior(Region::Ball).unwrap().class0();
    /// let model = example.model().posterior(Region::Ball).unwrap().class0();
    /// assert!((data - 0.75).abs() < 1e-15); // 0.3 / (0.3 + 0.1)
    /// assert!((model - 1.0 / 1.225).abs() < 1e-15); // 1 / (1 + 0.1 * 1.5^2)
    /// ```
    pub fn new(dim: u64, shell: f64, lambda1: Weight, lambda2: Lambda2) -> Result<Self, Error> {
        require_dim(dim)?;
        require_shell(shell)?;
        lambda1.checked("lambda1")?;
        check_lambda2(lambda2)?;
        let enclosures = Enclosures::new(exact_parameters(dim, shell, lambda1, lambda2));
        let ratios = LogRatios::new(&enclosures);
        let ln_lambda2 = ratios.ln_lambda2;
        require(ln_lambda2 < 0.0, "lambda2", ln_lambda2.exp(), "0 < lambda2 < 1")?;
        let data = class0_data(dim, shell, lambda1)?;
        let model = class0_model(ratios.ln_volume_ratio);
        let class1 = class1(dim, ln_lambda2, ln_complement2(lambda2, ln_lambda2))?;
        Ok(CounterExample {
            dim,
            shell,
            lambda1,
            enclosures,
            ratios,
            data: Joint::new(dim, [data, class1], ratios.data_odds),
            model: Joint::new(dim, [model, class1], ratios.model_odds),
        })
    }

    /// d, the dimension.
    pub fn dim(&self) -> u64 {
        self.dim
    }

    /// Capital Delta, the width of the shell and the attack's budget.
    pub fn shell(&self) -> f64 {
        self.shell
    }

    /// ln lambda1, the log-mass of the unit ball under p(x|0).
    pub fn ln_lambda1(&self) -> f64 {
        self.lambda1.ln()
    }

    /// ln(1 - lambda1).
    pub fn ln_complement1(&self) -> f64 {
        self.lambda1.ln_complement()
    }

    /// ln lambda2, the log-mass of the unit ball under p(x|1) and q(x|1).
    pub fn ln_lambda2(&self) -> f64 {
        self.ratios.ln_lambda2
    }

    /// d ln(1 + shell). The mass of the unit ball under q(x|0) is the exponential of its negative.
    pub fn ln_volume_ratio(&self) -> f64 {
        self.ratios.ln_volume_ratio
    }

    /// The data distribution p(x, y).
    pub fn data(&self) -> &Joint {
        &self.data
    }

    /// The model distribution q(x, y).
    pub fn model(&self) -> &Joint {
        &self.model
    }

    /// The region of a point whose norm has this natural logarithm.
    ///
    /// ```
    /// # use undetected_theory::{CounterExample, Lambda2, Region, Weight};
    /// # let matched = Lambda2::Matched { delta: 0.01 };
    /// let example = CounterExample::new(9, 0.1, Weight::Value(0.2), matched).unwrap();
    /// let region = |radius: f64| example.region(radius.ln());
    /// assert_eq!(region(0.0), Region::Ball);
    /// assert_eq!(region(1.0), Region::Shell);
    /// assert_eq!(region(1.5), Region::Outside);
    /// assert_eq!(region(3.0), Region::Outer);
    /// ```
    pub fn region(&self, ln_radius: f64) -> Region {
        if ln_radius < 0.0 {
            Region::Ball
        } else if ln_radius <= self.shell.ln_1p() {
            Region::Shell
        } else if (LN_2..=3f64.ln()).contains(&ln_radius) {
            Region::Outer
        } else {
            Region::Outside
        }
    }

    /// (1 - lambda1) / 2, the probability under p of the shell, where the attack starts.
    pub fn attackable_mass(&self) -> f64 {
        self.ln_complement1().exp() / 2.0
    }

    /// ln(p(x|0) / q(x|0)) in the unit ball and in the shell.
    pub(crate) fn class0_ratios(&self) -> [SignedLn; 2] {
        [SignedLn::from(self.ratios.ball), self.ratios.shell]
    }

    /// Every quantity as an enclosure, computed with this many bits.
    ///
    /// ```
    /// use undetected_theory::{CounterExample, Lambda2, Weight};
    ///
    /// let matched = Lambda2::Matched { delta: 0.01 };
    /// let example = CounterExample::new(500, 0.1, Weight::Value(1e-4), matched).unwrap();
    /// let kl = example.enclosed(128).kl_q_p_class0();
    /// assert!((kl.lower() / example.kl_q_p().class0() - 1.0).abs() < 1e-12);
    /// assert!(kl.upper() <= kl.lower().next_up()); // 128 bits leave f64 no doubt
    /// ```
    pub fn enclosed(&self, bits: usize) -> Enclosed {
        Enclosed::new(self.enclosures.parameters(), bits)
    }

    /// The enclosures that verdicts come from.
    pub(crate) fn enclosures(&self) -> &Enclosures {
        &self.enclosures
    }
}

fn exact_parameters(dim: u64, shell: f64, lambda1: Weight, lambda2: Lambda2) -> ExactParameters {
    let exact = |weight| match weight {
        Weight::Value(x) => ExactWeight::value(&Exact::from_f64(x)),
        Weight::Ln(ln) => ExactWeight::ln(ln),
    };
    let lambda1 = exact(lambda1);
    let lambda2 = match lambda2 {
        Lambda2::Given(weight) => exact(weight),
        Lambda2::Matched { delta } => lambda1.matched(&Exact::from_f64(delta).0),
    };
    ExactParameters { dim, shell: Exact::from_f64(shell).0, lambda1, lambda2 }
}

fn check_lambda2(lambda2: Lambda2) -> Result<(), Error> {
    match lambda2 {
        Lambda2::Given(weight) => weight.checked("lambda2").map(|_| ()),
        Lambda2::Matched { delta } => {
            require(delta > 0.0 && delta < 1.0, "delta", delta, "0 < delta < 1").map(|_| ())
        }
    }
}

fn ln_complement2(lambda2: Lambda2, ln_lambda2: f64) -> f64 {
    match lambda2 {
        Lambda2::Given(weight) => weight.ln_complement(),
        Lambda2::Matched { .. } => ln_1m_exp(ln_lambda2),
    }
}

/// What a class says about each region of [`SUPPORT`].
#[derive(Debug, Clone, Copy)]
struct Conditional {
    /// ln of the probability of the region.
    ln_mass: [f64; 3],
    /// ln of the density there, relative to the uniform density on the unit ball.
    ln_density: [f64; 3],
}

/// p(x|0), equation 7.
fn class0_data(dim: u64, shell: f64, lambda1: Weight) -> Result<Conditional, Error> {
    let ln_volume = Annulus::with_shell(dim, shell, false)?.ln_relative_volume();
    let (ball, around) = (lambda1.ln(), lambda1.ln_complement());
    Ok(Conditional {
        ln_mass: [ball, around, f64::NEG_INFINITY],
        ln_density: [ball, around - ln_volume, f64::NEG_INFINITY],
    })
}

/// q(x|0), equation 9: the same density in the ball and in the shell, to the last digit.
fn class0_model(ln_volume_ratio: f64) -> Conditional {
    let ball = -ln_volume_ratio;
    Conditional {
        ln_mass: [ball, ln_1m_exp(ball), f64::NEG_INFINITY],
        ln_density: [ball, ball, f64::NEG_INFINITY],
    }
}

/// p(x|1) and q(x|1), equations 8 and 10.
fn class1(dim: u64, ball: f64, around: f64) -> Result<Conditional, Error> {
    let ln_volume = Annulus::new(dim, 2.0, 3.0)?.ln_relative_volume();
    Ok(Conditional {
        ln_mass: [ball, f64::NEG_INFINITY, around],
        ln_density: [ball, f64::NEG_INFINITY, around - ln_volume],
    })
}

/// A distribution of (x, y) whose classes are equally likely and uniform on each region.
#[derive(Debug, Clone)]
pub struct Joint {
    classes: [Conditional; 2],
    /// ln(P(0|x) / P(1|x)) in the unit ball, which the difference of two masses would round.
    ball_odds: f64,
    ln_unit_ball: f64,
}

impl Joint {
    fn new(dim: u64, classes: [Conditional; 2], ball_odds: f64) -> Self {
        Joint { classes, ball_odds, ln_unit_ball: ln_unit_ball_volume(dim) }
    }

    /// ln P(x in region | y), negative infinity where the class has no mass.
    pub fn ln_mass(&self, class: Class, region: Region) -> f64 {
        index(region).map_or(f64::NEG_INFINITY, |i| self.classes[class as usize].ln_mass[i])
    }

    /// P(x in region).
    pub fn mass(&self, region: Region) -> f64 {
        let of = |class| self.ln_mass(class, region).exp();
        (of(Class::Zero) + of(Class::One)) / 2.0
    }

    /// ln of the density of x given y, anywhere in the region.
    pub fn ln_conditional_density(&self, class: Class, region: Region) -> f64 {
        self.relative(class, region) - self.ln_unit_ball
    }

    /// ln of the density of x, anywhere in the region.
    pub fn ln_density(&self, region: Region) -> f64 {
        self.ln_relative_density(region) - self.ln_unit_ball
    }

    /// ln of the density of x over that of the uniform distribution on the unit ball.
    ///
    /// Numerics: keeps the digits that ln C_d, millions in high dimension, would push out, so that
    /// regions are ranked correctly.
    pub fn ln_relative_density(&self, region: Region) -> f64 {
        let of = |class| self.relative(class, region);
        ln_add_exp(of(Class::Zero), of(Class::One)) - LN_2
    }

    fn relative(&self, class: Class, region: Region) -> f64 {
        index(region).map_or(f64::NEG_INFINITY, |i| self.classes[class as usize].ln_density[i])
    }

    /// P(y|x) by Bayes' rule, anywhere in the region; none where the density is zero.
    ///
    /// In the unit ball this is Lemma 1: p(0|x) = lambda1 / (lambda1 + lambda2) and
    /// q(0|x) = 1 / (1 + lambda2 (1 + shell)^d). In the shell and in the outer annulus only one
    /// class has mass, and both p and q are certain of it.
    ///
    /// Source: equations 11 and 12.
    pub fn posterior(&self, region: Region) -> Option<Posterior> {
        match region {
            Region::Ball => Some(Posterior { ln_odds: self.ball_odds }),
            Region::Shell => Some(Posterior { ln_odds: f64::INFINITY }),
            Region::Outer => Some(Posterior { ln_odds: f64::NEG_INFINITY }),
            Region::Outside => None,
        }
    }

    /// ln of the median of this density over x drawn from `observed`, relative as in
    /// [`Joint::ln_relative_density`].
    ///
    /// The density takes one value per region, so the median is a level: here the highest m with
    /// P(density < m) <= 1/2, which is the strictest reading of "the median".
    ///
    /// Numerics: with B the set below m, P(B) <= 1/2 says P(B|1) <= P(not B|0). That comparison
    /// of two sums of logarithms does not round where the masses differ from 1/2 by little.
    pub fn ln_relative_median(&self, observed: &Joint) -> f64 {
        SUPPORT
            .map(|region| self.ln_relative_density(region))
            .into_iter()
            .filter(|&level| {
                let below = |region| self.ln_relative_density(region) < level;
                let ln_below = observed.ln_mass_where(Class::One, below);
                ln_below <= observed.ln_mass_where(Class::Zero, |region| !below(region))
            })
            .fold(f64::NEG_INFINITY, f64::max)
    }

    /// ln of the median density itself, over x drawn from `observed`.
    pub fn ln_median_density(&self, observed: &Joint) -> f64 {
        self.ln_relative_median(observed) - self.ln_unit_ball
    }

    /// Draws the region of x: the class by a fair coin, then the unit ball or what is around it.
    pub fn sample_region<R: Rng + ?Sized>(&self, rng: &mut R) -> Region {
        let (class, around) = if rng.random::<bool>() {
            (Class::One, Region::Outer)
        } else {
            (Class::Zero, Region::Shell)
        };
        let in_ball = rng.random::<f64>() < self.ln_mass(class, Region::Ball).exp();
        if in_ball { Region::Ball } else { around }
    }

    /// ln of the total mass, given the class, of the regions that meet a condition.
    fn ln_mass_where(&self, class: Class, condition: impl Fn(Region) -> bool) -> f64 {
        SUPPORT
            .into_iter()
            .filter(|&region| condition(region))
            .map(|region| self.ln_mass(class, region))
            .fold(f64::NEG_INFINITY, ln_add_exp)
    }
}

/// Position in [`SUPPORT`].
fn index(region: Region) -> Option<usize> {
    SUPPORT.iter().position(|&other| other == region)
}
