"""The command line: python -m playground list | sample | train | evaluate | data | benchmark."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from playground.api import ModelCard, PlaygroundError
from playground.data.mnist import DataError

if TYPE_CHECKING:  # the engine brings torch's slow parts; `--help` need not wait for them
    from playground.engine import Engine
    from playground.training import Progress

MAX_SHEET = 1024  # pictures on one contact sheet


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; 0 if it worked, 2 if what was asked cannot be done, 130 if it was interrupted."""
    options = parser().parse_args(arguments)
    try:
        options.run(options)
    except (PlaygroundError, DataError) as error:
        print(f"\n{error}" if sys.stderr.isatty() else error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nStopped.", file=sys.stderr)
        return 130
    return 0


def parser() -> argparse.ArgumentParser:
    """The commands and their options."""
    top = argparse.ArgumentParser(prog="python -m playground", description=__doc__.split(":")[0])
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _list_options(commands.add_parser("list", help="show the models that are here"))
    _sample_options(commands.add_parser("sample", help="make pictures and save them"))
    _train_options(commands.add_parser("train", help="train a model by its recipe (goes on where it was stopped)"))
    _evaluate_options(commands.add_parser("evaluate", help="measure a model and write the scores into its card"))
    _data_options(commands.add_parser("data", help="fetch or draw a data set and verify it"))
    _benchmark_options(commands.add_parser("benchmark", help="measure speed, side by side with the usual way"))
    return top


def _common(command: argparse.ArgumentParser) -> None:
    command.add_argument("--device", default="auto", help="auto, cpu, cuda or mps (default: auto)")
    command.add_argument("--checkpoints", type=Path, help="folder of checkpoint folders (default: the shipped ones)")


def _engine(options: argparse.Namespace) -> Engine:
    from playground.engine import Engine

    return Engine(options.device, options.checkpoints)


# --------------------------------------------------------------------------------------------------------- list


def _list_options(command: argparse.ArgumentParser) -> None:
    _common(command)
    command.set_defaults(run=list_models)


def list_models(options: argparse.Namespace) -> None:
    """A table of the cards."""
    rows = [("model", "data", "picture", "classes", "weights", "title"), *map(_row, _engine(options).cards())]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())


def _row(card: ModelCard) -> tuple[str, ...]:
    size = "×".join(str(n) for n in card.shape)
    return card.name, card.data, size, str(len(card.labels) or "–"), f"{card.parameters:,}", card.title


# ------------------------------------------------------------------------------------------------------- sample


def _sample_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("model", help="name of a model (see `list`)")
    command.add_argument("--seeds", type=seed_range, default="0:16", help="7, or 1,2,5, or 0:1000 (default: 0:16)")
    command.add_argument("--labels", type=whole_numbers, help="a class for all, or one per seed, e.g. 3 or 3,1,4")
    command.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a control of the model")
    command.add_argument("--npz", type=Path, help="write images (uint8, N×H×W×C) and labels to this file")
    command.add_argument("--png", type=Path, help="write a contact sheet to this file")
    command.add_argument("--batch", type=positive, default=100, help="pictures at a time (default: 100)")
    _common(command)
    command.set_defaults(run=sample)


def sample(options: argparse.Namespace) -> None:
    """Pictures of some seeds, to a file of arrays, a contact sheet, or both."""
    if not (options.npz or options.png):
        raise PlaygroundError("Say where the pictures should go: --npz FILE, --png FILE, or both.")
    if options.png and len(options.seeds) > MAX_SHEET:
        raise PlaygroundError(f"A sheet holds {MAX_SHEET} pictures; {len(options.seeds)} were asked for. Use --npz.")
    import torch

    from playground import render

    for path in filter(None, (options.npz, options.png)):
        if not path.parent.is_dir():
            raise PlaygroundError(f"The folder of {path} does not exist. Make it, or choose another place.")
    engine, settings = _engine(options), dict(map(assignment, options.set))
    labels = chosen_labels(engine.card(options.model), options.seeds, options.labels)
    batches = []
    for start in range(0, len(options.seeds), options.batch):
        here = slice(start, start + options.batch)
        asked = labels[here] if labels else None
        frame = engine.run(options.model, options.seeds[here], labels=asked, **settings)
        batches.append(frame.images.cpu())
        progress(f"{min(start + options.batch, len(options.seeds))} of {len(options.seeds)} pictures")
    progress("", end="\n")
    images = torch.cat(batches)
    if options.npz:
        pixels = (images * 255).round().clamp(0, 255).byte().permute(0, 2, 3, 1).numpy()
        with writing(options.npz) as file:
            np.savez(file, images=pixels, **({"labels": np.array(labels)} if labels else {}))
    if options.png:
        recipe = {"model": options.model, "seeds": options.seeds, "labels": labels, **settings}
        with writing(options.png) as file:
            file.write(render.png(render.sheet(images), recipe))


def chosen_labels(card: ModelCard, seeds: Sequence[int], given: Sequence[int] | None) -> list[int] | None:
    """One class per seed: the given ones, the given one for all, or each class in turn; None if not conditional."""
    if not card.labels:
        if given is None:
            return None
        raise PlaygroundError(f"{card.name} cannot be asked for a class. Leave --labels out.")
    if given is None:
        return [seed % len(card.labels) for seed in seeds]
    if len(given) not in (1, len(seeds)):
        raise PlaygroundError(f"{len(given)} labels were given for {len(seeds)} seeds. Give one for all, or one each.")
    return list(given) if len(given) == len(seeds) else list(given) * len(seeds)


@contextmanager
def writing(path: Path) -> Iterator[BinaryIO]:
    """The file, open for writing; if it cannot be written the message says so."""
    try:
        with path.open("wb") as file:
            yield file
    except OSError as error:
        raise PlaygroundError(f"{path} cannot be written ({error.strerror}). Choose another file.") from error


def seed_range(text: str) -> list[int]:
    """ "7", "1,2,5" or "0:1000" (the end is left out) as a list of seeds."""
    first, colon, end = text.partition(":")
    if not colon:
        return whole_numbers(text)
    try:
        seeds = range(int(first), int(end))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form 0:1000") from None
    if not 1 <= len(seeds) <= 1_000_000:
        raise argparse.ArgumentTypeError(f"{text!r} is {len(seeds)} seeds; 1 to 1,000,000 are allowed")
    return list(seeds)


def whole_numbers(text: str) -> list[int]:
    """ "3,1,4" as a list."""
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of whole numbers such as 3,1,4") from None


def positive(text: str) -> int:
    """A whole number of at least 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return int(text)


def assignment(text: str) -> tuple[str, str]:
    """ "steps=20" as ("steps", "20"); the model's own declaration turns the text into a number and checks it."""
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise PlaygroundError(f"--set was given {text!r}. Write it as NAME=VALUE, for instance --set temperature=0.8.")
    return name, value


# -------------------------------------------------------------------------------------------------------- train


def _train_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("recipe", nargs="?", help="name of a recipe (see --list)")
    command.add_argument("--list", action="store_true", help="show the recipes")
    command.add_argument("--device", default="auto", help="auto, cpu, cuda or mps (default: auto)")
    command.add_argument("--minutes", type=float, help="stop after so many minutes of training instead of the full run")
    command.add_argument("--images", type=positive, help="length of the run in pictures")
    command.add_argument("--out", type=Path, help="checkpoint folder to write (default: the shipped one)")
    command.add_argument("--state", type=Path, help="folder to resume from and save to (default: runs/RECIPE)")
    command.add_argument("--seed", type=int, default=0, help="of the first weights and of the run (default: 0)")
    command.set_defaults(run=train)


def train(options: argparse.Namespace) -> None:
    """Runs a recipe, with one line of progress."""
    from playground import training

    if options.list:
        for recipe in training.recipes().values():
            print(f"{recipe.name:24} {recipe.images:>12,} pictures  {recipe.title}")
        return
    if options.recipe is None:
        raise PlaygroundError("Say which recipe to train; `python -m playground train --list` shows them.")
    if options.minutes is not None and not options.minutes > 0:
        raise PlaygroundError(f"--minutes was {options.minutes}. It must be above 0.")
    run = training.train(
        options.recipe,
        minutes=options.minutes,
        images=options.images,
        device=options.device,
        out=options.out,
        state=options.state,
        seed=options.seed,
    )
    _follow(run)


def _follow(run: Iterator[Progress]) -> None:
    """Shows where a run stands, a few times a second on a terminal, every half minute in a log."""
    every = 0.3 if sys.stderr.isatty() else 30.0
    shown, now = -every, None
    for now in run:
        if now.seconds - shown >= every:
            losses = "  ".join(f"{name} {value:.4g}" for name, value in now.losses.items())
            left = clock(now.left_seconds)
            progress(f"{now.done:6.1%}  {now.images:,} pictures  {clock(now.seconds)}, {left} left  {losses}")
            shown = now.seconds
    if now:
        progress(f"100.0%  {now.images:,} pictures in {clock(now.seconds)}; checkpoint written.")
    progress("", end="\n")


def clock(seconds: float) -> str:
    """3725 s → "1:02:05"."""
    minutes, seconds = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


# ----------------------------------------------------------------------------------------------------- evaluate


def _evaluate_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("model", nargs="?", help="name of a model (see `list`)")
    command.add_argument("--all", action="store_true", help="every model, the classifiers first")
    command.add_argument("--samples", type=positive, default=2000, help="pictures per block (default: 2000)")
    command.add_argument("--blocks", type=positive, default=3, help="blocks, with seeds of their own (default: 3)")
    command.add_argument("--batch", type=positive, default=100, help="pictures at a time (default: 100)")
    command.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a control of the model")
    command.add_argument("--dry", action="store_true", help="print the scores without storing them")
    _common(command)
    command.set_defaults(run=evaluate)


def evaluate(options: argparse.Namespace) -> None:
    """Scores of one model or all, stored in the cards and printed as Markdown."""
    from playground import evaluate as evaluation

    if options.all == bool(options.model):
        raise PlaygroundError("Say which model to measure, or --all.")
    engine = _engine(options)
    names = [options.model]
    if options.all:  # the classifiers first: everybody else is measured with them
        names = sorted((card.name for card in engine.cards()), key=lambda n: (not n.startswith("classifier"), n))
    judges: dict[str, evaluation.Judge] = {}
    scores = {
        name: evaluation.evaluate(
            engine,
            name,
            samples=options.samples,
            blocks=options.blocks,
            batch=options.batch,
            settings=dict(map(assignment, options.set)),
            judges=judges,
            report=lambda text: progress(text, end="\n"),
            store=not options.dry,
        )
        for name in names
    }
    print(evaluation.table(scores))
    for name, groups in scores.items():
        print(f"\n### {name}\n{evaluation.details(groups)}")


# --------------------------------------------------------------------------------------------- data, benchmark


def _data_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("name", help="mnist, faces or densities")
    command.set_defaults(run=data)


def data(options: argparse.Namespace) -> None:
    """Fetches or draws both splits and says what is in them. Reading verifies every file's digest."""
    from playground import data as datasets

    for split in ("train", "test"):
        progress(f"{options.name} {split}: reading", end="\n")
        found = datasets.load(options.name, split, lambda now, total: progress(f"{now:,} of {total:,}"))
        channels, height, width = found.images.shape[1:]
        values = ", ".join(f"{name} ({len(of)})" for name, of in found.heads.items())
        print(f"{options.name} {split}: {len(found):,} pictures, {height}×{width}×{channels}; {values}")


def _benchmark_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--only", action="append", help="one of the measurements (may be given several times)")
    command.add_argument("--repeats", type=positive, default=5, help="of which the median is taken (default: 5)")
    _common(command)
    command.set_defaults(run=benchmark)


def benchmark(options: argparse.Namespace) -> None:
    """Speed, measured side by side in one run."""
    from playground import benchmark as bench

    bench.run(_engine(options), only=options.only, repeats=options.repeats)


def progress(text: str, end: str = "") -> None:
    """One line on stderr, written over on a terminal and one below the other in a log."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end=end, file=sys.stderr, flush=True)
    elif text:
        print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
