"""The autoregressive tab: pictures drawn one pixel after the other, each with odds that can be looked at.

`state.py` declares what can be set, `words.py` holds the explanation and the stage, `lanes.py` says what a picture and
its branches are, `desk.py` runs the networks, and `modes.py` (drawing), `pictures.py` (completing and judging),
`fields.py` (what a pixel sees) and `codes.py` (the same for faces in codes) say what each mode shows. The hands touch
`assets/tab-autoregressive*.js`.
"""

from __future__ import annotations

from collections.abc import Iterator

from playground.engine import Engine
from tabs import _ui as ui
from tabs.autoregressive import codes, modes, pictures
from tabs.autoregressive.desk import desk_of
from tabs.autoregressive.state import declare
from tabs.autoregressive.words import ABOUT, BODY

TITLE, ORDER = "Autoregressive", 40


def build(engine: Engine) -> None:
    """The page: modes above the stage, the controls of the present mode beside it."""
    desk, state = desk_of(engine), declare(engine)

    def draw(values: dict) -> ui.Shown:
        return modes.draw(desk, values)

    def stream(values: dict) -> Iterator[ui.Shown]:
        return modes.stream(desk, values)

    functions = modes.functions(desk, state)
    shell = ui.Shell(state, engine, draw, body=BODY, functions=functions, stream=stream, follow=False, about=ABOUT)
    drawn, given = ["watch", "branch"], ["complete", "surprise", "what it sees"]
    with shell.layout(top=["mode"]):
        with shell.group("Network"):
            shell.control("model")
            shell.seed_row()
        with shell.group("Drawing", when={"mode": drawn}):
            shell.control("label")
        with shell.group("Chance", when={"mode": [*drawn, "complete"]}):
            shell.control("temperature")
        with shell.group("Picture", when={"mode": given}):
            for name in ("source", "test"):
                shell.control(name)
        with shell.group("What it knows", when={"mode": ["complete", "surprise"]}):
            shell.control("told")
        with shell.group("Attempts", when={"mode": ["complete"]}):
            shell.control("particles")
        with shell.group("Masks", when={"mode": ["what it sees"]}):
            for name in ("layers", "kernel"):
                shell.control(name)
        with shell.group("Advanced", when={"mode": drawn}, folded=True):
            for name in ("order", "top_k", "top_p"):
                shell.control(name)


def warm(engine: Engine) -> None:
    """What a first visitor would otherwise wait for: the patches of all words, and what a usual digit costs."""
    desk = desk_of(engine)
    for name in desk.names(lambda model: hasattr(model, "surprise")):
        pictures.usual(desk, name)
    for name in desk.names(lambda model: hasattr(model, "token_logits")):
        codes.atlas(desk, name)
