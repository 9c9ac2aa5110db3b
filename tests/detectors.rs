//! The `counterexample detectors` and `counterexample objective` commands, from outside.

use serde_json::Value;
use std::process::{Command, Output};

fn counterexample(arguments: &str) -> Output {
    let arguments = arguments.split_whitespace();
    Command::new(env!("CARGO_BIN_EXE_counterexample")).args(arguments).output().unwrap()
}

fn stdout(arguments: &str) -> String {
    let output = counterexample(arguments);
    assert_eq!(output.status.code(), Some(0), "{arguments}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn json(arguments: &str) -> Value {
    serde_json::from_str(&stdout(&format!("{arguments} --format json"))).unwrap()
}

fn detector<'a>(report: &'a Value, name: &str) -> &'a Value {
    let detectors = report["detectors"].as_array().unwrap();
    detectors.iter().find(|detector| detector["detector"] == name).unwrap()
}

#[test]
fn detectors_evaded_and_detecting() {
    let report = json("detectors --d 500 --samples 20000");
    // lambda1 = 0.01 / (2 * 500 ln 1.1), lambda2 = lambda1 / 99; the ball holds half of their sum.
    let ball = 0.01 / (1000.0 * 0.1f64.ln_1p()) * (1.0 + 1.0 / 99.0) / 2.0;
    for (name, verdict, cost, auroc) in [
        ("density", "evaded", 1.0, ball / 2.0),
        ("joint", "evaded", 1.0, ball / 2.0),
        ("conditional", "evaded", 1.0, ball / 2.0),
        ("background_ratio", "evaded", 1.0, ball / 2.0),
        ("two_sided", "detected", ball, 1.0 - ball / 2.0),
        ("typical_set", "detected", ball, 1.0 - ball / 2.0),
        ("class_ratio", "detected", ball, 1.0 - ball / 2.0),
    ] {
        let detector = detector(&report, name);
        assert_eq!(detector["verdict"], verdict, "{name}");
        let close = |key: &str, want: f64| {
            let got = detector[key].as_f64().unwrap();
            assert!((got / want - 1.0).abs() < 1e-12, "{name}.{key}: {got}, not {want}");
        };
        close("cost", cost);
        close("auroc", auroc);
        let within = detector["detection_within_5_percent"].as_f64().unwrap();
        assert_eq!(within == 1.0, verdict == "detected", "{name}");
    }
    let least = report["ln_least_false_alarm"].as_f64().unwrap();
    assert!((least - ball.ln()).abs() < 1e-12); // 1 - 1.1^-500 is 1 to all digits
}

#[test]
fn sampled_rates_contain_the_exact_ones() {
    let report = json("detectors --d 94 --lambda1 0.3 --lambda2 0.1 --samples 50000 --seed 2");
    let mut compared = 0;
    for detector in report["detectors"].as_array().unwrap() {
        for threshold in detector["thresholds"].as_array().unwrap() {
            for key in ["false_alarm", "detection"] {
                let exact = threshold[key].as_f64().unwrap();
                let sampled = &threshold[format!("{key}_sampled")];
                let end = |name: &str| sampled[name].as_f64().unwrap();
                let inside = end("low") <= exact && exact <= end("high");
                assert!(inside, "{}: {key} {exact} {sampled}", detector["detector"]);
                compared += 1;
            }
        }
    }
    assert_eq!(compared, 2 * (6 * 4 + 3)); // the class ratio has one threshold less
}

/// Proposition 1 holds there, and the distance from the entropy does not give the attack away.
#[test]
fn a_thin_shell_evades_the_typical_set() {
    let arguments = "--d 100000 --shell 0.0001 --kl-epsilon 0.5 --delta 0.3 --samples 1000";
    assert!(stdout(arguments).contains("All 10 conditions are proved"));
    let report = json(&format!("detectors {arguments}"));
    assert_eq!(detector(&report, "typical_set")["verdict"], "evaded");
    assert_eq!(detector(&report, "two_sided")["verdict"], "detected");
}

#[test]
fn detectors_do_not_depend_on_threads() {
    let run = |threads| stdout(&format!("detectors --d 300 --samples 20000 --threads {threads}"));
    assert_eq!(run(1), run(2));
}

#[test]
fn detectors_as_csv() {
    let text = stdout("detectors --d 500 --samples 1000 --format csv");
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let header: Vec<_> = reader.headers().unwrap().iter().map(str::to_owned).collect();
    assert_eq!(header[..5], ["dim", "detector", "rejected", "false_alarm", "ln_false_alarm"]);
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    assert_eq!(rows.len(), 6 * 4 + 3);
    let report = json("detectors --d 500 --samples 1000");
    let ball = rows.iter().find(|row| &row[1] == "two_sided" && &row[2] == "ball").unwrap();
    assert_eq!(ball[3].parse::<f64>().ok(), detector(&report, "two_sided")["cost"].as_f64());
}

#[test]
fn tables_fit_a_terminal() {
    for arguments in [
        "detectors --d 500 --samples 1000",
        "detectors --d 1000000 --samples 1000",
        "objective --classes 100000 --delta 1e-300",
    ] {
        let table = stdout(arguments);
        let widest = table.lines().map(|line| line.chars().count()).max().unwrap();
        assert!(widest <= 100, "{widest} columns:\n{table}");
    }
}

#[test]
fn objective_in_every_unit() {
    let report = json("objective --classes 10 --bits-per-dim 3.53 --n-dims 3072 --delta 1e-5");
    assert_eq!(report, json("objective"), "the defaults are the paper's CIFAR10");
    let value = |name: &str, key: &str| {
        let quantities = report["quantities"].as_array().unwrap();
        let quantity = quantities.iter().find(|quantity| quantity["name"] == name).unwrap();
        quantity[key].as_f64().unwrap()
    };
    for (name, key, want) in [
        ("image", "bits", 10_844.16),
        ("image", "bits_per_dim", 3.53),
        ("label_uniform", "nats", 10f64.ln()),
        ("label_uniform", "decimal_digits", 1.0),
        ("label_uniform", "bits_per_dim", 10f64.log2() / 3072.0),
        ("label_confident", "nats", -(-1e-5f64).ln_1p()),
        ("margin", "nats", 899_991f64.ln()),
        ("margin_printed", "decimal_digits", 999_990f64.log10()),
        ("margin_printed", "share_of_image", 999_990f64.log2() / 10_844.16),
    ] {
        let got = value(name, key);
        assert!((got / want - 1.0).abs() < 1e-12, "{name}.{key}: {got}, not {want}");
    }
    let csv = stdout("objective --format csv");
    assert!(csv.starts_with("name,nats,bits,bits_per_dim,decimal_digits,share_of_image\nimage,"));
    assert_eq!(csv.lines().count(), 6);
}

#[test]
fn wrong_values_name_flag_and_inequality() {
    for (arguments, parts) in [
        ("detectors", ["--d", "required"]),
        ("detectors --d 0", ["--d 0", "1 <= d <= 1000000"]),
        ("detectors --d 100", ["--d 100", "175"]),
        ("detectors --d 500 --samples 0", ["--samples 0", "samples >= 1"]),
        ("detectors --d 500 --lambda1 1", ["--lambda1 1", "0 < lambda1 < 1"]),
        ("objective --classes 1", ["--classes", "1 is not in 2.."]),
        ("objective --n-dims 0", ["--n-dims", "0 is not in 1.."]),
        ("objective --bits-per-dim -1", ["--bits-per-dim -1", "0 < bits_per_dim < inf"]),
        ("objective --delta NaN", ["--delta NaN", "0 < delta < 1"]),
    ] {
        let output = counterexample(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments}");
        assert!(output.stdout.is_empty(), "{arguments}");
        let message = String::from_utf8(output.stderr).unwrap();
        for part in parts {
            assert!(message.contains(part), "`{arguments}` does not say {part}:\n{message}");
        }
    }
}
