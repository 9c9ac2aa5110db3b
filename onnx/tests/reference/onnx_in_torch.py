"""An ONNX graph evaluated by PyTorch, operator by operator, so that autograd differentiates it.

The reference for `onnx/src/autodiff`: written from the ONNX specification, shares nothing with it. Each operator
is the PyTorch function whose convention at kinks the rules promise.
"""

import numpy as np
import onnx
import torch
import torch.nn.functional as F
from onnx import helper, numpy_helper

TYPES = {1: torch.float32, 6: torch.int32, 7: torch.int64, 9: torch.bool, 11: torch.float64}


class Node:
    """A node with its attributes by name; `double` is the precision of the evaluation."""

    def __init__(self, node, opset, double):
        self.node, self.opset, self.double = node, opset, double
        self.attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}

    def get(self, name, default=None):
        value = self.attributes.get(name, default)
        return value.decode() if isinstance(value, bytes) else value

    def listed(self, inputs, index, name):
        """A list that is an attribute in old operator sets and an input in new ones."""
        if name in self.attributes:
            return list(self.attributes[name])
        if index < len(inputs) and inputs[index] is not None:
            return inputs[index].tolist()
        return None


def evaluate(model: onnx.ModelProto, feeds: dict, double: bool = True, instead: dict | None = None) -> dict:
    """Every value of the graph by its name. Floating-point constants take the precision of the evaluation.

    `instead` has functions that replace those of `OPERATORS`.
    """
    operators = OPERATORS | (instead or {})
    opset = next(s.version for s in model.opset_import if s.domain in ("", "ai.onnx"))
    values = {"": None, **feeds}
    for tensor in model.graph.initializer:
        values[tensor.name] = constant(numpy_helper.to_array(tensor), double)
    for proto in model.graph.node:
        node = Node(proto, opset, double)
        outputs = operators[proto.op_type](node, *[values[name] for name in proto.input])
        outputs = outputs if isinstance(outputs, (tuple, list)) else [outputs]
        values.update(zip(proto.output, outputs, strict=False))
    return values


def gradient(model, feeds: dict, output: str, input: str, cotangent, double: bool = True):
    """(output, d<output, cotangent>/d input) as arrays."""
    precision = torch.float64 if double else torch.float32
    tensors = {name: torch.tensor(value, dtype=precision) for name, value in feeds.items()}
    tensors[input].requires_grad_()
    found = evaluate(model, tensors, double)[output]
    (slope,) = torch.autograd.grad(found, tensors[input], torch.tensor(cotangent, dtype=precision), allow_unused=True)
    slope = torch.zeros_like(tensors[input]) if slope is None else slope
    return found.detach().numpy(), slope.numpy()


def constant(array, double):
    tensor = torch.from_numpy(np.array(array))
    return tensor.double() if double and tensor.is_floating_point() else tensor


def axes_of(node, inputs, rank):
    axes = node.listed(inputs, 1, "axes")
    if not axes:
        return [] if node.get("noop_with_empty_axes", 0) else list(range(rank))
    return [axis % rank for axis in axes]


def reduction(function):
    def apply(node, x, *more):
        axes = axes_of(node, (x, *more), x.ndim)
        return function(x, axes, bool(node.get("keepdims", 1))) if axes else x

    return apply


def product(x, axes, keep):
    for axis in sorted(axes, reverse=True):
        x = x.prod(axis, keepdim=keep)
    return x


def softmax(function):
    def apply(node, x):
        if node.opset >= 13:
            return function(x, node.get("axis", -1))
        axis = node.get("axis", 1) % x.ndim
        return function(x.flatten(axis), axis).reshape(x.shape)

    return apply


def window(node, x, kernel):
    axes = len(kernel)
    strides, dilations = (list(node.get(name, [1] * axes)) for name in ("strides", "dilations"))
    pads = list(node.get("pads", [0] * 2 * axes))
    if node.get("auto_pad", "NOTSET").startswith("SAME"):
        needed = [
            max(0, (-(-n // s) - 1) * s + d * (k - 1) + 1 - n)
            for n, s, d, k in zip(x.shape[2:], strides, dilations, kernel, strict=True)
        ]
        small, large = [n // 2 for n in needed], [n - n // 2 for n in needed]
        pads = large + small if node.get("auto_pad") == "SAME_LOWER" else small + large
    return strides, dilations, pads


def padded(x, pads, value=0.0):
    axes = len(pads) // 2
    flat = [pad for axis in reversed(range(axes)) for pad in (pads[axis], pads[axis + axes])]
    return F.pad(x, flat, value=value)


def conv(node, x, weight, bias=None):
    strides, dilations, pads = window(node, x, weight.shape[2:])
    function = {1: F.conv1d, 2: F.conv2d}[weight.ndim - 2]
    return function(padded(x, pads), weight, bias, strides, 0, dilations, node.get("group", 1))


def conv_transpose(node, x, weight, bias=None):
    axes = weight.ndim - 2
    strides, dilations, pads = window(node, x, weight.shape[2:])
    function = {1: F.conv_transpose1d, 2: F.conv_transpose2d}[axes]
    more = list(node.get("output_padding", [0] * axes))
    assert pads[:axes] == pads[axes:]
    return function(x, weight, bias, strides, pads[:axes], more, node.get("group", 1), dilations)


def max_pool(node, x):
    kernel = node.get("kernel_shape")
    strides, dilations, pads = window(node, x, kernel)
    function = {1: F.max_pool1d, 2: F.max_pool2d}[len(kernel)]
    return function(padded(x, pads, -torch.inf), kernel, strides, 0, dilations, bool(node.get("ceil_mode", 0)))


def average_pool(node, x):
    kernel = node.get("kernel_shape")
    strides, _, pads = window(node, x, kernel)
    ones = padded(torch.ones_like(x), pads, float(node.get("count_include_pad", 0)))
    function = {1: F.avg_pool1d, 2: F.avg_pool2d}[len(kernel)]
    ceil = bool(node.get("ceil_mode", 0))
    return function(padded(x, pads), kernel, strides, 0, ceil) / function(ones, kernel, strides, 0, ceil)


def group_norm(node, x, scale, bias):
    groups = node.get("num_groups")
    if node.opset < 21:
        scale, bias = (v.repeat_interleave(x.shape[1] // groups) for v in (scale, bias))
    return F.group_norm(x, groups, scale, bias, node.get("epsilon", 1e-5))


def layer_norm(node, x, scale, bias=None):
    shape = x.shape[node.get("axis", -1) % x.ndim :]
    found = F.layer_norm(x, shape, None, None, node.get("epsilon", 1e-5)) * scale
    return found if bias is None else found + bias


def reshape(node, x, shape):
    sizes = shape.tolist()
    if not node.get("allowzero", 0):
        sizes = [x.shape[i] if size == 0 else size for i, size in enumerate(sizes)]
    return x.reshape(sizes)


def squeeze(node, x, *more):
    axes = node.listed((x, *more), 1, "axes")
    return x.squeeze() if axes is None else x.squeeze([axis % x.ndim for axis in axes])


def unsqueeze(node, x, *more):
    axes = node.listed((x, *more), 1, "axes")
    for axis in sorted(axis % (x.ndim + len(axes)) for axis in axes):
        x = x.unsqueeze(axis)
    return x


def split(node, x, *more):
    axis = node.get("axis", 0)
    sizes = node.listed((x, *more), 1, "split")
    if sizes is None:
        pieces = len(node.node.output)
        size = -(-x.shape[axis] // pieces)
        return x.split(size, axis)
    return x.split(sizes, axis)


def cut(node, x, starts, ends, axes=None, steps=None):
    starts, ends = starts.tolist(), ends.tolist()
    axes = range(len(starts)) if axes is None else axes.tolist()
    steps = [1] * len(starts) if steps is None else steps.tolist()
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        places = list(range(x.shape[axis]))[slice(start, end, step) if step > 0 or end > -(2**30) else slice(start, None, step)]
        x = x.index_select(axis, torch.tensor(places, dtype=torch.int64))
    return x


def pad(node, x, pads, value=None, axes=None):
    pads, mode = pads.tolist(), node.get("mode", "constant")
    axes = list(range(x.ndim)) if axes is None else axes.tolist()
    for index, axis in enumerate(axes):
        before, after, size = pads[index], pads[index + len(axes)], x.shape[axis]
        places = np.arange(-before, size + after)
        inside = (places >= 0) & (places < size)
        mirrored = np.abs((places + size - 1) % max(1, 2 * (size - 1)) - (size - 1)) if mode == "reflect" else places
        source = {"edge": np.clip(places, 0, size - 1), "wrap": places % size}.get(mode, mirrored)
        if mode == "constant":
            fill = 0.0 if value is None else float(value)
            picked = x.index_select(axis, torch.tensor(np.where(inside, places, 0)))
            shape = [-1 if i == axis % x.ndim else 1 for i in range(x.ndim)]
            x = torch.where(torch.tensor(inside).reshape(shape), picked, torch.tensor(fill, dtype=x.dtype))
        else:
            x = x.index_select(axis, torch.tensor(source))
    return x


def gather(node, x, indices):
    axis = node.get("axis", 0) % x.ndim
    flat = x.index_select(axis, (indices % x.shape[axis]).reshape(-1))
    return flat.reshape(x.shape[:axis] + indices.shape + x.shape[axis + 1 :])


def gather_elements(node, x, indices):
    axis = node.get("axis", 0)
    return torch.gather(x, axis, indices % x.shape[axis])


def gather_nd(node, x, indices):
    return x[tuple(indices.unbind(-1))]


def scatter_elements(node, x, indices, updates):
    axis = node.get("axis", 0)
    indices = indices % x.shape[axis]
    if node.get("reduction", "none") == "add":
        return x.scatter_add(axis, indices, updates)
    return x.scatter(axis, indices, updates)


def scatter_nd(node, x, indices, updates):
    return x.index_put(tuple(indices.unbind(-1)), updates, node.get("reduction", "none") == "add")


def depth_to_space(node, x):
    size, (n, c, h, w) = node.get("blocksize"), x.shape
    if node.get("mode", "DCR") == "CRD":
        return F.pixel_shuffle(x, size)
    return x.reshape(n, size, size, c // size**2, h, w).permute(0, 3, 4, 1, 5, 2).reshape(n, c // size**2, h * size, w * size)


def space_to_depth(node, x):
    size, (n, c, h, w) = node.get("blocksize"), x.shape
    return x.reshape(n, c, h // size, size, w // size, size).permute(0, 3, 5, 1, 2, 4).reshape(n, c * size**2, h // size, w // size)


def resize(node, x, roi=None, scales=None, sizes=None):
    mode = {"nearest": "nearest", "linear": "bilinear"}[node.get("mode", "nearest")]
    size = [int(s) for s in sizes[2:]] if sizes is not None else [int(s * f) for s, f in zip(x.shape[2:], scales[2:].tolist(), strict=True)]
    how = node.get("coordinate_transformation_mode", "half_pixel")
    if mode == "nearest":
        assert how == "asymmetric" and node.get("nearest_mode") == "floor"
        return F.interpolate(x, size, mode="nearest")
    return F.interpolate(x, size, mode=mode, align_corners=how == "align_corners")


def cumsum(node, x, axis):
    axis = int(axis)
    x = x.flip(axis) if node.get("reverse", 0) else x
    total = x.cumsum(axis)
    total = total - x if node.get("exclusive", 0) else total
    return total.flip(axis) if node.get("reverse", 0) else total


def gemm(node, a, b, c=None):
    a, b = a.T if node.get("transA", 0) else a, b.T if node.get("transB", 0) else b
    found = node.get("alpha", 1.0) * a @ b
    return found if c is None else found + node.get("beta", 1.0) * c


def clip(node, x, low=None, high=None):
    """With limits as numbers: where they are tensors, PyTorch halves the gradient at a limit."""
    low, high = (None if limit is None else limit.item() for limit in (low, high))
    return x if low is None and high is None else torch.clamp(x, low, high)


def extremum(function):
    def apply(node, first, *rest):
        for value in rest:
            first = function(first, value)
        return first

    return apply


def constant_node(node):
    (value,) = node.attributes.values()
    return constant(numpy_helper.to_array(value) if isinstance(value, onnx.TensorProto) else np.array(value), node.double)


def constant_of_shape(node, shape):
    value = node.get("value")
    value = np.zeros(1, np.float32) if value is None else numpy_helper.to_array(value)
    return constant(np.full(shape.tolist(), value[0]), node.double)


def cast(node, x):
    kind = TYPES[node.get("to")]
    return x.to(torch.float64 if kind == torch.float32 and node.double else kind)


def batch_norm(node, x, scale, bias, mean, var):
    return F.batch_norm(x, mean, var, scale, bias, False, 0.0, node.get("epsilon", 1e-5))


def hard_sigmoid(node, x):
    return torch.clamp(node.get("alpha", 0.2) * x + node.get("beta", 0.5), 0, 1)


def simple(function):
    return lambda node, *inputs: function(*inputs)


OPERATORS = {
    **{name: simple(getattr(torch, name.lower())) for name in "Sub Mul Neg Pow Sqrt Reciprocal Exp Log Abs Sign".split()},
    **{name: simple(getattr(torch, name.lower())) for name in "Floor Ceil Round Erf Sigmoid Tanh Sin Cos Tan".split()},
    **{name: simple(getattr(torch, name.lower())) for name in "Asin Acos Atan Sinh Cosh MatMul Greater Less".split()},
    "Add": simple(torch.add),
    "Div": simple(lambda a, b: a / b if a.is_floating_point() else torch.div(a, b, rounding_mode="trunc")),
    "Sum": lambda node, *x: sum(x),
    "Mean": lambda node, *x: sum(x) / len(x),
    "Equal": simple(torch.eq),
    "GreaterOrEqual": simple(torch.ge),
    "LessOrEqual": simple(torch.le),
    "And": simple(torch.logical_and),
    "Or": simple(torch.logical_or),
    "Xor": simple(torch.logical_xor),
    "Not": simple(torch.logical_not),
    "Where": simple(torch.where),
    "Min": extremum(torch.minimum),
    "Max": extremum(torch.maximum),
    "Clip": clip,
    "Relu": simple(torch.relu),
    "LeakyRelu": lambda node, x: F.leaky_relu(x, node.get("alpha", 0.01)),
    "PRelu": lambda node, x, slope: torch.where(x > 0, x, slope * x),
    "ThresholdedRelu": lambda node, x: F.threshold(x, node.get("alpha", 1.0), 0.0),
    "Elu": lambda node, x: F.elu(x, node.get("alpha", 1.0)),
    "Celu": lambda node, x: F.celu(x, node.get("alpha", 1.0)),
    "Selu": simple(torch.selu),
    "Gelu": lambda node, x: F.gelu(x, approximate=node.get("approximate", "none")),
    "HardSigmoid": hard_sigmoid,
    "HardSwish": simple(F.hardswish),
    "Mish": simple(F.mish),
    "Softsign": simple(F.softsign),
    "Softplus": simple(lambda x: F.softplus(x, threshold=1000)),
    "Softmax": softmax(torch.softmax),
    "LogSoftmax": softmax(torch.log_softmax),
    "Gemm": gemm,
    "Einsum": lambda node, *x: torch.einsum(node.get("equation"), *x),
    "Conv": conv,
    "ConvTranspose": conv_transpose,
    "BatchNormalization": batch_norm,
    "InstanceNormalization": lambda node, x, s, b: F.instance_norm(x, None, None, s, b, True, 0.0, node.get("epsilon", 1e-5)),
    "LayerNormalization": layer_norm,
    "GroupNormalization": group_norm,
    "AveragePool": average_pool,
    "GlobalAveragePool": simple(lambda x: x.mean(tuple(range(2, x.ndim)), keepdim=True)),
    "GlobalMaxPool": simple(lambda x: F.adaptive_max_pool2d(x, 1)),
    "MaxPool": max_pool,
    "ReduceSum": reduction(lambda x, a, k: x.sum(a, keepdim=k)),
    "ReduceMean": reduction(lambda x, a, k: x.mean(a, keepdim=k)),
    "ReduceMax": reduction(lambda x, a, k: x.amax(a, keepdim=k)),
    "ReduceMin": reduction(lambda x, a, k: x.amin(a, keepdim=k)),
    "ReduceProd": reduction(product),
    "ReduceL1": reduction(lambda x, a, k: torch.linalg.vector_norm(x, 1, a, k)),
    "ReduceL2": reduction(lambda x, a, k: torch.linalg.vector_norm(x, 2, a, k)),
    "ReduceSumSquare": reduction(lambda x, a, k: (x * x).sum(a, keepdim=k)),
    "ReduceLogSum": reduction(lambda x, a, k: x.sum(a, keepdim=k).log()),
    "ReduceLogSumExp": reduction(lambda x, a, k: torch.logsumexp(x, a, k)),
    "CumSum": cumsum,
    "Reshape": reshape,
    "Flatten": lambda node, x: x.reshape(int(np.prod(x.shape[: node.get("axis", 1)])), -1),
    "Squeeze": squeeze,
    "Unsqueeze": unsqueeze,
    "Transpose": lambda node, x: x.permute(node.get("perm", list(reversed(range(x.ndim))))),
    "Expand": simple(lambda x, shape: x.expand(torch.broadcast_shapes(x.shape, tuple(shape.tolist())))),
    "Tile": simple(lambda x, repeats: x.tile(repeats.tolist())),
    "Concat": lambda node, *x: torch.cat(x, node.get("axis")),
    "Split": split,
    "Slice": cut,
    "Gather": gather,
    "GatherElements": gather_elements,
    "GatherND": gather_nd,
    "ScatterElements": scatter_elements,
    "ScatterND": scatter_nd,
    "Pad": pad,
    "DepthToSpace": depth_to_space,
    "SpaceToDepth": space_to_depth,
    "Resize": resize,
    "Identity": simple(lambda x: x),
    "Cast": cast,
    "CastLike": simple(lambda x, like: x.to(like.dtype)),
    "Dropout": lambda node, x, *more: x,
    "Shape": simple(lambda x: torch.tensor(x.shape)),
    "Constant": constant_node,
    "ConstantOfShape": constant_of_shape,
    "Range": simple(lambda start, limit, step: torch.arange(int(start), int(limit), int(step))),
    "ArgMax": lambda node, x: x.argmax(node.get("axis", 0), bool(node.get("keepdims", 1))),
}
