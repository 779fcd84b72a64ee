"""The comparison tab: one data set, one seed, one question, every model in its own column.

It knows no family: `playground.comparison` asks whoever can make pictures. `state.py` declares what can be set,
`desk.py` keeps what was found out, `modes.py` and `scores.py` turn answers into pictures and tables, `lanes.py` shows
them while they come, `quiz.py` asks back, and `assets/tab-compare.js` is what the hands touch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from playground.engine import Engine
from tabs import _ui as ui
from tabs.compare import modes, quiz, scores
from tabs.compare.desk import Desk, labelled
from tabs.compare.state import ABOUT, BODY, NAMES, declare

TITLE, ORDER = "Compare", 90


def build(engine: Engine) -> None:
    """The page: questions above the stage, what belongs to the present one beside it."""
    desk, state = Desk(engine), declare(engine)

    def stream(values: dict) -> Iterator[ui.Shown]:
        return modes.stream(desk, values)

    def draw(values: dict) -> ui.Shown:
        """The finished picture with names on it, for saving; asked again only if nobody has asked before."""
        for last in modes.stream(desk, values | {"go": True}):
            shown = last
        titles = shown.data.get("titles", [])
        if not titles:
            return shown
        picture, columns = labelled(shown.picture, shown.columns, titles, shown.data.get("down", False))
        return replace(shown, picture=picture, columns=columns)

    shell = ui.Shell(
        state, engine, draw, body=BODY, functions=quiz.functions(desk, state), stream=stream, about=ABOUT
    )
    shell.titles |= NAMES
    with shell.layout(top=["mode"]):
        with shell.group("Data and seed"):
            shell.control("data")
            shell.seed_row()
            shell.control("steps")
        with shell.group("Samples", when={"mode": ["samples", "class", "neighbours"]}):
            shell.control("count")
        with shell.group("Rejection", when={"mode": ["class"]}):
            shell.control("tries")
        with shell.group("Walk", when={"mode": ["between"]}):
            for name in ("other", "way"):
                shell.control(name)
        with shell.group("Picture and damage", when={"mode": ["repair"]}):
            for name in ("damage", "source", "test"):
                shell.control(name)
        with shell.group("Measurement", when={"mode": ["measure"]}):
            shell.control("number")
        with shell.group("Wall", when={"mode": ["wall"]}):
            shell.control("rows")
    ui.plot("compare", partial(figure, desk, state))


def figure(desk: Desk, state: ui.State, request: Mapping[str, Any]) -> Any:
    """Quality against speed, once it is measured."""
    shown = desk.finished(state.check(request.get("state", {})))
    return scores.figure(shown.data, bool(request.get("dark"))) if shown else None


def warm(engine: Engine) -> None:
    """Opens the indices of training pictures, where they are."""
    modes.warm(engine)
