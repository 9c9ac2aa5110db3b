//! A sweep as tables, a pair of them for each value of the parameter that varies.

use super::row::{CONFIDENCE, Row};
use crate::output::{self, section, significant};
use comfy_table::Table;

/// Digits in a cell; files have them all.
const DIGITS: u8 = 4;

/// For people.
pub fn tables(title: &str, rows: &[Row]) -> String {
    let percent = 100.0 * CONFIDENCE;
    let attack_title = format!("The attack, with intervals at {percent} %, and total variation");
    [
        format!("Counter-example: {title}\n\n"),
        section(
            "Weights that work; joint divergences beside the bounds on class 0, nats",
            &weights(rows),
        ),
        section(&attack_title, &attack(rows)),
        summary(rows) + "\n",
    ]
    .concat()
}

fn weights(rows: &[Row]) -> Table {
    let mut table = output::table(&[
        ">d",
        ">lambda1 >",
        ">lambda1 <",
        ">lambda1",
        ">KL(q, p)",
        ">bound",
        ">KL(p, q)",
        ">bound",
    ]);
    for row in rows {
        table.add_row([
            row.dim.to_string(),
            from_ln(Some(row.ln_lambda1_min)),
            from_ln(Some(row.ln_lambda1_max)),
            from_ln(row.ln_lambda1),
            from_ln(row.ln_kl_q_p_joint_nats),
            from_ln(row.ln_kl_q_p_class0_bound_nats),
            from_ln(row.ln_kl_p_q_joint_nats),
            from_ln(row.ln_kl_p_q_class0_bound_nats),
        ]);
    }
    table
}

fn attack(rows: &[Row]) -> Table {
    let mut table = output::table(&[
        ">d",
        ">p(1|x')",
        ">q(0|x')",
        ">fooled",
        "interval",
        ">mean shift",
        ">TV(p)",
        ">TV(q)",
        ">least",
    ]);
    for row in rows {
        let interval = match (row.attack_success_low, row.attack_success_high) {
            (Some(low), Some(high)) => format!("{low:.3} to {high:.3}"),
            _ => String::new(),
        };
        table.add_row([
            row.dim.to_string(),
            from_ln(row.ln_p_class1_in_ball),
            from_ln(row.ln_q_class0_in_ball),
            plain(row.attack_success),
            interval,
            plain(row.mean_l2),
            from_ln(row.ln_total_variation_p_per_length),
            from_ln(row.ln_total_variation_q_per_length),
            from_ln(Some(row.ln_total_variation_least_per_length)),
        ]);
    }
    table
}

/// Where the window opens, and what holds there.
fn summary(rows: &[Row]) -> String {
    let opens = match rows.first().and_then(|row| row.min_dim) {
        Some(dim) => format!("The window is open from d = {dim} on."),
        None => "The window is never open.".to_string(),
    };
    let tested = rows.iter().filter_map(Row::all_proved).count();
    let proved = rows.iter().filter(|row| row.all_proved() == Some(true)).count();
    let tested_of = format!("{tested} of {} dimensions have a lambda1", rows.len());
    let all = match (tested, proved) {
        (0, _) => "nothing is tested".to_string(),
        (tested, proved) if tested == proved => "there every condition is proved".to_string(),
        (_, proved) => format!("every condition is proved in {proved}"),
    };
    let mut lines = format!("{opens}\n{tested_of}; {all}.\n");
    for row in rows.iter().filter(|row| row.all_proved() == Some(false)) {
        let ids = row.not_proved.as_deref().unwrap_or_default().replace(' ', ", ");
        lines += &format!("Not proved at d = {}: {ids}\n", row.dim);
    }
    lines
}

fn plain(x: Option<f64>) -> String {
    x.map_or(String::new(), |x| significant(x, DIGITS))
}

/// A positive number by its logarithm, as itself or as a power of e.
fn from_ln(ln: Option<f64>) -> String {
    match ln {
        Some(ln) if ln.abs() < 700.0 => significant(ln.exp(), DIGITS),
        Some(ln) => format!("e^{}", significant(ln, DIGITS)),
        None => String::new(),
    }
}
