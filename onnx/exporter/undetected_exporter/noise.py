"""Every random number of training and evaluation, keyed by what it is for.

A generator depends on (seed, purpose, index) only, never on what was drawn before: so an epoch
replayed after a crash sees the same batches, crops and noise as an uninterrupted run.
"""

import numpy as np
import torch
from torch import Tensor

PURPOSES = ("weights", "initialise", "epoch", "validation", "test", "parity", "check", "sample", "pictures", "dropout")

GRID = 1 << 16
"""Dequantisation draws multiples of 1/GRID (CONTRACT.md): k + u is then exact in float32 and below k + 1."""


def generator(seed: int, purpose: str, index: int = 0) -> torch.Generator:
    words = np.random.SeedSequence([seed, PURPOSES.index(purpose), index]).generate_state(2, np.uint32)
    return torch.Generator().manual_seed(int(words[0]) << 32 | int(words[1]))


def dequantise(images: Tensor, source: torch.Generator) -> tuple[Tensor, Tensor]:
    """uint8 [N, C, H, W] -> (x, noise), both float32 of that shape.

    x = (k + u) / 256, padding pixels included: a density on [0, 1]; u uniform on the multiples of
    2^-16 in [0, 1), as the contract has it, so that x stays inside the pixel's bin.
    noise: uniform on [0, 1), the padding channels of appendix A.3.
    """
    positions = torch.randint(GRID, images.shape, generator=source, dtype=torch.int32)
    noise = torch.rand(images.shape, generator=source)
    return (images + positions / GRID) / 256.0, noise


def random_crop(images: Tensor, margin: int, source: torch.Generator) -> Tensor:
    """Crop every [C, H + 2m, W + 2m] image to [C, H, W] at its own place; `margin` is m."""
    if margin == 0:
        return images
    side = images.shape[-1] - 2 * margin
    down, right = torch.randint(2 * margin + 1, (2, len(images)), generator=source)
    windows = images.unfold(2, side, 1).unfold(3, side, 1)
    return windows[torch.arange(len(images)), :, down, right]


def random_flip(images: Tensor, source: torch.Generator) -> Tensor:
    """Mirror each [C, H, W] image left to right with probability 1/2."""
    mirrored = torch.rand(len(images), generator=source) < 0.5
    return torch.where(mirrored[:, None, None, None], images.flip(3), images)
