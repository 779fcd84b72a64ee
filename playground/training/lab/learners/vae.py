"""A variational autoencoder, with the knob that makes its latents fall silent.

    loss = E_q[−log p(x|z)] + β·KL(q(z|x) ‖ N(0, I)),      q = N(μ(x), σ²(x)),      p(x|z) = N(g(z), s²),

with one deviation s for all points. At β = 1 this is the bound on −log p(x). Raise β and a code costs more than it
tells; near β = var(x)/s² the encoder gives up, every point gets the same code, KL is zero, and the decoder answers with
the average: posterior collapse. (s is set and not learned: a free s would grow until the codes fall silent at β = 1
as well, which is a trap of its own.)

Kingma and Welling, "Auto-encoding variational Bayes", 2013; Higgins et al., "β-VAE", 2017.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor, nn

from playground.api import Field
from playground.models.vae import kl_to_prior
from playground.training.lab.learner import UNIT, Field2D, PlaneLearner, rate, width
from playground.training.lab.nets import mlp

DRAWS = 256  # from the prior, for the estimate of the density


class PlaneVAE(PlaneLearner):
    """Encoder to mean and log-variance, decoder to the mean of a point."""

    name = "vae"
    title = "VAE"
    paper = "Kingma and Welling, Auto-encoding variational Bayes, 2013"
    settings = (
        rate(3e-3),
        width(64),
        Field("latents", "int", 2, 1, 4, 1, label="Latents", info="Numbers in a code. Builds new networks."),
        Field("beta", "float", 1.0, 0.0, 1000.0, 0.1, label="β",
              info="What a nat of code costs. 1 is the bound; 0 forgets the prior; large values silence the code."),
        Field("s", "float", 0.25, 0.05, 2.0, 0.05, label="Blur s of the decoder",
              info="How far from the decoded point the true one may lie, in plane units."),
    )  # fmt: skip
    rebuilds = frozenset({"width", "latents"})
    parts = ("reconstruct", "learn")
    says: ClassVar[Mapping[str, str]] = {
        "reconstruct": "Every point becomes a small cloud of codes; one is drawn and decoded. See where it lands.",
        "learn": "The nets change so that points land nearer home while their codes stay close to plain noise.",
    }
    shows = frozenset({"reconstruct"})
    arrows_on = "grid"
    arrows_mean = "Where the VAE would move each point: from the point to the decoded middle of its codes."

    def build(self) -> None:
        """Encoder (N, 2) → (N, 2d), decoder (N, d) → (N, 2)."""
        w, d = self.values["width"], self.values["latents"]
        self.modules["net"] = net = nn.Module()
        net.encoder = mlp((2, w, w, 2 * d), self.init)
        net.decoder = mlp((d, w, w, 2), self.init)
        net.register_buffer("prior", torch.randn(DRAWS, d, generator=self.init))
        self._adam("net")

    @property
    def noise_size(self) -> int:
        """A code, and the decoder's own noise."""
        return self.values["latents"] + 2

    def sample(self, z: Tensor) -> Tensor:
        """x = g(z) + s·ξ: without the second term samples would be too tidy to follow p."""
        d = self.values["latents"]
        with torch.no_grad():
            return UNIT * self.modules["net"].decoder(z[:, :d]) + self.values["s"] * z[:, d:]

    def field(self, grid: Tensor) -> Field2D:
        """log of the mean of p(x|z) over 256 fixed draws from the prior."""
        net, s = self.modules["net"], self.values["s"]
        with torch.no_grad():
            each = torch.cdist(grid, UNIT * net.decoder(net.prior)).square() / (-2 * s**2)
        return Field2D(torch.logsumexp(each, 1) - math.log(2 * math.pi * s**2 * DRAWS), "estimated log density")

    def arrows(self, points: Tensor) -> Tensor:
        """g(μ(x)) − x, in plane units."""
        net, x = self.modules["net"], points / UNIT
        with torch.no_grad():
            return UNIT * net.decoder(net.encoder(x).chunk(2, 1)[0]) - points

    def _through(self, x: Tensor, noise: torch.Generator) -> tuple[Tensor, Tensor]:
        """Reconstruction from one drawn code (N, 2), and KL of each point (N,)."""
        net = self.modules["net"]
        mean, log_var = net.encoder(x).chunk(2, 1)
        log_var = log_var.clamp(-12, 6)
        z = mean + torch.exp(0.5 * log_var) * torch.randn(mean.shape, generator=noise)
        return net.decoder(z), kl_to_prior(mean, log_var).sum(1)

    def _do_reconstruct(self, x: Tensor, noise: torch.Generator) -> dict[str, float]:
        with torch.no_grad():
            self.scene = {"reconstructions": UNIT * self._through(x, noise)[0]}
        return {}

    def _do_learn(self, x: Tensor, noise: torch.Generator) -> dict[str, float]:
        back, kl = self._through(x, noise)
        s, kl = self.values["s"], kl.mean()
        # two coordinates, in plane units: E −log p(x|z) = ‖x − g(z)‖²/2s² + log 2πs²
        reconstruction = (UNIT * (back - x)).square().sum(1).mean() / (2 * s**2) + math.log(2 * math.pi * s**2)
        self._descend("net", reconstruction + self.values["beta"] * kl)
        self.scene = {"reconstructions": UNIT * back.detach()}
        bound = reconstruction.item() + kl.item()
        return {"bound": bound, "reconstruction": reconstruction.item(), "kl": kl.item()}
