"""From a trained run to one ONNX file under the checkpoint contract, checked by ONNX Runtime."""

import copy
import logging
import os
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from torch import Tensor

from . import data, pictures
from .contract import RELATIVE_TOLERANCE, Parity, random_nodes, write_metadata
from .errors import ExporterError
from .models import Model, build, config_of
from .noise import dequantise, generator
from .objective import formula
from .train import DEFAULTS, PRESETS, Settings, read_checkpoint

OPSET = 18
OUTPUTS = ("log_prob", "log_prob_shared", "log_prob_class")
PARITY_IMAGES = 4
CHECK_IMAGES = 128
CHECK_BATCHES = (1, 3, 64)


@dataclass(frozen=True)
class Trained:
    """A run as it was saved: its settings, epochs, the model with its trained weights, what it was trained on."""

    settings: dict
    history: list[dict]
    model: Model
    fingerprint: dict[str, str]
    images: int | None


def load_run(folder: Path) -> Trained:
    """The run saved in `folder`, which must have finished an epoch."""
    state = read_checkpoint(folder)
    if not state["history"]:
        raise ExporterError(f"{folder}: no epoch is finished yet; train on")
    model = build(config_of(state["config"]))
    model.load_state_dict(state["model"])
    settings = {**DEFAULTS, **state["settings"]}
    return Trained(settings, state["history"], model, state.get("data", {}), state.get("images"))


def to_onnx(model: Model) -> onnx.ModelProto:
    """Freeze `model` and write it as a graph of plain operators, batch axis N dynamic."""
    model = copy.deepcopy(model).freeze()
    shape = (2, model.config.channels, model.config.side, model.config.side)
    batch, inputs = torch.export.Dim("N"), ("x", "noise") if model.takes_noise else ("x",)
    with _quiet():
        program = torch.onnx.export(
            model,
            tuple(torch.zeros(shape) for _ in inputs),
            input_names=list(inputs),
            output_names=list(OUTPUTS),
            dynamic_shapes=tuple({0: batch} for _ in inputs),
            dynamo=True,
            opset_version=OPSET,
            verbose=False,
        )
    exported = program.model_proto
    _strip(exported, type(model).__name__.lower())
    return exported


class _quiet:
    """Hide the framework's remarks about its own export; errors still come through."""

    def __enter__(self):
        self.level, self.caught = logging.root.manager.disable, warnings.catch_warnings()
        logging.disable(logging.WARNING)
        self.caught.__enter__()
        warnings.simplefilter("ignore")

    def __exit__(self, *error):
        logging.disable(self.level)
        self.caught.__exit__(*error)


def _strip(model: onnx.ModelProto, name: str) -> None:
    """Remove what only the exporting machine knows: stack traces, paths, intermediate shapes' notes."""
    model.ClearField("metadata_props")
    model.graph.ClearField("metadata_props")
    model.graph.ClearField("value_info")
    model.graph.name = name
    for part in (*model.graph.node, *model.graph.input, *model.graph.output, *model.graph.initializer):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")


def reference(model: Model, x: Tensor, noise: Tensor | None = None) -> np.ndarray:
    """log_prob [N, K] of the frozen model, evaluated by PyTorch in float64."""
    exact = copy.deepcopy(model).freeze().double()
    with torch.no_grad():
        return exact(*(value.double() for value in (x, noise) if value is not None))[0].numpy()


def session(model: onnx.ModelProto, threads: int = 0) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def run(engine: onnxruntime.InferenceSession, x: np.ndarray, noise: np.ndarray | None = None) -> dict[str, np.ndarray]:
    """Every output by its name; `noise` goes to a graph that has such an input, and to no other."""
    given = {"x": x, "noise": noise}
    inputs = {port.name: given[port.name] for port in engine.get_inputs()}
    return dict(zip(OUTPUTS, engine.run(list(OUTPUTS), inputs), strict=True))


def check(model: onnx.ModelProto, parity: Parity, floor: float = 1.0) -> float:
    """Hold the graph against `parity` in ONNX Runtime, in batches of several sizes; errors are relative to
    max(floor, |log_prob|).

    Returns the worst relative error; raises where it exceeds the tolerance, where the parts do not
    add up to `log_prob`, or where a random operator is found.
    """
    onnx.checker.check_model(model, full_check=True)
    if found := random_nodes(model):
        raise ExporterError(
            f"the graph draws random numbers in {', '.join(found)}; take them from the input `noise` instead"
        )
    engine = session(model)
    worst = 0.0
    for size in CHECK_BATCHES:
        pieces = [
            run(engine, parity.x[i : i + size], None if parity.noise is None else parity.noise[i : i + size])
            for i in range(0, len(parity.x), size)
        ]
        found = {name: np.concatenate([piece[name] for piece in pieces]) for name in OUTPUTS}
        total = found["log_prob_shared"].astype(np.float64)[:, None] + found["log_prob_class"]
        worst = max(worst, parity.worst(found["log_prob"], floor), parity.worst(total, floor))
    if worst > parity.relative_tolerance:
        raise ExporterError(
            f"ONNX Runtime differs from PyTorch by {worst:.2e} (relative), allowed is {parity.relative_tolerance:.0e}"
        )
    return worst


def _parity(model: Model, images: np.ndarray, source: torch.Generator) -> Parity:
    x, noise = dequantise(torch.from_numpy(images), source)
    if not model.takes_noise:
        return Parity(x.numpy(), None, reference(model, x), RELATIVE_TOLERANCE)
    return Parity(x.numpy(), noise.numpy(), reference(model, x, noise), RELATIVE_TOLERANCE)


def parity_images(dataset: data.DataSet, padded: np.ndarray, seed: int) -> np.ndarray:
    """The images that travel in the file: the data set's first, or made-up ones where those must not be passed on."""
    if dataset.shippable:
        return padded[:PARITY_IMAGES]
    return pictures.synthetic(PARITY_IMAGES, padded.shape[1:], seed)


def agreement(exported: onnx.ModelProto, model: Model, images: np.ndarray, seed: int) -> dict:
    """The worst difference between ONNX Runtime and PyTorch on uint8 `images` [n, C, H, W], relative to |log p|.

    As many images of uniform noise must agree within the tolerance too: off the data the flow is least
    tame. Errors are relative to at least D nats: a log density near 0 is the sum of terms of some D nats
    each, which float32 rounds. Images that a model has learnt lie above D.
    """
    n_dims = model.config.n_dims
    found = check(exported, _parity(model, images, generator(seed, "check")), floor=n_dims)
    uniform = np.random.default_rng(seed).integers(0, 256, images.shape, np.uint8)
    check(exported, _parity(model, uniform, generator(seed, "check", 1)), floor=n_dims)
    return {"images": len(images), "worst_relative": found}


def export(trained: Trained, name: str, images: np.ndarray) -> tuple[onnx.ModelProto, float]:
    """The checked checkpoint and its worst relative error on test images.

    `images`: uint8 [n, H, W] or [n, C, H, W], the test images.
    """
    settings, config = trained.settings, trained.model.config
    dataset, seed = data.named(settings["dataset"]), settings["seed"]
    padded = data.pad_to(images, config.side)
    parity = _parity(trained.model, parity_images(dataset, padded, seed), generator(seed, "parity"))
    exported = to_onnx(trained.model)
    agrees = agreement(exported, trained.model, padded[PARITY_IMAGES : PARITY_IMAGES + CHECK_IMAGES], seed)
    write_metadata(
        exported,
        name=name,
        classes=dataset.class_names(config.classes),
        n_dims=config.n_dims,
        dataset=dataset.title,
        pad=(config.side - images.shape[-1]) // 2,
        objective=formula(settings["objective"], settings["alpha"]),
        training={**training_facts(trained), "parity_check": agrees},
        parity=parity,
    )
    return exported, max(check(exported, parity), agrees["worst_relative"])


def training_facts(trained: Trained) -> dict:
    """What the file says about its training: settings, epochs done, the last validation figures."""
    last = trained.history[-1]
    preset = PRESETS[trained.settings["preset"]]
    return {
        **trained.settings,
        "epochs": len(trained.history),
        "seconds": round(sum(row["seconds"] for row in trained.history)),
        "parameters": sum(p.numel() for p in trained.model.parameters()),
        "data": trained.fingerprint,
        **({} if trained.images is None else {"images": trained.images}),
        "likelihood": trained.model.likelihood,
        "channels": trained.model.config.channels,
        "top_prior": getattr(trained.model.config, "prior", None),
        "blocks": trained.model.config.blocks,
        "widths": trained.model.config.widths,
        "batch": preset.batch,
        "peak_rate": trained.settings.get("learning_rate") or preset.learning_rate,
        "tenth_every": preset.tenth_every,
        "crop_pixels": Settings(**trained.settings).margin(),
        "torch": torch.__version__,
        "device": last["device"],
        "threads": sorted({row["threads"] for row in trained.history}),
        "validation_accuracy": last["validation_accuracy"],
        "validation_bits_per_dim": last["validation_bits_per_dim"],
    }


def save(model: onnx.ModelProto, path: Path) -> None:
    """Write by atomic rename: readers see the old file or the whole new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    partial.write_bytes(model.SerializeToString())
    os.replace(partial, path)
