"""The head and what is on it.  Local (0, 0) lies between the eyes; x grows to the right of the picture."""

from __future__ import annotations

import numpy as np

from playground.data.faces.catalogue import EYE, GEM, GOLD, INK, TONGUE, WHITE
from playground.data.faces.pen import (
    arch,
    between,
    curve,
    ellipse,
    flip,
    hoop,
    lines,
    mix,
    moved,
    outline,
    soft_box,
)
from playground.data.faces.sketch import EAR_SLIDE, FACE_DEPTH, GLASSES_DEPTH, HEAD_DEPTH, NOSE_DEPTH, Sketch

MOUTH_INSIDE = (122, 30, 44)
EYE_X = 25

# --------------------------------------------------------------------------------------------- head and ears


def draw_head(s: Sketch) -> None:
    s.head.shape(s.head_outline, s.skin, HEAD_DEPTH)
    for x in (-37, 37):
        s.head.oval(x, 23, 10, 7, mix(s.skin, (240, 96, 96), 0.24), FACE_DEPTH)
    if s["hair"] == "bald":
        s.head.stroke(curve((-34, -34), (-26, -46), (-12, -52)), 6, mix(s.skin, WHITE, 0.45), HEAD_DEPTH)


def ear_places(s: Sketch) -> tuple[float, float]:
    """x of the left ear and of the right ear."""
    slide = s.head.turn * EAR_SLIDE
    return slide - s.half_width - 1, slide + s.half_width + 1


def draw_ears(s: Sketch) -> None:
    if s["hair"] in ("bob", "long"):
        return  # this hair hangs over them
    left, right = ear_places(s)
    for x, inwards in ((left, 2), (right, -2)):
        s.head.oval(x, 6, 11, 14, s.skin)
        s.head.oval(x + inwards, 7, 6, 8, s.skin_shade)


def draw_earrings(s: Sketch) -> None:
    left, right = ear_places(s)
    for x in (left - 1, right + 1):
        if s["earrings"] == "studs":
            s.head.oval(x, 20, 6, 6, GEM)
            s.head.oval(x - 2, 18, 2, 2, WHITE)
        elif s["earrings"] == "hoops":
            s.head.shape(hoop(ellipse(x, 30, 8.5, 9.5), 5), GOLD)


# ----------------------------------------------------------------------------------------------------- eyes

# Half width, upper height, lower height, power (0.5 makes an ellipse, 1 makes pointed corners), iris radius.
EYE_SHAPES = {
    "round": (14.5, 14, 14, 0.5, 9.5),
    "almond": (18, 11, 9, 0.9, 9.0),
    "sleepy": (16, 15, 13, 0.5, 9.5),
    "wide": (17.5, 19, 18, 0.5, 9.0),
}
LID = -1.5  # how high a sleepy eye opens


def draw_eyes(s: Sketch) -> None:
    if s["glasses"] == "dark":
        return
    half, up, down, power, iris = EYE_SHAPES[s["eyes"]]
    sleepy = s["eyes"] == "sleepy"
    x = np.linspace(-half, half, 25)
    bow = np.maximum(0, 1 - (x / half) ** 2) ** power
    socket, bottom = -up * bow, down * bow
    top = np.maximum(socket, LID) if sleepy else socket
    lashes = np.stack([x, top], axis=1)
    opening = between(lashes, np.stack([x, bottom], axis=1))
    eyelid = between(np.stack([x, socket], axis=1), lashes)
    gaze = s.head.turn * 2  # the eyes look a little further than the head turns
    for centre in (-EYE_X, EYE_X):
        if sleepy:
            s.head.shape(moved(eyelid, centre, 0), s.skin_shade, FACE_DEPTH)
        s.head.shape(moved(opening, centre, 0), WHITE, FACE_DEPTH)
        for radius, colour in ((iris, EYE[s["eye_colour"]]), (iris * 0.5, INK)):
            disc = ellipse(gaze, 1, radius, radius)
            highest, lowest = np.interp(disc[:, 0], x, top), np.interp(disc[:, 0], x, bottom)
            disc[:, 1] = np.clip(disc[:, 1], highest, lowest)  # the lids cover the iris
            s.head.shape(moved(disc, centre, 0), colour, FACE_DEPTH)
        s.head.oval(centre + gaze + 3.5, 2.5 if sleepy else -3, 2.6, 2.6, WHITE, FACE_DEPTH)
        s.head.stroke(moved(lashes[1:-1], centre, 0), 4, INK, FACE_DEPTH)


# The right brow from the nose outwards, and its thickness.
BROWS = {
    "flat": (((12, -22), (25, -23), (39, -22)), 5.5),
    "arched": (((11, -20), (25, -29), (40, -21)), 5.5),
    "thick": (((10, -21), (25, -24), (40, -21)), 10.0),
    "angry": (((9, -16), (24, -22), (39, -28)), 6.5),
    "worried": (((10, -28), (25, -24), (39, -17)), 6.0),
}


def draw_brows(s: Sketch) -> None:
    points, width = BROWS[s["brows"]]
    brow = moved(curve(*points), 0, -2 if s["eyes"] == "wide" else 0)
    for side in (brow, flip(brow)):
        s.head.stroke(side, width, mix(s.hair_dark, INK, 0.15), FACE_DEPTH)


def draw_glasses(s: Sketch) -> None:
    kind = s["glasses"]
    if kind == "none":
        return
    for side in (-1, 1):
        s.head.stroke(lines((side * 40, -3), (side * s.half_width, -2)), 4.5, INK, GLASSES_DEPTH)
    s.head.stroke(arch((0, -5), (8, -1)), 5, INK, GLASSES_DEPTH)
    for x in (-EYE_X - 1, EYE_X + 1):
        if kind == "round":
            s.head.shape(hoop(ellipse(x, 1, 20, 20), 5), INK, GLASSES_DEPTH)
        elif kind == "square":
            s.head.shape(hoop(soft_box(x, 1, 20, 17), 6), INK, GLASSES_DEPTH)
        else:
            s.head.shape(soft_box(x, 2, 22, 17), INK, GLASSES_DEPTH)
            s.head.stroke(lines((x - 10, 4), (x - 2, -8)), 4.5, (120, 124, 148), GLASSES_DEPTH)


# ------------------------------------------------------------------------------------------- nose and mouth


def draw_nose(s: Sketch) -> None:
    tone = mix(s.skin, (130, 40, 30), 0.3)
    if s["nose"] == "button":
        s.head.oval(0, 19, 7, 5.5, tone, NOSE_DEPTH)
    elif s["nose"] == "wide":
        for x in (-9, 9):
            s.head.oval(x, 21, 6, 4.5, tone, NOSE_DEPTH)
        s.head.oval(0, 19, 10, 7, tone, NOSE_DEPTH)
    else:
        s.head.shape(outline((0, -5), (3, -3), (5, 10), (9, 20), (5, 25), (0, 25)), tone, NOSE_DEPTH)


def draw_mouth(s: Sketch) -> None:
    kind, y = s["mouth"], s.mouth
    if kind == "grin":
        top = arch((0, y - 3), (21, y - 6))
        s.head.shape(between(top, arch((0, y + 13), (14, y + 8), (21, y - 6))), MOUTH_INSIDE, FACE_DEPTH)
        s.head.shape(between(top * (0.86, 1), arch((0, y + 5), (17, y))), WHITE, FACE_DEPTH)
        return
    if kind == "open":
        s.head.oval(0, y + 3, 11, 12, MOUTH_INSIDE, FACE_DEPTH)
        s.head.oval(0, y + 9, 7.5, 5.5, TONGUE, FACE_DEPTH)
        return
    lips = {
        "smile": arch((0, y + 5), (9, y + 3), (17, y - 4)),
        "neutral": arch((0, y + 1), (13, y + 1)),
        "sad": arch((0, y - 2), (8, y), (15, y + 6)),
    }[kind]
    s.head.stroke(lips, 5.5, mix(s.skin, (110, 14, 30), 0.72), FACE_DEPTH)


# ---------------------------------------------------------------------------------------------- facial hair


def draw_beard(s: Sketch) -> None:
    """Beard or goatee.  (The moustache comes later: it lies over the mouth.)"""
    y, half = s.mouth, s.half_width
    if s["facial_hair"] == "beard":
        jaw = s.head_outline  # the beard is cut from it, so it follows every jaw
        edge = jaw[jaw[:, 1] > 8] * (1.03, 1.06)
        cheeks = arch((0, y - 11), (20, y - 13), (36, 30), (half - 9, 14), (half - 1, 4))
        s.head.shape(np.concatenate([edge, cheeks]), s.hair, HEAD_DEPTH)
        s.head.oval(0, y + 1, 24, 9, s.skin, FACE_DEPTH)  # bare round the lips, so that they show
    elif s["facial_hair"] == "goatee":
        low = s.chin
        tuft = outline((0, y + 11), (13, y + 10), (20, y + 15), (16, low), (8, low + 6), (0, low + 8))
        s.head.shape(tuft, s.hair, HEAD_DEPTH)


def draw_moustache(s: Sketch) -> None:
    if s["facial_hair"] != "moustache":
        return
    y = s.mouth - 9
    half = curve((0, y - 4), (10, y - 6), (21, y - 1), (30, y - 3), (24, y + 6), (10, y + 6), (0, y + 2))
    for side in (half, flip(half)):
        s.head.shape(side, s.hair, FACE_DEPTH)
