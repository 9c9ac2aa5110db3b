//! Turns `onnx-ml.proto` (shipped in the PyPI package `onnx`) into `../onnx.rs`, without protoc.
//!
//! `cargo run -- PATH/TO/site-packages/onnx/onnx-ml.proto`

use std::{env, path::Path};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let schema = env::args().nth(1).ok_or("usage: cargo run -- PATH/TO/onnx-ml.proto")?;
    let schema = Path::new(&schema);
    let folder = schema.parent().ok_or("the schema's path has no folder")?;
    let descriptors = protox::compile([schema], [folder])?;
    let out = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/generated");
    std::fs::create_dir_all(&out)?;
    prost_build::Config::new().disable_comments(["."]).out_dir(&out).compile_fds(descriptors)?;
    let code = std::fs::read_to_string(out.join("onnx.rs"))?;
    let header = "// ONNX's protobuf messages (schema of PyPI `onnx` 1.23.2, IR version 14).\n\
                  // Written by `generate/`; do not edit.\n";
    std::fs::write(
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../onnx.rs"),
        format!("{header}{code}"),
    )?;
    Ok(())
}
