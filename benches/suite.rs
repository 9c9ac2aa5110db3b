//! A suite's throughput against the engine's own: the same runs with nothing around them, in turns.
//!
//! `cargo bench --bench suite`. Three models on the 500 shipped MNIST test images against the Fashion-MNIST
//! ones, every task but attacks; a quarter of an hour. The whole command counts, from its start to its last file.

use std::{fs, path::Path, process::Command, time::Instant};

use undetected::onnx::{
    contract::{Contract, Overrides},
    dataset::Images,
    dequantise,
    engine::{self, Engine, EngineChoice, EngineOptions, Signature},
    graph::ModelFile,
};

const MODELS: [&str; 3] =
    ["glow-mnist-base-small", "glow-mnist-reweight-small", "glow-mnist-split-small"];
const MNIST: &str = "onnx/data/mnist-t10k-500-images-idx3-ubyte.gz";
const FASHION: &str = "onnx/data/fashion-mnist-t10k-500-images-idx3-ubyte.gz";
const TASKS: [&str; 7] = [
    "likelihood",
    "classify",
    "detect",
    "out_of_distribution",
    "class_gap",
    "interpolate",
    "objective",
];
/// Images of a batch, as many as `evaluate run` takes by itself.
const BATCH: usize = 256;
const TURNS: usize = 3;

/// The suite, with nearly all pairs that the shipped images form, and so many points a path that a model is
/// asked as often as in `paper-mnist.toml`, 173,000 times.
fn suite(root: &Path) -> String {
    let file = |path: &str| root.join(path).display().to_string();
    let models = MODELS.map(|name| {
        format!("[[model]]\npath = {:?}\n", file(&format!("onnx/checkpoints/{name}.onnx")))
    });
    format!(
        "name = \"throughput\"\n{}[data]\nname = \"MNIST\"\nimages = {:?}\n[[out_of_distribution]]\n\
         name = \"Fashion-MNIST\"\nimages = {:?}\n[interpolate]\npairs = 100\nalphas = 1700\n",
        models.join(""),
        file(MNIST),
        file(FASHION)
    )
}

/// Seconds of the whole command, and what each model was asked.
fn run_suite(file: &Path, out: &Path) -> (f64, Vec<usize>) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_evaluate"));
    command.args(["run", "--engine", "ort", "--progress", "quiet", "--out"]).arg(out).arg(file);
    command.args(TASKS.iter().flat_map(|task| ["--task", task]));
    let start = Instant::now();
    let output = command.output().expect("the command runs");
    let seconds = start.elapsed().as_secs_f64();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    let asked = said.lines().filter_map(|line| line.split_once(" evaluations in "));
    (seconds, asked.map(|(count, _)| count.parse().expect("a number")).collect())
}

/// Seconds that the engine takes for so many images in batches.
fn run_engine(model: &str, images: usize) -> f64 {
    let path = format!("onnx/checkpoints/{model}.onnx");
    let file = ModelFile::read(Path::new(&path)).expect("a shipped checkpoint");
    let contract = Contract::read(&file, &Overrides::default()).expect("its contract");
    let digits = Images::open(Path::new(MNIST), None).expect("shipped images");
    let digits = digits.fit(contract.spec.image, contract.pad).expect("they fit");
    let batch = dequantise::batch(&digits, &contract.spec, 0, BATCH, 0);
    let image = contract.spec.image;
    let shape = vec![image.channels, image.height, image.width];
    let inputs = ["x", "noise"].map(|name| (name.to_owned(), shape.clone())).to_vec();
    let outputs = ["log_prob_shared", "log_prob_class"].map(str::to_owned).to_vec();
    let options = EngineOptions { choice: EngineChoice::Ort, ..Default::default() };
    let opened = engine::open(&file, &Signature { inputs, outputs }, &options);
    let mut engine: Box<dyn Engine> = opened.expect("it opens").engine;
    let start = Instant::now();
    for first in (0..images).step_by(BATCH) {
        let count = BATCH.min(images - first);
        let inputs = [&batch.x, &batch.noise].map(|all| &all.as_slice()[..count * image.len()]);
        engine.run(count, &inputs).expect("it runs");
    }
    start.elapsed().as_secs_f64()
}

fn main() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("suite.toml");
    let root = std::env::current_dir().expect("the repository's folder");
    fs::write(&file, suite(&root)).expect("written");
    let mut shares = vec![];
    for turn in 0..TURNS {
        let (whole, asked) = run_suite(&file, &folder.path().join(turn.to_string()));
        assert_eq!(asked.len(), MODELS.len(), "each model says what it was asked");
        let runs = MODELS.iter().zip(&asked);
        let engine: f64 = runs.map(|(model, images)| run_engine(model, *images)).sum();
        println!(
            "{} evaluations: {whole:.1} s, the engine's own {engine:.1} s: {:.3}",
            asked.iter().sum::<usize>(),
            engine / whole
        );
        shares.push(engine / whole);
    }
    shares.sort_by(f64::total_cmp);
    println!("engine / suite, median of {TURNS}: {:.3}", shares[TURNS / 2]);
}
