//! ONNX's protobuf messages. `onnx.rs` is generated from the schema in the PyPI package `onnx` by
//! the small program in `generate/` and checked in, so that building needs no protobuf compiler.

#[allow(missing_docs, clippy::all, rustdoc::all)]
#[rustfmt::skip]
mod onnx;

pub use onnx::*;
