"""Experiments worth making, as data: what works, and five classic ways to fail, each with its cure.

A preset says what to look for in one sentence, and a cure is a handful of settings that can be applied while the
failure is on the screen. That each shows its failure and that its cure cures is measured by a test.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from playground.api import PlaygroundError
from playground.training.lab.session import Session


@dataclass(frozen=True)
class Preset:
    """A named experiment.

    Attributes:
        name, learner, target, settings: what to start. updates: after so many the point is made.
        look: one sentence, what to look for.
        cure: settings that mend it, live; empty where nothing is broken. cured: one sentence, why that helps.
        cure_updates: after so many more the cure shows.
    """

    name: str
    learner: str
    target: str
    look: str
    updates: int
    settings: Mapping[str, Any] = field(default_factory=dict)
    cure: Mapping[str, Any] = field(default_factory=dict)
    cured: str = ""
    cure_updates: int = 0


PRESETS = {
    preset.name: preset
    for preset in (
        Preset(
            "works", "flow matching", "eight gaussians",
            "Watch one cloud of noise split into eight heaps within a few hundred updates.",
            400,
        ),
        Preset(
            "mode collapse", "gan", "eight gaussians",
            "All fakes huddle in one small spot; when D notices, it hops elsewhere, and most heaps stay empty.",
            60, {"loss": "non-saturating", "g_steps": 20, "lr": 5e-3, "lr_d": 1e-3},
            {"loss": "relativistic", "g_steps": 1, "lr": 2e-3, "lr_d": 2e-3},
            "The generator moves only once per step of the discriminator, and a loss that compares real with fake "
            "points pulls it to all heaps.",
            400,
        ),
        Preset(
            "vanishing gradient", "gan", "eight gaussians",
            "The discriminator is so sure of itself that the arrows shrink to nothing and the fakes stand still.",
            100, {"loss": "minimax", "descent": "plain", "lr": 0.03, "lr_d": 5e-3, "d_steps": 5},
            {"loss": "wasserstein penalty", "d_steps": 2, "lr": 0.1},
            "A Wasserstein critic keeps a slope of about one everywhere, so the fakes always know which way to go.",
            300,
        ),
        Preset(
            "posterior collapse", "vae", "eight gaussians",
            "KL falls to zero: every point gets the same code, and all samples sit in one heap in the middle.",
            200, {"beta": 200.0},
            {"beta": 1.0},
            "At β = 1 a code costs what it tells, so the encoder speaks again and samples go out to the heaps.",
            600,
        ),
        Preset(
            "too few steps", "diffusion", "eight gaussians",
            "The network has learned well, but two steps from noise to points are too few: the heaps are smeared.",
            700, {"steps": 2},
            {"steps": 30},
            "Nothing is learned anew: thirty small steps follow the way that two large ones cut across.",
            1,
        ),
        Preset(
            "exploding", "realnvp", "eight gaussians",
            "The learning rate is far too high: the loss leaps up, and the laboratory stops and goes back.",
            60, {"lr": 1.0},
            {"lr": 2e-3},
            "Five hundred times smaller steps go downhill instead of over it.",
            300,
        ),
    )
}  # fmt: skip


def preset(name: str) -> Preset:
    """The preset `name`.

    Raises:
        PlaygroundError: there is no such preset.
    """
    if name not in PRESETS:
        raise PlaygroundError(f"There is no preset {str(name)[:60]!r}. Choose one of {', '.join(PRESETS)}.")
    return PRESETS[name]


def start(name: str, seed: int = 0) -> Session:
    """A session as the preset `name` wants it, at update 0."""
    wanted = preset(name)
    return Session(wanted.learner, wanted.target, wanted.settings, seed)


def cure(session: Session, name: str) -> None:
    """Applies the cure of the preset `name` to a running session."""
    session.change(preset(name).cure)
