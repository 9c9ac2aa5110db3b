"""Every random number of training and evaluation, keyed by what it is for.

A generator depends on (seed, purpose, index) only, never on what was drawn before: so an epoch
replayed after a crash sees the same batches, crops and noise as an uninterrupted run.
"""

import numpy as np
import torch
from torch import Tensor

PURPOSES = ("weights", "initialise", "epoch", "validation", "test", "parity", "check", "dropout")


def generator(seed: int, purpose: str, index: int = 0) -> torch.Generator:
    words = np.random.SeedSequence([seed, PURPOSES.index(purpose), index]).generate_state(2, np.uint32)
    return torch.Generator().manual_seed(int(words[0]) << 32 | int(words[1]))


def dequantise(images: Tensor, source: torch.Generator) -> tuple[Tensor, Tensor]:
    """uint8 [N, C, H, W] -> (x, noise), both float32 of that shape.

    x = (k + u) / 256 with u uniform on [0, 1), padding pixels included: a density on [0, 1].
    noise: uniform on [0, 1), the padding channels of appendix A.3.
    Numerics: in float32, k + u may round up to k + 1, with probability about 2^-17 at k = 255.
    """
    uniform = torch.rand((2, *images.shape), generator=source)
    return (images + uniform[0]) / 256.0, uniform[1]


def random_crop(images: Tensor, margin: int, source: torch.Generator) -> Tensor:
    """Crop every [C, H + 2m, W + 2m] image to [C, H, W] at its own place; `margin` is m."""
    if margin == 0:
        return images
    side = images.shape[-1] - 2 * margin
    down, right = torch.randint(2 * margin + 1, (2, len(images)), generator=source)
    windows = images.unfold(2, side, 1).unfold(3, side, 1)
    return windows[torch.arange(len(images)), :, down, right]
