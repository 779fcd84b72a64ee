"""Scores as Markdown: one model's in full, many models' side by side, and the README's part about all of them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from playground.api import ModelCard, PlaygroundError

Scores = dict[str, dict[str, Any]]

MARKS = ("<!-- scores -->", "<!-- /scores -->")  # around the README's tables
COLUMNS = (  # heading, group, key, format
    ("FD / floor", "pictures", "fd_over_floor", ".2f"),
    ("precision", "pictures", "precision", ".2f"),
    ("recall", "pictures", "recall", ".2f"),
    ("density", "pictures", "density", ".2f"),
    ("coverage", "pictures", "coverage", ".2f"),
    ("as asked", "control", "accuracy", ".1%"),
    ("variety", "variety", "distance_over_real", ".2f"),
    ("recognised", "variety", "recognised", ".1%"),
    ("copies (AUC)", "memorisation", "auc", ".2f"),
    ("nats", "likelihood", "nats", ".1f"),
    ("bits/dim", "likelihood", "bits", ".2f"),
    ("KL", "density", "kl", ".3f"),
    ("accuracy", "accuracy", "mean", ".1%"),
    ("ms", "speed", "milliseconds", ".1f"),
)


def table(scores: Mapping[str, Scores]) -> str:
    """Markdown: a row per model, a column per headline score that at least one of them has."""
    used = [c for c in COLUMNS if any(c[2] in groups.get(c[1], {}) for groups in scores.values())]
    lines = ["| model | " + " | ".join(c[0] for c in used) + " |", "|---|" + "--:|" * len(used)]
    for name, groups in scores.items():
        cells = [format(groups[g][k], f) if k in groups.get(g, {}) else "" for _, g, k, f in used]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def details(scores: Scores) -> str:
    """Every score of one model, group by group, with its protocol."""
    lines = []
    for group, values in scores.items():
        lines += ["", f"**{group}** — {values['protocol']}", ""]
        lines += [f"- {key}: {value}" for key, value in values.items() if key != "protocol"]
    return "\n".join(lines)


def models(cards: Sequence[ModelCard]) -> str:
    """Markdown: what every model is, how large, and how long it was trained on what."""
    lines = ["| model | what it is | weights | trained |", "|---|---|--:|--:|"]
    for card in cards:
        weights = f"{card.parameters / 1e6:.1f} M" if card.parameters >= 1e5 else f"{card.parameters / 1e3:.0f} k"
        lines.append(f"| `{card.name}` | {card.title} | {weights} | {card.minutes:.0f} min, {card.hardware} |")
    return "\n".join(lines)


def report(cards: Sequence[ModelCard]) -> str:
    """What the README shows of all models, from the scores on their cards: both tables, between their marks."""
    headline = {(group, key) for _, group, key, _ in COLUMNS}
    scored = {
        card.name: card.scores
        for card in cards
        if any((group, key) in headline for group, values in card.scores.items() for key in values)
    }
    sizes = sorted({of["pictures"]["samples"] for of in scored.values() if "pictures" in of})
    block = " to ".join(f"{size:,}" for size in (sizes if len(sizes) < 2 else (sizes[0], sizes[-1])))
    how = "Measured by `python -m playground evaluate`"
    how += f", {block} samples a block; the cards say how many blocks and by what protocol." if sizes else "."
    return "\n".join([MARKS[0], models(cards), "", how, "", table(scored), MARKS[1]])


def replaced(text: str, cards: Sequence[ModelCard]) -> str:
    """A README's text with its tables made anew.

    Raises:
        PlaygroundError: the text has no such part.
    """
    part = re.compile(f"{MARKS[0]}.*?{MARKS[1]}", re.DOTALL)
    if not part.search(text):
        raise PlaygroundError(f"There is no place for the tables: it must be marked by {MARKS[0]} and {MARKS[1]}.")
    return part.sub(lambda _: report(cards), text, count=1)
