"""The checkpoints that travel with the repository keep their promises."""

import json
import math

import numpy as np
import onnx
import pytest
import torch
from conftest import CHECKPOINTS

from undetected_exporter import card, data, export
from undetected_exporter.contract import Parity, input_shape, read_metadata

SHIPPED = sorted(CHECKPOINTS.glob("*.onnx"))


def test_there_is_a_checkpoint_and_every_one_is_small_and_has_its_card():
    assert SHIPPED
    for path in SHIPPED:
        assert path.stat().st_size <= 2_000_000
        assert path.name in (CHECKPOINTS / "README.md").read_text()
        written = path.with_suffix(".md").read_text()
        assert f"{path.stat().st_size:,} bytes" in written and read_metadata(onnx.load(str(path)))["name"] in written


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_the_parity_vectors_are_reproduced(path):
    model = onnx.load(str(path))
    parity = Parity.decode(read_metadata(model)["parity"], input_shape(model, "x"), input_shape(model, "noise"))
    assert export.check(model, parity) <= parity.relative_tolerance


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_the_shipped_images_are_classified_and_likely(path, digits):
    """As on the held-out images of training, whose figures the file declares; 500 images must come near them."""
    images, labels = digits
    model = onnx.load(str(path))
    side, facts = input_shape(model, "x")[-1], read_metadata(model)
    training = json.loads(facts["training"])
    found = card.figures(model, data.pad_to(images, side), labels, int(facts["n_dims"]))
    assert found.accuracy.value >= training["validation_accuracy"] - 0.04
    assert found.bits_per_dim.value < training["validation_bits_per_dim"] + 0.3 and found.outliers == 0


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_uniform_noise_is_far_less_likely_than_digits(path, digits):
    model = onnx.load(str(path))
    engine, shape = export.session(model), input_shape(model, "x")
    x, noise = torch.rand(2, 8, *shape, generator=torch.Generator().manual_seed(0)).numpy()
    noisy = export.run(engine, x, noise)["log_prob"].max(1)
    real = data.pad_to(digits[0][:8], shape[-1]).astype(np.float32) / 256 + x / 256
    assert export.run(engine, real, noise)["log_prob"].max(1).min() > noisy.max() + math.prod(shape) * math.log(2.0)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_the_card_repeats_what_the_file_declares(path):
    model = onnx.load(str(path))
    training = json.loads(read_metadata(model)["training"])
    assert card.training_command(training) in path.with_suffix(".md").read_text()
