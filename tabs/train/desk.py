"""What the train page keeps behind it: one object per engine."""

from __future__ import annotations

from functools import lru_cache

from playground.engine import Engine
from tabs import _ui as ui
from tabs.train.lab_shelf import Shelf


@lru_cache(maxsize=8)
def desk_of(engine: Engine) -> Desk:
    """The one desk of an engine."""
    return Desk(engine)


class Desk(ui.Keeper):
    """What is kept for the modes.

    Attributes:
        shelf: the laboratory's benches, one per visitor.
    """

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self.shelf = Shelf()
