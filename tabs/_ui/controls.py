"""Declared values → Gradio components. The page's script is told of every change; no server request is made here."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import gradio as gr
from gradio.components import Component

from playground.api import MAX_SEED, Field, PlaygroundError

if TYPE_CHECKING:
    from playground.engine import Engine


@dataclass(frozen=True)
class ModelField(Field):
    """A choice among checkpoints. A visitor's own model is in no list, but opens by its name.

    Args:
        opens: whether a name is that of a visitor's model which suits the tab.
    """

    opens: Callable[[Any], bool] = field(default=lambda name: False, compare=False)

    def check(self, value: Any) -> Any:
        """The name if it is listed or opens; else a `PlaygroundError`."""
        return value if self.opens(value) else super().check(value)


def seed_field(default: int = 7) -> Field:
    """The seed every tab has."""
    return Field("seed", "int", default, 0, MAX_SEED, 1, label="Seed")


def model_field(engine: Engine, family: str | None = None, data: str | None = None, default: str = "") -> ModelField:
    """A choice among checkpoints, read from their cards (no network is loaded for it)."""
    names = tuple(c.name for c in engine.cards(data=data) if family in (None, c.family))
    if not names:
        raise PlaygroundError(f"No {family or ''} model is here. Train one: python -m playground train.")

    first = default if default in names else names[0]
    return ModelField("model", "choice", first, choices=names, label="Model", opens=suits(engine, family, data))


def suits(engine: Engine, family: str | None = None, data: str | None = None) -> Callable[[Any], bool]:
    """A test for names: is it that of a visitor's model of this family and data set?"""

    def opens(name: Any) -> bool:
        card = engine.own_card(name)
        return card is not None and family in (None, card.family) and data in (None, card.data)

    return opens


def component(field: Field, tab: str, titles: dict[str, str], value: Any, classes: str = "") -> Component:
    """The Gradio component of one declared value; its id is `{tab}-{name}`.

    Args:
        titles: what is shown for a choice where it differs from the choice itself (a card's title for its name).
        value: what it shows first.
        classes: CSS classes; "pg-segment" turns a choice into a row of buttons.
    """
    common = {"label": field.label or field.name, "info": field.info or None, "elem_id": f"{tab}-{field.name}"}
    common |= {"interactive": True, "value": value, "elem_classes": f"pg-control {classes}"}
    if field.kind == "bool":
        return gr.Checkbox(**common)
    if field.kind == "choice":
        choices = named(field, titles)
        few = field.name != "model" and len(choices) <= 3 and sum(len(title) for title, _ in choices) <= 36
        if few or "pg-segment" in classes:
            return gr.Radio(choices, **common)
        return gr.Dropdown(choices, filterable=False, **common)
    if field.kind == "text":
        return gr.Textbox(max_length=field.length, lines=1, **common)
    if field.name == "seed" or field.step is None:
        return gr.Number(precision=0 if field.kind == "int" else None, **common)
    return gr.Slider(field.low, field.high, step=field.step, buttons=[], **common)


def named(field: Field, titles: dict[str, str]) -> list[tuple[str, str]]:
    """(what is shown, the choice itself) of each choice."""
    return [(titles.get(c, c[:1].upper() + c[1:]), c) for c in field.choices]


def report(field: Field, part: Component, tab: str) -> None:
    """Tells the page's script of each input, in the browser."""
    key = json.dumps(field.name)
    # A Textbox tells of input before it has the value.
    event = part.change if field.kind == "text" else part.input
    event(None, [part], None, js=f"v => {{ pg.tab({json.dumps(tab)}).input({key}, v) }}", queue=False)
