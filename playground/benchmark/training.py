"""Pictures a second of a training as the command line runs it, beside a plain loop written for the same learner.

Both see the same batches and the same noise, so that their weights must be equal in the end, bit for bit. What the
playground adds to a step: progress, the curve of the losses, the check that they are numbers, and a random stream of
torch's own that belongs to the step. Saving (once a minute) is timed by itself.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import torch
from torch import Tensor

from playground.benchmark.measure import Measurements, Result, timed
from playground.data import Dataset, mnist
from playground.engine import Engine
from playground.training import Batch, Learner, Recipe, Run, recipes

RECIPES = ("vae-mnist-2d", "gan-mnist")
PICTURES, STEPS = 20_000, 10  # drawn at random: what they show costs nobody time; steps a round


def training(engine: Engine, repeats: int) -> Iterator[Result]:
    """Rounds of ten updates of each recipe, both sides in turn."""
    stream = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (PICTURES, 1, 28, 28), generator=stream, dtype=torch.uint8)
    dataset = Dataset("mnist", images, torch.arange(PICTURES) % 10, {"digit": mnist.LABELS})
    for name in RECIPES:
        with tempfile.TemporaryDirectory() as folder:
            yield _beside(recipes()[name], dataset, Path(folder), engine.device, repeats)


def _beside(recipe: Recipe, dataset: Dataset, folder: Path, device: torch.device, repeats: int) -> Result:
    total = STEPS * (repeats + 1) * recipe.batch
    torch.manual_seed(0)
    learner = recipe.learner(device)
    by_hand = plain(learner, recipe, dataset, device, total)
    with Run(recipe, state=folder, dataset=dataset, device=device.type, images=total) as run:
        rounds = []
        for _ in range(repeats + 1):  # the first one warms up
            ours, _ = timed(lambda: [run.step() for _ in range(STEPS)], device)
            theirs, _ = timed(lambda: [next(by_hand) for _ in range(STEPS)], device)
            rounds.append((ours, theirs))
        saving, _ = timed(run.save, device)
    ours, theirs = (median(column) for column in zip(*rounds[1:]))
    same = all(torch.equal(a, b) for a, b in zip(weights(run.learner), weights(learner)))
    rate = STEPS * recipe.batch * 1000
    note = f"{rate / ours:,.0f} and {rate / theirs:,.0f} pictures a second; "
    note += f"{'weights equal bit for bit' if same else 'WEIGHTS DIFFER'}; a save takes {saving:.0f} ms"
    return Result(f"training: {STEPS} updates of {recipe.name}", ours, theirs, "ms", note)


def plain(
    learner: Learner, recipe: Recipe, dataset: Dataset, device: torch.device, total: int
) -> Iterator[dict[str, float]]:
    """The usual loop: shuffle, take a batch, set the learning rate, step."""
    noise = torch.Generator().manual_seed(0)
    rates = [(g, g["lr"]) for o in learner.optimizers.values() for g in o.param_groups]
    left, epoch = torch.empty(0, dtype=torch.int64), 0
    for seen in range(0, total, recipe.batch):
        if len(left) < recipe.batch:
            order = torch.randperm(len(dataset), generator=torch.Generator().manual_seed(epoch))
            left, epoch = torch.cat([left, order]), epoch + 1
        index, left = left[: recipe.batch], left[recipe.batch :]
        for group, rate in rates:
            group["lr"] = rate * recipe.rate(seen / total)
        x, y = dataset.pictures(index).to(device), dataset.labels[index].to(device)
        yield learner.step(Batch(x, y, noise, seen, seen / total))


def weights(learner: Learner) -> list[Tensor]:
    """Every weight and buffer of a learner's networks."""
    return [tensor for module in learner.modules.values() for tensor in module.state_dict().values()]


MEASUREMENTS: Measurements = {"training": training}
