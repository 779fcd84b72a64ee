"""What the energy page needs beside the networks: who can do what, pictures to begin with, and what is kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn

from playground import render
from playground.api import PlaygroundError
from playground.engine import Engine
from tabs import _ui as ui
from tabs._ui.examples import digits

FAMILY = "energy"
Values = Mapping[str, Any]


@lru_cache(maxsize=8)
def desk_of(engine: Engine) -> Desk:
    """The one desk of an engine."""
    return Desk(engine)


class Desk(ui.Keeper):
    """The energy-based models of one engine. What is kept follows from checkpoints alone and belongs to nobody."""

    # ------------------------------------------------------------------ networks

    def model(self, name: str) -> nn.Module:
        """The network of a checkpoint."""
        return self.engine.model(name)

    def names(self, *abilities: str, data: str = "mnist", also: Sequence[str] = ()) -> list[str]:
        """The family's checkpoints of one data set that have every one of the named methods."""
        names = [card.name for card in self.engine.cards(data=data, also=also) if card.family == FAMILY]
        return [n for n in names if all(hasattr(self._opened(n), ability) for ability in abilities)]

    def _opened(self, name: str) -> nn.Module | None:
        """The network, or None where its folder is damaged: who asks for it by name is told so, others go on."""
        try:
            return self.model(name)
        except PlaygroundError:
            return None

    def first(self, *abilities: str, data: str = "mnist", recipe: str) -> str:
        """The first checkpoint that can do it, or how to get one."""
        names = self.names(*abilities, data=data)
        if not names:
            raise PlaygroundError(
                f"The network for this is not here yet. Train it with: python -m playground train {recipe}."
            )
        return names[0]

    # ------------------------------------------------------------------ pictures

    def picture(self, values: Values) -> Tensor:
        """(1, 1, 28, 28): the visitor's own, or a digit no network has trained on."""
        if values["source"] == "test":
            return digits()[0][[values["test"]]]
        if not values["drawing"]:
            raise PlaygroundError("There is no picture of yours yet. Draw or upload one, or take a test picture.")
        return ui.read_picture(values["drawing"], (1, 28, 28), "mnist")

    def binary(self, name: str) -> bool:
        """Whether a network knows only black and white pixels."""
        return getattr(self.model(name), "pixels", "") == "bernoulli"


def film(lanes: Mapping[str, Tensor], quality: int = 88) -> dict[str, Any]:
    """A sprite for `pg.filmstrip`, twice as large: JPEG works in blocks of 8 pixels, which 28 do not fill."""
    return render.sprite({name: double(frames) for name, frames in lanes.items()}, quality=quality)


def double(pictures: Tensor) -> Tensor:
    """(T, C, H, W) → (T, C, 2H, 2W), every pixel four times."""
    return pictures.float().cpu().repeat_interleave(2, -1).repeat_interleave(2, -2)


def tile(pictures: Tensor, columns: int, gap: float | None = None) -> Tensor:
    """(N, 1, H, W) → one picture (1, 1, rows·H, columns·W) in reading order; `gap`: grey of a line between them."""
    if gap is not None:
        pictures = torch.nn.functional.pad(pictures.cpu(), (0, 1, 0, 1), value=gap)
    n, _, h, w = pictures.shape
    rows = -(-n // columns)
    page = torch.zeros(rows * columns, h, w)
    page[:n] = pictures[:, 0].cpu()
    return page.reshape(rows, columns, h, w).permute(0, 2, 1, 3).reshape(1, 1, rows * h, columns * w)


def spread(items: Sequence[Any], count: int) -> list[int]:
    """At most `count` indices from the first item to the last, evenly apart."""
    if len(items) <= count:
        return list(range(len(items)))
    return [round(i * (len(items) - 1) / (count - 1)) for i in range(count)]


def checked(request: Any, state: ui.State) -> dict[str, Any]:
    """The state in a request of the page, every value checked."""
    if not isinstance(request, Mapping) or "state" not in request:
        raise PlaygroundError("The request lacks its state. Reload the page and try again.")
    return state.check(request["state"])
