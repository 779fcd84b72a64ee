"""Where the benches of the laboratory's visitors stand: those not used for longest are cleared away first."""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, TypeVar

from playground.api import PlaygroundError
from tabs.train.lab_bench import Bench, Turn
from tabs.train.lab_plan import Plan

MOST_BENCHES = 24
MOST_LANES = 40  # of all benches together: a lane's past may weigh 25 MB
PATIENCE = 60.0  # seconds to wait for somebody else's run to be repeated
TICKET = re.compile(r"[0-9a-f]{32}")

T = TypeVar("T")


class Shelf:
    """Benches by ticket. A ticket is made by the page, cannot be guessed, and whoever has it has the bench."""

    def __init__(self) -> None:
        self._lock, self._repeating = threading.Lock(), threading.Lock()
        self._benches: OrderedDict[str, Bench] = OrderedDict()

    def get(self, ticket: Any) -> Bench | None:
        """The bench of a ticket, if it still stands there.

        Raises:
            PlaygroundError: that is no ticket.
        """
        ticket = _checked(ticket)
        with self._lock:
            if ticket in self._benches:
                self._benches.move_to_end(ticket)
            return self._benches.get(ticket)

    def put(self, ticket: Any, bench: Bench) -> None:
        """Sets a bench up, and clears away old ones if there are too many."""
        ticket = _checked(ticket)
        with self._lock:
            self._benches[ticket] = bench
            self._benches.move_to_end(ticket)
            while len(self._benches) > 1 and (
                len(self._benches) > MOST_BENCHES or sum(len(b.lanes) for b in self._benches.values()) > MOST_LANES
            ):
                self._benches.popitem(last=False)

    def clear(self) -> None:
        """Clears all benches away; whoever comes back gets a new one and learns the same again."""
        with self._lock:
            self._benches.clear()

    def view(self, plan: Plan, turn: Turn, look: Callable[[Bench], T]) -> T:
        """Looks at a bench that has done just this; where none has, the run is repeated, one at a time."""
        with self._lock:
            benches = list(reversed(self._benches.values()))
        for bench in benches:
            if bench.lock.acquire(blocking=False):
                try:
                    if bench.plan() == plan:
                        return look(bench)
                finally:
                    bench.lock.release()
        if not self._repeating.acquire(timeout=PATIENCE):
            raise PlaygroundError("Other runs are being repeated just now. Wait a little and try again.")
        try:
            bench = Bench(plan, turn)
            while not bench.reach(plan, turn, 1.0):
                pass
            return look(bench)
        finally:
            self._repeating.release()


def _checked(ticket: Any) -> str:
    if not isinstance(ticket, str) or not TICKET.fullmatch(ticket):
        raise PlaygroundError("The laboratory does not know this page. Reload it; the link brings everything back.")
    return ticket
