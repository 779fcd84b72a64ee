"""Attributes a model can be asked for: one picker each, folded away, and what the pickers say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from playground.api import ANY, Askable, Field
from playground.comparison import offers
from playground.engine import Engine
from playground.models.attributes import of_faces

if TYPE_CHECKING:
    from tabs._ui.shell import Shell

PREFIX = "ask_"  # of the pickers' names: a tab may have an attribute's own name for something else


def wish_fields() -> tuple[Field, ...]:
    """A picker per attribute of the drawn faces, the only data whose pictures have any."""
    return tuple(replace(field, name=PREFIX + field.name, info="") for field in of_faces().fields)


def askable(engine: Engine, family: str) -> list[str]:
    """Models of the family that can be asked for attributes."""
    return [c.name for c in engine.cards() if c.family == family and offers(engine, c, Askable)]


def wish_group(shell: Shell, names: list[str], also: Mapping[str, list[str]] | None = None) -> None:
    """The pickers, there only for the models that understand them.

    Args:
        also: further conditions, as in `Shell.group`.
    """
    with shell.group("Ask for", when={"model": names, **(also or {})}, folded=True):
        for field in wish_fields():
            shell.control(field.name)


def wishes(engine: Engine, name: str, values: Mapping[str, Any]) -> dict[str, str]:
    """Attribute → value for what is asked of this model: the controls of its own that are not at rest."""
    if not offers(engine, engine.card(name), Askable):
        return {}
    chosen = {k.removeprefix(PREFIX): v for k, v in values.items() if k.startswith(PREFIX)}
    return {attribute: value for attribute, value in chosen.items() if value != ANY}


def spoken(wanted: Mapping[str, str]) -> str:
    """ " with hat crown, hair curly", or nothing."""
    return " with " + ", ".join(f"{k.replace('_', ' ')} {v}" for k, v in wanted.items()) if wanted else ""


def in_python(wanted: Mapping[str, str]) -> str:
    """ ", hair='curly'" for a call of `Engine.run`."""
    return "".join(f", {attribute}={value!r}" for attribute, value in wanted.items())
