use super::*;
use crate::report::results::samples::{model, row};

fn placed(models: &[ModelResults]) -> Vec<(Place, &ModelResults)> {
    models.iter().map(|model| (Place::of(&model.record), model)).collect()
}

fn titles(table: &Table) -> Vec<&str> {
    table.columns.iter().map(|group| group.title.as_str()).collect()
}

/// The models in a block, column by column.
fn holds(block: &Block) -> Vec<Vec<&str>> {
    block
        .cells
        .iter()
        .map(|cell| cell.ours.iter().map(|entry| entry.model.as_str()).collect())
        .collect()
}

const BASE: &str = "-log p(x|y)/D";
const REWEIGHT: &str = "-log p(x|y)/D - log p(y|x)";
const SPLIT: &str = "-log p(x|y)/D - log softmax(z_s/c)[y]";

#[test]
fn table_1_has_every_flow_in_the_column_of_its_data_and_objective() {
    let models = [
        model("a", "MNIST", REWEIGHT),
        model("b", "MNIST", REWEIGHT),
        model("c", "CIFAR-10 (JPEG 75)", SPLIT),
        model("d", "cifar-10", BASE),
        model("e", "BG-MNIST-0", REWEIGHT),
        model("f", "MNIST", "unknown"),
        model("pixelcnn", "MNIST", BASE),
    ];
    let table = table1::fill(&placed(&models));
    assert_eq!(titles(&table), ["MNIST", "CIFAR10", "CIFAR-10 (JPEG 75)"]);
    let none: [&str; 0] = [];
    let accuracy = &table.blocks[0];
    assert_eq!(
        holds(accuracy),
        [&none[..], &["a", "b"], &none, &["d"], &none, &none, &none, &none, &["c"]]
    );
    let papers: Vec<_> = accuracy.cells.iter().map(|cell| cell.paper.as_deref()).collect();
    let printed = ["96.9", "99.0", "99.3", "56.8", "83.2", "84.0"].map(Some);
    assert_eq!(papers, [&printed[..], &[None; 3]].concat());
    let entry = &accuracy.cells[1].ours[0];
    assert_eq!(entry.value.value, "50.00");
    assert_eq!(entry.value.interval.as_deref(), Some("[25.00, 100.00]"));
    let bits = &table.blocks[1].cells[3];
    assert_eq!((bits.ours[0].value.value.as_str(), bits.paper.as_deref()), ("2.000", Some("3.47")));
}

#[test]
fn table_2_takes_the_paper_s_distance_and_tells_the_two_victims_apart() {
    let mut attacked = model("a", "MNIST", SPLIT);
    let mut add = |attack: &str, epsilon, metric: &str, value| {
        let row = row("a", "attack", metric, "share", value);
        attacked.rows.push(Row { attack: Some(attack.to_owned()), epsilon, ..row });
    };
    add("boundary", Some(1.0), "undetected", 0.11);
    add("boundary", Some(1.5), "undetected", 0.22);
    add("boundary", Some(1.5), "fooled", 0.33);
    add("boundary", Some(1.5), "undetected_8bit", 0.99);
    add("carlini_wagner_aware", Some(1.5), "undetected", 0.44);
    add("projected_gradient", Some(1.5), "undetected", 0.55);
    let models = [attacked];
    let table = table2::fill(&placed(&models));
    let none: [&str; 0] = [];
    assert_eq!(table.blocks.len(), 4);
    assert_eq!(holds(&table.blocks[0]), [&none[..], &none, &none, &["a"]]);
    assert_eq!(holds(&table.blocks[1]), [&none[..], &["a"], &none, &none]);
    let boundary = &table.blocks[1].cells[1];
    assert_eq!(boundary.ours[0].value.value, "22.00");
    assert_eq!(boundary.ours[0].bracket.as_ref().unwrap().value, "33.00");
    assert_eq!(boundary.paper.as_deref(), Some("36 (80)"));
    assert!(holds(&table.blocks[2]).iter().all(Vec::is_empty), "CIFAR10 was not attacked");
}

/// Without the columns of attacks the name stands where a statistic's does.
#[test]
fn table_2_reads_rows_without_a_distance() {
    let mut attacked = model("a", "Fashion-MNIST", REWEIGHT);
    let plain = row("a", "attack", "undetected_within_epsilon", "share", 0.25);
    attacked.rows.push(Row { statistic: Some("boundary_aware".to_owned()), ..plain });
    let models = [attacked];
    let table = table2::fill(&placed(&models));
    let last = &table.blocks[5];
    assert_eq!(last.title, "Fashion-MNIST, Boundary attack, %");
    assert_eq!(last.cells[2].ours[0].value.value, "25.00");
    assert_eq!(
        (last.cells[2].ours[0].bracket.as_ref(), last.cells[2].paper.as_ref()),
        (None, None)
    );
}

#[test]
fn tables_3_and_4_add_what_the_paper_has_not() {
    let models = [
        model("a", "BG-MNIST-5", REWEIGHT),
        model("b", "BG-MNIST-2", REWEIGHT),
        model("c", "BG-MNIST-5", BASE),
        model("pixelcnn-d", "MNIST", "-log p(x|y)/D - 1000 log p(y|x)"),
    ];
    let third = table3::fill(&placed(&models));
    assert_eq!(
        titles(&third),
        ["MNIST", "BG-MNIST-5", "BG-MNIST-1", "BG-MNIST-0", "CIFAR10", "BG-MNIST-2"]
    );
    let none: [&str; 0] = [];
    assert_eq!(holds(&third.blocks[1]), [&none[..], &["a"], &none, &none, &none, &["b"]]);
    assert_eq!(third.blocks[1].cells[1].paper.as_deref(), Some("1.67"));
    let fourth = table4::fill(&placed(&models));
    let rows: Vec<_> = fourth.blocks.iter().map(|block| block.title.as_str()).collect();
    assert_eq!(rows, ["CIFAR10, α = 0", "CIFAR10, α = 1000", "MNIST, α = 1000"]);
    assert_eq!(holds(&fourth.blocks[2]), [["pixelcnn-d"], ["pixelcnn-d"]]);
    assert_eq!(fourth.blocks[2].cells[0].paper, None);
    assert_eq!(fourth.blocks[1].cells[1].paper.as_deref(), Some("3.34"));
}

#[test]
fn a_counterpart_is_named_with_its_table() {
    let of = |name, trained_on, objective| {
        counterpart(&Place::of(&model(name, trained_on, objective).record))
            .map(|(table, printed)| (table, printed.accuracy))
    };
    assert_eq!(of("a", "MNIST", SPLIT), Some(("table 1", "99.3")));
    assert_eq!(of("a", "BG-MNIST-0", REWEIGHT), Some(("table 3", "98")));
    assert_eq!(of("a", "BG-MNIST-0", SPLIT), None);
    assert_eq!(of("pixelcnn", "CIFAR-10", BASE), Some(("table 4", "25.48")));
    assert_eq!(of("pixelcnn", "MNIST", BASE), None);
    assert_eq!(of("a", "Fashion-MNIST", REWEIGHT), None);
}
