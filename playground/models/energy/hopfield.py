"""Hopfield network: memories as valleys of an energy.

N units of value ±1, each wired to each. To store the patterns ξ¹ … ξᴾ, units that agree in many patterns are wired to
agree (Hebb's rule), and a state has the energy

    W_ij = (1/N) Σ_μ ξ_iᵘ ξ_jᵘ,  W_ii = 0,        E(s) = −½ Σ_ij W_ij s_i s_j.

Asked one after the other, in random order, each unit sides with its neighbours: s_i ← sign(Σ_j W_ij s_j). No such step
can raise the energy, so the state slides into a valley and stays: a memory, its negative, or a mixture nobody stored.
With random patterns Hebb's rule breaks down when P exceeds 0.138 N (Amit, Gutfreund and Sompolinsky 1985); patterns
that look alike, such as digits, crowd it much sooner. Two ways out are here:

* **pseudo-inverse**: W = Ξᵀ (Ξ Ξᵀ)⁻¹ Ξ projects onto the memories, however alike they are (Personnaz, Guyon and
  Dreyfus 1985; Kanter and Sompolinsky 1987);
* **modern**: E(s) = −(1/β) log Σ_μ exp(β ξᵘ·s) digs a valley of its own for each memory; exponentially many have room,
  and its update is the attention of transformers (Demircigil et al. 2017; Ramsauer et al., "Hopfield networks is all
  you need", 2020).

Hopfield, "Neural networks and physical systems with emergent collective computational abilities", PNAS 1982.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import PyTorchModelHubMixin
from torch import Tensor, nn

from playground.api import Field, Frame, PlaygroundError
from playground.data import Dataset
from playground.models import hub
from playground.sampling import generators
from playground.training.recipe import Batch

RULES = ("hebb", "pseudo-inverse", "modern")
RULE = Field("rule", "choice", "pseudo-inverse", choices=RULES, label="Learning rule")
BETA = 0.1  # of the modern energy: how sharply the nearest memory is preferred
ROUNDS = 8  # how often every unit is asked, at most
GLANCES = 8  # states shown per round
CROWDED = 2000  # memories beyond this are refused
RIDGE = 1e-6  # keeps Ξ Ξᵀ invertible where two memories are the same
LOADS = {  # P / N at which a capacity curve is measured
    "hebb": tuple(k / 50 for k in range(1, 16)),
    "pseudo-inverse": tuple(k / 10 for k in range(1, 11)),
    "modern": (0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0),
}
TRIED = 30  # memories of each load that are damaged and called back
TRIALS = 1000  # damaged memories that are counted for the card
DAMAGED = 0.25  # share of their units turned over


class Hopfield(nn.Module, PyTorchModelHubMixin):
    """Stored patterns and the rule by which they become an energy.

    Args:
        shape: (C, H, W) of a picture; its pixels are the units. count: number of patterns. rule: see `RULES`.
    """

    def __init__(
        self, shape: Sequence[int] = (1, 28, 28), count: int = 5, rule: str = "pseudo-inverse", beta: float = BETA
    ) -> None:
        super().__init__()
        self.shape, self.rule, self.beta = tuple(shape), RULE.check(rule), beta
        self.register_buffer("patterns", torch.ones(count, math.prod(shape)))  # ±1 (P, N)

    def store(self, patterns: Tensor, rule: str | None = None) -> Hopfield:
        """Another network of the same units that holds these patterns instead: ±1 (P, N), or pictures in [0, 1]."""
        rows = patterns.flatten(1) if patterns.dim() == 2 else binary(patterns)
        if not 1 <= len(rows) <= CROWDED or rows.shape[1] != self.patterns.shape[1]:
            raise PlaygroundError(
                f"Patterns of shape {tuple(patterns.shape)} cannot be stored: from 1 to {CROWDED} patterns of "
                f"{self.patterns.shape[1]} values −1 or 1 have room."
            )
        if not bool((rows.abs() == 1).all()):
            raise PlaygroundError("A pattern holds values other than −1 and 1. Make it black and white first.")
        other = Hopfield(self.shape, len(rows), rule or self.rule, self.beta).to(self.patterns.device)
        other.patterns.copy_(rows)
        return other

    def weights(self) -> Tensor:
        """W, float64 (N, N), symmetric with an empty diagonal. The modern energy has none: `PlaygroundError`."""
        if self.rule == "modern":
            raise PlaygroundError("A modern Hopfield network has no weights between units. Choose another rule.")
        xi = self.patterns.double()
        if self.rule == "hebb":
            W = xi.T @ xi / xi.shape[1]
        else:
            overlaps = xi @ xi.T / xi.shape[1]
            W = xi.T @ torch.linalg.solve(overlaps + RIDGE * torch.eye(len(xi)).to(overlaps), xi) / xi.shape[1]
        return W.fill_diagonal_(0)

    def energy(self, s: Tensor) -> Tensor:
        """E of states ±1 (M, N), float64 (M,)."""
        s = s.to(self.patterns.device).double()
        if self.rule == "modern":
            return -torch.logsumexp(self.beta * s @ self.patterns.double().T, 1) / self.beta
        return -0.5 * ((s @ self.weights()) * s).sum(1)

    def settle(
        self, s: Tensor, steps: int | None = None, seeds: Sequence[int] = (0,), free: Tensor | None = None
    ) -> Iterator[Frame]:
        """Asks unit after unit, in an order of each row's own, until none wants to change. State: s, ±1 (M, N).

        Args:
            s: ±1 (M, N). steps: units asked at most; eight rounds of all if None. seeds: one per row.
            free: bool (M, N); other units keep their value.
        """
        if s.shape != (len(seeds), self.patterns.shape[1]):
            raise PlaygroundError(
                f"States of shape {tuple(s.shape)} were given for {len(seeds)} seeds; for each of them a row of "
                f"{self.patterns.shape[1]} values −1 or 1 is wanted."
            )
        moments = self._course(s, ROUNDS * s.shape[1] if steps is None else steps, seeds, free)
        for step, (state, asked) in enumerate(moments, 1):
            pictures = ((state + 1) / 2).float().reshape(-1, *self.shape)
            info = {"updates": asked, "energy": self.energy(state).mean().item()}
            yield Frame(pictures, step, len(moments), state=state.float(), info=info)

    def repair(self, x: Tensor, mask: Tensor, seeds: Sequence[int], labels: Tensor | None = None) -> Iterator[Frame]:
        """The unknown units begin with coins and settle; the known ones hold as black or white, shown as given."""
        x = x.to(self.patterns.device)
        mask = mask.to(x.device).expand_as(x)
        coins = torch.stack([torch.rand(x[0].numel(), generator=g) for g in generators(seeds)])
        free = mask.flatten(1) == 0
        start = torch.where(free, torch.where(coins.to(x.device) < 0.5, 1.0, -1.0), binary(x))
        for frame in self.settle(start, None, seeds, free):
            images = torch.where(mask > 0, x, frame.images)
            yield Frame(images, frame.step, frame.total, state=frame.state, info=frame.info)

    def own_scores(self, test: Dataset) -> dict[str, dict[str, Any]]:
        """How many damaged memories come back."""
        rows = self.patterns[torch.arange(TRIALS) % len(self.patterns)]
        noise = torch.Generator().manual_seed(0)
        damage = torch.where(torch.rand(rows.shape, generator=noise) < DAMAGED, -1.0, 1.0).to(rows.device)
        for frame in self.settle(rows * damage, None, range(TRIALS)):
            last = frame
        back = ((last.state * rows).mean(1) > 0.95).float().mean().item()
        protocol = (
            f"share of {TRIALS} damaged memories, {DAMAGED:.0%} of the units turned over, that settle in a state which "
            "agrees with the memory in 97.5 % of the units"
        )
        told = {"recalled": back, "memories": len(self.patterns), "samples": TRIALS}
        return {"recall": told | {"protocol": protocol}}

    def _course(self, s: Tensor, steps: int, seeds: Sequence[int], free: Tensor | None) -> list[tuple[Tensor, int]]:
        """(state, units asked so far) at every glance, up to where no unit wants to change any more."""
        count, rows = s.shape[1], torch.arange(len(s), device=s.device)
        state = s.to(self.patterns.device).double().clone()
        free = torch.ones_like(state, dtype=torch.bool) if free is None else free
        field = _Overlaps(self, state) if self.rule == "modern" else _Fields(self.weights(), state)
        streams, glance = generators(seeds), max(1, count // GLANCES)
        moments: list[tuple[Tensor, int]] = []
        for asked in range(1, max(1, steps) + 1):
            if (asked - 1) % count == 0:
                order = torch.stack([torch.randperm(count, generator=g) for g in streams]).to(state.device)
            unit = order[:, (asked - 1) % count]
            flips = (field.of(rows, unit, state) * state[rows, unit] < 0) & free[rows, unit]
            if bool(flips.any()):
                field.turn(rows[flips], unit[flips], state)
                state[rows[flips], unit[flips]] *= -1
            if asked % glance == 0 or asked == steps:
                moments.append((state.clone(), asked))
                if not bool(((field.all(state) * state < 0) & free).any()):
                    break
        return moments


class _Fields:
    """Σ_j W_ij s_j of all units, kept up to date as units turn over."""

    def __init__(self, W: Tensor, state: Tensor) -> None:
        self.W, self.values = W, state @ W

    def of(self, rows: Tensor, unit: Tensor, state: Tensor) -> Tensor:
        return self.values[rows, unit]

    def all(self, state: Tensor) -> Tensor:
        return self.values

    def turn(self, rows: Tensor, unit: Tensor, state: Tensor) -> None:
        self.values[rows] -= 2 * state[rows, unit][:, None] * self.W[unit]


class _Overlaps:
    """ξᵘ·s of all memories; the field is half the difference in energy between s_i = −1 and s_i = 1."""

    def __init__(self, model: Hopfield, state: Tensor) -> None:
        self.xi, self.beta = model.patterns.double(), model.beta
        self.values = state @ self.xi.T

    def of(self, rows: Tensor, unit: Tensor, state: Tensor) -> Tensor:
        xi = self.xi.T[unit]  # (M, P)
        others = self.values - xi * state[rows, unit][:, None]
        up, down = self.beta * (others + xi), self.beta * (others - xi)
        return (torch.logsumexp(up, 1) - torch.logsumexp(down, 1)) / (2 * self.beta)

    def all(self, state: Tensor) -> Tensor:
        others = self.values[:, :, None] - self.xi * state[:, None]  # (M, P, N)
        up, down = self.beta * (others + self.xi), self.beta * (others - self.xi)
        return (torch.logsumexp(up, 1) - torch.logsumexp(down, 1)) / (2 * self.beta)

    def turn(self, rows: Tensor, unit: Tensor, state: Tensor) -> None:
        self.values[rows] -= 2 * state[rows, unit][:, None] * self.xi.T[unit]


def binary(x: Tensor) -> Tensor:
    """Pictures (N, C, H, W) in [0, 1] → ±1 (N, C·H·W), black −1."""
    return torch.where(x.flatten(1) > 0.5, 1.0, -1.0)


def capacity_curve(
    rule: str = "hebb", units: int = 300, flipped: float = 0.05, seed: int = 0, loads: Sequence[float] | None = None
) -> list[tuple[float, float]]:
    """(P / N, share of P random patterns that come back) for more and more patterns.

    Args:
        rule: see `RULES`. units: N. flipped: share of units turned over before settling. loads: P / N.

    A pattern has come back if the state it settles in agrees with it in 97.5 % of the units (overlap 0.95).
    """
    stream, curve = torch.Generator().manual_seed(seed), []
    for load in loads or LOADS[RULE.check(rule)]:
        count = max(1, round(load * units))
        patterns = torch.where(torch.rand(count, units, generator=stream) < 0.5, 1.0, -1.0)
        damage = torch.where(torch.rand(count, units, generator=stream) < flipped, -1.0, 1.0)
        tried = min(count, TRIED)
        net = Hopfield((1, 1, units), count, rule).store(patterns)
        for frame in net.settle((patterns * damage)[:tried], 5 * units, range(seed, seed + tried)):
            last = frame
        overlap = (last.state * patterns[:tried]).mean(1)
        curve.append((count / units, (overlap > 0.95).float().mean().item()))
    return curve


class HopfieldLearner:
    """Stores patterns in one step: clear pictures of different classes that overlap as little as possible."""

    def __init__(self, model: Hopfield, device: torch.device) -> None:
        self.model = model.to(device)
        self.modules: dict[str, nn.Module] = {"model": self.model}
        self.optimizers: dict[str, torch.optim.Optimizer] = {}

    @torch.no_grad()
    def step(self, batch: Batch) -> dict[str, float]:
        xi = binary(batch.x)
        chosen = xi[apart(xi, clearest(batch.x.flatten(1), batch.y.flatten()), len(self.model.patterns))]
        self.model.patterns.copy_(chosen)
        overlaps = chosen @ chosen.T / chosen.shape[1]
        return {"overlap": (overlaps - torch.eye(len(chosen)).to(overlaps)).abs().max().item()}

    def save(self, folder: Path) -> None:
        """Writes the patterns."""
        hub.save(self.model, folder)


def clearest(x: Tensor, y: Tensor) -> list[int]:
    """Index of the picture nearest to its class's mean, for every class there is; then all others."""
    first = []
    for label in y.unique().tolist():
        members = (y == label).nonzero()[:, 0]
        first.append(int(members[(x[members] - x[members].mean(0)).square().sum(1).argmin()]))
    return first + [i for i in range(len(x)) if i not in set(first)]


def apart(xi: Tensor, candidates: list[int], count: int) -> list[int]:
    """The first candidate, then again and again the one among the first ten whose largest overlap is smallest."""
    chosen = candidates[:1]
    while len(chosen) < count:
        rest = [i for i in candidates[: max(10, count)] if i not in chosen]
        overlaps = (xi[rest] @ xi[chosen].T).abs().amax(1)
        chosen.append(rest[int(overlaps.argmin())])
    return chosen
