"""The mode "shortcut": one noise a column, a row for a teacher's fifty steps and for each of its student's looks.

A student learned where the teacher's path ends, f(x_t, t) = α_t x_t − σ_t v ≈ x_0 (see
`playground.models.diffusion.student`). Which model is whose student is told by the recipe on its card.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from playground.api import Frame, PlaygroundError
from playground.comparison import following, last, timed
from playground.engine import Engine
from tabs import _ui as ui
from tabs.diffusion import code
from tabs.diffusion.desk import Desk, sheet
from tabs.diffusion.lanes import class_of

Values = Mapping[str, Any]
NOISES = 8  # columns
STEPS = 50  # of the teacher
LOOKS = {1: "one look", 2: "two looks"}  # of the student: number → name of the row
NOISE, TEACHER = "noise", "teacher"
ORDER = (NOISE, TEACHER, *LOOKS.values())  # rows, from the top


@dataclass(frozen=True)
class Race:
    """Who makes pictures from which noises; equal races show equal pictures.

    Attributes:
        seeds: one per column. labels: class index per column, None for models without classes.
    """

    teacher: str
    student: str
    seeds: tuple[int, ...]
    labels: tuple[int, ...] | None

    def asked(self) -> dict[str, Any]:
        """The classes, for `engine.stream`."""
        return {} if self.labels is None else {"labels": list(self.labels)}


@dataclass(frozen=True)
class Row:
    """One row of pictures (N, C, H, W) in [0, 1] on the CPU, the network calls and the milliseconds of one of them."""

    pictures: Tensor
    calls: int = 0
    ms: float = 0.0


Rows = Mapping[str, Row]  # by name, as many as are made
Moments = Iterator[tuple[Frame, Tensor, float]]


# ---------------------------------------------------------------------------------------------- who is whose student


def students(engine: Engine) -> dict[str, str]:
    """Teacher → its student, of the models that are here."""
    from playground.models.diffusion import RECIPES

    teachers = {recipe.name: recipe.teacher for recipe in RECIPES if recipe.teacher}
    names = {card.name for card in engine.cards()}
    found = {teachers[card.recipe]: card.name for card in engine.cards() if card.recipe in teachers}
    return {teacher: student for teacher, student in found.items() if teacher in names}


def fitting(engine: Engine, name: str) -> str:
    """The chosen model if it has a student, else the first that has one.

    Raises:
        PlaygroundError: no model here has a student.
    """
    pairs = students(engine)
    if not pairs:
        raise PlaygroundError(
            "No model here has a student yet. Train one: python -m playground train diffusion-mnist-student."
        )
    return name if name in pairs else next(iter(pairs))


def race_of(desk: Desk, values: Values) -> Race:
    """The race of a state: the seed and those after it; one class for all, or one after the other from it on."""
    card = desk.engine.card(fitting(desk.engine, values["model"]))
    label, labels = class_of(values["label"], card), None
    if label is not None:
        labels = tuple((label + values["each"] * i) % len(card.labels) for i in range(NOISES))
    return Race(card.name, students(desk.engine)[card.name], tuple(following(values["seed"], NOISES)), labels)


# ---------------------------------------------------------------------------------------------- the race


def shortcut(desk: Desk, values: Values) -> Iterator[ui.Shown]:
    """The student's rows at once, then the teacher's as it is denoised; what is kept is shown without being made."""
    race, total = race_of(desk, values), len(LOOKS) + STEPS + 1
    rows, sheets = desk.known(race), Sheets()
    if rows is None:
        for rows, step in made(desk, race):
            if step < total:
                yield shown(desk, values, race, rows, sheets, step, total)
        desk.keep(race, rows, sum(row.pictures.nbytes for row in rows.values()))
    yield shown(desk, values, race, rows, sheets, total, total)


def made(desk: Desk, race: Race) -> Iterator[tuple[Rows, int]]:
    """The rows so far, and the number of steps behind them."""
    clock, noises = ui.Clock(), desk.model(race.teacher).latents(race.seeds)
    rows = {NOISE: Row(desk.pixels(race.teacher, noises))}
    last(looked(desk, race, min(LOOKS)))  # not counted: the first call of a network also pays for setting it up
    for done, (looks, name) in enumerate(LOOKS.items(), 1):
        rows = rows | {name: row(*last(looked(desk, race, looks)))}
        yield rows, done
    for frame, images, seconds in walked(desk, race):
        ended = frame.step == frame.total
        if ended or clock.due():
            now = images if ended else desk.pixels(race.teacher, frame.state)
            yield rows | {TEACHER: row(frame, now, seconds)}, len(LOOKS) + frame.step


def row(frame: Frame, pictures: Tensor, seconds: float) -> Row:
    """What a run has come to."""
    return Row(pictures, int(frame.info["calls"]), 1000 * seconds / len(pictures))


def looked(desk: Desk, race: Race, looks: int) -> Moments:
    """The student's way."""
    return moments(desk.engine.stream(race.student, race.seeds, steps=looks, watch=False, **race.asked()))


def walked(desk: Desk, race: Race) -> Moments:
    """The teacher's way."""
    return moments(desk.engine.stream(race.teacher, race.seeds, **walk(race), watch=False, **race.asked()))


def moments(run: Iterator[Frame]) -> Moments:
    """Frames, their pictures on the CPU, and the seconds spent on the run so far."""
    for (frame, images), seconds in timed((frame, frame.images.float().cpu()) for frame in run):
        yield frame, images, seconds


def walk(race: Race) -> dict[str, Any]:
    """The teacher's controls: guided as it was when it taught; a model without classes cannot be guided."""
    from playground.models.diffusion.student import WALK

    guided = {} if race.labels is None else {"guidance": WALK.guidance}
    return {"scheduler": "DDIM", "steps": STEPS, "eta": 0.0, **guided}


# ---------------------------------------------------------------------------------------------- what is shown


class Sheets:
    """Rows as data URIs; one that has not changed is not encoded again."""

    def __init__(self) -> None:
        self._made: dict[str, tuple[Tensor, str]] = {}

    def of(self, name: str, pictures: Tensor) -> str:
        """The pictures of a row side by side."""
        if name not in self._made or self._made[name][0] is not pictures:
            self._made[name] = (pictures, sheet(pictures, len(pictures)))
        return self._made[name][1]


def shown(desk: Desk, values: Values, race: Race, rows: Rows, sheets: Sheets, step: int, total: int) -> ui.Shown:
    """The rows as far as they are made; the teacher's is its noise until it begins."""
    card, rows = desk.engine.card(race.teacher), {TEACHER: rows[NOISE], **rows}
    told = [told_of(name, rows.get(name), sheets) for name in ORDER]
    data = {
        "rows": told, "seeds": list(race.seeds), "steps": STEPS, "distance": distance(desk, race),
        "labels": None if race.labels is None else [card.labels[label] for label in race.labels],
        "go": {"mode": "denoise", "model": race.teacher, "branches": "[]", **walk(race)},
    }  # fmt: skip
    text = compared(rows) if step == total else waiting(step)
    if race.teacher != values["model"]:
        text = f"{desk.engine.card(values['model']).title} has no student, so this is {card.title}. {text}"
    still = torch.cat([rows[name].pictures for name in ORDER if name in rows])
    return ui.Shown(still, text, data, model=race.teacher,
                    patch={} if race.teacher == values["model"] else {"model": race.teacher}, columns=NOISES,
                    code=code.shortcut(race, walk(race)), step=step, total=total)  # fmt: skip


def told_of(name: str, row: Row | None, sheets: Sheets) -> dict[str, Any]:
    """One row as JSON; without a picture while it is not made."""
    if row is None:
        return {"name": name, "src": "", "calls": 0, "ms": 0.0}
    return {"name": name, "src": sheets.of(name, row.pictures), "calls": row.calls, "ms": round(row.ms, 2)}


def distance(desk: Desk, race: Race) -> dict[str, float]:
    """Row → the student's Fréchet distance to real pictures over the teacher's, where its card has it."""
    found = desk.engine.card(race.student).scores.get("distillation") or {}
    scores = {name: found.get(f"{name.replace(' ', '_')}_over_teacher") for name in LOOKS.values()}
    return {name: score for name, score in scores.items() if score is not None}


def waiting(step: int) -> str:
    """A sentence for a race under way."""
    taken = step - len(LOOKS)
    if taken < 1:
        return "The student looks at the noise."
    return f"The student has arrived. Its teacher is at step {taken} of {STEPS}."


def compared(rows: Rows) -> str:
    """What came out: how much faster, and how far from the teacher's pictures (mean difference of pixels)."""
    teacher, one, two = (rows[name] for name in (TEACHER, *LOOKS.values()))
    apart = [float((row.pictures - teacher.pictures).abs().mean()) for row in (one, two)]
    others = float((teacher.pictures - teacher.pictures.roll(1, 0)).abs().mean())
    return (
        f"One look is {teacher.ms / one.ms:.0f} times as fast as the {STEPS} steps and ends {apart[0]:.2f} from their "
        f"picture (mean difference of pixels); two looks end {apart[1]:.2f} from it, because fresh noise is added "
        f"between them. Pictures of different noises are {others:.2f} apart."
    )
