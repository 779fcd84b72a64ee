"""A run and its branches as recipes: two lanes with equal recipes show equal pictures.

The visitor's branches travel in the state as JSON text, e.g. `[{"from": 0, "step": 8, "label": "5"}]`: the first branch
leaves lane 0, the run itself, at its 8th step and goes on with another class. What is not said stays as in the lane
that was left.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from playground.api import Field, ModelCard, PlaygroundError

MOST_BRANCHES = 6
CHANGEABLE = ("label", "scheduler", "steps", "guidance", "eta", "seed")


@dataclass(frozen=True)
class Lane:
    """One trajectory, determined by these values alone.

    Attributes:
        label: class index, None for a model without classes.
        parent, step: the lane that was left, at which of its steps (from 1); None and 0 for a run from pure noise.
    """

    model: str
    seed: int
    label: int | None
    scheduler: str
    steps: int
    guidance: float
    eta: float
    parent: Lane | None = None
    step: int = 0

    @property
    def key(self) -> str:
        """A short name for the recipe, by which the page knows a film it already has."""
        return hashlib.sha256(repr(self).encode()).hexdigest()[:16]

    def plain(self) -> Lane:
        """The same lane with what has no effect at rest, so that equal pictures have equal recipes."""
        lane = self if self.scheduler == "DDIM" else replace(self, eta=0.0)
        return replace(lane, guidance=1.0) if lane.label is None else lane


def main_lane(values: Mapping[str, Any], card: ModelCard) -> Lane:
    """The run itself, from pure noise."""
    settings = {name: values[name] for name in ("scheduler", "steps", "guidance", "eta", "seed")}
    return Lane(model=card.name, label=class_of(values["label"], card), **settings).plain()


def class_of(label: str, card: ModelCard) -> int | None:
    """The class's index; None for a model that was taught no classes."""
    if not card.labels:
        return None
    if label not in card.labels:
        raise PlaygroundError(f"{card.title} knows no {label!r}. Choose one of: {', '.join(card.labels)}.")
    return card.labels.index(label)


def lanes_of(values: Mapping[str, Any], card: ModelCard, fields: Mapping[str, Field]) -> list[Lane]:
    """The run and its branches, in the order in which they can be made."""
    lanes = [main_lane(values, card)]
    for number, entry in enumerate(parse(values["branches"], fields), 1):
        parent = lanes[entry["from"]]
        changes = {name: entry[name] for name in CHANGEABLE if name in entry}
        if "label" in changes:
            changes["label"] = class_of(changes["label"], card)
        lane = replace(parent, **changes, parent=parent, step=entry["step"])
        lanes.append(lane.plain())
        assert len(lanes) == number + 1
    return lanes


def parse(text: str, fields: Mapping[str, Field]) -> list[dict[str, Any]]:
    """The branches of a state, every value checked."""
    try:
        entries = json.loads(text)
    except (ValueError, RecursionError):
        raise PlaygroundError("The branches are not a list in JSON. Remove them with Reset and branch again.") from None
    if not isinstance(entries, list) or len(entries) > MOST_BRANCHES:
        raise PlaygroundError(f"Branches must be a list of at most {MOST_BRANCHES}. Remove one before the next.")
    return [_entry(entry, number, fields) for number, entry in enumerate(entries, 1)]


def _entry(entry: Any, number: int, fields: Mapping[str, Field]) -> dict[str, Any]:
    if not isinstance(entry, dict) or not {"from", "step"} <= entry.keys() <= {"from", "step", *CHANGEABLE}:
        raise PlaygroundError(
            f"Branch {number} is not understood. It needs 'from' and 'step', and may change {', '.join(CHANGEABLE)}."
        )
    where = Field("from", "int", 0, 0, number - 1, label=f"The lane that branch {number} leaves")
    step = Field("step", "int", 1, 1, 100, label=f"The step of branch {number}")
    checked = {"from": where.check(entry["from"]), "step": step.check(entry["step"])}
    return checked | {name: fields[name].check(entry[name]) for name in CHANGEABLE if name in entry}
