"""A plain autoencoder: squeeze every point through a narrow place and unfold it again.

An encoder f gives a point x a code of fewer numbers than x has, a decoder g makes a point of it, and both go down

    E ‖g(f(x + σξ)) − x‖²,      ξ ~ N(0, I).

With one code the decoder can only draw a curve, and the best curve runs through the middle of the data. Codes have no
prior; those drawn here are normal with the mean and deviation of the codes of lately seen points, which is a guess, and
where the guess puts codes that no point has, samples fall into the holes. With some corruption σ the step from x to its
reconstruction becomes an estimate of σ²∇log p(x): it points towards the data (Alain and Bengio 2014).

Hinton and Salakhutdinov, "Reducing the dimensionality of data with neural networks", 2006; Vincent et al., "Extracting
and composing robust features with denoising autoencoders", 2008.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor, nn

from playground.api import Field
from playground.training.lab.learner import UNIT, Field2D, PlaneLearner, rate, width
from playground.training.lab.nets import mlp


class PlaneAutoencoder(PlaneLearner):
    """Encoder and decoder of three layers each."""

    name = "autoencoder"
    title = "Autoencoder"
    paper = "Hinton and Salakhutdinov, Reducing the dimensionality of data with neural networks, 2006"
    settings = (
        rate(3e-3),
        width(64),
        Field("latents", "int", 1, 1, 2, 1, label="Numbers in a code",
              info="With one, the decoder can only draw a curve; two squeeze nothing. Builds new networks."),
        Field("corruption", "float", 0.0, 0.0, 1.0, 0.05, label="Corruption",
              info="How far each point is shaken before it is encoded; the clean point must come back."),
    )  # fmt: skip
    rebuilds = frozenset({"width", "latents"})
    parts = ("reconstruct", "learn")
    says: ClassVar[Mapping[str, str]] = {
        "reconstruct": "Every point is squeezed into its code and unfolded again; see where it lands.",
        "learn": "Encoder and decoder change so that points land nearer to where they came from.",
    }
    shows = frozenset({"reconstruct"})
    arrows_on = "grid"
    arrows_mean = "Where the autoencoder would move each point: from the point to its reconstruction."

    def build(self) -> None:
        """f: (N, 2) → (N, d), g: (N, d) → (N, 2)."""
        w, d = self.values["width"], self.values["latents"]
        self.modules["net"] = net = nn.Module()
        net.encoder = mlp((2, w, w, d), self.init)
        net.decoder = mlp((d, w, w, 2), self.init)
        net.register_buffer("code_mean", torch.zeros(d))
        net.register_buffer("code_std", torch.ones(d))
        self._adam("net")

    @property
    def noise_size(self) -> int:
        """One number per code."""
        return self.values["latents"]

    def sample(self, z: Tensor) -> Tensor:
        """Decodes codes drawn where the codes of lately seen points were."""
        net = self.modules["net"]
        with torch.no_grad():
            return UNIT * net.decoder(z * net.code_std + net.code_mean)

    def field(self, grid: Tensor) -> Field2D:
        """Distance from each point to its reconstruction."""
        return Field2D(self.arrows(grid).norm(dim=1), "reconstruction error")

    def arrows(self, points: Tensor) -> Tensor:
        """g(f(x)) − x, in plane units."""
        with torch.no_grad():
            return UNIT * self._through(points / UNIT) - points

    def _through(self, x: Tensor) -> Tensor:
        net = self.modules["net"]
        return net.decoder(net.encoder(x))

    def _do_reconstruct(self, x: Tensor, noise: torch.Generator) -> dict[str, float]:
        with torch.no_grad():
            self.scene = {"reconstructions": UNIT * self._through(x)}
        return {}

    def _do_learn(self, x: Tensor, noise: torch.Generator) -> dict[str, float]:
        net = self.modules["net"]
        shaken = x + self.values["corruption"] / UNIT * torch.randn(x.shape, generator=noise)
        codes = net.encoder(shaken)
        back = net.decoder(codes)
        loss = (back - x).square().sum(1).mean()
        net.code_mean.lerp_(codes.detach().mean(0), 0.1)
        net.code_std.lerp_(codes.detach().std(0), 0.1)
        self.scene = {"reconstructions": UNIT * back.detach()}
        return {"reconstruction": self._descend("net", loss)}
