"""Exponential moving average of weights.

The iterates of stochastic training circle the optimum; their average sits in the middle (Polyak and Juditsky, 1992).
For GANs and diffusion models it is the difference between noisy and clean samples.
"""

from __future__ import annotations

import torch
from torch import nn


@torch.no_grad()
def average(shadow: nn.Module, model: nn.Module, decay: float, images: int) -> None:
    """θ̄ ← d·θ̄ + (1 − d)·θ, in place; buffers are copied.

    Args:
        decay: d once training is long; early on a smaller one, so that the random start is forgotten.
        images: pictures seen so far; the average never reaches further back than a tenth of them.
    """
    d = min(decay, (1 + images / 64) / (10 + images / 64))
    for ours, theirs in zip(shadow.parameters(), model.parameters()):
        ours.lerp_(theirs, 1 - d)
    for ours, theirs in zip(shadow.buffers(), model.buffers()):
        ours.copy_(theirs)
