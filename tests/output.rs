//! `onnx/OUTPUT.md` against the files of a run: every column and field, its type, and nothing else.

mod small_suite;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    process::Command,
};

use assert_cmd::cargo::CommandCargoExt;
use parquet::{
    file::reader::{FileReader, SerializedFileReader},
    record::Field,
};
use small_suite::{run, succeed, suite};

/// Column or field, and type.
type Documented = Vec<(String, String)>;

/// The cells of each row of the table under a heading.
fn table(heading: &str) -> Vec<Vec<String>> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("onnx/OUTPUT.md");
    let page = fs::read_to_string(page).unwrap();
    let section = page.split("\n## ").find(|section| section.lines().next() == Some(heading));
    let section = section.unwrap_or_else(|| panic!("OUTPUT.md has no section '{heading}'"));
    let rows = section.lines().filter(|line| line.starts_with('|')).skip(2);
    let cells = |row: &str| {
        let row = row.strip_prefix('|').unwrap().strip_suffix('|').unwrap();
        row.split('|').map(|cell| cell.trim().trim_matches('`').to_owned()).collect()
    };
    rows.map(cells).collect()
}

fn documented(heading: &str) -> Documented {
    table(heading).into_iter().map(|row| (row[0].clone(), row[1].clone())).collect()
}

fn fits(kind: &str, cell: &str) -> bool {
    match kind.strip_suffix('?') {
        Some(_) if cell.is_empty() => true,
        Some(kind) => fits(kind, cell),
        None => match kind {
            "text" => !cell.is_empty(),
            "integer" => cell.parse::<i64>().is_ok(),
            "number" => cell.parse::<f64>().is_ok(),
            "bool" => ["true", "false"].contains(&cell),
            other => panic!("OUTPUT.md knows no type '{other}'"),
        },
    }
}

/// A run of every task, shown as lines of JSON.
struct Ran {
    folder: tempfile::TempDir,
    stderr: String,
}

fn ran() -> Ran {
    let folder = tempfile::tempdir().unwrap();
    let suite = suite(folder.path(), 0);
    let said = succeed(run(&suite, &folder.path().join("out"), &["--progress", "json"]));
    succeed(run(&suite, &folder.path().join("shard"), &["--shard", "1/1", "--task", "classify"]));
    Ran { folder, stderr: String::from_utf8(said.stderr).unwrap() }
}

#[test]
fn every_column_and_field_is_documented() {
    let ran = ran();
    let out = ran.folder.path().join("out");
    let files = fs::read_dir(&out).unwrap().map(|entry| entry.unwrap().path());
    let tables: BTreeSet<_> =
        files.filter(|path| path.extension().is_some_and(|ending| ending == "csv")).collect();
    assert_eq!(tables.len(), 10, "a run of every task leaves every table");
    tables.iter().for_each(|path| check_table(path));
    check_object("run.json", &out);
    check_object("shard.json", &ran.folder.path().join("shard"));
    check_events(&ran.stderr);
}

/// What `evaluate report --parquet` writes is what the CSV files say, cell by cell, in the types that are
/// documented.
#[test]
fn parquet_has_the_same_columns_and_values() {
    let ran = ran();
    let out = ran.folder.path().join("out");
    let mut report = Command::cargo_bin("evaluate").expect("built");
    report.arg("report").arg(&out).arg("--parquet");
    let said = String::from_utf8(succeed(report).stdout).unwrap();
    for name in ["results", "samples"] {
        assert!(said.contains(&format!("{name}.parquet")), "{said}");
        let documented = documented(&format!("{name}.csv"));
        let file = fs::File::open(out.join(format!("{name}.parquet"))).unwrap();
        let parquet = SerializedFileReader::new(file).unwrap();
        let mut csv = csv::Reader::from_path(out.join(format!("{name}.csv"))).unwrap();
        let mut records = csv.records();
        for row in parquet.get_row_iter(None).unwrap() {
            let (row, record) = (row.unwrap(), records.next().unwrap().unwrap());
            assert_eq!(row.len(), record.len());
            for (((column, kind), cell), (found, field)) in
                documented.iter().zip(&record).zip(row.get_column_iter())
            {
                assert_eq!(found, column);
                assert!(is_cell(kind, cell, field), "{name} {column}: '{cell}', {field:?}");
            }
        }
        assert!(records.next().is_none());
    }
}

/// Whether a value of this type is what the cell says, to the last bit.
fn is_cell(kind: &str, cell: &str, field: &Field) -> bool {
    match (kind.trim_end_matches('?'), field) {
        (_, Field::Null) => cell.is_empty() && kind.ends_with('?'),
        ("text", Field::Str(text)) => text == cell,
        ("integer", Field::Long(value)) => cell.parse() == Ok(*value),
        ("integer", Field::ULong(value)) => cell.parse() == Ok(*value),
        ("bool", Field::Bool(value)) => cell.parse() == Ok(*value),
        ("number", Field::Double(value)) => {
            cell.parse::<f64>().is_ok_and(|cell| cell.to_bits() == value.to_bits())
        }
        _ => false,
    }
}

/// The columns in the order of the file, and every cell of the type that is said.
fn check_table(path: &Path) {
    let name = path.file_name().unwrap().to_str().unwrap();
    let documented = documented(name);
    let mut reader = csv::Reader::from_path(path).unwrap();
    let header: Vec<String> = reader.headers().unwrap().iter().map(str::to_owned).collect();
    let columns: Vec<_> = documented.iter().map(|(column, _)| column.clone()).collect();
    assert_eq!(columns, header, "{name}");
    for record in reader.records() {
        for ((column, kind), cell) in documented.iter().zip(&record.unwrap()) {
            assert!(fits(kind, cell), "{name}: {column} is '{cell}', said to be {kind}");
        }
    }
}

/// Every value with its path: a dot before a field, brackets for each element.
fn leaves(at: &str, value: &serde_json::Value, found: &mut Vec<(String, String)>) {
    match value {
        serde_json::Value::Object(fields) => {
            let under =
                |name: &String| if at.is_empty() { name.clone() } else { format!("{at}.{name}") };
            fields.iter().for_each(|(name, value)| leaves(&under(name), value, found));
        }
        serde_json::Value::Array(values) => {
            values.iter().for_each(|value| leaves(&format!("{at}[]"), value, found));
        }
        serde_json::Value::Null => found.push((at.to_owned(), String::new())),
        serde_json::Value::String(text) => found.push((at.to_owned(), text.clone())),
        other => found.push((at.to_owned(), other.to_string())),
    }
}

/// Every field that is there is documented and of its type; lists may be empty.
fn check_object(name: &str, folder: &Path) {
    let documented: BTreeMap<String, String> = documented(name).into_iter().collect();
    let text = fs::read_to_string(folder.join(name)).unwrap();
    let mut found = vec![];
    leaves("", &serde_json::from_str(&text).unwrap(), &mut found);
    for (field, value) in &found {
        let kind = documented.get(field).unwrap_or_else(|| panic!("{name}: {field} is not said"));
        assert!(fits(kind, value), "{name}: {field} is '{value}', said to be {kind}");
    }
    let found: BTreeSet<&String> = found.iter().map(|(field, _)| field).collect();
    let absent = documented.keys().filter(|field| !found.contains(field) && !may_be_absent(field));
    assert_eq!(absent.collect::<Vec<_>>(), Vec::<&String>::new(), "{name} has none of these");
}

/// Elements of lists that are empty in a healthy run on one engine, what is an object instead, and what
/// models that differ have.
fn may_be_absent(field: &str) -> bool {
    ["mixed_engines[]", "without_rule[][]", "zero[][]", "models[].parity", "models[].threshold"]
        .iter()
        .any(|ending| field.ends_with(ending))
}

fn check_events(stderr: &str) {
    let mut events: BTreeMap<String, Documented> = BTreeMap::new();
    let mut event = String::new();
    for row in table("Progress in JSON") {
        if !row[0].is_empty() {
            event = row[0].clone();
        }
        let fields = events.entry(event.clone()).or_default();
        if !row[1].is_empty() {
            fields.push((row[1].clone(), row[2].clone()));
        }
    }
    let common = events.remove("every one").unwrap();
    events.values_mut().for_each(|fields| fields.extend(common.iter().cloned()));
    let mut seen = BTreeSet::new();
    for line in stderr.lines().filter(|line| line.starts_with('{')) {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        let mut found = vec![];
        leaves("", &line, &mut found);
        let (names, fields): (Vec<_>, Vec<_>) =
            found.into_iter().partition(|(field, _)| field == "event");
        let name = &names[0].1;
        let documented = events.get(name).unwrap_or_else(|| panic!("event {name} is not said"));
        let sorted = |fields: Vec<&String>| fields.into_iter().cloned().collect::<BTreeSet<_>>();
        assert_eq!(
            sorted(fields.iter().map(|(field, _)| field).collect()),
            sorted(documented.iter().map(|(field, _)| field).collect()),
            "{name}"
        );
        for (field, value) in fields {
            let (_, kind) = documented.iter().find(|(name, _)| *name == field).unwrap();
            assert!(fits(kind, &value), "{name}: {field} is '{value}', said to be {kind}");
        }
        seen.insert(name.clone());
    }
    // Progress comes once a second, which a short run need not last.
    for name in ["started", "attacked", "finished"] {
        assert!(seen.contains(name), "{seen:?}");
    }
}
