"""The energy tab: walkers on a landscape, machines that dream, memories that settle.

`state.py` declares what can be set, `stage.py` holds the words, `desk.py` knows who can do what; `landscape.py`,
`machine.py`, `pictures.py`, `memory.py` and `learn.py` say what each mode shows (`modes.py` lists them), and
`assets/tab-energy*.js` is what the hands touch.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from playground.engine import Engine
from tabs import _ui as ui
from tabs.energy import landscape, modes
from tabs.energy.desk import desk_of
from tabs.energy.stage import BODY, about
from tabs.energy.state import TITLES, declare

TITLE, ORDER = "Energy", 60


def build(engine: Engine) -> None:
    """The page: modes above the stage, the controls of the present mode beside it."""
    desk, state = desk_of(engine), declare(engine)

    def draw(values: dict[str, Any]) -> ui.Shown:
        return modes.draw(desk, values)

    def stream(values: dict[str, Any]) -> Iterator[ui.Shown]:
        return modes.stream(desk, values)

    shell = ui.Shell(state, engine, draw, body=BODY, functions=modes.functions(desk, state), stream=stream,
                     follow=False, about=about(engine))  # fmt: skip
    shell.titles |= TITLES
    with shell.layout(top=["mode"]):
        with shell.group("Landscape", when={"mode": ["landscape"]}):
            for name in ("density", "kind", "shade"):
                shell.control(name)
        with shell.group("Walkers", when={"mode": ["landscape"]}):
            for name in ("sampler", "step", "temperature", "walkers", "start"):
                shell.control(name)
        with shell.group("Machine", when={"mode": ["rbm"]}):
            for name in ("heat", "begin"):
                shell.control(name)
        with shell.group("Picture and damage", when={"mode": ["repair"]}):
            for name in ("source", "test", "damage", "noise"):
                shell.control(name)
        with shell.group("Dream", when={"mode": ["dream"]}):
            for name in ("model", "label", "every", "warmth"):
                shell.control(name)
        with shell.group("Memory", when={"mode": ["hopfield"]}):
            for name in ("rule", "cue", "which", "flip"):
                shell.control(name)
        with shell.group("Training", when={"mode": ["learn"]}):
            for name in ("hidden", "k", "rate"):
                shell.control(name)
        with shell.group("Chance"):
            shell.seed_row()
        with shell.group("More on walking", when={"mode": ["landscape"]}, folded=True):
            for name in ("steps", "leaps"):
                shell.control(name)
        with shell.group("More on the machine", when={"mode": ["rbm"]}, folded=True):
            for name in ("skip", "sweeps"):
                shell.control(name)
        with shell.group("More on training", when={"mode": ["learn"]}, folded=True):
            shell.control("persistent")
    ui.plot("energy", lambda request: landscape.figure(desk, request, state))  # the landscape as a surface to turn


def warm(engine: Engine) -> None:
    """What the first visitor of a mode would otherwise wait for: maps, regions and the capacity curve."""
    modes.prepare(desk_of(engine))
