//! A graph that computes the same, and that ONNX Runtime computes faster on a processor.
//!
//! - A convolution to few channels. The engine's kernels compute a block of 8 or 16 output channels,
//!   however few there are: a flow's coupling to 2 channels costs as much as one to 16. With the kernel
//!   turned over it is a transposed convolution, which is a matrix product of the size that there is, whose
//!   rows are then added up where they belong.
//! - A flow's squeeze, blocks of pixels to channels, and its inverse. The engine transposes fast where one
//!   axis moves; where two do, it walks element by element.
//! - A Reshape that leaves the batch's size to be found out. With it the engine loses the batch's name, and
//!   takes a product out of the layout of its convolutions where it cannot tell that both factors have the
//!   same shape: of a gradient and a mask, say.
//!
//! benches/README.md has what both save.

use prost::Message;

use crate::{
    autodiff::{Analysis, Emitter, Site, Size, TurnedOver, convolution_window, replaced},
    graph::ModelFile,
    proto::{ModelProto, NodeProto, tensor_proto::DataType},
};

/// Output channels that the engine's convolutions compute at once on this processor.
fn block() -> i64 {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx512f") {
        return 16;
    }
    8
}

/// The bytes of `file` so rewritten; `None` where there is nothing to rewrite, or weights lie in other files.
pub(super) fn rewritten(file: &ModelFile) -> Option<Vec<u8>> {
    let model = model(file, block() / 2)?;
    Some(model.encode_to_vec())
}

/// The same with convolutions to at most `channels` channels taken for narrow.
fn model(file: &ModelFile, channels: i64) -> Option<ModelProto> {
    if file.has_external_data {
        return None;
    }
    let (graph, opset) = (file.graph(), file.opset()?);
    let (analysis, _) = Analysis::of_inputs(graph, opset);
    let emit = Emitter::new("rewritten", graph, opset);
    replaced(&file.model, &analysis, emit, |site, emit| {
        if site.is("Conv") {
            transposed_convolution(site, channels, emit)
        } else if site.is("Transpose") {
            two_moves(site, emit)
        } else if site.is("Reshape") {
            batch_kept(site, emit)
        } else {
            None
        }
    })
}

/// A convolution to at most `channels` channels as a transposed one.
fn transposed_convolution(site: &Site<'_>, channels: i64, emit: &Emitter) -> Option<NodeProto> {
    let outputs = site.shape(1)?.first()?.value()?;
    let float = site.element(1) == Some(DataType::Float as i32);
    if outputs > channels || !float || site.int("group", 1) != 1 {
        return None;
    }
    let TurnedOver { kernel, attributes } = TurnedOver::of(site, &convolution_window(site)?)?;
    let mut node = site.node.clone();
    node.op_type = Some("ConvTranspose".to_owned());
    node.attribute = attributes;
    node.input[1] = emit.constant(kernel);
    Some(node)
}

/// A squeeze or its inverse as two moves of one axis, and the Reshape that follows them.
///
/// From \[N, C, H, a, W, b\] to \[N, C, a, b, H, W\], or back. Other axes go together meanwhile: moves of the
/// same tensor one behind the other are one to the engine.
fn two_moves(site: &Site<'_>, emit: &Emitter) -> Option<NodeProto> {
    let is_squeeze = match site.ints("perm")? {
        [0, 1, 3, 5, 2, 4] => true,
        [0, 1, 4, 2, 5, 3] => false,
        _ => return None,
    };
    let sizes = sizes_of_image(site.shape(0)?)?;
    let &[c, ..] = sizes.as_slice() else { return None };
    let [a, b, h, w] = match sizes[1..] {
        [h, a, w, b] if is_squeeze => [a, b, h, w],
        [a, b, h, w] => [a, b, h, w],
        _ => return None,
    };
    let (rows, block) = (c.checked_mul(h)?.checked_mul(a)?, a.checked_mul(b)?);
    let moved = |x: &str, dims: &[i64], perm: &[usize]| {
        emit.transpose(&emit.reshape(x, &[&[0], dims].concat()), perm)
    };
    let (moved, dims) = if is_squeeze {
        let within = moved(site.input(0), &[rows, w, b], &[0, 1, 3, 2]);
        (moved(&within, &[c, h, block, w], &[0, 1, 3, 2, 4]), [0, c, a, b, h, w])
    } else {
        let across = moved(site.input(0), &[c, block, h, w], &[0, 1, 3, 2, 4]);
        (moved(&across, &[rows, b, w], &[0, 1, 3, 2]), [0, c, h, a, w, b])
    };
    let mut node = site.node.clone();
    node.op_type = Some("Reshape".to_owned());
    node.input = vec![moved, emit.ints(&dims)];
    node.attribute = vec![];
    Some(node)
}

/// A Reshape that says that the first axis stays.
fn batch_kept(site: &Site<'_>, emit: &Emitter) -> Option<NodeProto> {
    let shape = site.analysis.facts(site.output(0)).shape.as_ref()?;
    if shape.first()? != site.shape(0)?.first()? {
        return None;
    }
    let mut node = site.node.clone();
    node.input[1] = emit.ints(&[&[0], sizes_of_image(shape)?.as_slice()].concat());
    node.attribute = vec![];
    Some(node)
}

/// The sizes behind the first axis, where all are numbers. A Reshape takes none of 0 for itself.
fn sizes_of_image(shape: &[Size]) -> Option<Vec<i64>> {
    let sizes: Vec<i64> = shape.iter().skip(1).map(Size::value).collect::<Option<_>>()?;
    sizes.iter().all(|&size| size > 0).then_some(sizes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        autodiff::{Constant, emit},
        engine::{self, EngineChoice, EngineOptions, Signature},
        proto::{
            GraphProto, OperatorSetIdProto, TensorProto, TensorShapeProto, TypeProto,
            ValueInfoProto,
            tensor_shape_proto::{Dimension, dimension},
            type_proto,
        },
    };

    const CHANNELS: i64 = 4;

    fn node(operator: &str, inputs: &[&str], attributes: &[(&str, &[i64])]) -> NodeProto {
        NodeProto {
            op_type: Some(operator.to_owned()),
            input: inputs.iter().map(|&input| input.to_owned()).collect(),
            output: vec!["y".to_owned()],
            attribute: attributes.iter().map(|(name, values)| emit::ints(name, values)).collect(),
            ..Default::default()
        }
    }

    /// Numbers between -1 and 1 in no order.
    fn numbers(count: usize) -> Vec<f32> {
        (0..count).map(|index| (index as f32 * 0.618_034).fract() * 2.0 - 1.0).collect()
    }

    fn tensor(name: &str, dims: &[i64]) -> TensorProto {
        let values = numbers(dims.iter().product::<i64>() as usize);
        let values: Vec<f64> = values.into_iter().map(f64::from).collect();
        let constant = Constant::floats(DataType::Float as i32, dims, &values);
        constant.expect("float32").into_proto(name.to_owned())
    }

    /// A file of one node from `x` to `y`.
    fn file(node: NodeProto, image: &[i64], stored: Vec<TensorProto>) -> ModelFile {
        let size = |value: Option<i64>| Dimension {
            value: value.map(dimension::Value::DimValue),
            ..Default::default()
        };
        let port = |name: &str, dims: Option<&[i64]>| {
            let shape = dims.map(|dims| TensorShapeProto {
                dim: std::iter::once(None)
                    .chain(dims.iter().copied().map(Some))
                    .map(size)
                    .collect(),
            });
            let tensor = type_proto::Tensor { elem_type: Some(DataType::Float as i32), shape };
            let value = Some(type_proto::Value::TensorType(tensor));
            ValueInfoProto {
                name: Some(name.to_owned()),
                r#type: Some(TypeProto { value, ..Default::default() }),
                ..Default::default()
            }
        };
        let graph = GraphProto {
            node: vec![node],
            input: vec![port("x", Some(image))],
            output: vec![port("y", None)],
            initializer: stored,
            ..Default::default()
        };
        let opset = OperatorSetIdProto { version: Some(17), ..Default::default() };
        let model = ModelProto {
            ir_version: Some(8),
            opset_import: vec![opset],
            graph: Some(graph),
            ..Default::default()
        };
        ModelFile {
            path: "made.onnx".into(),
            bytes: model.encode_to_vec(),
            model,
            sha256: String::new(),
            has_external_data: false,
        }
    }

    /// What both engines make of three images.
    fn values(file: &ModelFile, image: &[i64]) -> Vec<Vec<f64>> {
        let shape: Vec<usize> = image.iter().map(|&size| size as usize).collect();
        let x = numbers(3 * shape.iter().product::<usize>());
        let signature =
            Signature { inputs: vec![("x".to_owned(), shape)], outputs: vec!["y".to_owned()] };
        let run = |choice| {
            let options = EngineOptions { choice, threads: 1, ..Default::default() };
            let mut opened = engine::open(file, &signature, &options).expect("it opens");
            opened.engine.run(3, &[&x]).expect("it runs").remove(0)
        };
        vec![run(EngineChoice::Tract), run(EngineChoice::Ort)]
    }

    /// Holds what is rewritten to what it was, on both engines.
    fn compare(node: NodeProto, image: &[i64], stored: Vec<TensorProto>, operators: &[&str]) {
        let original = file(node, image, stored);
        let new = model(&original, CHANNELS).expect("there is something to rewrite");
        let new = original.with_model(new).expect("its weights are inside");
        let found: Vec<_> = new.graph().node.iter().map(NodeProto::op_type).collect();
        assert_eq!(found, operators);
        let expected = &values(&original, image)[0];
        for values in values(&new, image) {
            assert_eq!(values.len(), expected.len());
            for (a, b) in values.iter().zip(expected) {
                // Sums of at most 45 products of numbers up to 1, in another order.
                assert!((a - b).abs() < 1e-5, "{a} is not {b}");
            }
        }
    }

    #[test]
    fn a_narrow_convolution_is_the_transposed_one() {
        for (kernel, pads, dilations) in [
            ([3, 3], [1, 1, 1, 1], [1, 1]),
            ([3, 3], [0, 2, 1, 0], [1, 1]),
            ([1, 1], [0, 0, 0, 0], [1, 1]),
            ([2, 3], [1, 0, 0, 2], [1, 2]),
        ] {
            for outputs in [1, CHANNELS] {
                let [high, wide] = kernel;
                let attributes: [(&str, &[i64]); 2] = [("pads", &pads), ("dilations", &dilations)];
                let kernel = tensor("kernel", &[outputs, 5, high, wide]);
                for inputs in [&["x", "kernel"][..], &["x", "kernel", "offset"]] {
                    let stored = vec![kernel.clone(), tensor("offset", &[outputs])];
                    let node = node("Conv", inputs, &attributes);
                    compare(node, &[5, 6, 7], stored, &["ConvTranspose"]);
                }
            }
        }
    }

    #[test]
    fn squeezes_are_two_moves_of_one_axis() {
        const MOVES: [&str; 5] = ["Reshape", "Transpose", "Reshape", "Transpose", "Reshape"];
        for (perm, image) in
            [([0, 1, 3, 5, 2, 4], [3, 4, 2, 5, 3]), ([0, 1, 4, 2, 5, 3], [3, 2, 3, 4, 5])]
        {
            let node = node("Transpose", &["x"], &[("perm", &perm)]);
            compare(node, &image, vec![], &MOVES);
        }
    }

    #[test]
    fn a_reshape_keeps_the_batch() {
        for target in [&[-1, 6, 10][..], &[0, 6, -1]] {
            let target = Constant::ints(&[3], target).into_proto("target".to_owned());
            let node = node("Reshape", &["x", "target"], &[]);
            compare(node, &[3, 4, 5], vec![target], &["Reshape"]);
        }
        // The batch is what is left of other axes than its own.
        let target = Constant::ints(&[2], &[-1, 30]).into_proto("target".to_owned());
        let node = node("Reshape", &["x", "target"], &[]);
        assert!(model(&file(node, &[3, 4, 5], vec![target]), CHANNELS).is_none());
    }

    #[test]
    fn what_is_not_faster_otherwise_stays() {
        let unchanged = |attributes: &[(&str, &[i64])], kernel: &[i64]| {
            let node = node("Conv", &["x", "kernel"], attributes);
            model(&file(node, &[4, 6, 6], vec![tensor("kernel", kernel)]), CHANNELS).is_none()
        };
        assert!(!unchanged(&[], &[CHANNELS, 4, 3, 3]));
        assert!(unchanged(&[], &[CHANNELS + 1, 4, 3, 3]), "wide");
        assert!(unchanged(&[("strides", &[2, 2])], &[2, 4, 3, 3]), "strided");
        assert!(unchanged(&[("pads", &[3, 0, 0, 0])], &[2, 4, 3, 3]), "padded beyond its reach");
        let another = node("Transpose", &["x"], &[("perm", &[0, 2, 1, 3])]);
        assert!(model(&file(another, &[4, 6, 6], vec![]), CHANNELS).is_none());
        // A kernel that is computed, and weights that lie elsewhere.
        let computed = file(node("Conv", &["x", "x"], &[]), &[4, 6, 6], vec![]);
        assert!(model(&computed, CHANNELS).is_none());
        let inside = node("Conv", &["x", "kernel"], &[]);
        let mut outside = file(inside, &[4, 6, 6], vec![tensor("kernel", &[2, 4, 3, 3])]);
        outside.has_external_data = true;
        assert!(model(&outside, CHANNELS).is_none());
    }
}
