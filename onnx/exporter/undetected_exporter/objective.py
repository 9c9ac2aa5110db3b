"""What training minimises, per batch, in nats."""

from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor

Objective = Callable[[Tensor, Tensor, Tensor, int], Tensor]


def log_prob_of(shared: Tensor, per_class: Tensor, label: Tensor) -> Tensor:
    """ln p(x|y) of every sample's own class, [N]."""
    return shared + per_class.gather(1, label[:, None])[:, 0]


def base(shared: Tensor, per_class: Tensor, label: Tensor, n_dims: int) -> Tensor:
    """-ln p(x|y) / D, averaged over the batch."""
    return -log_prob_of(shared, per_class, label).mean() / n_dims


def reweight(shared: Tensor, per_class: Tensor, label: Tensor, n_dims: int) -> Tensor:
    """-ln p(x|y) / D - ln p(y|x), averaged over the batch; p(y) uniform. Source: equation 6.

    Under a uniform p(y), p(y|x) is the softmax of the class part: what all classes share cancels.
    """
    return base(shared, per_class, label, n_dims) + F.cross_entropy(per_class, label)


OBJECTIVES: dict[str, tuple[Objective, str]] = {
    "base": (base, "-log p(x|y)/D"),
    "reweight": (reweight, "-log p(x|y)/D - log p(y|x)"),
}
"""By name: the function, and the formula as the checkpoint declares it."""
