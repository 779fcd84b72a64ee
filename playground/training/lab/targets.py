"""What a learner of the plane is shown: one of six densities known exactly, or points sprayed by hand.

A sprayed cloud is a density as well. Each point is a small round Gaussian and the target is their even mixture,

    p(x) = 1/N Σ_n N(x; x_n, s²),      s = 0.08,

so "draw" is choose a point and jitter it, and log p is a logsumexp, as exact as that of the six.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from playground.api import PlaygroundError
from playground.data import densities

JITTER = 0.08  # s, in plane units
MOST_POINTS = 2000

Draw = Callable[[int, torch.Generator], Tensor]
LogDensity = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Target:
    """A density to be learned.

    Attributes:
        name: what the visitor reads.
        draw: (N, generator) → float32 (N, 2) points of the plane.
        log_density: (N, 2) points → (N,) nats, exact; None where it is not known.
        modes: (K, 2) centres of separate heaps of equal weight; None where there are none.
        near: how far from its centre a point still belongs to a heap, in plane units.
    """

    name: str
    draw: Draw
    log_density: LogDensity | None = None
    modes: Tensor | None = None
    near: float = 0.0


def target(name: str) -> Target:
    """A density of `playground.data.densities` as a target.

    Raises:
        PlaygroundError: there is no such density.
    """
    if name not in densities.NAMES:
        raise PlaygroundError(
            f"The target was {str(name)[:60]!r}. It must be one of {', '.join(densities.NAMES)}. "
            f"Try {densities.NAMES[2]!r}, or spray points of your own."
        )
    density = densities.DENSITIES[name]
    modes, near = _heaps().get(name, (None, 0.0))
    return Target(name, density.draw, density.log, modes, near)


def sprayed(points: Tensor | Sequence[Sequence[float]]) -> Target:
    """Points a visitor sprayed, (N, 2) in [−4, 4]², each jittered a little when it is drawn.

    Raises:
        PlaygroundError: no points, more than 2,000, not pairs of finite numbers, or outside the plane.
    """
    centres = _checked(points)
    density = densities.blobs(centres, JITTER)
    return Target("sprayed", density.draw, density.log)


def _checked(points: Tensor | Sequence[Sequence[float]]) -> Tensor:
    try:
        cloud = torch.as_tensor(points, dtype=torch.float32).clone()
    except (TypeError, ValueError, RuntimeError):
        raise PlaygroundError(
            "The sprayed points were not pairs of numbers. They must be a list like [[0.5, -1.0], …]; spray again."
        ) from None
    if cloud.numel() == 0:
        raise PlaygroundError(
            "No points were sprayed. At least 1 and at most 2000 are needed: drag over the plane, or take a target."
        )
    if cloud.dim() != 2 or cloud.shape[1] != 2 or len(cloud) > MOST_POINTS:
        raise PlaygroundError(
            f"The sprayed points had the shape {tuple(cloud.shape)}. It must be (N, 2) with N from 1 to {MOST_POINTS}; "
            "spray fewer."
        )
    if not (cloud.abs() <= densities.EXTENT).all():  # false for NaN as well
        raise PlaygroundError(
            f"A sprayed point lay outside the plane or was no number. Both coordinates must be from "
            f"{-densities.EXTENT:g} to {densities.EXTENT:g}; spray inside the frame."
        )
    return cloud


def _heaps() -> dict[str, tuple[Tensor, float]]:
    """Centres of the densities that consist of equal heaps, and the reach of one: three deviations, or half a side."""
    angle = 2 * math.pi * torch.arange(8) / 8
    circle = 2.6 * torch.stack([angle.cos(), angle.sin()], 1)
    line = torch.linspace(-2.8, 2.8, 5)
    side = 6.0 / densities.SQUARES
    fields = [(i, j) for i in range(densities.SQUARES) for j in range(densities.SQUARES) if (i + j) % 2 == 0]
    squares = (torch.tensor(fields) + 0.5) * side - 3.0
    return {
        "eight gaussians": (circle, 3 * 0.25),
        "grid": (torch.cartesian_prod(line, line), 3 * 0.15),
        "checkerboard": (squares, side / 2),
    }
