"""The flow is a bijection, its log-determinant is right, and its density is one."""

import math

import pytest
import torch
from conftest import perturbed

from undetected_exporter.glow import (
    PADDING_SCALE,
    RANGE_SHIFT,
    Glow,
    GlowConfig,
    MixturePrior,
    bounded_log_scale,
    explicit_softplus,
    squeeze,
    unsqueeze,
)

SMALL = GlowConfig(side=8, classes=3, blocks=(2, 2), widths=(8, 8))
SCALAR = GlowConfig(side=1, classes=2, blocks=(2,), widths=(6,))


def test_decoding_what_was_encoded_gives_the_image_and_the_noise_back():
    model = perturbed(GlowConfig(side=16, blocks=(2, 2, 2), widths=(8, 8, 8)), size=0.05)
    x, noise = torch.rand(2, 5, 1, 16, 16)
    with torch.no_grad():
        again = model.decode(model.encode(x, noise)[0])
    torch.testing.assert_close(again, (x, noise), atol=1e-4, rtol=0)


def test_squeeze_is_a_permutation_with_an_inverse():
    x = torch.arange(2 * 3 * 4 * 6.0).reshape(2, 3, 4, 6)
    assert squeeze(x).shape == (2, 12, 2, 3)
    assert torch.equal(unsqueeze(squeeze(x)), x)
    assert torch.equal(squeeze(x)[0, :4, 0, 0], x[0, 0, :2, :2].flatten())


def log_prob_by_jacobian(model: Glow, x: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
    """ln p(x|y), [K], of one sample: Gaussians written out, and the whole map's Jacobian determinant."""
    n = x.numel()

    def latents(flat: torch.Tensor) -> torch.Tensor:
        parts = model.encode(flat[:n].reshape(x.shape), flat[n:].reshape(x.shape))[0]
        return torch.cat([part.flatten() for part in parts])

    flat = torch.cat([x.flatten(), noise.flatten()])
    jacobian = torch.autograd.functional.jacobian(latents, flat)
    z = latents(flat)
    top = z[-math.prod(model.top_shape) :]
    split = torch.distributions.Normal(0.0, 1.0).log_prob(z[: -len(top)]).sum()
    mixture = torch.distributions.Normal(model.prior.mean, model.prior.log_sigma.exp()).log_prob(top).sum(1)
    return split + mixture + torch.linalg.slogdet(jacobian)[1]


@pytest.mark.parametrize("frozen", [False, True])
def test_log_prob_is_the_change_of_variables_by_brute_force(frozen):
    model = perturbed(SMALL).double()
    if frozen:
        model = model.freeze().double()
    x, noise = torch.rand(2, 3, 1, 8, 8, dtype=torch.float64)
    found = model(x, noise)[0]
    for i in range(3):
        expected = log_prob_by_jacobian(model, x[i : i + 1], noise[i : i + 1])
        torch.testing.assert_close(found[i], expected, rtol=1e-4 if frozen else 1e-9, atol=1e-4 if frozen else 1e-9)


def test_the_jacobian_check_would_notice_a_forgotten_padding_scale():
    model = perturbed(SMALL).double()
    x, noise = torch.rand(2, 1, 1, 8, 8, dtype=torch.float64)
    expected = log_prob_by_jacobian(model, x, noise)
    wrong = model(x, noise)[0][0] - 64 * math.log(PADDING_SCALE)
    assert (wrong - expected).abs().min() > 100


def test_the_density_of_a_two_dimensional_model_integrates_to_one():
    """One pixel and its noise: p(x, u | y) over the plane, by the midpoint rule."""
    model = perturbed(SCALAR, size=0.3).double()
    with torch.no_grad():
        z = torch.randn(20000, 2, 1, 1, dtype=torch.float64) * model.prior.log_sigma.exp().max() * 3
        x, noise = model.decode([z + model.prior.mean.mean()])
        axes = [torch.linspace(float(v.min()) - 1, float(v.max()) + 1, 1001, dtype=torch.float64) for v in (x, noise)]
        x, noise = (value.reshape(-1, 1, 1, 1) for value in torch.meshgrid(*axes, indexing="ij"))
        density = model(x, noise)[0].exp()
    cell = (axes[0][1] - axes[0][0]) * (axes[1][1] - axes[1][0])
    torch.testing.assert_close(density.sum(0) * cell, torch.ones(2, dtype=torch.float64), atol=1e-3, rtol=0)


def test_the_parts_add_up_and_the_class_part_has_mean_zero():
    model = perturbed(SMALL).freeze()
    log_prob, shared, per_class = model(*torch.rand(2, 4, 1, 8, 8))
    torch.testing.assert_close(log_prob, shared[:, None] + per_class, rtol=0, atol=0)
    torch.testing.assert_close(per_class.mean(1), torch.zeros(4), atol=1e-4, rtol=0)


def test_the_mixture_prior_is_one_gaussian_per_class():
    torch.manual_seed(1)
    prior = MixturePrior(3, 5).double()
    torch.nn.init.normal_(prior.mean)
    torch.nn.init.normal_(prior.log_sigma)
    z = torch.randn(7, 5, dtype=torch.float64)
    shared, per_class = prior(z)
    normal = torch.distributions.Normal(prior.mean, prior.log_sigma.exp())
    expected = normal.log_prob(z[:, None]).sum(2)
    torch.testing.assert_close(shared[:, None] + prior.constant() + per_class, expected)


def test_actnorm_starts_with_zero_mean_and_unit_variance():
    model = Glow(SMALL)
    x, noise = torch.rand(2, 256, 1, 8, 8)
    model.initialise(x, noise)
    first = model.levels[0].steps[0].mix
    h = torch.cat([x + RANGE_SHIFT, noise * PADDING_SCALE], 1)
    normalised = (h + first.bias[:, None, None]) * first.log_gain.exp()[:, None, None]
    torch.testing.assert_close(normalised.mean((0, 2, 3)), torch.zeros(2), atol=1e-4, rtol=0)
    torch.testing.assert_close(normalised.std((0, 2, 3)), torch.ones(2), atol=1e-3, rtol=0)


def test_the_scale_stays_finite_where_the_logarithm_of_a_sigmoid_does_not():
    raw = torch.tensor([-1e4, -200.0, 0.0, 200.0, 1e4])
    log_scale = bounded_log_scale(raw, 2.0)
    assert torch.log(torch.sigmoid(raw)).isinf().any()
    assert log_scale.isfinite().all()
    torch.testing.assert_close(log_scale[2:], torch.tensor([0.0, math.log(2.0), math.log(2.0)]))
    torch.testing.assert_close(log_scale, bounded_log_scale(raw, 2.0, explicit_softplus))


def test_a_model_of_one_level_more_than_the_side_allows_is_refused():
    with pytest.raises(ValueError, match="side 8"):
        GlowConfig(side=8, blocks=(1,) * 5, widths=(4,) * 5)
