//! Table 2: attacks that succeed undetected.

use super::{
    AttackCell, Block, Cell, ColumnGroup, Entry, Estimate, Measure, Place, Table, attack_cell,
    names,
};
use crate::report::{
    paper_tables::{ATTACKED, Attack, DATASETS, Setting, Victim, epsilon, table2},
    results::{ModelResults, Row},
};

/// Distances that print alike are one.
const SAME_EPSILON: f64 = 5e-4;

/// The paper's data sets, and further ones of models that were attacked.
pub(super) fn fill(models: &[(Place, &ModelResults)]) -> Table {
    let attacked = |model: &ModelResults| model.rows.iter().any(|row| row.task == "attack");
    let datasets = names(&DATASETS, models, |place, model| {
        place.setting().is_some_and(|setting| ATTACKED.contains(&setting)) && attacked(model)
    });
    let group = |victim: Victim| ColumnGroup {
        title: victim.name().to_owned(),
        columns: ATTACKED.map(Setting::name).to_vec(),
    };
    let rows = datasets
        .iter()
        .flat_map(|dataset| Attack::ALL.map(|attack| block(dataset, attack, models)));
    Table {
        number: 2,
        title: "Comparison of attack detection",
        columns: Victim::ALL.map(group).to_vec(),
        blocks: rows.collect(),
        note: "Percentage of successful and undetected attacks within L2 distance ε = 1.5 for MNIST and \
               ε = 33/255 for CIFAR10; in parentheses that of attacks which fool the classifier, detected or \
               not. Models of other data are shown at their smallest ε.",
    }
}

fn block(dataset: &str, attack: Attack, models: &[(Place, &ModelResults)]) -> Block {
    let cell = |(victim, setting): (Victim, Setting)| {
        let here = models
            .iter()
            .filter(|(place, _)| place.dataset == dataset && place.setting() == Some(setting));
        let paper = table2(dataset, attack, victim, setting);
        Cell {
            ours: here.filter_map(|(_, model)| entry(model, dataset, attack, victim)).collect(),
            paper: paper.map(|(undetected, fooled)| format!("{undetected} ({fooled})")),
        }
    };
    let columns =
        Victim::ALL.into_iter().flat_map(|victim| ATTACKED.map(|setting| (victim, setting)));
    Block { title: format!("{dataset}, {}, %", attack.name()), cells: columns.map(cell).collect() }
}

fn entry(model: &ModelResults, dataset: &str, attack: Attack, victim: Victim) -> Option<Entry> {
    let cells = at_distance(model, dataset);
    let find = |measure: Measure| {
        let wanted = |cell: &AttackCell<'_>| cell.attack == Some((attack, victim));
        let mut cells = cells.iter();
        cells.find(|(cell, _)| wanted(cell) && cell.measure == measure).map(|(_, row)| *row)
    };
    let entry = Entry::of(model, find(Measure::Undetected))?;
    Some(Entry { bracket: find(Measure::Fooled).map(Estimate::of), ..entry })
}

/// The numbers of attacks at the paper's distance for a data set, or at the smallest where the paper
/// has none.
pub fn at_distance<'a>(model: &'a ModelResults, dataset: &str) -> Vec<(AttackCell<'a>, &'a Row)> {
    let cells: Vec<_> =
        model.rows.iter().filter_map(|row| Some((attack_cell(row)?, row))).collect();
    let distances = cells.iter().filter_map(|(cell, _)| cell.epsilon);
    let wanted = epsilon(dataset).or_else(|| distances.min_by(f64::total_cmp));
    cells.into_iter().filter(|(cell, _)| is_within(cell, wanted)).collect()
}

/// A row without a distance is of the only one that its attack was asked for.
fn is_within(cell: &AttackCell<'_>, wanted: Option<f64>) -> bool {
    match (cell.epsilon, wanted) {
        (Some(epsilon), Some(wanted)) => (epsilon - wanted).abs() < SAME_EPSILON,
        (None, _) => true,
        (Some(_), None) => false,
    }
}
