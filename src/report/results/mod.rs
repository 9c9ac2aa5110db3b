//! The folder of `evaluate run`, read back.

mod figure_file;
mod row;
#[cfg(test)]
pub(in crate::report) mod samples;

use std::path::Path;

use anyhow::{Context, bail};

pub use figure_file::FigureFile;
pub use row::Row;

use super::run_record::{ModelRecord, RunRecord};

/// Everything that a report shows.
#[derive(Debug, Clone, PartialEq)]
pub struct Results {
    /// What was run.
    pub record: RunRecord,
    /// Each model with its numbers, in the order of the run.
    pub models: Vec<ModelResults>,
    /// The tables in the folder with their number of rows, by name.
    pub files: Vec<(String, usize)>,
}

/// What was found of a model.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelResults {
    /// What is known of it.
    pub record: ModelRecord,
    /// Its numbers, in the order of the file.
    pub rows: Vec<Row>,
    /// Its figures, by name.
    pub figures: Vec<FigureFile>,
}

impl Results {
    /// Reads a folder.
    ///
    /// # Errors
    /// Where run.json or results.csv is missing or damaged, or where they name different models.
    pub fn read(folder: &Path) -> anyhow::Result<Self> {
        let path = folder.join("results.csv");
        let rows = row::read(&path)?;
        let record = RunRecord::read(folder)?;
        let known = |row: &&Row| record.models.iter().any(|model| model.name == row.model);
        if let Some(row) = rows.iter().find(|row| !known(row)) {
            bail!(
                "{} has rows of the model '{}', of which run.json knows nothing; run again",
                path.display(),
                row.model
            );
        }
        let model = |record: &ModelRecord| -> anyhow::Result<ModelResults> {
            Ok(ModelResults {
                record: record.clone(),
                rows: rows.iter().filter(|row| row.model == record.name).cloned().collect(),
                figures: figure_file::read_all(&folder.join("figures").join(&record.name))?,
            })
        };
        let models = record.models.iter().map(model).collect::<anyhow::Result<_>>()?;
        Ok(Self { record, models, files: tables_of(folder)? })
    }
}

impl ModelResults {
    /// The data sets, in the order of the rows: first the one that the model is measured on.
    pub fn datasets(&self) -> Vec<&str> {
        distinct(self.rows.iter().map(|row| row.dataset.as_str()))
    }

    /// The statistics of a task.
    pub fn statistics(&self, task: &str) -> Vec<&str> {
        let rows = self.rows.iter().filter(|row| row.task == task);
        distinct(rows.filter_map(|row| row.statistic.as_deref()))
    }

    /// Every number of a task on a data set.
    pub fn of_task(&self, task: &str, dataset: &str) -> impl Iterator<Item = &Row> {
        let rows = self.rows.iter();
        rows.filter(move |row| row.task == task && row.dataset == dataset)
    }

    /// A number of a statistic on a data set.
    pub fn find(
        &self,
        dataset: &str,
        task: &str,
        statistic: Option<&str>,
        metric: &str,
        unit: &str,
    ) -> Option<&Row> {
        self.of_task(task, dataset).find(|row| {
            row.statistic.as_deref() == statistic && row.metric == metric && row.unit == unit
        })
    }

    /// A number on the data that the model is measured on.
    pub fn get(&self, task: &str, metric: &str, unit: &str) -> Option<&Row> {
        self.find(&self.record.measured_on, task, None, metric, unit)
    }

    /// Accuracy on the data that the model is measured on, a share.
    pub fn accuracy(&self) -> Option<&Row> {
        self.get("classify", "accuracy", "share")
    }

    /// Mean of -log p(x) on the data that the model is measured on, bits/dim.
    pub fn bits_per_dim(&self) -> Option<&Row> {
        self.get("likelihood", "mean", "bits/dim")
    }
}

fn distinct<'a>(names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut found = Vec::new();
    for name in names {
        if !found.contains(&name) {
            found.push(name);
        }
    }
    found
}

/// Every CSV file of the folder, by name.
fn tables_of(folder: &Path) -> anyhow::Result<Vec<(String, usize)>> {
    let cannot = || format!("cannot read {}", folder.display());
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(cannot)? {
        let path = entry.with_context(cannot)?.path();
        if path.extension().is_some_and(|ending| ending == "csv") {
            let cannot = || format!("cannot read {}", path.display());
            let mut reader = csv::Reader::from_path(&path).with_context(cannot)?;
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let mut record = csv::ByteRecord::new();
            let mut rows = 0;
            while reader.read_byte_record(&mut record).with_context(cannot)? {
                rows += 1;
            }
            found.push((name, rows));
        }
    }
    found.sort();
    Ok(found)
}
