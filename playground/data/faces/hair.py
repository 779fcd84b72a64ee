"""Hair, in two layers: behind the head and shoulders, and in front of the forehead."""

from __future__ import annotations

import numpy as np

from playground.data.faces.catalogue import Colour
from playground.data.faces.pen import arch, between, curve, flip, lines, moved, outline
from playground.data.faces.sketch import HAIR_DEPTH, Sketch

Curls = tuple[tuple[float, float, float], ...]

# Hair in front: between a contour over the skull and a hairline, both from left to right.
FRONT = {
    "short": between(
        arch((0, -76), (32, -70), (56, -50), (62, -22), (57, 4)),
        arch((0, -35), (20, -36), (40, -32), (49, -18), (51, 2)),
    ),
    "parted": between(
        curve((-57, 4), (-62, -30), (-34, -70), (2, -80), (38, -74), (60, -50), (64, -22), (57, 4)),
        curve((-51, 2), (-46, -28), (-30, -44), (-22, -60), (-10, -46), (14, -34), (38, -27), (50, -14)),
    ),
    "bob": between(
        arch((0, -78), (38, -70), (66, -36), (70, 6), (66, 44)),
        arch((0, -32), (20, -31), (44, -27), (49, -14), (50, 20), (48, 46)),
    ),
    "long": between(
        arch((0, -77), (38, -68), (63, -34), (66, 0), (67, 40), (66, 78)),
        arch((0, -58), (26, -38), (46, -16), (51, 14), (56, 50), (66, 78)),
    ),
    "bun": between(
        arch((0, -73), (32, -67), (54, -50), (60, -24), (56, 2)),
        arch((0, -52), (18, -50), (38, -40), (50, -20), (53, 0)),
    ),
    "pigtails": between(
        arch((0, -74), (32, -69), (56, -50), (62, -24), (58, 4)),
        arch((0, -60), (8, -44), (28, -30), (48, -18), (53, 2)),
    ),
    "afro": between(
        arch((0, -66), (40, -60), (64, -30), (58, 4)),
        arch((0, -40), (24, -38), (44, -26), (50, -6), (58, 4)),
    ),
    "spiky": np.concatenate(
        [
            lines((-56, 4), (-64, -16), (-74, -34), (-60, -40), (-66, -66), (-46, -62), (-42, -90)),
            lines((-22, -74), (-6, -98), (8, -76), (30, -94), (36, -66), (60, -72), (58, -44), (74, -38)),
            lines((63, -18), (56, 4), (50, 0), (46, -24), (36, -30), (26, -44), (14, -26), (2, -44)),
            lines((-10, -27), (-22, -44), (-34, -28), (-46, -26), (-50, 0)),
        ]
    ),
}
# Hair behind, right half from the top to the bottom.
BACK = {
    "bob": outline((0, -60), (60, -40), (70, 10), (66, 50), (40, 58), (0, 58)),
    "long": outline((0, -60), (58, -40), (68, 10), (72, 60), (80, 104), (40, 116), (0, 116)),
}
PIGTAIL = curve((56, -14), (82, -22), (96, 6), (92, 40), (80, 60), (70, 36), (58, 8), (56, -14))
# The right half of the curls: x, y and radius.  A curl in the middle is drawn twice, which does no harm.
CURLS_BACK = ((58, 18, 19), (66, -8, 19), (60, -36, 20), (38, -62, 22), (0, -70, 24))
CURLS_FRONT = ((54, -26, 13), (44, -42, 15), (23, -50, 16), (0, -51, 16))
HAT_LINE = -38.0  # hair above this height is squashed under the hat


def fitted(s: Sketch, points: np.ndarray) -> np.ndarray:
    """Fit hair to the skull, and press it down if there is a hat over it."""
    points = points * s.fit
    if s.covered:
        points[:, 1] = np.maximum(points[:, 1], HAT_LINE)
        reach = 57 + (points[:, 1] - HAT_LINE) * 0.6  # it comes out from under the brim, not beside it
        points[:, 0] = np.clip(points[:, 0], -reach, reach)
    return points


def draw_hair_back(s: Sketch) -> None:
    kind = s["hair"]
    if kind in BACK:
        s.head.shape(fitted(s, BACK[kind]), s.hair_dark)
    elif kind == "curly":
        draw_curls(s, CURLS_BACK, s.hair_dark, 0.0)
    elif kind == "afro":
        draw_afro(s)
    elif kind == "bun":
        x, y = (50, 46) if s.covered else (0, -79)  # a bun worn low, where there is a hat
        s.head.oval(x, y, 24, 22, s.hair)
        s.head.stroke(curve((x - 9, y - 8), (x, y - 13), (x + 9, y - 9)), 5, s.hair_light)
    elif kind == "pigtails":
        for side in (PIGTAIL, flip(PIGTAIL)):
            s.head.shape(side * s.fit, s.hair_dark)


def draw_curls(s: Sketch, curls: Curls, colour: Colour, depth: float) -> None:
    for x, y, radius in curls:
        if s.covered and y < HAT_LINE:
            continue
        for side in (-x, x):
            s.head.oval(side * s.fit[0], y, radius, radius, colour, depth)


def draw_afro(s: Sketch) -> None:
    """A ball, or under a hat a puff on each side."""
    if not s.covered:
        s.head.oval(0, -22, 82 * s.fit[0], 77, s.hair)
        return
    for x in (-62, 62):
        s.head.oval(x * s.fit[0], -4, 30, 32, s.hair)


def draw_hair_front(s: Sketch) -> None:
    kind = s["hair"]
    if kind == "curly":
        draw_curls(s, CURLS_FRONT, s.hair, HAIR_DEPTH)
    elif kind in FRONT:
        s.head.shape(fitted(s, FRONT[kind]), s.hair, HAIR_DEPTH)
        if not s.covered:
            draw_shine(s)
    if kind == "pigtails":
        for x in (-60, 60):
            s.head.oval(x * s.fit[0], -10, 7, 8, s.cloth)  # hair ties


def draw_shine(s: Sketch) -> None:
    lift = {"afro": -20, "spiky": -4}.get(s["hair"], 0)
    shine = moved(curve((-44, -46), (-34, -57), (-18, -64)), 0, lift)
    s.head.stroke(shine * s.fit, 5, s.hair_light, HAIR_DEPTH * 0.5)
