"""Flow matching: learn the wind that carries noise to data along straight lines.

Pair a noise point x₀ ~ N(0, I) with a data point x₁, go a part t of the way, and ask the network for the direction:

    x_t = (1 − t) x₀ + t x₁,      loss = E ‖v_θ(x_t, t) − (x₁ − x₀)‖²        (Lipman et al. 2022, eq. 23, σ_min = 0)

Many lines cross at a point; what the network learns there is their mean, v(x, t) = E[x₁ − x₀ | x_t = x], and that is
enough: following the mean wind dx/dt = v(x, t) from t = 0 to 1 carries the whole noise to the whole data.

Lipman et al., "Flow matching for generative modeling", 2022; Liu et al., "Flow straight and fast", 2022.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from playground.api import Field
from playground.training.lab.learner import UNIT, PlaneLearner, rate, width
from playground.training.lab.learners.diffusion import TIME_WAVES, WAVES, time_features
from playground.training.lab.nets import mlp


class PlaneFlowMatching(PlaneLearner):
    """One network v_θ(x, t)."""

    name = "flow matching"
    title = "Flow matching"
    paper = "Lipman et al., Flow matching for generative modeling, 2022"
    settings = (
        rate(3e-3),
        width(96),
        Field("steps", "int", 20, 1, 100, 1, label="Steps of sampling",
              info="How many straight pieces the way from noise to data has. Needs no new learning."),
        Field("time", "float", 0.8, 0.0, 1.0, 0.01, label="Time of the arrows",
              info="0 is pure noise, 1 is data."),
    )  # fmt: skip
    parts = ("pair", "learn")
    says: ClassVar[Mapping[str, str]] = {
        "pair": "Every data point is paired with a noise point, and a place is chosen on the line between them.",
        "learn": "The network guesses which way that line runs and learns from how wrong it was.",
    }
    arrows_on = "grid"
    arrows_mean = "The wind at this time: which way and how fast a point is carried towards the data."

    def build(self) -> None:
        """v_θ: (N, 2 + time) → (N, 2)."""
        w = self.values["width"]
        net = mlp((2 + 1 + 2 * TIME_WAVES, w, w, w, 2), self.init, waves=WAVES)
        net[0].k[2:] = 0.0  # waves of the place only
        self.modules["net"] = net
        self._adam("net")

    def velocity(self, x: Tensor, t: Tensor) -> Tensor:
        """v of points (N, 2) in the networks' unit at times t (N,) in [0, 1]: (N, 2)."""
        return self.modules["net"](torch.cat([x, time_features(t)], 1))

    def paired(self, x1: Tensor, noise: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """x_t (N, 2), t (N,), and the direction x₁ − x₀ (N, 2) of the line it lies on."""
        t = torch.rand(len(x1), generator=noise)
        x0 = torch.randn(x1.shape, generator=noise)
        return torch.lerp(x0, x1, t[:, None]), t, x1 - x0

    def sample(self, z: Tensor) -> Tensor:
        """Euler's method from t = 0 to 1."""
        steps, x = self.values["steps"], z
        with torch.no_grad():
            for i in range(steps):
                x = x + self.velocity(x, torch.full((len(x),), i / steps)) / steps
        return UNIT * x

    def arrows(self, points: Tensor) -> Tensor:
        """v at the time that `time` sets, in plane units per unit of time."""
        with torch.no_grad():
            return UNIT * self.velocity(points / UNIT, torch.full((len(points),), self.values["time"]))

    def _do_pair(self, x: Tensor, noise: torch.Generator) -> dict[str, float]:
        self.pending = self.paired(x, noise)
        self.scene = {"on the way": UNIT * self.pending[0]}
        return {}

    def _do_learn(self, x: Tensor, noise: torch.Generator) -> dict[str, float]:
        x_t, t, direction = self.pending or self.paired(x, noise)
        self.pending = None
        guess = self.velocity(x_t, t)
        loss = self._descend("net", (guess - direction).square().mean())
        arrival = x_t + (1 - t[:, None]) * guess.detach()
        self.scene = {"on the way": UNIT * x_t, "guesses": UNIT * arrival}
        return {"velocity": loss}
