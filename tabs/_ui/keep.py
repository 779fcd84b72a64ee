"""What follows from checkpoints alone and takes a noticeable time is worked out once per engine and kept."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from playground.engine import Engine


class Keeper:
    """The desk of a tab: one engine, and what was worked out with it."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._kept: dict[tuple, Any] = {}
        self._making: dict[tuple, threading.Lock] = {}

    def keep(self, key: tuple, make: Callable[[], Any]) -> Any:
        """The value for `key`, made at the first asking; whoever asks meanwhile waits for it alone."""
        with self._making.setdefault(key, threading.Lock()):
            if key not in self._kept:
                self._kept[key] = make()
            return self._kept[key]
