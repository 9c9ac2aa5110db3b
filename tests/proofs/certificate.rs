//! Certificates over random parameters: whoever computes one gets the same digits, f64 agrees with
//! them, and a certificate of other parameters is not accepted.

use super::parameters::{dim, finds_violation};
use proptest::prelude::*;
use undetected::theory::certificate::{Certificate, Question};
use undetected::theory::{
    CounterExample, Exact, ExactGoal, Lambda2, Verdict, Weight, feasible_lambda1,
};

/// A short decimal in (0, 1).
fn fraction() -> impl Strategy<Value = String> {
    (1u32..1000, 0u32..12)
        .prop_map(|(digits, zeros)| format!("0.{}{digits:03}", "0".repeat(zeros as usize)))
}

fn exact(text: &str) -> Exact {
    text.parse().unwrap()
}

fn certify(
    dim: u64,
    shell: &str,
    kl_epsilon: &str,
    delta: &str,
    weights: [&str; 2],
) -> Certificate {
    let goal = ExactGoal::new(exact(kl_epsilon), exact(delta)).unwrap();
    let [lambda1, lambda2] = weights.map(|weight| Some(exact(weight)));
    Certificate::new(&Question::new(dim, exact(shell), goal, lambda1, lambda2).unwrap()).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn other_arithmetic_gives_the_same_digits(
        dim in dim(), shell in fraction(), kl_epsilon in fraction(), delta in fraction(),
        lambda1 in fraction(), lambda2 in fraction(),
    ) {
        let certificate = certify(dim, &shell, &kl_epsilon, &delta, [&lambda1, &lambda2]);
        prop_assert_eq!(certificate.verify(), Ok(()));
        prop_assert_ne!(certificate.verdict(), Verdict::Undecided);
    }

    /// The verdicts are those of the same counter-example in f64, whose parameters lie within half a
    /// unit in the last place of the decimals.
    #[test]
    fn rounded_parameters_have_the_same_verdicts(
        dim in dim(), shell in fraction(), lambda1 in fraction(), lambda2 in fraction(),
    ) {
        let certificate = certify(dim, &shell, "0.01", "0.01", [&lambda1, &lambda2]);
        let weight = |text: &str| Weight::Value(text.parse().unwrap());
        let example = CounterExample::new(
            dim, shell.parse().unwrap(), weight(&lambda1), Lambda2::Given(weight(&lambda2)),
        ).unwrap();
        for (id, slack) in [("lemma2", example.kl_q_p().slack), ("lemma3", example.kl_p_q().slack)] {
            let entry = certificate.statements().iter().find(|entry| entry.id() == id).unwrap();
            prop_assert_eq!(entry.verdict(), slack.verdict, "{}", id);
        }
    }

    /// Inside the window everything is proved, with the weight that is chosen without one given.
    #[test]
    fn the_window_is_certified(shell in fraction(), delta in 0.001..0.49f64, more in 0u64..1000) {
        let goal = ExactGoal::new(exact("0.01"), exact(&format!("{delta:.6}"))).unwrap();
        let smallest = Question::smallest_dimension(exact(&shell), goal.clone());
        prop_assume!(smallest.is_ok()); // within a million dimensions
        let least = Certificate::new(&smallest.unwrap()).unwrap();
        prop_assert_eq!(least.verdict(), Verdict::Proved);
        prop_assert_eq!(least.verify(), Ok(()));
        let dim = (least.parameters().dim() + more).min(1_000_000);
        let question = Question::new(dim, exact(&shell), goal, None, None).unwrap();
        prop_assert_eq!(Certificate::new(&question).unwrap().verdict(), Verdict::Proved);
    }
}

/// Without the lemma's hypothesis lambda1 > (1 + shell)^-d a certificate refutes it.
#[test]
fn certificates_refute_below_the_hypothesis() {
    finds_violation((1u64..60, 1u32..99), |(dim, lambda1)| {
        let lambda1 = format!("0.00{lambda1:02}1");
        let certificate = certify(dim, "0.1", "0.01", "0.01", [&lambda1, "0.00001"]);
        let lemmas =
            certificate.statements().iter().filter(|entry| entry.id().starts_with("lemma"));
        lemmas.map(|entry| entry.verdict()).all(|verdict| verdict == Verdict::Proved)
    });
}

/// f64 picks a weight in the window wherever it is open; the certificate of that f64 agrees.
#[test]
fn weights_that_f64_chooses_are_certified() {
    let goal = undetected::theory::Goal::new(0.01, 0.01).unwrap();
    for dim in [175, 200, 5000, 1_000_000] {
        let Weight::Ln(ln) = feasible_lambda1(dim, 0.1, &goal).unwrap() else {
            panic!("the window is given by logarithms")
        };
        let lambda1 = ln.exp();
        let lambda2 = (lambda1 / 99.0).next_down(); // rounded up it would miss delta by a hair
        let weights = [lambda1, lambda2].map(|weight| format!("{weight:e}"));
        let certificate =
            certify(dim, "0.1", "0.01", "0.01", weights.each_ref().map(|w| w.as_str()));
        assert_eq!(certificate.verdict(), Verdict::Proved, "d = {dim}");
    }
}
