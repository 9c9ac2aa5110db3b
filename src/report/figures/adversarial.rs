//! Adversarial images beside their originals, and what was changed.

use anyhow::{Context, ensure};
use nalgebra::DMatrix;
use undetected_onnx::{
    attack::Outcome,
    model::{Batch, ModelSpec},
    suite::Attacked,
};

use crate::report::{Sheet, Thumbnail};

/// Images on a sheet.
const COLUMNS: usize = 10;

/// A column for each of the first images that the attack has an answer for: the original, the
/// answer, and their difference, grey where there is none and so much enlarged that the largest of
/// the sheet is black or white.
///
/// # Errors
/// Where the attack has no answer, or its images cannot be shown.
pub fn sheet(spec: &ModelSpec, dataset: &str, attacked: &Attacked) -> anyhow::Result<Sheet> {
    let places = (0..attacked.outcomes.len())
        .filter(|place| attacked.outcomes[*place].image.is_some())
        .take(COLUMNS)
        .collect::<Vec<_>>();
    let name = attacked.settings.name();
    ensure!(!places.is_empty(), "the attack '{name}' has no answer to show");
    let original = attacked.subjects.batch.x.select_columns(&places);
    let images = places.iter().filter_map(|place| attacked.outcomes[*place].image.as_ref());
    let pixels = images.flatten().copied();
    let adversarial = DMatrix::from_iterator(original.nrows(), original.ncols(), pixels);
    let (difference, gain) = enlarged(spec, &original, &adversarial);
    let thumbnails = |x: DMatrix<f32>| {
        let noise = DMatrix::zeros(spec.noise_len, x.ncols());
        Thumbnail::of_batch(spec, &Batch { x, noise })
            .with_context(|| format!("the images of '{name}'"))
    };
    let answered = attacked.outcomes.iter().filter(|outcome| outcome.image.is_some()).count();
    let columns = places.iter().map(|place| (&attacked.outcomes[*place], attacked.labels[*place]));
    Ok(Sheet {
        title: format!("{name} on {dataset}"),
        note: format!(
            "Original, adversarial image, and their difference, {gain:.0} times enlarged: grey is none. \
             Under each column: class, what it is taken for, L2 distance, and whether the detector \
             accepts it. The first {} of {answered} answers for {} images.",
            places.len(),
            attacked.outcomes.len()
        ),
        description: columns
            .clone()
            .map(|(o, label)| caption(spec, o, label).join(", "))
            .collect::<Vec<_>>()
            .join("; "),
        rows: vec![
            ("original".to_owned(), thumbnails(original)?),
            ("adversarial".to_owned(), thumbnails(adversarial)?),
            ("difference".to_owned(), thumbnails(difference)?),
        ],
        captions: columns.map(|(outcome, label)| caption(spec, outcome, label)).collect(),
    })
}

/// The middle of the range plus g times the difference, and g.
fn enlarged(
    spec: &ModelSpec,
    original: &DMatrix<f32>,
    adversarial: &DMatrix<f32>,
) -> (DMatrix<f32>, f64) {
    let (low, high) = spec.pixel_range;
    let difference = adversarial - original;
    let largest = f64::from(difference.amax());
    let gain = if largest > 0.0 { (high - low) / 2.0 / largest } else { 1.0 };
    let shown = |change: f32| ((low + high) / 2.0 + gain * f64::from(change)) as f32;
    (difference.map(shown), gain)
}

fn caption(spec: &ModelSpec, outcome: &Outcome, label: usize) -> Vec<String> {
    let answer = outcome.adversarial.as_ref().expect("it has an image");
    let predicted = answer.predicted.map_or("none", |class| &spec.classes[class]);
    let mut lines = vec![
        spec.classes[label].clone(),
        format!("as {predicted}"),
        format!("L2 {:.3}", answer.l2),
    ];
    lines.extend(
        answer.accepted.map(
            |accepted| {
                if accepted { "undetected".to_owned() } else { "detected".to_owned() }
            },
        ),
    );
    lines
}
