//! `counterexample audit`: its forms, and that the ledger that is checked in is the one computed.

use serde_json::Value;
use std::process::Command;

const CLAIMS: &str = include_str!("../theory/CLAIMS.md");
const REGENERATE: &str =
    "cargo run --release --bin counterexample -- audit --format markdown > theory/CLAIMS.md";

/// What the command prints; it must succeed.
fn audit(format: &str) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_counterexample"));
    let output = command.args(["audit", "--format", format]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn json() -> Value {
    serde_json::from_str(&audit("json")).unwrap()
}

#[test]
fn checked_in_ledger_is_not_stale() {
    let fresh = audit("markdown");
    for (old, new) in CLAIMS.lines().zip(fresh.lines()) {
        assert_eq!(old, new, "theory/CLAIMS.md is stale; write it anew with\n  {REGENERATE}\n");
    }
    assert_eq!(
        CLAIMS.lines().count(),
        fresh.lines().count(),
        "theory/CLAIMS.md is stale; write it anew with\n  {REGENERATE}\n"
    );
    assert!(CLAIMS.contains(REGENERATE), "the file says how it is made");
}

#[test]
fn summary_counts_the_rows() {
    let ledger = json();
    let rows = ledger["rows"].as_array().unwrap();
    for count in ledger["summary"].as_array().unwrap() {
        let of_verdict = rows.iter().filter(|row| row["verdict"] == count["verdict"]).count();
        assert_eq!(count["rows"], of_verdict);
        let line = format!("| {of_verdict} | {} |", count["verdict"].as_str().unwrap());
        assert!(CLAIMS.contains(&line), "{line}");
    }
}

#[test]
fn json_rows_have_the_promised_keys() {
    for row in json()["rows"].as_array().unwrap() {
        let keys: Vec<_> = row.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(keys, ["claim", "correction", "evidence", "place", "verdict"]);
        for evidence in row["evidence"].as_array().unwrap() {
            assert!(evidence["value"].is_f64(), "{evidence}"); // JSON has no NaN
        }
    }
}

#[test]
fn csv_holds_every_number_of_the_json() {
    let text = audit("csv");
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let header: Vec<_> = reader.headers().unwrap().iter().map(str::to_owned).collect();
    assert_eq!(header, ["place", "claim", "verdict", "evidence", "value", "unit", "correction"]);
    let records: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    let mut records = records.iter();
    for row in json()["rows"].as_array().unwrap() {
        let evidence = row["evidence"].as_array().unwrap();
        for i in 0..evidence.len().max(1) {
            let record = records.next().unwrap();
            assert_eq!(&record[1], row["claim"].as_str().unwrap());
            if let Some(number) = evidence.get(i) {
                // Read by the same parser, which may miss the last digit of either.
                let value: Value = serde_json::from_str(&record[4]).unwrap();
                assert_eq!(value, number["value"]);
            }
        }
    }
    assert!(records.next().is_none());
}

#[test]
fn table_fits_a_terminal_and_shows_every_chapter() {
    let table = audit("table");
    for part in ["Section 2\n", "Section 3.1\n", "Section 4.2\n", "Captions", "Appendix D\n", "->"]
    {
        assert!(table.contains(part), "{part} is missing");
    }
    let widest = table.lines().map(|line| line.chars().count()).max().unwrap();
    assert!(widest <= 100, "{widest} columns");
}

/// Every line of the Markdown table has the same cells, whatever bars the claims contain.
#[test]
fn markdown_table_is_rectangular() {
    let table = CLAIMS.split("| where |").nth(1).unwrap();
    for line in table.lines() {
        let bars = line.replace("\\|", "").matches('|').count();
        assert!(bars == 6 || line.starts_with(" claim"), "{bars} bars: {line}");
    }
}

#[test]
fn repetition_does_not_change_a_byte() {
    assert_eq!(audit("json"), audit("json"));
}
