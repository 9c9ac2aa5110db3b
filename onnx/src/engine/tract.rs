//! tract, embedded: the only file that names it.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use rayon::prelude::*;
use tract_onnx::prelude::*;

use super::{Device, Engine, EngineInfo, Signature, thread_pool};
use crate::{
    error::{Error, Result},
    graph::ModelFile,
};

/// The name in results.
pub(super) const NAME: &str = "tract";
/// The version in `Cargo.lock` that this program embeds.
pub(super) const VERSION: &str = "0.23.9";

/// Images per run. One plan of one shape serves every batch, so a value never depends on its
/// neighbours; the runs go to the threads.
const IMAGES: usize = 1;

type Plan = Arc<TypedRunnableModel>;

/// A graph opened by tract.
pub(super) struct Tract {
    info: EngineInfo,
    plan: Plan,
    signature: Signature,
    pool: rayon::ThreadPool,
}

impl Tract {
    pub(super) fn open(file: &ModelFile, signature: &Signature, threads: usize) -> Result<Self> {
        let info =
            EngineInfo { name: NAME.to_owned(), version: VERSION.to_owned(), device: Device::Cpu };
        let pool =
            thread_pool(threads).map_err(|error| failed(&info, "start its threads", error))?;
        let plan = guarded(&info, "open the model", || plan(file, signature))?;
        Ok(Self { info, plan, signature: signature.clone(), pool })
    }
}

fn failed(info: &EngineInfo, action: &'static str, message: impl ToString) -> Error {
    Error::Engine { engine: info.to_string(), action, message: message.to_string() }
}

/// Runs `work`, with tract's own panics on odd graphs turned into errors.
fn guarded<T>(
    info: &EngineInfo,
    action: &'static str,
    work: impl FnOnce() -> TractResult<T>,
) -> Result<T> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(result) => result.map_err(|error| failed(info, action, format!("{error:#}"))),
        Err(_) => Err(failed(info, action, "it panicked on this graph; try --engine ort")),
    }
}

fn plan(file: &ModelFile, signature: &Signature) -> TractResult<Plan> {
    // The declared shapes say N where this plan says 1; tract infers its own.
    let onnx = tract_onnx::onnx().with_ignore_output_shapes(true).with_ignore_value_info(true);
    let mut model = match file.has_external_data {
        true => onnx.model_for_path(&file.path)?,
        false => onnx.model_for_read(&mut file.bytes.as_slice())?,
    };
    let inputs: Vec<&str> = signature.inputs.iter().map(|(name, _)| name.as_str()).collect();
    model.set_input_names(&inputs)?;
    model.select_outputs_by_name(&signature.outputs)?;
    for (index, (_, per_image)) in signature.inputs.iter().enumerate() {
        let shape: Vec<usize> = std::iter::once(IMAGES).chain(per_image.iter().copied()).collect();
        model.set_input_fact(index, f32::fact(&shape).into())?;
    }
    model.into_optimized()?.into_runnable()
}

impl Engine for Tract {
    fn info(&self) -> &EngineInfo {
        &self.info
    }

    fn peak_memory(&mut self) -> Result<Option<u64>> {
        Ok(None)
    }

    fn run(&mut self, n: usize, inputs: &[&[f32]]) -> Result<Vec<Vec<f64>>> {
        let (plan, signature, info) = (&self.plan, &self.signature, &self.info);
        let image = |index: usize| {
            guarded(info, "run the model", || run_image(plan, signature, inputs, index))
        };
        let images: Vec<Vec<Vec<f64>>> =
            self.pool.install(|| (0..n).into_par_iter().map(image).collect::<Result<_>>())?;
        let mut outputs = vec![Vec::new(); signature.outputs.len()];
        for image in images {
            outputs.iter_mut().zip(image).for_each(|(all, one)| all.extend(one));
        }
        Ok(outputs)
    }
}

/// Every output of one image.
fn run_image(
    plan: &Plan,
    signature: &Signature,
    inputs: &[&[f32]],
    index: usize,
) -> TractResult<Vec<Vec<f64>>> {
    let mut values = tvec![];
    for ((_, per_image), data) in signature.inputs.iter().zip(inputs) {
        let length: usize = per_image.iter().product();
        let shape: Vec<usize> = std::iter::once(IMAGES).chain(per_image.iter().copied()).collect();
        let tensor = Tensor::from_shape(&shape, &data[index * length..(index + 1) * length])?;
        values.push(tensor.into_tvalue());
    }
    plan.run(values)?.iter().map(numbers).collect()
}

fn numbers(value: &TValue) -> TractResult<Vec<f64>> {
    let numbers = value.cast_to::<f64>()?;
    Ok(numbers.to_plain_array_view::<f64>()?.iter().copied().collect())
}

#[cfg(test)]
mod tests {
    /// Every row of results names this version.
    #[test]
    fn the_version_is_the_one_that_is_built() {
        let lock = include_str!("../../../Cargo.lock");
        let entry = format!("name = \"tract-onnx\"\nversion = \"{}\"", super::VERSION);
        assert!(lock.contains(&entry), "Cargo.lock has another tract than {}", super::VERSION);
    }
}
