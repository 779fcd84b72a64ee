"""The GAN tab: a generator to walk through, a discriminator to ask, and an honest count of what is missing.

`state.py` declares what can be set, `desk.py` holds the networks and what is kept of them, `modes.py` says what each
mode shows (`directions.py`, `verdict.py`, `project.py` and `diversity.py` do the longer ones), and `assets/tab-gan.js`
is what the hands touch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from playground import render
from playground.engine import Engine
from tabs import _ui as ui
from tabs.gan import directions, diversity, modes
from tabs.gan.desk import Desk, desk_of
from tabs.gan.stage import ABOUT, BODY
from tabs.gan.state import COMPONENTS, declare

TITLE, ORDER = "GAN", 20


def build(engine: Engine) -> None:
    """The page: modes above the stage, the controls of the present mode beside it."""
    desk, state = desk_of(engine), declare(engine)

    def draw(values: dict[str, Any]) -> ui.Shown:
        return modes.draw(desk, values)

    def stream(values: dict[str, Any]) -> Iterator[ui.Shown]:
        return modes.search(desk, values)

    names = state.field("model").choices
    with_classes = [n for n in names if engine.card(n).labels]
    shell = ui.Shell(state, engine, draw, body=BODY, functions=functions(desk, state), stream=stream, about=ABOUT)
    with shell.layout(top=["mode"]):
        with shell.group("Generator"):
            shell.control("model")
            shell.seed_row()
            shell.control("truncation")
        with shell.group("Class", when={"model": with_classes}):
            shell.control("label")
        ui.wish_group(shell, ui.askable(engine, "gan"), {"mode": ["walk", "mix", "directions"]})
        with shell.group("Mixing", when={"mode": ["mix"]}):
            for name in ("cut", "seed_b"):
                shell.control(name)
        with shell.group("Attribute direction", when={"mode": ["directions"]}):
            for name in ("face_trait", "digit_trait", "strength"):  # the script shows the one that suits the data
                shell.control(name)
        with shell.group("Principal directions, in σ", when={"mode": ["directions"]}):
            for name in COMPONENTS:
                shell.control(name)
        with shell.group("Picture", when={"mode": ["verdict", "project"]}):
            for name in ("source", "test"):
                shell.control(name)


def functions(desk: Desk, state: ui.State) -> list[Callable[[Any], Any]]:
    """Server functions of the page beside `pg_draw`; each takes {"state": …}."""

    def checked(request: Any) -> dict[str, Any]:
        if not isinstance(request, dict) or "state" not in request:
            raise ui.PlaygroundError("The request lacks its 'state'. Reload the page and try again.")
        return state.check(request["state"])

    def gan_around(request: Any) -> dict[str, Any]:
        return modes.around(desk, checked(request))

    def gan_meanings(request: Any) -> dict[str, Any]:
        values = checked(request)
        return {"model": values["model"], "meanings": directions.meanings(desk, values["model"], values["label"])}

    def gan_dose(request: Any) -> dict[str, Any]:
        values = checked(request)
        trait, known = modes.trait_of(desk, values), desk.engine.card(values["model"]).data in modes.TRAITED
        dose = directions.dose(desk, values["model"], values["label"], trait) if known else None
        found = None if dose is None else {"shares": dose.shares, "flipped": dose.flipped, "kept": dose.kept}
        return {"trait": trait, "steps": list(directions.STEPS), "tested": directions.TESTED, "dose": found}

    def gan_nearest(request: Any) -> dict[str, Any]:
        return diversity.nearest(desk, checked(request))

    def gan_upload(request: Any) -> dict[str, Any]:
        values = checked(request)
        card = desk.engine.card(values["model"])
        picture = request.get("picture")
        if not isinstance(picture, str):
            raise ui.PlaygroundError("No picture came with the request. Choose a PNG, JPEG, WebP, GIF or BMP file.")
        return {"drawing": render.png_uri(ui.read_picture(picture, card.shape, card.data))}

    return [gan_around, gan_meanings, gan_dose, gan_nearest, gan_upload]


def warm(engine: Engine) -> None:
    """What the first visitor of a mode would otherwise wait for."""
    desk = desk_of(engine)
    for card in engine.cards():
        if card.family == "gan":
            directions.components(desk, card.name)
            desk.verdicts(card.name)
            directions.pool_of(desk, card.name)
