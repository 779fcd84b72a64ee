"""From a learner to a checkpoint folder: weights, the picture of its losses, and the card without scores."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from playground import data as datasets
from playground import registry
from playground.api import PlaygroundError
from playground.training.picture import Points, draw
from playground.training.recipe import Learner, Recipe

CURVES = "curves.svg"
LARGEST = 16 * 2**20  # bytes of a weight file


def export(
    recipe: Recipe,
    learner: Learner,
    dataset: datasets.Dataset,
    folder: Path,
    minutes: float,
    device: torch.device,
    *,
    losses: Mapping[str, Points] | None = None,
    **more: Any,
) -> None:
    """Writes weights and card; scores come later, from `evaluate`.

    Args:
        minutes: of training. losses: name → [(pictures seen, value)…], drawn as `curves.svg` where there are any.
        more: further entries for the card, such as the seed.

    Raises:
        PlaygroundError: the folder cannot be written, or a weight file is too large.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        learner.save(folder)
        (folder / CURVES).unlink(missing_ok=True)  # of other weights
        if losses:
            (folder / CURVES).write_text(draw(losses, f"Losses of {recipe.name}"), encoding="utf-8")
    except OSError as error:
        raise PlaygroundError(
            f"The checkpoint folder {folder} cannot be written ({error.strerror or error}). The training's state is "
            "kept: make room or choose another folder, and run the command again."
        ) from error
    for path in folder.rglob("*.safetensors"):
        if path.stat().st_size > LARGEST:
            raise PlaygroundError(f"{path} weighs {path.stat().st_size / 2**20:.1f} MB; a file may weigh 16.")
    labels = list(next(iter(dataset.heads.values()))) if recipe.conditional else []
    front = _front(recipe, dataset, labels, minutes, device, _parameters(folder))
    front["playground"] |= more
    registry.write_card(folder, front, _body(recipe, bool(losses)))


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
        "hardware": hardware(device),
    }
    return {
        "license": "apache-2.0",
        "library_name": "diffusers" if recipe.family == "diffusion" else "pytorch",
        "tags": ["generative-playground", recipe.family],
        "datasets": [recipe.data],
        "playground": own,
    }


def _body(recipe: Recipe, drawn: bool) -> str:
    curves = f"\n\n![Losses over the pictures seen]({CURVES})" if drawn else ""
    return f"{recipe.summary}\n\nTrain it again: `python -m playground train {recipe.name}`.{curves}"


def _parameters(folder: Path) -> int:
    from safetensors import safe_open

    total = 0
    for path in folder.rglob("*.safetensors"):
        with safe_open(path, "pt") as file:
            shapes = [file.get_slice(k).get_shape() for k in file.keys()]  # noqa: SIM118 (safe_open is no dict)
        total += sum(int(torch.tensor(s).prod()) if s else 1 for s in shapes)
    return total


def hardware(device: torch.device) -> str:
    """What a run was made on, in words for the card."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    threads = torch.get_num_threads()
    return f"{threads} CPU thread{'s' * (threads > 1)}" if device.type == "cpu" else device.type
