//! results.csv, read back.

use std::path::Path;

use anyhow::{Context, bail};
use serde::Deserialize;

/// The columns without which a row says nothing.
const COLUMNS: [&str; 13] = [
    "model",
    "dataset",
    "task",
    "statistic",
    "metric",
    "value",
    "low",
    "high",
    "n",
    "unit",
    "engine",
    "device",
    "seed",
];
/// Those of runs with attacks.
const ATTACK_COLUMNS: [&str; 2] = ["attack", "epsilon"];

/// A number with its interval, its sample and what computed it ([`undetected_onnx::record::Row`]).
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Row {
    /// The model's name.
    pub model: String,
    /// The data set's name.
    pub dataset: String,
    /// The task's name.
    pub task: String,
    /// The statistic that it is of.
    pub statistic: Option<String>,
    /// The attack that it is of.
    #[serde(default)]
    pub attack: Option<String>,
    /// The distance within which an attack counts, L2 on pixels scaled to \[0, 1\].
    #[serde(default)]
    pub epsilon: Option<f64>,
    /// What was measured.
    pub metric: String,
    /// The estimate.
    pub value: f64,
    /// Lower end of its 99 % interval.
    pub low: Option<f64>,
    /// Upper end of its 99 % interval.
    pub high: Option<f64>,
    /// Images, pairs or paths behind it.
    pub n: u64,
    /// Unit of the three.
    pub unit: String,
    /// What computed it.
    pub engine: String,
    /// Where.
    pub device: String,
    /// Seed of dequantisation, padding noise and splits.
    pub seed: u64,
}

impl Row {
    /// Both ends of its interval.
    pub fn interval(&self) -> Option<(f64, f64)> {
        self.low.zip(self.high)
    }
}

/// Every row of a file.
///
/// # Errors
/// Where the file is missing or damaged, lacks a column or has one that is not known; with the remedy.
pub fn read(path: &Path) -> anyhow::Result<Vec<Row>> {
    let shown = path.display();
    let mut reader = csv::Reader::from_path(path).with_context(|| {
        format!("cannot read {shown}: name a folder that `evaluate run` wrote, or run it first")
    })?;
    let header = reader.headers().with_context(|| format!("cannot read {shown}"))?.clone();
    let has = |column: &str| header.iter().any(|found| found == column);
    let remedy = "make the report with the program that ran, or run again";
    if let Some(column) = COLUMNS.iter().find(|column| !has(column)) {
        bail!("{shown} has no column '{column}'; {remedy}");
    }
    let known = |column: &&str| COLUMNS.contains(column) || ATTACK_COLUMNS.contains(column);
    if let Some(column) = header.iter().find(|column| !known(column)) {
        bail!("{shown} has a column '{column}' that this program does not know; {remedy}");
    }
    let rows = reader.deserialize().collect::<Result<Vec<Row>, _>>();
    rows.with_context(|| format!("{shown} is damaged; run again"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(text: &str) -> anyhow::Result<Vec<Row>> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("results.csv");
        std::fs::write(&path, text).unwrap();
        read(&path)
    }

    fn refused(text: &str) -> String {
        format!("{:#}", reading(text).unwrap_err())
    }

    const ROW: &str = "m,MNIST,classify,,accuracy,0.5,0.4,,10,share,e 1,cpu,0";

    #[test]
    fn rows_are_read_with_and_without_the_columns_of_attacks() {
        let plain = reading(&format!("{}\n{ROW}\n", COLUMNS.join(","))).unwrap();
        assert_eq!((plain[0].value, plain[0].low, plain[0].high), (0.5, Some(0.4), None));
        assert_eq!((&plain[0].statistic, &plain[0].attack), (&None, &None));
        let attacked = format!("{},attack,epsilon\n{ROW},boundary,1.5\n", COLUMNS.join(","));
        let attacked = reading(&attacked).unwrap();
        assert_eq!(
            (attacked[0].attack.as_deref(), attacked[0].epsilon),
            (Some("boundary"), Some(1.5))
        );
    }

    #[test]
    fn what_is_no_table_of_results_is_refused_with_the_column() {
        let lacking = refused(&format!("{}\n", COLUMNS[1..].join(",")));
        assert!(
            lacking.contains("no column 'model'") && lacking.contains("run again"),
            "{lacking}"
        );
        let unknown = refused(&format!("{},colour\n{ROW},red\n", COLUMNS.join(",")));
        assert!(unknown.contains("'colour'") && unknown.contains("run again"), "{unknown}");
        let damaged = refused(&format!("{}\n{}\n", COLUMNS.join(","), ROW.replace("0.5", "half")));
        assert!(damaged.contains("damaged") && damaged.contains("line: 2"), "{damaged}");
        let missing = format!("{:#}", read(Path::new("nowhere/results.csv")).unwrap_err());
        assert!(missing.contains("nowhere/results.csv") && missing.contains("evaluate run"));
    }
}
