//! Table 3: reweighted models of digits on backgrounds.

use super::{ColumnGroup, Place, Table, accuracy_and_bits, names};
use crate::report::{
    paper_tables::{BACKGROUNDS, Setting, table3},
    results::ModelResults,
};

/// The paper's data sets, and further ones with backgrounds.
pub(super) fn fill(models: &[(Place, &ModelResults)]) -> Table {
    let is_reweighted = |place: &Place| place.setting() == Some(Setting::Reweight);
    let datasets =
        names(&BACKGROUNDS, models, |place, _| is_reweighted(place) && place.has_background());
    let column = |dataset: &&str| {
        let of =
            models.iter().filter(|(place, _)| place.dataset == *dataset && is_reweighted(place));
        (of.map(|(_, model)| *model).collect(), table3(dataset))
    };
    let columns: Vec<_> = datasets.iter().map(column).collect();
    let group = |dataset: &&str| ColumnGroup { title: (*dataset).to_owned(), columns: vec![""] };
    Table {
        number: 3,
        title: "Conditional generative models trained on BG-MNIST",
        columns: datasets.iter().map(group).collect(),
        blocks: accuracy_and_bits(&columns),
        note: "BG-MNIST-X: digits on backgrounds that are blurred with bandwidth X. The paper's backgrounds are \
               CIFAR10's; what this run's are is said by its data. All models are Reweight.",
    }
}
