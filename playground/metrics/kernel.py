"""Kernel distance between two clouds of features.

The squared maximum mean discrepancy MMD² = E k(a, a′) + E k(b, b′) − 2 E k(a, b) is zero exactly where two
distributions agree, for a kernel rich enough. Its unbiased estimate leaves out the pairs of a point with itself, so
unlike the Fréchet distance it has no floor that depends on the number of points: it may even come out below zero.

Gretton et al., "A kernel two-sample test", 2012; with the cubic kernel (a·b/F + 1)³ on features of a classifier it is
the KID of Bińkowski et al., "Demystifying MMD GANs", 2018 (arXiv:1801.01401).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from playground.metrics.distances import CHUNK, check_features


def kernel_distance(a: Tensor, b: Tensor) -> float:
    """Unbiased MMD² of (M, F) and (N, F) features under the cubic kernel; M, N ≥ 2."""
    a, b = check_features(a=a, b=b)
    return _discrepancy(a, b, lambda x, y: (x @ y.T / x.shape[1] + 1).pow(3))


def gaussian_discrepancy(a: Tensor, b: Tensor, width: float) -> float:
    """Unbiased MMD² of (M, F) and (N, F) points under exp(−‖x − y‖² / 2w²); M, N ≥ 2, w > 0."""
    if not width > 0:
        raise ValueError(f"The width of the kernel was {width}; it must be above zero.")
    a, b = check_features(a=a, b=b)
    return _discrepancy(a, b, lambda x, y: torch.exp(-0.5 * torch.cdist(x, y).square() / width**2))


def _discrepancy(a: Tensor, b: Tensor, kernel: Callable[[Tensor, Tensor], Tensor]) -> float:
    if min(len(a), len(b)) < 2:
        raise ValueError(f"At least two points on each side are needed; given {len(a)} and {len(b)}.")

    def total(x: Tensor, y: Tensor) -> float:
        return sum(kernel(part, y).sum().item() for part in x.split(CHUNK))

    def own(x: Tensor) -> float:
        on_diagonal = sum(kernel(part[None], part[None]).item() for part in x)
        return (total(x, x) - on_diagonal) / (len(x) * (len(x) - 1))

    return own(a) + own(b) - 2 * total(a, b) / (len(a) * len(b))
