//! Item 7 of Proposition 1: the closed forms of the total variation against other methods.

use undetected_theory::log_space::ln_unit_ball_volume;
use undetected_theory::*;

fn example(dim: u64, shell: f64, ln1: f64, ln2: f64) -> CounterExample {
    let lambda2 = Lambda2::Given(Weight::Ln(ln2));
    CounterExample::new(dim, shell, Weight::Ln(ln1), lambda2).unwrap()
}

/// ln of TV(p(x|0)), TV(p(x|1)), TV(p(x)), TV(q(x|0)) and TV(q(x)).
fn all(example: &CounterExample) -> [f64; 5] {
    let (p, q) = (example.data_variation(), example.model_variation());
    [p.ln_class0, p.ln_class1, p.ln_marginal, q.ln_class0, q.ln_marginal]
}

/// The sum of |jump| times area over the spheres, evaluated with mpmath in 200 digits from the
/// densities as equations 7 to 10 define them.
#[test]
fn closed_forms_match_high_precision() {
    let rows = [
        (
            (1, 0.5, -0.5, -3.0),
            [
                -0.033_198_314_759_735_366,
                0.667_938_562_323_025_7,
                0.342_875_086_108_848_8,
                -0.405_465_108_108_164_4,
                0.268_835_434_401_523_73,
            ],
        ),
        (
            (3, 1e-6, -20.0, -0.25),
            [
                14.508_657_736_463_23,
                1.026_200_309_803_953_6,
                13.815_509_614_721_913,
                1.098_611_288_668_609_7,
                1.063_061_074_827_594_2,
            ],
        ),
        (
            (175, 0.1, -16.67, -21.0),
            [
                5.069_475_794_172_389,
                4.066_173_686_771_916,
                4.688_703_299_047_192,
                5.069_475_794_119_189,
                4.688_703_299_008_265,
            ],
        ),
        (
            (3072, 0.05, -5.0, -9.6),
            [
                7.981_630_770_710_916,
                6.931_607_253_898_9,
                7.588_535_973_673_747,
                7.981_293_930_098_131,
                7.588_286_459_975_986,
            ],
        ),
        (
            (1_000_000, 1e-6, -1.0, -0.5),
            [
                13.815_510_139_941_53,
                13.511_275_038_713_808,
                13.674_917_781_765_844,
                13.815_509_557_964_774,
                13.674_917_781_766_01,
            ],
        ),
    ];
    for ((dim, shell, ln1, ln2), want) in rows {
        let got = all(&example(dim, shell, ln1, ln2));
        for (got, want) in got.into_iter().zip(want) {
            assert!((got - want).abs() < 1e-12, "d = {dim}: {got} and {want}");
        }
    }
}

/// A density's ln at each region, and its total variation.
type Case = (Box<dyn Fn(Region) -> f64>, f64);

fn cases(example: &CounterExample) -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    let joints = [
        (example.data().clone(), example.data_variation()),
        (example.model().clone(), example.model_variation()),
    ];
    for (joint, variation) in joints {
        let (of_class0, of_class1) = (joint.clone(), joint.clone());
        let zero = move |region| of_class0.ln_conditional_density(Class::Zero, region);
        let one = move |region| of_class1.ln_conditional_density(Class::One, region);
        cases.push((Box::new(zero), variation.ln_class0));
        cases.push((Box::new(one), variation.ln_class1));
        cases.push((Box::new(move |region| joint.ln_density(region)), variation.ln_marginal));
    }
    cases
}

fn ln_area(dim: u64, radius: f64) -> f64 {
    let d = dim as f64;
    d.ln() + ln_unit_ball_volume(dim) + (d - 1.0) * radius.ln()
}

/// The densities themselves and the areas of the spheres, in any dimension: their logarithms are
/// millions and cancel to about ten, which leaves nine digits.
#[test]
fn jumps_times_areas_give_the_same() {
    for dim in [1, 2, 3, 10, 175, 3072, 100_000, 1_000_000] {
        for (shell, ln1, ln2) in [(0.1, -3.0, -7.0), (0.5, -1e-3, -0.7), (0.01, -200.0, -300.0)] {
            let example = example(dim, shell, ln1, ln2);
            for (density, want) in cases(&example) {
                use Region::{Ball, Outer, Outside, Shell};
                let spheres = [
                    (1.0, Ball, Shell),
                    (1.0 + shell, Shell, Outside),
                    (2.0, Outside, Outer),
                    (3.0, Outer, Outside),
                ];
                let total: f64 = spheres
                    .iter()
                    .map(|&(radius, inside, outside)| {
                        let ln_area = ln_area(dim, radius);
                        let side = |region| (density(region) + ln_area).exp();
                        (side(inside) - side(outside)).abs()
                    })
                    .sum();
                assert!((total.ln() - want).abs() < 2e-9, "d = {dim}: {} and {want}", total.ln());
            }
        }
    }
}

/// Width over which the mollified density below climbs from one value to the next.
const RAMP: f64 = 1e-3;
/// Steps across a ramp.
const STEPS: i32 = 50;

/// Total variation from its definition for smooth densities, the integral of |gradient|: the
/// density is averaged over radii within RAMP / 2 and differentiated numerically. The average
/// puts each jump over radii that differ by RAMP, so the areas are off by about (d - 1) RAMP / 2.
#[test]
fn integral_of_the_gradient_of_a_smoothed_density_gives_the_same() {
    let step = RAMP / f64::from(STEPS);
    let cells = (3.1 / step) as usize;
    for (dim, shell, ln1, ln2) in [
        (1, 0.5, -0.5, -3.0),
        (1, 0.25, -2.0, -0.1),
        (2, 0.1, -0.1, -0.5),
        (3, 0.5, -2.0, -1.0),
        (8, 0.1, -0.5, -5.0),
    ] {
        let example = example(dim, shell, ln1, ln2);
        for (density, want) in cases(&example) {
            let middle = |i: usize| (i as f64 + 0.5) * step;
            let profile: Vec<f64> =
                (0..cells).map(|i| density(example.region(middle(i).ln())).exp()).collect();
            let smooth: Vec<f64> = profile
                .windows(STEPS as usize)
                .map(|window| window.iter().sum::<f64>() / f64::from(STEPS))
                .collect();
            let total: f64 = smooth
                .windows(2)
                .enumerate()
                .map(|(i, pair)| {
                    let radius = (i as f64 + 0.5 + f64::from(STEPS) / 2.0) * step;
                    (pair[1] - pair[0]).abs() * ln_area(dim, radius).exp()
                })
                .sum();
            let error = (total.ln() - want).abs();
            assert!(error < dim as f64 * RAMP, "d = {dim}: {} and {want}", total.ln());
        }
    }
}

#[test]
fn extreme_parameters_give_finite_numbers() {
    let tiny = f64::from_bits(1);
    let below_one = 1.0 - f64::EPSILON / 2.0;
    for dim in [1, 2, MAX_DIM] {
        for shell in [tiny, 1e-300, 1e-17, below_one] {
            for l1 in [Weight::Value(tiny), Weight::Value(below_one), Weight::Ln(-1e-300)] {
                for l2 in [Weight::Value(tiny), Weight::Value(below_one), Weight::Ln(-1e8)] {
                    let example = CounterExample::new(dim, shell, l1, Lambda2::Given(l2)).unwrap();
                    let numbers = all(&example);
                    assert!(numbers.iter().all(|x| x.is_finite()), "{example:?}: {numbers:?}");
                }
            }
        }
    }
}
