"""A run of the laboratory as a value: everything it is determined by, and the short texts that carry it in a link.

    learners  "gan,flow matching"                  one lane each, from left to right
    settings  "1.loss=minimax;1.lr=0.03"           of lane 1, where they were not the usual ones at the start
    edits     "120:1.lr=0.01;130:1!generator*20"   turned at update 120; from 130 on twenty updates of one part alone
    updates   "400" or "400,37!"                   how far; lane by lane if they differ, "!" where a lane came to grief
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from playground.api import Field, PlaygroundError, fields_by_name
from playground.training.lab import LEARNERS, PlaneLearner

MOST_LANES = 4
LONGEST = 10_000  # updates
LONGEST_TEXT = 1500  # of one value; a longer one has no place in a link
DAMAGED = "That part of the link is damaged: {part!r}. Reset the page, or open the link once more."
ENTRY = re.compile(r"(\d{1,5}):([1-4])(?:\.(\w+)=([^;=]+)|!(\w+)\*(\d{1,5}))")
SETTING = re.compile(r"([1-4])\.(\w+)=([^;=]+)")


@dataclass(frozen=True)
class Edit:
    """A knob turned while learning went on: between updates, at `update`."""

    update: int
    name: str
    value: Any


@dataclass(frozen=True)
class Alone:
    """From `update` on, `count` updates in which one part learned and the others stood still."""

    update: int
    part: str
    count: int


@dataclass(frozen=True)
class LanePlan:
    """One learner's run.

    Attributes:
        settings: at the start, only those that are not the defaults. updates: how far; stuck: it came to grief there.
    """

    learner: str
    settings: tuple[tuple[str, Any], ...] = ()
    edits: tuple[Edit, ...] = ()
    alone: tuple[Alone, ...] = ()
    updates: int = 0
    stuck: bool = False

    def only(self) -> dict[int, str]:
        """Update → the one part taken in it."""
        return {u: a.part for a in self.alone for u in range(a.update, min(a.update + a.count, self.updates))}


@dataclass(frozen=True)
class Plan:
    """A run of all lanes on the same points."""

    target: str
    points: str
    seed: int
    lanes: tuple[LanePlan, ...]


def plan_of(values: Mapping[str, Any]) -> Plan:
    """The run that a checked state of the tab describes.

    Raises:
        PlaygroundError: a text in it is not what it should be; the message says which.
    """
    names = split(values["learners"], ",")
    if not 1 <= len(names) <= MOST_LANES:
        raise PlaygroundError(f"There are {len(names)} learners. Choose from one to {MOST_LANES} with the buttons.")
    kinds = [kind_of(name) for name in names]
    settings = _settings(values["settings"], kinds)
    edits, alone = _edits(values["edits"], kinds)
    reached = _reached(values["updates"], len(kinds))
    lanes = tuple(
        LanePlan(name, settings[i], edits[i], alone[i], *reached[i]) for i, name in enumerate(names)
    )
    points = values["points"] if values["target"] == "sprayed" else ""
    return Plan(values["target"], points, values["seed"], lanes)


def texts_of(lanes: Sequence[LanePlan]) -> dict[str, str]:
    """The values "learners", "settings", "edits" and "updates" of the tab's state.

    Raises:
        PlaygroundError: more was changed by hand than a link can carry.
    """
    settings = [f"{i}.{name}={said(v)}" for i, lane in enumerate(lanes, 1) for name, v in lane.settings]
    edits = [entry for i, lane in enumerate(lanes, 1) for entry in _entries(i, lane)]
    reached = [f"{lane.updates}{'!' * lane.stuck}" for lane in lanes]
    texts = {
        "learners": ",".join(lane.learner for lane in lanes),
        "settings": ";".join(settings),
        "edits": ";".join(edits),
        "updates": reached[0] if len(set(reached)) == 1 else ",".join(reached),
    }
    if max(map(len, texts.values())) > LONGEST_TEXT:
        raise PlaygroundError(
            "This run was changed by hand more often than a link can remember. Rewind some way, or start again."
        )
    return texts | {"updates": "" if texts["updates"] == "0" else texts["updates"]}


def kind_of(name: str) -> type[PlaneLearner]:
    """The learner's class."""
    if name not in LEARNERS:
        raise PlaygroundError(f"There is no learner {name[:60]!r}. Choose one of {', '.join(LEARNERS)}.")
    return LEARNERS[name]


def said(value: Any) -> str:
    """A value as it stands in a link; a number always reads back as itself."""
    if isinstance(value, bool) or not isinstance(value, float):
        return str(value)
    short = f"{value:g}"
    return short if float(short) == value else repr(value)


def split(text: str, mark: str) -> list[str]:
    """The parts of a text, empty ones left out."""
    return [part for part in text.split(mark) if part]


def _field(kind: type[PlaneLearner], name: str, part: str) -> Field:
    known = fields_by_name(kind.settings)
    if name not in known:
        raise PlaygroundError(DAMAGED.format(part=part[:60]))
    return known[name]


def _settings(text: str, kinds: Sequence[type[PlaneLearner]]) -> list[tuple[tuple[str, Any], ...]]:
    found: list[dict[str, Any]] = [{} for _ in kinds]
    for part in split(text, ";"):
        match = SETTING.fullmatch(part)
        if not match or int(match[1]) > len(kinds):
            raise PlaygroundError(DAMAGED.format(part=part[:60]))
        lane = int(match[1]) - 1
        found[lane][match[2]] = _field(kinds[lane], match[2], part).check(match[3])
    usual = [{f.name: f.default for f in kind.settings} for kind in kinds]
    return [tuple((n, s[n]) for n in u if n in s and s[n] != u[n]) for s, u in zip(found, usual)]


def _edits(
    text: str, kinds: Sequence[type[PlaneLearner]]
) -> tuple[list[tuple[Edit, ...]], list[tuple[Alone, ...]]]:
    edits: list[list[Edit]] = [[] for _ in kinds]
    alone: list[list[Alone]] = [[] for _ in kinds]
    for part in split(text, ";"):
        match = ENTRY.fullmatch(part)
        if not match or int(match[2]) > len(kinds) or int(match[1]) > LONGEST:
            raise PlaygroundError(DAMAGED.format(part=part[:60]))
        update, lane = int(match[1]), int(match[2]) - 1
        kind = kinds[lane]
        if match[3]:
            edits[lane].append(Edit(update, match[3], _field(kind, match[3], part).check(match[4])))
        elif match[5] in kind.parts and int(match[6]) <= LONGEST:
            alone[lane].append(Alone(update, match[5], int(match[6])))
        else:
            raise PlaygroundError(DAMAGED.format(part=part[:60]))
    for runs in alone:
        if any(b.update < a.update + a.count for a, b in itertools.pairwise(runs)):
            raise PlaygroundError(DAMAGED.format(part=text[:60]))
    return [tuple(sorted(e, key=lambda e: e.update)) for e in edits], [tuple(a) for a in alone]


def _reached(text: str, count: int) -> list[tuple[int, bool]]:
    parts = split(text, ",") or ["0"]
    parts = parts * count if len(parts) == 1 else parts
    if len(parts) != count or not all(re.fullmatch(r"\d{1,5}!?", part) for part in parts):
        raise PlaygroundError(DAMAGED.format(part=text[:60]))
    one = Field("updates", "int", 0, 0, LONGEST, label="The number of updates")
    return [(one.check(part.rstrip("!")), part.endswith("!")) for part in parts]


def _entries(number: int, lane: LanePlan) -> list[str]:
    """A lane's edits as text."""
    turned = [f"{e.update}:{number}.{e.name}={said(e.value)}" for e in lane.edits]
    return turned + [f"{a.update}:{number}!{a.part}*{a.count}" for a in lane.alone]
