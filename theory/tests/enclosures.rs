//! Enclosures against a table of high-precision values, and the lemmas on a grid where rounded
//! arithmetic gives wrong answers.

use rayon::prelude::*;
use undetected_theory::*;

const TABLE: &str = include_str!("reference/closed_forms.csv");

type Quantity = fn(&Enclosed) -> Enclosure;

/// The columns of the table that hold logarithms, as enclosures.
const COLUMNS: [(&str, Quantity); 13] = [
    ("ln_kl_q_p", |at| at.kl_q_p_class0().ln()),
    ("ln_kl_p_q", |at| at.kl_p_q_class0().ln()),
    ("ln_bound_q_p", |at| at.kl_q_p_bound().ln()),
    ("ln_bound_p_q", |at| at.kl_p_q_bound().ln()),
    ("ln_slack_q_p", |at| at.kl_q_p_slack().ln()),
    ("ln_slack_p_q", |at| at.kl_p_q_slack().ln()),
    ("ln_p0", |at| at.posterior(Distribution::Data, Class::Zero).ln()),
    ("ln_p1", |at| at.posterior(Distribution::Data, Class::One).ln()),
    ("ln_q0", |at| at.posterior(Distribution::Model, Class::Zero).ln()),
    ("ln_q1", |at| at.posterior(Distribution::Model, Class::One).ln()),
    ("ln_density_ball", |at| at.ln_density(Distribution::Model, Region::Ball).unwrap()),
    ("ln_density_shell", |at| at.ln_density(Distribution::Model, Region::Shell).unwrap()),
    ("ln_density_outer", |at| at.ln_density(Distribution::Model, Region::Outer).unwrap()),
];

fn example(cells: &[&str]) -> CounterExample {
    let number = |i: usize| cells[i].parse::<f64>().unwrap();
    let weight =
        |i| if cells[2] == "ln" { Weight::Ln(number(i)) } else { Weight::Value(number(i)) };
    let dim = cells[0].parse().unwrap();
    CounterExample::new(dim, number(1), weight(3), Lambda2::Given(weight(4))).unwrap()
}

/// The table has 20 digits, an f64 read from it is off by half a unit in its last place at most.
#[test]
fn contain_the_high_precision_values() {
    let mut lines = TABLE.lines();
    let names: Vec<&str> = lines.next().unwrap().split(',').collect();
    let rows: Vec<&str> = lines.collect();
    let narrow: usize = rows.par_iter().map(|row| check_row(&names, row)).sum();
    assert!(narrow > 10_000, "only {narrow} enclosures were narrow enough to compare");
}

fn check_row(names: &[&str], row: &str) -> usize {
    let cells: Vec<&str> = row.split(',').collect();
    // Enough for nine in ten columns to be narrower than an f64's last digit.
    let enclosed = example(&cells).enclosed(512);
    let mut narrow = 0;
    for (name, quantity) in COLUMNS {
        let column = names.iter().position(|other| *other == name).unwrap();
        let Ok(want) = cells[column].parse::<f64>() else { continue };
        let got = quantity(&enclosed);
        let (lower, upper) = (got.lower().next_down(), got.upper().next_up());
        assert!(lower <= want && want <= upper, "{row}: {name} in [{lower}, {upper}], not {want}");
        narrow += usize::from(upper - lower <= 4.0 * f64::EPSILON * want.abs());
    }
    narrow
}

const SHELLS: [f64; 5] = [0.001, 0.01, 0.1, 0.5, 0.9];

/// Every (dimension, shell, ln lambda1) of the grid: 200 dimensions, 20 weights strictly between
/// (1 + shell)^-d and 1.
fn grid() -> Vec<(u64, f64, f64)> {
    let dims = (0..200).map(|i| (2.0 * 500_000f64.powf(f64::from(i) / 199.0)).round() as u64);
    let points = dims.flat_map(|dim| SHELLS.map(|shell| (dim, shell)));
    points
        .flat_map(|(dim, shell)| {
            let ln_volume_ratio = dim as f64 * shell.ln_1p();
            let at = move |i| (dim, shell, -ln_volume_ratio * (f64::from(i) + 0.5) / 20.0);
            (0..20).map(at)
        })
        .collect()
}

/// KL(q, p) of class 0 against its bound in f64, as one would write it.
fn plain_f64_violates_lemma_2(&(dim, shell, ln1): &(u64, f64, f64)) -> bool {
    let (v, lambda1) = ((1.0 + shell).powf(-(dim as f64)), ln1.exp());
    let kl = v * (v / lambda1).ln() + (1.0 - v) * ((1.0 - v) / (1.0 - lambda1)).ln();
    kl > -(-lambda1).ln_1p()
}

#[test]
fn lemmas_2_and_3_hold_on_the_whole_grid() {
    let grid = grid();
    assert_eq!(grid.len(), 20_000);
    let verdicts = |&(dim, shell, ln1): &(u64, f64, f64)| {
        let lambda2 = Lambda2::Matched { delta: 0.01 };
        let example = CounterExample::new(dim, shell, Weight::Ln(ln1), lambda2).unwrap();
        [example.kl_q_p().slack.verdict, example.kl_p_q().slack.verdict]
    };
    let failed: Vec<_> =
        grid.par_iter().filter(|point| verdicts(point) != [Verdict::Proved; 2]).collect();
    assert!(failed.is_empty(), "{} of 20,000 not proved, first {:?}", failed.len(), failed[0]);
}

/// Why enclosures are needed: the same grid in f64 refutes a lemma that holds.
#[test]
fn plain_f64_reports_false_violations() {
    let grid = grid();
    let violations = grid.iter().filter(|point| plain_f64_violates_lemma_2(point)).count();
    let share = violations as f64 / grid.len() as f64;
    assert!((0.01..0.2).contains(&share), "false violations on {share} of the grid");
}

/// Where the hypothesis fails the same machinery refutes, so that a proof means something.
#[test]
fn lemmas_are_refuted_below_their_hypothesis() {
    let refuted = |&(dim, shell, ln1): &(u64, f64, f64)| {
        let ln_volume_ratio = dim as f64 * shell.ln_1p();
        let below = Weight::Ln(-ln_volume_ratio + 40.0 * ln1); // far below (1 + shell)^-d
        let lambda2 = Lambda2::Matched { delta: 0.01 };
        let example = CounterExample::new(dim, shell, below, lambda2).unwrap();
        [example.kl_q_p(), example.kl_p_q()].map(|kl| kl.slack.verdict == Verdict::Refuted)
    };
    let small: Vec<_> = grid().into_iter().filter(|&(dim, ..)| dim < 1000).step_by(40).collect();
    let refuted: Vec<_> = small.par_iter().map(refuted).collect();
    let lemma2 = refuted.iter().filter(|both| both[0]).count();
    let lemma3 = refuted.iter().filter(|both| both[1]).count();
    assert!(lemma2 > 50 && lemma3 > 50, "{lemma2} and {lemma3} of {}", refuted.len());
}
