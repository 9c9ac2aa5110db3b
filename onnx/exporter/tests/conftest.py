"""Shared models and images: small, seeded, made here or shipped with the repository."""

from pathlib import Path

import numpy as np
import pytest
import torch

from undetected_exporter import idx
from undetected_exporter.glow import Glow, GlowConfig

DATA = Path(__file__).parents[2] / "data"
CHECKPOINTS = Path(__file__).parents[2] / "checkpoints"


def perturbed(config: GlowConfig, seed: int = 0, size: float = 0.05) -> Glow:
    """A model whose every parameter is moved at random, so that no part of it is the identity."""
    torch.manual_seed(seed)
    model = Glow(config)
    x, noise = torch.rand(2, 64, config.channels, config.side, config.side)
    model.initialise(x, noise)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(size * torch.randn_like(parameter))
    return model


@pytest.fixture(autouse=True)
def seeded() -> None:
    """The same random numbers in every test of every run."""
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def digits() -> tuple[np.ndarray, np.ndarray]:
    """The shipped 500 MNIST test images, uint8 [500, 28, 28], and their labels."""
    return tuple(idx.read(DATA / f"mnist-t10k-500-{kind}-ubyte.gz") for kind in ("images-idx3", "labels-idx1"))
