//! The samplers: their distributions, the exact values they draw, and their independence of threads.

use rand::RngExt;
use rand::distr::Distribution;
use undetected::theory::{
    Annulus, Class, CounterExample, Goal, Lambda2, MonteCarlo, Proposition, Region, Sampler,
    Streams, Weight, feasible_lambda1, log_space, simulate,
};

const DIMS: [u64; 5] = [1, 2, 3, 500, 1_000_000];

/// Kolmogorov's statistic against the uniform distribution on (0, 1), times the root of n.
fn kolmogorov_smirnov(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let n = values.len() as f64;
    let gap = |(i, &u): (usize, &f64)| (u - i as f64 / n).max((i + 1) as f64 / n - u);
    values.iter().enumerate().map(gap).fold(0.0, f64::max) * n.sqrt()
}

/// A statistic that is exceeded once in 10,000 times under the null hypothesis: 2 exp(-2 x^2).
/// The streams are fixed, so a test that passes once passes always.
const CRITICAL: f64 = 2.23;

/// Unit ball, a shell and the outer annulus, with their radii.
fn annuli(dim: u64) -> [(Annulus, f64, f64); 3] {
    [
        (Annulus::new(dim, 0.0, 1.0).unwrap(), 0.0, 1.0),
        (Annulus::with_shell(dim, 0.1, false).unwrap(), 1.0, 1.1),
        (Annulus::new(dim, 2.0, 3.0).unwrap(), 2.0, 3.0),
    ]
}

/// Cumulative probability of the norm: (r^d - a^d) / (b^d - a^d), from logarithms.
fn cumulative(dim: u64, inner: f64, outer: f64, ln_radius: f64) -> f64 {
    let d = dim as f64;
    let hollow = (d * (inner / outer).ln()).exp();
    ((d * (ln_radius - outer.ln())).exp() - hollow) / (1.0 - hollow)
}

#[test]
fn radial_draws_follow_the_volume() {
    for dim in DIMS {
        for (task, (annulus, inner, outer)) in annuli(dim).into_iter().enumerate() {
            let streams = Streams::new(task as u64, "radial test");
            let draws = (0..20_000).map(|i| annulus.sample_radius(&mut streams.get(i)));
            let uniform = draws.map(|draw| cumulative(dim, inner, outer, draw.ln_radius)).collect();
            let statistic = kolmogorov_smirnov(uniform);
            assert!(statistic < CRITICAL, "d = {dim}, {annulus:?}: {statistic}");
        }
    }
}

#[test]
fn vector_draws_follow_the_volume() {
    for dim in DIMS {
        let n = if dim == 1_000_000 { 60 } else { 5_000 };
        for (task, (annulus, inner, outer)) in annuli(dim).into_iter().enumerate() {
            let streams = Streams::new(task as u64, "vector test");
            let norm = |i| -> f64 {
                let x: Vec<f64> = annulus.sample(&mut streams.get(i));
                assert_eq!(x.len() as u64, dim);
                x.iter().map(|x| x * x).sum::<f64>().sqrt()
            };
            let uniform = (0..n).map(|i| cumulative(dim, inner, outer, norm(i).ln())).collect();
            let statistic = kolmogorov_smirnov(uniform);
            assert!(statistic < CRITICAL, "d = {dim}, {annulus:?}: {statistic}");
        }
    }
}

/// The test above would pass a sampler that is wrong in the radius only if it were too weak.
#[test]
fn kolmogorov_smirnov_rejects_a_wrong_dimension() {
    let annulus = Annulus::new(3, 0.0, 1.0).unwrap();
    let streams = Streams::new(0, "radial test");
    let draws = (0..20_000).map(|i| annulus.sample_radius(&mut streams.get(i)));
    let as_if_2 = draws.map(|draw| cumulative(2, 0.0, 1.0, draw.ln_radius)).collect();
    assert!(kolmogorov_smirnov(as_if_2) > 5.0 * CRITICAL);
}

/// The first coordinate of a direction: uniform on [-1, 1] in R^3 (Archimedes), arcsine in R^2, a
/// fair sign in R^1.
#[test]
fn directions_are_uniform() {
    let first = |dim: u64| -> Vec<f64> {
        let sphere = Annulus::new(dim, 1.0, 1.0 + 1e-9).unwrap();
        let streams = Streams::new(3, "direction test");
        let draw = |i| sphere.sample(&mut streams.get(i))[dim as usize - 1].clamp(-1.0, 1.0);
        (0..20_000).map(draw).collect()
    };
    let archimedes = first(3).into_iter().map(|x| (x + 1.0) / 2.0).collect();
    assert!(kolmogorov_smirnov(archimedes) < CRITICAL);
    let arcsine = first(2).into_iter().map(|x| 1.0 - x.acos() / std::f64::consts::PI).collect();
    assert!(kolmogorov_smirnov(arcsine) < CRITICAL);
    let positive = first(1).into_iter().filter(|&x| x > 0.0).count() as f64;
    assert!((positive - 10_000.0).abs() < 4.0 * 5000f64.sqrt());
}

fn goal() -> Goal {
    Goal::new(0.01, 0.01).unwrap()
}

fn example(dim: u64) -> CounterExample {
    let lambda1 = feasible_lambda1(dim, 0.1, &goal()).unwrap();
    CounterExample::new(dim, 0.1, lambda1, Lambda2::Matched { delta: 0.01 }).unwrap()
}

fn run(dim: u64, sampler: Sampler, samples: u64, seed: u64, threads: usize) -> MonteCarlo {
    let pool = rayon_pool(threads);
    pool.install(|| simulate(&Proposition::new(&example(dim), goal()), sampler, samples, seed))
        .unwrap()
}

fn rayon_pool(threads: usize) -> rayon::ThreadPool {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap()
}

#[test]
fn threads_do_not_change_the_answer() {
    for sampler in [Sampler::Radial, Sampler::Vector] {
        let one = run(500, sampler, 3001, 9, 1);
        for threads in [2, 3, 8] {
            assert_eq!(one, run(500, sampler, 3001, 9, threads));
        }
        assert_ne!(one, run(500, sampler, 3001, 10, 1), "another seed, another answer");
    }
}

#[test]
fn a_longer_run_begins_with_the_shorter_one() {
    let [short, long] = [1000, 1001].map(|samples| run(175, Sampler::Radial, samples, 4, 2));
    assert!(long.successes - short.successes <= 1);
    assert_eq!(long.regions.iter().sum::<u64>(), 1001);
}

/// Value stability: a change of these numbers changes every published figure. The last digits of
/// logarithms differ between platforms' mathematical libraries.
#[test]
fn seeded_draws_are_stable() {
    let stream = |index| Streams::new(1, "stability").get(index);
    let mut words = stream(2);
    assert_eq!(words.random::<u64>(), 18_191_698_640_719_227_664);
    assert_eq!(words.random::<u64>(), 2_826_083_314_776_451_582);

    let close = |got: f64, want: f64| assert!((got / want - 1.0).abs() < 1e-13, "{got:?}");
    let annulus = Annulus::with_shell(500, 0.1, false).unwrap();
    close(annulus.sample_radius(&mut stream(3)).ln_radius, 0.09321912883063542);
    let point = annulus.sample(&mut stream(3));
    close(point[0], 0.00977012691418685);
    close(point[499], -0.014006362832382574);

    let radial = run(500, Sampler::Radial, 10_000, 0, 2);
    assert_eq!((radial.regions, radial.successes), ([0, 5026, 4974], 5026));
    close(radial.mean_l2().unwrap(), 0.09779831148599027);
    let vector = run(500, Sampler::Vector, 1000, 0, 2);
    assert_eq!((vector.regions, vector.successes), ([0, 527, 473], 527));
    close(vector.mean_l2().unwrap(), 0.09794016608330477);
}

/// E(||x|| - 1) over the shell: (d shell / (1 - (1 + shell)^-d) - 1) / (d + 1), from the integral
/// of the norm over the annulus.
fn mean_shift(dim: u64, shell: f64) -> f64 {
    let d = dim as f64;
    (d * shell / -(-d * shell.ln_1p()).exp_m1() - 1.0) / (d + 1.0)
}

#[test]
fn both_samplers_agree_with_the_closed_forms() {
    for (dim, sampler, samples) in [
        (175, Sampler::Radial, 200_000),
        (500, Sampler::Radial, 200_000),
        (1_000_000, Sampler::Radial, 200_000),
        (175, Sampler::Vector, 20_000),
        (500, Sampler::Vector, 10_000),
    ] {
        let result = run(dim, sampler, samples, 5, 2);
        let interval = result.attack_success().interval(0.9999);
        let mass = example(dim).attackable_mass();
        assert!(interval.low < mass && mass < interval.high, "d = {dim}: {interval:?}");
        // The norm falls off its outer end like an exponential of mean (1 + shell) / d.
        let error = 1.1 / dim as f64 / (result.moved as f64).sqrt();
        let mean = result.mean_l2().unwrap();
        assert!((mean - mean_shift(dim, 0.1)).abs() < 5.0 * error, "d = {dim}: {mean}");
        assert!(result.max_l2().unwrap() < 0.1);
    }
}

/// Where 1 + shell rounds to 1 the radial sampler still tells the shell from its surroundings.
#[test]
fn radial_sampler_resolves_any_shell() {
    for shell in [1e-17, 1e-300, 0.999] {
        let weights = (Weight::Value(0.5), Lambda2::Given(Weight::Value(0.1)));
        let example = CounterExample::new(10, shell, weights.0, weights.1).unwrap();
        let proposition = Proposition::new(&example, goal());
        let result = simulate(&proposition, Sampler::Radial, 4000, 1).unwrap();
        assert_eq!(result.regions.iter().sum::<u64>(), 4000);
        let (mean, longest) = (result.mean_l2().unwrap(), result.max_l2().unwrap());
        assert!(0.0 < mean && mean < longest && longest < shell, "{mean:e} {longest:e}");
        let expected = if shell < 0.5 { shell / 2.0 } else { mean_shift(10, shell) };
        assert!((mean / expected - 1.0).abs() < 0.1, "{mean:e} is not about {expected:e}");
    }
}

/// KL by its definition as a mean over samples. Class 1 hardly visits the ball, so every point in
/// it is of class 0; the divergence is linear in the share of the ball, whose interval carries over.
#[test]
fn sampled_divergences_agree_with_the_closed_forms() {
    let rare = Lambda2::Given(Weight::Ln(-700.0));
    let example = CounterExample::new(20, 0.1, Weight::Value(0.3), rare).unwrap();
    let ends = |from: fn(&CounterExample) -> &undetected::theory::Joint, sign: f64| {
        let streams = Streams::new(11, "divergence test");
        let regions = (0..100_000).map(|i| from(&example).sample_region(&mut streams.get(i)));
        let class0: Vec<Region> = regions.filter(|&region| region != Region::Outer).collect();
        let in_ball = class0.iter().filter(|&&region| region == Region::Ball).count() as u64;
        let share =
            undetected::theory::Proportion { successes: in_ball, trials: class0.len() as u64 };
        let ratio = |region| {
            let ln = |joint: &undetected::theory::Joint| {
                joint.ln_conditional_density(Class::Zero, region)
            };
            sign * (ln(example.data()) - ln(example.model()))
        };
        let interval = share.interval(0.9999);
        [interval.low, interval.high]
            .map(|ball| ball * ratio(Region::Ball) + (1.0 - ball) * ratio(Region::Shell))
    };
    for (ends, exact) in [
        (ends(CounterExample::data, 1.0), example.kl_p_q().class0()),
        (ends(CounterExample::model, -1.0), example.kl_q_p().class0()),
    ] {
        let (low, high) = (ends[0].min(ends[1]), ends[0].max(ends[1]));
        assert!(low < exact && exact < high, "{exact} is not in {low} to {high}");
        assert!(high - low < 0.3 * exact, "too wide to say anything: {low} to {high}");
    }
}

#[test]
fn outer_ratio_and_radius_agree() {
    let annulus = Annulus::with_shell(7, 0.3, false).unwrap();
    let draw = annulus.sample_radius(&mut Streams::new(0, "ratio test").get(0));
    assert!((draw.ln_radius + draw.ln_outer_ratio - 1.3f64.ln()).abs() < 1e-15);
    assert!(
        log_space::ln_unit_ball_volume(7) + annulus.ln_relative_volume() == annulus.ln_volume()
    );
}
