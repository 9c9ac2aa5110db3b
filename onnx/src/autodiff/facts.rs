//! What is known of every value of a graph before it runs: element type, shape, small integers.
//!
//! Only the batch is unknown in a typical checkpoint. With the rest known, a gradient needs no shape
//! arithmetic at run time, and kernels are turned over at build time.

use std::{
    borrow::Cow,
    cell::{Cell, RefCell},
    collections::{HashMap, HashSet},
};

use super::{
    bounds, rules,
    site::Site,
    size::{self, Shape, Size, Symbol},
    tensor::Constant,
};
use crate::proto::{
    GraphProto, NodeProto, TensorProto, ValueInfoProto, tensor_proto::DataType,
    tensor_shape_proto::dimension::Value as DimValue, type_proto,
};

/// Integers beyond this many are data, not shapes, and are not followed.
pub const MOST_INTEGERS: usize = 4096;

/// What is known of one value; `None` is unknown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// Element type, as [`DataType`] numbers it.
    pub element: Option<i32>,
    /// Sizes of its axes.
    pub shape: Option<Shape>,
    /// The elements in C order, of a small integer or boolean tensor.
    pub ints: Option<Vec<Option<Size>>>,
}

impl Facts {
    /// Type and shape; a shape that no tensor can have is unknown.
    pub fn new(element: Option<i32>, shape: Option<Shape>) -> Self {
        Self { element, shape: shape.filter(|shape| size::is_possible(shape)), ints: None }
    }

    /// Elements in addition, where they are as many as the shape says.
    pub fn with_ints(mut self, ints: Option<Vec<Option<Size>>>) -> Self {
        let count = self.shape.as_ref().and_then(|shape| size::count(shape)?.value());
        self.ints = ints.filter(|ints| count == Some(ints.len() as i64));
        self
    }
}

/// Smallest and largest value.
type Range = (f64, f64);

/// A graph with what is known of its values.
pub struct Analysis<'a> {
    /// The main graph.
    pub graph: &'a GraphProto,
    /// Version of the default operator set.
    pub opset: i64,
    constants: HashMap<&'a str, Cow<'a, TensorProto>>,
    facts: HashMap<&'a str, Facts>,
    producers: HashMap<&'a str, &'a NodeProto>,
    irregular: HashSet<&'a str>,
    symbols: Cell<u32>,
    /// What [`bounds`] has found, by value and then by depth.
    ranges: RefCell<HashMap<String, HashMap<usize, Range>>>,
}

impl<'a> Analysis<'a> {
    /// Follows types and shapes through the graph, in its order.
    pub fn new(graph: &'a GraphProto, opset: i64) -> Self {
        let mut analysis = Self::empty(graph, opset);
        analysis.read_constants();
        let declared = analysis.declared();
        analysis.follow_all(&declared);
        analysis
    }

    /// The same from the inputs alone, whose open sizes are all the batch, which is returned: what the
    /// file says of other values may not be so.
    pub fn of_inputs(graph: &'a GraphProto, opset: i64) -> (Self, Size) {
        let mut analysis = Self::empty(graph, opset);
        analysis.read_constants();
        let batch = analysis.fresh();
        let declared = |value: &'a ValueInfoProto| {
            let mut facts = analysis.declaration(value, &mut HashMap::new());
            let sizes = facts.shape.iter_mut().flatten();
            sizes.filter(|size| size.value().is_none()).for_each(|size| *size = batch.clone());
            (value.name(), facts)
        };
        let declared = graph.input.iter().map(declared).collect();
        analysis.follow_all(&declared);
        (analysis, batch)
    }

    fn empty(graph: &'a GraphProto, opset: i64) -> Self {
        Self {
            graph,
            opset,
            constants: HashMap::new(),
            facts: HashMap::new(),
            producers: HashMap::new(),
            irregular: HashSet::new(),
            symbols: Cell::new(0),
            ranges: RefCell::default(),
        }
    }

    /// From what is `declared` of values.
    fn follow_all(&mut self, declared: &HashMap<&'a str, Facts>) {
        for value in &self.graph.input {
            if !self.facts.contains_key(value.name()) {
                let facts = declared.get(value.name()).cloned().unwrap_or_default();
                self.facts.insert(value.name(), facts);
            }
        }
        for node in &self.graph.node {
            self.follow(node, declared);
        }
    }

    /// What is known of a value.
    pub fn facts(&self, name: &str) -> &Facts {
        static NOTHING: Facts = Facts { element: None, shape: None, ints: None };
        self.facts.get(name).unwrap_or(&NOTHING)
    }

    /// A value that no input changes, where its numbers are in the file.
    pub fn constant(&self, name: &str) -> Option<Constant> {
        Constant::read(self.constants.get(name)?)
    }

    /// Whether [`constant`](Self::constant) may have a value.
    pub fn is_constant(&self, name: &str) -> bool {
        self.constants.contains_key(name)
    }

    /// What [`remember_range`](Self::remember_range) was told.
    pub fn range(&self, name: &str, depth: usize) -> Option<Range> {
        self.ranges.borrow().get(name)?.get(&depth).copied()
    }

    /// Keeps what was found of a value by looking so deep.
    pub fn remember_range(&self, name: &str, depth: usize, range: Range) {
        self.ranges.borrow_mut().entry(name.to_owned()).or_default().insert(depth, range);
    }

    /// The node that computes a value.
    pub fn producer(&self, name: &str) -> Option<&'a NodeProto> {
        self.producers.get(name).copied()
    }

    /// Whether a value is finite wherever the inputs are, by the operators that lead to it.
    pub fn regular(&self, name: &str) -> bool {
        !self.irregular.contains(name)
    }

    /// A size that equals no other.
    pub fn fresh(&self) -> Size {
        self.symbols.set(self.symbols.get() + 1);
        Size::symbol(Symbol(self.symbols.get()))
    }

    fn read_constants(&mut self) {
        for tensor in &self.graph.initializer {
            self.constants.insert(tensor.name(), Cow::Borrowed(tensor));
        }
        for node in self.graph.node.iter().filter(|node| node.op_type() == "Constant") {
            if let (Some(name), Some(tensor)) = (node.output.first(), constant_of(node)) {
                self.constants.insert(name, tensor);
            }
        }
        for (name, tensor) in &self.constants {
            self.facts.insert(name, facts_of(tensor));
        }
    }

    /// The types and shapes that the file declares, one symbol per symbolic name.
    fn declared(&self) -> HashMap<&'a str, Facts> {
        let mut symbols = HashMap::new();
        let graph = self.graph;
        let values = graph.input.iter().chain(&graph.value_info).chain(&graph.output);
        values.map(|value| (value.name(), self.declaration(value, &mut symbols))).collect()
    }

    fn declaration(
        &self,
        value: &'a ValueInfoProto,
        symbols: &mut HashMap<&'a str, Size>,
    ) -> Facts {
        let Some(type_proto::Value::TensorType(tensor)) =
            value.r#type.as_ref().and_then(|kind| kind.value.as_ref())
        else {
            return Facts::default();
        };
        let mut size = |dim: &'a Option<DimValue>| match dim {
            Some(DimValue::DimValue(size)) if *size >= 0 => Size::fixed(*size),
            Some(DimValue::DimParam(name)) if !name.is_empty() => {
                symbols.entry(name).or_insert_with(|| self.fresh()).clone()
            }
            _ => self.fresh(),
        };
        let shape = tensor.shape.as_ref();
        let shape = shape.map(|shape| shape.dim.iter().map(|dim| size(&dim.value)).collect());
        Facts::new(tensor.elem_type, shape)
    }

    fn follow(&mut self, node: &'a NodeProto, declared: &HashMap<&'a str, Facts>) {
        let site = Site::new(node, self);
        let mut found = match rules::find(node) {
            Some(rule) => (rule.facts)(&site).unwrap_or_default(),
            None => vec![],
        };
        found.resize(node.output.len(), Facts::default());
        let irregular = bounds::may_be_infinite(&site);
        for (name, mut facts) in node.output.iter().zip(found) {
            self.producers.insert(name, node);
            if irregular {
                self.irregular.insert(name);
            }
            if self.constants.contains_key(name.as_str()) {
                continue;
            }
            if let Some(declared) = declared.get(name.as_str()) {
                facts.element = facts.element.or(declared.element);
                facts.shape = facts.shape.or_else(|| declared.shape.clone());
            }
            self.facts.insert(name, facts);
        }
    }
}

/// The tensor of a Constant node, whichever attribute holds it.
fn constant_of(node: &NodeProto) -> Option<Cow<'_, TensorProto>> {
    let attribute = node.attribute.first()?;
    let owned = |element: DataType, dims: Vec<i64>, floats: Vec<f64>| {
        let constant = match element {
            DataType::Int64 => {
                Constant::ints(&dims, &floats.iter().map(|&v| v as i64).collect::<Vec<_>>())
            }
            _ => Constant::floats(element as i32, &dims, &floats)?,
        };
        Some(Cow::Owned(constant.into_proto(node.output.first()?.clone())))
    };
    let float = |value: &f32| f64::from(*value);
    match attribute.name() {
        "value" => Some(Cow::Borrowed(attribute.t.as_ref()?)),
        "value_float" => owned(DataType::Float, vec![], vec![float(&attribute.f())]),
        "value_floats" => {
            let dims = vec![attribute.floats.len() as i64];
            owned(DataType::Float, dims, attribute.floats.iter().map(float).collect())
        }
        "value_int" => owned(DataType::Int64, vec![], vec![attribute.i() as f64]),
        "value_ints" => {
            let dims = vec![attribute.ints.len() as i64];
            owned(DataType::Int64, dims, attribute.ints.iter().map(|&v| v as f64).collect())
        }
        _ => None,
    }
}

fn facts_of(tensor: &TensorProto) -> Facts {
    let facts = Facts::new(tensor.data_type, Some(size::fixed(&tensor.dims)));
    let count = facts.shape.as_ref().and_then(|shape| size::count(shape)?.value());
    let integer = !matches!(
        DataType::try_from(tensor.data_type()),
        Ok(DataType::Float | DataType::Double | DataType::Float16 | DataType::Bfloat16)
    );
    let ints = || {
        let values = Constant::read(tensor)?.to_ints()?;
        Some(values.into_iter().map(|value| Some(Size::fixed(value))).collect())
    };
    let few = count.is_some_and(|count| count <= MOST_INTEGERS as i64);
    facts.with_ints(if integer && few { ints() } else { None })
}
