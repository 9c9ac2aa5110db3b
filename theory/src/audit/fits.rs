//! A family too small for its data, fitted by likelihood and by either divergence.

use super::{Evidence, measured};

/// Probabilities of the values 0, 1 and 2: two modes with little between them.
const DATA: [f64; 3] = [0.6, 0.05, 0.35];
/// Parameters tried: k / STEPS for 0 < k < STEPS.
const STEPS: u32 = 10_000;

/// The best parameters of a binomial distribution of two trials, and what they make of the middle.
pub(super) struct Fits {
    /// Parameter of greatest likelihood.
    pub likelihood: f64,
    /// Parameter of least KL(data, model).
    pub forward: f64,
    /// Parameter of least KL(model, data).
    pub reverse: f64,
}

impl Fits {
    pub fn new() -> Self {
        Fits {
            likelihood: best(|theta| mean_log(DATA, model(theta)).map(|term| -term)),
            forward: best(|theta| log_ratio(DATA, model(theta))),
            reverse: best(|theta| log_ratio(model(theta), DATA)),
        }
    }

    /// The three parameters, in the order of the fields.
    pub fn evidence(&self) -> [Evidence; 3] {
        [
            measured(
                "theta of greatest likelihood, binomial fit of two modes",
                self.likelihood,
                "",
            ),
            measured("theta of least KL(p, p_theta)", self.forward, ""),
            measured("theta of least KL(p_theta, p)", self.reverse, ""),
        ]
    }

    /// The data's probability of the value 1.
    pub fn middle_of_data() -> f64 {
        DATA[1]
    }

    /// The model's probability of the value 1.
    pub fn middle_of_model(theta: f64) -> f64 {
        model(theta)[1]
    }
}

fn model(theta: f64) -> [f64; 3] {
    [(1.0 - theta).powi(2), 2.0 * theta * (1.0 - theta), theta * theta]
}

/// Terms of the mean of ln b over a.
fn mean_log(a: [f64; 3], b: [f64; 3]) -> [f64; 3] {
    std::array::from_fn(|i| a[i] * b[i].ln())
}

/// Terms of KL(a, b).
fn log_ratio(a: [f64; 3], b: [f64; 3]) -> [f64; 3] {
    std::array::from_fn(|i| a[i] * (a[i] / b[i]).ln())
}

/// The parameter of the least sum.
fn best(terms: impl Fn(f64) -> [f64; 3]) -> f64 {
    let sum = |theta: &f64| terms(*theta).iter().sum::<f64>();
    let parameters = (1..STEPS).map(|k| f64::from(k) / f64::from(STEPS));
    parameters.min_by(|a, b| sum(a).total_cmp(&sum(b))).expect("STEPS is above 1")
}
