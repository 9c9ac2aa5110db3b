//! Value and gradient in one run against the forward pass, and against PyTorch, in turns.
//!
//! `cargo bench --bench gradient -- PYTHON` with a Python that has the exporter; without, no PyTorch.
//! One thread, and the seconds are the processor's for it: where others use the machine, the wall
//! clock counts them too, and the longer of two runs is interrupted more often. Needs Linux.

use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, Command, Stdio},
};

use undetected::onnx::{
    autodiff::{COTANGENT, GRADIENT, with_input_gradient},
    contract::{Contract, Overrides},
    engine::{self, Engine, EngineChoice, EngineOptions, Signature},
    graph::ModelFile,
    proto::ModelProto,
};

/// Every graph that ships and has a gradient: the other checkpoints differ from the first in weights.
const CHECKPOINTS: [&str; 4] = [
    "glow-mnist-reweight",
    "glow-mnist-split",
    "glow-cifar10-jpeg75-reweight",
    "glow-cifar10-jpeg75-split",
];
const SCRIPT: &str = "benches/gradient_pytorch.py";
const BATCHES: [usize; 2] = [1, 16];
const TURNS: usize = 9;
/// Images of the run whose memory is measured.
const MEMORY_BATCH: usize = 16;

struct PyTorch(Child, BufReader<std::process::ChildStdout>);

impl PyTorch {
    fn start(python: &str, checkpoint: &str) -> Self {
        let mut child = Command::new(python)
            .args([SCRIPT, "serve", checkpoint])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("Python starts");
        let mut answers = BufReader::new(child.stdout.take().expect("piped"));
        let mut line = String::new();
        answers.read_line(&mut line).expect("an answer");
        assert!(line.starts_with("ready"), "{SCRIPT} does not start");
        Self(child, answers)
    }

    fn seconds(&mut self, command: &str, batch: usize) -> f64 {
        let input = self.0.stdin.as_mut().expect("piped");
        writeln!(input, "{command} {batch}").expect("written");
        let mut line = String::new();
        self.1.read_line(&mut line).expect("an answer");
        line.trim().parse().expect("seconds")
    }
}

impl Drop for PyTorch {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

/// A checkpoint as it is and differentiated, and what it takes.
struct Model {
    path: String,
    file: ModelFile,
    with_gradient: ModelFile,
    contract: Contract,
}

impl Model {
    fn read(path: &str) -> Self {
        let file = ModelFile::read(Path::new(path)).expect("the shipped checkpoint");
        let contract = Contract::read(&file, &Overrides::default()).expect("its contract");
        let with_gradient = file.with_model(rewritten(&file)).expect("weights inside");
        Self { path: path.to_owned(), file, with_gradient, contract }
    }

    fn open(&self, gradient: bool) -> Box<dyn Engine> {
        let image = &self.contract.spec.image;
        let shape = vec![image.channels, image.height, image.width];
        let port = |name: &str| (name.to_owned(), shape.clone());
        let inputs = vec![port("x"), port("noise")];
        let mut signature = Signature { inputs, outputs: vec!["log_prob".to_owned()] };
        if gradient {
            signature.inputs.push((COTANGENT.to_owned(), vec![self.contract.spec.classes.len()]));
            signature.outputs.push(GRADIENT.to_owned());
        }
        let options = EngineOptions { choice: EngineChoice::Ort, threads: 1, ..Default::default() };
        let file = if gradient { &self.with_gradient } else { &self.file };
        engine::open(file, &signature, &options).expect("the checkpoint opens").engine
    }

    /// Pixels, which serve as noise too, and a cotangent.
    fn inputs(&self, n: usize) -> [Vec<f32>; 2] {
        let spec = &self.contract.spec;
        let pixel = |index: usize| (index * 37 % 251) as f32 / 251.0;
        let pixels = (0..n * spec.image.len()).map(pixel).collect();
        let classes = spec.classes.len();
        let one_hot = |index: usize| if index.is_multiple_of(classes) { 1.0 } else { 0.0 };
        [pixels, (0..n * classes).map(one_hot).collect()]
    }

    fn compare(&self, python: Option<&str>) {
        let (mut forward, mut both) = (self.open(false), self.open(true));
        let mut pytorch = python.map(|python| PyTorch::start(python, &self.path));
        for n in BATCHES {
            let [pixels, cotangent] = self.inputs(n);
            let inputs = [pixels.as_slice(), &pixels, &cotangent];
            let (mut times, mut slower, mut against) = (vec![], vec![], vec![]);
            for turn in 0..TURNS + 2 {
                let value = timed(&mut *forward, n, &inputs[..2]);
                let gradient = timed(&mut *both, n, &inputs);
                let eager = pytorch.as_mut().map(|pytorch| pytorch.seconds("both", n));
                // The first turns warm up.
                if turn >= 2 {
                    times.push(1e3 * gradient / n as f64);
                    slower.push(gradient / value);
                    against.extend(eager.map(|eager| gradient / eager));
                }
            }
            let against = if python.is_some() { spread(against) } else { "not run".to_owned() };
            println!(
                "{}, batch {n}: value and gradient {} ms an image; / forward {}; \
                 / PyTorch {against}",
                self.path,
                spread(times),
                spread(slower),
            );
        }
    }
}

fn timed(engine: &mut dyn Engine, n: usize, inputs: &[&[f32]]) -> f64 {
    let start = processor_seconds();
    engine.run(n, inputs).expect("it runs");
    processor_seconds() - start
}

/// What the processor has spent on this thread.
fn processor_seconds() -> f64 {
    // The kernel brings the account up to date when it looks for another thread to run.
    std::thread::yield_now();
    let account = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux");
    let spent = account.split_whitespace().next().and_then(|first| first.parse::<f64>().ok());
    1e-9 * spent.expect("nanoseconds")
}

/// Median with the quartiles.
fn spread(mut values: Vec<f64>) -> String {
    values.sort_by(f64::total_cmp);
    let at = |part: f64| values[(part * (values.len() - 1) as f64).round() as usize];
    format!("{:.2} [{:.2}, {:.2}]", at(0.5), at(0.25), at(0.75))
}

fn rewritten(file: &ModelFile) -> ModelProto {
    with_input_gradient(&file.model, "log_prob", "x").expect("it is differentiable")
}

/// How long the rewriting takes.
fn time_rewriting(path: &str) {
    let file = ModelFile::read(Path::new(path)).expect("a model");
    let start = processor_seconds();
    let model = rewritten(&file);
    let seconds = processor_seconds() - start;
    let nodes = |model: &ModelProto| model.graph.as_ref().map_or(0, |graph| graph.node.len());
    let (before, after) = (nodes(&file.model), nodes(&model));
    println!("{path}: {seconds:.3} s to differentiate {before} nodes ({after} after)");
}

/// The most memory that this process has held, in MB; Linux tells.
fn peak_resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("VmHWM");
    let kilobytes: f64 = line.trim().trim_end_matches(" kB").parse().expect("a number");
    kilobytes / 1e3
}

/// One run in a process of its own, whose peak is then the run's.
fn run_once(path: &str, gradient: bool) {
    let model = Model::read(path);
    let [pixels, cotangent] = model.inputs(MEMORY_BATCH);
    let inputs = [pixels.as_slice(), &pixels, &cotangent];
    let mut engine = model.open(gradient);
    timed(&mut *engine, MEMORY_BATCH, if gradient { &inputs } else { &inputs[..2] });
    println!("{}", peak_resident());
}

fn compare_memory(path: &str) {
    let peak = |what: &str| -> f64 {
        let this = std::env::current_exe().expect("this bench");
        let ran = Command::new(this).args(["once", path, what]).output().expect("it runs");
        String::from_utf8_lossy(&ran.stdout).trim().parse().expect("megabytes")
    };
    let (forward, both) = (peak("forward"), peak("both"));
    println!(
        "{path}, batch {MEMORY_BATCH}: peak resident {both:.0} MB, forward {forward:.0} MB: {:.2}",
        both / forward
    );
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    if let [once, path, what] = arguments.as_slice()
        && once == "once"
    {
        return run_once(path, what == "both");
    }
    let python = arguments.first().map(String::as_str);
    arguments.iter().skip(1).for_each(|path| time_rewriting(path));
    for name in CHECKPOINTS {
        let path = format!("onnx/checkpoints/{name}-small.onnx");
        time_rewriting(&path);
        compare_memory(&path);
        Model::read(&path).compare(python);
    }
}
