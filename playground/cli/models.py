"""list and sample: which models are here, and pictures of theirs."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np

from playground.api import ModelCard, PlaygroundError
from playground.cli.common import assignment, common, open_engine, positive, progress, seed_range, whole_numbers

MAX_SHEET = 1024  # pictures on one contact sheet


def list_options(command: argparse.ArgumentParser) -> None:
    """Options of `list`."""
    common(command)
    command.set_defaults(run=list_models)


def list_models(options: argparse.Namespace) -> None:
    """A table of the cards."""
    rows = [("model", "data", "picture", "classes", "weights", "title"), *map(_row, open_engine(options).cards())]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())


def _row(card: ModelCard) -> tuple[str, ...]:
    size = "×".join(str(n) for n in card.shape)
    return card.name, card.data, size, str(len(card.labels) or "–"), f"{card.parameters:,}", card.title


def sample_options(command: argparse.ArgumentParser) -> None:
    """Options of `sample`."""
    command.add_argument("model", help="name of a model (see `list`)")
    command.add_argument("--seeds", type=seed_range, default="0:16", help="7, or 1,2,5, or 0:1000 (default: 0:16)")
    command.add_argument("--labels", type=whole_numbers, help="a class for all, or one per seed, e.g. 3 or 3,1,4")
    command.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a control of the model")
    command.add_argument("--npz", type=Path, help="write images (uint8, N×H×W×C) and labels to this file")
    command.add_argument("--png", type=Path, help="write a contact sheet to this file")
    command.add_argument("--batch", type=positive, default=100, help="pictures at a time (default: 100)")
    common(command)
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
    engine, settings = open_engine(options), dict(map(assignment, options.set))
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
