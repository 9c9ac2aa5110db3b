//! Running a graph: one trait, ONNX Runtime and tract behind it, each named in one file.

#[cfg(unix)]
pub mod isolated;
mod isolation;
mod ort;
mod rewrite;
pub mod runtime_library;
mod tract;

use std::{
    path::{Path, PathBuf},
    thread::available_parallelism,
};

pub use isolation::{ARGUMENT, Isolation};
pub use runtime_library::RuntimeLibrary;

use crate::{
    error::{Error, Result},
    footprint::{self, Bounds},
    graph::ModelFile,
};

/// Which engine to use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub enum EngineChoice {
    /// ONNX Runtime where its library is found, tract otherwise.
    #[default]
    Auto,
    /// ONNX Runtime.
    Ort,
    /// tract, embedded in this program.
    Tract,
}

/// Where the engine computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Device {
    /// The processor.
    #[default]
    Cpu,
    /// The first NVIDIA GPU, through ONNX Runtime's CUDA provider.
    Cuda,
}

impl std::fmt::Display for Device {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Cpu => "cpu",
            Self::Cuda => "cuda",
        })
    }
}

/// How to open a model.
#[derive(Debug, Clone, Default, serde::Serialize, serde::Deserialize)]
pub struct EngineOptions {
    /// Which engine.
    pub choice: EngineChoice,
    /// Where it computes.
    pub device: Device,
    /// Threads inside the engine; 0 takes every core.
    pub threads: usize,
    /// ONNX Runtime's library, where the user names one.
    pub library: Option<PathBuf>,
    /// How graphs are run that may take more time or memory than there is.
    #[serde(skip)]
    pub isolation: Isolation,
}

/// The engine that computed a number, for every row of results.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct EngineInfo {
    /// `onnxruntime` or `tract`.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Where it computes.
    pub device: Device,
}

impl EngineInfo {
    /// Those of several, each once and joined by plus signs, and the same of their devices.
    pub fn names(engines: &[Self]) -> (String, String) {
        let joined = |name: &dyn Fn(&Self) -> String| {
            let mut names: Vec<String> = vec![];
            for name in engines.iter().map(name) {
                if !names.contains(&name) {
                    names.push(name);
                }
            }
            names.join(" + ")
        };
        (joined(&Self::to_string), joined(&|engine| engine.device.to_string()))
    }

    /// Whether an image's last digits depend on the size of its batch: tract computes image by
    /// image, other engines may not.
    pub fn depends_on_batch(&self) -> bool {
        self.name != tract::NAME
    }
}

impl std::fmt::Display for EngineInfo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.name, self.version)
    }
}

/// The inputs to feed and the outputs to read, fixed when a model is opened.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct Signature {
    /// Name and per-image shape of each float32 input.
    pub inputs: Vec<(String, Vec<usize>)>,
    /// Names of the float32 or float64 outputs.
    pub outputs: Vec<String>,
}

/// A graph ready to run.
pub trait Engine: Send {
    /// What computes, and where.
    fn info(&self) -> &EngineInfo;

    /// The most bytes that the engine has had in use at once, by its own account; `None` where it
    /// computes image by image, so that a batch takes nothing but its inputs and outputs.
    ///
    /// # Errors
    /// [`Error::Engine`] where it gives no account.
    fn peak_memory(&mut self) -> Result<Option<u64>>;

    /// Runs `n` images: `inputs` in the signature's order, each `n` x its per-image length in C
    /// order. Returns each output of the signature, flat, in f64.
    ///
    /// # Errors
    /// [`Error::Engine`] with what the engine said.
    fn run(&mut self, n: usize, inputs: &[&[f32]]) -> Result<Vec<Vec<f64>>>;
}

/// An opened engine, and what the user should know of how it was chosen.
pub struct Opened {
    /// The engine.
    pub engine: Box<dyn Engine>,
    /// One line: what `auto` took, and how to get the faster one.
    pub notice: Option<String>,
}

/// Opens `file` on the engine that `options` ask for, in a process of its own where it is not certain
/// what the graph takes and the options name the program for it ([`Isolation`]).
///
/// # Errors
/// [`Error::RuntimeLibrary`] where ONNX Runtime is asked for and not to be had, [`Error::Engine`]
/// where the engine refuses the graph, [`Error::Setting`] for a device the engine does not have,
/// [`Error::Limit`] where the graph takes more than it may.
pub fn open(file: &ModelFile, signature: &Signature, options: &EngineOptions) -> Result<Opened> {
    match (footprint::bounds(file)?, &options.isolation.program) {
        #[cfg(unix)]
        (Bounds::Unknown(why), Some(program)) => {
            isolated::open(file, signature, options, program, &why)
        }
        #[cfg(not(unix))]
        (Bounds::Unknown(why), Some(_)) => Err(Error::Limit {
            path: file.path.clone(),
            what: "the graph".to_owned(),
            found: why,
            limit: "what is certain before it runs".to_owned(),
            remedy: "Run it on Unix, where a process can be limited",
        }),
        (Bounds::Unknown(_), None) | (Bounds::Known(_), _) => open_here(file, signature, options),
    }
}

/// Opens `file` in this process.
fn open_here(file: &ModelFile, signature: &Signature, options: &EngineOptions) -> Result<Opened> {
    if options.device == Device::Cuda && options.choice == EngineChoice::Tract {
        return Err(Error::setting(
            "--device cuda",
            "the tract engine computes on the processor only; use --engine ort",
        ));
    }
    if options.choice == EngineChoice::Tract {
        return open_tract(file, signature, options, None);
    }
    let named = options.library.as_deref();
    let mut candidates = runtime_library::candidates(named, options.device).peekable();
    let nothing_found = candidates.peek().is_none();
    // What the user asked for is used or refused, never passed over.
    let insists = options.choice == EngineChoice::Ort
        || options.device == Device::Cuda
        || runtime_library::named(named).is_some();
    match ort::load(candidates) {
        Ok(loaded) => {
            let library = &loaded.library;
            let notice = format!(
                "engine: ONNX Runtime {} ({}, {})",
                loaded.version,
                library.path.display(),
                library.source
            );
            let engine = Box::new(ort::OnnxRuntime::open(file, signature, options, &loaded)?);
            Ok(Opened { engine, notice: (options.choice == EngineChoice::Auto).then_some(notice) })
        }
        Err(error) if insists => Err(error),
        Err(error) => {
            let notice = match nothing_found {
                true => "engine: tract, embedded. `evaluate setup` fetches ONNX Runtime, which is \
                         faster"
                    .to_owned(),
                false => format!("engine: tract, embedded, since {error}"),
            };
            open_tract(file, signature, options, Some(notice))
        }
    }
}

/// So many threads that run one image or one run each; 0 is one for each core.
fn thread_pool(
    threads: usize,
) -> std::result::Result<rayon::ThreadPool, rayon::ThreadPoolBuildError> {
    let threads = match threads {
        0 => available_parallelism().map_or(1, usize::from),
        given => given,
    };
    rayon::ThreadPoolBuilder::new().num_threads(threads).build()
}

fn open_tract(
    file: &ModelFile,
    signature: &Signature,
    options: &EngineOptions,
    notice: Option<String>,
) -> Result<Opened> {
    let engine = Box::new(tract::Tract::open(file, signature, options.threads)?);
    Ok(Opened { engine, notice })
}

/// One engine as `evaluate engines` lists it.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Listed {
    /// `onnxruntime` or `tract`.
    pub name: &'static str,
    /// Its version, where it can be used.
    pub version: Option<String>,
    /// Where it computes.
    pub providers: Vec<String>,
    /// Where it was found, or why it cannot be used.
    pub found: String,
}

/// Every engine, usable or not.
pub fn list(library: Option<&Path>) -> Vec<Listed> {
    let embedded = Listed {
        name: "tract",
        version: Some(tract::VERSION.to_owned()),
        providers: vec!["cpu".to_owned()],
        found: "embedded in this program".to_owned(),
    };
    let runtime = match ort::load(runtime_library::candidates(library, Device::Cpu)) {
        Ok(loaded) => Listed {
            name: "onnxruntime",
            version: Some(loaded.version),
            providers: ort::providers(),
            found: format!("{} ({})", loaded.library.path.display(), loaded.library.source),
        },
        Err(error) => Listed {
            name: "onnxruntime",
            version: None,
            providers: vec![],
            found: error.to_string(),
        },
    };
    vec![embedded, runtime]
}
