"""The families of the laboratory, by name, in the order in which they were invented."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from playground.api import PlaygroundError
from playground.training.lab.learner import PlaneLearner
from playground.training.lab.learners.autoencoder import PlaneAutoencoder
from playground.training.lab.learners.autoregressive import PlaneAutoregressive
from playground.training.lab.learners.diffusion import PlaneDiffusion
from playground.training.lab.learners.energy import PlaneEnergyLearner
from playground.training.lab.learners.flow_matching import PlaneFlowMatching
from playground.training.lab.learners.gan import PlaneGAN
from playground.training.lab.learners.realnvp import PlaneRealNVP
from playground.training.lab.learners.vae import PlaneVAE

LEARNERS: dict[str, type[PlaneLearner]] = {
    learner.name: learner
    for learner in (
        PlaneAutoencoder,
        PlaneAutoregressive,
        PlaneVAE,
        PlaneGAN,
        PlaneRealNVP,
        PlaneEnergyLearner,
        PlaneDiffusion,
        PlaneFlowMatching,
    )
}


def learner(name: str, settings: Mapping[str, Any] | None = None, seed: int = 0) -> PlaneLearner:
    """A fresh learner of the family `name`.

    Raises:
        PlaygroundError: no such family, or a setting it does not have or allow.
    """
    if name not in LEARNERS:
        raise PlaygroundError(f"There is no learner {str(name)[:60]!r}. Choose one of {', '.join(LEARNERS)}.")
    return LEARNERS[name](settings, seed)
