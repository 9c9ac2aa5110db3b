//! Running a suite on one model: every data set is seen once, and the tasks get what was seen.

use super::{
    Attacked, Interpolation, Replay, Shard, Suite, Task, Units,
    attack::{Owner, Target},
    class_gap, classify,
    data_sets::DataSets,
    detect,
    detect::{Part, Split},
    interpolate::Ground,
    likelihood, objective, out_of_distribution,
    out_of_distribution::{Likelihoods, Separation},
    remembered::Remembered,
    scored::Scored,
    table::Table,
};
use crate::{
    calibration::Reliability,
    checkpoint::Checkpoint,
    class_gap::ClassGap,
    dataset::ImageStream,
    detect::{SavedDetector, Statistic, ThresholdDetector},
    engine::EngineInfo,
    error::{Error, Result},
    gradient::DifferentiableCheckpoint,
    likelihood::{Score, for_each_streamed, for_each_with_gradient},
    model::{ConditionalModel, Differentiable, ModelSpec},
    record::{AttackRow, GapRow, PathRow, PointRow, Row, Sample},
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
    /// An image's class gap.
    Gap(&'a GapRow),
    /// A path between two images.
    Path(&'a PathRow),
    /// A point of the path before.
    Point(&'a PointRow),
    /// An attack begins.
    AttackStarted {
        /// Its name.
        attack: &'a str,
        /// Images to attack.
        images: usize,
        /// Most evaluations of one image.
        budget: u64,
    },
    /// An attack asks for so many images more.
    Asked(usize),
    /// What came of attacking an image.
    Attacked(&'a AttackRow),
}

/// Everything that a run says of one model, beside the rows that its events carry.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// What is known of the model.
    pub spec: ModelSpec,
    /// What computed.
    pub engine: EngineInfo,
    /// What each shard computed with, in order, where they did not all use one engine; else none.
    pub mixed: Vec<EngineInfo>,
    /// The data set that the model was trained for.
    pub data: String,
    /// The numbers.
    pub rows: Vec<Row>,
    /// The detectors, fitted or given.
    pub detectors: Vec<SavedDetector>,
    /// Each statistic against each other data set.
    pub separations: Vec<Separation>,
    /// Likelihoods of each other data set beside the data's.
    pub likelihoods: Vec<Likelihoods>,
    /// Figure 3.
    pub class_gap: Option<ClassGap>,
    /// Figures 1, 4 and 6.
    pub interpolation: Option<Interpolation>,
    /// The reliability curve.
    pub reliability: Option<Reliability>,
    /// The attacks (table 2).
    pub attacks: Vec<Attacked>,
}

/// A model, and what else a run asks of it.
pub struct Subject<'a> {
    /// The model.
    pub model: Model<'a>,
    /// What computes; with [`Kept::engines`], the first of them.
    pub engine: EngineInfo,
    /// SHA-256 of its file.
    pub sha256: String,
    /// Pixels of value 0 that its images get on each side.
    pub pad: usize,
}

/// What becomes of a run's work.
#[derive(Debug, Clone, Copy, Default)]
pub struct Kept<'a> {
    /// Where answers of the model and outcomes of attacks are kept, and found again.
    pub units: Option<&'a Units>,
    /// Of the work that can be shared this part alone. What comes out is then no result, and only
    /// what is kept is of use: scoring the data, which the rest depends on, is done by every shard.
    pub shard: Option<Shard>,
    /// Where shards on different engines are put together: what each computed with, in order. Work is
    /// then found under the engine of the shard that it fell to; what every shard has done for itself,
    /// under that of the first. Empty otherwise.
    pub engines: &'a [EngineInfo],
}

impl Kept<'_> {
    /// The same for work that is not shared.
    fn unshared(self) -> Self {
        Self { shard: None, engines: &[], ..self }
    }
}

/// A model with or without gradients.
pub enum Model<'a> {
    /// Values alone.
    Values(&'a mut dyn ConditionalModel),
    /// Values and gradients.
    Gradients(&'a mut dyn Differentiable),
}

impl Model<'_> {
    /// For values.
    pub fn values(&mut self) -> &mut dyn ConditionalModel {
        match self {
            Self::Values(model) => *model,
            Self::Gradients(model) => *model,
        }
    }

    /// For gradients.
    ///
    /// # Errors
    /// [`Error::Setting`] where the model was opened without.
    pub fn gradients(&mut self) -> Result<&mut dyn Differentiable> {
        match self {
            Self::Values(_) => Err(Error::setting("model", "was opened without its gradient")),
            Self::Gradients(model) => Ok(*model),
        }
    }

    /// What is known of it beside its densities.
    pub fn spec(&self) -> &ModelSpec {
        match self {
            Self::Values(model) => model.spec(),
            Self::Gradients(model) => model.spec(),
        }
    }
}

impl<'m> Subject<'m> {
    fn remembered<'a>(&'a mut self, kept: Kept<'a>, turns: usize) -> Remembered<'a, 'm> {
        let Self { model, engine, sha256, .. } = self;
        let Kept { units, shard, engines } = kept;
        let engines = if engines.is_empty() { std::slice::from_ref(engine) } else { engines };
        Remembered { model, engines, sha256, units, shard, turns, missed: false, unsaved: None }
    }
}

impl<'a> Subject<'a> {
    /// An opened checkpoint.
    pub fn of(checkpoint: &'a mut Checkpoint) -> Self {
        Self {
            engine: checkpoint.engine().clone(),
            sha256: checkpoint.sha256.clone(),
            pad: checkpoint.contract.pad,
            model: Model::Values(checkpoint),
        }
    }

    /// One that is not asked any more.
    pub fn replayed(replay: &'a mut Replay, engine: EngineInfo) -> Self {
        Self {
            engine,
            sha256: replay.sha256.clone(),
            pad: replay.contract.pad,
            model: Model::Gradients(replay),
        }
    }

    /// A checkpoint opened with gradients, which [`Suite::needs_gradients`] asks for.
    pub fn with_gradients(opened: &'a mut DifferentiableCheckpoint) -> Self {
        let values = &opened.checkpoint;
        Self {
            engine: values.engine().clone(),
            sha256: values.sha256.clone(),
            pad: values.contract.pad,
            model: Model::Gradients(opened),
        }
    }
}

/// Measures one model as the suite asks.
///
/// `batch_size` changes speed and memory only. `report` hears of every image; its errors end the
/// run. What `kept` has is not computed again.
///
/// # Errors
/// Where a setting is impossible, data cannot be read or does not fit the model, the engine or
/// `report` fails, or a threshold cannot be fitted.
///
/// # Panics
/// If `batch_size` is 0.
pub fn run_model<'a>(
    suite: &'a Suite,
    subject: Subject<'_>,
    batch_size: usize,
    kept: Kept<'a>,
    report: &'a mut dyn FnMut(Event<'_>) -> Result<()>,
) -> Result<Outcome> {
    let gradients = suite.asks_gradient_norm();
    if gradients && matches!(subject.model, Model::Values(_)) {
        let problem = "names \"gradient_norm\", but the model was not opened with gradients";
        return Err(Error::setting("detect.statistics", problem));
    }
    let spec = subject.model.spec().clone();
    let DataSets { data, others, plan, split } =
        DataSets::open(suite, &spec, &subject.sha256, subject.pad)?;
    let mut gap = suite
        .has(Task::ClassGap)
        .then(|| class_gap::Collector::new(&spec, suite.class_gap.bins, suite.seed))
        .transpose()?;

    let engine = subject.engine.clone();
    let sha256 = subject.sha256.clone();
    let table = Table::new(spec.clone(), engine.clone(), suite.seed);
    let mut run = Run { suite, subject, gradients, batch_size, kept, turns: 0, report, table };
    let scored = run.see(&data, gap.as_mut(), kept.unshared())?;
    let fit =
        |scored: &Scored| plan.detectors(suite, &spec, &sha256, (data.name(), scored, &split));
    let detectors = fit(&scored)?;
    let real =
        Real { images: &data, scored: &scored, split: &split, detectors: &detectors, gradients };
    let reliability = run.data(&real)?;
    let class_gap = gap.map(|gap| gap.finish(&mut run.table, data.name()));
    run.table.comes_from(kept.engines);
    let interpolation = suite.has(Task::Interpolate).then(|| run.walk(&real)).transpose()?;
    let attacks = run.attacks(&real, &fit)?;
    let (mut separations, mut likelihoods) = (vec![], vec![]);
    for images in &others {
        let (separated, likelihood) = run.other(images, &real)?;
        separations.extend(separated);
        likelihoods.extend(likelihood);
    }
    let rows = run.table.rows;
    Ok(Outcome {
        spec,
        engine,
        mixed: kept.engines.to_vec(),
        data: data.name().to_owned(),
        rows,
        detectors,
        separations,
        likelihoods,
        class_gap,
        interpolation,
        reliability,
        attacks,
    })
}

/// The data that the model was trained for, seen and judged.
struct Real<'a> {
    images: &'a ImageStream,
    scored: &'a Scored,
    split: &'a Split,
    detectors: &'a [SavedDetector],
    /// Whether the norms of gradients were seen.
    gradients: bool,
}

impl Real<'_> {
    /// Those of the detectors, and without fitted ones those that need no fit.
    fn statistics(&self) -> Vec<Statistic> {
        let fitted: Vec<_> =
            self.detectors.iter().map(|saved| saved.detector.statistic()).collect();
        match self.detectors.iter().any(|saved| saved.calibration.is_some()) {
            true => fitted,
            false => [
                Statistic::Marginal,
                Statistic::Joint,
                Statistic::GivenPredicted,
                Statistic::ComplexityCorrected,
            ]
            .into_iter()
            .chain(self.gradients.then_some(Statistic::GradientNorm))
            .collect(),
        }
    }
}

/// A run under way.
struct Run<'a, 'm> {
    suite: &'a Suite,
    subject: Subject<'m>,
    gradients: bool,
    batch_size: usize,
    kept: Kept<'a>,
    /// Turns so far ([`Remembered::turns`]).
    turns: usize,
    report: &'a mut dyn FnMut(Event<'_>) -> Result<()>,
    table: Table,
}

impl Run<'_, '_> {
    /// Goes through a data set, and shows its class gap as it goes.
    fn see(
        &mut self,
        images: &ImageStream,
        mut gap: Option<&mut class_gap::Collector>,
        kept: Kept<'_>,
    ) -> Result<Scored> {
        let (report, spec) = (&mut *self.report, &self.table.spec);
        report(Event::Started { dataset: images.name(), images: images.len() })?;
        let mut scored = Scored::with_room(images.len());
        let visit = &mut |score: &Score, log_prob: &[f64]| {
            scored.push(score);
            let sample = gap.as_mut().and_then(|gap| gap.push(score, log_prob));
            if let Some(sample) = sample {
                report(Event::Gap(&GapRow::new(&spec.name, images.name(), &sample)))?;
            }
            report(Event::Seen(1))
        };
        let gradients = self.gradients;
        let mut model = self.subject.remembered(kept, self.turns);
        let (size, seed) = (self.batch_size, self.suite.seed);
        let seen = match gradients {
            true => for_each_with_gradient(&mut model, images, size, seed, visit),
            false => for_each_streamed(&mut model, images, size, seed, visit),
        };
        // Whatever ended it, what was found is kept.
        let turns = model.finish();
        seen?;
        self.turns = turns?;
        Ok(scored)
    }

    /// The tasks on the data that the model was trained for which look at single images.
    fn data(&mut self, real: &Real<'_>) -> Result<Option<Reliability>> {
        let Real { images, scored, split, detectors, .. } = *real;
        let name = images.name();
        if self.suite.has(Task::Likelihood) {
            likelihood::measure(&mut self.table, name, scored);
        }
        if self.suite.has(Task::Classify) {
            classify::measure(&mut self.table, name, scored);
        }
        if self.suite.has(Task::Detect) {
            detect::thresholds(&mut self.table, name, detectors);
            detect::accepted(&mut self.table, name, detectors, || split.test(scored));
        }
        self.samples(name, scored, detectors, |index| match split.part(index) {
            Part::Test => "test",
            Part::Centre | Part::Threshold => "calibration",
        })?;
        let bins = self.suite.objective.bins.get();
        let measure = || objective::measure(&mut self.table, name, scored, bins);
        Ok(self.suite.has(Task::Objective).then(measure))
    }

    /// The paths between images of the data.
    fn walk(&mut self, real: &Real<'_>) -> Result<Interpolation> {
        let Real { images, scored, split, detectors, .. } = *real;
        let ground = Ground { images, scored, split, detectors };
        let mut model = self.subject.remembered(self.kept, self.turns);
        let (settings, table) = (&self.suite.interpolate, &mut self.table);
        let walked = ground.walk(settings, &mut model, self.batch_size, table, self.report);
        let turns = model.finish();
        let walked = walked?;
        self.turns = turns?;
        Ok(walked)
    }

    /// The attacks, one after the other; `fit` gives the detectors of scores.
    fn attacks(
        &mut self,
        real: &Real<'_>,
        fit: &dyn Fn(&Scored) -> Result<Vec<SavedDetector>>,
    ) -> Result<Vec<Attacked>> {
        if !self.suite.attacks_any() {
            return Ok(vec![]);
        }
        let owners = self.owners(real, fit)?;
        let Real { images, scored, split, detectors, .. } = *real;
        let (sha256, kept) = (&self.subject.sha256, self.kept);
        let target = Target { images, scored, split, detectors, owners, sha256, kept };
        let model = &mut self.subject.model;
        let attack = |settings| target.attack(settings, model, &mut self.table, self.report);
        let attacked = self.suite.attacks.iter().map(attack).collect::<Result<Vec<_>>>()?;
        Ok(attacked.into_iter().flatten().collect())
    }

    /// Whose attacks are found: those of one engine, or of each shard in order. The detectors of a
    /// shard are what its own engine's scores make of them.
    fn owners(
        &mut self,
        real: &Real<'_>,
        fit: &dyn Fn(&Scored) -> Result<Vec<SavedDetector>>,
    ) -> Result<Vec<Owner>> {
        let first = || Owner::new(self.subject.engine.clone(), real.detectors.to_vec());
        if self.kept.engines.is_empty() {
            return Ok(vec![first()]);
        }
        let (mut owners, turns): (Vec<Owner>, _) = (vec![first()], self.turns);
        for engine in self.kept.engines {
            if owners.iter().all(|owner| owner.engine != *engine) {
                let kept = Kept { engines: std::slice::from_ref(engine), ..self.kept.unshared() };
                let scored = self.see(real.images, None, kept)?;
                owners.push(Owner::new(engine.clone(), fit(&scored)?));
            }
        }
        // Every shard has done this for itself: it is nobody's turn.
        self.turns = turns;
        let of = |engine: &EngineInfo| {
            owners.iter().find(|owner| owner.engine == *engine).expect("each was added").clone()
        };
        Ok(self.kept.engines.iter().map(of).collect())
    }

    /// The tasks on other data.
    fn other(
        &mut self,
        images: &ImageStream,
        real: &Real<'_>,
    ) -> Result<(Vec<Separation>, Option<Likelihoods>)> {
        let (name, scored) = (images.name(), self.see(images, None, self.kept)?);
        if self.suite.has(Task::Likelihood) {
            likelihood::measure(&mut self.table, name, &scored);
        }
        if self.suite.has(Task::Detect) {
            detect::accepted(&mut self.table, name, real.detectors, || scored.iter());
        }
        self.samples(name, &scored, real.detectors, |_| "test")?;
        if !self.suite.has(Task::OutOfDistribution) {
            return Ok((vec![], None));
        }
        let inside = (real.scored, real.split);
        let separate =
            |kind| out_of_distribution::measure(&mut self.table, name, kind, inside, &scored);
        let separations = real.statistics().into_iter().filter_map(separate).collect();
        let likelihoods = out_of_distribution::histograms(
            &self.table.spec,
            name,
            real.split.test(real.scored).map(|score| score.log_px),
            scored.iter().map(|score| score.log_px),
        );
        Ok((separations, Some(likelihoods)))
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
