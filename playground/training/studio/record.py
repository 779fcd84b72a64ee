"""What a training leaves to look at: a film of the same sixteen seeds, and a few lines of numbers.

Everything is on disk in the job's folder and bounded: a film has at most `FRAMES` pictures, however long the training,
and a line at most as many points.

    film/0000120.png     the samples after 120 updates, a sheet of four by four
    record.json          name of a line → [[update, value or values …] …]
"""

from __future__ import annotations

import io
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor

from playground import render

FRAMES = 100  # pictures of a film, and one more for the end
SAMPLES, ACROSS = 16, 4  # samples of a picture, in a row of it
EARLY = 1.7  # the exponent that lets pictures follow each other faster in the beginning, when most happens


def due(updates: int, frames: int = FRAMES) -> list[int]:
    """After which updates of a training of `updates` a picture is taken: 0 first, `updates` last."""
    return sorted({round(updates * (i / frames) ** EARLY) for i in range(frames + 1)})


class Record:
    """The record in a folder; whatever was there before is read.

    Attributes:
        lines: name → points, oldest first; a point is [update, value …]. facts: name → anything JSON-able.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lines: dict[str, list[list[Any]]] = {}
        self.facts: dict[str, Any] = {}
        try:
            kept = json.loads((folder / "record.json").read_text(encoding="utf-8"))
            self.lines, self.facts = dict(kept["lines"]), dict(kept["facts"])
        except (OSError, ValueError, KeyError, TypeError):
            pass  # a record is only to look at: without one, or with a damaged one, it begins anew

    def add(self, name: str, update: int, *values: Any) -> None:
        """One more point of a line; a second one of the same update takes the place of the first."""
        line = self.lines.setdefault(name, [])
        if line and line[-1][0] == update:
            line.pop()
        line.append([update, *values])

    def picture(self, update: int, images: Tensor) -> None:
        """One more picture of the film: images (16, C, H, W) in [0, 1].

        Raises:
            OSError: it cannot be written.
        """
        (self.folder / "film").mkdir(parents=True, exist_ok=True)
        page = render.sheet(images.nan_to_num(0.5), ACROSS, gap=0)
        out = io.BytesIO()
        Image.fromarray(page).save(out, "PNG")
        write(self.folder / "film" / f"{update:07d}.png", out.getvalue())

    def save(self) -> None:
        """Writes the numbers.

        Raises:
            OSError: they cannot be written; what was there is still there.
        """
        text = json.dumps({"lines": self.lines, "facts": self.facts}, allow_nan=False, default=float)
        write(self.folder / "record.json", text.encode("utf-8"))

    def cut(self, update: int) -> None:
        """Forgets what lies after an update: a resumed training takes that way again."""
        self.lines = {name: [p for p in points if p[0] <= update] for name, points in self.lines.items()}
        self.facts.pop("neighbours", None)
        for number, path in self.pictures():
            if number > update:
                path.unlink(missing_ok=True)

    def pictures(self, since: int = -1) -> list[tuple[int, Path]]:
        """(update, file) of every picture after `since`, oldest first."""
        found = sorted((self.folder / "film").glob("[0-9]*.png"))
        return [(int(path.stem), path) for path in found if int(path.stem) > since]

    def film(self) -> list[np.ndarray]:
        """All pictures, uint8 (H, W, 3) each."""
        return [read(path) for _, path in self.pictures()]


def read(path: Path) -> np.ndarray:
    """A picture of the film, uint8 (H, W, 3)."""
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def write(path: Path, content: bytes) -> None:
    """Whole or not at all.

    Raises:
        OSError: it cannot be written.
    """
    part = path.with_suffix(".part")
    try:
        part.write_bytes(content)
        os.replace(part, path)
    except OSError:
        part.unlink(missing_ok=True)
        raise
