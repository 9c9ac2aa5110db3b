//! Random stacks of convolutions, pools, normalisations and reductions, by directional derivatives.

mod common;
#[path = "common/gradients.rs"]
mod gradients;

use common::*;
use gradients::*;
use proptest::prelude::*;
use undetected_onnx::{
    autodiff::with_input_gradient,
    proto::{
        AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto,
        attribute_proto::AttributeType, tensor_proto::DataType,
    },
};

/// Channels, rows and columns of x.
const IMAGE: [i64; 3] = [4, 6, 5];
/// Bounds the curvature of a normalisation where the variance is small.
const EPSILON: f32 = 0.1;

/// One layer, before it is fitted to the image that it is given.
#[derive(Debug, Clone)]
enum Layer {
    Conv {
        kernel: [i64; 2],
        stride: [i64; 2],
        dilation: i64,
        pads: [i64; 4],
        group: i64,
    },
    Pool {
        operator: &'static str,
        kernel: [i64; 2],
        stride: [i64; 2],
        pad: i64,
        count_pad: i64,
    },
    Normalisation(&'static str),
    /// x minus its reduction along an axis.
    Centre {
        operator: &'static str,
        axis: i64,
    },
}

fn layer() -> impl Strategy<Value = Layer> {
    let pair = |low: i64, high: i64| [low..=high, low..=high];
    let conv = (pair(1, 3), pair(1, 2), 1..=2i64, [0..=1i64, 0..=1, 0..=2, 0..=1], 0..3usize)
        .prop_map(|(kernel, stride, dilation, pads, group)| Layer::Conv {
            kernel,
            stride,
            dilation,
            pads,
            group: [1, 2, 4][group],
        });
    let operator = prop::sample::select(vec!["AveragePool", "MaxPool"]);
    let pool = (operator, pair(2, 3), pair(1, 2), 0..=1i64, 0..=1i64).prop_map(
        |(operator, kernel, stride, pad, count_pad)| Layer::Pool {
            operator,
            kernel,
            stride,
            pad,
            count_pad,
        },
    );
    let normalisation = prop::sample::select(vec![
        "BatchNormalization",
        "InstanceNormalization",
        "LayerNormalization",
    ]);
    let reduction = prop::sample::select(vec![
        "ReduceMean",
        "ReduceMax",
        "ReduceMin",
        "ReduceL1",
        "ReduceL2",
        "ReduceLogSumExp",
        "ReduceSumSquare",
        "ReduceProd",
    ]);
    prop_oneof![
        conv,
        pool,
        normalisation.prop_map(Layer::Normalisation),
        (reduction, 1..=3i64).prop_map(|(operator, axis)| Layer::Centre { operator, axis }),
    ]
}

fn ints(name: &str, values: &[i64]) -> AttributeProto {
    AttributeProto {
        name: Some(name.to_owned()),
        r#type: Some(AttributeType::Ints as i32),
        ints: values.to_vec(),
        ..Default::default()
    }
}

fn int(name: &str, value: i64) -> AttributeProto {
    AttributeProto {
        name: Some(name.to_owned()),
        r#type: Some(AttributeType::Int as i32),
        i: Some(value),
        ..Default::default()
    }
}

fn float(name: &str, value: f32) -> AttributeProto {
    AttributeProto {
        name: Some(name.to_owned()),
        r#type: Some(AttributeType::Float as i32),
        f: Some(value),
        ..Default::default()
    }
}

/// A stack of layers as far as it is written.
struct Stack {
    nodes: Vec<NodeProto>,
    weights: Vec<TensorProto>,
    last: String,
    image: [i64; 3],
}

impl Stack {
    /// The layers that fit, with a Tanh behind each, which keeps the values of order one.
    fn of(layers: &[Layer]) -> Self {
        let (nodes, weights, last) = (vec![], vec![], "x".to_owned());
        let mut stack = Self { nodes, weights, last, image: IMAGE };
        for layer in layers {
            stack.push(layer);
            stack.node("Tanh", &[], vec![]);
        }
        stack
    }

    /// A node on the last value.
    fn node(&mut self, operator: &str, more: &[&str], attributes: Vec<AttributeProto>) {
        let output = format!("v{}", self.nodes.len());
        let inputs = [&[self.last.as_str()], more].concat();
        let attribute = attributes;
        self.nodes.push(NodeProto { attribute, ..node(operator, &inputs, &output) });
        self.last = output;
    }

    /// Weights between -0.8 and 1, or around 1.
    fn weight(&mut self, dims: &[i64], offset: f32) -> String {
        let name = format!("w{}", self.weights.len());
        let shift = self.weights.len();
        let number = |index: usize| ((index * 7 + 3 * shift) % 11) as f32 / 6.0 - 0.8;
        let count = dims.iter().product::<i64>() as usize;
        let values: Vec<f32> = (0..count).map(|index| offset + number(index)).collect();
        self.weights.push(floats(&name, dims, &values));
        name
    }

    fn push(&mut self, layer: &Layer) {
        match *layer {
            Layer::Conv { kernel, stride, dilation, pads, group } => {
                let extent = kernel.map(|size| dilation * (size - 1) + 1);
                let Some(image) = self.windows(extent, stride, pads) else { return };
                let channels = self.image[0];
                let dims = [channels, channels / group, kernel[0], kernel[1]];
                let (kernel, offset) = (self.weight(&dims, 0.0), self.weight(&[channels], 0.0));
                let attributes = vec![
                    ints("strides", &stride),
                    ints("dilations", &[dilation; 2]),
                    ints("pads", &pads),
                    int("group", group),
                ];
                self.node("Conv", &[&kernel, &offset], attributes);
                self.image = image;
            }
            Layer::Pool { operator, kernel, stride, pad, count_pad } => {
                let Some(image) = self.windows(kernel, stride, [pad; 4]) else { return };
                let mut attributes = vec![
                    ints("kernel_shape", &kernel),
                    ints("strides", &stride),
                    ints("pads", &[pad; 4]),
                ];
                if operator == "AveragePool" {
                    attributes.push(int("count_include_pad", count_pad));
                }
                self.node(operator, &[], attributes);
                self.image = image;
            }
            Layer::Normalisation(operator) => self.normalise(operator),
            Layer::Centre { operator, axis } => {
                let x = self.last.clone();
                self.node(operator, &[], vec![ints("axes", &[axis]), int("keepdims", 1)]);
                self.node("Sub", &[&x], vec![]);
            }
        }
    }

    fn normalise(&mut self, operator: &str) {
        let dims = match operator {
            "LayerNormalization" => [self.image[2]],
            _ => [self.image[0]],
        };
        let mut weights = vec![self.weight(&dims, 1.0), self.weight(&dims, 0.0)];
        if operator == "BatchNormalization" {
            weights.extend([self.weight(&dims, 0.0), self.weight(&dims, 1.0)]);
        }
        let weights: Vec<&str> = weights.iter().map(String::as_str).collect();
        self.node(operator, &weights, vec![float("epsilon", EPSILON)]);
    }

    /// The image of windows; `None` where one would lie in the padding alone, or none fits.
    fn windows(&self, extent: [i64; 2], stride: [i64; 2], pads: [i64; 4]) -> Option<[i64; 3]> {
        let along = |axis: usize| {
            let (before, after) = (pads[axis], pads[axis + 2]);
            let room = self.image[axis + 1] + before + after - extent[axis];
            let inside = before.max(after) < extent[axis];
            (room >= 0 && inside).then(|| room / stride[axis] + 1)
        };
        Some([self.image[0], along(0)?, along(1)?])
    }

    fn model(self) -> (ModelProto, [usize; 3]) {
        let port = |name: &str, image: [i64; 3]| {
            port(name, DataType::Float, &[None, Some(image[0]), Some(image[1]), Some(image[2])])
        };
        let image = self.image;
        let graph = GraphProto {
            node: [self.nodes, vec![node("Identity", &[&self.last], "y")]].concat(),
            initializer: self.weights,
            input: vec![port("x", IMAGE)],
            output: vec![port("y", image)],
            ..Default::default()
        };
        (model(graph, &[]), image.map(|size| size as usize))
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_stacks_by_directional_derivatives_on_both_engines(
        layers in prop::collection::vec(layer(), 1..4),
        pixels in prop::collection::vec(-1.0..1.0f64, 120),
        weights in prop::collection::vec(-1.0..1.0f64, 120),
    ) {
        let (model, image) = Stack::of(&layers).model();
        let model = with_input_gradient(&model, "y", "x").unwrap();
        let x = array(&[1, 4, 6, 5], |index| pixels[index]);
        let cotangent = array(&[1, image[0], image[1], image[2]], |index| weights[index % 120]);
        let shift = array(&[1, 4, 6, 5], |index| weights[119 - index]);
        for choice in ENGINES {
            let found = Directional::measure(&model, choice, &x, &cotangent, &shift);
            prop_assert!(found.agrees(), "{choice:?}: {found:?}");
        }
    }
}
