"""A network that gives every picture an energy, with a noise level or without.

A convolutional network Ψ reads the picture x and returns one number. With it the energy is

    E(x; σ) = [ ½ (1 − s) ‖x − μ‖² − (o / i) Ψ(i (x − μ), σ) ] / σ²,

where μ is a middle grey and s = d²/(σ² + d²), o = σd/√(σ² + d²), i = 1/√(σ² + d²) keep all numbers near one at every
noise level (d: deviation of the pixels; the factors of Karras et al., "EDM", 2022). Its slope knows where clean
pictures lie: for pictures with Gaussian noise of deviation σ, the best guess at the clean one is

    D(x; σ) = x − σ² ∇E(x; σ)                                             (Miyasawa 1961; Tweedie).

**Denoising score matching** (`dsm-mnist`) learns exactly this: shake a picture, ask the slope the way back,

    loss = ‖ D(x + σε; σ) − x ‖² / o²,

for all σ between 1.2 and 0.03, and never needs Z (Vincent, "A connection between score matching and denoising
autoencoders", 2011; Song and Ermon, "Generative modeling by estimating gradients of the data distribution", 2019).
Samples come from Langevin moves while σ falls. Diffusion models took it from there; they learn D alone, here it remains
the slope of an energy, so that there is a landscape.

**Persistent chains** (`ebm-mnist`) learn one energy without a noise level, of pictures with a little noise (σ₀ = 0.15).
It starts from multi-scale denoising (Li, Chen and Sommer 2019), which digs a funnel from noise to digits, and goes on
by maximum likelihood: pull data down, push up what Langevin chains from a replay buffer have found,

    ∂ log p / ∂θ = −⟨∂E/∂θ⟩_data + ⟨∂E/∂θ⟩_chains

(LeCun et al. 2006; Tieleman 2008; Du and Mordatch, "Implicit generation and modeling with energy based models", 2019;
Nijkamp et al., "On the anatomy of MCMC-based maximum likelihood learning of energy-based models", 2020).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from huggingface_hub import PyTorchModelHubMixin
from torch import Tensor, nn

from playground.api import Field, Frame, PlaygroundError
from playground.data import Dataset
from playground.models.energy.rbm import WATCH, later
from playground.sampling import normal

MIDDLE, SPREAD = 0.13, 0.33  # μ and d: mean and deviation of the pixels
HIGH, LOW, LEVELS = 1.2, 0.03, 12  # noise levels of annealed Langevin, geometric
SIGMA = 0.15  # σ₀ of an energy without noise levels
ETA = 0.3  # a move goes η σ² down the slope and is shaken by √(2η) σ
MOVES = 10  # moves per step of an energy without noise levels
WHOLE = 256  # features of the picture as a whole
FAR = 1e4  # a mean squared pixel beyond this is a chain that has left

STEPS = Field(
    "steps", "int", 12, 1, 60, 1, label="Steps",
    info="With noise levels: Langevin moves on each of the twelve levels. Without: rounds of ten moves.",
)  # fmt: skip
TEMPERATURE = Field(
    "temperature", "float", 1.0, 0.0, 1.5, 0.05, label="Temperature",
    info="Scales the shaking. At 0 the picture only slides downhill, above 1 it never quite settles.",
)  # fmt: skip


class Block(nn.Module):
    """h + f(h), f two 3×3 convolutions; the noise level shifts and scales between them. No normalisation."""

    def __init__(self, channels: int, levels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)
        self.level = nn.Linear(levels, 2 * channels) if levels else None

    def forward(self, h: Tensor, level: Tensor | None) -> Tensor:
        inner = self.first(F.silu(h))
        if self.level is not None:
            scale, shift = self.level(level)[:, :, None, None].chunk(2, 1)
            inner = inner * (1 + scale) + shift
        return h + self.second(F.silu(inner))


class ConvEnergy(nn.Module, PyTorchModelHubMixin):
    """E(x; σ) of pictures.

    Args:
        shape: (C, H, W). widths: channels at H/2, H/4, H/8. noise: whether the energy is told the noise level.
    """

    controls = (STEPS, TEMPERATURE, WATCH)

    def __init__(
        self, shape: Sequence[int] = (1, 28, 28), widths: Sequence[int] = (32, 64, 128), noise: bool = True
    ) -> None:
        super().__init__()
        self.shape, self.noise = tuple(shape), noise
        levels = 64 if noise else 0
        if noise:
            self.register_buffer("turns", torch.linspace(0.2, 3.0, 16))
            self.level = nn.Sequential(nn.Linear(32, levels), nn.SiLU())
        sizes = (shape[0], *widths)
        self.downs = nn.ModuleList(nn.Conv2d(a, b, 4, stride=2, padding=1) for a, b in itertools.pairwise(sizes))
        self.blocks = nn.ModuleList(Block(width, levels) for width in widths)
        # each scale has its say: seen backwards these are the skip connections of a U-Net
        self.readouts = nn.ModuleList(nn.Linear(width, 1, bias=False) for width in widths)
        side = shape[1] // 2 ** len(widths)
        self.whole = nn.Sequential(nn.Flatten(), nn.Linear(widths[-1] * side * side, WHOLE), nn.SiLU())
        self.verdict = nn.Linear(WHOLE, 1, bias=False)  # on the picture as a whole

    # ------------------------------------------------------------------ the landscape

    def energy(self, x: Tensor, sigma: Tensor | float | None = None) -> Tensor:
        """E(x; σ), (N,); x (N, C, H, W), σ a number or (N,). Without noise levels σ is σ₀ whatever is given."""
        sigma = self._sigma(x, sigma)
        skip, out, into = factors(sigma)
        u = x - MIDDLE
        psi = self._psi(into[:, None, None, None] * u, sigma)
        return (0.5 * (1 - skip) * u.square().flatten(1).sum(1) - out / into * psi) / sigma.square()

    def slope(self, x: Tensor, sigma: Tensor | float | None = None, create_graph: bool = False) -> Tensor:
        """∇E(x; σ), (N, C, H, W). With `create_graph` it can be differentiated again, for learning."""
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            (found,) = torch.autograd.grad(self.energy(x, sigma).sum(), x, create_graph=create_graph)
        return found

    def denoise(self, x: Tensor, sigma: Tensor | float | None = None, create_graph: bool = False) -> Tensor:
        """D(x; σ) = x − σ² ∇E: the best guess at the clean picture; not clamped."""
        squared = self._sigma(x, sigma).square()[:, None, None, None]
        return x - squared * self.slope(x, sigma, create_graph)

    def _sigma(self, x: Tensor, sigma: Tensor | float | None) -> Tensor:
        if sigma is None or not self.noise:
            sigma = LOW if self.noise else SIGMA
        return torch.as_tensor(sigma, dtype=x.dtype, device=x.device).expand(len(x))

    def _psi(self, u: Tensor, sigma: Tensor) -> Tensor:
        """Ψ, (N,)."""
        level = None
        if self.noise:
            angles = sigma.log()[:, None] * self.turns
            level = self.level(torch.cat([angles.sin(), angles.cos()], 1))
        total, h = torch.zeros_like(u[:, 0, 0, 0]), u
        for down, block, readout in zip(self.downs, self.blocks, self.readouts):
            h = block(down(h), level)
            total = total + readout(F.silu(h).flatten(2).sum(2))[:, 0]
        return total + self.verdict(self.whole(F.silu(h)))[:, 0]

    def own_scores(self, test: Dataset) -> dict[str, dict[str, Any]]:
        """How well its slope finds the way back from noise."""
        x, noise = test.pictures(slice(1000)), torch.Generator().manual_seed(0)
        sigmas = (0.1, 0.3, 0.6) if self.noise else (SIGMA,)
        found: dict[str, Any] = {}
        for sigma in sigmas:
            noisy = x + sigma * torch.randn(x.shape, generator=noise)
            parts = [self.denoise(part.to(self.verdict.weight.device), sigma).cpu() for part in noisy.split(250)]
            found[f"error_at_{sigma:g}"] = (torch.cat(parts).clamp(0, 1) - x).square().mean().sqrt().item()
        found["samples"] = len(x)
        found["protocol"] = "root mean squared error per pixel value in [0, 1] after one step x − σ²∇E from the first "
        found["protocol"] += "test pictures with Gaussian noise of deviation σ"
        return {"denoising": found}

    # ------------------------------------------------------------------ sampling

    def latents(self, seeds: Sequence[int]) -> Tensor:
        """Standard normal (N, C, H, W), one stream per seed."""
        return normal(seeds, self.shape)

    def start(self, latents: Tensor) -> Tensor:
        """Noise → a picture of nothing but noise."""
        return MIDDLE + (HIGH if self.noise else 3 * SIGMA) * latents.to(self.readouts[0].weight.device)

    def schedule(self, steps: int) -> list[list[float]]:
        """σ of every move, a list per frame."""
        if not self.noise:
            return [[SIGMA] * MOVES for _ in range(steps)]
        levels = [HIGH * (LOW / HIGH) ** (k / (LEVELS - 1)) for k in range(LEVELS)]
        return [[sigma] * steps for sigma in levels]

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
        """Langevin from noise: x ← x − η σ² ∇E(x; σ) + √(2ηT) σ ξ. Images are D(x), the view "x" is x itself, clamped.

        State: x, not clamped.
        """
        x = self.start(self.latents(seeds) if latents is None else latents)
        yield from self._descend(x, later(seeds), steps, temperature, watch)

    def repair(self, x: Tensor, mask: Tensor, seeds: Sequence[int], labels: Tensor | None = None) -> Iterator[Frame]:
        """The same walk with the known pixels held at their values plus noise of the present level."""
        x, mask = x.to(self.readouts[0].weight.device), mask.to(self.readouts[0].weight.device).expand_as(x)
        yield from self._descend(self.start(self.latents(seeds)), later(seeds), STEPS.default, 1.0, True, (mask, x))

    def _descend(
        self,
        x: Tensor,
        streams: list[torch.Generator],
        steps: int,
        temperature: float,
        watch: bool,
        held: tuple[Tensor, Tensor] | None = None,
    ) -> Iterator[Frame]:
        schedule, moves = self.schedule(steps), 0
        for step, sigmas in enumerate(schedule, 1):
            for sigma in sigmas:
                if held is not None:
                    x = torch.where(held[0] > 0, held[1] + sigma * normal(streams, self.shape).to(x), x)
                x = self.move(x, sigma, streams, temperature)
                moves += 1
            check(x, moves)
            if watch or step == len(schedule):
                number, total = (step, len(schedule)) if watch else (1, 1)
                yield self._frame(x, sigma, number, total, moves, held)

    def move(self, x: Tensor, sigma: float, streams: list[torch.Generator], temperature: float = 1.0) -> Tensor:
        """One Langevin move at noise level σ."""
        noise = normal(streams, self.shape).to(x)
        return x - ETA * sigma**2 * self.slope(x, sigma) + math.sqrt(2 * ETA * temperature) * sigma * noise

    def _frame(
        self, x: Tensor, sigma: float, step: int, total: int, moves: int, held: tuple[Tensor, Tensor] | None
    ) -> Frame:
        clean = self.denoise(x, sigma)
        images = (clean if self.noise else self.denoise(clean)).clamp(0, 1)  # σ₀ is wide: what is left goes next time
        if held is not None:
            images = torch.where(held[0] > 0, held[1], images)
        info = {"sigma": sigma, "energy": self.energy(x, sigma).mean().item(), "calls": moves + 1 + (not self.noise)}
        return Frame(images, step, total, views={"x": x.clamp(0, 1)}, state=x.cpu(), info=info)


def factors(sigma: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """s, o, i of a noise level (Karras et al. 2022, table 1)."""
    norm = (sigma.square() + SPREAD**2).sqrt()
    return SPREAD**2 / norm.square(), sigma * SPREAD / norm, 1 / norm


def check(x: Tensor, moves: int) -> None:
    """A chain that has left the landscape stops, and says so."""
    size = x.square().flatten(1).mean(1)
    if not bool((size < FAR).all()):
        raise PlaygroundError(
            f"The chain ran away after {moves} moves: this landscape has a slope that is too steep there. Try another "
            "seed, a lower temperature or fewer steps."
        )
