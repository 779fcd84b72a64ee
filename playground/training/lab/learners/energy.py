"""An energy: a landscape whose valleys are where the data is, learned from walkers that try to prove it wrong.

    q(x) = exp(−E(x)) / Z,      −∂ log q(data)/∂θ = ⟨∂E/∂θ⟩_data − ⟨∂E/∂θ⟩_walkers

Press the landscape down under the data, lift it under the walkers; where both are equally many, nothing changes. The
walkers are Langevin chains that go on from update to update (persistent contrastive divergence), x ← x − ε²/2·∇E + ε·ξ.
Such steps hardly ever lead over a ridge, so every walker may also look at a place far away and leap there with
probability min(1, e^{E(x) − E(x')}) (Metropolis et al. 1953): in two dimensions a blind leap lands well often enough.

Z needs a sum over the whole plane, which two dimensions allow. So the field is a normalised density, and samples are
drawn from it exactly, cell by cell: what is seen is the landscape's own opinion, and not how far the walkers have got.

LeCun et al., "A tutorial on energy-based learning", 2006; Tieleman, "Training restricted Boltzmann machines using
approximations to the likelihood gradient", 2008; Du and Mordatch, "Implicit generation and modeling with energy based
models", 2019. (`playground.models.energy` has the exact maximum likelihood over a grid.)
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from playground.api import Field
from playground.training.lab.learner import UNIT, PlaneLearner, rate, slope, width
from playground.training.lab.nets import mlp

WALKERS = 256
REACH = 2.3  # half the side of the square over which Z is summed, in the networks' unit: 4.6 plane units
RIM = 1.9  # where the bowl begins
BOWL = 40.0  # its steepness; beyond the square it leaves nothing
CELLS = 64  # a side
TAME = 1e-3  # weight of E², which keeps the heights from drifting (Du and Mordatch 2019, section 3.3)
WAVES = 24, 0.4


class PlaneEnergyLearner(PlaneLearner):
    """A network for E, and a crowd of walkers."""

    name = "energy"
    title = "Energy-based"
    paper = "LeCun et al., A tutorial on energy-based learning, 2006"
    settings = (
        rate(3e-3),
        width(64),
        Field("moves", "int", 6, 1, 60, 1, label="Moves of the walkers",
              info="Langevin moves per update. More is truer to the landscape, and slower."),
        Field("stride", "float", 0.15, 0.01, 1.0, 0.01, label="Stride ε",
              info="Length of a move in plane units. Large strides jump over narrow valleys."),
        Field("leaps", "int", 2, 0, 10, 1, label="Leaps of the walkers",
              info="How many far places each walker may try before every update. With 0 valleys fill up unevenly."),
    )  # fmt: skip
    parts = ("walk", "learn")
    says: ClassVar[Mapping[str, str]] = {
        "walk": "The walkers roll downhill in the landscape, shaken by noise; the landscape stands still.",
        "learn": "The landscape sinks where the data is and rises where the walkers stand.",
    }
    arrows_on = "grid"
    arrows_mean = "Downhill in the landscape: the force on a walker."

    def build(self) -> None:
        """E: (N, 2) → (N, 1), and the walkers' places."""
        w = self.values["width"]
        self.modules["net"] = mlp((2, w, w, 1), self.init, waves=WAVES, zero=True)
        self.modules["crowd"] = crowd = nn.Module()
        crowd.register_buffer("walkers", self._scatter(WALKERS, self.init))
        self._adam("net")

    def energy(self, x: Tensor) -> Tensor:
        """E of (N, 2) points in the networks' unit, (N,); a bowl keeps the sum over the plane finite."""
        return self.modules["net"](x)[:, 0] + BOWL * F.relu(x.abs() - RIM).square().sum(1)

    def sample(self, z: Tensor) -> Tensor:
        """Exact draws from the cells of the grid: a column by its sum, a row within it, a place within the cell."""
        side = 2 * REACH / CELLS
        with torch.no_grad():
            log = -self.energy(self._middles()).view(CELLS, CELLS).double()
            p = torch.softmax(log.flatten(), 0).view(CELLS, CELLS)
            u = torch.special.ndtr(z.double()).clamp(1e-9, 1 - 1e-9)
            column, x = _invert(p.sum(1).expand(len(u), -1), u[:, 0])
            _, y = _invert(p[column], u[:, 1])
        return UNIT * (torch.stack([x, y], 1) * side - REACH).float()

    def log_density(self, points: Tensor) -> Tensor:
        """−E − log Z, with Z by the midpoint rule."""
        with torch.no_grad():
            log_z = torch.logsumexp(-self.energy(self._middles()), 0) + 2 * math.log(2 * REACH / CELLS)
            return -self.energy(points / UNIT) - log_z - 2 * math.log(UNIT)

    def arrows(self, points: Tensor) -> Tensor:
        """−∇E, per plane unit; the same as ∇ log q, for Z has no slope."""
        return -slope(self.energy, points / UNIT) / UNIT

    def _middles(self) -> Tensor:
        line = (torch.arange(CELLS) + 0.5) * (2 * REACH / CELLS) - REACH
        return torch.cartesian_prod(line, line)

    def _scatter(self, count: int, noise: torch.Generator) -> Tensor:
        return (2 * torch.rand(count, 2, generator=noise) - 1) * RIM

    def _do_walk(self, real: Tensor, noise: torch.Generator) -> dict[str, float]:
        eps = self.values["stride"] / UNIT
        x = self.modules["crowd"].walkers.clone()
        for _ in range(self.values["leaps"]):
            x = self._leap(x, noise)
        for _ in range(self.values["moves"]):
            x = x - eps**2 / 2 * slope(self.energy, x) + eps * torch.randn(x.shape, generator=noise)
            x = x.clamp(-REACH, REACH)
        self.modules["crowd"].walkers.copy_(x)
        self.scene = {"walkers": UNIT * x}
        return {}

    @torch.no_grad()
    def _leap(self, x: Tensor, noise: torch.Generator) -> Tensor:
        there = self._scatter(len(x), noise)
        drop = torch.sub(*self.energy(torch.cat([x, there])).chunk(2))  # E(x) − E(x')
        return torch.where((torch.rand(len(x), generator=noise).log() < drop)[:, None], there, x)

    def _do_learn(self, real: Tensor, noise: torch.Generator) -> dict[str, float]:
        walkers = self.modules["crowd"].walkers
        heights = self.modules["net"](torch.cat([real, walkers]))[:, 0]  # the bowl has no weights to learn
        gap = heights[: len(real)].mean() - heights[len(real) :].mean()
        self._descend("net", gap + TAME * heights.square().mean())
        self.scene = {"walkers": UNIT * walkers.clone()}
        return {"gap": gap.item()}


def _invert(p: Tensor, u: Tensor) -> tuple[Tensor, Tensor]:
    """Rows of probabilities (N, C) that need not sum to one, u (N,) → the cell (N,) and the place on the axis (N,)."""
    edges = p.cumsum(1)
    u = u[:, None] * edges[:, -1:]
    cell = torch.searchsorted(edges.contiguous(), u).clamp_max(p.shape[1] - 1)
    below = edges.gather(1, cell) - p.gather(1, cell)
    inside = ((u - below) / p.gather(1, cell).clamp_min(1e-300)).clamp(0, 1)
    return cell[:, 0], (cell + inside)[:, 0]
