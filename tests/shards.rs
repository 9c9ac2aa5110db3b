//! A suite that is interrupted, shared and disturbed, on the embedded engine.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use assert_cmd::cargo::CommandCargoExt;

const MODEL: &str = "glow-mnist-reweight-small";

/// Files that hold results.
const FILES: [&str; 10] = [
    "results.csv",
    "samples.csv",
    "class_gap.csv",
    "paths.csv",
    "path_points.csv",
    "attacks.csv",
    "roc.csv",
    "histograms.csv",
    "detectors/glow-mnist-reweight-small/marginal.json",
    "figures/glow-mnist-reweight-small/likelihoods.png",
];

/// Every task, on few images.
fn suite(folder: &Path, seed: u64) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("onnx");
    let text = format!(
        r#"
name = "small"
seed = {seed}
model = [{{ path = "{root}/checkpoints/{MODEL}.onnx" }}]
[data]
name = "MNIST"
images = "{root}/data/mnist-t10k-500-images-idx3-ubyte.gz"
limit = 60
[[out_of_distribution]]
name = "Fashion-MNIST"
images = "{root}/data/fashion-mnist-t10k-500-images-idx3-ubyte.gz"
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
"#,
        root = root.display()
    );
    let path = folder.join(format!("small-{seed}.toml"));
    fs::write(&path, text).unwrap();
    path
}

fn evaluate(command: &str, suite: &Path, out: &Path, more: &[&str]) -> Command {
    let mut evaluate = Command::cargo_bin("evaluate").expect("built");
    evaluate.arg(command).arg(suite).arg("--out").arg(out).args(more);
    evaluate
}

/// Small batches, so that there are many units of work.
fn run(suite: &Path, out: &Path, more: &[&str]) -> Command {
    let mut run = evaluate("run", suite, out, &["--engine", "tract", "--batch-size", "8"]);
    run.args(more);
    run
}

fn succeed(mut command: Command) -> Output {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output
}

fn refused(mut command: Command, expected: &str) {
    let output = command.output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(stderr.contains(expected) && !stderr.contains("panicked"), "{expected}: {stderr}");
}

fn assert_equal(one: &Path, other: &Path) {
    for file in FILES {
        let [one, other] = [one, other].map(|out| fs::read(out.join(file)).expect(file));
        assert!(one == other, "{file} differs");
    }
}

fn quiet(mut command: Command) -> Child {
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// Killed at twenty moments on the way, and run again each time: the same bytes as an undisturbed run.
#[test]
fn a_run_survives_being_killed() {
    let folder = tempfile::tempdir().unwrap();
    let suite = suite(folder.path(), 0);
    let (whole, killed) = (folder.path().join("whole"), folder.path().join("killed"));
    let start = Instant::now();
    succeed(run(&suite, &whole, &[]));
    let took = start.elapsed();
    let mut alive = 0;
    for moment in 1..=20_u32 {
        let mut child = quiet(run(&suite, &killed, &[]));
        // Golden-ratio fractions of the time that a whole run takes: no two alike.
        let share = (f64::from(moment) * 0.618_033_988_749_895).fract();
        sleep(took.mul_f64(share / 4.0));
        alive += u32::from(child.try_wait().unwrap().is_none());
        let _ = child.kill();
        child.wait().unwrap();
    }
    assert!(alive >= 10, "only {alive} of 20 were killed while they ran");
    succeed(run(&suite, &killed, &[]));
    assert_equal(&whole, &killed);
    let leftovers = fs::read_dir(&killed).unwrap().flatten();
    let mut leftovers = leftovers.map(|entry| entry.file_name().into_string().unwrap());
    assert!(!leftovers.any(|name| name.starts_with(".tmp")));
}

/// One, two and seven shards give the tables of a run without; incomplete and foreign ones do not.
#[test]
fn shards_merge_to_the_same_tables() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let suite_0 = suite(folder.path(), 0);
    succeed(run(&suite_0, &at("whole"), &[]));
    for count in [1, 2, 7] {
        let mut parts = vec![];
        for index in 1..=count {
            let part = at(&format!("part-{index}-{count}"));
            succeed(run(&suite_0, &part, &["--shard", &format!("{index}/{count}")]));
            assert!(!part.join("results.csv").exists());
            parts.push(part);
        }
        let parts: Vec<&str> = parts.iter().map(|part| part.to_str().unwrap()).collect();
        let merged = at(&format!("merged-{count}"));
        succeed(evaluate("merge", &suite_0, &merged, &parts));
        assert_equal(&at("whole"), &merged);
        let merge = |parts: &[&str]| evaluate("merge", &suite_0, &at("bad"), parts);
        if count == 2 {
            refused(merge(&parts[..1]), "shard 2/2 is missing");
            refused(merge(&[parts[0], parts[1], parts[1]]), "there 2 times");
            let other = suite(folder.path(), 1);
            refused(evaluate("merge", &other, &at("bad"), &parts), "another suite");
            // A lost unit of work is found missing, not made up.
            let units = fs::read_dir(Path::new(parts[1]).join("units")).unwrap();
            units.flatten().for_each(|unit| fs::remove_file(unit.path()).unwrap());
            refused(merge(&parts), "run them again");
            fs::remove_file(Path::new(parts[1]).join("shard.json")).unwrap();
            refused(merge(&parts), "no finished shard");
        }
    }
}

/// A model that cannot be read does not take the others with it, and the exit status tells.
#[test]
fn one_model_fails_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = suite(folder.path(), 0);
    let broken = folder.path().join("broken.onnx");
    let checkpoints = Path::new(env!("CARGO_MANIFEST_DIR")).join("onnx/checkpoints");
    let mut bytes = fs::read(checkpoints.join("glow-mnist-base-small.onnx")).unwrap();
    // Weights that are changed: the file is read, and its values are wrong.
    let middle = bytes.len() / 2;
    bytes[middle..middle + 10_000].fill(0x3f);
    fs::write(&broken, bytes).unwrap();
    let text = fs::read_to_string(&path).unwrap();
    let both =
        text.replace("model = [", &format!("model = [{{ path = \"{}\" }}, ", broken.display()));
    fs::write(&path, both).unwrap();
    let out = folder.path().join("out");
    let output = run(&path, &out, &["--task", "classify"]).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && stderr.contains("1 of 2 models failed"), "{stderr}");
    let results = fs::read_to_string(out.join("results.csv")).unwrap();
    assert!(
        results.lines().count() > 1 && results.lines().skip(1).all(|row| row.starts_with(MODEL))
    );
}

/// Two runs in one folder: the second is refused while the first is at work.
#[test]
fn a_folder_in_use_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (suite, out) = (suite(folder.path(), 0), folder.path().join("out"));
    let mut first = quiet(run(&suite, &out, &[]));
    let patience = Instant::now() + Duration::from_secs(60);
    while !out.join("units").exists() {
        assert!(Instant::now() < patience && first.try_wait().unwrap().is_none());
        sleep(Duration::from_millis(2));
    }
    refused(run(&suite, &out, &[]), "another process is writing");
    first.kill().unwrap();
    first.wait().unwrap();
}

/// One Ctrl-C ends the run in order, with a status of its own; the next run goes on.
#[cfg(unix)]
#[test]
fn ctrl_c_is_minded() {
    let folder = tempfile::tempdir().unwrap();
    let (suite, out) = (suite(folder.path(), 0), folder.path().join("out"));
    let mut command = run(&suite, &out, &["--progress", "json"]);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let patience = Instant::now() + Duration::from_secs(60);
    let units = || fs::read_dir(out.join("units")).map_or(0, Iterator::count);
    while units() < 2 {
        assert!(Instant::now() < patience && child.try_wait().unwrap().is_none());
        sleep(Duration::from_millis(2));
    }
    let kill = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(kill.success());
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(130), "{stderr}");
    assert!(stderr.contains("repeat the command"), "{stderr}");
    let started = stderr.lines().find(|line| line.contains("\"started\"")).expect(&stderr);
    assert!(started.contains(MODEL) && started.contains("MNIST"), "{started}");
    succeed(run(&suite, &out, &[]));
}

/// Schedulers say which shard it is.
#[test]
fn schedulers_name_the_shard() {
    let folder = tempfile::tempdir().unwrap();
    let suite = suite(folder.path(), 0);
    let at = |name: &str| folder.path().join(name);
    let task = ["--task", "classify"];
    let mut slurm = run(&suite, &at("slurm"), &[&task[..], &["--shard", "slurm"]].concat());
    slurm.envs([
        ("SLURM_ARRAY_TASK_ID", "4"),
        ("SLURM_ARRAY_TASK_MIN", "3"),
        ("SLURM_ARRAY_TASK_COUNT", "2"),
    ]);
    let said = String::from_utf8(succeed(slurm).stdout).unwrap();
    assert!(said.contains("Shard 2/2 is done"), "{said}");
    let mut indexed = run(&suite, &at("k8s"), &[&task[..], &["--shard", "kubernetes/3"]].concat());
    indexed.env("JOB_COMPLETION_INDEX", "0");
    let said = String::from_utf8(succeed(indexed).stdout).unwrap();
    assert!(said.contains("Shard 1/3 is done"), "{said}");
    refused(run(&suite, &at("none"), &["--shard", "slurm"]), "SLURM_ARRAY_TASK_ID");
    refused(run(&suite, &at("none"), &["--shard", "3/2"]), "I/N");
}
