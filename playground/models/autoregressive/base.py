"""What every network that draws a binary picture pixel by pixel has in common.

The chain rule of probability cuts a picture into decisions: with the pixels x_1 … x_D in reading order,

    p(x) = Π_i p(x_i | x_1, …, x_{i−1}).

A network whose output at pixel i looks at earlier pixels only gives all D conditionals in one pass over a finished
picture (so its likelihood is exact and cheap), but drawing a picture needs D decisions one after the other. Here a
`Cache` keeps what earlier decisions have already computed, so that one decision costs one pixel's worth of work and
not a whole picture's.

Every pixel has a noise number of its own, ε ~ N(0, 1), and is white if u = Φ(ε) < p, that is, if its logit exceeds
T·logit(u). So the latent decides the picture, and another temperature T asks the same noise again.

Van den Oord, Kalchbrenner and Kavukcuoglu, "Pixel recurrent neural networks", 2016; van den Oord et al., "Conditional
image generation with PixelCNN decoders", 2016.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import torch
import torch.nn.functional as F
from huggingface_hub import PyTorchModelHubMixin
from torch import Tensor, nn

from playground.api import Field, Frame, PlaygroundError
from playground.data import Dataset
from playground.models.autoregressive.particles import Particles
from playground.sampling import generators, normal

ORDERS = ("rows", "columns", "rows backwards", "columns backwards")
TEMPERATURE = Field(
    "temperature", "float", 1.0, 0.0, 2.0, 0.05, label="Temperature",
    info="Divides the logits: 0 always takes the likelier value, above 1 takes more chances than the model learned.",
)  # fmt: skip
ORDER = Field(
    "order", "choice", ORDERS[0], choices=ORDERS, label="Order",
    info="Which pixel comes first, and which way to go on from there.",
)  # fmt: skip
WATCH = Field("watch", "bool", True, label="Keep every row", info="Off: only the finished picture.")
COMPARED = 1000  # test pictures whose likelihood is taken in every order
CHUNK = 25  # pictures a pass of the likelihood, to bound its memory


class Cache(Protocol):
    """What has been computed of N pictures in the making. `x` (N, H, W) holds their pixels and is written by the owner.

    Per row: `start_row(r)`, then for each column from the left `logit(c)`, after which x[:, r, c] must be set.
    """

    x: Tensor

    def start_row(self, row: int) -> None:
        """All that a row can know of the finished rows above it."""

    def logit(self, column: int) -> Tensor:
        """(N,) logit of the pixel at `column` of the present row."""

    def select(self, index: Tensor) -> None:
        """Goes on with pictures `index` (M = N of them) instead: picture j becomes a copy of picture index[j]."""


class PixelModel(nn.Module, PyTorchModelHubMixin):
    """A network of Bernoulli logits, one per pixel, each from the pixels before it.

    Subclasses give `logits` (all pixels of finished pictures at once) and `cache` (one after the other).

    Args:
        shape: (1, H, W) of a picture. classes: K of a class-conditional network, 0 without.
        orders: how many of `ORDERS` it has learned.
    """

    pixels = "bernoulli"

    def __init__(self, shape: Sequence[int], classes: int, orders: int) -> None:
        super().__init__()
        if orders > 1 and shape[1] != shape[2]:
            raise ValueError(f"Several orders need square pictures; {tuple(shape)} was given.")
        self.shape, self.classes, self.orders = tuple(shape), classes, orders
        self.controls = (TEMPERATURE, *([ORDER] if orders > 1 else []), WATCH)
        self.protocol = f"exact, the mean of p(x|y) over {classes} classes" if classes else "exact"

    def logits(self, x: Tensor, labels: Tensor | None = None, order: int | str = 0) -> Tensor:
        """Logits of all pixels of finished pictures, each given the pixels before it.

        Args:
            x: (N, 1, H, W), rounded to 0 or 1. labels: int64 (N,), None only without classes.
            order: index into `ORDERS` (or its name).

        Returns:
            (N, 1, H, W).
        """
        turned = turn(binary(x.to(self.device)), self._order(order))
        return turn_back(self._logits(turned, self._labels(labels, len(x)), self._order(order)), self._order(order))

    def _logits(self, x: Tensor, labels: Tensor | None, order: int) -> Tensor:
        """`logits` of a binary picture that is already turned so that reading order is its order."""
        raise NotImplementedError

    def cache(self, x: Tensor, labels: Tensor | None, order: int) -> Cache:
        """A cache for pictures x (N, H, W), turned and binary, of which the owner reads and writes its own copy."""
        raise NotImplementedError

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.parameters()).device

    # ---- likelihood -----------------------------------------------------------------------------------------------

    def log_prob(self, x: Tensor, order: int | str = 0) -> Tensor:
        """log p(x) in nats, (N,), exact; of a class-conditional network log 1/K Σ_y p(x|y)."""
        each = self.class_log_probs(x, order)
        return torch.logsumexp(each, 1).sub(math.log(each.shape[1])).float()

    def class_log_probs(self, x: Tensor, order: int | str = 0) -> Tensor:
        """log p(x|y) of every class, (N, K) nats in float64; (N, 1) without classes."""
        return torch.cat([self._pixel_log_probs(part, order).flatten(2).sum(2) for part in x.split(CHUNK)])

    def surprise(self, x: Tensor, labels: Tensor | None = None, order: int | str = 0) -> Tensor:
        """−log p(x_i | earlier pixels) of every pixel, (N, 1, H, W) nats; it sums to −log p(x).

        Without a label, classes are mixed by what the earlier pixels say about them: p(y | x_<i) ∝ p(x_<i | y).
        """
        if labels is not None or not self.classes:
            return -self._class_pixels(x, labels, order).float()
        index = self._order(order)
        each = turn(self._pixel_log_probs(x, order), index).flatten(2)  # (N, K, D) log p(x_i|x_<i, y) in reading order
        upto = torch.logsumexp(each.cumsum(2), 1) - math.log(each.shape[1])  # (N, D) log p(x_≤i)
        gained = torch.diff(upto, dim=1, prepend=torch.zeros_like(upto[:, :1]))
        return -turn_back(gained.unflatten(1, self.shape), index).float()

    def _pixel_log_probs(self, x: Tensor, order: int | str) -> Tensor:
        """log p(x_i | x_<i, y) of every class y, float64 (N, K, H, W)."""
        if not self.classes:
            return self._class_pixels(x, None, order)
        labels = [torch.full((len(x),), k, device=self.device) for k in range(self.classes)]
        return torch.cat([self._class_pixels(x, label, order) for label in labels], 1)

    def _class_pixels(self, x: Tensor, labels: Tensor | None, order: int | str) -> Tensor:
        x = binary(x.to(self.device))
        logits = self.logits(x, labels, order)
        return -F.binary_cross_entropy_with_logits(logits.double(), x.double(), reduction="none")

    def own_scores(self, test: Dataset) -> dict[str, dict[str, Any]]:
        """Nats of the same pictures in each order; nothing for a network that knows one order only."""
        if self.orders == 1:
            return {}
        x = test.pictures(slice(COMPARED))
        x = (torch.rand(x.shape, generator=torch.Generator().manual_seed(0)) < x).float()
        nats = {name.replace(" ", "_"): -self.log_prob(x, name).mean().item() for name in ORDERS[: self.orders]}
        protocol = f"−log p(x) in nats, {self.protocol}; first {len(x)} test pictures, binarised once with a fixed seed"
        return {"orders": nats | {"protocol": protocol}}

    # ---- sampling -------------------------------------------------------------------------------------------------

    def latents(self, seeds: Sequence[int]) -> Tensor:
        """One standard normal number per pixel, (N, 1, H, W)."""
        return normal(seeds, self.shape)

    def sample(
        self,
        seeds: Sequence[int],
        *,
        latents: Tensor | None = None,
        labels: Tensor | None = None,
        temperature: float = 1.0,
        watch: bool = True,
        order: int | str = 0,
    ) -> Iterator[Frame]:
        """A frame per row (or column): the picture so far, and the probability of white each pixel was drawn with."""
        empty = torch.zeros(len(seeds), *self.shape)
        return self.continue_from(empty, 0, seeds, labels, latents, temperature, watch, order)

    def continue_from(
        self,
        x: Tensor,
        start: int,
        seeds: Sequence[int],
        labels: Tensor | None = None,
        latents: Tensor | None = None,
        temperature: float = 1.0,
        watch: bool = True,
        order: int | str = 0,
    ) -> Iterator[Frame]:
        """Keeps the pixels of x before place `start` of the order and draws the rest; one frame per row drawn in.

        Args:
            x: (N, 1, H, W), or one picture for all seeds. start: 0 … H·W; places are counted in the order given.
        """
        index, (_, height, width) = self._order(order), self.shape
        if not 0 <= start <= height * width:
            raise PlaygroundError(f"A picture has places 0 to {height * width}; {start} was asked for. Choose another.")
        noise = (self.latents(seeds) if latents is None else latents).to(self.device)
        limits = turn(thresholds(noise, temperature), index)[:, 0]  # (N, H, W)
        kept = turn(binary(x.to(self.device)), index)[:, 0].expand(len(seeds), -1, -1).clone()
        kept.flatten(1)[:, start:] = 0
        cache = self.cache(kept, self._labels(labels, len(seeds)), index)
        first = min(start // width, height - 1)
        total = height - first if watch else 1
        logits = torch.full_like(kept, -torch.inf)
        for row in range(height):
            cache.start_row(row)
            for column in range(width):
                logit = logits[:, row, column].copy_(cache.logit(column))
                if row * width + column >= start:
                    torch.gt(logit, limits[:, row, column], out=cache.x[:, row, column])
            step = row - first + 1 if watch else row - height + 2
            if step >= 1:
                yield self._frame(cache.x, logits, temperature, index, step, total)

    def repair(
        self,
        x: Tensor,
        mask: Tensor,
        seeds: Sequence[int],
        labels: Tensor | None = None,
        particles: int = 16,
        order: int | str = 0,
        temperature: float = 1.0,
    ) -> Iterator[Frame]:
        """Draws the unknown pixels from p(unknown | known), approximately: a particle filter over the picture.

        Each seed has `particles` pictures in the making. Where a pixel is unknown each draws its own; where it is
        known each takes it and is weighed by the probability it gave it, so that pixels after the hole have their
        say; when few particles carry most of the weight, they multiply and the others go. The one kept at the end is
        drawn by weight (Gordon, Salmond and Smith, 1993). More particles, a better approximation.

        Args:
            x, mask: (N, 1, H, W); known pixels (mask 1) come back as they were, grey ones are read as black or white.
            labels: int64 (N,); None gives every particle a class of its own.
            temperature: of the draws; known pixels are weighed as the network believes them.
        """
        index, (_, height, width) = self._order(order), self.shape
        x, mask = x.to(self.device), mask.to(self.device)
        given = turn(binary(x), index)[:, 0].repeat_interleave(particles, 0)
        known = turn(mask, index)[:, 0].repeat_interleave(particles, 0) > 0.5
        crowd = Particles(generators(seeds), particles, self.device)
        limits = turn(thresholds(crowd.noise(self.shape), temperature), index)[:, 0]
        cache = self.cache(torch.where(known, given, 0.0), self._crowd_labels(crowd, labels), index)
        for row in range(height):
            cache.start_row(row)
            for column in range(width):
                logit = cache.logit(column).clone()
                here, pixel = known[:, row, column], given[:, row, column]
                cache.x[:, row, column] = torch.where(here, pixel, (logit > limits[:, row, column]).float())
                crowd.weigh(torch.where(here, F.logsigmoid((2 * pixel - 1) * logit), 0.0))
                if (parents := crowd.resample()) is not None:
                    cache.select(parents)
            chosen = crowd.choose(final=row == height - 1)
            guess = turn_back(cache.x[chosen][:, None], index)
            yield Frame(torch.where(mask > 0.5, x, guess), row + 1, height, info={"particles": crowd.effective()})

    def naive_sample(
        self,
        seeds: Sequence[int],
        latents: Tensor | None = None,
        labels: Tensor | None = None,
        temperature: float = 1.0,
        order: int | str = 0,
    ) -> Tensor:
        """The pictures of `sample`, by running the whole network for every pixel: the oracle of the cache."""
        index, (_, height, width) = self._order(order), self.shape
        noise = (self.latents(seeds) if latents is None else latents).to(self.device)
        limits = turn(thresholds(noise, temperature), index)
        x, labels = torch.zeros_like(limits), self._labels(labels, len(seeds))
        for row in range(height):
            for column in range(width):
                logits = self._logits(x, labels, index)
                x[..., row, column] = (logits[..., row, column] > limits[..., row, column]).float()
        return turn_back(x, index)

    # ---- what it can see ------------------------------------------------------------------------------------------

    def receptive_field(self, row: int, column: int, order: int | str = 0) -> Tensor:
        """Which pixels can change the logit at (row, column): bool (H, W), by gradients of the network itself.

        Summed over a few random pictures, so that a gradient which happens to vanish on one does not hide a pixel.
        """
        noise = torch.rand(4, *self.shape, generator=torch.Generator().manual_seed(0)).to(self.device)
        index = self._order(order)
        labels = torch.arange(4, device=self.device) % self.classes if self.classes else None
        with torch.enable_grad():
            x = noise.round().requires_grad_(True)
            logit = turn_back(self._logits(turn(x, index), labels, index), index)[:, 0, row, column].sum()
            (gradient,) = torch.autograd.grad(logit, x, allow_unused=True, materialize_grads=True)
        return gradient.abs().sum((0, 1)) > 0

    # ---- helpers --------------------------------------------------------------------------------------------------

    def _frame(self, x: Tensor, logits: Tensor, temperature: float, order: int, step: int, total: int) -> Frame:
        chance = torch.sigmoid(logits / max(temperature, 1e-6))
        views = {"probability": turn_back(chance[:, None], order)}
        return Frame(turn_back(x[:, None].clone(), order), step, total, views=views)

    def _order(self, order: int | str) -> int:
        index = ORDERS.index(order) if order in ORDERS else order
        if isinstance(index, str) or not 0 <= index < self.orders:
            raise PlaygroundError(
                f"This network has not learned the order {order!r}. It knows: {', '.join(ORDERS[: self.orders])}."
            )
        return index

    def _labels(self, labels: Tensor | None, count: int) -> Tensor | None:
        if not self.classes:
            return None
        if labels is None:
            raise PlaygroundError(f"This network draws one of {self.classes} classes; none was given. Choose one.")
        return labels.to(self.device).expand(count)

    def _crowd_labels(self, crowd: Particles, labels: Tensor | None) -> Tensor | None:
        if not self.classes:
            return None
        return crowd.deal(self.classes) if labels is None else labels.to(self.device).repeat_interleave(crowd.size)


def thresholds(noise: Tensor, temperature: float) -> Tensor:
    """The logit above which a pixel is white: T·logit(Φ(ε)), float32 of the noise's shape."""
    u = torch.special.ndtr(noise.double()).clamp(1e-15, 1 - 1e-15)
    return (temperature * torch.logit(u)).float()


def binary(x: Tensor) -> Tensor:
    """Pictures in [0, 1] → float32 pictures of 0 and 1."""
    return (x > 0.5).float()


def turn(x: Tensor, order: int) -> Tensor:
    """(N, C, H, W) → the same turned so that reading it row by row visits its pixels in order `order`."""
    if order % 2:
        x = x.transpose(2, 3)
    return x.flip(2, 3) if order >= 2 else x


def turn_back(x: Tensor, order: int) -> Tensor:
    """Undoes `turn`."""
    if order >= 2:
        x = x.flip(2, 3)
    return x.transpose(2, 3) if order % 2 else x
