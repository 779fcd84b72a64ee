"""The train tab: every family learns in front of the visitor, can be broken on purpose and mended.

Each mode is one module (`laboratory.py`, …) of the same seven names; `modes.py` lists them, `state.py` puts their
values together, `stage.py` their HTML, and `assets/tab-train.js` with its parts is what the hands touch.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from playground.engine import Engine
from tabs import _ui as ui
from tabs.train import modes
from tabs.train.desk import desk_of
from tabs.train.stage import about, body
from tabs.train.state import TITLES, declare

TITLE, ORDER = "Train", 70


def build(engine: Engine) -> None:
    """The page: modes above the stage, the controls of the present mode beside it."""
    desk, state = desk_of(engine), declare(engine)

    def draw(values: dict[str, Any]) -> ui.Shown:
        return modes.draw(desk, values)

    def stream(values: dict[str, Any]) -> Iterator[ui.Shown]:
        return modes.stream(desk, values)

    shell = ui.Shell(state, engine, draw, body=body(), functions=modes.functions(desk, state), stream=stream,
                     follow=False, about=about())  # fmt: skip
    shell.titles |= TITLES
    with shell.layout(top=["mode"]):
        for module in modes.MODES:
            module.groups(shell)
        with shell.group("Chance"):
            shell.seed_row()
