"""The outermost layer: whatever goes wrong behind a gesture becomes one plain sentence over the picture."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from typing import Any

from playground.api import PlaygroundError

log = logging.getLogger("playground")
UNEXPECTED = (
    "Something went wrong here, and it was not your doing. Undo, or try another setting; the log has the details."
)


def explain(error: Exception) -> dict[str, Any]:
    """The answer to a request that failed. An unexpected error is logged with its traceback."""
    if isinstance(error, PlaygroundError):
        return {"error": str(error)}
    log.error("unexpected error behind the page", exc_info=error)
    return {"error": UNEXPECTED}


def guard(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Makes a server function answer `{"error": …}` where it would raise."""

    @functools.wraps(function)
    def answer(payload: Any = None) -> Any:
        try:
            return function(payload)
        except Exception as error:  # the only broad one: below it nothing is swallowed
            return explain(error)

    return answer
