"""Values and input gradients of checkpoints by PyTorch autograd (float64), for tests/autodiff_checkpoints.rs.

    python autodiff_checkpoints.py OUT.npz CHECKPOINT.onnx...

Images are those of the parity vectors and, to have some off the data, uniform noise. For every class y the gradient
of log p(x|y) by x, and behind them that of log p(x) = log sum_y p(y) p(x|y), p(y) uniform.
"""

import base64
import json
import sys
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx_in_torch import evaluate


def inputs(model):
    """(x, noise or None): one parity image and one image of uniform noise."""
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    parity = json.loads(metadata["undetected.parity"])
    rng = np.random.default_rng(6)
    found = {}
    for port in model.graph.input:
        shape = [dim.dim_value for dim in port.type.tensor_type.shape.dim][1:]
        stored = np.frombuffer(base64.b64decode(parity[port.name]), "<f4").reshape(-1, *shape)[:1]
        found[port.name] = np.concatenate([stored, rng.random((1, *shape), np.float32)])
    return found


def gradients(model, feeds):
    """(log_prob [N, K], gradients [N, K + 1, D])."""
    tensors = {name: torch.tensor(value, dtype=torch.float64) for name, value in feeds.items()}
    x = tensors["x"].requires_grad_()
    log_prob = evaluate(model, tensors)["log_prob"]
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
