"""The binary layout of CIFAR-10: records of one label byte and 3 x 32 x 32 pixels, planes R, G, B."""

from pathlib import Path

import numpy as np

from .errors import ExporterError

SHAPE = (3, 32, 32)
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
FILES = {"train": tuple(f"data_batch_{number}.bin" for number in range(1, 6)), "test": ("test_batch.bin",)}
RECORDS_PER_FILE = 10_000
RECORD = 1 + int(np.prod(SHAPE))

FIRST_LABELS = {
    "train": (6, 9, 9, 4, 1, 1, 2, 7, 8, 3),
    "test": (3, 8, 8, 0, 6, 6, 1, 6, 3, 1),
}
"""The official order begins so: data_batch_1 with frog, truck, truck, deer; the test set with cat, ship, ship."""


def parse(content: bytes, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Images uint8 [N, 3, 32, 32] and labels uint8 [N] of one file's bytes; `name` is for errors."""
    expected = RECORDS_PER_FILE * RECORD
    if len(content) != expected:
        raise ExporterError(
            f"{name}: {len(content)} bytes, expected {RECORDS_PER_FILE} records of {RECORD} = {expected} bytes; "
            "give the folder cifar-10-batches-bin of the binary version"
        )
    records = np.frombuffer(content, np.uint8).reshape(-1, RECORD)
    if (worst := records[:, 0].max()) >= len(CLASSES):
        raise ExporterError(f"{name}: label {worst} in record {records[:, 0].argmax()}, expected 0 to 9; copy it again")
    return records[:, 1:].reshape(-1, *SHAPE), records[:, 0]


def is_official(labels: np.ndarray, part: str) -> bool:
    """Are the labels in the official order? Their first ten tell it from any re-sorted copy."""
    return tuple(labels[:10].tolist()) == FIRST_LABELS[part]


def read(folder: Path, part: str) -> tuple[np.ndarray, np.ndarray]:
    """All images and labels of `part`, in the order of the files."""
    pieces = []
    for name in FILES[part]:
        path = folder / name
        if not path.is_file():
            raise ExporterError(f"{path} is missing; give the folder that holds {', '.join(FILES[part])}")
        pieces.append(parse(path.read_bytes(), str(path)))
    images, labels = (np.concatenate(column) for column in zip(*pieces, strict=True))
    return images, labels
