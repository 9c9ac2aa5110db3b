//! The scores that detectors threshold.

use super::{ln_data_mass, ln_sum};
use crate::counterexample::{Class, CounterExample, Joint, Region, SUPPORT};
use crate::posterior::Posterior;

/// What a detector looks at. Higher is more like the data, and low scores are rejected.
///
/// With q_ball, q_shell and q_outer the values of q(x), v = (1 + shell)^-d and C_d the volume of
/// the unit ball: 2 C_d q_ball = v + lambda2, 2 C_d q_shell = v and
/// 2 C_d q_outer = (1 - lambda2) / (3^d - 2^d). From d = 2 on q_outer < q_shell < q_ball whatever
/// the weights, for 3^d - 2^d > 2^d > 1 / v. In one dimension the outer annulus can be densest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Score {
    /// ln q(x), a one-sided threshold on the density.
    ///
    /// From d = 2 on the attack moves x to where the density is highest, so it is rejected last.
    ///
    /// Source: item 5 of Proposition 1.
    Density,
    /// ln q(x, y) at the predicted label y, which is max_y ln q(x, y).
    ///
    /// 2 C_d q(x, y) is max(v, lambda2) in the ball and v in the shell: the attack raises it if
    /// lambda2 > v and leaves it as it is otherwise.
    Joint,
    /// ln q(x|y) at the predicted label y.
    ///
    /// The classes are equally likely, so this is the joint score plus ln 2, the same detector.
    Conditional,
    /// min(P(q(X) <= q(x)), P(q(X) >= q(x))) for X from p: a two-sided threshold with equal tails,
    /// which rejects a density that is too high as well.
    TwoSided,
    /// -|ln q(x) + H(q)| with H(q) the entropy of q(x): the distance from the typical set.
    ///
    /// From d = 2 on the unit ball is farther from H(q) than all other regions exactly if
    /// (1 - v - lambda2) ln(1 + lambda2 / v) > lambda2 ln(q_shell / q_outer). The left side minus
    /// the right is its distance minus that of the outer annulus, in nats: H(q) lies near the
    /// middle between shell and outer annulus, which hold about half of q each, and what lambda2
    /// takes from the outer annulus draws H(q) away from it.
    ///
    /// Source: Nalisnick et al., "Detecting out-of-distribution inputs to deep generative models
    /// using typicality", 2019, for one input, with the exact entropy.
    TypicalSet,
    /// ln q(x) - ln b(x) with b = U(0, 3), a broad background model.
    ///
    /// b is constant wherever p and q live, so this is the density score plus a constant, and
    /// is evaded like it.
    ///
    /// Source: Ren et al., "Likelihood ratios for out-of-distribution detection", 2019.
    BackgroundRatio,
    /// ln q(x|y) - ln q(x|y') with y the predicted label and y' the other, the class as background.
    ///
    /// Infinite in the shell and in the outer annulus, where one class alone has mass, and
    /// |ln(lambda2 / v)| in the ball. So it rejects the ball first, in any dimension and whatever
    /// the weights: it finds the only region where q is less than certain of its label.
    ClassRatio,
}

/// Every score, one-sided ones first.
pub const SCORES: [Score; 7] = [
    Score::Density,
    Score::Joint,
    Score::Conditional,
    Score::BackgroundRatio,
    Score::TwoSided,
    Score::TypicalSet,
    Score::ClassRatio,
];

impl Score {
    /// The score in each region of [`SUPPORT`], up to a constant.
    ///
    /// Numerics: densities are taken relative to that of the shell, so that ln C_d drops out and a
    /// lambda2 far below v still sets the ball above the shell, unless lambda2 / v underflows.
    pub(super) fn levels(self, example: &CounterExample) -> [f64; 3] {
        match self {
            Score::Density | Score::BackgroundRatio => densities(example),
            Score::Joint | Score::Conditional => predicted(example),
            Score::TwoSided => tails(example),
            Score::TypicalSet => excess_distances(example).map(|excess| -excess),
            Score::ClassRatio => {
                SUPPORT.map(|region| posterior(example.model(), region).ln_odds.abs())
            }
        }
    }
}

/// ln(q(x) / q_shell). In the ball q(x|0) is as in the shell, so this is -ln q(0|x).
fn densities(example: &CounterExample) -> [f64; 3] {
    let [_, shell, outer] = predicted(example);
    [-posterior(example.model(), Region::Ball).ln_class0(), shell, outer]
}

/// max_y ln q(x, y), relative to the shell.
fn predicted(example: &CounterExample) -> [f64; 3] {
    let model = example.model();
    let level = |region| model.ln_relative_density(region);
    let ball = -posterior(model, Region::Ball).ln_odds;
    [ball.max(0.0), 0.0, level(Region::Outer) - level(Region::Shell)]
}

/// ln of the smaller of the probabilities under p of a density at most, and at least, as high.
fn tails(example: &CounterExample) -> [f64; 3] {
    let levels = densities(example);
    let ln_mass = |condition: &dyn Fn(f64) -> bool| {
        let regions = SUPPORT.into_iter().zip(levels).filter(|&(_, level)| condition(level));
        ln_sum(regions.map(|(region, _)| ln_data_mass(example, region)))
    };
    levels.map(|own| ln_mass(&|level| level <= own).min(ln_mass(&|level| level >= own)))
}

/// |ln q(x) + H(q)| in each region minus that in the shell, nats.
///
/// With u = ln(q(x) / q_shell) and m its mean under q, the distances are |u - m| and |m|. Their
/// difference is u or 2 m - u, up to a sign; the second is summed over regions without rounding
/// what is left after u has cancelled.
fn excess_distances(example: &CounterExample) -> [f64; 3] {
    let levels = densities(example);
    let twice_mean_minus = |i: usize| -> f64 {
        let terms = levels.iter().zip(twice_masses_minus(example.model(), i));
        terms.map(|(level, weight)| weight * level).sum()
    };
    let twice_mean = twice_mean_minus(1); // the shell's level is 0
    [0, 1, 2].map(|i| match (twice_mean <= 0.0, 2.0 * levels[i] >= twice_mean) {
        (true, true) => levels[i],
        (true, false) => twice_mean_minus(i),
        (false, true) => -twice_mean_minus(i),
        (false, false) => -levels[i],
    })
}

/// P(region|0) + P(region|1) for each region of [`SUPPORT`], less 1 for the one at `minus`, whose
/// difference is P(region|0) - P(any other|1).
fn twice_masses_minus(model: &Joint, minus: usize) -> [f64; 3] {
    let of = |class, region| model.ln_mass(class, region).exp();
    let mut weights = SUPPORT.map(|region| of(Class::Zero, region) + of(Class::One, region));
    let others: f64 = (0..3).filter(|&i| i != minus).map(|i| of(Class::One, SUPPORT[i])).sum();
    weights[minus] = of(Class::Zero, SUPPORT[minus]) - others;
    weights
}

fn posterior(model: &Joint, region: Region) -> Posterior {
    model.posterior(region).expect("every region of the support has a posterior")
}
