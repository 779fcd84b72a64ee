"""The laboratory: updates a second of every learner, alone and with everything a page shows of it."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median

from playground.benchmark.measure import Measurements, Result, timed
from playground.engine import Engine
from playground.training.lab import LEARNERS, Session

TARGET = "eight gaussians"
UPDATES = 10  # per moment


def laboratory(engine: Engine, repeats: int) -> Iterator[Result]:
    """Ten updates and a moment (samples, field, arrows, distances, weights kept), beside the plain loop of ten updates.

    The laboratory runs on the CPU whatever the engine's device: its networks are too small for anything else.
    """
    for name, family in LEARNERS.items():
        session = Session(name, TARGET)
        bare, whole, said = [], [], []
        for _ in range(repeats + 1):
            bare.append(timed(lambda: session.train(UPDATES), engine.device)[0])  # noqa: B023 (called at once)
            ms, moment = timed(lambda: session.advance(UPDATES), engine.device)  # noqa: B023
            whole.append(ms)
            said.append(timed(moment.to_json, engine.device)[0])
        alone, shown, json = (median(column[1:]) for column in (bare, whole, said))
        note = (
            f"{UPDATES * 1000 / shown:,.0f} updates and {1000 / shown:,.1f} moments a second; "
            f"{UPDATES * 1000 / alone:,.0f} updates a second with nothing shown; to_json {json:.1f} ms"
        )
        yield Result(f"laboratory: {UPDATES} updates of {family.title} and its moment", shown, alone, "ms", note)


MEASUREMENTS: Measurements = {"laboratory": laboratory}
