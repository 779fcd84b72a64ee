"""train: a recipe from its first picture to its card, in one process or several, stopped and resumed at will."""

from __future__ import annotations

import argparse
import contextlib
import math
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from playground.api import PlaygroundError
from playground.cli.common import clock, positive, progress

if TYPE_CHECKING:  # `--help` need not wait for these
    from playground.training import Progress
    from playground.training.parallel import Team

LOG_EVERY = 0.5  # seconds between two points of a TensorBoard log


def train_options(command: argparse.ArgumentParser) -> None:
    """Options of `train`."""
    command.add_argument("recipe", nargs="?", help="name of a recipe (see --list)")
    command.add_argument("--list", action="store_true", help="show the recipes")
    command.add_argument("--device", default="auto", help="auto, cpu, cuda or mps (default: auto)")
    command.add_argument("--minutes", type=float, help="stop after so many minutes of training instead of the full run")
    command.add_argument("--images", type=positive, help="length of the run in pictures")
    command.add_argument("--out", type=Path, help="checkpoint folder to write (default: the shipped one)")
    command.add_argument("--state", type=Path, help="folder to resume from and save to (default: runs/RECIPE)")
    command.add_argument("--fresh", action="store_true", help="start anew; the old state is moved aside, not deleted")
    command.add_argument("--save-every", type=seconds, default=60.0, help="seconds between two saves (default: 60)")
    command.add_argument("--seed", type=int, default=0, help="of the first weights and of the run (default: 0)")
    command.add_argument(
        "--precision", choices=("auto", "fp32", "bf16"), default="auto",
        help="bf16 or fp32 everywhere, or auto: bfloat16 where the recipe itself asks for it (default: auto)",
    )  # fmt: skip
    command.add_argument("--processes", type=positive, default=1, help="GPUs or CPU processes that train together")
    command.add_argument("--tensorboard", type=Path, metavar="DIR", help="also log the losses there for TensorBoard")
    command.add_argument("--evaluate", action="store_true", help="measure the result and write its scores on the card")
    command.set_defaults(run=train)


def seconds(text: str) -> float:
    """A number of seconds, 0 or more."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds, 0 or more")
    return value


def train(options: argparse.Namespace) -> None:
    """Runs a recipe, with one line of progress."""
    from playground import training
    from playground.training import launch, loop, parallel
    from playground.training.run import check_length

    if options.list:
        for recipe in training.recipes().values():
            print(f"{recipe.name:24} {recipe.images:>12,} pictures  {recipe.title}")
        return
    if options.recipe is None:
        raise PlaygroundError("Say which recipe to train; `python -m playground train --list` shows them.")
    check_length(options.minutes, options.images)
    recipe = loop.find(options.recipe)
    if options.processes > 1 and not launch.launched():
        launch.run(["-m", "playground", *again(options)], options.processes, options.device, recipe.batch)
        return
    with parallel.assemble(options.device) as team, logging(options.tensorboard, team) as log:
        _train(options, recipe.batch, team, log)
    if team.main:
        _conclude(options)


def _train(options: argparse.Namespace, batch: int, team: Team, log: Callable[[Progress], None]) -> None:
    from playground import training

    run = training.train(
        options.recipe,
        minutes=options.minutes,
        images=options.images,
        device=options.device,
        out=options.out,
        state=options.state,
        seed=options.seed,
        save_every=options.save_every,
        fresh=options.fresh,
        precision=options.precision,
        team=team,
    )
    with stoppable() as asked, contextlib.closing(run):
        now = _follow(run, batch, team, asked, log)
    if now and now.done < 1 and asked():
        raise KeyboardInterrupt(f"Stopped after {now.images:,} pictures. The same command goes on from there.")


def _follow(
    run: Iterator[Progress], batch: int, team: Team, asked: Callable[[], bool], log: Callable[[Progress], None]
) -> Progress | None:
    """Shows where a run stands, a few times a second on a terminal, every half minute in a log."""
    every = 0.3 if sys.stderr.isatty() else 30.0
    shown, now = -every, None
    for now in run:
        if shown < 0 and now.images > batch and team.main:
            progress(f"Going on after {now.images - batch:,} pictures.", end="\n")
        if now.seconds - shown >= every and team.main:
            losses = "  ".join(f"{name} {value:.4g}" for name, value in now.losses.items())
            left = clock(now.left_seconds)
            progress(f"{now.done:6.1%}  {now.images:,} pictures  {clock(now.seconds)}, {left} left  {losses}")
            shown = now.seconds
        log(now)
        if team.agreed(float(asked())):  # all processes stop at the same step
            return now
    if now and team.main:
        progress(f"100.0%  {now.images:,} pictures in {clock(now.seconds)}; checkpoint written.")
    if team.main:
        progress("", end="\n")
    return now


def _conclude(options: argparse.Namespace) -> None:
    """What came of it: the card in a few lines, with scores if they were asked for."""
    from playground import registry

    folder = options.out or registry.CHECKPOINTS / options.recipe
    if options.evaluate:
        from playground import evaluate as evaluation
        from playground.engine import Engine

        engine = Engine(options.device, folder.parent)
        evaluation.evaluate(engine, folder.name, report=lambda text: progress(text, end="\n"))
    card, (front, _) = registry.read_card(folder), registry.read_front(folder)
    own = front["playground"]
    print(f"{card.title}: {card.parameters:,} weights, {card.minutes:g} minutes on {card.hardware},", end=" ")
    print(f"seed {own['seed']}, precision {own['precision']}. Written to {folder}.")
    if options.evaluate:
        print(evaluation.table({card.name: card.scores}))
    else:
        where = f" --checkpoints {folder.parent}" if options.out else ""
        print(f"Its scores: python -m playground evaluate {folder.name}{where}")


def again(options: argparse.Namespace) -> list[str]:
    """The command line of one of several processes that train together."""
    arguments = ["train", options.recipe, "--device", options.device, "--precision", options.precision]
    arguments += ["--seed", str(options.seed), "--save-every", str(options.save_every)]
    for flag in ("minutes", "images", "out", "state", "tensorboard"):
        value = getattr(options, flag)
        arguments += [] if value is None else [f"--{flag}", str(value)]
    return arguments + [f"--{flag}" for flag in ("fresh", "evaluate") if getattr(options, flag)]


@contextlib.contextmanager
def stoppable() -> Iterator[Callable[[], bool]]:
    """Ctrl-C, or a request to end, lets the step under way be finished and the state be saved; a second one does not.

    Yields:
        Whether it was asked to stop.
    """
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked.is_set  # only the main thread is told of signals
        return

    def ask(number: int, _: Any) -> None:
        asked.set()
        signal.signal(number, before[number])

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in before:
        signal.signal(number, ask)
    try:
        yield asked.is_set
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def logging(folder: Path | None, team: Team) -> Iterator[Callable[[Progress], None]]:
    """Where losses go beside the screen: a TensorBoard log in `folder`, twice a second of training, or nowhere."""
    if folder is None or not team.main:
        yield lambda now: None
        return
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise PlaygroundError(
            "TensorBoard is not installed. Install it (pip install tensorboard) or leave --tensorboard out."
        ) from error
    try:
        writer = SummaryWriter(os.fspath(folder))
    except OSError as error:
        raise PlaygroundError(f"The log folder {folder} cannot be written ({error.strerror}).") from error
    last = -LOG_EVERY

    def log(now: Progress) -> None:
        nonlocal last
        if now.seconds - last >= LOG_EVERY or now.done >= 1:
            last = now.seconds
            for name, value in now.losses.items():
                writer.add_scalar(name, value, now.images)

    try:
        yield log
    finally:
        writer.close()
