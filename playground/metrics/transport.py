"""Distance between two clouds of points as the work of moving one onto the other.

Along a line the best way to move N points onto N others is in order, so the 1-Wasserstein distance is the mean gap
between the sorted values; the sliced distance averages that over directions (Rabin et al. 2011; Bonneel et al. 2015).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from playground.metrics.distances import check_features


def sliced_wasserstein(a: Tensor, b: Tensor, directions: int = 64) -> float:
    """Mean over evenly spread directions of the 1-Wasserstein distance of the projections.

    Args:
        a, b: (N, 2) points, as many of each.

    Raises:
        ValueError: not the same number of points, not in the plane, or not finite.
    """
    a, b = check_features(a=a, b=b)
    if a.shape != b.shape or a.shape[1] != 2:
        raise ValueError(f"Two (N, 2) clouds of equal size are needed; given {tuple(a.shape)} and {tuple(b.shape)}.")
    angle = math.pi * torch.arange(directions, dtype=a.dtype) / directions
    lines = torch.stack([angle.cos(), angle.sin()])
    return ((a @ lines).sort(0).values - (b @ lines).sort(0).values).abs().mean().item()
