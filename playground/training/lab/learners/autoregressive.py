"""One coordinate after the other: q(x, y) = q(x)·q(y|x).

Any density is such a product, so nothing is given up; the price is an order. Each factor is a mixture of logistics,

    q(v) = Σ_k π_k · e^{−u} / (s_k (1 + e^{−u})²),      u = (v − μ_k) / s_k,

with free numbers for x and numbers that a network reads off x for y. A sample is drawn the same way: x first, then y
knowing x. The two factors share no weight and go down −log q(x) and −log q(y|x) apart.

Salimans et al., "PixelCNN++", 2017 (mixtures of logistics); Bengio and Bengio, "Modeling high-dimensional discrete data
with multi-layer neural networks", 1999.
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

SHARPEST = -4.5  # of log s
WAVES = 16, 0.5


class Mixture(nn.Module):
    """Free numbers of one mixture: (3K,) weights, means and log-scales before they are read by `split`."""

    def __init__(self, parts: int) -> None:
        super().__init__()
        means = torch.linspace(-1.5, 1.5, parts)
        self.raw = nn.Parameter(torch.cat([torch.zeros(parts), means, torch.full((parts,), -1.0)]))


def split(raw: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """(…, 3K) → log π, μ and log s, (…, K) each."""
    logits, means, log_s = raw.chunk(3, -1)
    return F.log_softmax(logits, -1), means, log_s.clamp_min(SHARPEST)


def log_mixture(v: Tensor, raw: Tensor) -> Tensor:
    """log q(v) of (N,) values under (N, 3K) or (3K,) raw numbers: (N,) nats."""
    log_pi, means, log_s = split(raw)
    u = (v[:, None] - means) * torch.exp(-log_s)
    return torch.logsumexp(log_pi - u - 2 * F.softplus(-u) - log_s, 1)


def draw_mixture(z: Tensor, raw: Tensor) -> Tensor:
    """Two standard normal numbers a value, (N, 2) → (N,): the first chooses the part, the second the place in it."""
    log_pi, means, log_s = split(raw)
    u = torch.special.ndtr(z).clamp(1e-6, 1 - 1e-6)
    edges = log_pi.exp().cumsum(-1).expand(len(z), -1)
    k = (u[:, :1] > edges).sum(1, keepdim=True).clamp_max(edges.shape[1] - 1)
    mean, log_scale = (t.expand(len(z), -1).gather(1, k)[:, 0] for t in (means, log_s))
    return mean + log_scale.exp() * torch.logit(u[:, 1])


class PlaneAutoregressive(PlaneLearner):
    """A mixture for x, a network that gives a mixture for y."""

    name = "autoregressive"
    title = "Autoregressive"
    paper = "Bengio and Bengio, Modeling high-dimensional discrete data with multi-layer neural networks, 1999"
    settings = (
        rate(5e-3),
        width(64),
        Field("mixture", "int", 10, 1, 24, 1, label="Parts of a mixture",
              info="How many bumps each coordinate's density may have. Builds new networks."),
    )  # fmt: skip
    rebuilds = frozenset({"width", "mixture"})
    parts = ("x", "y")
    says: ClassVar[Mapping[str, str]] = {
        "x": "Only the left-right coordinate: its mixture learns where points are when height is ignored.",
        "y": "Now the height: the network sees the left-right coordinate and learns which heights go with it.",
    }
    noise_size = 4
    arrows_on = "grid"
    arrows_mean = "Uphill in the learned density: the slope of log q."

    def build(self) -> None:
        """x: (3K,) free numbers; y: (N, 1) → (N, 3K), which starts from numbers spread like those of x."""
        w, k = self.values["width"], self.values["mixture"]
        self.modules["x"] = Mixture(k)
        self.modules["y"] = mlp((1, w, w, 3 * k), self.init, waves=WAVES)
        with torch.no_grad():
            self.modules["y"][-1].bias.copy_(self.modules["x"].raw)
        self._adam("x", "y")

    def sample(self, z: Tensor) -> Tensor:
        """x from the first two numbers, y given x from the last two."""
        with torch.no_grad():
            x = draw_mixture(z[:, :2], self.modules["x"].raw)
            y = draw_mixture(z[:, 2:], self.modules["y"](x[:, None]))
        return UNIT * torch.stack([x, y], 1)

    def log_density(self, points: Tensor) -> Tensor:
        """Exact: the two factors' logarithms added."""
        with torch.no_grad():
            return self._log(points / UNIT) - 2 * math.log(UNIT)

    def arrows(self, points: Tensor) -> Tensor:
        """∇ log q(x, y), per plane unit."""
        return slope(self._log, points / UNIT) / UNIT

    def _log_x(self, v: Tensor) -> Tensor:
        return log_mixture(v[:, 0], self.modules["x"].raw)

    def _log_y(self, v: Tensor) -> Tensor:
        return log_mixture(v[:, 1], self.modules["y"](v[:, :1]))

    def _log(self, v: Tensor) -> Tensor:
        return self._log_x(v) + self._log_y(v)

    def _do_x(self, v: Tensor, noise: torch.Generator) -> dict[str, float]:
        return {"x": self._descend("x", -self._log_x(v).mean()) + math.log(UNIT)}

    def _do_y(self, v: Tensor, noise: torch.Generator) -> dict[str, float]:
        return {"y": self._descend("y", -self._log_y(v).mean()) + math.log(UNIT)}
