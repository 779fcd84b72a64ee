"""The modes of the train tab: a checked state → `Shown`, at once or as a run.

A mode is a module with these seven names: `FIELDS(engine)`, `BODY`, `PRESETS`, `functions(desk, state)`,
`draw(desk, values)`, `stream(desk, values)` and `groups(shell)`. It is called as its file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import ModuleType
from typing import Any

from tabs import _ui as ui
from tabs.train import laboratory, pictures
from tabs.train.desk import Desk

MODES: tuple[ModuleType, ...] = (laboratory, pictures)
NAMES: Mapping[str, ModuleType] = {module.__name__.rpartition(".")[2]: module for module in MODES}


def draw(desk: Desk, values: Mapping[str, Any]) -> ui.Shown:
    """The picture of a state."""
    return NAMES[values["mode"]].draw(desk, values)


def stream(desk: Desk, values: Mapping[str, Any]) -> Iterator[ui.Shown]:
    """A run, picture by picture."""
    yield from NAMES[values["mode"]].stream(desk, values)


def functions(desk: Desk, state: ui.State) -> list[Callable[[Any], Any]]:
    """Server functions of the page beside `pg_draw`."""
    return [function for module in MODES for function in module.functions(desk, state)]
