"""What several commands share: options, how arguments are read, and one line of progress."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from playground.api import PlaygroundError

if TYPE_CHECKING:  # the engine brings torch's slow parts; `--help` need not wait for them
    from playground.engine import Engine


def common(command: argparse.ArgumentParser) -> None:
    """The options of every command that opens models."""
    command.add_argument("--device", default="auto", help="auto, cpu, cuda or mps (default: auto)")
    command.add_argument("--checkpoints", type=Path, help="folder of checkpoint folders (default: the shipped ones)")


def open_engine(options: argparse.Namespace) -> Engine:
    """The engine on the device and the folder that were asked for."""
    from playground.engine import Engine

    return Engine(options.device, options.checkpoints)


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


def clock(seconds: float) -> str:
    """3725 s → "1:02:05"."""
    minutes, seconds = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def progress(text: str, end: str = "") -> None:
    """One line on stderr, written over on a terminal and one below the other in a log."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end=end, file=sys.stderr, flush=True)
    elif text:
        print(text, file=sys.stderr, flush=True)
