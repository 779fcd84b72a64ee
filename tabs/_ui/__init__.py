"""What every tab shares: a declared state, the shell around a stage, the error guard, picture input.

A tab declares its `State`, writes a function `draw(values) -> Shown`, and puts both into a `Shell`. Presets, reset,
undo, the saved picture, the address and "copy as Python" follow from the declaration.
"""

from playground.api import PlaygroundError
from tabs._ui.clock import Clock
from tabs._ui.controls import ModelField, model_field, seed_field, suits
from tabs._ui.guard import guard
from tabs._ui.keep import Keeper
from tabs._ui.markup import markup
from tabs._ui.picture import read_picture
from tabs._ui.plot import plot
from tabs._ui.shell import Shell
from tabs._ui.state import Preset, Shown, State
from tabs._ui.wishes import askable, in_python, spoken, wish_fields, wish_group, wishes

__all__ = [
    "Clock",
    "Keeper",
    "ModelField",
    "PlaygroundError",
    "Preset",
    "Shell",
    "Shown",
    "State",
    "askable",
    "guard",
    "in_python",
    "markup",
    "model_field",
    "plot",
    "read_picture",
    "seed_field",
    "spoken",
    "suits",
    "wish_fields",
    "wish_group",
    "wishes",
]
