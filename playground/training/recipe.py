"""What a recipe is: data, a learner, a length, and the words for the card.

A learner owns its networks and optimisers and knows how to take one step; the loop knows nothing of losses, a family
knows nothing of files, clocks and progress bars.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor, nn

from playground import registry
from playground.api import PlaygroundError

Augment = Callable[[Tensor, Tensor, torch.Generator], tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class Batch:
    """One step's input.

    Attributes:
        x: float32 (N, C, H, W) in [0, 1], on the device; y: int64 (N,) or (N, A), on the device.
        noise: the run's own random stream, on the CPU.
        seen: pictures seen before this step; done: fraction of the run behind it, in [0, 1].
        process, processes: where several processes train together, which one this is and how many there are; x and y
            are then its share of the batch, N pictures of processes · N.
    """

    x: Tensor
    y: Tensor
    noise: torch.Generator
    seen: int
    done: float
    process: int = 0
    processes: int = 1

    @property
    def step(self) -> int:
        """Updates taken before this one."""
        return self.seen // (self.processes * len(self.x))

    def normal(self, *shape: int) -> Tensor:
        """Standard normal noise on the batch's device, from the run's stream; (N, …) is noise for the N pictures."""
        return self._drawn(torch.randn, shape)

    def uniform(self, *shape: int) -> Tensor:
        """Uniform noise in [0, 1) on the batch's device, from the run's stream; (N, …) is noise for the N pictures."""
        return self._drawn(torch.rand, shape)

    def _drawn(self, draw: Callable[..., Tensor], shape: tuple[int, ...]) -> Tensor:
        n = len(self.x)
        if self.processes == 1 or shape[:1] != (n,):
            return draw(*shape, generator=self.noise).to(self.x.device)
        whole = draw(self.processes * n, *shape[1:], generator=self.noise)  # all processes stay at the same place
        return whole[self.process * n : (self.process + 1) * n].to(self.x.device)


class Learner(Protocol):
    """Networks, optimisers, and one step of learning."""

    modules: dict[str, nn.Module]
    optimizers: dict[str, torch.optim.Optimizer]

    def step(self, batch: Batch) -> dict[str, float]:
        """Updates the networks once and returns the losses by name."""

    def save(self, folder: Path) -> None:
        """Writes config and weights (safetensors) into the checkpoint folder."""


@dataclass(frozen=True)
class Recipe:
    """How a checkpoint is made.

    Attributes:
        name: also the checkpoint's folder; family: module in `playground.models`; data: data set.
        learner: (device) → fresh learner.
        images: length of the full run, in pictures; batch: pictures a step.
        rate: fraction done → factor on every optimiser's learning rate.
        title, summary, year, paper: words for the card.
        conditional: the card lists the data set's classes as askable.
        learns_from: the pictures it learns from, where they are not those of `data`: a judge sees more of them.
        teacher: the shipped checkpoint it is distilled from, if any; its scores are then told beside the teacher's.
        augment: what is done to every batch of training pictures: (x, y, the run's stream) → x and y.
    """

    name: str
    family: str
    data: str
    learner: Callable[[torch.device], Learner]
    images: int
    batch: int
    title: str
    summary: str
    year: int
    paper: str
    rate: Callable[[float], float] = lambda done: 1.0
    conditional: bool = False
    learns_from: str = ""
    teacher: str = ""
    augment: Augment | None = None


def cosine(done: float) -> float:
    """Two per cent of linear warm-up, then half a cosine down to zero."""
    return min(1.0, done / 0.02 + 0.01) * (0.5 + 0.5 * math.cos(math.pi * min(1.0, done)))


def flat(done: float) -> float:
    """Constant, with a linear descent over the last fifth."""
    return min(1.0, done / 0.01 + 0.05) * min(1.0, max(0.0, (1 - done) / 0.2))


def mirrored(x: Tensor, y: Tensor, noise: torch.Generator) -> tuple[Tensor, Tensor]:
    """Every second picture, by chance, seen in a mirror: twice as many where there are few."""
    turned = torch.rand(len(x), generator=noise) < 0.5
    return torch.where(turned[:, None, None, None], x.flip(-1), x), y


def shipped(name: str) -> nn.Module:
    """The network of a shipped checkpoint, to learn from."""
    if name not in registry.discover():
        raise PlaygroundError(f"This recipe learns from {name}. Train it first: python -m playground train {name}.")
    return registry.load(registry.read_card(registry.CHECKPOINTS / name))


def recipes() -> dict[str, Recipe]:
    """Every recipe of every family, by name."""
    modules = [importlib.import_module(f"playground.models.{family}") for family in registry.families()]
    return {r.name: r for module in modules for r in getattr(module, "RECIPES", ())}
