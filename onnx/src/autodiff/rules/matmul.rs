//! Matrix products.

use super::Rule;
use crate::{
    autodiff::{
        call::Call,
        emit,
        facts::Facts,
        site::Site,
        size::{Shape, Size},
    },
    error::Result,
};

pub const RULES: &[Rule] = &[
    Rule::new("MatMul", "dy b^T, a^T dy", matmul_facts, |call| {
        call.each(|input| if input == 0 { by_left(call) } else { by_right(call) })
    }),
    Rule::new(
        "Gemm",
        "alpha dy B^T, alpha A^T dy, beta dy (A, B as transposed)",
        gemm_facts,
        |call| {
            call.each(|input| match input {
                0 => Ok(gemm_left(call, call.dy()?)),
                1 => Ok(gemm_right(call, call.dy()?)),
                _ => {
                    let dy = super::arithmetic::spread(call, call.dy()?, 2)?;
                    Ok(call.scale(&dy, call.float("beta", 1.0)))
                }
            })
        },
    ),
];

fn matmul_facts(site: &Site<'_>) -> Option<Vec<Facts>> {
    let (a, b) = (site.shape(0)?, site.shape(1)?);
    let mut shape = batch(site, a, b);
    if let [.., m, _] = a.as_slice() {
        shape.push(m.clone());
    }
    if b.len() > 1 {
        shape.push(b.last()?.clone());
    }
    site.shaped(Some(shape))
}

/// The axes before the matrices', broadcast.
fn batch(site: &Site<'_>, a: &[Size], b: &[Size]) -> Shape {
    let front = |shape: &[Size]| shape[..shape.len().saturating_sub(2)].to_vec();
    site.broadcast_pair(&front(a), &front(b))
}

/// dy with the axes that a vector operand took away.
fn matrix_dy(call: &Call<'_>, a: &[Size], b: &[Size]) -> Result<String> {
    let dy = call.dy()?.to_owned();
    let rank = batch(call, a, b).len();
    let dy = if b.len() == 1 {
        call.emit.unsqueeze(&dy, &[rank + usize::from(a.len() > 1)])
    } else {
        dy
    };
    Ok(if a.len() == 1 { call.emit.unsqueeze(&dy, &[rank]) } else { dy })
}

/// Number of axes of an operand, which is not a single number.
fn operand_rank(call: &Call<'_>, index: usize) -> Result<usize> {
    match call.known_rank(index)? {
        0 => Err(call.error("an operand has no axis", "The model is damaged: export it again")),
        rank => Ok(rank),
    }
}

/// An operand as a matrix with its last two axes exchanged; a vector becomes `row` or column first.
fn transposed(call: &Call<'_>, index: usize) -> Result<String> {
    let rank = operand_rank(call, index)?;
    if rank == 1 {
        // The left operand is a row, transposed a column; the right one the other way round.
        return Ok(call.emit.unsqueeze(call.input(index), &[1 - index]));
    }
    let mut perm: Vec<usize> = (0..rank).collect();
    perm.swap(rank - 2, rank - 1);
    Ok(match call.constant(index) {
        Some(constant) => call.emit.constant(constant.permuted(&perm, &vec![false; rank])),
        None => call.emit.transpose(call.input(index), &perm),
    })
}

/// The product's batch axes with an operand's own matrix axes behind.
fn summed(call: &Call<'_>, product: &str, index: usize) -> Result<String> {
    let (a, b) = (call.known_shape(0)?, call.known_shape(1)?);
    let own = call.known_shape(index)?;
    operand_rank(call, index)?;
    let one = [Size::fixed(1)];
    let matrix: Shape = match (own.len(), index) {
        (1, 0) => [&one, own].concat(),
        (1, _) => [own, &one].concat(),
        (rank, _) => own[rank - 2..].to_vec(),
    };
    let from = [batch(call, a, b), matrix].concat();
    if own.len() > 1 {
        return call.sum_to(product, &from, index);
    }
    let leading: Vec<usize> = (0..from.len() - 2).collect();
    let sum = match leading.is_empty() {
        true => product.to_owned(),
        false => call.emit.reduce("ReduceSum", product, &leading, false),
    };
    Ok(call.reshape_like(&sum, index))
}

fn by_left(call: &Call<'_>) -> Result<String> {
    let dy = matrix_dy(call, call.known_shape(0)?, call.known_shape(1)?)?;
    summed(call, &call.op("MatMul", &[&dy, &transposed(call, 1)?]), 0)
}

fn by_right(call: &Call<'_>) -> Result<String> {
    let dy = matrix_dy(call, call.known_shape(0)?, call.known_shape(1)?)?;
    summed(call, &call.op("MatMul", &[&transposed(call, 0)?, &dy]), 1)
}

fn gemm_facts(site: &Site<'_>) -> Option<Vec<Facts>> {
    let side = |input: usize, attribute: &str, axis: usize| {
        let flipped = usize::from(site.int(attribute, 0) != 0);
        site.shape(input)?.get(axis ^ flipped).cloned()
    };
    site.shaped(Some(vec![side(0, "transA", 0)?, side(1, "transB", 1)?]))
}

fn gemm(call: &Call<'_>, a: (&str, bool), b: (&str, bool)) -> String {
    let attributes = vec![
        emit::float("alpha", call.float("alpha", 1.0)),
        emit::int("transA", i64::from(a.1)),
        emit::int("transB", i64::from(b.1)),
    ];
    call.emit.node("Gemm", &[a.0, b.0], attributes)
}

fn gemm_left(call: &Call<'_>, dy: &str) -> String {
    let (b, flipped) = (call.input(1), call.int("transB", 0) != 0);
    match call.int("transA", 0) {
        0 => gemm(call, (dy, false), (b, !flipped)),
        _ => gemm(call, (b, flipped), (dy, true)),
    }
}

fn gemm_right(call: &Call<'_>, dy: &str) -> String {
    let (a, flipped) = (call.input(0), call.int("transA", 0) != 0);
    match call.int("transB", 0) {
        0 => gemm(call, (a, !flipped), (dy, false)),
        _ => gemm(call, (dy, true), (a, flipped)),
    }
}
