"""Opening a folder that `PyTorchModelHubMixin.save_pretrained` wrote.

The mixin's own `from_pretrained` does the same but prints on standard output, where the command line prints tables.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TypeVar

from safetensors.torch import load_file
from torch import nn

M = TypeVar("M", bound=nn.Module)


def from_folder(kind: type[M], folder: Path) -> M:
    """`kind(**config.json)` with the weights of `model.safetensors`; every tensor must be there and fit."""
    model = kind(**json.loads((folder / "config.json").read_text(encoding="utf-8")))
    model.load_state_dict(load_file(folder / "model.safetensors"), strict=True)
    return model
