"""Checkpoint folders as `PyTorchModelHubMixin.save_pretrained` writes them, for families of several networks too.

The mixin's own `from_pretrained` does the same but prints on standard output, where the command line prints tables.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

from safetensors.torch import load_file
from torch import nn

from playground.api import PlaygroundError

M = TypeVar("M", bound=nn.Module)
KEY = "architecture"  # of config.json: which of a family's networks this is


def save(model: nn.Module, folder: Path) -> None:
    """Writes config.json (the constructor's arguments and the name of the class) and model.safetensors."""
    model.save_pretrained(str(folder), config={KEY: type(model).__name__, **model._hub_mixin_config})


def architecture(folder: Path, kinds: Sequence[type[nn.Module]]) -> type[nn.Module]:
    """The class that a folder's config names; an unknown one is a `PlaygroundError`."""
    known = {kind.__name__: kind for kind in kinds}
    name = read_config(folder).get(KEY)
    if name not in known:
        raise PlaygroundError(
            f"{folder.name} holds a network called {str(name)[:40]!r}. Known: {', '.join(known)}. "
            "Fetch the folder again."
        )
    return known[name]


def from_folder(kind: type[M], folder: Path) -> M:
    """`kind(**config.json)` with the weights of `model.safetensors`; every tensor must be there and fit."""
    model = kind(**{key: value for key, value in read_config(folder).items() if key != KEY})
    model.load_state_dict(load_file(folder / "model.safetensors"), strict=True)
    return model


def read_config(folder: Path) -> dict[str, Any]:
    """The folder's config.json."""
    return json.loads((folder / "config.json").read_text(encoding="utf-8"))
