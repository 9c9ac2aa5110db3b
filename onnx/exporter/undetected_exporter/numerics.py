"""Functions that stay finite where their textbook forms do not, for training and for engines."""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

Softplus = Callable[[Tensor], Tensor]


def explicit_softplus(x: Tensor) -> Tensor:
    """ln(1 + e^x) = max(x, 0) + ln(1 + e^-|x|), from operators that overflow in no engine.

    For frozen models: some engines evaluate the Softplus operator as ln(1 + e^x), infinite in
    float32 above x = 88. Not for training: its derivative at x = 0 is taken as 0 instead of 1/2.
    """
    return F.relu(x) + torch.log(1.0 + torch.exp(-torch.abs(x)))


def bounded_log_scale(raw: Tensor, cap: float, softplus: Softplus = F.softplus) -> Tensor:
    """ln s of an affine coupling, s = cap * sigmoid(raw - ln(cap - 1)), so that s = 1 at raw = 0.

    ln s = ln cap - softplus(ln(cap - 1) - raw): finite for every finite raw, where ln(sigmoid(.))
    underflows to -inf in float32 from about -90 on. `cap` > 1 bounds the expansion.
    Deviation: Glow's code has cap = 1 and starts at s = sigmoid(2).
    """
    return math.log(cap) - softplus(math.log(cap - 1.0) - raw)


def soft_clamp(raw: Tensor, bound: float, softplus: Softplus = F.softplus) -> Tensor:
    """A smooth odd function of `raw` with values in (-bound, bound), nearly `raw` itself well inside.

    softplus(raw + bound) - softplus(raw - bound) - bound.
    """
    return softplus(raw + bound) - softplus(raw - bound) - bound
