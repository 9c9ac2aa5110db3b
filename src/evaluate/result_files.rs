//! The files of `evaluate run`.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context;
use undetected_onnx::{
    record::Row,
    suite::{Event, Outcome, detector_file},
};

use crate::output::{self, GrowingCsv};

/// Everything that a run leaves in its folder.
pub struct ResultFiles {
    folder: PathBuf,
    results: Vec<Row>,
    samples: GrowingCsv,
}

impl ResultFiles {
    /// Makes the folder.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn create(folder: &Path) -> anyhow::Result<Self> {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        Ok(Self {
            folder: folder.to_owned(),
            results: vec![],
            samples: GrowingCsv::create(&folder.join("samples.csv"))?,
        })
    }

    /// Writes the row that an event carries, if it does.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn record(&mut self, event: Event<'_>) -> undetected_onnx::Result<()> {
        let (file, written) = match event {
            Event::Sample(sample) => {
                let written = self.samples.push(sample);
                (&self.samples, written)
            }
            Event::Started { .. } | Event::Seen(_) => return Ok(()),
        };
        written.map_err(|source| undetected_onnx::Error::Io { path: file.path().into(), source })
    }

    /// Puts everything so far in its place, after each model: a later one's failure loses nothing.
    ///
    /// # Errors
    /// Where a file cannot be written.
    pub fn publish(&mut self, outcome: &Outcome) -> anyhow::Result<()> {
        self.results.extend(outcome.rows.iter().cloned());
        output::write_csv(&self.folder.join("results.csv"), &self.results)?;
        self.samples.publish()?;
        let folder = self.folder.join("detectors").join(&outcome.spec.name);
        fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        for saved in &outcome.detectors {
            saved.save(&folder.join(detector_file(saved.detector.statistic().kind())))?;
        }
        Ok(())
    }

    /// What there is, for the last lines of the output.
    pub fn summary(&self) -> String {
        let files = std::iter::once(("results.csv", self.results.len() as u64))
            .chain([&self.samples].into_iter().map(|file| {
                let name = file.path().file_name().and_then(|name| name.to_str());
                (name.unwrap_or_default(), file.rows())
            }))
            .filter(|(_, rows)| *rows > 0)
            .map(|(name, rows)| format!("{name} ({rows} rows)"));
        let files: Vec<String> = files.collect();
        format!("In {}: {}, detectors/\n", self.folder.display(), files.join(", "))
    }
}
