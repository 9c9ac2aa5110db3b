"""NPZ archives: images under `x` or `images`, labels under `y` or `labels`, as the harness reads them."""

import zipfile
from pathlib import Path

import numpy as np

from .errors import ExporterError

IMAGES = ("x", "images", "x_test", "data", "arr_0")
LABELS = ("y", "labels", "y_test", "label", "arr_1")


def read(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Images uint8 [N, H, W] or [N, C, H, W] and labels uint8 [N]."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            images, labels = (archive[_name(archive, wanted, path)] for wanted in (IMAGES, LABELS))
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise ExporterError(f"{path}: cannot be read as NPZ ({error}); write it with numpy.savez") from error
    if images.dtype != np.uint8 or images.ndim not in (3, 4):
        raise ExporterError(
            f"{path}: images are {images.dtype} of shape {images.shape}; uint8 [N, H, W] or [N, C, H, W] is needed"
        )
    if labels.shape != images.shape[:1] or labels.dtype.kind not in "iu" or labels.min() < 0 or labels.max() > 255:
        raise ExporterError(
            f"{path}: labels are {labels.dtype} of shape {labels.shape}; {len(images)} whole numbers "
            "from 0 to 255 are needed"
        )
    return images, labels.astype(np.uint8)


def _name(archive, wanted: tuple[str, ...], path: Path) -> str:
    found = next((name for name in wanted if name in archive.files), None)
    if found is None:
        raise ExporterError(f"{path}: holds {', '.join(archive.files)}, but none of {', '.join(wanted)}")
    return found
