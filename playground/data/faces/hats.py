"""Hats.  Cap and beanie match the clothes; top hat and crown carry a bit of their colour."""

from __future__ import annotations

import numpy as np

from playground.data.faces.catalogue import GOLD, INK, WHITE
from playground.data.faces.pen import arch, between, curve, flip, lines, mix, moved
from playground.data.faces.sketch import VISOR_DEPTH, Sketch


def draw_hat(s: Sketch) -> None:
    if s["hat"] == "cap":
        draw_cap(s)
    elif s["hat"] == "beanie":
        draw_beanie(s)
    elif s["hat"] == "top hat":
        draw_top_hat(s)
    elif s["hat"] == "crown":
        draw_crown(s)


def draw_cap(s: Sketch) -> None:
    dome = between(arch((0, -86), (42, -77), (63, -52), (64, -27)), arch((0, -36), (64, -27)))
    s.head.shape(dome * s.fit, s.cloth)
    s.head.oval(0, -86, 7, 4, s.cloth_dark)
    s.head.oval(0, -61, 12, 11, WHITE, VISOR_DEPTH)
    visor = between(arch((0, -46), (30, -43), (58, -33)), arch((0, -31), (44, -27), (58, -33)))
    s.head.shape(visor, s.cloth_dark, VISOR_DEPTH)


def draw_beanie(s: Sketch) -> None:
    s.head.oval(0, -89, 14, 13, mix(s.cloth, WHITE, 0.5))
    dome = arch((0, -87), (38, -80), (60, -60), (62, -34))
    s.head.shape(dome * s.fit, s.cloth)
    cuff = between(arch((0, -55), (30, -53), (64, -46), (66, -30)), arch((0, -36), (30, -34), (66, -30)))
    s.head.shape(cuff * s.fit, s.cloth_dark)


def draw_top_hat(s: Sketch) -> None:
    side = curve((47, -42), (45, -66), (50, -91))
    s.head.shape(np.concatenate([side, flip(side)[::-1]]), INK)
    s.head.oval(0, -91, 50, 8, mix(INK, WHITE, 0.2))
    band = arch((0, -42), (46, -46))
    s.head.shape(between(moved(band, 0, -15), band), s.cloth)
    s.head.oval(0, -39, 80, 11, INK)


def draw_crown(s: Sketch) -> None:
    points = lines((-50, -90), (-27, -71), (0, -95), (27, -71), (50, -90))
    s.head.shape(between(points, arch((0, -42), (42, -50))), GOLD)
    for x, y in points[::2]:
        s.head.oval(x, y, 6, 6, GOLD)
    for x, y in ((-26, -58), (0, -56), (26, -58)):
        s.head.oval(x, y, 5.5, 5.5, s.cloth, VISOR_DEPTH)
