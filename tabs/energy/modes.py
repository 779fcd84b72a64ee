"""Which mode shows what: a checked state → `Shown`, at once or as a run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from tabs import _ui as ui
from tabs.energy import landscape, learn, machine, memory, pictures
from tabs.energy.desk import Desk, Values
from tabs.energy.state import declare

DRAWN: dict[str, Callable[[Desk, Values], ui.Shown]] = {
    "landscape": landscape.show_landscape,
    "rbm": machine.show_rbm,
    "hopfield": memory.show_hopfield,
    "learn": learn.show_learn,
}
RUNS: dict[str, Callable[[Desk, Values], Iterator[ui.Shown]]] = {
    "repair": pictures.repair,
    "dream": pictures.dream,
    "learn": learn.stream,
}


def draw(desk: Desk, values: Values) -> ui.Shown:
    """The picture of a state; a run is followed to its end. Starting points are kept: a whole class opens them."""
    if values["mode"] in DRAWN:
        make = DRAWN[values["mode"]]
        key = frozenset(values.items())
        return desk.keep(("start", key), lambda: make(desk, values)) if key in starts(desk) else make(desk, values)
    for shown in RUNS[values["mode"]](desk, values):
        last = shown
    return last


def stream(desk: Desk, values: Values) -> Iterator[ui.Shown]:
    """A run, picture by picture; what is drawn at once is a run of one picture."""
    if values["mode"] in RUNS:
        yield from RUNS[values["mode"]](desk, values)
    else:
        yield draw(desk, values)


def functions(desk: Desk, state: ui.State) -> list[Callable[[Any], Any]]:
    """Server functions of the page beside `pg_draw`."""
    return [*landscape.functions(desk, state), *machine.functions(desk, state), *memory.functions(desk, state)]


def starts(desk: Desk) -> frozenset[frozenset]:
    """The states of all starting points."""

    def make() -> frozenset[frozenset]:
        state = declare(desk.engine)
        return frozenset(frozenset(state.check(preset.values).items()) for preset in state.presets)

    return desk.keep(("starts",), make)


def prepare(desk: Desk) -> None:
    """Works out in advance what takes a noticeable time: first what stands there when the tab is opened."""
    for key in starts(desk):
        draw(desk, dict(key))
    landscape.prepare(desk)
    memory.prepare(desk)
