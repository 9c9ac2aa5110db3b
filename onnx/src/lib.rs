//! The evaluation harness: exported class-conditional models run through ONNX engines.
