"""The checkpoint contract: the metadata that `undetected` reads from an ONNX file.

`write_metadata` serves any model of any framework, as long as its graph takes `x` (and perhaps
`noise`) and gives `log_prob` (and perhaps the pair `log_prob_shared`, `log_prob_class`).
"""

import base64
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx

from .errors import ExporterError

VERSION = 1
PREFIX = "undetected."
DEQUANTISATIONS = ("uniform", "centre", "none")
RANDOM_OPERATORS = frozenset(
    {"RandomUniform", "RandomNormal", "RandomUniformLike", "RandomNormalLike", "Bernoulli", "Multinomial"}
)
RELATIVE_TOLERANCE = 1e-4


@dataclass(frozen=True)
class Parity:
    """Images as the graph receives them, with what the training framework says of them.

    x float32 [n, C, H, W] in the pixel range, noise float32 [n, ...] or None, log_prob float64
    [n, K] in nats. A reader checks |found - expected| <= relative_tolerance * max(1, |expected|).
    """

    x: np.ndarray
    noise: np.ndarray | None
    log_prob: np.ndarray
    relative_tolerance: float = RELATIVE_TOLERANCE

    def encode(self) -> str:
        """The contract's JSON object; arrays are base64 of little-endian numbers in C order."""
        fields = {"count": len(self.x), "x": _pack(self.x, "<f4")}
        if self.noise is not None:
            fields["noise"] = _pack(self.noise, "<f4")
        return json.dumps(
            {**fields, "log_prob": _pack(self.log_prob, "<f8"), "relative_tolerance": self.relative_tolerance}
        )

    @classmethod
    def decode(cls, text: str, x_shape: Sequence[int], noise_shape: Sequence[int] | None) -> "Parity":
        """The inverse of `encode`; the shapes are those of one sample."""
        fields = json.loads(text)
        count = fields["count"]
        noise = None if noise_shape is None else _unpack(fields["noise"], "<f4", (count, *noise_shape))
        log_prob = _unpack(fields["log_prob"], "<f8", (count, -1))
        return cls(_unpack(fields["x"], "<f4", (count, *x_shape)), noise, log_prob, fields["relative_tolerance"])

    def worst(self, found: np.ndarray, floor: float = 1.0) -> float:
        """The largest |found - expected| / max(floor, |expected|); NaN counts as infinite."""
        error = np.abs(found.astype(np.float64) - self.log_prob) / np.maximum(floor, np.abs(self.log_prob))
        return float(np.where(np.isnan(error), np.inf, error).max())


def _pack(values: np.ndarray, kind: str) -> str:
    return base64.b64encode(np.ascontiguousarray(values, kind).tobytes()).decode("ascii")


def _unpack(text: str, kind: str, shape: Sequence[int]) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text, validate=True), kind).reshape(shape)


def write_metadata(
    model: onnx.ModelProto,
    *,
    name: str,
    classes: Sequence[str],
    pixel_range: tuple[float, float] = (0.0, 1.0),
    n_dims: int | None = None,
    prior: str | Sequence[float] = "uniform",
    dataset: str = "unknown",
    pad: int = 0,
    dequantisation: str = "uniform",
    objective: str = "unknown",
    training: Mapping | None = None,
    parity: Parity | None = None,
) -> None:
    """Write the contract's metadata into `model`, replacing what it had under the same keys.

    `n_dims` is the D of bits/dim, C H W of input `x` if not given (needed where `x` leaves it
    open); `prior` is p(y), `uniform` or one probability per class. Errors: a value the contract rules out, by name.
    """
    _check(classes, pixel_range, prior, pad, dequantisation)
    if n_dims is None:
        n_dims = math.prod(input_shape(model, "x") or (0,))
    if not n_dims > 0:
        raise ExporterError(f"n_dims {n_dims}: give it, as the graph has no input `x` of a fixed size per sample")
    values = {
        "contract": str(VERSION),
        "name": name,
        "pixel_range": ",".join(f"{edge:g}" for edge in pixel_range),
        "n_dims": str(n_dims),
        "classes": json.dumps(list(classes)),
        "prior": prior if isinstance(prior, str) else json.dumps([float(p) for p in prior]),
        "dataset": dataset,
        "pad": str(pad),
        "dequantisation": dequantisation,
        "objective": objective,
    }
    if training is not None:
        values["training"] = json.dumps(dict(training))
    if parity is not None:
        values["parity"] = parity.encode()
    kept = {entry.key: entry.value for entry in model.metadata_props if not entry.key.startswith(PREFIX)}
    onnx.helper.set_model_props(model, {**kept, **{PREFIX + key: value for key, value in values.items()}})


def _check(
    classes: Sequence[str],
    pixel_range: tuple[float, float],
    prior: str | Sequence[float],
    pad: int,
    dequantisation: str,
) -> None:
    low, high = pixel_range
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise ExporterError(f"pixel_range {low},{high}: the first must be smaller than the second, both finite")
    if len(classes) < 2 or len(set(classes)) != len(classes):
        raise ExporterError(f"classes {list(classes)}: two or more different names are needed")
    if isinstance(prior, str):
        if prior != "uniform":
            raise ExporterError(f"prior {prior!r}: either 'uniform' or {len(classes)} probabilities")
    elif len(prior) != len(classes) or not all(p >= 0.0 for p in prior) or not abs(sum(prior) - 1.0) <= 1e-6:
        raise ExporterError(f"prior {list(prior)}: {len(classes)} probabilities that sum to 1 are needed")
    if not pad >= 0:
        raise ExporterError(f"pad {pad}: must not be negative")
    if dequantisation not in DEQUANTISATIONS:
        raise ExporterError(f"dequantisation {dequantisation!r}: one of {', '.join(DEQUANTISATIONS)}")


def read_metadata(model: onnx.ModelProto) -> dict[str, str]:
    """The contract's metadata by key, without the prefix."""
    return {
        entry.key.removeprefix(PREFIX): entry.value for entry in model.metadata_props if entry.key.startswith(PREFIX)
    }


def input_shape(model: onnx.ModelProto, name: str) -> tuple[int, ...] | None:
    """The shape of one sample of an input, or None if the graph has no such input."""
    for value in model.graph.input:
        if value.name == name:
            return tuple(axis.dim_value for axis in value.type.tensor_type.shape.dim[1:])
    return None


def random_nodes(model: onnx.ModelProto) -> list[str]:
    """Names (or operator types) of nodes that draw random numbers, subgraphs and functions included."""
    found = []
    pending = [*model.graph.node, *(node for function in model.functions for node in function.node)]
    while pending:
        node = pending.pop()
        if node.op_type in RANDOM_OPERATORS:
            found.append(node.name or node.op_type)
        for attribute in node.attribute:
            pending.extend(attribute.g.node)
            pending.extend(inner for graph in attribute.graphs for inner in graph.node)
    return sorted(found)
