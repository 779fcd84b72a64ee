"""How far the samples are from the target, measured against values known exactly.

* Sliced Wasserstein: work of moving one cloud onto the other. Two clouds drawn from the target itself are not at
  distance zero either; their mean distance is the *floor*, and a learner is told how many times it.
* Gaussian MMD², unbiased: zero in the mean where samples follow the target.
* Modes: a heap counts as covered if at least a quarter of the samples that the target itself puts there lie there.
* KL(p ‖ q) = E_p[log p − log q], where both logarithms are exact.

One side of every distance never changes, so its sorted projections and its kernel sums are kept; the results are those
of `playground.metrics`.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from playground.training.lab.targets import Target

DIRECTIONS = 64
KERNEL = 0.5  # width of the Gaussian, plane units: about the distance within a heap
PAIRS = 6  # of fresh clouds, for the floor
SHARE = 0.25  # of what the target puts into a heap that must be there for it to count


class Ruler:
    """Measures clouds of `count` points against one target.

    Attributes:
        reference: (count, 2) points of the target that no learner is trained on. floor: sliced Wasserstein distance
            between two clouds of the target. heaps: K, or None. near: share of the target's points near a heap.
    """

    def __init__(self, target: Target, count: int, generator: torch.Generator) -> None:
        self.target = target
        self.reference = target.draw(count, generator)
        angle = math.pi * torch.arange(DIRECTIONS, dtype=torch.float64) / DIRECTIONS
        self._lines = torch.stack([angle.cos(), angle.sin()])
        self._sorted = self._project(self.reference)
        self._own = _mean_pair(self.reference)
        clouds = [self._project(target.draw(count, generator)) for _ in range(2 * PAIRS)]
        self.floor = sum((a - b).abs().mean().item() for a, b in zip(clouds[::2], clouds[1::2])) / PAIRS
        self.heaps = None if target.modes is None else len(target.modes)
        self._fair = None if target.modes is None else self._counts(target.draw(16 * count, generator)) / 16
        self.near = None if self._fair is None else self._fair.sum().item() / count
        self._entropy = None if target.log_density is None else -target.log_density(self.reference).double()

    def measure(self, samples: Tensor, log_q: Tensor | None = None) -> dict[str, float]:
        """Every distance of (count, 2) finite points to the target, by name.

        Args:
            log_q: the learner's exact log-density at `reference`, if it has one.
        """
        wasserstein = (self._project(samples) - self._sorted).abs().mean().item()
        found = {
            "sliced_wasserstein": wasserstein,
            "times_floor": wasserstein / self.floor,
            "mmd": _mean_pair(samples) + self._own - 2 * _kernel(samples, self.reference).mean().item(),
        }
        if self._fair is not None:
            counts = self._counts(samples)
            found["modes"] = float((counts >= SHARE * self._fair).sum().item())
            found["near"] = counts.sum().item() / len(samples)
        if log_q is not None and self._entropy is not None:
            found["kl"] = (-self._entropy - log_q.double()).mean().item()
        return found

    def _project(self, points: Tensor) -> Tensor:
        """(N, 2) → sorted projections (directions, N), float64."""
        return (self._lines.T @ points.double().T).sort(1).values

    def _counts(self, points: Tensor) -> Tensor:
        """How many points belong to each heap, (K,)."""
        distance, heap = torch.cdist(points, self.target.modes).min(1)
        return torch.bincount(heap[distance <= self.target.near], minlength=len(self.target.modes)).double()


def _kernel(a: Tensor, b: Tensor) -> Tensor:
    return torch.exp(-0.5 * torch.cdist(a, b).square() / KERNEL**2)


def _mean_pair(points: Tensor) -> float:
    """E k(a, a′) over different points; k of a point with itself is 1."""
    n = len(points)
    pairs = torch.pdist(points)
    return 2 * torch.exp(-0.5 * pairs.square() / KERNEL**2).sum(dtype=torch.float64).item() / (n * (n - 1))
