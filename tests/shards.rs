//! A suite that is interrupted, shared and disturbed, on the embedded engine.

mod small_suite;

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use assert_cmd::cargo::CommandCargoExt;
use small_suite::{MODEL, assert_equal, checkpoint, evaluate, refused, run, succeed, suite};

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

/// A gradient falls to the shard that has the values which it is made of.
#[test]
fn shards_share_the_norms_of_gradients() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let suite = suite(folder.path(), 0);
    let text = fs::read_to_string(&suite).unwrap();
    let statistics = "[detect]\nstatistics = [\"marginal\", \"gradient_norm\"]\n[threshold]";
    let text = text.replace("[threshold]", statistics);
    let tasks = "seed = 0\ntasks = [\"likelihood\", \"detect\"]";
    fs::write(&suite, text.replace("seed = 0", tasks)).unwrap();
    succeed(run(&suite, &at("whole"), &[]));
    let parts = ["1/2", "2/2"].map(|shard| {
        let part = at(&shard.replace('/', "-"));
        succeed(run(&suite, &part, &["--shard", shard]));
        part.to_str().unwrap().to_owned()
    });
    succeed(evaluate("merge", &suite, &at("merged"), &parts.each_ref().map(String::as_str)));
    assert_equal(&at("whole"), &at("merged"));
}

/// Columns of results.csv by their name, row by row.
fn rows(out: &Path) -> Vec<BTreeMap<String, String>> {
    let mut reader = csv::Reader::from_path(out.join("results.csv")).unwrap();
    reader.deserialize().collect::<Result<_, _>>().unwrap()
}

/// Shards on ONNX Runtime and on tract are merged on request alone, in either order; every place that
/// shows results says so, and where an engine does not matter the numbers are those of one engine.
#[test]
fn shards_on_different_engines_are_marked() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let suite_0 = suite(folder.path(), 0);
    let on = |engine: &str, out: &Path, more: &[&str]| {
        let base = ["--engine", engine, "--batch-size", "8"];
        succeed(evaluate("run", &suite_0, out, &[&base[..], more].concat()));
    };
    on("ort", &at("whole"), &[]);
    for (place, engines) in [["ort", "tract"], ["tract", "ort"]].into_iter().enumerate() {
        let parts = [0, 1].map(|index| {
            let part = at(&format!("part-{place}-{index}"));
            on(engines[index], &part, &["--shard", &format!("{}/2", index + 1)]);
            part.to_str().unwrap().to_owned()
        });
        let parts = parts.each_ref().map(String::as_str);
        let merged = at(&format!("merged-{place}"));
        refused(evaluate("merge", &suite_0, &merged, &parts), "--mixed-engines");
        let allowed = [&parts[..], &["--mixed-engines"]].concat();
        let other = suite(folder.path(), 1);
        refused(evaluate("merge", &other, &merged, &allowed), "another suite");
        let said = succeed(evaluate("merge", &suite_0, &merged, &allowed)).stdout;
        assert!(String::from_utf8(said).unwrap().contains("MIXED ENGINES"));
        check_marks(&merged, engines);
        check_numbers(&rows(&at("whole")), &rows(&merged));
    }
}

fn check_marks(merged: &Path, engines: [&str; 2]) {
    let names = engines.map(|engine| if engine == "ort" { "onnxruntime" } else { engine });
    for row in rows(merged) {
        let engine = &row["engine"];
        let shared = engine.contains(" + ");
        assert!(engine.starts_with(names[0]) && shared == engine.contains(names[1]), "{engine}");
        assert!(shared || !["attack", "interpolate"].contains(&row["task"].as_str()), "{row:?}");
        assert!(!shared || row["task"] != "classify", "every shard does it for itself: {row:?}");
    }
    let record = fs::read_to_string(merged.join("run.json")).unwrap();
    let record: serde_json::Value = serde_json::from_str(&record).unwrap();
    let shards = record["models"][0]["mixed_engines"].as_array().unwrap();
    assert_eq!(shards.len(), 2);
    for (shard, name) in shards.iter().zip(names) {
        assert!(shard.as_str().unwrap().starts_with(name), "{shard}");
    }
    succeed(report(merged, &[]));
    let page = fs::read_to_string(merged.join("report.html")).unwrap();
    assert!(page.contains("Shards on different engines were merged"), "health");
    assert!(page.contains("mixed engines, by shard"), "provenance");
    let markdown = succeed(report(merged, &["--markdown"])).stdout;
    assert!(String::from_utf8(markdown).unwrap().contains("**Mixed engines**"));
}

fn report(out: &Path, more: &[&str]) -> Command {
    let mut report = Command::cargo_bin("evaluate").expect("built");
    report.arg("report").arg(out).args(more);
    report
}

/// The same rows; but for attacks, which decide by the last digit where to go on, the same numbers to
/// within what two engines' float32 differ by.
fn check_numbers(one: &[BTreeMap<String, String>], other: &[BTreeMap<String, String>]) {
    const RELATIVE: f64 = 1e-4;
    assert_eq!(one.len(), other.len());
    for (one, other) in one.iter().zip(other) {
        for key in ["model", "dataset", "task", "statistic", "metric", "n", "unit"] {
            assert_eq!(one[key], other[key], "{key}");
        }
        let [value, expected]: [f64; 2] = [one, other].map(|row| row["value"].parse().unwrap());
        let close = (value - expected).abs() <= RELATIVE * expected.abs().max(1.0);
        assert!(close || one["task"] == "attack", "{one:?}, {other:?}");
    }
}

/// A model that cannot be read does not take the others with it, and the exit status tells.
#[test]
fn one_model_fails_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = suite(folder.path(), 0);
    let broken = folder.path().join("broken.onnx");
    let mut bytes = fs::read(checkpoint("glow-mnist-base-small")).unwrap();
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
        ("SLURM_ARRAY_TASK_MIN", "2"),
        ("SLURM_ARRAY_TASK_MAX", "4"),
        ("SLURM_ARRAY_TASK_COUNT", "2"),
        ("SLURM_ARRAY_TASK_STEP", "2"),
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
