"""The discretised logistic distribution: the probability of a grey level as a difference of two sigmoids.

Source: Salimans, Karpathy, Chen and Kingma, "PixelCNN++" (ICLR 2017), section 2.1. Grey level k of
0 .. 255 stands at v = (k - 127.5) / 127.5 on [-1, 1] and owns the interval v +- 1/255; levels 0 and
255 own everything below and above as well. With mean mu and scale s, in the same unit,

    P(k) = sigmoid(b) - sigmoid(a),   a = (v - 1/255 - mu) / s,   b = (v + 1/255 - mu) / s,

and sigmoid(a) = 0 at k = 0, sigmoid(b) = 1 at k = 255: the 256 values sum to 1 whatever mu and s.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

LEVELS = 256
HALF_RANGE = (LEVELS - 1) / 2
HALF_BIN = 1.0 / (LEVELS - 1)
LOG_SCALE_RANGE = (-7.0, 7.0)
"""ln s is clamped to it. The lower end, a ninth of a bin, is the source's; the upper, over 500 times
the whole range, keeps the bin's width in units of s far from float32's underflow."""


def scaled(level: Tensor) -> Tensor:
    """Grey level k, 0 to 255, on [-1, 1]."""
    return (level - HALF_RANGE) / HALF_RANGE


def level_of(x: Tensor) -> Tensor:
    """The bin k that holds the pixel x = (k + u)/256, u of [0, 1): floor(256 x), of the same type as x.

    Exact in float32 as long as k + u is. x = 1, the range's closed end, belongs to level 255; so
    x = k/255, the contract's `none`, is found in bin k too. The gradient is zero.
    """
    return torch.floor(x * LEVELS).clamp(0.0, LEVELS - 1.0)


def log_mass(
    level: Tensor, mean: Tensor, log_scale: Tensor, softplus: Callable[[Tensor], Tensor] = F.softplus
) -> Tensor:
    """ln P(k), nats; `level` (as a float) broadcasts against `mean` and `log_scale`.

    As sigmoid(b) - sigmoid(a) = sigmoid(b) sigmoid(-a) (1 - e^-w) with w = b - a = (2/255)/s,

        ln P = -[k < 255] softplus(-b) - [k > 0] softplus(a) + [0 < k < 255] ln(1 - e^-w).

    Numerics: no difference of nearly equal numbers anywhere, so no tail needs the source's
    approximation by the density. 1 - e^-w = 2 t/(1 + t) with t = tanh(w/2), precise for the smallest w.
    Every term is finite at every level, so the brackets are factors and no gradient is NaN. They are
    constant between levels: with the identity in place of `level_of`'s floor, the rest is the
    smooth ln(sigmoid(b) - sigmoid(a)) of a real-valued k.
    """
    inverse = torch.exp(-log_scale.clamp(*LOG_SCALE_RANGE))
    centred = scaled(level) - mean
    below, above = (centred - HALF_BIN) * inverse, (centred + HALF_BIN) * inverse
    not_lowest, not_highest = torch.sign(level), torch.sign(LEVELS - 1.0 - level)
    half_width = torch.tanh(HALF_BIN * inverse)
    log_width = torch.log(2.0 * half_width) - torch.log(1.0 + half_width)
    inner = not_lowest * not_highest * log_width
    return inner - not_highest * softplus(-above) - not_lowest * softplus(below)


def draw(mean: Tensor, log_scale: Tensor, uniform: Tensor, temperature: float = 1.0) -> Tensor:
    """The grey level, as a float, at which the distribution function passes `uniform`; `temperature` scales s."""
    value = mean + torch.exp(log_scale.clamp(*LOG_SCALE_RANGE)) * torch.logit(uniform) * temperature
    return torch.round(value * HALF_RANGE + HALF_RANGE).clamp(0.0, LEVELS - 1.0)
