"""Figures of an exported checkpoint over a whole test set, and the model card made from them."""

import json
import shlex
import textwrap
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import onnx

from . import data, evaluate, pixelcnn_card
from .contract import read_metadata
from .errors import ExporterError
from .export import run, session
from .noise import generator
from .pixelcnn import PixelCnnConfig
from .train import PRESETS, Settings

TEST_SEED = 0


@dataclass(frozen=True)
class Interval:
    """An estimate with its two-sided 99 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Figures:
    """What a checkpoint scores on `n` images, one draw of noise per image from seed `noise_seed`.

    bits/dim: of the marginal p(x) = sum_y p(x|y)/K, and of p(x|y) with y the label. `worst` is the
    largest marginal bits/dim of any image; `outliers` counts images above 8, worse than uniform.
    """

    n: int
    noise_seed: int
    accuracy: Interval
    bits_per_dim: Interval
    bits_per_dim_given_label: Interval
    median: float
    percentile_99: float
    worst: float
    outliers: int

    def as_dict(self) -> dict:
        return asdict(self)


def load_onnx(path: Path) -> onnx.ModelProto:
    try:
        return onnx.load(str(path))
    except OSError as error:
        raise ExporterError(f"{path}: cannot be read ({error.strerror}); export a run first") from error
    except Exception as error:
        raise ExporterError(f"{path}: is not an ONNX file ({type(error).__name__})") from error


def declared(model: onnx.ModelProto, path: Path) -> dict[str, str]:
    facts = read_metadata(model)
    for key in ("name", "dataset", "n_dims", "classes", "objective", "training"):
        if key not in facts:
            raise ExporterError(f"{path}: declares no undetected.{key}; export it with this package or write_metadata")
    return facts


def figures(model: onnx.ModelProto, images: np.ndarray, labels: np.ndarray, n_dims: int, threads: int = 0) -> Figures:
    """Run the checkpoint in ONNX Runtime over uint8 `images` [N, C, H, W], padded as it wants them."""
    engine = session(model, threads)

    def log_prob(x, noise):
        found = run(engine, x.numpy(), noise.numpy())
        return found["log_prob_shared"], found["log_prob_class"]

    scores = evaluate.score(log_prob, images, labels, generator(TEST_SEED, "test"))
    correct, n = int(scores.correct.sum()), len(labels)
    bits = evaluate.bits_per_dim(scores.log_marginal, n_dims)
    return Figures(
        n=n,
        noise_seed=TEST_SEED,
        accuracy=Interval(correct / n, *evaluate.wilson(correct, n)),
        bits_per_dim=Interval(*evaluate.mean_interval(bits)),
        bits_per_dim_given_label=Interval(*evaluate.mean_interval(evaluate.bits_per_dim(scores.log_own_class, n_dims))),
        median=float(np.median(bits)),
        percentile_99=float(np.quantile(bits, 0.99)),
        worst=float(bits.max()),
        outliers=int((bits > 8.0).sum()),
    )


def evaluate_file(path: Path, folder: Path, threads: int = 0) -> tuple[onnx.ModelProto, Figures]:
    """The checkpoint in `path` and its figures on the whole test set found under `folder`."""
    model = load_onnx(path)
    facts = declared(model, path)
    images, labels = data.load(folder, data.named(facts["dataset"]), "test")
    side = images.shape[-1] + 2 * int(facts.get("pad", "0"))
    return model, figures(model, data.pad_to(images, side), labels, int(facts["n_dims"]), threads)


def training_command(training: dict) -> str:
    """The command that trained it; options at their defaults are left out, paths are the reader's."""
    defaults = {name: field.default for name, field in Settings.__dataclass_fields__.items()}
    changed = {key: training[key] for key in defaults if training.get(key, defaults[key]) != defaults[key]}
    options = [_option(key, value) for key, value in changed.items()]
    return " ".join(["python -m undetected_exporter train", *options, "--data DATA --out RUN"])


def _option(key: str, value) -> str:
    flag = f"--{key.replace('_', '-')}"
    return flag if value is True else f"{flag} {shlex.quote(str(value))}"


def _hardware(training: dict) -> str:
    if training.get("device", "cpu") != "cpu":
        return "one GPU"
    threads = training.get("threads") or ["?"]
    return f"{' to '.join(map(str, threads))} CPU core{'' if threads == [1] else 's'}"


def _percent(interval: Interval) -> str:
    return f"{interval.value:.2%} ({interval.low:.2%} to {interval.high:.2%})"


def _bits(interval: Interval) -> str:
    return f"{interval.value:.4f} ({interval.low:.4f} to {interval.high:.4f})"


def write(path: Path, folder: Path, out: Path, threads: int = 0) -> Figures:
    """Evaluate the checkpoint and write its model card to `out`."""
    model, found = evaluate_file(path, folder, threads)
    out.write_text(render(model, found, path))
    return found


def _paragraph(text: str, indent: str = "") -> str:
    """Collapse white space and wrap; `indent` is for the lines after the first."""
    return textwrap.fill(" ".join(text.split()), 110, subsequent_indent=indent, break_on_hyphens=False)


def _table(header: tuple[str, ...], rows: list[tuple]) -> str:
    lines = [header, ("---",) * len(header), *rows]
    return "\n".join(f"| {' | '.join(str(cell) for cell in line)} |" for line in lines)


def render(model: onnx.ModelProto, found: Figures, path: Path) -> str:
    """The model card as Markdown; `path` is the checkpoint's file."""
    facts = declared(model, path)
    training, dataset = json.loads(facts["training"]), data.named(facts["dataset"])
    blocks = (
        *_heading(facts, path, dataset, training),
        *_measured(found, dataset, training),
        *_architecture(training),
        *_training(training, facts, dataset),
        *_commands(training, dataset, path),
        *_limits(found, dataset, training),
        *_licence(dataset),
    )
    return "\n\n".join(blocks) + "\n"


def _is_pixelcnn(training: dict) -> bool:
    return isinstance(PRESETS[training["preset"]].config, PixelCnnConfig)


def _heading(facts: dict, path: Path, dataset: data.DataSet, training: dict) -> tuple[str, ...]:
    model = pixelcnn_card.TITLE if _is_pixelcnn(training) else "GLOW"
    text = f"""A class-conditional {model} of {dataset.title}, trained on `{facts["objective"]}`, in `{path.name}`
        ({path.stat().st_size:,} bytes, float32). Written by `undetected_exporter card`: every figure below is
        computed from the file or read from its metadata."""
    return f"# {facts['name']}", _paragraph(text)


def _measured(found: Figures, dataset: data.DataSet, training: dict) -> tuple[str, ...]:
    noise = "uniform dequantisation and padding noise, one draw per image (seed {seed})"
    noise = (pixelcnn_card.MEASURED if _is_pixelcnn(training) else noise).format(seed=found.noise_seed)
    text = f"""On all {found.n:,} test images of {dataset.title}, by ONNX Runtime, {noise}.
        In brackets: two-sided 99 % intervals, Wilson's for the
        accuracy, the normal approximation for means. bits/dim = -(log p - D ln 256)/(D ln 2)."""
    rows = [
        ("accuracy, argmax of log p(x given y)", _percent(found.accuracy)),
        ("bits/dim of p(x), mean", _bits(found.bits_per_dim)),
        ("bits/dim of p(x given the label), mean", _bits(found.bits_per_dim_given_label)),
        ("bits/dim of p(x), median", f"{found.median:.4f}"),
        ("bits/dim of p(x), 99th percentile of the images", f"{found.percentile_99:.4f}"),
        ("bits/dim of p(x), worst image", f"{found.worst:.4f}"),
        ("images above 8 bits/dim (worse than a uniform density)", found.outliers),
    ]
    agrees = training.get("parity_check")
    if agrees:
        what = f"log p(x given y), worst relative difference from PyTorch in float64 ({agrees['images']} images)"
        rows.append((what, f"{agrees['worst_relative']:.1e}"))
    return "## Measured", _paragraph(text), _table(("figure", "value"), rows)


PRIOR_TEXT = {
    "gaussian": "One diagonal Gaussian per class on the top latents (appendices A and B of the paper).",
    "split": """Of the top latents, as many as classes are logits z_s, with p(z_s given y) Gaussian about the y-th unit
        vector; the rest is Gaussian with mean and variance learnt from (z_s, y) (appendix A.4 of the paper). The
        class that counts is the one with the largest log p(x given y), to which both contribute.""",
    "split-logits": """Of the top latents, as many as classes are logits z_s, with p(z_s given y) Gaussian about the
        y-th unit vector; the rest is Gaussian with mean and variance learnt from z_s alone (appendix A.4 of the paper
        lets them depend on y too): p(y given x) is exactly the softmax of z_s/c.""",
}


def _architecture(training: dict) -> tuple[str, ...]:
    config, channels, kind = PRESETS[training["preset"]].config, training.get("channels", 1), _prior(training)
    if isinstance(config, PixelCnnConfig):
        text, header, rows = pixelcnn_card.architecture(training, config)
        return "## Architecture", _paragraph(text), _table(header, rows)
    other = f"A {kind} density per class on the top latents (appendix C.1 of the paper)."
    smoothing = training.get("smoothing", 0.0)
    text = f"""{training["parameters"]:,} trained parameters; the file holds what they combine to. {_noise(channels)},
        scaled to [0, 2/256], doubles the image's channels. Each step is ActNorm, invertible 1x1
        convolution and affine coupling (3x3, 1x1, 3x3 convolutions). Every level but the last ends with a squeeze
        and a split. {PRIOR_TEXT.get(kind, other)}"""
    if smoothing:
        text += f" The cluster differs from the label with probability {smoothing:g} (appendix C.2)."
    sizes = zip(training["blocks"], training["widths"], strict=True)
    rows = [
        (level + 1, f"{config.side >> level}x{config.side >> level}", 2 * channels << level, blocks, width)
        for level, (blocks, width) in enumerate(sizes)
    ]
    header = ("level", "resolution", "channels", "steps", "hidden channels")
    return "## Architecture", _paragraph(text), _table(header, rows)


def _prior(training: dict) -> str:
    return training.get("top_prior", "gaussian")


def _noise(channels: int) -> str:
    return "One channel of uniform noise" if channels == 1 else f"{channels} channels of uniform noise"


def _schedule(training: dict) -> str:
    if training.get("tenth_every"):
        return f"a tenth of it after every {training['tenth_every']} epochs"
    return f"falling linearly to 1 % of it over the last {1 - training['decay_from']:.0%} of the steps"


def _used(training: dict, dataset: data.DataSet) -> int:
    """How many images the run was trained on, those held out not counted."""
    if "images" in training:
        return training["images"] - training["held_out"]
    return (training["limit"] or dataset.files["train-images"].shape[0]) - training["held_out"]


def _training(training: dict, facts: dict, dataset: data.DataSet) -> tuple[str, ...]:
    noise, paper = "dequantisation and padding noise drawn anew each time", " (the paper: 4 pixels, 150 epochs)"
    if _is_pixelcnn(training):
        noise, paper = pixelcnn_card.NOISE, ""
    mirrored = ", mirrored at random" if dataset.flip else ""
    half = "; the couplings' convolutions in bfloat16" if training.get("mixed_precision") else ""
    text = f"""Objective: `{facts["objective"]}`. {training["epochs"]} epoch(s) over
        {_used(training, dataset):,} training images (the last {training["held_out"]:,} held out for
        validation) in batches of {training["batch"]}; Adam at
        {training["peak_rate"]:g} after a warm-up of {training["warmup_steps"]} steps, {_schedule(training)};
        gradient norm clipped to {training["clip"]:g}; {noise}; random
        crops that shift the image by up to {training.get("crop_pixels", training["crop_margin"])} pixel(s), edges
        repeated{mirrored}{paper}{half}. Seed {training["seed"]}.
        Wall time {training["seconds"] / 60:.0f} minutes on {_hardware(training)}, with PyTorch
        {training["torch"].split("+")[0]}. After the last epoch, on the held-out images: accuracy
        {training["validation_accuracy"]:.2%}, {training["validation_bits_per_dim"]:.4f} bits/dim."""
    rows = [(f"`{file.name}`, uncompressed", f"`{file.md5}`") for file in dataset.files.values() if file.md5]
    arrays = training.get("data") or {}
    rows += [(f"training {name}, bytes without headers", f"`{md5}`") for name, md5 in arrays.items()]
    return "## Training", _paragraph(text), _table(("data", "MD5"), rows)


def _commands(training: dict, dataset: data.DataSet, path: Path) -> tuple[str, ...]:
    lines = (
        "```sh",
        *dataset.commands,
        training_command(training),
        f"python -m undetected_exporter export RUN --data DATA -o {path.name}",
        f"python -m undetected_exporter card {path.name} --data DATA -o {path.stem}.md",
        "```",
    )
    text = f"""{dataset.origin} Another machine's arithmetic, or another version or thread count of PyTorch, gives
        slightly different weights."""
    return "## Commands", "\n".join(lines), _paragraph(text)


def _limits(found: Figures, dataset: data.DataSet, training: dict) -> tuple[str, ...]:
    subject = f"""A subject for studying detection and attacks, trained on {dataset.title} alone; not a security
        mechanism, and not a classifier for use outside such studies."""
    caveat = [dataset.caveat] if dataset.caveat else []
    if _is_pixelcnn(training):
        points = (*pixelcnn_card.limits(found.bits_per_dim.value), subject, *caveat)
        return "## Limits", "\n".join(_paragraph("- " + point, "  ") for point in points)
    size = "16 steps of 256" if dataset.layout == "cifar" else "12 steps of 128"
    points = (
        f"""Not the paper's model, which has {size} channels at each of 4 levels and trained for 150 epochs: a threshold
        has to be chosen from this model's own likelihoods (mean {found.bits_per_dim.value:.2f} bits/dim).""",
        subject,
        """The likelihood is that of the zero-padded image together with its noise channel: exact given the noise, and
        not comparable with likelihoods of the unpadded image.""",
        *caveat,
        """Far from the data, log-densities are extrapolations in float32; see the worst image above.""",
    )
    return "## Limits", "\n".join(_paragraph("- " + point, "  ") for point in points)


def _licence(dataset: data.DataSet) -> tuple[str, ...]:
    pictures = """The images of its parity vectors are made up: the file holds none of the data set's."""
    if dataset.shippable:
        pictures = """The only images in the file are the few test images of its parity vectors, under the data
            set's own licence (see `../data/README.md`)."""
    return "## Licence", _paragraph(f"The weights and this page: MIT OR Apache-2.0. {pictures}")
