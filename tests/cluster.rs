//! The examples for clusters do what they say: their own commands, with what a scheduler would set.
#![cfg(unix)]

mod small_suite;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use assert_cmd::cargo::CommandCargoExt;
use small_suite::{assert_equal, evaluate, succeed, suite};

fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("onnx/suites/cluster").join(name)
}

/// A process that finds the program by its name, with these variables.
fn shell(program: &str, variables: &[(&str, &str)]) -> Command {
    let evaluate = Command::cargo_bin("evaluate").expect("built");
    let folder = Path::new(evaluate.get_program()).parent().unwrap().to_owned();
    let path = std::env::var("PATH").unwrap();
    let mut shell = Command::new(program);
    shell.env("PATH", format!("{}:{path}", folder.display())).envs(variables.iter().copied());
    shell
}

/// Batches of the examples' size, without shards.
fn whole(suite: &Path, out: &Path) {
    succeed(evaluate("run", suite, out, &["--engine", "tract", "--batch-size", "64"]));
}

/// An array whose indices begin at 5 and go in steps of 2.
#[test]
fn the_slurm_script_runs_every_task_of_an_array() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let suite = suite(folder.path(), 0);
    for task in ["5", "7", "9"] {
        let array = [
            ("SLURM_ARRAY_TASK_ID", task),
            ("SLURM_ARRAY_TASK_MIN", "5"),
            ("SLURM_ARRAY_TASK_MAX", "9"),
            ("SLURM_ARRAY_TASK_COUNT", "3"),
            ("SLURM_ARRAY_TASK_STEP", "2"),
            ("SLURM_JOB_ID", "1"),
        ];
        let mut script = shell("bash", &array);
        script.arg(example("slurm.sh")).arg(&suite).arg(folder.path());
        succeed(script);
    }
    let shards = ["5", "7", "9"].map(|task| at(&format!("shard-{task}")).display().to_string());
    let merged = at("merged");
    succeed(evaluate("merge", &suite, &merged, &shards.each_ref().map(String::as_str)));
    whole(&suite, &at("whole"));
    assert_equal(&at("whole"), &merged);
}

/// The shell lines of kubernetes.yaml: first that of the pods, then that of the merge.
#[test]
fn the_kubernetes_jobs_run_every_index() {
    let yaml = fs::read_to_string(example("kubernetes.yaml")).unwrap();
    let lines: Vec<&str> = yaml.lines().map(str::trim).collect();
    let commands = lines.windows(2).filter(|pair| pair[0] == "args:");
    let commands: Vec<&str> = commands.map(|pair| pair[1].strip_prefix("- ").unwrap()).collect();
    let [shard, merge] = commands[..] else { panic!("{commands:?}") };
    assert!(lines.contains(&"completions: 7") && shard.contains("kubernetes/7"), "one count");
    let folder = tempfile::tempdir().unwrap();
    let suite = suite(folder.path(), 0);
    let paths = [("SUITE", suite.to_str().unwrap()), ("OUT", folder.path().to_str().unwrap())];
    for index in 0..7 {
        let mut pod = shell("sh", &paths);
        pod.env("JOB_COMPLETION_INDEX", index.to_string()).args(["-c", shard]);
        succeed(pod);
    }
    let mut job = shell("sh", &paths);
    job.args(["-c", merge]);
    succeed(job);
    let merged = folder.path().join("merged");
    fs::remove_file(merged.join("report.html")).expect("the second job writes it");
    whole(&suite, &folder.path().join("whole"));
    assert_equal(&folder.path().join("whole"), &merged);
}
