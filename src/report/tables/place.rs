//! Which of the paper's models a checkpoint is the counterpart of, by its contract.

use crate::report::{paper_tables::Setting, run_record::ModelRecord};

/// What decides in which column of the paper's tables a model stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Place {
    /// The data set that it was trained on, in the paper's spelling where the paper has it.
    pub dataset: String,
    /// The kind of model.
    pub family: Family,
    /// What training minimised, where that is known.
    pub objective: Option<Objective>,
}

/// The paper's two kinds of models.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// Tables 1 to 3: GLOW; here every model that is no PixelCNN++.
    Flow,
    /// Table 4.
    PixelCnn,
}

/// What training minimised.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Objective {
    /// -log p(x given y)/D - alpha log p(y given x).
    Reweighted {
        /// The weight; 0 is maximum likelihood.
        alpha: f64,
    },
    /// The split prior.
    Split,
}

impl Place {
    /// By the contract's `dataset` and `objective`, and by whether its name speaks of PixelCNN.
    pub fn of(record: &ModelRecord) -> Self {
        let pixelcnn = record.name.to_lowercase().contains("pixelcnn");
        Self {
            dataset: dataset(&record.trained_on),
            family: if pixelcnn { Family::PixelCnn } else { Family::Flow },
            objective: objective(&record.objective),
        }
    }

    /// The column of table 1, for a flow that has one.
    pub fn setting(&self) -> Option<Setting> {
        match (self.family, self.objective?) {
            (Family::PixelCnn, _) => None,
            (_, Objective::Split) => Some(Setting::Split),
            (_, Objective::Reweighted { alpha: 0.0 }) => Some(Setting::Base),
            (_, Objective::Reweighted { alpha: 1.0 }) => Some(Setting::Reweight),
            (_, Objective::Reweighted { .. }) => None,
        }
    }

    /// The weight of table 4, for a PixelCNN++ that has one.
    pub fn alpha(&self) -> Option<f64> {
        match (self.family, self.objective?) {
            (Family::PixelCnn, Objective::Reweighted { alpha }) => Some(alpha),
            _ => None,
        }
    }

    /// Whether the data set is one of section 4.5.
    pub fn has_background(&self) -> bool {
        self.dataset.starts_with("BG-MNIST")
    }
}

/// CIFAR10, however it is written. Re-encoded or changed images are another data set.
fn dataset(name: &str) -> String {
    let plain: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
    let plain = plain.to_lowercase();
    match plain.as_str() {
        "cifar10" => "CIFAR10".to_owned(),
        "mnist" => "MNIST".to_owned(),
        _ => name.to_owned(),
    }
}

/// Reads the formula that the contract gives in `objective`.
fn objective(formula: &str) -> Option<Objective> {
    let formula: String = formula.split_whitespace().collect();
    let rest = formula.strip_prefix("-logp(x|y)/D")?;
    if rest.is_empty() {
        return Some(Objective::Reweighted { alpha: 0.0 });
    }
    if rest.starts_with("-logsoftmax(z_s") {
        return Some(Objective::Split);
    }
    let weight = rest.strip_prefix('-')?.strip_suffix("logp(y|x)")?;
    let alpha = if weight.is_empty() { Some(1.0) } else { weight.parse().ok() };
    alpha.map(|alpha| Objective::Reweighted { alpha })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_formulas_that_the_exporter_writes_are_read() {
        let reweighted = |alpha| Some(Objective::Reweighted { alpha });
        assert_eq!(objective("-log p(x|y)/D"), reweighted(0.0));
        assert_eq!(objective("-log p(x|y)/D - log p(y|x)"), reweighted(1.0));
        assert_eq!(objective("-log p(x|y)/D - 1000 log p(y|x)"), reweighted(1000.0));
        assert_eq!(objective("-log p(x|y)/D - log softmax(z_s/c)[y]"), Some(Objective::Split));
        for unknown in ["unknown", "", "-log p(x|y)", "-log p(x|y)/D - much log p(y|x)"] {
            assert_eq!(objective(unknown), None, "{unknown}");
        }
    }

    #[test]
    fn a_changed_data_set_is_another_one() {
        assert_eq!(dataset("CIFAR-10"), "CIFAR10");
        assert_eq!(dataset("cifar10"), "CIFAR10");
        for other in ["CIFAR-10 (JPEG 75)", "Fashion-MNIST", "BG-MNIST-0", "CIFAR-100"] {
            assert_eq!(dataset(other), other);
        }
    }
}
