"""One random stream per sample.

A picture must not depend on its batch, on its neighbours or on the device's own stream, so every sample owns a
`torch.Generator` on the CPU and all its noise is drawn from that (the idea of EDM's StackedRandomGenerator,
Karras et al. 2022).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor


def generators(seeds: Sequence[int]) -> list[torch.Generator]:
    """A fresh CPU generator for each seed."""
    return [torch.Generator().manual_seed(int(seed)) for seed in seeds]


def normal(streams: Sequence[torch.Generator] | Sequence[int], shape: Sequence[int]) -> Tensor:
    """Standard normal noise, float32 (N, *shape) on the CPU; streams may be seeds (then their first draw)."""
    if streams and not isinstance(streams[0], torch.Generator):
        streams = generators(streams)
    return torch.stack([torch.randn(*shape, generator=g) for g in streams])


def lattice(x: float, y: float, latents: Callable[[Sequence[int]], Tensor]) -> Tensor:
    """The latent at a point of an infinite plane whose lattice points are seeds: seed = x + 100·y.

    The four neighbours are blended with weights w_i (bilinear) and the blend is divided by sqrt(Σ w_i²), which keeps
    noise standard normal: at a lattice point it *is* that seed's noise, and in between no picture is washed out.

    Args:
        x, y: position; only |x|, |y| < 2³¹ keep the seeds distinct and exact.
        latents: the latents of N seeds, (N, *latent), as a sampler's `latents`.

    Returns:
        float32 (1, *latent).
    """
    x0, y0 = math.floor(x), math.floor(y)
    fx, fy = x - x0, y - y0
    corners = [(0, 0, (1 - fx) * (1 - fy)), (1, 0, fx * (1 - fy)), (0, 1, (1 - fx) * fy), (1, 1, fx * fy)]
    used = [(dx, dy, w) for dx, dy, w in corners if w > 0]
    noise = latents([(x0 + dx + 100 * (y0 + dy)) % 2**32 for dx, dy, _ in used])
    weights = torch.tensor([w for *_, w in used])
    weights = weights / weights.square().sum().sqrt()
    return torch.einsum("n,n...->...", weights, noise)[None]
