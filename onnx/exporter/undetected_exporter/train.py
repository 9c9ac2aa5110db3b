"""Training with exact resume: kill it at any time, run the same command, and it goes on."""

import json
import math
import os
import sys
import time
from dataclasses import MISSING, asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from . import data, evaluate
from .errors import ExporterError
from .glow import GlowConfig
from .models import Config, build
from .noise import dequantise, generator, random_crop
from .objective import weighted
from .pixelcnn import PixelCnnConfig

CHECKPOINT = "last.pt"
HISTORY = "history.json"
FREE_TO_CHANGE = ("epochs",)
"""Settings that a resumed run may change. The learning rate depends on the plan only after `decay_from`
of it: changed before that, the run is the same as if it had been planned so from the start."""


@dataclass(frozen=True)
class Preset:
    """A model size with the training settings that suit it."""

    config: Config
    batch: int
    learning_rate: float


PRESETS = {
    "tiny": Preset(GlowConfig(blocks=(1, 1, 1), widths=(8, 8, 8)), 64, 2e-3),
    "small": Preset(GlowConfig(blocks=(2, 4, 6, 6), widths=(16, 32, 48, 64)), 32, 1e-3),
    "paper-mnist": Preset(GlowConfig(blocks=(12, 12, 12, 12), widths=(128, 128, 128, 128)), 64, 1e-3),
    "tiny-pixelcnn": Preset(PixelCnnConfig(blocks=(1, 1), widths=(4, 6)), 32, 3e-3),
    "small-pixelcnn": Preset(PixelCnnConfig(blocks=(1, 1, 1), widths=(12, 16, 24)), 16, 1e-3),
    "paper-pixelcnn": Preset(PixelCnnConfig(3, 32, blocks=(5, 5, 5), widths=(160, 160, 160), dropout=0.5), 128, 1e-3),
}
"""`tiny` tries the machinery out, `small` trains in about an hour on two CPU cores, `paper-mnist` is
appendix B's size and wants a GPU. `...-pixelcnn` likewise: the small one manages some 4 epochs in 40 minutes
of one core, `paper-pixelcnn` is the size that Salimans et al. published, on 32x32 colour images."""


@dataclass(frozen=True)
class Settings:
    """Everything that decides a training run's numbers, apart from the data."""

    preset: str
    dataset: str
    objective: str
    epochs: int
    seed: int
    crop_margin: int = 1
    held_out: int = 2000
    limit: int | None = None
    warmup_steps: int = 200
    decay_from: float = 0.5
    clip: float = 1.0
    learning_rate: float | None = None
    alpha: float = 1.0


def with_defaults(settings: dict) -> dict:
    """Stored settings, with the defaults of those that came later: they were in force all along."""
    fields = Settings.__dataclass_fields__.values()
    return {field.name: field.default for field in fields if field.default is not MISSING} | settings


def rate_at(step: int, total: int, peak: float, settings: Settings) -> float:
    """Linear warm-up, constant, then linear decay to 1 % over the steps after `decay_from` * total."""
    start = settings.decay_from * total
    fade = max(0.01, (total - step) / max(1.0, total - start)) if step > start else 1.0
    return peak * fade * min(1.0, (step + 1) / settings.warmup_steps)


class Run:
    """One training run in a folder: model, optimiser, position, history."""

    def __init__(self, settings: Settings, folder: Path, device: str = "cpu"):
        self.settings, self.folder, self.device = settings, folder, device
        self.preset = PRESETS[settings.preset]
        self.peak_rate = settings.learning_rate or self.preset.learning_rate
        torch.manual_seed(generator(settings.seed, "weights").initial_seed())
        self.model = build(self.preset.config).to(device, memory_format=torch.channels_last)
        self.optimiser = torch.optim.Adam(self.model.parameters(), self.peak_rate, fused=True)
        self.objective = weighted(settings.objective, settings.alpha)
        self.history: list[dict] = []

    def save(self) -> None:
        """Write the whole state beside the old one, then rename: a kill leaves one or the other."""
        self.folder.mkdir(parents=True, exist_ok=True)
        state = {
            "settings": asdict(self.settings),
            "config": self.preset.config.as_dict(),
            "model": self.model.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "history": self.history,
        }
        partial = self.folder / (CHECKPOINT + ".partial")
        with open(partial, "wb") as file:
            torch.save(state, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, self.folder / CHECKPOINT)
        (self.folder / HISTORY).write_text(json.dumps(self.history, indent=1) + "\n")

    def resume(self) -> bool:
        """Take up the folder's checkpoint if there is one; refuse one made with other settings."""
        if not (self.folder / CHECKPOINT).exists():
            return False
        state = read_checkpoint(self.folder)
        mine, theirs = asdict(self.settings), with_defaults(state["settings"])
        other = {
            key: (theirs.get(key), value)
            for key, value in mine.items()
            if theirs.get(key) != value and key not in FREE_TO_CHANGE
        }
        if state["config"] != self.preset.config.as_dict():
            other["preset's layers"] = (state["config"], self.preset.config.as_dict())
        if other:
            differences = "; ".join(f"{key} was {was}, now {now}" for key, (was, now) in other.items())
            raise ExporterError(
                f"{self.folder / CHECKPOINT} was trained with other settings ({differences}); "
                "use them, or another --out"
            )
        self.model.load_state_dict(state["model"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.history = state["history"]
        return True

    def start(self, images: Tensor) -> None:
        """ActNorm's data-dependent initialisation, from 256 training images."""
        source = generator(self.settings.seed, "initialise")
        x, noise = dequantise(images[torch.randperm(len(images), generator=source)[:256]], source)
        self.model.initialise(x.to(self.device), noise.to(self.device))

    def step(self, images: Tensor, labels: Tensor, source: torch.Generator, rate: float) -> float:
        """One update; images carry the crop's margin. Returns the loss."""
        x, noise = dequantise(random_crop(images, self.settings.crop_margin, source), source)
        shared, per_class = self.model.parts(x.to(self.device), noise.to(self.device))
        loss = self.objective(shared, per_class, labels.to(self.device), self.preset.config.n_dims)
        value = float(loss.detach())
        if not math.isfinite(value):
            raise ExporterError(
                f"the loss became {value} after epoch {len(self.history)}; "
                "train into another --out with another --seed or a smaller --learning-rate"
            )
        self.optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.settings.clip)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        self.optimiser.step()
        return value

    def epoch(self, images: Tensor, labels: Tensor, quiet: bool = False) -> float:
        """One pass over the training images in an order of its own; returns the mean loss."""
        index, batch = len(self.history), self.preset.batch
        source = generator(self.settings.seed, "epoch", index)
        torch.manual_seed(generator(self.settings.seed, "dropout", index).initial_seed())
        order = torch.randperm(len(images), generator=source)
        per_epoch = len(images) // batch
        losses = []
        total, title = self.settings.epochs * per_epoch, f"epoch {index + 1}/{self.settings.epochs}"
        bar = tqdm(range(per_epoch), desc=title, disable=True if quiet else None, mininterval=2, leave=False)
        for number in bar:
            chosen = order[number * batch : (number + 1) * batch]
            rate = rate_at(index * per_epoch + number, total, self.peak_rate, self.settings)
            losses.append(self.step(images[chosen], labels[chosen], source, rate))
            if number % 20 == 0:
                bar.set_postfix(loss=f"{np.mean(losses[-100:]):.4f}")
        return float(np.mean(losses))

    def validate(self, images: np.ndarray, labels: np.ndarray) -> dict:
        self.model.eval()
        scores = evaluate.score(
            evaluate.of_model(self.model), images, labels, generator(self.settings.seed, "validation")
        )
        self.model.train()
        bits = evaluate.bits_per_dim(scores.log_marginal, self.preset.config.n_dims)
        return {"validation_accuracy": float(scores.correct.mean()), "validation_bits_per_dim": float(bits.mean())}


def read_checkpoint(folder: Path) -> dict:
    path = folder / CHECKPOINT
    if not path.is_file():
        raise ExporterError(f"{path} is missing; train first: python -m undetected_exporter train --out {folder}")
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise ExporterError(
            f"{path}: is not a training state ({type(error).__name__}); delete it and train again"
        ) from error


def split(
    images: np.ndarray, labels: np.ndarray, settings: Settings, side: int
) -> tuple[Tensor, Tensor, np.ndarray, np.ndarray]:
    """Training images with the crop's edge margin, their labels, and the last `held_out` for validation."""
    if settings.limit is not None:
        images, labels = images[: settings.limit], labels[: settings.limit]
    if not 0 < settings.held_out < len(images):
        raise ExporterError(f"--held-out {settings.held_out} must lie between 1 and the {len(images)} images less one")
    padded = data.pad_to(images, side)
    cut, m = len(images) - settings.held_out, settings.crop_margin
    training = np.pad(padded[:cut], ((0, 0), (0, 0), (m, m), (m, m)), mode="edge")
    return torch.from_numpy(training), torch.from_numpy(labels[:cut].astype(np.int64)), padded[cut:], labels[cut:]


def epoch_line(row: dict) -> str:
    """One epoch's figures for people."""
    return (
        f"epoch {row['epoch']}/{row['planned']}: loss {row['loss']:.4f}, "
        f"validation accuracy {row['validation_accuracy']:.2%}, {row['validation_bits_per_dim']:.4f} bits/dim, "
        f"{row['seconds']:.0f} s"
    )


def train(
    settings: Settings, images: np.ndarray, labels: np.ndarray, folder: Path, device: str = "cpu", quiet: bool = False
) -> Run:
    """Train to `settings.epochs`, going on from `folder`'s checkpoint; one line per epoch on stderr."""
    run = Run(settings, folder, device)
    training, targets, held_images, held_labels = split(images, labels, settings, run.preset.config.side)
    config = run.preset.config
    if training.shape[1] != config.channels:
        raise ExporterError(
            f"--preset {settings.preset}: its images have {config.channels} channels, those of "
            f"{settings.dataset} have {training.shape[1]}; choose another preset or data set"
        )
    if run.resume():
        print(f"going on after epoch {len(run.history)}", file=sys.stderr)
    else:
        m = settings.crop_margin
        run.start(training[:, :, m:-m, m:-m] if m else training)
        run.save()
    while len(run.history) < settings.epochs:
        started = time.monotonic()
        loss = run.epoch(training, targets, quiet)
        row = {
            "epoch": len(run.history) + 1,
            "planned": settings.epochs,
            "loss": loss,
            **run.validate(held_images, held_labels),
        }
        row |= {"seconds": time.monotonic() - started, "device": device, "threads": torch.get_num_threads()}
        run.history.append(row)
        run.save()
        if not quiet:
            print(epoch_line(row), file=sys.stderr, flush=True)
    return run
