//! Fitted detectors in files: JSON that says what they were fitted for.

use std::{fs, io::Write, path::Path};

use serde::{Deserialize, Serialize};

use super::{Statistic, ThresholdDetector, Thresholds};
use crate::{
    complexity,
    error::{Error, Result},
    model::{Dequantisation, ModelSpec},
    whole_file,
};

const FORMAT: &str = "undetected-detector-1";
const REFIT: &str = "Fit the detector again for this model";
const RESTORE: &str = "Restore the file, or fit the detector again";

/// A detector with where it comes from.
#[derive(Debug, Clone, PartialEq)]
pub struct SavedDetector {
    /// The detector.
    pub detector: ThresholdDetector,
    /// SHA-256 of the model whose densities it judges.
    pub model_sha256: String,
    /// How 8-bit images were dequantised for them.
    pub dequantisation: Dequantisation,
    /// What the thresholds were fitted on; `None` where they were given.
    pub calibration: Option<CalibrationRecord>,
}

/// What thresholds were fitted on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CalibrationRecord {
    /// The data set.
    pub dataset: String,
    /// Its images used.
    pub images: usize,
    /// Seed of the split that chose them.
    pub seed: u64,
    /// The target rate.
    pub false_alarm_rate: f64,
}

/// The file. Numbers that decide are decimal text: JSON readers may round their last digit, and an
/// input at the threshold is accepted.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    format: String,
    model_sha256: String,
    dequantisation: String,
    score: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    codec: Option<String>,
    unit: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    centre: Option<String>,
    per_class: bool,
    thresholds: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    calibration: Option<CalibrationRecord>,
}

impl SavedDetector {
    /// Writes the file, in one step.
    ///
    /// # Errors
    /// [`Error::Unwritable`].
    pub fn save(&self, path: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(&self.record()).expect("text and numbers are JSON");
        whole_file::write(path, |file| file.write_all((text + "\n").as_bytes()))
    }

    fn record(&self) -> Record {
        let statistic = self.detector.statistic();
        let thresholds = self.detector.thresholds();
        Record {
            format: FORMAT.to_owned(),
            model_sha256: self.model_sha256.clone(),
            dequantisation: name_of(self.dequantisation),
            score: statistic.name().to_owned(),
            codec: (statistic == Statistic::ComplexityCorrected)
                .then(|| complexity::CODEC.to_owned()),
            unit: statistic.kind().unit().to_owned(),
            centre: match statistic {
                Statistic::Typicality { centre } => Some(format!("{centre:?}")),
                _ => None,
            },
            per_class: matches!(thresholds, Thresholds::PerClass(_)),
            thresholds: thresholds.values().iter().map(|value| format!("{value:?}")).collect(),
            calibration: self.calibration.clone(),
        }
    }

    /// Reads a detector for the model of `spec` whose file has the SHA-256 `model_sha256`.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::SavedDetector`] names the field where the file is damaged, of another
    /// version, or fitted for another model, dequantisation, codec, unit or number of classes.
    pub fn load(path: &Path, spec: &ModelSpec, model_sha256: &str) -> Result<Self> {
        let text = fs::read_to_string(path).map_err(Error::io(path))?;
        let reader = Reader { path };
        let record: Record = serde_json::from_str(&text).map_err(|error| {
            reader.error("JSON", "the fields of a saved detector", &error.to_string(), RESTORE)
        })?;
        reader.require("format", FORMAT, &record.format, RESTORE)?;
        reader.require("model_sha256", model_sha256, &record.model_sha256, REFIT)?;
        let dequantisation = name_of(spec.dequantisation);
        reader.require("dequantisation", &dequantisation, &record.dequantisation, REFIT)?;
        let statistic = reader.statistic(&record)?;
        reader.require("unit", statistic.kind().unit(), &record.unit, RESTORE)?;
        let thresholds = reader.thresholds(&record, spec.classes.len())?;
        Ok(Self {
            detector: ThresholdDetector::fixed(statistic, thresholds)?,
            model_sha256: record.model_sha256,
            dequantisation: spec.dequantisation,
            calibration: record.calibration,
        })
    }
}

/// The name in the contract.
fn name_of(dequantisation: Dequantisation) -> String {
    match dequantisation {
        Dequantisation::Uniform => "uniform",
        Dequantisation::Centre => "centre",
        Dequantisation::None => "none",
    }
    .to_owned()
}

struct Reader<'a> {
    path: &'a Path,
}

impl Reader<'_> {
    fn statistic(&self, record: &Record) -> Result<Statistic> {
        let centre = || {
            let text = record.centre.as_deref().unwrap_or("nothing");
            self.number("centre", text)
        };
        let (codec, known) = (record.codec.as_deref(), "a known score");
        Ok(match record.score.as_str() {
            "marginal" => Statistic::Marginal,
            "joint" => Statistic::Joint,
            "given_predicted" => Statistic::GivenPredicted,
            "typicality" => Statistic::Typicality { centre: centre()? },
            "complexity_corrected" => {
                self.require("codec", complexity::CODEC, codec.unwrap_or("nothing"), REFIT)?;
                Statistic::ComplexityCorrected
            }
            "gradient_norm" => Statistic::GradientNorm,
            other => return Err(self.error("score", known, other, RESTORE)),
        })
    }

    fn thresholds(&self, record: &Record, classes: usize) -> Result<Thresholds> {
        let expected = if record.per_class { classes } else { 1 };
        let found = record.thresholds.len();
        if found != expected {
            let numbers = |count: usize| format!("{count} numbers");
            let remedy = if record.per_class { REFIT } else { RESTORE };
            return Err(self.error("thresholds", &numbers(expected), &numbers(found), remedy));
        }
        let values = record.thresholds.iter().map(|text| self.number("thresholds", text));
        let values = values.collect::<Result<Vec<_>>>()?;
        Ok(match record.per_class {
            true => Thresholds::PerClass(values),
            false => Thresholds::Common(values[0]),
        })
    }

    fn number(&self, field: &str, text: &str) -> Result<f64> {
        let number = text.parse().ok().filter(|value: &f64| value.is_finite());
        number.ok_or_else(|| self.error(field, "a finite number as text", text, RESTORE))
    }

    fn require(
        &self,
        field: &str,
        expected: &str,
        found: &str,
        remedy: &'static str,
    ) -> Result<()> {
        match found == expected {
            true => Ok(()),
            false => Err(self.error(field, expected, found, remedy)),
        }
    }

    fn error(&self, field: &str, expected: &str, found: &str, remedy: &'static str) -> Error {
        Error::SavedDetector {
            path: self.path.to_owned(),
            field: field.to_owned(),
            expected: expected.to_owned(),
            found: found.to_owned(),
            remedy,
        }
    }
}
