"""Six densities in the plane whose logarithm is known exactly.

Every one is a mixture Σ_k w_k p_k(x) of simple parts (round Gaussians, a ring, squares), so that drawing a point is
"choose a part, draw from it", log p(x) is a logsumexp, and a learned density can be measured in nats:
KL(p ‖ q) = E_p[log p(x) − log q(x)].

A point is also kept as "a picture of two numbers", float32 (2, 1, 1) in [0, 1], so that whatever works on pictures
(samplers, contracts, checkpoints) works on points. The plane is [−4, 4]².
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

EXTENT = 4.0  # the plane reaches from −4 to 4 in both directions
RING = 2.4, 0.18  # radius of the ring and its deviation
SQUARES = 4  # of the checkerboard along each side; every second one is filled


@dataclass(frozen=True)
class Density:
    """A density one can draw from.

    Attributes:
        draw: (N, generator) → float32 (N, 2) points of the plane. log: float (N, 2) points → (N,) nats, exact.
    """

    draw: Callable[[int, torch.Generator], Tensor]
    log: Callable[[Tensor], Tensor]


def sample(name: str, count: int, generator: torch.Generator) -> Tensor:
    """`count` points of the density `name`, float32 (N, 2) in the plane. Raises KeyError for an unknown name."""
    return DENSITIES[name].draw(count, generator)


def log_density(name: str, points: Tensor) -> Tensor:
    """log p of (N, 2) points of the plane in nats, (N,); −∞ where nothing ever falls."""
    return DENSITIES[name].log(points)


def to_picture(points: Tensor) -> Tensor:
    """(N, 2) points of the plane → (N, 2, 1, 1) in [0, 1]; points beyond the rim are set back to it."""
    return ((points + EXTENT) / (2 * EXTENT)).clamp(0, 1)[..., None, None]


def to_plane(pictures: Tensor) -> Tensor:
    """(N, 2, 1, 1) in [0, 1] → (N, 2) points of the plane."""
    return pictures[..., 0, 0] * (2 * EXTENT) - EXTENT


# ------------------------------------------------------------------------------------------------------- the parts


def blobs(centres: Tensor, deviation: float) -> Density:
    """Round Gaussians of one size and equal weight around (K, 2) centres."""

    def draw(count: int, generator: torch.Generator) -> Tensor:
        chosen = torch.randint(len(centres), (count,), generator=generator)
        return centres[chosen] + deviation * torch.randn(count, 2, generator=generator)

    def log(points: Tensor) -> Tensor:
        squared = (points[:, None] - centres.to(points)).square().sum(2) / deviation**2
        return torch.logsumexp(-0.5 * squared, 1) - math.log(len(centres) * 2 * math.pi * deviation**2)

    return Density(draw, log)


def ring(radius: float, deviation: float) -> Density:
    """A circle of Gaussian thickness: the angle is uniform, so p(x) = N(r; R, σ²) / (2πr)."""

    def draw(count: int, generator: torch.Generator) -> Tensor:
        angle = 2 * math.pi * torch.rand(count, generator=generator)
        r = radius + deviation * torch.randn(count, generator=generator)  # R = 13 σ: never below zero
        return r[:, None] * torch.stack([angle.cos(), angle.sin()], 1)

    def log(points: Tensor) -> Tensor:
        r = points.norm(dim=1).clamp_min(1e-12)
        across = -0.5 * ((r - radius) / deviation).square() - math.log(deviation * math.sqrt(2 * math.pi))
        return across - torch.log(2 * math.pi * r)

    return Density(draw, log)


def checkerboard(squares: int) -> Density:
    """Uniform on every second of squares × squares fields over the middle of the plane, [−3, 3]²."""
    side = 6.0 / squares
    fields = torch.tensor([(i, j) for i in range(squares) for j in range(squares) if (i + j) % 2 == 0])

    def draw(count: int, generator: torch.Generator) -> Tensor:
        chosen = fields[torch.randint(len(fields), (count,), generator=generator)]
        return (chosen + torch.rand(count, 2, generator=generator)) * side - 3.0

    def log(points: Tensor) -> Tensor:
        field = torch.floor((points + 3.0) / side)
        inside = ((field >= 0) & (field < squares)).all(1) & (field.sum(1) % 2 == 0)
        level = torch.full(points.shape[:1], -math.log(len(fields) * side**2), dtype=points.dtype, device=points.device)
        return level.masked_fill(~inside, -math.inf)

    return Density(draw, log)


def _moons(count: int = 48) -> Tensor:
    angle = torch.linspace(0, math.pi, count)
    upper = torch.stack([2 * angle.cos() - 1, 2 * angle.sin() - 0.5], 1)
    lower = torch.stack([1 - 2 * angle.cos(), 0.5 - 2 * angle.sin()], 1)
    return torch.cat([upper, lower])


def _spiral(count: int = 96) -> Tensor:
    """Centres at equal distances along two turns of an Archimedean spiral."""
    turn = 4 * math.pi * torch.linspace(0.02, 1, count).sqrt()
    return 0.25 * turn[:, None] * torch.stack([turn.cos(), turn.sin()], 1)


def _circle(count: int, radius: float) -> Tensor:
    angle = 2 * math.pi * torch.arange(count) / count
    return radius * torch.stack([angle.cos(), angle.sin()], 1)


def _lattice(count: int, reach: float) -> Tensor:
    line = torch.linspace(-reach, reach, count)
    return torch.cartesian_prod(line, line)


DENSITIES: dict[str, Density] = {
    "two moons": blobs(_moons(), 0.2),
    "ring": ring(*RING),
    "eight gaussians": blobs(_circle(8, 2.6), 0.25),
    "grid": blobs(_lattice(5, 2.8), 0.15),
    "spiral": blobs(_spiral(), 0.15),
    "checkerboard": checkerboard(SQUARES),
}
NAMES = tuple(DENSITIES)
