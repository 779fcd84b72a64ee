"""What the laboratory asks of a learner, and the little that all of them share.

Every family learns the same thing, a density over the plane [−4, 4]², from the same points. One update is a fixed
sequence of named parts (a GAN's are "discriminator" and "generator"), each of which can be taken alone: that is what
"one step", "G only" and slow motion are made of.

A learner owns networks and optimisers and no clock, no target and no random stream: points and noise are handed to
it. Everything that must survive a rewind is a setting, a weight, a buffer or a moment of an optimiser (`state`,
`restore`). Inside, lengths are in units of two plane units, so that the numbers are about one.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from playground.api import Field, PlaygroundError, check_settings, fields_by_name

UNIT = 2.0  # plane units in one unit of the networks
MAX_RATE = 1e9  # absurd on purpose: what happens then is part of the lesson


def rate(default: float, name: str = "lr", label: str = "Learning rate", info: str = "") -> Field:
    """The setting of a learning rate; best shown on a logarithmic scale."""
    text = info or "How far each update moves the weights. Too small takes for ever, too large blows up."
    return Field(name, "float", default, 1e-6, MAX_RATE, label=label, info=text)


def width(default: int) -> Field:
    """The setting of a network's width; another width means new networks, which start to learn afresh."""
    text = "Units in each hidden layer. A new width builds new networks, which begin at nothing."
    return Field("width", "int", default, 4, 128, 4, label="Width", info=text)


@dataclass(frozen=True)
class Field2D:
    """A number at each of G points of the plane.

    Attributes:
        values: (G,) float32. kind: "log density" (nats, exact), "estimated log density" (nats, from samples),
            "discriminator" (logit, above zero leans towards real) or "reconstruction error" (plane units).
    """

    values: Tensor
    kind: str


class PlaneLearner:
    """A family's learner. Subclasses declare the attributes and write `build`, `_do_<part>`, `sample`, `arrows`.

    Attributes:
        name: key in `LEARNERS`; title: what the visitor reads; paper: where to read it.
        settings: everything that can be set. Those in `rebuilds` make new networks; all others act at once.
        parts: sub-steps of one update in their order; says: one plain sentence for each.
        shows: parts that change nothing and are there to be looked at; who does not look may leave them out.
        noise_size: numbers that make one sample.
        arrows_on: "samples" or "grid", where its arrows are best drawn; arrows_mean: one sentence, what they are.
        values: the settings as they stand. modules, optimizers: by name.
        scene: clouds of points (N, 2) that the last part worked with, for whoever watches; nothing depends on them.
        pending: what one part hands to the next one of the same update.
    """

    name: str
    title: str
    paper: str
    settings: tuple[Field, ...]
    rebuilds: frozenset[str] = frozenset({"width"})
    parts: tuple[str, ...]
    says: ClassVar[Mapping[str, str]]
    shows: frozenset[str] = frozenset()
    noise_size = 2
    arrows_on = "samples"
    arrows_mean: str

    def __init__(self, settings: Mapping[str, Any] | None = None, seed: int = 0) -> None:
        self.values = check_settings(self.settings, settings or {})
        self.seed = seed
        self._start()

    # ------------------------------------------------------------------------------------ what a family writes

    def build(self) -> None:
        """Makes `modules` and `optimizers` from `values`; weights come from `self.init`, never from torch's stream."""
        raise NotImplementedError

    def sample(self, z: Tensor) -> Tensor:
        """Noise (N, noise_size), standard normal → (N, 2) points of the plane; the same noise, the same points."""
        raise NotImplementedError

    def arrows(self, points: Tensor) -> Tensor:
        """(N, 2) plane points → (N, 2) the force on each, in the sense of `arrows_mean`."""
        raise NotImplementedError

    def field(self, grid: Tensor) -> Field2D | None:
        """What the learner thinks of (G, 2) plane points; None for a family that has no such opinion."""
        log_density = self.log_density(grid)
        return None if log_density is None else Field2D(log_density, "log density")

    def log_density(self, points: Tensor) -> Tensor | None:
        """Exact log q of (N, 2) plane points in nats per plane unit squared, (N,); None where a family has none."""
        return None

    # ------------------------------------------------------------------------------------ what all of them share

    def step(self, points: Tensor, noise: torch.Generator, only: str | None = None) -> dict[str, float]:
        """One update on (B, 2) plane points, or just one part of it; returns the losses by name.

        Raises:
            PlaygroundError: there is no such part.
        """
        if only is not None and only not in self.parts:
            raise PlaygroundError(f"{self.title} has no part {only!r}. An update is: {', '.join(self.parts)}.")
        losses: dict[str, float] = {}
        with torch.enable_grad():
            for part in self.parts if only is None else (only,):
                losses |= getattr(self, f"_do_{part}")(points / UNIT, noise)
        return losses

    def noise(self, count: int, generator: torch.Generator) -> Tensor:
        """Standard normal noise for `count` samples, float32 (count, noise_size)."""
        return torch.randn(count, self.noise_size, generator=generator)

    def set(self, name: str, value: Any) -> bool:
        """Changes a setting, live; True if that meant new networks.

        Raises:
            PlaygroundError: no such setting, or a value that is not allowed.
        """
        known = fields_by_name(self.settings)
        if name not in known:
            raise PlaygroundError(f"{self.title} has no setting {name!r}. Known: {', '.join(known)}.")
        value = known[name].check(value)
        new = name in self.rebuilds and value != self.values[name]
        self.values[name] = value
        if new:
            self._start()
        else:
            self._set_rates()
        return new

    def state(self) -> dict[str, Any]:
        """A copy of everything that learning has changed."""
        return {
            "values": dict(self.values),
            "modules": {k: {n: t.clone() for n, t in m.state_dict().items()} for k, m in self.modules.items()},
            "optimizers": {k: copy.deepcopy(o.state_dict()) for k, o in self.optimizers.items()},
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Goes back to a `state`, bit for bit."""
        new = any(self.values[name] != state["values"][name] for name in self.rebuilds)
        self.values = dict(state["values"])
        if new:
            self._start()
        for name, module in self.modules.items():
            module.load_state_dict(state["modules"][name])
        for name, optimizer in self.optimizers.items():
            optimizer.load_state_dict(state["optimizers"][name])
        self.forget()

    def forget(self) -> None:
        """Drops what is left of an update that was not finished, and its clouds."""
        self.scene, self.pending = {}, None

    def largest_weight(self) -> float:
        """The largest |w| of all networks; NaN if any is."""
        weights = [p.detach().abs().max() for m in self.modules.values() for p in m.parameters()]
        return torch.stack(weights).max().item()

    def rate_of(self, optimizer: str) -> float:
        """The learning rate that an optimiser should have now."""
        return self.values["lr"]

    def _start(self) -> None:
        self.init = torch.Generator().manual_seed(self.seed)
        self.modules: dict[str, nn.Module] = {}
        self.optimizers: dict[str, torch.optim.Optimizer] = {}
        self.scene: dict[str, Tensor] = {}
        self.pending: tuple[Tensor, ...] | None = None
        self.build()
        self._set_rates()

    def _adam(self, *names: str, betas: tuple[float, float] = (0.9, 0.99)) -> None:
        """One Adam for each of the named modules."""
        for name in names:
            weights = self.modules[name].parameters()
            self.optimizers[name] = torch.optim.Adam(weights, self.rate_of(name), betas, fused=True)

    def _set_rates(self) -> None:
        for name, optimizer in self.optimizers.items():
            for group in optimizer.param_groups:
                group["lr"] = self.rate_of(name)

    def _descend(self, name: str, loss: Tensor, steepest: float = math.inf) -> float:
        """One step of one module down its loss, the gradient at most `steepest` long; others only hand gradients on."""
        optimizer = self.optimizers[name]
        weights = [p for group in optimizer.param_groups for p in group["params"]]
        for weight, slope in zip(weights, torch.autograd.grad(loss, weights)):
            weight.grad = slope
        if steepest < math.inf:
            nn.utils.clip_grad_norm_(weights, steepest)
        optimizer.step()
        return loss.item()


def slope(height: Any, points: Tensor) -> Tensor:
    """∇ of `height` ((N, 2) → (N,), each value from its own point alone) at (N, 2) points."""
    with torch.enable_grad():
        x = points.detach().clone().requires_grad_()
        (gradient,) = torch.autograd.grad(height(x).sum(), x)
    return gradient
