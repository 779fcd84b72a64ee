"""Variational autoencoder, and the plain autoencoder beside it.

An encoder maps a picture x to a Gaussian q(z|x) = N(μ(x), σ²(x)) over latents, a decoder maps z back to p(x|z), and
both are trained to raise the evidence lower bound

    log p(x) ≥ E_q[log p(x|z)] − KL(q(z|x) ‖ N(0, I)),     KL = ½ Σ (μ² + σ² − 1 − log σ²).

The KL term packs the codes of all pictures into one standard normal, so any draw from it decodes to something. Leave
it out and you have a plain autoencoder: better reconstructions, and holes between the codes. Weigh it by β > 1, and
weigh what the latents tell of one another, the total correlation KL(q(z) ‖ Π_j q(z_j)), more still, and some latents
come to stand for one trait each.

Kingma and Welling, "Auto-encoding variational Bayes", 2013; Rezende, Mohamed and Wierstra, 2014; the sharper bound
is from Burda et al., "Importance weighted autoencoders", 2015; the decoder variance in closed form from Rybkin et al.,
"σ-VAE", 2021; β from Higgins et al., 2017, and the total correlation from Chen et al., "β-TCVAE", 2018.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from playground.models import hub
from playground.models.attributes import of_faces
from playground.models.vae.conditional import ConditionalLearner, ConditionalVAE
from playground.models.vae.plain import VAE, Autoencoder, VAELearner, kl_to_prior, total_correlation
from playground.training.recipe import Recipe, cosine, shipped

__all__ = [
    "RECIPES", "VAE", "Autoencoder", "ConditionalVAE", "VAELearner", "kind", "kl_to_prior", "load", "total_correlation",
]  # fmt: skip


def kind(folder: Path) -> type[nn.Module]:
    """The class of a checkpoint folder's network: conditional, or variational, or neither."""
    config = hub.read_config(folder)
    if "heads" in config:
        return ConditionalVAE
    return VAE if config.get("variational", True) else Autoencoder


def load(folder: Path) -> nn.Module:
    """The network of a checkpoint folder."""
    return hub.from_folder(kind(folder), folder)


def _faces_learner(device: torch.device) -> ConditionalLearner:
    known = of_faces()
    # A head turns just so far, but a Gaussian has tails: at half the spread hardly a draw is one the decoder never saw.
    net = ConditionalVAE((3, 64, 64), temperature=0.5, **known.config)
    return ConditionalLearner(net, device, shipped("reader-faces"), beta=10.0)


def _recipe(
    name: str, title: str, summary: str, data: str, images: int, batch: int, beta: float, **net: object
) -> Recipe:
    kind = Autoencoder if net.get("variational") is False else VAE
    return Recipe(
        name=name, family="vae", data=data, learner=lambda device: VAELearner(kind(**net), device, beta=beta),
        images=images, batch=batch, rate=cosine, title=title, summary=summary,
        year=2006 if net.get("variational") is False else 2013,
        paper="Hinton and Salakhutdinov, Science 2006" if net.get("variational") is False else "arXiv:1312.6114",
    )  # fmt: skip


def _apart_learner(device: torch.device) -> VAELearner:
    net = VAE((3, 64, 64), 12, net="conv", widths=(16, 32, 48, 64), pixels="gaussian")
    return VAELearner(net, device, lr=2e-3, beta=40.0, apart=200.0)


RECIPES = (
    _recipe(
        "ae-mnist", "Autoencoder, two numbers",
        "A plain autoencoder that squeezes a digit into two numbers. Without a prior its codes leave holes.",
        "mnist", 3_000_000, 256, 1.0, latent_size=2, widths=(512, 256), variational=False,
    ),
    _recipe(
        "vae-mnist-2d", "VAE, two latents",
        "A variational autoencoder with two latents, so that its whole latent space fits on a map.",
        "mnist", 6_000_000, 256, 1.0, latent_size=2, widths=(512, 256),
    ),
    _recipe(
        "vae-mnist", "VAE, forty latents",
        "A variational autoencoder with forty latents for likelihood; it switches off those it does not need.",
        "mnist", 12_000_000, 256, 1.0, latent_size=40, widths=(640, 512),
    ),
    _recipe(
        "vae-faces", "VAE of cartoon faces",
        "A convolutional variational autoencoder of drawn faces with the best single pixel variance.",
        "faces", 400_000, 32, 5.0, shape=(3, 64, 64), latent_size=64, net="conv", widths=(32, 64, 96, 128),
        pixels="gaussian",
    ),
    _recipe(
        "vae-emoji", "VAE of emoji",
        "A convolutional variational autoencoder of a thousand 32×32 emoji.",
        "emoji", 200_000, 32, 2.0, shape=(3, 32, 32), latent_size=64, net="conv", widths=(32, 64, 96),
        pixels="gaussian",
    ),
    Recipe(
        name="betavae-faces", family="vae", data="faces", images=200_000, batch=64, rate=cosine, learner=_apart_learner,
        title="β-VAE of cartoon faces", year=2018, paper="arXiv:1802.04942",
        summary="Twelve latents that may tell nothing of one another, so that some of them stand for one trait each.",
    ),
    Recipe(
        name="cvae-faces", family="vae", data="faces", images=600_000, batch=32, rate=cosine, learner=_faces_learner,
        title="Conditional VAE of faces", year=2015, paper="Sohn, Lee and Yan, NeurIPS 2015",
        summary="Ask for hair, hat, mouth and thirteen things more; six latents hold what is left: pose and size.",
    ),
)  # fmt: skip
