"""What the autoregressive tab can be set to."""

from __future__ import annotations

import torch
from torch import Tensor

from playground import render
from playground.api import Field
from playground.engine import Engine
from tabs import _ui as ui
from tabs._ui.examples import COUNT

FAMILY = "autoregressive"
MODES = ("watch", "branch", "complete", "surprise", "what it sees")
PACES = ("slow", "steady", "fast", "instant")
HOLES = ("top", "bottom", "left", "right", "brush")
ORDERS = ("rows", "columns", "rows backwards", "columns backwards")
UNTOLD = "not told"
SIDE = 28  # pixels along a digit
MOST_LANES = 8  # the sample and its branches
ENDINGS = 8  # completions of one hole
STROKES = (  # a capital W: x, y to x, y
    (5.0, 6.0, 9.0, 22.0), (9.0, 22.0, 14.0, 8.0), (14.0, 8.0, 19.0, 22.0), (19.0, 22.0, 23.0, 6.0),
)  # fmt: skip


def declare(engine: Engine) -> ui.State:
    """The state; the classes are those of the autoregressive models that are here."""
    model = ui.model_field(engine, family=FAMILY, default="pixelcnn-mnist")
    labels = tuple(dict.fromkeys(label for name in model.choices for label in engine.card(name).labels)) or ("none",)
    fields = (
        Field("mode", "choice", "watch", choices=MODES, label="Mode"),
        model,
        Field("label", "choice", "3" if "3" in labels else labels[0], choices=labels, label="Class",
              info="What the network is told the picture will be."),
        ui.seed_field(),
        Field("temperature", "float", 1.0, 0.0, 2.0, 0.05, label="Temperature",
              info="Below 1 the likely becomes likelier, above 1 all becomes alike. The dice stay the same."),
        Field("top_k", "int", 1000, 1, 1000, 1, label="Top k",
              info="Only so many of the likeliest words may be drawn."),
        Field("top_p", "float", 1.0, 0.05, 1.0, 0.05, label="Top p",
              info="Only the likeliest words that together reach this probability."),
        Field("order", "choice", "rows", choices=ORDERS, label="Order", info="Which pixel comes next."),
        Field("pace", "choice", "fast", choices=PACES, label="Speed"),
        Field("branches", "text", "[]", length=2000, label=f"Branches (at most {MOST_LANES - 1})"),
        Field("lane", "int", 0, 0, MOST_LANES - 1, 1, label="Picture to branch from"),
        Field("pixel", "int", -1, -1, 4095, 1, label="Place"),
        Field("source", "choice", "test", choices=("test", "own", "sample"), label="Picture",
              info="One the network never trained on, your own, or its own work."),
        Field("test", "int", 211, 0, COUNT - 1, 1, label="Test picture"),
        Field("drawing", "text", "", length=60_000, label="The drawing"),
        Field("hole", "choice", "bottom", choices=HOLES, label="Cover"),
        Field("mask", "text", "", length=20_000, label="The mask"),
        Field("told", "choice", UNTOLD, choices=(UNTOLD, *labels), label="Told the class?",
              info="If not, it keeps every class in mind."),
        Field("particles", "int", 16, 1, 32, 1, label="Attempts side by side",
              info="Those that fit the given pixels further down live on. A single one cannot look down."),
        Field("row", "int", 14, 0, SIDE - 1, 1, label="Row"),
        Field("col", "int", 14, 0, SIDE - 1, 1, label="Column"),
        Field("layers", "int", 8, 1, 16, 1, label="Layers", info="Each lets a pixel see a little farther."),
        Field("kernel", "choice", "3", choices=("3", "5", "7"), label="Kernel",
              info="Width of each layer's window, half of which is masked."),
    )  # fmt: skip
    return ui.State(FAMILY, fields, presets(model.choices, labels))


def presets(models: tuple[str, ...], labels: tuple[str, ...]) -> tuple[ui.Preset, ...]:
    """Four starting points; the page opens with the first."""
    digits = {"model": "pixelcnn-mnist"} if "pixelcnn-mnist" in models else {}
    works = ui.Preset("works", "One pixel at a time", "Press play: each pixel is a roll of a die whose odds the "
                      "network sets after looking at all the pixels before it.", {})  # fmt: skip
    fails = ui.Preset("fails", "It cannot look down", "The top is covered, and a single attempt is made from above. "
                      "It cannot know what stands below, so the halves do not meet. Give it 16 attempts.",
                      {**digits, "mode": "complete", "hole": "top", "particles": 1})  # fmt: skip
    endings = ui.Preset("surprises", "One half, many digits", "The same upper half can end as one digit or another. "
                        "The network does not average them: it makes up its mind, eight times.",
                        {**digits, "mode": "complete", "test": 155})  # fmt: skip
    stranger = ui.Preset("surprises", "A letter among digits", "It has only ever seen digits. Point at the bright "
                         "places: there, a pixel came that no digit would have had.",
                         {**digits, "mode": "surprise", "source": "own", "drawing": letter()})  # fmt: skip
    return (works, fails, endings, stranger)


def letter() -> str:
    """A capital W as a PNG data URI."""
    ys, xs = torch.meshgrid(torch.arange(float(SIDE)), torch.arange(float(SIDE)), indexing="ij")
    ink = torch.stack([distance(xs, ys, *stroke) for stroke in STROKES]).amin(0) < 1.3
    return render.png_uri(ink.float()[None, None])


def distance(x: Tensor, y: Tensor, x0: float, y0: float, x1: float, y1: float) -> Tensor:
    """From every point to the line between two points."""
    dx, dy = x1 - x0, y1 - y0
    t = (((x - x0) * dx + (y - y0) * dy) / (dx * dx + dy * dy)).clamp(0, 1)
    return ((x - x0 - t * dx).square() + (y - y0 - t * dy).square()).sqrt()
