//! A suite as it is written in TOML, and what it asks for: one suite a model.

use std::{
    collections::BTreeMap,
    fmt,
    marker::PhantomData,
    path::{Path, PathBuf},
};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor, value},
};

use super::{
    AttackSettings, ClassGapSettings, DataEntry, Detect, Interpolate, ModelEntry,
    ObjectiveSettings, Suite, Synthetic, Task, Threshold, all_tasks,
    model_paths::{is_pattern, model_paths},
    refusal::{Key, Refusal},
    source::{Source, nearest},
};
use crate::{contract::KEYS, error::Result};

/// Every key of a suite file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SuiteFile {
    name: String,
    #[serde(default)]
    seed: u64,
    #[serde(default = "all_tasks")]
    tasks: Vec<Task>,
    #[serde(rename = "model")]
    models: Vec<ModelTable>,
    #[serde(deserialize_with = "one_or_several")]
    data: Vec<DataTable>,
    #[serde(default)]
    out_of_distribution: Vec<DataEntry>,
    #[serde(default)]
    synthetic: Synthetic,
    #[serde(default)]
    threshold: Threshold,
    #[serde(default)]
    detect: Detect,
    #[serde(default)]
    class_gap: ClassGapSettings,
    #[serde(default)]
    interpolate: Interpolate,
    #[serde(default)]
    objective: ObjectiveSettings,
    #[serde(default, rename = "attack")]
    attacks: Vec<AttackSettings>,
}

/// `[[model]]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ModelTable {
    /// The ONNX file, or a pattern of several.
    path: PathBuf,
    #[serde(default)]
    contract: BTreeMap<String, String>,
    /// The name of the data set that it is measured on; the only one without it.
    data: Option<String>,
    /// In place of the suite's.
    threshold: Option<Threshold>,
}

/// `[data]`, or one `[[data]]` of several.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct DataTable {
    name: Option<String>,
    images: PathBuf,
    labels: Option<PathBuf>,
    limit: Option<usize>,
    /// Images that models of this data should reject, beside the suite's.
    #[serde(default)]
    out_of_distribution: Vec<DataEntry>,
}

impl SuiteFile {
    /// A suite for each model, in order; relative paths start at `folder`.
    ///
    /// # Errors
    /// [`Error::Setting`](crate::Error::Setting) with file and line where a setting is refused, a model
    /// names no data set or no file.
    pub(super) fn suites(self, source: &Source<'_>, folder: &Path) -> Result<Vec<Suite>> {
        let refused = |refusal| source.locate(refusal);
        self.check_data().and_then(|()| self.check_limits()).map_err(refused)?;
        let mut suites = vec![];
        for (place, model) in self.models.iter().enumerate() {
            let here = Key::of("model").then(place);
            let refused = |refusal: Refusal| {
                let key = here.clone().join(refusal.key);
                source.locate(Refusal { key, ..refusal })
            };
            model.check_contract(folder).map_err(refused)?;
            let data = self.data_of(model).map_err(refused)?;
            for path in model_paths(folder, &model.path).map_err(refused)? {
                suites.push(self.suite(folder, model, path, data));
            }
            if let Some(suite) = suites.last() {
                suite.checked().map_err(|refusal| source.locate(model.placed(refusal, &here)))?;
            }
        }
        match suites.is_empty() {
            true => {
                let problem = "is empty: a suite needs at least one [[model]]";
                Err(refused(Refusal::new("model", problem)))
            }
            false => Ok(suites),
        }
    }

    /// Refuses data sets that cannot be told apart.
    fn check_data(&self) -> std::result::Result<(), Refusal> {
        if self.data.is_empty() {
            return Err(Refusal::new("data", "is empty: a suite needs a data set to measure on"));
        }
        if self.data.len() == 1 {
            return Ok(());
        }
        let mut seen: Vec<&str> = vec![];
        for (place, data) in self.data.iter().enumerate() {
            let refuse = |problem: &str| {
                let key = Key::of("data").then(place).then("name");
                let field = format!("data set {}: name", place + 1);
                Err(Refusal { key, field, problem: problem.to_owned() })
            };
            let Some(name) = data.name.as_deref() else {
                return refuse(
                    "is missing; of several data sets each needs one, for models to name",
                );
            };
            if seen.contains(&name) {
                return refuse(&format!("'{name}' is that of another one as well; choose another"));
            }
            seen.push(name);
        }
        Ok(())
    }

    /// Refuses data sets of which nothing would be taken.
    fn check_limits(&self) -> std::result::Result<(), Refusal> {
        let refuse = |key: Key| Refusal {
            key: key.then("limit"),
            field: "limit = 0".to_owned(),
            problem: "must be at least 1; leave it out for all images".to_owned(),
        };
        let check = |key: Key, limit: Option<usize>| match limit {
            Some(0) => Err(refuse(key)),
            _ => Ok(()),
        };
        let check_others = |key: Key, others: &[DataEntry]| {
            let mut others = others.iter().enumerate();
            others.try_for_each(|(place, entry)| check(key.clone().then(place), entry.limit))
        };
        for (place, data) in self.data.iter().enumerate() {
            let key = Key::of("data").then(place);
            check(key.clone(), data.limit)?;
            check_others(key.then("out_of_distribution"), &data.out_of_distribution)?;
        }
        check_others(Key::of("out_of_distribution"), &self.out_of_distribution)
    }

    /// The data set that a model is measured on.
    fn data_of(&self, model: &ModelTable) -> std::result::Result<&DataTable, Refusal> {
        let names = || self.data.iter().filter_map(|data| data.name.as_deref());
        let known = || match names().next() {
            Some(_) => format!("the suite has {}", names().collect::<Vec<_>>().join(", ")),
            None => "the suite's only one has no name: leave `data` out".to_owned(),
        };
        match (&model.data, &self.data[..]) {
            (None, [only]) => Ok(only),
            (None, _) => {
                let problem = format!("is missing: name the data set to measure on; {}", known());
                Err(Refusal::new("data", problem).called("model: data"))
            }
            (Some(name), all) => {
                let found = all.iter().find(|data| data.name.as_ref() == Some(name));
                found.ok_or_else(|| {
                    let meant = nearest(name, names());
                    let meant =
                        meant.map_or(String::new(), |name| format!(". Did you mean {name}?"));
                    let problem = format!("names no data set; {}{meant}", known());
                    Refusal::new("data", problem).called(format!("model: data = \"{name}\""))
                })
            }
        }
    }

    fn suite(&self, folder: &Path, model: &ModelTable, path: PathBuf, data: &DataTable) -> Suite {
        let others = self.out_of_distribution.iter().chain(&data.out_of_distribution);
        let threshold = model.threshold.as_ref().unwrap_or(&self.threshold);
        Suite {
            name: self.name.clone(),
            seed: self.seed,
            tasks: self.tasks.clone(),
            models: vec![ModelEntry { path, contract: model.contract.clone() }],
            data: data.entry().within(folder),
            out_of_distribution: others.map(|entry| entry.clone().within(folder)).collect(),
            synthetic: self.synthetic.clone(),
            threshold: threshold.clone().within(folder),
            detect: self.detect.clone(),
            class_gap: self.class_gap.clone(),
            interpolate: self.interpolate.clone(),
            objective: self.objective.clone(),
            attacks: self.attacks.clone(),
        }
    }
}

impl ModelTable {
    /// Refuses contract fields that there are not, and a name that would be that of several files.
    fn check_contract(&self, folder: &Path) -> std::result::Result<(), Refusal> {
        let refuse = |key: &str, problem: String| Refusal {
            key: Key::of("contract").then(key),
            field: format!("contract field '{key}'"),
            problem,
        };
        if let Some(key) = self.contract.keys().find(|key| !KEYS.contains(&key.as_str())) {
            let meant = nearest(key, KEYS.into_iter());
            let meant = meant.map_or(String::new(), |key| format!(". Did you mean {key}?"));
            return Err(refuse(key, format!("is not one of {}{meant}", KEYS.join(", "))));
        }
        if self.contract.contains_key("name") && is_pattern(folder, &self.path) {
            let problem = format!(
                "would be that of every file that fits {}; name the files one by one",
                self.path.display()
            );
            return Err(refuse("name", problem));
        }
        Ok(())
    }

    /// A refusal of this model's suite, at the threshold that is the model's own where it has one.
    fn placed(&self, refusal: Refusal, here: &Key) -> Refusal {
        let own = self.threshold.is_some() && refusal.key.parts()[0] == "threshold";
        let key = if own { here.clone().join(refusal.key) } else { refusal.key };
        Refusal { key, ..refusal }
    }
}

impl DataTable {
    fn entry(&self) -> DataEntry {
        DataEntry {
            name: self.name.clone(),
            images: self.images.clone(),
            labels: self.labels.clone(),
            limit: self.limit,
        }
    }
}

/// One table, or an array of them; what is wrong in one is said of that one.
fn one_or_several<'de, D, T>(deserializer: D) -> std::result::Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    struct OneOrSeveral<T>(PhantomData<T>);

    impl<'de, T: Deserialize<'de>> Visitor<'de> for OneOrSeveral<T> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a table, or an array of tables")
        }

        fn visit_map<A: MapAccess<'de>>(self, map: A) -> std::result::Result<Vec<T>, A::Error> {
            T::deserialize(value::MapAccessDeserializer::new(map)).map(|one| vec![one])
        }

        fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> std::result::Result<Vec<T>, A::Error> {
            Vec::deserialize(value::SeqAccessDeserializer::new(seq))
        }
    }

    deserializer.deserialize_any(OneOrSeveral(PhantomData))
}
