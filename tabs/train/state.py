"""What the train tab can be set to: the values all modes share, followed by those of each mode."""

from __future__ import annotations

from playground.api import Field
from playground.engine import Engine
from tabs import _ui as ui
from tabs.train import modes

TITLES = {"sprayed": "My own, sprayed by hand"}


def declare(engine: Engine) -> ui.State:
    """The state. Names of values are unique across modes; a mode's starting points carry its own `mode`."""
    names = tuple(modes.NAMES)
    fields = [Field("mode", "choice", names[0], choices=names, label="Mode"), ui.seed_field(0)]
    for module in modes.MODES:
        fields += module.FIELDS(engine)
    presets = tuple(preset for module in modes.MODES for preset in module.PRESETS)
    return ui.State("train", tuple(fields), presets)
