"""Energy-based models: a number for every picture, low where pictures are likely.

From Hopfield's memories (1982) through Boltzmann machines (1985, 2002) and deep belief networks (2006) to networks
that give any picture an energy (2019). They share one formula, p(x) = exp(−E(x)) / Z, and one trouble: Z.

* `hopfield`: memories as valleys. * `rbm`: pixels and hidden units that vote for each other; `persistent`: how it
learns; `partition`: how large Z is. * `dbn`: machines upon machines. * `plane`: an energy in two dimensions, where
everything can be seen. * `conv`: an energy of pictures. * `walkers`: ways of walking through a landscape.
"""

from __future__ import annotations

from pathlib import Path

from torch import nn

from playground.models.energy.conv import ConvEnergy
from playground.models.energy.dbn import DBN, DBNLearner
from playground.models.energy.hopfield import Hopfield, HopfieldLearner
from playground.models.energy.learners import ChainLearner, ScoreLearner
from playground.models.energy.persistent import RBMLearner
from playground.models.energy.plane import PlaneEnergy, PlaneLearner
from playground.models.energy.rbm import RBM
from playground.models.hub import architecture, from_folder
from playground.training.recipe import Recipe, cosine

KINDS = (Hopfield, RBM, DBN, PlaneEnergy, ConvEnergy)


def kind(folder: Path) -> type[nn.Module]:
    """The class of a checkpoint folder's network."""
    return architecture(folder, KINDS)


def load(folder: Path) -> nn.Module:
    """The network of a checkpoint folder."""
    return from_folder(kind(folder), folder)


def falling(done: float) -> float:
    """A straight line down to zero: chains can only keep up with weights that move less and less (Tieleman 2008)."""
    return min(1.0, done / 0.01 + 0.05) * max(0.0, 1 - done)


RECIPES = (
    Recipe(
        name="hopfield", family="energy", data="mnist", learner=lambda device: HopfieldLearner(Hopfield(), device),
        images=2000, batch=2000, title="Hopfield network",
        summary="Five digits stored as valleys of an energy: a damaged one slides back into the valley it came from.",
        year=1982, paper="Hopfield 1982, doi:10.1073/pnas.79.8.2554",
    ),
    Recipe(
        name="rbm-mnist", family="energy", data="mnist", learner=lambda device: RBMLearner(RBM(), device),
        images=6_000_000, batch=100, rate=falling, title="Restricted Boltzmann machine",
        summary="Pixels and five hundred hidden units that vote for each other, trained with persistent chains. Its "
        "fantasies wander from digit to digit.",
        year=1985, paper="Ackley, Hinton and Sejnowski 1985; Hinton 2002, doi:10.1162/089976602760128018",
    ),
    Recipe(
        name="dbn-mnist", family="energy", data="mnist", learner=lambda device: DBNLearner(DBN(), device),
        images=4_000_000, batch=100, title="Deep belief network", conditional=True,
        summary="Boltzmann machines stacked three high with ten label units at the top: it dreams digits of a class "
        "and names those it sees.",
        year=2006, paper="Hinton, Osindero and Teh 2006, doi:10.1162/neco.2006.18.7.1527",
    ),
    Recipe(
        name="ebm-2d", family="energy", data="densities", learner=lambda device: PlaneLearner(PlaneEnergy(), device),
        images=6_000_000, batch=768, rate=cosine, title="Energy landscape in the plane", conditional=True,
        summary="Six densities as landscapes: a network gives every point of the plane an energy. In two dimensions "
        "the normalising sum can be taken, so the density is exact.",
        year=2006, paper="LeCun et al., A tutorial on energy-based learning, 2006",
    ),
    Recipe(
        name="dsm-mnist", family="energy", data="mnist", learner=lambda device: ScoreLearner(ConvEnergy(), device),
        images=1_200_000, batch=64, rate=cosine, title="Denoising score matching",
        summary="An energy of digits at every noise level, learnt by asking its slope the way back from a noisy "
        "picture to the clean one; sampled by Langevin moves while the noise falls.",
        year=2019, paper="arXiv:1907.05600; Vincent 2011",
    ),
    Recipe(
        name="ebm-mnist", family="energy", data="mnist",
        learner=lambda device: ChainLearner(ConvEnergy(noise=False), device),
        images=600_000, batch=64, rate=cosine, title="Convolutional energy",
        summary="A network that gives every picture an energy, trained by pulling data down and pushing up what "
        "Langevin chains find; the chains live on in a replay buffer.",
        year=2019, paper="arXiv:1903.08689; LeCun et al. 2006",
    ),
)  # fmt: skip
