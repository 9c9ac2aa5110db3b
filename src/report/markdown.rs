//! The paper's tables as Markdown.

use super::tables::{Cell, Entry, Estimate, Table};

/// A heading, the table, and what it says.
pub fn table(table: &Table) -> String {
    let titles = table.columns.iter().flat_map(|group| {
        group.columns.iter().map(|column| format!("{} {column}", group.title).trim().to_owned())
    });
    let header: Vec<String> = ["", "source"].map(str::to_owned).into_iter().chain(titles).collect();
    let mut text = format!("## Table {}: {}\n\n{}", table.number, table.title, line(&header));
    text += &line(&vec!["---".to_owned(); header.len()]);
    for block in &table.blocks {
        let row = |source: &str, cell: fn(&Cell) -> String| {
            let first = [block.title.clone(), source.to_owned()];
            line(&first.into_iter().chain(block.cells.iter().map(cell)).collect::<Vec<_>>())
        };
        text += &row("this run", ours);
        text += &row("the paper", |cell| cell.paper.clone().unwrap_or("–".to_owned()));
    }
    format!("{text}\n{}\n", escaped(table.note))
}

fn line(cells: &[String]) -> String {
    let cells: Vec<String> = cells.iter().map(|cell| escaped(cell)).collect();
    format!("| {} |\n", cells.join(" | "))
}

/// What a reader of Markdown would take for more than text.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for sign in text.chars() {
        if "|\\`*_<>".contains(sign) {
            escaped.push('\\');
        }
        escaped.push(sign);
    }
    escaped
}

fn ours(cell: &Cell) -> String {
    match cell.ours.as_slice() {
        [] => "–".to_owned(),
        [entry] => estimates(entry),
        many => {
            let named = |entry: &Entry| format!("{}: {}", entry.model, estimates(entry));
            many.iter().map(named).collect::<Vec<_>>().join("; ")
        }
    }
}

fn estimates(entry: &Entry) -> String {
    let bracket = entry.bracket.as_ref().map(|bracket| format!(" ({})", estimate(bracket)));
    let data = entry.measured_on.as_ref().map(|data| format!(" on {data}"));
    estimate(&entry.value) + &bracket.unwrap_or_default() + &data.unwrap_or_default()
}

fn estimate(estimate: &Estimate) -> String {
    match &estimate.interval {
        Some(interval) => format!("{} {interval}", estimate.value),
        None => estimate.value.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{
        results::samples::{model, run},
        tables,
    };

    #[test]
    fn every_line_has_as_many_cells_as_the_header() {
        let objective = "-log p(x|y)/D - log p(y|x)";
        let models = ["a_1", "b"].map(|name| model(name, "MNIST", objective)).to_vec();
        for table in tables::all(&run(models)) {
            let text = super::table(&table);
            let lines: Vec<_> = text.lines().filter(|line| line.starts_with('|')).collect();
            let cells = |line: &str| line.replace("\\|", "").matches('|').count();
            assert!(lines.iter().all(|line| cells(line) == cells(lines[0])), "{text}");
            assert_eq!(lines.len(), 2 + 2 * table.blocks.len());
        }
    }

    #[test]
    fn models_that_share_a_cell_are_named_and_names_are_escaped() {
        let objective = "-log p(x|y)/D - log p(y|x)";
        let models = ["a_1", "b"].map(|name| model(name, "MNIST", objective)).to_vec();
        let [first, ..] = tables::all(&run(models));
        let text = table(&first);
        let cell = "a\\_1: 50.00 [25.00, 100.00] on test; b: 50.00 [25.00, 100.00] on test";
        assert!(text.contains(&format!("| % Acc | this run | – | {cell} | – |")), "{text}");
        assert!(text.contains("| % Acc | the paper | 96.9 | 99.0 | 99.3 |"), "{text}");
    }
}
