//! What an exported checkpoint declares, read and checked: `onnx/CONTRACT.md` in code.

use std::collections::BTreeMap;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde::Deserialize;

use crate::{
    error::{Error, Result},
    graph::{Dim, ModelFile, Port},
    limits,
    model::{Dequantisation, ImageShape, ModelSpec},
};

/// Prefix of the contract's metadata keys.
const PREFIX: &str = "undetected.";
/// The version of `onnx/CONTRACT.md` that this code implements.
pub const VERSION: &str = "1";
/// Keys that can be given instead of the file's metadata.
pub const KEYS: [&str; 15] = [
    "name",
    "pixel_range",
    "n_dims",
    "classes",
    "prior",
    "dataset",
    "pad",
    "dequantisation",
    "objective",
    "x",
    "noise",
    "log_prob",
    "gradient",
    "cotangent",
    "contract",
];

/// Values given by the user in place of metadata, by key without prefix.
///
/// `x`, `noise` and `log_prob` name the graph's ports where the file calls them otherwise.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overrides(BTreeMap<String, String>);

impl Overrides {
    /// Checks the keys against [`KEYS`].
    ///
    /// # Errors
    /// [`Error::Setting`] naming an unknown key and the known ones.
    pub fn new(values: impl IntoIterator<Item = (String, String)>) -> Result<Self> {
        let values: BTreeMap<_, _> = values.into_iter().collect();
        match values.keys().find(|key| !KEYS.contains(&key.as_str())) {
            Some(key) => Err(Error::setting(
                format!("contract field '{key}'"),
                format!("is not one of {}", KEYS.join(", ")),
            )),
            None => Ok(Self(values)),
        }
    }
}

/// Images with the `log_prob` that the training framework computed for them.
#[derive(Debug, Clone, PartialEq)]
pub struct Parity {
    /// Number of images.
    pub count: usize,
    /// Pixels, `count` x D in C order.
    pub x: Vec<f32>,
    /// Padding noise, `count` x `noise_len`.
    pub noise: Vec<f32>,
    /// Expected values, `count` x K, nats.
    pub log_prob: Vec<f64>,
    /// Allowed difference, relative to max(1, |expected|).
    pub relative_tolerance: f64,
}

/// The graph's ports that the contract speaks of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ports {
    /// Name of the image input.
    pub x: String,
    /// Name and per-image shape of the noise input.
    pub noise: Option<(String, Vec<usize>)>,
    /// Name of the total log-likelihood.
    pub log_prob: String,
    /// Whether `log_prob_shared` and `log_prob_class` are there to be summed in f64.
    pub split: bool,
    /// Names of the input `cotangent` and the output `gradient`, where the file has its own.
    pub gradient: Option<(String, String)>,
}

/// Everything a checkpoint declares.
#[derive(Debug, Clone)]
pub struct Contract {
    /// What metrics and attacks need to know.
    pub spec: ModelSpec,
    /// Where the numbers go in and come out.
    pub ports: Ports,
    /// What it was trained on, or `unknown`.
    pub dataset: String,
    /// Pixels of value 0 to add on each side of a data set's images.
    pub pad: usize,
    /// What training minimised, or `unknown`.
    pub objective: String,
    /// How it was trained, free form.
    pub training: Option<serde_json::Value>,
    /// Parity vectors, where the file has them.
    pub parity: Option<Parity>,
}

impl Contract {
    /// Reads the contract from a model file; `overrides` win over the file's metadata.
    ///
    /// # Errors
    /// [`Error::Contract`] names the field at fault, what was expected and found, and the remedy.
    pub fn read(file: &ModelFile, overrides: &Overrides) -> Result<Self> {
        let reader = Reader { file, overrides };
        reader.check_version()?;
        reader.refuse_random_nodes()?;
        let image = reader.image()?;
        let ports = reader.ports()?;
        let classes = reader.classes(&ports)?;
        let noise_len = ports.noise.as_ref().map_or(0, |(_, shape)| shape.iter().product());
        let spec = ModelSpec {
            name: reader.text("name").map_or_else(|| reader.stem(), str::to_owned),
            image,
            noise_len,
            ln_prior: reader.ln_prior(classes.len())?,
            n_dims: reader.count("n_dims", image.len())?,
            pixel_range: reader.pixel_range()?,
            dequantisation: reader.dequantisation()?,
            classes,
        };
        if spec.n_dims == 0 {
            return Err(reader.bad("n_dims", "at least 1", "0"));
        }
        Ok(Self {
            parity: reader.parity(&spec)?,
            training: reader.training()?,
            dataset: reader.text("dataset").unwrap_or("unknown").to_owned(),
            objective: reader.text("objective").unwrap_or("unknown").to_owned(),
            pad: reader.pad()?,
            spec,
            ports,
        })
    }
}

struct Reader<'a> {
    file: &'a ModelFile,
    overrides: &'a Overrides,
}

impl Reader<'_> {
    fn text(&self, key: &str) -> Option<&str> {
        let given = self.overrides.0.get(key).map(String::as_str);
        given.or_else(|| self.file.metadata(&format!("{PREFIX}{key}")))
    }

    fn stem(&self) -> String {
        self.file.path.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into())
    }

    fn error(
        &self,
        field: impl Into<String>,
        expected: impl Into<String>,
        found: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Error {
        Error::Contract {
            path: self.file.path.clone(),
            field: field.into(),
            expected: expected.into(),
            found: found.into(),
            remedy: remedy.into(),
        }
    }

    /// A metadata value that does not parse.
    fn bad(&self, key: &str, expected: &str, found: &str) -> Error {
        let shown: String = found.chars().take(60).collect();
        let remedy = format!("Correct the metadata or give --set {key}=VALUE");
        self.error(format!("metadata '{PREFIX}{key}'"), expected, format!("'{shown}'"), remedy)
    }

    /// A metadata value that nobody gave.
    fn missing(&self, key: &str, expected: &str, example: &str) -> Error {
        let remedy = format!("Give --set {key}=VALUE, for example --set {key}={example}");
        self.error(format!("metadata '{PREFIX}{key}'"), expected, "nothing", remedy)
    }

    fn check_version(&self) -> Result<()> {
        match self.text("contract") {
            None | Some(VERSION) => Ok(()),
            Some(other) => Err(self.bad("contract", VERSION, other)),
        }
    }

    fn refuse_random_nodes(&self) -> Result<()> {
        let Some(node) = self.file.random_nodes().into_iter().next() else { return Ok(()) };
        Err(self.error(
            format!("node '{}'", node.name),
            "an operator whose output its inputs determine",
            format!("{}, which draws random numbers inside the graph", node.operator),
            "Export the noise as the input 'noise': results must follow from the harness's seed",
        ))
    }

    fn port_name<'a>(&'a self, role: &'a str) -> &'a str {
        self.text(role).unwrap_or(role)
    }

    fn port(&self, role: &str, ports: &[Port], kind: &str) -> Result<Port> {
        let name = self.port_name(role);
        ports.iter().find(|port| port.name == name).cloned().ok_or_else(|| {
            let names: Vec<_> = ports.iter().map(|port| port.name.as_str()).collect();
            self.error(
                kind,
                format!("one named '{name}'"),
                format!("[{}]", names.join(", ")),
                format!("Rename it in the export, or give --set {role}=NAME"),
            )
        })
    }

    fn wrong_port(&self, port: &Port, expected: &str, remedy: &str) -> Error {
        let found = format!("{} {}", port.element, port.shape_text());
        self.error(format!("'{}'", port.name), expected, found, remedy)
    }

    /// The per-image dimensions of an input whose first dimension must be the batch's.
    fn per_image(&self, port: &Port, expected: &str) -> Result<Vec<usize>> {
        let fixed = |dim: &Dim| match dim {
            Dim::Fixed(size) if *size > 0 => Some(*size),
            _ => None,
        };
        let shape = port.shape.as_deref().unwrap_or_default();
        match shape.split_first() {
            Some((Dim::Dynamic, rest)) if port.element == "float" => {
                let sizes: Option<Vec<_>> = rest.iter().map(fixed).collect();
                let sizes = sizes.filter(|sizes| !sizes.is_empty()).ok_or_else(|| {
                    self.wrong_port(port, expected, "Fix every dimension but the first")
                })?;
                match limits::product(&sizes, limits::IMAGE) {
                    Some(_) => Ok(sizes),
                    None => {
                        let expected = format!("at most {} numbers per image", limits::IMAGE);
                        Err(self.wrong_port(port, &expected, "Export it for smaller images"))
                    }
                }
            }
            Some((Dim::Fixed(_), _)) => Err(self.wrong_port(
                port,
                expected,
                "Export it with a dynamic batch dimension (torch.onnx: dynamic_shapes or dynamic_axes)",
            )),
            _ => Err(self.wrong_port(port, expected, "Change the export accordingly")),
        }
    }

    fn image(&self) -> Result<ImageShape> {
        let expected = "float [N, C, H, W] with a dynamic N";
        let port = self.port("x", &self.file.inputs(), "inputs")?;
        match *self.per_image(&port, expected)?.as_slice() {
            [channels, height, width] => Ok(ImageShape { channels, height, width }),
            _ => Err(self.wrong_port(&port, expected, "Change the export accordingly")),
        }
    }

    fn ports(&self) -> Result<Ports> {
        let (inputs, outputs) = (self.file.inputs(), self.file.outputs());
        let (x, noise) = (self.port_name("x"), self.port_name("noise"));
        let gradient = self.gradient_ports(&inputs, &outputs)?;
        let cotangent = gradient.as_ref().map_or("", |(cotangent, _)| cotangent.as_str());
        let known = [x, noise, cotangent];
        if let Some(other) = inputs.iter().find(|port| !known.contains(&port.name.as_str())) {
            return Err(self.error(
                format!("input '{}'", other.name),
                "no inputs but the image and the noise",
                format!("{} {}", other.element, other.shape_text()),
                "Fold it into the graph, or name the ports with --set x=NAME and --set noise=NAME",
            ));
        }
        let noise = match inputs.iter().find(|port| port.name == noise) {
            Some(port) => {
                let shape = self.per_image(port, "float [N, ...] with a dynamic N")?;
                Some((port.name.clone(), shape))
            }
            None => None,
        };
        let has = |name: &str| outputs.iter().any(|port| port.name == name);
        let (shared, class) = (has("log_prob_shared"), has("log_prob_class"));
        if shared != class {
            return Err(self.error(
                "outputs",
                "both of log_prob_shared and log_prob_class, or neither",
                if shared { "log_prob_shared alone" } else { "log_prob_class alone" },
                "Export the other one too",
            ));
        }
        Ok(Ports {
            x: x.to_owned(),
            noise,
            log_prob: self.port("log_prob", &outputs, "outputs")?.name,
            split: shared,
            gradient,
        })
    }

    /// The file's own gradient, where it declares one.
    fn gradient_ports(
        &self,
        inputs: &[Port],
        outputs: &[Port],
    ) -> Result<Option<(String, String)>> {
        if self.text("gradient").is_none() {
            return Ok(None);
        }
        let cotangent = self.port("cotangent", inputs, "inputs")?;
        let gradient = self.port("gradient", outputs, "outputs")?;
        Ok(Some((cotangent.name, gradient.name)))
    }

    fn classes(&self, ports: &Ports) -> Result<Vec<String>> {
        let outputs = self.file.outputs();
        let port = outputs.iter().find(|port| port.name == ports.log_prob).expect("found above");
        let expected = "float or double [N, K] with a dynamic N and a fixed K";
        let declared = match port.shape.as_deref() {
            Some([Dim::Dynamic, Dim::Fixed(classes)]) if *classes > 0 => Some(*classes),
            Some([Dim::Dynamic, Dim::Dynamic]) | None => None,
            _ => return Err(self.wrong_port(port, expected, "Change the export accordingly")),
        };
        if !matches!(port.element.as_str(), "float" | "double") {
            return Err(self.wrong_port(port, expected, "Change the export accordingly"));
        }
        match (self.text("classes"), declared) {
            (Some(text), declared) => {
                let names: Vec<String> = serde_json::from_str(text)
                    .map_err(|_| self.bad("classes", "a JSON array of class names", text))?;
                let wanted = declared.unwrap_or(names.len());
                if names.is_empty() || names.len() != wanted {
                    let found = format!("{} names", names.len());
                    return Err(self.bad("classes", &format!("{wanted} names"), &found));
                }
                Ok(names)
            }
            (None, Some(classes)) if classes > limits::CLASSES => {
                let expected = format!("at most {} classes", limits::CLASSES);
                Err(self.wrong_port(port, &expected, "Export fewer"))
            }
            (None, Some(classes)) => Ok((0..classes).map(|class| class.to_string()).collect()),
            (None, None) => {
                Err(self.missing("classes", "class names, K not being declared", "'[\"a\",\"b\"]'"))
            }
        }
    }

    fn ln_prior(&self, classes: usize) -> Result<Vec<f64>> {
        let expected =
            format!("'uniform' or a JSON array of {classes} probabilities that sum to 1");
        let text = self.text("prior").ok_or_else(|| self.missing("prior", &expected, "uniform"))?;
        if text == "uniform" {
            return Ok(vec![-(classes as f64).ln(); classes]);
        }
        let prior: Vec<f64> =
            serde_json::from_str(text).map_err(|_| self.bad("prior", &expected, text))?;
        let valid = prior.len() == classes
            && prior.iter().all(|&p| p > 0.0 && p <= 1.0)
            // Written in decimals, K probabilities sum to 1 only up to their own rounding.
            && (prior.iter().sum::<f64>() - 1.0).abs() <= 1e-6;
        if valid {
            Ok(prior.iter().map(|p| p.ln()).collect())
        } else {
            Err(self.bad("prior", &expected, text))
        }
    }

    fn count(&self, key: &str, default: usize) -> Result<usize> {
        let Some(text) = self.text(key) else { return Ok(default) };
        text.trim().parse().map_err(|_| self.bad(key, "a whole number", text))
    }

    fn pad(&self) -> Result<usize> {
        let pad = self.count("pad", 0)?;
        match pad <= limits::PAD {
            true => Ok(pad),
            false => {
                let expected = format!("at most {} pixels", limits::PAD);
                Err(self.bad("pad", &expected, &pad.to_string()))
            }
        }
    }

    fn pixel_range(&self) -> Result<(f64, f64)> {
        let expected = "'lo,hi', two finite numbers with lo < hi";
        let text =
            self.text("pixel_range").ok_or_else(|| self.missing("pixel_range", expected, "0,1"))?;
        let ends: Vec<f64> = text.split(',').filter_map(|end| end.trim().parse().ok()).collect();
        match *ends.as_slice() {
            [low, high] if low < high && low.is_finite() && high.is_finite() => Ok((low, high)),
            _ => Err(self.bad("pixel_range", expected, text)),
        }
    }

    fn dequantisation(&self) -> Result<Dequantisation> {
        let expected = "uniform, centre or none";
        match self.text("dequantisation") {
            Some("uniform") => Ok(Dequantisation::Uniform),
            Some("centre") => Ok(Dequantisation::Centre),
            Some("none") => Ok(Dequantisation::None),
            Some(other) => Err(self.bad("dequantisation", expected, other)),
            None => Err(self.missing("dequantisation", expected, "uniform")),
        }
    }

    fn training(&self) -> Result<Option<serde_json::Value>> {
        let Some(text) = self.text("training") else { return Ok(None) };
        serde_json::from_str(text).map(Some).map_err(|_| self.bad("training", "JSON", text))
    }

    fn parity(&self, spec: &ModelSpec) -> Result<Option<Parity>> {
        let Some(text) = self.text("parity") else { return Ok(None) };
        let raw: RawParity = serde_json::from_str(text)
            .map_err(|error| self.bad("parity", "the object of CONTRACT.md", &error.to_string()))?;
        let length = |name: &str, found: usize, per_image: usize| match raw
            .count
            .checked_mul(per_image)
            .is_some_and(|expected| expected == found)
        {
            true => Ok(()),
            false => Err(self.bad(
                "parity",
                &format!("{name} of {} images x {per_image} numbers", raw.count),
                &format!("{found} numbers"),
            )),
        };
        let numbers = |name: &str, text: &str| {
            BASE64_STANDARD.decode(text).map_err(|error| {
                self.bad("parity", &format!("base64 in {name}"), &error.to_string())
            })
        };
        let x = from_le_bytes(&numbers("x", &raw.x)?, f32::from_le_bytes);
        let noise = from_le_bytes(
            &numbers("noise", raw.noise.as_deref().unwrap_or_default())?,
            f32::from_le_bytes,
        );
        let log_prob = from_le_bytes(&numbers("log_prob", &raw.log_prob)?, f64::from_le_bytes);
        length("x", x.len(), spec.image.len())?;
        length("noise", noise.len(), spec.noise_len)?;
        length("log_prob", log_prob.len(), spec.classes.len())?;
        let tolerance = raw.relative_tolerance;
        if !(tolerance > 0.0 && tolerance < 1.0) {
            let found = tolerance.to_string();
            return Err(self.bad("parity", "a relative_tolerance between 0 and 1", &found));
        }
        Ok(Some(Parity { count: raw.count, x, noise, log_prob, relative_tolerance: tolerance }))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawParity {
    count: usize,
    x: String,
    noise: Option<String>,
    log_prob: String,
    relative_tolerance: f64,
}

/// Little-endian numbers; a remainder that fills no number is dropped, and the count then is off.
fn from_le_bytes<T, const N: usize>(bytes: &[u8], read: fn([u8; N]) -> T) -> Vec<T> {
    bytes.as_chunks::<N>().0.iter().map(|&chunk| read(chunk)).collect()
}
