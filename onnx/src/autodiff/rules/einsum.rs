//! Sums of products by index letters.

use super::Rule;
use crate::{
    autodiff::{
        call::{Call, Gradients},
        emit,
        facts::Facts,
        site::Site,
    },
    error::Result,
};

pub const RULES: &[Rule] = &[Rule::new(
    "Einsum",
    "the einsum of dy with the other operands, to the operand's letters",
    facts,
    gradient,
)];

/// Letters of an equation beyond which it is none.
const LONGEST: usize = 1024;

/// Letters of the operands and of the output; `None` with an ellipsis or more than [`LONGEST`].
fn letters(site: &Site<'_>) -> Option<(Vec<Vec<char>>, Vec<char>)> {
    let equation: String =
        site.text("equation", "").chars().filter(|c| !c.is_whitespace()).collect();
    if equation.contains('.') || equation.len() > LONGEST {
        return None;
    }
    let (operands, output) = match equation.split_once("->") {
        Some((operands, output)) => (operands.to_owned(), Some(output.to_owned())),
        None => (equation, None),
    };
    let operands: Vec<Vec<char>> =
        operands.split(',').map(|operand| operand.chars().collect()).collect();
    let implicit = || {
        let all = operands.concat();
        let mut once: Vec<char> = all.clone();
        once.retain(|letter| all.iter().filter(|other| *other == letter).count() == 1);
        once.sort_unstable();
        once
    };
    let output = output.map_or_else(implicit, |output| output.chars().collect());
    Some((operands, output))
}

fn facts(site: &Site<'_>) -> Option<Vec<Facts>> {
    let (operands, output) = letters(site)?;
    let size = |letter: &char| {
        let place = |(index, operand): (usize, &Vec<char>)| {
            let axis = operand.iter().position(|other| other == letter)?;
            site.shape(index)?.get(axis).cloned()
        };
        operands.iter().enumerate().find_map(place)
    };
    site.shaped(output.iter().map(size).collect())
}

fn gradient(call: &Call<'_>) -> Gradients {
    let Some((operands, output)) = letters(call) else {
        return Err(call.error(
            "its rule does not cover an ellipsis, or more than 1024 letters",
            "Write the letters out, or extend rules/einsum.rs",
        ));
    };
    if operands.len() != call.node.input.len() {
        return Err(call.error(
            format!("its equation has {} operands, it {}", operands.len(), call.node.input.len()),
            "The model is damaged: export it again",
        ));
    }
    call.each(|input| by_operand(call, &operands, &output, input))
}

fn by_operand(
    call: &Call<'_>,
    operands: &[Vec<char>],
    output: &[char],
    input: usize,
) -> Result<String> {
    let own = &operands[input];
    if own.iter().enumerate().any(|(axis, letter)| own[..axis].contains(letter)) {
        return Err(call.error(
            "its rule does not cover an operand with a letter twice",
            "Re-export the model, or extend rules/einsum.rs",
        ));
    }
    let others = operands.iter().enumerate().filter(|(index, _)| *index != input);
    let mut terms = vec![output.to_vec()];
    let mut names = vec![call.dy()?];
    for (index, operand) in others {
        terms.push(operand.clone());
        names.push(call.input(index));
    }
    let known: Vec<char> = own
        .iter()
        .copied()
        .filter(|letter| terms.iter().any(|term| term.contains(letter)))
        .collect();
    let text = |letters: &[char]| letters.iter().collect::<String>();
    let left: Vec<String> = terms.iter().map(|term| text(term)).collect();
    let equation = format!("{}->{}", left.join(","), text(&known));
    let product = call.emit.node("Einsum", &names, vec![emit::text("equation", &equation)]);
    // Letters that only this operand has were summed over.
    let alone: Vec<usize> = (0..own.len()).filter(|&axis| !known.contains(&own[axis])).collect();
    if alone.is_empty() {
        return Ok(product);
    }
    call.expand_like(&call.emit.unsqueeze(&product, &alone), input, &alone)
}
