//! What goes wrong on a long run: full disks, files that cannot be written, that go away and that change.
//!
//! Each time the error names the file and the remedy, the exit status tells, nothing that is finished
//! is lost, and the same command goes on after the repair and ends with the bytes of a run that
//! nothing happened to.
#![cfg(unix)]

mod small_suite;

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs::{self, Permissions},
    io::{BufRead, BufReader, Read},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, ChildStderr, Command, Stdio},
    time::SystemTime,
};

use small_suite::{assert_equal, checkpoint, images, refused, results, run, succeed, text};
use undetected::onnx::dataset::Images;

/// Two models and data of their own, for things to happen to.
struct Bench {
    folder: tempfile::TempDir,
    suite: PathBuf,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::copy(checkpoint("glow-mnist-reweight-small"), at("first.onnx")).unwrap();
        fs::copy(checkpoint("glow-mnist-base-small"), at("second.onnx")).unwrap();
        let data = Images::open(&images(), None).unwrap();
        data.write_idx(&at("real-images-idx3-ubyte"), &at("real-labels-idx1-ubyte")).unwrap();
        let models = r#"
            { path = "first.onnx", contract = { name = "first" } },
            { path = "second.onnx", contract = { name = "second" } },
        "#;
        let suite = at("small.toml");
        let text = text(0, models, &at("real-images-idx3-ubyte"));
        // Those that draw few figures, which take most of the time.
        let tasks = "seed = 0\ntasks = [\"classify\", \"detect\", \"attack\"]";
        fs::write(&suite, text.replace("seed = 0", tasks)).unwrap();
        Self { folder, suite }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn run(&self, out: &str) -> Command {
        run(&self.suite, &self.at(out), &[])
    }

    /// The folder of a run that nothing happens to.
    fn whole(&self) -> PathBuf {
        succeed(self.run("whole"));
        self.at("whole")
    }
}

/// The finished units of work of a run, and when each was made.
fn units(out: &Path) -> BTreeMap<OsString, SystemTime> {
    let entries = fs::read_dir(out.join("units")).unwrap().map(Result::unwrap);
    entries
        .map(|entry| (entry.file_name(), entry.metadata().unwrap().modified().unwrap()))
        .collect()
}

/// A process that was stopped while it works.
struct Paused {
    child: Child,
    stderr: BufReader<ChildStderr>,
    said: String,
}

impl Paused {
    /// Starts a run, and stops it when the first model's work on `what` has begun.
    fn at(mut command: Command, what: &str) -> Self {
        command.args(["--progress", "json"]).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let (mut said, mut line) = (String::new(), String::new());
        while !(line.contains("\"started\"") && line.contains(what)) {
            line.clear();
            assert!(stderr.read_line(&mut line).unwrap() > 0, "it ended early: {said}");
            said += &line;
        }
        let paused = Self { child, stderr, said };
        paused.signal("-STOP");
        paused
    }

    fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args([signal, &self.child.id().to_string()]).status();
        assert!(sent.unwrap().success());
    }

    /// Lets it go on to its end: its exit status, and all that it said.
    fn end(mut self) -> (Option<i32>, String) {
        self.signal("-CONT");
        self.stderr.read_to_string(&mut self.said).unwrap();
        (self.child.wait().unwrap().code(), self.said)
    }
}

fn assert_says(said: &str, parts: &[&str]) {
    for part in parts {
        assert!(said.contains(part), "'{part}' is not in: {said}");
    }
    assert!(!said.contains("panicked"), "{said}");
}

/// The models that results.csv has rows of, and those that run.json knows.
fn measured(out: &Path) -> (Vec<String>, Vec<String>) {
    let mut reader = csv::Reader::from_path(out.join("results.csv")).unwrap();
    let mut named: Vec<String> =
        reader.records().map(|record| record.unwrap()[0].to_owned()).collect();
    named.dedup();
    let record = fs::read_to_string(out.join("run.json")).unwrap();
    let record: serde_json::Value = serde_json::from_str(&record).unwrap();
    let models = record["models"].as_array().unwrap();
    (named, models.iter().map(|model| model["name"].as_str().unwrap().to_owned()).collect())
}

/// A disk that is full, at file after file: a limit on the size of files stands for it, which every user
/// can set; what the system says is another number for the same refusal of a write.
#[test]
fn a_full_disk_ends_the_run_and_loses_nothing() {
    let bench = Bench::new();
    let (whole, out) = (bench.whole(), bench.at("out"));
    let mut kept = BTreeMap::new();
    let mut refused_files = vec![];
    // In blocks of 512 bytes: less than a unit, than samples.csv, than results and figures.
    for blocks in [1, 4, 16, 64] {
        let run = bench.run("out");
        let mut limited = Command::new("sh");
        limited.args(["-c", "ulimit -f \"$0\" && exec \"$@\"", &blocks.to_string()]);
        limited.arg(run.get_program()).args(run.get_args());
        let said = refused(limited, "File too large");
        assert_says(&said, &["cannot write", "Make room there", "repeat the command"]);
        // The folder is that of all models: the second is not even tried.
        assert!(!said.contains("models failed") && !said.contains("second.onnx"), "{said}");
        let named = said.split("cannot write ").nth(1).unwrap().split(": ").next().unwrap();
        assert!(Path::new(named).starts_with(&out), "{named}");
        refused_files.push(Path::new(named).strip_prefix(&out).unwrap().to_owned());
        let units = units(&out);
        assert!(kept.iter().all(|(name, made)| units.get(name) == Some(made)), "{said}");
        kept = units;
    }
    refused_files.dedup();
    assert!(refused_files.len() >= 3, "{refused_files:?}");
    assert!(kept.len() > 10);
    succeed(bench.run("out"));
    let units = units(&out);
    assert!(kept.iter().all(|(name, made)| units.get(name) == Some(made)), "computed twice");
    assert_equal(&whole, &out);
}

/// A log on a full disk: what is measured is in its folder all the same.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_under_the_standard_output_is_said() {
    let bench = Bench::new();
    let whole = bench.whole();
    let mut run = bench.run("out");
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    let output = run.stdout(full).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert_says(&said, &["cannot write the standard output", "No space left", "Make room"]);
    assert_eq!(measured(&bench.at("out")), (vec!["first".to_owned()], vec!["first".to_owned()]));
    succeed(bench.run("out"));
    assert_equal(&whole, &bench.at("out"));
}

/// The command as a user whom permissions bind: root, whom they do not, gives up that capability.
fn bound_by_permissions(run: Command, folder: &Path) -> Command {
    let probe = folder.join("probe");
    fs::create_dir(&probe).unwrap();
    fs::set_permissions(&probe, Permissions::from_mode(0o555)).unwrap();
    let is_bound = fs::write(probe.join("file"), "").is_err();
    fs::remove_dir_all(&probe).unwrap();
    if is_bound {
        return run;
    }
    let mut bound = Command::new("setpriv");
    bound.args(["--bounding-set", "-dac_override,-dac_read_search"]);
    bound.args(["--inh-caps", "-dac_override,-dac_read_search"]);
    bound.arg(run.get_program()).args(run.get_args());
    bound
}

#[test]
fn a_folder_that_cannot_be_written_is_named() {
    let bench = Bench::new();
    let out = bench.at("out");
    // A file where a folder must be, whoever one is.
    fs::write(&out, "").unwrap();
    let said = refused(bench.run("out"), "cannot write");
    assert_says(&said, &[out.to_str().unwrap(), "name another place"]);
    fs::remove_file(&out).unwrap();
    fs::create_dir(&out).unwrap();
    fs::write(out.join("units"), "").unwrap();
    let said = refused(bench.run("out"), "cannot write");
    assert_says(&said, &[out.join("units").to_str().unwrap(), "name another place"]);
    fs::remove_file(out.join("units")).unwrap();
    // A folder without the right to write.
    fs::remove_file(out.join(".lock")).unwrap();
    fs::set_permissions(&out, Permissions::from_mode(0o555)).unwrap();
    let run = bound_by_permissions(bench.run("out"), bench.folder.path());
    let said = refused(run, "Permission denied");
    fs::set_permissions(&out, Permissions::from_mode(0o755)).unwrap();
    assert_says(&said, &[out.to_str().unwrap(), "Make it writable"]);
}

/// The right to write is lost on the way.
#[test]
fn a_folder_that_turns_read_only_ends_the_run_and_loses_nothing() {
    let bench = Bench::new();
    let (whole, out) = (bench.whole(), bench.at("out"));
    let run = bound_by_permissions(bench.run("out"), bench.folder.path());
    let paused = Paused::at(run, "MNIST");
    fs::set_permissions(out.join("units"), Permissions::from_mode(0o555)).unwrap();
    let (status, said) = paused.end();
    fs::set_permissions(out.join("units"), Permissions::from_mode(0o755)).unwrap();
    assert_eq!(status, Some(2), "{said}");
    assert_says(&said, &["cannot write", "units", "Make it writable", "what is finished is kept"]);
    assert!(!said.contains("second.onnx") && !said.contains("\"second\""), "{said}");
    let kept = units(&out);
    succeed(bench.run("out"));
    let units = units(&out);
    assert!(kept.iter().all(|(name, made)| units.get(name) == Some(made)), "computed twice");
    assert_equal(&whole, &out);
}

/// The second model goes away, or becomes another, while the first is measured: the first is finished,
/// and what is measured is what the run began with.
#[test]
fn a_checkpoint_that_goes_away_or_changes_fails_alone() {
    let bench = Bench::new();
    let (whole, second) = (bench.whole(), bench.at("second.onnx"));
    let content = fs::read(&second).unwrap();
    let other = fs::read(checkpoint("glow-mnist-split-small")).unwrap();
    for (out, replacement, expected) in [
        ("lost", None, "No such file"),
        ("changed", Some(other), "has changed since the run began"),
    ] {
        let paused = Paused::at(bench.run(out), "MNIST");
        fs::remove_file(&second).unwrap();
        if let Some(bytes) = replacement {
            fs::write(&second, bytes).unwrap();
        }
        let (status, said) = paused.end();
        assert_eq!(status, Some(2), "{said}");
        assert_says(&said, &[expected, second.to_str().unwrap(), "1 of 2 models failed"]);
        assert_says(&said, &["repeat the command"]);
        let first = || vec!["first".to_owned()];
        assert_eq!(measured(&bench.at(out)), (first(), first()));
        fs::write(&second, &content).unwrap();
        succeed(bench.run(out));
        assert_equal(&whole, &bench.at(out));
    }
}

/// The file that is being measured becomes another: none of its numbers are published.
#[test]
fn a_checkpoint_that_changes_while_it_is_measured_has_no_results() {
    let bench = Bench::new();
    let (whole, first) = (bench.whole(), bench.at("first.onnx"));
    let content = fs::read(&first).unwrap();
    let paused = Paused::at(bench.run("out"), "MNIST");
    fs::remove_file(&first).unwrap();
    fs::copy(checkpoint("glow-mnist-split-small"), &first).unwrap();
    let (status, said) = paused.end();
    assert_eq!(status, Some(2), "{said}");
    assert_says(&said, &["first.onnx changed while it was being measured", "1 of 2 models failed"]);
    let second = || vec!["second".to_owned()];
    assert_eq!(measured(&bench.at("out")), (second(), second()));
    fs::write(&first, content).unwrap();
    succeed(bench.run("out"));
    assert_equal(&whole, &bench.at("out"));
}

/// A run is repeated after a checkpoint became another: its results are the new file's alone.
#[test]
fn what_is_kept_of_a_checkpoint_is_not_taken_for_its_successors() {
    let bench = Bench::new();
    let out = bench.whole();
    let (before, kept) = (results(&out), units(&out));
    fs::copy(checkpoint("glow-mnist-split-small"), bench.at("first.onnx")).unwrap();
    succeed(bench.run("whole"));
    succeed(bench.run("fresh"));
    assert_equal(&bench.at("fresh"), &out);
    let after = results(&out);
    for file in ["results.csv", "samples.csv", "run.json", "detectors/first/marginal.json"] {
        let file = Path::new(file);
        assert!(before[file] != after[file], "{}", file.display());
    }
    let second = Path::new("detectors/second/marginal.json");
    assert_eq!(before[second], after[second]);
    // The second model's work was taken over, and only the first one's is new.
    let (fresh, now) = (units(&bench.at("fresh")), units(&out));
    let taken_over = fresh.keys().filter(|name| kept.contains_key(*name)).count();
    assert!(taken_over > 0 && taken_over < fresh.len());
    assert!(kept.iter().all(|(name, made)| now.get(name) == Some(made)));
}

/// Pixels are read as they are scored: a file that is cut or changed meanwhile is found out, by its name.
#[test]
fn data_that_is_cut_or_changes_is_named() {
    let bench = Bench::new();
    let (whole, data) = (bench.whole(), bench.at("real-images-idx3-ubyte"));
    let content = fs::read(&data).unwrap();
    let cut = content[..content.len() / 1000].to_vec();
    let mut changed = content.clone();
    let last = changed.len() - 1;
    changed[last] ^= 1;
    for (out, bytes, expected) in [
        ("cut", cut, "Something has cut it since"),
        ("changed", changed, "has changed since the run began"),
    ] {
        let paused = Paused::at(bench.run(out), "MNIST");
        fs::write(&data, bytes).unwrap();
        let (status, said) = paused.end();
        assert_eq!(status, Some(2), "{said}");
        assert_says(&said, &[expected, "real-images-idx3-ubyte", "2 of 2 models failed"]);
        assert_says(&said, &["estore it", "repeat the command"]);
        assert!(!bench.at(out).join("results.csv").exists());
        fs::write(&data, &content).unwrap();
        succeed(bench.run(out));
        assert_equal(&whole, &bench.at(out));
    }
}
