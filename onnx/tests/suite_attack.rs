//! Attacks of a suite, on a model whose nearest adversarial image is known.

mod common;

use std::{cell::Cell, fs, path::Path};

use common::message;
use nalgebra::DMatrix;
use rand::{RngExt, distr::StandardUniform};
use statrs::distribution::{ContinuousCDF, Normal};
use undetected_onnx::{
    Error, Result,
    attack::{Goal, Outcome as Found, Stop},
    dataset::{Images, Pixels},
    detect::StatisticKind,
    engine::{Device, EngineInfo},
    gaussian::GaussianModel,
    model::ConditionalModel,
    record::Row,
    suite::{
        AttackSettings, Attacked, DataEntry, Event, Kept, Method, Model, ModelEntry, Outcome,
        StartKind, Subject, Suite, Task, Units, Weight, run_model,
    },
};
use undetected_theory::Streams;

const DIM: usize = 16;
const SIGMA: f64 = 0.05;
/// Of the classes' means, in standard deviations.
const DISTANCE: f64 = 4.0;
const IMAGES: usize = 200;

fn mean(class: usize) -> f64 {
    let half = DISTANCE * SIGMA / 2.0 / (DIM as f64).sqrt();
    0.5 + if class == 0 { half } else { -half }
}

fn model() -> GaussianModel {
    GaussianModel::new(DMatrix::from_fn(DIM, 2, |_, class| mean(class)), SIGMA)
}

fn suite(folder: &Path, attacks: Vec<AttackSettings>) -> Suite {
    let (standard, streams) = (Normal::standard(), Streams::new(2, "draws"));
    let image = |image: usize| {
        let uniform = streams.get(image as u64).sample_iter::<f64, _>(StandardUniform).take(DIM);
        uniform.map(move |u| (mean(image % 2) + SIGMA * standard.inverse_cdf(u)) as f32)
    };
    let images = Images {
        name: "real".to_owned(),
        path: None,
        shape: model().spec().image,
        pixels: Pixels::Unit((0..IMAGES).flat_map(image).collect()),
        labels: Some((0..IMAGES).map(|image| image % 2).collect()),
    };
    let path = folder.join("real.npz");
    images.write_npz(&path).unwrap();
    let entry = ModelEntry { path: "unused".into(), contract: Default::default() };
    let data = DataEntry { name: Some("real".to_owned()), images: path, labels: None, limit: None };
    let mut suite = Suite::new("test".to_owned(), vec![entry], data);
    (suite.tasks, suite.attacks) = (vec![Task::Attack], attacks);
    suite
}

/// Twelve images, few steps.
fn settings(method: Method) -> AttackSettings {
    AttackSettings {
        images: 12.try_into().unwrap(),
        batch_size: 5.try_into().unwrap(),
        epsilons: vec![0.3],
        steps: Some(match method {
            Method::CarliniWagner => 400,
            Method::Boundary => 15_000,
            Method::ProjectedGradient => 50,
        }),
        ..AttackSettings::new(method)
    }
}

fn attempt(
    suite: &Suite,
    units: Option<&Units>,
    report: &mut dyn FnMut(Event<'_>) -> Result<()>,
) -> Result<Outcome> {
    let mut model = model();
    let engine =
        EngineInfo { name: "exact".to_owned(), version: "1".to_owned(), device: Device::Cpu };
    let model = Model::Gradients(&mut model);
    let subject = Subject { model, engine, sha256: "abc".to_owned(), pad: 0 };
    run_model(suite, subject, 64, Kept { units, ..Kept::default() }, report)
}

fn run(suite: &Suite) -> Outcome {
    attempt(suite, None, &mut |_| Ok(())).unwrap()
}

fn find<'a>(outcome: &'a Outcome, attack: &str, metric: &str, epsilon: Option<f64>) -> &'a Row {
    let wanted = |row: &&Row| {
        row.attack.as_deref() == Some(attack) && row.metric == metric && row.epsilon == epsilon
    };
    outcome.rows.iter().find(wanted).unwrap_or_else(|| panic!("no {metric} of {attack}"))
}

/// Distance of x from the plane between both means.
fn optimum(attacked: &Attacked, place: usize) -> f64 {
    let x = attacked.subjects.batch.x.column(place);
    x.iter().map(|x| f64::from(*x) - 0.5).sum::<f64>().abs() / (DIM as f64).sqrt()
}

fn fooled(found: &Found) -> f64 {
    found.fooled_l2().unwrap_or_else(|| panic!("no answer: {found:?}"))
}

/// Carlini-Wagner within 1 %, Boundary within 2 %, projected gradient exactly
/// where the ball reaches the plane; and the table counts what the outcomes say.
#[test]
fn every_method_finds_the_known_distance() {
    let folder = tempfile::tempdir().unwrap();
    let methods = [Method::CarliniWagner, Method::Boundary, Method::ProjectedGradient];
    let outcome = run(&suite(folder.path(), methods.map(settings).to_vec()));
    assert_eq!(outcome.attacks.len(), 3);
    for (attacked, within) in outcome.attacks.iter().zip([0.01, 0.02, 1.0]) {
        let name = attacked.settings.name();
        for (place, found) in attacked.outcomes.iter().enumerate() {
            let optimum = optimum(attacked, place);
            let excess = fooled(found) / optimum - 1.0;
            assert!((-1e-4..within).contains(&excess), "{name}: {excess} of {optimum}");
            assert_eq!(found.goal, Goal::Misclassified { label: attacked.labels[place] });
            assert!(found.original.accepted == Some(true) && !found.original.fooled);
        }
        let near = attacked.outcomes.iter().filter(|found| fooled(found) <= 0.3).count();
        let row = find(&outcome, &name, "fooled", Some(0.3));
        assert_eq!((row.value, row.n), (near as f64 / 12.0, 12));
        assert_eq!(row.statistic, Some("marginal"));
        let accepted = |found: &&Found| found.undetected_l2().is_some_and(|l2| l2 <= 0.3);
        let accepted = attacked.outcomes.iter().filter(accepted).count();
        let row = find(&outcome, &name, "undetected", Some(0.3));
        assert_eq!(row.value, accepted as f64 / 12.0);
        let eligible = &attacked.eligible;
        assert_eq!(find(&outcome, &name, "attacked", None).value, 12.0);
        assert_eq!(find(&outcome, &name, "eligible", None).value, eligible.images.len() as f64);
        let mut indices: Vec<u64> = attacked.outcomes.iter().map(|found| found.index).collect();
        assert!(indices.is_sorted());
        indices.dedup();
        assert_eq!(indices.len(), 12);
    }
    let rows = outcome.attack_rows();
    assert_eq!(rows.len(), 36);
    assert!(rows.iter().all(|row| row.fooled && row.undetected.is_some() && row.target.is_none()));
}

/// Section 4.3's Boundary attack: to a class of its own, from a real image of it, and every answer is
/// accepted. Others that mind the detector give accepted answers too.
#[test]
fn answers_of_aware_attacks_are_accepted() {
    let folder = tempfile::tempdir().unwrap();
    let aware = |method| AttackSettings { evade_detector: true, ..settings(method) };
    let shared = AttackSettings { epsilons: vec![1.0], ..aware(Method::ProjectedGradient) };
    let fixed = AttackSettings { detector_weight: Some(Weight::Fixed(0.3)), ..shared };
    let attacks = vec![aware(Method::Boundary), aware(Method::CarliniWagner), fixed];
    let outcome = run(&suite(folder.path(), attacks));
    let names = ["boundary_aware", "carlini_wagner_aware", "projected_gradient_aware"];
    for (attacked, name) in outcome.attacks.iter().zip(names) {
        assert_eq!(attacked.settings.name(), name);
        for (found, label) in attacked.outcomes.iter().zip(&attacked.labels) {
            let answer = found.adversarial.as_ref().unwrap_or_else(|| panic!("{name}: {found:?}"));
            assert!(answer.fooled && answer.accepted == Some(true));
            let target = Goal::Targeted { class: 1 - label };
            assert_eq!(found.goal == target, name == "boundary_aware");
        }
    }
}

/// Wherever a run is cut off, the next one goes on with what was found, and ends as one that was
/// never interrupted. Other settings, seeds and models take nothing over.
#[test]
fn an_interrupted_attack_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let attacks = [Method::CarliniWagner, Method::Boundary].map(settings).to_vec();
    let suite = suite(folder.path(), attacks);
    let whole = run(&suite);
    let units = Units::open(&folder.path().join("units")).unwrap();
    for stop_after in [1, 2, 5, 9, 13, 20] {
        // Outcomes that are taken over are reported as well.
        let seen = Cell::new(0);
        let cut = attempt(&suite, Some(&units), &mut |event| {
            if matches!(event, Event::Attacked(_)) {
                seen.set(seen.get() + 1);
                if seen.get() == stop_after {
                    return Err(Error::setting("power", "is out"));
                }
            }
            Ok(())
        });
        assert!(message(cut).contains("is out"));
    }
    let resumed = attempt(&suite, Some(&units), &mut |_| Ok(())).unwrap();
    assert!(resumed.attacks[0].resumed == 12 && resumed.attacks[1].resumed >= 8);
    for (resumed, whole) in resumed.attacks.iter().zip(&whole.attacks) {
        assert_eq!(resumed.outcomes, whole.outcomes);
    }
    assert_eq!(resumed.attack_rows(), whole.attack_rows());
    assert_eq!(resumed.rows, whole.rows);

    let other_steps = |steps| {
        let mut other = suite.clone();
        other.attacks.iter_mut().for_each(|attack| attack.steps = Some(steps));
        other
    };
    let other_seed = Suite { seed: 1, ..suite.clone() };
    for other in [other_steps(399), other_seed] {
        let outcome = attempt(&other, Some(&units), &mut |_| Ok(())).unwrap();
        assert!(outcome.attacks.iter().all(|attacked| attacked.resumed == 0));
    }
}

/// A damaged file is named, and its removal is all that is needed.
#[test]
fn a_damaged_outcome_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let suite = suite(folder.path(), vec![settings(Method::ProjectedGradient)]);
    let units = Units::open(&folder.path().join("units")).unwrap();
    attempt(&suite, Some(&units), &mut |_| Ok(())).unwrap();
    let files = fs::read_dir(folder.path().join("units")).unwrap();
    let files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    let resumed = files.iter().map(|file| {
        let mut bytes = fs::read(file).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(file, bytes).unwrap();
        let error = message(attempt(&suite, Some(&units), &mut |_| Ok(())));
        assert!(error.contains(file.to_str().unwrap()) && error.contains("delete it"), "{error}");
        fs::remove_file(file).unwrap();
        attempt(&suite, Some(&units), &mut |_| Ok(())).unwrap().attacks[0].resumed
    });
    // Other files hold what the model said of the data.
    let lost = resumed.filter(|resumed| *resumed == 11).count();
    assert_eq!(lost, 12);
}

/// The images in the archive are at the distances that it says.
#[test]
fn the_archive_holds_the_images() {
    let folder = tempfile::tempdir().unwrap();
    let outcome = run(&suite(folder.path(), vec![settings(Method::ProjectedGradient)]));
    let path = folder.path().join("attack.npz");
    outcome.attacks[0].write_npz(&outcome.spec, &path).unwrap();
    let mut archive = ndarray_npy::NpzReader::new(fs::File::open(&path).unwrap()).unwrap();
    let original: ndarray::Array4<f32> = archive.by_name("original").unwrap();
    let adversarial: ndarray::Array4<f32> = archive.by_name("adversarial").unwrap();
    let l2: ndarray::Array1<f64> = archive.by_name("l2").unwrap();
    let index: ndarray::Array1<i64> = archive.by_name("index").unwrap();
    let log_prob: ndarray::Array2<f64> = archive.by_name("log_prob_adversarial").unwrap();
    let answered: Vec<&Found> =
        outcome.attacks[0].outcomes.iter().filter(|found| found.image.is_some()).collect();
    assert_eq!(l2.len(), answered.len());
    for (place, found) in answered.into_iter().enumerate() {
        let change = &adversarial.index_axis(ndarray::Axis(0), place)
            - &original.index_axis(ndarray::Axis(0), place);
        let distance = change.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
        assert!((distance - l2[place]).abs() < 1e-6, "{distance} {}", l2[place]);
        assert_eq!(index[place] as u64, found.index);
        let answer = found.adversarial.as_ref().unwrap();
        assert_eq!(log_prob.row(place).to_vec(), answer.log_prob);
    }
}

/// What makes no sense is refused with the key's name before anything is computed.
#[test]
fn settings_that_make_no_sense_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let usual = |method| settings(method);
    let carlini = || usual(Method::CarliniWagner);
    let boundary = || usual(Method::Boundary);
    let projected = || usual(Method::ProjectedGradient);
    for (attack, key) in [
        (AttackSettings { epsilons: vec![], ..carlini() }, "epsilons"),
        (AttackSettings { epsilons: vec![f64::NAN], ..carlini() }, "epsilons = NaN"),
        (AttackSettings { epsilons: vec![0.1, 0.2], ..projected() }, "one distance"),
        (AttackSettings { restarts: Some(1), ..carlini() }, "restarts"),
        (AttackSettings { start: Some(StartKind::Noise), ..carlini() }, "start"),
        (AttackSettings { stepsize: Some(0.1), ..boundary() }, "stepsize"),
        (AttackSettings { stepsize: Some(-0.1), ..carlini() }, "stepsize"),
        (AttackSettings { steps: Some(0), ..carlini() }, "steps"),
        (AttackSettings { detector_weight: Some(Weight::Shared), ..carlini() }, "detector_weight"),
        (AttackSettings { name: Some("a/b".to_owned()), ..carlini() }, "name 'a/b'"),
        (
            AttackSettings {
                evade_detector: true,
                detector_weight: Some(Weight::Shared),
                ..projected()
            },
            "fixed",
        ),
        (
            AttackSettings {
                detector: StatisticKind::ComplexityCorrected,
                evade_detector: true,
                ..boundary()
            },
            "code length",
        ),
    ] {
        let suite = suite(folder.path(), vec![attack.clone()]);
        let error = message(attempt(&suite, None, &mut |_| Ok(())));
        assert!(error.contains(key), "{attack:?}: {error}");
    }
    let twice = suite(folder.path(), vec![carlini(), carlini()]);
    assert!(message(attempt(&twice, None, &mut |_| Ok(()))).contains("two attacks"));
    let none = suite(folder.path(), vec![]);
    assert!(message(attempt(&none, None, &mut |_| Ok(()))).contains("[[attack]]"));
}

/// Where every image of the other class is attacked itself, there is none to start from.
#[test]
fn a_start_from_real_images_needs_some() {
    let folder = tempfile::tempdir().unwrap();
    let attack = AttackSettings {
        evade_detector: true,
        images: IMAGES.try_into().unwrap(),
        ..settings(Method::Boundary)
    };
    let error = message(attempt(&suite(folder.path(), vec![attack]), None, &mut |_| Ok(())));
    assert!(error.contains("attack fewer, or give more"), "{error}");
}

/// More steps than were needed: the attack says why it stopped.
#[test]
fn a_row_says_why_it_ended() {
    let folder = tempfile::tempdir().unwrap();
    let outcome = run(&suite(folder.path(), vec![settings(Method::ProjectedGradient)]));
    for (row, found) in outcome.attack_rows().iter().zip(&outcome.attacks[0].outcomes) {
        let within = found.fooled_l2().is_some();
        assert_eq!(row.stop, if within { "found" } else { "exhausted" });
        assert_eq!(found.stop == Stop::Found, within);
        assert_eq!(row.gradient_queries + row.forward_queries, found.queries.total());
    }
}
