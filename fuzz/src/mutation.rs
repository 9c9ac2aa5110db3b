//! Changes to a model that keep it a model: bytes changed blindly are mostly no protobuf any more,
//! and what lies behind the parser is then never seen.

use prost::Message;
use undetected_onnx::{
    autodiff::FAMILIES,
    proto::{
        GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto, tensor_proto::DataType,
        tensor_shape_proto::dimension::Value as DimValue, type_proto,
    },
};

/// Where readers of sizes, axes and counts go wrong.
const NUMBERS: [i64; 20] = [
    0,
    1,
    -1,
    2,
    -2,
    3,
    4,
    5,
    7,
    16,
    255,
    4096,
    65_536,
    i32::MAX as i64,
    i32::MIN as i64,
    1 << 40,
    1 << 62,
    i64::MAX,
    i64::MIN,
    i64::MIN + 1,
];

/// Draws from a seed: SplitMix64.
struct Draws(u64);

impl Draws {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, count: usize) -> usize {
        (self.next() % count.max(1) as u64) as usize
    }

    fn one_of<'a, T>(&mut self, items: &'a mut [T]) -> Option<&'a mut T> {
        let place = self.below(items.len());
        items.get_mut(place)
    }

    fn number(&mut self) -> i64 {
        NUMBERS[self.below(NUMBERS.len())]
    }
}

/// Changes one thing in the model of `data[..size]`; `None` where there is none or no room for it.
pub fn mutated_model(data: &mut [u8], size: usize, room: usize, seed: u32) -> Option<usize> {
    let mut model = ModelProto::decode(&data[..size]).ok()?;
    let mut draws = Draws(seed.into());
    for _ in 0..=draws.below(3) {
        change(&mut model, &mut draws)?;
    }
    let bytes = model.encode_to_vec();
    let fits = bytes.len() <= room;
    fits.then(|| data[..bytes.len()].copy_from_slice(&bytes))?;
    Some(bytes.len())
}

fn change(model: &mut ModelProto, draws: &mut Draws) -> Option<()> {
    if draws.below(20) == 0 {
        draws.one_of(&mut model.opset_import)?.version = Some(draws.below(26) as i64);
        return Some(());
    }
    let graph = model.graph.as_mut()?;
    match draws.below(10) {
        0 => change_tensor(draws.one_of(&mut graph.initializer)?, draws),
        1 => change_port(draws.one_of(&mut graph.input)?, draws),
        2 => change_port(draws.one_of(&mut graph.output)?, draws),
        3 => rewire(graph, draws),
        4 => insert(graph, draws),
        5 => {
            let place = draws.below(graph.node.len());
            (graph.node.len() > 1).then(|| graph.node.remove(place))?;
            Some(())
        }
        _ => change_node(draws.one_of(&mut graph.node)?, draws),
    }
}

fn change_node(node: &mut NodeProto, draws: &mut Draws) -> Option<()> {
    match draws.below(6) {
        0 => {
            node.op_type = Some(any_operator(draws));
            Some(())
        }
        1 => node.input.pop().map(drop),
        2 => {
            node.output.push(format!("more_{}", draws.below(100)));
            Some(())
        }
        _ => {
            let attribute = draws.one_of(&mut node.attribute)?;
            if let Some(tensor) = &mut attribute.t {
                return change_tensor(tensor, draws);
            }
            match draws.below(4) {
                0 => attribute.ints.push(draws.number()),
                1 => drop(attribute.ints.pop()),
                2 => attribute.i = Some(draws.number()),
                _ => *draws.one_of(&mut attribute.ints)? = draws.number(),
            }
            Some(())
        }
    }
}

fn any_operator(draws: &mut Draws) -> String {
    let rules = FAMILIES[draws.below(FAMILIES.len())].1;
    rules[draws.below(rules.len())].operator.to_owned()
}

fn change_tensor(tensor: &mut TensorProto, draws: &mut Draws) -> Option<()> {
    match draws.below(5) {
        0 => tensor.dims.push(draws.number()),
        1 => drop(tensor.dims.pop()),
        2 => *draws.one_of(&mut tensor.dims)? = draws.number(),
        3 => tensor.data_type = Some(draws.below(DataType::Bfloat16 as usize + 2) as i32),
        _ => match &mut tensor.raw_data {
            Some(raw) if raw.len() >= 8 => {
                let place = 8 * draws.below(raw.len() / 8);
                raw[place..place + 8].copy_from_slice(&draws.number().to_le_bytes());
            }
            _ => *draws.one_of(&mut tensor.int64_data)? = draws.number(),
        },
    }
    Some(())
}

fn change_port(port: &mut ValueInfoProto, draws: &mut Draws) -> Option<()> {
    let Some(type_proto::Value::TensorType(tensor)) = port.r#type.as_mut()?.value.as_mut() else {
        return None;
    };
    if draws.below(8) == 0 {
        tensor.elem_type = Some(draws.below(DataType::Bfloat16 as usize + 2) as i32);
        return Some(());
    }
    let dims = &mut tensor.shape.as_mut()?.dim;
    match draws.below(4) {
        0 => dims.push(Default::default()),
        1 => drop(dims.pop()),
        2 => draws.one_of(dims)?.value = Some(DimValue::DimParam("N".to_owned())),
        _ => draws.one_of(dims)?.value = Some(DimValue::DimValue(draws.number())),
    }
    Some(())
}

/// Another value as an input of a node.
fn rewire(graph: &mut GraphProto, draws: &mut Draws) -> Option<()> {
    let names = names(graph);
    let name = names.get(draws.below(names.len()))?.clone();
    let node = draws.one_of(&mut graph.node)?;
    match draws.below(3) {
        0 => node.input.push(name),
        _ => *draws.one_of(&mut node.input)? = name,
    }
    Some(())
}

/// A node between a node and what it reads.
fn insert(graph: &mut GraphProto, draws: &mut Draws) -> Option<()> {
    let names = names(graph);
    let place = draws.below(graph.node.len());
    let output = format!("inserted_{}", draws.below(1000));
    let read =
        std::mem::replace(draws.one_of(&mut graph.node.get_mut(place)?.input)?, output.clone());
    let second = names.get(draws.below(names.len()))?.clone();
    let input = if draws.below(2) == 0 { vec![read] } else { vec![read, second] };
    let operator = any_operator(draws);
    let node =
        NodeProto { op_type: Some(operator), input, output: vec![output], ..Default::default() };
    graph.node.insert(place, node);
    Some(())
}

fn names(graph: &GraphProto) -> Vec<String> {
    let inputs = graph.input.iter().map(|port| port.name().to_owned());
    let stored = graph.initializer.iter().map(|tensor| tensor.name().to_owned());
    inputs.chain(stored).chain(graph.node.iter().flat_map(|node| node.output.clone())).collect()
}
