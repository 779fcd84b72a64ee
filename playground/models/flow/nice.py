"""NICE: the first deep flow, couplings that only ever add.

Even pixels are moved by what a network makes of the odd ones, then the other way round,

    a' = a,      b' = b + m(a),

four times; each step keeps all volumes, and one scale per pixel at the end says which directions of the latent space
matter. The base is logistic, not normal, as in the paper:

    log p(x) = Σ_d [ log p_logistic(z_d) + S_d ],      z = exp(S) ⊙ f(x),      log p_logistic(z) = z − 2·log(1 + e^z).

Dinh et al., "NICE: Non-linear independent components estimation", 2014.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from playground.api import Frame
from playground.models.flow.base import Layer, PictureFlow
from playground.models.flow.couplings import Coupling
from playground.models.flow.pixels import Flat, Levels
from playground.sampling import generators, normal

HASTE = 10
ASCENT = 60  # steps
FURTHEST = 700.0  # of the logistic: a standard normal is at 37 there, and Φ is all but too small for float64


class Rescale(Layer):
    """h' = h·exp(S) with one S per pixel: (N, D) → (N, D) (§3.3).

    S has a long way to go (a pixel that is always black wants S = 8 or so), so it learns `HASTE` times as fast.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.slow = nn.Parameter(torch.zeros(size))

    @property
    def log_scale(self) -> Tensor:
        """S, (D,)."""
        return HASTE * self.slow

    def forward(self, h: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return h * self.log_scale.exp(), self.log_scale.sum().expand(len(h))

    def inverse(self, h: Tensor, context: Tensor | None = None) -> Tensor:
        """h' → h."""
        return h * (-self.log_scale).exp()


def far_tail(away: Tensor) -> Tensor:
    """z far out in the logistic's tail, float64 → t < 0 with log Φ(t) = −z, by Newton's steps on the logarithm."""
    t = -(2 * away).sqrt()
    for _ in range(6):
        log_tail = torch.special.log_ndtr(t)
        slope = torch.exp(-0.5 * t.square() - 0.5 * math.log(2 * math.pi) - log_tail)  # φ(t) / Φ(t)
        t = t - (log_tail + away) / slope
    return t


class Perceptron(nn.Module):
    """m(a): (N, inputs) → (N, outputs) through `depth` hidden layers of rectified units."""

    def __init__(self, inputs: int, outputs: int, hidden: int, depth: int) -> None:
        super().__init__()
        sizes = [inputs, *[hidden] * depth]
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in itertools.pairwise(sizes))
        self.last = nn.Linear(hidden, outputs)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    def forward(self, a: Tensor, context: Tensor | None = None) -> Tensor:
        for layer in self.layers:
            a = F.relu(layer(a))
        return self.last(a)


class NICE(PictureFlow):
    """Additive couplings of odd and even pixels, then one scale per pixel.

    Args:
        shape: (C, H, W). couplings: how many. hidden, depth: of their networks.
    """

    def __init__(
        self, shape: Sequence[int] = (1, 28, 28), couplings: int = 4, hidden: int = 512, depth: int = 3
    ) -> None:
        super().__init__()
        self.shape = tuple(shape)
        size = math.prod(shape)
        self.layers = nn.ModuleList([Levels(self.bits)])
        for i in range(couplings):
            changed = range(i % 2, size, 2)
            net = Perceptron(size - len(changed), len(changed), hidden, depth)
            self.layers.append(Flat(shape, Coupling(size, changed, net, additive=True)))
        self.layers.append(Flat(shape, Rescale(size)))

    def log_base(self, z: Tensor) -> Tensor:
        """log p_Z(z), (N,) nats: logistic."""
        return (F.logsigmoid(z) + F.logsigmoid(-z)).flatten(1).sum(1)

    def base_noise(self, z: Tensor) -> Tensor:
        """Standard normal → logistic of the same quantile: logit Φ(z)."""
        far = z.double()
        return (torch.special.log_ndtr(far) - torch.special.log_ndtr(-far)).to(z.dtype)

    def base_normal(self, z: Tensor) -> Tensor:
        """Logistic → standard normal: Φ⁻¹(σ(z)), by the smaller tail so that neither end is lost."""
        away = z.double().abs()
        tail = torch.special.ndtri(torch.sigmoid(-away.clamp(max=FURTHEST)))
        tail = torch.where(away > FURTHEST, far_tail(away.clamp(min=FURTHEST)), tail)
        return torch.where(z > 0, -tail, tail).to(z.dtype)

    def repair(
        self, x: Tensor, mask: Tensor, seeds: Sequence[int], labels: Tensor | None = None, steps: int = ASCENT
    ) -> Iterator[Frame]:
        """Projected gradient ascent on log p with falling noise (§5.2): x ← x + α (∇ log p(x) + ε), α ~ 1/t.

        Only the unknown pixels move. The gradient's length says little, so its direction alone is followed, with
        momentum.
        """
        x, mask = x.to(self.device), mask.to(self.device)
        streams, hidden = generators(seeds), 1 - mask
        guess = mask * x + hidden * (0.5 + 0.25 * normal(streams, self.shape).to(x.device)).clamp(0, 1)
        first, second = torch.zeros_like(x), torch.zeros_like(x)
        for step in range(1, steps + 1):
            gradient = hidden * self._ascent(guess)
            first, second = first.lerp(gradient, 0.2), second.lerp(gradient.square(), 0.05)
            drift = (first / (1 - 0.8**step)) / ((second / (1 - 0.95**step)).sqrt() + 1e-8)
            heat = 1 - step / steps
            noise = normal(streams, self.shape).to(x.device)
            moved = guess + 0.06 * (0.15 + heat) * drift + 0.05 * heat**2 * noise
            guess = mask * x + hidden * moved.clamp(0, 1)
            yield Frame(guess, step, steps, state=guess.flatten(1), info={"calls": step})

    def _ascent(self, x: Tensor) -> Tensor:
        """∇ log p(x), (N, C, H, W)."""
        with torch.enable_grad():  # the engine runs every step without gradients; this one needs them
            x = x.detach().requires_grad_(True)
            (gradient,) = torch.autograd.grad(self.log_density(x).sum(), x)
        return gradient.nan_to_num(0, 0, 0)
