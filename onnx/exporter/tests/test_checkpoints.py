"""The checkpoints that travel with the repository keep their promises."""

import json
import math
import re

import numpy as np
import onnx
import pytest
import torch
from conftest import CHECKPOINTS, DATA

from undetected_exporter import card, data, export, idx
from undetected_exporter.contract import Parity, input_shape, read_metadata

SHIPPED = sorted(CHECKPOINTS.glob("*.onnx"))


def test_there_are_checkpoints_small_enough_to_travel_each_with_its_card():
    assert SHIPPED and sum(path.stat().st_size for path in SHIPPED) <= 20_000_000
    for path in SHIPPED:
        assert path.stat().st_size <= 2_000_000
        written = path.with_suffix(".md").read_text()
        assert f"{path.stat().st_size:,} bytes" in written and read_metadata(onnx.load(str(path)))["name"] in written


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_the_parity_vectors_are_reproduced(path):
    model = onnx.load(str(path))
    parity = Parity.decode(read_metadata(model)["parity"], input_shape(model, "x"), input_shape(model, "noise"))
    assert export.check(model, parity) <= parity.relative_tolerance


def test_the_table_repeats_the_cards():
    table = (CHECKPOINTS / "README.md").read_text()
    for path in SHIPPED:
        accuracy, bits = measured(path)
        assert f"| [`{path.stem}`]({path.stem}.md) | {accuracy:.2%} | {bits:.4f} |".replace("%", "") in table


def shipped_images(path):
    """The 500 shipped test images and labels of the checkpoint's data set, None where they must not be passed on."""
    dataset = data.named(read_metadata(onnx.load(str(path)))["dataset"])
    files = [DATA / f"{dataset.key}-t10k-500-{kind}-ubyte.gz" for kind in ("images-idx3", "labels-idx1")]
    return tuple(map(idx.read, files)) if dataset.shippable else None


WITH_IMAGES = [path for path in SHIPPED if shipped_images(path)]


def test_only_cifar_checkpoints_travel_without_images():
    assert all("cifar10" in path.stem for path in SHIPPED if path not in WITH_IMAGES)


@pytest.mark.parametrize("path", WITH_IMAGES, ids=lambda path: path.stem)
def test_the_shipped_images_are_classified_and_likely(path):
    """As on the whole test set, whose figures the card gives: within the range of 500 images around them."""
    images, labels = shipped_images(path)
    model = onnx.load(str(path))
    side, facts = input_shape(model, "x")[-1], read_metadata(model)
    found = card.figures(model, data.pad_to(images, side), labels, int(facts["n_dims"]))
    accuracy, bits = measured(path)
    assert found.accuracy.low - 0.01 < accuracy < found.accuracy.high + 0.01
    # Ten photographs stand behind the images of BG-MNIST, so 500 images are far from independent.
    assert abs(found.bits_per_dim.value - bits) < 0.15
    assert found.outliers == 0


def measured(path) -> tuple[float, float]:
    """Accuracy and mean bits/dim of p(x) on the whole test set, as the card says."""
    text = path.with_suffix(".md").read_text()
    accuracy = re.search(r"\| accuracy.*? \| ([0-9.]+)%", text).group(1)
    return float(accuracy) / 100, float(re.search(r"\| bits/dim of p\(x\), mean \| ([0-9.]+)", text).group(1))


@pytest.mark.parametrize("path", WITH_IMAGES, ids=lambda path: path.stem)
def test_uniform_noise_is_far_less_likely_than_images(path):
    model = onnx.load(str(path))
    engine, shape = export.session(model), input_shape(model, "x")
    x, noise = torch.rand(2, 8, *shape, generator=torch.Generator().manual_seed(0)).numpy()
    noisy = export.run(engine, x, noise)["log_prob"].max(1)
    real = data.pad_to(shipped_images(path)[0][:8], shape[-1]).astype(np.float32) / 256 + x / 256
    assert export.run(engine, real, noise)["log_prob"].max(1).min() > noisy.max() + math.prod(shape) * math.log(2.0)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_the_card_repeats_what_the_file_declares(path):
    model = onnx.load(str(path))
    training = json.loads(read_metadata(model)["training"])
    assert card.training_command(training) in path.with_suffix(".md").read_text()
