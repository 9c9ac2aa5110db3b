//! The files that a run reads, held to what they were when it began.

use anyhow::ensure;
use undetected_onnx::suite::{DataEntry, ModelEntry, Suite};

/// Name and SHA-256 of a file.
pub type Hashed = (String, String);

/// What a run began with.
pub struct Inputs<'a> {
    suite: &'a Suite,
    /// SHA-256 of each model's file.
    models: Vec<String>,
    /// The files of each data set: first that of the models, then the others.
    data: Vec<Vec<Hashed>>,
}

impl<'a> Inputs<'a> {
    /// Reads every file of the suite once.
    ///
    /// # Errors
    /// Those of [`Suite::check_models`], and where a file of data cannot be read.
    pub fn of(suite: &'a Suite) -> anyhow::Result<Self> {
        let models = suite.check_models()?;
        let data = entries(suite).map(DataEntry::hashes).collect::<Result<_, _>>()?;
        Ok(Self { suite, models, data })
    }

    /// The files of each data set: first that of the models, then the others.
    pub fn data(&self) -> &[Vec<Hashed>] {
        &self.data
    }

    /// Refuses data that is not what it was: a model's numbers would be of two data sets at once.
    ///
    /// # Errors
    /// Naming the file, where one has changed or cannot be read.
    pub fn check_data(&self) -> anyhow::Result<()> {
        for (entry, before) in entries(self.suite).zip(&self.data) {
            for ((name, then), (_, now)) in before.iter().zip(&entry.hashes()?) {
                ensure!(
                    then == now,
                    "{name} of {} has changed since the run began: its SHA-256 was {then} and is {now}. \
                     Restore it, or leave it as it is, and repeat the command: every model is then \
                     measured on the same data",
                    entry.images.display()
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
        let then = &self.models[place];
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

fn entries(suite: &Suite) -> impl Iterator<Item = &DataEntry> {
    std::iter::once(&suite.data).chain(&suite.out_of_distribution)
}
