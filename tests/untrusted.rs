//! Models that never end, take all memory or lie about their sizes: an error in seconds, and the harness
//! lives on.
//!
//! ONNX Runtime's library is needed: `evaluate setup` fetches it.

#[path = "../onnx/tests/common/mod.rs"]
mod common;

use std::{fs::File, path::Path};

use common::*;
use nalgebra::DMatrix;
use undetected_onnx::{
    Error, Result,
    autodiff::{COTANGENT, GRADIENT, differentiate},
    checkpoint::Checkpoint,
    contract::Overrides,
    engine::{self, EngineChoice, EngineOptions, Isolation, Signature},
    footprint::{self, Bounds},
    graph::ModelFile,
    memory::BatchSize,
    model::{Batch, ConditionalModel},
    proto::{
        AttributeProto, GraphProto, ModelProto, NodeProto, StringStringEntryProto, TensorProto,
        attribute_proto::AttributeType, tensor_proto::DataType,
    },
};

const ENGINES: [EngineChoice; 2] = [EngineChoice::Ort, EngineChoice::Tract];
const HUNDRED_GB: i64 = 25_000_000_000;

/// As the commands open models, with less memory.
fn options(choice: EngineChoice) -> EngineOptions {
    let program = Some(env!("CARGO_BIN_EXE_evaluate").into());
    let isolation = Isolation { program, memory: 1 << 30, ..Isolation::default() };
    EngineOptions { choice, threads: 1, isolation, ..EngineOptions::default() }
}

fn open_with(model: &ModelProto, options: &EngineOptions) -> Result<Checkpoint> {
    let (_folder, path) = onnx(model);
    let opened = Checkpoint::open(&path, &Overrides::default(), options);
    if let Err(error @ Error::RuntimeLibrary { .. }) = &opened {
        panic!("this test needs ONNX Runtime: {error}");
    }
    opened
}

/// Opens a model and, where that works, runs it on one image.
fn try_out(model: &ModelProto, choice: EngineChoice) -> Result<DMatrix<f64>> {
    open_with(model, &options(choice))?.log_prob(&images(1))
}

fn images(n: usize) -> Batch {
    let x = DMatrix::from_fn(4, n, |dim, image| ((dim + 3 * image) % 7) as f32 / 7.0);
    Batch { x, noise: DMatrix::zeros(0, n) }
}

/// The three Gaussians, with `nodes` and constants beside them whose value `more`, of one number or of
/// one for each image, is added times 0.
fn gaussian_and(nodes: Vec<NodeProto>, stored: Vec<TensorProto>) -> ModelProto {
    let mut graph = gaussian_graph();
    *graph.node.last_mut().unwrap() = node("Add", &["centred", "offsets"], "plain");
    graph.node.extend(nodes);
    graph.node.push(node("Mul", &["more", "nought"], "nothing"));
    graph.node.push(node("Add", &["plain", "nothing"], "log_prob"));
    graph.initializer.extend(stored);
    graph.initializer.push(floats("nought", &[1], &[0.0]));
    model(graph, &METADATA)
}

fn ints(name: &str, dims: &[i64], values: &[i64]) -> TensorProto {
    TensorProto {
        name: Some(name.to_owned()),
        dims: dims.to_vec(),
        data_type: Some(DataType::Int64 as i32),
        int64_data: values.to_vec(),
        ..Default::default()
    }
}

fn truth(name: &str) -> TensorProto {
    TensorProto {
        name: Some(name.to_owned()),
        data_type: Some(DataType::Bool as i32),
        int32_data: vec![1],
        ..Default::default()
    }
}

fn int(name: &str, value: i64) -> AttributeProto {
    AttributeProto {
        name: Some(name.to_owned()),
        r#type: Some(AttributeType::Int as i32),
        i: Some(value),
        ..Default::default()
    }
}

/// The sum over all elements: one number.
fn total(x: &str, output: &str) -> NodeProto {
    let mut sum = node("ReduceSum", &[x], output);
    sum.attribute = vec![int("keepdims", 0)];
    sum
}

/// A loop that carries `start`, from `trips` rounds on or without a count, whose body computes `next`
/// of `last` and whether it goes `on`.
fn looping(trips: &str, start: &str, body: Vec<NodeProto>) -> Vec<NodeProto> {
    let body = GraphProto {
        name: Some("body".to_owned()),
        node: body,
        input: vec![
            port("round", DataType::Int64, &[]),
            port("given", DataType::Bool, &[]),
            port("last", DataType::Float, &[None]),
        ],
        output: vec![port("on", DataType::Bool, &[]), port("next", DataType::Float, &[None])],
        ..Default::default()
    };
    let mut looped = node("Loop", &[trips, "yes", start], "looped");
    looped.attribute = vec![graph_attribute("body", body)];
    vec![looped, total("looped", "more")]
}

fn assert_says<T>(result: Result<T>, parts: &[&str]) {
    let text = message(result);
    for part in parts {
        assert!(text.contains(part), "'{part}' is missing in: {text}");
    }
}

/// The harness is alive, and its engines still work.
fn assert_alive() {
    for choice in ENGINES {
        try_out(&gaussian(), choice).unwrap();
    }
}

#[test]
fn a_loop_that_certainly_never_ends() {
    let passed_on = || vec![node("Identity", &["given"], "on"), node("Neg", &["last"], "next")];
    let stored_true = || vec![node("Identity", &["yes"], "on"), node("Neg", &["last"], "next")];
    for (trips, body, found) in [
        ("", passed_on(), "without end"),
        ("", stored_true(), "without end"),
        ("trips", passed_on(), "1152921504606846976 times"),
    ] {
        let stored = vec![truth("yes"), ints("trips", &[], &[1 << 60])];
        let model = gaussian_and(looping(trips, "half", body), stored);
        for choice in ENGINES {
            let parts = ["model.onnx", "'looped_node' (Loop)", found, "limit is 1000000000 rounds"];
            assert_says(try_out(&model, choice), &parts);
        }
    }
    assert_alive();
}

/// x² + 1 > 0 in every round, which only running shows.
#[test]
fn a_loop_that_never_ends_by_what_it_computes() {
    let body = vec![
        node("Mul", &["last", "last"], "square"),
        node("Identity", &["last"], "next"),
        total("square", "sum"),
        node("GreaterOrEqual", &["sum", "none"], "on"),
    ];
    let none = TensorProto { dims: vec![], ..floats("none", &[], &[0.0]) };
    let model = gaussian_and(looping("", "half", body), vec![truth("yes"), none]);
    let mut impatient = options(EngineChoice::Ort);
    impatient.isolation.seconds = 2;
    let parts = ["model.onnx", "not done after 2 s", "2 s an image", "--time-limit"];
    let found = open_with(&model, &impatient).and_then(|mut opened| opened.log_prob(&images(1)));
    assert_says(found, &parts);
    // tract has no Loop.
    assert_says(try_out(&model, EngineChoice::Tract), &["tract", "open the model", "Loop"]);
    assert_alive();
}

#[test]
fn a_loop_that_doubles_a_tensor_in_every_round() {
    let mut double = node("Concat", &["last", "last"], "next");
    double.attribute = vec![int("axis", 0)];
    let body = vec![double, node("Identity", &["given"], "on")];
    let stored = vec![truth("yes"), ints("trips", &[], &[40])];
    let model = gaussian_and(looping("trips", "half", body), stored);
    let parts = ["model.onnx", "alloc", "1073741824 bytes of memory", "--memory-limit"];
    assert_says(try_out(&model, EngineChoice::Ort), &parts);
    assert_alive();
}

/// What is certain before it runs is refused before it runs.
#[test]
fn a_tensor_of_100_gb_by_constant_sizes() {
    let sizes = |values: &[i64]| vec![ints("sizes", &[values.len() as i64], values)];
    let made = |operator: &str, inputs: &[&str]| {
        vec![node(operator, inputs, "large"), total("large", "more")]
    };
    for (nodes, stored, named) in [
        (made("ConstantOfShape", &["sizes"]), sizes(&[HUNDRED_GB]), "ConstantOfShape 'large_node'"),
        (made("Expand", &["half", "sizes"]), sizes(&[HUNDRED_GB]), "Expand 'large_node'"),
        (made("Tile", &["half", "sizes"]), sizes(&[HUNDRED_GB]), "Tile 'large_node'"),
        (made("Expand", &["x", "sizes"]), sizes(&[250_000, 25_000, 2, 2]), "Expand 'large_node'"),
    ] {
        let model = gaussian_and(nodes, stored);
        for choice in ENGINES {
            let parts = ["model.onnx", named, "100000000000 bytes", "limit is 8589934592 bytes"];
            assert_says(try_out(&model, choice), &parts);
        }
    }
    assert_alive();
}

/// 25e9 + 0 x: a size that shows when the graph runs.
#[test]
fn a_tensor_of_100_gb_by_a_computed_size() {
    let number =
        |name: &str, value: f32| TensorProto { dims: vec![1], ..floats(name, &[1], &[value]) };
    let mut whole = node("Cast", &["as_float"], "sizes");
    whole.attribute = vec![int("to", DataType::Int64 as i64)];
    let nodes = |operator: &str, inputs: &[&str]| {
        vec![
            total("x", "sum"),
            node("Mul", &["sum", "nought"], "zero"),
            node("Add", &["zero", "count"], "as_float"),
            whole.clone(),
            node(operator, inputs, "large"),
            total("large", "more"),
        ]
    };
    for (operator, inputs) in [("ConstantOfShape", &["sizes"][..]), ("Expand", &["half", "sizes"])]
    {
        let model = gaussian_and(nodes(operator, inputs), vec![number("count", HUNDRED_GB as f32)]);
        let (_folder, path) = onnx(&model);
        let bounds = footprint::bounds(&ModelFile::read(&path).unwrap()).unwrap();
        assert!(matches!(bounds, Bounds::Unknown(_)), "{bounds:?}");
        let parts = ["model.onnx", "alloc", "1073741824 bytes of memory", "--memory-limit"];
        assert_says(try_out(&model, EngineChoice::Ort), &parts);
        assert_says(try_out(&model, EngineChoice::Tract), &["model.onnx"]);
    }
    assert_alive();
}

fn assert_refused(model: &ModelProto, parts: &[&str]) {
    let (_folder, path) = onnx(model);
    assert_says(ModelFile::read(&path), &[&["model.onnx"], parts].concat());
}

#[test]
fn tensors_that_are_not_what_they_declare() {
    let mut graph = gaussian_graph();
    let mut with = |dims: &[i64]| {
        graph.initializer[0].dims = dims.to_vec();
        model(graph.clone(), &METADATA)
    };
    assert_refused(&with(&[1 << 62, 1 << 62]), &["tensor 'weights'", "2^64 or more"]);
    assert_refused(&with(&[-1, 4]), &["tensor 'weights'", "a negative one"]);
    let parts = ["tensor 'weights'", "100000000000 bytes", "limit is 8589934592 bytes"];
    assert_refused(&with(&[HUNDRED_GB]), &parts);
    assert_refused(&with(&[4, 4]), &["tensor 'weights'", "expected 64 bytes, found 48"]);
    // In a branch, and as an attribute.
    let mut inner = gaussian_graph();
    inner.initializer[0].dims = vec![1 << 62, 1 << 62];
    let mut conditional = node("If", &["condition"], "either");
    conditional.attribute.push(graph_attribute("then_branch", inner));
    assert_refused(&gaussian_and(vec![conditional], vec![]), &["2^64 or more"]);
    let mut constant = node("Constant", &[], "more");
    constant.attribute = vec![AttributeProto {
        name: Some("value".to_owned()),
        r#type: Some(AttributeType::Tensor as i32),
        t: Some(floats("", &[HUNDRED_GB], &[])),
        ..Default::default()
    }];
    assert_refused(&gaussian_and(vec![constant], vec![]), &["100000000000 bytes"]);
}

/// A file of so many bytes that takes no room on the disk.
fn hole(path: &Path, bytes: u64) {
    File::create(path).unwrap().set_len(bytes).unwrap();
}

#[test]
fn files_that_are_too_large_or_none() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.onnx");
    hole(&path, 3 << 30);
    let parts = ["model.onnx", "the file", "3221225472 bytes", "limit is 2147483648 bytes"];
    assert_says(ModelFile::read(&path), &parts);
    assert_says(ModelFile::read(folder.path()), &["not a regular file"]);
    #[cfg(target_os = "linux")]
    assert_says(ModelFile::read("/dev/zero".as_ref()), &["/dev/zero", "not a regular file"]);
}

/// The second of two places counts for some engines, and a device or a file without end is no weight.
#[test]
fn weights_beside_the_model() {
    let entry = |key: &str, value: &str| StringStringEntryProto {
        key: Some(key.to_owned()),
        value: Some(value.to_owned()),
    };
    let with = |locations: &[&str]| {
        let mut graph = gaussian_graph();
        graph.initializer[0].raw_data = None;
        graph.initializer[0].data_location = Some(1);
        graph.initializer[0].external_data =
            locations.iter().map(|location| entry("location", location)).collect();
        model(graph, &METADATA)
    };
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("inner");
    std::fs::create_dir(&inner).unwrap();
    std::fs::write(folder.path().join("secret"), [0; 48]).unwrap();
    hole(&inner.join("weights.bin"), 48);
    hole(&inner.join("huge.bin"), 17 << 30);
    let read = |model: &ModelProto| {
        let path = inner.join("model.onnx");
        std::fs::write(&path, prost::Message::encode_to_vec(model)).unwrap();
        ModelFile::read(&path)
    };
    assert!(read(&with(&["weights.bin"])).unwrap().has_external_data);
    assert_says(read(&with(&["weights.bin", "../secret"])), &["'../secret'", "own folder"]);
    let parts = ["its external weights", "18253611008 bytes", "limit is 17179869184 bytes"];
    assert_says(read(&with(&["huge.bin"])), &parts);
    assert_says(read(&with(&["."])), &["not a regular file"]);
}

/// A branch makes a graph's needs unknown, and changes nothing about its values.
#[test]
fn a_graph_in_a_process_of_its_own_has_the_values_of_one_in_this() {
    let branch = |name: &str| GraphProto {
        name: Some(name.to_owned()),
        node: vec![node("Neg", &["half"], name)],
        output: vec![port(name, DataType::Float, &[Some(1)])],
        ..Default::default()
    };
    let mut either = node("If", &["yes"], "more");
    either.attribute = vec![
        graph_attribute("then_branch", branch("then")),
        graph_attribute("else_branch", branch("else")),
    ];
    let model = gaussian_and(vec![either], vec![truth("yes")]);
    for choice in ENGINES {
        let here = EngineOptions { isolation: Isolation::default(), ..options(choice) };
        let mut here = open_with(&model, &here).unwrap();
        let mut apart = open_with(&model, &options(choice)).unwrap();
        assert_eq!(apart.engine(), here.engine());
        let notice = apart.notice.clone().unwrap();
        assert!(notice.contains("If 'more_node'") && notice.contains("--time-limit"), "{notice}");
        for n in [0, 1, 17] {
            let found = apart.log_prob(&images(n)).unwrap();
            assert_eq!(found, here.log_prob(&images(n)).unwrap(), "{choice:?}, {n}");
        }
        let sizes = [&mut here, &mut apart].map(|one| BatchSize::of(one, 1 << 20).unwrap());
        assert_eq!(sizes[0], sizes[1], "{choice:?}");
    }
}

/// What an engine finds wrong in its own process is said as here.
#[test]
fn errors_come_back_from_a_process_of_its_own() {
    let own = NodeProto { domain: Some("own".to_owned()), ..node("Twice", &["half"], "more") };
    let model = gaussian_and(vec![own], vec![]);
    for (choice, engine) in [(EngineChoice::Ort, "the engine"), (EngineChoice::Tract, "tract")] {
        assert_says(try_out(&model, choice), &[engine, "open the model", "Twice", "model.onnx"]);
    }
    let lost = Isolation { program: Some("no/such/program".into()), ..Isolation::default() };
    let options = EngineOptions { isolation: lost, ..options(EngineChoice::Tract) };
    assert_says(open_with(&model, &options), &["no/such/program"]);
}

/// The shipped checkpoints run in this process, with and without gradient: they open as fast as before.
#[test]
fn the_shipped_checkpoints_are_bounded() {
    let folder = shipped("onnx/checkpoints");
    let mut models = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "onnx") {
            continue;
        }
        let file = ModelFile::read(&path).unwrap();
        let gradient = differentiate(&file.model, "log_prob", "x", &Default::default()).unwrap();
        let gradient = file.with_model(gradient.model).unwrap();
        for file in [&file, &gradient] {
            let Bounds::Known(found) = footprint::bounds(file).unwrap() else {
                panic!("{}: {:?}", path.display(), footprint::bounds(file));
            };
            assert!(found.bytes > 100_000 && found.operations > 1_000_000, "{found:?}");
        }
        models += 1;
    }
    assert_eq!(models, 11);
}

/// One convolution, whose needs can be counted by hand: 4 x 1 x 3 x 3 weights on 2 x 2 pixels, padded.
#[test]
fn the_needs_of_a_convolution() {
    let mut conv = node("Conv", &["x", "kernel"], "maps");
    conv.attribute = vec![AttributeProto {
        name: Some("pads".to_owned()),
        r#type: Some(AttributeType::Ints as i32),
        ints: vec![1; 4],
        ..Default::default()
    }];
    let mut graph = gaussian_graph();
    graph.node = vec![conv];
    graph.initializer = vec![floats("kernel", &[4, 1, 3, 3], &[0.0; 36])];
    graph.output = vec![port("maps", DataType::Float, &[None, Some(4)])];
    let (_folder, path) = onnx(&model(graph, &METADATA));
    let found = footprint::bounds(&ModelFile::read(&path).unwrap()).unwrap();
    let expected = footprint::Footprint { bytes: 4 * 2 * 2 * 4, operations: 4 * 2 * 2 * 9 };
    assert_eq!(found, Bounds::Known(expected));
}

/// A session for gradients runs apart as well, and returns the same.
#[test]
fn gradients_from_a_process_of_its_own() {
    // Beside the path from x to log_prob, a size that shows when it runs: how many numbers are not 0.
    let nodes = vec![
        node("NonZero", &["half"], "places"),
        node("Shape", &["places"], "sizes"),
        node("ConstantOfShape", &["sizes"], "zeros"),
        total("zeros", "more"),
    ];
    let model = gaussian_and(nodes, vec![]);
    let model = differentiate(&model, "log_prob", "x", &Default::default()).unwrap().model;
    let signature = Signature {
        inputs: vec![("x".to_owned(), vec![1, 2, 2]), (COTANGENT.to_owned(), vec![3])],
        outputs: vec!["log_prob".to_owned(), GRADIENT.to_owned()],
    };
    let (_folder, path) = onnx(&model);
    let file = ModelFile::read(&path).unwrap();
    let (batch, cotangent) = (images(2), [1.0, 0.0, 0.0, 0.0, 1.0, 0.5]);
    let run = |options: &EngineOptions| {
        let mut engine = engine::open(&file, &signature, options).unwrap().engine;
        engine.run(2, &[batch.x.as_slice(), &cotangent]).unwrap()
    };
    let apart = options(EngineChoice::Ort);
    let here = EngineOptions { isolation: Isolation::default(), ..apart.clone() };
    assert!(matches!(footprint::bounds(&file).unwrap(), Bounds::Unknown(_)));
    assert_eq!(run(&apart), run(&here));
}

#[test]
fn the_command_names_the_limit_and_ends() {
    let body = vec![
        node("Identity", &["last"], "next"),
        total("last", "sum"),
        node("GreaterOrEqual", &["sum", "sum"], "on"),
    ];
    let mut model = gaussian_and(looping("", "half", body), vec![truth("yes")]);
    // So that it is run when it is looked at.
    set_metadata(&mut model, "parity", &parity(1, &[0.0; 4], &[0.0; 3]));
    let (_folder, path) = onnx(&model);
    let output = assert_cmd::Command::cargo_bin("evaluate")
        .unwrap()
        .args(["inspect", path.to_str().unwrap(), "--engine", "ort", "--time-limit", "1"])
        .output()
        .unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(text.contains("not done after 1 s") && text.contains("--time-limit"), "{text}");
}
