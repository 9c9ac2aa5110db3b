//! The files of `evaluate run`.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde::Serialize;
use undetected_onnx::{
    Error,
    suite::{Event, Outcome, detector_file},
};

use crate::{
    output::{GrowingCsv, write_text},
    report::run_record::{self, ModelRecord, RunRecord},
};

/// Everything that a run leaves in its folder. Every file has its model's name in the first column.
pub struct ResultFiles {
    folder: PathBuf,
    models: Vec<ModelRecord>,
    results: GrowingCsv,
    samples: GrowingCsv,
    gaps: GrowingCsv,
    paths: GrowingCsv,
    points: GrowingCsv,
    attacks: GrowingCsv,
    path_curve: GrowingCsv,
    roc: GrowingCsv,
    histograms: GrowingCsv,
    reliability: GrowingCsv,
}

impl ResultFiles {
    /// Makes the folder.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn create(folder: &Path) -> anyhow::Result<Self> {
        make(folder)?;
        let file = |name: &str| GrowingCsv::create(&folder.join(name));
        Ok(Self {
            folder: folder.to_owned(),
            models: vec![],
            results: file("results.csv")?,
            samples: file("samples.csv")?,
            gaps: file("class_gap.csv")?,
            paths: file("paths.csv")?,
            points: file("path_points.csv")?,
            attacks: file("attacks.csv")?,
            path_curve: file("path_curve.csv")?,
            roc: file("roc.csv")?,
            histograms: file("histograms.csv")?,
            reliability: file("reliability.csv")?,
        })
    }

    /// Writes the row that an event carries, if it does.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn record(&mut self, event: Event<'_>) -> undetected_onnx::Result<()> {
        match event {
            Event::Sample(row) => push(&mut self.samples, row),
            Event::Gap(row) => push(&mut self.gaps, row),
            Event::Path(row) => push(&mut self.paths, row),
            Event::Point(row) => push(&mut self.points, row),
            Event::Started { .. }
            | Event::Seen(_)
            | Event::AttackStarted { .. }
            | Event::Asked(_)
            | Event::Attacked(_) => Ok(()),
        }
    }

    /// Adds a model to run.json, before its numbers are published.
    ///
    /// # Errors
    /// Where run.json cannot be written.
    pub fn record_model(&mut self, run: RunRecord, model: ModelRecord) -> anyhow::Result<()> {
        self.models.push(model);
        let record = RunRecord { models: self.models.clone(), ..run };
        write_text(&self.folder.join(run_record::FILE), &record.text()?)
    }

    /// Puts everything so far in its place, after each model: a later one's failure loses nothing.
    ///
    /// # Errors
    /// Where a file cannot be written.
    pub fn publish(&mut self, outcome: &Outcome) -> anyhow::Result<()> {
        push_all(&mut self.results, &outcome.rows)?;
        push_all(&mut self.attacks, &outcome.attack_rows())?;
        push_all(&mut self.path_curve, &outcome.path_curve_rows())?;
        push_all(&mut self.roc, &outcome.roc_rows())?;
        push_all(&mut self.histograms, &outcome.histogram_rows())?;
        push_all(&mut self.reliability, &outcome.reliability_rows())?;
        self.all_mut().into_iter().try_for_each(GrowingCsv::publish)?;
        if !outcome.attacks.is_empty() {
            let folder = self.folder.join("attacks").join(&outcome.spec.name);
            make(&folder)?;
            for attacked in &outcome.attacks {
                let path = folder.join(format!("{}.npz", attacked.settings.name()));
                attacked.write_npz(&outcome.spec, &path)?;
            }
        }
        if outcome.detectors.is_empty() {
            return Ok(());
        }
        let folder = self.folder.join("detectors").join(&outcome.spec.name);
        make(&folder)?;
        for saved in &outcome.detectors {
            saved.save(&folder.join(detector_file(saved.detector.statistic().kind())))?;
        }
        Ok(())
    }

    /// Takes back the rows of a model that could not be finished.
    ///
    /// # Errors
    /// Where a file cannot be written.
    pub fn rewind(self) -> anyhow::Result<Self> {
        Ok(Self {
            folder: self.folder,
            models: self.models,
            results: self.results.rewind()?,
            samples: self.samples.rewind()?,
            gaps: self.gaps.rewind()?,
            paths: self.paths.rewind()?,
            points: self.points.rewind()?,
            attacks: self.attacks.rewind()?,
            path_curve: self.path_curve.rewind()?,
            roc: self.roc.rewind()?,
            histograms: self.histograms.rewind()?,
            reliability: self.reliability.rewind()?,
        })
    }

    fn all_mut(&mut self) -> [&mut GrowingCsv; 10] {
        [
            &mut self.results,
            &mut self.samples,
            &mut self.gaps,
            &mut self.paths,
            &mut self.points,
            &mut self.attacks,
            &mut self.path_curve,
            &mut self.roc,
            &mut self.histograms,
            &mut self.reliability,
        ]
    }

    /// What there is, for the last lines of the output.
    pub fn summary(&mut self) -> String {
        let line = |file: &mut GrowingCsv| {
            let name = file.path().file_name().unwrap_or_default().to_string_lossy();
            format!("  {:18} {:>9} rows\n", name, file.rows())
        };
        let folder = format!("In {}:\n", self.folder.display());
        let written = self.all_mut().into_iter().filter(|file| file.rows() > 0);
        let files: String = written.map(line).collect();
        let detectors = match self.folder.join("detectors").exists() {
            true => "  detectors/         a folder for each model, for --detectors\n",
            false => "",
        };
        let attacks = match self.folder.join("attacks").exists() {
            true => "  attacks/           adversarial images as NPZ, a folder for each model\n",
            false => "",
        };
        folder + &files + detectors + attacks
    }
}

fn make(folder: &Path) -> anyhow::Result<()> {
    Ok(fs::create_dir_all(folder).map_err(Error::unwritable(folder))?)
}

fn push<T: Serialize>(file: &mut GrowingCsv, row: &T) -> undetected_onnx::Result<()> {
    let path = file.path().to_owned();
    file.push(row).map_err(Error::unwritable(path))
}

fn push_all<T: Serialize>(file: &mut GrowingCsv, rows: &[T]) -> undetected_onnx::Result<()> {
    rows.iter().try_for_each(|row| push(file, row))
}
