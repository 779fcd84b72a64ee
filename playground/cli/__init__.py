"""The command line: python -m playground list | sample | train | evaluate | table | data | benchmark."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from playground.api import PlaygroundError
from playground.cli import data, models, scores, train
from playground.data.mnist import DataError


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; 0 if it worked, 2 if what was asked cannot be done, 130 if it was interrupted."""
    options = parser().parse_args(arguments)
    try:
        options.run(options)
    except (PlaygroundError, DataError) as error:
        _say(f"\n{error}" if sys.stderr.isatty() else str(error))
        return 2
    except KeyboardInterrupt as stop:
        _say(f"\n{str(stop) or 'Stopped.'}")
        return 130
    return 0


def _say(text: str) -> None:
    if os.environ.get("RANK", "0") == "0":  # several processes of one training would say it several times
        print(text, file=sys.stderr)


def parser() -> argparse.ArgumentParser:
    """The commands and their options."""
    top = argparse.ArgumentParser(prog="python -m playground", description=__doc__.split(":")[0])
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    models.list_options(commands.add_parser("list", help="show the models that are here"))
    models.sample_options(commands.add_parser("sample", help="make pictures and save them"))
    train.train_options(
        commands.add_parser("train", help="train a model by its recipe (goes on where it was stopped)")
    )
    scores.evaluate_options(commands.add_parser("evaluate", help="measure a model and write the scores into its card"))
    scores.table_options(commands.add_parser("table", help="print the scores of all models, as the README shows them"))
    data.data_options(commands.add_parser("data", help="fetch or draw a data set and verify it"))
    data.benchmark_options(commands.add_parser("benchmark", help="measure speed, side by side with the usual way"))
    return top
