"""The flow is a bijection, its log-determinant is right, and its density is one."""

import math
from dataclasses import replace

import pytest
import torch
from conftest import perturbed

from undetected_exporter.glow import (
    PADDING_SCALE,
    RANGE_SHIFT,
    Glow,
    GlowConfig,
    squeeze,
    unsqueeze,
)
from undetected_exporter.numerics import bounded_log_scale, explicit_softplus
from undetected_exporter.prior import MixturePrior, SplitPrior

SMALL = GlowConfig(side=8, classes=3, blocks=(2, 2), widths=(8, 8))
SCALAR = GlowConfig(side=1, classes=2, blocks=(2,), widths=(6,))
PAIR = GlowConfig(channels=2, side=1, classes=2, blocks=(2,), widths=(6,))
VARIANTS = [
    ("gaussian", 0.0),
    ("gaussian", 0.1),
    ("split", 0.0),
    ("split", 0.1),
    ("gaussian-laplace", 0.0),
    ("cauchy", 0),
]


@pytest.mark.parametrize("channels", [1, 3])
def test_decoding_what_was_encoded_gives_the_image_and_the_noise_back(channels):
    model = perturbed(GlowConfig(channels=channels, side=16, blocks=(2, 2, 2), widths=(8, 8, 8)), size=0.05)
    x, noise = torch.rand(2, 5, channels, 16, 16)
    with torch.no_grad():
        again = model.decode(model.encode(x, noise)[0])
    torch.testing.assert_close(again, (x, noise), atol=1e-4, rtol=0)


def test_squeeze_is_a_permutation_with_an_inverse():
    x = torch.arange(2 * 3 * 4 * 6.0).reshape(2, 3, 4, 6)
    assert squeeze(x).shape == (2, 12, 2, 3)
    assert torch.equal(unsqueeze(squeeze(x)), x)
    assert torch.equal(squeeze(x)[0, :4, 0, 0], x[0, 0, :2, :2].flatten())


def top_log_density(model: Glow, top: torch.Tensor) -> torch.Tensor:
    """ln p(z|y), [K], of one sample's top latents, by torch's own densities."""
    prior, classes = model.prior, model.config.classes
    if isinstance(prior, SplitPrior):
        t, z_n, log_det = prior.divide(top[None])
        means, log_scales = prior.rest_given(t)
        centres = torch.eye(classes, dtype=top.dtype) / math.sqrt(prior.variance)
        logit_part = torch.distributions.Normal(centres, 1.0).log_prob(t[0]).sum(1)
        clusters = logit_part + torch.distributions.Normal(means[0], log_scales[0].exp()).log_prob(z_n).sum(1)
        clusters = clusters + log_det
    elif isinstance(prior, MixturePrior):
        clusters = torch.distributions.Normal(prior.mean, prior.log_sigma.exp()).log_prob(top).sum(1)
    else:
        clusters = prior.log_density(top[None])[0].sum(1)
    epsilon = model.config.smoothing
    if not epsilon:
        return clusters
    weights = torch.full((classes, classes), epsilon / (classes - 1), dtype=top.dtype)
    weights.fill_diagonal_(1.0 - epsilon)
    return torch.logsumexp(weights.log() + clusters, 1)


def log_prob_by_jacobian(model: Glow, x: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
    """ln p(x|y), [K], of one sample: densities written out, and the whole map's Jacobian determinant."""
    n = x.numel()

    def latents(flat: torch.Tensor) -> torch.Tensor:
        parts = model.encode(flat[:n].reshape(x.shape), flat[n:].reshape(x.shape))[0]
        return torch.cat([part.flatten() for part in parts])

    flat = torch.cat([x.flatten(), noise.flatten()])
    jacobian = torch.autograd.functional.jacobian(latents, flat)
    z = latents(flat)
    top = z[-math.prod(model.top_shape) :]
    split = torch.distributions.Normal(0.0, 1.0).log_prob(z[: -len(top)]).sum()
    return split + top_log_density(model, top) + torch.linalg.slogdet(jacobian)[1]


@pytest.mark.parametrize("frozen", [False, True])
@pytest.mark.parametrize(("prior", "smoothing"), VARIANTS)
def test_log_prob_is_the_change_of_variables_by_brute_force(prior, smoothing, frozen):
    model = perturbed(replace(SMALL, side=4, prior=prior, smoothing=smoothing)).double()
    if frozen:
        model = model.freeze().double()
    x, noise = torch.rand(2, 2, 1, 4, 4, dtype=torch.float64)
    found = model(x, noise)[0]
    for i in range(2):
        expected = log_prob_by_jacobian(model, x[i : i + 1], noise[i : i + 1])
        torch.testing.assert_close(found[i], expected, rtol=1e-4 if frozen else 1e-9, atol=1e-4 if frozen else 1e-9)


def test_three_channels_have_three_noise_channels_and_the_same_density_by_brute_force():
    model = perturbed(replace(SMALL, channels=3, side=4)).double()
    assert model.config.n_dims == 48 and model.levels[0].steps[0].mix.bias.shape == (6,)
    x, noise = torch.rand(2, 1, 3, 4, 4, dtype=torch.float64)
    expected = log_prob_by_jacobian(model, x, noise)
    torch.testing.assert_close(model(x, noise)[0][0], expected, rtol=1e-9, atol=1e-9)


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


@pytest.mark.parametrize(("prior", "smoothing"), [("gaussian", 0.0), ("split", 0.1)])
def test_the_density_of_a_two_pixel_model_integrates_to_one(prior, smoothing):
    """Two pixels and their noise: p(x, u | y) over four dimensions, by the midpoint rule."""
    model = perturbed(replace(PAIR, prior=prior, smoothing=smoothing), size=0.1).double()
    if prior == "split":
        model.prior.variance = 0.5
    with torch.no_grad():
        label = torch.arange(2).repeat(4000)
        top = model.prior.sample(label, 1.5, torch.Generator().manual_seed(0)).double()
        drawn = model.decode([top.reshape(-1, 4, 1, 1)])
        ends = [v[:, i].flatten() for v in drawn for i in range(2)]
        quantiles = torch.tensor([1e-3, 1 - 1e-3], dtype=torch.float64)
        axes = [torch.linspace(*map(float, v.quantile(quantiles)), 25, dtype=torch.float64) for v in ends]
        points = torch.stack(torch.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 4, 1, 1)
        total = sum(model(part[:, :2], part[:, 2:])[0].exp().sum(0) for part in points.split(200_000))
        cell = math.prod(float(axis[1] - axis[0]) for axis in axes)
    torch.testing.assert_close(total * cell, torch.ones(2, dtype=torch.float64), atol=0.02, rtol=0)


@pytest.mark.parametrize("prior", ["gaussian", "split"])
def test_images_are_sampled_from_the_density_of_their_label(prior):
    """E[q(x, u)/p(x, u)] over draws from p is 1 for any density q; here q is p of the other class.

    Classes near each other keep the ratio tame: 4 standard errors of the mean.
    """
    model = perturbed(replace(PAIR, prior=prior), size=0.1).double()
    if prior == "split":
        model.prior.variance = 4.0
    with torch.no_grad():
        label = torch.zeros(4000, dtype=torch.int64)
        top = model.prior.sample(label, 1.0, torch.Generator().manual_seed(0)).double()
        log_prob = model(*model.decode([top.reshape(-1, 4, 1, 1)]))[0]
    ratio = (log_prob[:, 1] - log_prob[:, 0]).exp()
    assert abs(float(ratio.mean()) - 1.0) < 4.0 * float(ratio.std()) / math.sqrt(4000) < 0.2


def test_samples_depend_on_the_seed_and_the_label_only():
    model = perturbed(replace(SMALL, side=4, prior="split"))
    label = torch.arange(3)
    first, again, other = (model.sample(label, 1.0, torch.Generator().manual_seed(seed)) for seed in (0, 0, 1))
    assert first.shape == (3, 1, 4, 4) and torch.equal(first, again) and not torch.equal(first, other)


def test_half_precision_couplings_keep_the_flow_in_single_precision():
    """The convolutions' results differ by bfloat16's 2^-8; the density is that of a flow with these couplings."""
    model = perturbed(SMALL)
    x, noise = torch.rand(2, 4, 1, 8, 8)
    with torch.no_grad():
        whole = model(x, noise)[0]
        model.use_half(True)
        half = model(x, noise)[0]
        latents = model.encode(x, noise)[0]
    assert half.dtype == torch.float32 and latents[0].dtype == torch.float32
    assert not torch.equal(half, whole)
    torch.testing.assert_close(half, whole, rtol=0.02, atol=1.0)


def test_the_parts_add_up_and_the_class_part_has_mean_zero():
    model = perturbed(SMALL).freeze()
    log_prob, shared, per_class = model(*torch.rand(2, 4, 1, 8, 8))
    torch.testing.assert_close(log_prob, shared[:, None] + per_class, rtol=0, atol=0)
    torch.testing.assert_close(per_class.mean(1), torch.zeros(4), atol=1e-4, rtol=0)


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
