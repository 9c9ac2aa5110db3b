//! The conformance ledger: its shape, what it finds, and some of its numbers by a second method.

use std::collections::HashSet;
use std::sync::LazyLock;
use undetected_theory::audit::{Finding, Row, ledger};

static ROWS: LazyLock<Vec<Row>> = LazyLock::new(|| ledger().unwrap());

/// The one row whose place and claim contain these words.
fn find(place: &str, claim: &str) -> &'static Row {
    let found: Vec<_> =
        ROWS.iter().filter(|row| row.place.contains(place) && row.claim.contains(claim)).collect();
    assert_eq!(found.len(), 1, "{place}: {claim}");
    found[0]
}

/// The first number of a row whose name contains these words.
fn number(row: &Row, name: &str) -> f64 {
    let evidence = row.evidence.iter().find(|evidence| evidence.name.contains(name));
    evidence.unwrap_or_else(|| panic!("{}: no {name}", row.claim)).value
}

fn values(row: &Row) -> Vec<f64> {
    row.evidence.iter().map(|evidence| evidence.value).collect()
}

/// Six digits: the second methods here are short rather than precise.
fn assert_close(got: f64, want: f64) {
    assert!((got / want - 1.0).abs() < 1e-6, "{got} is not {want}");
}

#[test]
fn every_verdict_occurs() {
    let found: HashSet<String> = ROWS.iter().map(|row| row.verdict.to_string()).collect();
    assert_eq!(found.len(), Finding::ALL.len());
}

#[test]
fn every_number_is_finite_and_named() {
    for row in ROWS.iter() {
        assert!(!row.place.is_empty() && !row.claim.is_empty());
        for evidence in &row.evidence {
            assert!(evidence.value.is_finite(), "{}: {evidence:?}", row.claim);
            assert!(!evidence.name.is_empty(), "{}", row.claim);
        }
        let names: HashSet<_> = row.evidence.iter().map(|evidence| evidence.name).collect();
        assert_eq!(names.len(), row.evidence.len(), "{}: two numbers of one name", row.claim);
    }
}

#[test]
fn a_correction_stands_exactly_where_one_is_needed() {
    for row in ROWS.iter() {
        assert_eq!(row.correction.is_empty(), row.verdict == Finding::Holds, "{}", row.claim);
        assert_eq!(row.evidence.is_empty(), row.verdict == Finding::NotDecidable, "{}", row.claim);
    }
}

#[test]
fn no_statement_stands_twice() {
    let statements: HashSet<_> = ROWS.iter().map(|row| (row.place, row.claim)).collect();
    assert_eq!(statements.len(), ROWS.len());
}

/// A verdict that no number could change would be a constant. One or two other numbers suffice,
/// the row's own among them.
#[test]
fn verdicts_follow_from_the_numbers() {
    for row in ROWS.iter().filter(|row| row.verdict != Finding::NotDecidable) {
        let values = values(row);
        assert_eq!(row.judge(&values), Some(row.verdict), "{}", row.claim);
        let others = |x: f64| {
            let near = [0.0, 1.0, -1.0, 2.0 * x, x / 2.0, -x, x + 1.0, x - 1.0, 1e9, -1e9];
            near.into_iter().chain(values.iter().copied())
        };
        let changed = |i: usize, j: usize| {
            others(values[i]).any(|first| {
                others(values[j]).any(|second| {
                    let mut other = values.clone();
                    (other[i], other[j]) = (first, second);
                    row.judge(&other) != Some(row.verdict)
                })
            })
        };
        let indices = 0..values.len();
        let changes = indices.clone().any(|i| indices.clone().any(|j| changed(i, j)));
        assert!(changes, "{}: {} whatever the numbers", row.place, row.claim);
    }
}

#[test]
fn known_findings() {
    use Finding::{DoesNotHoldAsPrinted, Holds, HoldsWithCorrection};
    for (place, claim, verdict) in [
        ("section 2, equation 1", "KL(q, p) < epsilon", Holds),
        ("section 2", "Maximum likelihood minimises KL(p_theta, p)", DoesNotHoldAsPrinted),
        ("section 2", "KL(p, p_theta) is infinite", DoesNotHoldAsPrinted),
        ("section 2", "cannot be detected", HoldsWithCorrection),
        ("section 2", "any shell width", DoesNotHoldAsPrinted),
        ("section 2", "any epsilon", Holds),
        ("section 3.1, equation 4", "negative log-likelihood", Holds),
        ("section 3.1", "log(C) bits", HoldsWithCorrection),
        ("section 4.2", "about 6", DoesNotHoldAsPrinted),
        ("section 4.2", "is enough for", Holds),
        ("section 4.2", "thousands", HoldsWithCorrection),
        ("figure 1", "higher is more likely", DoesNotHoldAsPrinted),
        ("appendix A.1, change", "log p(x)", DoesNotHoldAsPrinted),
        ("appendix A.1, below equation 5", "log |det J|", Holds),
        ("appendix A.4", "function of y and z_n", DoesNotHoldAsPrinted),
        ("appendix D, Lemma 1, equation 11", "lambda1", Holds),
        ("appendix D, Lemma 1, equation 12", "lambda2", Holds),
        ("appendix D, Lemma 2", "KL", Holds),
        ("appendix D, Lemma 3", "KL", Holds),
        ("proof of Lemma 2", "equals that of x given y = 0", DoesNotHoldAsPrinted),
        ("proof of Lemma 3", "equals that of x given y = 0", DoesNotHoldAsPrinted),
        ("equations 16 and 17", "no sign", DoesNotHoldAsPrinted),
        ("Proposition 1", "For all", DoesNotHoldAsPrinted),
        ("Proposition 1", "d is of the order", DoesNotHoldAsPrinted),
        ("item 1", "agree", Holds),
        ("item 2", "y_q(x)", DoesNotHoldAsPrinted),
        ("item 3", "q(y_q(x')|x') < delta:", DoesNotHoldAsPrinted),
        ("item 3", "p(y_p(x')|x') > 1 - delta", DoesNotHoldAsPrinted),
        ("item 4", "||x - x'||", Holds),
        ("Proposition 1, item 5", "is at least the median density", Holds),
        ("Proposition 1, item 6", "any radius", DoesNotHoldAsPrinted),
        ("Proposition 1, item 7", "total variation", DoesNotHoldAsPrinted),
        ("appendix D", "1 - x >= exp(-2 x)", HoldsWithCorrection),
        ("equation 19", "boil down", DoesNotHoldAsPrinted),
        ("equation 19", "linearly", DoesNotHoldAsPrinted),
    ] {
        assert_eq!(find(place, claim).verdict, verdict, "{place}: {claim}");
    }
}

/// Ratio of divergences 1/2, by hand at (1 + shell)^-d = 0: KL(q(x|0), p(x|0)) = -ln(1 - lambda1).
#[test]
fn joint_divergence_by_hand() {
    let row = find("proof of Lemma 2", "equals that");
    let lambda1 = 0.01 / (500.0 * 1.1f64.ln()) / 2.0;
    assert_close(number(row, "of x given y = 0"), -(-lambda1).ln_1p());
    assert_close(number(row, "ratio"), 0.5);
}

/// Jensen-Shannon divergence by hand at (1 + shell)^-d = 0, where q(x|0) is all in the shell: with
/// m = (p + q) / 2, p has lambda1 ln 2 more in the ball, and the shells differ by 1 - lambda1.
#[test]
fn jensen_shannon_by_hand() {
    let row = find("section 2", "Jensen-Shannon");
    let lambda1 = 0.01 / (500.0 * 1.1f64.ln()) / 2.0;
    let middle = 1.0 - lambda1 / 2.0;
    let of_p = lambda1 * 2f64.ln() + (1.0 - lambda1) * ((1.0 - lambda1) / middle).ln();
    let of_q = -middle.ln();
    assert_close(number(row, "Jensen"), (of_p + of_q) / 4.0);
}

/// Both densities jump at every sphere: jump times area, with C_d cancelled by hand.
#[test]
fn total_variation_by_hand() {
    let row = find("Proposition 1, item 7", "total variation");
    let (lambda1, d) = (0.01 / (500.0 * 1.1f64.ln()) / 2.0, 500.0);
    let lambda2 = lambda1 / 99.0;
    // (1 + shell)^-d and (2/3)^d vanish beside 1.
    let by_hand = d / 2.0 * (lambda1 + lambda2 + (1.0 - lambda1) / 1.1 + (1.0 - lambda2) / 3.0);
    assert_close(number(row, "d = 500"), by_hand);
    assert_close(number(row, "distance"), lambda1 / 2.0);
}

/// The smallest dimension by the divergences: both by their printed closed forms, in f64, at the
/// least lambda1 of condition 2.
#[test]
fn smallest_dimension_by_hand() {
    let row = find("below equation 19", "a matter of equation 19");
    let works = |d: i32| {
        let v = 1.1f64.powi(-d);
        let lambda1 = 99f64.powi(2) * v;
        let (inside, outside) = ((lambda1 / v).ln(), ((1.0 - lambda1) / (1.0 - v)).ln());
        let p_q = lambda1 * inside + (1.0 - lambda1) * outside;
        let q_p = -v * inside - (1.0 - v) * outside;
        lambda1 < 1.0 / 3.0 && p_q / 2.0 < 0.01 && q_p / 2.0 < 0.01
    };
    let least = (100..200).find(|&d| works(d)).unwrap();
    assert_eq!(number(row, "themselves"), f64::from(least));
}

/// Equation 19 against the conditions of its own proof: 1 lies between its two sides, and lambda1
/// is refused by condition 3.
#[test]
fn equation_19_by_hand() {
    let row = find("appendix D, equation 19", "boil down");
    assert_close(number(row, "left of"), (55.0f64 / 45.0).powi(2) / 1.5);
    assert_close(number(row, "right of"), 0.5 / 1.5f64.ln());
    assert!(number(row, "of condition 3") < number(row, "left of"));
    assert_close(number(row, "of condition 3"), 1.0 - 1.0 / 0.5f64.exp());
}

/// The overlap of a shell of width 2 with the outer annulus holds all but 2^d - 1 of 3^d - 1 parts
/// of the shell, and both densities there are 1 / C_d over nearly the same volume.
#[test]
fn shell_of_width_two_by_hand() {
    let row = find("section 2", "any shell width");
    let overlap = number(row, "p(0|x) in the overlap");
    assert!((overlap - 0.5).abs() < 1e-3, "{overlap}");
    // Even at d = 1 the free part is half of the shell, at most a quarter of all points.
    assert!(number(row, "most that is attackable") < 0.25);
    // Just below 2, item 1 asks for (3 / (1 + shell))^d >= 99, up to the weights' small change.
    let least = 99f64.ln() / (3.0f64 / 2.99).ln();
    assert!((number(row, "shell = 1.99") - least).abs() < 6.0, "{least}");
}

/// The inequality holds up to 1 + W(-2 / e^2) / 2 with Lambert's W by its series at -2 / e^2.
#[test]
fn end_of_the_exponential_inequality_by_series() {
    let row = find("appendix D", "1 - x >= exp(-2 x)");
    // W(z) = sum over n >= 1 of (-n)^(n - 1) z^n / n!.
    let z = -2.0 * (-2f64).exp();
    let mut sum = 0.0;
    for n in 1..200 {
        let n = f64::from(n);
        let ln_factorial: f64 = (1..=n as u32).map(|k| f64::from(k).ln()).sum();
        let ln_term = (n - 1.0) * n.ln() + n * (-z).ln() - ln_factorial;
        sum -= ln_term.exp(); // (-1)^(n - 1) (-1)^n = -1
    }
    assert_close(number(row, "largest x"), 1.0 + sum / 2.0);
}

/// The reverse fit makes the derivative of KL(model, data) vanish, within the step of the search.
#[test]
fn reverse_fit_is_stationary() {
    let row = find("section 2", "Maximum likelihood minimises");
    let data = [0.6f64, 0.05, 0.35];
    let slope = |t: f64| {
        let model = [(1.0 - t).powi(2), 2.0 * t * (1.0 - t), t * t];
        let derivative = [-2.0 * (1.0 - t), 2.0 - 4.0 * t, 2.0 * t];
        (0..3).map(|i| derivative[i] * (model[i] / data[i]).ln()).sum::<f64>()
    };
    let theta = number(row, "least KL(p_theta, p)");
    assert!(slope(theta - 1e-4) < 0.0 && slope(theta + 1e-4) > 0.0);
    assert_close(number(row, "greatest likelihood"), (data[1] + 2.0 * data[2]) / 2.0);
}

/// By the midpoint rule, where the ledger uses Simpson's: the mass that the printed change of
/// variables gives a flow of two steps x + x^3.
#[test]
fn printed_change_of_variables_by_the_midpoint_rule() {
    let row = find("appendix A.1, change", "log p(x)");
    let step = |x: f64| x + x.powi(3);
    let slope = |x: f64| 1.0 + 3.0 * x * x;
    let width = 1e-4;
    let mass: f64 = (-20_000..20_000)
        .map(|i| {
            let (z1, z2) = {
                let x = (f64::from(i) + 0.5) * width;
                (step(x), step(step(x)))
            };
            (-z2 * z2 / 2.0).exp() / std::f64::consts::TAU.sqrt() * slope(z1) * slope(z2) * width
        })
        .sum();
    assert_close(number(row, "J_i at z_i,"), mass);
}

/// The move that section 2 calls detected, solved by hand: with sigma = (1 - delta) / delta = 99 the
/// classes change places at x^2 (1 - 1 / sigma^2) / 2 = 2 ln(sigma).
#[test]
fn undetected_fall_by_hand() {
    let row = find("section 2, detectability", "detected");
    let squared = 4.0 * 99f64.ln() / (1.0 - 1.0 / 99f64.powi(2));
    let ln_sum = |x2: f64| ((-x2 / 2.0).exp() + (-x2 / 2.0 / 99f64.powi(2)).exp() / 99.0).ln();
    assert_close(number(row, "fall"), ln_sum(0.0) - ln_sum(squared));
}

/// Volumes between radii, by hand: half of the shell within the median distance, all but a
/// millionth of it within the distance of item 4.
#[test]
fn distances_to_the_ball_by_volume() {
    let share = |distance: f64| ((1.0 + distance).powi(500) - 1.0) / (1.1f64.powi(500) - 1.0);
    let median = number(find("below equations 1 and 3", "into the unit ball"), "median");
    assert!((share(median) - 0.5).abs() < 1e-9);
    let almost_all = number(find("item 4", "< shell"), "all but 1e-6");
    // The power multiplies the rounding of the distance, 1e-16, by 500.
    assert!((share(almost_all) - (1.0 - 1e-6)).abs() < 1e-12);
}
