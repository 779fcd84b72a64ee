"""Normalizing flows: bijections between pictures and noise, from NICE to a transformer.

Every network here is a `Flow` (`playground.models.flow.base`): exact likelihood, an inverse, a latent of the picture's
own size. They differ in what one layer may do.
"""

from __future__ import annotations

from pathlib import Path

from torch import nn

from playground.models import hub
from playground.models.flow.base import Flow
from playground.models.flow.glow import Glow
from playground.models.flow.learner import FlowLearner, PlaneLearner
from playground.models.flow.nice import NICE
from playground.models.flow.plane import PlaneFlow
from playground.models.flow.realnvp import RealNVP
from playground.models.flow.tarflow import TarFlow
from playground.training.recipe import Recipe, cosine

__all__ = ["KINDS", "NICE", "RECIPES", "Flow", "Glow", "PlaneFlow", "RealNVP", "TarFlow", "kind", "load"]
WAVES = (1, 2, 3, 5, 7, 9)  # from the width of the plane to the finest grid
KINDS: tuple[type[nn.Module], ...] = (PlaneFlow, NICE, RealNVP, Glow, TarFlow)


def kind(folder: Path) -> type[nn.Module]:
    """The class of a checkpoint folder's network."""
    return hub.architecture(folder, KINDS)


def load(folder: Path) -> nn.Module:
    """The network of a checkpoint folder."""
    return hub.from_folder(kind(folder), folder)


RECIPES = (
    Recipe(
        name="realnvp-2d", family="flow", data="densities", images=6_000_000, batch=768, rate=cosine,
        learner=lambda device: PlaneLearner(PlaneFlow(12, 96), device, lr=5e-3, decay=0.995, each=128),
        conditional=True, year=2016, paper="arXiv:1605.08803", title="RealNVP in the plane",
        summary="Twelve coupling layers that bend six drawn densities of the plane into one round Gaussian.",
    ),
    Recipe(
        name="spline-2d", family="flow", data="densities", images=1_000_000, batch=384, rate=cosine,
        learner=lambda device: PlaneLearner(PlaneFlow(8, 64, waves=WAVES, pieces=12), device, lr=4e-3, decay=0.995),
        conditional=True, year=2019, paper="arXiv:1906.04032", title="Neural spline flow in the plane",
        summary="Couplings with monotone splines: two thirds of RealNVP's layers, and the islands come apart.",
    ),
    Recipe(
        name="nice-mnist", family="flow", data="mnist", images=500_000, batch=128, rate=cosine,
        learner=lambda device: FlowLearner(NICE(), device, lr=1e-3), year=2014,
        paper="arXiv:1410.8516", title="NICE, additive couplings",
        summary="The first deep flow: odd and even pixels take turns in moving each other, and no volume changes.",
    ),
    Recipe(
        name="realnvp-mnist", family="flow", data="mnist", images=100_000, batch=32, rate=cosine,
        learner=lambda device: FlowLearner(RealNVP(blocks=1), device, lr=1e-3, decay=0.998), year=2016,
        paper="arXiv:1605.08803", title="RealNVP, two scales",
        summary="Affine couplings on a checkerboard of pixels, then on channels, with residual networks.",
    ),
    Recipe(
        name="glow-faces", family="flow", data="faces", images=60_000, batch=16, rate=cosine,
        learner=lambda device: FlowLearner(Glow(), device, lr=1e-3, decay=0.998), year=2018,
        paper="arXiv:1807.03039", title="Glow of cartoon faces",
        summary="Invertible 1×1 convolutions between couplings, four scales, 32 grey levels per colour.",
    ),
    Recipe(
        name="tarflow-mnist", family="flow", data="mnist", images=110_000, batch=32, rate=cosine,
        learner=lambda device: FlowLearner(TarFlow(width=160), device, lr=2e-3, decay=0.998), year=2024,
        paper="arXiv:2412.06329", title="TarFlow, a flow of transformers",
        summary="Four causal transformers read a digit patch by patch, forwards and backwards in turn.",
    ),
)  # fmt: skip
