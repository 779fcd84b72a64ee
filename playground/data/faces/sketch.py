"""What all drawing functions share: the face, one pen for its head and one for its body, and the colours."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import ImageDraw

from playground.data.faces.catalogue import CLOTH, HAIR, SKIN, WHITE, Colour, Face
from playground.data.faces.pen import Pen, mix, outline, shade

# How far the middle of each thing slides, in units, at a turn of 1: the further forward, the more.
HEAD_DEPTH = 9.0
HAIR_DEPTH = 12.0
FACE_DEPTH = 15.0
GLASSES_DEPTH = 17.0
NOSE_DEPTH = 22.0
VISOR_DEPTH = 24.0
EAR_SLIDE = -5.0  # the ears sit behind the middle of the head, so they go the other way

NECK = (128.0, 195.0)
NECK_HALF_WIDTH = 22.0
HEAD_ABOVE_NECK = 70.0
HEAD_SCALE = 1.05

# Right half of each head, top to chin, with (0, 0) between the eyes.  The skulls are alike: hair fits all.
HEADS = {
    "round": ((0, -62), (34, -54), (54, -30), (59, 4), (53, 34), (31, 55), (0, 62)),
    "oval": ((0, -62), (33, -54), (52, -30), (55, 4), (47, 36), (26, 58), (0, 65)),
    "square": ((0, -62), (34, -54), (54, -30), (57, 4), (56, 34), (43, 54), (20, 62), (0, 63)),
    "long": ((0, -63), (31, -54), (48, -30), (51, 6), (46, 40), (28, 64), (0, 72)),
    "heart": ((0, -62), (34, -54), (56, -30), (57, 0), (43, 32), (18, 58), (0, 66)),
}


@dataclass(frozen=True)
class Sketch:
    """`s["hat"]` is the chosen hat; the other fields follow from the choices."""

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
    cloth_soft: Colour
    cloth_pale: Colour

    def __getitem__(self, name: str) -> str:
        return self.face.attributes[name]

    @property
    def head_outline(self) -> np.ndarray:
        return outline(*HEADS[self["face"]])

    @property
    def half_width(self) -> float:
        """Of the head, where it is widest."""
        return max(x for x, _ in HEADS[self["face"]])

    @property
    def chin(self) -> float:
        return HEADS[self["face"]][-1][1]

    @property
    def mouth(self) -> float:
        return 39 + (self.chin - 62) * 0.4

    @property
    def fit(self) -> np.ndarray:
        """Stretches hair and hats, which are designed for a half width of 56, to this head."""
        return np.array((self.half_width / 56, 1.0))

    @property
    def covered(self) -> bool:
        """Whether the hat hides the top of the hair (a crown leaves it bare)."""
        return self["hat"] not in ("none", "crown")


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
        hair_dark=shade(hair),
        hair_light=mix(hair, WHITE, 0.28),
        cloth=cloth,
        cloth_dark=shade(cloth),
        cloth_soft=mix(cloth, WHITE, 0.22),
        cloth_pale=mix(cloth, WHITE, 0.8),
    )
