"""Cartoon faces, drawn from a seed.

The idea
    A face is a short list of choices (skin, hair, hat, mouth, ...) and three continuous factors (turn, tilt
    and size).  `sample(seed)` makes the choices, `draw(face)` turns them into a picture, and `labels(face)`
    gives them as integers, so every picture comes with a complete and exact description of what is in it.

How a face is sampled
    Each attribute is drawn on its own, from `numpy.random.default_rng(seed)`.  No attribute depends on
    another: a blue beard is as likely on any skin.  This is less lifelike than real portraits, on purpose:
    scores that ask whether a model separates the attributes are only exact when the data does not tie them
    together.

Why the faces are drawn
    There is nothing to download, no person's likeness is used, the data set is as large as one likes, and the
    truth behind each picture is known.

How a face is drawn
    Everything is a filled polygon on one canvas four times too large, which is then scaled down: that gives
    smooth edges.  Points of the head pass through a `Pen` (pen.py), which slides them sideways (turn),
    rotates them (tilt) and scales them (size), so hair, glasses and beard always follow the head.

The files: catalogue.py (which faces there are), pen.py (curves and the pen), sketch.py (what all drawing
functions share), body.py, features.py, hair.py and hats.py (the drawing), words.py (the sentence).
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from PIL import Image, ImageDraw

from playground.data.faces.body import draw_background, draw_collar, draw_neck, draw_torso
from playground.data.faces.catalogue import (
    ATTRIBUTES,
    BACKGROUND,
    FACTORS,
    JUDGE_SEEDS,
    SIZE,
    TEST_SEEDS,
    TRAIN_SEEDS,
    Face,
    check_face,
    check_size,
    labels,
    sample,
    shares,
    visible,
)
from playground.data.faces.features import (
    draw_beard,
    draw_brows,
    draw_earrings,
    draw_ears,
    draw_eyes,
    draw_glasses,
    draw_head,
    draw_moustache,
    draw_mouth,
    draw_nose,
)
from playground.data.faces.hair import draw_hair_back, draw_hair_front
from playground.data.faces.hats import draw_hat
from playground.data.faces.sketch import make_sketch
from playground.data.faces.words import describe

__all__ = [
    "ATTRIBUTES",
    "FACTORS",
    "JUDGE_SEEDS",
    "SIZE",
    "TEST_SEEDS",
    "TRAIN_SEEDS",
    "Face",
    "dataset",
    "describe",
    "draw",
    "labels",
    "sample",
    "shares",
    "visible",
]


def draw(face: Face, size: int = SIZE) -> np.ndarray:
    """The picture of a face: uint8, (size, size, 3).  The same face always gives the same bytes."""
    check_face(face)
    size = check_size(size)
    width = min(max(256, 4 * size), 2048)
    image = Image.new("RGB", (width, width))
    canvas = ImageDraw.Draw(image)
    s = make_sketch(face, canvas, width / 256)
    # From the back to the front: each line may paint over the ones before it.
    draw_background(canvas, BACKGROUND[s["background"]], width)
    draw_hair_back(s)
    draw_torso(s)
    draw_neck(s)
    draw_collar(s)
    draw_ears(s)
    draw_head(s)
    draw_beard(s)
    draw_mouth(s)
    draw_moustache(s)
    draw_nose(s)
    draw_brows(s)
    draw_eyes(s)
    draw_glasses(s)
    draw_hair_front(s)
    draw_hat(s)
    draw_earrings(s)
    return np.array(image.resize((size, size), Image.Resampling.LANCZOS))


def dataset(seeds: Iterable[int]) -> tuple[np.ndarray, np.ndarray]:
    """Pictures (N, 64, 64, 3) and labels (N, number of attributes) of the given seeds, in order."""
    faces = [sample(seed) for seed in seeds]
    images = np.empty((len(faces), SIZE, SIZE, 3), dtype=np.uint8)
    codes = np.empty((len(faces), len(ATTRIBUTES)), dtype=np.int64)
    for i, face in enumerate(faces):
        images[i], codes[i] = draw(face), labels(face)
    return images, codes
