//! Reading an ONNX file without running it: signature, operators, size, random nodes, external data.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use prost::Message;
use sha2::{Digest, Sha256};

use crate::{
    error::{Error, Result},
    limits,
    proto::{
        GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto, tensor_proto::DataType,
        tensor_shape_proto::dimension::Value as DimValue, type_proto,
    },
    sha256,
};

/// Operators whose output is not a function of their inputs.
const RANDOM_OPERATORS: [&str; 6] = [
    "RandomUniform",
    "RandomNormal",
    "RandomUniformLike",
    "RandomNormalLike",
    "Bernoulli",
    "Multinomial",
];

/// One dimension of a declared shape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Dim {
    /// A number.
    Fixed(usize),
    /// A symbol or nothing: the caller chooses.
    Dynamic,
}

/// A declared input or output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Port {
    /// Its name in the graph.
    pub name: String,
    /// Element type as ONNX spells it, lower case (`float`, `double`, `int64`, ...).
    pub element: String,
    /// Declared shape, where there is one.
    pub shape: Option<Vec<Dim>>,
}

impl Port {
    /// The shape as text, `[N, 1, 32, 32]`; a dynamic dimension is `N`.
    pub fn shape_text(&self) -> String {
        let Some(shape) = &self.shape else { return "of undeclared shape".to_owned() };
        let dims: Vec<_> = shape
            .iter()
            .map(|dim| match dim {
                Dim::Fixed(size) => size.to_string(),
                Dim::Dynamic => "N".to_owned(),
            })
            .collect();
        format!("[{}]", dims.join(", "))
    }
}

/// A random node found in a graph.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RandomNode {
    /// The node's name, or the name of its first output where it has none.
    pub name: String,
    /// Its operator.
    pub operator: String,
}

/// An ONNX file, parsed and checked as far as that goes without running it.
#[derive(Debug, Clone)]
pub struct ModelFile {
    /// Where it was read from.
    pub path: PathBuf,
    /// The file's bytes.
    pub bytes: Vec<u8>,
    /// Its messages.
    pub model: ModelProto,
    /// SHA-256 of the bytes, in hexadecimal; where weights lie in other files, of the bytes and then
    /// of those files in the order of their paths.
    pub sha256: String,
    /// Whether weights lie in other files of the model's folder.
    pub has_external_data: bool,
}

impl ModelFile {
    /// Reads and parses `path`.
    ///
    /// # Errors
    /// [`Error::Io`] where the file cannot be read, [`Error::NotOnnx`] where it is truncated or
    /// something else, [`Error::Contract`] where weights lie outside the model's folder or a tensor is
    /// not what it declares, [`Error::Limit`] where the file, its external weights or a tensor is larger
    /// than [`limits`] allow.
    pub fn read(path: &Path) -> Result<Self> {
        let size = size_of(path, path)?;
        if size > limits::FILE {
            let remedy = "Keep its weights beside it (onnx.save with save_as_external_data=True)";
            return Err(too_large(path, "the file".to_owned(), size, limits::FILE, remedy));
        }
        let bytes = fs::read(path).map_err(Error::io(path))?;
        let not_onnx = |reason: String| Error::NotOnnx { path: path.to_owned(), reason };
        let model = ModelProto::decode(bytes.as_slice())
            .map_err(|error| not_onnx(format!("{error} ({} bytes; truncated?)", bytes.len())))?;
        let graph = model.graph.as_ref().ok_or_else(|| not_onnx("it holds no graph".to_owned()))?;
        if model.opset_import.is_empty() || graph.node.is_empty() {
            return Err(not_onnx("it declares no operator set or no node".to_owned()));
        }
        check_tensors(path, &model)?;
        let weights = external_data(path, &model)?;
        let mut hash = Sha256::new_with_prefix(&bytes);
        weights.iter().try_for_each(|file| sha256::add_file(&mut hash, file))?;
        let (sha256, has_external_data) = (sha256::hex(hash), !weights.is_empty());
        Ok(Self { path: path.to_owned(), bytes, model, sha256, has_external_data })
    }

    /// The same file with another model in it, for an engine to open.
    ///
    /// # Errors
    /// [`Error::Contract`] where weights lie outside the file: an engine would look for the other
    /// model there.
    pub fn with_model(&self, model: ModelProto) -> Result<Self> {
        if self.has_external_data {
            return Err(Error::Contract {
                path: self.path.clone(),
                field: "weights".to_owned(),
                expected: "inside the file, so that its graph can be rewritten".to_owned(),
                found: "external data".to_owned(),
                remedy: "Save it with onnx.save(model, path, save_as_external_data=False)"
                    .to_owned(),
            });
        }
        Ok(Self { bytes: model.encode_to_vec(), model, ..self.clone() })
    }

    /// The main graph.
    pub fn graph(&self) -> &GraphProto {
        self.model.graph.as_ref().expect("checked by read")
    }

    /// The metadata value of `key`.
    pub fn metadata(&self, key: &str) -> Option<&str> {
        self.model.metadata_props.iter().find(|entry| entry.key() == key).map(|entry| entry.value())
    }

    /// Version of the default operator set.
    pub fn opset(&self) -> Option<i64> {
        let default = |domain: &str| domain.is_empty() || domain == "ai.onnx";
        self.model.opset_import.iter().find(|set| default(set.domain())).map(|set| set.version())
    }

    /// Inputs that are not initializers, in the graph's order.
    pub fn inputs(&self) -> Vec<Port> {
        let graph = self.graph();
        let stored = |name: &str| graph.initializer.iter().any(|tensor| tensor.name() == name);
        graph.input.iter().filter(|value| !stored(value.name())).map(port).collect()
    }

    /// Outputs, in the graph's order.
    pub fn outputs(&self) -> Vec<Port> {
        self.graph().output.iter().map(port).collect()
    }

    /// How often each operator occurs, subgraphs and functions included.
    pub fn operators(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        self.for_each_node(&mut |node| *counts.entry(node.op_type().to_owned()).or_default() += 1);
        counts
    }

    /// Floating-point numbers that the file stores or refers to.
    pub fn parameters(&self) -> usize {
        let mut count = 0usize;
        visit_tensors(self.graph(), &mut |tensor| {
            count = count.saturating_add(parameters_of(tensor));
        });
        count
    }

    /// Every random node, subgraphs and functions included.
    pub fn random_nodes(&self) -> Vec<RandomNode> {
        let mut found = Vec::new();
        self.for_each_node(&mut |node| {
            if RANDOM_OPERATORS.contains(&node.op_type()) {
                let output = node.output.first().map_or("", String::as_str);
                let name = if node.name().is_empty() { output } else { node.name() };
                found.push(RandomNode { name: name.to_owned(), operator: node.op_type().into() });
            }
        });
        found
    }

    fn for_each_node(&self, visit: &mut dyn FnMut(&NodeProto)) {
        visit_nodes(&self.graph().node, visit);
        for function in &self.model.functions {
            visit_nodes(&function.node, visit);
        }
    }
}

fn visit_nodes(nodes: &[NodeProto], visit: &mut dyn FnMut(&NodeProto)) {
    for node in nodes {
        visit(node);
        for subgraph in subgraphs(node) {
            visit_nodes(&subgraph.node, visit);
        }
    }
}

/// The graphs that a node holds: branches, bodies of loops.
pub(crate) fn subgraphs(node: &NodeProto) -> impl Iterator<Item = &GraphProto> {
    node.attribute.iter().flat_map(|attribute| attribute.g.iter().chain(&attribute.graphs))
}

/// How many floating-point numbers a tensor declares; integers are shapes and indices, not parameters.
fn parameters_of(tensor: &TensorProto) -> usize {
    let floating = [DataType::Float, DataType::Double, DataType::Float16, DataType::Bfloat16];
    if !floating.iter().any(|&kind| kind as i32 == tensor.data_type()) {
        return 0;
    }
    let sizes = tensor.dims.iter().map(|&dim| usize::try_from(dim).unwrap_or(0));
    sizes.fold(1, usize::saturating_mul)
}

fn port(value: &ValueInfoProto) -> Port {
    let tensor = value.r#type.as_ref().and_then(|kind| match &kind.value {
        Some(type_proto::Value::TensorType(tensor)) => Some(tensor),
        _ => None,
    });
    let element = tensor
        .and_then(|tensor| DataType::try_from(tensor.elem_type()).ok())
        .map_or("not a tensor".to_owned(), |kind| kind.as_str_name().to_ascii_lowercase());
    let shape = tensor.and_then(|tensor| tensor.shape.as_ref()).map(|shape| {
        shape
            .dim
            .iter()
            .map(|dim| match dim.value {
                Some(DimValue::DimValue(size)) if size >= 0 => Dim::Fixed(size as usize),
                _ => Dim::Dynamic,
            })
            .collect()
    });
    Port { name: value.name().to_owned(), element, shape }
}

fn too_large(path: &Path, what: String, found: u64, limit: u64, remedy: &'static str) -> Error {
    Error::Limit {
        path: path.to_owned(),
        what,
        found: format!("{found} bytes"),
        limit: format!("{limit} bytes"),
        remedy,
    }
}

/// Bytes of a file of `model`; a device or a pipe might have no end.
fn size_of(model: &Path, file: &Path) -> Result<u64> {
    let about = fs::metadata(file).map_err(Error::io(file))?;
    if !about.is_file() {
        let reason = format!("{} is not a regular file", file.display());
        return Err(Error::NotOnnx { path: model.to_owned(), reason });
    }
    Ok(about.len())
}

/// Every tensor of a model, wherever it stands.
fn for_each_tensor(model: &ModelProto, visit: &mut dyn FnMut(&TensorProto)) {
    model.graph.iter().for_each(|graph| visit_tensors(graph, visit));
    for function in &model.functions {
        function.node.iter().for_each(|node| visit_attribute_tensors(node, visit));
    }
}

/// What a tensor declares must be possible, and be what the file holds of it.
fn check_tensors(path: &Path, model: &ModelProto) -> Result<()> {
    let mut result = Ok(());
    for_each_tensor(model, &mut |tensor| {
        if result.is_ok() {
            result = check_tensor(path, tensor);
        }
    });
    result
}

fn check_tensor(path: &Path, tensor: &TensorProto) -> Result<()> {
    let what = || format!("tensor '{}' of sizes {:?}", tensor.name(), tensor.dims);
    let refuse = |expected: &str, found: String| Error::Contract {
        path: path.to_owned(),
        field: what(),
        expected: expected.to_owned(),
        found,
        remedy: "The file is damaged: export the model again".to_owned(),
    };
    let kind = DataType::try_from(tensor.data_type()).unwrap_or_default();
    let sizes = tensor.dims.iter().map(|&size| u64::try_from(size).ok());
    let sizes = sizes.collect::<Option<Vec<_>>>();
    let sizes = sizes.ok_or_else(|| refuse("sizes from 0", "a negative one".to_owned()))?;
    let bytes =
        sizes.iter().try_fold(limits::width(kind), |product, &size| product.checked_mul(size));
    let bytes =
        bytes.ok_or_else(|| refuse("sizes whose product is a size", "2^64 or more".to_owned()))?;
    if bytes > limits::TENSOR {
        let remedy = "Export a model with smaller tensors";
        return Err(too_large(path, what(), bytes, limits::TENSOR, remedy));
    }
    let packed = limits::width(kind) == 1
        && !matches!(kind, DataType::Bool | DataType::Int8 | DataType::Uint8);
    match &tensor.raw_data {
        Some(raw) if !packed && tensor.external_data.is_empty() && raw.len() as u64 != bytes => {
            Err(refuse(&format!("{bytes} bytes"), format!("{} bytes", raw.len())))
        }
        _ => Ok(()),
    }
}

/// Weights kept beside the model must stay in the model's own folder: a file that came from
/// elsewhere must not make the harness open others. The files, each once.
fn external_data(path: &Path, model: &ModelProto) -> Result<BTreeSet<PathBuf>> {
    let mut locations = Vec::new();
    for_each_tensor(model, &mut |tensor| {
        // Engines differ in which one they take where there are several.
        for entry in tensor.external_data.iter().filter(|entry| entry.key() == "location") {
            locations.push((tensor.name().to_owned(), entry.value().to_owned()));
        }
    });
    let mut files = BTreeSet::new();
    for (tensor, location) in &locations {
        files.insert(check_location(path, tensor, location)?);
    }
    let sizes = files.iter().map(|file| size_of(path, file)).collect::<Result<Vec<u64>>>()?;
    let total = sizes.into_iter().fold(0, u64::saturating_add);
    if total > limits::EXTERNAL {
        let what = "its external weights".to_owned();
        let remedy = "Export a model with fewer weights, or with these alone in its folder";
        return Err(too_large(path, what, total, limits::EXTERNAL, remedy));
    }
    Ok(files)
}

fn visit_tensors(graph: &GraphProto, visit: &mut dyn FnMut(&TensorProto)) {
    graph.initializer.iter().for_each(&mut *visit);
    for sparse in &graph.sparse_initializer {
        sparse.values.iter().chain(&sparse.indices).for_each(&mut *visit);
    }
    graph.node.iter().for_each(|node| visit_attribute_tensors(node, visit));
}

fn visit_attribute_tensors(node: &NodeProto, visit: &mut dyn FnMut(&TensorProto)) {
    for attribute in &node.attribute {
        attribute.t.iter().chain(&attribute.tensors).for_each(&mut *visit);
    }
    subgraphs(node).for_each(|subgraph| visit_tensors(subgraph, visit));
}

/// The file, which lies in the model's folder.
fn check_location(path: &Path, tensor: &str, location: &str) -> Result<PathBuf> {
    let refuse = |found: String| Error::Contract {
        path: path.to_owned(),
        field: format!("external data of tensor '{tensor}'"),
        expected: "a file in the model's own folder".to_owned(),
        found,
        remedy: "Export the weights inside the ONNX file, or beside it".to_owned(),
    };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new(".")).canonicalize().map_err(Error::io(path))?;
    let file = folder
        .join(location)
        .canonicalize()
        .map_err(|error| refuse(format!("'{location}' ({error})")))?;
    if file.starts_with(&folder) { Ok(file) } else { Err(refuse(format!("'{location}'"))) }
}
