"""Measures a checkpoint and writes the scores into its card.

What is measured follows from what the model can do. Samples are judged in the feature space of the data set's own
classifier, beside the same numbers for real pictures; a model with a likelihood is asked for it; an encoder has to find
its way back to the picture; a classifier has to name the test pictures (and gets its index of training pictures).

Points of the plane need no judge: there the true density is known, and the distance to it is measured in nats.

Everything is drawn from fixed seeds, so that a second run gives the same scores but for the milliseconds. A score
never stands alone: its group says how many pictures it was taken from and by what protocol.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from playground import data as datasets
from playground import registry
from playground.api import Classifier, Decoder, Encoder, Field, Likelihood, Measured, PlaygroundError, Sampler
from playground.engine import Engine
from playground.evaluate import special
from playground.evaluate.capabilities import (
    LIKELIHOODS,
    accuracy,
    build_index,
    draw_face,
    likelihood,
    loses_something,
    plane,
    reconstruction,
)
from playground.evaluate.judging import Judge, check_heads, judge
from playground.evaluate.samples import collect, compare, how, is_picture, unwatched
from playground.evaluate.tables import COLUMNS, Scores, details, report, table

__all__ = [
    "COLUMNS", "Judge", "Scores", "check_heads", "checked", "details", "draw_face", "evaluate", "judge", "report",
    "table", "write",
]  # fmt: skip

Report = Callable[[str], None]

READER = "reader-"  # names of classifiers that teach and examine nobody: they need no index of pictures
SAMPLES = Field("samples", "int", 2000, 10, 10_000, label="The number of samples")


def evaluate(
    engine: Engine,
    name: str,
    *,
    samples: int = 2000,
    blocks: int = 3,
    batch: int = 100,
    settings: Mapping[str, Any] | None = None,
    judges: dict[str, Judge] | None = None,
    report: Report = print,
    store: bool = True,
) -> Scores:
    """Scores of one card, grouped by what was measured.

    Args:
        samples: pictures per block; blocks: how often, each with seeds of its own.
        batch: pictures at a time. settings: values for the model's controls instead of their defaults.
        judges: filled and used by data set, so that several models share one pass over the real pictures.
        report: told what is going on. store: write the scores into the card.

    Raises:
        PlaygroundError: no such model, no classifier for its data, or a score that is not a number.
    """
    model, card = engine.model(name), engine.card(name)
    SAMPLES.check(samples)
    scores: Scores = {}
    if isinstance(model, Classifier):
        report(f"{name}: naming the test pictures")
        scores["accuracy"] = accuracy(engine, model, card.data, batch)
        if store and not name.startswith(READER):
            report(f"{name}: indexing training pictures")
            build_index(engine, model, card.data).save(card.folder)
    if isinstance(model, Sampler) and is_picture(card):
        judges = {} if judges is None else judges
        if card.data not in judges:
            report(f"{name}: looking at the real pictures of {card.data}")
            judges[card.data] = judge(engine, card.data)
        settings = unwatched(model, settings or {})
        sampled = []
        for block in range(blocks):
            report(f"{name}: {samples} samples, block {block + 1} of {blocks}")
            sampled.append(collect(engine, name, block * samples, samples, batch, settings))
        report(f"{name}: comparing")
        scores |= compare(engine, judges[card.data], sampled, how(model, settings, blocks))
        scores |= special.of_samples(engine, card, judges[card.data], sampled, batch, settings, report)
    if isinstance(model, Sampler) and not is_picture(card):
        report(f"{name}: drawing points")
        settings = unwatched(model, settings or {})
        drawn = collect(engine, name, 0, samples, samples, settings)
        scores["density"] = plane(engine, model, card, drawn, how(model, settings, 1))
    if isinstance(model, Encoder) and isinstance(model, Decoder) and is_picture(card) and loses_something(model):
        report(f"{name}: reconstructing")
        scores["reconstruction"] = reconstruction(engine, model, card.data)
        scores |= special.of_codes(engine, card, report)
    if isinstance(model, Likelihood) and model.pixels in LIKELIHOODS:
        report(f"{name}: likelihood")
        scores["likelihood"] = likelihood(engine, model, card.data)
    if isinstance(model, Measured):
        report(f"{name}: what only its family has")
        test = datasets.load(card.data, "test")
        scores |= engine.call(lambda: model.own_scores(test))
    scores = {group: {key: checked(name, key, value) for key, value in of.items()} for group, of in scores.items()}
    if store:
        write(engine, name, scores)
    return scores


def write(engine: Engine, name: str, scores: Scores) -> None:
    """Replaces the scores on the card (and renews its digests: an index may have been added)."""
    folder = engine.card(name).folder
    front, body = registry.read_front(folder)
    front["playground"]["scores"] = scores
    registry.write_card(folder, front, body)
    engine.refresh()


def checked(name: str, key: str, value: Any) -> Any:
    """The value as YAML can hold it, to five significant digits; one that is not finite is an error."""
    if not isinstance(value, float):
        return value
    if not math.isfinite(value):
        raise PlaygroundError(f"The score {key!r} of {name} is {value}; nothing was stored. Look at its pictures.")
    return float(f"{value:.5g}")
