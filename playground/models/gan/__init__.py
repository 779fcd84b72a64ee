"""Generative adversarial network with a mapping network and one style per layer.

A generator G turns noise into pictures, a discriminator D tells them from real ones, and each learns from the other.
Here a small network first maps z to a style w, and w steers every convolution of G by scaling its input channels, so
that coarse layers decide on shape and fine layers on colour, and styles of two seeds can be mixed. The two play the
relativistic pairing game, where D only ever compares a real picture with a fake one,

    L_D = E[softplus(D(G(z)) − D(x))] + γ/2·(E‖∇D(x)‖² + E‖∇D(G(z))‖²),      L_G = E[softplus(D(x) − D(G(z)))],

which has no collapsed minimum to fall into; the gradient penalties R1 and R2 keep it from oscillating. Both players may
be told what is to be seen, a class or attributes.

Goodfellow et al., "Generative adversarial nets", 2014; Karras et al., "StyleGAN", 2018, and "StyleGAN2", 2019 (styles
as weight scaling, truncation); Huang et al., "The GAN is dead; long live the GAN!", 2024 (R3GAN, the loss); Miyato and
Koyama, "cGANs with projection discriminator", 2018; Odena et al., "AC-GAN", 2016 (D also names what it sees).
"""

from __future__ import annotations

from pathlib import Path

from playground.models import hub
from playground.models.attributes import of_faces
from playground.models.gan.asked import AttributeGAN, AttributeGANLearner
from playground.models.gan.learner import GANLearner
from playground.models.gan.network import GAN
from playground.training.recipe import Recipe, flat, shipped

__all__ = ["GAN", "RECIPES", "AttributeGAN", "AttributeGANLearner", "GANLearner", "kind", "load"]


def kind(folder: Path) -> type[GAN]:
    """The class of a checkpoint folder's network: one that can be asked for attributes, or not."""
    return AttributeGAN if "heads" in hub.read_config(folder) else GAN


def load(folder: Path) -> GAN:
    """The network of a checkpoint folder."""
    return hub.from_folder(kind(folder), folder)


RECIPES = (
    Recipe(
        name="gan-mnist", family="gan", data="mnist", images=800_000, batch=64, rate=flat, conditional=True,
        learner=lambda device: GANLearner(GAN(truncation=0.9), device, gamma=1.0, penalty_every=8, lr=1e-3),
        title="GAN of digits", summary="A class-conditional GAN of 28×28 digits with styles and a projection critic.",
        year=2014, paper="arXiv:1406.2661",
    ),
    Recipe(
        name="gan-faces", family="gan", data="faces", images=600_000, batch=32, rate=flat,
        learner=lambda device: AttributeGANLearner(
            AttributeGAN(
                (3, 64, 64), (192, 128, 80, 40), (256, 160, 80, 32), latent_size=128, squash=True,
                **of_faces().config,
            ),
            device, shipped("reader-faces"),
            gamma=2.0, penalty_every=4, lr=4e-4, decay=0.999, mixing=0.2, mapping=0.5,
        ),
        title="GAN of faces",
        summary="A style-based GAN of 64×64 drawn faces: seven styles, and attributes to ask for.",
        year=2018, paper="arXiv:1812.04948",
    ),
    Recipe(
        name="gan-emoji", family="gan", data="emoji", images=400_000, batch=32, rate=flat,
        learner=lambda device: GANLearner(
            GAN((3, 32, 32), (160, 96, 48), (160, 96, 40), latent_size=96, classes=0, squash=True),
            device, gamma=0.3, penalty_every=4, lr=6e-4, few=True,
        ),
        title="GAN of emoji", summary="A style-based GAN of 32×32 emoji, learned from a thousand of them.",
        year=2020, paper="arXiv:2006.10738",
    ),
    Recipe(
        name="gan-stackedmnist", family="gan", data="stackedmnist", images=400_000, batch=64, rate=flat,
        learner=lambda device: GANLearner(
            GAN((3, 28, 28), (128, 64), (128, 48), latent_size=64, classes=0), device,
            gamma=1.0, penalty_every=8, lr=1e-3,
        ),
        title="GAN of stacked digits",
        summary="Three digits at once, a thousand kinds of picture: does it make them all?",
        year=2017, paper="arXiv:1705.07761",
    ),
)  # fmt: skip
