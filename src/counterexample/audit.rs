//! `counterexample audit`: the conformance ledger, rendered.

use super::Outcome;
use crate::output::{self, number, section};
use anyhow::Result;
use clap::ValueEnum;
use comfy_table::{Cell, Color, Table};
use serde::Serialize;
use std::fmt::Write;
use undetected_theory::audit::{Evidence, Finding, Row, ledger};

/// How to write `theory/CLAIMS.md` anew; printed into the file itself.
const REGENERATE: &str =
    "cargo run --release --bin counterexample -- audit --format markdown > theory/CLAIMS.md";

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

/// "109 statements: 60 holds, ...".
fn headline(rows: &[Row]) -> String {
    let counts = summary(rows);
    let parts = counts.iter().map(|Count { verdict, rows }| format!("{rows} \"{verdict}\""));
    format!("{} statements of the paper: {}.", rows.len(), parts.collect::<Vec<_>>().join(", "))
}

fn table(rows: &[Row]) -> String {
    let groups = rows.chunk_by(|a, b| chapter(a) == chapter(b));
    let tables =
        groups.map(|group| section(&capitalised(chapter(&group[0])), &chapter_table(group)));
    format!("{}\n\n{}", headline(rows), tables.collect::<String>())
}

/// The part of the paper: the first words of the place.
fn chapter(row: &Row) -> &'static str {
    let end = if row.place.starts_with("section") || row.place.starts_with("appendix") {
        // "section 3.1", "appendix A" of "appendix A.1".
        let words = row.place.match_indices([',', ' ']).nth(1).map(|(at, _)| at);
        let end = words.unwrap_or(row.place.len());
        row.place[..end].find("A.").map_or(end, |at| at + 1)
    } else {
        return "captions";
    };
    &row.place[..end]
}

fn capitalised(text: &str) -> String {
    text[..1].to_uppercase() + &text[1..]
}

fn chapter_table(rows: &[Row]) -> Table {
    let mut table = output::table(&["place", "claim", "verdict", "evidence"]);
    for row in rows {
        let place = row.place.strip_prefix(chapter(row)).unwrap_or(row.place);
        table.add_row([
            Cell::new(place.trim_start_matches([',', ' '])),
            Cell::new(claim(row)),
            verdict(row.verdict),
            Cell::new(row.evidence.iter().map(shown).collect::<Vec<_>>().join("\n")),
        ]);
    }
    table
}

/// The claim, with what holds instead.
fn claim(row: &Row) -> String {
    if row.correction.is_empty() {
        row.claim.to_string()
    } else {
        format!("{}\n-> {}", row.claim, row.correction)
    }
}

fn verdict(verdict: Finding) -> Cell {
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
            write(name, &format!("{value:?}"), unit)?;
        }
    }
    Ok(String::from_utf8(writer.into_inner()?)?)
}

fn markdown(rows: &[Row]) -> String {
    let mut text = format!(
        "# Conformance ledger\n\n\
         Every equation, lemma, item and numerical statement of sections 2, 3.1, 3.2 and 4.2, the \
         figure captions and\nappendices A and D of \"Understanding the Limitations of Conditional \
         Generative Models\" (Fetaya, Jacobsen,\nGrathwohl, Zemel, ICLR 2020) that can be computed, \
         held against numbers. Generated, do not edit:\n\n```sh\n{REGENERATE}\n```\n\n\
         {}\n\n",
        headline(rows)
    );
    text += LEGEND;
    text +=
        "\n| where | claim | verdict | evidence | correction |\n| --- | --- | --- | --- | --- |\n";
    for row in rows {
        let evidence = row.evidence.iter().map(shown).collect::<Vec<_>>().join("<br>");
        let cells = [row.place, row.claim, &row.verdict.to_string(), &evidence, row.correction];
        // Writing to a string cannot fail.
        let _ = writeln!(text, "| {} |", cells.map(|cell| cell.replace('|', "\\|")).join(" | "));
    }
    text
}

/// What the verdicts and the letters mean.
const LEGEND: &str = "\
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
