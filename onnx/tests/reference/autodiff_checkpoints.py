"""Values and input gradients of checkpoints by PyTorch autograd (float64), for tests/autodiff_checkpoints.rs.

    python autodiff_checkpoints.py autodiff_checkpoints.npz ../../checkpoints/*.onnx

Images are one of the parity vectors and, to have one off the data, uniform noise. For every class y the gradient
of log p(x|y) by x, and behind them that of log p(x) = log sum_y p(y) p(x|y), p(y) uniform. A model that rounds has
no gradient but the straight-through estimate: autograd's with x + (floor(x) - x).detach() for floor(x).

Of the parity vectors the one at which autograd in float32 comes closest to float64 (1e-6 to 6e-5). Where a Relu's
argument is 0 but for rounding there are two gradients, up to 4e-4 apart in PyTorch itself, and which of them comes
out says nothing about a rule.
"""

import base64
import json
import sys
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx_in_torch import evaluate


def parity(model):
    """The inputs of the parity vectors by name."""
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    stored = json.loads(metadata["undetected.parity"])
    shape = {port.name: [dim.dim_value for dim in port.type.tensor_type.shape.dim][1:] for port in model.graph.input}
    return {
        name: np.frombuffer(base64.b64decode(stored[name]), "<f4").reshape(-1, *sizes) for name, sizes in shape.items()
    }


def furthest_from_kinks(model, feeds):
    """The image whose gradients are most the same in float32 and float64."""
    exact, rounded = (gradients(model, feeds, double)[1] for double in (True, False))
    error = np.linalg.norm(rounded - exact, axis=2) / np.linalg.norm(exact, axis=2)
    index = error.max(1).argmin()
    return {name: value[index : index + 1] for name, value in feeds.items()}


def inputs(model):
    """One parity image and one image of uniform noise, by name."""
    rng = np.random.default_rng(6)
    stored = furthest_from_kinks(model, parity(model))
    return {name: np.concatenate([one, rng.random(one.shape, np.float32)]) for name, one in stored.items()}


def straight_through(function):
    return lambda node, x: x + (function(x) - x).detach()


ROUNDING = {name: straight_through(getattr(torch, name.lower())) for name in ("Floor", "Ceil", "Round")}


def gradients(model, feeds, double=True):
    """(log_prob [N, K], gradients [N, K + 1, D])."""
    precision = torch.float64 if double else torch.float32
    tensors = {name: torch.tensor(value, dtype=precision) for name, value in feeds.items()}
    x = tensors["x"].requires_grad_()
    log_prob = evaluate(model, tensors, double, ROUNDING)["log_prob"]
    classes = log_prob.shape[1]
    marginal = torch.logsumexp(log_prob - np.log(classes), 1)
    targets = [*log_prob.unbind(1), marginal]
    slopes = [torch.autograd.grad(target.sum(), x, retain_graph=True)[0].flatten(1) for target in targets]
    return log_prob.detach().numpy(), torch.stack(slopes, 1).numpy()


def main():
    out, *paths = sys.argv[1:]
    arrays = {}
    for path in map(Path, paths):
        model = onnx.load(path)
        feeds = inputs(model)
        log_prob, slopes = gradients(model, feeds)
        arrays |= {f"{path.stem}/{name}": value for name, value in feeds.items()}
        arrays[f"{path.stem}/log_prob"] = log_prob
        arrays[f"{path.stem}/gradient"] = slopes.astype(np.float32)
        print(path.stem, log_prob.shape, slopes.shape, "norms", np.linalg.norm(slopes, axis=2).round(1).tolist())
    np.savez_compressed(out, **arrays)


if __name__ == "__main__":
    main()
