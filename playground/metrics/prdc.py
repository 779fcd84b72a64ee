"""Precision, recall, density and coverage: is each sample real-looking, and is each real picture reached?

Around every real feature X_i lies a ball B_i that reaches to its k-th nearest real neighbour; the union of the
balls stands for "the real pictures". Y_j are the samples' features.

    precision = mean_j 1[Y_j in some B_i]               recall   = mean_i 1[X_i in some ball of the samples]
    density   = 1/(kM) Σ_j #{i : Y_j in B_i}            coverage = mean_i 1[some Y_j in B_i]

Precision and recall: Kynkäänniemi et al. 2019, https://arxiv.org/abs/1904.06991. One outlier with a huge ball
makes everything "precise"; density and coverage mend that (Naeem et al. 2020, https://arxiv.org/abs/2002.09797).
For equal distributions density is about 1 and coverage about 1 − 2^-k; precision and recall depend on N.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from playground.metrics.distances import CHUNK, check_features


@dataclass(frozen=True)
class Prdc:
    """The four numbers. All lie in [0, 1] but density, which may exceed 1."""

    precision: float
    recall: float
    density: float
    coverage: float


def prdc(real: Tensor, samples: Tensor, k: int = 5) -> Prdc:
    """Precision, recall, density and coverage of `samples` (M, F) against `real` (N, F); k < N, M."""
    real, samples = check_features(real=real, samples=samples)
    if not 1 <= k < min(len(real), len(samples)):
        raise ValueError(f"k was {k}; it must be from 1 to {min(len(real), len(samples)) - 1}, given so few items.")
    real_radii, sample_radii = radii(real, k), radii(samples, k)
    recalled = torch.zeros(len(real), dtype=torch.bool)
    covered = torch.zeros(len(real), dtype=torch.bool)
    balls = torch.zeros(len(samples), dtype=torch.long)  # how many real balls hold each sample
    for start in range(0, len(samples), CHUNK):
        part = slice(start, start + CHUNK)
        distance = torch.cdist(samples[part], real)  # (chunk, N)
        inside = distance <= real_radii
        balls[part] = inside.sum(1)
        covered |= inside.any(0)
        recalled |= (distance <= sample_radii[part, None]).any(0)
    return Prdc(
        precision=(balls > 0).double().mean().item(),
        recall=recalled.double().mean().item(),
        density=balls.double().mean().item() / k,
        coverage=covered.double().mean().item(),
    )


def radii(points: Tensor, k: int) -> Tensor:
    """Distance of each point (N, F) to its k-th nearest other point, (N,)."""
    own = 1  # the nearest of all is the point itself
    parts = points.split(CHUNK)
    return torch.cat([torch.cdist(part, points).kthvalue(k + own, dim=1).values for part in parts])
