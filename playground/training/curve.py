"""The losses of a run, thinned as they come, so that a run of any length keeps at most `POINTS` of them.

A point is the mean over a span of pictures. When there are too many, neighbours are joined in pairs and the spans
double. What is kept depends on the losses alone, not on when somebody looked or saved, so a resumed run has the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

POINTS = 500


class Curve:
    """Means of every loss over equal spans of updates.

    Args:
        stored: what `state()` returned, to go on from.

    Attributes:
        span: updates that go into one point.
    """

    def __init__(self, stored: Mapping[str, Any] | None = None) -> None:
        stored = stored or {"span": 1, "spans": []}
        self.span: int = stored["span"]
        # one span: [updates in it, pictures seen at its end, name → [sum, count]]; a loss need not come every time
        self._spans: list[list[Any]] = [[n, seen, _copy(sums)] for n, seen, sums in stored["spans"]]

    def add(self, seen: int, losses: Mapping[str, float]) -> None:
        """Takes the losses of one update, after which `seen` pictures were seen."""
        if not self._spans or self._spans[-1][0] >= self.span:
            if len(self._spans) >= POINTS:
                self._halve()
            self._spans.append([0, seen, {}])
        last = self._spans[-1]
        last[0], last[1] = last[0] + 1, seen
        for name, value in losses.items():
            total = last[2].setdefault(name, [0.0, 0])
            total[0], total[1] = total[0] + value, total[1] + 1

    def points(self) -> dict[str, list[tuple[int, float]]]:
        """Name of a loss → [(pictures seen, mean loss)…], oldest first, at most `POINTS` of them."""
        lines: dict[str, list[tuple[int, float]]] = {}
        for _, seen, sums in self._spans:
            for name, (total, count) in sums.items():
                lines.setdefault(name, []).append((seen, total / count))
        return lines

    def state(self) -> dict[str, Any]:
        """Plain lists and numbers, for the state file."""
        return {"span": self.span, "spans": [[n, seen, _copy(sums)] for n, seen, sums in self._spans]}

    def _halve(self) -> None:
        pairs = zip(self._spans[::2], self._spans[1::2])
        self._spans = [[a[0] + b[0], b[1], _joined(a[2], b[2])] for a, b in pairs]
        self.span *= 2


def _copy(sums: Mapping[str, list[Any]]) -> dict[str, list[Any]]:
    return {name: list(total) for name, total in sums.items()}


def _joined(a: Mapping[str, list[Any]], b: Mapping[str, list[Any]]) -> dict[str, list[Any]]:
    both = _copy(a)
    for name, (total, count) in b.items():
        known = both.setdefault(name, [0.0, 0])
        known[0], known[1] = known[0] + total, known[1] + count
    return both
