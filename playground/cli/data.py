"""data and benchmark: what the models learn from, and how fast they are."""

from __future__ import annotations

import argparse

from playground.cli.common import common, open_engine, positive, progress
from playground.data import NAMES


def data_options(command: argparse.ArgumentParser) -> None:
    """Options of `data`."""
    command.add_argument("name", help=", ".join(NAMES))
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


def benchmark_options(command: argparse.ArgumentParser) -> None:
    """Options of `benchmark`."""
    command.add_argument("--only", action="append", help="one of the measurements (may be given several times)")
    command.add_argument("--repeats", type=positive, default=5, help="of which the median is taken (default: 5)")
    common(command)
    command.set_defaults(run=benchmark)


def benchmark(options: argparse.Namespace) -> None:
    """Speed, measured side by side in one run."""
    from playground import benchmark as bench

    bench.run(open_engine(options), only=options.only, repeats=options.repeats)
