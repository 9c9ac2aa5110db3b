"""The small test sets that travel with the repository: the first images of each test set that may be passed on."""

from pathlib import Path

from . import idx
from .data import BG_MNIST, FASHION_MNIST, MNIST, load

COUNT = 500


def write(data: Path, out: Path, count: int = COUNT) -> list[Path]:
    """Write the first `count` test images and labels of each as gzipped IDX, bytes reproducible."""
    out.mkdir(parents=True, exist_ok=True)
    written = []
    for dataset in (MNIST, FASHION_MNIST, *BG_MNIST):
        images, labels = load(data, dataset, "test")
        for kind, values in (("images-idx3", images), ("labels-idx1", labels)):
            path = out / f"{dataset.key}-t10k-{count}-{kind}-ubyte.gz"
            idx.write_gzip(path, values[:count])
            written.append(path)
    return written
