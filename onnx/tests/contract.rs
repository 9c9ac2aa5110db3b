//! The checkpoint contract: what is read, and what is refused with which words.

mod common;

use common::*;
use proptest::prelude::*;
use prost::Message;
use undetected_onnx::{
    contract::{Contract, Overrides},
    graph::ModelFile,
    model::Dequantisation,
    proto::{
        FunctionProto, GraphProto, ModelProto, StringStringEntryProto, tensor_proto::DataType,
    },
};

fn read_with(model: &ModelProto, set: &[(&str, &str)]) -> undetected_onnx::Result<Contract> {
    let (_folder, path) = onnx(model);
    let set = set.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    Contract::read(&ModelFile::read(&path)?, &Overrides::new(set)?)
}

fn read(model: &ModelProto) -> undetected_onnx::Result<Contract> {
    read_with(model, &[])
}

fn assert_says(result: undetected_onnx::Result<Contract>, parts: &[&str]) {
    let text = message(result);
    for part in parts {
        assert!(text.contains(part), "'{part}' is missing in: {text}");
    }
}

#[test]
fn a_complete_file() {
    let mut model = gaussian();
    for (key, value) in [
        ("name", "three-gaussians"),
        ("n_dims", "5"),
        ("classes", r#"["a","b","c"]"#),
        ("dataset", "synthetic"),
        ("pad", "1"),
        ("objective", "none"),
        ("training", r#"{"epochs": 3}"#),
    ] {
        set_metadata(&mut model, key, value);
    }
    let contract = read(&model).unwrap();
    assert_eq!(contract.spec.name, "three-gaussians");
    assert_eq!(contract.spec.image.len(), 4);
    assert_eq!(contract.spec.n_dims, 5);
    assert_eq!(contract.spec.classes, ["a", "b", "c"]);
    assert_eq!(contract.spec.ln_prior, [-(3.0_f64.ln()); 3]);
    assert_eq!(contract.spec.dequantisation, Dequantisation::Uniform);
    assert_eq!((contract.pad, contract.dataset.as_str()), (1, "synthetic"));
    assert_eq!(contract.training.unwrap()["epochs"], 3);
    assert!(contract.parity.is_none() && contract.ports.noise.is_none());
}

#[test]
fn what_is_missing_is_named_with_the_option_that_gives_it() {
    let bare = model(gaussian_graph(), &[]);
    assert_says(read(&bare), &["prior", "--set prior=uniform"]);
    assert_says(read_with(&bare, &[("prior", "uniform")]), &["--set pixel_range=0,1"]);
    let given = [("prior", "uniform"), ("pixel_range", "0,1"), ("dequantisation", "centre")];
    let contract = read_with(&bare, &given).unwrap();
    assert_eq!((contract.spec.name.as_str(), contract.spec.n_dims), ("model", 4));
    assert_eq!(contract.spec.classes, ["0", "1", "2"]);
}

#[test]
fn what_is_given_wins_and_must_be_known() {
    let contract = read_with(&gaussian(), &[("pixel_range", "-1,1"), ("prior", "[0.5,0.25,0.25]")]);
    let contract = contract.unwrap();
    assert_eq!(contract.spec.pixel_range, (-1.0, 1.0));
    assert_eq!(contract.spec.ln_prior[0], 0.5_f64.ln());
    assert_says(read_with(&gaussian(), &[("pixelrange", "0,1")]), &["'pixelrange'", "pixel_range"]);
}

#[test]
fn values_that_do_not_parse() {
    for (key, value, expected) in [
        ("contract", "2", "expected 1"),
        ("pixel_range", "1,0", "lo < hi"),
        ("pixel_range", "0,nan", "lo < hi"),
        ("n_dims", "many", "a whole number"),
        ("n_dims", "0", "at least 1"),
        ("classes", r#"["a"]"#, "3 names"),
        ("prior", "[0.5,0.5]", "3 probabilities"),
        ("prior", "[0.5,0.4,0.2]", "sum to 1"),
        ("prior", "[1.0,0.0,0.0]", "3 probabilities"),
        ("dequantisation", "gaussian", "uniform, centre or none"),
        ("parity", "{}", "CONTRACT.md"),
        ("training", "{", "JSON"),
    ] {
        let mut model = gaussian();
        model.metadata_props.retain(|entry| entry.key() != format!("undetected.{key}"));
        set_metadata(&mut model, key, value);
        assert_says(read(&model), &[key, expected]);
    }
}

#[test]
fn parity_of_another_size() {
    let mut model = gaussian();
    set_metadata(&mut model, "parity", &parity(2, &[0.0; 7], &[0.0; 6]));
    assert_says(read(&model), &["parity", "x of 2 images x 4 numbers", "7 numbers"]);
}

#[test]
fn random_operators_wherever_they_hide() {
    let random = || node("RandomNormalLike", &["x"], "draw");
    let mut main = gaussian();
    main.graph.as_mut().unwrap().node.push(random());
    let mut branch = gaussian();
    let mut conditional = node("If", &["condition"], "either");
    let inner = GraphProto { node: vec![random()], ..Default::default() };
    conditional.attribute.push(graph_attribute("then_branch", inner));
    branch.graph.as_mut().unwrap().node.push(conditional);
    let mut function = gaussian();
    function.functions.push(FunctionProto { node: vec![random()], ..Default::default() });
    for model in [main, branch, function] {
        assert_says(read(&model), &["draw_node", "RandomNormalLike", "input 'noise'"]);
    }
}

#[test]
fn shapes_that_break_the_contract() {
    let with_input = |shape: Shape<'_>, element: DataType| {
        let mut graph = gaussian_graph();
        graph.input[0] = port("x", element, shape);
        model(graph, &METADATA)
    };
    let all = [Some(1), Some(1), Some(2), Some(2)];
    assert_says(read(&with_input(&all, DataType::Float)), &["[1, 1, 2, 2]", "dynamic batch"]);
    let float = DataType::Float;
    assert_says(read(&with_input(&[None, Some(4)], float)), &["float [N, 4]", "[N, C, H, W]"]);
    let open = [None, Some(1), None, Some(2)];
    assert_says(read(&with_input(&open, float)), &["Fix every dimension but the first"]);
    let double = [None, Some(1), Some(2), Some(2)];
    assert_says(read(&with_input(&double, DataType::Double)), &["found double"]);

    let mut graph = gaussian_graph();
    graph.output[0] = port("log_prob", DataType::Float, &[None]);
    assert_says(read(&model(graph, &METADATA)), &["log_prob", "[N, K]"]);
    let mut graph = gaussian_graph();
    graph.output[0] = port("log_prob", DataType::Int64, &[None, Some(3)]);
    assert_says(read(&model(graph, &METADATA)), &["found int64"]);
}

#[test]
fn ports_of_other_names() {
    let mut graph = gaussian_graph();
    graph.input[0] = port("image", DataType::Float, &[None, Some(1), Some(2), Some(2)]);
    let renamed = model(graph, &METADATA);
    assert_says(read(&renamed), &["one named 'x'", "[image]", "--set x=NAME"]);
    assert_eq!(read_with(&renamed, &[("x", "image")]).unwrap().ports.x, "image");

    let mut graph = gaussian_graph();
    graph.input.push(port("temperature", DataType::Float, &[Some(1)]));
    assert_says(read(&model(graph, &METADATA)), &["input 'temperature'"]);

    let mut graph = gaussian_graph();
    graph.output.push(port("log_prob_class", DataType::Float, &[None, Some(3)]));
    assert_says(read(&model(graph, &METADATA)), &["log_prob_class alone"]);
}

#[test]
fn weights_outside_the_models_folder() {
    let outside = tempfile::NamedTempFile::new().unwrap();
    for location in ["../secret", outside.path().to_str().unwrap()] {
        let mut graph = gaussian_graph();
        let entry = |key: &str, value: &str| StringStringEntryProto {
            key: Some(key.to_owned()),
            value: Some(value.to_owned()),
        };
        graph.initializer[0].external_data = vec![entry("location", location)];
        assert_says(read(&model(graph, &METADATA)), &["tensor 'weights'", location, "own folder"]);
    }
}

/// Weights beside the model are part of what its SHA-256 stands for.
#[test]
fn weights_in_the_models_folder_count_for_its_hash() {
    let mut graph = gaussian_graph();
    graph.initializer[0].external_data = vec![StringStringEntryProto {
        key: Some("location".to_owned()),
        value: Some("weights.bin".to_owned()),
    }];
    let (folder, path) = file("model.onnx", &model(graph, &METADATA).encode_to_vec());
    let hash = |weights: &[u8]| {
        std::fs::write(folder.path().join("weights.bin"), weights).unwrap();
        let file = ModelFile::read(&path).unwrap();
        assert!(file.has_external_data);
        file.sha256
    };
    let first = hash(b"one");
    assert_ne!(hash(b"two"), first);
    assert_eq!(hash(b"one"), first);
}

#[test]
fn files_that_are_not_onnx() {
    for bytes in [&b""[..], b"not a model at all, only text", &[0xff; 64]] {
        let (_folder, path) = file("model.onnx", bytes);
        let text = message(ModelFile::read(&path));
        assert!(text.contains("not a usable ONNX model"), "{text}");
    }
    assert!(message(ModelFile::read("missing.onnx".as_ref())).contains("missing.onnx"));
}

proptest! {
    /// Whatever is cut off, reading the file and its contract returns; it never panics, and what
    /// lost a part that the contract needs is refused.
    #[test]
    fn truncated_anywhere(kept in 0.0_f64..1.0) {
        let bytes = gaussian().encode_to_vec();
        let (_folder, path) = file("model.onnx", &bytes[..(kept * bytes.len() as f64) as usize]);
        let read = ModelFile::read(&path).and_then(|file| Contract::read(&file, &Overrides::default()));
        prop_assert!(read.is_err());
    }

    #[test]
    fn one_changed_byte_never_panics(place in 0.0_f64..1.0, value in any::<u8>()) {
        let mut bytes = gaussian().encode_to_vec();
        let place = (place * bytes.len() as f64) as usize;
        bytes[place] = value;
        let (_folder, path) = file("model.onnx", &bytes);
        let _ = ModelFile::read(&path).and_then(|file| Contract::read(&file, &Overrides::default()));
    }
}

/// Numbers that no image, class list or padding has: products of them would leave 64 bits.
#[test]
fn sizes_beyond_any_image() {
    for side in [1 << 20, 1 << 40, i64::MAX] {
        let mut graph = gaussian_graph();
        graph.input[0] = port("x", DataType::Float, &[None, Some(3), Some(side), Some(side)]);
        assert_says(
            read(&model(graph, &METADATA)),
            &["'x'", "at most 268435456 numbers per image"],
        );
        let mut graph = gaussian_graph();
        graph.input.push(port("noise", DataType::Float, &[None, Some(side), Some(side)]));
        assert_says(read(&model(graph, &METADATA)), &["'noise'", "at most 268435456 numbers"]);
    }
    let mut graph = gaussian_graph();
    graph.output[0] = port("log_prob", DataType::Float, &[None, Some(1 << 40)]);
    assert_says(read(&model(graph, &METADATA)), &["log_prob", "at most 1048576 classes"]);
    let mut padded = gaussian();
    set_metadata(&mut padded, "pad", &usize::MAX.to_string());
    assert_says(read(&padded), &["undetected.pad", "at most 4096 pixels"]);
}
