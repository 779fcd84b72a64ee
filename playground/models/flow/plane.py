"""A flow small enough to be looked at: RealNVP on densities of the plane.

Each layer moves one coordinate by amounts that depend on the other; a dozen of them bend six drawn densities into one
round Gaussian. Which density it is, the coupling networks are told (a class-conditional flow), so the same layers
straighten a spiral and fill the gaps of a checkerboard.

Dinh et al., "Density estimation using Real NVP", 2016.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from playground.api import Frame, Posterior
from playground.data import Dataset, densities
from playground.models.flow.base import Chain, Flow, Layer
from playground.models.flow.couplings import ActNorm, Coupling, SplineCoupling

REACH = 2.5  # in the flow's units: beyond it the layers hardly vary any more, so that the grid's rim stays calm
SPLINED = 4.0  # splines reach this far, in deviations of the data
SCORED = 20_000  # test points


class Scale(Layer):
    """h' = h·factor: from the plane to the flow's own units."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, h: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return h * self.factor, h.new_full((len(h),), h[0].numel() * math.log(self.factor))

    def inverse(self, h: Tensor, context: Tensor | None = None) -> Tensor:
        """h' → h."""
        return h / self.factor


class PlaneNet(nn.Module):
    """One coordinate (N, 1) and its class, one-hot (N, K) → raw scale and shift (N, 2) of the other coordinate."""

    def __init__(self, width: int, classes: int, waves: Sequence[int], outputs: int = 2) -> None:
        super().__init__()
        self.waves = tuple(waves)
        self.first, self.second = nn.Linear(1 + 2 * len(waves) + classes, width), nn.Linear(width, width)
        self.last, self.label = nn.Linear(width, outputs), nn.Linear(classes, outputs, bias=False)
        for zero in (self.last.weight, self.last.bias, self.label.weight):
            nn.init.zeros_(zero)  # the flow starts as (nearly) the identity

    def forward(self, a: Tensor, context: Tensor) -> Tensor:
        a = REACH * torch.tanh(a / REACH)
        waves = [f(a * k) for k in self.waves for f in (torch.sin, torch.cos)]
        h = F.silu(self.first(torch.cat([a, *waves, context], 1)))
        return self.last(F.silu(self.second(h))) + self.label(context)


class PlaneFlow(Flow):
    """`forward` takes points of the plane (N, 2) and the density each belongs to, (N,).

    The first layer halves the plane to the flow's units; every further layer (normalise, then couple) has h (N, 2) in
    these units. "Pictures" are points as (N, 2, 1, 1) in [0, 1], as `playground.data.densities` has them.

    Args:
        layers: couplings, alternately of the first and the second coordinate. width: of their networks.
        classes: densities it is told apart. bound: of the log-scale of an affine coupling. pieces: of a spline
            in its place; 0 is RealNVP. waves: frequencies at which the networks see a coordinate.
    """

    pixels = "plane"

    def __init__(
        self,
        layers: int = 12,
        width: int = 96,
        classes: int = 6,
        bound: float = 1.5,
        pieces: int = 0,
        waves: Sequence[int] = (1, 2, 3, 4),
    ) -> None:
        super().__init__()
        self.shape, self.classes = (2,), classes

        def coupling(moved: int) -> Layer:
            if pieces:
                return SplineCoupling(2, [moved], PlaneNet(width, classes, waves, 3 * pieces - 1), SPLINED)
            return Coupling(2, [moved], PlaneNet(width, classes, waves), bound)

        steps = [Chain(ActNorm(2), coupling(i % 2)) for i in range(layers)]
        self.layers = nn.ModuleList([Scale(0.5), *steps])

    def context(self, labels: Tensor | None) -> Tensor | None:
        """Class indices (N,) → one-hot (N, K)."""
        return F.one_hot(labels.to(self.device), self.classes).to(self.layers[1].layers[0].shift.dtype)

    def log_prob(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        """Points (N, 2, 1, 1) in [0, 1] → nats in units of the plane, (N,); without labels, of the even mixture."""
        points = densities.to_plane(x.to(self.device))
        if labels is not None:
            return self.log_density(points, labels)
        each = [self.log_density(points, self._all(points, k)) for k in range(self.classes)]
        return torch.logsumexp(torch.stack(each), 0) - math.log(self.classes)

    def sample(
        self,
        seeds: Sequence[int],
        *,
        latents: Tensor | None = None,
        labels: Tensor | None = None,
        temperature: float = 1.0,
        watch: bool = True,
    ) -> Iterator[Frame]:
        """As any flow; without labels a seed belongs to density seed mod K."""
        if labels is None:
            labels = torch.tensor([seed % self.classes for seed in seeds])
        return super().sample(seeds, latents=latents, labels=labels, temperature=temperature, watch=watch)

    def decode(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """(N, 2) → points as pictures; without labels, of the first density."""
        z = z.to(self.device)
        return self.picture(self.inverse(z, self._all(z, 0) if labels is None else labels))

    def encode(self, x: Tensor, labels: Tensor | None = None) -> Posterior:
        """Points as pictures → (N, 2); without labels, of the first density."""
        points = densities.to_plane(x.to(self.device))
        z, _ = self(points, self._all(points, 0) if labels is None else labels)
        return Posterior(z, torch.zeros_like(z))

    def picture(self, x: Tensor) -> Tensor:
        """Points of the plane → pictures; what lies beyond its rim is shown on the rim."""
        return densities.to_picture(x.nan_to_num(0)).clamp(0, 1)

    def show(self, h: Tensor, depth: int) -> Tensor:
        """The flow's units are half of the plane's."""
        return self.picture(2 * h)

    def own_scores(self, test: Dataset) -> dict[str, dict[str, float | str]]:
        """How exactly points come back. (That the density is right, `evaluate` measures for every model of points.)"""
        x = test.pictures(slice(SCORED)).to(self.device)
        labels = test.labels[:SCORED]
        error = (self.decode(self.encode(x, labels).mean, labels) - x).abs().max().item()
        protocol = f"largest |x − f⁻¹(f(x))|, {len(x):,} test points of all densities, the plane as [0, 1]²"
        return {"inverse": {"error": error, "protocol": protocol}}

    def _all(self, points: Tensor, label: int) -> Tensor:
        return torch.full((len(points),), label, device=points.device)
