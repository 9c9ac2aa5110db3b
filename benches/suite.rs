//! A suite's throughput against the engine's own: the same runs with nothing around them.
//!
//! `cargo bench --bench suite`; Unix. Three models on the 500 shipped MNIST test images against the Fashion-MNIST
//! ones, every task but attacks; a quarter of an hour. The whole command counts, from its start to its last file.
//! It is stopped every few seconds, and the engine runs alone: what else the machine does slows both alike.

use std::{
    fs,
    io::Read,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

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
/// Batches of each model that the engine runs whenever the command is stopped.
const BATCHES: usize = 16;
/// How long the command runs before it is stopped again, about as long as the engine's batches take.
const SLICE: Duration = Duration::from_secs(3);
/// How often it is looked whether the command has ended.
const LOOK: Duration = Duration::from_millis(2);
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

/// The command at work on the suite.
struct Run {
    child: Child,
    /// For how long it was not stopped.
    ran: Duration,
}

impl Run {
    fn start(file: &Path, out: &Path) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_evaluate"));
        command.args(["run", "--engine", "ort", "--progress", "quiet", "--out"]).arg(out).arg(file);
        command.args(TASKS.iter().flat_map(|task| ["--task", task]));
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        Self { child: command.spawn().expect("the command starts"), ran: Duration::ZERO }
    }

    /// Whether it ended within a slice of time; if not, it is stopped.
    fn ends_in_slice(&mut self, start: Instant) -> bool {
        let mut ended = false;
        while !ended && start.elapsed() < SLICE {
            thread::sleep(LOOK);
            ended = self.child.try_wait().expect("its status").is_some();
        }
        if !ended {
            self.signal("-STOP");
        }
        self.ran += start.elapsed();
        ended
    }

    fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args([signal, &self.child.id().to_string()]).status();
        assert!(sent.expect("kill runs").success());
    }

    /// What each model was asked, once it has ended.
    fn asked(mut self) -> Vec<usize> {
        let mut said = String::new();
        let stderr = self.child.stderr.as_mut().expect("it is piped");
        stderr.read_to_string(&mut said).expect("text");
        assert!(self.child.wait().expect("its status").success(), "{said}");
        let asked = said.lines().filter_map(|line| line.split_once(" evaluations in "));
        asked.map(|(count, _)| count.parse().expect("a number")).collect()
    }
}

impl Drop for Run {
    /// A turn that fails leaves no stopped process.
    fn drop(&mut self) {
        let _ = self.child.kill();
    }
}

/// A model on the engine, with nothing around it.
struct Bare {
    engine: Box<dyn Engine>,
    inputs: [Vec<f32>; 2],
    images: usize,
    spent: Duration,
}

impl Bare {
    fn open(model: &str) -> Self {
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
        let mut engine = opened.expect("it opens").engine;
        let inputs = [&batch.x, &batch.noise].map(|all| all.as_slice().to_vec());
        // The first run allocates.
        engine.run(BATCH, &[&inputs[0], &inputs[1]]).expect("it runs");
        Self { engine, inputs, images: 0, spent: Duration::ZERO }
    }

    fn run(&mut self, batches: usize) {
        let inputs: [&[f32]; 2] = [&self.inputs[0], &self.inputs[1]];
        let start = Instant::now();
        for _ in 0..batches {
            self.engine.run(BATCH, &inputs).expect("it runs");
        }
        self.spent += start.elapsed();
        self.images += BATCH * batches;
    }

    /// Seconds that it takes for so many images.
    fn seconds(&self, images: usize) -> f64 {
        self.spent.as_secs_f64() * images as f64 / self.images as f64
    }
}

/// Evaluations, seconds of the whole command, and seconds that the engine takes for them.
fn compare(file: &Path, out: &Path) -> (usize, f64, f64) {
    let mut bare = MODELS.map(Bare::open);
    let mut start = Instant::now();
    let mut run = Run::start(file, out);
    while !run.ends_in_slice(start) {
        bare.iter_mut().for_each(|model| model.run(BATCHES));
        start = Instant::now();
        run.signal("-CONT");
    }
    let whole = run.ran.as_secs_f64();
    let asked = run.asked();
    assert_eq!(asked.len(), MODELS.len(), "each model says what it was asked");
    let engine = bare.iter().zip(&asked).map(|(model, images)| model.seconds(*images)).sum();
    (asked.iter().sum(), whole, engine)
}

fn main() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("suite.toml");
    let root = std::env::current_dir().expect("the repository's folder");
    fs::write(&file, suite(&root)).expect("written");
    let mut shares = vec![];
    for turn in 0..TURNS {
        let (asked, whole, engine) = compare(&file, &folder.path().join(turn.to_string()));
        let share = engine / whole;
        println!("{asked} evaluations: {whole:.1} s, the engine's own {engine:.1} s: {share:.3}");
        shares.push(share);
    }
    shares.sort_by(f64::total_cmp);
    println!("engine / suite, median of {TURNS}: {:.3}", shares[TURNS / 2]);
}
