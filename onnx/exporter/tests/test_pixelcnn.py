"""No pixel sees itself or a later one, the probabilities sum to one, and one pass gives every class."""

import dataclasses
import itertools
import math

import pytest
import torch

from undetected_exporter.logistic import log_mass, scaled
from undetected_exporter.pixelcnn import PixelCnn, PixelCnnConfig
from undetected_exporter.train import PRESETS

SMALL = PixelCnnConfig(side=8, classes=3, blocks=(2, 1, 1), widths=(4, 5, 6))
COLOUR = dataclasses.replace(SMALL, channels=3)
PAIR = PixelCnnConfig(side=1, classes=2, blocks=(1,), widths=(4,))


def perturbed(config: PixelCnnConfig, size: float = 0.1) -> PixelCnn:
    """A model whose every parameter is moved at random, so that no part of it is zero. float64."""
    model = PixelCnn(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(size * torch.randn_like(parameter))
    return model.double()


def dependence(model: PixelCnn, outputs) -> dict[tuple[int, int], torch.Tensor]:
    """Per pixel (r, c): the magnitude of the gradient of `outputs(model, image)` there by the image, [C, H, W].

    One copy of the image per pixel: `outputs` is [H W, P, H, W], of which copy i's pixel i is taken.
    """
    side, channels = model.config.side, model.config.channels
    image = torch.rand(channels, side, side, dtype=torch.float64).repeat(side * side, 1, 1, 1).requires_grad_()
    found = outputs(model, image).flatten(2).diagonal(dim1=0, dim2=2)
    weights = torch.randn(found.shape[0], dtype=torch.float64)
    gradient = torch.autograd.grad((weights @ found).sum(), image)[0].abs()
    return dict(zip(itertools.product(range(side), repeat=2), gradient, strict=True))


def earlier(side: int, r: int, c: int) -> torch.Tensor:
    """[H, W], true at the pixels before (r, c) in raster order."""
    return torch.arange(side * side).reshape(side, side) < r * side + c


def raw_of(model: PixelCnn, image: torch.Tensor) -> torch.Tensor:
    return model.head(torch.nn.functional.elu(model.network(image)))


@pytest.mark.parametrize("config", [SMALL, COLOUR], ids=["grey", "colour"])
def test_a_pixels_distribution_depends_on_all_pixels_before_it_and_on_no_other(config):
    for (r, c), gradient in dependence(perturbed(config), raw_of).items():
        before = earlier(config.side, r, c)
        assert (gradient[:, ~before] == 0).all(), f"pixel ({r}, {c}) sees itself or a later pixel"
        assert (gradient[:, before] > 0).all(), f"pixel ({r}, {c}) does not see a pixel before it"


def test_the_first_stream_sees_the_rows_above_and_no_other_pixel():
    model = perturbed(SMALL)
    for (r, c), gradient in dependence(model, lambda model, image: model.network.up(image)[2][0]).items():
        assert (gradient[:, r:] == 0).all()
        assert r == 0 or (gradient[:, :r, c] > 0).any()


def test_the_gradient_would_show_a_stream_that_starts_unshifted(monkeypatch):
    monkeypatch.setattr("undetected_exporter.pixelcnn.shift_right", lambda x: x)
    gradient = dependence(perturbed(SMALL), raw_of)[3, 3]
    assert (gradient[:, 3, 3] > 0).all()


def test_at_the_trained_size_even_rows_see_all_before_them_and_odd_rows_not_the_far_ends():
    """The known limit: no reduced resolution has seen row 13 from the left, or row 12 from the right, of (13, 14)."""
    model = perturbed(PRESETS["small-pixelcnn"].config)
    image = torch.rand(1, 1, 28, 28, dtype=torch.float64, requires_grad=True)
    raw = raw_of(model, image)
    unseen = {}
    for row in (12, 13):
        gradient = torch.autograd.grad(raw[0, :, row, 14].sum(), image, retain_graph=True)[0][0, 0]
        assert (gradient[~earlier(28, row, 14)] == 0).all()
        unseen[row] = {tuple(place) for place in (earlier(28, row, 14) & (gradient == 0)).nonzero().tolist()}
    assert unseen == {12: set(), 13: {(12, c) for c in range(21, 28)} | {(13, c) for c in range(8)}}


def test_a_later_channels_mean_depends_on_the_earlier_channels_of_its_pixel_linearly():
    model = perturbed(COLOUR)
    image = torch.rand(1, 3, 8, 8, dtype=torch.float64, requires_grad=True)
    mean, log_scale = model.components(image)
    for channel in range(3):
        own = torch.autograd.grad(mean[0, :, channel, 4, 4].sum(), image, retain_graph=True)[0][0, :, 4, 4]
        assert ((own != 0) == (torch.arange(3) < channel)).all()
        scale = torch.autograd.grad(log_scale[0, :, channel, 4, 4].sum(), image, retain_graph=True)[0]
        assert (scale[0, :, 4, 4] == 0).all()
    moved = image.detach().clone()
    moved[0, 0, 4, 4] += 0.1
    step = model.components(moved)[0] - mean
    moved[0, 0, 4, 4] += 0.2
    torch.testing.assert_close((model.components(moved)[0] - mean)[0, :, :, 4, 4], 3 * step[0, :, :, 4, 4])


@pytest.mark.parametrize("shape", [(1, 1, 2), (1, 2, 1), (2, 1, 1)], ids=["row", "column", "two channels"])
def test_the_probabilities_of_all_65536_images_of_two_values_sum_to_one(shape):
    """float32 convolutions, as float64 ones are slow: an error of 1e-6 nats an image leaves as much in the sum."""
    model = perturbed(dataclasses.replace(PAIR, channels=shape[0]), size=0.5).float()
    values = torch.cartesian_prod(torch.arange(256.0), torch.arange(256.0)).reshape(-1, *shape)
    with torch.no_grad():
        total = model.log_masses(values).sum((2, 3, 4)).double().exp().sum(0)
    torch.testing.assert_close(total, torch.ones(2, dtype=torch.float64), atol=2e-6, rtol=0)


def test_that_sum_would_show_a_pixel_that_sees_itself(monkeypatch):
    monkeypatch.setattr("undetected_exporter.pixelcnn.shift_right", lambda x: x)
    model = perturbed(PAIR, size=0.5)
    values = torch.arange(256.0).double().reshape(-1, 1, 1, 1)
    total = model.log_masses(values).sum((2, 3, 4)).exp().sum(0)
    assert (total - 1).abs().min() > 1e-4


@pytest.mark.parametrize("config", [SMALL, COLOUR], ids=["grey", "colour"])
def test_one_pass_gives_what_a_loop_over_pixels_and_classes_gives(config):
    """The second method: one pixel, channel and class at a time, from an image whose rest is wiped out."""
    model = perturbed(config)
    level = torch.randint(0, 256, (1, config.channels, 8, 8)).double()
    x, own = (level + torch.rand_like(level)) / 256, level.flatten()
    places = list(itertools.product(range(config.channels), range(8), range(8)))
    wiped = []
    for channel, row, column in places:
        known = earlier(8, row, column).expand_as(level).clone()
        known[:, :channel, row, column] = True
        wiped.append(torch.where(known, level, 99.0))
    with torch.no_grad():
        mean, log_scale = model.components(scaled(torch.cat(wiped)))
        found = model(x)[0][0]
    for label in range(config.classes):
        m, s = (value[:, label].flatten(1).diagonal() for value in (mean, log_scale))
        torch.testing.assert_close(found[label], log_mass(own, m, s).sum() + len(places) * math.log(256.0))


def test_the_density_is_constant_on_a_bin_and_its_integral_over_the_bin_is_the_mass():
    model = perturbed(SMALL)
    level = torch.randint(0, 256, (1, 1, 8, 8)).double()
    low, high = (model((level + u) / 256)[0] for u in (torch.zeros_like(level), torch.full_like(level, 1 - 2**-16)))
    assert torch.equal(low, high)
    torch.testing.assert_close(low - 64 * math.log(256), model.log_masses(level).sum((2, 3, 4)))


def test_the_gradient_is_zero_by_the_pixel_and_not_by_its_level():
    model = perturbed(SMALL)
    x = torch.rand(1, 1, 8, 8, dtype=torch.float64, requires_grad=True)
    level = torch.randint(1, 255, (1, 1, 8, 8)).double().requires_grad_()
    sum(part.sum() for part in model.parts(x)).backward()
    model.log_masses(level).sum().backward()
    assert (x.grad == 0).all() and (level.grad != 0).all()


def test_the_parts_add_up_and_the_class_part_has_mean_zero():
    total, shared, per_class = perturbed(SMALL)(torch.rand(4, 1, 8, 8, dtype=torch.float64))
    torch.testing.assert_close(total, shared[:, None] + per_class)
    torch.testing.assert_close(per_class.mean(1), torch.zeros(4, dtype=torch.float64), atol=1e-9, rtol=0)


@pytest.mark.parametrize("size", [0.1, 1.0])
def test_nothing_is_nan_at_extreme_images_and_weights(size):
    model = perturbed(SMALL, size).float()
    flat = torch.stack([torch.full((1, 8, 8), value) for value in (0.0, 1.0, 0.5)])
    x = torch.cat([flat, (torch.rand(5, 1, 8, 8) > 0.5).float()])
    shared, per_class = model.parts(x)
    (shared.sum() + per_class.square().sum().clamp(max=1e30)).backward()
    assert shared.isfinite().all() and per_class.isfinite().all()
    assert all(parameter.grad.isfinite().all() for parameter in model.parameters())
    frozen = model.freeze()(x)
    assert all(value.isfinite().all() for value in frozen)


def test_the_start_is_the_mean_and_the_spread_of_the_images():
    model = PixelCnn(COLOUR)
    x = 0.2 + 0.1 * torch.randn(64, 3, 8, 8) + torch.tensor([0.0, 0.2, 0.4])[:, None, None]
    model.initialise(x.clamp(0, 1))
    mean, log_scale = model.components(torch.zeros(1, 3, 8, 8))
    torch.testing.assert_close(mean[0, 0, :, 0, 0], torch.tensor([-0.6, -0.2, 0.2]), atol=0.02, rtol=0)
    deviation = log_scale[0, 0, :, 0, 0].exp() * math.pi / math.sqrt(3)
    torch.testing.assert_close(deviation, torch.full((3,), 0.2), atol=0.03, rtol=0)


def test_samples_of_a_model_of_two_values_have_its_probabilities():
    """Drawn 20,000 times: the mean of either level within 5 standard errors of the exact one."""
    config = dataclasses.replace(PAIR, channels=2)
    model = perturbed(config, size=0.5).float()
    labels = torch.tensor([0, 1]).repeat(10_000)
    drawn = model.sample(labels, 1.0, torch.Generator().manual_seed(0)) * 256 - 0.5
    assert drawn.shape == (20_000, 2, 1, 1) and torch.equal(drawn, drawn.round())
    values = torch.cartesian_prod(torch.arange(256.0), torch.arange(256.0))
    with torch.no_grad():
        mass = model.log_masses(values.reshape(-1, 2, 1, 1)).sum((2, 3, 4)).exp()
    for label in range(2):
        exact = mass[:, label] @ values
        found = drawn[labels == label].reshape(-1, 2)
        assert ((found.mean(0) - exact).abs() < 5 * found.std(0) / 100 + 1e-3).all()


def test_a_shape_that_cannot_be_is_refused():
    with pytest.raises(ValueError, match="side 6 cannot be halved 2 times"):
        dataclasses.replace(SMALL, side=6)
    with pytest.raises(ValueError, match="same levels"):
        PixelCnnConfig(blocks=(1,), widths=(2, 3))
    with pytest.raises(ValueError, match="dropout 1"):
        PixelCnnConfig(dropout=1.0)


def test_the_published_size_is_built_as_published():
    """3 resolutions, 5 blocks up and 5 (6 above the lowest) down, 160 channels, 9 numbers a class and pixel."""
    with torch.device("meta"):
        model = PixelCnn(PRESETS["paper-pixelcnn"].config)
    assert [len(blocks) for blocks in model.network.up_blocks] == [5, 5, 5]
    assert [len(blocks) for blocks in model.network.down_blocks] == [6, 6, 5]
    assert model.head.weight.shape[:2] == (90, 160)
    x = torch.empty(2, 3, 32, 32, device="meta")
    assert model(x)[0].shape == (2, 10)
