"""Distances between many rows and many rows, in pieces that fit in memory."""

from __future__ import annotations

import torch
from torch import Tensor

CHUNK = 512  # rows at a time: 512 × 60,000 float32 distances are 123 MB


def check_features(**named: Tensor) -> list[Tensor]:
    """The given (N, F) tensors as float64 on the CPU, if they are finite and have the same F.

    Raises:
        ValueError: not a matrix, no rows, NaN or infinity, or different widths. A score of such features
            would be a number that means nothing.
    """
    for name, features in named.items():
        if features.dim() != 2 or len(features) == 0:
            raise ValueError(f"{name} must be (N, F) with N > 0; its shape is {tuple(features.shape)}.")
        if not torch.isfinite(features).all():
            raise ValueError(f"{name} contains NaN or infinity.")
    if len({features.shape[1] for features in named.values()}) > 1:
        raise ValueError(f"Widths differ: { {name: tuple(f.shape) for name, f in named.items()} }.")
    return [features.detach().cpu().double() for features in named.values()]


def nearest(queries: Tensor, items: Tensor, k: int = 1) -> tuple[Tensor, Tensor]:
    """The k nearest items of each query, in Euclidean distance.

    They are found through ‖a‖² + ‖b‖² − 2a·b, which is fast but loses the small digits (hence the centring); the
    distances returned are those of the found pairs, measured again by subtraction, so an exact copy is at 0.

    Args:
        queries: (M, F); items: (N, F) of the same type; k: 1 ≤ k ≤ N.

    Returns:
        indices int64 (M, k) and distances (M, k), nearest first.
    """
    if not 1 <= k <= len(items):
        raise ValueError(f"k was {k}; there are {len(items)} items.")
    centre = items.mean(0)
    centred = items - centre
    indices, distances = [], []
    for chunk in queries.split(CHUNK):
        found = torch.cdist(chunk - centre, centred).topk(k, largest=False).indices
        exact, order = (chunk[:, None] - items[found]).norm(dim=2).sort(dim=1)
        indices.append(found.gather(1, order))
        distances.append(exact)
    return torch.cat(indices), torch.cat(distances)
