"""The flow tab: bend noise into data and back, and read off how likely everything is.

`state.py` declares what can be set, `desk.py` asks the networks, `plane.py` is the 2-D journey, `modes.py` and
`surprise.py` say what each mode shows, and `assets/tab-flow*.js` is what the hands touch.
"""

from __future__ import annotations

from playground.engine import Engine
from tabs import _ui as ui
from tabs.flow import modes, plane
from tabs.flow.desk import desk_of
from tabs.flow.state import ABOUT, ATTRIBUTES, BODY, CORNERS, declare
from tabs.flow.surprise import outlooks

TITLE, ORDER = "Flow", 50


def build(engine: Engine) -> None:
    """The page: modes above the stage, the controls of the present mode beside it."""
    desk, state = desk_of(engine), declare(engine)

    def draw(values: dict) -> ui.Shown:
        return modes.draw(desk, values)

    shell = ui.Shell(state, engine, draw, body=BODY, functions=modes.functions(desk, state), about=ABOUT)
    with shell.layout(top=["mode"]):
        with shell.group("Network"):
            shell.control("model")
            shell.seed_row()
        with shell.group("Journey", when={"mode": ["plane"]}):
            shell.control("way")
        with shell.group("Picture", when={"mode": ["pictures"]}):
            for name in ("source", "test"):
                shell.control(name)
        with shell.group("Attributes", when={"mode": ["faces"]}):
            for name in ("origin", *ATTRIBUTES):
                shell.control(name)
        with shell.group("Noise", when={"mode": ["plane", "pictures", "samples", "faces"]}):
            shell.control("temperature")
        with shell.group("Shown", when={"mode": ["plane"]}):
            for name in ("heat", "grid", "points"):
                shell.control(name)
        with shell.group("The mark", when={"mode": ["plane"]}, folded=True):
            for name in ("x", "y"):
                shell.control(name)
        with shell.group("Way", when={"mode": ["between"]}):
            shell.control("path")
        with shell.group("Corners", when={"mode": ["between"]}, folded=True):
            for name in CORNERS:
                shell.control(name)


def warm(engine: Engine) -> None:
    """What the first visitor of a mode would otherwise wait for: directions, and verdicts on many pictures."""
    desk = desk_of(engine)
    desk.prepare()
    for name, density in ((card.name, label) for card in desk.cards("plane") for label in card.labels):
        plane.heat(desk, name, density)
    for card in desk.cards("surprise"):
        outlooks(desk, card.name)
