"""An energy in two dimensions, where everything an energy-based model does can be seen.

A small network gives every point of the plane an energy E(x, y); the density is p(x, y) = exp(−E(x, y)) / Z. What
makes such models hard is

    Z = ∫ exp(−E) dx dy,        −∂ log p(data) / ∂θ = ⟨∂E/∂θ⟩_data − ⟨∂E/∂θ⟩_model.

In two dimensions both can simply be summed over a grid, so this model is trained by exact maximum likelihood: no chain,
no approximation. That is precisely what cannot be done for a picture. A grid of 72 points a side has 5,184 points in
the plane and 72⁷⁸⁴ for a digit; there only chains are left, and here one can watch what chains do (`walkers`).

One trunk of features serves six densities; each has a last layer of its own. A quadratic bowl begins at the rim, so
that exp(−E) has a finite sum over the whole plane.

LeCun, Chopra, Hadsell, Ranzato and Huang, "A tutorial on energy-based learning", 2006; the features are those of Tancik
et al., "Fourier features let networks learn high frequency functions", 2020.
"""

from __future__ import annotations

import copy
import itertools
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from huggingface_hub import PyTorchModelHubMixin
from torch import Tensor, nn

from playground.api import Field, Frame
from playground.data import Dataset, densities
from playground.models import hub
from playground.models.energy.rbm import WATCH, later
from playground.sampling import normal
from playground.training.ema import average
from playground.training.precision import mixed
from playground.training.recipe import Batch

RIM = 3.7  # where the bowl begins, in plane units
BOWL = 10.0  # its steepness
REACH = 4.6  # half side of the square over which Z is summed; beyond it the bowl leaves nothing
GRID = 512  # points a side of the final sum
MOVES = 20  # Langevin moves per step of `sample`
MOVE = 0.0018  # ε²/2 of a move
HOT = 10.0  # temperature at the start of a run, falling to the wanted one over the first half

STEPS = Field(
    "steps", "int", 15, 1, 100, 1, label="Steps",
    info=f"Rounds of {MOVES} Langevin moves. The first half is hot, so that walkers find a valley.",
)  # fmt: skip
TEMPERATURE = Field(
    "temperature", "float", 1.0, 0.1, 4.0, 0.05, label="Temperature",
    info="Divides the energy: below 1 points huddle in the deepest valleys, above 1 they climb the slopes.",
)  # fmt: skip


class PlaneEnergy(nn.Module, PyTorchModelHubMixin):
    """Energies of several densities over one plane.

    Args:
        labels: number of densities. width: units of the three hidden layers. waves: number of Fourier features.
    """

    controls = (STEPS, TEMPERATURE, WATCH)
    pixels = "plane"  # `log_prob` is per point, in plane units
    shape = (2, 1, 1)

    def __init__(self, labels: int = 6, width: int = 128, waves: int = 64) -> None:
        super().__init__()
        # directions and wavelengths: k·x in turns, 0.35 turns per unit on average, so wells of 0.15 can be carved
        self.register_buffer("k", 0.35 * torch.randn(2, waves))
        sizes = (2 + 2 * waves, width, width, width)
        layers = [layer for a, b in itertools.pairwise(sizes) for layer in (nn.Linear(a, b), nn.SiLU())]
        self.trunk = nn.Sequential(*layers)
        self.heads = nn.Linear(width, labels, bias=False)  # a constant would change nothing but Z
        self.register_buffer("log_z", torch.zeros(labels, dtype=torch.float64))

    def energies(self, points: Tensor) -> Tensor:
        """E of (N, 2) plane points under every density, (N, labels)."""
        turns = 2 * math.pi * (points @ self.k)
        features = torch.cat([points / densities.EXTENT, turns.sin(), turns.cos()], 1)
        bowl = BOWL * F.relu(points.abs() - RIM).square().sum(1, keepdim=True)
        return self.heads(self.trunk(features)).to(points.dtype) + bowl

    def energy(self, points: Tensor, labels: Tensor | int) -> Tensor:
        """E(x, y) of (N, 2) plane points, each under its density, (N,)."""
        labels = torch.as_tensor(labels, device=points.device).expand(len(points))
        return self.energies(points.to(self.k)).gather(1, labels[:, None])[:, 0]

    def gradient(self, points: Tensor, labels: Tensor | int) -> Tensor:
        """∇E at (N, 2) plane points, (N, 2): uphill. The force on a walker is its negative."""
        with torch.enable_grad():
            x = points.detach().to(self.k).requires_grad_()
            (slope,) = torch.autograd.grad(self.energy(x, labels).sum(), x)
        return slope

    def density(self, points: Tensor, labels: Tensor | int) -> Tensor:
        """log p of (N, 2) plane points under their density: −E − log Z, nats, float64 (N,)."""
        labels = torch.as_tensor(labels, device=points.device).expand(len(points))
        return -self.energy(points, labels).double() - self.log_z[labels]

    def log_prob(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        """log p of points as pictures (N, 2, 1, 1), nats per point of the plane, (N,). No labels: equal mixture."""
        points = densities.to_plane(x.to(self.k))
        if labels is not None:
            return self.density(points, labels.to(points.device)).float()
        each = -self.energies(points).double() - self.log_z
        return (torch.logsumexp(each, 1) - math.log(each.shape[1])).float()

    def sum_up(self, side: int = GRID) -> Tensor:
        """log Z of every density by the midpoint rule over [−4.6, 4.6]², float64 (labels,)."""
        points, log_area = midpoints(side)
        parts = [torch.logsumexp(-self.energies(p).double(), 0) for p in points.to(self.k).split(2**15)]
        return torch.logsumexp(torch.stack(parts), 0) + log_area

    def latents(self, seeds: Sequence[int]) -> Tensor:
        """Standard normal (N, 2): the start of a walk, in units of 2 plane units."""
        return normal(seeds, (2,))

    def sample(
        self,
        seeds: Sequence[int],
        *,
        latents: Tensor | None = None,
        labels: Tensor | None = None,
        steps: int = STEPS.default,
        temperature: float = 1.0,
        watch: bool = True,
    ) -> Iterator[Frame]:
        """Langevin walks, cooled from ten times the temperature: x ← x − (ε²/2) ∇E + ε √T ξ. State: (N, 2) points.

        Every walker has its own noise. A frame per step of 20 moves; images are points as "pictures of two numbers".
        """
        z = self.latents(seeds) if latents is None else latents
        labels = torch.tensor([s % len(self.log_z) for s in seeds]) if labels is None else labels
        x, labels, streams = (2 * z).clamp(-RIM, RIM).to(self.k), labels.to(self.k.device), later(seeds)
        for step in range(1, steps + 1):
            for move in range(MOVES):
                done = (step - 1 + move / MOVES) / steps
                heat = temperature * HOT ** max(0.0, 1 - 2 * done)
                noise = math.sqrt(2 * MOVE * heat) * normal(streams, (2,)).to(x)
                x = (x - MOVE * self.gradient(x, labels) + noise).clamp(-REACH, REACH)
            if watch:
                yield self._frame(x, labels, step, steps, step)
        if not watch:
            yield self._frame(x, labels, 1, 1, steps)

    def _frame(self, x: Tensor, labels: Tensor, step: int, total: int, rounds: int) -> Frame:
        info = {"energy": self.energy(x, labels).mean().item(), "calls": rounds * MOVES}
        return Frame(densities.to_picture(x.float()), step, total, state=x.cpu(), info=info)

    def own_scores(self, test: Dataset) -> dict[str, dict[str, Any]]:
        """How far each density is from the true one: KL(p ‖ q) in nats, from fresh draws of p."""
        noise = torch.Generator().manual_seed(0)
        found: dict[str, Any] = {}
        for label, name in enumerate(densities.NAMES):
            points = densities.sample(name, 10_000, noise)
            gap = densities.log_density(name, points).double() - self.density(points.to(self.k), label).cpu()
            found[name] = gap.mean().item()
        found["worst"] = max(found.values())
        found["samples"] = 10_000
        found["protocol"] = "KL(p ‖ q) in nats per density: mean of log p − log q over fresh points of p, log p exact, "
        found["protocol"] += f"log q with Z summed over a grid of {GRID} points a side"
        return {"divergence": found}


def midpoints(side: int, jitter: Tensor | None = None) -> tuple[Tensor, float]:
    """A grid over [−4.6, 4.6]²: (side², 2) points and the log of the area each stands for.

    Args:
        jitter: (side², 2) in [0, 1): where in its cell each point lies; the middle if None.
    """
    cell = 2 * REACH / side
    corner = torch.arange(side) * cell - REACH
    corners = torch.cartesian_prod(corner, corner)
    return corners + cell * (0.5 if jitter is None else jitter.cpu()), 2 * math.log(cell)


class PlaneLearner:
    """Exact maximum likelihood: mean energy of the data plus log Z, the latter over a grid shaken anew at each step.

    Args:
        side: of the grid. lr: of Adam. decay: of the running average that is saved.
    """

    def __init__(
        self, model: PlaneEnergy, device: torch.device, side: int = 72, lr: float = 2e-3, decay: float = 0.998
    ) -> None:
        self.model, self.side, self.decay = model.to(device), side, decay
        self.shadow = copy.deepcopy(self.model).requires_grad_(False)
        self.modules: dict[str, nn.Module] = {"model": self.model, "shadow": self.shadow}
        self.optimizers: dict[str, torch.optim.Optimizer] = {"model": torch.optim.Adam(model.parameters(), lr)}

    def step(self, batch: Batch) -> dict[str, float]:
        model, y = self.model, batch.y.flatten()
        grid, log_area = midpoints(self.side, batch.uniform(self.side**2, 2))
        points = torch.cat([densities.to_plane(batch.x), grid.to(batch.x.device)])
        with mixed(points.device):
            energies = model.energies(points)
        log_z = torch.logsumexp(-energies[len(y) :], 0) + log_area
        loss = energies[: len(y)].gather(1, y[:, None]).mean() + log_z[y].mean()
        optimizer = self.optimizers["model"]
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 10.0)
        optimizer.step()
        average(self.shadow, model, self.decay, batch.seen + len(y))
        return {"loss": loss.item()}

    @torch.no_grad()
    def save(self, folder: Path) -> None:
        """Writes the averaged weights and log Z of every density."""
        model = copy.deepcopy(self.shadow)
        model.log_z.copy_(model.sum_up())
        hub.save(model, folder)
