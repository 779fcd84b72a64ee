"""Drawing pixel by pixel with what is already computed kept, beside running the whole network for every pixel."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from playground.benchmark.measure import Measurements, Result, Skipped, side_by_side, timed
from playground.engine import Engine

MODELS = {"pixelcnn-mnist": (1, 16), "imagegpt-faces": (1,)}  # pictures at once
LONG = 16  # with so many the naive loop takes minutes: it is run once


def cached(engine: Engine, repeats: int) -> Iterator[Result]:
    """Samples of each model by both ways, from the same noise; the pictures are compared bit for bit."""
    known = [name for name in MODELS if name in {card.name for card in engine.cards()}]
    if not known:
        raise Skipped(f"needs one of {', '.join(MODELS)}")
    for name in known:
        for count in MODELS[name]:
            yield compare(engine, name, count, repeats)


def compare(engine: Engine, name: str, count: int, repeats: int) -> Result:
    """One row: `count` pictures of model `name`."""
    model, seeds = engine.model(name), list(range(count))
    classes = len(model.card.labels)
    labels = [seed % classes for seed in seeds] if classes else None
    told = {} if labels is None else {"labels": torch.tensor(labels, device=engine.device)}

    def ours() -> Tensor:
        return engine.run(name, seeds, labels=labels, watch=False).images

    def naive() -> Tensor:
        return engine.call(lambda: model.naive_sample(seeds, **told))

    if count < LONG:
        (fast, drawn), (slow, expected) = side_by_side([ours, naive], engine.device, repeats)
        often = ""
    else:
        ((fast, drawn),) = side_by_side([ours], engine.device, repeats)
        slow, expected = timed(naive, engine.device)
        often = "; the naive loop was run once"
    same = "pictures bit-identical" if torch.equal(drawn, expected) else "PICTURES DIFFER"
    what = f"{count} picture{'s' if count > 1 else ''} of {name}, one decision after the other"
    return Result(what, fast, slow, "ms", f"usual: the whole network for every decision; {same}{often}")


MEASUREMENTS: Measurements = {"autoregressive": cached}
