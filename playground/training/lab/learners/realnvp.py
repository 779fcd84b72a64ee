"""RealNVP: bend the plane, step by step and without tearing it, until the data looks like one round Gaussian.

Each layer leaves one coordinate a alone and moves the other, b' = b·exp(s(a)) + t(a), so it can be undone, and its
log-determinant is simply s(a):

    log q(x) = log N(f(x); 0, I) + Σ_l s_l(a_l).

Maximum likelihood on that is the whole training. What a flow cannot do is cut: between two heaps there is always a thin
bridge. (`playground.models.flow` has the flows of pictures; here is only what two coordinates need, at a third of the
time per update.)

Dinh et al., "Density estimation using Real NVP", 2016.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor, nn

from playground.api import Field
from playground.training.lab.learner import UNIT, PlaneLearner, rate, slope, width
from playground.training.lab.nets import mlp

BOUND = 2.0  # s of one layer lies in (−2, 2), so that no layer can blow up what the data never taught it
WAVES = 8, 0.5
STEEPEST = 10.0  # a gradient longer than this (twice the usual) is shortened: a few points at the rim can make it 1,000


class PlaneRealNVP(PlaneLearner):
    """Couplings that move the two coordinates in turn."""

    name = "realnvp"
    title = "RealNVP"
    paper = "Dinh et al., Density estimation using Real NVP, 2016"
    settings = (
        rate(2e-3),
        width(64),
        Field("layers", "int", 6, 2, 12, 1, label="Layers",
              info="How many times the plane is bent. Builds new networks."),
    )  # fmt: skip
    rebuilds = frozenset({"width", "layers"})
    parts = ("straighten", "learn")
    says: ClassVar[Mapping[str, str]] = {
        "straighten": "The layers carry every point to its place among the noise; see how round the cloud is.",
        "learn": "The layers change so that real points land where noise is thick and space was stretched least.",
    }
    shows = frozenset({"straighten"})
    arrows_on = "grid"
    arrows_mean = "Uphill in the learned density: the slope of log q."

    def build(self) -> None:
        """One network per layer: (N, 1) → raw s and t, (N, 2); at the start the flow is the identity."""
        w = self.values["width"]
        nets = [mlp((1, w, w, 2), self.init, waves=WAVES, zero=True) for _ in range(self.values["layers"])]
        self.modules["net"] = nn.ModuleList(nets)
        self._adam("net")

    def sample(self, z: Tensor) -> Tensor:
        """The layers backwards."""
        with torch.no_grad():
            return UNIT * self._back(z)

    def log_density(self, points: Tensor) -> Tensor:
        """Exact, by the change of variables."""
        with torch.no_grad():
            return self._log(points / UNIT) - 2 * math.log(UNIT)

    def arrows(self, points: Tensor) -> Tensor:
        """∇ log q(x), per plane unit."""
        return slope(self._log, points / UNIT) / UNIT

    def _forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """x (N, 2) → z (N, 2) and log |det| (N,)."""
        a, b = x[:, :1], x[:, 1:]
        total = x.new_zeros(len(x), 1)
        for net in self.modules["net"]:
            s, t = self._move(net, a)
            a, b, total = b * s.exp() + t, a, total + s  # the two change places after every layer
        return torch.cat([a, b], 1), total[:, 0]

    def _back(self, z: Tensor) -> Tensor:
        """z (N, 2) → x (N, 2)."""
        a, b = z[:, :1], z[:, 1:]
        for net in reversed(self.modules["net"]):
            s, t = self._move(net, b)
            a, b = b, (a - t) * (-s).exp()
        return torch.cat([a, b], 1)

    def _move(self, net: nn.Module, a: Tensor) -> tuple[Tensor, Tensor]:
        raw, t = net(a).chunk(2, 1)
        return BOUND * torch.tanh(raw / BOUND), t

    def _log(self, x: Tensor) -> Tensor:
        """log q in the networks' unit, (N,)."""
        z, total = self._forward(x)
        return total - 0.5 * z.square().sum(1) - math.log(2 * math.pi)

    def _do_straighten(self, x: Tensor, noise: torch.Generator) -> dict[str, float]:
        with torch.no_grad():
            self.scene = {"latents": self._forward(x)[0]}
        return {}

    def _do_learn(self, x: Tensor, noise: torch.Generator) -> dict[str, float]:
        return {"nats": self._descend("net", -self._log(x).mean(), STEEPEST) + 2 * math.log(UNIT)}
