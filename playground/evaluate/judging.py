"""Real pictures through the data set's own classifier: the judge that samples are shown to."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from playground import data as datasets
from playground import metrics
from playground.api import PlaygroundError
from playground.engine import Engine
from playground.metrics.memorisation import to_nearest


@dataclass(frozen=True)
class Judge:
    """A data set seen through its classifier, which is what samples are compared with.

    Attributes:
        data: name of the data set. train, test: features (N, F) of the training and the test pictures.
        held_out: (N,), distance of each test picture to its nearest training picture.
        answers: classes the classifier gives the test pictures, one int64 (N,) per attribute; truth: the right ones,
            (N, A); shown: which of them a picture shows at all, bool (N, A).
        sureness: (N,), how sure it is of each test picture.
    """

    data: str
    classifier: nn.Module
    heads: Mapping[str, tuple[str, ...]]
    train: Tensor
    test: Tensor
    held_out: Tensor
    answers: list[Tensor]
    truth: Tensor
    shown: Tensor
    sureness: Tensor


def judge(engine: Engine, data: str) -> Judge:
    """The data set `data` through `classifier-<data>`."""
    name = f"classifier-{data}"
    if name not in {card.name for card in engine.cards()}:
        raise PlaygroundError(f"Scores on {data} need {name}. Train it first: python -m playground train {name}.")
    classifier = engine.model(name)
    train, test = datasets.load(data, "train"), datasets.load(data, "test")
    check_heads(classifier, test.heads)
    truth = test.labels.reshape(len(test), -1)
    (of_train,) = in_batches(engine, lambda i: [classifier.features(train.pictures(i))], len(train))
    of_test, logits = look(engine, classifier, test.pictures, len(test))
    return Judge(
        data=data,
        classifier=classifier,
        heads=test.heads,
        train=of_train,
        test=of_test,
        held_out=to_nearest(of_test, of_train),
        answers=[head.argmax(1) for head in logits],
        truth=truth,
        shown=datasets.visible(data, truth),
        sureness=metrics.confidence(logits),
    )


def check_heads(classifier: nn.Module, heads: Mapping[str, Sequence[str]]) -> None:
    """Raises a `PlaygroundError` unless the classifier answers for the data's attributes, in the data's order."""
    known = {attribute: tuple(values) for attribute, values in classifier.heads.items()}
    wanted = {attribute: tuple(values) for attribute, values in heads.items()}
    if list(known.items()) != list(wanted.items()):
        raise PlaygroundError(
            f"The classifier answers for {', '.join(known)}; the data has {', '.join(wanted)}, or other values. "
            "Labels and answers would be mixed up. Train the classifier again."
        )


def look(
    engine: Engine, classifier: nn.Module, pictures: Callable[[slice], Tensor], count: int
) -> tuple[Tensor, list[Tensor]]:
    """Features (N, F) and logits [(N, K)…] of `count` pictures, each taken from `pictures` by its place."""

    def task(here: slice) -> list[Tensor]:
        x = pictures(here)
        return [classifier.features(x), *classifier.classify(x)]

    found, *logits = in_batches(engine, task, count)
    return found, logits


def in_batches(engine: Engine, task: Callable[[slice], list[Tensor]], count: int, size: int = 500) -> list[Tensor]:
    """Runs `task` on slices of `count` items, a turn each, and joins each of its results on the CPU."""
    parts = []
    for start in range(0, count, size):
        here = slice(start, min(start + size, count))
        parts.append([part.float().cpu() for part in engine.call(lambda here=here: task(here))])
    return [torch.cat(column) for column in zip(*parts)]
