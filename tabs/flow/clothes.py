"""Pictures no digit model has seen: 24 photographs of shirts, 28 × 28 and grey, in one small file.

From the test split of "clothing-dataset-small" by Alexey Grigorev and contributors, CC0 (public domain).
`PLAYGROUND_DATA=… python -m tabs.flow.clothes` makes the file again.
"""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

FILE = Path(__file__).resolve().parents[2] / "assets" / "examples" / "clothing-28.png"
KINDS, EACH, SIDE, COLUMNS = ("t-shirt", "shirt", "longsleeve"), 8, 28, 12


@lru_cache(maxsize=1)  # a constant, read once
def shirts() -> Tensor:
    """Float32 (24, 1, 28, 28) in [0, 1], as photographed: mostly dark cloth on a light ground."""
    with Image.open(FILE) as image:
        page = np.asarray(image.convert("L"), np.float32) / 255
    cells = page.reshape(-1, SIDE, COLUMNS, SIDE).transpose(0, 2, 1, 3).reshape(-1, 1, SIDE, SIDE)
    return torch.from_numpy(np.ascontiguousarray(cells))


def make() -> None:
    """Writes the file from the first pictures of each kind."""
    root = Path(os.environ["PLAYGROUND_DATA"]) / "clothing-128" / "test"
    files = [path for kind in KINDS for path in sorted((root / kind).glob("*.jpg"))[:EACH]]
    page = Image.new("L", (COLUMNS * SIDE, len(files) // COLUMNS * SIDE))
    for i, path in enumerate(files):
        with Image.open(path) as photo:
            small = photo.convert("L").resize((SIDE, SIDE), Image.Resampling.LANCZOS)
        page.paste(small, (i % COLUMNS * SIDE, i // COLUMNS * SIDE))
    page.save(FILE, optimize=True)


if __name__ == "__main__":
    make()
