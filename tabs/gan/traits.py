"""Attributes a direction can be looked for: yes-or-no questions that can be put to a picture.

Faces are asked through the frozen classifier. A digit has only one attribute the classifier knows, which digit it is;
thickness, slant and width are measured on the pixels instead.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

FACES: dict[str, tuple[str, tuple[str, ...]]] = {  # name → (head of the classifier, the values that count as yes)
    "smile": ("mouth", ("smile", "grin")),
    "sad mouth": ("mouth", ("sad",)),
    "open mouth": ("mouth", ("open",)),
    "glasses": ("glasses", ("round", "square", "dark")),
    "dark glasses": ("glasses", ("dark",)),
    "hat": ("hat", ("cap", "beanie", "top hat", "crown")),
    "beard": ("facial_hair", ("goatee", "beard")),
    "earrings": ("earrings", ("studs", "hoops")),
    "long hair": ("hair", ("bob", "long", "pigtails")),
    "afro": ("hair", ("afro",)),
    "bald": ("hair", ("bald",)),
    "blond hair": ("hair_colour", ("blond",)),
    "blue hair": ("hair_colour", ("blue",)),
    "dark skin": ("skin", ("brown", "deep")),
    "sleepy eyes": ("eyes", ("sleepy",)),
    "blue clothes": ("clothes_colour", ("teal", "blue")),
    "blue background": ("background", ("pale blue",)),
}
STROKES = ("thick strokes", "leans right", "wide")  # of digits: measured, not classified
TOWARDS = "towards "


@dataclass(frozen=True)
class Looks:
    """What was seen on N pictures.

    Attributes:
        answers: head of the classifier → int64 (N,), the value it finds.
        values: head → its values.
        measured: stroke → float (N,), larger is more; empty for faces.
    """

    answers: Mapping[str, Tensor]
    values: Mapping[str, tuple[str, ...]]
    measured: Mapping[str, Tensor]


def names_of(data: str) -> tuple[str, ...]:
    """Attributes that can be asked for on a data set."""
    return tuple(FACES) if data == "faces" else (*STROKES, *(f"{TOWARDS}{digit}" for digit in range(10)))


def has(trait: str, looks: Looks, middle: Mapping[str, float]) -> Tensor:
    """bool (N,): which pictures have the attribute.

    Args:
        middle: stroke → the median of ordinary samples, above which a picture counts as having it.
    """
    if trait in STROKES:
        return looks.measured[trait] > middle[trait]
    head, wanted = FACES[trait] if trait in FACES else ("digit", (trait.removeprefix(TOWARDS),))
    chosen = torch.tensor([value in wanted for value in looks.values[head]])
    return chosen[looks.answers[head]]


def head_of(trait: str) -> str:
    """The classifier's head an attribute is about; "" for a measured one."""
    return "" if trait in STROKES else FACES[trait][0] if trait in FACES else "digit"


def strokes(x: Tensor) -> dict[str, Tensor]:
    """Thickness, slant and width of digits (N, 1, H, W), white on black, from the moments of their ink.

    Thickness is ink over the length of the outline, about half the width of a stroke in pixels; slant is the sideways
    shift per row, positive to the right; width is the ink's spread across, in pixels.
    """
    ink = x[:, 0].double().clamp(0, 1)
    mass = ink.sum((1, 2)) + 1e-9
    rows = torch.arange(ink.shape[1], dtype=torch.float64)[None, :, None]
    columns = torch.arange(ink.shape[2], dtype=torch.float64)[None, None, :]
    y = rows - ((ink * rows).sum((1, 2)) / mass)[:, None, None]
    x = columns - ((ink * columns).sum((1, 2)) / mass)[:, None, None]
    variance = (ink * y * y).sum((1, 2)) / mass
    outline = ink.diff(dim=1).abs().sum((1, 2)) + ink.diff(dim=2).abs().sum((1, 2)) + 1e-9
    return {
        "thick strokes": mass / outline,
        "leans right": -(ink * x * y).sum((1, 2)) / mass / (variance + 1e-9),  # y grows downwards
        "wide": ((ink * x * x).sum((1, 2)) / mass).sqrt(),
    }
