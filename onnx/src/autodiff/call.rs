//! What a gradient rule works with: its node, the cotangents of the outputs, and arithmetic that
//! writes nodes.

use std::{cell::Cell, ops::Deref};

use super::{
    bounds,
    emit::{self, Emitter},
    site::Site,
    size::{self, Size},
    tensor::Constant,
};
use crate::{error::Result, proto::tensor_proto::DataType};

/// Numbers of the largest constant that a rule writes: 64 MiB of float32.
const LARGEST_CONSTANT: i64 = 1 << 24;

/// What a rule returns: the gradient of each input, `None` where there is none.
pub type Gradients = Result<Vec<Option<String>>>;

/// The application of a rule to a node.
pub struct Call<'a> {
    site: Site<'a>,
    /// Writes nodes.
    pub emit: &'a Emitter,
    cotangents: Vec<Option<String>>,
    wanted: Vec<bool>,
    /// Whether the cotangents are finite wherever the differentiated output is.
    finite: Cell<bool>,
}

impl<'a> Deref for Call<'a> {
    type Target = Site<'a>;

    fn deref(&self) -> &Site<'a> {
        &self.site
    }
}

impl<'a> Call<'a> {
    /// `cotangents` by output, `wanted` by input.
    pub fn new(
        site: Site<'a>,
        emit: &'a Emitter,
        cotangents: Vec<Option<String>>,
        wanted: Vec<bool>,
        finite: bool,
    ) -> Self {
        Self { site, emit, cotangents, wanted, finite: Cell::new(finite) }
    }

    /// Whether the gradient of an input is wanted.
    pub fn wants(&self, input: usize) -> bool {
        self.wanted.get(input).copied().unwrap_or(false)
    }

    /// Whether the gradients returned so far are finite wherever the differentiated output is.
    pub fn finite(&self) -> bool {
        self.finite.get()
    }

    /// The cotangent of an output, where it has one.
    pub fn cotangent(&self, output: usize) -> Option<&str> {
        self.cotangents.get(output)?.as_deref()
    }

    /// The cotangent of output 0.
    ///
    /// # Errors
    /// Where only another output has one.
    pub fn dy(&self) -> Result<&str> {
        self.cotangent(0).ok_or_else(|| {
            self.error(
                "only its further outputs lead to the differentiated output",
                "Re-export the model so that it uses the first",
            )
        })
    }

    /// One gradient, for input 0.
    pub fn first(&self, gradient: String) -> Gradients {
        Ok(vec![Some(gradient)])
    }

    /// The gradients of the wanted inputs.
    ///
    /// # Errors
    /// Those of `gradient`.
    pub fn each(&self, mut gradient: impl FnMut(usize) -> Result<String>) -> Gradients {
        (0..self.node.input.len())
            .map(|input| self.wants(input).then(|| gradient(input)).transpose())
            .collect()
    }

    /// Refuses an input that depends on the differentiated one.
    ///
    /// # Errors
    /// Where it does.
    pub fn must_not_depend(&self, inputs: &[usize], what: &str) -> Result<()> {
        match inputs.iter().any(|&input| self.wants(input)) {
            true => Err(self.error(
                format!(
                    "its {what} depends on the differentiated input, which its rule does not cover"
                ),
                "Extend the rule, or re-export the model",
            )),
            false => Ok(()),
        }
    }

    // What has to be known before the graph runs.

    /// The shape of an input.
    ///
    /// # Errors
    /// Where it is unknown.
    pub fn known_shape(&self, index: usize) -> Result<&'a [Size]> {
        let shape = self.shape(index).map(Vec::as_slice);
        shape.ok_or_else(|| self.unknown(&format!("the shape of '{}'", self.input(index))))
    }

    /// Number of axes of an input.
    ///
    /// # Errors
    /// Where it is unknown.
    pub fn known_rank(&self, index: usize) -> Result<usize> {
        self.known_shape(index).map(<[Size]>::len)
    }

    /// The size of one axis of an input as a number.
    ///
    /// # Errors
    /// Where it is none.
    pub fn known_size(&self, index: usize, axis: usize) -> Result<i64> {
        let size = self.known_shape(index)?.get(axis).and_then(Size::value);
        size.ok_or_else(|| self.unknown(&format!("axis {axis} of '{}'", self.input(index))))
    }

    /// The refusal for want of a shape or constant.
    pub fn unknown(&self, what: &str) -> crate::error::Error {
        self.error(
            format!("{what} is not known before the model runs"),
            "Export it with every axis but the batch fixed (constants folded), or write the shapes \
             into the file with onnx.shape_inference.infer_shapes",
        )
    }

    // Constants.

    /// Element type of the gradients.
    pub fn kind(&self) -> i32 {
        let known = self.analysis.facts(self.output(0)).element.or(self.element(0));
        known.unwrap_or(DataType::Float as i32)
    }

    /// A number of the gradients' type.
    pub fn number(&self, value: f64) -> String {
        self.floats(&[], &[value])
    }

    /// A tensor of the gradients' type.
    pub fn floats(&self, dims: &[i64], values: &[f64]) -> String {
        let constant = Constant::floats(self.kind(), dims, values);
        // Half precision: written as float32 and cast.
        match constant {
            Some(constant) => self.emit.constant(constant),
            None => {
                let float = Constant::floats(DataType::Float as i32, dims, values);
                self.cast(&self.emit.constant(float.expect("float32")), self.kind())
            }
        }
    }

    /// Refuses to write a constant of so many numbers into the model: `None` is more than 64 bits hold.
    ///
    /// # Errors
    /// Where they are more than [`LARGEST_CONSTANT`].
    pub fn room_for(&self, count: Option<i64>) -> Result<()> {
        match count {
            Some(count) if count <= LARGEST_CONSTANT => Ok(()),
            _ => {
                let count = count.map_or("more than 2^63".to_owned(), |count| count.to_string());
                Err(self.error(
                    format!("it needs a constant of {count} numbers, at most {LARGEST_CONSTANT}"),
                    "Re-export the model with smaller windows or sizes",
                ))
            }
        }
    }

    // Arithmetic.

    /// A node with the given inputs and no attributes.
    pub fn op(&self, operator: &str, inputs: &[&str]) -> String {
        self.emit.node(operator, inputs, vec![])
    }

    /// a + b.
    pub fn add(&self, a: &str, b: &str) -> String {
        self.op("Add", &[a, b])
    }

    /// a - b.
    pub fn sub(&self, a: &str, b: &str) -> String {
        self.op("Sub", &[a, b])
    }

    /// a b.
    pub fn mul(&self, a: &str, b: &str) -> String {
        self.op("Mul", &[a, b])
    }

    /// a / b.
    pub fn div(&self, a: &str, b: &str) -> String {
        self.op("Div", &[a, b])
    }

    /// -a.
    pub fn neg(&self, a: &str) -> String {
        self.op("Neg", &[a])
    }

    /// a times a number.
    pub fn scale(&self, a: &str, factor: f64) -> String {
        match factor {
            1.0 => a.to_owned(),
            -1.0 => self.neg(a),
            _ => self.mul(a, &self.number(factor)),
        }
    }

    /// a plus a number.
    pub fn shift(&self, a: &str, offset: f64) -> String {
        if offset == 0.0 { a.to_owned() } else { self.add(a, &self.number(offset)) }
    }

    /// `yes` where the condition holds, else `no`.
    pub fn select(&self, condition: &str, yes: &str, no: &str) -> String {
        self.op("Where", &[condition, yes, no])
    }

    /// To another element type.
    pub fn cast(&self, x: &str, element: i32) -> String {
        self.emit.node("Cast", &[x], vec![emit::int("to", i64::from(element))])
    }

    /// 1 where the condition holds, else 0.
    pub fn indicator(&self, condition: &str) -> String {
        self.cast(condition, self.kind())
    }

    /// a > b.
    pub fn greater(&self, a: &str, b: &str) -> String {
        self.op("Greater", &[a, b])
    }

    /// a > 0.
    pub fn positive(&self, a: &str) -> String {
        self.greater(a, &self.number(0.0))
    }

    // Masks that let no NaN through.

    /// `dy` where the condition holds, else 0.
    ///
    /// A product with 0 and 1 where `dy` is finite whenever the differentiated output is: several times
    /// faster than a selection in ONNX Runtime, whose branches a random mask mispredicts.
    pub fn masked(&self, condition: &str, dy: &str) -> String {
        match self.finite() {
            true => self.mul(dy, &self.indicator(condition)),
            false => self.select(condition, dy, &self.number(0.0)),
        }
    }

    /// `dy` where `y`, which is nowhere negative, is not 0; [`masked`](Self::masked) in one node.
    ///
    /// max(0, min(1, s y)) with the largest float32 for s is 1 from 2^-128 on: below the normal numbers
    /// `y` counts in part. ONNX Runtime computes it, alone of all masks, in the blocked layout of its
    /// convolutions, and so spares the way out of it and back.
    pub fn masked_where_positive(&self, y: &str, dy: &str) -> String {
        if !self.finite() || self.kind() != DataType::Float as i32 {
            return self.masked(&self.positive(y), dy);
        }
        let slope = emit::float("alpha", f64::from(f32::MAX));
        self.mul(dy, &self.emit.node("HardSigmoid", &[y], vec![slope, emit::float("beta", 0.0)]))
    }

    /// `gradient`, but 0 where `dy` is: 0 times an infinite derivative is 0 here, so that a branch
    /// that a mask leaves out adds nothing. For derivatives that are infinite only where a value of the
    /// forward graph is: where `dy` is not 0 there, the output hangs on that value and is not finite.
    pub fn guarded(&self, dy: &str, gradient: String) -> String {
        let zero = self.number(0.0);
        self.select(&self.op("Equal", &[dy, &zero]), &zero, &gradient)
    }

    /// [`guarded`](Self::guarded) for vertical tangents: derivatives that are infinite at a finite value,
    /// as a root's at 0.
    pub fn guarded_vertical(&self, dy: &str, gradient: String) -> String {
        self.finite.set(false);
        self.guarded(dy, gradient)
    }

    /// [`guarded`](Self::guarded) unless the derivative is known to be `bounded`.
    pub fn guarded_unless(&self, bounded: bool, dy: &str, gradient: String) -> String {
        if bounded { gradient } else { self.guarded(dy, gradient) }
    }

    /// Smallest and largest value that an input can have, as far as that is known.
    pub fn bounds(&self, index: usize) -> (f64, f64) {
        bounds::of(self.analysis, self.input(index))
    }

    // Shapes.

    /// `x` with the shape of input `index`.
    pub fn reshape_like(&self, x: &str, index: usize) -> String {
        self.reshape_to(x, self.input(index))
    }

    /// `x` with the shape of a value of the forward graph.
    pub fn reshape_to(&self, x: &str, target: &str) -> String {
        let shape = self.analysis.facts(target).shape.as_ref();
        let dims = shape.map(|shape| shape.iter().map(Size::value).collect::<Vec<_>>());
        match dims {
            Some(dims) if dims.iter().filter(|dim| dim.is_none()).count() <= 1 => {
                let dims: Vec<i64> = dims.into_iter().map(|dim| dim.unwrap_or(-1)).collect();
                self.emit.reshape(x, &dims)
            }
            _ => self.op("Reshape", &[x, &self.op("Shape", &[target])]),
        }
    }

    /// `x`, of size 1 along `axes`, repeated there to the shape of input `index`.
    ///
    /// # Errors
    /// Where the number of axes is unknown.
    pub fn expand_like(&self, x: &str, index: usize, axes: &[usize]) -> Result<String> {
        let shape = self.known_shape(index)?;
        let sizes: Option<Vec<i64>> = (0..shape.len())
            .map(|axis| if axes.contains(&axis) { shape[axis].value() } else { Some(1) })
            .collect();
        let target = match sizes {
            Some(sizes) if sizes.iter().all(|&size| size == 1) => return Ok(x.to_owned()),
            Some(sizes) => self.emit.ints(&sizes),
            None => self.op("Shape", &[self.input(index)]),
        };
        Ok(self.op("Expand", &[x, &target]))
    }

    /// Zeros of the shape of a value.
    pub fn zeros_like(&self, value: &str) -> String {
        let zeros = self.op("ConstantOfShape", &[&self.op("Shape", &[value])]);
        if self.kind() == DataType::Float as i32 { zeros } else { self.cast(&zeros, self.kind()) }
    }

    /// The sum of `gradient`, which has the shape of `from`, over what broadcasting input `index`
    /// to that shape repeated.
    ///
    /// # Errors
    /// Where the number of axes is unknown.
    pub fn unbroadcast(&self, gradient: &str, from: &str, index: usize) -> Result<String> {
        let shape = self.analysis.facts(from).shape.as_deref();
        let shape = shape.ok_or_else(|| self.unknown(&format!("the shape of '{from}'")))?;
        self.sum_to(gradient, shape, index)
    }

    /// [`unbroadcast`](Self::unbroadcast) from a shape.
    ///
    /// # Errors
    /// Where the input's number of axes is unknown.
    pub fn sum_to(&self, gradient: &str, from: &[Size], index: usize) -> Result<String> {
        let to = self.known_shape(index)?;
        let leading = from.len().checked_sub(to.len()).ok_or_else(|| {
            let problem = format!("'{}' has more axes than the output", self.input(index));
            self.error(problem, "The model is damaged: export it again")
        })?;
        let mut summed: Vec<usize> = (0..leading).collect();
        for (axis, size) in to.iter().enumerate() {
            let repeated = &from[leading + axis];
            match size.value() {
                _ if size == repeated => {}
                Some(1) => summed.push(leading + axis),
                Some(_) => {}
                None => return self.sum_to_at_run_time(gradient, leading, index),
            }
        }
        if summed.is_empty() {
            return Ok(gradient.to_owned());
        }
        let only_leading = summed.len() == leading;
        let sum = self.emit.reduce("ReduceSum", gradient, &summed, !only_leading);
        Ok(match only_leading || leading == 0 {
            true => sum,
            false => self.emit.squeeze(&sum, &(0..leading).collect::<Vec<_>>()),
        })
    }

    /// The same where only the running graph knows which axes are repeated.
    fn sum_to_at_run_time(&self, gradient: &str, leading: usize, index: usize) -> Result<String> {
        if self.opset() < 13 {
            return Err(self.unknown("which axes are broadcast"));
        }
        let (from, to) = (self.op("Shape", &[gradient]), self.op("Shape", &[self.input(index)]));
        let ones = self.emit.ints(&vec![1; leading]);
        let padded =
            if leading == 0 { to.clone() } else { self.emit.concat(&[ones, to.clone()], 0) };
        let differs = self.op("Not", &[&self.op("Equal", &[&from, &padded])]);
        let axes = self.emit.squeeze(&self.op("NonZero", &[&differs]), &[0]);
        let attributes = vec![emit::int("keepdims", 1), emit::int("noop_with_empty_axes", 1)];
        let sum = self.emit.node("ReduceSum", &[gradient, &axes], attributes);
        Ok(self.op("Reshape", &[&sum, &to]))
    }

    /// Product of the sizes of `axes` of an input, as a number of the gradients' type.
    ///
    /// # Errors
    /// Where the number of axes is unknown.
    pub fn count_along(&self, index: usize, axes: &[usize]) -> Result<String> {
        let shape = self.known_shape(index)?;
        let sizes: Vec<Size> = axes.iter().map(|&axis| shape[axis].clone()).collect();
        if let Some(count) = size::count(&sizes).and_then(|size| size.value()) {
            return Ok(self.number(count as f64));
        }
        let axes: Vec<i64> = axes.iter().map(|&axis| axis as i64).collect();
        let shape = self.op("Shape", &[self.input(index)]);
        let sizes = self.op("Gather", &[&shape, &self.emit.ints(&axes)]);
        let count = self.emit.reduce("ReduceProd", &sizes, &[0], true);
        Ok(self.cast(&self.emit.reshape(&count, &[1]), self.kind()))
    }
}
