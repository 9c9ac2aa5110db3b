//! Shares in words.

/// A share in per cent, never rounded to all or nothing.
pub(super) fn percent(part: u64, of: u64) -> String {
    let share = 100.0 * part as f64 / of as f64;
    match part {
        0 => "0 %".to_string(),
        part if part == of => "100 %".to_string(),
        _ if share < 0.1 => "< 0.1 %".to_string(),
        _ if share > 99.9 => "> 99.9 %".to_string(),
        _ => format!("{} %", crate::output::significant(share, if share < 99.0 { 2 } else { 3 })),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_all_is_all_and_only_nothing_is_nothing() {
        let said = [(0, 9), (1, 5000), (1, 40), (1, 3), (199, 200), (4999, 5000), (9, 9)]
            .map(|(part, of)| percent(part, of));
        assert_eq!(said, ["0 %", "< 0.1 %", "2.5 %", "33 %", "99.5 %", "> 99.9 %", "100 %"]);
    }
}
