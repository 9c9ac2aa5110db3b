"""Conditional GLOW: an invertible map from pixels to a Gaussian mixture with one component per class.

Source: Fetaya, Jacobsen, Grathwohl, Zemel (ICLR 2020), appendices A and B; the flow itself is
Kingma and Dhariwal (2018). Deviations from both are named where they are made.
"""

import math
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import asdict, dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

PADDING_SCALE = 2.0 / 256.0
"""The padding channels' uniform noise covers [0, 2/256] (appendix B)."""

RANGE_SHIFT = -0.5
"""Pixels of [0, 1] are moved to [-0.5, 0.5] (appendix B); a shift changes no density."""


@dataclass(frozen=True)
class GlowConfig:
    """The shape of a model. `blocks[l]` flow steps and `widths[l]` hidden channels at level l."""

    channels: int = 1
    side: int = 32
    classes: int = 10
    blocks: tuple[int, ...] = (4, 4, 4)
    widths: tuple[int, ...] = (32, 32, 32)

    def __post_init__(self):
        object.__setattr__(self, "blocks", tuple(self.blocks))
        object.__setattr__(self, "widths", tuple(self.widths))
        if len(self.blocks) != len(self.widths) or not self.blocks:
            raise ValueError(f"blocks {self.blocks} and widths {self.widths} must name the same levels, at least one")
        if self.side % 2 ** (len(self.blocks) - 1):
            raise ValueError(f"side {self.side} cannot be halved {len(self.blocks) - 1} times")

    @property
    def n_dims(self) -> int:
        """D: the image's dimensions, padding channels not counted."""
        return self.channels * self.side**2

    def as_dict(self) -> dict:
        return asdict(self)


def explicit_softplus(x: Tensor) -> Tensor:
    """ln(1 + e^x) = max(x, 0) + ln(1 + e^-|x|), from operators that overflow in no engine.

    For frozen models: some engines evaluate the Softplus operator as ln(1 + e^x), infinite in
    float32 above x = 88. Not for training: its derivative at x = 0 is taken as 0 instead of 1/2.
    """
    return F.relu(x) + torch.log(1.0 + torch.exp(-torch.abs(x)))


def bounded_log_scale(raw: Tensor, cap: float, softplus: Callable[[Tensor], Tensor] = F.softplus) -> Tensor:
    """ln s of an affine coupling, s = cap * sigmoid(raw - ln(cap - 1)), so that s = 1 at raw = 0.

    ln s = ln cap - softplus(ln(cap - 1) - raw): finite for every finite raw, where ln(sigmoid(.))
    underflows to -inf in float32 from about -90 on. `cap` > 1 bounds the expansion.
    Deviation: Glow's code has cap = 1 and starts at s = sigmoid(2).
    """
    return math.log(cap) - softplus(math.log(cap - 1.0) - raw)


class Mix(nn.Module):
    """ActNorm and invertible 1x1 convolution, applied as one convolution.

    y = W (exp(g) * (x + b)) at every pixel, W = P L U with P a fixed permutation, L unit lower
    triangular and U upper triangular with diagonal sign * exp(d).
    ln |det| = H W (sum g + sum d). Source: Kingma and Dhariwal (2018), sections 3.1 and 3.2.
    """

    def __init__(self, channels: int):
        super().__init__()
        rotation = torch.linalg.qr(torch.randn(channels, channels))[0]
        permutation, lower, upper = torch.linalg.lu(rotation)
        diagonal = upper.diagonal()
        self.bias = nn.Parameter(torch.zeros(channels))
        self.log_gain = nn.Parameter(torch.zeros(channels))
        self.lower = nn.Parameter(lower.tril(-1))
        self.upper = nn.Parameter(upper.triu(1))
        self.log_diagonal = nn.Parameter(diagonal.abs().log())
        self.register_buffer("permutation", permutation)
        self.register_buffer("sign", diagonal.sign())
        self.register_buffer("eye", torch.eye(channels), persistent=False)
        self.register_buffer("frozen_matrix", None, persistent=False)
        self.register_buffer("frozen_offset", None, persistent=False)
        self.initialising = False

    def rotation(self) -> Tensor:
        """W, shape [C, C]."""
        lower = self.lower.tril(-1) + self.eye
        upper = self.upper.triu(1) + torch.diag(self.sign * self.log_diagonal.exp())
        return self.permutation @ lower @ upper

    def coefficients(self) -> tuple[Tensor, Tensor]:
        """The matrix [C, C] and the offset [C] of the whole affine map."""
        if self.frozen_matrix is not None:
            return self.frozen_matrix, self.frozen_offset
        matrix = self.rotation() * self.log_gain.exp()
        return matrix, (matrix * self.bias).sum(1)

    def log_det_per_pixel(self) -> Tensor:
        return self.log_gain.sum() + self.log_diagonal.sum()

    def forward(self, x: Tensor) -> Tensor:
        if self.initialising:
            self.initialise(x)
        matrix, offset = self.coefficients()
        return F.conv2d(x, matrix[:, :, None, None], offset)

    def inverse(self, y: Tensor) -> Tensor:
        matrix, offset = self.coefficients()
        return F.conv2d(y - offset[:, None, None], torch.linalg.inv(matrix)[:, :, None, None])

    @torch.no_grad()
    def initialise(self, x: Tensor) -> None:
        """ActNorm's data-dependent start: zero mean and unit variance per channel of `x`."""
        mean, std = x.mean((0, 2, 3)), x.std((0, 2, 3))
        self.bias.copy_(-mean)
        self.log_gain.copy_(-torch.log(std + 1e-6))

    @torch.no_grad()
    def freeze(self) -> None:
        """Keep the value of the parametrisation, in the present precision."""
        self.frozen_matrix, self.frozen_offset = self.coefficients()


class Coupling(nn.Module):
    """Affine coupling (equation 5): the first half decides how the second is scaled and shifted.

    (a, b) -> (a, s(a) * b + t(a)), ln |det| = sum ln s(a) per sample.
    `kept` and `moved` are the channel counts of a and b; (ln s, t) come from three convolutions, 3x3,
    1x1, 3x3, with `width` channels between them; the last is zero at first: an identity to start from.
    """

    def __init__(self, kept: int, moved: int, width: int, cap: float = 2.0):
        super().__init__()
        self.kept, self.moved, self.cap = kept, moved, cap
        self.softplus = F.softplus
        self.enter = nn.Conv2d(kept, width, 3, padding=1)
        self.middle = nn.Conv2d(width, width, 1)
        self.leave = nn.Conv2d(width, 2 * moved, 3, padding=1)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)

    def scale_and_shift(self, a: Tensor) -> tuple[Tensor, Tensor]:
        """(ln s, t), each [N, moved, H, W]."""
        hidden = F.relu(self.middle(F.relu(self.enter(a))))
        raw, shift = self.leave(hidden).split([self.moved, self.moved], 1)
        return bounded_log_scale(raw, self.cap, self.softplus), shift

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(a, moved b, ln|det| [N])."""
        a, b = x.split([self.kept, self.moved], 1)
        log_scale, shift = self.scale_and_shift(a)
        return a, b * log_scale.exp() + shift, log_scale.sum((1, 2, 3))

    def inverse(self, a: Tensor, b: Tensor) -> Tensor:
        log_scale, shift = self.scale_and_shift(a)
        return torch.cat([a, (b - shift) * (-log_scale).exp()], 1)


class Step(nn.Module):
    """One flow step: ActNorm, invertible 1x1 convolution, affine coupling."""

    def __init__(self, channels: int, width: int):
        super().__init__()
        self.mix = Mix(channels)
        self.coupling = Coupling(channels // 2, channels - channels // 2, width)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        a, b, log_det = self.coupling(self.mix(x))
        return torch.cat([a, b], 1), log_det

    def inverse(self, y: Tensor) -> Tensor:
        a, b = y.split([self.coupling.kept, self.coupling.moved], 1)
        return self.mix.inverse(self.coupling.inverse(a, b))


def squeeze(x: Tensor) -> Tensor:
    """[N, C, H, W] -> [N, 4C, H/2, W/2]: every 2x2 block of a channel becomes 4 channels."""
    _, c, h, w = x.shape
    x = x.reshape(-1, c, h // 2, 2, w // 2, 2)
    return x.permute(0, 1, 3, 5, 2, 4).reshape(-1, 4 * c, h // 2, w // 2)


def unsqueeze(x: Tensor) -> Tensor:
    """The inverse of `squeeze`."""
    _, c, h, w = x.shape
    x = x.reshape(-1, c // 4, 2, 2, h, w)
    return x.permute(0, 1, 4, 2, 5, 3).reshape(-1, c // 4, 2 * h, 2 * w)


class Level(nn.Module):
    """Flow steps at one resolution, then squeeze, then half of the channels leave as latents.

    Squeezing at the end is appendix B's deviation from Glow; the padding channels make the first
    level's channel count even. The leaving half is judged by N(m(kept), s(kept)^2), which is
    written as a coupling followed by N(0, 1). The last level (`last`) neither squeezes nor splits.
    """

    SPLIT_CAP = 8.0

    def __init__(self, channels: int, blocks: int, width: int, last: bool):
        super().__init__()
        self.steps = nn.ModuleList(Step(channels, width) for _ in range(blocks))
        self.split = None if last else Coupling(2 * channels, 2 * channels, width, cap=self.SPLIT_CAP)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor | None, Tensor]:
        """(what goes on, latents that leave or None, ln|det| [N])."""
        log_dets = []
        for step in self.steps:
            x, log_det = step(x)
            log_dets.append(log_det)
        if self.split is None:
            return x, None, sum(log_dets)
        x, latent, log_det = self.split(squeeze(x))
        return x, latent, sum(log_dets) + log_det

    def inverse(self, x: Tensor, latent: Tensor | None) -> Tensor:
        if self.split is not None:
            x = unsqueeze(self.split.inverse(x, latent))
        for step in reversed(self.steps):
            x = step.inverse(x)
        return x


class MixturePrior(nn.Module):
    """p(z|y) = N(mu_y, diag(sigma_y^2)) of the top latents, for every class in one go.

    ln N(z_d; mu, sigma) = a z^2 + b z + c with a = -1/(2 sigma^2), b = mu / sigma^2,
    c = -mu^2/(2 sigma^2) - ln sigma - ln(2 pi)/2. The class part is what remains of (a, b, c)
    after their mean over the classes, which goes to the shared part; so no large class-independent
    term is ever rounded into a class margin. Source: appendix A.1.
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
        c = -0.5 * self.mean * b - self.log_sigma - 0.5 * math.log(2.0 * math.pi)
        return -0.5 * precision, b, c.sum(1)

    @torch.no_grad()
    def freeze(self) -> None:
        """Keep the value of the parametrisation, in the present precision."""
        self.frozen_square, self.frozen_linear, self.frozen_constant = self.coefficients()

    def forward(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """z [N, S] -> shared [N] without its constant, class part [N, K]."""
        a, b, c = self.coefficients()
        a_mean, b_mean = a.mean(0), b.mean(0)
        shared = ((a_mean * z + b_mean) * z).sum(1)
        per_class = (z * z) @ (a - a_mean).T + z @ (b - b_mean).T + (c - c.mean())
        return shared, per_class

    def constant(self) -> Tensor:
        """The mean over the classes of the summed c: the shared part's constant."""
        return self.coefficients()[2].mean()


class Glow(nn.Module):
    """Conditional GLOW on pixels in [0, 1] with one uniform padding channel per image channel.

    With u the noise, uniform on [0, 1), v = [x - 1/2, (2/256) u] and f the flow,

        ln p(x|y) := ln p(x, u | y) = ln p_v(v | y) + D ln(2/256)
                   = sum ln N(z_split; 0, 1) + ln N(z_top; mu_y, sigma_y^2) + ln |det df/dv| + D ln(2/256).

    The last term is the Jacobian of u -> (2/256) u over the D = C H W noise dimensions, so the
    noise has unit density in its own coordinates and p(x, u|y) would be p(x|y) if the model had
    learnt that they are independent (appendix A.3). Unit: nats, a density on the pixel range [0, 1].
    """

    takes_noise = True
    likelihood = "density of the image and its noise, exact given the noise"

    def __init__(self, config: GlowConfig):
        super().__init__()
        self.config = config
        channels, side, last = 2 * config.channels, config.side, len(config.blocks) - 1
        self.levels = nn.ModuleList()
        self.pixels = []
        for index, (blocks, width) in enumerate(zip(config.blocks, config.widths, strict=True)):
            self.levels.append(Level(channels, blocks, width, index == last))
            self.pixels.append(side**2)
            if index != last:
                channels, side = 2 * channels, side // 2
        self.top_shape = (channels, side, side)
        self.prior = MixturePrior(config.classes, channels * side**2)
        self.frozen_constant: float | None = None

    def encode(self, x: Tensor, noise: Tensor) -> tuple[list[Tensor], Tensor]:
        """Latents (one per split, then the top) and the sample's part of ln|det|, [N]."""
        h = torch.cat([x + RANGE_SHIFT, noise * PADDING_SCALE], 1)
        latents, log_dets = [], []
        for level in self.levels:
            h, latent, log_det = level(h)
            log_dets.append(log_det)
            if latent is not None:
                latents.append(latent)
        return [*latents, h], sum(log_dets)

    def decode(self, latents: list[Tensor]) -> tuple[Tensor, Tensor]:
        """The inverse of `encode`: (x, noise)."""
        h = latents[-1]
        for level, latent in zip(reversed(self.levels), [None, *reversed(latents[:-1])], strict=True):
            h = level.inverse(h, latent)
        x, noise = h.chunk(2, 1)
        return x - RANGE_SHIFT, noise / PADDING_SCALE

    def mix_log_det(self) -> Tensor:
        """ln|det| of every ActNorm and 1x1 convolution, the same for all samples."""
        parts = [
            step.mix.log_det_per_pixel() * n
            for level, n in zip(self.levels, self.pixels, strict=True)
            for step in level.steps
        ]
        return torch.stack(parts).sum()

    def constant(self) -> Tensor | float:
        """Everything in ln p(x|y) that neither the sample nor the class changes."""
        if self.frozen_constant is not None:
            return self.frozen_constant
        n_dims = self.config.n_dims
        n_split = 2 * n_dims - math.prod(self.top_shape)
        gaussian = -0.5 * math.log(2.0 * math.pi) * n_split
        return self.mix_log_det() + self.prior.constant() + n_dims * math.log(PADDING_SCALE) + gaussian

    def parts(self, x: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """(shared [N], class part [N, K]); their sum is ln p(x|y)."""
        latents, log_det = self.encode(x, noise)
        shared, per_class = self.prior(latents[-1].flatten(1))
        for latent in latents[:-1]:
            shared = shared - 0.5 * (latent * latent).sum((1, 2, 3))
        return shared + log_det + self.constant(), per_class

    def forward(self, x: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """x, noise [N, C, H, W] -> log_prob [N, K], log_prob_shared [N], log_prob_class [N, K]."""
        shared, per_class = self.parts(x, noise)
        return shared[:, None] + per_class, shared, per_class

    def mixes(self) -> list[Mix]:
        return [step.mix for level in self.levels for step in level.steps]

    @contextmanager
    def initialising(self):
        """Inside, the next forward pass starts every ActNorm from the batch it sees."""
        for mix in self.mixes():
            mix.initialising = True
        try:
            yield
        finally:
            for mix in self.mixes():
                mix.initialising = False

    @torch.no_grad()
    def initialise(self, x: Tensor, noise: Tensor) -> None:
        with self.initialising():
            self.encode(x, noise)

    @torch.no_grad()
    def freeze(self) -> "Glow":
        """Replace what depends on parameters only by constants, computed in float64; no training after.

        The coefficients are then rounded to float32, so that an evaluation of the frozen model in
        float64 (`.double()`) is the exact value of what is exported.
        """
        self.double()
        self.frozen_constant = float(self.constant())
        for module in self.modules():
            if isinstance(module, (Mix, MixturePrior)):
                module.freeze()
            elif isinstance(module, Coupling):
                module.softplus = explicit_softplus
        return self.float().eval()
