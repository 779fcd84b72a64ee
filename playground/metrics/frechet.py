"""Fréchet distance: how far two clouds of features are apart if both were Gaussians.

    FD² (the number everyone reports) = ‖μ_a − μ_b‖² + tr(Σ_a + Σ_b − 2 (Σ_a Σ_b)^½)

which is the squared 2-Wasserstein distance of N(μ_a, Σ_a) and N(μ_b, Σ_b) (Dowson and Landau 1982). On
Inception features it is called FID (Heusel et al. 2017, https://arxiv.org/abs/1706.08500).

Two things to know. It is biased: two halves of the *same* data give a distance above zero which grows as N falls,
so it is shown beside, and divided by, that floor at the same N. And it sees only two moments.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from playground.metrics.distances import check_features


def frechet_distance(features_a: Tensor, features_b: Tensor) -> float:
    """Fréchet distance of features (N, F) and (M, F), N, M ≥ 2; in [0, ∞), 0 for equal sets."""
    a, b = check_features(features_a=features_a, features_b=features_b)
    return frechet_from_moments(*moments(a), *moments(b))


def moments(features: Tensor) -> tuple[Tensor, Tensor]:
    """Mean (F,) and unbiased covariance (F, F) of (N, F)."""
    width = features.shape[1]
    return features.mean(0), torch.cov(features.T).reshape(width, width)  # cov of one feature is a scalar


def frechet_from_moments(mean_a: Tensor, cov_a: Tensor, mean_b: Tensor, cov_b: Tensor) -> float:
    """The same from means (F,) and covariances (F, F), float64.

    tr (Σ_a Σ_b)^½ is the sum of the roots of the eigenvalues of S Σ_b S with S = Σ_a^½. That matrix is symmetric
    and positive semi-definite, so its eigenvalues are found to machine precision even where a covariance is
    singular (fewer samples than features), where a general matrix square root fails.
    """
    root_a = symmetric_root(cov_a)
    eigenvalues = torch.linalg.eigvalsh(root_a @ cov_b @ root_a)
    cross = eigenvalues.clamp(min=0).sqrt().sum()
    distance = (mean_a - mean_b).square().sum() + cov_a.trace() + cov_b.trace() - 2 * cross
    return max(0.0, distance.item())  # rounding may leave −1e-12


def symmetric_root(matrix: Tensor) -> Tensor:
    """Square root of a symmetric positive semi-definite matrix, (F, F)."""
    values, vectors = torch.linalg.eigh(matrix)
    return (vectors * values.clamp(min=0).sqrt()) @ vectors.T


def draws(total: int, count: int, seeds: Sequence[int]) -> list[Tensor]:
    """For each seed, `count` of the indices 0 … total − 1 without replacement."""
    if count > total:
        raise ValueError(f"{count} items were asked for; there are {total}.")
    return [torch.randperm(total, generator=torch.Generator().manual_seed(s))[:count] for s in seeds]


def frechet_floor(train: Tensor, test: Tensor, count: int, seeds: Sequence[int] = (0, 1, 2)) -> float:
    """What a perfect model scores at this N: mean distance of `count` training and `count` test features.

    Args:
        train, test: (N, F) and (M, F) features of real data.
        count: how many of each; seeds: one random draw each.
    """
    pairs = zip(draws(len(train), count, seeds), draws(len(test), count, seeds))
    distances = [frechet_distance(train[i], test[j]) for i, j in pairs]
    return sum(distances) / len(distances)
