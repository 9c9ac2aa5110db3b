//! Piecewise constant functions: zero gradient, and where they step, zero too (as PyTorch has it).

use super::{Rule, same, truth};

pub const RULES: &[Rule] = &[
    Rule::zero("Sign", same),
    Rule::zero("Floor", same),
    Rule::zero("Ceil", same),
    Rule::zero("Round", same),
    Rule::nothing("Equal", truth),
    Rule::nothing("Greater", truth),
    Rule::nothing("GreaterOrEqual", truth),
    Rule::nothing("Less", truth),
    Rule::nothing("LessOrEqual", truth),
    Rule::nothing("And", truth),
    Rule::nothing("Or", truth),
    Rule::nothing("Xor", truth),
    Rule::nothing("Not", truth),
    Rule::nothing("IsNaN", truth),
    Rule::nothing("IsInf", truth),
];
