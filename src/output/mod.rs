//! How results are shown: one look for every table, full precision for files.

mod files;
mod journal;
mod lock;
mod progress;

pub use files::{
    GrowingCsv, csv_of, ensure_absent, write_bytes, write_csv, write_folder, write_text,
};
pub use journal::Journal;
pub use lock::FolderLock;
pub use progress::{attack_bar, dimension_bar, overall_bar, progress_bar, spinner, warn};

use clap::ValueEnum;
use comfy_table::{Cell, CellAlignment, ContentArrangement, LineStyle, Table, TableStyle};
use std::io::{self, ErrorKind, Write};

/// Widest table, in columns of a terminal.
const WIDTH: u16 = 96;

/// The form of a result on standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Table,
    /// One object, for programs.
    Json,
    /// One row per number, for spreadsheets.
    Csv,
}

/// A table in the house style: a rule under the header, no boxes. Columns whose header starts with
/// `>` are aligned to the right.
pub fn table(header: &[&str]) -> Table {
    let rule = LineStyle::none().fill('─').junction('─');
    let mut table = Table::new();
    table
        .load_style(TableStyle::new().header_separator(rule))
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(WIDTH)
        .set_header(header.iter().map(|title| Cell::new(title.trim_start_matches('>'))));
    for (column, title) in table.column_iter_mut().zip(header) {
        if title.starts_with('>') {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

/// A titled section of a page.
pub fn section(title: &str, table: &Table) -> String {
    let lines: String = table.lines().map(|line| format!(" {}\n", line.trim_end())).collect();
    format!("{title}\n{lines}\n")
}

/// Six significant digits, for reading.
///
/// ```
/// # use undetected::output::number;
/// assert_eq!(number(0.5), "0.5");
/// assert_eq!(number(175.0), "175");
/// assert_eq!(number(1.0 / 3.0), "0.333333");
/// assert_eq!(number(-123456.789), "-123457");
/// assert_eq!(number(4.5e-21), "4.5e-21");
/// ```
pub fn number(x: f64) -> String {
    significant(x, 6)
}

/// As many significant digits as a narrow column has room for, without trailing zeros.
///
/// ```
/// # use undetected::output::significant;
/// assert_eq!(significant(1.0 / 3.0, 3), "0.333");
/// assert_eq!(significant(4.56e-21, 2), "4.6e-21");
/// ```
pub fn significant(x: f64, digits: u8) -> String {
    let digits = i32::from(digits);
    let scientific = format!("{x:.*e}", (digits - 1) as usize);
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if !(-4..7).contains(&exponent) {
        return format!("{}e{exponent}", without_trailing_zeros(mantissa));
    }
    let decimals = (digits - 1 - exponent).max(0) as usize;
    without_trailing_zeros(&format!("{x:.decimals$}")).to_string()
}

/// A positive number given by its natural logarithm, as itself or as a power of e.
///
/// ```
/// # use undetected::output::number_from_ln;
/// assert_eq!(number_from_ln(0.25f64.ln()), "0.25");
/// assert_eq!(number_from_ln(-95310.18), "e^-95310.2");
/// ```
pub fn number_from_ln(ln: f64) -> String {
    if ln.abs() < 700.0 { number(ln.exp()) } else { format!("e^{}", number(ln)) }
}

/// A number of a result with its interval: shares in per cent with two digits, counts as they are, the
/// rest with as many as its size leaves room for.
///
/// ```
/// # use undetected::output::estimate;
/// assert_eq!(estimate("share", 0.984, Some((0.96324, 0.99483))), "98.40 [96.32, 99.48]");
/// assert_eq!(estimate("bits/dim", 1.4886, None), "1.489");
/// assert_eq!(estimate("pairs", 40.0, None), "40");
/// ```
pub fn estimate(unit: &str, value: f64, interval: Option<(f64, f64)>) -> String {
    let (value, interval) = estimate_parts(unit, value, interval);
    interval.map_or(value.clone(), |interval| format!("{value} {interval}"))
}

/// [`estimate`], the number and its interval apart.
pub fn estimate_parts(
    unit: &str,
    value: f64,
    interval: Option<(f64, f64)>,
) -> (String, Option<String>) {
    let (scale, digits) = match (unit, value.abs()) {
        ("share", _) => (100.0, 2),
        ("images" | "pairs" | "paths" | "bins" | "queries", _) => (1.0, 0),
        (_, 0.0..10.0) => (1.0, 3),
        (_, 10.0..100.0) => (1.0, 2),
        _ => (1.0, 1),
    };
    let shown = |value: f64| format!("{:.digits$}", scale * value);
    let interval = interval.map(|(low, high)| format!("[{}, {}]", shown(low), shown(high)));
    (shown(value), interval)
}

fn without_trailing_zeros(digits: &str) -> &str {
    if digits.contains('.') { digits.trim_end_matches('0').trim_end_matches('.') } else { digits }
}

/// Writes a result to standard output. A reader that closed the pipe has what it wanted.
///
/// # Errors
/// Where it cannot be written: the disk of the file that it goes to may be full.
pub fn print(text: &str) -> undetected_onnx::Result<()> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        result => result.map_err(undetected_onnx::Error::unwritable("the standard output")),
    }
}
