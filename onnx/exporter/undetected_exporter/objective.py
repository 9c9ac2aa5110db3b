"""What training minimises, per batch, in nats."""

from collections.abc import Callable
from functools import partial

import torch.nn.functional as F
from torch import Tensor

Objective = Callable[..., Tensor]
"""(shared [N], class part [N, K], labels [N], D) and what is particular to it -> the loss."""


def log_prob_of(shared: Tensor, per_class: Tensor, label: Tensor) -> Tensor:
    """ln p(x|y) of every sample's own class, [N]."""
    return shared + per_class.gather(1, label[:, None])[:, 0]


def base(shared: Tensor, per_class: Tensor, label: Tensor, n_dims: int) -> Tensor:
    """-ln p(x|y) / D, averaged over the batch."""
    return -log_prob_of(shared, per_class, label).mean() / n_dims


def reweight(shared: Tensor, per_class: Tensor, label: Tensor, n_dims: int, alpha: float = 1.0) -> Tensor:
    """-ln p(x|y) / D - alpha ln p(y|x), averaged over the batch; p(y) uniform.

    Source: equation 6, where alpha = 1; appendix E, where it is 1000.

    Under a uniform p(y), p(y|x) is the softmax of the class part: what all classes share cancels.
    """
    return base(shared, per_class, label, n_dims) + alpha * F.cross_entropy(per_class, label)


def split(shared: Tensor, per_class: Tensor, label: Tensor, n_dims: int, logits: Tensor) -> Tensor:
    """-ln p(x|y) / D - ln softmax(z_s/c)_y, averaged over the batch; `logits` is z_s/c, [N, K].

    The discriminative term is up-weighted on the subspace z_s alone, "treated as standard logits of a
    discriminative model" (appendix A.4): it is -ln p(y|z_s), not -ln p(y|x), which p(z_n|z_s, y) enters too.
    """
    return base(shared, per_class, label, n_dims) + F.cross_entropy(logits, label)


OBJECTIVES: dict[str, tuple[Objective, str]] = {
    "base": (base, "-log p(x|y)/D"),
    "reweight": (reweight, "-log p(x|y)/D - log p(y|x)"),
    "split": (split, "-log p(x|y)/D - log softmax(z_s/c)[y]"),
}
"""By name: the function, and the formula as the checkpoint declares it. `split` takes the logits too."""


def weighted(name: str, alpha: float) -> Objective:
    """The objective called `name`, its classification term weighted by `alpha` where it has one."""
    function = OBJECTIVES[name][0]
    return partial(function, alpha=alpha) if function is reweight else function


def formula(name: str, alpha: float) -> str:
    """The formula as the checkpoint declares it, with the weight as a number unless it is 1."""
    text = OBJECTIVES[name][1]
    return text if alpha == 1.0 else text.replace("- log p(y|x)", f"- {alpha:g} log p(y|x)")
