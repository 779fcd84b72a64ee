"""How an energy of pictures is learnt: denoising score matching, and maximum likelihood with persistent chains.

The ideas and papers stand in `conv`.
"""

from __future__ import annotations

import copy
import math
from pathlib import Path

import torch
from torch import Tensor, nn

from playground.models import hub
from playground.models.energy.conv import ETA, HIGH, LOW, SIGMA, ConvEnergy, factors
from playground.training.ema import average
from playground.training.precision import mixed
from playground.training.recipe import Batch

CLIP = 1.0  # largest norm of a gradient


class ScoreLearner:
    """Denoising score matching at noise levels drawn log-uniformly from 0.03 to 1.2.

    Args:
        lr: of Adam. decay: of the running average that is saved.
    """

    def __init__(self, model: ConvEnergy, device: torch.device, lr: float = 2e-3, decay: float = 0.999) -> None:
        self.model, self.decay = model.to(device, memory_format=torch.channels_last), decay
        self.shadow = copy.deepcopy(self.model).requires_grad_(False)
        self.modules: dict[str, nn.Module] = {"model": self.model, "shadow": self.shadow}
        self.optimizers: dict[str, torch.optim.Optimizer] = {"model": torch.optim.Adam(model.parameters(), lr)}

    def step(self, batch: Batch) -> dict[str, float]:
        loss = denoising_loss(self.model, batch)
        descend(self.model, self.optimizers["model"], loss)
        average(self.shadow, self.model, self.decay, batch.seen + len(batch.x))
        return {"loss": loss.item()}

    def save(self, folder: Path) -> None:
        """Writes the averaged weights."""
        hub.save(self.shadow, folder)


def denoising_loss(model: ConvEnergy, batch: Batch) -> Tensor:
    """‖D(x + σε; σ) − x‖² / o², mean over pixels.

    An energy without noise levels has D at σ₀ only; it is asked from any σ, and less insistently from far off.
    """
    x = batch.x
    sigma = LOW * (HIGH / LOW) ** batch.uniform(len(x))
    sigma = sigma if model.noise else sigma.clamp(min=0.5 * SIGMA)
    noisy = x + sigma[:, None, None, None] * batch.normal(*x.shape)
    with mixed(x.device):
        guess = model.denoise(noisy, sigma, create_graph=True)
    _, out, _ = factors(sigma)
    weight = 1 / out.square() if model.noise else (SIGMA / sigma).clamp(max=1.0) / out.square()
    return (weight * (guess.float() - x).square().flatten(1).mean(1)).mean()


def descend(model: nn.Module, optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    """One step of the optimiser, with the gradient's norm clipped."""
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), CLIP)
    optimizer.step()


class Replay(nn.Module):
    """Where the chains of `ChainLearner` stand, (M, C, H, W), and how many of them have been begun."""

    def __init__(self, chains: int, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.register_buffer("x", torch.zeros(chains, *shape))
        self.register_buffer("begun", torch.zeros((), dtype=torch.int64))


class ChainLearner:
    """Maximum likelihood with persistent Langevin chains, after a first part of multi-scale denoising.

    The denoising loss stays on at a lower weight: it keeps the slopes gentle, so that chains do not run away.

    Args:
        lr: of Adam. decay: of the running average that is saved. chains: in the replay buffer. visited: of them at each
            step. moves: of each. anew: share of the visited that begin again from noise. first: share of the run that
            only denoises. weight: of the likelihood beside the denoising loss.
    """

    def __init__(
        self,
        model: ConvEnergy,
        device: torch.device,
        lr: float = 1e-3,
        decay: float = 0.999,
        chains: int = 512,
        visited: int = 32,
        moves: int = 6,
        anew: float = 0.03,
        first: float = 0.3,
        weight: float = 0.01,
    ) -> None:
        self.model, self.decay = model.to(device, memory_format=torch.channels_last), decay
        self.shadow = copy.deepcopy(self.model).requires_grad_(False)
        self.replay = Replay(chains, model.shape).to(device)
        self.visited, self.moves, self.anew, self.first, self.weight = visited, moves, anew, first, weight
        self.modules: dict[str, nn.Module] = {"model": self.model, "shadow": self.shadow, "replay": self.replay}
        self.optimizers: dict[str, torch.optim.Optimizer] = {"model": torch.optim.Adam(model.parameters(), lr)}

    def step(self, batch: Batch) -> dict[str, float]:
        loss = denoising_loss(self.model, batch)
        losses = {"loss": loss.item()}
        if batch.done >= self.first:
            real = batch.x + SIGMA * batch.normal(*batch.x.shape)
            fake = self._visit(real, batch)
            with mixed(real.device):
                energies = self.model.energy(torch.cat([real, fake]))
            gap = energies[: len(real)].mean() - energies[len(real) :].mean()
            loss = loss + self.weight * gap
            losses = {"denoising": losses["loss"], "gap": gap.item()}
        descend(self.model, self.optimizers["model"], loss)
        average(self.shadow, self.model, self.decay, batch.seen + len(batch.x))
        return losses

    def _visit(self, real: Tensor, batch: Batch) -> Tensor:
        """Moves some of the chains on and returns where they are now; new ones begin at data, a few at noise."""
        replay, count = self.replay, min(self.visited, len(real))
        if replay.begun < len(replay.x):  # the buffer is being filled
            index = torch.arange(int(replay.begun), min(int(replay.begun) + count, len(replay.x)))
            x = real[: len(index)].clone()
            replay.begun += len(index)
        else:
            index = torch.randperm(len(replay.x), generator=batch.noise)[:count]
            x = replay.x[index]
            fresh = batch.uniform(len(x)) < self.anew
            x[fresh] = self.model.start(batch.normal(*x.shape))[fresh]
        self.model.requires_grad_(False)
        for _ in range(self.moves):
            with mixed(x.device):
                slope = self.model.slope(x)
            x = x - ETA * SIGMA**2 * slope.float() + math.sqrt(2 * ETA) * SIGMA * batch.normal(*x.shape)
        self.model.requires_grad_(True)
        replay.x[index] = x
        return x

    def save(self, folder: Path) -> None:
        """Writes the averaged weights."""
        hub.save(self.shadow, folder)
