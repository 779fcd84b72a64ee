"""The VAE tab: a latent space one can walk through.

`state.py` declares what can be set, `desk.py` holds the pictures, codes and directions a page needs beside the
networks, `modes.py` says what each mode shows, and `assets/tab-vae.js` is what the hands touch.
"""

from __future__ import annotations

from playground.engine import Engine
from tabs import _ui as ui
from tabs.vae import modes
from tabs.vae.desk import desk_of
from tabs.vae.state import ABOUT, ATTRIBUTES, BODY, CORNERS, STRONGEST, declare

TITLE, ORDER = "VAE", 10


def build(engine: Engine) -> None:
    """The page: modes above the stage, the controls of the present mode beside it."""
    desk = desk_of(engine)
    state = declare(engine)

    def draw(values: dict) -> ui.Shown:
        return modes.draw(desk, values)

    shell = ui.Shell(state, engine, draw, body=BODY, functions=modes.functions(desk, state), about=ABOUT)
    with shell.layout(top=["mode"]):
        with shell.group("Network"):
            shell.control("model")
            shell.seed_row()
        with shell.group("Map", when={"mode": ["map"]}):
            for name in ("layer", "x", "y"):
                shell.control(name)
        with shell.group("Picture", when={"mode": ["draw"]}):
            for name in ("source", "test"):
                shell.control(name)
        with shell.group("Prior", when={"mode": ["samples"]}):
            shell.control("temperature")
        ui.wish_group(shell, ui.askable(engine, "vae"), {"mode": ["samples", "sliders"]})
        with shell.group("Strongest latents", when={"mode": ["sliders"]}):
            for name in ("start", *STRONGEST):
                shell.control(name)
        with shell.group("Corners", when={"mode": ["between"]}):
            for name in CORNERS:
                shell.control(name)
        with shell.group("Attributes", when={"mode": ["faces"]}):
            for name in ("origin", *ATTRIBUTES):
                shell.control(name)


def warm(engine: Engine) -> None:
    """What the first visitor of a mode would otherwise wait for: maps and measured directions."""
    desk_of(engine).prepare()
