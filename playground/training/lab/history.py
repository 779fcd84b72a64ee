"""What is remembered of a run, so that it can be looked at again and gone back to.

A *moment* is what a page shows of one place on the clock. A *keeping* holds the weights there. Both lists are thinned
as they grow, evenly, the newest always staying. Going back to a place whose weights are gone starts from the last
keeping before it and does the updates again: they are a function of settings, seed and journal alone, so the bits are
the same.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, TypeVar

from torch import Tensor

from playground.training.lab.learner import Field2D

MOST_MOMENTS = 400
MOST_KEEPINGS = 60
MOST_BYTES = 48 * 2**20  # of all keepings together; a wide network keeps fewer of them
LOWEST_LOG = -30.0  # a log-density below this is shown as this: JSON knows no −∞

Item = TypeVar("Item")


@dataclass(frozen=True)
class Moment:
    """What there is to see of one learner at one place on the clock.

    Attributes:
        update: the clock, in finished updates; part: the sub-step just made, empty between updates; says: what it was.
        losses: of the last update. samples: (N, 2), always from the same noise, so sample i can be followed.
        field: what the learner thinks of the `side` × `side` points of `session.grid()`, or the smoothed samples.
        side: of that grid. arrows_from, arrows: (64, 2) each; force: their median length.
        distances: of the samples to the target, by name. clouds: what the last part worked with, (M, 2) each.
        settings: as they stood.
    """

    update: int
    part: str
    says: str
    losses: dict[str, float]
    samples: Tensor
    field: Field2D
    side: int
    arrows_from: Tensor
    arrows: Tensor
    force: float
    distances: dict[str, float]
    clouds: dict[str, Tensor]
    settings: dict[str, Any]

    def to_json(self) -> dict[str, Any]:
        """The moment as plain lists and numbers: points to 3 digits, the field to 2, row by row of x, then y."""
        values = self.field.values.nan_to_num(LOWEST_LOG).clamp(LOWEST_LOG, -LOWEST_LOG * 100)
        return {
            "update": self.update,
            "part": self.part,
            "says": self.says,
            "losses": {name: _short(v) for name, v in self.losses.items()},
            "samples": _rounded(self.samples),
            "field": {"kind": self.field.kind, "side": self.side, "values": _rounded(values, 2)},
            "arrows_from": _rounded(self.arrows_from),
            "arrows": _rounded(self.arrows, 5),
            "force": _short(self.force),
            "distances": {name: _short(v) for name, v in self.distances.items()},
            "clouds": {name: _rounded(points) for name, points in self.clouds.items()},
            "settings": self.settings,
        }


@dataclass(frozen=True)
class Keeping:
    """Everything needed to go on from the start of an update.

    Attributes:
        update: the clock. changes: how many entries of the journal are in it. state: of the learner.
    """

    update: int
    changes: int
    losses: dict[str, float]
    state: dict[str, Any]


@dataclass(frozen=True)
class Change:
    """An entry of the journal: a setting changed before part `stage` of update `update`."""

    update: int
    stage: int
    name: str
    value: Any


@dataclass
class History:
    """Moments, keepings and journal of one session.

    Attributes:
        only: update → the one part that was taken in it; other updates were whole.
    """

    moments: list[Moment] = field(default_factory=list)
    keepings: list[Keeping] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    only: dict[int, str] = field(default_factory=dict)

    def record(self, moment: Moment, keeping: Keeping) -> None:
        """Adds a moment and its weights, in place of those of the same update, and thins what has become too much."""
        while self.moments and self.moments[-1].update >= moment.update:
            self.moments.pop()
        while self.keepings and self.keepings[-1].update >= keeping.update:
            self.keepings.pop()
        self.moments = thinned([*self.moments, moment], MOST_MOMENTS)
        most = max(4, min(MOST_KEEPINGS, MOST_BYTES // max(1, size_of(keeping.state))))
        self.keepings = thinned([*self.keepings, keeping], most)

    def before(self, update: int) -> Keeping:
        """The last keeping at or before a place on the clock."""
        return max((k for k in self.keepings if k.update <= update), key=lambda k: k.update)

    def cut(self, update: int, changes: int) -> None:
        """Forgets what lies after a place on the clock."""
        self.moments = [m for m in self.moments if m.update <= update]
        self.keepings = [k for k in self.keepings if k.update <= update]
        self.changes = self.changes[:changes]
        self.only = {u: part for u, part in self.only.items() if u < update}


def thinned(items: list[Item], most: int) -> list[Item]:
    """At most `most` items: if there are more, every second one goes; the first and the last stay."""
    return items if len(items) <= most else [*items[:-1:2], items[-1]]


def size_of(state: Any) -> int:
    """Bytes of all tensors in nested dicts and lists."""
    if isinstance(state, Tensor):
        return state.numel() * state.element_size()
    if isinstance(state, dict):
        return sum(size_of(v) for v in state.values())
    return sum(size_of(v) for v in state) if isinstance(state, (list, tuple)) else 0


def _rounded(points: Tensor, digits: int = 3) -> list[Any]:
    return [[round(v, digits) for v in row] if isinstance(row, list) else round(row, digits) for row in points.tolist()]


def _short(value: float) -> float | None:
    """Five digits that count; None where there is no number."""
    return float(f"{value:.5g}") if math.isfinite(value) else None
