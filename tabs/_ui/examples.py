"""Pictures that no network has learned from, which the page can offer without a data set.

In two files: 500 test digits, fifty of each class, and the held-out emoji. Faces are drawn, and three digits make a
stacked one. `python -m tabs._ui.examples` makes the files again from the test splits.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from playground.api import PlaygroundError

FOLDER = Path(__file__).resolve().parents[2] / "assets" / "examples"
FILE, EMOJI = FOLDER / "mnist-test.png", FOLDER / "emoji-test.png"
EACH, SIDE, COLUMNS = 50, 28, 25
EMOJI_SIDE, EMOJI_COLUMNS = 32, 24
COUNT = 10 * EACH
STRIDES = ((0, 1), (167, 7), (334, 11))  # where the digits of a stacked picture begin, and how far apart they lie


def examples(data: str, numbers: Sequence[int]) -> Tensor:
    """Pictures of a data set by number, float32 (N, C, H, W) in [0, 1]; where there are fewer, they come again."""
    if data == "mnist":
        return digits()[0][[number % COUNT for number in numbers]]
    if data == "stackedmnist":
        return torch.cat([examples("mnist", [start + stride * n for n in numbers]) for start, stride in STRIDES], 1)
    if data == "emoji":
        every = emoji()
        return every[[number % len(every) for number in numbers]]
    if data == "faces":
        from playground.data import faces

        images, _ = faces.dataset([faces.TEST_SEEDS[0] + number for number in numbers])
        return torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255
    raise PlaygroundError(f"There are no example pictures of {str(data)[:40]!r} here. Draw or upload one.")


@lru_cache(maxsize=1)  # a constant, read once
def digits() -> tuple[Tensor, tuple[int, ...]]:
    """Float32 (500, 1, 28, 28) in [0, 1] and the digit each one is; they stand in class order."""
    cells = _cells(FILE, SIDE, COLUMNS, "L")
    return cells, tuple(i // EACH for i in range(len(cells)))


@lru_cache(maxsize=1)  # a constant, read once
def emoji() -> Tensor:
    """Float32 (288, 3, 32, 32) in [0, 1]."""
    return _cells(EMOJI, EMOJI_SIDE, EMOJI_COLUMNS, "RGB")


def _cells(file: Path, side: int, columns: int, mode: str) -> Tensor:
    """The pictures of a sheet in reading order: float32 (N, C, side, side)."""
    with Image.open(file) as image:
        page = np.atleast_3d(np.asarray(image.convert(mode), np.float32) / 255)
    rows = page.shape[0] // side
    cells = page.reshape(rows, side, columns, side, -1).transpose(0, 2, 4, 1, 3)
    return torch.from_numpy(np.ascontiguousarray(cells.reshape(rows * columns, -1, side, side)))


def make() -> None:
    """Writes the files: the first fifty test digits of each class, and all held-out emoji (twelve full rows)."""
    from playground.data import emoji as drawings
    from playground.data import mnist

    images, labels = mnist.load("test")
    chosen = np.concatenate([np.flatnonzero(labels == digit)[:EACH] for digit in range(10)])
    _write(FILE, images[chosen], COLUMNS)
    _write(EMOJI, drawings.load("test")[0], EMOJI_COLUMNS)


def _write(file: Path, images: np.ndarray, columns: int) -> None:
    """A sheet of uint8 (N, H, W, C), N a multiple of the columns."""
    file.parent.mkdir(parents=True, exist_ok=True)
    n, h, w, c = images.shape
    page = images.reshape(n // columns, columns, h, w, c).transpose(0, 2, 1, 3, 4).reshape(-1, columns * w, c)
    Image.fromarray(page[..., 0] if c == 1 else page).save(file, optimize=True)


if __name__ == "__main__":
    make()
