//! Item 6 of Proposition 1: the bound on the probability of a ball against other methods.

use undetected_theory::*;

fn example(dim: u64, shell: f64, l1: f64, l2: f64) -> CounterExample {
    let lambda2 = Lambda2::Given(Weight::Value(l2));
    CounterExample::new(dim, shell, Weight::Value(l1), lambda2).unwrap()
}

/// p and q with their bounds for this radius.
fn bounds(example: &CounterExample, radius: f64) -> [(&Joint, Concentration); 2] {
    [
        (example.data(), example.data_concentration(radius).unwrap()),
        (example.model(), example.model_concentration(radius).unwrap()),
    ]
}

/// P(x <= at) on the line.
fn cumulative(example: &CounterExample, joint: &Joint, at: f64) -> f64 {
    let edges = [
        (0.0, 1.0, Region::Ball),
        (1.0, 1.0 + example.shell(), Region::Shell),
        (2.0, 3.0, Region::Outer),
    ];
    let right: f64 = edges
        .iter()
        .map(|&(a, b, region)| {
            joint.mass(region) / 2.0 * ((at.abs() - a) / (b - a)).clamp(0.0, 1.0)
        })
        .sum();
    0.5 + right.copysign(at)
}

/// On the line the probability of an interval of given length is piecewise linear in its centre,
/// so its maximum is where an end of the interval meets an edge of a region.
#[test]
fn search_over_all_intervals_finds_the_bound() {
    let mut attained = 0;
    for (shell, l1, l2) in [(0.1, 0.95, 0.9), (0.5, 0.3, 0.2), (0.9, 0.1, 0.05), (0.5, 0.9, 0.001)]
    {
        let example = example(1, shell, l1, l2);
        for radius in [0.01, 0.05, 0.25, 0.5, 0.51, 0.99] {
            for (joint, Concentration { ln_bound, is_attained }) in bounds(&example, radius) {
                let edges = [0.0, 1.0, 1.0 + shell, 2.0, 3.0];
                let centres =
                    edges.iter().flat_map(|e| [-e - radius, -e + radius, e - radius, e + radius]);
                let mass = |c: f64| {
                    cumulative(&example, joint, c + radius)
                        - cumulative(&example, joint, c - radius)
                };
                let largest = centres.chain([0.0]).map(mass).fold(0.0, f64::max);
                let bound = ln_bound.exp();
                assert!(largest <= bound * (1.0 + 1e-12), "{example:?}: {largest} and {bound}");
                assert_eq!(is_attained, largest >= bound * (1.0 - 1e-12), "{example:?}, {radius}");
                attained += usize::from(is_attained);
            }
        }
    }
    assert!((10..40).contains(&attained), "both cases must occur: {attained}");
}

/// The first coordinates of points drawn from a joint, and their distances from the first axis.
fn draw(example: &CounterExample, joint: &Joint, samples: u64) -> Vec<(f64, f64)> {
    let streams = Streams::new(0, "ball masses");
    let (dim, shell) = (example.dim(), example.shell());
    let annuli = [
        Annulus::new(dim, 0.0, 1.0).unwrap(),
        Annulus::with_shell(dim, shell, false).unwrap(),
        Annulus::new(dim, 2.0, 3.0).unwrap(),
    ];
    let mut point = vec![0.0; dim as usize];
    (0..samples)
        .map(|i| {
            let mut stream = streams.get(i);
            let region = joint.sample_region(&mut stream);
            let index = SUPPORT.iter().position(|&other| other == region).unwrap();
            annuli[index].fill_point(&mut stream, &mut point);
            (point[0], point[1..].iter().map(|x| x * x).sum::<f64>().sqrt())
        })
        .collect()
}

/// No ball holds more samples than the bound allows, by more than their scatter, and where the
/// bound is attained one holds as many. Only the distance of the centre from 0 matters.
#[test]
fn samples_in_balls_respect_the_bound() {
    // 60 centres in each of 36 cases: an interval missed once in 10^9 is never missed.
    let confidence = 1.0 - 1e-9;
    for dim in [1, 2, 3] {
        for (shell, l1, l2) in [(0.5, 0.8, 0.3), (0.1, 0.3, 0.2)] {
            let example = example(dim, shell, l1, l2);
            for radius in [0.05, 0.3, 0.9] {
                for (joint, Concentration { ln_bound, is_attained }) in bounds(&example, radius) {
                    let points = draw(&example, joint, 20_000);
                    let interval = |centre: f64| {
                        let inside = |&&(x, off): &&(f64, f64)| (x - centre).hypot(off) <= radius;
                        let successes = points.iter().filter(inside).count() as u64;
                        Proportion { successes, trials: 20_000 }.interval(confidence)
                    };
                    let bound = ln_bound.exp();
                    let balls: Vec<_> = (0..60).map(|i| interval(f64::from(i) * 0.05)).collect();
                    assert!(balls.iter().all(|ball| ball.low <= bound), "{example:?}, {radius}");
                    let reached = balls.iter().any(|ball| bound <= ball.high);
                    assert!(reached || !is_attained, "{example:?}, {radius}");
                }
            }
        }
    }
}

/// In high dimension the bound is only available as a logarithm; it falls by ln(1/r) a dimension.
#[test]
fn falls_exponentially() {
    let ln_bound = |dim| {
        let example = example(dim, 0.1, 0.01, 0.0001);
        let Concentration { ln_bound, is_attained } = example.data_concentration(0.1).unwrap();
        assert!(is_attained);
        ln_bound
    };
    let per_dimension = (ln_bound(1_000_000) - ln_bound(500)) / 999_500.0;
    assert!((per_dimension / 0.1f64.ln() - 1.0).abs() < 1e-12);
    assert!((ln_bound(500) - 500.0 * 0.1f64.ln() - 0.00505f64.ln()).abs() < 1e-12);
}

#[test]
fn radius_outside_the_hypothesis_is_refused() {
    let example = example(3, 0.1, 0.5, 0.1);
    for radius in [0.0, -0.1, 1.0, 3.0, f64::NAN] {
        assert!(example.data_concentration(radius).is_err());
        assert!(example.model_concentration(radius).is_err());
    }
}
