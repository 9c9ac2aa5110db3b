//! Attacks (section 4.3, table 2): on images that are classified correctly and accepted.

use std::{cell::RefCell, time::Instant};

use nalgebra::DMatrix;
use rand::{RngExt, seq::SliceRandom};
use undetected_theory::Streams;

use super::{
    Event,
    attack_settings::{AttackSettings, Built},
    detect::Split,
    scored::Scored,
    table::{Place, Table},
    units::Unit,
};
use crate::{
    attack::{self, Attack, Goal, Outcome, Pool, Settings, Subjects, Summary},
    dataset::ImageStream,
    dequantise,
    detect::{SavedDetector, ThresholdDetector},
    eligible::Eligible,
    engine::EngineInfo,
    error::{Error, Result},
    model::{Batch, ConditionalModel, Differentiable, ModelSpec},
    record::AttackRow,
    suite::{Kept, Model, Task},
};

/// Real images of each class that an attack may start from.
const POOL: usize = 10;
/// Changed where outcomes of an earlier program must not be taken over.
const FORMAT: &str = "attack-3";

/// Who hears of what happens.
type Report<'a> = &'a mut dyn FnMut(Event<'_>) -> Result<()>;

/// Everything that was seen of one attack.
#[derive(Debug, Clone)]
pub struct Attacked {
    /// What was asked for.
    pub settings: AttackSettings,
    /// What could be attacked, and the reasons against other images.
    pub eligible: Eligible,
    /// The images as they were, in the order of the outcomes.
    pub subjects: Subjects,
    /// Their classes.
    pub labels: Vec<usize>,
    /// What came of each.
    pub outcomes: Vec<Outcome>,
    /// What came of all.
    pub summary: Summary,
    /// Images whose outcome an earlier run had found.
    pub resumed: usize,
    /// Time that the others took.
    pub seconds: f64,
}

/// What is attacked.
pub(super) struct Target<'a> {
    pub(super) images: &'a ImageStream,
    pub(super) scored: &'a Scored,
    pub(super) split: &'a Split,
    pub(super) detectors: &'a [SavedDetector],
    /// At least one; of several image i's outcome is found under the i-th, going round.
    pub(super) owners: Vec<Owner>,
    pub(super) sha256: &'a str,
    pub(super) kept: Kept<'a>,
}

/// Who found outcomes: an engine, with the detectors fitted to its scores.
#[derive(Clone)]
pub(super) struct Owner {
    pub(super) engine: EngineInfo,
    detectors: Vec<SavedDetector>,
}

impl Owner {
    pub(super) fn new(engine: EngineInfo, detectors: Vec<SavedDetector>) -> Self {
        Self { engine, detectors }
    }
}

/// What is attacked and what is left, each as index and class.
struct Chosen {
    eligible: Eligible,
    /// In the order of the data: so are tables and contact sheets.
    images: Vec<(usize, usize)>,
    /// Eligible ones that are left, in an order drawn for this data.
    rest: Vec<(usize, usize)>,
}

/// Everything that an outcome depends on, in the order in which it is hashed.
#[derive(serde::Serialize)]
struct Basis<'a> {
    format: &'a str,
    version: &'a str,
    model: &'a str,
    engine: String,
    device: String,
    attack: &'a AttackSettings,
    detector: String,
    settings: Settings,
    pool: Option<(&'a [f32], &'a [usize])>,
    index: u64,
    goal: Goal,
    x: &'a [f32],
    noise: &'a [f32],
}

/// The one that an attack is judged by.
fn detector<'a>(
    detectors: &'a [SavedDetector],
    settings: &AttackSettings,
) -> Result<&'a SavedDetector> {
    let kind = settings.detector;
    let found = detectors.iter().find(|saved| saved.detector.statistic().kind() == kind);
    found.ok_or_else(|| {
        let problem = format!("there is no detector '{}' to judge by", kind.name());
        Error::setting(format!("attack '{}'", settings.name()), problem)
    })
}

impl Target<'_> {
    /// Attacks, and puts the numbers into `table`; nothing comes out of a shard.
    ///
    /// # Errors
    /// Where no image can be attacked, the attack needs gradients that the model does not have, or
    /// the model, `report` or the folder of units fails.
    pub(super) fn attack(
        &self,
        settings: &AttackSettings,
        model: &mut Model<'_>,
        table: &mut Table,
        report: &mut dyn FnMut(Event<'_>) -> Result<()>,
    ) -> Result<Option<Attacked>> {
        let saved = detector(self.detectors, settings)?;
        let name = settings.name();
        let Chosen { eligible, images: chosen, rest } =
            self.choose(settings, &saved.detector, table.seed)?;
        let spec = table.spec.clone();
        let pool = settings.starts_from_real().then(|| self.pool(&spec, rest, table.seed));
        let pool = pool.transpose()?;
        let subjects = self.subjects(settings, &spec, &chosen, pool.as_ref(), table.seed)?;
        let run = Settings {
            batch_size: settings.batch_size.get(),
            fixed_shape: table.engine.depends_on_batch(),
            seed: table.seed,
        };
        let unit = |place| self.unit(settings, run, pool.as_ref(), &subjects, place);
        let units = (0..chosen.len()).map(unit).collect::<Result<Vec<_>>>()?;
        report(Event::AttackStarted {
            attack: &name,
            images: chosen.len(),
            budget: settings.budget(),
        })?;
        let labels: Vec<usize> = chosen.iter().map(|(_, label)| *label).collect();
        let mut done = Done {
            target: self,
            table,
            name: &name,
            subjects: &subjects,
            labels: &labels,
            units: &units,
            outcomes: vec![None; chosen.len()],
        };
        let resumed = done.resume(report)?;
        let start = Instant::now();
        done.run(&settings.built(pool)?, model, &saved.detector, &run, report)?;
        let seconds = start.elapsed().as_secs_f64();
        if self.kept.shard.is_some() {
            return Ok(None);
        }
        let outcomes: Vec<Outcome> = done.outcomes.into_iter().flatten().collect();
        let summary = Summary::of(&outcomes).expect("at least one image was attacked");
        let attacked = Attacked {
            settings: settings.clone(),
            eligible,
            subjects,
            labels,
            outcomes,
            summary,
            resumed,
            seconds,
        };
        numbers(table, self.images.name(), &attacked);
        Ok(Some(attacked))
    }

    /// Draws the images to attack.
    fn choose(
        &self,
        settings: &AttackSettings,
        detector: &ThresholdDetector,
        seed: u64,
    ) -> Result<Chosen> {
        let eligible = Eligible::among(self.split.test(self.scored), detector);
        let mut images = eligible.images.clone();
        if images.is_empty() {
            let problem = format!("no image can be attacked: {}", eligible.reasons());
            return Err(Error::setting(format!("attack '{}'", settings.name()), problem));
        }
        images.shuffle(&mut Streams::new(seed, "attack-images").get(0));
        let rest = images.split_off(settings.images.get().min(images.len()));
        images.sort_unstable();
        Ok(Chosen { eligible, images, rest })
    }

    /// The name of the outcome of the image at `place`.
    fn unit(
        &self,
        settings: &AttackSettings,
        run: Settings,
        pool: Option<&Pool>,
        subjects: &Subjects,
        place: usize,
    ) -> Result<Unit> {
        let Owner { engine, detectors } = &self.owners[place % self.owners.len()];
        let column =
            |matrix: &DMatrix<f32>| matrix.column(place).iter().copied().collect::<Vec<_>>();
        let (x, noise) = (column(&subjects.batch.x), column(&subjects.batch.noise));
        Ok(Unit::of(&Basis {
            format: FORMAT,
            version: env!("CARGO_PKG_VERSION"),
            model: self.sha256,
            engine: engine.to_string(),
            device: engine.device.to_string(),
            attack: settings,
            detector: format!("{:?}", detector(detectors, settings)?.detector),
            settings: Settings { fixed_shape: engine.depends_on_batch(), ..run },
            pool: pool.map(|pool| (pool.x.as_slice(), &pool.classes[..])),
            index: subjects.indices[place],
            goal: subjects.goals[place],
            x: &x,
            noise: &noise,
        }))
    }

    /// The first so many images of each class.
    fn pool(&self, spec: &ModelSpec, rest: Vec<(usize, usize)>, seed: u64) -> Result<Pool> {
        let mut counts = vec![0; spec.classes.len()];
        let mut chosen: Vec<(usize, usize)> = vec![];
        for (index, class) in rest {
            if counts[class] < POOL {
                counts[class] += 1;
                chosen.push((index, class));
            }
        }
        let batch = self.batch(spec, &chosen, seed)?;
        Ok(Pool { x: batch.x, classes: chosen.into_iter().map(|(_, class)| class).collect() })
    }

    fn batch(&self, spec: &ModelSpec, chosen: &[(usize, usize)], seed: u64) -> Result<Batch> {
        let indices: Vec<usize> = chosen.iter().map(|(index, _)| *index).collect();
        if indices.is_empty() {
            let problem = "none is left beside the attacked images; attack fewer, or give more";
            return Err(Error::setting("real images to start from", problem));
        }
        let images = self.images.pick(&indices)?;
        let keys = indices.iter().map(|index| *index as u64).enumerate();
        Ok(dequantise::of(&images, spec, keys, seed))
    }

    /// A target is drawn, for each image by itself, among the other classes, and where the attack
    /// starts from real images among those that have one.
    fn subjects(
        &self,
        settings: &AttackSettings,
        spec: &ModelSpec,
        chosen: &[(usize, usize)],
        pool: Option<&Pool>,
        seed: u64,
    ) -> Result<Subjects> {
        let streams = Streams::new(seed, "attack-targets");
        let goal = |(index, label): &(usize, usize)| {
            if !settings.is_targeted() {
                return Ok(Goal::Misclassified { label: *label });
            }
            let open = |class: &usize| {
                class != label && pool.is_none_or(|pool| pool.classes.contains(class))
            };
            let classes: Vec<usize> = (0..spec.classes.len()).filter(open).collect();
            if classes.is_empty() {
                let problem = format!("there is no class that image {index} could become");
                return Err(Error::setting(format!("attack '{}'", settings.name()), problem));
            }
            let place = streams.get(*index as u64).random_range(0..classes.len());
            Ok(Goal::Targeted { class: classes[place] })
        };
        Ok(Subjects {
            batch: self.batch(spec, chosen, seed)?,
            indices: chosen.iter().map(|(index, _)| *index as u64).collect(),
            goals: chosen.iter().map(goal).collect::<Result<_>>()?,
        })
    }
}

/// Outcomes so far.
struct Done<'a> {
    target: &'a Target<'a>,
    table: &'a Table,
    name: &'a str,
    subjects: &'a Subjects,
    labels: &'a [usize],
    units: &'a [Unit],
    outcomes: Vec<Option<Outcome>>,
}

impl Done<'_> {
    /// Takes over what an earlier run has found; how many images.
    fn resume(&mut self, report: &mut dyn FnMut(Event<'_>) -> Result<()>) -> Result<usize> {
        let Some(units) = self.target.kept.units else { return Ok(0) };
        for (place, unit) in self.units.iter().enumerate() {
            if let Some(outcome) = units.load::<Outcome>(unit)? {
                report(Event::Attacked(&self.row(&outcome, place)))?;
                self.outcomes[place] = Some(outcome);
            }
        }
        Ok(self.outcomes.iter().flatten().count())
    }

    fn row(&self, outcome: &Outcome, place: usize) -> AttackRow {
        let label = self.labels[place];
        AttackRow::new(&self.table.spec, self.target.images.name(), self.name, label, outcome)
    }

    /// The subjects whose outcome is this run's to find.
    fn left(&self) -> Subjects {
        let own = |place: &usize| self.target.kept.shard.is_none_or(|shard| shard.takes(*place));
        let Subjects { batch, indices, goals } = self.subjects;
        let places: Vec<usize> = (0..self.subjects.len())
            .filter(|place| self.outcomes[*place].is_none() && own(place))
            .collect();
        Subjects {
            batch: Batch {
                x: batch.x.select_columns(&places),
                noise: batch.noise.select_columns(&places),
            },
            indices: places.iter().map(|place| indices[*place]).collect(),
            goals: places.iter().map(|place| goals[*place]).collect(),
        }
    }

    fn run(
        &mut self,
        built: &Built,
        model: &mut Model<'_>,
        detector: &ThresholdDetector,
        settings: &Settings,
        report: &mut dyn FnMut(Event<'_>) -> Result<()>,
    ) -> Result<()> {
        let left = self.left();
        let report = RefCell::new(report);
        let mut sink = |outcome: Outcome| {
            let found = self.subjects.indices.iter().position(|index| *index == outcome.index);
            let place = found.expect("an outcome is that of a subject");
            if let Some(units) = self.target.kept.units {
                units.save(&self.units[place], &outcome)?;
            }
            (report.borrow_mut())(Event::Attacked(&self.row(&outcome, place)))?;
            self.outcomes[place] = Some(outcome);
            Ok(())
        };
        let mut counted = Counted { model, report: &report };
        match built {
            Built::CarliniWagner(a) => {
                with_gradient(a, &mut counted, &left, detector, settings, &mut sink)
            }
            Built::ProjectedGradient(a) => {
                with_gradient(a, &mut counted, &left, detector, settings, &mut sink)
            }
            Built::Boundary(a) => attack::run_without_gradient(
                a,
                &mut counted,
                &left,
                Some(detector),
                settings,
                &mut sink,
            ),
        }
    }
}

fn with_gradient<A: Attack>(
    attack: &A,
    model: &mut Counted<'_, '_, '_>,
    subjects: &Subjects,
    detector: &ThresholdDetector,
    settings: &Settings,
    sink: &mut dyn FnMut(Outcome) -> Result<()>,
) -> Result<()> {
    match model.model {
        Model::Gradients(_) => attack::run(attack, model, subjects, Some(detector), settings, sink),
        Model::Values(_) => {
            attack::run_without_gradient(attack, model, subjects, Some(detector), settings, sink)
        }
    }
}

/// A model that reports how often it is asked.
struct Counted<'a, 'm, 'r> {
    model: &'a mut Model<'m>,
    report: &'a RefCell<Report<'r>>,
}

impl Counted<'_, '_, '_> {
    fn count(&self, batch: &Batch) -> Result<()> {
        (self.report.borrow_mut())(Event::Asked(batch.len()))
    }
}

impl ConditionalModel for Counted<'_, '_, '_> {
    fn spec(&self) -> &ModelSpec {
        self.model.spec()
    }

    fn log_prob(&mut self, batch: &Batch) -> Result<DMatrix<f64>> {
        self.count(batch)?;
        self.model.values().log_prob(batch)
    }
}

impl Differentiable for Counted<'_, '_, '_> {
    fn log_prob_and_gradient(
        &mut self,
        batch: &Batch,
        cotangent: &DMatrix<f64>,
    ) -> Result<(DMatrix<f64>, DMatrix<f32>)> {
        self.count(batch)?;
        self.model.gradients()?.log_prob_and_gradient(batch, cotangent)
    }

    fn margins_and_gradient(
        &mut self,
        batch: &Batch,
        cotangent: &DMatrix<f64>,
    ) -> Result<(DMatrix<f64>, DMatrix<f32>)> {
        self.count(batch)?;
        self.model.gradients()?.margins_and_gradient(batch, cotangent)
    }
}

/// Table 2's numbers, and what to make of them.
fn numbers(table: &mut Table, dataset: &str, attacked: &Attacked) {
    let Attacked { settings, eligible, summary, .. } = attacked;
    let name = settings.name();
    let place = Place::new(dataset, Task::Attack).of(settings.detector.name()).by(&name);
    for (metric, count) in [
        ("misclassified", eligible.misclassified),
        ("not_finite", eligible.not_finite),
        ("rejected", eligible.rejected),
        ("eligible", eligible.images.len()),
        ("attacked", attacked.outcomes.len()),
    ] {
        table.push_exact(place, metric, count as f64, eligible.candidates as u64, "images");
    }
    for epsilon in &settings.epsilons {
        let (place, rates) = (place.within(*epsilon), summary.within(*epsilon));
        let shares = [
            ("undetected", rates.undetected),
            ("fooled", Some(rates.fooled)),
            ("undetected_8bit", rates.undetected_rounded),
            ("fooled_8bit", Some(rates.fooled_rounded)),
        ];
        for (metric, share) in shares {
            share.into_iter().for_each(|share| table.push_share(place, metric, share));
        }
    }
    let n = summary.samples;
    for (metric, median) in
        [("median_undetected", summary.undetected_l2), ("median_fooled", summary.fooled_l2)]
    {
        if let Some(median) = median {
            table.push(place, metric, median, n, "L2");
        }
    }
    let queries = summary.queries;
    table.push_exact(place, "forward_queries", queries.forward as f64, n, "queries");
    table.push_exact(place, "gradient_queries", queries.gradient as f64, n, "queries");
    table.push_exact(place, "at_rounding_level", summary.at_rounding_level as f64, n, "images");
    for (flag, count) in summary.flags.iter().filter(|(_, count)| *count > 0) {
        table.push_exact(place, format!("flag_{flag}"), *count as f64, n, "images");
    }
}
