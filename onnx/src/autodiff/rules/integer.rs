//! Shapes, indices and ranges: no gradient, but what they are is followed.

use super::Rule;
use crate::{
    autodiff::{
        facts::Facts,
        site::Site,
        size::{self, Size},
    },
    proto::tensor_proto::DataType,
};

pub const RULES: &[Rule] = &[
    Rule::nothing("Constant", |_| None),
    Rule::nothing("Shape", shape),
    Rule::nothing("Size", |site| {
        Some(vec![integers(Some(vec![])).with_ints(site.count(0).map(|count| vec![Some(count)]))])
    }),
    Rule::nothing("ConstantOfShape", constant_of_shape),
    Rule::nothing("Range", range),
    Rule::nothing("ArgMax", argument),
    Rule::nothing("ArgMin", argument),
    Rule::nothing("NonZero", |_| None),
    Rule::nothing("OneHot", |_| None),
    Rule::nothing("EyeLike", |_| None),
];

fn integers(shape: Option<size::Shape>) -> Facts {
    Facts::new(Some(DataType::Int64 as i32), shape)
}

fn shape(site: &Site<'_>) -> Option<Vec<Facts>> {
    let Some(shape) = site.shape(0) else { return Some(vec![integers(None)]) };
    let rank = shape.len() as i64;
    let place = |index: i64| if index < 0 { index + rank } else { index }.clamp(0, rank) as usize;
    let (start, end) = (place(site.int("start", 0)), place(site.int("end", rank)));
    let sizes: Vec<_> = shape[start.min(end)..end].iter().cloned().map(Some).collect();
    let dims = size::fixed(&[sizes.len() as i64]);
    Some(vec![integers(Some(dims)).with_ints(Some(sizes))])
}

fn constant_of_shape(site: &Site<'_>) -> Option<Vec<Facts>> {
    let value = site.tensor("value");
    let element = value.as_ref().map_or(DataType::Float as i32, |value| value.element);
    let dims: Option<size::Shape> = site
        .sizes(0)?
        .iter()
        .map(|size| Some(size.clone().unwrap_or_else(|| site.analysis.fresh())))
        .collect();
    let ints = || {
        let number = value?.to_ints()?.first().copied()?;
        let count = size::count(dims.as_ref()?)?.value().filter(|&count| count <= 64)?;
        Some(vec![Some(Size::fixed(number)); usize::try_from(count).ok()?])
    };
    let ints = ints();
    Some(vec![Facts::new(Some(element), dims).with_ints(ints)])
}

fn range(site: &Site<'_>) -> Option<Vec<Facts>> {
    let number = |input| site.numbers(input)?.first().copied();
    let list = || {
        let (start, limit, step) = (number(0)?, number(1)?, number(2).filter(|&step| step != 0)?);
        let count = (limit.checked_sub(start)? as f64 / step as f64).ceil().max(0.0);
        (count <= 4096.0).then(|| (0..count as i64).map(|i| start + i * step).collect::<Vec<_>>())
    };
    let element = site.element(0);
    Some(vec![match list() {
        Some(list) => Facts::new(element, Some(size::fixed(&[list.len() as i64])))
            .with_ints(Some(list.into_iter().map(|value| Some(Size::fixed(value))).collect())),
        None => Facts::new(element, Some(vec![site.analysis.fresh()])),
    }])
}

fn argument(site: &Site<'_>) -> Option<Vec<Facts>> {
    let mut shape = site.shape(0)?.clone();
    let axis = Site::axis(site.int("axis", 0), shape.len())?;
    match site.int("keepdims", 1) {
        0 => drop(shape.remove(axis)),
        _ => shape[axis] = Size::fixed(1),
    }
    Some(vec![integers(Some(shape))])
}
