"""The energy tab: walkers on a landscape, machines that dream, memories that settle.

`state.py` declares what can be set, `stage.py` holds the words, `desk.py` knows who can do what; `landscape.py`,
`machine.py`, `pictures.py`, `memory.py` and `learn.py` say what each mode shows (`modes.py` lists them), and
`assets/tab-energy.js` is what the hands touch.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gradio as gr

from playground.engine import Engine
from tabs import _ui as ui
from tabs.energy import landscape, modes
from tabs.energy.desk import Desk, desk_of
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
    _surface(desk, state)


def _surface(desk: Desk, state: ui.State) -> None:
    """The landscape as a surface to turn; the page's script moves it onto the stage and asks for it."""

    def figure(event: gr.EventData) -> Any:
        request = event._data if isinstance(event._data, dict) else {}
        try:
            return landscape.figure(desk, request, state)
        except ui.PlaygroundError:
            return None

    with gr.Column(elem_id="energy-plot-box", elem_classes="en-plot-box"):
        plot = gr.Plot(None, show_label=False, elem_id="energy-plot")
        teller = gr.HTML(
            html_template="<span></span>",
            js_on_load="pg.energyPlot = request => trigger('plot', request);",
            elem_classes="en-teller",
            apply_default_css=False,
        )
    teller.plot(figure, None, plot, queue=False, show_progress="hidden")


def warm(engine: Engine) -> None:
    """What the first visitor of a mode would otherwise wait for: maps, regions and the capacity curve."""
    modes.prepare(desk_of(engine))
