"""Answers that come at different speeds → what the page shows, at most a dozen times a second."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from playground import render
from playground.api import ModelCard
from playground.comparison import Answer, abreast
from tabs import _ui as ui
from tabs.compare.desk import Desk, Values, grid
from tabs.compare.words import Answers, counted, duration, under

PAUSE = 1 / 12  # seconds between two pictures of the same run
QUALITY = 95  # of a column's JPEG: below it the black around a digit gets blocks


@dataclass(frozen=True)
class Plan:
    """One question to all models.

    Attributes:
        runs: name → answers. cells: labels of a column's pictures, in reading order; they reserve its place.
        across: pictures in a row of a column. view: an answer → its column's pictures.
        sentence: what is shown, from the answers there are. picture: the same as one sheet; `columns` in a row.
        titles: names on the saved sheet, of its columns, or of its rows if `down`.
        data: more for the page. code: the same in Python.
    """

    runs: Mapping[str, Iterator[Answer]]
    cells: Sequence[str]
    across: int
    sentence: Callable[[Answers], str]
    picture: Callable[[Answers], Tensor]
    columns: int
    titles: Sequence[str]
    code: str
    down: bool = False
    view: Callable[[Answer], Tensor | None] = lambda answer: answer.images
    data: Mapping[str, Any] = field(default_factory=dict)
    patch: Mapping[str, Any] = field(default_factory=dict)


def follow(cards: Sequence[ModelCard], runs: Mapping[str, Iterator[Answer]]) -> Iterator[dict[str, Answer]]:
    """All answers so far: when a model has finished, and otherwise every now and then."""
    answers: dict[str, Answer] = {}
    told = 0.0
    steps = abreast(runs)
    try:
        for answer in steps:
            before = answers.get(answer.name)
            if answer.images is None and not answer.done and before is not None:  # a step without a picture hides none
                answer = Answer(**{**vars(answer), "images": before.images})
            answers[answer.name] = answer
            if len(answers) < len(cards) and not answer.done:
                continue
            if answer.done or time.monotonic() - told > PAUSE:
                told = time.monotonic()
                yield answers
    finally:
        steps.close()


def lanes(desk: Desk, values: Values, plan: Plan) -> Iterator[ui.Shown]:
    """The plan's columns as they fill."""
    cards = desk.chosen(values)
    pictures: dict[str, tuple[Any, str]] = {}
    for answers in follow(cards, plan.runs):
        columns = [column(card, answers.get(card.name), plan, pictures) for card in cards]
        step, total = progress(cards, answers)
        yield ui.Shown(
            plan.picture(answers), plan.sentence(answers),
            {"columns": columns, "chips": chips(desk, values), "titles": list(plan.titles), "down": plan.down,
             "cells": list(plan.cells), "across": plan.across, **plan.data},
            model=counted(len(cards), "model"), code=plan.code, patch=plan.patch, columns=plan.columns,
            step=step, total=total,
        )  # fmt: skip


def column(card: ModelCard, answer: Answer | None, plan: Plan, pictures: dict[str, tuple[Any, str]]) -> dict[str, Any]:
    """One model's column as JSON; a picture that has not changed is not encoded again."""
    told = {"name": card.name, "title": card.title, "under": under(card)}
    if answer is None:
        return told | {"src": "", "note": "", "why": "", "cost": "", "done": False, "distances": []}
    view = plan.view(answer)
    known = pictures.get(card.name)
    if view is not None and (known is None or known[0] is not answer.images or answer.done):
        page = grid([view], len(plan.cells), card.shape)
        known = pictures[card.name] = (answer.images, render.picture_uri(page, plan.across, QUALITY))
    src = known[1] if view is not None and known else ""
    told |= {"src": src, "note": answer.note, "why": answer.why, "done": answer.done, "cost": cost(answer)}
    return told | {"distances": answer.facts.get("distances", [])}


def chips(desk: Desk, values: Values) -> list[dict[str, Any]]:
    """Every model that could take part, and whether it does."""
    off = desk.off(values)
    return [{"name": card.name, "title": card.title, "on": card.name not in off} for card in desk.able(values)]


def progress(cards: Sequence[ModelCard], answers: Answers) -> tuple[int, int]:
    """Steps taken and steps in all; a model that has not begun counts as one step."""
    there = [answers.get(card.name) for card in cards]
    total = sum(1 if a is None else a.total for a in there)
    if all(a is not None and a.done for a in there):
        return total, total
    return min(total - 1, sum(0 if a is None else (a.total if a.done else a.step) for a in there)), total


def cost(answer: Answer) -> str:
    """Time and network calls of a picture, once they are known."""
    if answer.why or not answer.done:
        return ""
    time_each = f"{duration(answer.milliseconds)} each"
    return time_each if answer.calls is None else f"{time_each} · {counted(answer.calls, 'call')}"
