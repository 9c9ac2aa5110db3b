//! Table 1: what accuracy costs in likelihood.

use super::{ColumnGroup, Place, Table, accuracy_and_bits, names};
use crate::report::{
    paper_tables::{DATASETS, Setting, table1},
    results::ModelResults,
};

/// The paper's data sets, and further ones of the run's flows but for those of table 3.
pub(super) fn fill(models: &[(Place, &ModelResults)]) -> Table {
    let datasets =
        names(&DATASETS, models, |place, _| place.setting().is_some() && !place.has_background());
    let column = |dataset: &str, setting| {
        let of = models
            .iter()
            .filter(|(place, _)| place.dataset == dataset && place.setting() == Some(setting));
        (of.map(|(_, model)| *model).collect(), table1(dataset, setting))
    };
    let columns: Vec<_> = datasets
        .iter()
        .flat_map(|dataset| Setting::ALL.map(|setting| column(dataset, setting)))
        .collect();
    let group = |dataset: &&str| ColumnGroup {
        title: (*dataset).to_owned(),
        columns: Setting::ALL.map(Setting::name).to_vec(),
    };
    Table {
        number: 1,
        title: "Comparison between different models",
        columns: datasets.iter().map(group).collect(),
        blocks: accuracy_and_bits(&columns),
        note: "bits/dim: lower = likelier. Of this run they are the mean of -log p(x) on the data that the \
               model was measured on; the paper's are of data padded with noise channels.",
    }
}
