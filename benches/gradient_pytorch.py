"""The PyTorch side of `cargo bench --bench gradient`: eager forward and backward, one at a time on request.

    python gradient_pytorch.py serve PRESET THREADS      lines "forward N" or "both N" in, seconds out
    python gradient_pytorch.py export PRESET OUT.onnx    the same model, weights drawn at random

Needs the exporter: pip install onnx/exporter.
"""

import sys
import time

import torch
from undetected_exporter.export import to_onnx
from undetected_exporter.models import build
from undetected_exporter.train import PRESETS


def model(preset):
    torch.manual_seed(0)
    found = build(PRESETS[preset].config)
    with torch.no_grad():
        for parameter in found.parameters():
            parameter.add_(0.02 * torch.randn_like(parameter))
    return found


def seconds(network, config, command, count):
    x, noise = torch.rand(2, count, config.channels, config.side, config.side)
    start = time.perf_counter()
    if command == "forward":
        with torch.no_grad():
            network(x, noise)
    else:
        x.requires_grad_()
        log_prob = network(x, noise)[0]
        torch.autograd.grad(log_prob[:, 0].sum(), x)
    return time.perf_counter() - start


def serve(preset, threads):
    torch.set_num_threads(threads)
    network = model(preset).freeze().requires_grad_(False)
    config = network.config
    print("ready", torch.__version__, flush=True)
    for line in sys.stdin:
        command, count = line.split()
        print(seconds(network, config, command, int(count)), flush=True)


def main():
    command, preset, last = sys.argv[1:]
    if command == "serve":
        return serve(preset, int(last))
    with open(last, "wb") as file:
        file.write(to_onnx(model(preset)).SerializeToString())


if __name__ == "__main__":
    main()
