"""What the energy tab can be set to, and its starting points."""

from __future__ import annotations

from playground.api import Field
from playground.data.densities import NAMES
from playground.engine import Engine
from tabs import _ui as ui
from tabs._ui.examples import COUNT

MODES = ("landscape", "rbm", "repair", "dream", "hopfield", "learn")
TITLES = {"rbm": "RBM", "hopfield": "Hopfield", "hmc": "HMC", "mala": "MALA (Langevin, then asked)",
          "here": "my walker", "hebb": "Hebb (1982)", "pseudo-inverse": "Pseudo-inverse", "digits": "test digits",
          "all": "a mixture of all"}  # fmt: skip
SAMPLERS = ("langevin", "mala", "hmc", "metropolis", "gibbs")
MOST_WALKERS = 64
MOST_DROPPED = 16
MOST_MEMORIES = 120
NONE = "none"  # what a choice of models says while no model is here
CELLS = 784
FIRST_MEMORIES = "t0.t52"
LONGEST_UPDATES = 3000


def dreamers(engine: Engine) -> tuple[str, ...]:
    """The family's checkpoints that make pictures of digits; no weights are loaded to find out."""
    from playground.models import energy

    cards = [card for card in engine.cards(data="mnist") if card.family == "energy"]
    return tuple(card.name for card in cards if hasattr(energy.kind(card.folder), "sample"))


def declare(engine: Engine) -> ui.State:
    """The state. The tab opens without any checkpoint of the family; what is missing is said where it is wanted."""
    models = dreamers(engine) or (NONE,)
    favourite = next((n for n in models if engine.card(n).labels), models[0]) if models[0] != NONE else NONE
    labels = tuple(dict.fromkeys(c for n in models if n != NONE for c in engine.card(n).labels)) or tuple("0123456789")
    fields = (
        Field("mode", "choice", "landscape", choices=MODES, label="Mode"),
        ui.ModelField("model", "choice", favourite, choices=models, label="Network",
                      opens=ui.suits(engine, "energy", "mnist")),
        ui.seed_field(),
        *_landscape(), *_machine(), *_pictures(labels), *_memory(), *_learning(),
    )  # fmt: skip
    return ui.State("energy", fields, PRESETS)


def _landscape() -> tuple[Field, ...]:
    return (
        Field("density", "choice", "two moons", choices=NAMES, label="Points it learned from"),
        Field("kind", "choice", "learned", choices=("learned", "exact"), label="Energy",
              info="What the network learned, or −log p of the formula the points came from."),
        Field("shade", "choice", "energy", choices=("energy", "density"), label="Colour shows",
              info="E(x), or how often a perfect walker would be there at this temperature."),
        Field("view", "choice", "map", choices=("map", "surface"), label="View"),
        Field("sampler", "choice", "langevin", choices=SAMPLERS, label="Sampler"),
        Field("step", "float", 0.18, 0.01, 2.0, 0.01, label="Step size",
              info="How far a walker goes in one step, about."),
        Field("temperature", "float", 1.0, 0.1, 5.0, 0.05, label="Temperature",
              info="Hot walkers climb hills, cold ones roll downhill and stay."),
        Field("walkers", "int", 24, 0, MOST_WALKERS - MOST_DROPPED, 1, label="Walkers"),
        Field("start", "choice", "noise", choices=("noise", "here"), label="They start from",
              info="Spread by chance, or all where you dropped your own walker."),
        Field("steps", "int", 300, 50, 600, 10, label="Steps"),
        Field("leaps", "int", 8, 1, 30, 1, label="HMC: leaps",
              info="Leapfrog steps along one throw of the ball, before it may be refused."),
        Field("points", "text", "", length=400, label="Dropped walkers"),
        Field("trace", "choice", "energy", choices=("energy", "x", "y"), label="Trace"),
    )  # fmt: skip


def _machine() -> tuple[Field, ...]:
    return (
        Field("heat", "float", 1.0, 0.1, 3.0, 0.05, label="Temperature",
              info="Units decide by σ(input / T): cold ones are sure, hot ones toss coins."),
        Field("begin", "choice", "digits", choices=("digits", "noise"), label="Particles start from"),
        Field("skip", "int", 1, 1, 20, 1, label="Sweeps between pictures"),
        Field("sweeps", "int", 0, 0, 400, 1, label="Sweeps before the saved picture",
              info="Set where you pause; the link and the saved picture are made of it."),
        Field("clamp", "text", "", length=300, label="Clamped pixels"),
    )  # fmt: skip


def _pictures(labels: tuple[str, ...]) -> tuple[Field, ...]:
    return (
        Field("source", "choice", "test", choices=("test", "own"), label="Picture",
              info="One the networks never trained on, or your own drawing or upload."),
        Field("test", "int", 157, 0, COUNT - 1, 1, label="Test picture"),
        Field("drawing", "text", "", length=40_000, label="The drawing"),
        Field("damage", "choice", "hole", choices=("hole", "noise"), label="Damage",
              info="Painted pixels are unknown; with noise nobody knows which ones are wrong."),
        Field("noise", "float", 0.3, 0.05, 1.0, 0.05, label="Noise level"),
        Field("hole", "text", first_hole(), length=300, label="The hole"),
        Field("label", "choice", labels[3 % len(labels)], choices=labels, label="Class",
              info="What is asked for, where the network was taught classes."),
        Field("every", "bool", False, label="One of each class"),
        Field("warmth", "float", 1.0, 0.0, 2.0, 0.05, label="Noise of the walk",
              info="1 is the right amount; 0 only rolls downhill."),
    )  # fmt: skip


def _memory() -> tuple[Field, ...]:
    return (
        Field("rule", "choice", "hebb", choices=("hebb", "pseudo-inverse", "modern"), label="Rule",
              info="How patterns become weights."),
        Field("cue", "choice", "memory", choices=("memory", "all", "noise", "drawing"), label="Begin with",
              info="A damaged memory, a mixture of all of them, noise, or the pad."),
        Field("which", "int", 1, 1, MOST_MEMORIES, 1, label="Which memory"),
        Field("flip", "float", 0.2, 0.0, 0.5, 0.01, label="Damaged pixels", info="Share of pixels turned over."),
        Field("memories", "text", FIRST_MEMORIES, length=8000, label="Memories"),
    )  # fmt: skip


def _learning() -> tuple[Field, ...]:
    return (
        Field("hidden", "int", 36, 16, 100, 1, label="Hidden units"),
        Field("k", "int", 1, 1, 20, 1, label="CD-k",
              info="Gibbs steps before the network's own picture is compared with the real one."),
        Field("rate", "float", 0.2, 0.01, 5.0, 0.01, label="Learning rate"),
        Field("persistent", "bool", False, label="Keep the chains (PCD)",
              info="Fantasies go on where they stopped, rather than begin at the data again."),
        Field("updates", "int", 0, 0, LONGEST_UPDATES, 1, label="Updates"),
    )  # fmt: skip


def first_hole() -> str:
    """The lower half, before the visitor has painted anything."""
    from tabs.energy.cells import pack

    return pack([1 if i // 28 >= 15 else 0 for i in range(CELLS)])


PRESETS = (
    ui.Preset("works", "Downhill, with noise", "Walkers start anywhere, roll downhill and are shaken all the "
              "while. Soon there are many where the energy is low: that is sampling.", {}),
    ui.Preset("fails", "Stuck on one island", "All walkers begin on one of eight islands. Each step is right, yet "
              "hardly any finds the way over, and the bars stay wrong. Try HMC, larger steps, more heat.",
              {"density": "eight gaussians", "start": "here", "points": "2.6,0", "step": 0.1}),
    ui.Preset("fails", "A step too far", "Langevin trusts the slope under its feet. With steps this large it leaps "
              "over the valley, lands higher up, and leaps further. Make the step smaller.",
              {"density": "grid", "kind": "exact", "step": 0.42}),
    ui.Preset("surprises", "A memory nobody stored", "Two digits are remembered well. With a third, which looks much "
              "like them, the valleys merge: wherever you begin, it ends in a picture nobody stored. Change the rule.",
              {"mode": "hopfield", "memories": "t0.t52.t103"}),
)  # fmt: skip
