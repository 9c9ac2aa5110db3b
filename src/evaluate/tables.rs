//! Tables of `evaluate run`, one a task.

use undetected_onnx::{
    detect::StatisticKind,
    engine::EngineInfo,
    record::Row,
    statistics::{CONFIDENCE, Estimate},
    suite::{Attacked, Outcome, Task},
};
use undetected_theory::Proportion;

use crate::output::{self, number};

/// Everything that the terminal shows of one model.
pub fn tables(outcome: &Outcome) -> String {
    let datasets = by_dataset(&outcome.rows);
    let Some(real) = datasets.first() else { return String::new() };
    let gradient = match real.statistics(Task::Detect).contains(&"gradient_norm") {
        true => "\nStatistic 'gradient' in nats per pixel range.",
        false => "",
    };
    let by = match outcome.mixed.as_slice() {
        [] => format!("{} ({})", outcome.engine, outcome.engine.device),
        mixed => {
            let (engines, devices) = EngineInfo::names(mixed);
            format!(
                "{engines} ({devices})\nMIXED ENGINES: shards on different engines were merged; their \
                 numbers differ in the last digits"
            )
        }
    };
    let title = format!(
        "{} on {by}\nIntervals at 99 %. bits/dim: lower = likelier. Scores in nats: higher = likelier \
         real.{gradient}\n\n",
        outcome.spec.name
    );
    let sections = [
        accuracy(real),
        likelihood(&datasets),
        detectors(real),
        detection(real, &datasets),
        separation(&datasets),
        class_gap(real),
        paths(real, outcome),
        objective(real),
        attacks(outcome),
    ];
    title + &sections.into_iter().flatten().collect::<String>()
}

/// The rows of one data set.
struct DatasetRows<'a> {
    name: &'a str,
    rows: Vec<&'a Row>,
}

impl<'a> DatasetRows<'a> {
    fn find(
        &self,
        task: Task,
        statistic: Option<&str>,
        metric: &str,
        unit: &str,
    ) -> Option<&'a Row> {
        let wanted = |row: &&&Row| {
            row.task == task.name()
                && row.statistic == statistic
                && row.metric == metric
                && row.unit == unit
        };
        self.rows.iter().find(wanted).copied()
    }

    fn get(&self, task: Task, metric: &str, unit: &str) -> Option<&'a Row> {
        self.find(task, None, metric, unit)
    }

    /// The value with its interval, and a dash where there is none.
    fn cell(&self, task: Task, metric: &str, unit: &str) -> String {
        self.get(task, metric, unit).map_or("-".to_owned(), interval)
    }

    /// Statistics of a task, in the order of the rows.
    fn statistics(&self, task: Task) -> Vec<&'static str> {
        let mut found: Vec<&'static str> = Vec::new();
        for row in self.rows.iter().filter(|row| row.task == task.name()) {
            found.extend(row.statistic.filter(|name| !found.contains(name)));
        }
        found
    }
}

fn interval(row: &Row) -> String {
    output::estimate(row.unit, row.value, row.low.zip(row.high))
}

fn cell(row: Option<&Row>) -> String {
    row.map_or("-".to_owned(), interval)
}

fn by_dataset(rows: &[Row]) -> Vec<DatasetRows<'_>> {
    let mut datasets: Vec<DatasetRows<'_>> = Vec::new();
    for row in rows {
        match datasets.iter_mut().find(|dataset| dataset.name == row.dataset) {
            Some(dataset) => dataset.rows.push(row),
            None => datasets.push(DatasetRows { name: &row.dataset, rows: vec![row] }),
        }
    }
    datasets
}

fn accuracy(real: &DatasetRows<'_>) -> Option<String> {
    let row = real.get(Task::Classify, "accuracy", "share")?;
    let mut table = output::table(&["data", ">images", ">accuracy, %"]);
    table.add_row([real.name.to_owned(), row.n.to_string(), interval(row)]);
    Some(output::section("Classification by argmax p(x, y)", &table))
}

fn likelihood(datasets: &[DatasetRows<'_>]) -> Option<String> {
    let header = ["data", ">images", ">mean", ">decile 1", ">median", ">decile 9", ">not finite"];
    let mut table = output::table(&header);
    for dataset in datasets {
        let Some(lost) = dataset.get(Task::Likelihood, "not_finite", "share") else { continue };
        let bits = |metric: &str| {
            let row = dataset.get(Task::Likelihood, metric, "bits/dim");
            row.map_or("-".to_owned(), |row| format!("{:.3}", row.value))
        };
        table.add_row([
            dataset.name.to_owned(),
            lost.n.to_string(),
            dataset.cell(Task::Likelihood, "mean", "bits/dim"),
            bits("decile_1"),
            bits("decile_5"),
            bits("decile_9"),
            format!("{:.0}", lost.value * lost.n as f64),
        ]);
    }
    let title = "Negative log-likelihood -log p(x), bits/dim: lower = likelier";
    (table.row_count() > 0).then(|| output::section(title, &table))
}

/// Thresholds, and the false alarms on real images that fitted nothing.
fn detectors(real: &DatasetRows<'_>) -> Option<String> {
    let header =
        ["statistic", ">threshold", ">bits/dim", ">fitted on", ">false alarms, %", ">expected, %"];
    let mut table = output::table(&header);
    for name in real.statistics(Task::Detect) {
        let find = |metric: &str, unit: &str| real.find(Task::Detect, Some(name), metric, unit);
        let unit = unit(name);
        let first = find("threshold_class_0", unit);
        let shown = |unit: &str| match find("threshold", unit) {
            Some(row) => number(row.value),
            None if first.is_some() => "per class".to_owned(),
            None => "-".to_owned(),
        };
        let fitted = find("threshold", unit).or(first);
        let fitted = match fitted.map_or(0, |row| row.n) {
            0 => "fixed".to_owned(),
            n => n.to_string(),
        };
        table.add_row([
            short(name).to_owned(),
            shown(unit),
            shown("bits/dim"),
            fitted,
            cell(find("rejected", "share")),
            cell(find("expected_false_alarms", "share")),
        ]);
    }
    let title = format!(
        "Detectors: a statistic at or above its threshold is accepted; false alarms on {}",
        real.name
    );
    (table.row_count() > 0).then(|| output::section(&title, &table))
}

fn detection(real: &DatasetRows<'_>, datasets: &[DatasetRows<'_>]) -> Option<String> {
    let statistics = real.statistics(Task::Detect);
    let header: Vec<String> = ["data".to_owned(), ">images".to_owned()]
        .into_iter()
        .chain(statistics.iter().map(|name| format!(">{}", short(name))))
        .collect();
    let mut table = output::table(&header.iter().map(String::as_str).collect::<Vec<_>>());
    for dataset in datasets.iter().skip(1) {
        let rows: Vec<_> = statistics
            .iter()
            .map(|name| dataset.find(Task::Detect, Some(name), "accepted", "share"))
            .collect();
        let Some(Some(first)) = rows.first() else { continue };
        let shares = rows.iter().map(|row| row.map_or("-".to_owned(), percent));
        let row = [dataset.name.to_owned(), first.n.to_string()].into_iter().chain(shares);
        table.add_row(row);
    }
    let title =
        "Detection: share of other data that is accepted as real, % (fooled; less is better)";
    (table.row_count() > 0).then(|| output::section(title, &table))
}

/// What a threshold cannot change.
fn separation(datasets: &[DatasetRows<'_>]) -> Option<String> {
    let header =
        ["other data", "statistic", ">AUROC", ">AUPR in", ">AUPR out", ">FPR in", ">FPR out"];
    let mut table = output::table(&header);
    for dataset in datasets {
        for (place, name) in dataset.statistics(Task::OutOfDistribution).into_iter().enumerate() {
            let find = |metric: &str, unit: &str| {
                dataset.find(Task::OutOfDistribution, Some(name), metric, unit)
            };
            let area = |metric: &str| find(metric, "area").map_or("-".to_owned(), digits);
            let share = |metric: &str| find(metric, "share").map_or("-".to_owned(), percent);
            table.add_row([
                if place == 0 { dataset.name.to_owned() } else { String::new() },
                short(name).to_owned(),
                cell(find("auroc", "area")),
                area("aupr_in_positive"),
                area("aupr_out_positive"),
                share("fpr95_in_positive"),
                share("fpr95_out_positive"),
            ]);
        }
    }
    let title = "Out of distribution, whatever the threshold. AUROC above 0.5: real images score \
                 higher than\nothers. In, out: real images, the others are the positives. FPR at \
                 95 % TPR, %: others\naccepted where 95 % of real images are (in), real images \
                 rejected where 95 % of others are (out)";
    (table.row_count() > 0).then(|| output::section(title, &table))
}

/// Section 4.2 and figure 3.
fn class_gap(real: &DatasetRows<'_>) -> Option<String> {
    let nats = |metric: &str| real.get(Task::ClassGap, metric, "nats");
    let mut likelihoods = output::table(&["log p(x | y), nats", ">mean", ">standard deviation"]);
    for (title, name) in [
        ("y the label", "log_px_given_label"),
        ("y the best wrong class", "log_px_given_best_wrong"),
        ("gap: the first less the second", "gap"),
    ] {
        let deviation = nats(&format!("deviation_{name}"));
        likelihoods.add_row([
            title.to_owned(),
            cell(nats(&format!("mean_{name}"))),
            deviation.map_or("-".to_owned(), interval),
        ]);
    }
    let mut pairs = output::table(&["(x, y) against (x, wrong y)", ">AUROC", ">detected, %"]);
    for (title, name) in [
        ("wrong y: the best wrong class", "best_wrong"),
        ("wrong y: drawn at random", "random_wrong"),
    ] {
        pairs.add_row([
            title.to_owned(),
            real.cell(Task::ClassGap, &format!("mislabelled_auroc_{name}"), "area"),
            real.cell(Task::ClassGap, &format!("mislabelled_detected_{name}"), "share"),
        ]);
    }
    let ratio = real.get(Task::ClassGap, "gap_over_deviation", "ratio").map(|row| row.value);
    let title = format!(
        "Class gap on {}: what the label is worth in likelihood. Mean gap over the deviation of\n\
         log p(x | label): {}. Overlap of the histograms: {} %. Label leads all classes: {} %",
        real.name,
        ratio.map_or("-".to_owned(), |ratio| output::significant(ratio, 3)),
        real.get(Task::ClassGap, "overlap", "share").map_or("-".to_owned(), percent),
        real.get(Task::ClassGap, "label_leads", "share").map_or("-".to_owned(), percent),
    );
    let mislabelled = "Mislabelled inputs by log p(x, y): detected at 5 % false alarms";
    nats("mean_gap")
        .map(|_| output::section(&title, &likelihoods) + &output::section(mislabelled, &pairs))
}

/// Section 4.4, figures 1, 4 and 6.
fn paths(real: &DatasetRows<'_>, outcome: &Outcome) -> Option<String> {
    let found = outcome.interpolation.as_ref()?;
    let share = |metric: &str| real.cell(Task::Interpolate, metric, "share");
    let mut table = output::table(&["paths", ">"]);
    for (title, value) in [
        ("wholly accepted, both ends included, %", share("paths_accepted")),
        ("both ends accepted under the path's own noise, %", share("ends_accepted")),
        ("midpoint accepted, %", share("midpoints_accepted")),
        ("midpoint likelier than both ends, %", share("midpoints_likelier")),
        (
            "-log p(midpoint) less the mean of the ends', bits/dim",
            real.cell(Task::Interpolate, "midpoint_minus_ends", "bits/dim"),
        ),
        (
            "AUROC of real images against midpoints by log p(x)",
            real.cell(Task::Interpolate, "midpoint_auroc", "area"),
        ),
    ] {
        table.add_row([title.to_owned(), value]);
    }
    let (selection, seed) = (&found.selection, outcome.rows.first().map_or(0, |row| row.seed));
    let title = format!(
        "Interpolation on {}: {} disjoint pairs of different classes (seed {seed}), {} alphas a\n\
         path. Of {} test images {} are misclassified, {} rejected by the marginal detector, {} without a\n\
         finite density: {} are eligible",
        real.name,
        selection.pairs.len(),
        found.summary.grid.len(),
        selection.eligible.candidates,
        selection.eligible.misclassified,
        selection.eligible.rejected,
        selection.eligible.not_finite,
        selection.eligible.images.len(),
    );
    Some(output::section(&title, &table))
}

/// Equation 4.
fn objective(real: &DatasetRows<'_>) -> Option<String> {
    let get = |metric: &str, unit: &str| real.get(Task::Objective, metric, unit);
    let share = |metric: &str| {
        get(metric, "share").map_or("-".to_owned(), |row| output::significant(100.0 * row.value, 3))
    };
    let class_term = get("class_term", "nats")?;
    let mut table = output::table(&["term", ">nats", ">share of the sum, %"]);
    let marginal = cell(get("marginal_term", "nats"));
    table.add_row(["E[-log p(x)], the length of a code".to_owned(), marginal, String::new()]);
    let class = match class_term.value.abs() < 0.1 {
        true => output::significant(class_term.value, 3),
        false => interval(class_term),
    };
    table.add_row(["E[-log p(y | x)]".to_owned(), class, share("class_share")]);
    let uniform = get("class_term_of_uniform", "nats").map_or(0.0, |row| row.value);
    table.add_row([
        "the same, were p(y | x) uniform".to_owned(),
        format!("{uniform:.3}"),
        share("class_share_of_uniform"),
    ]);
    let error = get("expected_calibration_error", "share").map_or("-".to_owned(), percent);
    let bins = get("calibration_bins", "bins").map_or(0.0, |row| row.value);
    let title = format!(
        "Objective (equation 4) on {}. Expected calibration error {error} % in {bins} bins",
        real.name
    );
    Some(output::section(&title, &table))
}

fn digits(row: &Row) -> String {
    format!("{:.4}", row.value)
}

/// Without its interval, which a table of many columns has no room for.
fn percent(row: &Row) -> String {
    format!("{:.2}", 100.0 * row.value)
}

/// Table 2: a row for each attack and distance.
fn attacks(outcome: &Outcome) -> Option<String> {
    let first = outcome.attacks.first()?;
    let header = ["attack", ">epsilon", ">undetected, %", ">(fooled, %)", ">8-bit, %"];
    let mut table = output::table(&header);
    for attacked in &outcome.attacks {
        for epsilon in &attacked.settings.epsilons {
            let rates = attacked.summary.within(*epsilon);
            let percent = |share: Proportion| format!("{:.0}", 100.0 * share.estimate());
            let undetected = rates.undetected.map_or("-".to_owned(), share);
            let rounded = rates.undetected_rounded.map_or("-".to_owned(), percent);
            table.add_row([
                attacked.settings.name(),
                format!("{epsilon:.4}"),
                undetected,
                format!("({})", share(rates.fooled)),
                format!("{rounded} ({})", percent(rates.fooled_rounded)),
            ]);
        }
    }
    let title =
        "Attacks: undetected within epsilon, (in brackets) fooled; 8-bit: after rounding to it";
    let mut text = output::section(title, &table);
    text.pop();
    let eligible = &first.eligible;
    text += &format!(
        " Of {} images that fit no detector {} are misclassified, {} rejected, {} not finite; {} could\n \
         be attacked.\n",
        eligible.candidates,
        eligible.misclassified,
        eligible.rejected,
        eligible.not_finite,
        eligible.images.len()
    );
    outcome.attacks.iter().for_each(|attacked| text += &effort(attacked));
    Some(text + "\n")
}

/// What an attack took and how close it came, a line, and its warnings.
fn effort(attacked: &Attacked) -> String {
    let Attacked { settings, summary, resumed, seconds, .. } = attacked;
    let median = |found: Option<Estimate>| {
        found.map_or("none".to_owned(), |median| format!("{:.3}", median.value))
    };
    let known = match resumed {
        0 => String::new(),
        images => format!(" ({images} from an earlier run)"),
    };
    let flags = summary.flags.iter().filter(|(_, count)| *count > 0);
    let flags: Vec<String> = flags.map(|(name, count)| format!("{name} {count}")).collect();
    let flags = match flags.is_empty() {
        true => String::new(),
        false => format!("\n   look at: {}", flags.join(", ")),
    };
    format!(
        " {}: {} images{known}, median L2 {} ({}), {} queries an image, {seconds:.0} s{flags}\n",
        settings.name(),
        summary.samples,
        median(summary.undetected_l2),
        median(summary.fooled_l2),
        summary.queries.total() / summary.samples,
    )
}

/// Per cent with its interval.
fn share(share: Proportion) -> String {
    let interval = share.interval(CONFIDENCE);
    let percent = |share: f64| 100.0 * share;
    format!(
        "{:.0} [{:.0}, {:.0}]",
        percent(share.estimate()),
        percent(interval.low),
        percent(interval.high)
    )
}

fn short(statistic: &str) -> &str {
    match statistic {
        "given_predicted" => "given y",
        "complexity_corrected" => "complexity",
        "gradient_norm" => "gradient",
        other => other,
    }
}

/// The unit of a statistic's threshold.
fn unit(statistic: &str) -> &'static str {
    match statistic == StatisticKind::GradientNorm.name() {
        true => StatisticKind::GradientNorm.unit(),
        false => "nats",
    }
}
