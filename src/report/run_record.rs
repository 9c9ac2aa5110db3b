//! run.json, which `evaluate run` leaves beside its numbers: what was run, on what, with what.

use std::path::Path;

use anyhow::{Context, ensure};
use serde::{Deserialize, Serialize};

/// The file's name in a run's folder.
pub const FILE: &str = "run.json";
/// Raised when a field changes its meaning, or is always written from then on. One that is new and not
/// always written does not raise it: programs that do not know it refuse it by its name.
const FORMAT: &str = "undetected-run-2";

/// A run. Nothing in it depends on when or how fast it ran.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunRecord {
    /// Of this file.
    pub format: String,
    /// Of the program that ran.
    pub version: String,
    /// The suite's name.
    pub suite: String,
    /// Seed of dequantisation, padding noise, synthetic images and the calibration split.
    pub seed: u64,
    /// The tasks' names.
    pub tasks: Vec<String>,
    /// When an input counted as real, for reading; models with thresholds of their own have them too.
    pub threshold: String,
    /// The data that the models are measured on: in the file one object, or an array of several.
    #[serde(with = "one_or_several")]
    pub data: Vec<DataRecord>,
    /// Files of images that all of them should reject.
    pub out_of_distribution: Vec<DataRecord>,
    /// Those that were measured, in order.
    pub models: Vec<ModelRecord>,
}

/// A data set as the suite names it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataRecord {
    /// Its name, where the suite gives one.
    pub name: Option<String>,
    /// The file or folder of images.
    pub images: String,
    /// Images taken, where not all were.
    pub limit: Option<usize>,
    /// Name and SHA-256 of each of its files, labels among them.
    pub files: Vec<(String, String)>,
    /// Files of images that models of this data alone should reject.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub out_of_distribution: Vec<DataRecord>,
}

/// One thing as itself, several as an array.
mod one_or_several {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::DataRecord;

    #[derive(Deserialize)]
    #[serde(untagged)]
    enum OneOrSeveral {
        One(DataRecord),
        Several(Vec<DataRecord>),
    }

    pub(super) fn serialize<S: Serializer>(
        records: &[DataRecord],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match records {
            [one] => one.serialize(serializer),
            several => several.serialize(serializer),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<DataRecord>, D::Error> {
        Ok(match OneOrSeveral::deserialize(deserializer)? {
            OneOrSeveral::One(one) => vec![one],
            OneOrSeveral::Several(several) => several,
        })
    }
}

/// A model, and what it was measured with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelRecord {
    /// The name in every table.
    pub name: String,
    /// The ONNX file.
    pub file: String,
    /// Its length.
    pub bytes: u64,
    /// Its SHA-256, hexadecimal.
    pub sha256: String,
    /// What it declares to be trained on.
    pub trained_on: String,
    /// What it declares that training minimised.
    pub objective: String,
    /// Channels x height x width.
    pub image: String,
    /// The D of bits/dim.
    pub n_dims: usize,
    /// Number of classes.
    pub classes: usize,
    /// How 8-bit values became real numbers.
    pub dequantisation: String,
    /// The labelled data that it was measured on.
    pub measured_on: String,
    /// When an input counted as real, for reading, where models differ in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threshold: Option<String>,
    /// What computed, with its version.
    pub engine: String,
    /// Where.
    pub device: String,
    /// What each shard computed with, in order, where shards on different engines were merged; else
    /// none.
    pub mixed_engines: Vec<String>,
    /// The values of the training framework that the engine reproduced; none where the file has none.
    pub parity: Option<ParityRecord>,
    /// Whether log p can be differentiated by the input.
    pub gradient: GradientRecord,
}

/// Parity vectors.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ParityRecord {
    /// Images whose values were compared.
    pub images: usize,
    /// Allowed difference, relative to max(1, |expected|).
    pub relative_tolerance: f64,
}

/// Whether the input gradient can be computed, and what stops it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GradientRecord {
    /// Whether the file brings its own.
    pub own: bool,
    /// Whether one can be made from the graph, and a path leads from `log_prob` to `x`.
    pub differentiable: bool,
    /// Why none can be made.
    pub problem: Option<String>,
    /// Nodes that no rule differentiates: name and operator.
    pub without_rule: Vec<(String, String)>,
    /// Nodes that let no gradient through: name and operator.
    pub zero: Vec<(String, String)>,
}

impl RunRecord {
    /// This program's format and version.
    pub fn stamp() -> (String, String) {
        (FORMAT.to_owned(), env!("CARGO_PKG_VERSION").to_owned())
    }

    /// The file's text.
    ///
    /// # Errors
    /// Where a number is not finite.
    pub fn text(&self) -> anyhow::Result<String> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }

    /// Reads it from a run's folder.
    ///
    /// # Errors
    /// Where the file is missing, or not one of this format; with the remedy.
    pub fn read(folder: &Path) -> anyhow::Result<Self> {
        let path = folder.join(FILE);
        let shown = path.display();
        let text = std::fs::read_to_string(&path).with_context(|| {
            format!(
                "cannot read {shown}, which says what the models are; run `evaluate run` into this \
                 folder again"
            )
        })?;
        let remedy = "make the report with the program that ran, or run again";
        let record: Self = serde_json::from_str(&text)
            .with_context(|| format!("{shown} is not of the format {FORMAT}; {remedy}"))?;
        ensure!(
            record.format == FORMAT,
            "{shown}: format is '{}', not {FORMAT}; {remedy}",
            record.format
        );
        Ok(record)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(FILE), text).unwrap();
        format!("{:#}", RunRecord::read(folder.path()).unwrap_err())
    }

    #[test]
    fn what_is_no_record_is_refused_with_the_field_and_the_remedy() {
        let error = refused("{\"format\": \"undetected-run-2\"}");
        assert!(error.contains("run.json") && error.contains("missing field `version`"), "{error}");
        assert!(error.contains("run again"), "{error}");
        let unknown = refused("{\"colour\": 1}");
        assert!(unknown.contains("unknown field `colour`"), "{unknown}");
        let folder = tempfile::tempdir().unwrap();
        let missing = format!("{:#}", RunRecord::read(folder.path()).unwrap_err());
        assert!(missing.contains("evaluate run"), "{missing}");
    }
}
