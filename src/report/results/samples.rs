//! Results for tests.

use super::{ModelResults, Results, Row};
use crate::report::run_record::{DataRecord, GradientRecord, ModelRecord, RunRecord};

/// A run of these models.
pub fn run(models: Vec<ModelResults>) -> Results {
    let (format, version) = RunRecord::stamp();
    let record = RunRecord {
        format,
        version,
        suite: "sample".to_owned(),
        seed: 0,
        tasks: vec![],
        threshold: String::new(),
        data: vec![DataRecord {
            name: None,
            images: "images".to_owned(),
            limit: None,
            files: vec![],
            out_of_distribution: vec![],
        }],
        out_of_distribution: vec![],
        models: models.iter().map(|model| model.record.clone()).collect(),
    };
    Results { record, models, files: vec![] }
}

/// A model of a data set, trained by a formula, with an accuracy of 50 % and 2 bits/dim.
pub fn model(name: &str, trained_on: &str, objective: &str) -> ModelResults {
    let record = ModelRecord {
        name: name.to_owned(),
        file: String::new(),
        bytes: 0,
        sha256: String::new(),
        trained_on: trained_on.to_owned(),
        objective: objective.to_owned(),
        image: String::new(),
        n_dims: 1,
        classes: 2,
        dequantisation: String::new(),
        measured_on: "test".to_owned(),
        threshold: None,
        engine: String::new(),
        device: String::new(),
        mixed_engines: vec![],
        parity: None,
        gradient: GradientRecord {
            own: false,
            differentiable: true,
            problem: None,
            without_rule: vec![],
            zero: vec![],
        },
    };
    let rows = vec![
        row(name, "classify", "accuracy", "share", 0.5),
        row(name, "likelihood", "mean", "bits/dim", 2.0),
    ];
    ModelResults { record, rows, figures: vec![] }
}

/// A number on the data set 'test', with an interval from its half to its double.
pub fn row(model: &str, task: &str, metric: &str, unit: &str, value: f64) -> Row {
    Row {
        model: model.to_owned(),
        dataset: "test".to_owned(),
        task: task.to_owned(),
        statistic: None,
        attack: None,
        epsilon: None,
        metric: metric.to_owned(),
        value,
        low: Some(value / 2.0),
        high: Some(value * 2.0),
        n: 10,
        unit: unit.to_owned(),
        engine: String::new(),
        device: String::new(),
        seed: 0,
    }
}
