//! Everything that a suite file asks for: its models, each with the data that it is measured on.

use std::{
    fs,
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};

use super::{DataEntry, ModelEntry, Suite, file::SuiteFile, source::Source};
use crate::{
    contract::Contract,
    dataset,
    error::{Error, Result},
    graph::ModelFile,
    sha256,
};

/// Suites of one model each, at least one, with the same name, seed and tasks.
#[derive(Debug, Clone, PartialEq)]
pub struct Suites(Vec<Suite>);

/// What a model's file declares.
#[derive(Debug, Clone)]
pub struct Declared {
    /// The contract, with what the suite gives in place of it.
    pub contract: Contract,
    /// SHA-256 of the file.
    pub sha256: String,
}

impl Suites {
    /// Reads a suite file; its relative paths start at its own folder.
    ///
    /// `[data]` is one data set or several. Where there are several, each has a name, and each model
    /// names the one that it is measured on. Files that should be rejected are those of
    /// `[[out_of_distribution]]` for every model, and those of `[[data.out_of_distribution]]` for models
    /// of that data set. A model's own `threshold` goes before the suite's. A model's path may be a
    /// pattern; its files are models in the order of their names.
    ///
    /// # Errors
    /// [`Error::Io`] where the file cannot be read, [`Error::Setting`] with its line where it is not a
    /// suite, or where [`Suite::check`] refuses it.
    pub fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).map_err(Error::io(path))?;
        let source = Source::parse(path, &text)?;
        let folder = path.parent().unwrap_or(Path::new(""));
        Ok(Self(source.read::<SuiteFile>()?.suites(&source, folder)?))
    }

    /// A suite that is not from a file, each of its models by itself.
    ///
    /// # Errors
    /// [`Error::Setting`] where it has no model.
    pub fn of(suite: &Suite) -> Result<Self> {
        suite.check()?;
        let alone = |model: &ModelEntry| Suite { models: vec![model.clone()], ..suite.clone() };
        Ok(Self(suite.models.iter().map(alone).collect()))
    }

    /// The suite of each model, in order.
    pub fn iter(&self) -> std::slice::Iter<'_, Suite> {
        self.0.iter()
    }

    /// [`iter`](Self::iter), to change settings. What is measured together has one seed and the same
    /// tasks.
    pub fn iter_mut(&mut self) -> std::slice::IterMut<'_, Suite> {
        self.0.iter_mut()
    }

    /// That of the first model, whose name, seed and tasks are those of all.
    pub fn first(&self) -> &Suite {
        &self.0[0]
    }

    /// How many models there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// SHA-256 of everything that decides what is measured, but for the folders that files are in.
    pub fn fingerprint(&self) -> String {
        let bare: Vec<Suite> = self.iter().map(Suite::bare).collect();
        sha256::hex(Sha256::new_with_prefix(format!("{bare:?}")))
    }

    /// Name and SHA-256 of each file of data, labels among them, each file once.
    ///
    /// # Errors
    /// [`Error::Io`] where one cannot be read, [`Error::Dataset`] where it is of no known kind.
    pub fn data_hashes(&self) -> Result<Vec<(String, String)>> {
        let mut all: Vec<PathBuf> = vec![];
        for entry in self.iter().flat_map(Suite::data_entries) {
            let files = entry.files()?;
            all.extend(files.into_iter().filter(|path| !all.contains(path)).collect::<Vec<_>>());
        }
        all.iter().map(|path| hashed(path)).collect()
    }

    /// Refuses what no data could make valid, and reads what each model's file declares.
    ///
    /// # Errors
    /// Where a setting is refused, a file is no model or lacks something, and [`Error::Setting`] where
    /// two models have one name: rows and saved detectors are told apart by it.
    pub fn check(&self) -> Result<Vec<Declared>> {
        let mut all: Vec<Declared> = Vec::new();
        for suite in self.iter() {
            suite.check()?;
            let declared = suite.declared()?;
            let name = &declared.contract.spec.name;
            let path = suite.model().path.display();
            if let Some(twin) = all.iter().position(|known| known.contract.spec.name == *name) {
                let other = self.0[twin].model().path.display();
                return Err(of_name(
                    name,
                    &format!("is that of {other} and of {path}; give one of them"),
                ));
            }
            // A folder of this name holds the model's detectors.
            if name.is_empty() || name.starts_with('.') || name.contains(['/', '\\']) {
                return Err(of_name(name, &format!("of {path} cannot name a folder; give")));
            }
            all.push(declared);
        }
        Ok(all)
    }
}

fn of_name(name: &str, problem: &str) -> Error {
    let remedy = "another in the suite: contract = { name = \"...\" }";
    Error::setting(format!("model name '{name}'"), format!("{problem} {remedy}"))
}

impl Suite {
    /// The model of a suite that is one of [`Suites`]; the first of another.
    ///
    /// # Panics
    /// If there is none.
    pub fn model(&self) -> &ModelEntry {
        &self.models[0]
    }

    /// What the file of [`model`](Self::model) declares.
    ///
    /// # Errors
    /// Those of [`ModelFile::read`] and [`Contract::read`].
    pub fn declared(&self) -> Result<Declared> {
        let entry = self.model();
        let file = ModelFile::read(&entry.path)?;
        let contract = Contract::read(&file, &entry.overrides()?)?;
        Ok(Declared { contract, sha256: file.sha256 })
    }

    /// Its data, and then what should be rejected.
    pub fn data_entries(&self) -> impl Iterator<Item = &DataEntry> {
        std::iter::once(&self.data).chain(&self.out_of_distribution)
    }

    /// [`data_entries`](Self::data_entries), to change them.
    pub fn data_entries_mut(&mut self) -> impl Iterator<Item = &mut DataEntry> {
        std::iter::once(&mut self.data).chain(&mut self.out_of_distribution)
    }

    /// Without the folders that its files are in.
    fn bare(&self) -> Self {
        let name = |path: &Path| path.file_name().map(PathBuf::from).unwrap_or_default();
        let mut bare = self.clone();
        bare.models.iter_mut().for_each(|model| model.path = name(&model.path));
        for data in bare.data_entries_mut() {
            data.images = name(&data.images);
            data.labels = data.labels.as_deref().map(name);
        }
        bare
    }
}

impl DataEntry {
    /// Name and SHA-256 of each of its files, labels among them.
    ///
    /// # Errors
    /// Those of [`Suites::data_hashes`].
    pub fn hashes(&self) -> Result<Vec<(String, String)>> {
        self.files()?.iter().map(|path| hashed(path)).collect()
    }

    fn files(&self) -> Result<Vec<PathBuf>> {
        dataset::files(&self.images, self.labels.as_deref())
    }
}

fn hashed(path: &Path) -> Result<(String, String)> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Ok((name, sha256::of_file(path)?))
}
