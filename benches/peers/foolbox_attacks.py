"""Foolbox's side of `cargo bench --bench attack`: attacks on request, on the images that the bench chose.

One line of JSON in, one out, until the input ends. A request names the attack and all its parameters:

    {"attack": "carlini_wagner" or "boundary", "first": 0, "count": 25, "out": "answers.f32", "steps": 100, ...}

The answer has the seconds that the attack took, those of the processor, those inside the model, the images
that the model was asked for, and whether each answer fools the same model; the pixels go to the file `out`.

Carlini-Wagner runs on the exporter's PyTorch model with the weights of the checkpoint, checked against the
parity vectors in it; Boundary on Foolbox's NumPy model over ONNX Runtime of the file itself. Both see
`log_prob_class`: log p(x|y) without what the classes share, so that no margin is rounded at its size.

Needs the exporter, foolbox 3.3.4 and onnxruntime: pip install onnx/exporter foolbox==3.3.4 onnxruntime
"""

import argparse
import json
import sys
import time
from pathlib import Path

import foolbox
import numpy as np
import onnx
import onnxruntime
import torch
from onnx import numpy_helper
from undetected_exporter.contract import Parity, input_shape, read_metadata
from undetected_exporter.models import build
from undetected_exporter.train import PRESETS

OUTPUT = "log_prob_class"


def network(file: onnx.ModelProto) -> torch.nn.Module:
    """The exporter's frozen model with the weights of a file it exported, but for the constant of log p(x)."""
    preset = json.loads(read_metadata(file)["training"])["preset"]
    model = build(PRESETS[preset].config).freeze()
    values = {tensor.name: torch.from_numpy(numpy_helper.to_array(tensor).copy()) for tensor in file.graph.initializer}
    named = dict(model.named_parameters())
    for name in named.keys() & values.keys():
        named[name].data = values[name]
    steps = {f"{name}.frozen_offset": mix for name, mix in model.named_modules() if hasattr(mix, "frozen_matrix")}
    for node in file.graph.node:
        if node.op_type == "Conv" and node.input[2] in steps:
            mix = steps[node.input[2]]
            mix.frozen_matrix, mix.frozen_offset = values[node.input[1]][:, :, 0, 0], values[node.input[2]]
    # The class part is z^2 A + z B + c: A, B and c, centred over the classes as the prior would centre them.
    square, linear = (values[node.input[1]] for node in file.graph.node if node.op_type == "MatMul")
    (constant,) = (value for value in values.values() if value.shape == square.shape[1:])
    prior = model.prior
    prior.frozen_square, prior.frozen_linear, prior.frozen_constant = square.T, linear.T, constant
    return model.requires_grad_(False)


def check(file: onnx.ModelProto, model: torch.nn.Module) -> None:
    """Holds what the model says of the classes against the file's parity vectors, to 1e-3 nats."""
    parity = Parity.decode(read_metadata(file)["parity"], *(input_shape(file, name) for name in ("x", "noise")))
    with torch.no_grad():
        found = model(torch.from_numpy(parity.x.copy()), torch.from_numpy(parity.noise.copy()))[2].double().numpy()
    expected = parity.log_prob - parity.log_prob.mean(1, keepdims=True)
    worst = np.abs(found - found.mean(1, keepdims=True) - expected).max()
    if not worst < 1e-3:
        sys.exit(
            f"PyTorch differs from the checkpoint's parity vectors by {worst} nats: another graph than is read here"
        )


class Asked:
    """A model of images alone: the padding noise is each image's own. Counts what it is asked."""

    def __init__(self, evaluate, noise):
        self.evaluate, self.noise, self.images, self.seconds = evaluate, noise, 0, 0.0

    def __call__(self, x):
        start = time.perf_counter()
        found = self.evaluate(x, self.noise)
        self.seconds += time.perf_counter() - start
        self.images += len(x)
        return found


class Module(torch.nn.Module):
    """A function as a module, which is what Foolbox takes."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


class Peer:
    """The two models and the images."""

    def __init__(self, checkpoint: Path, folder: Path, threads: int):
        torch.set_num_threads(threads)
        file = onnx.load(checkpoint)
        self.network = network(file)
        check(file, self.network)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self.session = onnxruntime.InferenceSession(str(checkpoint), options, providers=["CPUExecutionProvider"])
        shape = (-1, *self.session.get_inputs()[0].shape[1:])
        self.x, self.noise = (np.fromfile(folder / name, "<f4").reshape(shape) for name in ("x.f32", "noise.f32"))
        self.labels = np.fromfile(folder / "labels.u8", np.uint8).astype(np.int64)

    def answer(self, request: dict) -> dict:
        """Runs one attack, see the head of this file."""
        attack, first, out = request.pop("attack"), request.pop("first"), request.pop("out")
        part = slice(first, first + request.pop("count"))
        torch.manual_seed(first)
        np.random.seed(first)  # noqa: NPY002 (Foolbox draws from it)
        x, noise, labels = self.x[part], self.noise[part], self.labels[part]
        if attack == "carlini_wagner":
            asked = Asked(lambda x, noise: self.network(x, noise)[2], torch.from_numpy(noise))
            model = foolbox.PyTorchModel(Module(asked).eval(), bounds=(0, 1), device="cpu")
            method = foolbox.attacks.L2CarliniWagnerAttack(**request)
            x, labels, more = torch.from_numpy(x), torch.from_numpy(labels), {}
        else:
            asked = Asked(lambda x, noise: self.session.run([OUTPUT], {"x": x.astype("f4"), "noise": noise})[0], noise)
            model = foolbox.NumPyModel(asked, bounds=(0, 1), data_format="channels_first")
            starts = request.pop("starts", None)
            more = {"starting_points": np.fromfile(starts, "<f4").reshape(x.shape)} if starts else {}
            method = foolbox.attacks.BoundaryAttack(**request)
        start, cpu = time.perf_counter(), time.process_time()
        answers = method.run(model, x, foolbox.criteria.Misclassification(labels), **more)
        seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - cpu
        inside, images = asked.seconds, asked.images
        with torch.no_grad():
            predicted = np.asarray(model(answers)).argmax(-1)
        answers = np.asarray(answers, "<f4")
        answers.tofile(out)
        # Carlini-Wagner's answer where it found none is black.
        found = (predicted != np.asarray(labels)) & answers.reshape(len(answers), -1).any(1)
        return {
            "seconds": seconds,
            "cpu_seconds": cpu_seconds,
            "model_seconds": inside,
            "images": images,
            "fooled": found.tolist(),
        }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path, help="the ONNX file, a GLOW of a preset of the exporter")
    parser.add_argument("folder", type=Path, help="holds x.f32 and noise.f32 (float32, [N, C, H, W]) and labels.u8")
    parser.add_argument("--threads", type=int, default=1, help="of PyTorch and of ONNX Runtime [1]")
    arguments = parser.parse_args()
    peer = Peer(arguments.checkpoint, arguments.folder, arguments.threads)
    versions = f"Foolbox {foolbox.__version__}, PyTorch {torch.__version__}, ONNX Runtime {onnxruntime.__version__}"
    print(json.dumps(versions), flush=True)
    for line in sys.stdin:
        print(json.dumps(peer.answer(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
