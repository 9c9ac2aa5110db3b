"""The class-conditional density p(z|y) of a flow's top latents, for every class in one go.

Each prior takes z [N, S] to (shared [N], class part [N, K]); shared + class part + `constant()` is
ln p(z|y). What the classes share is removed per latent, before the sum over latents, so that no
large class-independent term is ever rounded into a class margin.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .numerics import explicit_softplus, soft_clamp

LN_2PI = math.log(2.0 * math.pi)


def centred(a: Tensor, b: Tensor, c: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
    """sum over latents of a z^2 + b z + c, as (mean over the classes [N], what remains [N, K]).

    a, b, c: [N, K, R], each class's coefficients; z: [N, R].
    """
    means = [value.mean(1, keepdim=True) for value in (a, b, c)]
    z = z[:, None]
    shared, rest = (
        ((a * z + b) * z + c).sum(2) for a, b, c in (means, [v - m for v, m in zip((a, b, c), means, strict=True)])
    )
    return shared.sum(1), rest


class MixturePrior(nn.Module):
    """p(z|y) = N(mu_y, diag(sigma_y^2)).

    ln N(z_d; mu, sigma) = a z^2 + b z + c with a = -1/(2 sigma^2), b = mu / sigma^2,
    c = -mu^2/(2 sigma^2) - ln sigma - ln(2 pi)/2. The class part is what remains of (a, b, c)
    after their mean over the classes, two matrix products for all classes. Source: appendix A.1.
    """

    def __init__(self, classes: int, size: int):
        super().__init__()
        self.mean = nn.Parameter(torch.zeros(classes, size))
        self.log_sigma = nn.Parameter(torch.zeros(classes, size))
        self.register_buffer("frozen_square", None, persistent=False)
        self.register_buffer("frozen_linear", None, persistent=False)
        self.register_buffer("frozen_constant", None, persistent=False)

    def coefficients(self) -> tuple[Tensor, Tensor, Tensor]:
        """a [K, S], b [K, S] and the sum of c over the S latents, [K]."""
        if self.frozen_square is not None:
            return self.frozen_square, self.frozen_linear, self.frozen_constant
        precision = (-2.0 * self.log_sigma).exp()
        b = self.mean * precision
        c = -0.5 * self.mean * b - self.log_sigma - 0.5 * LN_2PI
        return -0.5 * precision, b, c.sum(1)

    @torch.no_grad()
    def freeze(self) -> None:
        """Keep the value of the parametrisation, in the present precision."""
        self.frozen_square, self.frozen_linear, self.frozen_constant = self.coefficients()

    def forward(self, z: Tensor) -> tuple[Tensor, Tensor]:
        a, b, c = self.coefficients()
        a_mean, b_mean = a.mean(0), b.mean(0)
        shared = ((a_mean * z + b_mean) * z).sum(1)
        per_class = (z * z) @ (a - a_mean).T + z @ (b - b_mean).T + (c - c.mean())
        return shared, per_class

    def constant(self) -> Tensor:
        """The mean over the classes of the summed c."""
        return self.coefficients()[2].mean()

    def sample(self, label: Tensor, temperature: float, source: torch.Generator) -> Tensor:
        """One z per label, [N, S]; deviations from the mean are scaled by `temperature`."""
        mean, sigma = self.mean[label], self.log_sigma[label].exp()
        return mean + temperature * sigma * torch.randn(mean.shape, generator=source)


def gaussian(r: Tensor) -> Tensor:
    """ln of the standard normal density."""
    return -0.5 * r * r - 0.5 * LN_2PI


def laplace(r: Tensor) -> Tensor:
    """ln of the standard Laplace density e^-|r| / 2."""
    return -r.abs() - math.log(2.0)


def cauchy(r: Tensor) -> Tensor:
    """ln of the standard Cauchy density 1 / (pi (1 + r^2))."""
    return -torch.log(1.0 + r * r) - math.log(math.pi)


def draw_gaussian(shape: torch.Size, source: torch.Generator) -> Tensor:
    return torch.randn(shape, generator=source)


def draw_laplace(shape: torch.Size, source: torch.Generator) -> Tensor:
    """The difference of two standard exponential variables."""
    return torch.empty((2, *shape)).exponential_(generator=source).diff(dim=0)[0]


def draw_cauchy(shape: torch.Size, source: torch.Generator) -> Tensor:
    return torch.empty(shape).cauchy_(generator=source)


FAMILIES = {
    "laplace": ((laplace, draw_laplace),),
    "cauchy": ((cauchy, draw_cauchy),),
    "gaussian-laplace": ((laplace, draw_laplace), (gaussian, draw_gaussian)),
    "gaussian-cauchy": ((cauchy, draw_cauchy), (gaussian, draw_gaussian)),
}
"""Standard log-density and sampler of a robust prior's components, the heaviest tail first."""


class RobustPrior(nn.Module):
    """p(z|y) = prod_d p(z_d|y): a Laplace or Cauchy density, or one of them mixed with a Gaussian.

    One component: ln p(z_d|y) = ln f((z_d - mu)/s) - ln s. Two: the mean of both densities, each with
    a scale of its own about the same location mu (appendix C.1; weights of 1/2 are ours, the paper
    gives none).

    Numerics: ln(p + q) = ln q + softplus(ln p - ln q) with q the heavier tail, so that the difference
    is bounded above and nothing cancels far out.
    """

    def __init__(self, classes: int, size: int, family: str):
        super().__init__()
        self.family = FAMILIES[family]
        self.mean = nn.Parameter(torch.zeros(classes, size))
        self.log_scale = nn.Parameter(torch.zeros(len(self.family), classes, size))
        self.softplus = F.softplus

    def freeze(self) -> None:
        self.softplus = explicit_softplus

    def log_density(self, z: Tensor) -> Tensor:
        """ln p(z_d|y), [N, K, S]."""
        residual = z[:, None] - self.mean
        parts = [
            density(residual * (-log_scale).exp()) - log_scale
            for (density, _), log_scale in zip(self.family, self.log_scale.split(1), strict=True)
        ]
        if len(parts) == 1:
            return parts[0]
        heavy, light = parts
        return heavy + self.softplus(light - heavy) - math.log(2.0)

    def forward(self, z: Tensor) -> tuple[Tensor, Tensor]:
        found = self.log_density(z)
        mean = found.mean(1, keepdim=True)
        return mean.sum((1, 2)), (found - mean).sum(2)

    def constant(self) -> Tensor:
        return self.mean.new_zeros(())

    def sample(self, label: Tensor, temperature: float, source: torch.Generator) -> Tensor:
        """One z per label, [N, S]; deviations from the location are scaled by `temperature`."""
        mean, log_scale = self.mean[label], self.log_scale[:, label]
        draws = torch.stack([draw(mean.shape, source) for _, draw in self.family]) * log_scale.exp()
        which = torch.randint(len(self.family), mean.shape, generator=source)
        return mean + temperature * draws.gather(0, which[None])[0]


def cosine_basis(side: int) -> Tensor:
    """The orthonormal cosine transform of side x side images, [P, P] with P = side^2, low frequencies first.

    Row 0 takes sum(image)/side. Orthonormal: its inverse is its transpose, its |det| is 1.
    """
    index = torch.arange(side, dtype=torch.float64)
    rows = torch.cos(math.pi / side * index[:, None] * (index + 0.5)) * math.sqrt(2.0 / side)
    rows[0] = math.sqrt(1.0 / side)
    order = (index[:, None] + index).flatten().argsort(stable=True)
    return torch.kron(rows, rows)[order].float()


class SplitPrior(nn.Module):
    """p(z|y) = p(z_s|y) p(z_n|z_s, y): K latents that are logits, and the rest given them.

    With c = `variance`, e_y the y-th unit vector and H the hidden layer relu(A z_s + B e_y + d),

        ln p(z_s|y)      = ln N(z_s; e_y, c I) = z_s[y]/c - (|z_s|^2 + 1)/(2c) - K/2 ln(2 pi c)
        ln p(z_n|z_s, y) = ln N(z_n; m, diag(s^2)),  (m, ln s) affine in H, ln s within +-LOG_SCALE_BOUND.

    By Bayes' rule under a uniform p(y), p(y|z_s) = softmax(z_s/c): exact logits. p(y|z), which the
    checkpoint's log p(x|y) gives, is softmax(z_s[y]/c + ln p(z_n|z_s, y)): the same where p(z_n|z_s, y)
    does not depend on y (B = 0), and otherwise a second opinion on top of the logits. The objective
    `split` trains the logits alone as a classifier, so that opinion is one of the likelihood, formed where
    (z_s, y) agree and untrained where they do not: early in training it costs accuracy. With
    `sees_class` False there is no B, p(z_n|z_s) is the same for all classes, and p(y|z) is exactly
    softmax(z_s/c): the prior `split-logits`.

    Source: appendix A.4. It prints "a function of y and z_n" for the mean and variance of z_n, which
    is a slip: z_n cannot be its own condition; p(z_n|z_s, y) says z_s. Which latents are z_s the paper
    leaves open: here the first K of an orthonormal cosine transform over the top's pixels, lowest
    frequency first, so the mean over all positions of (at least) K channels where there are as many.

    One more affine coupling, from the rest to these K, ends the flow: t = s(z_n) * w + g(z_n) for the K
    coefficients w, with ln s and g from a hidden layer, and z_s = sqrt(c) t. So the logits are a nonlinear
    function of all top latents, as a classifier's are; without it they learn slowly.

    Numerics: t has unit variance in each class, as every other latent; the constant Jacobian of
    z_s = sqrt(c) t is K/2 ln c.
    """

    LOG_SCALE_BOUND = 3.0

    def __init__(
        self,
        classes: int,
        shape: tuple[int, int, int],
        variance: float = 0.04,
        width: int = 48,
        sees_class: bool = True,
    ):
        super().__init__()
        if classes > math.prod(shape):
            raise ValueError(f"{classes} classes need as many top latents, there are {math.prod(shape)} of {shape}")
        self.classes, self.shape, self.variance = classes, shape, variance
        self.rest = math.prod(shape) - classes
        self.head = nn.Sequential(nn.Linear(self.rest, width), nn.ReLU(), nn.Linear(width, 2 * classes))
        nn.init.zeros_(self.head[2].weight)
        nn.init.zeros_(self.head[2].bias)
        self.enter = nn.Linear(classes, width)
        self.embedding = nn.Parameter(torch.zeros(classes if sees_class else 1, width))
        self.leave = nn.Linear(width, 2 * self.rest)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)
        self.register_buffer("basis", cosine_basis(shape[1]), persistent=False)
        self.softplus = F.softplus

    def freeze(self) -> None:
        self.softplus = explicit_softplus

    def divide(self, z: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(t [N, K], z_n [N, S - K], ln|det| [N] of z -> (t, z_n)) of the top latents z [N, S]."""
        channels, side, _ = self.shape
        frequencies = z.reshape(-1, channels, side * side) @ self.basis.T
        flat = frequencies.transpose(1, 2).reshape(-1, channels * side * side)
        raw, z_n = flat.split([self.classes, self.rest], 1)
        log_scale, shift = self.scale_and_shift(z_n)
        return raw * log_scale.exp() + shift, z_n, log_scale.sum(1)

    def unite(self, t: Tensor, z_n: Tensor) -> Tensor:
        """The inverse of `divide`."""
        channels, side, _ = self.shape
        log_scale, shift = self.scale_and_shift(z_n)
        flat = torch.cat([(t - shift) * (-log_scale).exp(), z_n], 1)
        return (flat.reshape(-1, side * side, channels).transpose(1, 2) @ self.basis).reshape(-1, flat.shape[1])

    def scale_and_shift(self, z_n: Tensor) -> tuple[Tensor, Tensor]:
        """(ln s, g), each [N, K], of the coupling that ends the flow."""
        raw, shift = self.head(z_n).split([self.classes, self.classes], 1)
        return soft_clamp(raw, self.LOG_SCALE_BOUND, self.softplus), shift

    def logits(self, z: Tensor) -> Tensor:
        """z_s / c, [N, K]: ln p(z_s|y) up to a term that is the same for all y."""
        return self.divide(z)[0] / math.sqrt(self.variance)

    def rest_given(self, t: Tensor) -> tuple[Tensor, Tensor]:
        """(m, ln s) of z_n for every class, each [N, K, S - K], or [N, 1, S - K] for all classes."""
        hidden = F.relu(self.enter(t * math.sqrt(self.variance))[:, None] + self.embedding)
        mean, raw = self.leave(hidden).split([self.rest, self.rest], 2)
        return mean, soft_clamp(raw, self.LOG_SCALE_BOUND, self.softplus)

    def forward(self, z: Tensor) -> tuple[Tensor, Tensor]:
        t, z_n, log_det = self.divide(z)
        mean, log_scale = self.rest_given(t)
        a = -0.5 * (-2.0 * log_scale).exp()
        shared, per_class = centred(a, -2.0 * a * mean, a * mean * mean - log_scale, z_n)
        logits = t / math.sqrt(self.variance)
        logits_mean = logits.mean(1)
        return shared + log_det + logits_mean - 0.5 * (t * t).sum(1), per_class + logits - logits_mean[:, None]

    def constant(self) -> float:
        return -0.5 / self.variance - 0.5 * LN_2PI * math.prod(self.shape)

    def sample(self, label: Tensor, temperature: float, source: torch.Generator) -> Tensor:
        """One z per label, [N, S]; deviations from both means are scaled by `temperature`."""
        mean = F.one_hot(label, self.classes).to(self.embedding.dtype) / math.sqrt(self.variance)
        t = mean + temperature * torch.randn(mean.shape, generator=source)
        row = label if len(self.embedding) > 1 else torch.zeros_like(label)
        m, log_scale = (value[torch.arange(len(label)), row] for value in self.rest_given(t))
        return self.unite(t, m + temperature * log_scale.exp() * torch.randn(m.shape, generator=source))


def smoothed(shared: Tensor, per_class: Tensor, epsilon: float) -> tuple[Tensor, Tensor]:
    """The label-smoothed prior: the cluster is the label with probability 1 - epsilon, else any other.

    p(z|y) = (1 - e) p_y(z) + e/(K-1) sum_{j != y} p_j(z), with ln p_j = shared + per_class[j].
    With P_y = p_y / sum_j p_j this is sum_j p_j * ((1 - e - e/(K-1)) P_y + e/(K-1)): the new class part
    is the logarithm of the second factor, within [ln(e/(K-1)), ln(1 - e)]. So no mistake, however
    confident, costs more than ln((1 - e)(K-1)/e) nats. Source: appendix C.2. 0 < e <= (K-1)/K.
    """
    classes = per_class.shape[1]
    other = epsilon / (classes - 1)
    top = per_class.amax(1, keepdim=True)
    total = top + (per_class - top).exp().sum(1, keepdim=True).log()
    posterior = (per_class - total).exp()
    return shared + total.sum(1), ((1.0 - epsilon - other) * posterior + other).log()


PRIORS = ("gaussian", *FAMILIES, "split", "split-logits")


def build(kind: str, classes: int, shape: tuple[int, int, int]) -> nn.Module:
    """The prior called `kind` of top latents of `shape` = (C, H, W)."""
    if kind == "gaussian":
        return MixturePrior(classes, math.prod(shape))
    if kind in ("split", "split-logits"):
        return SplitPrior(classes, shape, sees_class=kind == "split")
    return RobustPrior(classes, math.prod(shape), kind)
