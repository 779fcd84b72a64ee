"""What follows from checkpoints alone and takes a noticeable time is worked out once per engine and kept.

The shipped checkpoints need a few dozen entries; a limit is there because visitors bring models of their own.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from playground.engine import Engine

ENTRIES = 256


class Keeper:
    """The desk of a tab: one engine, and what was worked out with it."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._kept: OrderedDict[tuple, Any] = OrderedDict()
        self._making: dict[tuple, threading.Lock] = {}
        self._order = threading.Lock()

    def keep(self, key: tuple, make: Callable[[], Any]) -> Any:
        """The value for `key`, made at the first asking; whoever asks meanwhile waits for it alone."""
        with self._making.setdefault(key, threading.Lock()):
            value = self._kept[key] if key in self._kept else make()
        with self._order:
            self._kept[key] = value
            self._kept.move_to_end(key)
            while len(self._kept) > ENTRIES:
                oldest, _ = self._kept.popitem(last=False)
                self._making.pop(oldest, None)
        return value
