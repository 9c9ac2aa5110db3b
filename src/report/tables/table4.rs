//! Table 4: the same trade in another kind of model.

use super::{Block, Cell, ColumnGroup, Entry, Place, Table};
use crate::report::{
    paper_tables::{PIXELCNN, table4},
    results::{ModelResults, Row},
};

/// The paper's rows, and further ones of the run's.
pub(super) fn fill(models: &[(Place, &ModelResults)]) -> Table {
    let mut rows: Vec<(&str, f64)> = PIXELCNN.to_vec();
    for (place, _) in models {
        let row = place.alpha().map(|alpha| (place.dataset.as_str(), alpha));
        rows.extend(row.filter(|row| !rows.contains(row)));
    }
    let block = |(dataset, alpha): (&str, f64)| {
        let here = || {
            let here = models.iter();
            here.filter(|(place, _)| place.dataset == dataset && place.alpha() == Some(alpha))
        };
        let paper = table4(dataset, alpha);
        let cell = |printed: Option<&str>| printed.map_or(Cell::default(), Cell::paper);
        let ours = |row: fn(&ModelResults) -> Option<&Row>| {
            here().filter_map(|(_, model)| Entry::of(model, row(model))).collect()
        };
        let cells = vec![
            Cell {
                ours: ours(ModelResults::accuracy),
                ..cell(paper.map(|printed| printed.accuracy))
            },
            Cell {
                ours: ours(ModelResults::bits_per_dim),
                ..cell(paper.map(|printed| printed.bits_per_dim))
            },
        ];
        Block { title: format!("{dataset}, α = {alpha}"), cells }
    };
    let column = |title: &str| ColumnGroup { title: title.to_owned(), columns: vec![""] };
    Table {
        number: 4,
        title: "Accuracy and NLL for PixelCNN++",
        columns: vec![column("acc (%)"), column("bits/dim")],
        blocks: rows.into_iter().map(block).collect(),
        note: "α: the weight of -log p(y|x) in training. The paper's models are of CIFAR10.",
    }
}
