//! Finding ONNX Runtime's shared library, and fetching it with the ordinary package client.

use std::{
    env, fs, io, iter,
    path::{Path, PathBuf},
    process::Command,
};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use etcetera::BaseStrategy;
use sha2::{Digest, Sha256};

use crate::{
    engine::Device,
    error::{Error, Result},
};

/// The oldest ONNX Runtime that the bindings accept: 1.`MINIMUM_MINOR`.
pub const MINIMUM_MINOR: u32 = 24;

/// A package that holds the library.
struct Package {
    name: &'static str,
    version: &'static str,
}

/// Pinned, so that two people who ran `evaluate setup` have the same arithmetic.
const CPU: Package = Package { name: "onnxruntime", version: "1.32.0" };
/// The newest one with CUDA; built for CUDA 13 and cuDNN 9.
const GPU: Package = Package { name: "onnxruntime-gpu", version: "1.31.1" };
/// What `GPU` needs beside the driver, with its own version bounds.
const CUDA_PACKAGES: [&str; 6] = [
    "nvidia-cublas>=13,<14",
    "nvidia-cuda-runtime>=13,<14",
    "nvidia-cuda-nvrtc>=13,<14",
    "nvidia-cufft>=12,<13",
    "nvidia-curand>=10,<11",
    "nvidia-cudnn-cu13>=9,<10",
];
/// Wheels are built per Python version; the library inside is the same.
const WHEEL_PYTHON: &str = "3.12";

/// A copy of ONNX Runtime's library found on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuntimeLibrary {
    /// The shared library.
    pub path: PathBuf,
    /// Which rule found it.
    pub source: &'static str,
}

/// The copy that the user named: by option, or by `ORT_DYLIB_PATH`.
pub fn named(option: Option<&Path>) -> Option<RuntimeLibrary> {
    if let Some(path) = option {
        return Some(RuntimeLibrary { path: path.to_owned(), source: "named by --ort-library" });
    }
    let path = env::var_os("ORT_DYLIB_PATH").filter(|path| !path.is_empty())?;
    Some(RuntimeLibrary { path: path.into(), source: "named by ORT_DYLIB_PATH" })
}

/// Every copy found, best first: the one that the user named, which is the only candidate then;
/// what `evaluate setup` fetched; Python's site-packages, which are asked only where the iterator
/// gets there, since starting Python takes longer than all the rest.
pub fn candidates(
    option: Option<&Path>,
    device: Device,
) -> impl Iterator<Item = RuntimeLibrary> + use<> {
    let named = named(option);
    let packages = match device {
        Device::Cpu => [&CPU, &GPU],
        Device::Cuda => [&GPU, &CPU],
    };
    let fetched = packages.into_iter().filter_map(|package| {
        let path = folder(package)?.join(library_name());
        path.is_file().then_some(RuntimeLibrary { path, source: "fetched by evaluate setup" })
    });
    let python = iter::once_with(python_library)
        .flatten()
        .map(|path| RuntimeLibrary { path, source: "from Python's site-packages" });
    let search = named.is_none().then(|| fetched.chain(python));
    named.into_iter().chain(search.into_iter().flatten())
}

/// The error for a machine without the library.
pub fn not_found() -> Error {
    Error::RuntimeLibrary {
        what: "ONNX Runtime's library was not found".to_owned(),
        remedy:
            "Run `evaluate setup` to fetch it, or name it with --ort-library or ORT_DYLIB_PATH, \
                 or use the embedded engine with --engine tract"
                .to_owned(),
    }
}

/// Where `evaluate setup` puts NVIDIA's libraries; `None` where it did not.
pub(super) fn fetched_cuda_libraries() -> Option<PathBuf> {
    folder(&GPU).map(|folder| folder.join("nvidia")).filter(|folder| folder.is_dir())
}

/// What [`fetch`] did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fetched {
    /// The verified library was there already.
    AlreadyThere(PathBuf),
    /// It was downloaded and verified.
    Downloaded(PathBuf),
}

/// Downloads ONNX Runtime with `python3 -m pip`, unpacks its libraries into the user's data folder
/// and verifies them against the package's own SHA-256 record. Does nothing where that is done.
///
/// `report` is told each step in a few words.
///
/// # Errors
/// [`Error::RuntimeLibrary`] where Python or pip is missing, the download fails, or a file does not
/// match its record; [`Error::Io`] where the folder cannot be written.
pub fn fetch(cuda: bool, report: &mut dyn FnMut(&str)) -> Result<Fetched> {
    let package = if cuda { &GPU } else { &CPU };
    let target = folder(package).ok_or_else(|| failed("this system names no data folder"))?;
    let library = target.join(library_name());
    if verify(&target).is_ok() && (!cuda || target.join("nvidia").is_dir()) {
        return Ok(Fetched::AlreadyThere(library));
    }
    let parent = target.parent().expect("has a parent");
    fs::create_dir_all(parent).map_err(Error::io(parent))?;
    // In the same folder, so that the finished copy is renamed into place at once.
    let work = tempfile::tempdir_in(parent).map_err(Error::io(parent))?;
    report(&format!("downloading {} {}", package.name, package.version));
    let wheel = download(package, work.path())?;
    let unpacked = work.path().join("unpacked");
    report("unpacking and verifying");
    unpack(&wheel, &unpacked)?;
    verify(&unpacked)?;
    if cuda {
        report("downloading NVIDIA's CUDA 13 and cuDNN 9 libraries (1.3 GB)");
        pip(&["install", "--no-deps", "--quiet", "--target"], &unpacked, &CUDA_PACKAGES)?;
    }
    if target.exists() {
        fs::remove_dir_all(&target).map_err(Error::io(&target))?;
    }
    fs::rename(&unpacked, &target).map_err(Error::io(&target))?;
    Ok(Fetched::Downloaded(library))
}

fn failed(what: impl Into<String>) -> Error {
    Error::RuntimeLibrary {
        what: format!("ONNX Runtime could not be fetched: {}", what.into()),
        remedy: "Install Python 3 with pip and network access and try again; or `pip install \
                 onnxruntime`, which is found too; or use the embedded engine with --engine tract"
            .to_owned(),
    }
}

fn folder(package: &Package) -> Option<PathBuf> {
    let data = etcetera::choose_base_strategy().ok()?.data_dir();
    Some(data.join("undetected").join(format!("{}-{}", package.name, package.version)))
}

fn library_name() -> &'static str {
    match env::consts::OS {
        "windows" => "onnxruntime.dll",
        "macos" => "libonnxruntime.dylib",
        _ => "libonnxruntime.so",
    }
}

fn python() -> Result<&'static str> {
    let answers = |name: &&str| Command::new(name).arg("--version").output().is_ok();
    ["python3", "python"].into_iter().find(answers).ok_or_else(|| failed("there is no python3"))
}

/// The library inside an installed Python package, without importing it.
fn python_library() -> Option<PathBuf> {
    let script = "import importlib.util as u; s = u.find_spec('onnxruntime'); \
                  print(s.submodule_search_locations[0] if s else '')";
    let output = Command::new(python().ok()?).args(["-c", script]).output().ok()?;
    let package = String::from_utf8(output.stdout).ok()?;
    let capi = Path::new(package.trim()).join("capi");
    let files = fs::read_dir(capi).ok()?.flatten().map(|entry| entry.path());
    files.into_iter().find(|path| is_main_library(path))
}

/// `libonnxruntime.so.1.32.0` and its like, not the provider libraries beside it.
fn is_main_library(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let stem = library_name().split('.').next().expect("a name");
    name.strip_prefix(stem).is_some_and(|rest| rest.starts_with('.'))
        && (name.contains(".so") || name.ends_with(".dylib") || name.ends_with(".dll"))
}

fn pip(arguments: &[&str], folder: &Path, packages: &[&str]) -> Result<()> {
    let output = Command::new(python()?)
        .args(["-m", "pip", "--disable-pip-version-check"])
        .args(arguments)
        .arg(folder)
        .args(packages)
        .output()
        .map_err(|error| failed(format!("pip did not start: {error}")))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let last = said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("nothing").trim();
    Err(failed(format!("pip said: {last}")))
}

fn download(package: &Package, folder: &Path) -> Result<PathBuf> {
    let wanted = format!("{}=={}", package.name, package.version);
    let arguments = [
        "download",
        "--no-deps",
        "--only-binary=:all:",
        "--python-version",
        WHEEL_PYTHON,
        "--dest",
    ];
    pip(&arguments, folder, &[&wanted])?;
    let files = fs::read_dir(folder).map_err(Error::io(folder))?.flatten();
    let mut paths = files.map(|entry| entry.path());
    paths
        .find(|path| path.extension().is_some_and(|extension| extension == "whl"))
        .ok_or_else(|| failed("pip left no wheel"))
}

/// Takes the shared libraries and the package's record of their hashes out of a wheel.
fn unpack(wheel: &Path, target: &Path) -> Result<()> {
    let damaged = |error: zip::result::ZipError| failed(format!("damaged wheel: {error}"));
    fs::create_dir_all(target).map_err(Error::io(target))?;
    let file = fs::File::open(wheel).map_err(Error::io(wheel))?;
    let mut archive = zip::ZipArchive::new(file).map_err(damaged)?;
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).map_err(damaged)?;
        let name = entry.name().map_err(damaged)?.into_owned();
        let Some(kept) = kept_as(&name) else { continue };
        let path = target.join(kept);
        let mut file = fs::File::create(&path).map_err(Error::io(&path))?;
        io::copy(&mut entry, &mut file).map_err(Error::io(&path))?;
    }
    Ok(())
}

/// The name under which a wheel's file is kept; `None` for the many that are not needed.
fn kept_as(name: &str) -> Option<&str> {
    let base = name.rsplit('/').next()?;
    if name.ends_with(".dist-info/RECORD") {
        return Some("RECORD");
    }
    let needed = ["providers_shared", "providers_cuda"].iter().any(|part| base.contains(part));
    match name.starts_with("onnxruntime/capi/") {
        true if is_main_library(Path::new(base)) => Some(library_name()),
        true if needed => Some(base),
        _ => None,
    }
}

/// Compares the libraries in `folder` with the SHA-256 in the package's record beside them.
fn verify(folder: &Path) -> Result<()> {
    let record = folder.join("RECORD");
    let text = fs::read_to_string(&record).map_err(Error::io(&record))?;
    let mut found_library = false;
    for line in text.lines() {
        let mut fields = line.split(',');
        let (Some(name), Some(hash)) = (fields.next(), fields.next()) else { continue };
        let Some(kept) = kept_as(name).filter(|kept| *kept != "RECORD") else { continue };
        let path = folder.join(kept);
        let bytes = fs::read(&path).map_err(Error::io(&path))?;
        let found = BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(&bytes));
        if hash != format!("sha256={found}") {
            return Err(failed(format!("{} does not match its recorded hash", path.display())));
        }
        found_library |= kept == library_name();
    }
    if found_library { Ok(()) } else { Err(failed("the package holds no library")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_libraries_and_nothing_else() {
        let kept = |name: &str| kept_as(name).map(str::to_owned);
        if cfg!(target_os = "linux") {
            let main = kept("onnxruntime/capi/libonnxruntime.so.1.32.0");
            assert_eq!(main.as_deref(), Some("libonnxruntime.so"));
        }
        let shared = "libonnxruntime_providers_shared.so";
        assert_eq!(kept(&format!("onnxruntime/capi/{shared}")).as_deref(), Some(shared));
        assert_eq!(kept("onnxruntime-1.32.0.dist-info/RECORD").as_deref(), Some("RECORD"));
        for other in ["onnxruntime/capi/onnxruntime_pybind11_state.so", "onnxruntime/__init__.py"] {
            assert_eq!(kept(other), None, "{other}");
        }
    }

    #[test]
    fn a_changed_library_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        let hash = BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(b"library"));
        write("RECORD", &format!("onnxruntime/capi/{},sha256={hash},7\n", library_name()));
        write(library_name(), "library");
        verify(folder.path()).unwrap();
        write(library_name(), "librarx");
        let message = verify(folder.path()).unwrap_err().to_string();
        assert!(message.contains("does not match"), "{message}");
    }
}
