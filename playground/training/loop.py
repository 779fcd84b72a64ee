"""The training loop: a generator of `Progress` that resumes where it was stopped.

Whoever iterates decides what to show and when to stop. State (networks, optimisers, random stream, clock) is written
to a folder at intervals and read back with `weights_only`, so a state file can carry no code.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from playground import data as datasets
from playground import registry
from playground.api import PlaygroundError
from playground.engine import pick_device
from playground.training.recipe import Batch, Learner, Recipe, recipes

RUNS = Path("runs")
LARGEST = 16 * 2**20  # bytes of a weight file


@dataclass(frozen=True)
class Progress:
    """Where a run stands.

    Attributes:
        images: pictures seen; done: fraction of the run in [0, 1]; seconds: of training so far, all sessions.
        left_seconds: estimate; losses: of the last step.
    """

    images: int
    done: float
    seconds: float
    left_seconds: float
    losses: dict[str, float]


def train(
    name: str,
    *,
    minutes: float | None = None,
    images: int | None = None,
    device: str = "auto",
    out: Path | None = None,
    state: Path | None = None,
    seed: int = 0,
    dataset: datasets.Dataset | None = None,
    save_every: float = 60.0,
) -> Iterator[Progress]:
    """Runs a recipe to its end and writes the checkpoint folder.

    Args:
        name: a recipe. minutes: budget of training time instead of the recipe's length; images: another length.
        out: checkpoint folder to write; the shipped one if not given. state: where to resume from and save to.
        dataset: pictures to learn from instead of the recipe's own (tests pass a handful).
        save_every: seconds between two saved states.

    Raises:
        PlaygroundError: unknown recipe, or the loss is no longer a number.
    """
    if name not in recipes():
        raise PlaygroundError(f"There is no recipe {name!r}. Known: {', '.join(recipes())}.")
    recipe, where = recipes()[name], pick_device(device)
    state_file = (state or RUNS / name) / "state.pt"
    dataset = dataset or datasets.load(recipe.data)
    torch.manual_seed(seed)  # initial weights; everything later comes from the run's own stream
    learner = recipe.learner(where)
    noise = torch.Generator().manual_seed(seed)
    seen, seconds = _resume(state_file, learner, noise) if state_file.is_file() else (0, 0.0)
    total = images or recipe.images
    saved = started = time.monotonic()
    before, first = seconds, seen
    while True:
        done = seconds / (minutes * 60) if minutes else seen / total
        if done >= 1:
            break
        _set_rates(learner, recipe.rate(done))
        losses = learner.step(_batch(recipe, dataset, seed, seen, done, noise, where))
        if not all(math.isfinite(v) for v in losses.values()):
            raise PlaygroundError(f"{name}: a loss is not finite after {seen} pictures. Resume from an older state.")
        seen += recipe.batch
        seconds = before + time.monotonic() - started
        if time.monotonic() - saved > save_every:
            _save(state_file, learner, noise, seen, seconds)
            saved = time.monotonic()
        left = minutes * 60 - seconds if minutes else (total - seen) * (seconds - before) / (seen - first)
        yield Progress(seen, min(1.0, done), seconds, max(0.0, left), losses)
    _save(state_file, learner, noise, seen, seconds)
    export(recipe, learner, dataset, out or registry.CHECKPOINTS / name, seconds / 60, where)


def export(
    recipe: Recipe, learner: Learner, dataset: datasets.Dataset, folder: Path, minutes: float, device: torch.device
) -> None:
    """Writes weights and card; scores come later, from `evaluate`."""
    folder.mkdir(parents=True, exist_ok=True)
    learner.save(folder)
    for path in folder.rglob("*.safetensors"):
        if path.stat().st_size > LARGEST:
            raise PlaygroundError(f"{path} weighs {path.stat().st_size / 2**20:.1f} MB; a file may weigh 16.")
    labels = list(next(iter(dataset.heads.values()))) if recipe.conditional else []
    registry.write_card(folder, _front(recipe, dataset, labels, minutes, device, _parameters(folder)), _body(recipe))


def _front(
    recipe: Recipe, dataset: datasets.Dataset, labels: list[str], minutes: float, device: torch.device, weights: int
) -> dict[str, Any]:
    own = {
        "family": recipe.family,
        "title": recipe.title,
        "data": recipe.data,
        "shape": list(dataset.images.shape[1:]),
        "labels": labels,
        "year": recipe.year,
        "paper": recipe.paper,
        "credit": datasets.CREDITS[recipe.data],
        "parameters": weights,
        "recipe": recipe.name,
        "minutes": round(minutes, 1),
        "hardware": _hardware(device),
    }
    return {
        "license": "apache-2.0",
        "library_name": "diffusers" if recipe.family == "diffusion" else "pytorch",
        "tags": ["generative-playground", recipe.family],
        "datasets": [recipe.data],
        "playground": own,
    }


def _body(recipe: Recipe) -> str:
    return f"{recipe.summary}\n\nTrain it again: `python -m playground train {recipe.name}`."


def _parameters(folder: Path) -> int:
    from safetensors import safe_open

    total = 0
    for path in folder.rglob("*.safetensors"):
        with safe_open(path, "pt") as file:
            shapes = [file.get_slice(k).get_shape() for k in file.keys()]  # noqa: SIM118 (safe_open is no dict)
        total += sum(int(torch.tensor(s).prod()) if s else 1 for s in shapes)
    return total


def _hardware(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{torch.get_num_threads()} CPU threads" if device.type == "cpu" else device.type


def _batch(
    recipe: Recipe,
    dataset: datasets.Dataset,
    seed: int,
    seen: int,
    done: float,
    noise: torch.Generator,
    device: torch.device,
) -> Batch:
    """The next pictures of an endless sequence of shuffled epochs: a function of (seed, seen) alone."""
    n = len(dataset)
    positions = torch.arange(seen, seen + recipe.batch)
    index = torch.empty(recipe.batch, dtype=torch.int64)
    for epoch in torch.unique(positions // n).tolist():
        order = torch.randperm(n, generator=torch.Generator().manual_seed(seed * 100_003 + epoch))
        here = positions // n == epoch
        index[here] = order[positions[here] % n]
    return Batch(dataset.pictures(index).to(device), dataset.labels[index].to(device), noise, seen, done)


def _set_rates(learner: Learner, factor: float) -> None:
    for optimizer in learner.optimizers.values():
        for group in optimizer.param_groups:
            group.setdefault("initial_lr", group["lr"])
            group["lr"] = group["initial_lr"] * factor


def _save(path: Path, learner: Learner, noise: torch.Generator, seen: int, seconds: float) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")  # renamed when whole: a kill while writing must not cost the last good state
    torch.save(
        {
            "modules": {k: m.state_dict() for k, m in learner.modules.items()},
            "optimizers": {k: o.state_dict() for k, o in learner.optimizers.items()},
            "noise": noise.get_state(),
            "seen": seen,
            "seconds": seconds,
        },
        part,
    )
    part.replace(path)


def _resume(path: Path, learner: Learner, noise: torch.Generator) -> tuple[int, float]:
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        for name, module in learner.modules.items():
            module.load_state_dict(state["modules"][name])
        for name, optimizer in learner.optimizers.items():
            optimizer.load_state_dict(state["optimizers"][name])
    except (RuntimeError, KeyError, EOFError, ValueError) as error:
        raise PlaygroundError(
            f"The training state {path} cannot be resumed ({error}). Delete it to start anew."
        ) from error
    noise.set_state(state["noise"])
    return state["seen"], state["seconds"]
