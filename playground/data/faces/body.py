"""Background, neck and clothes.  Local (0, 0) is the middle of the neck; the picture ends at y = 61."""

from __future__ import annotations

import numpy as np
from PIL import ImageDraw

from playground.data.faces.catalogue import GOLD, WHITE, Colour
from playground.data.faces.pen import arch, curve, flip, lines, mix, moved, outline, ribbon
from playground.data.faces.sketch import HEAD_DEPTH, NECK, NECK_HALF_WIDTH, Sketch

TORSO = ((0, 6), (24, 12), (58, 24), (82, 40), (92, 76))
STRIPES = (32, 48)  # the upper edges
BUTTONS = (38, 54)


def draw_background(canvas: ImageDraw.ImageDraw, colour: Colour, width: int) -> None:
    """A plain colour with one lighter disc behind the head."""
    canvas.rectangle((0, 0, width, width), fill=colour)
    margin = width * 0.06
    canvas.ellipse((margin, margin, width - margin, width - margin), fill=mix(colour, WHITE, 0.38))


def draw_torso(s: Sketch) -> None:
    kind = s["clothes"]
    if kind == "hoodie":
        s.body.oval(0, 8, 50, 27, s.cloth_dark)  # the inside of the hood, behind the neck
    s.body.shape(outline(*TORSO), s.cloth_pale if kind == "dungarees" else s.cloth)
    if kind == "stripes":
        draw_stripes(s)
    if kind in ("t-shirt", "stripes", "dungarees"):
        s.body.oval(0, 13, NECK_HALF_WIDTH + 10, 17, s.cloth if kind == "dungarees" else s.cloth_dark)


def draw_stripes(s: Sketch) -> None:
    edge = curve(*TORSO)
    for top in STRIPES:
        ys = np.array((top, top + 4.0, top + 8.0))
        right = np.stack([np.interp(ys, edge[:, 1], edge[:, 0]), ys], axis=1)  # stop where the torso does
        s.body.shape(np.concatenate([right, flip(right)[::-1]]), s.cloth_pale)


def draw_neck(s: Sketch) -> None:
    """Neck and neckline, with the shadow of the chin on it."""
    w = NECK_HALF_WIDTH
    s.body.shape(lines((-w, -40), (w, -40), (w, 14), (-w, 14)), s.skin)
    s.body.oval(0, 13, w + 4, 11, s.skin)
    shadow = s.head.place(moved(s.head_outline, 0, 9), HEAD_DEPTH)
    left, right = (NECK[0] - w) * s.body.unit, (NECK[0] + w) * s.body.unit
    shadow[:, 0] = np.clip(shadow[:, 0], left, right)  # it falls on the neck only
    s.body.canvas.polygon(shadow.ravel().tolist(), fill=s.skin_shade)


def draw_collar(s: Sketch) -> None:
    """The parts of the clothes that lie over the neck."""
    if s["clothes"] == "hoodie":
        draw_hood(s)
    elif s["clothes"] == "collar":
        draw_shirt_collar(s)
    elif s["clothes"] == "turtleneck":
        s.body.shape(outline((0, -3), (23, -6), (29, 0), (30, 14), (25, 21), (0, 24)), s.cloth_soft)
        s.body.stroke(arch((0, 24), (27, 18)), 4, s.cloth_dark)
    elif s["clothes"] == "dungarees":
        draw_bib(s)


def draw_hood(s: Sketch) -> None:
    s.body.stroke(arch((0, 35), (18, 31), (38, 20), (46, 6)), 13, s.cloth_soft)
    for x in (-15, 15):
        s.body.stroke(lines((x, 34), (x, 51)), 5, WHITE)


def draw_shirt_collar(s: Sketch) -> None:
    s.body.shape(lines((-5, 26), (5, 26), (5, 70), (-5, 70)), s.cloth_dark)
    for y in BUTTONS:
        s.body.oval(0, y, 3.5, 3.5, WHITE)
    flap = lines((20, 0), (31, 8), (33, 23), (20, 38), (0, 24))
    for side in (flap, flip(flap)):
        s.body.shape(side, s.cloth_pale)


def draw_bib(s: Sketch) -> None:
    s.body.shape(lines((-34, 43), (34, 43), (38, 70), (-38, 70)), s.cloth)
    strap = lines((27, 50), (43, 17))
    for side in (strap, flip(strap)):
        s.body.shape(ribbon(side, 14), s.cloth)
    for x in (-29, 29):
        s.body.oval(x, 48, 4.5, 4.5, GOLD)
