"""How often a run shows what it has."""

from __future__ import annotations

import time


class Clock:
    """Says when the next picture of a run is due: the first at once, then `rate` a second at most."""

    def __init__(self, rate: float = 15.0) -> None:
        self._pause, self._next = 1 / rate, 0.0

    def due(self) -> bool:
        """Whether enough time has passed since the last picture."""
        now = time.monotonic()
        if now < self._next:
            return False
        self._next = now + self._pause
        return True
