"""A particle filter: many guesses side by side, weighed by how well each foresaw what is known.

Every seed has P particles with weights w_j. A known value multiplies w_j by the probability particle j gave it. When
the effective number 1 / Σ w_j² of normalised weights falls below half of P, the particles are drawn anew in proportion
to their weights, by *systematic* resampling: one uniform number, P equally spaced pointers.

Gordon, Salmond and Smith, "Novel approach to nonlinear/non-Gaussian Bayesian state estimation", 1993; Kitagawa, 1996.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from playground.sampling import normal


class Particles:
    """The weights of N·P particles; particle j of sample n has place n·P + j in every batch.

    Args:
        streams: one generator per sample. size: P.
    """

    def __init__(self, streams: Sequence[torch.Generator], size: int, device: torch.device) -> None:
        self.streams, self.size, self.device = streams, size, device
        self.log_weights = torch.zeros(len(streams), size, dtype=torch.float64, device=device)
        self._stale = False

    def noise(self, shape: Sequence[int]) -> Tensor:
        """Standard normal noise of every particle, (N·P, *shape)."""
        return normal(self.streams, (self.size, *shape)).flatten(0, 1).to(self.device)

    def deal(self, classes: int) -> Tensor:
        """A class for every particle, int64 (N·P,): as even as P allows, which ones come first is left to chance."""
        rows = []
        for stream in self.streams:
            start = torch.rand(1, generator=stream, dtype=torch.float64)
            rows.append(((torch.arange(self.size) + start) * classes / self.size).long() % classes)
        return torch.cat(rows).to(self.device)

    def weigh(self, log_likelihood: Tensor) -> None:
        """Multiplies the weights by exp of (N·P,)."""
        self.log_weights += log_likelihood.view_as(self.log_weights)
        self._stale = True

    def weights(self) -> Tensor:
        """Normalised, (N, P)."""
        return torch.softmax(self.log_weights, 1)

    def effective(self) -> float:
        """Effective number of particles, mean over samples."""
        return float(self.weights().square().sum(1).reciprocal().mean())

    def resample(self) -> Tensor | None:
        """Places (N·P,) of the particles to go on with, or None while the weights are even enough."""
        poor = self.weights().square().sum(1).reciprocal() < self.size / 2
        if not poor.any():
            return None
        parents = torch.arange(self.log_weights.numel(), device=self.device).view_as(self.log_weights).clone()
        for n in poor.nonzero().flatten().tolist():
            parents[n] = n * self.size + self._pointers(n, self.size)
            self.log_weights[n] = 0
        return parents.flatten()

    def choose(self, final: bool) -> Tensor:
        """Place of one particle per sample, (N,): the likeliest so far; at the end one drawn by weight."""
        if final:
            best = torch.cat([self._pointers(n, 1) for n in range(len(self.streams))])
        else:
            best = self.log_weights.argmax(1)
        return best + torch.arange(len(self.streams), device=self.device) * self.size

    def _pointers(self, n: int, count: int) -> Tensor:
        start = torch.rand(1, generator=self.streams[n], dtype=torch.float64).to(self.device)
        at = (torch.arange(count, device=self.device) + start) / count
        edges = self.weights()[n].cumsum(0)
        return torch.searchsorted(edges / edges[-1], at).clamp(max=self.size - 1)
