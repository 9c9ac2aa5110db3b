//! `undetected`: can a conditional generative model be trusted to notice that it is being fooled?
//!
//! This crate is the command line and what people look at; it computes nothing.
//! The mathematics is [`theory`], the evaluation of exported models is [`onnx`].

pub mod counterexample;
pub mod evaluate;
pub mod output;
pub mod report;

pub use undetected_onnx as onnx;
pub use undetected_theory as theory;
