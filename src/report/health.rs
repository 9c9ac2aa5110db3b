//! Signs that a run's numbers say less than they seem to.

use super::{labels, results::ModelResults, run_record::GradientRecord};

/// A sign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flag {
    /// How much it matters.
    pub level: Level,
    /// What was seen, and what it means.
    pub text: String,
}

/// How much a sign matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// A number may be wrong, or may not mean what it says.
    Warning,
    /// To be known when numbers are compared.
    Note,
}

impl Level {
    /// In a word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

/// The signs at a model; empty where all is well.
pub fn of(model: &ModelResults) -> Vec<Flag> {
    let single = [parity(model), engines(model), gradient(&model.record.gradient), data(model)];
    single.into_iter().flatten().chain(not_finite(model)).chain(attack_flags(model)).collect()
}

fn warning(text: String) -> Flag {
    Flag { level: Level::Warning, text }
}

fn note(text: String) -> Flag {
    Flag { level: Level::Note, text }
}

fn parity(model: &ModelResults) -> Option<Flag> {
    model.record.parity.is_none().then(|| {
        warning(
            "The file has no parity vectors: nothing shows that the engine's values are those of the \
             framework that trained the model."
                .to_owned(),
        )
    })
}

fn engines(model: &ModelResults) -> Option<Flag> {
    let mixed = &model.record.mixed_engines;
    if !mixed.is_empty() {
        let shards = mixed.iter().enumerate().map(|(place, by)| format!("{} {by}", place + 1));
        return Some(warning(format!(
            "Shards on different engines were merged ({}): paths, attacks and other data mix numbers that \
             differ in their last digits. Do not compare them digit by digit with a run on one engine.",
            shards.collect::<Vec<_>>().join(", ")
        )));
    }
    let mut seen: Vec<String> = Vec::new();
    for row in &model.rows {
        let engine = format!("{} ({})", row.engine, row.device);
        if !seen.contains(&engine) {
            seen.push(engine);
        }
    }
    (seen.len() > 1)
        .then(|| warning(format!("Rows were computed by different engines: {}.", seen.join(", "))))
}

fn gradient(gradient: &GradientRecord) -> Option<Flag> {
    if gradient.own {
        return None;
    }
    if !gradient.differentiable {
        let nodes = named(&gradient.without_rule);
        let why = match (&gradient.problem, nodes.is_empty()) {
            (_, false) => format!("there is no rule for {nodes}"),
            (Some(problem), true) => problem.clone(),
            (None, true) => "no path leads from log_prob to x".to_owned(),
        };
        return Some(warning(format!(
            "log p(x | y) has no input gradient: {why}. Attacks by gradient say nothing."
        )));
    }
    let nodes = named(&gradient.zero);
    (!nodes.is_empty()).then(|| {
        note(format!(
            "No gradient passes {nodes}: an attack by gradient does not see what goes through there."
        ))
    })
}

/// Some nodes by name; the rest are counted.
fn named(nodes: &[(String, String)]) -> String {
    const SHOWN: usize = 3;
    let names = nodes.iter().take(SHOWN).map(|(name, operator)| format!("{operator} '{name}'"));
    let names = names.collect::<Vec<_>>().join(", ");
    match nodes.len().checked_sub(SHOWN) {
        None | Some(0) => names,
        Some(more) => format!("{names} and {more} more"),
    }
}

fn data(model: &ModelResults) -> Option<Flag> {
    let (trained, measured) = (&model.record.trained_on, &model.record.measured_on);
    (trained != measured).then(|| {
        note(format!(
            "The file declares the data set '{trained}'; it was measured on '{measured}'."
        ))
    })
}

fn not_finite(model: &ModelResults) -> impl Iterator<Item = Flag> {
    let rows = model.rows.iter();
    let lost = rows
        .filter(|row| row.task == "likelihood" && row.metric == "not_finite" && row.value > 0.0);
    lost.map(|row| {
        let images = (row.value * row.n as f64).round();
        warning(format!(
            "{images} of {} images of {} have no finite density: they count as rejected, and are left out \
             of means.",
            row.n, row.dataset
        ))
    })
}

fn attack_flags(model: &ModelResults) -> impl Iterator<Item = Flag> {
    let rows = model.rows.iter().filter(|row| row.task == "attack" && row.value > 0.0);
    rows.filter_map(|row| {
        let flag = row.metric.strip_prefix("flag_")?.replace('_', " ");
        let attack = row.attack.as_deref().or(row.statistic.as_deref()).unwrap_or("attack");
        let attack = labels::attack(attack);
        Some(warning(format!("{attack}: {flag}, {} of {} images.", row.value, row.n)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{
        results::{
            Row,
            samples::{model, row},
        },
        run_record::ParityRecord,
    };

    /// One in order: with parity vectors, measured on what it was trained on.
    fn healthy() -> ModelResults {
        let mut model = model("a", "test", "unknown");
        model.record.parity = Some(ParityRecord { images: 4, relative_tolerance: 1e-4 });
        model
    }

    fn flagged(model: &ModelResults) -> (Level, String) {
        let mut flags = of(model);
        assert_eq!(flags.len(), 1, "{flags:?}");
        let Flag { level, text } = flags.remove(0);
        (level, text)
    }

    #[test]
    fn a_model_in_order_has_no_flag() {
        assert_eq!(of(&healthy()), []);
    }

    #[test]
    fn what_is_out_of_order_is_flagged_by_itself() {
        let mut unproved = healthy();
        unproved.record.parity = None;
        assert!(flagged(&unproved).1.contains("no parity vectors"));

        let mut other_data = healthy();
        other_data.record.trained_on = "clothes".to_owned();
        let (level, text) = flagged(&other_data);
        assert_eq!(level, Level::Note);
        assert!(text.contains("'clothes'") && text.contains("'test'"), "{text}");

        let mut lost = healthy();
        lost.rows.push(row("a", "likelihood", "not_finite", "share", 0.3));
        let (level, text) = flagged(&lost);
        assert_eq!(level, Level::Warning);
        assert!(text.starts_with("3 of 10 images of test"), "{text}");

        let mut mixed = healthy();
        mixed.rows[0].device = "cuda".to_owned();
        assert!(flagged(&mixed).1.contains("different engines"));
        mixed.record.mixed_engines = ["a 1 (cpu)", "b 2 (cuda)"].map(str::to_owned).to_vec();
        let (level, text) = flagged(&mixed);
        assert_eq!(level, Level::Warning);
        assert!(text.contains("merged (1 a 1 (cpu), 2 b 2 (cuda))"), "{text}");

        let mut attacked = healthy();
        let flag = row("a", "attack", "flag_zero_gradient", "images", 2.0);
        attacked.rows.push(Row { attack: Some("boundary".to_owned()), ..flag });
        assert!(
            flagged(&attacked)
                .1
                .contains("Boundary attack on the classifier: zero gradient, 2 of 10")
        );
    }

    #[test]
    fn a_gradient_that_is_missing_or_broken_off_is_flagged() {
        let floor = ("f".to_owned(), "Floor".to_owned());
        let mut zero = healthy();
        zero.record.gradient.zero = vec![floor.clone(); 5];
        let (level, text) = flagged(&zero);
        assert_eq!(level, Level::Note);
        assert!(text.contains("Floor 'f'") && text.contains("and 2 more"), "{text}");

        let mut none = healthy();
        none.record.gradient.differentiable = false;
        none.record.gradient.without_rule = vec![floor];
        let (level, text) = flagged(&none);
        assert_eq!(level, Level::Warning);
        assert!(text.contains("no rule for Floor 'f'"), "{text}");
        none.record.gradient.own = true;
        assert_eq!(of(&none), []);
    }
}
