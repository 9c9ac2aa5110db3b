//! A model file: reading it, describing it, and its contract.
#![no_main]

use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};
use undetected_fuzz::{mutated_model, written};
use undetected_onnx::{
    contract::{Contract, Overrides},
    footprint,
    graph::ModelFile,
};

/// What a file without metadata has to be given.
const GIVEN: [(&str, &str); 3] =
    [("prior", "uniform"), ("pixel_range", "0,1"), ("dequantisation", "centre")];

fuzz_target!(|bytes: &[u8]| {
    let Ok(file) = ModelFile::read(&written("model.onnx", bytes)) else { return };
    let ports = [file.inputs(), file.outputs()].concat();
    ports.iter().for_each(|port| drop(port.shape_text()));
    let _ = (file.opset(), file.operators(), file.parameters(), file.random_nodes());
    let _ = footprint::bounds(&file);
    let given = GIVEN.map(|(key, value)| (key.to_owned(), value.to_owned()));
    for overrides in [Overrides::default(), Overrides::new(given).expect("known keys")] {
        let _ = Contract::read(&file, &overrides);
    }
});

fuzz_mutator!(|data: &mut [u8], size: usize, room: usize, seed: u32| {
    match seed % 2 {
        0 => mutated_model(data, size, room, seed / 2),
        _ => None,
    }
    .unwrap_or_else(|| fuzzer_mutate(data, size, room))
});
