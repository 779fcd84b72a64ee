"""How fast the playground is, beside the usual way of doing the same, in one run.

Each measurement does both sides in turn, both warm, checks that they give the same result where there is one, and
reports the median. Absolute numbers belong to the machine they were taken on; the ratios travel better.

Every module of this package that has `MEASUREMENTS` takes part: a family adds its rows with a file of its own.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Sequence

import torch

from playground.api import PlaygroundError
from playground.benchmark.measure import Measurements, Result, Skipped
from playground.engine import Engine


def measurements() -> Measurements:
    """Every measurement of every module, by name."""
    names = sorted(m.name for m in pkgutil.iter_modules(__path__))
    modules = [importlib.import_module(f"{__name__}.{name}") for name in names]
    return {name: task for module in modules for name, task in getattr(module, "MEASUREMENTS", {}).items()}


def run(engine: Engine, only: Sequence[str] | None = None, repeats: int = 5) -> list[Result]:
    """Takes the measurements named in `only` (all if None) and prints a Markdown table, a row as soon as it stands."""
    known = measurements()
    unknown = set(only or ()) - set(known)
    if unknown:
        raise PlaygroundError(f"There is no measurement {sorted(unknown)}. Known: {', '.join(known)}.")
    print(f"{engine.device}, {torch.get_num_threads()} threads, median of {repeats} or more\n")
    print("| | playground | usual way | usual ÷ playground | |\n|---|--:|--:|--:|---|", flush=True)
    results = []
    for name in only or known:
        try:
            for result in known[name](engine, repeats):
                print(result.row(), flush=True)
                results.append(result)
        except Skipped as reason:
            print(f"| {name} | skipped | | | {reason} |", flush=True)
    return results
