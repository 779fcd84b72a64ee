"""A tab's state: a flat mapping of declared values, from which everything that can be restored is restored.

The same declaration makes the controls, checks every request, fills the address and the saved picture, and knows what
"reset" goes back to.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from playground.api import Field, PlaygroundError, check_settings

KINDS = {"works": "Works", "fails": "Fails, instructively", "surprises": "Surprises"}


@dataclass(frozen=True)
class Preset:
    """One starting point of a lesson.

    Args:
        kind: "works", "fails" or "surprises".
        title: two to four words on the button.
        sentence: what to look at, shown once the preset is taken.
        values: what differs from the defaults.
    """

    kind: str
    title: str
    sentence: str
    values: Mapping[str, Any]


@dataclass(frozen=True)
class State:
    """The declared values of one tab.

    Args:
        tab: the tab's short name, as in `?tab=vae`.
        fields: every value; names are the keys of the flat state.
        presets: three of them; the first one is what a newcomer sees.
    """

    tab: str
    fields: tuple[Field, ...]
    presets: tuple[Preset, ...] = ()

    def __post_init__(self) -> None:
        for preset in self.presets:
            self.check(preset.values)

    def field(self, name: str) -> Field:
        """The declaration of one value."""
        return next(f for f in self.fields if f.name == name)

    def defaults(self) -> dict[str, Any]:
        """Every value at rest."""
        return {f.name: f.default for f in self.fields}

    def first(self) -> dict[str, Any]:
        """What a newcomer sees: the defaults overlaid with the first preset."""
        return {**self.defaults(), **(self.presets[0].values if self.presets else {})}

    def check(self, given: Any) -> dict[str, Any]:
        """A full state from a request: missing values at their defaults, anything unusable a `PlaygroundError`."""
        if not isinstance(given, Mapping):
            raise PlaygroundError(f"A state is a mapping of names to values; {str(given)[:60]!r} was given.")
        return check_settings(self.fields, given)

    def restore(self, given: Any) -> dict[str, Any]:
        """A full state from an address or a saved file: what cannot be used becomes the default."""
        given = given if isinstance(given, Mapping) else {}
        return {f.name: f.restore(given.get(f.name, f.default)) for f in self.fields}

    def spec(self) -> dict[str, Any]:
        """The declaration as JSON, for the page."""
        return {
            "tab": self.tab,
            "fields": [declared(f) for f in self.fields],
            "presets": [dataclasses.asdict(p) | {"values": dict(p.values)} for p in self.presets],
            "first": self.first(),
        }


def declared(entry: Field) -> dict[str, Any]:
    """What the page has to know of one value, as JSON."""
    return {part.name: getattr(entry, part.name) for part in dataclasses.fields(Field)}


@dataclass(frozen=True)
class Shown:
    """What a tab answers to "draw this state".

    Attributes:
        picture: (N, C, H, W) in [0, 1]; the result that is saved and put on the history strip (N > 1: a sheet).
        sentence: what is shown, in plain words.
        data: JSON for the tab's own script (further pictures as data URIs, bars, points …).
        model: the checkpoint that made it.
        code: the same in Python, three to six lines.
        patch: values the server had to change (a model that does not fit the mode); the controls follow.
        disabled: control → why it has no effect now.
        columns: pictures in a row of the saved sheet.
        step, total: progress of a run; the last answer has step == total.
    """

    picture: Tensor
    sentence: str
    data: Mapping[str, Any] = field(default_factory=dict)
    model: str = ""
    code: str = ""
    patch: Mapping[str, Any] = field(default_factory=dict)
    disabled: Mapping[str, str] = field(default_factory=dict)
    columns: int | None = None
    step: int = 1
    total: int = 1
