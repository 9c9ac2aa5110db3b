"""Priors of the top latents: each is a density, and Bayes' rule gives the logits that it promises."""

import math

import numpy as np
import pytest
import torch

from undetected_exporter.glow import GlowConfig
from undetected_exporter.numerics import explicit_softplus, soft_clamp
from undetected_exporter.prior import FAMILIES, MixturePrior, RobustPrior, SplitPrior, build, cosine_basis, smoothed

TORCH_FAMILIES = {
    "laplace": torch.distributions.Laplace,
    "cauchy": torch.distributions.Cauchy,
    "gaussian": torch.distributions.Normal,
}


def randomised(prior: torch.nn.Module, size: float = 0.5) -> torch.nn.Module:
    """Every parameter drawn anew, in float64."""
    for parameter in prior.parameters():
        torch.nn.init.normal_(parameter, std=size)
    return prior.double()


def log_prob(prior: torch.nn.Module, z: torch.Tensor) -> torch.Tensor:
    shared, per_class = prior(z)
    return shared[:, None] + per_class + prior.constant()


def test_the_gaussian_prior_is_one_gaussian_per_class():
    prior = randomised(MixturePrior(3, 5), 1.0)
    z = torch.randn(7, 5, dtype=torch.float64)
    expected = torch.distributions.Normal(prior.mean, prior.log_sigma.exp()).log_prob(z[:, None]).sum(2)
    torch.testing.assert_close(log_prob(prior, z), expected)


@pytest.mark.parametrize("family", FAMILIES)
def test_robust_priors_are_the_named_densities_about_one_location(family):
    prior = randomised(RobustPrior(3, 5, family), 1.0)
    z = 3.0 * torch.randn(7, 5, dtype=torch.float64)
    names = family.split("-")[::-1]
    densities = [
        TORCH_FAMILIES[name](prior.mean, log_scale.exp()).log_prob(z[:, None]).exp()
        for name, log_scale in zip(names, prior.log_scale, strict=True)
    ]
    expected = (sum(densities) / len(densities)).log().sum(2)
    torch.testing.assert_close(log_prob(prior, z), expected)


@pytest.mark.parametrize("family", FAMILIES)
def test_far_out_robust_priors_are_their_heavy_tail_alone(family):
    """At z = 1e6 in float32 the Gaussian part is gone without a trace, and without an infinity."""
    prior = RobustPrior(2, 1, family)
    prior.freeze()
    found = log_prob(prior, torch.full((1, 1), 1e6))
    heavy = -1e6 - math.log(2.0) if "laplace" in family else -math.log(math.pi * (1.0 + 1e12))
    expected = heavy - (math.log(2.0) if "-" in family else 0.0)
    assert found.detach().numpy() == pytest.approx(np.full((1, 2), expected), rel=1e-6)


def test_a_distant_outlier_costs_the_gaussian_more_than_the_robust_priors():
    z = torch.full((1, 1), 30.0)
    costs = {kind: -float(log_prob(build(kind, 2, (1, 1, 1)), z)[0, 0].detach()) for kind in ("gaussian", *FAMILIES)}
    assert costs["cauchy"] < costs["gaussian-cauchy"] < costs["laplace"] < costs["gaussian-laplace"]
    assert costs["gaussian"] > 10.0 * costs["gaussian-laplace"]


def split_prior() -> SplitPrior:
    torch.manual_seed(2)
    return randomised(SplitPrior(3, (2, 2, 2), variance=0.3, width=6))


def test_the_split_prior_is_the_product_of_its_two_gaussians():
    """Written out with torch's normal densities in the coordinates of the paper, z_s = sqrt(c) t."""
    prior, c = split_prior(), 0.3
    z = torch.randn(5, 8, dtype=torch.float64)
    t, z_n, log_det = prior.divide(z)
    z_s = math.sqrt(c) * t
    means, log_scales = prior.rest_given(t)
    for y in range(3):
        logit_part = torch.distributions.Normal(torch.eye(3, dtype=torch.float64)[y], math.sqrt(c)).log_prob(z_s).sum(1)
        rest = torch.distributions.Normal(means[:, y], log_scales[:, y].exp()).log_prob(z_n).sum(1)
        jacobian = 3 / 2 * math.log(c)
        torch.testing.assert_close(log_prob(prior, z)[:, y], logit_part + rest + jacobian + log_det)


def test_bayes_rule_on_the_logits_alone_is_the_softmax_of_z_s_over_c():
    prior, c = split_prior(), 0.3
    z = torch.randn(5, 8, dtype=torch.float64)
    z_s = math.sqrt(c) * prior.divide(z)[0]
    densities = torch.distributions.Normal(torch.eye(3, dtype=torch.float64), math.sqrt(c)).log_prob(z_s[:, None])
    torch.testing.assert_close(densities.sum(2).softmax(1), prior.logits(z).softmax(1))
    torch.testing.assert_close(prior.logits(z), z_s / c)


def test_bayes_rule_on_everything_adds_what_the_rest_says_of_the_class():
    """p(y|z) is softmax(z_s/c + ln p(z_n|z_s, y)); the logits alone only where the rest does not see the class."""
    prior = split_prior()
    z = torch.randn(5, 8, dtype=torch.float64)
    t, z_n, _ = prior.divide(z)
    means, log_scales = prior.rest_given(t)
    rest = torch.distributions.Normal(means, log_scales.exp()).log_prob(z_n[:, None]).sum(2)
    torch.testing.assert_close(prior(z)[1].softmax(1), (prior.logits(z) + rest).softmax(1))
    assert (prior(z)[1].softmax(1) - prior.logits(z).softmax(1)).abs().max() > 0.05
    with torch.no_grad():
        prior.embedding.zero_()
    torch.testing.assert_close(prior(z)[1].softmax(1), prior.logits(z).softmax(1))


def test_where_the_rest_does_not_see_the_class_every_margin_is_one_of_logits():
    prior = randomised(SplitPrior(3, (2, 2, 2), variance=0.3, width=6, sees_class=False))
    z = torch.randn(5, 8, dtype=torch.float64)
    logits = prior.logits(z)
    torch.testing.assert_close(prior(z)[1], logits - logits.mean(1, keepdim=True))
    t, z_n, log_det = prior.divide(z)
    means, log_scales = prior.rest_given(t)
    rest = torch.distributions.Normal(means[:, 0], log_scales[:, 0].exp()).log_prob(z_n).sum(1)
    centres = torch.eye(3, dtype=torch.float64) / math.sqrt(0.3)
    cluster = torch.distributions.Normal(centres, 1.0).log_prob(t[:, None]).sum(2)
    torch.testing.assert_close(log_prob(prior, z), cluster + (rest + log_det)[:, None])


def test_the_division_into_logits_and_rest_is_a_bijection_with_this_determinant():
    prior = split_prior()
    z = torch.randn(5, 8, dtype=torch.float64)
    t, z_n, log_det = prior.divide(z)
    torch.testing.assert_close(prior.unite(t, z_n), z)
    for sample, expected in zip(z, log_det, strict=True):
        jacobian = torch.autograd.functional.jacobian(lambda v: torch.cat(prior.divide(v[None])[:2], 1)[0], sample)
        torch.testing.assert_close(torch.linalg.slogdet(jacobian)[1], expected, rtol=1e-6, atol=1e-6)


def test_the_cosine_basis_is_orthonormal():
    basis = cosine_basis(4).double()
    torch.testing.assert_close(basis @ basis.T, torch.eye(16, dtype=torch.float64), atol=1e-6, rtol=0)


def test_at_first_the_logits_are_means_over_all_positions():
    prior = SplitPrior(3, (4, 2, 2))
    z = torch.randn(5, 4, 2, 2)
    torch.testing.assert_close(prior.divide(z.flatten(1))[0], z[:, :3].sum((2, 3)) / 2)


def test_more_classes_than_latents_are_refused():
    with pytest.raises(ValueError, match="9 classes"):
        SplitPrior(9, (2, 2, 2))


def test_the_soft_clamp_is_odd_bounded_and_nearly_the_identity_inside():
    raw = torch.tensor([-1e4, -1.0, 0.0, 1.0, 1e4])
    clamped = soft_clamp(raw, 3.0, explicit_softplus)
    torch.testing.assert_close(clamped, -soft_clamp(-raw, 3.0, explicit_softplus))
    torch.testing.assert_close(clamped[[0, 2, 4]], torch.tensor([-3.0, 0.0, 3.0]))
    assert 0.85 < float(clamped[3]) < 1.0


def kolmogorov_smirnov(values: torch.Tensor, cumulative: torch.Tensor) -> float:
    """sqrt(n) sup |F_n - F|, `cumulative` being F at the values; above 2.23 with probability 1e-4."""
    n = len(values)
    ordered = cumulative[values.argsort()]
    steps = torch.arange(1, n + 1) / n
    return float(torch.maximum((steps - ordered).abs(), (steps - 1 / n - ordered).abs()).max()) * math.sqrt(n)


@pytest.mark.parametrize("kind", ["gaussian", *FAMILIES])
def test_samples_follow_the_density(kind):
    """One latent of class 1, against its density integrated by the trapezoid rule."""
    prior = randomised(build(kind, 2, (1, 1, 1)))
    drawn = prior.sample(torch.ones(2000, dtype=torch.int64), 1.0, torch.Generator().manual_seed(0))[:, 0]
    z = torch.sinh(torch.linspace(-12.0, 12.0, 20001, dtype=torch.float64))
    mass = torch.cumulative_trapezoid(log_prob(prior, z[:, None])[:, 1].exp(), z).detach()
    assert float(mass[-1]) == pytest.approx(1.0, abs=1e-4)
    cumulative = np.interp(drawn.detach().numpy(), z[1:].numpy(), mass.numpy())
    assert kolmogorov_smirnov(drawn, torch.from_numpy(cumulative)) < 2.23


def test_samples_of_the_split_prior_are_standard_normal_once_centred_and_scaled():
    prior = split_prior()
    label = torch.ones(2000, dtype=torch.int64)
    t, z_n, _ = prior.divide(prior.sample(label, 1.0, torch.Generator().manual_seed(0)).detach())
    means, log_scales = prior.rest_given(t)
    standard = [t[:, 1] - 1 / math.sqrt(0.3), t[:, 0], (z_n - means[:, 1])[:, 2] * (-log_scales[:, 1, 2]).exp()]
    for values in standard:
        assert kolmogorov_smirnov(values, torch.special.ndtr(values.detach())) < 2.23


def test_the_smoothed_prior_is_the_mixture_over_clusters():
    shared, per_class = torch.tensor([0.5, -2.0]).double(), torch.tensor([[0.0, 1.0, -3.0], [2.0, 2.0, 0.0]]).double()
    epsilon = 0.2
    clusters = (shared[:, None] + per_class).exp()
    expected = torch.stack(
        [(1 - epsilon) * clusters[:, y] + epsilon / 2 * (clusters.sum(1) - clusters[:, y]) for y in range(3)], 1
    )
    new_shared, new_class = smoothed(shared, per_class, epsilon)
    torch.testing.assert_close((new_shared[:, None] + new_class).exp(), expected)


def test_a_confident_mistake_costs_no_more_than_the_bound():
    """ln((1 - e)(K - 1)/e), approached by an ever more confident mistake; without smoothing it grows for ever."""
    epsilon, bound = 0.01, math.log(0.99 * 9 / 0.01)
    costs = []
    for confidence in (1.0, 10.0, 100.0, 10000.0):
        per_class = torch.zeros(1, 10)
        per_class[0, 3] = confidence
        found = smoothed(torch.zeros(1), per_class, epsilon)[1]
        costs.append(float(found[0, 3] - found[0, 0]))
    assert costs == sorted(costs) and costs[-1] <= bound + 1e-5
    assert costs[-1] == pytest.approx(bound, rel=1e-6) and costs[0] < 1.0 < costs[1]


def test_the_largest_smoothing_makes_all_classes_alike_and_more_is_refused():
    found = smoothed(torch.zeros(1), torch.tensor([[5.0, 0.0]]), 0.5)[1]
    torch.testing.assert_close(found[0, 0], found[0, 1])
    with pytest.raises(ValueError, match="smoothing"):
        GlowConfig(classes=2, smoothing=0.51)
    with pytest.raises(ValueError, match="prior 'uniform'"):
        GlowConfig(prior="uniform")
