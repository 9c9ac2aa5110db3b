//! The `evaluate` program as its user meets it: output, files, exit status, messages.
//!
//! ONNX Runtime's library is needed: `evaluate setup` fetches it. Without it the tests that use it
//! fail and say so.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use assert_cmd::Command;

const CHECKPOINT: &str = "onnx/checkpoints/glow-mnist-reweight-small.onnx";
const IMAGES: &str = "onnx/data/mnist-t10k-500-images-idx3-ubyte.gz";
const FASHION: &str = "onnx/data/fashion-mnist-t10k-500-images-idx3-ubyte.gz";

/// What a run printed, and how it ended.
struct Ran {
    status: i32,
    stdout: String,
    stderr: String,
}

fn evaluate(arguments: &[&str]) -> Ran {
    let output = Command::cargo_bin("evaluate")
        .expect("built")
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env_remove("ORT_DYLIB_PATH")
        .args(arguments)
        .output()
        .expect("it starts");
    let ran = Ran {
        status: output.status.code().expect("it ends by itself"),
        stdout: String::from_utf8(output.stdout).expect("text"),
        stderr: String::from_utf8(output.stderr).expect("text"),
    };
    let missing = "ONNX Runtime's library was not found";
    assert!(!ran.stderr.contains(missing), "this test needs ONNX Runtime: {}", ran.stderr);
    ran
}

/// Runs the shipped checkpoint on the first images and returns the two result files.
fn run(out: &Path, more: &[&str]) -> (Ran, PathBuf, PathBuf) {
    let out_text = out.to_str().unwrap();
    let arguments = ["run", "--model", CHECKPOINT, "--data", IMAGES, "--out", out_text];
    let ran = evaluate(&[&arguments, more].concat());
    (ran, out.join("results.csv"), out.join("samples.csv"))
}

/// A CSV file's rows, each by column name.
fn rows(path: &Path) -> Vec<BTreeMap<String, String>> {
    let mut reader = csv::Reader::from_path(path).unwrap();
    reader.deserialize().collect::<Result<_, _>>().unwrap()
}

/// The row of one number; of statistic `""` where it is of none.
fn find<'a>(
    rows: &'a [BTreeMap<String, String>],
    dataset: &str,
    statistic: &str,
    metric: &str,
    unit: &str,
) -> &'a BTreeMap<String, String> {
    let wanted =
        [("dataset", dataset), ("statistic", statistic), ("metric", metric), ("unit", unit)];
    let mut found = rows.iter().filter(|row| wanted.iter().all(|(key, text)| row[*key] == *text));
    let row = found.next().unwrap_or_else(|| panic!("no row {wanted:?}"));
    assert!(found.next().is_none(), "two rows {wanted:?}");
    row
}

/// The value of a statistic's number, or of one that is of none (`""`).
fn value(
    rows: &[BTreeMap<String, String>],
    dataset: &str,
    statistic: &str,
    metric: &str,
    unit: &str,
) -> f64 {
    find(rows, dataset, statistic, metric, unit)["value"].parse().unwrap()
}

/// The paper's claims that a shipped checkpoint must bear out: it classifies MNIST, and its
/// likelihood tells noise and clothes from digits.
#[test]
fn the_demo_suite_on_both_engines() {
    for engine in ["ort", "tract"] {
        let out = tempfile::tempdir().unwrap();
        let arguments = ["run", "onnx/suites/demo.toml", "--engine", engine, "--out"];
        let ran = evaluate(&[&arguments[..], &[out.path().to_str().unwrap()]].concat());
        assert_eq!(ran.status, 0, "{}", ran.stderr);
        for part in [
            "Fashion-MNIST",
            "uniform noise",
            "MNIST + noise 0.1",
            "accuracy, %",
            "Detection",
            "Out of distribution",
            "Class gap",
            "Interpolation on MNIST: 40 disjoint pairs",
            "Objective",
            "Attacks: undetected",
        ] {
            assert!(ran.stdout.contains(part), "'{part}' is missing in {}", ran.stdout);
        }
        let longest = ran.stdout.lines().map(|line| line.chars().count()).max().unwrap();
        assert!(longest <= 97, "a line of {longest} columns");

        let results = out.path().join("results.csv");
        let header = fs::read_to_string(&results).unwrap();
        let header = header.lines().next().unwrap();
        assert_eq!(
            header,
            "model,dataset,task,statistic,attack,epsilon,metric,value,low,high,n,unit,engine,device,seed"
        );
        let rows = rows(&results);
        assert!(value(&rows, "MNIST", "", "accuracy", "share") >= 0.95);
        // Section 4.2: a wrong label is hardly less likely than the right one. Section 4.4: on MNIST
        // paths leave what is accepted.
        assert!(value(&rows, "MNIST", "", "gap_over_deviation", "ratio") < 0.2);
        assert!(value(&rows, "MNIST", "", "mislabelled_detected_best_wrong", "share") < 0.3);
        assert!(value(&rows, "MNIST", "", "midpoints_accepted", "share") < 0.2);
        assert!(value(&rows, "MNIST", "", "midpoint_auroc", "area") > 0.9);
        assert!(value(&rows, "Fashion-MNIST", "marginal", "rejected", "share") > 0.5);
        assert_eq!(value(&rows, "uniform noise", "marginal", "rejected", "share"), 1.0);
        let (digits, noise) = (
            value(&rows, "MNIST", "", "mean", "bits/dim"),
            value(&rows, "uniform noise", "", "mean", "bits/dim"),
        );
        assert!(0.0 < digits && digits < 8.0 && 8.0 < noise, "{digits} and {noise} bits/dim");
        for row in &rows {
            let number = |column: &str| row[column].parse::<f64>().ok();
            let estimate = number("value").expect("a number");
            assert!(number("low").is_none_or(|low| low <= estimate), "{row:?}");
            assert!(number("high").is_none_or(|high| estimate <= high), "{row:?}");
        }
        let model = &rows[0]["model"];
        let figures = out.path().join("figures").join(model);
        let auroc = value(&rows, "Fashion-MNIST", "complexity_corrected", "auroc", "area");
        assert_eq!(names(&figures), FIGURES.into_iter().collect());
        FIGURES.into_iter().for_each(|name| check_figure(&figures.join(name)));
        // The drawing ranks on its own what it collected on the way.
        let roc = fs::read_to_string(figures.join("roc_complexity_corrected.svg")).unwrap();
        assert!(roc.contains(&format!("Fashion-MNIST: AUROC {auroc:.3}")), "{auroc}");
        assert!(ran.stdout.contains("13 as SVG and PNG"), "{}", ran.stdout);
    }
}

/// Every figure of a run of all tasks with all detectors.
const FIGURES: [&str; 13] = [
    "attack_boundary",
    "attack_projected_gradient_aware",
    "attack_success",
    "class_gap",
    "interpolation",
    "interpolation_examples",
    "likelihoods",
    "reliability",
    "roc_complexity_corrected",
    "roc_given_predicted",
    "roc_joint",
    "roc_marginal",
    "roc_typicality",
];

/// The names of a folder's files without their extension.
fn names(folder: &Path) -> BTreeSet<&'static str> {
    let files: Vec<PathBuf> =
        fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    let known = |path: &PathBuf| {
        let stem = path.file_stem().unwrap();
        let name = FIGURES.into_iter().find(|name| stem == *name);
        name.unwrap_or_else(|| panic!("{} is not expected", path.display()))
    };
    files.iter().map(known).collect()
}

/// Both files of a figure can be read, and the drawing has a title and numbers only.
fn check_figure(stem: &Path) {
    let svg = fs::read_to_string(stem.with_extension("svg")).unwrap();
    assert!(svg.contains("<title"), "{} has no title", stem.display());
    assert!(!svg.contains("NaN") && !svg.contains("inf\""), "{}", stem.display());
    let file = fs::File::open(stem.with_extension("png")).unwrap();
    let mut reader = png::Decoder::new(std::io::BufReader::new(file)).read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let frame = reader.next_frame(&mut pixels).unwrap();
    assert!(frame.width > 300 && pixels.iter().any(|value| *value < 128), "{}", stem.display());
}

/// A task that did not run has no figure.
#[test]
fn figures_are_those_of_the_tasks() {
    let out = tempfile::tempdir().unwrap();
    let more = ["--limit", "40", "--engine", "tract", "--task", "objective"];
    let (ran, results, _) = run(out.path(), &more);
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    let model = rows(&results)[0]["model"].clone();
    assert_eq!(names(&out.path().join("figures").join(model)), ["reliability"].into());
}

#[test]
fn a_fixed_threshold_is_the_one_used() {
    let out = tempfile::tempdir().unwrap();
    let more = [
        "--limit",
        "20",
        "--engine",
        "tract",
        "--threshold-bits-per-dim",
        "2.0",
        "--task",
        "detect",
    ];
    let (ran, results, samples) = run(out.path(), &more);
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    let rows_of = rows(&results);
    assert!(
        (value(&rows_of, "mnist-t10k-500", "marginal", "threshold", "bits/dim") - 2.0).abs()
            < 1e-12
    );
    let samples = rows(&samples);
    assert_eq!(samples.len(), 80, "20 digits and as many of three kinds of synthetic images");
    for row in samples {
        let bits: f64 = row["bits_per_dim"].parse().unwrap();
        let accepted = if bits <= 2.0 { "true" } else { "false" };
        assert_eq!(row["accepted_marginal"], accepted, "{row:?}");
        assert_eq!(row["split"], "test", "a fixed threshold needs no calibration");
        assert_eq!(row["accepted_joint"], "", "it concerns log p(x) alone");
    }
}

/// What figures need is in files, whose columns name their units.
#[test]
fn every_file_is_written() {
    let out = tempfile::tempdir().unwrap();
    let more = ["--limit", "120", "--engine", "tract", "--pairs", "4", "--alphas", "4"];
    let (ran, results, _) = run(out.path(), &more);
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    for (name, count, columns) in [
        ("samples.csv", None, "log_px_nats"),
        ("class_gap.csv", Some(120), "gap_nats"),
        ("paths.csv", Some(4), "bits_per_dim_midpoint"),
        // The midpoint is not on a grid of four.
        ("path_points.csv", Some(20), "p_class_1"),
        ("path_curve.csv", Some(5), "bits_per_dim_q05"),
        ("roc.csv", None, "threshold_nats"),
        ("histograms.csv", None, "unit"),
        ("reliability.csv", Some(15), "accuracy_share_low"),
    ] {
        let rows = rows(&out.path().join(name));
        assert!(rows[0].contains_key(columns), "{name} has no column {columns}");
        assert!(count.is_none_or(|count| rows.len() == count), "{name} has {} rows", rows.len());
    }
    let tasks: BTreeSet<String> =
        rows(&results).into_iter().map(|row| row["task"].clone()).collect();
    assert_eq!(tasks.len(), 7);
}

/// Saved detectors decide as they did; and what was not asked for is not done.
#[test]
fn detectors_are_reused_and_tasks_chosen() {
    let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let base = ["--limit", "80", "--engine", "tract", "--task", "detect"];
    let (ran, results, samples) = run(first.path(), &base);
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    assert!(rows(&results).iter().all(|row| row["task"] == "detect"));
    assert!(!first.path().join("paths.csv").exists() && !ran.stdout.contains("Objective"));
    let saved = first.path().join("detectors");
    let again = [&base[..], &["--detectors", saved.to_str().unwrap()]].concat();
    let (ran, results_again, samples_again) = run(second.path(), &again);
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    let read = |path: &Path| fs::read_to_string(path).unwrap();
    assert_eq!(read(&results), read(&results_again));
    assert_eq!(read(&samples), read(&samples_again));
    // Another file of the same model: its densities are others.
    let set = [&again[..], &["--set", "dequantisation=centre"]].concat();
    let (ran, ..) = run(second.path(), &set);
    assert!(ran.status == 2 && ran.stderr.contains("dequantisation"), "{}", ran.stderr);
}

#[test]
fn two_models_of_one_name_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let root = env!("CARGO_MANIFEST_DIR");
    let suite = |contract: &str| {
        let model = format!("[[model]]\npath = \"{root}/{CHECKPOINT}\"\n");
        format!(
            "name = \"s\"\ntasks = [\"classify\"]\n{model}{model}{contract}[data]\n\
             images = \"{root}/{IMAGES}\"\nlimit = 40\n"
        )
    };
    let path = folder.path().join("suite.toml");
    let path_text = path.to_str().unwrap();
    let out = folder.path().join("out");
    let arguments = ["run", path_text, "--engine", "tract", "--out", out.to_str().unwrap()];
    fs::write(&path, suite("")).unwrap();
    let ran = evaluate(&arguments);
    assert_eq!(ran.status, 2);
    assert!(ran.stderr.contains("contract = { name") && !out.exists(), "{}", ran.stderr);
    fs::write(&path, suite("contract = { name = \"twin\" }\n")).unwrap();
    let ran = evaluate(&arguments);
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    let models: BTreeSet<String> =
        rows(&out.join("results.csv")).into_iter().map(|row| row["model"].clone()).collect();
    assert_eq!(models.len(), 2, "{models:?}");
}

/// On the embedded engine not one digit of the files depends on how the work was cut.
#[test]
fn results_do_not_depend_on_batches_or_threads() {
    let read = |batch: &str, threads: &str| {
        let out = tempfile::tempdir().unwrap();
        let more = [
            "--limit",
            "80",
            "--pairs",
            "5",
            "--alphas",
            "5",
            "--engine",
            "tract",
            "--batch-size",
            batch,
            "--threads",
            threads,
        ];
        let (ran, results, samples) = run(out.path(), &more);
        assert_eq!(ran.status, 0, "{}", ran.stderr);
        [results, samples, out.path().join("path_points.csv"), out.path().join("class_gap.csv")]
            .map(|path| fs::read_to_string(path).unwrap())
    };
    assert_eq!(read("64", "1"), read("7", "2"));
}

#[test]
fn another_seed_is_another_draw() {
    let read = |seed: &str| {
        let out = tempfile::tempdir().unwrap();
        let (_ran, _results, samples) = run(
            out.path(),
            &["--limit", "80", "--engine", "tract", "--task", "detect", "--seed", seed],
        );
        fs::read_to_string(samples).unwrap()
    };
    assert_ne!(read("0"), read("1"));
}

/// The first Relu of the shipped checkpoint becomes an operator that nobody differentiates.
#[test]
fn inspect_says_whether_a_model_is_differentiable_and_what_stops_it() {
    use undetected::onnx::{graph::ModelFile, proto::NodeProto};
    let ran = evaluate(&["inspect", CHECKPOINT, "--engine", "tract"]);
    assert!(ran.stdout.contains("Input gradient: differentiable."), "{}", ran.stdout);
    let file = ModelFile::read(std::path::Path::new(CHECKPOINT)).unwrap();
    let mut model = file.model.clone();
    let nodes = &mut model.graph.as_mut().unwrap().node;
    let relu = nodes.iter_mut().find(|node| node.op_type() == "Relu").unwrap();
    *relu = NodeProto { op_type: Some("Hardmax".to_owned()), ..relu.clone() };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("stopped.onnx");
    std::fs::write(&path, file.with_model(model).unwrap().bytes).unwrap();
    let ran = evaluate(&["inspect", path.to_str().unwrap(), "--engine", "tract"]);
    let expected = "Input gradient: not differentiable: no rule for Hardmax '";
    assert!(ran.stdout.contains(expected), "{}", ran.stdout);
}

/// Weights outside the file cannot be rewritten with the graph, and `inspect` says so beforehand.
#[test]
fn inspect_says_that_weights_outside_the_file_stand_against_a_gradient() {
    use undetected::onnx::{graph::ModelFile, proto::StringStringEntryProto};
    let file = ModelFile::read(Path::new(CHECKPOINT)).unwrap();
    let mut model = file.model.clone();
    let tensors = &mut model.graph.as_mut().unwrap().initializer;
    let tensor = tensors.iter_mut().max_by_key(|tensor| tensor.raw_data().len()).unwrap();
    let weights = tensor.raw_data.take().unwrap();
    let entry = |key: &str, value: &str| StringStringEntryProto {
        key: Some(key.to_owned()),
        value: Some(value.to_owned()),
    };
    tensor.external_data = vec![entry("location", "weights.bin")];
    tensor.data_location = Some(1);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("outside.onnx");
    fs::write(folder.path().join("weights.bin"), weights).unwrap();
    fs::write(&path, file.with_model(model).unwrap().bytes).unwrap();
    for engine in ["ort", "tract"] {
        let ran = evaluate(&["inspect", path.to_str().unwrap(), "--engine", engine]);
        assert_eq!(ran.status, 0, "{}", ran.stderr);
        for part in ["Input gradient: not differentiable", "weights", "save_as_external_data=False"]
        {
            assert!(ran.stdout.contains(part), "{}", ran.stdout);
        }
    }
}

#[test]
fn inspect_shows_what_the_file_declares() {
    for engine in ["ort", "tract"] {
        let ran = evaluate(&["inspect", CHECKPOINT, "--engine", engine]);
        assert_eq!(ran.status, 0, "{}", ran.stderr);
        for part in
            ["[N, 1, 32, 32]", "log_prob", "Conv", "D of bits/dim", "1024", "reproduces its"]
        {
            assert!(ran.stdout.contains(part), "'{part}' is missing in {}", ran.stdout);
        }
    }
    let ran = evaluate(&["inspect", CHECKPOINT, "--engine", "tract", "--format", "json"]);
    let json: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(json["contract"]["n_dims"], 1024);
    assert_eq!(json["engine"]["name"], "tract");
    assert!(json["parity"]["largest_difference"].as_f64().unwrap() < 1e-4);
}

#[test]
fn engines_are_listed() {
    let ran = evaluate(&["engines"]);
    assert_eq!(ran.status, 0);
    assert!(ran.stdout.contains("tract") && ran.stdout.contains("onnxruntime"), "{}", ran.stdout);
}

#[test]
fn auto_says_which_engine_it_took() {
    let ran = evaluate(&["inspect", CHECKPOINT]);
    assert!(ran.stderr.contains("engine: ONNX Runtime 1."), "{}", ran.stderr);
}

/// A library that the user named is used or refused, whatever else there is.
#[test]
fn a_named_library_is_never_passed_over() {
    let output = Command::cargo_bin("evaluate")
        .expect("built")
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("ORT_DYLIB_PATH", "Cargo.toml")
        .args(["inspect", CHECKPOINT])
        .output()
        .expect("it starts");
    let message = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{message}");
    assert!(message.contains("Cargo.toml") && message.contains("--engine tract"), "{message}");
}

#[test]
fn what_is_wrong_is_said_with_status_2() {
    let out = tempfile::tempdir().unwrap();
    let out = out.path().to_str().unwrap();
    let text_file = "Cargo.toml";
    let base = ["run", "--out", out, "--engine", "tract"];
    for (arguments, expected) in [
        (vec!["--model", "missing.onnx", "--data", IMAGES], "missing.onnx"),
        (vec!["--model", text_file, "--data", IMAGES], "not a usable ONNX model"),
        (vec!["--model", CHECKPOINT, "--data", "missing-images"], "missing-images"),
        (vec!["--model", CHECKPOINT, "--data", text_file], "IDX (plain or gzip), NPZ"),
        (vec!["--model", CHECKPOINT], "--data"),
        (vec!["missing.toml"], "missing.toml"),
        (vec![text_file], "unknown field"),
        (vec!["--model", CHECKPOINT, "--data", IMAGES, "--limit", "0"], "--limit"),
        (
            vec!["--model", CHECKPOINT, "--data", IMAGES, "--ood", IMAGES, "--limit", "9"],
            "names two data sets",
        ),
        (vec!["--model", CHECKPOINT, "--data", IMAGES, "--limit", "9"], "calibration images"),
        (vec!["--model", CHECKPOINT, "--data", IMAGES, "--set", "pad=3"], "expected 1x32x32"),
        (
            vec!["--model", CHECKPOINT, "--data", IMAGES, "--pairs", "900"],
            "interpolate.pairs = 900",
        ),
        (vec!["--model", CHECKPOINT, "--data", IMAGES, "--alphas", "1"], "--alphas"),
        (vec!["--model", CHECKPOINT, "--data", IMAGES, "--memory", "2GB"], "KiB, MiB or GiB"),
        (vec!["--model", CHECKPOINT, "--data", IMAGES, "--memory", "2KiB"], "less than one image"),
        (vec!["--model", CHECKPOINT, "--data", IMAGES, "--task", "gap"], "class_gap"),
        (
            vec!["--model", CHECKPOINT, "--data", IMAGES, "--false-alarm-rate", "1"],
            "between 0 and 1",
        ),
        (vec!["--model", CHECKPOINT, "--data", IMAGES, "--detectors", "missing"], "missing"),
        (vec!["--model", CHECKPOINT, "--data", IMAGES, "--device", "cuda"], "--engine ort"),
        (vec!["--model", CHECKPOINT, "--data", FASHION, "--labels", text_file], "IDX mark"),
    ] {
        let ran = evaluate(&[&base[..], &arguments].concat());
        assert_eq!(ran.status, 2, "{arguments:?}: {}", ran.stderr);
        assert!(ran.stderr.contains(expected), "{arguments:?}: {}", ran.stderr);
        assert!(!ran.stderr.contains("panicked"), "{arguments:?}: {}", ran.stderr);
    }
}

/// A file whose values are not those that it says the training framework gave is a failed
/// expectation, not a usage error. Here its tolerance is made smaller than float32 can keep.
#[test]
fn a_checkpoint_that_does_not_keep_its_word_has_status_1() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("strict.onnx");
    let mut bytes = fs::read(CHECKPOINT).unwrap();
    let (given, strict) = (b"0.0001", b"1.0e-9");
    let field = b"\"relative_tolerance\": ";
    let place =
        bytes.windows(field.len()).position(|window| window == field).unwrap() + field.len();
    assert_eq!(&bytes[place..place + given.len()], given);
    bytes[place..place + strict.len()].copy_from_slice(strict);
    fs::write(&path, &bytes).unwrap();
    let ran = evaluate(&["inspect", path.to_str().unwrap(), "--engine", "tract"]);
    assert_eq!(ran.status, 1, "{}", ran.stderr);
    let expected = "does not reproduce the checkpoint's parity vectors";
    assert!(ran.stderr.contains(expected), "{}", ran.stderr);
}
