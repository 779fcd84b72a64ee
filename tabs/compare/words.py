"""The words around the pictures: small sentences, numbers as people say them, the same question in Python."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from playground.api import ModelCard
from playground.comparison import Answer
from tabs.compare.state import NAMES

Answers = Mapping[str, Answer]


def under(card: ModelCard) -> str:
    """The line under a model's title."""
    return f"{card.year or 'own'} · {weights(card.parameters)} weights"


def weights(count: int) -> str:
    """1,572,000 → "1.6 M"."""
    return f"{count / 1e6:.1f} M" if count >= 1e6 else f"{count / 1e3:.0f} k"


def duration(milliseconds: float) -> str:
    """ "0.04 ms", "3.1 ms", "31 ms", "4.2 s"."""
    if milliseconds >= 1000:
        return f"{milliseconds / 1000:.1f} s"
    digits = 0 if milliseconds >= 10 else 1 if milliseconds >= 1 else 2
    return f"{milliseconds:.{digits}f} ms"


def counted(number: int, thing: str) -> str:
    """ "1 model", "3 models"."""
    return f"{number} {thing}{'' if number == 1 else 's'}"


def listed(parts: Sequence[str]) -> str:
    """ "a, b and c"."""
    return ", ".join(parts[:-1]) + " and " + parts[-1] if len(parts) > 1 else "".join(parts)


def facts(answers: Answers, card: ModelCard) -> dict[str, Any]:
    """What a model's answer says in numbers; nothing before it is there."""
    return dict(answers[card.name].facts) if card.name in answers else {}


def things(values: Mapping[str, Any]) -> str:
    """ "digits", "faces"; a data set that has no word of its own shows pictures."""
    return NAMES.get(values["data"], "pictures").lower()


def seed_words(seeds: list[int]) -> str:
    """ "seed 7", "seeds 7 to 10"."""
    return f"seed {seeds[0]}" if len(seeds) == 1 else f"seeds {seeds[0]} to {seeds[-1]}"


def brief(seeds: list[int]) -> str:
    """Python for the seeds."""
    return f"range({seeds[0]}, {seeds[-1] + 1})" if seeds == list(range(seeds[0], seeds[-1] + 1)) else str(seeds)


def code(values: Mapping[str, Any], *lines: str) -> str:
    """The same question in Python."""
    return "\n".join([
        "from playground import Engine", "from playground.comparison import Comparison, last",
        f"board = Comparison(Engine(), {values['data']!r}, steps={values['steps']})",
        "names = [card.name for card in board.contestants()]", *lines,
    ])  # fmt: skip
