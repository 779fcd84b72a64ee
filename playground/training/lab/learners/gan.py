"""A generator against a discriminator, with five ways of keeping the score.

G turns noise z into points, D gives every point a number: r on a real one, f on a fake one. With s(·) = softplus,

    loss               D goes down                           G goes down
    minimax            s(−r) + s(f)                          −s(f)                Goodfellow et al. 2014, eq. 1
    non-saturating     s(−r) + s(f)                          s(−f)                the same paper, section 3
    wasserstein clip   f − r,   |weights of D| ≤ c           −f                   Arjovsky et al. 2017
    wasserstein gp     f − r + λ·E(‖∇D(x̂)‖ − 1)²             −f                   Gulrajani et al. 2017
    relativistic       s(f − r) + γ/2·E(‖∇D(x)‖² + ‖∇D(G(z))‖²)   s(r − f)        Huang et al. 2024, R3GAN

Minimax is what the theory is about: −s(f) is log(1 − D). Where D is sure of itself (f far below zero) its slope
vanishes, and G learns nothing; non-saturating turns that round. Neither asks G to cover all of the data; the
relativistic loss, which compares a fake with a real one, does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from playground.api import Field
from playground.training.lab.learner import UNIT, Field2D, PlaneLearner, rate, slope, width
from playground.training.lab.nets import mlp

Critic = Callable[[Tensor], Tensor]
REMEMBERED = 64  # real points kept for the arrows of the relativistic loss
LEAK = 0.2


@dataclass(frozen=True)
class Loss:
    """One way of keeping the score: logits on real and fake points, (B,) each → (B,) to go down."""

    d: Callable[[Tensor, Tensor], Tensor]
    g: Callable[[Tensor, Tensor], Tensor]


LOSSES = {
    "minimax": Loss(lambda r, f: F.softplus(-r) + F.softplus(f), lambda r, f: -F.softplus(f)),
    "non-saturating": Loss(lambda r, f: F.softplus(-r) + F.softplus(f), lambda r, f: F.softplus(-f)),
    "wasserstein clipped": Loss(lambda r, f: f - r, lambda r, f: -f),
    "wasserstein penalty": Loss(lambda r, f: f - r, lambda r, f: -f),
    "relativistic": Loss(lambda r, f: F.softplus(f - r), lambda r, f: F.softplus(r - f)),
}


def steepness(critic: Critic, x: Tensor) -> Tensor:
    """‖∇D‖ at each of (N, d) points, (N,), with a graph, so that it can be trained on."""
    x = x.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(critic(x).sum(), x, create_graph=True)
    return gradient.square().sum(1).clamp_min(1e-24).sqrt()  # the root has no slope at zero


def unit_slope_penalty(critic: Critic, real: Tensor, fake: Tensor, noise: torch.Generator) -> Tensor:
    """E(‖∇D(x̂)‖ − 1)² at x̂ between real and fake points (Gulrajani et al. 2017, eq. 3)."""
    t = torch.rand(len(real), 1, generator=noise)
    return (steepness(critic, t * real + (1 - t) * fake) - 1).square().mean()


def zero_slope_penalty(critic: Critic, points: Tensor) -> Tensor:
    """E‖∇D‖² at (N, d) points: R1 on real ones, R2 on fake ones (Mescheder et al. 2018)."""
    return steepness(critic, points).square().mean()


class PlaneGAN(PlaneLearner):
    """Two small networks; noise and points have two dimensions each, so G is a map from a plane to a plane."""

    name = "gan"
    title = "GAN"
    paper = "Goodfellow et al., Generative adversarial nets, 2014"
    settings = (
        Field("loss", "choice", "relativistic", choices=tuple(LOSSES), label="Loss",
              info="How the two keep the score. Switch it while they play."),
        rate(2e-3, label="Learning rate of G"),
        rate(2e-3, "lr_d", "Learning rate of D", "Higher than the generator's makes a stronger critic."),
        width(64),
        Field("d_steps", "int", 1, 1, 20, 1, label="Steps of D per step of G",
              info="How often the discriminator may learn before the generator moves once."),
        Field("g_steps", "int", 1, 1, 20, 1, label="Steps of G per step of D",
              info="How often the generator may move while the discriminator stands still."),
        Field("descent", "choice", "adam", choices=("adam", "plain"), label="Descent of G",
              info="Adam makes tiny slopes as good as large ones, plain descent does not. Builds new networks."),
        Field("gamma", "float", 0.3, 0.0, 10.0, 0.1, label="Penalty γ of the relativistic loss",
              info="Keeps D's slopes small around real and fake points (R1 and R2). 0 lets the two circle."),
        Field("penalty", "float", 0.5, 0.0, 20.0, 0.1, label="Penalty λ of wasserstein penalty",
              info="Keeps the slope of D at one between real and fake points."),
        Field("clip", "float", 0.2, 0.01, 1.0, 0.01, label="Clip c of wasserstein clipped",
              info="No weight of D may be larger than this."),
    )  # fmt: skip
    rebuilds = frozenset({"width", "descent"})
    parts = ("discriminator", "generator")
    says: ClassVar[Mapping[str, str]] = {
        "discriminator": "D looks at real points and at fakes, and learns to tell them apart; G stands still.",
        "generator": "G moves its fakes to where D takes them for real; D stands still.",
    }
    arrows_mean = "Where the discriminator pushes each fake: minus the slope of the generator's loss."

    def build(self) -> None:
        """G: (N, 2) → (N, 2); D: (N, 2) → (N, 1); three layers each."""
        w = self.values["width"]
        self.modules["generator"] = mlp((2, w, w, w, 2), self.init, nn.SiLU)
        self.modules["discriminator"] = mlp((2, w, w, w, 1), self.init, nn.SiLU)
        self.modules["memory"] = memory = nn.Module()
        memory.register_buffer("real", torch.zeros(REMEMBERED, 2))  # lately seen, in the networks' unit
        self._adam("generator", "discriminator", betas=(0.0, 0.99))
        if self.values["descent"] == "plain":
            self.optimizers["generator"] = torch.optim.SGD(self.modules["generator"].parameters(), self.values["lr"])

    def rate_of(self, optimizer: str) -> float:
        """Each of the two has its own."""
        return self.values["lr" if optimizer == "generator" else "lr_d"]

    def sample(self, z: Tensor) -> Tensor:
        """One pass through G."""
        with torch.no_grad():
            return UNIT * self._fake(z)

    def field(self, grid: Tensor) -> Field2D:
        """D's opinion; only for the first two losses and the last is it a logit, for a critic it is a height."""
        with torch.no_grad():
            return Field2D(self._judge(grid / UNIT), "discriminator")

    def arrows(self, points: Tensor) -> Tensor:
        """−∂L_G/∂x of each fake, in the networks' unit; real points of the last update stand in for r."""
        loss = LOSSES[self.values["loss"]]
        with torch.no_grad():
            r = self._judge(self.modules["memory"].real)
        return -slope(lambda x: loss.g(r, self._judge(x)[:, None]).expand(-1, REMEMBERED).mean(1), points / UNIT)

    def _fake(self, z: Tensor) -> Tensor:
        return self.modules["generator"](z)

    def _judge(self, x: Tensor) -> Tensor:
        return self.modules["discriminator"](x)[:, 0]

    def _do_discriminator(self, real: Tensor, noise: torch.Generator) -> dict[str, float]:
        self.modules["memory"].real.copy_(real[torch.arange(REMEMBERED) % len(real)])
        for _ in range(self.values["d_steps"]):
            with torch.no_grad():
                fake = self._fake(self.noise(len(real), noise))
            loss = self._loss_d(real, fake, noise)
            losses = {"d": self._descend("discriminator", loss)}
            if self.values["loss"] == "wasserstein clipped":
                self._clip()
        self.scene = {"fakes": UNIT * fake}
        return losses

    def _loss_d(self, real: Tensor, fake: Tensor, noise: torch.Generator) -> Tensor:
        kind = self.values["loss"]
        r, f = self._judge(torch.cat([real, fake])).chunk(2)
        loss = LOSSES[kind].d(r, f).mean()
        if kind == "wasserstein penalty":
            return loss + self.values["penalty"] * unit_slope_penalty(self._judge, real, fake, noise)
        if kind == "relativistic" and self.values["gamma"] > 0:  # R1 + R2, as the mean over both halves, twice
            return loss + self.values["gamma"] * zero_slope_penalty(self._judge, torch.cat([real, fake]))
        return loss

    def _do_generator(self, real: Tensor, noise: torch.Generator) -> dict[str, float]:
        with torch.no_grad():
            r = self._judge(real)
        for _ in range(self.values["g_steps"]):
            fake = self._fake(self.noise(len(real), noise))
            loss = LOSSES[self.values["loss"]].g(r, self._judge(fake)).mean()
            losses = {"g": self._descend("generator", loss)}
        self.scene = {"fakes": UNIT * fake.detach()}
        return losses

    @torch.no_grad()
    def _clip(self) -> None:
        for weight in self.modules["discriminator"].parameters():
            weight.clamp_(-self.values["clip"], self.values["clip"])
