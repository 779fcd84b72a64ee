"""What the comparison page needs beside the models: real pictures, finished answers, and sheets with names on them."""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from playground.api import ModelCard, Repairer, Sampler
from playground.comparison import Comparison, as_tensor
from playground.engine import Engine
from tabs import _ui as ui
from tabs._ui.examples import examples
from tabs.compare.state import REALS

KEPT = 24  # finished answers of all visitors: a class asks the same thing thirty times
PASSING = ("go", "frame")  # values that do not change the answer
MOST_OWN = 40  # names that are looked through for a visitor's own models
FITTING = 6  # columns that stand beside each other without scrolling
TILE = 112  # pixels of a picture's side on a saved sheet, at least
PAPER = 0.6  # grey of a cell that is still empty; neither light nor dark pages make it glare

Values = dict[str, Any]


class Desk:
    """One engine, and what was lately found out with it."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._finished: OrderedDict[str, ui.Shown] = OrderedDict()
        self._lock = threading.Lock()

    def comparison(self, values: Values) -> Comparison:
        """The models of the chosen data set, at the chosen number of steps."""
        own = values["switched"].split(",")[:MOST_OWN]
        return Comparison(self.engine, values["data"], values["steps"], own=[n for n in own if self.engine.own_card(n)])

    def able(self, values: Values) -> list[ModelCard]:
        """Cards of all who could answer the present question: only repair needs no samples."""
        mending = (Sampler, Repairer) if values["mode"] == "repair" else (Sampler,)
        return self.comparison(values).contestants(*mending)

    def off(self, values: Values) -> set[str]:
        """Names of the columns left out: at first all but the best of each family if not all fit; then as switched.

        A visitor's own model takes part because it is named among the switched, so it counts as left out at first.
        """
        there, comparison = self.able(values), self.comparison(values)
        own = set(comparison.own)
        few = len(there) - len(own) <= FITTING
        first = set() if few else {card.name for card in there} - set(comparison.champions())
        return (first | own) ^ set(values["switched"].split(","))

    def chosen(self, values: Values) -> list[ModelCard]:
        """Cards of the columns that are switched on."""
        off = self.off(values)
        cards = [card for card in self.able(values) if card.name not in off]
        if not cards:
            raise ui.PlaygroundError("Every column is switched off. Switch at least one model on, above the pictures.")
        return cards

    def finished(self, values: Values) -> ui.Shown | None:
        """The answer to this very state, if somebody has had it."""
        with self._lock:
            shown = self._finished.get(key(values))
            if shown is not None:
                self._finished.move_to_end(key(values))
            return shown

    def finish(self, values: Values, shown: ui.Shown) -> None:
        """Keeps an answer; the one that was not asked for the longest goes."""
        with self._lock:
            self._finished[key(values)] = shown
            while len(self._finished) > KEPT:
                self._finished.popitem(last=False)

    def real(self, data: str, number: int) -> Tensor:
        """A real picture, float32 (1, C, H, W), that no model was trained on where such pictures are at hand."""
        if data in ("mnist", "faces", "emoji", "stackedmnist"):
            return examples(data, [number])
        index = Comparison(self.engine, data).index()  # a later data set: a training picture from its index
        return as_tensor(index.picture(number * len(index) // REALS))[None]


def key(values: Values) -> str:
    """What an answer depends on."""
    return json.dumps({name: value for name, value in values.items() if name not in PASSING}, sort_keys=True)


def grid(columns: Sequence[Tensor | None], rows: int, shape: Sequence[int]) -> Tensor:
    """(rows · columns, C, H, W) in reading order: column by column given, empty cells grey."""
    page = torch.full((rows, len(columns), *shape), PAPER)
    for k, images in enumerate(columns):
        if images is not None:
            page[: len(images), k] = images[:rows]
    return page.flatten(0, 1)


def labelled(picture: Tensor, columns: int, titles: Sequence[str], down: bool) -> tuple[Tensor, int]:
    """The sheet with names on it, for whoever keeps it: (N', 3, H', W') and its number of columns.

    Args:
        titles: of the columns, or of the rows if `down`.
    """
    factor = max(1, -(-TILE // picture.shape[-1]))
    tiles = picture.expand(-1, 3, -1, -1).repeat_interleave(factor, 2).repeat_interleave(factor, 3)
    names = torch.stack([written(title, tiles.shape[-1], tiles.shape[-2]) for title in titles])
    if not down:
        return torch.cat([names, tiles]), columns
    rows = zip(names[:, None], tiles.split(columns))
    return torch.cat([part for row in rows for part in row]), columns + 1


def written(text: str, width: int, height: int) -> Tensor:
    """The words on a white tile, float32 (3, height, width)."""
    page = Image.new("RGB", (width, height), "white")
    pen, font = ImageDraw.Draw(page), ImageFont.load_default(15)
    lines, line = [], ""
    for word in text.split():
        longer = f"{line} {word}".strip()
        if line and pen.textlength(longer, font) > width - 10:
            lines, longer = [*lines, line], word
        line = longer
    pen.multiline_text((width / 2, height / 2), "\n".join([*lines, line]), "black", font, anchor="mm", align="center")
    return as_tensor(np.array(page))
