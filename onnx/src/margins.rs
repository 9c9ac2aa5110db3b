//! A session for what tells the classes apart, and its gradient: cheaper than that of whole densities
//! where a checkpoint computes log p(x given y) as a shared and a class part.

use crate::{
    autodiff::{self, COTANGENT, GRADIENT},
    checkpoint,
    contract::Contract,
    engine::{self, Engine, EngineOptions, Signature},
    error::Result,
    graph::ModelFile,
};

/// The class part's output.
const CLASS: &str = "log_prob_class";

/// The session, opened when it is first asked for: many runs never do.
pub enum Margins {
    /// The checkpoint has no part of the kind that can be differentiated.
    None,
    /// Not asked for yet.
    Closed(Box<Closed>),
    /// At work.
    Open(Box<dyn Engine>),
}

/// What it takes to open the session.
pub struct Closed {
    file: ModelFile,
    signature: Signature,
    options: EngineOptions,
}

impl Margins {
    /// Differentiates the class part of `file`, if it has one.
    pub fn of(
        file: &ModelFile,
        contract: &Contract,
        options: &EngineOptions,
        gradient: &autodiff::Options,
    ) -> Self {
        if !contract.ports.split || contract.ports.gradient.is_some() {
            return Self::None;
        }
        let Signature { mut inputs, .. } = checkpoint::signature(contract);
        // What stands against it stands against the whole gradient too, and is said there.
        let Ok(file) = differentiated(file, &contract.ports.x, &inputs, gradient) else {
            return Self::None;
        };
        inputs.push((COTANGENT.to_owned(), vec![contract.spec.classes.len()]));
        let outputs = vec![CLASS.to_owned(), GRADIENT.to_owned()];
        let signature = Signature { inputs, outputs };
        Self::Closed(Box::new(Closed { file, signature, options: options.clone() }))
    }

    /// The session, whose outputs are the class part, N x classes, and the gradient.
    ///
    /// # Errors
    /// Those of [`engine::open`].
    pub fn engine(&mut self) -> Result<Option<&mut dyn Engine>> {
        if let Self::Closed(closed) = self {
            let Closed { file, signature, options } = closed.as_ref();
            *self = Self::Open(engine::open(file, signature, options)?.engine);
        }
        Ok(match self {
            Self::Open(engine) => Some(engine.as_mut()),
            _ => None,
        })
    }
}

/// The graph of the class part and of its gradient alone.
fn differentiated(
    file: &ModelFile,
    x: &str,
    inputs: &[(String, Vec<usize>)],
    options: &autodiff::Options,
) -> Result<ModelFile> {
    let simpler = autodiff::simplify(&autodiff::prune(&file.model, &[CLASS]))?;
    let mut model = autodiff::differentiate(&simpler, CLASS, x, options)?.model;
    model = autodiff::prune(&model, &[CLASS, GRADIENT]);
    // What the class part does not read is given nevertheless.
    let graph = model.graph.as_mut().expect("it has the gradient");
    let read: Vec<String> = graph.input.iter().map(|port| port.name().to_owned()).collect();
    let unread = file.graph().input.iter().filter(|port| {
        inputs.iter().any(|(name, _)| name == port.name())
            && !read.iter().any(|name| name == port.name())
    });
    graph.input.extend(unread.cloned());
    file.with_model(model)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use nalgebra::DMatrix;

    use super::*;
    use crate::{
        contract::Overrides,
        engine::EngineChoice,
        gradient::{DifferentiableCheckpoint, GradientOptions},
        model::{Batch, Differentiable},
    };

    fn shipped(name: &str) -> ModelFile {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("checkpoints");
        ModelFile::read(&folder.join(format!("{name}.onnx"))).expect("a shipped checkpoint")
    }

    /// Parity images, and for each the margin between two of its classes.
    fn margins(opened: &DifferentiableCheckpoint) -> (Batch, DMatrix<f64>) {
        let contract = &opened.checkpoint.contract;
        let (spec, parity) = (&contract.spec, contract.parity.as_ref().expect("shipped with it"));
        let batch = Batch {
            x: DMatrix::from_column_slice(spec.image.len(), parity.count, &parity.x),
            noise: DMatrix::from_column_slice(spec.noise_len, parity.count, &parity.noise),
        };
        let classes = spec.classes.len();
        let weight = |class: usize, image: usize| match (class + image) % classes {
            0 => 1.0,
            1 => -1.0,
            _ => 0.0,
        };
        (batch, DMatrix::from_fn(classes, parity.count, weight))
    }

    #[test]
    fn margins_are_those_of_whole_densities() {
        for name in ["glow-mnist-reweight-small", "glow-cifar10-jpeg75-split-small"] {
            let file = shipped(name);
            for choice in [EngineChoice::Tract, EngineChoice::Ort] {
                let options = EngineOptions { choice, threads: 1, ..Default::default() };
                let contract = Contract::read(&file, &Overrides::default()).expect("its contract");
                let gradient = GradientOptions::default();
                let mut opened = DifferentiableCheckpoint::of(&file, contract, &options, gradient)
                    .expect("opened");
                let (batch, cotangent) = margins(&opened);
                let (whole, slopes) =
                    opened.log_prob_and_gradient(&batch, &cotangent).expect("runs");
                let (class, found) = opened.margins_and_gradient(&batch, &cotangent).expect("runs");
                assert!(whole != class, "{name}: the same session");
                for image in 0..batch.len() {
                    let (whole, class) = (whole.column(image), class.column(image));
                    let apart = |y: usize| (whole[y] - whole[0]) - (class[y] - class[0]);
                    let spread = whole.max() - whole.min();
                    // Float32's seven digits of sums of a thousand terms.
                    let worst = (0..whole.len()).map(|y| apart(y).abs()).fold(0.0, f64::max);
                    assert!(worst < 1e-5 * spread, "{name}, {image}: {worst} of {spread}");
                    let (slopes, found) = (slopes.column(image), found.column(image));
                    let off = (slopes - found).norm() / slopes.norm();
                    assert!(off < 1e-4, "{name}, {image}: {off}");
                }
            }
        }
    }

    /// Neither logarithms nor what only the shared part needs.
    #[test]
    fn the_graph_is_of_the_class_part_alone() {
        let file = shipped("glow-mnist-reweight-small");
        let contract = Contract::read(&file, &Overrides::default()).expect("its contract");
        let inputs = checkpoint::signature(&contract).inputs;
        let options = autodiff::Options::default();
        let class = differentiated(&file, "x", &inputs, &options).expect("it has a gradient");
        let count = |file: &ModelFile, operator: &str| {
            file.graph().node.iter().filter(|node| node.op_type() == operator).count()
        };
        assert!(count(&file, "Log") > 0 && count(&file, "ReduceSum") > 0);
        for operator in ["Exp", "Log", "ReduceSum"] {
            assert_eq!(count(&class, operator), 0, "{operator}");
        }
        let names: Vec<&str> = class.graph().input.iter().map(|port| port.name()).collect();
        assert_eq!(names.len(), 3);
        assert!(["x", "noise", COTANGENT].iter().all(|name| names.contains(name)));
    }
}
