//! The command line: exit status, keys, formats, and what it says when the question is wrong.

use serde_json::Value;
use std::process::{Command, Output};

fn counterexample(arguments: &str) -> Output {
    let arguments = arguments.split_whitespace();
    Command::new(env!("CARGO_BIN_EXE_counterexample")).args(arguments).output().unwrap()
}

fn status(arguments: &str) -> i32 {
    counterexample(arguments).status.code().unwrap()
}

fn json(arguments: &str) -> Value {
    let output = counterexample(&format!("{arguments} --format json"));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Standard error of a command that must fail with status 2 and print no result.
fn usage_error(arguments: &str) -> String {
    let output = counterexample(arguments);
    assert_eq!(output.status.code(), Some(2), "{arguments}");
    assert!(output.stdout.is_empty(), "{arguments}");
    String::from_utf8(output.stderr).unwrap()
}

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

#[test]
fn exit_status_says_whether_all_is_proved() {
    assert_eq!(status("--d 500"), 0);
    assert_eq!(status("--d 175 --samples 1000"), 0);
    assert_eq!(status("--d 1000000 --samples 1000"), 0);
    assert_eq!(status("--d 45282 --shell 0.001 --kl-epsilon 1e-6 --delta 1e-6 --samples 10"), 0);
    assert_eq!(status("--d 500 --lambda1 0.4 --samples 1000"), 1);
    assert_eq!(status("--d 1 --lambda1 0.01 --samples 1000"), 1);
    assert_eq!(status("--d 500 --delta 0.5 --samples 1000"), 1);
    assert_eq!(status("--d 100"), 2);
    assert_eq!(status("--help"), 0);
}

#[test]
fn json_has_the_promised_keys() {
    let report = json("--d 500 --samples 20000");
    let kl = [
        "p_q_bound_nats",
        "p_q_class0_nats",
        "p_q_joint_nats",
        "q_p_bound_nats",
        "q_p_class0_nats",
        "q_p_joint_nats",
    ];
    assert_eq!(keys(&report["kl"]), kl);
    assert_eq!(keys(&report["ln_kl"]), kl);
    for (group, promised) in [
        ("parameters", "dim shell kl_epsilon delta ln_lambda1 ln_lambda2"),
        ("window", "ln_lambda1_min ln_lambda1_max min_dim"),
        ("posterior", "p_class0_in_ball q_class0_in_ball"),
        ("monte_carlo", "sampler samples attack_success mean_l2 max_l2"),
    ] {
        for key in promised.split_whitespace() {
            assert!(!report[group][key].is_null(), "{group}.{key}");
        }
    }
    assert_eq!(
        keys(&report["monte_carlo"]["attack_success"]),
        ["confidence", "estimate", "high", "low"]
    );
    let conditions = report["conditions"].as_array().unwrap();
    let ids: Vec<_> = conditions.iter().map(|c| c["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["kl_q_p", "kl_p_q", "probability", "1", "2", "3", "4", "5", "6", "7"]);
    for condition in conditions {
        assert_eq!(keys(condition), ["claim", "id", "limit", "value", "verdict"]);
        assert_eq!(condition["verdict"], "proved");
    }
}

#[test]
fn json_values_agree_with_hand_calculation() {
    let report = json("--d 500 --samples 200000");
    let number = |group: &str, key: &str| report[group][key].as_f64().unwrap();
    let close = |got: f64, want: f64| assert!((got / want - 1.0).abs() < 1e-12, "{got} {want}");
    // The defaults: half the window's upper end, lambda2 = delta / (1 - delta) lambda1.
    let ln1 = (0.01 / (500.0 * 0.1f64.ln_1p())).ln() - 2f64.ln();
    close(number("parameters", "ln_lambda1"), ln1);
    close(number("parameters", "ln_lambda2"), ln1 - 99f64.ln());
    close(number("window", "ln_lambda1_max"), ln1 + 2f64.ln());
    close(number("window", "ln_lambda1_min"), 2.0 * 99f64.ln() - 500.0 * 0.1f64.ln_1p());
    assert_eq!(report["window"]["min_dim"], 175);
    close(number("posterior", "p_class0_in_ball"), 0.99);
    // (1 + shell)^-d is 2e-21, so KL(q, p) is its bound to all digits.
    close(number("kl", "q_p_class0_nats"), -(-ln1.exp()).ln_1p());
    close(number("kl", "q_p_joint_nats"), -(-ln1.exp()).ln_1p() / 2.0);
    close(number("kl", "p_q_bound_nats"), 0.005);
    let mass = report["attackable_mass"].as_f64().unwrap();
    close(mass, (1.0 - ln1.exp()) / 2.0);
    let success = &report["monte_carlo"]["attack_success"];
    assert!(success["low"].as_f64().unwrap() < mass && mass < success["high"].as_f64().unwrap());
    assert_eq!(success["confidence"], 0.99);
}

#[test]
fn logarithms_do_not_underflow() {
    let report = json("--d 1000000 --lambda1 1e-300 --samples 100");
    for (key, ln) in report["ln_kl"].as_object().unwrap() {
        let value = report["kl"][key].as_f64().unwrap().ln();
        assert!((value / ln.as_f64().unwrap() - 1.0).abs() < 1e-12, "{key}");
    }
    let q = report["posterior"]["ln_q_class0_in_ball"].as_f64().unwrap();
    assert!((-95_310.0..-94_000.0).contains(&q), "{q}");
    assert_eq!(report["posterior"]["q_class0_in_ball"], 0.0);
}

#[test]
fn threads_and_repetition_do_not_change_a_byte() {
    let run = |arguments| counterexample(arguments).stdout;
    let one = run("--d 300 --samples 20000 --seed 3 --threads 1 --format json");
    assert_eq!(one, run("--d 300 --samples 20000 --seed 3 --threads 2 --format json"));
    assert_eq!(one, run("--d 300 --samples 20000 --seed 3 --format json"));
    assert_ne!(one, run("--d 300 --samples 20000 --seed 4 --format json"));
}

#[test]
fn vector_sampler_answers_the_same_question() {
    let report = json("--d 200 --samples 5000 --sampler vector");
    assert_eq!(report["monte_carlo"]["sampler"], "vector");
    let success = &report["monte_carlo"]["attack_success"];
    let mass = report["attackable_mass"].as_f64().unwrap();
    assert!(success["low"].as_f64().unwrap() < mass && mass < success["high"].as_f64().unwrap());
}

#[test]
fn csv_holds_every_number_of_the_json() {
    let report = json("--d 200 --samples 1000");
    let output = counterexample("--d 200 --samples 1000 --format csv").stdout;
    let mut reader = csv::Reader::from_reader(output.as_slice());
    let header: Vec<_> = reader.headers().unwrap().iter().map(str::to_owned).collect();
    assert_eq!(header, ["group", "name", "value", "low", "high", "limit", "verdict"]);
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    let cell = |group: &str, name: &str, column: usize| {
        let row = rows.iter().find(|row| &row[0] == group && &row[1] == name).unwrap();
        row[column].to_owned()
    };
    for (group, name) in [("kl", "q_p_joint_nats"), ("ln_kl", "p_q_bound_nats")] {
        assert_eq!(cell(group, name, 2), report[group][name].to_string());
    }
    let low = &report["monte_carlo"]["attack_success"]["low"];
    assert_eq!(cell("monte_carlo", "attack_success", 3), low.to_string());
    assert_eq!(cell("conditions", "3", 6), "proved");
}

#[test]
fn table_fits_a_terminal_and_shows_every_part() {
    let table = String::from_utf8(counterexample("--d 1000000 --samples 1000").stdout).unwrap();
    for part in ["Parameters", "Proposition 1", "KL(q, p)", "unit ball", "99 % interval", "proved"]
    {
        assert!(table.contains(part), "{part} is missing:\n{table}");
    }
    let widest = table.lines().map(|line| line.chars().count()).max().unwrap();
    assert!(widest <= 100, "{widest} columns");
}

#[test]
fn infeasible_dimension_says_what_works() {
    let message = usage_error("--d 100");
    for part in ["--d 100", "-0.340", "-6.859", "175", "counterexample --d 175\n"] {
        assert!(message.contains(part), "{part} is missing:\n{message}");
    }
    let message = usage_error("--d 20 --shell 0.5 --delta 0.001");
    let command = message.lines().find_map(|line| line.trim().strip_prefix("counterexample "));
    assert_eq!(status(&format!("{} --samples 1000", command.unwrap())), 0, "{message}");
    assert!(usage_error("--d 3 --shell 1e-9").contains("above the limit 1000000"));
    assert!(usage_error("--d 3 --shell 1e-300").contains("No dimension works"));
}

#[test]
fn wrong_values_name_flag_value_and_inequality() {
    for (arguments, parts) in [
        ("--d 0", ["--d 0", "1 <= d <= 1000000"]),
        ("--d 1000001", ["--d 1000001", "1 <= d <= 1000000"]),
        ("--d 500 --shell 1", ["--shell 1", "0 < shell < 1"]),
        ("--d 500 --shell NaN", ["--shell NaN", "0 < shell < 1"]),
        ("--d 500 --shell -0.1", ["--shell -0.1", "0 < shell < 1"]),
        ("--d 500 --kl-epsilon inf", ["--kl-epsilon inf", "0 < kl_epsilon < inf"]),
        ("--d 500 --delta 0", ["--delta 0", "0 < delta < 1"]),
        ("--d 500 --lambda1 1", ["--lambda1 1", "0 < lambda1 < 1"]),
        ("--d 500 --lambda1 nan", ["--lambda1 NaN", "0 < lambda1 < 1"]),
        ("--d 500 --lambda2 -1e-9", ["--lambda2 -1e-9", "0 < lambda2 < 1"]),
        ("--d 500 --samples 0", ["--samples 0", "samples >= 1"]),
        ("--d 500 --threads 0", ["--threads", "0 is not in 1.."]),
        ("--d 500 --lambda1 0.5 --delta 0.9", ["lambda2", "0 < lambda2 < 1"]),
        ("--d 9 --lambda1 0.5 --shell 1e-12 --sampler vector", ["shell", "--sampler radial"]),
        ("--d x", ["--d", "x"]),
        ("--d 500 --format xml", ["--format", "xml"]),
        ("", ["--d", "required"]),
    ] {
        let message = usage_error(arguments);
        for part in parts {
            assert!(message.contains(part), "`{arguments}` does not say {part}:\n{message}");
        }
    }
}

/// Valid but extreme: numbers, no NaN, no panic. JSON cannot hold anything else.
#[test]
fn extreme_parameters_are_answered() {
    for arguments in [
        "--d 1 --shell 1e-300 --lambda1 0.5",
        "--d 1000000 --shell 0.9999999999999999 --lambda1 5e-324 --lambda2 5e-324",
        "--d 1 --lambda1 0.9999999999999999 --lambda2 0.9999999999999999",
        "--d 1000000 --kl-epsilon 1e-300",
        "--d 1000000 --kl-epsilon 1e300 --delta 1e-300",
        "--d 2 --shell 0.5 --lambda1 0.4444444444444444 --lambda2 0.1",
    ] {
        let output = counterexample(&format!("{arguments} --samples 1000 --format json"));
        assert!(matches!(output.status.code(), Some(0 | 1)), "{arguments}: {output:?}");
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        for (key, ln) in report["ln_kl"].as_object().unwrap() {
            assert!(ln.as_f64().is_some_and(f64::is_finite), "{arguments}: {key} is {ln}");
        }
        assert_eq!(report["monte_carlo"]["samples"], 1000);
    }
}

/// The exported q is a checkpoint that `evaluate` opens, its parity vectors checked, in any
/// dimension.
#[test]
fn an_exported_model_keeps_the_contract() {
    let folder = tempfile::tempdir().unwrap();
    for (dim, parameters) in [(500, ""), (3, "--lambda1 0.1 --lambda2 0.05"), (1, "--lambda1 0.3")]
    {
        let path = folder.path().join(format!("{dim}.onnx"));
        let out = path.to_str().unwrap();
        assert_eq!(status(&format!("export-onnx --d {dim} {parameters} --out {out}")), 0);
        let inspect = ["inspect", out, "--engine", "tract", "--format", "json"];
        let output = Command::new(env!("CARGO_BIN_EXE_evaluate")).args(inspect).output().unwrap();
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(0), "{report}");
        assert_eq!(report["contract"]["n_dims"], dim);
        assert_eq!(report["parity"]["largest_difference"], 0.0);
    }
    let text = usage_error("export-onnx --d 500 --out no/such/folder/q.onnx");
    assert!(text.contains("no/such/folder/q.onnx"), "{text}");
    assert!(usage_error("export-onnx --d 100 --out q.onnx").contains("no lambda1"));
}
