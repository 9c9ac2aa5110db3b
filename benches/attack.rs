//! The attacks against Foolbox's on a shipped checkpoint, in turns: the same images, noise and parameters.
//!
//! `cargo bench --bench attack -- PYTHON THREADS [PART..]` with a Python that has the exporter and
//! Foolbox, and so many threads on both sides; parts are `carlini-wagner`, `boundary`, `boundary-longer`
//! and `batches`, all by default. Results go to `benches/peers/*.csv`, one line a sample. An hour; others
//! use the machine: what counts are the ratios within a turn, not the seconds.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    ops::Range,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Instant,
};

use nalgebra::DMatrix;
use serde_json::{Value, json};
use undetected::onnx::{
    Result,
    attack::{Attack, Boundary, CarliniWagner, Goal, Outcome, Settings, Subjects, run},
    classify,
    contract::Overrides,
    dataset::Images,
    dequantise,
    engine::{EngineChoice, EngineOptions},
    gradient::{DifferentiableCheckpoint, GradientOptions},
    model::{Batch, ConditionalModel, Differentiable, ModelSpec},
};

const CHECKPOINT: &str = "onnx/checkpoints/glow-mnist-reweight-small.onnx";
const IMAGES: &str = "onnx/data/mnist-t10k-500-images-idx3-ubyte.gz";
const LABELS: &str = "onnx/data/mnist-t10k-500-labels-idx1-ubyte.gz";
const SCRIPT: &str = "benches/peers/foolbox_attacks.py";
const FOLDER: &str = "benches/peers";
const SEED: u64 = 0;
/// Correctly classified images, the first ones.
const SAMPLES: usize = 100;
const TURNS: usize = 4;
/// Images a turn: one batch on both sides.
const TURN: usize = SAMPLES / TURNS;
/// Of the 25,000 that are Foolbox's default, where speed is compared.
const BOUNDARY_STEPS: u64 = 5000;
/// Where success rates are: nearer to the end, so that they depend less on when it was.
const LONGER_BOUNDARY_STEPS: u64 = 10_000;
const EPSILONS: [f64; 13] = [0.02, 0.03, 0.05, 0.07, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0];
/// The normal quantile of a two-sided interval of 95 %.
const Z: f64 = 1.959_964;

/// Foolbox's parameters, but for fewer steps. Without early abort, which in Foolbox looks at the sum
/// of a batch's losses and ends it for all.
fn carlini_wagner() -> CarliniWagner {
    CarliniWagner {
        binary_search_steps: 5,
        steps: 40,
        abort_early: false,
        ..CarliniWagner::foolbox()
    }
}

fn boundary() -> Boundary {
    Boundary { steps: BOUNDARY_STEPS, ..Boundary::foolbox() }
}

fn guided() -> Boundary {
    Boundary { steps: BOUNDARY_STEPS, ..Boundary::guided() }
}

/// A model that notes how long it takes, and when.
struct Timed<'a> {
    model: &'a mut DifferentiableCheckpoint,
    start: Instant,
    seconds: f64,
    images: usize,
    /// When each call ended, seconds from the start.
    ends: Vec<f64>,
}

impl<'a> Timed<'a> {
    fn new(model: &'a mut DifferentiableCheckpoint) -> Self {
        Self { model, start: Instant::now(), seconds: 0.0, images: 0, ends: vec![] }
    }

    fn note<T>(
        &mut self,
        images: usize,
        call: impl FnOnce(&mut DifferentiableCheckpoint) -> T,
    ) -> T {
        let start = Instant::now();
        let found = call(self.model);
        self.seconds += start.elapsed().as_secs_f64();
        self.images += images;
        self.ends.push(self.start.elapsed().as_secs_f64());
        found
    }
}

impl ConditionalModel for Timed<'_> {
    fn spec(&self) -> &ModelSpec {
        self.model.spec()
    }

    fn log_prob(&mut self, batch: &Batch) -> Result<DMatrix<f64>> {
        self.note(batch.len(), |model| model.log_prob(batch))
    }
}

impl Differentiable for Timed<'_> {
    fn log_prob_and_gradient(
        &mut self,
        batch: &Batch,
        cotangent: &DMatrix<f64>,
    ) -> Result<(DMatrix<f64>, DMatrix<f32>)> {
        self.note(batch.len(), |model| model.log_prob_and_gradient(batch, cotangent))
    }

    fn margins_and_gradient(
        &mut self,
        batch: &Batch,
        cotangent: &DMatrix<f64>,
    ) -> Result<(DMatrix<f64>, DMatrix<f32>)> {
        self.note(batch.len(), |model| model.margins_and_gradient(batch, cotangent))
    }
}

/// One attack on the images of one turn.
struct Run {
    /// Distance of each answer; infinite without one.
    l2: Vec<f64>,
    seconds: f64,
    /// Of the processor: others use it too.
    cpu_seconds: f64,
    /// Inside the model.
    model_seconds: f64,
    /// Asked of the model.
    images: usize,
    /// Ours: what became of each, and when each call of the model ended.
    details: Option<(Vec<Outcome>, Vec<f64>)>,
}

/// Processor time of this process, from Linux's account of it in hundredths of a second.
fn cpu_seconds() -> f64 {
    let text = fs::read_to_string("/proc/self/stat").expect("this bench needs Linux");
    let (_, fields) = text.rsplit_once(')').expect("a name in brackets");
    let ticks = fields.split_whitespace().skip(11).take(2);
    ticks.map(|ticks| ticks.parse::<f64>().expect("a number") / 100.0).sum()
}

/// Ours.
fn attack<A: Attack>(
    method: &A,
    model: &mut DifferentiableCheckpoint,
    subjects: &Subjects,
    settings: &Settings,
) -> Run {
    let mut outcomes = vec![];
    let mut sink = |outcome| {
        outcomes.push(outcome);
        Ok(())
    };
    let (mut timed, cpu) = (Timed::new(model), cpu_seconds());
    run(method, &mut timed, subjects, None, settings, &mut sink).expect("the attack runs");
    let (seconds, cpu_seconds) = (timed.start.elapsed().as_secs_f64(), cpu_seconds() - cpu);
    outcomes.sort_by_key(|outcome| outcome.index);
    Run {
        l2: outcomes.iter().map(|o| o.fooled_l2().unwrap_or(f64::INFINITY)).collect(),
        seconds,
        cpu_seconds,
        model_seconds: timed.seconds,
        images: timed.images,
        details: Some((outcomes, timed.ends)),
    }
}

/// Foolbox's.
struct Peer {
    child: Child,
    answers: BufReader<std::process::ChildStdout>,
    folder: tempfile::TempDir,
}

impl Peer {
    fn start(python: &str, threads: usize, subjects: &Subjects) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let write = |name: &str, numbers: &DMatrix<f32>| {
            let bytes: Vec<u8> = numbers.iter().flat_map(|x| x.to_le_bytes()).collect();
            fs::write(folder.path().join(name), bytes).expect("written");
        };
        write("x.f32", &subjects.batch.x);
        write("noise.f32", &subjects.batch.noise);
        let labels: Vec<u8> = subjects.goals.iter().map(|goal| goal.class() as u8).collect();
        fs::write(folder.path().join("labels.u8"), labels).expect("written");
        let mut child = Command::new(python)
            .args([SCRIPT, CHECKPOINT])
            .arg(folder.path())
            .args(["--threads", &threads.to_string()])
            .env("OMP_NUM_THREADS", threads.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("Python starts");
        let answers = BufReader::new(child.stdout.take().expect("piped"));
        let mut peer = Self { child, answers, folder };
        println!("{}, {threads} thread(s)", peer.line());
        peer
    }

    fn line(&mut self) -> Value {
        let mut line = String::new();
        self.answers.read_line(&mut line).expect("an answer");
        serde_json::from_str(&line).expect("JSON; what Python said is above")
    }

    /// An attack on the images in `range`.
    fn attack(&mut self, subjects: &Subjects, range: Range<usize>, mut request: Value) -> Run {
        let out: PathBuf = self.folder.path().join("answers.f32");
        request["first"] = range.start.into();
        request["count"] = range.len().into();
        request["out"] = out.to_str().expect("a path in UTF-8").into();
        let input = self.child.stdin.as_mut().expect("piped");
        writeln!(input, "{request}").expect("written");
        let answer = self.line();
        let number = |name: &str| answer[name].as_f64().expect("a number");
        let fooled = answer["fooled"].as_array().expect("one verdict a sample");
        let pixels: Vec<f32> = fs::read(&out)
            .expect("answers")
            .chunks_exact(4)
            .map(|bytes| f32::from_le_bytes(bytes.try_into().expect("four bytes")))
            .collect();
        let rows = subjects.batch.x.nrows();
        let l2 = pixels.chunks_exact(rows).zip(fooled).enumerate().map(|(place, (x, fooled))| {
            let original = subjects.batch.x.column(range.start + place);
            let squares = x.iter().zip(&original).map(|(a, b)| f64::from(a - b).powi(2));
            match fooled.as_bool().expect("a verdict") {
                true => squares.sum::<f64>().sqrt(),
                false => f64::INFINITY,
            }
        });
        Run {
            l2: l2.collect(),
            seconds: number("seconds"),
            cpu_seconds: number("cpu_seconds"),
            model_seconds: number("model_seconds"),
            images: number("images") as usize,
            details: None,
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

fn open(threads: usize) -> DifferentiableCheckpoint {
    let choice = EngineChoice::Ort;
    let options = EngineOptions { choice, threads, ..EngineOptions::default() };
    let gradient = GradientOptions::default();
    let path = Path::new(CHECKPOINT);
    DifferentiableCheckpoint::open(path, &Overrides::default(), &options, gradient)
        .expect("the shipped checkpoint")
}

/// The first test images that the model classifies correctly, as it takes them.
fn subjects(model: &mut DifferentiableCheckpoint) -> Subjects {
    let spec = model.spec().clone();
    let images = Images::open(Path::new(IMAGES), Some(Path::new(LABELS))).expect("shipped images");
    let pad = model.checkpoint.contract.pad;
    let images = images.fit(spec.image, pad).expect("they fit");
    let batch = dequantise::batch(&images, &spec, 0, 2 * SAMPLES, SEED);
    let log_prob = model.log_prob(&batch).expect("densities");
    let labels = images.labels.as_ref().expect("labels");
    let correct = (0..batch.len()).filter(|image| {
        let log_prob: Vec<f64> = log_prob.column(*image).iter().copied().collect();
        classify::predict(&spec.ln_prior, &log_prob) == Some(labels[*image])
    });
    let chosen: Vec<usize> = correct.take(SAMPLES).collect();
    assert_eq!(chosen.len(), SAMPLES, "too few are classified correctly");
    println!("the first {SAMPLES} correct: images 0 to {}", chosen[SAMPLES - 1]);
    Subjects {
        batch: Batch {
            x: batch.x.select_columns(&chosen),
            noise: batch.noise.select_columns(&chosen),
        },
        indices: chosen.iter().map(|image| *image as u64).collect(),
        goals: chosen.iter().map(|image| Goal::Misclassified { label: labels[*image] }).collect(),
    }
}

fn part(subjects: &Subjects, range: Range<usize>) -> Subjects {
    let (first, count) = (range.start, range.len());
    Subjects {
        batch: Batch {
            x: subjects.batch.x.columns(first, count).into_owned(),
            noise: subjects.batch.noise.columns(first, count).into_owned(),
        },
        indices: subjects.indices[range.clone()].to_vec(),
        goals: subjects.goals[range].to_vec(),
    }
}

fn sorted(mut values: Vec<f64>) -> Vec<f64> {
    values.sort_by(f64::total_cmp);
    values
}

fn median(values: &[f64]) -> f64 {
    sorted(values.to_vec())[(values.len() - 1) / 2]
}

/// Median with the smallest and the largest.
fn spread(values: &[f64]) -> String {
    let values = sorted(values.to_vec());
    format!("{:.2} [{:.2}, {:.2}]", median(&values), values[0], values[values.len() - 1])
}

/// Wilson's interval of 95 % for k of n.
fn wilson(k: usize, n: usize) -> (f64, f64) {
    let (rate, n) = (k as f64 / n as f64, n as f64);
    let middle = (rate + Z * Z / (2.0 * n)) / (1.0 + Z * Z / n);
    let half = Z / (1.0 + Z * Z / n) * (rate * (1.0 - rate) / n + Z * Z / (4.0 * n * n)).sqrt();
    // Exactly 0 and 1 at the ends, but for rounding.
    (if k == 0 { 0.0 } else { middle - half }, if k as f64 == n { 1.0 } else { middle + half })
}

/// One side of a comparison, over all turns.
struct Side {
    name: &'static str,
    turns: Vec<Run>,
}

impl Side {
    fn push(&mut self, run: Run) {
        let name = format!("{}, turn {}", self.name, self.turns.len());
        eprintln!("{name}: {:.1} s, median L2 {:.4}", run.seconds, median(&run.l2));
        self.turns.push(run);
    }

    fn l2(&self) -> Vec<f64> {
        self.turns.iter().flat_map(|turn| turn.l2.iter().copied()).collect()
    }

    fn report(&self) {
        let turns = |number: fn(&Run) -> f64| self.turns.iter().map(number).collect::<Vec<_>>();
        println!(
            "{}: median L2 {:.4}; {:.1} s, {:.1} of the processor; {:.1} queries a sample; {:.2} ms of the processor \
             a query; wall / model {}",
            self.name,
            median(&self.l2()),
            turns(|run| run.seconds).iter().sum::<f64>(),
            turns(|run| run.cpu_seconds).iter().sum::<f64>(),
            turns(|run| run.images as f64).iter().sum::<f64>() / self.l2().len() as f64,
            1e3 * median(&turns(|run| run.cpu_seconds / run.images as f64)),
            spread(&turns(|run| run.seconds / run.model_seconds)),
        );
    }
}

/// Success rates of two sides with their intervals.
fn rates(ours: &Side, theirs: &Side) {
    println!("| epsilon | {} | {} |\n| --- | --- | --- |", ours.name, theirs.name);
    let cell = |side: &Side, epsilon: f64| {
        let l2 = side.l2();
        let k = l2.iter().filter(|l2| **l2 <= epsilon).count();
        let (low, high) = wilson(k, l2.len());
        let text = format!("{k} [{:.0}, {:.0}]", 100.0 * low, 100.0 * high);
        (text, k as f64 / l2.len() as f64, low, high)
    };
    for epsilon in EPSILONS {
        let (a, b) = (cell(ours, epsilon), cell(theirs, epsilon));
        let agree = b.2 <= a.1 && a.1 <= b.3 && a.2 <= b.1 && b.1 <= a.3;
        println!("| {epsilon} | {} | {} |{}", a.0, b.0, if agree { "" } else { " NOT WITHIN" });
    }
}

/// The median over turns of the ratio of two times.
fn ratio(a: &Side, b: &Side, number: fn(&Run) -> f64) -> String {
    let pairs = a.turns.iter().zip(&b.turns);
    spread(&pairs.map(|(a, b)| number(a) / number(b)).collect::<Vec<_>>())
}

/// The share of a run after which the median of its distances was down to `target`; infinite if never.
fn share_to(run: &Run, target: f64) -> f64 {
    let (outcomes, ends) = run.details.as_ref().expect("ours");
    let reached = |outcome: &Outcome| {
        let reached = outcome.trace.iter().find(|(_, l2)| *l2 <= target);
        reached.map_or(f64::INFINITY, |(evaluations, _)| *evaluations as f64)
    };
    let evaluations = median(&outcomes.iter().map(reached).collect::<Vec<_>>());
    // The original and its repetition come first; then one evaluation of each a call.
    match evaluations.is_finite() {
        true => ends[evaluations as usize + 1] / run.seconds,
        false => f64::INFINITY,
    }
}

/// The distances so far, after each turn: what is interrupted is not lost.
fn write_csv(name: &str, subjects: &Subjects, sides: &[Side]) {
    let mut text = "image,label".to_owned();
    sides.iter().for_each(|side| text += &format!(",l2_{}", side.name.replace(' ', "_")));
    text.push('\n');
    let columns: Vec<_> = sides.iter().map(Side::l2).collect();
    for sample in 0..columns[0].len() {
        text += &format!("{},{}", subjects.indices[sample], subjects.goals[sample].class());
        columns.iter().for_each(|column| text += &format!(",{}", column[sample]));
        text.push('\n');
    }
    fs::write(Path::new(FOLDER).join(name), text).expect("written");
}

fn settings(batch_size: usize) -> Settings {
    Settings { batch_size, fixed_shape: false, seed: SEED }
}

/// The images of each turn, in batches of `size`: all once, or all in each turn.
fn turns(size: usize) -> impl Iterator<Item = Range<usize>> {
    (0..TURNS).map(move |turn| turn * size % SAMPLES).map(move |first| first..first + size)
}

fn compare_carlini_wagner(
    model: &mut DifferentiableCheckpoint,
    subjects: &Subjects,
    peer: &mut Peer,
    size: usize,
) {
    let method = carlini_wagner();
    let mut sides = ["ours", "foolbox"].map(|name| Side { name, turns: vec![] });
    for range in turns(size) {
        let batch = part(subjects, range.clone());
        sides[0].push(attack(&method, model, &batch, &settings(size)));
        let request = json!({
            "attack": "carlini_wagner",
            "binary_search_steps": method.binary_search_steps,
            "steps": method.steps,
            "stepsize": method.stepsize,
            "confidence": method.confidence,
            "initial_const": method.initial_const,
            "abort_early": method.abort_early,
        });
        sides[1].push(peer.attack(subjects, range, request));
        if size == TURN {
            write_csv("carlini_wagner.csv", subjects, &sides);
        }
    }
    println!("\n## Carlini-Wagner, {size} images in a batch: {method:?}");
    sides.iter().for_each(Side::report);
    let [ours, theirs] = &sides;
    println!("Foolbox's time / ours: {}", ratio(theirs, ours, |run| run.seconds));
    println!("of the processor: {}", ratio(theirs, ours, |run| run.cpu_seconds));
    println!("inside the models: {}", ratio(theirs, ours, |run| run.model_seconds));
    if size == TURN {
        rates(ours, theirs);
    }
}

/// What Foolbox is asked for the same.
fn boundary_request(method: &Boundary) -> Value {
    json!({
        "attack": "boundary",
        "steps": method.steps,
        "spherical_step": method.spherical_step,
        "source_step": method.source_step,
        "source_step_convergance": method.source_step_convergence,
        "step_adaptation": method.step_adaptation,
        "update_stats_every_k": method.update_stats_every_k,
    })
}

/// Boundary on both sides, and ours with what is `more`, in turns; distances go to `file`.
fn run_boundary(
    model: &mut DifferentiableCheckpoint,
    subjects: &Subjects,
    peer: &mut Peer,
    method: &Boundary,
    more: &[(&'static str, Boundary)],
    file: &str,
) -> Vec<Side> {
    let names = ["ours", "foolbox"].into_iter().chain(more.iter().map(|(name, _)| *name));
    let mut sides: Vec<Side> = names.map(|name| Side { name, turns: vec![] }).collect();
    for range in turns(TURN) {
        let batch = part(subjects, range.clone());
        sides[0].push(attack(method, model, &batch, &settings(TURN)));
        sides[1].push(peer.attack(subjects, range, boundary_request(method)));
        for (side, (_, method)) in sides[2..].iter_mut().zip(more) {
            side.push(attack(method, model, &batch, &settings(TURN)));
        }
        write_csv(file, subjects, &sides);
    }
    println!("\n## {file}: {method:?}");
    sides.iter().for_each(Side::report);
    rates(&sides[0], &sides[1]);
    sides
}

/// What both find with more steps, not how fast.
fn compare_longer_boundary(
    model: &mut DifferentiableCheckpoint,
    subjects: &Subjects,
    peer: &mut Peer,
) {
    let method = Boundary { steps: LONGER_BOUNDARY_STEPS, ..Boundary::foolbox() };
    run_boundary(model, subjects, peer, &method, &[], "boundary_longer.csv");
}

fn compare_boundary(model: &mut DifferentiableCheckpoint, subjects: &Subjects, peer: &mut Peer) {
    let more = [("ours guided", guided())];
    let sides = run_boundary(model, subjects, peer, &boundary(), &more, "boundary.csv");
    let [ours, theirs, guided] = sides.as_slice() else { unreachable!("two and one") };
    println!(
        "Foolbox's time a query / ours: {}; of the processor {}",
        ratio(theirs, ours, |run| run.seconds / run.images as f64),
        ratio(theirs, ours, |run| run.cpu_seconds / run.images as f64),
    );
    for side in [ours, guided] {
        let turns = side.turns.iter().zip(&theirs.turns);
        let shares: Vec<_> =
            turns.map(|(own, other)| (own, share_to(own, median(&other.l2)), other)).collect();
        let faster = |time: fn(&Run) -> f64| {
            let turns = shares.iter();
            spread(
                &turns
                    .map(|(own, share, other)| time(other) / (time(own) * share))
                    .collect::<Vec<_>>(),
            )
        };
        println!(
            "{} to Foolbox's median L2: {} times faster; of the processor {}",
            side.name,
            faster(|run| run.seconds),
            faster(|run| run.cpu_seconds),
        );
    }
}

/// What of the outcomes depends on the batch: against batches of one. On tract nothing does, which
/// is a test.
fn compare_batches(model: &mut DifferentiableCheckpoint, subjects: &Subjects) {
    const COUNT: usize = 32;
    let subjects = part(subjects, 0..COUNT);
    let carlini = CarliniWagner { binary_search_steps: 2, steps: 30, ..CarliniWagner::default() };
    let boundary = Boundary { steps: 100, ..Boundary::guided() };
    println!("\n## Batches: {COUNT} images; {carlini:?}; {boundary:?}");
    println!("| batch | shape | attack | fooled or not | L2 changed at all | by over 1 % |");
    println!("| --- | --- | --- | --- | --- | --- |");
    let mut both = |batch_size: usize, fixed_shape: bool| {
        let settings = Settings { batch_size, fixed_shape, seed: SEED };
        [
            attack(&carlini, model, &subjects, &settings),
            attack(&boundary, model, &subjects, &settings),
        ]
    };
    let expected = both(1, false);
    for (batch, fixed) in [(7, false), (32, false), (7, true), (32, true)] {
        let shape = if fixed { "fixed" } else { "as needed" };
        let found = both(batch, fixed);
        for (attack, (found, expected)) in
            ["Carlini-Wagner", "Boundary"].iter().zip(found.iter().zip(&expected))
        {
            let count = |changed: &dyn Fn(f64, f64) -> bool| {
                found.l2.iter().zip(&expected.l2).filter(|(a, b)| changed(**a, **b)).count()
            };
            println!(
                "| {batch} | {shape} | {attack} | {} | {} | {} |",
                count(&|a, b| a.is_finite() != b.is_finite()),
                count(&|a, b| a != b),
                count(&|a, b| (a / b - 1.0).abs() > 0.01),
            );
        }
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    let [python, threads, parts @ ..] = arguments.as_slice() else {
        return println!(
            "give a Python that has the exporter and Foolbox: -- PYTHON THREADS [PART..]"
        );
    };
    let threads: usize = threads.parse().expect("THREADS is a number");
    let wanted = |part: &str| parts.is_empty() || parts.iter().any(|given| given == part);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
    pool.install(|| {
        let mut model = open(threads);
        let subjects = subjects(&mut model);
        if ["carlini-wagner", "boundary", "boundary-longer"].into_iter().any(wanted) {
            let mut peer = Peer::start(python, threads, &subjects);
            if wanted("carlini-wagner") {
                for size in [TURN, SAMPLES] {
                    compare_carlini_wagner(&mut model, &subjects, &mut peer, size);
                }
            }
            if wanted("boundary") {
                compare_boundary(&mut model, &subjects, &mut peer);
            }
            if wanted("boundary-longer") {
                compare_longer_boundary(&mut model, &subjects, &mut peer);
            }
        }
        if wanted("batches") {
            compare_batches(&mut model, &subjects);
        }
    });
}
