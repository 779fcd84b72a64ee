"""evaluate and table: scores of the models, measured, stored in their cards, and shown."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from playground.api import PlaygroundError
from playground.cli.common import assignment, common, open_engine, positive, progress

if TYPE_CHECKING:
    from playground.evaluate import Judge


def evaluate_options(command: argparse.ArgumentParser) -> None:
    """Options of `evaluate`."""
    command.add_argument("model", nargs="?", help="name of a model (see `list`)")
    command.add_argument("--all", action="store_true", help="every model, and then the table that the README shows")
    command.add_argument("--samples", type=positive, default=2000, help="pictures per block (default: 2000)")
    command.add_argument("--blocks", type=positive, default=3, help="blocks, with seeds of their own (default: 3)")
    command.add_argument("--batch", type=positive, default=100, help="pictures at a time (default: 100)")
    command.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a control of the model")
    command.add_argument("--dry", action="store_true", help="print the scores without storing them")
    common(command)
    command.set_defaults(run=evaluate)


def evaluate(options: argparse.Namespace) -> None:
    """Scores of one model or all, stored in the cards and printed as Markdown."""
    from playground import evaluate as evaluation

    if options.all == bool(options.model):
        raise PlaygroundError("Say which model to measure, or --all.")
    engine = open_engine(options)
    names = [options.model]
    if options.all:  # the classifiers first: everybody else is measured with them
        names = sorted((card.name for card in engine.cards()), key=lambda n: (not n.startswith("classifier"), n))
    judges: dict[str, Judge] = {}
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
    if options.all and not options.dry:
        print(evaluation.report(engine.cards()))
        return
    print(evaluation.table(scores))
    for name, groups in scores.items():
        print(f"\n### {name}\n{evaluation.details(groups)}")


def table_options(command: argparse.ArgumentParser) -> None:
    """Options of `table`."""
    command.add_argument("--write", type=Path, metavar="FILE", help="put it into this file, in place of its old one")
    common(command)
    command.set_defaults(run=table)


def table(options: argparse.Namespace) -> None:
    """The README's tables, from what stands on the cards; nothing is measured."""
    from playground.evaluate import tables

    cards = open_engine(options).cards()
    if options.write is None:
        print(tables.report(cards))
        return
    try:
        text = options.write.read_text(encoding="utf-8")
        options.write.write_text(tables.replaced(text, cards), encoding="utf-8")
    except OSError as error:
        raise PlaygroundError(f"{options.write} cannot be read and written ({error.strerror}).") from error
