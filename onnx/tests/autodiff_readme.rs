//! The list of rules in `src/autodiff/README.md` is that of the code.

mod common;

use common::shipped;
use undetected_onnx::autodiff::{Derivative, FAMILIES, Rule};

const BEGIN: &str = "<!-- rules: generated from the code, see above -->\n";
const END: &str = "<!-- end of rules -->\n";

fn row(family: &str, rule: &Rule) -> String {
    let formula = rule.formula.replace('|', "\\|");
    let kinks = rule.kinks.replace('|', "\\|");
    format!("| {} | {formula} | {kinks} | `{family}` |\n", rule.operator)
}

fn table() -> String {
    let mut text = "| operator | gradient | where the derivative does not exist | file |\n\
                    | --- | --- | --- | --- |\n"
        .to_owned();
    let mut without = vec![];
    for (family, rules) in FAMILIES {
        for rule in rules {
            match rule.derivative {
                Derivative::Nothing => without.push(rule.operator),
                _ => text += &row(family, rule),
            }
        }
    }
    text + "\nNothing to differentiate: " + &without.join(", ") + ".\n"
}

#[test]
fn the_readme_lists_the_rules() {
    let path = shipped("src/autodiff/README.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let (front, rest) = text.split_once(BEGIN).expect("the marker");
    let (found, back) = rest.split_once(END).expect("the end marker");
    if std::env::var_os("UPDATE_README").is_some() {
        std::fs::write(&path, [front, BEGIN, &table(), END, back].concat()).unwrap();
    } else {
        assert_eq!(
            found,
            table(),
            "run UPDATE_README=1 cargo test --workspace --test autodiff_readme"
        );
    }
}
