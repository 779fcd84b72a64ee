"""The training loop: a generator of `Progress` that resumes where it was stopped.

Whoever iterates decides what to show and when to stop; closing the generator saves the state.
"""

from __future__ import annotations

import difflib
import time
from collections.abc import Iterator
from pathlib import Path

from playground import data as datasets
from playground import registry
from playground.api import PlaygroundError
from playground.training.export import export
from playground.training.parallel import Team
from playground.training.recipe import Recipe, recipes
from playground.training.run import Progress, Run, check_length

__all__ = ["RUNS", "Progress", "export", "find", "train"]

RUNS = Path("runs")


def train(
    name: str,
    *,
    minutes: float | None = None,
    images: int | None = None,
    device: str = "auto",
    out: Path | None = None,
    state: Path | None = None,
    seed: int = 0,
    dataset: datasets.Dataset | None = None,
    save_every: float = 60.0,
    fresh: bool = False,
    precision: str = "auto",
    team: Team | None = None,
) -> Iterator[Progress]:
    """Runs a recipe to its end and writes the checkpoint folder.

    Args:
        name: a recipe. minutes: budget of training time instead of the recipe's length; images: another length.
        out: checkpoint folder to write; the shipped one if not given. state: where to resume from and save to.
        dataset: pictures to learn from instead of the recipe's own (tests pass a handful).
        save_every: seconds between two saved states. fresh: start anew; an old state is moved aside.
        precision: one of `precision.PRECISIONS`. team: the processes that train together, if there are several.

    Raises:
        PlaygroundError: unknown recipe, a length that is not above 0, a state that is damaged or in use, a full disk.
        Diverged: the loss is no longer a number.
    """
    recipe = find(name)
    check_length(minutes, images)
    where = state or RUNS / name
    options = {"dataset": dataset, "device": device, "seed": seed, "minutes": minutes, "images": images}
    with Run(recipe, state=where, precision=precision, team=team, **options) as run:
        if fresh:
            run.start_anew()
        run.resume()
        saved = time.monotonic()
        while run.done < 1:
            now = run.step()
            if time.monotonic() - saved > save_every:
                run.save()
                saved = time.monotonic()
            try:
                yield now
            except GeneratorExit:
                if run.saved != run.seen:
                    run.save()
                raise
        if run.saved != run.seen:
            run.save()
        run.export(out or registry.CHECKPOINTS / name)


def find(name: str) -> Recipe:
    """The recipe of this name; an unknown one is a `PlaygroundError` with the names that come close."""
    known = recipes()
    if name in known:
        return known[name]
    close = difflib.get_close_matches(name, known, n=3)
    meant = f" Did you mean {' or '.join(close)}?" if close else ""
    raise PlaygroundError(f"There is no recipe {name!r}.{meant} Known: {', '.join(known)}.")
