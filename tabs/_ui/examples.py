"""Pictures the page can offer without a data set: 500 test digits in one file, fifty of each class.

`python -m tabs._ui.examples` makes the file again from MNIST's test split.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

FILE = Path(__file__).resolve().parents[2] / "assets" / "examples" / "mnist-test.png"
EACH, SIDE, COLUMNS = 50, 28, 25
COUNT = 10 * EACH


@lru_cache(maxsize=1)  # a constant, read once
def digits() -> tuple[Tensor, tuple[int, ...]]:
    """Float32 (500, 1, 28, 28) in [0, 1] and the digit each one is; they stand in class order."""
    with Image.open(FILE) as image:
        page = np.asarray(image.convert("L"), np.float32) / 255
    rows = page.shape[0] // SIDE
    cells = page.reshape(rows, SIDE, COLUMNS, SIDE).transpose(0, 2, 1, 3).reshape(-1, 1, SIDE, SIDE)
    return torch.from_numpy(np.ascontiguousarray(cells)), tuple(i // EACH for i in range(len(cells)))


def make() -> None:
    """Writes the file from the first fifty test digits of each class."""
    from playground.data import mnist

    images, labels = mnist.load("test")
    chosen = np.concatenate([np.flatnonzero(labels == digit)[:EACH] for digit in range(10)])
    cells = images[chosen, :, :, 0].reshape(COUNT // COLUMNS, COLUMNS, SIDE, SIDE)
    FILE.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(cells.transpose(0, 2, 1, 3).reshape(-1, COLUMNS * SIDE)).save(FILE, optimize=True)


if __name__ == "__main__":
    make()
