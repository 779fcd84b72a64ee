"""A picture and its branches: what they are made from, read out of the page's state.

A lane is a pure function of its recipe. A branch keeps everything its parent had drawn before one place, puts another
value there, and draws the rest again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from playground.api import MAX_SEED, Field, ModelCard, PlaygroundError
from tabs.autoregressive.state import MOST_LANES

Values = Mapping[str, Any]


@dataclass(frozen=True)
class Recipe:
    """How one lane is made.

    Attributes:
        model: checkpoint. seed: of the noise. label: class index, None for a network without classes.
        settings: temperature and whatever else the network takes, as (name, value) pairs.
        parent: the lane it leaves; None for the sample itself.
        place, value: where it leaves (raster index of a pixel or a code) and what is put there.
    """

    model: str
    seed: int
    label: int | None
    settings: tuple[tuple[str, Any], ...]
    parent: Recipe | None = None
    place: int = 0
    value: int = 0


def recipes(values: Values, card: ModelCard, settings: Mapping[str, Any], places: int, kinds: int) -> list[Recipe]:
    """The sample and its branches.

    Args:
        settings: those of the state's values that the network takes.
        places: pixels or codes of a picture. kinds: values each can have.
    """
    label = card.labels.index(class_of(values["label"], card)) if card.labels else None
    pairs = tuple(sorted(settings.items()))
    lanes = [Recipe(values["model"], values["seed"], label, pairs)]
    for entry in entries(values["branches"]):
        left = whole(entry, "from", len(lanes) - 1)
        place, value = whole(entry, "at", places - 1), whole(entry, "value", kinds - 1)
        seed = whole(entry, "seed", MAX_SEED) if "seed" in entry else lanes[left].seed  # else the same dice
        lanes.append(Recipe(values["model"], seed, label, pairs, lanes[left], place, value))
    return lanes


def class_of(label: str, card: ModelCard) -> str:
    """The class asked for, if the network knows it; else its first."""
    return label if label in card.labels else card.labels[0]


def entries(text: str) -> list[Mapping[str, Any]]:
    """The branches of a state, each a mapping."""
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, list) or not all(isinstance(entry, dict) for entry in found):
        raise PlaygroundError("The branches cannot be read. Press Reset, and branch again.")
    if len(found) > MOST_LANES - 1:
        raise PlaygroundError(f"There are {len(found)} branches; at most {MOST_LANES - 1} fit. Remove some.")
    return found


def whole(entry: Mapping[str, Any], name: str, top: int) -> int:
    """One checked number of a branch."""
    return Field(name, "int", 0, 0, top, label=f"{name!r} of a branch").check(entry.get(name))
