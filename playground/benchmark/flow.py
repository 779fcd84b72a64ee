"""The inverse of a transformer flow with its keys and values kept, beside reading all earlier patches again."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

from playground.benchmark.measure import Measurements, Result, Skipped, side_by_side
from playground.engine import Engine

INVERSE = {"model": "tarflow-mnist", "pictures": (1, 16, 64)}


def inverse(engine: Engine, repeats: int) -> Iterator[Result]:
    """From noise to pictures, both ways; they must give the same pictures."""
    name = INVERSE["model"]
    if name not in {card.name for card in engine.cards()}:
        raise Skipped(f"needs {name}")
    model = engine.model(name)

    def naive(z: Tensor) -> Tensor:
        h = z.to(engine.device).unflatten(1, model.shape)
        for block in reversed(model.layers[1:]):
            h = block.naive_inverse(h)
        return model.picture(model.layers[0].inverse(h))

    for count in INVERSE["pictures"]:
        z = model.latents(range(count))
        tasks = [lambda z=z: engine.call(lambda: model.decode(z)), lambda z=z: engine.call(lambda: naive(z))]
        (kept, pictures), (again, same) = side_by_side(tasks, engine.device, repeats)
        difference = (pictures - same).abs().max().item() * 255
        yield Result(
            f"{count} picture{'s' * (count > 1)} from {name}", kept, again, "ms",
            f"usual: all earlier patches are read again for each; largest difference {difference:.2g} of 255 levels",
        )  # fmt: skip


MEASUREMENTS: Measurements = {"flow": inverse}
