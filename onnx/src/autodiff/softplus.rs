//! ln(1 + e^x) written out as max(x, 0) + ln(1 + e^-|x|), which no engine overflows in.
//!
//! Its parts have kinks that their sum has not: differentiated one by one they give 0 at x = 0 instead of
//! 1/2, and take fifteen nodes where two do.

use super::site::Site;

/// x, where a node is the sum of both parts.
pub fn argument<'a>(site: &Site<'a>) -> Option<&'a str> {
    let (linear, rest) = either(site, "Add", "Relu")?;
    let x = linear.input(0);
    let log = operand(site, rest, "Log")?;
    let sum = operand(&log, 0, "Add")?;
    let (exp, one) = either(&sum, "Add", "Exp")?;
    let abs = operand(&operand(&exp, 0, "Neg")?, 0, "Abs")?;
    // A 1 with more axes than x would give them to the sum.
    let same_shape = site.shape(0).is_some() && site.shape(0) == site.shape(1);
    (abs.input(0) == x && sum.scalar(one) == Some(1.0) && same_shape).then_some(x)
}

/// The input of a node that is an `inner`, and the number of the other.
fn either<'a>(site: &Site<'a>, operator: &str, inner: &str) -> Option<(Site<'a>, usize)> {
    if !site.is(operator) || site.node.input.len() != 2 {
        return None;
    }
    [0, 1].into_iter().find_map(|input| Some((operand(site, input, inner)?, 1 - input)))
}

/// The node that computes an input, if it is an `inner`.
fn operand<'a>(site: &Site<'a>, input: usize, inner: &str) -> Option<Site<'a>> {
    site.producer(input).filter(|site| site.is(inner))
}
