//! The files that a run reads, held to what they were when it began.

use anyhow::{Context, ensure};
use undetected_onnx::suite::{DataEntry, Declared, ModelEntry, Suite, Suites};

/// Name and SHA-256 of a file.
pub type Hashed = (String, String);

/// What a run began with.
pub struct Inputs {
    /// SHA-256 of each model's file.
    models: Vec<String>,
    /// The data sets, each once, with their files; none of what could not be read.
    data: Vec<(DataEntry, Option<Vec<Hashed>>)>,
}

impl Inputs {
    /// Reads every file of data of the suites once; the models' are `declared`. What cannot be read fails
    /// the models that need it, at their turn.
    pub fn of(suites: &Suites, declared: &[Declared]) -> Self {
        let models = declared.iter().map(|model| model.sha256.clone()).collect();
        let mut data: Vec<(DataEntry, Option<Vec<Hashed>>)> = vec![];
        for entry in suites.iter().flat_map(Suite::data_entries) {
            if data.iter().all(|(known, _)| known != entry) {
                data.push((entry.clone(), entry.hashes().ok()));
            }
        }
        Self { models, data }
    }

    /// The files of a data set, where they could be read.
    pub fn files(&self, entry: &DataEntry) -> Option<&[Hashed]> {
        let found = self.data.iter().find(|(known, _)| known == entry);
        found.and_then(|(_, files)| files.as_deref())
    }

    /// Refuses data of a suite that is not what it was: a model's numbers would be of two data sets at
    /// once.
    ///
    /// # Errors
    /// Naming the file, where one has changed or cannot be read.
    pub fn check_data(&self, suite: &Suite) -> anyhow::Result<()> {
        for entry in suite.data_entries() {
            let (images, now) = (entry.images.display(), entry.hashes()?);
            let then = self.files(entry).with_context(|| {
                format!("{images} could not be read when the run began; repeat the command")
            })?;
            for ((name, then), (_, now)) in then.iter().zip(&now) {
                ensure!(
                    then == now,
                    "{name} of {images} has changed since the run began: its SHA-256 was {then} and is {now}. \
                     Restore it, or leave it as it is, and repeat the command: every model is then \
                     measured on the same data"
                );
            }
        }
        Ok(())
    }

    /// Refuses a model of another SHA-256 than the file had.
    ///
    /// # Errors
    /// Naming the file.
    pub fn check_model(&self, place: usize, entry: &ModelEntry, now: &str) -> anyhow::Result<()> {
        let then = self.models.get(place).context("the run began without this model")?;
        ensure!(
            then == now,
            "{} has changed since the run began: its SHA-256 was {then} and is {now}. Restore it, or \
             leave it as it is, and repeat the command: what is kept of one file is never taken for the \
             other's",
            entry.path.display()
        );
        Ok(())
    }
}
