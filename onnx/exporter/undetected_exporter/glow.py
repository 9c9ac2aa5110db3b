"""Conditional GLOW: an invertible map from pixels to a Gaussian mixture with one component per class.

Source: Fetaya, Jacobsen, Grathwohl, Zemel (ICLR 2020), appendices A and B; the flow itself is
Kingma and Dhariwal (2018). Deviations from both are named where they are made.
"""

import math
from contextlib import contextmanager
from dataclasses import asdict, dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from . import prior
from .numerics import bounded_log_scale, explicit_softplus

PADDING_SCALE = 2.0 / 256.0
"""The padding channels' uniform noise covers [0, 2/256] (appendix B)."""

RANGE_SHIFT = -0.5
"""Pixels of [0, 1] are moved to [-0.5, 0.5] (appendix B); a shift changes no density."""


@dataclass(frozen=True)
class GlowConfig:
    """The shape of a model. `blocks[l]` flow steps and `widths[l]` hidden channels at level l.

    `prior` is one of `prior.PRIORS`; `smoothing` the epsilon of the label-smoothed prior, 0 for none.
    """

    channels: int = 1
    side: int = 32
    classes: int = 10
    blocks: tuple[int, ...] = (4, 4, 4)
    widths: tuple[int, ...] = (32, 32, 32)
    prior: str = "gaussian"
    smoothing: float = 0.0

    def __post_init__(self):
        object.__setattr__(self, "blocks", tuple(self.blocks))
        object.__setattr__(self, "widths", tuple(self.widths))
        if len(self.blocks) != len(self.widths) or not self.blocks:
            raise ValueError(f"blocks {self.blocks} and widths {self.widths} must name the same levels, at least one")
        if self.side % 2 ** (len(self.blocks) - 1):
            raise ValueError(f"side {self.side} cannot be halved {len(self.blocks) - 1} times")
        if self.prior not in prior.PRIORS:
            raise ValueError(f"prior {self.prior!r}: one of {', '.join(prior.PRIORS)}")
        limit = (self.classes - 1) / self.classes
        if not 0.0 <= self.smoothing <= limit:
            raise ValueError(f"smoothing {self.smoothing} must lie between 0 and {limit:g}, where labels say nothing")

    @property
    def n_dims(self) -> int:
        """D: the image's dimensions, padding channels not counted."""
        return self.channels * self.side**2

    def as_dict(self) -> dict:
        return asdict(self)


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
    With `half`, the convolutions run in bfloat16, everything else in the input's precision: whatever
    they return, the map stays a bijection with this determinant.
    """

    def __init__(self, kept: int, moved: int, width: int, cap: float = 2.0):
        super().__init__()
        self.kept, self.moved, self.cap = kept, moved, cap
        self.softplus = F.softplus
        self.half = False
        self.enter = nn.Conv2d(kept, width, 3, padding=1)
        self.middle = nn.Conv2d(width, width, 1)
        self.leave = nn.Conv2d(width, 2 * moved, 3, padding=1)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)

    def network(self, a: Tensor) -> Tensor:
        return self.leave(F.relu(self.middle(F.relu(self.enter(a)))))

    def scale_and_shift(self, a: Tensor) -> tuple[Tensor, Tensor]:
        """(ln s, t), each [N, moved, H, W], in the precision of a."""
        if self.half:
            with torch.autocast(a.device.type, torch.bfloat16):
                found = self.network(a).to(a.dtype)
        else:
            found = self.network(a)
        raw, shift = found.split([self.moved, self.moved], 1)
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


class Glow(nn.Module):
    """Conditional GLOW on pixels in [0, 1] with one uniform padding channel per image channel.

    With u the noise, uniform on [0, 1), v = [x - 1/2, (2/256) u] and f the flow,

        ln p(x|y) := ln p(x, u | y) = ln p_v(v | y) + D ln(2/256)
                   = sum ln N(z_split; 0, 1) + ln p(z_top | y) + ln |det df/dv| + D ln(2/256),

    p(z_top | y) from `prior`.
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
        self.pixels, self.latent_shapes = [], []
        for index, (blocks, width) in enumerate(zip(config.blocks, config.widths, strict=True)):
            self.levels.append(Level(channels, blocks, width, index == last))
            self.pixels.append(side**2)
            if index != last:
                channels, side = 2 * channels, side // 2
                self.latent_shapes.append((channels, side, side))
        self.top_shape = (channels, side, side)
        self.prior = prior.build(config.prior, config.classes, self.top_shape)
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
        return self.judge(*self.encode(x, noise))

    def parts_and_logits(self, x: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """`parts`, and the logits [N, K] of the discriminative term: z_s/c of a split prior, else the class part."""
        latents, log_det = self.encode(x, noise)
        shared, per_class = self.judge(latents, log_det)
        split = isinstance(self.prior, prior.SplitPrior)
        return shared, per_class, self.prior.logits(latents[-1].flatten(1)) if split else per_class

    def judge(self, latents: list[Tensor], log_det: Tensor) -> tuple[Tensor, Tensor]:
        """(shared [N], class part [N, K]) of encoded images."""
        shared, per_class = self.prior(latents[-1].flatten(1))
        if self.config.smoothing:
            shared, per_class = prior.smoothed(shared, per_class, self.config.smoothing)
        for latent in latents[:-1]:
            shared = shared - 0.5 * (latent * latent).sum((1, 2, 3))
        return shared + log_det + self.constant(), per_class

    def forward(self, x: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """x, noise [N, C, H, W] -> log_prob [N, K], log_prob_shared [N], log_prob_class [N, K]."""
        shared, per_class = self.parts(x, noise)
        return shared[:, None] + per_class, shared, per_class

    @torch.no_grad()
    def sample(self, label: Tensor, temperature: float, source: torch.Generator) -> Tensor:
        """One image per label [N], [N, C, H, W]: x of a draw of (x, noise) given the label.

        Every latent's deviation from its mean is scaled by `temperature`; 1 is the model's own density.
        A smoothed prior is sampled at the label's own cluster. Values may leave [0, 1].
        """
        top = self.prior.sample(label, temperature, source).reshape(-1, *self.top_shape)
        latents = [temperature * torch.randn((len(label), *shape), generator=source) for shape in self.latent_shapes]
        return self.decode([*latents, top])[0]

    def use_half(self, half: bool) -> None:
        """Run the couplings' convolutions in bfloat16, or no more."""
        for module in self.modules():
            if isinstance(module, Coupling):
                module.half = half

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
            if isinstance(module, Mix):
                module.freeze()
            elif isinstance(module, Coupling):
                module.softplus = explicit_softplus
        self.use_half(False)
        self.prior.freeze()
        return self.float().eval()
