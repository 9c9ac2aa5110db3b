//! `counterexample sweep`: its columns, its file that survives interruption, its figure, and what
//! it says when the question is wrong.

use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

fn command(arguments: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_counterexample"));
    command.args(arguments.split_whitespace());
    command
}

fn sweep(arguments: &str) -> Output {
    command(&format!("sweep {arguments}")).output().unwrap()
}

fn stdout(arguments: &str) -> String {
    let output = sweep(arguments);
    assert!(matches!(output.status.code(), Some(0 | 1)), "{arguments}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn rows(arguments: &str) -> Vec<Value> {
    serde_json::from_str(&stdout(&format!("{arguments} --format json"))).unwrap()
}

/// Standard error of a sweep that must fail with status 2 and print no result.
fn usage_error(arguments: &str) -> String {
    let output = sweep(arguments);
    assert_eq!(output.status.code(), Some(2), "{arguments}: {output:?}");
    assert!(output.stdout.is_empty(), "{arguments}");
    String::from_utf8(output.stderr).unwrap()
}

/// A number of the check of one dimension, beside the column that repeats it.
const SHARED: [(&str, &str, &str); 18] = [
    ("min_dim", "window", "min_dim"),
    ("ln_lambda1_min", "window", "ln_lambda1_min"),
    ("ln_lambda1_max", "window", "ln_lambda1_max"),
    ("ln_lambda1", "parameters", "ln_lambda1"),
    ("ln_lambda2", "parameters", "ln_lambda2"),
    ("kl_q_p_joint_nats", "kl", "q_p_joint_nats"),
    ("kl_p_q_joint_nats", "kl", "p_q_joint_nats"),
    ("kl_q_p_class0_bound_nats", "kl", "q_p_bound_nats"),
    ("kl_p_q_class0_bound_nats", "kl", "p_q_bound_nats"),
    ("ln_kl_q_p_joint_nats", "ln_kl", "q_p_joint_nats"),
    ("ln_kl_p_q_joint_nats", "ln_kl", "p_q_joint_nats"),
    ("ln_kl_q_p_class0_bound_nats", "ln_kl", "q_p_bound_nats"),
    ("ln_kl_p_q_class0_bound_nats", "ln_kl", "p_q_bound_nats"),
    ("ln_q_class0_in_ball", "posterior", "ln_q_class0_in_ball"),
    ("samples", "monte_carlo", "samples"),
    ("seed", "monte_carlo", "seed"),
    ("mean_l2", "monte_carlo", "mean_l2"),
    ("max_l2", "monte_carlo", "max_l2"),
];

#[test]
fn every_dimension_agrees_with_its_own_check() {
    let flags = "--shell 0.2 --kl-epsilon 0.05 --delta 0.02 --samples 2000 --seed 7";
    let rows = rows(&format!("--dims 100,1000,1000000 {flags}"));
    assert_eq!(rows.len(), 3);
    for row in rows {
        let check = command(&format!("--d {} {flags} --format json", row["dim"])).output().unwrap();
        let check: Value = serde_json::from_slice(&check.stdout).unwrap();
        for (column, group, key) in SHARED {
            assert!(!row[column].is_null(), "{column}");
            assert_eq!(row[column], check[group][key], "{column} at d = {}", row["dim"]);
        }
        let success = &check["monte_carlo"]["attack_success"];
        assert_eq!(row["attack_success"], success["estimate"]);
        assert_eq!(row["attack_success_low"], success["low"]);
        assert_eq!(row["attack_success_high"], success["high"]);
        assert_eq!(row["attack_success_confidence"], success["confidence"]);
        assert_eq!(row["attackable_mass"], check["attackable_mass"]);
        assert_eq!(row["not_proved"], "");
    }
}

/// Items 6 and 7 by hand: in high dimension only the outer spheres of the shell and of the
/// annulus count, each d / R, and a ball has the share of its volume of the unit ball's mass.
#[test]
fn items_6_and_7_agree_with_hand_calculation() {
    let row = &rows("--dims 1000 --samples 100")[0];
    let number = |column: &str| row[column].as_f64().unwrap();
    let close = |got: f64, want: f64| assert!((got - want).abs() < 1e-4, "{got} {want}");
    close(number("ln_total_variation_least_per_length"), (1000.0 / 3.0f64).ln());
    close(number("ln_total_variation_q_class0_per_length"), (1000.0 / 1.1f64).ln());
    let both = 500.0 * (1.0 / 1.1 + 1.0 / 3.0);
    close(number("ln_total_variation_q_per_length"), f64::ln(both));
    close(number("ln_total_variation_p_per_length"), f64::ln(both));
    let mass = (number("ln_lambda1").exp() + number("ln_lambda2").exp()) / 2.0;
    close(number("ln_mass_of_any_ball_p_bound"), 1000.0 * 0.1f64.ln() + mass.ln());
}

#[test]
fn columns_that_need_lambda1_are_empty_where_none_works() {
    let csv = stdout("--dims 100,200 --samples 100 --format csv");
    assert!(!csv.contains("NaN") && !csv.contains("inf"), "{csv}");
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    let header = reader.headers().unwrap().clone();
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    let empty = |row: usize| -> Vec<&str> {
        header
            .iter()
            .zip(&rows[row])
            .filter(|(_, cell)| cell.is_empty())
            .map(|(name, _)| name)
            .collect()
    };
    assert_eq!(empty(1), ["lambda1_given", "not_proved"]);
    assert_eq!(empty(0).len(), 27, "{:?}", empty(0));
    for known in ["ln_lambda1_min", "min_dim", "ln_total_variation_least_per_length"] {
        assert!(!empty(0).contains(&known), "{known}");
    }
    let given = &self::rows("--dims 100 --samples 100 --lambda1 0.001")[0];
    assert!(given["mean_l2"].is_f64());
    assert_eq!(given["not_proved"], "2 3");
}

#[test]
fn exit_status_says_whether_all_that_was_tested_is_proved() {
    let status = |arguments: &str| sweep(arguments).status.code().unwrap();
    assert_eq!(status("--dims 10..100000 --points 8 --samples 100"), 0);
    assert_eq!(status("--dims 10 --samples 100"), 0);
    assert_eq!(status("--dims 100,500 --lambda1 0.0001 --samples 100"), 1);
}

#[test]
fn threads_do_not_change_a_byte() {
    let run = |threads| {
        stdout(&format!(
            "--dims 50..5000 --points 9 --samples 3000 --format csv --threads {threads}"
        ))
    };
    assert_eq!(run(1), run(3));
}

#[test]
fn a_family_holds_each_of_its_sweeps() {
    let family = rows("--dims 200,400 --vary delta=0.1,0.01 --samples 500");
    let single = rows("--dims 200,400 --delta 0.01 --samples 500");
    assert_eq!(family.len(), 4);
    assert_eq!(family[..2], single[..]);
    assert_eq!(family[2]["delta"], 0.1);
}

#[test]
fn tables_fit_a_terminal_and_leave_cells_empty() {
    let table = stdout("--dims 10..1000000 --points 25 --samples 1000 --vary shell=0.001,0.1");
    for part in ["shell = 0.001", "shell = 0.1", "KL(q, p)", "fooled", "open from d = 175", "e^-"] {
        assert!(table.contains(part), "{part} is missing:\n{table}");
    }
    let widest = table.lines().map(|line| line.chars().count()).max().unwrap();
    assert!(widest <= 100, "{widest} columns");
    assert!(!table.contains("NaN") && !table.contains("inf"));
}

const SMALL: &str = "--dims 10..10000 --points 12 --samples 300";

#[test]
fn an_interrupted_file_is_completed_to_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sweep.csv");
    let run = || stdout(&format!("{SMALL} --format csv --csv {}", path.display()));
    let printed = run();
    let finished = fs::read(&path).unwrap();
    assert_eq!(String::from_utf8_lossy(&finished), printed);
    let second_row = printed.match_indices('\n').nth(1).unwrap().0 + 1;
    let cuts = (0..12).map(|i| i * finished.len() / 12);
    for length in cuts.chain([1, second_row - 1, second_row, second_row + 1, finished.len() - 1]) {
        fs::write(&path, &finished[..length]).unwrap();
        assert_eq!(run(), printed, "{length} bytes");
        assert_eq!(fs::read(&path).unwrap(), finished, "{length} bytes");
    }
}

/// Kills a running sweep once it has written a few rows.
fn kill_midway(child: &mut Child, path: &Path) {
    for _ in 0..6000 {
        let lines = fs::read_to_string(path).map_or(0, |text| text.lines().count());
        if lines >= 3 {
            break;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    child.kill().unwrap(); // SIGKILL where there are signals
    child.wait().unwrap();
}

#[test]
fn a_killed_sweep_is_continued() {
    let folder = tempfile::tempdir().unwrap();
    let [killed, whole] = ["killed.csv", "whole.csv"].map(|name| folder.path().join(name));
    let arguments = "sweep --dims 200..2000 --points 12 --samples 1000000 --threads 2 --csv";
    let mut child = command(arguments).arg(&killed).stdout(Stdio::null()).spawn().unwrap();
    kill_midway(&mut child, &killed);
    let left = fs::read(&killed).unwrap();
    assert!(command(arguments).arg(&whole).output().unwrap().status.success());
    let finished = fs::read(&whole).unwrap();
    assert!(left.len() < finished.len() && finished.starts_with(&left), "not interrupted");
    assert!(command(arguments).arg(&killed).output().unwrap().status.success());
    assert_eq!(fs::read(&killed).unwrap(), finished);
}

#[test]
fn a_file_made_otherwise_is_refused_and_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sweep.csv");
    let file = path.display();
    stdout(&format!("{SMALL} --csv {file}"));
    let finished = fs::read(&path).unwrap();
    for (arguments, parts) in [
        ("--dims 10..10000 --points 12 --samples 301", ["samples 300", "301"]),
        ("--dims 10..10000 --points 12 --samples 300 --seed 1", ["seed 0", "1"]),
        ("--dims 10..10000 --points 12 --samples 300 --shell 0.2", ["shell 0.1", "0.2"]),
        ("--dims 10..10000 --points 12 --samples 300 --delta 0.1", ["delta 0.01", "0.1"]),
        ("--dims 10..10000 --points 12 --samples 300 --lambda1 0.1", ["lambda1_given none", "0.1"]),
        ("--dims 10,11,12,13 --samples 300", ["line 3", "dim 19"]),
        ("--dims 10,19 --samples 300", ["line 4", "more than this one asks for"]),
    ] {
        let message = usage_error(&format!("{arguments} --csv {file}"));
        for part in parts.iter().chain(&["Name another file"]) {
            assert!(message.contains(part), "`{arguments}` does not say {part}:\n{message}");
        }
        assert_eq!(fs::read(&path).unwrap(), finished);
    }
}

/// The names of all elements, after checking that each one that opens is closed in its place.
fn elements(svg: &str) -> Vec<String> {
    let (mut open, mut all) = (Vec::new(), Vec::new());
    for tag in svg.split('<').skip(1) {
        let (tag, _) = tag.split_once('>').expect("every < has its >");
        let name = tag.split_whitespace().next().unwrap_or_default().trim_end_matches('/');
        if tag.starts_with(['?', '!']) {
            continue;
        }
        if let Some(name) = name.strip_prefix('/') {
            assert_eq!(open.pop().as_deref(), Some(name), "in {tag}");
        } else {
            all.push(name.to_string());
            if !tag.ends_with('/') {
                open.push(name.to_string());
            }
        }
    }
    assert!(open.is_empty(), "left open: {open:?}");
    all
}

#[test]
fn figures_are_whole_labelled_and_refer_to_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sweep.svg");
    for (arguments, parts) in [
        ("--dims 10..100000 --points 20", vec!["shell = 0.1", "d = 175", "kl-epsilon", "10⁵"]),
        (
            "--dims 10,200 --vary shell=0.05,0.1",
            vec!["shell = 0.05: d ≥ 341", "shell = 0.1: d ≥ 175"],
        ),
        ("--dims 10,20 --shell 1e-300", vec!["shell = 1e-300"]),
        ("--dims 10,20 --lambda1 0.9 --delta 0.4", vec!["delta = 0.4"]),
    ] {
        stdout(&format!("{arguments} --samples 100 --plot {}", path.display()));
        let svg = fs::read_to_string(&path).unwrap();
        let elements = elements(&svg);
        assert_eq!(elements[0], "svg");
        assert!(!elements.iter().any(|name| name == "image" || name == "script"));
        assert!(!svg.contains("href") && !svg.contains("@import"), "{arguments}");
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{arguments}");
        let always =
            ["Total variation", "d/3", "dimension d", "nats", "1/length", "1/3, as claimed"];
        for part in always.iter().chain(&parts) {
            assert!(svg.contains(part), "`{arguments}` lacks {part}");
        }
    }
}

#[test]
fn wrong_questions_are_answered_with_what_is_right() {
    for (arguments, parts) in [
        ("", ["--dims", "required"]),
        ("--dims ten", ["10..100000", "10,100,1000"]),
        ("--dims 100..10", ["100 is not below 10", "--dims"]),
        ("--dims 0,5", ["--dims 0", "1 <= d <= 1000000"]),
        ("--dims 10..2000000", ["--dims 2000000", "1 <= d <= 1000000"]),
        ("--dims 10..100 --points 1", ["--points", "1"]),
        ("--dims 9 --shell 1", ["--shell 1", "0 < shell < 1"]),
        ("--dims 9 --kl-epsilon nan", ["--kl-epsilon NaN", "0 < kl_epsilon < inf"]),
        ("--dims 9 --delta -0.5", ["--delta -0.5", "0 < delta < 1"]),
        ("--dims 9 --lambda1 1", ["--lambda1 1", "0 < lambda1 < 1"]),
        ("--dims 9 --lambda1 0.5 --delta 0.9", ["lambda2", "smaller lambda1 or delta"]),
        ("--dims 9 --samples 0", ["--samples 0", "samples >= 1"]),
        ("--dims 9 --vary colour=1", ["colour", "shell, kl-epsilon, delta"]),
        ("--dims 9 --vary shell=0.1,2", ["--vary shell=2", "0 < shell < 1"]),
        ("--dims 9 --vary shell=0.1 --shell 0.2", ["--shell", "exclude each other"]),
        ("--dims 9,10 --plot a.png", ["a.png", "rsvg-convert"]),
        ("--dims 9 --plot a.svg", ["--plot", "two dimensions"]),
        ("--dims 9 --csv /nowhere/a.csv", ["/nowhere/a.csv", "No such file"]),
        ("--dims 9 --d 3", ["--d", "unexpected"]),
    ] {
        let message = usage_error(arguments);
        for part in parts {
            assert!(message.contains(part), "`{arguments}` does not say {part}:\n{message}");
        }
    }
}
