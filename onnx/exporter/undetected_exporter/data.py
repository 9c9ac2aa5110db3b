"""MNIST and Fashion-MNIST: their files with checksums, and reading them from a folder."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from . import idx
from .errors import ExporterError


@dataclass(frozen=True)
class File:
    """One IDX file: its name without `.gz`, the MD5 of its uncompressed bytes, its shape."""

    name: str
    md5: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class DataSet:
    """A named data set of the MNIST family."""

    key: str
    title: str
    classes: tuple[str, ...]
    files: dict[str, File]


def _files(md5: dict[str, str]) -> dict[str, File]:
    return {
        "train-images": File("train-images-idx3-ubyte", md5["train-images"], (60000, 28, 28)),
        "train-labels": File("train-labels-idx1-ubyte", md5["train-labels"], (60000,)),
        "test-images": File("t10k-images-idx3-ubyte", md5["test-images"], (10000, 28, 28)),
        "test-labels": File("t10k-labels-idx1-ubyte", md5["test-labels"], (10000,)),
    }


MNIST = DataSet(
    "mnist",
    "MNIST",
    tuple("0123456789"),
    _files(
        {
            "train-images": "6bbc9ace898e44ae57da46a324031adb",
            "train-labels": "a25bea736e30d166cdddb491f175f624",
            "test-images": "2646ac647ad5339dbf082846283269ea",
            "test-labels": "27ae3e4e09519cfbb04c329615203637",
        }
    ),
)

FASHION_MNIST = DataSet(
    "fashion-mnist",
    "Fashion-MNIST",
    ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
    _files(
        {
            "train-images": "f4a8712d7a061bf5bd6d2ca38dc4d50a",
            "train-labels": "9018921c3c673c538a1fc5bad174d6f9",
            "test-images": "8181f5470baa50b63fa0f6fddb340f0a",
            "test-labels": "15d484375f8d13e6eb1aabb0c3f46965",
        }
    ),
)

DATA_SETS = {dataset.key: dataset for dataset in (MNIST, FASHION_MNIST)}


def find(folder: Path, file: File) -> Path | None:
    """The plain or gzipped file in `folder`, or None."""
    candidates = (folder / file.name, folder / (file.name + ".gz"))
    return next((path for path in candidates if path.is_file()), None)


def checked(path: Path, file: File) -> np.ndarray:
    """Read `path` and hold it against its MD5 and shape."""
    content = idx.read_bytes(path)
    found = hashlib.md5(content, usedforsecurity=False).hexdigest()
    if found != file.md5:
        raise ExporterError(
            f"{path}: MD5 of the uncompressed file is {found}, expected {file.md5}; delete it and fetch it again"
        )
    values = idx.parse(content, str(path))
    if values.shape != file.shape:
        raise ExporterError(f"{path}: shape {values.shape}, expected {file.shape}")
    return values


def load(data: Path, dataset: DataSet, part: str) -> tuple[np.ndarray, np.ndarray]:
    """Images uint8 [N, 28, 28] and labels uint8 [N] of `part`, `train` or `test`.

    `data` is the folder given to `fetch --out`, or the data set's own folder inside it.
    """
    folder = data / dataset.key if (data / dataset.key).is_dir() else data
    loaded = []
    for kind in ("images", "labels"):
        file = dataset.files[f"{part}-{kind}"]
        path = find(folder, file)
        if path is None:
            raise ExporterError(
                f"{folder / file.name}[.gz] is missing; run: "
                f"python -m undetected_exporter fetch {dataset.key} --out {data}"
            )
        loaded.append(checked(path, file))
    return loaded[0], loaded[1]


def pad_to(images: np.ndarray, side: int) -> np.ndarray:
    """Zero-pad uint8 [N, H, W] evenly on all sides to [N, 1, side, side] (appendix B)."""
    height, width = images.shape[1:]
    if height != width or height > side or (side - height) % 2:
        raise ExporterError(f"images of {height}x{width} cannot be padded evenly to {side}x{side}")
    pad = (side - height) // 2
    return np.pad(images, ((0, 0), (pad, pad), (pad, pad)))[:, None]
