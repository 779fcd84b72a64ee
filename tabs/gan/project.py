"""Projection: a search for the style whose picture comes nearest to a given one.

A GAN has no encoder, so the way back is an optimisation (Abdal et al., "Image2StyleGAN", 2019). Every step is shown;
what is found is kept by the desk, so that saving or undoing does not search again.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from playground import render
from tabs import _ui as ui
from tabs.gan.desk import Desk

INTERVAL = 1 / 12  # seconds between two pictures sent to the page
CLOSE, FAR = 0.006, 0.025  # mean squared error of a good and of a poor likeness

Values = dict[str, Any]


@dataclass(frozen=True)
class Found:
    """A finished search.

    Attributes:
        frames: (T, C, H, W), the picture after each step. errors: (T,), their mean squared errors.
    """

    frames: Tensor
    errors: tuple[float, ...]


def key_of(values: Values, x: Tensor) -> tuple:
    """What a search depends on."""
    digest = hashlib.sha256(render.array(x).tobytes()).hexdigest()
    return values["model"], values["seed"], values["label"], digest


def shown(desk: Desk, values: Values, x: Tensor, what: str, patch: Values) -> ui.Shown:
    """The finished search if there is one; else the picture, and word that the search is still to come."""
    found = desk.found(key_of(values, x))
    if found is None:
        blank = desk.draw(values["model"], desk.styles(values["model"], [values["seed"]], kinds(desk, values), 0.0))
        sentence = f"{what}, and the mean picture, before the search begins."
        data = {"input": render.png_uri(x), "film": film_of(blank, x), "pending": True, "colour": x.shape[1] == 3}
        return ui.Shown(torch.cat([x, blank]), sentence, data, columns=2, patch=patch, code=code(values))
    return finished(values, x, found, what, patch)


def search(desk: Desk, values: Values, x: Tensor, what: str, patch: Values) -> Iterator[ui.Shown]:
    """The search step by step; the last answer carries the film of all steps."""
    model, key = desk.model(values["model"]), key_of(values, x)
    frames, errors, told = [], [], 0.0
    labels = kinds(desk, values)
    target = render.png_uri(x)
    for frame in desk.engine.steps(lambda: model.project(x, [values["seed"]], labels)):
        picture = frame.images.float().cpu()
        frames.append(picture)
        errors.append(frame.info["loss"])
        if frame.step < frame.total and time.monotonic() - told >= INTERVAL:
            told = time.monotonic()
            sentence = f"{what}: the search is at step {frame.step}, mean squared error {errors[-1]:.4f}."
            data = {"input": target, "film": film_of(picture, x), "live": True, "colour": x.shape[1] == 3}
            data["labels"] = [label_of(frame.step - 1, errors[-1])]
            yield ui.Shown(torch.cat([x, picture]), sentence, data, columns=2, model=values["model"],
                           patch=patch, code=code(values), step=frame.step, total=frame.total)  # fmt: skip
    found = Found(torch.cat(frames), tuple(errors))
    desk.remember(key, found)
    yield finished(values, x, found, what, patch)


def kinds(desk: Desk, values: Values) -> Tensor | None:
    """The class searched in, where the network has classes."""
    return desk.labels(values["model"], values["label"], 1)


def finished(values: Values, x: Tensor, found: Found, what: str, patch: Values) -> ui.Shown:
    """Picture, likeness, and the film: the search above, what is still wrong below."""
    total, error = len(found.frames), found.errors[-1]
    labels = [label_of(i, e) for i, e in enumerate(found.errors)]
    film = film_of(found.frames, x)
    data = {"input": render.png_uri(x), "film": film, "labels": labels, "colour": x.shape[1] == 3}
    return ui.Shown(torch.cat([x, found.frames[-1:]]), likeness(what, error, found.errors[0], total), data, columns=2,
                    model=values["model"], patch=patch, code=code(values), step=total, total=total)  # fmt: skip


def film_of(frames: Tensor, x: Tensor) -> dict[str, Any]:
    """Two lanes: what was found, and where it still differs from x."""
    wrong = (frames - x).abs().mean(1, keepdim=True).expand_as(frames)
    return render.sprite({"found": frames, "still wrong": wrong.clamp(0, 1)})


def label_of(step: int, error: float) -> str:
    """What stands beside the scrubber."""
    return f"step {step + 1} · {error:.4f}"


def likeness(what: str, error: float, first: float, total: int) -> str:
    """How near the search came, in words."""
    verdict = "a close likeness" if error < CLOSE else "only a relative" if error < FAR else "something quite different"
    return (
        f"{what} and what the network found in {total} steps: {verdict}. The mean squared error fell from {first:.4f} "
        f"to {error:.4f}; what stays wrong is what this network cannot draw."
    )


def code(values: Values) -> str:
    """The search in Python."""
    return "\n".join(
        [
            "from playground import Engine",
            "from tabs.gan.desk import desk_of",
            "from tabs.gan.modes import picture_of",
            "engine = Engine()",
            f'model = engine.model("{values["model"]}")',
            f"x, _, _ = picture_of(desk_of(engine), {_relevant(values)!r})",
            f"labels = desk_of(engine).labels({values['model']!r}, {values['label']!r}, 1)",
            f"for frame in engine.steps(lambda: model.project(x, [{values['seed']}], labels)):",
            "    picture = frame.images",
        ]
    )


def _relevant(values: Values) -> Values:
    names = ["model", "seed", "truncation", "label", "source", "test"]
    return {k: values[k] for k in (*names, "drawing")}
