"""Diffusion: learn to see the noise in a noised point, then walk back from pure noise.

    x_t = √ᾱ_t x₀ + √(1 − ᾱ_t) ε,      ᾱ_t = Π_{s≤t} (1 − β_s),      SNR(t) = ᾱ_t / (1 − ᾱ_t),
    loss = E ‖ε − ε_θ(x_t, t)‖²        (Ho et al. 2020, eq. 14)

with β rising evenly from 10⁻⁴ to 0.02 over T = 1000 levels. Samples come from DDIM (Song et al. 2020, eq. 12 without
fresh noise), which keeps ε̂ and steps to the next level, as few or as many steps as one likes:

    x̂₀ = (x_t − √(1 − ᾱ_t) ε̂) / √ᾱ_t,      x_s = √ᾱ_s x̂₀ + √(1 − ᾱ_s) ε̂.

The score, the slope of the noised data's log-density, is −ε̂ / √(1 − ᾱ_t).

Sohl-Dickstein et al., "Deep unsupervised learning using nonequilibrium thermodynamics", 2015; Ho et al., "DDPM", 2020;
Song et al., "DDIM", 2020.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from playground.api import Field
from playground.training.lab.learner import UNIT, PlaneLearner, rate, width
from playground.training.lab.nets import mlp

T = 1000
BETAS = 1e-4, 0.02
EDGE = 2.5  # x̂₀ is kept within it, or the first of a few steps would shoot out of sight
TIME_WAVES = 3  # sines and cosines of the level beside it
WAVES = 24, 0.25


def noise_levels() -> Tensor:
    """ᾱ_0 … ᾱ_T, float32 (T + 1,): 1 for clean data, then the product of 1 − β_t (Ho et al. 2020, section 4)."""
    beta = torch.linspace(*BETAS, T, dtype=torch.float64)
    return torch.cat([torch.ones(1, dtype=torch.float64), (1 - beta).cumprod(0)]).float()


def time_features(t: Tensor) -> Tensor:
    """t (N,) in [0, 1] → (N, 7): itself, and sines and cosines of half, one and two turns."""
    turns = math.pi * t[:, None] * 2.0 ** torch.arange(TIME_WAVES)
    return torch.cat([2 * t[:, None] - 1, turns.sin(), turns.cos()], 1)


class PlaneDiffusion(PlaneLearner):
    """One network ε_θ(x_t, t)."""

    name = "diffusion"
    title = "Diffusion"
    paper = "Ho et al., Denoising diffusion probabilistic models, 2020"
    settings = (
        rate(3e-3),
        width(96),
        Field("steps", "int", 30, 1, 100, 1, label="Steps of sampling",
              info="How many DDIM steps lead from noise to a point. Needs no new learning."),
        Field("time", "float", 0.15, 0.01, 1.0, 0.01, label="Noise level of the arrows",
              info="0 is clean data, 1 is pure noise."),
    )  # fmt: skip
    parts = ("noise", "denoise")
    says: ClassVar[Mapping[str, str]] = {
        "noise": "Every point gets a noise level and is pushed off its place by that much noise.",
        "denoise": "The network guesses the noise in each pushed point and learns from how wrong it was.",
    }
    arrows_on = "grid"
    arrows_mean = "The score: where a point with this much noise should move to become more likely."

    def build(self) -> None:
        """ε_θ: (N, 2 + time) → (N, 2)."""
        w = self.values["width"]
        net = mlp((2 + 1 + 2 * TIME_WAVES, w, w, w, 2), self.init, waves=WAVES)
        net[0].k[2:] = 0.0  # waves of the place only
        self.modules["net"] = net
        self.levels = noise_levels()
        self._adam("net")

    def guess_noise(self, x: Tensor, t: Tensor) -> Tensor:
        """ε̂ of noised points (N, 2) in the networks' unit at levels t (N,), 0 … T: (N, 2)."""
        return self.modules["net"](torch.cat([x, time_features(t / T)], 1))

    def noised(self, x: Tensor, noise: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """x_t (N, 2), t (N,) from 1 to T, and the ε (N, 2) in it."""
        t = torch.randint(1, T + 1, (len(x),), generator=noise)
        eps = torch.randn(x.shape, generator=noise)
        level = self.levels[t][:, None]
        return level.sqrt() * x + (1 - level).sqrt() * eps, t, eps

    def sample(self, z: Tensor) -> Tensor:
        """DDIM from T down to 0 in `steps` even steps."""
        ladder = torch.linspace(T, 0, self.values["steps"] + 1).round().long().tolist()
        x = z
        with torch.no_grad():
            for t, s in itertools.pairwise(ladder):
                eps = self.guess_noise(x, torch.full((len(x),), t))
                clean = self._clean(x, eps, self.levels[t]).clamp(-EDGE, EDGE)
                x = self.levels[s].sqrt() * clean + (1 - self.levels[s]).sqrt() * eps
        return UNIT * x

    def arrows(self, points: Tensor) -> Tensor:
        """The score at the level that `time` sets, per plane unit."""
        t = round(self.values["time"] * T)
        with torch.no_grad():
            eps = self.guess_noise(points / UNIT, torch.full((len(points),), t))
        return -eps / (1 - self.levels[t]).sqrt() / UNIT

    def _clean(self, x: Tensor, eps: Tensor, level: Tensor) -> Tensor:
        return (x - (1 - level).sqrt() * eps) / level.sqrt()

    def _do_noise(self, x: Tensor, noise: torch.Generator) -> dict[str, float]:
        self.pending = self.noised(x, noise)
        self.scene = {"noised": UNIT * self.pending[0]}
        return {}

    def _do_denoise(self, x: Tensor, noise: torch.Generator) -> dict[str, float]:
        x_t, t, eps = self.pending or self.noised(x, noise)
        self.pending = None
        guess = self.guess_noise(x_t, t)
        loss = self._descend("net", (guess - eps).square().mean())
        self.scene = {"noised": UNIT * x_t, "guesses": UNIT * self._clean(x_t, guess.detach(), self.levels[t][:, None])}
        return {"noise": loss}
