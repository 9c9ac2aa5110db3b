//! Running sums.

use super::{Rule, same};
use crate::autodiff::emit;

pub const RULES: &[Rule] =
    &[Rule::new("CumSum", "the running sum of dy from the other end", same, |call| {
        let attributes = vec![
            emit::int("exclusive", call.int("exclusive", 0)),
            emit::int("reverse", i64::from(call.int("reverse", 0) == 0)),
        ];
        call.first(call.emit.node("CumSum", &[call.dy()?, call.input(1)], attributes))
    })];
