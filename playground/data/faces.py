"""Cartoon faces, drawn from a seed.

The idea
    A face is a short list of choices (skin, hair, hat, mouth, ...) and three continuous factors (turn, tilt and
    size).  `sample(seed)` makes the choices, `draw(face)` turns them into a picture, and `labels(face)` gives
    them as integers, so every picture comes with a complete and exact description of what is in it.

How a face is sampled
    Each attribute is drawn on its own, from `numpy.random.default_rng(seed)`.  No attribute depends on another:
    a blue beard is as likely on any skin.  This is less lifelike than real portraits, and on purpose: scores
    that ask whether a model separates the attributes are only exact when the data does not tie them together.

Why the faces are drawn
    There is nothing to download, no person's likeness is used, the data set is as large as one likes, and the
    truth behind each picture is known.

How a face is drawn
    Everything is a filled polygon on one canvas four times too large, which is then averaged down: that gives
    smooth edges.  Points of the head pass through a `Pen`, which slides them sideways (turn), rotates them
    (tilt) and scales them (size), so that hair, glasses and beard always follow the head.  Lengths are in
    canvas units: the picture is 256 units wide, whatever its size in pixels.
"""

from __future__ import annotations

import math
import numbers
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw

Colour = tuple[int, int, int]

SIZE = 64
TRAIN_SEEDS = range(0, 50_000)
TEST_SEEDS = range(1_000_000, 1_010_000)

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


def _cumulative_shares(name: str) -> np.ndarray:
    count = len(ATTRIBUTES[name])
    first = FIRST_SHARE.get(name, 1 / count)
    return np.cumsum([first] + [(1 - first) / (count - 1)] * (count - 1))


CUMULATIVE = {name: _cumulative_shares(name) for name in ATTRIBUTES}


@dataclass(frozen=True)
class Face:
    """One face: a value for every attribute and every factor."""

    attributes: dict[str, str]
    factors: dict[str, float]


# ------------------------------------------------------------------------------------------------ checking


def check_seed(seed: int) -> int:
    whole = isinstance(seed, numbers.Integral) and not isinstance(seed, bool)
    if not whole or not 0 <= int(seed) < 2**32:
        raise ValueError(
            f"The seed was {seed!r}, but it must be a whole number from 0 to {2**32 - 1}. Give for example 7."
        )
    return int(seed)


def check_size(size: int) -> int:
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
                raise ValueError(f"The face has no {kind} {name!r}. Start from sample(seed), which sets them all.")
    for name, value in face.attributes.items():
        if value not in ATTRIBUTES[name]:
            raise ValueError(f"{name} was {value!r}, which is unknown. Use one of: {', '.join(ATTRIBUTES[name])}.")
    for name, value in face.factors.items():
        low, high = FACTORS[name]
        real = isinstance(value, numbers.Real) and not isinstance(value, bool)
        if not real or not low <= value <= high:
            raise ValueError(f"{name} was {value!r}, but it must lie between {low} and {high}. Move it inside.")


# ------------------------------------------------------------------------------------------------ geometry


def mix(a: Colour, b: Colour, share: float) -> Colour:
    """The colour that is `share` of b and the rest a."""
    return tuple(round(x + (y - x) * share) for x, y in zip(a, b, strict=True))


@lru_cache(maxsize=1024)
def curve(*points: tuple[float, float]) -> np.ndarray:
    """A smooth open line through the points (a Catmull-Rom spline).  Cached: most shapes never change."""
    p = np.array([points[0], *points, points[-1]], dtype=float)
    t = np.linspace(0, 1, 7)[:-1, None, None]
    a, b, c, d = p[:-3], p[1:-2], p[2:-1], p[3:]
    line = 0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3)
    return np.concatenate([line.transpose(1, 0, 2).reshape(-1, 2), p[-1:]])


def flip(points: np.ndarray) -> np.ndarray:
    """The mirror image, left for right."""
    return points * (-1, 1)


def both_sides(*right: tuple[float, float]) -> np.ndarray:
    """A symmetrical outline, from its right half listed from the top to the bottom."""
    left = [(-x, y) for x, y in reversed(right)]
    skip = 1 if right[-1][0] == 0 else 0  # do not repeat a point that lies on the axis
    return curve(*right, *left[skip:])


@lru_cache(maxsize=64)
def unit_circle(count: int) -> np.ndarray:
    angle = np.linspace(0, 2 * math.pi, count, endpoint=False)
    return np.stack([np.cos(angle), np.sin(angle)], axis=1)


def ellipse(x: float, y: float, rx: float, ry: float) -> np.ndarray:
    count = 20 if max(rx, ry) < 12 else 44
    return unit_circle(count) * (rx, ry) + (x, y)


def ribbon(points: np.ndarray, width: float) -> np.ndarray:
    """The outline of a line drawn with the given width."""
    along = np.gradient(points, axis=0)
    along /= np.maximum(np.hypot(along[:, 0], along[:, 1]), 1e-9)[:, None]
    across = along[:, ::-1] * (-width / 2, width / 2)
    return np.concatenate([points + across, (points - across)[::-1]])


def hoop(points: np.ndarray, width: float) -> np.ndarray:
    """The same for a line that runs back to its start: no gap where the ends meet."""
    line = ribbon(np.concatenate([points[-1:], points, points[:2]]), width)
    half = len(line) // 2
    return np.concatenate([line[1 : half - 1], line[half + 1 : -1]])


class Pen:
    """Draws shapes given in local units, after moving them the way the head is turned, tilted and scaled.

    `pivot` is where the neck joins, in canvas units; local (0, 0) lies `above` units over it.
    """

    def __init__(
        self, canvas: ImageDraw.ImageDraw, unit: float, pivot: tuple[float, float], above: float = 0.0,
        turn: float = 0.0, tilt: float = 0.0, size: float = 1.0,
    ) -> None:  # fmt: skip
        self.canvas, self.unit, self.turn = canvas, unit, turn
        cos, sin = math.cos(math.radians(tilt)) * size * unit, math.sin(math.radians(tilt)) * size * unit
        self.matrix = np.array([[cos, sin], [-sin, cos]])
        self.shift = np.array(pivot) * unit - np.array((0.0, above)) @ self.matrix

    def place(self, points: np.ndarray, depth: float = 0.0) -> np.ndarray:
        """Local points to canvas pixels.

        The head is a ball: what lies in the middle of its front slides furthest when it turns, and what lies
        on its outline stays.  So a beard or a fringe slides in the middle and still meets the outline.
        """
        if depth and self.turn:
            x, y = points[:, 0], points[:, 1]
            front = np.maximum(0, 1 - (x / 66) ** 2) * np.maximum(0, 1 - (y / 88) ** 2)
            points = np.stack([x + self.turn * depth * front, y], axis=1)
        return points @ self.matrix + self.shift

    def shape(self, points: np.ndarray, fill: Colour, depth: float = 0.0) -> None:
        self.canvas.polygon(self.place(points, depth).ravel().tolist(), fill=fill)

    def oval(self, x: float, y: float, rx: float, ry: float, fill: Colour, depth: float = 0.0) -> None:
        self.shape(ellipse(x, y, rx, ry), fill, depth)

    def ring(self, x: float, y: float, rx: float, ry: float, width: float, fill: Colour, depth: float = 0.0) -> None:
        self.shape(hoop(ellipse(x, y, rx, ry), width), fill, depth)

    def stroke(self, points: np.ndarray, width: float, fill: Colour, depth: float = 0.0) -> None:
        """A line with round ends."""
        self.shape(ribbon(points, width), fill, depth)
        for x, y in (points[0], points[-1]):
            self.oval(x, y, width / 2, width / 2, fill, depth)


# How far the middle of each thing slides, in units, at a turn of 1: the further forward, the more.
FACE_DEPTH = 15.0
GLASSES_DEPTH = 17.0
NOSE_DEPTH = 22.0
HAIR_DEPTH = 12.0
VISOR_DEPTH = 24.0
EAR_SLIDE = -5.0  # the ears sit behind the middle of the head, so they go the other way

HEAD_ABOVE_NECK = 70.0
HEAD_SCALE = 1.08
NECK = (128.0, 195.0)
NECK_HALF_WIDTH = 22.0

# Right half of each head, top to chin, with (0, 0) between the eyes.  The skulls are alike so hair fits them all.
HEADS: dict[str, tuple[tuple[float, float], ...]] = {
    "round": ((0, -62), (34, -54), (54, -30), (59, 4), (53, 34), (31, 55), (0, 62)),
    "oval": ((0, -62), (33, -54), (52, -30), (55, 4), (47, 36), (26, 58), (0, 65)),
    "square": ((0, -62), (34, -54), (54, -30), (57, 4), (56, 34), (43, 54), (20, 62), (0, 63)),
    "long": ((0, -63), (31, -54), (48, -30), (51, 6), (46, 40), (28, 64), (0, 72)),
    "heart": ((0, -62), (34, -54), (56, -30), (57, 0), (43, 32), (18, 58), (0, 66)),
}
SKULL_HALF_WIDTH = {"round": 59, "oval": 55, "square": 57, "long": 51, "heart": 57}


@dataclass(frozen=True)
class Sketch:
    """What every drawing function needs: the choices, two pens and the colours that follow from the choices."""

    face: Face
    head: Pen
    body: Pen
    skin: Colour
    skin_shade: Colour
    hair: Colour
    hair_dark: Colour
    hair_light: Colour
    cloth: Colour
    cloth_dark: Colour
    cloth_light: Colour

    def __getitem__(self, name: str) -> str:
        return self.face.attributes[name]

    @property
    def fit(self) -> np.ndarray:
        """Stretches hair and hats, which are drawn for a half width of 56, to this skull."""
        return np.array((SKULL_HALF_WIDTH[self["face"]] / 56, 1.0))

    @property
    def covered(self) -> bool:
        """Whether the hat hides the top of the hair (a crown leaves it bare)."""
        return self["hat"] not in ("none", "crown")


# ------------------------------------------------------------------------------------------ body and clothes

TORSO = ((0, 6), (24, 12), (58, 24), (82, 40), (92, 76))


def draw_background(canvas: ImageDraw.ImageDraw, colour: Colour, width: int) -> None:
    """A plain colour with one lighter disc behind the head."""
    canvas.rectangle((0, 0, width, width), fill=colour)
    margin = width * 0.06
    canvas.ellipse((margin, margin, width - margin, width - margin), fill=mix(colour, WHITE, 0.38))


def draw_neck(s: Sketch) -> None:
    """Neck and neckline, with the shadow of the chin on it."""
    w = NECK_HALF_WIDTH
    s.body.shape(np.array(((-w, -40), (w, -40), (w, 14), (-w, 14)), dtype=float), s.skin)
    s.body.oval(0, 13, w + 4, 11, s.skin)
    chin = s.head.place(head_outline(s["face"]) + (0, 9), FACE_DEPTH * 0.6)
    left, right = ((NECK[0] - w) * s.body.unit, (NECK[0] + w) * s.body.unit)
    chin[:, 0] = np.clip(chin[:, 0], left, right)  # a shadow falls on the neck only
    s.body.canvas.polygon(chin.ravel().tolist(), fill=s.skin_shade)


def draw_torso(s: Sketch) -> None:
    kind = s["clothes"]
    if kind == "hoodie":
        s.body.oval(0, 8, 50, 27, s.cloth_dark)
    colour = s.cloth_light if kind == "dungarees" else s.cloth
    s.body.shape(both_sides(*TORSO), colour)
    if kind == "stripes":
        draw_stripes(s)
    if kind in ("t-shirt", "stripes", "dungarees"):
        s.body.oval(0, 13, NECK_HALF_WIDTH + 10, 17, s.cloth_dark if kind != "dungarees" else s.cloth)


def draw_stripes(s: Sketch) -> None:
    edge = curve(*TORSO)
    for top in (33, 51):
        ys = np.array((top, top + 4.5, top + 9.0))
        xs = np.interp(ys, edge[:, 1], edge[:, 0])
        right = np.stack([xs, ys], axis=1)
        s.body.shape(np.concatenate([right, flip(right)[::-1]]), mix(s.cloth, WHITE, 0.82))


def draw_collar(s: Sketch) -> None:
    """The parts of the clothes that lie over the neck."""
    kind, body = s["clothes"], s.body
    if kind == "hoodie":
        edge = curve((-46, 6), (-38, 20), (-18, 31), (0, 35), (18, 31), (38, 20), (46, 6))
        body.stroke(edge, 13, mix(s.cloth, WHITE, 0.22))
        for x in (-15, 15):
            body.stroke(np.array(((x, 34), (x, 54)), dtype=float), 5, WHITE)
    elif kind == "collar":
        body.shape(np.array(((-5, 28), (5, 28), (5, 70), (-5, 70)), dtype=float), s.cloth_dark)
        for y in (40, 58):
            body.oval(0, y, 3.5, 3.5, WHITE)
        flap = np.array(((20, 0), (31, 8), (33, 24), (20, 40), (0, 25)), dtype=float)
        for side in (flap, flip(flap)):
            body.shape(side, mix(s.cloth, WHITE, 0.78))
    elif kind == "turtleneck":
        roll = both_sides((0, -3), (22, -6), (28, 0), (29, 14), (24, 21), (0, 24))
        body.shape(roll, mix(s.cloth, WHITE, 0.2))
        body.stroke(curve((-26, 18), (0, 24), (26, 18)), 4, s.cloth_dark)
    elif kind == "dungarees":
        body.shape(np.array(((-34, 46), (34, 46), (38, 70), (-38, 70)), dtype=float), s.cloth)
        strap = np.array(((27, 52), (43, 17)), dtype=float)
        for side in (strap, flip(strap)):
            body.shape(ribbon(side, 14), s.cloth)
        for x in (-29, 29):
            body.oval(x, 51, 4.5, 4.5, GOLD)


# ------------------------------------------------------------------------------------------- head and face


def head_outline(shape: str) -> np.ndarray:
    return both_sides(*HEADS[shape])


def chin_height(s: Sketch) -> float:
    return HEADS[s["face"]][-1][1]


def ear_points(s: Sketch) -> tuple[float, float, float]:
    """x of the left ear, x of the right ear, y of both."""
    half, slide = SKULL_HALF_WIDTH[s["face"]], s.head.turn * EAR_SLIDE
    return -half + slide - 1, half + slide + 1, 6.0


def draw_ears(s: Sketch) -> None:
    if s["hair"] in ("bob", "long"):
        return  # this hair hangs over them
    left, right, y = ear_points(s)
    for x, inwards in ((left, 2), (right, -2)):
        s.head.oval(x, y, 11, 14, s.skin)
        s.head.oval(x + inwards, y + 1, 6, 8, s.skin_shade)


def draw_earrings(s: Sketch) -> None:
    left, right, y = ear_points(s)
    for x in (left - 1, right + 1):
        if s["earrings"] == "studs":
            s.head.oval(x, y + 14, 6, 6, GEM)
            s.head.oval(x - 2, y + 12, 2, 2, WHITE)
        elif s["earrings"] == "hoops":
            s.head.ring(x, y + 24, 8.5, 9.5, 5, GOLD)


def draw_head(s: Sketch) -> None:
    s.head.shape(head_outline(s["face"]), s.skin, FACE_DEPTH * 0.6)
    blush = mix(s.skin, (240, 96, 96), 0.24)
    for x in (-37, 37):
        s.head.oval(x, 23, 10, 7, blush, FACE_DEPTH)
    if s["hair"] == "bald":
        shine = curve((-34, -34), (-26, -46), (-12, -52))
        s.head.stroke(shine, 6, mix(s.skin, WHITE, 0.45), FACE_DEPTH * 0.5)


def draw_nose(s: Sketch) -> None:
    kind = s["nose"]
    tone = mix(s.skin, (130, 40, 30), 0.3)
    if kind == "button":
        s.head.oval(0, 19, 7, 5.5, tone, NOSE_DEPTH)
    elif kind == "wide":
        for x in (-9, 9):
            s.head.oval(x, 21, 6, 4.5, tone, NOSE_DEPTH)
        s.head.oval(0, 19, 10, 7, tone, NOSE_DEPTH)
    else:
        s.head.shape(curve((-3, -4), (3, -4), (6, 10), (10, 20), (4, 25), (-6, 24), (-8, 19), (-4, 8), (-3, -4)), tone, NOSE_DEPTH)


def draw_mouth(s: Sketch) -> None:
    kind, y = s["mouth"], mouth_height(s)
    line = mix(s.skin, (110, 14, 30), 0.72)
    if kind == "smile":
        s.head.stroke(curve((-17, y - 4), (-9, y + 3), (0, y + 5), (9, y + 3), (17, y - 4)), 5.5, line, FACE_DEPTH)
    elif kind == "sad":
        s.head.stroke(curve((-15, y + 6), (-8, y), (0, y - 2), (8, y), (15, y + 6)), 5.5, line, FACE_DEPTH)
    elif kind == "neutral":
        s.head.stroke(curve((-13, y + 1), (0, y + 1), (13, y + 1)), 5.5, line, FACE_DEPTH)
    elif kind == "grin":
        top = curve((-21, y - 6), (0, y - 3), (21, y - 6))
        lips = np.concatenate([top, curve((21, y - 6), (14, y + 8), (0, y + 13), (-14, y + 8), (-21, y - 6))])
        s.head.shape(lips, (122, 30, 44), FACE_DEPTH)
        teeth = np.concatenate([top * (0.86, 1), curve((17, y), (0, y + 5), (-17, y))])
        s.head.shape(teeth, WHITE, FACE_DEPTH)
    else:
        s.head.oval(0, y + 3, 11, 12, (122, 30, 44), FACE_DEPTH)
        s.head.oval(0, y + 9, 7.5, 5.5, TONGUE, FACE_DEPTH)


def mouth_height(s: Sketch) -> float:
    return 39 + (chin_height(s) - 62) * 0.4


# Half width, upper height, lower height, roundness (0.5 is an ellipse, 1 is pointed), iris radius.
EYE_SHAPES: dict[str, tuple[float, float, float, float, float]] = {
    "round": (14.5, 14, 14, 0.5, 9.5),
    "almond": (18, 11, 9, 0.9, 9.0),
    "sleepy": (16, 15, 13, 0.5, 9.5),
    "wide": (17.5, 19, 18, 0.5, 9.0),
}


def draw_eyes(s: Sketch) -> None:
    half, up, down, power, iris = EYE_SHAPES[s["eyes"]]
    sleepy = s["eyes"] == "sleepy"
    x = np.linspace(-half, half, 25)
    bow = np.maximum(0, 1 - (x / half) ** 2) ** power
    top = np.minimum(-up * bow, 1.5) if not sleepy else np.maximum(-up * bow, -1.5)
    bottom = down * bow
    opening = np.concatenate([np.stack([x, top], 1), np.stack([x, bottom], 1)[::-1]])
    lid = np.stack([x, -up * bow], 1)
    gaze = s.head.turn * 2.0
    for centre in (-25, 25):
        if sleepy:
            s.head.shape(np.concatenate([lid, opening[:25][::-1]]) + (centre, 0), s.skin_shade, FACE_DEPTH)
        s.head.shape(opening + (centre, 0), WHITE, FACE_DEPTH)
        for radius, colour in ((iris, EYE[s["eye_colour"]]), (iris * 0.5, INK)):
            disc = ellipse(gaze, 1, radius, radius)
            low, high = np.interp(disc[:, 0], x, top), np.interp(disc[:, 0], x, bottom)
            disc[:, 1] = np.clip(disc[:, 1], low, high)  # the lids cover the iris
            s.head.shape(disc + (centre, 0), colour, FACE_DEPTH)
        s.head.oval(centre + gaze + 3.5, 2.5 if sleepy else -3, 2.6, 2.6, WHITE, FACE_DEPTH)
        s.head.stroke(opening[1:24] + (centre, 0), 4, INK, FACE_DEPTH)


# Right brow from the nose outwards, and its thickness.
BROWS: dict[str, tuple[tuple[tuple[float, float], ...], float]] = {
    "flat": (((12, -22), (25, -23), (39, -22)), 5.5),
    "arched": (((11, -20), (25, -29), (40, -21)), 5.5),
    "thick": (((10, -21), (25, -24), (40, -21)), 10.0),
    "angry": (((9, -16), (24, -22), (39, -28)), 6.5),
    "worried": (((10, -28), (25, -24), (39, -17)), 6.0),
}


def draw_brows(s: Sketch) -> None:
    points, width = BROWS[s["brows"]]
    brow = curve(*points) - (0, 2 if s["eyes"] == "wide" else 0)
    colour = mix(s.hair, INK, 0.3)
    for side in (brow, flip(brow)):
        s.head.stroke(side, width, colour, FACE_DEPTH)


def draw_beard(s: Sketch) -> None:
    """Goatee or beard: cut from the head's own outline, so that it follows every jaw."""
    kind = s["facial_hair"]
    jaw = head_outline(s["face"])
    y = mouth_height(s)
    if kind == "beard":
        edge = jaw[jaw[:, 1] > 8] * (1.03, 1.06)
        half = SKULL_HALF_WIDTH[s["face"]]
        inner = curve((-half + 1, 4), (-half + 9, 14), (-36, 30), (-20, y - 13), (0, y - 11), (20, y - 13), (36, 30), (half - 9, 14), (half - 1, 4))
        s.head.shape(np.concatenate([edge, inner]), s.hair, FACE_DEPTH * 0.6)
        s.head.oval(0, y + 1, 24, 9, s.skin, FACE_DEPTH)
    elif kind == "goatee":
        edge = jaw[np.abs(jaw[:, 0]) < 24]
        edge = edge[edge[:, 1] > 30] * (1.0, 1.09)
        top = curve((-24, y + 10), (-12, y + 13), (0, y + 10), (12, y + 13), (24, y + 10))
        s.head.shape(np.concatenate([edge, top]), s.hair, FACE_DEPTH * 0.6)


def draw_moustache(s: Sketch) -> None:
    y = mouth_height(s) - 9
    half = curve((0, y - 4), (10, y - 6), (21, y - 1), (30, y - 3), (24, y + 6), (10, y + 6), (0, y + 2))
    for side in (half, flip(half)):
        s.head.shape(side, s.hair, FACE_DEPTH)


def draw_glasses(s: Sketch) -> None:
    kind = s["glasses"]
    half = SKULL_HALF_WIDTH[s["face"]]
    for side in (-1, 1):
        s.head.stroke(np.array(((side * 40, -3), (side * half, -2)), dtype=float), 4.5, INK, GLASSES_DEPTH)
    s.head.stroke(curve((-8, -1), (0, -5), (8, -1)), 5, INK, GLASSES_DEPTH)
    for x in (-26, 26):
        if kind == "round":
            s.head.ring(x, 1, 20, 20, 5, INK, GLASSES_DEPTH)
        elif kind == "square":
            s.head.shape(hoop(rounded_box(x, 1, 20, 17), 6), INK, GLASSES_DEPTH)
        else:
            s.head.shape(rounded_box(x, 2, 22, 17), INK, GLASSES_DEPTH)
            s.head.stroke(np.array(((x - 10, 4), (x - 2, -8)), dtype=float), 4.5, (120, 124, 148), GLASSES_DEPTH)


def rounded_box(x: float, y: float, rx: float, ry: float) -> np.ndarray:
    """A soft rectangle (a superellipse: an ellipse with squarer corners)."""
    circle = unit_circle(44)
    return np.sign(circle) * np.abs(circle) ** 0.42 * (rx, ry) + (x, y)


# ----------------------------------------------------------------------------------------------------- hair

# Front hair: the outer contour from the left side over the top to the right, then the hairline back again.
FRONT_HAIR: dict[str, tuple[tuple[tuple[float, float], ...], tuple[tuple[float, float], ...]]] = {
    "short": (
        ((-57, 4), (-62, -22), (-56, -50), (-32, -70), (0, -76), (32, -70), (56, -50), (62, -22), (57, 4)),
        ((51, 2), (49, -18), (40, -32), (20, -36), (0, -35), (-20, -36), (-40, -32), (-49, -18), (-51, 2)),
    ),
    "parted": (
        ((-57, 4), (-63, -24), (-56, -52), (-30, -72), (2, -80), (38, -74), (60, -50), (64, -22), (57, 4)),
        ((51, 2), (50, -16), (38, -27), (14, -34), (-10, -46), (-22, -60), (-30, -44), (-46, -28), (-51, 2)),
    ),
    "bob": (
        ((-66, 44), (-70, 6), (-66, -36), (-38, -70), (0, -78), (38, -70), (66, -36), (70, 6), (66, 44)),
        ((48, 46), (50, 20), (49, -14), (44, -27), (20, -31), (0, -32), (-20, -31), (-44, -27), (-49, -14), (-50, 20), (-48, 46)),
    ),
    "long": (
        ((-66, 78), (-67, 40), (-66, 0), (-63, -34), (-38, -68), (0, -77), (38, -68), (63, -34), (66, 0), (67, 40), (66, 78)),
        ((56, 50), (51, 14), (46, -16), (26, -38), (0, -58), (-26, -38), (-46, -16), (-51, 14), (-56, 50), (-66, 78)),
    ),
    "bun": (
        ((-56, 2), (-60, -24), (-54, -50), (-32, -67), (0, -73), (32, -67), (54, -50), (60, -24), (56, 2)),
        ((53, 0), (50, -20), (38, -40), (18, -50), (0, -52), (-18, -50), (-38, -40), (-50, -20), (-53, 0)),
    ),
    "pigtails": (
        ((-58, 4), (-62, -24), (-56, -50), (-32, -69), (0, -74), (32, -69), (56, -50), (62, -24), (58, 4)),
        ((53, 2), (48, -18), (28, -30), (8, -44), (0, -60), (-8, -44), (-28, -30), (-48, -18), (-53, 2)),
    ),
}
SPIKES = np.array((
    (-56, 4), (-64, -16), (-74, -34), (-60, -40), (-66, -66), (-46, -62), (-42, -90), (-22, -74), (-6, -98),
    (8, -76), (30, -94), (36, -66), (60, -72), (58, -44), (74, -38), (63, -18), (56, 4),
    (50, 0), (46, -24), (36, -30), (26, -44), (14, -26), (2, -44), (-10, -27), (-22, -44), (-34, -28), (-46, -26), (-50, 0),
), dtype=float)  # fmt: skip
# Circles of the curly hair: x, y, radius.  Those behind the head come first.
CURLS_BACK = ((-58, 18, 19), (58, 18, 19), (-66, -8, 19), (66, -8, 19), (-60, -36, 20), (60, -36, 20), (-38, -62, 22), (38, -62, 22), (0, -70, 24))
CURLS_FRONT = ((-54, -26, 13), (54, -26, 13), (-44, -42, 15), (44, -42, 15), (-23, -50, 16), (23, -50, 16), (0, -51, 16))
HAT_LINE = -38.0  # hair above this height is squashed under the hat


def under_hat(s: Sketch, points: np.ndarray) -> np.ndarray:
    """Fit hair to the skull, and press it down if there is a hat over it."""
    points = points * s.fit
    if s.covered:
        points[:, 1] = np.maximum(points[:, 1], HAT_LINE)
        beneath = points[:, 1] < HAT_LINE + 16
        points[beneath, 0] = np.clip(points[beneath, 0], -57, 57)  # nothing sticks out beside the hat
    return points


def draw_hair_back(s: Sketch) -> None:
    """Hair behind the head and the shoulders."""
    kind, head = s["hair"], s.head
    if kind == "bob":
        back = both_sides((0, -60), (60, -40), (70, 10), (66, 50), (40, 58), (0, 58))
        head.shape(under_hat(s, back), s.hair_dark)
    elif kind == "long":
        back = both_sides((0, -60), (58, -40), (68, 10), (72, 60), (80, 104), (40, 116), (0, 116))
        head.shape(under_hat(s, back), s.hair_dark)
    elif kind == "curly":
        draw_curls(s, CURLS_BACK, s.hair_dark, 0.0)
    elif kind == "afro":
        draw_afro(s)
    elif kind == "bun":
        x, y = (0, -82) if not s.covered else (50, 46)
        head.oval(x, y, 25 if not s.covered else 22, 22, s.hair)
        head.stroke(curve((x - 9, y - 8), (x, y - 13), (x + 9, y - 9)), 5, s.hair_light)
    elif kind == "pigtails":
        tail = curve((56, -14), (82, -22), (96, 6), (92, 40), (80, 60), (70, 36), (58, 8), (56, -14))
        for side in (tail, flip(tail)):
            head.shape(side * s.fit, s.hair_dark)


def draw_curls(s: Sketch, curls: tuple[tuple[float, float, float], ...], colour: Colour, depth: float) -> None:
    for x, y, radius in curls:
        if s.covered and y < HAT_LINE:
            continue
        s.head.oval(x * s.fit[0], y, radius, radius, colour, depth)


def draw_afro(s: Sketch) -> None:
    if s.covered:
        for x in (-62, 62):
            s.head.oval(x * s.fit[0], -4, 30, 32, s.hair)
    else:
        s.head.oval(0, -22, 82 * s.fit[0], 77, s.hair)


def draw_hair_front(s: Sketch) -> None:
    """Hair over the forehead and in front of the ears."""
    kind = s["hair"]
    if kind in FRONT_HAIR:
        outer, inner = FRONT_HAIR[kind]
        s.head.shape(under_hat(s, np.concatenate([curve(*outer), curve(*inner)])), s.hair, HAIR_DEPTH)
    elif kind == "spiky":
        s.head.shape(under_hat(s, SPIKES), s.hair, HAIR_DEPTH)
    elif kind == "curly":
        draw_curls(s, CURLS_FRONT, s.hair, HAIR_DEPTH)
    elif kind == "afro":
        rim = both_sides((0, -66), (40, -60), (64, -30), (58, 4), (50, -6), (44, -26), (24, -38), (0, -40))
        s.head.shape(under_hat(s, rim), s.hair, HAIR_DEPTH)
    if kind == "pigtails":
        for x in (-60, 60):
            s.head.oval(x * s.fit[0], -10, 7, 8, s.cloth)
    if kind not in ("bald", "curly") and not s.covered:
        draw_hair_shine(s)


def draw_hair_shine(s: Sketch) -> None:
    lift = {"afro": -20, "spiky": -4}.get(s["hair"], 0)
    shine = curve((-44, -46), (-34, -57), (-18, -64)) + (0, lift)
    s.head.stroke(shine * s.fit, 5, s.hair_light, HAIR_DEPTH * 0.5)


# ----------------------------------------------------------------------------------------------------- hats


def draw_hat(s: Sketch) -> None:
    {"cap": draw_cap, "beanie": draw_beanie, "top hat": draw_top_hat, "crown": draw_crown}[s["hat"]](s)


def draw_cap(s: Sketch) -> None:
    dome = curve((-63, -26), (-63, -52), (-42, -78), (0, -88), (42, -78), (63, -52), (63, -26), (0, -36), (-63, -26))
    s.head.shape(dome * s.fit, s.cloth)
    s.head.oval(0, -88, 7, 4, s.cloth_dark)
    s.head.oval(0, -60, 12, 11, WHITE, VISOR_DEPTH)
    visor = curve((-56, -34), (-30, -43), (0, -46), (30, -43), (56, -34), (48, -27), (0, -31), (-48, -27), (-56, -34))
    s.head.shape(visor, s.cloth_dark, VISOR_DEPTH)


def draw_beanie(s: Sketch) -> None:
    s.head.oval(0, -95, 14, 13, mix(s.cloth, WHITE, 0.5))
    dome = curve((-62, -34), (-60, -62), (-38, -84), (0, -92), (38, -84), (60, -62), (62, -34))
    s.head.shape(dome * s.fit, s.cloth)
    cuff = curve((-66, -28), (-66, -46), (-30, -54), (0, -56), (30, -54), (66, -46), (66, -28), (30, -34), (0, -36), (-30, -34), (-66, -28))
    s.head.shape(cuff * s.fit, s.cloth_dark)


def draw_top_hat(s: Sketch) -> None:
    side = curve((-47, -42), (-45, -68), (-50, -96))
    s.head.shape(np.concatenate([side, flip(side)[::-1]]), INK)
    s.head.oval(0, -96, 50, 8, mix(INK, WHITE, 0.2))
    band = curve((-46, -46), (0, -42), (46, -46))
    s.head.shape(np.concatenate([band, (band - (0, 15))[::-1]]), s.cloth)
    s.head.oval(0, -39, 82, 11, INK)


def draw_crown(s: Sketch) -> None:
    low = curve((-42, -50), (0, -42), (42, -50))
    points = np.array(((50, -96), (27, -74), (0, -102), (-27, -74), (-50, -96)), dtype=float)
    s.head.shape(np.concatenate([low, points]), GOLD)
    for x, y in ((-50, -96), (0, -102), (50, -96)):
        s.head.oval(x, y, 6, 6, GOLD)
    for x, y in ((-26, -58), (0, -56), (26, -58)):
        s.head.oval(x, y, 5.5, 5.5, s.cloth, VISOR_DEPTH)


# --------------------------------------------------------------------------------------- the public functions


def sample(seed: int) -> Face:
    """The face that belongs to a seed.  Every attribute and factor is drawn on its own."""
    rng = np.random.default_rng(check_seed(seed))
    chances = rng.random(len(ATTRIBUTES))
    attributes = {}
    for (name, values), chance in zip(ATTRIBUTES.items(), chances, strict=True):
        index = int(np.searchsorted(CUMULATIVE[name], chance, side="right"))
        attributes[name] = values[min(index, len(values) - 1)]  # the shares may add up to 0.9999...
    places = rng.random(len(FACTORS))
    factors = {name: low + (high - low) * float(p) for (name, (low, high)), p in zip(FACTORS.items(), places, strict=True)}
    return Face(attributes, factors)


def make_sketch(face: Face, canvas: ImageDraw.ImageDraw, unit: float) -> Sketch:
    a, f = face.attributes, face.factors
    skin, hair, cloth = SKIN[a["skin"]], HAIR[a["hair_colour"]], CLOTH[a["clothes_colour"]]
    return Sketch(
        face=face,
        head=Pen(canvas, unit, NECK, HEAD_ABOVE_NECK, f["turn"], f["tilt"], f["size"] * HEAD_SCALE),
        body=Pen(canvas, unit, NECK),
        skin=skin,
        skin_shade=mix(skin, (120, 40, 40), 0.2),
        hair=hair,
        hair_dark=mix(hair, (20, 10, 40), 0.22),
        hair_light=mix(hair, WHITE, 0.28),
        cloth=cloth,
        cloth_dark=mix(cloth, (30, 20, 60), 0.24),
        cloth_light=mix(cloth, WHITE, 0.8),
    )


def draw(face: Face, size: int = SIZE) -> np.ndarray:
    """The picture of a face: uint8, (size, size, 3).  The same face always gives the same bytes."""
    check_face(face)
    size = check_size(size)
    width = min(max(256, 4 * size), 2048)
    image = Image.new("RGB", (width, width))
    canvas = ImageDraw.Draw(image)
    s = make_sketch(face, canvas, width / 256)
    draw_background(canvas, BACKGROUND[s["background"]], width)
    draw_hair_back(s)
    draw_torso(s)
    draw_neck(s)
    draw_collar(s)
    draw_ears(s)
    draw_head(s)
    if s["facial_hair"] in ("beard", "goatee"):
        draw_beard(s)
    draw_mouth(s)
    if s["facial_hair"] == "moustache":
        draw_moustache(s)
    draw_nose(s)
    draw_brows(s)
    draw_eyes(s)
    if s["glasses"] != "none":
        draw_glasses(s)
    draw_hair_front(s)
    if s["hat"] != "none":
        draw_hat(s)
    draw_earrings(s)
    return np.asarray(image.resize((size, size), Image.Resampling.LANCZOS))


def labels(face: Face) -> np.ndarray:
    """The position of each attribute's value in ATTRIBUTES, as int64."""
    check_face(face)
    return np.array([values.index(face.attributes[name]) for name, values in ATTRIBUTES.items()], dtype=np.int64)


def dataset(seeds: Iterable[int]) -> tuple[np.ndarray, np.ndarray]:
    """Pictures (N, 64, 64, 3) and labels (N, number of attributes) of the given seeds, in order."""
    faces = [sample(seed) for seed in seeds]
    images = np.empty((len(faces), SIZE, SIZE, 3), dtype=np.uint8)
    codes = np.empty((len(faces), len(ATTRIBUTES)), dtype=np.int64)
    for i, face in enumerate(faces):
        images[i], codes[i] = draw(face), labels(face)
    return images, codes


# ------------------------------------------------------------------------------------------------- in words

MOOD = {
    "smile": "smiling",
    "grin": "grinning",
    "neutral": "calm",
    "sad": "sad-looking",
    "open": "surprised",
}
HAIR_WORDS = {
    "short": "short {} hair",
    "spiky": "spiky {} hair",
    "parted": "parted {} hair",
    "bob": "a {} bob",
    "long": "long {} hair",
    "curly": "curly {} hair",
    "afro": "a {} afro",
    "bun": "{} hair in a bun",
    "pigtails": "{} pigtails",
    "bald": "a bald head, {} brows",
}
EARRING_WORDS = {"studs": "turquoise studs", "hoops": "gold hoops"}
CLOTHES_WORDS = {
    "t-shirt": "t-shirt",
    "hoodie": "hoodie",
    "collar": "shirt with a collar",
    "stripes": "striped t-shirt",
    "turtleneck": "turtleneck",
    "dungarees": "dungarees",
}


def _article(words: str) -> str:
    return ("an " if words[0] in "aeiou" else "a ") + words


def _listing(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + " and " + parts[-1]


def describe(face: Face) -> str:
    """One English sentence with what is easy to see.  (It leaves out the face, nose and brow shapes.)"""
    check_face(face)
    a = face.attributes
    has = [f"{a['skin']} skin", HAIR_WORDS[a["hair"]].format(a["hair_colour"]), f"{a['eyes']} {a['eye_colour']} eyes"]
    if a["facial_hair"] != "none":
        has.append(_article(f"{a['hair_colour']} {a['facial_hair']}"))
    if a["glasses"] != "none":
        has.append(f"{a['glasses']} glasses")
    if a["earrings"] != "none":
        has.append(EARRING_WORDS[a["earrings"]])
    if a["hat"] != "none":
        has.append(_article(a["hat"]))
    outfit = f"{a['clothes_colour']} {CLOTHES_WORDS[a['clothes']]}"
    outfit = outfit if a["clothes"] == "dungarees" else _article(outfit)
    place = _article(f"{a['background']} background")
    return f"{_article(MOOD[a['mouth']]).capitalize()} person with {_listing(has)}, in {outfit}, against {place}."
