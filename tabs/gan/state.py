"""What the GAN tab can be set to, and the words on it."""

from __future__ import annotations

from playground.api import MAX_SEED, Field
from playground.engine import Engine
from tabs import _ui as ui
from tabs._ui.examples import COUNT
from tabs.gan.traits import names_of

MODES = ("Walk", "Mix", "Directions", "Verdict", "Project", "Diversity")
COMPONENTS = tuple(f"p{i}" for i in range(1, 6))
REACH = 3.0  # standard deviations a direction can be followed


def declare(engine: Engine) -> ui.State:
    """The state; a model that is not there takes its presets with it."""
    model = ui.model_field(engine, family="gan", default="gan-faces")
    classes = next((engine.card(name).labels for name in model.choices if engine.card(name).labels), ("0",))
    sigmas = {"low": -REACH, "high": REACH, "step": 0.1}
    fields = (
        Field("mode", "choice", "walk", choices=tuple(m.lower() for m in MODES), label="Mode"),
        model,
        ui.seed_field(),
        Field("dx", "float", 0.0, -0.5, 0.5, label="Steps right of the seed"),
        Field("dy", "float", 0.0, -0.5, 0.5, label="Steps above the seed"),
        Field("truncation", "float", 0.8, 0.0, 1.5, 0.05, label="Truncation ψ",
              info="0 is the mean picture. Small is safe and alike, above 1 is daring."),
        Field("label", "choice", classes[min(3, len(classes) - 1)], choices=classes, label="Digit",
              info="What the network is asked for."),
        Field("seed_b", "int", 12, 0, MAX_SEED, label="Seed B", info="Gives the fine layers."),
        Field("cut", "int", 3, 0, 8, 1, label="Cut before layer",
              info="Layers before the cut follow A, the others B."),
        *(Field(name, "float", 0.0, **sigmas, label=f"Direction {i}") for i, name in enumerate(COMPONENTS, 1)),
        Field("face_trait", "choice", "glasses", choices=names_of("faces"), label="Attribute"),
        Field("digit_trait", "choice", "thick strokes", choices=names_of("mnist"), label="Attribute"),
        Field("strength", "float", 0.0, **sigmas, label="Strength", info="In standard deviations of the styles."),
        Field("source", "choice", "test", choices=("test", "drawing", "sample"), label="Picture",
              info="A real one it never saw, your own, or one it made."),
        Field("test", "int", 157, 0, COUNT - 1, 1, label="Test picture"),
        Field("drawing", "text", "", length=60_000, label="The drawing"),
        *ui.wish_fields(),
    )  # fmt: skip
    return ui.State("gan", fields, PRESETS)


PRESETS = (
    ui.Preset("works", "Walk between faces", "Drag the picture. Every whole step is another seed, and in between "
              "the pictures melt into one another without a break.", {}),
    ui.Preset("fails", "Safe, but all alike", "Truncation pulls every picture towards the mean one. They get cleaner, "
              "and sixty-four of them become nearly one: look what is missing below.",
              {"mode": "diversity", "truncation": 0.2}),
    ui.Preset("surprises", "Shape of one, colours of another", "Nobody told the network which layer does what. "
              "Still its early layers decide on shape and its late layers on colour: move the cut.",
              {"mode": "mix", "cut": 4}),
)  # fmt: skip
