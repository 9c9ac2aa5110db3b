//! Interpolation: paths between accepted images of different classes (figures 1, 4 and 6).

use super::{
    Event, Interpolate, Likelihoods, PAIRS, Task,
    detect::Split,
    out_of_distribution,
    scored::Scored,
    table::{Place, Table},
};
use crate::{
    dataset::{ImageStream, Images, Pixels},
    detect::{SavedDetector, Statistic, ThresholdDetector},
    error::{Error, Result},
    interpolate::{Pair, Path, Selection, Summary, Walk, alphas},
    model::{ConditionalModel, ModelSpec},
    record::{PathRow, PointRow},
    statistics::{Positive, Ranking, RocPoint},
};

/// Images that are kept of an example's path, both ends and the midpoint among them.
const EXAMPLE_IMAGES: usize = 9;

/// Everything that was seen on the paths.
#[derive(Debug, Clone)]
pub struct Interpolation {
    /// The pairs, and why the other images are in none.
    pub selection: Selection,
    /// The paths together.
    pub summary: Summary,
    /// The first paths, whole.
    pub examples: Vec<Example>,
    /// Real images, the positives, against midpoints by log p(x).
    pub roc: Vec<RocPoint>,
    /// Bits/dim of real images beside those of midpoints.
    pub likelihoods: Likelihoods,
}

/// One path with images.
#[derive(Debug, Clone, PartialEq)]
pub struct Example {
    /// The path.
    pub path: Path,
    /// Where its images are taken: evenly from 0 to 1.
    pub alphas: Vec<f64>,
    /// The images there as the model gets them, its pixels' range taken to \[0, 1\].
    pub images: Images,
}

/// Refuses more pairs than the images that measure could form.
///
/// # Errors
/// [`Error::Setting`].
pub(super) fn check(settings: &Interpolate, test_images: usize) -> Result<()> {
    match settings.pairs {
        Some(pairs) if pairs.get() > test_images / 2 => {
            let problem = format!(
                "are disjoint, and the {test_images} images that fit no detector form at most {}; \
                 ask for fewer, or give more images",
                test_images / 2
            );
            Err(Error::setting(format!("interpolate.pairs = {pairs}"), problem))
        }
        _ => Ok(()),
    }
}

/// What paths between images of a data set are called while they are walked.
pub(super) fn title(dataset: &str) -> String {
    format!("{dataset}, paths")
}

/// What is walked on.
pub(super) struct Ground<'a> {
    pub(super) images: &'a ImageStream,
    pub(super) scored: &'a Scored,
    pub(super) split: &'a Split,
    pub(super) detectors: &'a [SavedDetector],
}

impl Ground<'_> {
    /// The paper's detector decides which images are ends, and which points are accepted.
    fn detector(&self) -> Result<&ThresholdDetector> {
        let detectors = self.detectors.iter().map(|saved| &saved.detector);
        detectors
            .into_iter()
            .find(|detector| detector.statistic() == Statistic::Marginal)
            .ok_or_else(|| {
                Error::setting("interpolate", "needs the marginal detector to select its pairs")
            })
    }

    fn select(&self, settings: &Interpolate, seed: u64) -> Result<Selection> {
        let (test, detector) = (self.split.test(self.scored), self.detector()?);
        match settings.pairs {
            Some(pairs) => Selection::draw(test, detector, pairs.get(), seed),
            None => Selection::draw_up_to(test, detector, PAIRS, seed),
        }
    }

    /// Walks, and puts the numbers into `table`.
    ///
    /// # Errors
    /// Where too few images are accepted, or the model or `report` fails.
    pub(super) fn walk(
        &self,
        settings: &Interpolate,
        model: &mut dyn ConditionalModel,
        batch_size: usize,
        table: &mut Table,
        report: &mut dyn FnMut(Event<'_>) -> Result<()>,
    ) -> Result<Interpolation> {
        let selection = self.select(settings, table.seed)?;
        // The ends alone are in memory: images 2i and 2i + 1 are those of pair i.
        let ends: Vec<usize> = selection.pairs.iter().flat_map(|pair| pair.images).collect();
        let ends = self.images.pick(&ends)?;
        let places = selection.pairs.iter().enumerate();
        let pairs: Vec<Pair> =
            places.map(|(i, pair)| Pair { images: [2 * i, 2 * i + 1], ..*pair }).collect();
        let walk = Walk {
            images: &ends,
            pairs: &pairs,
            detector: self.detector()?,
            alphas: settings.alphas,
            seed: table.seed,
        };
        let (spec, name) = (&table.spec, self.images.name());
        let points = settings.alphas + 1;
        report(Event::Started { dataset: &title(name), images: points * selection.pairs.len() })?;
        let mut examples = vec![];
        let summary = walk.run(model, batch_size, &mut |path| {
            let path = &Path { pair: selection.pairs[path.index], ..path.clone() };
            report(Event::Seen(points))?;
            report(Event::Path(&PathRow::new(&spec.name, name, path)))?;
            for point in PointRow::of(&spec.name, name, path) {
                report(Event::Point(&point))?;
            }
            if path.index < settings.examples {
                examples.push(example(&walk, spec, path)?);
            }
            Ok(())
        })?;
        let (roc, likelihoods) = self.against_real(table, &summary);
        numbers(table, name, &selection, &summary);
        Ok(Interpolation { selection, summary, examples, roc, likelihoods })
    }

    /// Midpoints against all real images that fit nothing.
    fn against_real(&self, table: &mut Table, summary: &Summary) -> (Vec<RocPoint>, Likelihoods) {
        let place = Place::new(self.images.name(), Task::Interpolate);
        let real = || self.split.test(self.scored).map(|score| score.log_px);
        let inside: Vec<f64> = real().collect();
        let n = (inside.len() + summary.midpoint_scores.len()) as u64;
        let ranking = Ranking::new(&inside, &summary.midpoint_scores, Positive::In)
            .expect("there are paths, and their ends are real images");
        table.push(place, "midpoint_auroc", ranking.auroc_estimate(), n, "area");
        let midpoints = summary.midpoint_scores.iter().copied();
        let likelihoods =
            out_of_distribution::histograms(&table.spec, "midpoints", real(), midpoints);
        (out_of_distribution::thinned(ranking.roc()), likelihoods)
    }
}

fn numbers(table: &mut Table, dataset: &str, selection: &Selection, summary: &Summary) {
    let place = Place::new(dataset, Task::Interpolate);
    let eligible = &selection.eligible;
    let candidates = eligible.candidates as u64;
    for (metric, count, unit) in [
        ("misclassified", eligible.misclassified, "images"),
        ("not_finite", eligible.not_finite, "images"),
        ("rejected", eligible.rejected, "images"),
        ("eligible", eligible.images.len(), "images"),
        ("available_pairs", selection.available, "pairs"),
        ("pairs", selection.pairs.len(), "pairs"),
    ] {
        table.push_exact(place, metric, count as f64, candidates, unit);
    }
    table.push_share(place, "ends_accepted", summary.ends_accepted);
    table.push_share(place, "paths_accepted", summary.paths_accepted);
    table.push_share(place, "midpoints_accepted", summary.midpoint.accepted);
    table.push_share(place, "midpoints_likelier", summary.midpoints_likelier);
    let n = selection.pairs.len() as u64;
    table.push_exact(place, "not_comparable", summary.not_comparable as f64, n, "paths");
    if let Some(difference) = summary.midpoint_minus_ends {
        let comparable = n - summary.not_comparable;
        table.push(place, "midpoint_minus_ends", difference, comparable, "bits/dim");
    }
    if let Some(band) = summary.midpoint.bits_per_dim {
        table.push(place, "mean_midpoint", band.mean, band.n as u64, "bits/dim");
    }
}

fn example(walk: &Walk<'_>, spec: &ModelSpec, path: &Path) -> Result<Example> {
    let alphas = alphas(EXAMPLE_IMAGES)?;
    let line = walk.line(spec, path.index, &alphas);
    let (low, high) = spec.pixel_range;
    let unit = |x: &f32| (((f64::from(*x) - low) / (high - low)) as f32).clamp(0.0, 1.0);
    let images = Images {
        name: format!("path {}", path.index),
        path: None,
        shape: spec.image,
        pixels: Pixels::Unit(line.x.iter().map(unit).collect()),
        labels: None,
    };
    Ok(Example { path: path.clone(), alphas, images })
}
