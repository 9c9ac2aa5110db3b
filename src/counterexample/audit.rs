//! `counterexample audit`: the conformance ledger, rendered.

use super::Outcome;
use crate::output::{self, number, section};
use anyhow::Result;
use clap::ValueEnum;
use comfy_table::{Cell, Color, ColumnConstraint, Table, Width};
use serde::Serialize;
use std::fmt::Write;
use undetected_theory::audit::{Evidence, Finding, Row, ledger};

/// How to write `theory/CLAIMS.md` anew; printed into the file itself.
const REGENERATE: &str =
    "cargo run --release --bin counterexample -- audit --format markdown > theory/CLAIMS.md";

/// Columns of the places and of the verdicts, so that the tables of all chapters line up.
const PLACE_WIDTH: u16 = 20;
const VERDICT_WIDTH: u16 = 14;

/// Options of the ledger.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Form of the ledger on standard output
    #[arg(long, value_name = "FORM", default_value = "table")]
    format: Format,
}

/// The forms of the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Table,
    /// One object, for programs
    Json,
    /// One row per number, for spreadsheets
    Csv,
    /// The text of theory/CLAIMS.md
    Markdown,
}

/// Evaluates every row. A statement of the paper that does not hold is a result, not a failure.
pub fn run(args: &Args) -> Result<Outcome> {
    let rows = ledger()?;
    let text = match args.format {
        Format::Table => table(&rows),
        Format::Json => serde_json::to_string_pretty(&Ledger::new(&rows))? + "\n",
        Format::Csv => csv(&rows)?,
        Format::Markdown => markdown(&rows),
    };
    Ok((text, true))
}

/// The ledger as JSON prints it.
#[derive(Serialize)]
struct Ledger<'a> {
    summary: Vec<Count>,
    rows: &'a [Row],
}

#[derive(Serialize)]
struct Count {
    verdict: Finding,
    rows: usize,
}

impl<'a> Ledger<'a> {
    fn new(rows: &'a [Row]) -> Self {
        Ledger { summary: summary(rows), rows }
    }
}

fn summary(rows: &[Row]) -> Vec<Count> {
    let count = |verdict| rows.iter().filter(|row| row.verdict == verdict).count();
    Finding::ALL.map(|verdict| Count { verdict, rows: count(verdict) }).into()
}

fn table(rows: &[Row]) -> String {
    let groups = rows.chunk_by(|a, b| chapter(a) == chapter(b));
    let tables =
        groups.map(|group| section(&capitalised(chapter(&group[0])), &chapter_table(group)));
    section(&format!("{} statements of the paper", rows.len()), &summary_table(rows))
        + &tables.collect::<String>()
}

fn summary_table(rows: &[Row]) -> Table {
    let mut table = output::table(&["verdict", ">statements"]);
    for Count { verdict, rows } in summary(rows) {
        table.add_row([colored(verdict), Cell::new(rows)]);
    }
    table
}

/// The part of the paper: "section 3.1", "appendix A" of "appendix A.4"; the captions are one.
fn chapter(row: &Row) -> &'static str {
    let before = |text: &'static str, end| text.split_once(end).map_or(text, |(start, _)| start);
    match before(row.place, ' ') {
        "section" => before(row.place, ','),
        "appendix" => before(before(row.place, ','), '.'),
        _ => "captions and footnote",
    }
}

fn capitalised(text: &str) -> String {
    text[..1].to_uppercase() + &text[1..]
}

fn chapter_table(rows: &[Row]) -> Table {
    let mut table = output::table(&["place", "verdict", "claim, - evidence, -> correction"]);
    for row in rows {
        let place = row.place.strip_prefix(chapter(row)).unwrap_or(row.place);
        let place = place.trim_start_matches([',', ' ', '.']);
        table.add_row([Cell::new(place), colored(row.verdict), Cell::new(body(row))]);
    }
    for (column, width) in table.column_iter_mut().zip([PLACE_WIDTH, VERDICT_WIDTH]) {
        column.set_constraint(ColumnConstraint::Absolute(Width::Fixed(width)));
    }
    table
}

/// The claim, the numbers, and what holds instead.
fn body(row: &Row) -> String {
    let mut lines = vec![row.claim.to_string()];
    lines.extend(row.evidence.iter().map(|evidence| format!("- {}", shown(evidence))));
    if !row.correction.is_empty() {
        lines.push(format!("-> {}", row.correction));
    }
    lines.join("\n")
}

fn colored(verdict: Finding) -> Cell {
    let color = match verdict {
        Finding::Holds => Color::Green,
        Finding::HoldsWithCorrection => Color::Yellow,
        Finding::DoesNotHoldAsPrinted => Color::Red,
        Finding::NotDecidable => Color::Grey,
    };
    Cell::new(verdict).fg(color)
}

fn shown(Evidence { name, value, unit }: &Evidence) -> String {
    format!("{name}: {} {unit}", number(*value)).trim_end().to_string()
}

/// One row per number, in full precision; a statement without numbers has one row.
fn csv(rows: &[Row]) -> Result<String> {
    let header = ["place", "claim", "verdict", "evidence", "value", "unit", "correction"];
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(header)?;
    for row in rows {
        let verdict = row.verdict.to_string();
        let mut write = |name: &str, value: &str, unit: &str| {
            writer.write_record([row.place, row.claim, &verdict, name, value, unit, row.correction])
        };
        if row.evidence.is_empty() {
            write("", "", "")?;
        }
        for Evidence { name, value, unit } in &row.evidence {
            write(name, &serde_json::to_string(value)?, unit)?;
        }
    }
    Ok(String::from_utf8(writer.into_inner()?)?)
}

fn markdown(rows: &[Row]) -> String {
    let counts =
        summary(rows).into_iter().map(|Count { verdict, rows }| format!("{rows} | {verdict}"));
    let count = rows.len();
    let mut text = [
        INTRODUCTION.to_string(),
        format!("\n```sh\n{REGENERATE}\n```\n\n"),
        format!("| statements | verdict |\n| ---: | --- |\n| {count} | all |\n"),
        counts.map(|count| format!("| {count} |\n")).collect(),
        LEGEND.to_string(),
        "\n| where | claim | verdict | evidence | correction |\n| --- | --- | --- | --- | --- |\n"
            .into(),
    ]
    .concat();
    for row in rows {
        let evidence = row.evidence.iter().map(shown).collect::<Vec<_>>().join("<br>");
        let cells = [row.place, row.claim, &row.verdict.to_string(), &evidence, row.correction];
        // Writing to a string cannot fail.
        let _ = writeln!(text, "| {} |", cells.map(|cell| cell.replace('|', "\\|")).join(" | "));
    }
    text
}

const INTRODUCTION: &str = "\
# Conformance ledger

Every equation, lemma, item and numerical statement of sections 2, 3.1, 3.2 and 4.2, the figure
captions and appendices A and D of \"Understanding the Limitations of Conditional Generative Models\"
(Fetaya, Jacobsen, Grathwohl, Zemel, ICLR 2020) that can be computed, held against numbers.
Generated, do not edit:
";

/// What the verdicts and the letters mean.
const LEGEND: &str = "
- *holds*: the statement as printed, read literally, holds wherever it was evaluated.
- *holds with a correction*: it holds where the paper uses it, not in everything that it says.
- *does not hold as printed*: it fails where the paper uses it, or it says \"for all\" and a case that
  it includes fails.
- *not decidable here*: nothing in this package computes it; the last column says why.

Each verdict is computed from the numbers beside it. shell is the paper's capital Delta, v is
(1 + shell)^-d, x' is the attacked point, logarithms are natural. Where a number names no other
setting, shell = 0.1, epsilon = 0.01, delta = 0.01, d = 500, and lambda1 and lambda2 are those that
`counterexample --d 500` chooses.
";
