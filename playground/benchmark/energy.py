"""Many Gibbs chains at once, each with coins of its own, beside one chain after the other."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from playground.benchmark.measure import Measurements, Result, Skipped, side_by_side
from playground.engine import Engine
from playground.models.energy.rbm import gibbs, later

MODEL, CHAINS, SWEEPS = "rbm-mnist", 20, 50


def sweeping(engine: Engine, repeats: int) -> Iterator[Result]:
    """Fifty sweeps of twenty fantasies in one batch and chain by chain; the pixels are compared one by one."""
    if MODEL not in {card.name for card in engine.cards()}:
        raise Skipped(f"needs {MODEL}")
    model, seeds = engine.model(MODEL), list(range(CHAINS))
    start = model.start(model.latents(seeds)).double()
    weights = engine.call(model.weights)

    def run(v: Tensor, chosen: list[int]) -> Tensor:
        streams = later(chosen)
        for _ in range(SWEEPS):
            v, _ = gibbs(weights, v, streams)
        return v

    def together() -> Tensor:
        return engine.call(lambda: run(start, seeds))

    def apart() -> Tensor:
        return torch.cat([engine.call(lambda i=i: run(start[i : i + 1], [seeds[i]])) for i in range(CHAINS)])

    (fast, ours), (slow, theirs) = side_by_side([together, apart], engine.device, repeats)
    same = "every pixel equal" if torch.equal(ours, theirs) else "PIXELS DIFFER"
    rate = SWEEPS / fast * 1000
    yield Result(
        f"{SWEEPS} Gibbs sweeps of {CHAINS} chains of {MODEL}", fast, slow, "ms",
        f"usual: chain by chain; {same}; {rate:,.0f} sweeps of all {CHAINS} a second",
    )  # fmt: skip


MEASUREMENTS: Measurements = {"gibbs": sweeping}
