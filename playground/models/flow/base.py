"""What every flow shares: a chain of invertible layers between pictures and noise.

A flow is a bijection f = f_L ∘ … ∘ f_1 that bends the data until it looks like noise. Nothing is lost on the way, so
the likelihood is exact (change of variables):

    log p(x) = log p_Z(f(x)) + Σ_l log |det ∂h_l / ∂h_{l−1}|,      h_0 = x,  h_l = f_l(h_{l−1}),  z = h_L.

Read forwards it weighs a picture, read backwards it makes one. Pictures have only 2^b grey levels, and a density could
grow without bound on such a grid; so half a level of uniform noise is added first (dequantisation), and log p(x) is
then a lower bound on the log-probability of the levels (Uria et al., 2013; Theis et al., 2015).

Dinh et al., "NICE", 2014, and "Density estimation using Real NVP", 2016; Papamakarios et al., "Normalizing flows for
probabilistic modeling and inference", 2019 (an overview).
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator, Sequence

import torch
from huggingface_hub import PyTorchModelHubMixin
from torch import Tensor, nn

from playground.api import Field, Frame, Posterior
from playground.data import Dataset
from playground.sampling import generators, normal

TEMPERATURE = Field(
    "temperature", "float", 1.0, 0.0, 2.0, 0.05, label="Temperature",
    info="Scales the noise: 0 is the flow's centre, 1 what it learned, more is wilder.",
)  # fmt: skip
WATCH = Field(
    "watch", "bool", True, label="Show the steps",
    info="A frame after every layer on the way from noise to picture, or the picture alone.",
)  # fmt: skip
REPAIR_STEPS, STAY, WARMTH = 16, 0.8, 0.8  # of the walk that repairs: its ρ, and the size of its noise
INVERTED = 256  # test pictures sent through the flow and back


class Layer(nn.Module):
    """An invertible map h → h' with its log-determinant; `context` is what the flow is conditioned on, or None."""

    def forward(self, h: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        raise NotImplementedError

    def inverse(self, h: Tensor, context: Tensor | None = None) -> Tensor:
        """h' → h."""
        raise NotImplementedError


class Chain(Layer):
    """Several layers that count as one."""

    def __init__(self, *layers: Layer) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)

    def forward(self, h: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        total = h.new_zeros(len(h))
        for layer in self.layers:
            h, log_det = layer(h, context)
            total = total + log_det
        return h, total

    def inverse(self, h: Tensor, context: Tensor | None = None) -> Tensor:
        """The inverses in reverse order."""
        for layer in reversed(self.layers):
            h = layer.inverse(h, context)
        return h


class Flow(nn.Module, PyTorchModelHubMixin):
    """A chain of layers on points h of `shape`, and everything that follows from being invertible.

    A subclass sets `shape`, of every h, and `layers`, data first. `forward` takes points x of the data space.
    """

    controls = (TEMPERATURE, WATCH)
    shape: tuple[int, ...]
    layers: nn.ModuleList

    # ------------------------------------------------------------------------------------------- the bijection

    def forward(self, x: Tensor, labels: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """x (N, *shape) → z (N, *shape) and log |det ∂z/∂x| (N,) in nats."""
        context, h, total = self.context(labels), x, x.new_zeros(len(x))
        for layer in self.layers:
            h, log_det = layer(h, context)
            total = total + log_det
        return h, total

    def inverse(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """z (N, *shape) → x (N, *shape)."""
        return self.back(z, labels)[-1]

    def through(self, x: Tensor, labels: Tensor | None = None) -> list[tuple[Tensor, Tensor]]:
        """(h_l, log-determinant of layer l alone (N,)) after each layer; the last h is z."""
        context, h, steps = self.context(labels), x, []
        for layer in self.layers:
            h, log_det = layer(h, context)
            steps.append((h, log_det))
        return steps

    def back(self, z: Tensor, labels: Tensor | None = None) -> list[Tensor]:
        """h after each layer has been undone, from z's side; the last one is x."""
        context, h, steps = self.context(labels), z, []
        for layer in reversed(self.layers):
            h = layer.inverse(h, context)
            steps.append(h)
        return steps

    def context(self, labels: Tensor | None) -> Tensor | None:
        """What the layers are told of the classes; nothing, unless a subclass is conditional."""
        return None

    def log_base(self, z: Tensor) -> Tensor:
        """log p_Z(z), (N,) nats: a standard normal."""
        return -0.5 * (z.square() + math.log(2 * math.pi)).flatten(1).sum(1)

    # ------------------------------------------------------------------------------------------ the likelihood

    def log_density(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        """log p(x) of points of the data space, (N,) nats."""
        z, log_det = self(x, labels)
        return self.log_base(z) + log_det

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.parameters()).device

    # ----------------------------------------------------------------------------------------------- protocols

    def latents(self, seeds: Sequence[int]) -> Tensor:
        """Standard normal (N, D), one stream per seed."""
        return normal(seeds, (math.prod(self.shape),))

    def sample(
        self,
        seeds: Sequence[int],
        *,
        latents: Tensor | None = None,
        labels: Tensor | None = None,
        temperature: float = 1.0,
        watch: bool = True,
    ) -> Iterator[Frame]:
        """A frame for every layer undone (or the last one only); `state` is the latent."""
        z = self.latents(seeds) if latents is None else latents
        h = self.base_noise(temperature * z.to(self.device)).unflatten(1, self.shape)
        context = self.context(labels)
        total = len(self.layers)
        for step, layer in enumerate(reversed(self.layers), 1):
            h = layer.inverse(h, context)
            if watch and step < total:
                yield Frame(self.show(h, total - step), step, total, state=z, info={"calls": step})
        yield Frame(self.picture(h), *((total, total) if watch else (1, 1)), state=z, info={"calls": total})

    def base_noise(self, z: Tensor) -> Tensor:
        """Standard normal noise → noise of the base distribution (the same, unless a subclass has another base)."""
        return z

    def base_normal(self, z: Tensor) -> Tensor:
        """The inverse of `base_noise`."""
        return z

    def picture(self, x: Tensor) -> Tensor:
        """Points of the data space → pictures in [0, 1]."""
        return x.nan_to_num(0.5, 1, 0).clamp(0, 1)

    def show(self, h: Tensor, depth: int) -> Tensor:
        """h after `depth` layers as a picture in [0, 1]: black is −3, white is 3."""
        return (h / 6 + 0.5).nan_to_num(0.5).clamp(0, 1)

    def decode(self, z: Tensor) -> Tensor:
        """(N, D) → pictures (N, C, H, W) in [0, 1]."""
        return self.picture(self.inverse(self.base_noise(z.to(self.device)).unflatten(1, self.shape)))

    def encode(self, x: Tensor) -> Posterior:
        """Pictures → their one latent each, (N, D); nothing is uncertain, so std is 0."""
        z = self.base_normal(self(x.to(self.device))[0].flatten(1))
        return Posterior(z, torch.zeros_like(z))


class PictureFlow(Flow):
    """A flow of pictures (N, C, H, W) with 2^bits grey levels.

    Every h has the shape of the picture: a latent stays where its pixels were, and the flat latent z (N, D) is simply
    z.flatten(1).
    """

    pixels = "dequantised"
    bits = 8

    @property
    def protocol(self) -> str:
        """How `log_prob` is to be understood."""
        return f"exact density at one draw of the noise within each of {2**self.bits} levels"

    def dequantise(self, x: Tensor, u: Tensor) -> Tensor:
        """x in [0, 1] → its nearest level plus noise of one level's width; u uniform in [0, 1).

        In units of the usual y = (l + u)/2^b, with l the level, this is y = ((2^b − 1)·x' + ½)/2^b.
        """
        top = 2**self.bits - 1
        return (torch.round(x * top) + u - 0.5) / top

    def log_prob(self, x: Tensor) -> Tensor:
        """(N, C, H, W) pictures → log-probability of their levels, (N,) nats, for one draw of u.

        The draw is the picture's own (its seed is a checksum of its levels), so the answer never varies and does not
        depend on the batch, while over many pictures the draws average out. Bits per dimension are
        −log_prob/(D ln 2). At 5 bits the picture is first rounded to 32 levels.
        """
        x = x.to(self.device)
        levels = torch.round(x * (2**self.bits - 1)).to(torch.uint8).cpu()
        streams = generators([zlib.crc32(level.numpy().tobytes()) for level in levels])
        u = torch.stack([torch.rand(x.shape[1:], generator=stream) for stream in streams]).to(x)
        return self.log_density(self.dequantise(x, u)) - x[0].numel() * math.log(2**self.bits - 1)

    def repair(
        self, x: Tensor, mask: Tensor, seeds: Sequence[int], labels: Tensor | None = None, steps: int = REPAIR_STEPS
    ) -> Iterator[Frame]:
        """A walk among the latents, z ← ρ z + √(1 − ρ²) ε, with the known pixels put back after every step.

        Left alone the walk would wander through all pictures of the flow (it leaves the normal distribution as it
        is). The known pixels pull it to those that go with them, and falling noise lets it settle.
        """
        x, mask = x.to(self.device), mask.to(self.device)
        streams, size = generators(seeds), (math.prod(self.shape),)
        guess = mask * x + (1 - mask) * self.decode(WARMTH * normal(streams, size))
        for step in range(1, steps + 1):
            heat = WARMTH * (1 - 0.7 * step / steps)
            noise = normal(streams, size).to(x.device)
            z = STAY * self.encode(guess).mean + heat * math.sqrt(1 - STAY**2) * noise
            guess = mask * x + (1 - mask) * self.decode(z)
            yield Frame(guess, step, steps, state=z, info={"calls": 1 + 2 * step})

    def own_scores(self, test: Dataset) -> dict[str, dict[str, float | str]]:
        """How exactly test pictures come back, and their bits per dimension."""
        x = test.pictures(slice(INVERTED)).to(self.device)
        error = max((part - self.decode(self.encode(part).mean)).abs().max().item() for part in x.split(32))
        return {"inverse": {"error": error, "protocol": f"largest |x − f⁻¹(f(x))|, {len(x)} test pictures in [0, 1]"}}
