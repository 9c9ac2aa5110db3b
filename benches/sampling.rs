//! Throughput of the samplers by dimension and threads, beside that of the generator alone.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use std::hint::black_box;
use std::time::Duration;
use undetected::theory::{
    CounterExample, Goal, Lambda2, Proposition, Sampler, Weight, fill_normal, simulate,
};

const DIMS: [u64; 5] = [2, 50, 500, 5000, 100_000];
const THREADS: [usize; 2] = [1, 2];
const SHELL: f64 = 0.1;

/// The counter-example with the weights that the command takes at d = 500, in any dimension.
fn example(dim: u64) -> CounterExample {
    let matched = Lambda2::Matched { delta: 0.01 };
    CounterExample::new(dim, SHELL, Weight::Value(1e-4), matched).expect("valid parameters")
}

/// What the vector sampler cannot do without: words, and normal deviates made of them.
fn floor(c: &mut Criterion) {
    const COUNT: usize = 8192;
    let mut group = c.benchmark_group("floor");
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(0);
    group.throughput(Throughput::Elements(COUNT as u64));
    group.bench_function("words", |b| {
        b.iter(|| (0..COUNT).fold(0, |all, _| all ^ rng.next_u64()));
    });
    let mut normals = vec![0.0; COUNT];
    group.bench_function("normals", |b| b.iter(|| fill_normal(&mut rng, black_box(&mut normals))));
    group.finish();
}

/// Elements are samples.
fn sampler(c: &mut Criterion, name: &str, sampler: Sampler, samples: impl Fn(u64) -> u64) {
    let mut group = c.benchmark_group(name);
    for threads in THREADS {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
        for dim in DIMS {
            let example = example(dim);
            let goal = Goal::new(0.01, 0.01).expect("valid limits");
            let proposition = Proposition::new(&example, goal);
            group.throughput(Throughput::Elements(samples(dim)));
            let id = BenchmarkId::new(format!("threads {threads}, d"), dim);
            group.bench_with_input(id, &samples(dim), |b, &samples| {
                b.iter(|| pool.install(|| simulate(&proposition, sampler, samples, 0)));
            });
        }
    }
    group.finish();
}

/// Iterations of some milliseconds, in which the start of the threads does not count.
fn samplers(c: &mut Criterion) {
    sampler(c, "radial", Sampler::Radial, |_| 1 << 20);
    sampler(c, "vector", Sampler::Vector, |dim| (1 << 23) / dim.max(32));
}

fn construction(c: &mut Criterion) {
    let mut group = c.benchmark_group("CounterExample::new");
    for dim in [500, 1_000_000] {
        group.bench_function(BenchmarkId::from_parameter(dim), |b| {
            b.iter(|| example(black_box(dim)));
        });
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(2));
    targets = floor, samplers, construction
}
criterion_main!(benches);
