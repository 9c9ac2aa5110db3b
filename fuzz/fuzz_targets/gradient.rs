//! The rewriter that adds an input gradient, on whatever parses as a model.
#![no_main]

use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};
use prost::Message;
use undetected_fuzz::mutated_model;
use undetected_onnx::{
    autodiff::{Options, differentiate, obstacles, prune},
    proto::ModelProto,
};

fuzz_target!(|bytes: &[u8]| {
    let Ok(model) = ModelProto::decode(bytes) else { return };
    let Some(graph) = &model.graph else { return };
    let (Some(input), Some(output)) = (graph.input.first(), graph.output.first()) else { return };
    let _ = obstacles(&model, output.name(), input.name());
    for straight_through in [false, true] {
        let _ = differentiate(&model, output.name(), input.name(), &Options { straight_through });
    }
    let _ = prune(&model, &[output.name()]);
});

fuzz_mutator!(|data: &mut [u8], size: usize, room: usize, seed: u32| {
    match seed % 8 {
        0 => None,
        _ => mutated_model(data, size, room, seed / 8),
    }
    .unwrap_or_else(|| fuzzer_mutate(data, size, room))
});
