//! `evaluate plan`, and runs of suites with several data sets, on the embedded engine.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use assert_cmd::cargo::CommandCargoExt;

fn evaluate(arguments: &[&str]) -> Output {
    let mut evaluate = Command::cargo_bin("evaluate").expect("built");
    evaluate.current_dir(env!("CARGO_MANIFEST_DIR")).args(arguments);
    evaluate.output().expect("it starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn succeed(arguments: &[&str]) -> Output {
    let output = evaluate(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
    output
}

/// What stands in both suites below but for models and data.
const SETTINGS: &str = r#"
[synthetic]
images = 10
[threshold]
false_alarm_rate = 0.2
[interpolate]
pairs = 3
alphas = 4
[[attack]]
method = "boundary"
images = 3
steps = 6
"#;

const DIGITS: [&str; 2] = ["glow-mnist-reweight-small", "mnist"];
const BACKGROUNDS: [&str; 2] = ["glow-bg-mnist-0-reweight-small", "bg-mnist-0"];

fn model([model, data]: [&str; 2], more: &str) -> String {
    let root = env!("CARGO_MANIFEST_DIR");
    format!("[[model]]\npath = \"{root}/onnx/checkpoints/{model}.onnx\"\ndata = \"{data}\"\n{more}")
}

fn data(table: &str, name: &str) -> String {
    let root = env!("CARGO_MANIFEST_DIR");
    format!(
        "{table}\nname = \"{name}\"\nlimit = 60\n\
         images = \"{root}/onnx/data/{name}-t10k-500-images-idx3-ubyte.gz\"\n"
    )
}

fn write(folder: &Path, parts: &[String]) -> PathBuf {
    let path = folder.join("suite.toml");
    fs::write(&path, format!("name = \"both\"\n{}{SETTINGS}", parts.concat())).unwrap();
    path
}

/// Two models on two data sets: one has other data and a threshold of its own.
fn both(folder: &Path) -> PathBuf {
    write(
        folder,
        &[
            model(DIGITS, ""),
            model(BACKGROUNDS, "threshold = { bits_per_dim = 6.0 }\n"),
            data("[[data]]", "mnist"),
            data("[[data]]", "bg-mnist-0"),
            data("[[data.out_of_distribution]]", "bg-mnist-5"),
            data("[[out_of_distribution]]", "fashion-mnist"),
        ],
    )
}

fn run(suite: &Path, out: &Path, more: &[&str]) -> Output {
    let paths = [suite.to_str().unwrap(), "--out", out.to_str().unwrap()];
    let engine = ["--engine", "tract", "--batch-size", "8"];
    succeed(&[&["run"], &paths[..], &engine, more].concat())
}

/// Files of a run whose rows are told apart by the model's name.
const FILES: [&str; 6] =
    ["results.csv", "samples.csv", "class_gap.csv", "path_points.csv", "attacks.csv", "roc.csv"];

/// A suite of two data sets is, to the byte, the two suites of one that it replaces; shards and merge
/// give the same, and the report shows both.
#[test]
fn several_data_sets_are_as_one_suite_each() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let suite = both(folder.path());
    let page = text(&run(&suite, &at("both"), &[]).stdout);
    for (name, parts) in [
        (
            "digits",
            vec![
                model(DIGITS, ""),
                data("[data]", "mnist"),
                data("[[out_of_distribution]]", "fashion-mnist"),
            ],
        ),
        (
            "backgrounds",
            vec![
                model(BACKGROUNDS, "threshold = { bits_per_dim = 6.0 }\n"),
                data("[data]", "bg-mnist-0"),
                data("[[out_of_distribution]]", "fashion-mnist"),
                data("[[out_of_distribution]]", "bg-mnist-5"),
            ],
        ),
    ] {
        fs::create_dir(at(name)).unwrap();
        let single = write(&at(name), &parts);
        let single_page = text(&run(&single, &at(name).join("out"), &[]).stdout);
        // Up to the time that an attack took.
        let table = single_page.split("Attacks").next().unwrap();
        assert!(page.contains(table), "{table}\nis not in\n{page}");
    }
    for file in FILES {
        let read = |out: PathBuf| fs::read_to_string(out.join(file)).expect(file);
        let second = read(at("backgrounds").join("out"));
        let (_, second) = second.split_once('\n').unwrap();
        let expected = read(at("digits").join("out")) + second;
        assert!(read(at("both")) == expected, "{file}");
    }

    let parts = ["1/2", "2/2"].map(|shard| {
        let part = at(&format!("part-{}", &shard[..1]));
        run(&suite, &part, &["--shard", shard]);
        part.to_str().unwrap().to_owned()
    });
    let merged = at("merged");
    let arguments = ["merge", suite.to_str().unwrap(), &parts[0], &parts[1], "--out"];
    succeed(&[&arguments[..], &[merged.to_str().unwrap()]].concat());
    for file in FILES.iter().chain(&["run.json"]) {
        let [one, other] =
            [at("both"), merged.clone()].map(|out| fs::read_to_string(out.join(file)).unwrap());
        assert!(one == other, "{file} of the merged run differs");
    }

    let record: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(merged.join("run.json")).unwrap()).unwrap();
    assert_eq!(record["data"][1]["out_of_distribution"][0]["name"], "bg-mnist-5");
    assert_eq!(record["out_of_distribution"].as_array().unwrap().len(), 1);
    assert_eq!(record["models"][1]["threshold"], "log p(x) at 6 bits/dim");
    succeed(&["report", merged.to_str().unwrap()]);
    let report = fs::read_to_string(merged.join("report.html")).unwrap();
    for part in ["mnist, bg-mnist-0", "each model's own", "log p(x) at 6 bits/dim"] {
        assert!(report.contains(part) || report.contains(&part.replace('\'', "&#39;")), "{part}");
    }
}

/// The numbers of a table's row, by the column's title.
fn row(page: &str, title: &str, first: &str) -> BTreeMap<String, String> {
    let (_, table) = page.split_once(title).unwrap_or_else(|| panic!("no {title} in {page}"));
    let mut lines = table.lines().skip(1);
    let cells = |line: &str| -> Vec<String> {
        let parts = line.split("  ").map(str::trim).filter(|part| !part.is_empty());
        parts.map(str::to_owned).collect()
    };
    let header = cells(lines.next().unwrap());
    let line = lines.find(|line| line.trim_start().starts_with(first));
    let values = cells(line.unwrap_or_else(|| panic!("no {first} in {page}")));
    assert_eq!(header.len(), values.len(), "{page}");
    header.into_iter().zip(values).collect()
}

fn number(text: &str) -> u64 {
    text.replace(',', "").parse().unwrap_or_else(|_| panic!("{text} is no number"))
}

/// What is planned is what is done.
#[test]
fn a_plan_counts_what_a_run_does() {
    let folder = tempfile::tempdir().unwrap();
    let (suite, out) = (both(folder.path()), folder.path().join("out"));
    let suite_text = suite.to_str().unwrap();
    let plan = ["plan", suite_text, "--engine", "tract", "--batch-size", "8"];
    let plan = text(&succeed(&plan).stdout);
    let longest = plan.lines().map(|line| line.chars().count()).max().unwrap();
    assert!(longest <= 97, "a line of {longest} columns in\n{plan}");
    run(&suite, &out, &[]);
    let lines = |file: &str, model: &str| {
        let text = fs::read_to_string(out.join(file)).unwrap();
        text.lines().filter(|line| line.starts_with(model)).count() as u64
    };
    for [model, data] in [DIGITS, BACKGROUNDS] {
        let work = row(&plan, "Work: ", model);
        assert_eq!(work["data"], data);
        assert_eq!(number(&work["images"]), lines("samples.csv", model));
        assert_eq!(number(&work["points"]), lines("path_points.csv", model));
        let attack = row(&plan, "Attacks by", model);
        assert_eq!(attack["attack"], "boundary");
        assert_eq!(number(&attack["images"]), lines("attacks.csv", model));
        assert_eq!(number(&attack["each"]), 6);
        let all = number(&work["images"]) + number(&work["points"]) + 3 * 6;
        assert_eq!((number(&work["forward"]), number(&work["gradient"])), (all, 0));
        let time =
            row(&plan, "and the time that follows: without attacks, and of attacks at most", model);
        let milliseconds: f64 = time["forward"].parse().unwrap();
        assert!(milliseconds > 0.0 && time["gradient"] == "-" && time["batch"] == "8");
    }
    assert!(plan.contains("Total: "), "{plan}");
    // Options change the plan as they change the run.
    let less = ["plan", suite_text, "--engine", "tract", "--task", "classify", "--limit", "9"];
    let less = text(&succeed(&less).stdout);
    let work = row(&less, "Work: ", DIGITS[0]);
    assert_eq!((number(&work["images"]), number(&work["points"])), (9, 0));
    assert!(!less.contains("Attacks by") && !less.contains("with them at most"), "{less}");
}

/// The demo needs gradients: they are measured too.
#[test]
fn the_demo_is_planned_with_gradients() {
    let plan = text(&succeed(&["plan", "onnx/suites/demo.toml", "--engine", "tract"]).stdout);
    let time = row(
        &plan,
        "and the time that follows: without attacks, and of attacks at most",
        "glow-mnist-reweight-small",
    );
    for column in ["forward", "gradient", "MiB"] {
        assert!(time[column].parse::<f64>().unwrap() > 0.0, "{column} in {plan}");
    }
    let work = row(&plan, "Work: ", "glow-mnist-reweight-small");
    assert_eq!(number(&work["gradient"]), 8 * 20);
}

/// Models that cannot be run are named, each with its reason, beside the plan of the others.
#[test]
fn what_cannot_be_run_is_said_with_status_1() {
    let folder = tempfile::tempdir().unwrap();
    let broken = folder.path().join("broken.onnx");
    fs::write(&broken, "no model").unwrap();
    let bare = format!("[[model]]\npath = \"{}\"\ndata = \"mnist\"\n", broken.display());
    let suite = write(
        folder.path(),
        &[
            bare,
            model(DIGITS, ""),
            model(DIGITS, ""),
            model(["glow-cifar10-jpeg75-split-small", "mnist"], ""),
            data("[data]", "mnist"),
        ],
    );
    let output = evaluate(&["plan", suite.to_str().unwrap(), "--engine", "tract"]);
    let (page, error) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(error.contains("3 of 4 models cannot be run, see above"), "{error}");
    assert_eq!(row(&page, "Work: ", DIGITS[0])["data"], "mnist");
    let (_, refused) = page.split_once("Cannot be run\n").expect(&page);
    for part in ["broken.onnx: ", "not a usable ONNX model", "contract = { name", "3x32x32"] {
        assert!(refused.contains(part), "{part} is not in {refused}");
    }
    assert_eq!(refused.lines().count(), 3, "{refused}");
    // A suite that is none is a usage error.
    fs::write(&suite, "name = 1").unwrap();
    assert_eq!(evaluate(&["plan", suite.to_str().unwrap()]).status.code(), Some(2));
}

/// Every line of progress says how far all models are; in the end all work is done.
#[test]
fn progress_says_how_far_the_whole_is() {
    let folder = tempfile::tempdir().unwrap();
    let (suite, out) = (both(folder.path()), folder.path().join("out"));
    let output = run(&suite, &out, &["--progress", "json"]);
    let lines: Vec<serde_json::Value> = text(&output.stderr)
        .lines()
        .filter(|line| line.starts_with('{'))
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let figure = |line: &serde_json::Value, name: &str| line[name].as_u64().expect(name);
    for pair in lines.windows(2) {
        let [before, after] = [&pair[0], &pair[1]].map(|line| figure(line, "overall_done"));
        assert!(before <= after, "{pair:?}");
    }
    for line in &lines {
        assert!(figure(line, "overall_done") <= figure(line, "overall_of"), "{line}");
        assert_eq!(figure(line, "failures"), 0);
    }
    let (first, last) = (&lines[0], &lines[lines.len() - 1]);
    assert_eq!(
        (first["event"].as_str(), last["event"].as_str()),
        (Some("started"), Some("finished"))
    );
    // Three images are attacked in each model, as was expected: the whole is known from the start.
    assert_eq!(figure(first, "overall_of"), figure(last, "overall_of"));
    assert_eq!(figure(last, "overall_done"), figure(last, "overall_of"));
    let finished = lines.iter().filter(|line| line["event"] == "finished");
    let finished: Vec<_> = finished.map(|line| line["model"].as_str().unwrap()).collect();
    assert_eq!(finished, [DIGITS[0], BACKGROUNDS[0]]);
}

/// A model that fails is counted, and its work is no longer expected.
#[test]
fn progress_counts_failures() {
    let folder = tempfile::tempdir().unwrap();
    let suite = write(
        folder.path(),
        &[
            model(["glow-cifar10-jpeg75-split-small", "mnist"], ""),
            model(DIGITS, ""),
            data("[data]", "mnist"),
        ],
    );
    let out = folder.path().join("out");
    let arguments = ["run", suite.to_str().unwrap(), "--out", out.to_str().unwrap()];
    let more = ["--engine", "tract", "--progress", "json", "--task", "classify"];
    let output = evaluate(&[&arguments[..], &more].concat());
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    let last = stderr.lines().rfind(|line| line.starts_with('{')).expect(&stderr);
    let last: serde_json::Value = serde_json::from_str(last).unwrap();
    assert_eq!((last["failures"].as_u64(), last["overall_done"].as_u64()), (Some(1), Some(60)));
    assert_eq!(last["overall_of"], last["overall_done"]);
}
