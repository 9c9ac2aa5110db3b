"""The discretised logistic is a distribution, at every mean and scale, and stays finite."""

import math

import pytest
import torch

from undetected_exporter.logistic import HALF_BIN, LOG_SCALE_RANGE, draw, level_of, log_mass, scaled
from undetected_exporter.numerics import explicit_softplus

LEVEL = torch.arange(256.0)
MEANS = torch.tensor([-3.0, -1.0, -0.2, 0.0, 0.7, 1.0, 50.0, 1e20])
LOG_SCALES = torch.tensor([-9.0, -7.0, -3.0, 0.0, 4.0, 7.0, 30.0])


def grid(kind: torch.dtype) -> tuple[torch.Tensor, torch.Tensor]:
    mean, log_scale = torch.meshgrid(MEANS.to(kind), LOG_SCALES.to(kind), indexing="ij")
    return mean.reshape(-1, 1), log_scale.reshape(-1, 1)


@pytest.mark.parametrize("softplus", [torch.nn.functional.softplus, explicit_softplus])
def test_the_256_values_sum_to_one(softplus):
    mean, log_scale = 3.0 * torch.randn(500, 1, dtype=torch.float64), 3.0 * torch.randn(500, 1, dtype=torch.float64)
    total = log_mass(LEVEL.double(), mean, log_scale, softplus).exp().sum(1)
    torch.testing.assert_close(total, torch.ones_like(total), atol=1e-12, rtol=0)


def test_it_is_the_difference_of_the_distribution_function_at_the_bins_edges():
    """By the hyperbolic tangent; 1e-15 is what the difference of two numbers near 1 loses."""
    mean, scale = torch.rand(2, 200, 1, dtype=torch.float64)
    mean, scale = 2 * mean - 1, 0.05 + scale
    value = scaled(LEVEL.double())
    upper, lower = (0.5 + 0.5 * torch.tanh((value + side - mean) / (2 * scale)) for side in (HALF_BIN, -HALF_BIN))
    upper[:, -1], lower[:, 0] = 1.0, 0.0
    found = log_mass(LEVEL.double(), mean, scale.log())
    torch.testing.assert_close(found.exp(), upper - lower, rtol=1e-9, atol=1e-15)


def test_float32_agrees_with_float64_where_the_naive_difference_is_lost():
    mean, log_scale = grid(torch.float64)
    exact = log_mass(LEVEL.double(), mean, log_scale)
    found = log_mass(LEVEL, mean.float(), log_scale.float(), explicit_softplus)
    torch.testing.assert_close(found.double(), exact, rtol=2e-5, atol=2e-5)
    inverse = torch.exp(-log_scale.float())
    centred = scaled(LEVEL) - mean.float()
    naive = torch.sigmoid((centred + HALF_BIN) * inverse) - torch.sigmoid((centred - HALF_BIN) * inverse)
    assert naive.log().isinf().any() and found.isfinite().all()


@pytest.mark.parametrize("softplus", [torch.nn.functional.softplus, explicit_softplus])
def test_no_gradient_is_infinite_or_nan_at_any_level_mean_and_scale(softplus):
    mean, log_scale = (value.requires_grad_() for value in grid(torch.float32))
    level = LEVEL.clone().requires_grad_()
    log_mass(level, mean, log_scale, softplus).sum().backward()
    assert all(value.grad.isfinite().all() for value in (level, mean, log_scale))


def test_the_gradients_are_those_of_finite_differences():
    level = torch.tensor([0.0, 1.0, 100.0, 254.0, 255.0], dtype=torch.float64)
    mean, log_scale = torch.rand(2, 5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda m, s: log_mass(level, m, s - 2.0), (mean, log_scale))


def test_with_the_identity_in_place_of_the_floor_the_gradient_is_the_smooth_ones():
    """d ln P / dk = (1 - sigmoid(a) - sigmoid(b)) / s per unit of v, inside the range."""
    level = torch.tensor([1.0, 77.0, 254.0], dtype=torch.float64, requires_grad=True)
    log_mass(level, torch.tensor(0.1, dtype=torch.float64), torch.tensor(-2.0, dtype=torch.float64)).sum().backward()
    a, b = ((scaled(level.detach()) - 0.1 + side * HALF_BIN) * math.exp(2.0) for side in (-1, 1))
    expected = (1 - torch.sigmoid(a) - torch.sigmoid(b)) * math.exp(2.0) / 127.5
    torch.testing.assert_close(level.grad, expected)


@pytest.mark.parametrize("u", [0.0, 2.0**-16, 0.5, 1 - 2.0**-16])
def test_every_place_in_a_bin_is_found_in_it(u):
    assert torch.equal(level_of((LEVEL + u) / 256), LEVEL)


def test_the_ends_of_the_range_and_the_contracts_none_are_found_in_their_bins():
    assert torch.equal(level_of(torch.tensor([0.0, 1.0])), torch.tensor([0.0, 255.0]))
    assert torch.equal(level_of(LEVEL / 255), LEVEL)


def test_drawn_levels_have_the_probabilities():
    """A million stratified uniforms: the share of every level within a millionth or two of its mass."""
    uniform = (torch.arange(10**6, dtype=torch.float64) + 0.5) / 10**6
    mean, log_scale = torch.tensor([0.3, -2.0], dtype=torch.float64)
    share = torch.bincount(draw(mean, log_scale, uniform).long(), minlength=256) / 1e6
    mass = log_mass(LEVEL.double(), mean, log_scale).exp()
    torch.testing.assert_close(share.double(), mass, atol=2e-6, rtol=0)
    edge = torch.tensor([0.0, 1.0], dtype=torch.float64)
    assert draw(mean, torch.tensor(LOG_SCALE_RANGE[1]).double(), edge).tolist() == [0.0, 255.0]
