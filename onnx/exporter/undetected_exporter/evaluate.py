"""Accuracy and bits/dim of a model over a set of images."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .errors import ExporterError
from .noise import dequantise

Z_99 = 2.5758293035489004
"""The standard normal's 99.5 % quantile: half-width of a two-sided 99 % interval."""

LogProb = Callable[[Tensor, Tensor], tuple[np.ndarray, np.ndarray]]
"""(x, noise) -> (log_prob_shared [N], log_prob_class [N, K]), nats."""


@dataclass(frozen=True)
class Scores:
    """Per image: is the likeliest class the label, ln p(x) and ln p(x|label) in nats."""

    correct: np.ndarray
    log_marginal: np.ndarray
    log_own_class: np.ndarray


def bits_per_dim(log_prob: np.ndarray, n_dims: int) -> np.ndarray:
    """-(log_prob - D ln 256) / (D ln 2): densities on [0, 1] as code length of 8-bit pixels."""
    return -(log_prob - n_dims * math.log(256.0)) / (n_dims * math.log(2.0))


def score(
    log_prob: LogProb, images: np.ndarray, labels: np.ndarray, source: torch.Generator, batch: int = 250
) -> Scores:
    """Dequantise uint8 `images` [N, C, H, W] with `source`, evaluate, and compare with `labels` [N].

    A log-probability that is not finite is an error, never a score.
    ln p(x) = ln sum_y p(x|y) / K: shared + logsumexp(class part) - ln K.
    """
    parts = []
    for start in range(0, len(images), batch):
        x, noise = dequantise(torch.from_numpy(images[start : start + batch]), source)
        shared, per_class = (np.asarray(value, np.float64) for value in log_prob(x, noise))
        finite = np.isfinite(shared) & np.isfinite(per_class).all(1)
        if not finite.all():
            raise ExporterError(
                f"image {start + int(finite.argmin())}: log_prob is not finite; the model cannot be scored"
            )
        label = labels[start : start + batch].astype(np.int64)
        top = per_class.max(1)
        marginal = shared + top + np.log(np.exp(per_class - top[:, None]).mean(1))
        own = shared + per_class[np.arange(len(label)), label]
        parts.append((per_class.argmax(1) == label, marginal, own))
    return Scores(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def of_model(model) -> LogProb:
    """A torch model's `parts` as `score` wants it."""

    @torch.no_grad()
    def log_prob(x: Tensor, noise: Tensor) -> tuple[np.ndarray, np.ndarray]:
        device = next(model.parameters()).device
        shared, per_class = model.parts(x.to(device), noise.to(device))
        return shared.cpu().numpy(), per_class.cpu().numpy()

    return log_prob


def wilson(successes: int, n: int, z: float = Z_99) -> tuple[float, float]:
    """Wilson's score interval of a proportion, two-sided 99 % unless `z` says otherwise."""
    rate, weight = successes / n, z * z / n
    centre = (rate + weight / 2) / (1 + weight)
    half = z / (1 + weight) * math.sqrt(rate * (1 - rate) / n + weight / (4 * n))
    return centre - half, centre + half


def mean_interval(values: np.ndarray, z: float = Z_99) -> tuple[float, float, float]:
    """(mean, low, high): the normal approximation's interval of the mean."""
    mean, half = values.mean(), z * values.std(ddof=1) / math.sqrt(len(values))
    return float(mean), float(mean - half), float(mean + half)
