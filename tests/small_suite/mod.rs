//! A suite of every task on few images, and the command that runs it on the embedded engine.

#![allow(dead_code)] // each test file uses a part of it

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use assert_cmd::cargo::CommandCargoExt;

/// The checkpoint that it measures.
pub const MODEL: &str = "glow-mnist-reweight-small";

/// `onnx/checkpoints/NAME.onnx`.
pub fn checkpoint(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("onnx/checkpoints/{name}.onnx"))
}

/// The shipped MNIST images.
pub fn images() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("onnx/data/mnist-t10k-500-images-idx3-ubyte.gz")
}

/// Writes the suite for one model.
pub fn suite(folder: &Path, seed: u64) -> PathBuf {
    let model = format!("{{ path = {:?} }}", checkpoint(MODEL));
    let path = folder.join(format!("small-{seed}.toml"));
    fs::write(&path, text(seed, &model, &images())).unwrap();
    path
}

/// The suite's text, for models and data of one's own.
pub fn text(seed: u64, models: &str, images: &Path) -> String {
    let other = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("onnx/data/fashion-mnist-t10k-500-images-idx3-ubyte.gz");
    format!(
        r#"
name = "small"
seed = {seed}
model = [{models}]
[data]
name = "MNIST"
images = {images:?}
limit = 60
[[out_of_distribution]]
name = "Fashion-MNIST"
images = {other:?}
limit = 40
[synthetic]
images = 10
[threshold]
false_alarm_rate = 0.2
[interpolate]
pairs = 4
alphas = 5
[[attack]]
method = "boundary"
images = 5
batch_size = 2
steps = 6
"#
    )
}

/// `evaluate COMMAND SUITE --out OUT MORE`.
pub fn evaluate(command: &str, suite: &Path, out: &Path, more: &[&str]) -> Command {
    let mut evaluate = Command::cargo_bin("evaluate").expect("built");
    evaluate.arg(command).arg(suite).arg("--out").arg(out).args(more);
    evaluate
}

/// Small batches, so that there are many units of work.
pub fn run(suite: &Path, out: &Path, more: &[&str]) -> Command {
    let mut run = evaluate("run", suite, out, &["--engine", "tract", "--batch-size", "8"]);
    run.args(more);
    run
}

/// Runs it; it must end with 0.
pub fn succeed(mut command: Command) -> Output {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output
}

/// Runs it; it must end with 2 and say this. What it says.
pub fn refused(mut command: Command, expected: &str) -> String {
    let output = command.output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(stderr.contains(expected) && !stderr.contains("panicked"), "{expected}: {stderr}");
    stderr
}

/// Every file of a folder of results but the units of work, by its path there.
pub fn results(out: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(out.join(&folder)).unwrap() {
            let entry = entry.unwrap();
            let path = folder.join(entry.file_name());
            if entry.file_type().unwrap().is_dir() {
                folders.extend((path != Path::new("units")).then_some(path));
            } else if path != Path::new(".lock") {
                found.insert(path.clone(), fs::read(out.join(path)).unwrap());
            }
        }
    }
    found
}

/// The same files with the same bytes, and not next to none of them.
pub fn assert_equal(one: &Path, other: &Path) {
    let (one, other) = (results(one), results(other));
    assert!(one.len() >= 7, "{:?}", one.keys());
    assert_eq!(one.keys().collect::<Vec<_>>(), other.keys().collect::<Vec<_>>());
    for (path, bytes) in &one {
        assert!(*bytes == other[path], "{} differs", path.display());
    }
}
