"""Images drawn from a trained run, as one PNG: a row per class."""

from pathlib import Path

import torch

from . import pictures
from .export import load_run
from .noise import generator


def write(run: Path, out: Path, per_class: int, temperature: float, seed: int) -> int:
    """Draw `per_class` images of every class from the run in folder `run` and write the grid to `out`.

    z ~ p(z|y) with deviations scaled by `temperature`, x = the inverse flow of z; the noise channels are dropped.
    Returns how many images are not finite: away from the data the inverse may grow beyond any number.
    """
    model = load_run(run).model.eval()
    label = torch.arange(model.config.classes).repeat_interleave(per_class)
    images = model.sample(label, temperature, generator(seed, "sample"))
    pictures.write_png(out, pictures.grid(pictures.to_bytes(images), per_class))
    return int((~images.isfinite().flatten(1).all(1)).sum())
