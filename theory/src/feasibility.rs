//! Which lambda1 meets every condition of Proposition 1, and from which dimension on there is one.

use crate::enclosed::EnclosedWindow;
use crate::error::{Error, require, require_dim, require_shell};
use crate::exact::{Exact, ExactGoal};
use crate::log_space::{ln_1m_exp, ln_odds};
use crate::verdict::Verdict;
use crate::weight::Weight;
use std::f64::consts::LN_2;

/// Dimensions above this one are not searched: f64 counts no further in steps of 1.
const SEARCH_LIMIT: u64 = 1 << 53;

/// What Proposition 1 asks for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Goal {
    kl_epsilon: f64,
    delta: f64,
}

impl Goal {
    /// Both divergences below `kl_epsilon` nats, both wrong and right labels within `delta` of
    /// certainty.
    ///
    /// Errors: 0 < kl_epsilon < infinity or 0 < delta < 1 is violated.
    pub fn new(kl_epsilon: f64, delta: f64) -> Result<Self, Error> {
        let finite = kl_epsilon > 0.0 && kl_epsilon.is_finite();
        require(finite, "kl_epsilon", kl_epsilon, "0 < kl_epsilon < inf")?;
        require(delta > 0.0 && delta < 1.0, "delta", delta, "0 < delta < 1")?;
        Ok(Goal { kl_epsilon, delta })
    }

    /// Epsilon of section 2: the limit of both divergences, in nats.
    pub fn kl_epsilon(&self) -> f64 {
        self.kl_epsilon
    }

    /// Small delta: how far from certainty the labels may be.
    pub fn delta(&self) -> f64 {
        self.delta
    }
}

/// The open interval of ln lambda1 that meets every condition with a matched lambda2.
///
/// With L = d ln(1 + shell), the lower end is max(2 ln((1 - delta) / delta), 0) - L and the upper
/// end is min(ln kl_epsilon - ln L, ln(1 - exp(-kl_epsilon)), ln(1/3)).
///
/// Source: equation 19, together with what it leaves out: lambda1 > (1 + shell)^-d when
/// delta > 1/2 (condition 4 of the proof), lambda1 <= 1 - exp(-kl_epsilon) (condition 3) and
/// lambda1 < 1/3, without which the attack succeeds less often than claimed. Like equation 19 the
/// window is sufficient and not necessary: it asks that the bounds of Lemmas 2 and 3 on class 0 be
/// small, which leaves out the class prior's factor 1/2.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Window {
    /// Lower end, excluded.
    pub ln_lambda1_min: f64,
    /// Upper end, excluded.
    pub ln_lambda1_max: f64,
}

impl Window {
    /// The window in dimension `dim`, rounded to f64; it is empty when its ends are out of order.
    ///
    /// Errors: 1 <= dim <= 1,000,000 or 0 < shell < 1 is violated.
    ///
    /// ```
    /// use undetected_theory::{Goal, Window};
    ///
    /// let goal = Goal::new(0.01, 0.01).unwrap();
    /// assert!(Window::new(175, 0.1, &goal).unwrap().is_open());
    /// assert!(!Window::new(174, 0.1, &goal).unwrap().is_open());
    /// ```
    pub fn new(dim: u64, shell: f64, goal: &Goal) -> Result<Self, Error> {
        require_dim(dim)?;
        require_shell(shell)?;
        Ok(Window::at(dim, shell, goal))
    }

    fn at(dim: u64, shell: f64, goal: &Goal) -> Self {
        let ln_volume_ratio = dim as f64 * shell.ln_1p();
        Window {
            ln_lambda1_min: (-2.0 * ln_odds(goal.delta)).max(0.0) - ln_volume_ratio,
            ln_lambda1_max: (goal.kl_epsilon.ln() - ln_volume_ratio.ln())
                .min(ln_1m_exp(-goal.kl_epsilon))
                .min(-(3f64.ln())),
        }
    }

    /// Whether some lambda1 lies in the window.
    pub fn is_open(&self) -> bool {
        self.ln_lambda1_min < self.ln_lambda1_max
    }

    /// A lambda1 well inside an open window: half the upper end, or the geometric middle of the
    /// window if that is larger.
    ///
    /// ```
    /// # use undetected_theory::{Weight, Window};
    /// let wide = Window { ln_lambda1_min: -9.0, ln_lambda1_max: 0.2f64.ln() };
    /// assert!((wide.lambda1().ln() - 0.1f64.ln()).abs() < 1e-15);
    /// let narrow = Window { ln_lambda1_min: -5.2, ln_lambda1_max: -5.0 };
    /// assert_eq!(narrow.lambda1(), Weight::Ln(-5.1));
    /// ```
    pub fn lambda1(&self) -> Weight {
        let middle = (self.ln_lambda1_min + self.ln_lambda1_max) / 2.0;
        Weight::Ln(middle.max(self.ln_lambda1_max - LN_2))
    }
}

/// The smallest dimension whose window is open; none below 2^53.
///
/// The window stays open from there on, so bisection finds it. For with L = d ln(1 + shell) and
/// c = max(2 ln((1 - delta) / delta), 0), a window is open exactly if L > c + ln 3,
/// L > c - ln(1 - exp(-kl_epsilon)) and L - ln L > c - ln kl_epsilon. The first two keep holding
/// as L grows, and so does the third, because L - ln L increases above L = 1 and the first
/// condition puts L above ln 3 > 1.
///
/// Source: Proposition 1 gives only the order of d. As printed, log(delta / (1 + delta)) is
/// negative; the exact condition has 2 log((1 - delta) / delta).
///
/// Numerics: a bisection in f64 proposes a dimension; enclosures decide that its window is open and
/// that the one before is not, or else take over the bisection. A window that they cannot decide is
/// not taken to be open.
///
/// Errors: 0 < shell < 1 is violated.
///
/// ```
/// use undetected_theory::{Goal, min_dim};
///
/// assert_eq!(min_dim(0.1, &Goal::new(0.01, 0.01).unwrap()), Ok(Some(175)));
/// assert_eq!(min_dim(0.001, &Goal::new(1e-6, 1e-6).unwrap()), Ok(Some(45_282)));
/// ```
pub fn min_dim(shell: f64, goal: &Goal) -> Result<Option<u64>, Error> {
    require_shell(shell)?;
    Ok(exact_min_dim(&Exact::from_f64(shell), &ExactGoal::from(goal)))
}

/// As [`min_dim`], for parameters that f64 may not hold.
pub(crate) fn exact_min_dim(shell: &Exact, goal: &ExactGoal) -> Option<u64> {
    let is_open = |dim| EnclosedWindow::is_open(dim, shell, goal) == Verdict::Proved;
    let rounded = Goal { kl_epsilon: goal.kl_epsilon().to_f64(), delta: goal.delta().to_f64() };
    let proposed = first(|dim| Window::at(dim, shell.to_f64(), &rounded).is_open());
    match proposed {
        Some(dim) if is_open(dim) && (dim == 1 || !is_open(dim - 1)) => Some(dim),
        _ => first(is_open),
    }
}

/// The first dimension, up to the limit of the search, of a property that is kept from there on.
fn first(is_open: impl Fn(u64) -> bool) -> Option<u64> {
    if !is_open(SEARCH_LIMIT) {
        return None;
    }
    let (mut closed, mut open) = (0, SEARCH_LIMIT);
    while open - closed > 1 {
        let middle = closed + (open - closed) / 2;
        if is_open(middle) {
            open = middle;
        } else {
            closed = middle;
        }
    }
    Some(open)
}

/// A lambda1 inside the window of dimension `dim`, as [`Window::lambda1`] chooses it.
///
/// Errors: a parameter is out of range, or the window is empty.
pub fn feasible_lambda1(dim: u64, shell: f64, goal: &Goal) -> Result<Weight, Error> {
    let window = Window::new(dim, shell, goal)?;
    if window.is_open() {
        return Ok(window.lambda1());
    }
    let Window { ln_lambda1_min, ln_lambda1_max } = window;
    let min_dim = min_dim(shell, goal)?;
    Err(Error::EmptyWindow { dim, ln_lambda1_min, ln_lambda1_max, min_dim })
}
