"""Figures against values worked out by hand."""

import math

import numpy as np
import pytest
import torch

from undetected_exporter import evaluate
from undetected_exporter.errors import ExporterError
from undetected_exporter.noise import GRID, dequantise, generator, random_crop, random_flip
from undetected_exporter.objective import OBJECTIVES, formula, weighted


def test_the_uniform_density_costs_eight_bits_per_dim():
    assert evaluate.bits_per_dim(np.zeros(1), 1024) == pytest.approx(8.0)
    assert evaluate.bits_per_dim(np.array([1024 * math.log(256.0)]), 1024) == pytest.approx(0.0, abs=1e-12)


def test_scores_are_bayes_rule_and_a_mean_over_classes():
    def log_prob(x, noise):
        return np.full(len(x), 10.0), np.tile(np.log([1.0, 3.0]), (len(x), 1))

    labels = np.array([1, 0, 1], np.uint8)
    scores = evaluate.score(log_prob, np.zeros((3, 1, 2, 2), np.uint8), labels, generator(0, "test"), batch=2)
    assert scores.correct.tolist() == [True, False, True]
    assert scores.log_marginal == pytest.approx(np.full(3, 10.0 + math.log(2.0)))
    assert scores.log_own_class == pytest.approx(10.0 + np.log([3.0, 1.0, 3.0]))


def test_scores_do_not_depend_on_adding_a_constant_of_any_size_to_the_shared_part():
    def log_prob(x, noise):
        return np.full(len(x), -1e5), np.tile([-3000.0, -3001.0], (len(x), 1))

    scores = evaluate.score(log_prob, np.zeros((1, 1, 2, 2), np.uint8), np.array([0]), generator(0, "test"))
    assert scores.log_marginal[0] == pytest.approx(-1e5 - 3000.0 + math.log((1 + math.exp(-1)) / 2), abs=1e-9)


@pytest.mark.parametrize("bad", [float("nan"), float("-inf"), float("inf")])
def test_a_log_probability_that_is_not_finite_is_refused_with_its_image(bad):
    def log_prob(x, noise):
        return np.zeros(len(x)), np.where(x[:, 0, 0, :1].numpy() > 0.5, bad, [[0.0, 1.0]])

    images = np.zeros((4, 1, 2, 2), np.uint8)
    images[3] = 255
    with pytest.raises(ExporterError, match="image 3"):
        evaluate.score(log_prob, images, np.ones(4), generator(0, "test"), batch=2)


def test_wilson_is_the_textbook_interval():
    """8 of 10 at z = 1.96: (0.4901, 0.9433)."""
    assert evaluate.wilson(8, 10, 1.959964) == pytest.approx((0.4901625, 0.9433178), abs=1e-6)
    assert evaluate.wilson(10, 10)[1] == pytest.approx(1.0)


def test_the_interval_of_a_mean():
    mean, low, high = evaluate.mean_interval(np.array([1.0, 2.0, 3.0]), z=1.0)
    assert (mean, low, high) == pytest.approx((2.0, 2.0 - 1 / math.sqrt(3), 2.0 + 1 / math.sqrt(3)))


def test_dequantised_pixels_stay_in_their_bins():
    images = torch.arange(256, dtype=torch.uint8).reshape(1, 1, 16, 16).repeat(50, 1, 1, 1)
    x, noise = dequantise(images, generator(0, "test"))
    bins = x * 256 - images
    assert bins.min() >= 0 and bins.max() < 1 and noise.min() >= 0 and noise.max() < 1
    assert abs(float(bins.mean()) - 0.5) < 0.02 and abs(float(noise.mean()) - 0.5) < 0.02
    assert abs(float(np.corrcoef(bins.flatten(), noise.flatten())[0, 1])) < 0.05


def test_dequantisation_draws_every_multiple_of_the_contracts_grid_and_nothing_else():
    """k + u is exact in float32, even at k = 255, so 2^16 (256 x - k) is a whole number below 2^16."""
    images = torch.full((8, 1, 512, 512), 255, dtype=torch.uint8)
    x, _ = dequantise(images, generator(0, "test"))
    positions = (x.double() * 256 - 255) * GRID
    assert x.dtype == torch.float32 and x.max() < 1
    assert torch.equal(positions, positions.round()) and positions.min() == 0 and positions.max() == GRID - 1


def test_images_are_mirrored_or_left_as_they_are():
    images = torch.arange(6.0).reshape(1, 1, 2, 3).repeat(400, 1, 1, 1)
    flipped = random_flip(images, generator(0, "test"))
    mirrored = (flipped == images.flip(3)).all((1, 2, 3))
    assert torch.equal(flipped[~mirrored], images[~mirrored])
    assert abs(int(mirrored.sum()) - 200) < 50


def test_random_streams_depend_on_seed_purpose_and_index_only():
    first = [torch.rand(1, generator=generator(*key)).item() for key in ((0, "epoch", 1), (0, "epoch", 1))]
    others = [
        torch.rand(1, generator=generator(*key)).item() for key in ((1, "epoch", 1), (0, "test", 1), (0, "epoch", 2))
    ]
    assert first[0] == first[1] and len({first[0], *others}) == 4


def test_crops_shift_by_at_most_the_margin_and_by_all_of_it():
    images = torch.zeros(400, 1, 5, 5)
    images[:, :, 2, 2] = 1
    crops = random_crop(images, 1, generator(0, "test"))
    assert crops.shape == (400, 1, 3, 3)
    assert torch.equal(crops.sum((1, 2, 3)), torch.ones(400))
    assert (crops.sum(0) > 0).all()


def test_objectives_are_equation_6_and_its_first_half():
    shared, per_class, label = torch.tensor([-20.0]), torch.tensor([[1.0, 2.0, 4.0]]), torch.tensor([1])
    likelihood = 18.0 / 4
    posterior = -2.0 + math.log(math.e + math.e**2 + math.e**4)
    assert float(OBJECTIVES["base"][0](shared, per_class, label, 4)) == pytest.approx(likelihood)
    logits = torch.tensor([[0.0, 3.0, 0.0]])
    cross_entropy = -3.0 + math.log(2.0 + math.e**3)
    assert float(OBJECTIVES["split"][0](shared, per_class, label, 4, logits)) == pytest.approx(
        likelihood + cross_entropy
    )
    assert float(OBJECTIVES["reweight"][0](shared, per_class, label, 4)) == pytest.approx(likelihood + posterior)
    heavy = weighted("reweight", 1000.0)(shared, per_class, label, 4)
    assert float(heavy) == pytest.approx(likelihood + 1000 * posterior, rel=1e-6)
    assert weighted("base", 1.0) is OBJECTIVES["base"][0]


def test_the_declared_formula_states_the_weight():
    assert formula("reweight", 1.0) == "-log p(x|y)/D - log p(y|x)"
    assert formula("reweight", 1000.0) == "-log p(x|y)/D - 1000 log p(y|x)"
    assert formula("base", 1.0) == "-log p(x|y)/D"
