//! What the maximum likelihood objective pays for the label, beside what it pays for the image.

use crate::counterexample::{Class, Joint, Region, SUPPORT};
use crate::error::{Error, require};
use crate::log_space::ln_odds;
use std::f64::consts::{LN_2, LN_10};

/// An amount of information, or a difference of log-likelihoods, in every unit that is in use.
///
/// ```
/// # use undetected_theory::Information;
/// let byte = Information { nats: 256f64.ln() };
/// assert!((byte.bits() - 8.0).abs() < 1e-14);
/// assert!((byte.bits_per_dim(4) - 2.0).abs() < 1e-14);
/// assert!((byte.digits() - 2.40824).abs() < 1e-5); // log10 of 256
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Information {
    /// Natural logarithm.
    pub nats: f64,
}

impl Information {
    /// Binary logarithm: nats / ln 2.
    pub fn bits(self) -> f64 {
        self.nats / LN_2
    }

    /// Bits over the number of dimensions.
    pub fn bits_per_dim(self, n_dims: u64) -> f64 {
        self.bits() / n_dims as f64
    }

    /// Decimal digits: nats / ln 10.
    pub fn digits(self) -> f64 {
        self.nats / LN_10
    }
}

/// Images of D dimensions in C classes under a model with a known negative log-likelihood.
///
/// Source: equation 4 and section 4.2 of the paper.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Objective {
    classes: u64,
    n_dims: u64,
    bits_per_dim: f64,
    delta: f64,
}

impl Objective {
    /// `classes` labels, images of `n_dims` dimensions that cost `bits_per_dim` on average, and a
    /// correct label that should have a probability of at least 1 - `delta`.
    ///
    /// Errors: classes >= 2, n_dims >= 1, 0 < bits_per_dim < infinity or 0 < delta < 1 is violated.
    pub fn new(classes: u64, n_dims: u64, bits_per_dim: f64, delta: f64) -> Result<Self, Error> {
        require(classes >= 2, "classes", classes as f64, "classes >= 2")?;
        require(n_dims >= 1, "n_dims", n_dims as f64, "n_dims >= 1")?;
        let finite = bits_per_dim > 0.0 && bits_per_dim.is_finite();
        require(finite, "bits_per_dim", bits_per_dim, "0 < bits_per_dim < inf")?;
        require(delta > 0.0 && delta < 1.0, "delta", delta, "0 < delta < 1")?;
        Ok(Objective { classes, n_dims, bits_per_dim, delta })
    }

    /// C, the number of classes.
    pub fn classes(&self) -> u64 {
        self.classes
    }

    /// D, the number of dimensions that bits/dim divides by.
    pub fn n_dims(&self) -> u64 {
        self.n_dims
    }

    /// How far from certainty the correct label may be.
    pub fn delta(&self) -> f64 {
        self.delta
    }

    /// The image's term of equation 4, E[-ln P(x)]: bits/dim times D ln 2 nats.
    ///
    /// ```
    /// # use undetected_theory::Objective;
    /// let objective = Objective::new(10, 3072, 3.5, 0.1).unwrap();
    /// assert_eq!(objective.image().bits(), 10_752.0); // 3.5 * 3072
    /// ```
    pub fn image(&self) -> Information {
        Information { nats: self.bits_per_dim * self.n_dims as f64 * LN_2 }
    }

    /// The label's term, E[-ln P(y|x)], of a model that ignores the label: ln C nats for a uniform
    /// P(y|x). The most that knowing the label can save.
    ///
    /// ```
    /// # use undetected_theory::Objective;
    /// let objective = Objective::new(8, 3, 1.0, 0.1).unwrap();
    /// assert!((objective.uniform_label().bits() - 3.0).abs() < 1e-15);
    /// assert!((objective.share(objective.uniform_label()) - 1.0).abs() < 1e-15); // 3 of 3 bits
    /// ```
    pub fn uniform_label(&self) -> Information {
        Information { nats: (self.classes as f64).ln() }
    }

    /// The label's term of a model that gives every correct label exactly 1 - delta:
    /// -ln(1 - delta) nats.
    pub fn confident_label(&self) -> Information {
        Information { nats: -(-self.delta).ln_1p() }
    }

    /// The least lead over every other logit that ensures P(y|x) >= 1 - delta:
    /// ln(C - 1) + ln((1 - delta) / delta) nats.
    ///
    /// With a lead of m over each other logit the other classes have at most (C - 1) e^-m times
    /// the probability of y, and exactly that where they tie, so a smaller lead does not ensure it.
    /// Negative where delta > 1 - 1 / C, which asks for less than an even share.
    ///
    /// Source: section 4.2, whose condition, [`Objective::margin_printed`], is sufficient.
    ///
    /// ```
    /// # use undetected_theory::Objective;
    /// // Two classes: the log-odds of 3/4, ln 3.
    /// let objective = Objective::new(2, 1, 1.0, 0.25).unwrap();
    /// assert!((objective.margin().nats - 3f64.ln()).abs() < 1e-15);
    /// ```
    pub fn margin(&self) -> Information {
        Information { nats: ((self.classes - 1) as f64).ln() - ln_odds(self.delta) }
    }

    /// The lead as printed: ln C + ln((1 - delta) / delta) nats, ln(C / (C - 1)) more than needed.
    ///
    /// Source: section 4.2, which calls it "about 6" for C = 10 and delta = 1e-5. It is 13.8 nats,
    /// 19.9 bits or 6.0 decimal digits, while the likelihoods that the paper compares it with are
    /// in nats or bits.
    ///
    /// ```
    /// # use undetected_theory::Objective;
    /// let printed = Objective::new(10, 3072, 3.53, 1e-5).unwrap().margin_printed();
    /// assert!((printed.digits() - 6.0).abs() < 1e-5); // log10(10) + log10(99999)
    /// assert!((printed.nats - 13.8155).abs() < 1e-4);
    /// ```
    pub fn margin_printed(&self) -> Information {
        Information { nats: (self.classes as f64).ln() - ln_odds(self.delta) }
    }

    /// An amount of information as a share of what the image costs.
    pub fn share(&self, part: Information) -> f64 {
        part.nats / self.image().nats
    }
}

/// Equation 4 on the counter-example: the objective and the two terms it splits into, each computed
/// from its own densities.
///
/// joint = E[-ln Q(x, y)], image = E[-ln Q(x)] and label = E[-ln Q(y|x)] over (x, y) from P, sums
/// over the regions, so that joint = image + label holds up to rounding. Densities can exceed 1,
/// so the image's term can be negative.
///
/// Source: equation 4 of the paper.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Decomposition {
    /// E[-ln Q(x, y)].
    pub joint: Information,
    /// E[-ln Q(x)]. With P = Q this is the entropy of x.
    pub image: Information,
    /// E[-ln Q(y|x)].
    pub label: Information,
}

impl Decomposition {
    /// Of `model`, Q, over (x, y) from `from`, P. Infinite where Q misses mass of P, which p and q
    /// of one counter-example never do of each other.
    ///
    /// ```
    /// use undetected_theory::{CounterExample, Decomposition, Lambda2, Weight};
    ///
    /// // d = 1, shell = 1/2, lambda1 = lambda2 = 1/2. Lengths: ball 2, shell 1, outer 2. So q(x|0)
    /// // is 1/3, q(x|1) is 1/4, q(x, y) half of that; the ball holds half of either class.
    /// let half = Weight::Value(0.5);
    /// let example = CounterExample::new(1, 0.5, half, Lambda2::Given(half)).unwrap();
    /// let terms = Decomposition::new(example.data(), example.model());
    /// let close = |got: f64, want: f64| assert!((got - want).abs() < 1e-14);
    /// close(terms.joint.nats, (6f64.ln() + 8f64.ln()) / 2.0);
    /// // In the ball q(x) = 1/6 + 1/8 = 7/24 and q(0|x) = 4/7.
    /// close(terms.image.nats, (24f64 / 7.0).ln() / 2.0 + (6f64.ln() + 8f64.ln()) / 4.0);
    /// close(terms.label.nats, ((7f64 / 4.0).ln() + (7f64 / 3.0).ln()) / 4.0);
    /// ```
    pub fn new(from: &Joint, model: &Joint) -> Self {
        Decomposition {
            joint: mean_nats(from, |class, region| {
                model.ln_conditional_density(class, region) - LN_2
            }),
            image: mean_nats(from, |_, region| model.ln_density(region)),
            label: mean_nats(from, |class, region| ln_label(model, class, region)),
        }
    }
}

/// E[-f(y, region of x)] over (x, y) from a distribution, with f a natural logarithm.
fn mean_nats(from: &Joint, f: impl Fn(Class, Region) -> f64) -> Information {
    let mut nats = 0.0;
    for class in [Class::Zero, Class::One] {
        for region in SUPPORT {
            let mass = from.ln_mass(class, region).exp() / 2.0;
            // Where there is no mass, f may be infinite.
            if mass > 0.0 {
                nats -= mass * f(class, region);
            }
        }
    }
    Information { nats }
}

/// ln q(y|x).
fn ln_label(model: &Joint, class: Class, region: Region) -> f64 {
    let posterior = model.posterior(region).expect("every region of the support has a posterior");
    match class {
        Class::Zero => posterior.ln_class0(),
        Class::One => posterior.ln_class1(),
    }
}
