"""Which faces there are: the palettes, the attributes and factors, and how a seed picks from them."""

from __future__ import annotations

import numbers
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

Colour = tuple[int, int, int]

SIZE = 64
TRAIN_SEEDS = range(0, 50_000)
TEST_SEEDS = range(1_000_000, 1_010_000)
JUDGE_SEEDS = range(2_000_000, 2_150_000)  # what examines the models learns from faces that none of them has seen

# ---------------------------------------------------------------------------------------------- palettes

SKIN: dict[str, Colour] = {
    "porcelain": (255, 226, 208),
    "peach": (250, 201, 168),
    "golden": (236, 184, 126),
    "tan": (208, 148, 104),
    "brown": (166, 110, 76),
    "deep": (126, 80, 60),
}
HAIR: dict[str, Colour] = {
    "black": (40, 36, 48),
    "brown": (92, 50, 26),
    "blond": (244, 204, 104),
    "red": (206, 84, 40),
    "grey": (172, 176, 186),
    "blue": (66, 110, 214),
    "pink": (244, 130, 176),
}
EYE: dict[str, Colour] = {
    "brown": (122, 68, 30),
    "blue": (44, 126, 224),
    "green": (48, 160, 84),
    "amber": (226, 146, 24),
    "grey": (122, 138, 156),
}
CLOTH: dict[str, Colour] = {
    "red": (222, 72, 72),
    "orange": (242, 142, 58),
    "yellow": (246, 200, 72),
    "green": (84, 172, 98),
    "teal": (48, 158, 164),
    "blue": (66, 108, 200),
    "purple": (140, 96, 190),
}
BACKGROUND: dict[str, Colour] = {
    "pale blue": (200, 226, 246),
    "mint": (200, 236, 216),
    "cream": (250, 240, 214),
    "lilac": (222, 212, 244),
    "rose": (250, 208, 216),
    "lemon": (250, 240, 170),
    "pearl grey": (220, 225, 231),
}
WHITE: Colour = (255, 255, 255)
INK: Colour = (46, 40, 54)  # pupils, lashes, glasses, top hat: softer than pure black
GOLD: Colour = (240, 184, 44)
GEM: Colour = (30, 190, 190)
TONGUE: Colour = (236, 104, 112)

# --------------------------------------------------------------------------------- attributes and factors

ATTRIBUTES: dict[str, tuple[str, ...]] = {
    "skin": tuple(SKIN),
    "face": ("round", "oval", "square", "long", "heart"),
    "hair": ("bald", "short", "spiky", "parted", "bob", "long", "curly", "afro", "bun", "pigtails"),
    "hair_colour": tuple(HAIR),
    "eyes": ("round", "almond", "sleepy", "wide"),
    "eye_colour": tuple(EYE),
    "brows": ("flat", "arched", "thick", "angry", "worried"),
    "nose": ("button", "wide", "long"),
    "mouth": ("smile", "grin", "neutral", "sad", "open"),
    "glasses": ("none", "round", "square", "dark"),
    "facial_hair": ("none", "moustache", "goatee", "beard"),
    "hat": ("none", "cap", "beanie", "top hat", "crown"),
    "earrings": ("none", "studs", "hoops"),
    "clothes": ("t-shirt", "hoodie", "collar", "stripes", "turtleneck", "dungarees"),
    "clothes_colour": tuple(CLOTH),
    "background": tuple(BACKGROUND),
}
FACTORS: dict[str, tuple[float, float]] = {
    "turn": (-1.0, 1.0),  # which way the face looks: -1 is to the left of the picture, 1 to the right
    "tilt": (-12.0, 12.0),  # degrees, clockwise in the picture
    "size": (0.88, 1.08),  # of the head
}
# The share of the first value where the values are not equally likely; the others split the rest evenly.
FIRST_SHARE: dict[str, float] = {
    "hair": 0.08,
    "glasses": 0.60,
    "facial_hair": 0.70,
    "hat": 0.70,
    "earrings": 0.60,
}


def shares(name: str) -> list[float]:
    """How frequent each value of an attribute is."""
    count = len(ATTRIBUTES[name])
    first = FIRST_SHARE.get(name, 1 / count)
    return [first] + [(1 - first) / (count - 1)] * (count - 1)


CUMULATIVE = {name: np.cumsum(shares(name)) for name in ATTRIBUTES}


@dataclass(frozen=True)
class Face:
    """One face: a value for every attribute and every factor."""

    attributes: dict[str, str]
    factors: dict[str, float]


# ------------------------------------------------------------------------------------------------ checking


def check_seed(seed: int) -> int:
    """The seed as an int in [0, 2³²); anything else is a ValueError that says so."""
    whole = isinstance(seed, numbers.Integral) and not isinstance(seed, bool)
    if not whole or not 0 <= int(seed) < 2**32:
        raise ValueError(
            f"The seed was {seed!r}, but it must be a whole number from 0 to {2**32 - 1}. Give for example 7."
        )
    return int(seed)


def check_size(size: int) -> int:
    """The side of a picture in pixels, 16 to 1024; anything else is a ValueError that says so."""
    whole = isinstance(size, numbers.Integral) and not isinstance(size, bool)
    if not whole or not 16 <= int(size) <= 1024:
        raise ValueError(
            f"The picture size was {size!r}, but it must be a whole number of pixels from 16 to 1024. "
            f"The models here use {SIZE}."
        )
    return int(size)


def check_face(face: Face) -> None:
    """Refuse a face that has an unknown, missing or out-of-range entry, and say how to mend it."""
    for given, known, kind in ((face.attributes, ATTRIBUTES, "attribute"), (face.factors, FACTORS, "factor")):
        for name in given:
            if name not in known:
                raise ValueError(f"There is no {kind} called {name!r}. Use one of: {', '.join(known)}.")
        for name in known:
            if name not in given:
                raise ValueError(f"The face has no {kind} {name!r}. Start from sample(seed), which has all.")
    for name, value in face.attributes.items():
        if value not in ATTRIBUTES[name]:
            allowed = ", ".join(ATTRIBUTES[name])
            raise ValueError(f"{name} was {value!r}, which is unknown. Use one of: {allowed}.")
    for name, value in face.factors.items():
        low, high = FACTORS[name]
        real = isinstance(value, numbers.Real) and not isinstance(value, bool)
        if not real or not low <= value <= high:
            raise ValueError(f"{name} was {value!r}, but it must lie from {low} to {high}. Change it.")


# ------------------------------------------------------------------------------------- sampling and labels


def sample(seed: int) -> Face:
    """The face that belongs to a seed.  Every attribute and factor is drawn on its own."""
    rng = np.random.default_rng(check_seed(seed))
    attributes, factors = {}, {}
    for (name, values), chance in zip(ATTRIBUTES.items(), rng.random(len(ATTRIBUTES)), strict=True):
        index = int(np.searchsorted(CUMULATIVE[name], chance, side="right"))
        attributes[name] = values[min(index, len(values) - 1)]  # the shares may add up to 0.9999...
    for (name, (low, high)), place in zip(FACTORS.items(), rng.random(len(FACTORS)), strict=True):
        factors[name] = low + (high - low) * float(place)
    return Face(attributes, factors)


def visible(codes: np.ndarray, names: Sequence[str] = tuple(ATTRIBUTES)) -> np.ndarray:
    """Which of the attributes `names` a picture shows at all: labels (N, A) → bool (N, A).

    Dark glasses hide the colour of the eyes, and their form all but for the lashes of wide ones: two faces that differ
    in nothing else are the same picture.
    """
    seen = np.ones(np.shape(codes), dtype=bool)
    if "glasses" in names:
        dark = np.asarray(codes)[:, names.index("glasses")] == ATTRIBUTES["glasses"].index("dark")
        for hidden in {"eyes", "eye_colour"} & set(names):
            seen[dark, names.index(hidden)] = False
    return seen


def labels(face: Face) -> np.ndarray:
    """The position of each attribute's value in ATTRIBUTES, as int64."""
    check_face(face)
    indices = [values.index(face.attributes[name]) for name, values in ATTRIBUTES.items()]
    return np.array(indices, dtype=np.int64)
