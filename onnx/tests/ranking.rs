//! ROC statistics against scikit-learn, against their definitions, and their intervals simulated.

use proptest::prelude::*;
use rand::{Rng, RngExt, distr::StandardUniform};
use statrs::distribution::{Continuous, ContinuousCDF, Normal};
use undetected_onnx::statistics::{CONFIDENCE, Positive, Ranking, RocPoint, auroc, bootstrap};
use undetected_theory::{Proportion, Streams};

/// A handful of roundings of numbers in [0, 1].
const ROUNDING: f64 = 1e-12;

fn ranking(inside: &[f64], outside: &[f64], positive: Positive) -> Ranking {
    Ranking::new(inside, outside, positive).expect("neither group is empty")
}

#[test]
fn agrees_with_scikit_learn() {
    let table = include_str!("reference/ranking.csv");
    let numbers = |text: &str| -> Vec<f64> {
        text.split(' ').map(|number| number.parse().expect("a number")).collect()
    };
    let mut sets = 0;
    for line in table.lines().skip(1) {
        let columns: Vec<&str> = line.split(',').collect();
        let (inside, outside) = (numbers(columns[0]), numbers(columns[1]));
        let expected: Vec<f64> = columns[2..].iter().flat_map(|text| numbers(text)).collect();
        let real = ranking(&inside, &outside, Positive::In);
        let other = ranking(&inside, &outside, Positive::Out);
        let found = [
            real.auroc(),
            real.average_precision(),
            other.average_precision(),
            real.fpr_at(0.95).estimate(),
            other.fpr_at(0.95).estimate(),
        ];
        for (place, (found, expected)) in found.into_iter().zip(expected).enumerate() {
            let difference = (found - expected).abs();
            assert!(difference < ROUNDING, "set {sets}, {place}: {found}, there {expected}");
        }
        sets += 1;
    }
    assert_eq!(sets, 100);
}

/// Scores with ties, zeros of both signs and rejected inputs.
fn scores() -> impl Strategy<Value = Vec<f64>> {
    let score = prop_oneof![
        8 => (-4_i8..4).prop_map(|score| f64::from(score) / 2.0),
        1 => prop::sample::select(vec![f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0]),
    ];
    prop::collection::vec(score, 2..30)
}

/// 1 where the first is likelier than the second, 1/2 where neither is.
fn wins(one: f64, other: f64) -> f64 {
    match (one.is_finite(), other.is_finite()) {
        (true, false) => 1.0,
        (false, true) => 0.0,
        (false, false) => 0.5,
        (true, true) if one == other => 0.5,
        (true, true) => f64::from(u8::from(one > other)),
    }
}

proptest! {
    /// The definition, pair by pair; the trapezoids below the curve; the same from either side.
    #[test]
    fn auroc_three_ways(inside in scores(), outside in scores()) {
        let pairs = inside.iter().flat_map(|one| outside.iter().map(|other| wins(*one, *other)));
        let expected = pairs.sum::<f64>() / (inside.len() * outside.len()) as f64;
        for positive in [Positive::In, Positive::Out] {
            let ranking = ranking(&inside, &outside, positive);
            prop_assert!((ranking.auroc() - expected).abs() < ROUNDING);
            let curve = ranking.roc();
            let area = |pair: &[RocPoint]| {
                (pair[1].fpr - pair[0].fpr) * (pair[0].tpr + pair[1].tpr) / 2.0
            };
            let area: f64 = curve.windows(2).map(area).sum();
            prop_assert!((area - expected).abs() < ROUNDING);
            let last = curve.last().unwrap();
            prop_assert_eq!((last.tpr, last.fpr), (1.0, 1.0));
        }
    }

    /// DeLong's variance from the placements of every input, as the paper defines them.
    #[test]
    fn delong_interval_from_placements(inside in scores(), outside in scores()) {
        let share = |values: Vec<f64>| values.iter().sum::<f64>() / values.len() as f64;
        let of_in: Vec<f64> =
            inside.iter().map(|i| share(outside.iter().map(|o| wins(*i, *o)).collect())).collect();
        let of_out: Vec<f64> =
            outside.iter().map(|o| share(inside.iter().map(|i| wins(*i, *o)).collect())).collect();
        let area = share(of_in.clone());
        let variance = |placements: &[f64]| {
            let n = placements.len() as f64;
            placements.iter().map(|p| (p - area).powi(2)).sum::<f64>() / (n - 1.0) / n
        };
        let deviation = (variance(&of_in) + variance(&of_out)).sqrt();
        let found = auroc(&inside, &outside).unwrap();
        if let Some((low, high)) = found.interval {
            let logit = |p: f64| (p / (1.0 - p)).ln();
            let half = Normal::standard().inverse_cdf(0.995) * deviation / area / (1.0 - area);
            // Relative to ends that may lie at 1e-9 of 0 or 1, whose logit loses digits.
            let close = |one: f64, other: f64| (one - other).abs() < 1e-6 * (1.0 + half);
            prop_assert!(close(logit(area) - logit(low), half) || low < 1e-9);
            prop_assert!(close(logit(high) - logit(area), half) || high > 1.0 - 1e-9);
        } else {
            prop_assert!(deviation < ROUNDING, "no interval for deviation {}", deviation);
        }
    }
}

#[test]
fn rejected_inputs_are_never_likely() {
    let rejected = [f64::INFINITY, f64::NAN, f64::NEG_INFINITY];
    for positive in [Positive::In, Positive::Out] {
        let detected = ranking(&[-1e300, 5.0], &rejected, positive);
        assert_eq!((detected.auroc(), detected.average_precision()), (1.0, 1.0));
        assert_eq!(detected.fpr_at(1.0), Proportion { successes: 0, trials: detected.counts().1 });
        assert_eq!(ranking(&rejected, &[-1e300], positive).auroc(), 0.0);
        assert_eq!(ranking(&rejected, &rejected, positive).auroc(), 0.5);
    }
}

/// The two conventions are different numbers, each of its own group.
#[test]
fn the_positive_class_decides_the_rates() {
    let (inside, outside) = ([3.0, 2.0, 1.0, -9.0], [0.0, -1.0]);
    // All of four real inputs are kept only by accepting both others.
    let kept = ranking(&inside, &outside, Positive::In).fpr_at(0.95);
    assert_eq!(kept, Proportion { successes: 2, trials: 2 });
    // Both others are rejected at 0, and one of four real inputs with them.
    let rejected = ranking(&inside, &outside, Positive::Out);
    assert_eq!(rejected.fpr_at(0.95), Proportion { successes: 1, trials: 4 });
    let point = rejected.roc().into_iter().find(|point| point.tpr == 1.0).unwrap();
    assert_eq!((point.threshold, point.fpr), (Some(0.0), 0.25));
}

#[test]
fn groups_that_support_no_interval() {
    assert!(auroc(&[], &[1.0]).is_none() && auroc(&[1.0], &[]).is_none());
    assert_eq!(auroc(&[2.0], &[1.0, 3.0]).unwrap().interval, None);
    let apart = ranking(&[2.0, 3.0], &[0.0, 1.0], Positive::In);
    assert_eq!((apart.auroc(), apart.auroc_estimate().interval), (1.0, None));
    assert_eq!(bootstrap(&apart, Ranking::auroc, 400, 0).interval, None);
}

/// `n` normal draws around `mean`.
fn normal(stream: &mut impl Rng, mean: f64, n: usize) -> Vec<f64> {
    let standard = Normal::standard();
    let draws = stream.sample_iter::<f64, _>(StandardUniform).take(n);
    draws.map(|u| mean + standard.inverse_cdf(u)).collect()
}

/// The share of `rounds` pairs of samples, real scores about 1 and others about 0, whose interval
/// holds the truth.
fn coverage(
    task: &str,
    (rounds, n): (u64, usize),
    truth: f64,
    interval: impl Fn(&Ranking, u64) -> Option<(f64, f64)>,
) -> (f64, f64) {
    let streams = Streams::new(21, task);
    let covers = |round: &u64| {
        let mut stream = streams.get(*round);
        let (inside, outside) = (normal(&mut stream, 1.0, n), normal(&mut stream, 0.0, n));
        let (low, high) = interval(&ranking(&inside, &outside, Positive::In), *round).unwrap();
        low <= truth && truth <= high
    };
    let successes = (0..rounds).filter(covers).count() as u64;
    let found = Proportion { successes, trials: rounds }.interval(0.9999);
    (found.low, found.high)
}

#[test]
fn delong_intervals_cover() {
    // P(N(1, 1) > N(0, 1)).
    let truth = Normal::standard().cdf(0.5_f64.sqrt());
    let interval = |ranking: &Ranking, _| ranking.auroc_estimate().interval;
    let (low, high) = coverage("test-delong", (4000, 60), truth, interval);
    assert!(low < CONFIDENCE && CONFIDENCE < high, "covers {low} to {high}");
}

/// Percentile intervals are approximate: within a percent of what they say at a hundred inputs. Ones
/// that always cover would fail as well, at 1,200 rounds.
#[test]
fn bootstrap_intervals_cover() {
    let standard = Normal::standard();
    let (rounds, sims, n) = (400, 1200, 100);
    let truth = standard.cdf(0.5_f64.sqrt());
    let of = |ranking: &Ranking, seed| bootstrap(ranking, Ranking::auroc, rounds, seed).interval;
    let (low, high) = coverage("test-bootstrap", (sims, n), truth, of);
    assert!(low < CONFIDENCE && CONFIDENCE - 0.01 < high, "AUROC: covers {low} to {high}");

    // The area under precision over recall of the populations, by the midpoint rule.
    let precision = |threshold: f64| {
        let (tpr, fpr) = (standard.cdf(1.0 - threshold), standard.cdf(-threshold));
        tpr / (tpr + fpr)
    };
    let at = |step: i32| -9.0 + (f64::from(step) + 0.5) / 100.0;
    let truth: f64 =
        (0..1900).map(|step| precision(at(step)) * standard.pdf(at(step) - 1.0) / 100.0).sum();
    let of = |ranking: &Ranking, seed| {
        bootstrap(ranking, Ranking::average_precision, rounds, seed).interval
    };
    let (low, high) = coverage("test-bootstrap-ap", (sims, n), truth, of);
    assert!(low < CONFIDENCE && CONFIDENCE - 0.01 < high, "AUPR: covers {low} to {high}");
}

/// A resample keeps the groups' sizes, and the seed decides it.
#[test]
fn bootstrap_follows_its_seed() {
    let sample = ranking(&[1.0, 2.0, 3.0, 5.0], &[0.0, 4.0, 2.0], Positive::Out);
    let counts = |ranking: &Ranking| {
        assert_eq!(ranking.counts(), (3, 4));
        ranking.fpr_at(0.95).estimate()
    };
    let of = |seed| bootstrap(&sample, counts, 400, seed);
    assert_eq!(of(1), of(1));
    assert_eq!(of(1).value, 1.0 * 0.75);
    let values = |from: i32| -> Vec<f64> { (from..from + 40).map(f64::from).collect() };
    let larger = ranking(&values(15), &values(0), Positive::In);
    assert_ne!(
        bootstrap(&larger, Ranking::auroc, 400, 1),
        bootstrap(&larger, Ranking::auroc, 400, 2)
    );
}
