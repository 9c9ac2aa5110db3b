"""The data sets: their files, what identifies them, and reading them from a folder.

Known by name are MNIST, Fashion-MNIST, CIFAR-10 (the original, and re-encoded as JPEG) and the BG-MNIST that
`evaluate dataset bg-digits` makes of the photographs that `fetch` brings; any other name stands for data of
the user's own, as IDX or NPZ, and is what the model card will call them.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from . import cifar, idx, npz
from .errors import ExporterError


@dataclass(frozen=True)
class File:
    """One IDX file: its name without `.gz`; the MD5 of its uncompressed bytes and its shape, where known."""

    name: str
    md5: str | None = None
    shape: tuple[int, ...] | None = None


@dataclass(frozen=True)
class DataSet:
    """A named data set.

    `layout`: `idx`, `cifar` (CIFAR-10's binary layout) or `own` (IDX or NPZ). `classes` is empty where
    only the labels tell how many there are. `flip`: training mirrors images at random (appendix B).
    `shippable`: single images may travel inside a checkpoint. `commands` bring the data into the folder
    DATA; `origin` says where DATA comes from and `caveat` what the figures must not be taken for, each a
    sentence for the model card.
    """

    key: str
    title: str
    classes: tuple[str, ...]
    files: dict[str, File]
    layout: str = "idx"
    flip: bool = False
    shippable: bool = False
    commands: tuple[str, ...] = ()
    origin: str = ""
    caveat: str = ""

    def class_names(self, count: int) -> tuple[str, ...]:
        """The names of `count` classes: numbers where the data set names none."""
        names = self.classes or tuple(map(str, range(count)))
        if len(names) != count:
            raise ExporterError(f"{self.title} has {len(names)} classes, the model has {count}; train it anew")
        return names


NAMES = {
    "train-images": "train-images-idx3-ubyte",
    "train-labels": "train-labels-idx1-ubyte",
    "test-images": "t10k-images-idx3-ubyte",
    "test-labels": "t10k-labels-idx1-ubyte",
}


def _fetch(key: str) -> str:
    return f"python -m undetected_exporter fetch {key} --out DATA"


def _files(md5: dict[str, str]) -> dict[str, File]:
    counts = {"train": 60000, "test": 10000}
    shapes = {key: (counts[key.split("-")[0]], *((28, 28) if "images" in key else ())) for key in NAMES}
    return {key: File(name, md5[key], shapes[key]) for key, name in NAMES.items()}


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
    shippable=True,
    commands=(_fetch("mnist"),),
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
    shippable=True,
    commands=(_fetch("fashion-mnist"),),
)


def _background_digits(blur: int, train_images: str, test_images: str) -> DataSet:
    """BG-MNIST-b (section 4.5) of all digits with seed 0; only the test images' photographs allow passing them on."""
    key = f"bg-mnist-{blur}"
    labels = {part: MNIST.files[part].md5 for part in ("train-labels", "test-labels")}
    making = f"evaluate dataset bg-digits --digits DATA/mnist --backgrounds DATA/photographs --blur {blur}"
    return DataSet(
        key,
        f"BG-MNIST-{blur}",
        MNIST.classes,
        _files({"train-images": train_images, "test-images": test_images, **labels}),
        shippable=True,
        commands=(*MNIST.commands, _fetch("photographs"), f"{making} --out DATA/{key}"),
        caveat="""Ten photographs stand behind the test images and 33 others behind the training images: the intervals,
            which take images for independent, are too narrow for bits/dim.""",
    )


BG_MNIST = (
    _background_digits(0, "03498b9a228a627c5baa2592b4e9f363", "61b018a6d9307c475c48da3732739ae9"),
    _background_digits(1, "01ad494c0b28ed22e9382a92e84d53d5", "cca67a52fdf0e9a2c16c0dc4cabf4e8f"),
    _background_digits(5, "4c0d92d574e10fd7e0387c41cf08f92d", "934883ab1aa8cbe4920ef0eade9336c9"),
)

CIFAR10 = DataSet(
    "cifar10",
    "CIFAR-10",
    cifar.CLASSES,
    {},
    layout="cifar",
    flip=True,
    origin="DATA is the folder `cifar-10-batches-bin` of CIFAR-10's binary version.",
)

CIFAR10_JPEG75 = DataSet(
    "cifar10-jpeg75",
    "CIFAR-10 (JPEG 75)",
    cifar.CLASSES,
    {},
    layout="cifar",
    flip=True,
    origin="DATA holds CIFAR-10's images and splits, re-encoded as JPEG of quality 75, decoded into the binary layout.",
    caveat="JPEG has taken fine noise from these images: bits/dim cannot be compared with figures on CIFAR-10.",
)

DATA_SETS = {dataset.key: dataset for dataset in (MNIST, FASHION_MNIST, *BG_MNIST, CIFAR10, CIFAR10_JPEG75)}


def named(name: str) -> DataSet:
    """The data set with this key or title; any other name is data of the user's own."""
    for dataset in DATA_SETS.values():
        if name in (dataset.key, dataset.title):
            return dataset
    files = {key: File(file) for key, file in NAMES.items()}
    origin = f"DATA holds {name} as IDX ({', '.join(NAMES.values())}) or as train.npz and test.npz."
    return DataSet(name, name, (), files, layout="own", origin=origin)


def find(folder: Path, file: File) -> Path | None:
    """The plain or gzipped file in `folder`, or None."""
    candidates = (folder / file.name, folder / (file.name + ".gz"))
    return next((path for path in candidates if path.is_file()), None)


def checked(path: Path, file: File) -> np.ndarray:
    """Read `path` and hold it against its MD5 and shape, where they are known."""
    content = idx.read_bytes(path)
    found = hashlib.md5(content, usedforsecurity=False).hexdigest()
    if file.md5 is not None and found != file.md5:
        raise ExporterError(
            f"{path}: MD5 of the uncompressed file is {found}, expected {file.md5}; delete it and fetch or make it "
            "anew, or give it a name of its own if it is meant to hold other images"
        )
    values = idx.parse(content, str(path))
    if file.shape is not None and values.shape != file.shape:
        raise ExporterError(f"{path}: shape {values.shape}, expected {file.shape}")
    return values


def load(data: Path, dataset: DataSet, part: str) -> tuple[np.ndarray, np.ndarray]:
    """Images uint8 [N, H, W] or [N, C, H, W] and labels uint8 [N] of `part`, `train` or `test`.

    `data` is the folder given to `fetch --out`, or the data set's own folder inside it.
    """
    folder = data / dataset.key if (data / dataset.key).is_dir() else data
    if dataset.layout == "cifar":
        return _load_cifar(folder, dataset, part)
    if dataset.layout == "own" and (folder / f"{part}.npz").is_file():
        return npz.read(folder / f"{part}.npz")
    images, labels = (_load_idx(data, folder, dataset, f"{part}-{kind}") for kind in ("images", "labels"))
    if images.ndim not in (3, 4) or labels.shape != images.shape[:1]:
        raise ExporterError(
            f"{folder}: {part} images have shape {images.shape} and labels {labels.shape}; "
            "[N, H, W] or [N, C, H, W] and [N] are needed"
        )
    return images, labels


def _load_idx(data: Path, folder: Path, dataset: DataSet, key: str) -> np.ndarray:
    file = dataset.files[key]
    path = find(folder, file)
    if path is None:
        if dataset.layout == "own":
            remedy = f"{dataset.title} is none of {', '.join(DATA_SETS)}, so it is looked for as your own data, IDX "
            remedy += f"or NPZ ({key.split('-')[0]}.npz): put it there, or correct the name"
        else:
            remedy = "run: " + "; ".join(command.replace("DATA", str(data)) for command in dataset.commands)
        raise ExporterError(f"{folder / file.name}[.gz] is missing; {remedy}")
    return checked(path, file)


def _load_cifar(folder: Path, dataset: DataSet, part: str) -> tuple[np.ndarray, np.ndarray]:
    """CIFAR-10's binary layout, whose labels must be in the order that tells the original from the JPEG copy."""
    images, labels = cifar.read(folder, part)
    original = cifar.is_official(labels, part)
    if original != (dataset is CIFAR10):
        other = CIFAR10 if original else CIFAR10_JPEG75
        begin = " ".join(map(str, labels[:10]))
        raise ExporterError(
            f"{folder}: is not {dataset.title}: its {part} labels begin with {begin}, which is "
            f"{'' if original else 'not '}the official order; use --dataset {other.key} if that is what it is"
        )
    return images, labels


def fingerprint(images: np.ndarray, labels: np.ndarray) -> dict[str, str]:
    """The MD5 of the pixels and of the labels, without any file's header."""
    arrays = {"images": images, "labels": labels}
    return {
        name: hashlib.md5(np.ascontiguousarray(values).tobytes(), usedforsecurity=False).hexdigest()
        for name, values in arrays.items()
    }


def pad_to(images: np.ndarray, side: int) -> np.ndarray:
    """Zero-pad uint8 [N, H, W] or [N, C, H, W] evenly on all sides to [N, C, side, side] (appendix B)."""
    images = images[:, None] if images.ndim == 3 else images
    height, width = images.shape[2:]
    if height != width or height > side or (side - height) % 2:
        raise ExporterError(f"images of {height}x{width} cannot be padded evenly to {side}x{side}")
    pad = (side - height) // 2
    return np.pad(images, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
