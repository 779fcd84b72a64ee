"""Ways from one latent to another.

In high dimension Gaussian noise lives on a thin shell of radius √d. The straight line between two points leaves that
shell; the great circle stays on it (White, "Sampling generative networks", 2016).
"""

from __future__ import annotations

import torch
from torch import Tensor


def lerp(a: Tensor, b: Tensor, t: Tensor) -> Tensor:
    """Straight line: a, b of shape (*latent,), t of shape (N,) in [0, 1] → (N, *latent)."""
    t = t.reshape(-1, *[1] * a.dim())
    return (1 - t) * a + t * b


def slerp(a: Tensor, b: Tensor, t: Tensor) -> Tensor:
    """Great circle, lengths blended along: a, b of shape (*latent,), t of shape (N,) in [0, 1] → (N, *latent).

    Falls back to the straight line where the two directions are the same or opposite.
    """
    norm_a, norm_b = a.norm(), b.norm()
    if norm_a == 0 or norm_b == 0:
        return lerp(a, b, t)
    cosine = ((a * b).sum() / (norm_a * norm_b)).clamp(-1, 1)
    omega = torch.acos(cosine)
    if torch.sin(omega).abs() < 1e-4:
        return lerp(a, b, t)
    t = t.reshape(-1, *[1] * a.dim())
    direction = (torch.sin((1 - t) * omega) * a / norm_a + torch.sin(t * omega) * b / norm_b) / torch.sin(omega)
    return direction * ((1 - t) * norm_a + t * norm_b)
