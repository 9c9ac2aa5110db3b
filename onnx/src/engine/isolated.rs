//! An engine in a process of its own, which has a limit of memory and of time: for graphs of which
//! nothing but running them shows what they take ([`crate::footprint`]).
//!
//! No engine can be told to stop inside a node, and none limits all that it allocates. A process can:
//! the system refuses it more memory, and ends it when its alarm rings. It keeps its limits itself, so
//! that nothing runs on where the harness was killed.

use std::{
    fs::File,
    io::{self, Read, Seek, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio},
};

use prost::Message;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{
    ARGUMENT, Engine, EngineChoice, EngineInfo, EngineOptions, Isolation, Opened, Signature,
};
use crate::{
    error::{Error, Result},
    graph::ModelFile,
    proto::ModelProto,
};

/// What the process is told first.
#[derive(Serialize, Deserialize)]
struct Opening {
    path: PathBuf,
    bytes: Vec<u8>,
    has_external_data: bool,
    signature: Signature,
    options: EngineOptions,
    seconds: u32,
    memory: Option<u64>,
}

/// What it is asked afterwards.
#[derive(Serialize, Deserialize)]
enum Request {
    Run { n: usize, inputs: Vec<Vec<f32>> },
    PeakMemory,
}

/// What it answers; the error's text where there is one.
type Answer<T> = std::result::Result<T, String>;

/// The harness's side.
pub(super) struct Isolated {
    path: PathBuf,
    limits: Isolation,
    info: EngineInfo,
    process: Process,
}

struct Process {
    child: Child,
    requests: Option<ChildStdin>,
    answers: ChildStdout,
    /// What it says of itself, for the message where it dies.
    messages: File,
}

impl Drop for Process {
    fn drop(&mut self) {
        // The end of its requests ends it; where it does not listen, this does.
        drop(self.requests.take());
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Opens a model in a process of `program`.
pub(super) fn open(
    file: &ModelFile,
    signature: &Signature,
    options: &EngineOptions,
    program: &Path,
    why: &str,
) -> Result<Opened> {
    let limits = options.isolation.clone();
    let on_gpu = options.device == super::Device::Cuda;
    let opening = Opening {
        path: file.path.clone(),
        bytes: file.bytes.clone(),
        has_external_data: file.has_external_data,
        signature: signature.clone(),
        options: EngineOptions { isolation: Isolation::default(), ..options.clone() },
        seconds: limits.seconds,
        memory: (!on_gpu).then_some(limits.memory),
    };
    let mut process = start(program)?;
    let answer: io::Result<Answer<(EngineInfo, Option<String>)>> = process.ask(&opening);
    let asked = Asked { path: &file.path, limits: &limits, action: "open the model", images: 1 };
    let named = match options.choice {
        EngineChoice::Tract => "tract",
        EngineChoice::Ort | EngineChoice::Auto => "the engine",
    };
    let (info, notice) = asked.answered(&mut process, named, answer)?;
    let apart = format!(
        "{}: {why}; it runs in a process of its own, for at most {} s an image and with {} bytes of \
         memory (--time-limit, --memory-limit)",
        file.path.display(),
        limits.seconds,
        limits.memory,
    );
    let notice = Some(notice.into_iter().chain([apart]).collect::<Vec<_>>().join("\n"));
    let engine = Isolated { path: file.path.clone(), limits, info, process };
    Ok(Opened { engine: Box::new(engine), notice })
}

fn start(program: &Path) -> Result<Process> {
    let io = |error| Error::io(program)(error);
    let messages = tempfile::tempfile().map_err(io)?;
    let mut command = Command::new(program);
    command.arg(ARGUMENT).stdin(Stdio::piped()).stdout(Stdio::piped());
    command.stderr(messages.try_clone().map_err(io)?);
    // Ctrl-C is for the harness, which first finishes what it is at.
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    let mut child = command.spawn().map_err(io)?;
    let requests = child.stdin.take();
    let answers = child.stdout.take().expect("it is piped");
    Ok(Process { child, requests, answers, messages })
}

impl Process {
    /// Sends a question and waits for its answer.
    fn ask<A: DeserializeOwned>(&mut self, question: &impl Serialize) -> io::Result<A> {
        send(self.requests.as_mut().expect("open until it is dropped"), question)?;
        receive(&mut self.answers)
    }

    /// How it ended, and the end of what it said.
    fn last_words(&mut self) -> io::Result<(ExitStatus, String)> {
        let status = self.child.wait()?;
        let mut text = String::new();
        self.messages.rewind()?;
        self.messages.read_to_string(&mut text)?;
        let last = text.trim().lines().last().unwrap_or("it said nothing").to_owned();
        Ok((status, last))
    }
}

/// What was asked, for the message where there is no answer.
struct Asked<'a> {
    path: &'a Path,
    limits: &'a Isolation,
    action: &'static str,
    images: usize,
}

impl Asked<'_> {
    fn answered<T>(
        &self,
        process: &mut Process,
        engine: &str,
        answer: io::Result<Answer<T>>,
    ) -> Result<T> {
        match answer {
            Ok(Ok(answer)) => Ok(answer),
            // As C++, ONNX Runtime and Rust call it.
            Ok(Err(message)) if message.to_lowercase().contains("alloc") => {
                Err(self.exceeded(engine, message))
            }
            Ok(Err(message)) => Err(Error::Engine {
                engine: engine.to_owned(),
                action: self.action,
                message: format!("{}: {message}", self.path.display()),
            }),
            Err(lost) => {
                let ended = process.last_words().map_err(|_| Error::io(self.path)(lost))?;
                Err(self.ended(engine, ended))
            }
        }
    }

    fn ended(&self, engine: &str, (status, last): (ExitStatus, String)) -> Error {
        let signal = std::os::unix::process::ExitStatusExt::signal(&status);
        if signal != Some(libc::SIGALRM) {
            return self.exceeded(engine, format!("its process ended ({status}): {last}"));
        }
        let seconds = allowed(self.limits.seconds, self.images);
        self.limit(
            engine,
            format!("it was not done after {seconds} s"),
            format!("{} s an image, and for opening", self.limits.seconds),
            "Give --time-limit SECONDS if it only needs longer; it may never end",
        )
    }

    /// The end for want of memory, as far as one can tell.
    fn exceeded(&self, engine: &str, found: String) -> Error {
        self.limit(
            engine,
            found,
            format!("{} bytes of memory", self.limits.memory),
            "Give --memory-limit SIZE if it only needs more; otherwise export the model again",
        )
    }

    fn limit(&self, engine: &str, found: String, limit: String, remedy: &'static str) -> Error {
        Error::Limit {
            path: self.path.to_owned(),
            what: format!("{engine} was to {}", self.action),
            found,
            limit,
            remedy,
        }
    }
}

/// Seconds for so many images.
fn allowed(seconds: u32, images: usize) -> u32 {
    seconds.saturating_mul(u32::try_from(images.max(1)).unwrap_or(u32::MAX))
}

impl Engine for Isolated {
    fn info(&self) -> &EngineInfo {
        &self.info
    }

    fn peak_memory(&mut self) -> Result<Option<u64>> {
        let answer = self.process.ask(&Request::PeakMemory);
        self.answered("tell its use of memory", 1, answer)
    }

    fn run(&mut self, n: usize, inputs: &[&[f32]]) -> Result<Vec<Vec<f64>>> {
        let inputs = inputs.iter().map(|input| input.to_vec()).collect();
        let answer = self.process.ask(&Request::Run { n, inputs });
        self.answered("run the model", n, answer)
    }
}

impl Isolated {
    fn answered<T>(
        &mut self,
        action: &'static str,
        images: usize,
        answer: io::Result<Answer<T>>,
    ) -> Result<T> {
        let asked = Asked { path: &self.path, limits: &self.limits, action, images };
        asked.answered(&mut self.process, &self.info.to_string(), answer)
    }
}

fn send(to: &mut impl Write, message: &impl Serialize) -> io::Result<()> {
    let bytes = postcard::to_stdvec(message).map_err(io::Error::other)?;
    to.write_all(&(bytes.len() as u64).to_le_bytes())?;
    to.write_all(&bytes)?;
    to.flush()
}

fn receive<T: DeserializeOwned>(from: &mut impl Read) -> io::Result<T> {
    let mut length = [0; 8];
    from.read_exact(&mut length)?;
    let mut bytes = Vec::new();
    let length = u64::from_le_bytes(length);
    if from.take(length).read_to_end(&mut bytes)? as u64 != length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    postcard::from_bytes(&bytes).map_err(io::Error::other)
}

/// The process's side: opens the model that it is sent on standard input, then answers until the
/// input ends. Limits itself to the memory and time that it is told.
///
/// # Errors
/// Where the input is not what the harness sends, or nobody reads the answers.
pub fn serve() -> io::Result<()> {
    let (mut requests, mut answers) = (io::stdin().lock(), io::stdout().lock());
    let opening: Opening = receive(&mut requests)?;
    if let Some(memory) = opening.memory {
        limit_memory(memory)?;
    }
    let seconds = opening.seconds;
    let opened = within(seconds, || open_here(opening));
    let mut engine = match opened {
        Ok(opened) => {
            let told: Answer<_> = Ok((opened.engine.info().clone(), opened.notice));
            send(&mut answers, &told)?;
            opened.engine
        }
        Err(message) => {
            return send(&mut answers, &Err::<(EngineInfo, Option<String>), _>(message));
        }
    };
    loop {
        match receive(&mut requests) {
            Ok(Request::Run { n, inputs }) => {
                let inputs: Vec<&[f32]> = inputs.iter().map(Vec::as_slice).collect();
                let answer = within(allowed(seconds, n), || engine.run(n, &inputs));
                send(&mut answers, &answer.map_err(|error| told(&error)))?;
            }
            Ok(Request::PeakMemory) => {
                send(&mut answers, &engine.peak_memory().map_err(|error| told(&error)))?;
            }
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
            Err(error) => return Err(error),
        }
    }
}

/// An engine's own words, without those that the harness says around them again.
fn told(error: &Error) -> String {
    match error {
        Error::Engine { message, .. } => message.clone(),
        other => other.to_string(),
    }
}

fn open_here(opening: Opening) -> Answer<Opened> {
    let model = ModelProto::decode(opening.bytes.as_slice()).expect("it was read before");
    let file = ModelFile {
        path: opening.path,
        bytes: opening.bytes,
        model,
        sha256: String::new(),
        has_external_data: opening.has_external_data,
    };
    super::open_here(&file, &opening.signature, &opening.options).map_err(|error| told(&error))
}

/// `work`, or the end of this process after `seconds`.
fn within<T>(seconds: u32, work: impl FnOnce() -> T) -> T {
    // SAFETY: alarm takes any number and has no other effect than the signal, whose default is to end
    // the process.
    unsafe { libc::alarm(seconds) };
    let result = work();
    // SAFETY: as above; 0 calls the signal off.
    unsafe { libc::alarm(0) };
    result
}

/// Lets every allocation fail that would take the process beyond `bytes` of its own memory; what is
/// mapped from files does not count, nor do addresses that are only reserved.
fn limit_memory(bytes: u64) -> io::Result<()> {
    let limit = libc::rlimit { rlim_cur: bytes, rlim_max: bytes };
    // SAFETY: the pointer is to a local that lives through the call, which only reads it.
    match unsafe { libc::setrlimit(libc::RLIMIT_DATA, &limit) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
