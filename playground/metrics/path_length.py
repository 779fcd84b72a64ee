"""Perceptual path length: how far the picture moves when the latent moves a little.

For two latents and a place t between them,

    PPL = E ‖φ(G(z(t + ε))) − φ(G(z(t)))‖² / ε²,

with φ the features of a classifier. A smooth latent space has short steps everywhere; a high value means that
somewhere on the way a small step turns the picture into another one. Karras et al., "A style-based generator
architecture", 2019 (arXiv:1812.04948), §4.1.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

Walk = Callable[[Tensor, Tensor, Tensor], Tensor]


def path_length(
    features: Callable[[Tensor], Tensor], a: Tensor, b: Tensor, between: Walk, seed: int = 0, step: float = 1e-2
) -> float:
    """Mean squared speed in feature space on the ways from latents `a` to latents `b`.

    Args:
        features: latents (N, *latent) → (N, F), generator and classifier in one.
        a, b: (N, *latent) ends of the ways.
        between: (one a, one b, t (K,)) → (K, *latent), such as `playground.sampling.slerp`.
        seed: of the places on the ways. step: ε in units of the whole way, in (0, 1).
    """
    if not 0 < step < 1 or a.shape != b.shape or len(a) == 0:
        raise ValueError(
            f"step was {step} and the ends {tuple(a.shape)}, {tuple(b.shape)}: need 0 < step < 1, equal ends."
        )
    places = torch.rand(len(a), generator=torch.Generator().manual_seed(seed)) * (1 - step)
    pairs = [between(x, y, torch.stack([t, t + step])) for x, y, t in zip(a, b, places)]
    here, there = (features(torch.stack([pair[k] for pair in pairs])).double() for k in (0, 1))
    return ((there - here).square().flatten(1).sum(1) / step**2).mean().item()
