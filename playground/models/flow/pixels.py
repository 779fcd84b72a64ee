"""The first layers of a flow of pictures: from grey levels in [0, 1] to numbers without a bound.

A flow's Gaussian reaches everywhere while pixels end at black and white; the logit opens the interval,

    h = log(y / (1 − y)),      log |dh/dy| = −log y − log(1 − y),

and, before it, an equaliser may spread the levels by how common they are (it is their distribution function, straight
within each level), since four fifths of a digit's pixels are exactly black.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from playground.models.flow.base import Layer


class Logit(Layer):
    """y in [0, 1] → logit(α + (1 − 2α)·y), of any shape (N, …) (Dinh et al. 2016, §4.1)."""

    def __init__(self, alpha: float) -> None:
        super().__init__()
        self.alpha = alpha

    def forward(self, h: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        logit = torch.logit(self.alpha + (1 - 2 * self.alpha) * h)
        slope = F.softplus(logit) + F.softplus(-logit) + math.log(1 - 2 * self.alpha)
        return logit, slope.flatten(1).sum(1)

    def inverse(self, h: Tensor, context: Tensor | None = None) -> Tensor:
        """h' → h."""
        return (torch.sigmoid(h) - self.alpha) / (1 - 2 * self.alpha)


class Levels(Layer):
    """x, with levels at l/(2^b − 1), → y = ((2^b − 1)·x + ½)/2^b in [0, 1], where each level has its own interval."""

    def __init__(self, bits: int) -> None:
        super().__init__()
        self.count = 2**bits

    def forward(self, h: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        log_det = h[0].numel() * math.log((self.count - 1) / self.count)
        return (h * (self.count - 1) + 0.5) / self.count, h.new_full((len(h),), log_det)

    def inverse(self, h: Tensor, context: Tensor | None = None) -> Tensor:
        """h' → h."""
        return (h * self.count - 0.5) / (self.count - 1)


class Equalise(Layer):
    """y in [0, 1] → P(pixel ≤ y), from the histogram of the first training batch: straight within each level.

    A tenth of every level's height is shared out evenly, so that rare levels keep some room.
    """

    def __init__(self, bits: int, evenly: float = 0.1) -> None:
        super().__init__()
        self.evenly = evenly
        self.register_buffer("height", torch.full((2**bits,), 2.0**-bits))
        self.register_buffer("ready", torch.zeros((), dtype=torch.bool))

    def forward(self, h: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        if self.training and not self.ready:
            self._start(h.detach())
        count = len(self.height)
        level = (h.detach() * count).long().clamp(0, count - 1)
        height, below = self.height.to(h.dtype)[level], self._below(h.dtype)[level]
        log_det = torch.log(self.height.to(h.dtype) * count)[level]
        return below + height * (h * count - level), log_det.flatten(1).sum(1)

    def inverse(self, h: Tensor, context: Tensor | None = None) -> Tensor:
        """h' → h."""
        below = self._below(h.dtype)
        level = (torch.searchsorted(below, h.detach(), right=True) - 1).clamp(0, len(below) - 1)
        return (level + (h - below[level]) / self.height.to(h.dtype)[level]) / len(below)

    def _below(self, dtype: torch.dtype) -> Tensor:
        return (self.height.double().cumsum(0) - self.height.double()).to(dtype)

    @torch.no_grad()
    def _start(self, h: Tensor) -> None:
        count = len(self.height)
        found = torch.bincount((h * count).long().clamp(0, count - 1).flatten(), minlength=count).to(h.dtype)
        self.height.copy_((1 - self.evenly) * found / found.sum() + self.evenly / count)
        self.ready.fill_(True)


class Flat(Layer):
    """A layer for vectors (N, D) at work on pictures (N, C, H, W)."""

    def __init__(self, shape: Sequence[int], inner: Layer) -> None:
        super().__init__()
        self.shape, self.inner = tuple(shape), inner

    def forward(self, h: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        h, log_det = self.inner(h.flatten(1), context)
        return h.unflatten(1, self.shape), log_det

    def inverse(self, h: Tensor, context: Tensor | None = None) -> Tensor:
        """h' → h."""
        return self.inner.inverse(h.flatten(1), context).unflatten(1, self.shape)
