"""One small ONNX model per operator with the values and input gradients of PyTorch autograd.

    python autodiff_operators.py OUT.npz

For tests/autodiff_operators.rs. Every model has the input `x` [N, ...] and the output `y`, and treats its images one
by one. What autograd says in float64 is recorded; the gradient of infinite or undefined slopes is left as it is.
"""

import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnx_in_torch import evaluate, gradient
import torch

RNG = np.random.default_rng(6)
CASES = {}


def case(name, nodes, x, inits=None, opset=18, cotangent=None):
    """Records `name`: the nodes read `x` and the constants `inits` and write `y`."""
    x = np.asarray(x, np.float32)
    nodes = [nodes] if isinstance(nodes, onnx.NodeProto) else nodes
    stored = [numpy_helper.from_array(np.asarray(value), key) for key, value in (inits or {}).items()]
    port = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", *x.shape[1:]])
    draft = helper.make_model(
        helper.make_graph(nodes, name, [port], [helper.make_empty_tensor_value_info("y")], stored),
        opset_imports=[helper.make_opsetid("", opset)],
        ir_version=7 if opset < 15 else 8,
    )
    y = evaluate(draft, {"x": torch.tensor(x, dtype=torch.float64)})["y"]
    del draft.graph.output[:]
    draft.graph.output.append(helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", *y.shape[1:]]))
    cotangent = RNG.uniform(0.5, 1.5, y.shape) if cotangent is None else np.broadcast_to(cotangent, y.shape)
    cotangent = cotangent.astype(np.float32)
    value, slope = gradient(draft, {"x": x}, "y", "x", cotangent)
    assert name not in CASES and y.shape[0] == x.shape[0], name
    CASES[name] = (np.frombuffer(draft.SerializeToString(), np.uint8), x, cotangent, value, slope)


def node(operator, inputs="x", outputs="y", **attributes):
    return helper.make_node(operator, inputs.split(","), outputs.split(","), **attributes)


def normal(*shape):
    return RNG.standard_normal(shape).astype(np.float32)


def distinct(*shape):
    """No two values closer than 0.1, none near 0: no kink within a finite difference."""
    count = int(np.prod(shape))
    return ((RNG.permutation(count) - count / 2 + 0.25) * 0.2).reshape(shape).astype(np.float32)


def ints(*values):
    return np.array(values, np.int64)


def unary():
    x, positive = distinct(2, 3, 4), RNG.uniform(0.3, 2, (2, 3, 4))
    inside = RNG.uniform(-0.9, 0.9, (2, 3, 4))
    for operator in "Neg Exp Abs Sin Cos Atan Sinh Cosh Sigmoid Tanh Erf Softplus Softsign Floor Ceil Sign Identity".split():
        case(operator.lower(), node(operator), x)
    for operator in "Log Sqrt Reciprocal".split():
        case(operator.lower(), node(operator), positive)
    for operator in "Tan Asin Acos".split():
        case(operator.lower(), node(operator), inside)
    case("round", node("Round"), x)
    case("relu", node("Relu"), x)
    case("leaky_relu", node("LeakyRelu", alpha=0.2), x)
    case("thresholded_relu", node("ThresholdedRelu", alpha=0.7), x)
    case("elu", node("Elu", alpha=1.0), x)
    case("elu_alpha", node("Elu", alpha=0.5), x)
    case("celu", node("Celu", alpha=0.5), x)
    case("selu", node("Selu"), x)
    case("gelu", node("Gelu"), x, opset=20)
    case("gelu_tanh", node("Gelu", approximate="tanh"), x, opset=20)
    case("hard_sigmoid", node("HardSigmoid", alpha=0.3, beta=0.4), x)
    case("hard_swish", node("HardSwish"), distinct(2, 40), opset=14)
    case("mish", node("Mish"), x)
    case("prelu", node("PRelu", "x,s"), x, {"s": np.array([[0.1], [0.2], [-0.3]], np.float32)})
    case("cast", [node("Cast", "x", "d", to=TensorProto.DOUBLE), node("Mul", "d,d", "q"), node("Cast", "q", to=TensorProto.FLOAT)], x)
    case("cast_like", [node("Cast", "x", "d", to=TensorProto.DOUBLE), node("Mul", "d,d", "q"), node("CastLike", "q,x")], x)
    case("dropout", node("Dropout", "x"), x, opset=13)
    case("dropout_11", node("Dropout", "x", ratio=0.3), x, opset=11)


def kinks():
    zero = np.array([[-1, 0, 0, 2]], np.float32)
    for operator in "Relu Abs Sign LeakyRelu Elu Selu Celu".split():
        case(f"kink_{operator.lower()}", node(operator), zero)
    case("kink_hard_swish", node("HardSwish"), [[-3, 3, -4, 4]], opset=14)
    case("kink_clip", node("Clip", "x,a,b"), [[-1, 0, 0.5, 1, 2]], {"a": np.float32(0), "b": np.float32(1)})
    case("kink_clip_low", node("Clip", "x,a"), [[-1, 0, 0.5]], {"a": np.float32(0)})
    case("kink_clip_high", node("Clip", "x,,b"), [[-1, 0, 0.5]], {"b": np.float32(0)})
    other = {"o": np.array([0, 0, 1, 2], np.float32)}
    case("kink_max", node("Max", "x,o"), zero, other)
    case("kink_min", node("Min", "x,o"), zero, other)
    case("kink_max_self", node("Max", "x,x,x"), zero)
    tied = np.array([[1, 3, 3, 2], [5, 5, 5, 5]], np.float32)
    for operator in ("ReduceMax", "ReduceMin"):
        case(f"kink_{operator.lower()}", node(operator, "x,a", keepdims=0), tied, {"a": ints(1)})
    case("kink_max_pool", node("MaxPool", kernel_shape=[2]), tied[:, None])
    case("kink_global_max_pool", node("GlobalMaxPool"), tied.reshape(2, 1, 2, 2))
    for zeros in range(3):
        x = normal(1, 4)
        x[0, :zeros] = 0
        case(f"kink_prod_{zeros}", node("ReduceProd", "x,a"), x, {"a": ints(1)})
    case("kink_l2", node("ReduceL2", "x,a"), [[0, 0], [3, 4]], {"a": ints(1)})
    case("kink_l1", node("ReduceL1", "x,a"), [[0, -2], [3, 4]], {"a": ints(1)})
    case("kink_pow_0", node("Pow", "x,p"), zero, {"p": np.float32(0)})
    case("kink_pow_2", node("Pow", "x,p"), zero, {"p": np.float32(2)})
    case("kink_where", [node("Greater", "x,o", "c"), node("Where", "c,x,o")], zero, {"o": np.zeros(1, np.float32)})


def arithmetic():
    x, row = distinct(2, 3, 4), normal(4)
    wide = RNG.uniform(0.5, 2, (2, 1, 3, 4)).astype(np.float32)
    for operator in "Add Sub Mul Div".split():
        low = operator.lower()
        case(f"{low}_row", node(operator, "x,c"), x, {"c": np.abs(row) + 0.5})
        case(f"{low}_from", node(operator, "c,x"), np.abs(x) + 0.5, {"c": row})
        case(f"{low}_narrow", node(operator, "x,c"), np.abs(distinct(2, 1, 4)), {"c": wide[:1, 0]})
        case(f"{low}_narrow_from", node(operator, "c,x"), np.abs(distinct(2, 1, 4)) + 0.5, {"c": wide[:1, 0]})
        case(f"{low}_self", [node("Exp", "x", "n"), node(operator, "x,n")], x)
    case("add_grows", node("Add", "x,c"), distinct(1, 4), {"c": normal(1, 2, 4)})
    case("sum", [node("Exp", "x", "e"), node("Sum", "x,e,c")], x, {"c": row})
    case("mean", [node("Exp", "x", "e"), node("Mean", "x,e,c")], x, {"c": row})
    positive = RNG.uniform(0.3, 2, (2, 3))
    for p in (0.5, 1.0, 2.0, 3.0, -1.5):
        case(f"pow_{p}", node("Pow", "x,p"), positive, {"p": np.float32(p)})
    case("pow_exponent", node("Pow", "b,x"), np.abs(normal(2, 3)), {"b": np.array([0.5, 2, 0], np.float32)}, cotangent=1.0)
    case("pow_both", [node("Add", "x,o", "b"), node("Pow", "b,x")], positive, {"o": np.float32(1)})
    case("max", node("Max", "x,c"), x, {"c": normal(3, 4)})
    case("max_three", [node("Neg", "x", "n"), node("Max", "x,n,c")], x, {"c": normal(1)})
    case("min_three", [node("Neg", "x", "n"), node("Min", "x,c,n")], x, {"c": normal(1)})
    case("clip", node("Clip", "x,a,b"), x, {"a": np.float32(-1), "b": np.float32(0.5)})
    case("clip_low", node("Clip", "x,a"), x, {"a": np.float32(-1)}, opset=11)
    case("where", [node("Less", "x,z", "c"), node("Exp", "x", "e"), node("Where", "c,e,x")], x, {"z": np.float32(0)})
    masks = [node("Less", "x,z", "a"), node("Greater", "x,t", "b"), node("Or", "a,b", "o"), node("Not", "o", "c")]
    case("where_logic", [*masks, node("Where", "c,x,z")], x, {"z": np.float32(0), "t": np.float32(0.8)})


def reductions():
    x, positive = distinct(2, 3, 4, 2), RNG.uniform(0.3, 2, (2, 3, 4, 2))
    for operator in "Sum Mean Max Min Prod L1 L2 SumSquare LogSum LogSumExp".split():
        given = positive if operator in ("Prod", "LogSum") else x
        new = 13 if operator == "Sum" else 18
        low = f"reduce_{operator.lower()}"
        case(f"{low}_keep", node(f"Reduce{operator}", "x,a", keepdims=1), given, {"a": ints(1, -1)}, opset=new)
        case(f"{low}_drop", node(f"Reduce{operator}", axes=[2], keepdims=0), given, opset=11)
    case("reduce_sum_noop", node("ReduceSum", "x", noop_with_empty_axes=1), x)
    for opset in (11, 13):
        for axis in (1, -1):
            case(f"softmax_{opset}_{axis}", node("Softmax", axis=axis), x, opset=opset)
            case(f"log_softmax_{opset}_{axis}", node("LogSoftmax", axis=axis), x, opset=opset)
    for exclusive in (0, 1):
        for reverse in (0, 1):
            case(f"cumsum_{exclusive}{reverse}", node("CumSum", "x,a", exclusive=exclusive, reverse=reverse), x, {"a": np.int64(2)}, opset=11)


def products():
    case("matmul", node("MatMul", "x,w"), normal(2, 4), {"w": normal(4, 3)})
    case("matmul_left", node("MatMul", "w,x"), normal(2, 4, 3), {"w": normal(5, 4)})
    case("matmul_batch", node("MatMul", "x,w"), normal(2, 1, 3, 4), {"w": normal(5, 4, 2)})
    case("matmul_vector", node("MatMul", "x,w"), normal(2, 3, 4), {"w": normal(4)})
    case("matmul_from_vector", node("MatMul", "w,x"), normal(2, 4, 3), {"w": normal(4)})
    case("matmul_both", [node("Transpose", "x", "t", perm=[0, 2, 1]), node("MatMul", "x,t")], normal(2, 3, 4))
    case("gemm", node("Gemm", "x,w,b", alpha=0.5, beta=2.0), normal(2, 4), {"w": normal(4, 3), "b": normal(3)})
    case("gemm_b", node("Gemm", "x,w", transB=1), normal(2, 4), {"w": normal(3, 4)}, opset=11)
    for a in (0, 1):
        for b in (0, 1):
            left, right = normal(*((3, 2) if a else (2, 3))), normal(*((4, 3) if b else (3, 4)))
            flat = [node("Reshape", "x,s", "r"), node("Gemm", "r,w", "g", transA=a, transB=b), node("Reshape", "g,t")]
            case(f"gemm_left_{a}{b}", flat, left[None], {"w": right, "s": ints(*left.shape), "t": ints(1, 2, 4)})
            flat[1] = node("Gemm", "w,r,r0", "g", transA=a, transB=b)
            flat.insert(1, node("ReduceSum", "r,a", "r1"))
            flat.insert(2, node("Mul", "r1,z", "r0"))
            shapes = {"w": left, "s": ints(*right.shape), "t": ints(1, 2, 4), "a": ints(0, 1), "z": np.float32(0.5)}
            case(f"gemm_right_{a}{b}", flat, right[None], shapes)
    case("einsum", node("Einsum", "x,w", equation="nij,jk->nik"), normal(2, 3, 4), {"w": normal(4, 2)}, opset=12)
    case("einsum_implicit", node("Einsum", "x,w", equation="aij , jk"), normal(2, 3, 4), {"w": normal(4, 2)}, opset=12)
    case("einsum_alone", node("Einsum", "x,w", equation="nij,k->nk"), normal(2, 3, 4), {"w": normal(2)}, opset=12)
    case("einsum_self", node("Einsum", "x,x", equation="ni,nj->nij"), normal(2, 3), opset=12)


def convolutions():
    for name, options in {
        "conv": {},
        "conv_pads": {"pads": [1, 2, 0, 1]},
        "conv_wide_pads": {"pads": [3, 3, 3, 3]},
        "conv_stride": {"strides": [2, 3], "pads": [1, 0, 0, 1]},
        "conv_dilated": {"dilations": [2, 1], "pads": [1, 1, 1, 1]},
        "conv_dilated_stride": {"dilations": [2, 2], "strides": [2, 2], "pads": [2, 1, 1, 2]},
        "conv_same_upper": {"auto_pad": "SAME_UPPER", "strides": [2, 2]},
        "conv_same_lower": {"auto_pad": "SAME_LOWER"},
    }.items():
        inits = {"w": normal(6, 4, 3, 2), "b": normal(6)}
        case(name, node("Conv", "x,w,b", kernel_shape=[3, 2], **options), normal(2, 4, 7, 8), inits, opset=11)
    for group in (2, 4):
        inits = {"w": normal(8, 4 // group, 3, 3)}
        case(f"conv_group_{group}", node("Conv", "x,w", group=group, pads=[1] * 4), normal(2, 4, 5, 5), inits)
        options = {"group": group, "strides": [2, 2], "pads": [1] * 4}
        case(f"conv_group_{group}_stride", node("Conv", "x,w", **options), normal(2, 4, 6, 5), inits)
    case("conv_1d", node("Conv", "x,w", pads=[2, 0]), normal(2, 3, 7), {"w": normal(4, 3, 3)})
    case("conv_1d_stride", node("Conv", "x,w", strides=[3]), normal(2, 3, 10), {"w": normal(4, 3, 2)})
    computed = [node("Mul", "w,h", "k"), node("Conv", "x,k", pads=[1] * 4)]
    case("conv_computed_kernel", computed, normal(2, 3, 5, 5), {"w": normal(4, 3, 3, 3), "h": np.float32(0.5)})
    for name, options in {
        "conv_transpose": {},
        "conv_transpose_stride": {"strides": [2, 2], "pads": [1, 1, 1, 1], "output_padding": [1, 1]},
        "conv_transpose_dilated": {"dilations": [2, 2]},
        "conv_transpose_group": {"group": 2},
    }.items():
        case(name, node("ConvTranspose", "x,w", **options), normal(2, 4, 4, 5), {"w": normal(4, 3, 3, 3)})
    case("conv_transpose_1d", node("ConvTranspose", "x,w", strides=[2]), normal(2, 4, 5), {"w": normal(4, 3, 3)})


def pools():
    x = distinct(2, 3, 6, 7)
    kinds = {
        "plain": {"kernel_shape": [2, 3]},
        "stride": {"kernel_shape": [2, 2], "strides": [2, 2]},
        "overlap": {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]},
        "ceil": {"kernel_shape": [2, 2], "strides": [2, 2], "ceil_mode": 1},
        "gaps": {"kernel_shape": [2, 1], "strides": [3, 2]},
    }
    for name, options in kinds.items():
        case(f"average_pool_{name}", node("AveragePool", **options), x, opset=11)
        for opset in (12, 18):
            case(f"max_pool_{name}_{opset}", node("MaxPool", **options), x, opset=opset)
    case("max_pool_dilated", node("MaxPool", kernel_shape=[2, 2], dilations=[2, 2]), x)
    case("average_pool_include", node("AveragePool", count_include_pad=1, **kinds["overlap"]), x)
    case("average_pool_1d", node("AveragePool", kernel_shape=[3], strides=[2]), x[:, :, 0])
    case("global_average_pool", node("GlobalAveragePool"), x)
    case("global_max_pool", node("GlobalMaxPool"), x)


def normalisations():
    x = normal(2, 4, 3, 5)
    per = {"s": normal(4), "b": normal(4), "m": normal(4), "v": np.abs(normal(4)) + 0.1}
    for opset in (11, 15):
        case(f"batch_normalization_{opset}", node("BatchNormalization", "x,s,b,m,v", epsilon=1e-3), x, per, opset=opset)
    case("instance_normalization", node("InstanceNormalization", "x,s,b"), x, {"s": per["s"], "b": per["b"]})
    case("layer_normalization", node("LayerNormalization", "x,s,b"), x, {"s": normal(5), "b": normal(5)})
    case("layer_normalization_axes", node("LayerNormalization", "x,s", axis=1), x, {"s": normal(4, 3, 5)})
    case("group_normalization_18", node("GroupNormalization", "x,s,b", num_groups=2), x, {"s": normal(2), "b": normal(2)}, opset=18)
    case("group_normalization_21", node("GroupNormalization", "x,s,b", num_groups=2), x, {"s": per["s"], "b": per["b"]}, opset=21)


def layouts():
    x = distinct(2, 3, 4)
    case("reshape", node("Reshape", "x,s"), x, {"s": ints(0, -1, 2)})
    case("reshape_batch", node("Reshape", "x,s"), x, {"s": ints(-1, 2, 6)})
    dynamic = [
        *(node("Shape", "x", "h"), node("Gather", "h,i", "n"), node("Unsqueeze", "n,z", "u")),
        *(node("Concat", "u,r", "s", axis=0), node("Reshape", "x,s")),
    ]
    case("reshape_from_shape", dynamic, x, {"i": np.int64(0), "z": ints(0), "r": ints(12)})
    case("flatten", node("Flatten", axis=1), x)
    case("squeeze_11", node("Squeeze", axes=[1]), x[:, :1], opset=11)
    case("squeeze_13", node("Squeeze", "x,a"), x[:, :1], {"a": ints(-2)}, opset=13)
    case("unsqueeze_11", node("Unsqueeze", axes=[1, 3]), x, opset=11)
    case("unsqueeze_13", node("Unsqueeze", "x,a"), x, {"a": ints(-1, 1)}, opset=13)
    case("transpose", node("Transpose", perm=[0, 2, 1]), x)
    case("expand", node("Expand", "x,s"), x[:, :1], {"s": ints(1, 5, 4)})
    sizes = [node("Shape", "x", "h"), node("Mul", "h,f", "s"), node("Expand", "x,s")]
    case("expand_from_shape", sizes, x[:, :1], {"f": ints(1, 3, 1)})
    case("tile", node("Tile", "x,r"), x, {"r": ints(1, 3, 2)})
    case("concat", [node("Exp", "x", "e"), node("Concat", "x,c,e", axis=1)], x[:1], {"c": normal(1, 2, 4)})
    case("split_11", [node("Split", "x", "a,b,c", axis=1, split=[1, 1, 1]), node("Mul", "a,c")], x, opset=11)
    case("split_13", [node("Split", "x,s", "a,b", axis=-1), node("Exp", "b")], x, {"s": ints(3, 1)}, opset=13)
    case("split_18", [node("Split", "x", "a,b", axis=2, num_outputs=2), node("Mul", "a,b")], x)
    case("split_first", [node("Split", "x,s", "a,b,c", axis=2), node("Exp", "a")], x, {"s": ints(1, 2, 1)})
    case("depth_to_space", node("DepthToSpace", blocksize=2), normal(2, 8, 2, 3))
    case("depth_to_space_crd", node("DepthToSpace", blocksize=2, mode="CRD"), normal(2, 8, 2, 3))
    case("space_to_depth", node("SpaceToDepth", blocksize=2), normal(2, 3, 4, 6))


def picks():
    x, big = distinct(2, 5, 6), 2**31 - 1
    for name, (start, end, axis, step) in {
        "slice": ([1], [4], [1], [1]),
        "slice_two": ([1, -3], [big, -1], [2, 1], [1, 1]),
        "slice_step": ([1], [6], [2], [2]),
        "slice_steps": ([1, 0], [6, 5], [2, 1], [2, 3]),
        "slice_back": ([-1], [-big], [1], [-1]),
        "slice_back_step": ([4], [0], [2], [-2]),
    }.items():
        lists = {"s": ints(*start), "e": ints(*end), "a": ints(*axis), "t": ints(*step)}
        case(name, node("Slice", "x,s,e,a,t"), x, lists, opset=11)
    for name, indices in {
        "gather_scalar": np.int64(2),
        "gather_back": np.int64(-1),
        "gather_permuted": ints(3, 0, 4, 1, 2),
        "gather_some": ints(4, 1),
        "gather_twice": ints(1, 1, -4, 0),
        "gather_matrix": ints(0, 3, 3, 2).reshape(2, 2),
    }.items():
        case(name, node("Gather", "x,i", axis=1), x, {"i": indices}, opset=11)
    found = [node("ArgMax", "x", "i", axis=1, keepdims=1)]
    picked = [*found, node("GatherElements", "x,i", axis=1)]
    for opset in (13, 18):
        case(f"gather_elements_{opset}", picked, x, opset=opset)
    twice = {"i": RNG.integers(0, 5, (1, 3, 6))}
    case("gather_elements_twice", node("GatherElements", "x,i", axis=1), x[:1], twice)
    at_run_time = [node("ArgMax", "w", "i", axis=1, keepdims=0), node("Gather", "x,i", axis=2)]
    case("gather_at_run_time", at_run_time, x, {"w": normal(3, 6)})
    nd = [node("GatherND", "x,i", "g"), node("Unsqueeze", "g,z")]
    case("gather_nd", nd, x[:1], {"i": ints(0, 1, 0, 1, 0, 4).reshape(3, 2), "z": ints(0)})
    elements = {"i": RNG.permuted(np.tile(np.arange(5), (1, 6, 1)), axis=2).transpose(0, 2, 1)[:, :2], "u": normal(1, 2, 6)}
    case("scatter_elements", node("ScatterElements", "x,i,u", axis=1), x[:1], elements)
    case("scatter_elements_add", node("ScatterElements", "x,i,u", axis=1, reduction="add"), x[:1], elements)
    updates = [node("Slice", "x,s,e,a", "u"), node("ScatterElements", "x,i,u", axis=1)]
    case("scatter_elements_updates", updates, x[:1], {"i": elements["i"], "s": ints(0), "e": ints(2), "a": ints(1)})
    scattered = {"i": ints(0, 1, 0, 3).reshape(2, 2), "u": normal(2, 6)}
    case("scatter_nd", node("ScatterND", "x,i,u"), x[:1], scattered)
    case("pad_11", node("Pad", "x,p"), x, {"p": ints(0, 1, 2, 0, 0, 3)}, opset=11)
    case("pad_value", node("Pad", "x,p,v"), x, {"p": ints(0, 1, 2, 0, 0, 3), "v": np.float32(2)}, opset=13)
    case("pad_axes", node("Pad", "x,p,,a"), x, {"p": ints(1, 2), "a": ints(-1)}, opset=18)
    case("pad_cut", node("Pad", "x,p"), x, {"p": ints(0, -1, 2, 0, 0, -3)}, opset=13)
    for mode in ("reflect", "edge"):
        case(f"pad_{mode}", node("Pad", "x,p", mode=mode), x, {"p": ints(0, 2, 1, 0, 1, 3)}, opset=11)
    image = distinct(2, 2, 3, 4)
    floor = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    scales = {"s": np.array([1, 1, 2, 3], np.float32), "r": np.zeros(0, np.float32)}
    case("resize_nearest", node("Resize", "x,r,s", **floor), image, scales, opset=11)
    case("resize_nearest_13", node("Resize", "x,,s", **floor), image, {"s": scales["s"]}, opset=13)
    smaller = {"s": np.array([1, 1, 1, 0.5], np.float32)}
    case("resize_nearest_smaller", node("Resize", "x,,s", **floor), image, smaller, opset=13)
    for how in ("half_pixel", "align_corners"):
        options = {"mode": "linear", "coordinate_transformation_mode": how}
        case(f"resize_{how}", node("Resize", "x,,s", **options), image, {"s": scales["s"]}, opset=13)


def main():
    torch.manual_seed(0)
    for group in (unary, kinks, arithmetic, reductions, products, convolutions, pools, normalisations, layouts, picks):
        group()
    parts = ("model", "x", "cotangent", "y", "gradient")
    arrays = {f"{name}/{part}": array for name, case in CASES.items() for part, array in zip(parts, case, strict=True)}
    np.savez_compressed(sys.argv[1], **arrays)
    print(len(CASES), "cases")


if __name__ == "__main__":
    main()
