//! The figures of `evaluate run`: for each model a folder, with every figure as SVG and as PNG.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context;
use rayon::prelude::*;
use undetected_onnx::{
    Error, dequantise,
    detect::{StatisticKind, Thresholds},
    record::Sample,
    statistics::{Positive, Ranking},
    suite::{Event, Outcome, Task},
};

use crate::{
    output,
    report::{
        Figure, Sheet,
        figures::{
            adversarial, attack_success,
            averages::{self, Averages},
            class_gap::{self, Gaps},
            examples::{self, Example},
            likelihoods::{self, Group, Likelihoods},
            reliability::{self, Calibration},
            roc::{self, Roc},
        },
    },
};

/// What midpoints of paths are called beside data sets.
const MIDPOINTS: &str = "midpoints";

/// Where the figures of a run go.
pub struct Figures {
    folder: PathBuf,
}

/// What figures draw of single images, beside what an [`Outcome`] holds: 56 bytes an image.
#[derive(Debug, Default)]
pub struct Seen {
    /// In the order in which they were seen, that which the model was trained for first.
    data: Vec<Scores>,
    /// The class gap of each image that has one, nats.
    gaps: Vec<f64>,
}

/// The images of a data set that fit no detector.
#[derive(Debug)]
struct Scores {
    name: String,
    /// Of each: log p(x), nats, and the other statistics in the order of [`STATISTICS`], each in its unit.
    values: Vec<[f64; 6]>,
}

/// The statistics in the order of [`Scores::values`].
const STATISTICS: [StatisticKind; 6] = [
    StatisticKind::Marginal,
    StatisticKind::Joint,
    StatisticKind::GivenPredicted,
    StatisticKind::Typicality,
    StatisticKind::ComplexityCorrected,
    StatisticKind::GradientNorm,
];

impl Seen {
    /// Keeps what the event says of an image, if it does.
    pub fn record(&mut self, event: Event<'_>) {
        match event {
            Event::Sample(sample) if sample.split == "test" => self.push(sample),
            Event::Gap(row) => self.gaps.extend(row.gap_nats),
            _ => (),
        }
    }

    fn push(&mut self, sample: &Sample) {
        if self.data.last().is_none_or(|scores| scores.name != sample.dataset) {
            self.data.push(Scores { name: sample.dataset.clone(), values: vec![] });
        }
        let others = [
            sample.joint_nats,
            sample.given_predicted_nats,
            sample.typicality_nats,
            sample.complexity_corrected_nats,
            sample.gradient_norm_nats_per_range,
        ];
        // What has no value ranks lowest, as it does in results.csv.
        let [joint, given, typicality, corrected, gradient] =
            others.map(|value| value.unwrap_or(f64::NEG_INFINITY));
        let scores = self.data.last_mut().expect("just pushed");
        scores.values.push([sample.log_px_nats, joint, given, typicality, corrected, gradient]);
    }
}

impl Scores {
    fn of(&self, place: usize) -> Vec<f64> {
        self.values.iter().map(|values| values[place]).collect()
    }
}

impl Figures {
    /// Into `figures` of a run's folder.
    pub fn of(out: &Path) -> Self {
        Self { folder: out.join("figures") }
    }

    /// Draws the figures of the tasks that ran, and says how many there are. What cannot be drawn, such
    /// as likelihoods none of which is finite, is named in a warning: the numbers stand without it.
    ///
    /// # Errors
    /// Where a file cannot be written.
    pub fn write(&self, tasks: &[Task], outcome: &Outcome, seen: &Seen) -> anyhow::Result<usize> {
        let (model, folder) = (&outcome.spec.name, self.folder.join(&outcome.spec.name));
        let figures = drawn(tasks, outcome, seen).into_iter();
        let figures = figures.map(|(name, figure)| (name, figure.map(Drawing::Figure)));
        let sheets = outcome.attacks.iter().map(|attacked| {
            let sheet = adversarial::sheet(&outcome.spec, &outcome.data, attacked);
            (format!("attack_{}", attacked.settings.name()), sheet.map(Drawing::Sheet))
        });
        let all: Vec<(String, anyhow::Result<Drawing>)> = figures.chain(sheets).collect();
        if all.iter().any(|(_, drawing)| drawing.is_ok()) {
            fs::create_dir_all(&folder).map_err(Error::unwritable(&folder))?;
        }
        let write = |(name, drawing): &(String, anyhow::Result<Drawing>)| match drawing {
            Ok(drawing) => drawing.write(&folder.join(name)).map(|()| 1),
            Err(error) => {
                output::warn(&format!("warning: no figure '{name}' of {model}: {error:#}"));
                Ok(0)
            }
        };
        // Threads of their own: the others prepare the next model's images meanwhile, which do not wait.
        let threads = rayon::ThreadPoolBuilder::new().build()?;
        threads.install(|| all.par_iter().map(write).sum())
    }

    /// Where so many are, for the last line of the output.
    pub fn summary(written: usize) -> String {
        match written {
            0 => String::new(),
            n => format!("  {:18} {n:>9} as SVG and PNG, a folder for each model\n", "figures/"),
        }
    }
}

/// What becomes a file.
enum Drawing {
    Figure(Figure),
    Sheet(Sheet),
}

impl Drawing {
    fn write(&self, stem: &Path) -> anyhow::Result<()> {
        match self {
            Self::Figure(figure) => figure.write(stem),
            Self::Sheet(sheet) => sheet.write(stem),
        }
    }
}

type Drawn = (String, anyhow::Result<Figure>);

/// Every figure of the tasks that ran, by its file's name.
fn drawn(tasks: &[Task], outcome: &Outcome, seen: &Seen) -> Vec<Drawn> {
    let mut all = vec![];
    if tasks.contains(&Task::Likelihood) || tasks.contains(&Task::OutOfDistribution) {
        all.push(("likelihoods".to_owned(), likelihoods(outcome, seen)));
    }
    all.extend(rocs(outcome, seen));
    let name = outcome.data.as_str();
    if let Some(gap) = &outcome.class_gap {
        let gaps = Gaps { name, spec: &outcome.spec, gap, gaps: &seen.gaps };
        all.push(("class_gap".to_owned(), class_gap::figure(&[gaps])));
    }
    if let Some(found) = &outcome.interpolation {
        let averages =
            Averages { name, summary: &found.summary, threshold: threshold_bits(outcome) };
        all.push(("interpolation".to_owned(), averages::figure(&[averages])));
        if !found.examples.is_empty() {
            all.push(("interpolation_examples".to_owned(), examples(outcome)));
        }
    }
    if !outcome.attacks.is_empty() {
        all.push(("attack_success".to_owned(), attack_success::figure(name, &outcome.attacks)));
    }
    if let Some(reliability) = &outcome.reliability {
        let calibration = Calibration { name, reliability };
        all.push(("reliability".to_owned(), reliability::figure(&[calibration])));
    }
    all
}

/// The threshold on log p(x) in nats, where there is a single one.
fn threshold(outcome: &Outcome) -> Option<f64> {
    let mut detectors = outcome.detectors.iter().map(|saved| &saved.detector);
    let marginal = detectors.find(|one| one.statistic().kind() == StatisticKind::Marginal)?;
    match marginal.thresholds() {
        Thresholds::Common(nats) => Some(*nats),
        Thresholds::PerClass(_) => None,
    }
}

fn threshold_bits(outcome: &Outcome) -> Option<f64> {
    threshold(outcome).map(|nats| outcome.spec.bits_per_dim(nats))
}

/// Every data set that has a finite log p(x); another one is named in a warning.
fn likelihoods(outcome: &Outcome, seen: &Seen) -> anyhow::Result<Figure> {
    let log_px: Vec<(&str, Vec<f64>)> =
        seen.data.iter().map(|scores| (scores.name.as_str(), scores.of(0))).collect();
    let mut groups = vec![];
    for (place, (name, log_px)) in log_px.iter().enumerate() {
        // Without the first there is nothing to compare with: the figure refuses it.
        if place == 0 || log_px.iter().any(|log_px| log_px.is_finite()) {
            groups.push(Group { name, log_px });
        } else {
            output::warn(&format!(
                "warning: figure 'likelihoods' of {} leaves out '{name}', which has no finite \
                 log p(x)",
                outcome.spec.name
            ));
        }
    }
    let (title, spec) = (outcome.spec.name.as_str(), &outcome.spec);
    likelihoods::figure(&[Likelihoods { title, spec, groups, threshold: threshold(outcome) }])
}

/// A figure for each statistic: the data against every other data set, and by log p(x) against the
/// midpoints of paths.
fn rocs(outcome: &Outcome, seen: &Seen) -> Vec<Drawn> {
    let Some((real, others)) = seen.data.split_first() else { return vec![] };
    let measured =
        |kind| outcome.separations.iter().any(|separation| separation.statistic.kind() == kind);
    let mut all = vec![];
    for (place, kind) in STATISTICS.into_iter().enumerate() {
        let others = others.iter().filter(|_| measured(kind));
        let mut against: Vec<(&str, Vec<f64>)> =
            others.map(|scores| (scores.name.as_str(), scores.of(place))).collect();
        if let (StatisticKind::Marginal, Some(found)) = (kind, &outcome.interpolation) {
            against.push((MIDPOINTS, found.summary.midpoint_scores.clone()));
        }
        if !against.is_empty() {
            let inside = real.of(place);
            all.push((format!("roc_{}", kind.name()), roc((&real.name, kind), &inside, &against)));
        }
    }
    all
}

fn roc<'a>(
    (data, kind): (&str, StatisticKind),
    inside: &[f64],
    against: &[(&'a str, Vec<f64>)],
) -> anyhow::Result<Figure> {
    let ranking = |(name, outside): &(&'a str, Vec<f64>)| {
        let ranking = Ranking::new(inside, outside, Positive::In)
            .with_context(|| format!("no image is to be told from '{name}'"))?;
        anyhow::Ok((*name, ranking))
    };
    let rankings = against.iter().map(ranking).collect::<anyhow::Result<Vec<_>>>()?;
    let curves: Vec<Roc<'_>> =
        rankings.iter().map(|(name, ranking)| Roc { name, ranking }).collect();
    let figure = roc::figure(&curves)?;
    let title = format!("{}: {data} against others by '{}'", figure.title, kind.name());
    Ok(Figure { title, ..figure })
}

/// The first paths, with their images.
fn examples(outcome: &Outcome) -> anyhow::Result<Figure> {
    let found = outcome.interpolation.iter().flat_map(|found| &found.examples);
    // Pixels from 0 to 1 draw nothing: the seed is of no consequence.
    let batches: Vec<_> = found
        .map(|example| {
            let images = &example.images;
            let batch = dequantise::batch(images, &outcome.spec, 0, example.alphas.len(), 0);
            (example, batch)
        })
        .collect();
    let examples: Vec<Example<'_>> = batches
        .iter()
        .map(|(example, images)| Example {
            name: &outcome.data,
            spec: &outcome.spec,
            path: &example.path,
            images,
            threshold: threshold_bits(outcome),
        })
        .collect();
    examples::figure(&examples)
}

#[cfg(test)]
mod tests {
    use super::*;
    use undetected_onnx::{
        class_gap::ClassGap,
        engine::{Device, EngineInfo},
        model::{Dequantisation, ImageShape, ModelSpec},
    };

    fn outcome() -> Outcome {
        let spec = ModelSpec {
            name: "a".to_owned(),
            image: ImageShape { channels: 1, height: 1, width: 1 },
            noise_len: 0,
            classes: vec!["zero".to_owned(), "one".to_owned()],
            ln_prior: vec![0.5_f64.ln(); 2],
            n_dims: 1,
            pixel_range: (0.0, 1.0),
            dequantisation: Dequantisation::Centre,
        };
        let engine =
            EngineInfo { name: "e".to_owned(), version: "1".to_owned(), device: Device::Cpu };
        Outcome {
            spec,
            engine,
            mixed: vec![],
            data: "real".to_owned(),
            rows: vec![],
            detectors: vec![],
            separations: vec![],
            likelihoods: vec![],
            class_gap: Some(ClassGap::new(10)),
            interpolation: None,
            reliability: None,
            attacks: vec![],
        }
    }

    fn scores(name: &str, log_px: &[f64]) -> Scores {
        Scores { name: name.to_owned(), values: log_px.iter().map(|value| [*value; 6]).collect() }
    }

    /// Neither an empty class gap nor a data set without densities ends a run; the rest is drawn.
    #[test]
    fn what_cannot_be_drawn_is_left_out() {
        let out = tempfile::tempdir().unwrap();
        let lost = [f64::NEG_INFINITY, f64::NAN];
        for (real, written) in [(&[-1.0, -2.0], 1), (&lost, 0)] {
            let figures = Figures::of(out.path());
            let seen =
                Seen { data: vec![scores("real", real), scores("lost", &lost)], gaps: vec![] };
            let tasks = [Task::Likelihood, Task::ClassGap];
            assert_eq!(figures.write(&tasks, &outcome(), &seen).unwrap(), written);
        }
        let svg = fs::read_to_string(out.path().join("figures/a/likelihoods.svg")).unwrap();
        assert!(svg.contains("real (n = 2)") && !svg.contains("lost"));
        assert!(!out.path().join("figures/a/class_gap.svg").exists());
    }

    /// What a detector gives no value ranks below all that has one.
    #[test]
    fn images_without_a_value_count_as_rejected() {
        let ranking = |inside, outside| roc(("real", StatisticKind::Joint), inside, outside);
        let others = [("lost", vec![f64::NEG_INFINITY; 2])];
        let figure = ranking(&[-1.0, -2.0], &others).unwrap();
        assert!(figure.description.contains("lost: AUROC 1"), "{}", figure.description);
        assert!(figure.title.contains("real against others by 'joint'"));
    }
}
