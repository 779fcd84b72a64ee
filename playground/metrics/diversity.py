"""Variety: how far samples are apart, and which kinds of picture are missing.

A mean pairwise distance below that of real data means the samples resemble one another. The histogram of a
classifier's answers shows modes that were dropped; total variation ½ Σ |p − q| is the share of samples that would
have to change class to mend it.
"""

from __future__ import annotations

import torch
from torch import Tensor

from playground.metrics.distances import check_features


def mean_pairwise_distance(features: Tensor) -> float:
    """Mean Euclidean distance over all pairs of different rows of (N, F), N ≥ 2."""
    (features,) = check_features(features=features)
    if len(features) < 2:
        raise ValueError("A single item has no pairwise distance.")
    return torch.nn.functional.pdist(features).mean().item()


def histogram(classes: Tensor, count: int) -> Tensor:
    """Share of each of `count` classes among int64 (N,) class indices: float64 (count,), sum 1."""
    if len(classes) == 0:
        raise ValueError("There are no samples to count.")
    return torch.bincount(classes.cpu(), minlength=count).double() / len(classes)


def total_variation(shares: Tensor, reference: Tensor | None = None) -> float:
    """½ Σ |p − q| of two histograms (K,), uniform if only one is given. 0 if equal, 1 if disjoint."""
    if reference is None:
        reference = torch.full_like(shares, 1 / len(shares))
    return (shares - reference).abs().sum().item() / 2


def missing(shares: Tensor) -> list[int]:
    """Classes that no sample belongs to."""
    return (shares == 0).nonzero().flatten().tolist()


def confidence(logits: list[Tensor]) -> Tensor:
    """Largest probability of each picture, averaged over a classifier's heads: [(N, K)…] → (N,)."""
    return torch.stack([head.double().softmax(1).max(1).values for head in logits]).mean(0)
