//! The evaluation harness: exported class-conditional models run through ONNX engines.
//!
//! A [`checkpoint::Checkpoint`] is an ONNX file that keeps the contract of `onnx/CONTRACT.md`,
//! opened on an [`engine`]. Metrics and detectors see it as a [`model::ConditionalModel`] and never
//! name an engine, so they are tested on the analytic [`gaussian::GaussianModel`].

mod ahead;
pub mod annulus;
pub mod attack;
pub mod autodiff;
pub mod calibration;
pub mod checkpoint;
pub mod class_gap;
pub mod classify;
pub mod complexity;
pub mod contract;
pub mod dataset;
pub mod dequantise;
pub mod detect;
pub mod eligible;
mod endless;
pub mod engine;
pub mod error;
pub mod footprint;
pub mod gaussian;
pub mod gradient;
pub mod gradient_check;
pub mod gradient_norm;
pub mod graph;
pub mod histogram;
pub mod interpolate;
pub mod likelihood;
pub mod limits;
mod margins;
pub mod memory;
pub mod model;
pub mod moments;
pub mod objective;
pub mod proto;
pub mod record;
mod sha256;
pub mod speed;
pub mod statistics;
pub mod suite;
mod whole_file;

pub use error::{Error, Result};
