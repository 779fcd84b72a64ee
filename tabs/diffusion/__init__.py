"""The diffusion tab: watch noise become a picture, go back, and take another turn.

`state.py` declares what can be set and holds the words, `lanes.py` says what a run and its branches are, `desk.py`
runs them and keeps the latest, `modes.py`, `pictures.py` and `shortcut.py` say what each mode shows, and
`assets/tab-diffusion*.js` are what the hands touch.
"""

from __future__ import annotations

from collections.abc import Iterator

from playground.engine import Engine
from tabs import _ui as ui
from tabs.diffusion import modes
from tabs.diffusion.desk import Desk
from tabs.diffusion.state import ABOUT, BODY, PICTURED, SAMPLED, declare

TITLE, ORDER = "Diffusion", 30


def build(engine: Engine) -> None:
    """The page: modes above the stage, the controls of the present mode beside it."""
    desk, state = Desk(engine), declare(engine)

    def stream(values: dict) -> Iterator[ui.Shown]:
        return modes.stream(desk, values)

    def draw(values: dict) -> ui.Shown:
        return modes.last(modes.stream(desk, values))

    functions = modes.functions(desk, state)
    shell = ui.Shell(state, engine, draw, body=BODY, functions=functions, stream=stream, about=ABOUT)
    with shell.layout(top=["mode"]):
        with shell.group("Model"):
            for name in ("model", "label"):
                shell.control(name)
            shell.seed_row()
        with shell.group("The other noise", when={"mode": ["between"]}):
            shell.control("other")
        with shell.group("Picture", when={"mode": PICTURED}):
            for name in ("source", "test"):
                shell.control(name)
        with shell.group("Noise added", when={"mode": ["from a drawing"]}):
            shell.control("start")
        with shell.group("Denoising", when={"mode": SAMPLED}):
            for name in ("steps", "scheduler", "guidance"):
                shell.control(name)
        with shell.group("Columns", when={"mode": ["schedulers"]}):
            shell.control("view")
        with shell.group("Classes", when={"mode": ["shortcut"]}):
            shell.control("each")
        with shell.group("Advanced", when={"mode": SAMPLED}, folded=True):
            shell.control("eta")
