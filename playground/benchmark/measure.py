"""How a measurement is taken: both sides in turn, both warm, the median told."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import torch

from playground.engine import Engine


class Skipped(Exception):
    """A measurement that cannot be taken here; the message says what it lacks."""


@dataclass(frozen=True)
class Result:
    """One comparison. `usual` is None where there is nothing to compare with.

    Attributes:
        what: the task; unit: of both numbers; note: what the ratio is made of, and whether the results are equal.
    """

    what: str
    ours: float
    usual: float | None
    unit: str
    note: str

    def row(self) -> str:
        """A row of a Markdown table."""
        usual = "–" if self.usual is None else f"{self.usual:,.4g} {self.unit}"
        ratio = "–" if self.usual is None else f"{self.usual / self.ours:.2f}×"
        return f"| {self.what} | {self.ours:,.4g} {self.unit} | {usual} | {ratio} | {self.note} |"


Measurements = dict[str, Callable[[Engine, int], Iterator[Result]]]


def timed(task: Callable[[], Any], device: torch.device) -> tuple[float, Any]:
    """Milliseconds a task takes, the device waited for, and what it returns."""
    began = time.perf_counter()
    result = task()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return (time.perf_counter() - began) * 1000, result


def side_by_side(tasks: Sequence[Callable[[], Any]], device: torch.device, repeats: int) -> list[tuple[float, Any]]:
    """Median milliseconds and last result of each task, taken in turn after one round to warm up."""
    for task in tasks:
        task()
    rounds = [[timed(task, device) for task in tasks] for _ in range(repeats)]
    return [(median(ms for ms, _ in column), column[-1][1]) for column in zip(*rounds)]
