//! The report of a check as tables and as rows.

use super::report::{Rate, Report};
use crate::output::{self, number, number_from_ln, section};
use anyhow::Result;
use comfy_table::{Cell, Color, Table};
use undetected_theory::Verdict;

/// For people.
pub fn table(report: &Report) -> String {
    let title = format!(
        "Counter-example in dimension {}: can a model this good be fooled unnoticed?\n\n",
        report.parameters.dim
    );
    let last = match count_unproved(report) {
        0 => format!("All {} conditions are proved.\n", report.conditions.len()),
        n => format!("{n} of {} conditions are not proved.\n", report.conditions.len()),
    };
    [
        title,
        section("Parameters", &parameters(report)),
        section("Proposition 1 (x in the shell, x' the point it is moved to)", &conditions(report)),
        section("Divergences in nats, beside the bounds of Lemmas 2 and 3", &divergences(report)),
        section("What p and q say before and after the move", &posteriors(report)),
        section(&simulation_title(report), &simulation(report)),
        last,
    ]
    .concat()
}

fn count_unproved(report: &Report) -> usize {
    report.conditions.iter().filter(|condition| condition.verdict != Verdict::Proved).count()
}

fn parameters(report: &Report) -> Table {
    let (parameters, window) = (&report.parameters, &report.window);
    let (low, high) =
        (number_from_ln(window.ln_lambda1_min), number_from_ln(window.ln_lambda1_max));
    let range = if window.ln_lambda1_min < window.ln_lambda1_max {
        format!("works between {low} and {high}")
    } else {
        format!("none works: above {low} excludes below {high}")
    };
    let min_dim = match window.min_dim {
        Some(dim) => format!("dimension; with these limits the window is open from {dim} on"),
        None => "dimension; with these limits the window is never open".to_string(),
    };
    let mut table = output::table(&["name", ">value", "meaning"]);
    let mut row = |name: &str, value: String, meaning: &str| {
        table.add_row([name, &value, meaning]);
    };
    row("d", parameters.dim.to_string(), &min_dim);
    row("shell", number(parameters.shell), "width of the shell, length of the attack");
    row("kl-epsilon", number(parameters.kl_epsilon), "limit of both divergences, nats");
    row("delta", number(parameters.delta), "distance from certainty, probability");
    row("lambda1", number_from_ln(parameters.ln_lambda1), &format!("ball in class 0; {range}"));
    row("lambda2", number_from_ln(parameters.ln_lambda2), "ball in class 1");
    table
}

fn conditions(report: &Report) -> Table {
    let mut table = output::table(&["id", "claim", ">value", ">limit", "verdict"]);
    for condition in &report.conditions {
        table.add_row([
            Cell::new(condition.id),
            Cell::new(condition.claim),
            Cell::new(number(condition.value)),
            Cell::new(number(condition.limit)),
            verdict(condition.verdict),
        ]);
    }
    table
}

pub fn verdict(verdict: Verdict) -> Cell {
    let color = match verdict {
        Verdict::Proved => Color::Green,
        Verdict::Refuted => Color::Red,
        Verdict::Undecided => Color::Yellow,
    };
    Cell::new(verdict).fg(color)
}

fn divergences(report: &Report) -> Table {
    let (ln, lemmas) = (&report.ln_kl, &report.lemmas);
    let mut table = output::table(&[
        "divergence",
        ">joint",
        ">class 0",
        ">bound (class 0)",
        ">bound - class 0",
        "below bound",
    ]);
    let mut row = |name, joint, class0, bound, slack, holds| {
        table.add_row([
            Cell::new(name),
            Cell::new(number_from_ln(joint)),
            Cell::new(number_from_ln(class0)),
            Cell::new(number_from_ln(bound)),
            Cell::new(number(slack)),
            verdict(holds),
        ]);
    };
    row(
        "KL(q, p)",
        ln.q_p_joint_nats,
        ln.q_p_class0_nats,
        ln.q_p_bound_nats,
        lemmas.q_p_slack_nats,
        lemmas.q_p_verdict,
    );
    row(
        "KL(p, q)",
        ln.p_q_joint_nats,
        ln.p_q_class0_nats,
        ln.p_q_bound_nats,
        lemmas.p_q_slack_nats,
        lemmas.p_q_verdict,
    );
    table
}

fn posteriors(report: &Report) -> Table {
    let (posterior, density) = (&report.posterior, &report.ln_density);
    let mut table = output::table(&["point", ">p(0|point)", ">q(0|point)", ">ln q(point)"]);
    table.add_row([
        "x, in the shell".to_string(),
        number(posterior.p_class0_in_shell),
        number(posterior.q_class0_in_shell),
        number(density.q_in_shell),
    ]);
    table.add_row([
        "x', in the unit ball".to_string(),
        number(posterior.p_class0_in_ball),
        number_from_ln(posterior.ln_q_class0_in_ball),
        number(density.q_in_ball),
    ]);
    let median = density.q_median_over_p.max(density.q_median_over_q);
    table.add_row(["median of q(x)", "", "", &number(median)]);
    table
}

fn simulation_title(report: &Report) -> String {
    let simulation = &report.monte_carlo;
    format!(
        "The attack on {} points drawn from p ({} sampler, seed {})",
        simulation.samples, simulation.sampler, simulation.seed
    )
}

fn simulation(report: &Report) -> Table {
    let simulation = &report.monte_carlo;
    let shell = report.parameters.shell;
    let in_shell = format!("{} lie in the shell", number(report.attackable_mass));
    let room = simulation.max_l2.map_or(String::new(), |longest| {
        format!("{} allowed, {} left", number(shell), number(shell - longest))
    });
    let length = |value: Option<f64>| value.map_or("none moved".to_string(), number);
    let mut table = output::table(&["quantity", ">estimate", "99 % interval", "beside"]);
    let rate = |rate: &Rate| format!("{} to {}", number(rate.low), number(rate.high));
    let (success, rank) = (&simulation.attack_success, &simulation.density_rank);
    table.add_row(["fooled, items 1 to 5", &number(success.estimate), &rate(success), &in_shell]);
    table.add_row(["no denser under q than x'", &number(rank.estimate), &rate(rank), ""]);
    table.add_row(["mean ||x - x'||", &length(simulation.mean_l2), "", ""]);
    table.add_row(["longest ||x - x'||", &length(simulation.max_l2), "", &room]);
    table
}

/// One row per number, in full precision.
pub fn csv(report: &Report) -> Result<String> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(["group", "name", "value", "low", "high", "limit", "verdict"])?;
    for row in rows(report)? {
        writer.write_record(row)?;
    }
    Ok(String::from_utf8(writer.into_inner()?)?)
}

/// The JSON object, flattened; conditions and rates bring their limits with them.
fn rows(report: &Report) -> Result<Vec<[String; 7]>> {
    let mut rows = Vec::new();
    let object = serde_json::to_value(report)?;
    for (group, value) in object.as_object().into_iter().flatten() {
        match value {
            serde_json::Value::Array(conditions) => {
                rows.extend(conditions.iter().map(|condition| condition_row(group, condition)));
            }
            serde_json::Value::Object(fields) => {
                rows.extend(fields.iter().map(|(name, field)| field_row(group, name, field)));
            }
            value => rows.push(field_row(group, group, value)),
        }
    }
    Ok(rows)
}

fn condition_row(group: &str, condition: &serde_json::Value) -> [String; 7] {
    let cell = |key: &str| text(&condition[key]);
    let (low, high) = (String::new(), String::new());
    [group.into(), cell("id"), cell("value"), low, high, cell("limit"), cell("verdict")]
}

fn field_row(group: &str, name: &str, field: &serde_json::Value) -> [String; 7] {
    let value = if field.is_object() { &field["estimate"] } else { field };
    let (low, high) = (text(&field["low"]), text(&field["high"]));
    [group.into(), name.into(), text(value), low, high, String::new(), String::new()]
}

/// A JSON value as a cell: numbers as JSON writes them, strings bare, null empty.
fn text(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::Null => String::new(),
        serde_json::Value::String(string) => string.clone(),
        value => value.to_string(),
    }
}
