//! Running a suite on one model: every data set is seen once, and the tasks get what was seen.

use super::{
    DataEntry, Suite, Task, classify, detect,
    detect::{Part, Plan, Split},
    likelihood,
    scored::Scored,
    table::Table,
};
use crate::{
    checkpoint::Checkpoint,
    contract::Contract,
    dataset::Images,
    detect::{SavedDetector, ThresholdDetector},
    engine::EngineInfo,
    error::{Error, Result},
    graph::ModelFile,
    likelihood::Score,
    model::{ConditionalModel, ModelSpec},
    record::{Row, Sample},
};

/// Progress of a run, and the rows that are too many to be kept.
#[derive(Debug, Clone, Copy)]
pub enum Event<'a> {
    /// Work on a data set begins.
    Started {
        /// The data set.
        dataset: &'a str,
        /// Its number of images.
        images: usize,
    },
    /// So many more images were seen.
    Seen(usize),
    /// A scored image, with every detector's decision.
    Sample(&'a Sample),
}

/// Everything that a run says of one model, beside the rows that its events carry.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// What is known of the model.
    pub spec: ModelSpec,
    /// What computed.
    pub engine: EngineInfo,
    /// The data set that the model was trained for.
    pub data: String,
    /// The numbers.
    pub rows: Vec<Row>,
    /// The detectors, fitted or given.
    pub detectors: Vec<SavedDetector>,
}

/// A model, and what else a run asks of it.
pub struct Subject<'a> {
    /// The model.
    pub model: &'a mut dyn ConditionalModel,
    /// What computes.
    pub engine: EngineInfo,
    /// SHA-256 of its file.
    pub sha256: String,
    /// Pixels of value 0 that its images get on each side.
    pub pad: usize,
}

impl<'a> Subject<'a> {
    /// An opened checkpoint.
    pub fn of(checkpoint: &'a mut Checkpoint) -> Self {
        Self {
            engine: checkpoint.engine().clone(),
            sha256: checkpoint.sha256.clone(),
            pad: checkpoint.contract.pad,
            model: checkpoint,
        }
    }
}

impl Suite {
    /// Reads what each model's file declares.
    ///
    /// # Errors
    /// Where a file is no model or lacks something, and [`Error::Setting`] where two models have one
    /// name: rows and saved detectors are told apart by it.
    pub fn check_models(&self) -> Result<()> {
        let mut seen: Vec<(String, String)> = Vec::new();
        for entry in &self.models {
            let file = ModelFile::read(&entry.path)?;
            let name = Contract::read(&file, &entry.overrides()?)?.spec.name;
            let path = entry.path.display().to_string();
            if let Some((_, other)) = seen.iter().find(|(known, _)| *known == name) {
                let problem = format!(
                    "is that of {other} and of {path}; give one of them another in the suite: \
                     contract = {{ name = \"...\" }}"
                );
                return Err(Error::setting(format!("model name '{name}'"), problem));
            }
            // A folder of this name holds the model's detectors.
            if name.is_empty() || name.starts_with('.') || name.contains(['/', '\\']) {
                let problem = format!(
                    "of {path} cannot name a folder; give another: contract = {{ name = \"...\" }}"
                );
                return Err(Error::setting(format!("model name '{name}'"), problem));
            }
            seen.push((name, path));
        }
        Ok(())
    }
}

/// Measures one model as the suite asks.
///
/// `batch_size` changes speed and memory only. `report` hears of every image; its errors end the
/// run.
///
/// # Errors
/// Where a setting is impossible, data cannot be read or does not fit the model, the engine or
/// `report` fails, or a threshold cannot be fitted.
///
/// # Panics
/// If `batch_size` is 0.
pub fn run_model<'a>(
    suite: &'a Suite,
    subject: Subject<'a>,
    batch_size: usize,
    report: &'a mut dyn FnMut(Event<'_>) -> Result<()>,
) -> Result<Outcome> {
    suite.check()?;
    let spec = subject.model.spec().clone();
    let data = open(&suite.data, &spec, subject.pad)?;
    if data.labels.is_none() {
        return Err(Error::setting(
            format!("data {}", suite.data.images.display()),
            "has no labels; name the label file, or an NPZ array 'labels'",
        ));
    }
    let mut others = suite
        .out_of_distribution
        .iter()
        .map(|entry| open(entry, &spec, subject.pad))
        .collect::<Result<Vec<_>>>()?;
    others.push(Images::uniform_noise(spec.image, data.len(), suite.seed));
    refuse_equal_names(std::iter::once(&data).chain(&others))?;
    let (plan, split) = Plan::new(suite, &spec, &subject.sha256, &data.name, data.len())?;

    let engine = subject.engine.clone();
    let table =
        Table { spec: spec.clone(), engine: engine.clone(), seed: suite.seed, rows: vec![] };
    let mut run = Run { suite, subject, batch_size, report, table };
    let scored = run.see(&data)?;
    let sha256 = run.subject.sha256.clone();
    let detectors = plan.detectors(suite, &spec, &sha256, (&data.name, &scored, &split))?;
    run.data(&data.name, &scored, &split, &detectors)?;
    for images in &others {
        let scored = run.see(images)?;
        run.other(&images.name, &scored, &detectors)?;
    }
    Ok(Outcome { spec, engine, data: data.name, rows: run.table.rows, detectors })
}

/// A run under way.
struct Run<'a> {
    suite: &'a Suite,
    subject: Subject<'a>,
    batch_size: usize,
    report: &'a mut dyn FnMut(Event<'_>) -> Result<()>,
    table: Table,
}

impl Run<'_> {
    /// Goes through a data set.
    fn see(&mut self, images: &Images) -> Result<Scored> {
        (self.report)(Event::Started { dataset: &images.name, images: images.len() })?;
        let mut scored = Scored::default();
        let (model, seed) = (&mut *self.subject.model, self.suite.seed);
        let visit = &mut |score: &Score, _: &[f64]| {
            scored.push(score);
            (self.report)(Event::Seen(1))
        };
        crate::likelihood::for_each(model, images, self.batch_size, seed, visit)?;
        Ok(scored)
    }

    /// The tasks on the data that the model was trained for.
    fn data(
        &mut self,
        name: &str,
        scored: &Scored,
        split: &Split,
        saved: &[SavedDetector],
    ) -> Result<()> {
        if self.suite.has(Task::Likelihood) {
            likelihood::measure(&mut self.table, name, scored);
        }
        if self.suite.has(Task::Classify) {
            classify::measure(&mut self.table, name, scored);
        }
        if self.suite.has(Task::Detect) {
            detect::thresholds(&mut self.table, name, saved);
            detect::accepted(&mut self.table, name, saved, || split.test(scored));
        }
        self.samples(name, scored, saved, |index| match split.part(index) {
            Part::Test => "test",
            Part::Centre | Part::Threshold => "calibration",
        })
    }

    /// The tasks on other data.
    fn other(&mut self, name: &str, scored: &Scored, saved: &[SavedDetector]) -> Result<()> {
        if self.suite.has(Task::Likelihood) {
            likelihood::measure(&mut self.table, name, scored);
        }
        if self.suite.has(Task::Detect) {
            detect::accepted(&mut self.table, name, saved, || scored.iter());
        }
        self.samples(name, scored, saved, |_| "test")
    }

    fn samples(
        &mut self,
        name: &str,
        scored: &Scored,
        saved: &[SavedDetector],
        split: impl Fn(usize) -> &'static str,
    ) -> Result<()> {
        let detectors: Vec<ThresholdDetector> =
            saved.iter().map(|saved| saved.detector.clone()).collect();
        for score in scored.iter() {
            let split = split(score.index);
            let sample = Sample::new(&self.table.spec, name, split, &score, &detectors);
            (self.report)(Event::Sample(&sample))?;
        }
        Ok(())
    }
}

fn open(entry: &DataEntry, spec: &ModelSpec, pad: usize) -> Result<Images> {
    let mut images = Images::open(&entry.images, entry.labels.as_deref())?;
    if let Some(name) = &entry.name {
        images.name.clone_from(name);
    }
    if let Some(limit) = entry.limit {
        if limit == 0 {
            return Err(Error::setting("limit", "must be at least 1"));
        }
        images.truncate(limit);
    }
    images.check_labels(spec.classes.len())?;
    images.fit(spec.image, pad)
}

/// Rows are told apart by their data set's name.
fn refuse_equal_names<'a>(images: impl Iterator<Item = &'a Images>) -> Result<()> {
    let mut seen = Vec::new();
    for Images { name, .. } in images {
        if seen.contains(&name) {
            let problem = "names two data sets; rename a file, or give a name in a suite";
            return Err(Error::setting(format!("data set name '{name}'"), problem));
        }
        seen.push(name);
    }
    Ok(())
}
