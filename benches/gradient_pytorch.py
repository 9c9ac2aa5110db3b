"""The PyTorch side of `cargo bench --bench gradient`: eager forward and backward, one at a time on request.

    python gradient_pytorch.py serve CHECKPOINT          its layers; lines "forward N" or "both N" in, seconds out
    python gradient_pytorch.py export PRESET OUT.onnx    a preset's layers as a graph

Weights are drawn at random: they do not change the work. One thread; seconds are the processor's.

Needs the exporter: pip install onnx/exporter.
"""

import json
import sys
import time

import onnx
import torch
from undetected_exporter.export import to_onnx
from undetected_exporter.glow import GlowConfig
from undetected_exporter.models import build
from undetected_exporter.train import PRESETS


def layers(checkpoint):
    """The config of an exported GLOW, as its file declares it."""
    metadata = {entry.key: entry.value for entry in onnx.load(checkpoint).metadata_props}
    training = json.loads(metadata["undetected.training"])
    blocks, widths = tuple(training["blocks"]), tuple(training["widths"])
    return GlowConfig(channels=training["channels"], blocks=blocks, widths=widths, prior=training["top_prior"])


def model(config):
    torch.manual_seed(0)
    found = build(config)
    with torch.no_grad():
        for parameter in found.parameters():
            parameter.add_(0.02 * torch.randn_like(parameter))
    return found


def seconds(network, config, command, count):
    x, noise = torch.rand(2, count, config.channels, config.side, config.side)
    start = time.process_time()
    if command == "forward":
        with torch.no_grad():
            network(x, noise)
    else:
        x.requires_grad_()
        log_prob = network(x, noise)[0]
        torch.autograd.grad(log_prob[:, 0].sum(), x)
    return time.process_time() - start


def serve(checkpoint):
    torch.set_num_threads(1)
    network = model(layers(checkpoint)).freeze().requires_grad_(False)
    config = network.config
    print("ready", torch.__version__, flush=True)
    for line in sys.stdin:
        command, count = line.split()
        print(seconds(network, config, command, int(count)), flush=True)


def main():
    command, what, *out = sys.argv[1:]
    if command == "serve":
        return serve(what)
    with open(out[0], "wb") as file:
        file.write(to_onnx(model(PRESETS[what].config)).SerializeToString())


if __name__ == "__main__":
    main()
