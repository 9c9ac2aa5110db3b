//! What tasks, statistics, metrics and figures are called for people.

/// A task with where the paper speaks of it.
pub fn task(name: &str) -> &str {
    match name {
        "likelihood" => "Likelihood",
        "classify" => "Classification by argmax p(x, y)",
        "detect" => "Detection",
        "out_of_distribution" => "Separation from other data",
        "class_gap" => "Class gap (section 4.2)",
        "interpolate" => "Interpolation (section 4.4)",
        "objective" => "Objective (equation 4)",
        "attack" => "Attacks (section 4.3)",
        other => other,
    }
}

/// A statistic that detectors compare with a threshold.
pub fn statistic(name: &str) -> &str {
    match name {
        "marginal" => "log p(x)",
        "joint" => "log p(x, y)",
        "given_predicted" => "log p(x | y)",
        "typicality" => "typicality",
        "complexity_corrected" => "complexity-corrected",
        other => other,
    }
}

/// A number of a task; its own name where that says enough.
pub fn metric<'a>(task: &str, name: &'a str) -> &'a str {
    match (task, name) {
        ("class_gap", "mean_log_px_given_label") => "mean of log p(x | label)",
        ("class_gap", "mean_log_px_given_best_wrong") => "mean of log p(x | best wrong class)",
        ("class_gap", "mean_gap") => "mean gap: the first less the second",
        ("class_gap", "gap_over_deviation") => "mean gap over the deviation of log p(x | label)",
        ("class_gap", "overlap") => "overlap of the two histograms",
        ("class_gap", "label_leads") => "label leads all classes",
        ("class_gap", "mislabelled_auroc_best_wrong") => "AUROC against the best wrong label",
        ("class_gap", "mislabelled_detected_best_wrong") => {
            "best wrong label detected, at 5 % false alarms"
        }
        ("class_gap", "mislabelled_auroc_random_wrong") => "AUROC against a random wrong label",
        ("class_gap", "mislabelled_detected_random_wrong") => {
            "random wrong label detected, at 5 % false alarms"
        }
        ("interpolate", "pairs") => "pairs",
        ("interpolate", "eligible") => "eligible images",
        ("interpolate", "paths_accepted") => "paths wholly accepted",
        ("interpolate", "midpoints_accepted") => "midpoints accepted",
        ("interpolate", "midpoints_likelier") => "midpoints likelier than both ends",
        ("interpolate", "midpoint_minus_ends") => "-log p(midpoint) less the mean of the ends'",
        ("interpolate", "midpoint_auroc") => "AUROC of real images against midpoints",
        ("objective", "marginal_term") => "E[-log p(x)], the length of a code",
        ("objective", "class_term") => "E[-log p(y | x)]",
        ("objective", "class_term_of_uniform") => "the same, were p(y | x) uniform",
        ("objective", "class_share") => "share of the class term in the sum",
        ("objective", "class_share_of_uniform") => "that share, were p(y | x) uniform",
        ("objective", "expected_calibration_error") => "expected calibration error",
        (_, other) => other,
    }
}

/// The metrics of a task that a reader looks for first, in their order.
pub fn chief_metrics(task: &str) -> &'static [&'static str] {
    match task {
        "class_gap" => &[
            "mean_log_px_given_label",
            "mean_log_px_given_best_wrong",
            "mean_gap",
            "gap_over_deviation",
            "overlap",
            "label_leads",
            "mislabelled_auroc_best_wrong",
            "mislabelled_detected_best_wrong",
            "mislabelled_auroc_random_wrong",
            "mislabelled_detected_random_wrong",
        ],
        "interpolate" => &[
            "pairs",
            "paths_accepted",
            "midpoints_accepted",
            "midpoints_likelier",
            "midpoint_minus_ends",
            "midpoint_auroc",
        ],
        "objective" => &[
            "marginal_term",
            "class_term",
            "class_term_of_uniform",
            "class_share",
            "class_share_of_uniform",
            "expected_calibration_error",
        ],
        _ => &[],
    }
}

/// An attack.
pub fn attack(name: &str) -> &str {
    match name {
        "carlini_wagner" => "CW-L2 on the classifier",
        "carlini_wagner_aware" => "CW-L2 on classifier and detector",
        "boundary" => "Boundary attack on the classifier",
        "boundary_aware" => "Boundary attack on classifier and detector",
        "projected_gradient" => "Projected gradient on the classifier",
        "projected_gradient_aware" => "Projected gradient on classifier and detector",
        other => other,
    }
}

/// The caption of a figure that does not say itself what it shows.
pub fn figure(name: &str) -> String {
    match name.strip_prefix("attack-").or_else(|| name.strip_prefix("attack_")) {
        Some(attacked) => format!("Images before and after: {}", attack(attacked)),
        None => format!("Figure {}", name.replace(['_', '-'], " ")),
    }
}
