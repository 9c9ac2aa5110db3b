//! Detectors by brute force: scores from their definitions, thresholds by sorting, rates by counting.

use rand::distr::Distribution;
use undetected_theory::*;

/// Chance that an interval misses the true value; there are some thousand.
const MISS: f64 = 1e-9;
/// A mean of n values in [0, 1] is off by more than 6 / (2 root n) once in 1e9 times.
const DEVIATIONS: f64 = 6.0;

fn example(dim: u64, shell: f64, lambda1: f64, lambda2: f64) -> CounterExample {
    let lambda2 = Lambda2::Given(Weight::Value(lambda2));
    CounterExample::new(dim, shell, Weight::Value(lambda1), lambda2).unwrap()
}

/// lambda2 above and below (1 + shell)^-d, weights ordinary and large, and the defaults.
fn examples() -> Vec<CounterExample> {
    let mut examples = vec![
        example(1, 0.1, 0.3, 0.01),
        example(1, 0.5, 0.3, 0.6),
        example(2, 0.1, 0.2, 0.05),
        example(2, 0.9, 0.6, 0.5),
        example(3, 0.5, 0.9, 0.8),
        example(94, 0.1, 0.3, 0.1),
        example(94, 0.001, 0.3, 0.1),
    ];
    let goal = Goal::new(0.01, 0.01).unwrap();
    for dim in [500, 100_000] {
        let lambda1 = feasible_lambda1(dim, 0.1, &goal).unwrap();
        let matched = Lambda2::Matched { delta: 0.01 };
        examples.push(CounterExample::new(dim, 0.1, lambda1, matched).unwrap());
    }
    examples
}

/// A score from its definition, at a point with this norm. The tails are those of the clean sample.
fn by_definition(example: &CounterExample, score: Score, ln_radius: f64, clean: &[f64]) -> f64 {
    let model = example.model();
    let region = example.region(ln_radius);
    let given = |class| model.ln_conditional_density(class, region);
    let (zero, one) = (given(Class::Zero), given(Class::One));
    match score {
        Score::Density => model.ln_density(region),
        Score::Joint => zero.max(one) - 2f64.ln(),
        Score::Conditional => zero.max(one),
        Score::TwoSided => {
            let own = model.ln_density(region);
            let share = |condition: &dyn Fn(f64) -> bool| {
                let meet =
                    clean.iter().filter(|&&r| condition(model.ln_density(example.region(r))));
                meet.count() as f64 / clean.len() as f64
            };
            share(&|density| density <= own).min(share(&|density| density >= own))
        }
        Score::TypicalSet => -(model.ln_density(region) + entropy(example)).abs(),
        Score::BackgroundRatio => {
            let background = Annulus::new(example.dim(), 0.0, 3.0).unwrap();
            model.ln_density(region) - background.ln_pdf(ln_radius)
        }
        Score::ClassRatio => (zero - one).abs(),
    }
}

fn entropy(example: &CounterExample) -> f64 {
    let model = example.model();
    SUPPORT.iter().map(|&region| -model.mass(region) * model.ln_density(region)).sum()
}

/// Logarithms of the norms of clean points, and of what the shortest move into the ball makes of
/// those in the shell: another attack than the one that `simulate_detectors` carries out.
fn draw(example: &CounterExample, samples: u64, seed: u64) -> (Vec<f64>, Vec<f64>) {
    let annuli = [
        Annulus::new(example.dim(), 0.0, 1.0).unwrap(),
        Annulus::with_shell(example.dim(), example.shell(), false).unwrap(),
        Annulus::new(example.dim(), 2.0, 3.0).unwrap(),
    ];
    let streams = Streams::new(seed, "detectors by force");
    let clean: Vec<f64> = (0..samples)
        .map(|i| {
            let rng = &mut streams.get(i);
            let region = example.data().sample_region(rng);
            let index = SUPPORT.iter().position(|&other| other == region).unwrap();
            annuli[index].sample_radius(rng).ln_radius
        })
        .collect();
    let in_shell = clean.iter().filter(|&&r| example.region(r) == Region::Shell);
    let attacked = in_shell.map(|_| (-1e-6 * example.shell()).ln_1p()).collect();
    (clean, attacked)
}

fn share_at_most(scores: &[f64], threshold: f64) -> Proportion {
    let successes = scores.iter().filter(|&&score| score <= threshold).count() as u64;
    Proportion { successes, trials: scores.len() as u64 }
}

/// Every threshold that the samples suggest is one of the closed form's, with its error
/// probabilities, and the area under the curve is the share of ordered pairs.
#[test]
fn brute_force_finds_the_same_characteristic() {
    for (seed, example) in examples().iter().enumerate() {
        let (clean, attacked) = draw(example, 2000, seed as u64);
        for score in SCORES {
            let label = format!("d = {}, {score:?}", example.dim());
            let of = |&r: &f64| by_definition(example, score, r, &clean);
            let (clean_scores, attacked_scores): (Vec<f64>, Vec<f64>) =
                (clean.iter().map(of).collect(), attacked.iter().map(of).collect());
            let detector = Detector::new(example, score);
            let points = detector.operating_points();
            let mut thresholds = [&clean_scores[..], &attacked_scores[..]].concat();
            thresholds.sort_by(f64::total_cmp);
            thresholds.dedup();
            for threshold in thresholds {
                let detection = share_at_most(&attacked_scores, threshold);
                assert!([0, detection.trials].contains(&detection.successes), "{label}");
                let always = detection.successes > 0;
                let interval = share_at_most(&clean_scores, threshold).interval(1.0 - MISS);
                let explained = points.iter().any(|point| {
                    let exact = point.false_alarm();
                    point.detects() == always && interval.low <= exact && exact <= interval.high
                });
                assert!(explained, "{label}: nothing in {points:?} explains {interval:?} {always}");
            }
            let pairs = clean_scores.iter().flat_map(|clean| {
                attacked_scores.iter().map(move |attacked| {
                    (f64::from(clean > attacked) + f64::from(clean >= attacked)) / 2.0
                })
            });
            let area = pairs.sum::<f64>() / (clean.len() * attacked.len()) as f64;
            let tolerance = DEVIATIONS / 2.0 / (clean.len() as f64).sqrt();
            assert!((area - detector.auroc()).abs() < tolerance, "{label}: {area}");
        }
    }
}

#[test]
fn simulation_confirms_every_operating_point() {
    for (seed, example) in examples().iter().enumerate() {
        let tally = simulate_detectors(example, 20_000, seed as u64).unwrap();
        assert_eq!(tally.clean.iter().sum::<u64>(), tally.samples);
        assert_eq!(tally.landed, [tally.moved, 0, 0]);
        for score in SCORES {
            let detector = Detector::new(example, score);
            for point in detector.operating_points() {
                let Interval { low, high, .. } = tally.false_alarm(&point).interval(1.0 - MISS);
                let exact = point.false_alarm();
                let label = format!("d = {}, {score:?}, {point:?}", example.dim());
                assert!(low <= exact && exact <= high, "{label}: {low} to {high}");
                let detection = tally.detection(&point).unwrap().estimate();
                assert_eq!(detection == 1.0, point.detects(), "{label}");
                assert_eq!(detection == 0.0, !point.detects(), "{label}");
            }
            let tolerance = DEVIATIONS / 2.0 / (tally.samples as f64).sqrt();
            let error = tally.auroc(&detector).unwrap() - detector.auroc();
            assert!(error.abs() < tolerance, "d = {}, {score:?}: {error}", example.dim());
        }
    }
}

/// At least half of the data, told from the masses of the classes.
#[test]
fn evaded_means_half_of_the_data() {
    let mut evaded = 0;
    for example in examples() {
        for score in SCORES {
            let detector = Detector::new(&example, score);
            let cost = detector.cheapest_detection().false_alarm();
            assert!((cost - 0.5).abs() > 1e-3, "an example too close to call: {cost}");
            assert_eq!(detector.evaded(), cost > 0.5, "d = {}, {score:?}: {cost}", example.dim());
            evaded += usize::from(detector.evaded() && score == Score::ClassRatio);
        }
    }
    assert!(evaded > 0, "no example whose ball holds half of the data");
}

/// The area under the polygon through the operating points, whose corners are ties.
#[test]
fn auroc_is_the_area_under_the_operating_points() {
    for example in examples() {
        for score in SCORES {
            let detector = Detector::new(&example, score);
            let points = detector.operating_points();
            let detection = |point: &OperatingPoint| f64::from(u8::from(point.detects()));
            let trapezoid = |pair: &[OperatingPoint]| {
                (pair[1].false_alarm() - pair[0].false_alarm())
                    * (detection(&pair[0]) + detection(&pair[1]))
                    / 2.0
            };
            let area: f64 = points.windows(2).map(trapezoid).sum();
            // Four masses of size 1 and their rounding.
            assert!((area - detector.auroc()).abs() < 1e-15 * 8.0, "{score:?}: {area}");
        }
    }
}

#[test]
fn scores_agree_with_their_definitions_up_to_a_constant() {
    for example in examples() {
        let clean: Vec<f64> = [0.5f64, 1.0, 2.5].map(f64::ln).into();
        for score in SCORES.into_iter().filter(|&score| score != Score::TwoSided) {
            let levels = Detector::new(&example, score).levels();
            let defined = [0, 1, 2].map(|i| by_definition(&example, score, clean[i], &clean));
            let from_shell = |values: [f64; 3]| values.map(|value| value - values[1]);
            let (got, want) = match score {
                Score::ClassRatio => (levels, defined), // infinite in the shell
                _ => (from_shell(levels), from_shell(defined)),
            };
            for (got, want) in got.into_iter().zip(want) {
                // Densities reach d nats and more; the definitions subtract two of them.
                let tolerance = 1e-14 * (20.0 * example.dim() as f64).max(100.0);
                let equal = got == want || (got - want).abs() < tolerance;
                assert!(equal, "d = {}, {score:?}: {got} and {want}", example.dim());
            }
        }
    }
}

/// x' = x / (1 + shell) on coordinates: within the budget, in the layer, and uniform there, so that
/// ||x'||^d is uniform between (1 + shell)^-d and 1.
#[test]
fn contraction_spreads_the_attack_over_the_ball() {
    let (dim, shell) = (5, 0.6f64);
    let annulus = Annulus::with_shell(dim, shell, false).unwrap();
    let streams = Streams::new(0, "contraction");
    let norm = |x: &[f64]| x.iter().map(|x| x * x).sum::<f64>().sqrt();
    let least = (1.0 + shell).powi(-(dim as i32));
    let samples = 20_000;
    let mut sums = [0.0; 2];
    for i in 0..samples {
        let x: Vec<f64> = annulus.sample(&mut streams.get(i));
        let moved: Vec<f64> = x.iter().map(|x| x / (1.0 + shell)).collect();
        let shift: Vec<f64> = x.iter().zip(&moved).map(|(a, b)| a - b).collect();
        assert!(norm(&shift) < shell && norm(&moved) < 1.0);
        let u = (norm(&moved).powi(dim as i32) - least) / (1.0 - least);
        sums[0] += u;
        sums[1] += u * u;
    }
    let n = samples as f64;
    let tolerance = DEVIATIONS / 2.0 / n.sqrt();
    assert!((sums[0] / n - 1.0 / 2.0).abs() < tolerance, "{sums:?}");
    assert!((sums[1] / n - 1.0 / 3.0).abs() < tolerance, "{sums:?}");
}

/// The mass of that layer is the bound on any test's false alarms.
#[test]
fn least_false_alarm_is_the_mass_of_the_layer() {
    let example = example(3, 0.5, 0.6, 0.3);
    let (clean, _) = draw(&example, 50_000, 1);
    let inner = -example.shell().ln_1p();
    let in_layer = clean.iter().filter(|&&r| inner <= r && r < 0.0).count() as u64;
    let share = Proportion { successes: in_layer, trials: clean.len() as u64 };
    let Interval { low, high, .. } = share.interval(1.0 - MISS);
    let exact = ln_least_false_alarm(&example).exp();
    assert!(low < exact && exact < high, "{exact} is not in {low} to {high}");
    assert!((exact - (1.0 - 1.5f64.powi(-3)) * 0.45).abs() < 1e-15);
}

/// Every condition of Proposition 1 holds, and still the typical set does not notice: in a thin
/// shell the ball is not much denser than the shell, and lambda2 draws the entropy towards both.
#[test]
fn typical_set_is_evaded_in_a_thin_shell() {
    let goal = Goal::new(0.5, 0.3).unwrap();
    let lambda1 = feasible_lambda1(100_000, 1e-4, &goal).unwrap();
    let matched = Lambda2::Matched { delta: 0.3 };
    let example = CounterExample::new(100_000, 1e-4, lambda1, matched).unwrap();
    let conditions = Proposition::new(&example, goal).conditions();
    assert!(conditions.iter().all(|condition| condition.verdict == Verdict::Proved));
    assert!(Detector::new(&example, Score::TypicalSet).evaded());
    for score in [Score::TwoSided, Score::ClassRatio] {
        assert!(!Detector::new(&example, score).evaded(), "{score:?}");
    }
}

/// Probabilities next to 0 and next to 1 keep their digits.
#[test]
fn tiny_and_almost_certain_probabilities_are_exact() {
    let tiny = Lambda2::Given(Weight::Ln(-2000.0));
    let example = CounterExample::new(100_000, 0.1, Weight::Ln(-1000.0), tiny).unwrap();
    let ln_ball = -1000.0 - 2f64.ln(); // lambda2 is e^-1000 times smaller still
    let cheapest = Detector::new(&example, Score::ClassRatio).cheapest_detection();
    assert!((cheapest.ln_false_alarm - ln_ball).abs() < 1e-12);
    assert_eq!(cheapest.ln_accepted, 0.0);
    let points = Detector::new(&example, Score::Density).operating_points();
    assert_eq!(points.len(), 4);
    assert!((points[2].ln_accepted - ln_ball).abs() < 1e-12);
    assert_eq!((points[3].false_alarm(), points[3].ln_accepted), (1.0, f64::NEG_INFINITY));
}

#[test]
fn extreme_parameters_give_probabilities() {
    let tiny = f64::from_bits(1);
    let below_one = 1.0 - f64::EPSILON / 2.0;
    for dim in [1, 2, MAX_DIM] {
        for shell in [tiny, 1e-17, below_one] {
            for l1 in [Weight::Value(tiny), Weight::Value(below_one), Weight::Ln(-1e-300)] {
                for l2 in [Weight::Value(tiny), Weight::Value(below_one), Weight::Ln(-1e8)] {
                    let example = CounterExample::new(dim, shell, l1, Lambda2::Given(l2)).unwrap();
                    for score in SCORES {
                        let detector = Detector::new(&example, score);
                        let label = format!("{dim} {shell:e} {l1:?} {l2:?} {detector:?}");
                        assert!(detector.levels().iter().all(|level| !level.is_nan()), "{label}");
                        assert!((0.0..=1.0).contains(&detector.auroc()), "{label}");
                        for point in detector.operating_points() {
                            let sum = point.false_alarm() + point.ln_accepted.exp();
                            assert!((sum - 1.0).abs() < 1e-15, "{label}: {point:?}");
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn a_simulation_of_nothing_is_refused() {
    assert_eq!(simulate_detectors(&example(2, 0.1, 0.2, 0.1), 0, 0), Err(Error::NoSamples));
}
