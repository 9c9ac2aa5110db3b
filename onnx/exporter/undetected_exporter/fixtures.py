"""The small test sets that travel with the repository: the first images of each official test set, and of BG-MNIST."""

from pathlib import Path

import numpy as np

from . import idx
from .data import FASHION_MNIST, MNIST, load
from .errors import ExporterError

COUNT = 500
BLURS = (0, 1, 5)


def write(data: Path, out: Path, count: int = COUNT) -> list[Path]:
    """Write the first `count` test images and labels of each as gzipped IDX, bytes reproducible."""
    out.mkdir(parents=True, exist_ok=True)
    written = []
    for dataset in (MNIST, FASHION_MNIST):
        images, labels = load(data, dataset, "test")
        for kind, values in (("images-idx3", images), ("labels-idx1", labels)):
            path = out / f"{dataset.key}-t10k-{count}-{kind}-ubyte.gz"
            idx.write_gzip(path, values[:count])
            written.append(path)
    return written + _background_digits(data, out, count)


def _background_digits(data: Path, out: Path, count: int) -> list[Path]:
    """The same of `data/bg-mnist-BLUR` as `evaluate dataset bg-digits` made them, from photographs that allow it."""
    written = []
    for blur in BLURS:
        key = f"bg-mnist-{blur}"
        for kind in ("images-idx3", "labels-idx1"):
            path = out / f"{key}-t10k-{count}-{kind}-ubyte.gz"
            idx.write_gzip(path, _made(data, blur, f"t10k-{kind}-ubyte")[:count])
            written.append(path)
    return written


def _made(data: Path, blur: int, name: str) -> np.ndarray:
    path = data / f"bg-mnist-{blur}" / name
    if not path.is_file():
        raise ExporterError(
            f"{path} is missing; run: evaluate dataset bg-digits --digits {data}/mnist "
            f"--backgrounds {data}/photographs --blur {blur} --out {path.parent}"
        )
    return idx.read(path)
