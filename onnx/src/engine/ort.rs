//! ONNX Runtime, loaded at run time: the only file that names the `ort` crate.

use std::{
    borrow::Cow,
    ffi::CStr,
    ops::Range,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard},
};

use ort::{
    AsPointer,
    environment::Environment,
    ep::{self, ExecutionProvider},
    logging::LogLevel,
    memory::{AllocationDevice, Allocator, AllocatorType, MemoryInfo, MemoryType},
    session::{Session, SessionInputValue, builder::GraphOptimizationLevel},
    value::{DynValue, TensorRef},
};
use rayon::prelude::*;

use super::{
    Device, Engine, EngineInfo, EngineOptions, RuntimeLibrary, Signature, rewrite,
    runtime_library::{self, MINIMUM_MINOR},
    thread_pool,
};
use crate::{
    error::{Error, Result},
    graph::ModelFile,
};

const NAME: &str = "onnxruntime";

/// Images of a run on the processor: fewer cost more each, and runs of more are hardly faster
/// (benches/README.md).
const FEWEST: usize = 4;
const MOST: usize = 16;

/// A process can load one library and build one environment; the first caller decides.
static LOADED: Mutex<Option<Loaded>> = Mutex::new(None);

#[derive(Clone)]
pub(super) struct Loaded {
    pub(super) library: RuntimeLibrary,
    pub(super) version: String,
    environment: Environment,
}

/// Loads the first usable one of `candidates`.
pub(super) fn load(mut candidates: impl Iterator<Item = RuntimeLibrary>) -> Result<Loaded> {
    let mut slot = LOADED.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    if let Some(loaded) = slot.as_ref() {
        return match candidates.any(|candidate| candidate.path == loaded.library.path) {
            true => Ok(loaded.clone()),
            false => Err(unusable(format!(
                "ONNX Runtime is loaded from {} already, and a process can load it once",
                loaded.library.path.display()
            ))),
        };
    }
    let mut reasons = Vec::new();
    for candidate in candidates {
        match load_one(&candidate) {
            Ok(loaded) => return Ok(slot.insert(loaded).clone()),
            Err(reason) => reasons.push(format!("{}: {reason}", candidate.path.display())),
        }
    }
    match reasons.is_empty() {
        true => Err(runtime_library::not_found()),
        false => Err(unusable(reasons.join("; "))),
    }
}

fn unusable(what: String) -> Error {
    Error::RuntimeLibrary {
        what,
        remedy: "Run `evaluate setup` for a library that works, or use --engine tract".to_owned(),
    }
}

fn load_one(candidate: &RuntimeLibrary) -> std::result::Result<Loaded, String> {
    if !candidate.path.is_file() {
        return Err("there is no such file".to_owned());
    }
    let version = version(&candidate.path)?;
    let minor = version.strip_prefix("1.").and_then(|rest| rest.split('.').next()?.parse().ok());
    if minor.is_none_or(|minor: u32| minor < MINIMUM_MINOR) {
        return Err(format!("it is version {version}; 1.{MINIMUM_MINOR} is the oldest that works"));
    }
    let builder = ort::init_from(&candidate.path).map_err(|error| error.to_string())?;
    let environment = builder.build().map_err(|error| error.to_string())?;
    Ok(Loaded { library: candidate.clone(), version, environment })
}

/// What the library says its version is. `ort` knows the minor version only, and a result that
/// can be cited names the whole.
fn version(path: &Path) -> std::result::Result<String, String> {
    type GetApiBase = unsafe extern "C" fn() -> *const ort::sys::OrtApiBase;
    // SAFETY: loading runs the library's initialisers, which is what the user asked for by naming
    // it. A library that exports OrtGetApiBase is ONNX Runtime, whose C interface fixes both
    // signatures and lets the returned texts live as long as the library; they are copied before
    // it is closed.
    unsafe {
        let library = libloading::Library::new(path).map_err(|error| error.to_string())?;
        let base = library.get::<GetApiBase>(b"OrtGetApiBase");
        let base = base.map_err(|_| "it is not ONNX Runtime".to_owned())?();
        let base = base.as_ref().ok_or("it offers no interface")?;
        Ok(CStr::from_ptr((base.GetVersionString)()).to_string_lossy().into_owned())
    }
}

/// The providers that this project uses and the library was built with.
pub(super) fn providers() -> Vec<String> {
    let cuda = ep::CUDA::is_available().unwrap_or(false);
    let cuda = cuda.then(|| "cuda (built in; needs a GPU and its driver)".to_owned());
    std::iter::once("cpu".to_owned()).chain(cuda).collect()
}

/// A graph opened by ONNX Runtime.
pub(super) struct OnnxRuntime {
    info: EngineInfo,
    /// One for each thread on the processor, one on a GPU.
    sessions: Vec<Mutex<Session>>,
    pool: rayon::ThreadPool,
    signature: Signature,
}

impl OnnxRuntime {
    pub(super) fn open(
        file: &ModelFile,
        signature: &Signature,
        options: &EngineOptions,
        loaded: &Loaded,
    ) -> Result<Self> {
        let info = EngineInfo {
            name: NAME.to_owned(),
            version: loaded.version.clone(),
            device: options.device,
        };
        let threads = match options.device {
            Device::Cuda => 1,
            Device::Cpu => options.threads,
        };
        let pool =
            thread_pool(threads).map_err(|error| failed(&info, "start its threads", error))?;
        let graph = match options.device {
            Device::Cpu => rewrite::rewritten(file).map_or(Cow::from(&file.bytes), Cow::from),
            Device::Cuda => Cow::from(&file.bytes),
        };
        let open = |_| session(file, &graph, options, &loaded.environment).map(Mutex::new);
        let sessions = (0..pool.current_num_threads())
            .map(open)
            .collect::<std::result::Result<_, _>>()
            .map_err(|message| failed(&info, "open the model", message))?;
        Ok(Self { info, sessions, pool, signature: signature.clone() })
    }

    /// The runs of a batch of `n` images. On the processor each thread takes its share of them, on a session
    /// of its own: that uses the cores better than one run on many threads.
    fn cut(&self, n: usize) -> Vec<Range<usize>> {
        match self.info.device {
            Device::Cpu => cut(n, runs(n)),
            Device::Cuda => cut(n, 1),
        }
    }

    /// The session of this thread.
    fn session(&self) -> MutexGuard<'_, Session> {
        let thread = self.pool.current_thread_index().unwrap_or(0);
        self.sessions[thread].lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// One run, of the images in `range`.
    fn run_part(&self, range: Range<usize>, inputs: &[&[f32]]) -> Result<Vec<Vec<f64>>> {
        let info = &self.info;
        let mut values: Vec<(Cow<'_, str>, SessionInputValue<'_>)> = Vec::new();
        for ((name, per_image), data) in self.signature.inputs.iter().zip(inputs) {
            let length: usize = per_image.iter().product();
            let shape: Vec<usize> =
                std::iter::once(range.len()).chain(per_image.iter().copied()).collect();
            let data = &data[range.start * length..range.end * length];
            let tensor = TensorRef::from_array_view((shape, data))
                .map_err(|error| failed(info, "take the input", error))?;
            values.push((name.as_str().into(), tensor.into()));
        }
        let mut session = self.session();
        let outputs = session.run(values).map_err(|error| failed(info, "run the model", error))?;
        let read = |name: &String| {
            let value = outputs
                .get(name.as_str())
                .ok_or_else(|| failed(info, "run the model", format!("no output '{name}'")))?;
            numbers(value).map_err(|error| failed(info, "read the output", error))
        };
        self.signature.outputs.iter().map(read).collect()
    }
}

/// How many runs `n` images are cut into: an even number, so that two threads share them, of [`MOST`]
/// images at most each. It depends on nothing else, so that values do not depend on the threads.
fn runs(n: usize) -> usize {
    if n <= FEWEST { 1 } else { 2 * n.div_ceil(2 * MOST) }
}

/// Cuts `n` images into `runs`, as evenly as can be.
fn cut(n: usize, runs: usize) -> Vec<Range<usize>> {
    (0..runs).map(|run| run * n / runs..(run + 1) * n / runs).collect()
}

fn failed(info: &EngineInfo, action: &'static str, message: impl ToString) -> Error {
    Error::Engine { engine: info.to_string(), action, message: message.to_string() }
}

/// A session for `graph`, the bytes of `file` or of what is equal to it.
// The bindings' own error carries the builder back.
#[allow(clippy::result_large_err)]
fn session(
    file: &ModelFile,
    graph: &[u8],
    options: &EngineOptions,
    environment: &Environment,
) -> std::result::Result<Session, String> {
    let mut builder = Session::builder(environment)
        .map_err(|error| error.to_string())?
        .with_log_level(LogLevel::Error)
        .and_then(|builder| builder.with_optimization_level(GraphOptimizationLevel::Level3))
        .and_then(|builder| builder.with_intra_threads(1))
        .map_err(|error| error.to_string())?;
    if options.device == Device::Cuda {
        preload_cuda()?;
        // Without error_on_failure a missing GPU means the processor, silently. Without full
        // float32 the two devices differ in the third digit.
        let cuda = ep::CUDA::default().with_tf32(false).build().error_on_failure();
        builder = builder.with_execution_providers([cuda]).map_err(|error| error.to_string())?;
    }
    let session = match file.has_external_data {
        true => builder.commit_from_file(&file.path),
        false => builder.commit_from_memory(graph),
    };
    session.map_err(|error| error.to_string())
}

/// Loads what `evaluate setup --cuda` fetched; without it the system's own libraries are used.
fn preload_cuda() -> std::result::Result<(), String> {
    let Some(folder) = runtime_library::fetched_cuda_libraries() else { return Ok(()) };
    let libraries = |name: &str| -> PathBuf { folder.join(name).join("lib") };
    ep::cuda::preload_dylibs(Some(&libraries("cu13")), Some(&libraries("cudnn")))
        .map_err(|error| error.to_string())
}

impl Engine for OnnxRuntime {
    fn info(&self) -> &EngineInfo {
        &self.info
    }

    fn peak_memory(&mut self) -> Result<Option<u64>> {
        let failed = |message: String| failed(&self.info, "tell its use of memory", message);
        let of = |session: &Mutex<Session>| {
            let session = session.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            let text = most_in_use(&session, self.info.device)
                .map_err(|error| failed(error.to_string()))?;
            let bytes = text.as_deref().and_then(|text| text.parse::<u64>().ok());
            bytes.ok_or_else(|| {
                failed(format!("MaxInUse is {text:?}; give the batch size, --batch-size"))
            })
        };
        self.sessions.iter().map(of).sum::<Result<u64>>().map(Some)
    }

    fn run(&mut self, n: usize, inputs: &[&[f32]]) -> Result<Vec<Vec<f64>>> {
        let ranges = self.cut(n);
        if let [all] = ranges.as_slice() {
            return self.run_part(all.clone(), inputs);
        }
        let part = |range: Range<usize>| self.run_part(range, inputs);
        let parts: Vec<Vec<Vec<f64>>> = match self.sessions.len() {
            1 => ranges.into_iter().map(part).collect::<Result<_>>()?,
            _ => self.pool.install(|| {
                ranges.into_par_iter().with_max_len(1).map(part).collect::<Result<_>>()
            })?,
        };
        let mut outputs = vec![Vec::new(); self.signature.outputs.len()];
        for part in parts {
            outputs.iter_mut().zip(part).for_each(|(all, some)| all.extend(some));
        }
        Ok(outputs)
    }
}

/// `MaxInUse` of the session's allocator on the device.
fn most_in_use(session: &Session, device: Device) -> ort::Result<Option<String>> {
    let place = match device {
        Device::Cpu => AllocationDevice::CPU,
        Device::Cuda => AllocationDevice::CUDA,
    };
    let info = MemoryInfo::new(place, 0, AllocatorType::Arena, MemoryType::Default)?;
    let allocator = Allocator::new(session, info)?;
    let mut pairs = std::ptr::null_mut();
    // SAFETY: the allocator lives to the end of this function. The call fills `pairs` or returns a
    // status; each is released once, what was filled after the text, which lives as long as it, was
    // copied. A key that there is not gives a null pointer.
    unsafe {
        let api = ort::api();
        let status = (api.AllocatorGetStats)(allocator.ptr(), &mut pairs);
        if !status.0.is_null() {
            (api.ReleaseStatus)(status.0);
            return Ok(None);
        }
        let value = (api.GetKeyValue)(pairs, c"MaxInUse".as_ptr());
        let text = (!value.is_null()).then(|| CStr::from_ptr(value).to_string_lossy().into_owned());
        (api.ReleaseKeyValuePairs)(pairs);
        Ok(text)
    }
}

fn numbers(value: &DynValue) -> ort::Result<Vec<f64>> {
    if let Ok((_, data)) = value.try_extract_tensor::<f64>() {
        return Ok(data.to_vec());
    }
    let (_, data) = value.try_extract_tensor::<f32>()?;
    Ok(data.iter().map(|&number| f64::from(number)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_cut_evenly_into_runs_worth_their_start() {
        for n in 1..600 {
            let ranges = cut(n, runs(n));
            assert_eq!(
                ranges.iter().cloned().flatten().collect::<Vec<_>>(),
                (0..n).collect::<Vec<_>>()
            );
            let lengths = || ranges.iter().map(Range::len);
            let (least, most) = (lengths().min().unwrap(), lengths().max().unwrap());
            assert!(most - least <= 1 && most <= MOST, "{n}: {least} to {most}");
            assert!(least >= n.min(2), "{n}: {least}");
            assert!(
                ranges.len() == 1 || ranges.len().is_multiple_of(2),
                "{n}: {} runs",
                ranges.len()
            );
        }
        let lengths = |n, runs| cut(n, runs).iter().map(Range::len).collect::<Vec<_>>();
        assert_eq!((lengths(4, runs(4)), lengths(25, runs(25))), (vec![4], vec![12, 13]));
        assert_eq!((lengths(0, runs(0)), lengths(300, 1)), (vec![0], vec![300]));
    }
}
