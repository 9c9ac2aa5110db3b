//! Both engines against closed forms, against each other, and against what they must refuse.
//!
//! ONNX Runtime's library is needed: `evaluate setup` fetches it. Without it these tests fail and
//! say so.

mod common;

use std::path::Path;

use common::*;
use nalgebra::DMatrix;
use undetected_onnx::{
    Error, Result,
    checkpoint::Checkpoint,
    contract::Overrides,
    dataset::{Images, Pixels},
    dequantise,
    engine::{Device, EngineChoice, EngineOptions},
    gaussian::GaussianModel,
    memory::{self, BatchSize},
    model::{Batch, ConditionalModel},
    proto::{ModelProto, tensor_proto::DataType},
};

const ENGINES: [EngineChoice; 2] = [EngineChoice::Ort, EngineChoice::Tract];
/// Values of the order of ten in float32: a few units in the last place.
const CLOSED_FORM_TOLERANCE: f64 = 1e-5;
/// What the contract promises between engines, relative.
const PARITY_TOLERANCE: f64 = 1e-4;
const CHECKPOINT: &str = "checkpoints/glow-mnist-reweight-small.onnx";

fn options(choice: EngineChoice) -> EngineOptions {
    EngineOptions { choice, threads: 1, ..EngineOptions::default() }
}

fn open_at(path: &Path, choice: EngineChoice) -> Result<Checkpoint> {
    let opened = Checkpoint::open(path, &Overrides::default(), &options(choice));
    if let Err(error @ Error::RuntimeLibrary { .. }) = &opened {
        panic!("this test needs ONNX Runtime: {error}");
    }
    opened
}

fn open(model: &ModelProto, choice: EngineChoice) -> Result<Checkpoint> {
    let (_folder, path) = onnx(model);
    open_at(&path, choice)
}

fn images(n: usize) -> Batch {
    let x = DMatrix::from_fn(4, n, |dim, image| ((dim + 3 * image) % 7) as f32 / 7.0);
    Batch { x, noise: DMatrix::zeros(0, n) }
}

fn closed_form(batch: &Batch) -> DMatrix<f64> {
    let means = DMatrix::from_fn(4, 3, |dim, class| f64::from(MEANS[class][dim]));
    GaussianModel::new(means, 1.0).log_prob(batch).unwrap()
}

#[test]
fn gaussians_have_their_closed_form() {
    for choice in ENGINES {
        let mut checkpoint = open(&gaussian(), choice).unwrap();
        for n in [1, 2, 17] {
            let batch = images(n);
            let difference = checkpoint.log_prob(&batch).unwrap() - closed_form(&batch);
            assert!(difference.amax() < CLOSED_FORM_TOLERANCE, "{choice:?}, {n}: {difference}");
        }
    }
}

#[test]
fn no_image_is_no_result() {
    for choice in ENGINES {
        let mut checkpoint = open(&gaussian(), choice).unwrap();
        assert_eq!(checkpoint.log_prob(&images(0)).unwrap().shape(), (3, 0));
    }
}

#[test]
fn nan_in_is_nan_out_for_that_image_alone() {
    for choice in ENGINES {
        let mut checkpoint = open(&gaussian(), choice).unwrap();
        let mut batch = images(3);
        batch.x[(2, 1)] = f32::NAN;
        let found = checkpoint.log_prob(&batch).unwrap();
        for image in 0..3 {
            let all_nan = found.column(image).iter().all(|value| value.is_nan());
            assert_eq!(all_nan, image == 1, "{choice:?}: {found}");
        }
    }
}

/// The shared part is so large that in float32 the classes' difference of 1e-4 nats would vanish.
#[test]
fn the_split_pair_keeps_margins_that_a_total_in_float32_loses() {
    let mut graph = gaussian_graph();
    graph.initializer[0] = floats("weights", &[4, 3], &[0.0; 12]);
    graph.initializer[1] = floats("offsets", &[3], &[0.0, 1e-4, 2e-4]);
    graph.initializer.push(floats("far", &[1], &[-9000.0]));
    graph.initializer.push(floats("zero", &[1], &[0.0]));
    graph.node.pop();
    graph.node.pop();
    graph.node.push(node("Add", &["products", "offsets"], "log_prob_class"));
    graph.node.push(node("Mul", &["norm", "zero"], "nothing"));
    graph.node.push(node("Add", &["nothing", "far"], "column"));
    graph.node.push(node("Squeeze", &["column", "axes"], "log_prob_shared"));
    graph.node.push(node("Add", &["log_prob_class", "column"], "log_prob"));
    graph.output.push(port("log_prob_shared", DataType::Float, &[None]));
    graph.output.push(port("log_prob_class", DataType::Float, &[None, Some(3)]));
    let split = model(graph.clone(), &METADATA);
    graph.output.truncate(1);
    let total = model(graph, &METADATA);
    for choice in ENGINES {
        let margin = |model: &ModelProto| {
            let found = open(model, choice).unwrap().log_prob(&images(1)).unwrap();
            found[(1, 0)] - found[(0, 0)]
        };
        assert!((margin(&split) - 1e-4).abs() < 1e-10, "{choice:?}");
        assert_eq!(margin(&total), 0.0, "{choice:?}: the premise of this test");
    }
}

#[test]
fn parity_vectors_are_checked_at_load() {
    let batch = images(2);
    let expected: Vec<f64> = closed_form(&batch).iter().copied().collect();
    for choice in ENGINES {
        let mut good = gaussian();
        set_metadata(&mut good, "parity", &parity(2, batch.x.as_slice(), &expected));
        let result = open(&good, choice).unwrap().parity.unwrap();
        assert_eq!(result.values, 6);
        assert!(result.largest_difference < CLOSED_FORM_TOLERANCE);

        for wrong in [expected[4] * (1.0 + 2e-4), f64::NAN] {
            let mut values = expected.clone();
            values[4] = wrong;
            let mut bad = gaussian();
            set_metadata(&mut bad, "parity", &parity(2, batch.x.as_slice(), &values));
            let text = message(open(&bad, choice));
            assert!(text.contains("image 1, class 1"), "{text}");
        }
    }
}

#[test]
fn a_graph_that_no_engine_can_run() {
    let mut unknown = gaussian();
    unknown.graph.as_mut().unwrap().node[4].op_type = Some("NoSuchOperator".to_owned());
    let mut dangling = gaussian();
    dangling.graph.as_mut().unwrap().node[1].input[1] = "nowhere".to_owned();
    for choice in ENGINES {
        for model in [&unknown, &dangling] {
            let text = message(open(model, choice));
            assert!(text.contains("failed to open the model"), "{choice:?}: {text}");
        }
    }
}

#[test]
fn a_graph_that_lies_about_its_output() {
    let mut graph = gaussian_graph();
    graph.output[0] = port("log_prob", DataType::Float, &[None, Some(5)]);
    for choice in ENGINES {
        // ONNX Runtime notices when it opens the file, tract when it runs it.
        let opened = open(&model(graph.clone(), &METADATA), choice);
        let text = message(opened.and_then(|mut checkpoint| checkpoint.log_prob(&images(2))));
        assert!(text.contains("failed to"), "{choice:?}: {text}");
    }
}

#[test]
fn a_device_that_is_not_there_is_an_error() {
    let (_folder, path) = onnx(&gaussian());
    let cuda = |choice| {
        let options = EngineOptions { device: Device::Cuda, ..options(choice) };
        Checkpoint::open(&path, &Overrides::default(), &options)
    };
    assert!(message(cuda(EngineChoice::Tract)).contains("use --engine ort"));
    if Path::new("/dev/nvidia0").exists() {
        let mut found = cuda(EngineChoice::Ort).expect("a GPU and its library");
        let difference = found.log_prob(&images(5)).unwrap() - closed_form(&images(5));
        assert!(difference.amax() < CLOSED_FORM_TOLERANCE);
    } else {
        for choice in [EngineChoice::Ort, EngineChoice::Auto] {
            let text = message(cuda(choice));
            assert!(text.to_lowercase().contains("cuda"), "{choice:?}: {text}");
        }
    }
}

#[test]
fn a_library_that_is_not_there_is_an_error() {
    let (_folder, path) = onnx(&gaussian());
    for choice in [EngineChoice::Ort, EngineChoice::Auto] {
        let options =
            EngineOptions { library: Some("no/such/libonnxruntime.so".into()), ..options(choice) };
        let text = message(Checkpoint::open(&path, &Overrides::default(), &options));
        assert!(
            text.contains("no/such/libonnxruntime.so") || text.contains("loaded from"),
            "{text}"
        );
    }
}

fn shipped_images(name: &str, checkpoint: &Checkpoint) -> Images {
    let path = shipped(&format!("data/{name}-images-idx3-ubyte.gz"));
    let images = Images::open(&path, None).unwrap();
    images.fit(checkpoint.spec().image, checkpoint.contract.pad).unwrap()
}

/// Every shipped image: totals within the contract's tolerance, and the same prediction.
#[test]
fn engines_agree_on_the_shipped_checkpoint() {
    let [mut first, mut second] =
        ENGINES.map(|choice| open_at(&shipped(CHECKPOINT), choice).unwrap());
    for name in ["mnist-t10k-500", "fashion-mnist-t10k-500"] {
        let images = shipped_images(name, &first);
        for start in (0..images.len()).step_by(100) {
            let batch = dequantise::batch(&images, first.spec(), start, 100, 0);
            let (a, b) = (first.log_prob(&batch).unwrap(), second.log_prob(&batch).unwrap());
            for (a, b) in a.iter().zip(b.iter()) {
                assert!(
                    (a - b).abs() <= PARITY_TOLERANCE * a.abs().max(1.0),
                    "{name}: {a} and {b}"
                );
            }
            for (a, b) in a.column_iter().zip(b.column_iter()) {
                assert_eq!(a.imax(), b.imax(), "{name}: {a} and {b}");
            }
        }
    }
}

/// `count` pictures of the checkpoint's shape: a shipped grey set for each of its channels.
fn pictures(checkpoint: &Checkpoint, count: usize) -> Images {
    let shape = checkpoint.spec().image;
    let sets = ["mnist-t10k-500", "fashion-mnist-t10k-500", "bg-mnist-0-t10k-500"].map(|name| {
        Images::open(&shipped(&format!("data/{name}-images-idx3-ubyte.gz")), None).unwrap()
    });
    let pad = (shape.height - sets[0].shape.height) / 2;
    let mut pixels = vec![0; count * shape.len()];
    for (index, pixel) in pixels.iter_mut().enumerate() {
        let (column, row) = (index % shape.width, index / shape.width % shape.height);
        let channel = index / (shape.width * shape.height) % shape.channels;
        let (image, Images { shape: grey, pixels: Pixels::Bytes(bytes), .. }) =
            (index / shape.len(), &sets[channel])
        else {
            panic!("shipped images are bytes")
        };
        let inside = |at: usize, size: usize| (pad..pad + size).contains(&at).then(|| at - pad);
        if let (Some(row), Some(column)) = (inside(row, grey.height), inside(column, grey.width)) {
            *pixel = bytes[image * grey.len() + row * grey.width + column];
        }
    }
    let name = "pictures".to_owned();
    Images { name, path: None, shape, pixels: Pixels::Bytes(pixels), labels: None }
}

/// Opening a checkpoint checks its parity vectors; here both engines must agree beyond them.
#[test]
fn every_shipped_checkpoint_runs_on_both_engines() {
    let files = std::fs::read_dir(shipped("checkpoints")).unwrap();
    let mut paths: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "onnx"));
    assert!(paths.len() >= 3);
    for path in paths {
        let [mut first, mut second] = ENGINES.map(|choice| open_at(&path, choice).unwrap());
        assert!(first.parity.is_some() && second.parity.is_some(), "{}", path.display());
        let images = pictures(&first, 100);
        let batch = dequantise::batch(&images, first.spec(), 0, 100, 0);
        let (a, b) = (first.log_prob(&batch).unwrap(), second.log_prob(&batch).unwrap());
        let floor = first.spec().n_dims as f64;
        for (a, b) in a.iter().zip(b.iter()) {
            let allowed = PARITY_TOLERANCE * a.abs().max(floor);
            assert!((a - b).abs() <= allowed, "{}: {a} and {b}", path.display());
        }
    }
}

/// The value of an image must not depend on its neighbours in the batch.
#[test]
fn the_embedded_engine_is_exact_for_any_batch_and_thread_count() {
    let open = |threads| {
        let options = EngineOptions { threads, ..options(EngineChoice::Tract) };
        Checkpoint::open(&shipped(CHECKPOINT), &Overrides::default(), &options).unwrap()
    };
    let (mut one, mut two) = (open(1), open(2));
    let images = shipped_images("mnist-t10k-500", &one);
    let whole = one.log_prob(&dequantise::batch(&images, one.spec(), 0, 12, 3)).unwrap();
    for first in 0..12 {
        let single = two.log_prob(&dequantise::batch(&images, two.spec(), first, 1, 3)).unwrap();
        assert_eq!(single.column(0), whole.column(first));
    }
}

/// A batch is cut into runs by its size alone: threads change no bit, nor do whole runs beside an image.
#[test]
fn onnx_runtime_gives_the_same_values_on_any_number_of_threads() {
    let values = |threads, count| {
        let options = EngineOptions { threads, ..options(EngineChoice::Ort) };
        let opened = Checkpoint::open(&shipped(CHECKPOINT), &Overrides::default(), &options);
        let mut checkpoint = opened.unwrap();
        let images = shipped_images("mnist-t10k-500", &checkpoint);
        let batch = dequantise::batch(&images, checkpoint.spec(), 0, count, 3);
        checkpoint.log_prob(&batch).unwrap()
    };
    let one = values(1, 20);
    for threads in [2, 3] {
        assert_eq!(values(threads, 20), one, "{threads} threads");
    }
    assert_eq!(values(1, 16), one.columns(0, 16));
}

/// What an image takes is the engine's own account, the same in every process; one image's tensors
/// alone are 4 KiB in and the input of the first layer. An engine that computes image by image takes
/// in and out only.
#[test]
fn batches_keep_a_budget_of_memory() {
    let bytes =
        |choice| memory::bytes_per_image(&mut open_at(&shipped(CHECKPOINT), choice).unwrap());
    let (first, again) = (bytes(EngineChoice::Ort).unwrap(), bytes(EngineChoice::Ort).unwrap());
    assert_eq!(first, again);
    assert!(first > 16 * 1024 && first < 4 << 20, "{first} bytes");
    let own = bytes(EngineChoice::Tract).unwrap();
    assert!(own > 4096 && own < 32 * 1024, "{own} bytes");
    let mut checkpoint = open_at(&shipped(CHECKPOINT), EngineChoice::Ort).unwrap();
    let size = BatchSize::of(&mut checkpoint, 10 * first + 1).unwrap();
    assert_eq!((size.images, size.bytes_per_image), (10, first));
    assert_eq!(BatchSize::of(&mut checkpoint, u64::MAX).unwrap().images, memory::LARGEST);
    assert!(message(BatchSize::of(&mut checkpoint, 1000)).contains("one image takes"));
}
