//! The data sets of a run: opened, at the model's shape, and split.

use super::{
    DataEntry, Suite, Task,
    detect::{Part, Plan, Split},
    interpolate,
};
use crate::{
    dataset::{ImageStream, Images},
    error::{Error, Result},
    model::ModelSpec,
};

/// Everything that a run looks at. What it refuses is refused before anything is computed.
pub(super) struct DataSets {
    /// The data that the model was trained for.
    pub(super) data: ImageStream,
    /// What should be rejected: files, then what is made.
    pub(super) others: Vec<ImageStream>,
    /// The detectors, fitted or not yet.
    pub(super) plan: Plan,
    /// Which image of the data fits them, and which measures.
    pub(super) split: Split,
}

impl DataSets {
    /// Those that a suite names, for a model whose images get `pad` pixels on each side.
    ///
    /// # Errors
    /// Where a setting is impossible, data cannot be read or does not fit the model, two data sets have
    /// one name, or a threshold cannot be fitted to so few images.
    pub(super) fn open(suite: &Suite, spec: &ModelSpec, sha256: &str, pad: usize) -> Result<Self> {
        suite.check()?;
        let data = labelled(suite, spec)?;
        let mut others = files(suite, spec)?;
        refuse_equal_names(std::iter::once(&data).chain(&others))?;
        let (plan, split) = Plan::new(suite, spec, sha256, data.name(), data.len())?;
        others.extend(synthetic(suite, spec, &data, &split)?);
        refuse_equal_names(std::iter::once(&data).chain(&others))?;
        let data = data.fit(spec.image, pad)?;
        let others = others.into_iter().map(|images| fit_other(images, spec, pad));
        let opened = Self { data, others: others.collect::<Result<Vec<_>>>()?, plan, split };
        if suite.has(Task::Interpolate) {
            interpolate::check(&suite.interpolate, opened.test_images())?;
        }
        Ok(opened)
    }

    /// Images of the data that measure.
    pub(super) fn test_images(&self) -> usize {
        (0..self.data.len()).filter(|index| self.split.part(*index) == Part::Test).count()
    }
}

/// At the model's shape. A suite's files of other data are those of every model.
fn fit_other(images: ImageStream, spec: &ModelSpec, pad: usize) -> Result<ImageStream> {
    let name = images.name().to_owned();
    images.fit(spec.image, pad).map_err(|error| {
        let problem = format!(
            "{error}. In a suite of several data sets, list it under those that it goes with: \
             [[data.out_of_distribution]]"
        );
        Error::setting(format!("out_of_distribution '{name}'"), problem)
    })
}

fn labelled(suite: &Suite, spec: &ModelSpec) -> Result<ImageStream> {
    let data = open(&suite.data, spec)?;
    match data.labels() {
        Some(_) => Ok(data),
        None => Err(Error::setting(
            format!("data {}", suite.data.images.display()),
            "has no labels; name the label file, or an NPZ array 'labels'",
        )),
    }
}

/// Files of other data, where a task looks at them.
fn files(suite: &Suite, spec: &ModelSpec) -> Result<Vec<ImageStream>> {
    match suite.sees_other_data() {
        true => suite.out_of_distribution.iter().map(|entry| open(entry, spec)).collect(),
        false => Ok(vec![]),
    }
}

/// Other data that is made, where a task looks at it. Noise is added to images that fit nothing.
fn synthetic(
    suite: &Suite,
    spec: &ModelSpec,
    data: &ImageStream,
    split: &Split,
) -> Result<Vec<ImageStream>> {
    if !suite.sees_other_data() {
        return Ok(vec![]);
    }
    let settings = &suite.synthetic;
    let count = settings.images.get().min(data.len());
    let mut made = vec![];
    if settings.uniform {
        made.push(Images::uniform_noise(spec.image, count, suite.seed));
    }
    if settings.constant {
        made.push(Images::constant(spec.image, count, suite.seed));
    }
    if !settings.noise.is_empty() {
        let test = (0..data.len()).filter(|index| split.part(*index) == Part::Test);
        let test = data.pick(&test.take(count).collect::<Vec<_>>())?;
        made.extend(settings.noise.iter().map(|sd| test.with_noise(*sd, suite.seed)));
    }
    Ok(made.into_iter().map(ImageStream::from).collect())
}

fn open(entry: &DataEntry, spec: &ModelSpec) -> Result<ImageStream> {
    let mut images = ImageStream::open(&entry.images, entry.labels.as_deref())?;
    if let Some(name) = &entry.name {
        images.rename(name);
    }
    if let Some(limit) = entry.limit {
        if limit == 0 {
            return Err(Error::setting("limit", "must be at least 1"));
        }
        images.truncate(limit);
    }
    images.check_labels(spec.classes.len())?;
    Ok(images)
}

/// Rows are told apart by their data set's name.
fn refuse_equal_names<'a>(images: impl Iterator<Item = &'a ImageStream>) -> Result<()> {
    let mut seen = Vec::new();
    for name in images.map(ImageStream::name) {
        if seen.contains(&name) {
            let problem = "names two data sets; rename a file, or give a name in a suite";
            return Err(Error::setting(format!("data set name '{name}'"), problem));
        }
        seen.push(name);
    }
    Ok(())
}
