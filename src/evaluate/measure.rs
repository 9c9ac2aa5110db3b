//! Running a suite's models one after the other, with progress, tables, files and figures.

use std::{
    path::Path,
    thread::{self, ScopedJoinHandle},
    time::Instant,
};

use anyhow::Context;
use undetected_onnx::{
    Error,
    engine::EngineOptions,
    model::ConditionalModel,
    suite::{
        Declared, Event, Kept, ModelEntry, Outcome, Replay, Shard, Subject, Suite, Suites, Units,
        Workload, run_model,
    },
};

use super::{
    figures::{Figures, Seen},
    inputs::Inputs,
    opened::Opened,
    overall::Overall,
    progress::{Progress, ProgressMode},
    provenance,
    result_files::ResultFiles,
    shard_record::{MergedModel, ShardModel, ShardRecord},
    tables::tables,
    timed::Timed,
};
use crate::output::{self, FolderLock};

/// The folder of finished work in a results' folder.
pub const UNITS: &str = "units";

/// How many images go to the engine at once.
#[derive(Debug, Clone, Copy)]
pub enum Batches {
    /// So many.
    Of(usize),
    /// As many as take so many bytes.
    Within(u64),
}

/// What answers for the models.
pub enum Answers<'a> {
    /// Their checkpoints.
    Engines(EngineOptions, Batches),
    /// What shards have kept; nothing is computed.
    Shards(&'a [MergedModel]),
}

/// Measures every model of the suites; results go to the terminal and into the folder `out`. A model
/// that fails is named, and the others go on; what cannot be written ends the run, since all models
/// write to one folder. Files that change while it runs are refused.
///
/// # Errors
/// Where the suite makes no sense, the folder is in use or cannot be written, and at the end where
/// a model failed.
pub fn measure(
    suites: &Suites,
    out: &Path,
    answers: &Answers<'_>,
    progress: ProgressMode,
) -> anyhow::Result<()> {
    let declared = suites.check()?;
    let inputs = Inputs::of(suites, &declared);
    let _lock = FolderLock::take(out)?;
    let mut files = ResultFiles::create(out)?;
    let figures = Figures::of(out);
    let units = Units::open(&out.join(UNITS))?;
    let kept = Kept { units: Some(&units), ..Kept::default() };
    let progress = progress_of(suites, &declared, progress);
    let mut run = Run { inputs: &inputs, answers, kept, progress };
    let mut failures = Failures::default();
    let summary = thread::scope(|scope| {
        // The figures of one model are drawn while the next is measured.
        let mut drawing = Drawing::default();
        for (place, suite) in suites.iter().enumerate() {
            let mut seen = Seen::default();
            let outcome = run.model(place, suite, &mut |event| {
                seen.record(event);
                files.record(event)
            });
            let recorded = outcome.and_then(|(outcome, measured)| {
                Ok((provenance::of_model(suites, suite, &outcome, &measured.sha256)?, outcome))
            });
            match recorded {
                Ok((record, outcome)) => {
                    files.record_model(provenance::of_suites(suites, &inputs), record)?;
                    files.publish(&outcome)?;
                    output::print(&tables(&outcome))?;
                    drawing.finish()?;
                    let figures = &figures;
                    let draw = move || figures.write(&suite.tasks, &outcome, &seen);
                    drawing.begun = Some(scope.spawn(draw));
                }
                Err(error) => {
                    failures.add(suite.model(), error)?;
                    files = files.rewind()?;
                }
            }
        }
        run.progress.end();
        drawing.finish()?;
        anyhow::Ok(files.summary() + &Figures::summary(drawing.drawn))
    })?;
    output::print(&summary)?;
    failures.end(suites.count())
}

/// Figures that another thread draws.
#[derive(Default)]
struct Drawing<'scope> {
    begun: Option<ScopedJoinHandle<'scope, anyhow::Result<usize>>>,
    /// How many are there.
    drawn: usize,
}

impl Drawing<'_> {
    /// Waits for what was begun.
    fn finish(&mut self) -> anyhow::Result<()> {
        if let Some(begun) = self.begun.take() {
            self.drawn += begun.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        }
        Ok(())
    }
}

/// Shows how far the work of all models is. A model whose work cannot be counted fails at its turn.
fn progress_of(suites: &Suites, declared: &[Declared], mode: ProgressMode) -> Progress {
    let parts = |(suite, declared): (&Suite, &Declared)| {
        Workload::of(suite, declared).map(|work| work.parts())
    };
    let expected = match mode {
        ProgressMode::Quiet => vec![],
        _ => suites.iter().zip(declared).map(parts).map(Result::unwrap_or_default).collect(),
    };
    Progress::new(mode, suites.count(), Overall::of(expected))
}

/// Does one shard's part of the suites' work, for [`super::merge`]; says nothing of results.
///
/// # Errors
/// Those of [`measure`].
pub fn work(
    suites: &Suites,
    out: &Path,
    engines: (EngineOptions, Batches),
    shard: Shard,
    progress: ProgressMode,
) -> anyhow::Result<()> {
    let declared = suites.check()?;
    let inputs = Inputs::of(suites, &declared);
    let _lock = FolderLock::take(out)?;
    let units = Units::open(&out.join(UNITS))?;
    let kept = Kept { units: Some(&units), shard: Some(shard), ..Kept::default() };
    let answers = Answers::Engines(engines.0, engines.1);
    let progress = progress_of(suites, &declared, progress);
    let mut run = Run { inputs: &inputs, answers: &answers, kept, progress };
    let mut record = ShardRecord::new(suites, shard)?;
    let mut failures = Failures::default();
    for (place, suite) in suites.iter().enumerate() {
        match run.model(place, suite, &mut |_| Ok(())) {
            Ok((_, model)) => record.models.push(model),
            Err(error) => failures.add(suite.model(), error)?,
        }
    }
    run.progress.end();
    failures.end(suites.count())?;
    record.write(out)?;
    output::print(&format!("Shard {shard} is done, in {}\n", out.display()))?;
    Ok(())
}

/// The models that could not be measured.
#[derive(Default)]
struct Failures(Vec<(String, anyhow::Error)>);

impl Failures {
    /// Keeps the failure of one model; one that is that of all comes back.
    fn add(&mut self, model: &ModelEntry, error: anyhow::Error) -> anyhow::Result<()> {
        if error.downcast_ref().is_some_and(Error::ends_run) {
            return Err(error);
        }
        let name = model.path.display().to_string();
        output::warn(&format!("error: {name}: {error:#}"));
        self.0.push((name, error));
        Ok(())
    }

    fn end(mut self, models: usize) -> anyhow::Result<()> {
        let failed = self.0.len();
        match self.0.pop() {
            None => Ok(()),
            Some((_, error)) if models == 1 => Err(error),
            Some((_, error)) => Err(error).with_context(|| {
                format!(
                    "{failed} of {models} models failed, see above; results are of the others. Put right what \
                     is named there and repeat the command: what is finished is kept. The last of them"
                )
            }),
        }
    }
}

struct Run<'a> {
    inputs: &'a Inputs,
    answers: &'a Answers<'a>,
    kept: Kept<'a>,
    progress: Progress,
}

impl Run<'_> {
    /// One model's outcome, and what a shard says of it.
    fn model(
        &mut self,
        place: usize,
        suite: &Suite,
        report: &mut dyn FnMut(Event<'_>) -> undetected_onnx::Result<()>,
    ) -> anyhow::Result<(Outcome, ShardModel)> {
        self.progress.begin_model();
        let outcome = self.answered(place, suite, report);
        self.progress.end_model(outcome.is_err());
        outcome
    }

    /// Opens what answers for the model, and measures it.
    fn answered(
        &mut self,
        place: usize,
        suite: &Suite,
        report: &mut dyn FnMut(Event<'_>) -> undetected_onnx::Result<()>,
    ) -> anyhow::Result<(Outcome, ShardModel)> {
        self.inputs.check_data(suite)?;
        let measured = match self.answers {
            Answers::Shards(models) => {
                let model = models.get(place).context("the shards' record lacks a model")?;
                self.merge(suite, model, report)
            }
            Answers::Engines(options, batches) => {
                let start = Instant::now();
                let entry = suite.model();
                let mut opened = Opened::open(suite, entry, options)?;
                self.inputs.check_model(place, entry, &opened.checkpoint().sha256)?;
                let batch_size = prepare(&mut opened, *batches)?;
                let subject = opened.subject();
                let mut timed = Timed::new(subject.model);
                let subject = Subject { model: timed.model(), ..subject };
                let outcome = self.measure(suite, subject, batch_size, self.kept, report);
                output::warn(&timed.effort.of(start.elapsed()));
                outcome
            }
        }?;
        self.inputs.check_data(suite)?;
        Ok(measured)
    }

    fn merge(
        &mut self,
        suite: &Suite,
        model: &MergedModel,
        report: &mut dyn FnMut(Event<'_>) -> undetected_onnx::Result<()>,
    ) -> anyhow::Result<(Outcome, ShardModel)> {
        let entry = suite.model();
        let mut replay = Replay::open(&entry.path, &entry.overrides()?, &model.sha256)?;
        let first = model.engines.first().context("the shards' record lacks an engine")?;
        let subject = Subject::replayed(&mut replay, first.clone());
        let engines = if model.is_mixed() { &model.engines[..] } else { &[] };
        let kept = Kept { engines, ..self.kept };
        let merged = self.measure(suite, subject, model.batch_size, kept, report);
        match model.is_mixed() {
            false => merged,
            true => merged.context(
                "the shards are on different engines; where those disagree on which images are accepted, paths \
                 and attacks do not fit together, and all shards have to be run on one engine",
            ),
        }
    }

    fn measure(
        &mut self,
        suite: &Suite,
        subject: Subject<'_>,
        batch_size: usize,
        kept: Kept<'_>,
        report: &mut dyn FnMut(Event<'_>) -> undetected_onnx::Result<()>,
    ) -> anyhow::Result<(Outcome, ShardModel)> {
        let name = subject.model.spec().name.clone();
        let progress = &mut self.progress;
        progress.name_model(&name);
        let (engine, sha256) = (subject.engine.clone(), subject.sha256.clone());
        let outcome = run_model(suite, subject, batch_size, kept, &mut |event| {
            progress.follow(event)?;
            report(event)
        });
        Ok((outcome?, ShardModel { name, sha256, engine, batch_size }))
    }
}

/// Says what the user should know; the size of batches.
fn prepare(opened: &mut Opened, batches: Batches) -> anyhow::Result<usize> {
    let checkpoint = opened.checkpoint();
    if let Some(notice) = &checkpoint.notice {
        output::warn(notice);
    }
    if checkpoint.parity.is_none() {
        let name = &checkpoint.spec().name;
        output::warn(&format!(
            "warning: {name} has no parity vectors; nothing shows that its values are right"
        ));
    }
    let budget = match batches {
        Batches::Of(images) => return Ok(images),
        Batches::Within(budget) => budget,
    };
    let size = opened.batch_size(budget)?;
    let kib = size.bytes_per_image.div_ceil(1024);
    output::warn(&format!("batches of {} images, {kib} KiB each in the engine", size.images));
    Ok(size.images)
}
