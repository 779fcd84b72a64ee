"""Curves, and the pen that puts them on the canvas.  Points are arrays of (x, y); y grows downwards.

Lengths are in canvas units: the picture is 256 units wide, whatever its size in pixels.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from PIL import ImageDraw

from playground.data.faces.catalogue import Colour

Point = tuple[float, float]


def mix(a: Colour, b: Colour, share: float) -> Colour:
    """The colour that is `share` of b and the rest a."""
    return tuple(round(x + (y - x) * share) for x, y in zip(a, b, strict=True))


def shade(colour: Colour) -> Colour:
    """The same colour in shadow: darker, and a little warmer (so that yellow does not turn olive)."""
    red, green, blue = colour
    return round(red * 0.86), round(green * 0.77), round(blue * 0.76)


# ------------------------------------------------------------------------------------------------- outlines


@lru_cache(maxsize=1024)
def curve(*points: Point) -> np.ndarray:
    """A smooth open line through the points (a Catmull-Rom spline).  Cached: most shapes never change."""
    p = np.array([points[0], *points, points[-1]], dtype=float)
    t = np.linspace(0, 1, 7)[:-1, None, None]
    a, b, c, d = p[:-3], p[1:-2], p[2:-1], p[3:]
    line = 0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3)
    line = np.concatenate([line.transpose(1, 0, 2).reshape(-1, 2), p[-1:]])
    line.flags.writeable = False  # it is shared with every later call
    return line


def lines(*points: Point) -> np.ndarray:
    """Straight lines through the points."""
    return np.array(points, dtype=float)


def flip(points: np.ndarray) -> np.ndarray:
    """The mirror image, left for right."""
    return points * (-1, 1)


def moved(points: np.ndarray, x: float, y: float) -> np.ndarray:
    return points + np.array((x, y))


def arch(*half: Point) -> np.ndarray:
    """A smooth symmetrical line from left to right, given by its right half from the middle outwards."""
    skip = 1 if half[0][0] == 0 else 0  # do not repeat a point that lies on the axis
    left = [(-x, y) for x, y in reversed(half[skip:])]
    return curve(*left, *half)


def between(upper: np.ndarray, lower: np.ndarray) -> np.ndarray:
    """The outline of the area between two lines that both run from left to right."""
    return np.concatenate([upper, lower[::-1]])


def outline(*right: Point) -> np.ndarray:
    """A smooth symmetrical outline, given by its right half from the top to the bottom."""
    skip = 1 if right[-1][0] == 0 else 0
    left = [(-x, y) for x, y in reversed(right)]
    return curve(*right, *left[skip:])


@lru_cache(maxsize=8)
def unit_circle(count: int) -> np.ndarray:
    angle = np.linspace(0, 2 * math.pi, count, endpoint=False)
    return np.stack([np.cos(angle), np.sin(angle)], axis=1)


def ellipse(x: float, y: float, rx: float, ry: float) -> np.ndarray:
    return unit_circle(20 if max(rx, ry) < 12 else 44) * (rx, ry) + (x, y)


def soft_box(x: float, y: float, rx: float, ry: float) -> np.ndarray:
    """A rectangle with round corners (a superellipse: an ellipse with a smaller power)."""
    circle = unit_circle(44)
    return np.sign(circle) * np.abs(circle) ** 0.42 * (rx, ry) + (x, y)


def ribbon(points: np.ndarray, width: float) -> np.ndarray:
    """The outline of a line drawn with the given width."""
    along = np.gradient(points, axis=0)
    along /= np.maximum(np.hypot(along[:, 0], along[:, 1]), 1e-9)[:, None]
    across = along[:, ::-1] * (-width / 2, width / 2)
    return between(points + across, points - across)


def hoop(points: np.ndarray, width: float) -> np.ndarray:
    """The same for a line that runs back to its start: no gap where the ends meet."""
    line = ribbon(np.concatenate([points[-1:], points, points[:2]]), width)
    half = len(line) // 2
    return np.concatenate([line[1 : half - 1], line[half + 1 : -1]])


# -------------------------------------------------------------------------------------------------- the pen


class Pen:
    """Draws shapes given in local units, after moving them the way the head is turned, tilted and scaled.

    The pivot is where the neck joins, in canvas units; local (0, 0) lies `above` units over it.
    """

    def __init__(
        self,
        canvas: ImageDraw.ImageDraw,
        unit: float,
        pivot: Point,
        above: float = 0.0,
        turn: float = 0.0,
        tilt: float = 0.0,
        size: float = 1.0,
    ) -> None:
        self.canvas, self.unit, self.turn = canvas, unit, turn
        cos = math.cos(math.radians(tilt)) * size * unit
        sin = math.sin(math.radians(tilt)) * size * unit
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

    def stroke(self, points: np.ndarray, width: float, fill: Colour, depth: float = 0.0) -> None:
        """A line with round ends."""
        self.shape(ribbon(points, width), fill, depth)
        for x, y in (points[0], points[-1]):
            self.oval(x, y, width / 2, width / 2, fill, depth)
