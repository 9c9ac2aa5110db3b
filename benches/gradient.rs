//! Value and gradient in one run against the forward pass, and against PyTorch, in turns.
//!
//! `cargo bench --bench gradient -- PYTHON` with a Python that has the exporter; without, no PyTorch.
//! Others use the machine: what counts are the ratios within a turn, not the seconds.

use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, Command, Stdio},
    time::Instant,
};

use undetected::onnx::{
    autodiff::{COTANGENT, GRADIENT, with_input_gradient},
    engine::{self, Engine, EngineChoice, EngineOptions, Signature},
    graph::ModelFile,
};

const CHECKPOINT: &str = "onnx/checkpoints/glow-mnist-reweight-small.onnx";
const SCRIPT: &str = "benches/gradient_pytorch.py";
const BATCHES: [usize; 3] = [1, 16, 64];
const THREADS: [usize; 2] = [1, 2];
const TURNS: usize = 15;

struct PyTorch(Child, BufReader<std::process::ChildStdout>);

impl PyTorch {
    fn start(python: &str, threads: usize) -> Self {
        let mut child = Command::new(python)
            .args([SCRIPT, "serve", "small", &threads.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("Python starts");
        let mut answers = BufReader::new(child.stdout.take().expect("piped"));
        let mut line = String::new();
        answers.read_line(&mut line).expect("an answer");
        print!("PyTorch {line}");
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

fn open(file: &ModelFile, gradient: bool, threads: usize) -> Box<dyn Engine> {
    let image = |name: &str| (name.to_owned(), vec![1, 32, 32]);
    let mut signature = Signature {
        inputs: vec![image("x"), image("noise")],
        outputs: vec!["log_prob".to_owned()],
    };
    if gradient {
        signature.inputs.push((COTANGENT.to_owned(), vec![10]));
        signature.outputs.push(GRADIENT.to_owned());
    }
    let choice = EngineChoice::Ort;
    let options = EngineOptions { choice, threads, ..EngineOptions::default() };
    engine::open(file, &signature, &options).expect("the checkpoint opens").engine
}

fn timed(engine: &mut dyn Engine, n: usize, inputs: &[&[f32]]) -> f64 {
    let start = Instant::now();
    engine.run(n, inputs).expect("it runs");
    start.elapsed().as_secs_f64()
}

/// Median with the quartiles.
fn spread(mut values: Vec<f64>) -> String {
    values.sort_by(f64::total_cmp);
    let at = |part: f64| values[(part * (values.len() - 1) as f64).round() as usize];
    format!("{:.2} [{:.2}, {:.2}]", at(0.5), at(0.25), at(0.75))
}

fn compare(file: &ModelFile, with_gradient: &ModelFile, threads: usize, python: Option<&str>) {
    let mut forward = open(file, false, threads);
    let mut both = open(with_gradient, true, threads);
    let mut pytorch = python.map(|python| PyTorch::start(python, threads));
    for n in BATCHES {
        let pixels: Vec<f32> = (0..n * 1024).map(|i| (i * 37 % 251) as f32 / 251.0).collect();
        let cotangent: Vec<f32> =
            (0..n * 10).map(|i| if i % 10 == 0 { 1.0 } else { 0.0 }).collect();
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
        println!(
            "threads {threads}, batch {n}: value and gradient {} ms an image; / forward {}; / PyTorch {}",
            spread(times),
            spread(slower),
            if against.is_empty() { "not run".to_owned() } else { spread(against) },
        );
    }
}

/// How long the rewriting takes.
fn build(path: &Path) -> ModelFile {
    let file = ModelFile::read(path).expect("a model");
    let start = Instant::now();
    let model = with_input_gradient(&file.model, "log_prob", "x").expect("it is differentiable");
    let nodes =
        |model: &undetected::onnx::proto::ModelProto| model.graph.as_ref().unwrap().node.len();
    println!(
        "{}: {:.3} s to differentiate {} nodes ({} after)",
        path.display(),
        start.elapsed().as_secs_f64(),
        nodes(&file.model),
        nodes(&model)
    );
    file.with_model(model).expect("weights inside")
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    let python = arguments.first().map(String::as_str);
    let checkpoint = Path::new(CHECKPOINT);
    let file = ModelFile::read(checkpoint).expect("the shipped checkpoint");
    let with_gradient = build(checkpoint);
    arguments.iter().skip(1).for_each(|path| drop(build(Path::new(path))));
    for threads in THREADS {
        compare(&file, &with_gradient, threads, python);
    }
}
