"""Training with exact resume: kill it at any time, run the same command, and it goes on."""

import json
import math
import os
import sys
import time
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from . import data, evaluate
from .errors import ExporterError
from .glow import GlowConfig
from .models import Config, build, config_of
from .noise import dequantise, generator, random_crop, random_flip
from .objective import weighted
from .pixelcnn import PixelCnnConfig

CHECKPOINT = "last.pt"
HISTORY = "history.json"
FREE_TO_CHANGE = ("epochs",)
"""Settings that a resumed run may change. The learning rate depends on the plan only after `decay_from`
of it: changed before that, the run is the same as if it had been planned so from the start."""


SAVE_SECONDS = 120.0
"""The state is also saved inside an epoch, this long after the last time."""


@dataclass(frozen=True)
class Preset:
    """A model size with the training settings that suit it.

    The rate is divided by 10 every `tenth_every` epochs, or, where that is None, fades linearly
    (`rate_at`). `crop_margin` is the number of pixels by which a crop may shift.
    """

    config: Config
    batch: int
    learning_rate: float
    epochs: int
    crop_margin: int = 1
    tenth_every: int | None = None


def _paper(blocks: int, width: int) -> Preset:
    """Appendix B: 4 levels, Adam at 1e-3, a tenth of it every 60 epochs, 150 epochs, crops padded by 4."""
    return Preset(GlowConfig(blocks=(blocks,) * 4, widths=(width,) * 4), 64, 1e-3, 150, crop_margin=4, tenth_every=60)


PRESETS = {
    "tiny": Preset(GlowConfig(blocks=(1, 1, 1), widths=(8, 8, 8)), 64, 2e-3, 10),
    "small": Preset(GlowConfig(blocks=(2, 4, 6, 6), widths=(16, 32, 48, 64)), 32, 1e-3, 10),
    "small-colour": Preset(GlowConfig(blocks=(2, 4, 4, 4), widths=(24, 32, 40, 48)), 32, 1e-3, 10),
    "paper-mnist": _paper(12, 128),
    "paper-cifar10": _paper(16, 256),
    "tiny-pixelcnn": Preset(PixelCnnConfig(blocks=(1, 1), widths=(4, 6)), 32, 3e-3, 4),
    "small-pixelcnn": Preset(PixelCnnConfig(blocks=(1, 1, 1), widths=(12, 16, 24)), 16, 1e-3, 4),
    "paper-pixelcnn": Preset(
        PixelCnnConfig(3, 32, blocks=(5, 5, 5), widths=(160, 160, 160), dropout=0.5), 128, 1e-3, 150, crop_margin=0
    ),
}
"""`tiny` tries the machinery out; `small` and, for three channels, `small-colour` train in about an hour of one
CPU core and export to less than 2 MB; `paper-mnist` and `paper-cifar10` are appendix B's and want a GPU.
`...-pixelcnn` likewise: the small one takes some 45 minutes of one core for its 4 epochs, `paper-pixelcnn` has the
layers that Salimans et al. published and wants a GPU."""


@dataclass(frozen=True)
class Settings:
    """Everything that decides a training run's numbers, apart from the data.

    None stands for the preset's value (`crop_margin`, `learning_rate`), for all images (`limit`) and
    for the prior that suits the objective (`prior`).
    """

    preset: str
    dataset: str
    objective: str
    epochs: int
    seed: int
    crop_margin: int | None = None
    held_out: int = 2000
    limit: int | None = None
    warmup_steps: int = 200
    decay_from: float = 0.5
    clip: float = 1.0
    learning_rate: float | None = None
    prior: str | None = None
    smoothing: float = 0.0
    mixed_precision: bool = False
    alpha: float = 1.0

    def margin(self) -> int:
        return PRESETS[self.preset].crop_margin if self.crop_margin is None else self.crop_margin

    def config(self, channels: int, classes: int) -> Config:
        """The preset's layers for images of `channels`, with the prior that was asked for."""
        preset = PRESETS[self.preset].config
        if isinstance(preset, PixelCnnConfig):
            self.check_pixelcnn()
            return replace(preset, channels=channels, classes=classes)
        prior = self.prior or ("split" if self.objective == "split" else "gaussian")
        if self.objective == "split" and prior not in ("split", "split-logits"):
            raise ExporterError(
                f"--objective split takes its logits from --prior split or split-logits, not {prior}; leave --prior out"
            )
        try:
            return replace(preset, channels=channels, classes=classes, prior=prior, smoothing=self.smoothing)
        except ValueError as error:
            raise ExporterError(f"--smoothing or --prior: {error}") from error

    def check_pixelcnn(self) -> None:
        """Refuse what only a flow has: latents with a prior, and half precision."""
        asked = {"--prior": self.prior, "--smoothing": self.smoothing, "--mixed-precision": self.mixed_precision}
        if self.objective == "split":
            asked["--objective split"] = True
        if found := [option for option, value in asked.items() if value]:
            raise ExporterError(f"--preset {self.preset}: {', '.join(found)} needs a GLOW; leave it out")


DEFAULTS = {field.name: field.default for field in fields(Settings)}
"""What a run saved before a setting existed was trained with."""


def rate_at(step: int, total: int, peak: float, settings: Settings) -> float:
    """Linear warm-up, constant, then linear decay to 1 % over the steps after `decay_from` * total."""
    start = settings.decay_from * total
    fade = max(0.01, (total - step) / max(1.0, total - start)) if step > start else 1.0
    return peak * fade * min(1.0, (step + 1) / settings.warmup_steps)


def stepped_rate(step: int, per_epoch: int, peak: float, tenth_every: int, settings: Settings) -> float:
    """Linear warm-up, then a tenth after every `tenth_every` epochs (appendix B; the warm-up is ours)."""
    return peak * 0.1 ** (step // per_epoch // tenth_every) * min(1.0, (step + 1) / settings.warmup_steps)


class Run:
    """One training run in a folder: model, optimiser, position, history."""

    def __init__(self, settings: Settings, folder: Path, device: str = "cpu", channels: int = 1, classes: int = 10):
        self.settings, self.folder, self.device = settings, folder, device
        self.preset = PRESETS[settings.preset]
        self.config = settings.config(channels, classes)
        self.flip = data.named(settings.dataset).flip
        self.peak_rate = settings.learning_rate or self.preset.learning_rate
        torch.manual_seed(generator(settings.seed, "weights").initial_seed())
        self.model = build(self.config).to(device, memory_format=torch.channels_last)
        if settings.mixed_precision:
            self.model.use_half(True)
        self.optimiser = torch.optim.Adam(self.model.parameters(), self.peak_rate, fused=True)
        self.objective = weighted(settings.objective, settings.alpha)
        self.history: list[dict] = []
        self.fingerprint: dict[str, str] = {}
        self.images = 0
        self.position: dict | None = None

    def save(self) -> None:
        """Write the whole state beside the old one, then rename: a kill leaves one or the other."""
        self.folder.mkdir(parents=True, exist_ok=True)
        state = {
            "settings": asdict(self.settings),
            "config": self.config.as_dict(),
            "data": self.fingerprint,
            "images": self.images,
            "model": self.model.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "history": self.history,
            "position": self.position,
        }
        partial = self.folder / (CHECKPOINT + ".partial")
        with open(partial, "wb") as file:
            torch.save(state, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, self.folder / CHECKPOINT)
        (self.folder / HISTORY).write_text(json.dumps(self.history, indent=1) + "\n")

    def resume(self) -> bool:
        """Take up the folder's checkpoint if there is one; refuse one made with other settings or data."""
        if not (self.folder / CHECKPOINT).exists():
            return False
        state = read_checkpoint(self.folder)
        mine, theirs = asdict(self.settings), {**DEFAULTS, **state["settings"]}
        other = {
            key: (theirs[key], value)
            for key, value in mine.items()
            if theirs[key] != value and key not in FREE_TO_CHANGE
        }
        if config_of(state["config"]) != self.config:
            other["layers"] = (state["config"], self.config.as_dict())
        for name, digest in self.fingerprint.items():
            if "data" in state and state["data"].get(name) != digest:
                other[f"MD5 of the {name}"] = (state["data"].get(name), digest)
        if other:
            differences = "; ".join(f"{key} was {was}, now {now}" for key, (was, now) in other.items())
            raise ExporterError(
                f"{self.folder / CHECKPOINT} was trained with other settings ({differences}); "
                "use them, or another --out"
            )
        self.model.load_state_dict(state["model"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.history, self.position = state["history"], state.get("position")
        return True

    def start(self, images: Tensor) -> None:
        """ActNorm's data-dependent initialisation, from 256 training images."""
        source = generator(self.settings.seed, "initialise")
        x, noise = dequantise(images[torch.randperm(len(images), generator=source)[:256]], source)
        self.model.initialise(x.to(self.device), noise.to(self.device))

    def augment(self, images: Tensor, source: torch.Generator) -> Tensor:
        """Random crops of images that carry the crop's margin, and mirror images where the data set has them."""
        cropped = random_crop(images, self.settings.margin(), source)
        return random_flip(cropped, source) if self.flip else cropped

    def loss(self, x: Tensor, noise: Tensor, label: Tensor) -> Tensor:
        """The objective of one batch."""
        n_dims = self.config.n_dims
        if self.settings.objective == "split":
            shared, per_class, logits = self.model.parts_and_logits(x, noise)
            return self.objective(shared, per_class, label, n_dims, logits)
        return self.objective(*self.model.parts(x, noise), label, n_dims)

    def step(self, images: Tensor, labels: Tensor, source: torch.Generator, rate: float) -> float:
        """One update; images carry the crop's margin. Returns the loss."""
        x, noise = dequantise(self.augment(images, source), source)
        loss = self.loss(x.to(self.device), noise.to(self.device), labels.to(self.device))
        value = float(loss.detach())
        self.optimiser.zero_grad()
        loss.backward()
        norm = float(torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.settings.clip))
        if not (math.isfinite(value) and math.isfinite(norm)):
            raise ExporterError(
                f"the loss became {value} and its gradient's norm {norm} after epoch {len(self.history)}; "
                "train into another --out with another --seed or a smaller --learning-rate"
            )
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        self.optimiser.step()
        return value

    def rate(self, step: int, per_epoch: int) -> float:
        """The learning rate of update number `step`, counted over all epochs."""
        if self.preset.tenth_every is not None:
            return stepped_rate(step, per_epoch, self.peak_rate, self.preset.tenth_every, self.settings)
        return rate_at(step, self.settings.epochs * per_epoch, self.peak_rate, self.settings)

    def epoch(self, images: Tensor, labels: Tensor, quiet: bool = False) -> tuple[float, float]:
        """One pass over the training images in an order of its own: (mean loss, seconds).

        Goes on inside the epoch where a saved `position` says so: the number of updates done, their
        losses, the seconds they took, and the state of the generators, dropout's included.
        """
        index, batch = len(self.history), self.preset.batch
        source = generator(self.settings.seed, "epoch", index)
        torch.manual_seed(generator(self.settings.seed, "dropout", index).initial_seed())
        order = torch.randperm(len(images), generator=source)
        per_epoch = len(images) // batch
        losses, earlier = [], 0.0
        if self.position is not None:
            losses, earlier = list(self.position["losses"]), self.position["seconds"]
            source.set_state(self.position["generator"])
            self.set_dropout(self.position.get("dropout", {}))
        started = saved = time.monotonic()
        bar = progress(f"epoch {index + 1}/{self.settings.epochs}", per_epoch * batch, len(losses) * batch, quiet)
        for number in range(len(losses), per_epoch):
            chosen = order[number * batch : (number + 1) * batch]
            rate = self.rate(index * per_epoch + number, per_epoch)
            losses.append(self.step(images[chosen], labels[chosen], source, rate))
            bar.update(batch)
            if number % 20 == 0:
                bar.set_postfix(loss=f"{np.mean(losses[-100:]):.4f}")
            if (now := time.monotonic()) - saved >= SAVE_SECONDS and number + 1 < per_epoch:
                seconds = earlier + now - started
                self.position = {"losses": losses, "seconds": seconds, "generator": source.get_state()}
                self.position["dropout"] = self.dropout()
                self.save()
                saved = now
        bar.close()
        self.position = None
        return float(np.mean(losses)), earlier + time.monotonic() - started

    def dropout(self) -> dict[str, Tensor]:
        """The state of the framework's own generators, from which dropout draws."""
        state = {"cpu": torch.get_rng_state()}
        return state | ({"cuda": torch.cuda.get_rng_state()} if self.device == "cuda" else {})

    def set_dropout(self, state: dict[str, Tensor]) -> None:
        if "cpu" in state:
            torch.set_rng_state(state["cpu"])
        if "cuda" in state and self.device == "cuda":
            torch.cuda.set_rng_state(state["cuda"])

    def validate(self, images: np.ndarray, labels: np.ndarray) -> dict:
        self.model.eval()
        scores = evaluate.score(
            evaluate.of_model(self.model), images, labels, generator(self.settings.seed, "validation")
        )
        self.model.train()
        bits = evaluate.bits_per_dim(scores.log_marginal, self.config.n_dims)
        return {"validation_accuracy": float(scores.correct.mean()), "validation_bits_per_dim": float(bits.mean())}


def progress(title: str, total: int, done: int, quiet: bool) -> tqdm:
    """A bar over images, with images per second; on a terminal only."""
    return tqdm(
        desc=title,
        total=total,
        initial=done,
        unit="images",
        disable=True if quiet else None,
        mininterval=2,
        leave=False,
    )


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


def split(images: np.ndarray, labels: np.ndarray, settings: Settings) -> tuple[Tensor, Tensor, np.ndarray, np.ndarray]:
    """Training images with the crop's edge margin, their labels, and the last `held_out` for validation.

    `images`: uint8 [N, C, H, W] of the model's size.
    """
    if settings.limit is not None:
        images, labels = images[: settings.limit], labels[: settings.limit]
    if not 0 < settings.held_out < len(images):
        raise ExporterError(f"--held-out {settings.held_out} must lie between 1 and the {len(images)} images less one")
    cut, m = len(images) - settings.held_out, settings.margin()
    training = np.pad(images[:cut], ((0, 0), (0, 0), (m, m), (m, m)), mode="edge")
    return torch.from_numpy(training), torch.from_numpy(labels[:cut].astype(np.int64)), images[cut:], labels[cut:]


def epoch_line(row: dict) -> str:
    """One epoch's figures for people."""
    return (
        f"epoch {row['epoch']}/{row['planned']}: loss {row['loss']:.4f}, "
        f"validation accuracy {row['validation_accuracy']:.2%}, {row['validation_bits_per_dim']:.4f} bits/dim, "
        f"{row['seconds']:.0f} s, {row['images_per_second']:.0f} images/s"
    )


def train(
    settings: Settings, images: np.ndarray, labels: np.ndarray, folder: Path, device: str = "cpu", quiet: bool = False
) -> Run:
    """Train to `settings.epochs`, going on from `folder`'s checkpoint; one line per epoch on stderr."""
    padded = data.pad_to(images, PRESETS[settings.preset].config.side)
    run = Run(settings, folder, device, padded.shape[1], classes_of(settings, labels))
    run.fingerprint, run.images = data.fingerprint(images, labels), min(len(images), settings.limit or len(images))
    training, targets, held_images, held_labels = split(padded, labels, settings)
    if run.resume():
        within = f", {len(run.position['losses'])} updates into the next" if run.position else ""
        print(f"going on after epoch {len(run.history)}{within}", file=sys.stderr)
    else:
        m = settings.margin()
        run.start(training[:, :, m:-m, m:-m] if m else training)
        run.save()
    while len(run.history) < settings.epochs:
        run.history.append(next_row(run, training, targets, held_images, held_labels, quiet))
        run.save()
        if not quiet:
            print(epoch_line(run.history[-1]), file=sys.stderr, flush=True)
    return run


def classes_of(settings: Settings, labels: np.ndarray) -> int:
    """How many classes the data set has: those it names, or as many as its labels count."""
    return len(data.named(settings.dataset).classes) or int(labels.max()) + 1


def next_row(
    run: Run, training: Tensor, targets: Tensor, held_images: np.ndarray, held_labels: np.ndarray, quiet: bool
) -> dict:
    """Train one more epoch and return its figures."""
    loss, seconds = run.epoch(training, targets, quiet)
    batch = run.preset.batch
    speed = len(training) // batch * batch / seconds
    started = time.monotonic()
    figures = run.validate(held_images, held_labels)
    return {
        "epoch": len(run.history) + 1,
        "planned": run.settings.epochs,
        "loss": loss,
        **figures,
        "images_per_second": speed,
        "seconds": seconds + time.monotonic() - started,
        "device": run.device,
        "threads": torch.get_num_threads(),
    }
