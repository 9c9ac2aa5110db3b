//! The paper's tables 1 to 4, filled with a run's numbers beside the printed ones. No formatting
//! but that of numbers.

mod attack_cell;
mod place;
mod table1;
mod table2;
mod table3;
mod table4;

pub use attack_cell::{AttackCell, Measure, attack_cell};
pub use place::{Family, Objective, Place};
pub use table2::at_distance;

use super::{
    paper_tables::Printed,
    results::{ModelResults, Results, Row},
};
use crate::output::estimate_parts;

/// A table of the paper.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    /// The paper's number.
    pub number: u8,
    /// What it shows.
    pub title: &'static str,
    /// Its columns, some of them under one title.
    pub columns: Vec<ColumnGroup>,
    /// Its rows.
    pub blocks: Vec<Block>,
    /// What a reader must know to compare.
    pub note: &'static str,
}

/// Columns under one title.
#[derive(Debug, Clone, PartialEq)]
pub struct ColumnGroup {
    /// May be empty.
    pub title: String,
    /// Each column's title.
    pub columns: Vec<&'static str>,
}

/// What the paper has in one row: the run's numbers, and the paper's.
#[derive(Debug, Clone, PartialEq)]
pub struct Block {
    /// What is measured.
    pub title: String,
    /// A cell for each column.
    pub cells: Vec<Cell>,
}

/// A place of a table.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Cell {
    /// The run's numbers: one for each model that belongs here.
    pub ours: Vec<Entry>,
    /// The paper's, where it has one.
    pub paper: Option<String>,
}

/// A number of a model.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The model's name.
    pub model: String,
    /// The data that it was measured on, where that is called otherwise than what it was trained on.
    pub measured_on: Option<String>,
    /// The number.
    pub value: Estimate,
    /// What stands in parentheses behind it.
    pub bracket: Option<Estimate>,
}

/// A number and its 99 % interval, for reading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Estimate {
    /// The number.
    pub value: String,
    /// Its interval.
    pub interval: Option<String>,
}

impl Estimate {
    fn of(row: &Row) -> Self {
        let (value, interval) = estimate_parts(&row.unit, row.value, row.interval());
        Self { value, interval }
    }
}

impl Entry {
    fn of(model: &ModelResults, row: Option<&Row>) -> Option<Self> {
        let value = Estimate::of(row?);
        let (trained, measured) = (&model.record.trained_on, &model.record.measured_on);
        let measured_on = (trained != measured).then(|| measured.clone());
        Some(Self { model: model.record.name.clone(), measured_on, value, bracket: None })
    }
}

impl Cell {
    fn paper(text: impl Into<String>) -> Self {
        Self { ours: vec![], paper: Some(text.into()) }
    }
}

impl Table {
    /// Whether no model of the run has a number in it.
    pub fn is_empty(&self) -> bool {
        self.blocks.iter().flat_map(|block| &block.cells).all(|cell| cell.ours.is_empty())
    }
}

/// All four, in order.
pub fn all(results: &Results) -> [Table; 4] {
    let models: Vec<(Place, &ModelResults)> =
        results.models.iter().map(|model| (Place::of(&model.record), model)).collect();
    [table1::fill(&models), table2::fill(&models), table3::fill(&models), table4::fill(&models)]
}

/// Numbers of the paper that a model is the counterpart of, with where they stand.
pub fn counterpart(place: &Place) -> Option<(&'static str, Printed)> {
    use super::paper_tables;
    if let Some(alpha) = place.alpha() {
        return Some(("table 4", paper_tables::table4(&place.dataset, alpha)?));
    }
    let setting = place.setting()?;
    let first = paper_tables::table1(&place.dataset, setting).map(|printed| ("table 1", printed));
    let is_third = setting == paper_tables::Setting::Reweight && place.has_background();
    let third = || paper_tables::table3(&place.dataset).filter(|_| is_third);
    first.or_else(|| Some(("table 3", third()?)))
}

/// The paper's names, and after them those of the run that pass.
fn names<'a>(
    paper: &[&'static str],
    models: &'a [(Place, &ModelResults)],
    passes: impl Fn(&Place, &ModelResults) -> bool,
) -> Vec<&'a str> {
    let mut names: Vec<&str> = paper.to_vec();
    for (place, model) in models {
        if passes(place, model) && !names.contains(&place.dataset.as_str()) {
            names.push(&place.dataset);
        }
    }
    names
}

/// The blocks of tables 1 and 3: accuracy, and bits/dim, of the models of each column.
fn accuracy_and_bits(columns: &[(Vec<&ModelResults>, Option<Printed>)]) -> Vec<Block> {
    let block = |title: &str, row: fn(&ModelResults) -> Option<&Row>, paper: fn(Printed) -> _| {
        let cell = |(models, printed): &(Vec<&ModelResults>, Option<Printed>)| Cell {
            ours: models.iter().filter_map(|model| Entry::of(model, row(model))).collect(),
            paper: printed.map(paper),
        };
        Block { title: title.to_owned(), cells: columns.iter().map(cell).collect() }
    };
    vec![
        block("% Acc", ModelResults::accuracy, |printed| printed.accuracy.to_owned()),
        block("bits/dim", ModelResults::bits_per_dim, |printed| printed.bits_per_dim.to_owned()),
    ]
}

#[cfg(test)]
mod tests;
