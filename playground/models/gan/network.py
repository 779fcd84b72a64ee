"""The generator with its styles, and both networks together. What they are for stands in the package's opening."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

import torch
import torch.nn.functional as F
from huggingface_hub import PyTorchModelHubMixin
from torch import Tensor, nn

from playground.api import Field, Frame
from playground.models.critic import SLOPE, Discriminator
from playground.sampling import generators, normal

TRUNCATION = Field(
    "truncation", "float", 1.0, 0.0, 1.5, 0.05, label="Truncation ψ",
    info="0 is the mean picture; small values are safe and alike, above 1 they get daring.",
)  # fmt: skip
PROJECTION_STEPS, PROJECTION_TRIES = 80, 64
FINEST_EXTRA = 16  # up to this side a resolution gets a second convolution


class StyledConv(nn.Module):
    """Convolution whose input channels are scaled by a style: (N, I, H, W) → (N, O, H, W), or (N, O, 2H, 2W) with `up`.

    Output channels are rescaled to unit variance ("demodulation", StyleGAN2 eq. 3): with style s and weights k,
    d_o = (Σ_{i,h,w} (s_i k_oihw)² + ε)^(−½). Scaling activations instead of weights needs no grouped convolution.

    Args:
        up: a 4×4 transposed convolution of stride 2 instead of a 3×3 one. last: linear, no demodulation.
    """

    def __init__(self, inputs: int, outputs: int, style: int, up: bool = False, last: bool = False) -> None:
        super().__init__()
        kernel, taps = (4, 4) if up else (3, 9)  # stride 2 leaves 4 of the 16 taps for an output pixel
        size = (inputs, outputs) if up else (outputs, inputs)
        self.weight = nn.Parameter(torch.randn(*size, kernel, kernel) / math.sqrt(inputs * taps))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.style = nn.Linear(style, inputs)
        nn.init.normal_(self.style.weight, std=1 / math.sqrt(style))
        nn.init.ones_(self.style.bias)
        self.up, self.last, self.share = up, last, taps / kernel**2

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        s = self.style(w)
        x = x * s.to(x.dtype)[:, :, None, None]
        x = F.conv_transpose2d(x, self.weight, stride=2, padding=1) if self.up else F.conv2d(x, self.weight, padding=1)
        bias = self.bias.to(x.dtype)[:, None, None]
        if self.last:
            return x + bias
        return F.leaky_relu(x * self._demodulation(s).to(x.dtype)[:, :, None, None] + bias, SLOPE)

    def _demodulation(self, s: Tensor) -> Tensor:
        """(N, I) styles → (N, O) factors; √2 makes up for what the leaky ReLU takes away."""
        squares = self.weight.square().sum((2, 3)) * self.share
        squares = squares if self.up else squares.T
        return math.sqrt(2) * torch.rsqrt(s.float().square() @ squares + 1e-8)


class Generator(nn.Module):
    """z → w → picture in about [−1, 1].

    Args:
        shape: (C, H, W). widths: channels per resolution from the coarsest, H / 2^len, to half size; the last layer
            doubles once more, straight to pixels. latent_size: of z and of w. classes: K, or 0. squash: end in a tanh,
            which keeps early training from running away.
    """

    def __init__(
        self, shape: Sequence[int], widths: Sequence[int], latent_size: int, classes: int, squash: bool
    ) -> None:
        super().__init__()
        self.squash = squash
        self.classes, self.latent_size = classes, latent_size
        self.labels = nn.Embedding(max(1, classes), latent_size)
        self.mapping = nn.Sequential(
            nn.Linear(2 * latent_size, latent_size), nn.LeakyReLU(SLOPE),
            nn.Linear(latent_size, latent_size), nn.LeakyReLU(SLOPE),
            nn.Linear(latent_size, latent_size),
        )  # fmt: skip
        for layer in self.mapping[::2]:
            nn.init.kaiming_normal_(layer.weight, SLOPE)
            nn.init.zeros_(layer.bias)
        side = shape[1] // 2 ** len(widths)
        self.constant = nn.Parameter(torch.randn(1, widths[0], side, side))
        convs = [StyledConv(widths[0], widths[0], latent_size)]
        for i, (a, b) in enumerate(itertools.pairwise(widths), 1):
            convs.append(StyledConv(a, b, latent_size, up=True))
            if side * 2**i <= FINEST_EXTRA:
                convs.append(StyledConv(b, b, latent_size))
        convs.append(StyledConv(widths[-1], shape[0], latent_size, up=True, last=True))
        self.convs = nn.ModuleList(convs)

    @property
    def layers(self) -> int:
        """Number of styles, one per convolution."""
        return len(self.convs)

    def map(self, z: Tensor, labels: Tensor | None) -> Tensor:
        """(N, d) noise (and (N,) classes) → (N, d) styles."""
        if labels is None:
            labels = torch.zeros(len(z), dtype=torch.int64, device=z.device)
        z = z * torch.rsqrt(z.square().mean(1, keepdim=True) + 1e-8)
        return self.mapping(torch.cat([z, self.labels(labels)], 1))

    def synthesise(self, ws: Tensor) -> Tensor:
        """(N, layers, d) styles → (N, C, H, W) in about [−1, 1]."""
        x = self.constant.expand(len(ws), -1, -1, -1).contiguous(memory_format=torch.channels_last)
        for conv, w in zip(self.convs, ws.unbind(1)):
            x = conv(x, w)
        return torch.tanh(x) if self.squash else x


class GAN(nn.Module, PyTorchModelHubMixin):
    """Generator, discriminator and the mean style.

    Args:
        shape: (C, H, W). widths, critic: channels per resolution, coarse to fine, of G and of D; latent_size: d.
        classes: K, or 0. squash: whether G ends in a tanh. truncation: ψ unless another is asked for.
    """

    def __init__(
        self,
        shape: Sequence[int] = (1, 28, 28),
        widths: Sequence[int] = (128, 64),
        critic: Sequence[int] = (128, 48),
        latent_size: int = 64,
        classes: int = 10,
        squash: bool = False,
        truncation: float = 1.0,
    ) -> None:
        super().__init__()
        self.controls = (replace(TRUNCATION, default=truncation),)
        self.shape, self.latent_size, self.classes = tuple(shape), latent_size, classes
        self.generator = Generator(shape, widths, latent_size, classes, squash)
        self.discriminator = Discriminator(shape, critic, classes)
        self.register_buffer("w_mean", torch.zeros(max(1, classes), latent_size))
        self.register_buffer("verdict_zero", torch.zeros(()))  # D's logit half-way between real and fake

    @property
    def layers(self) -> int:
        """Number of styles of one picture."""
        return self.generator.layers

    def latents(self, seeds: Sequence[int]) -> Tensor:
        """Standard normal (N, d), one stream per seed."""
        return self._drawn(generators(seeds))

    def styles(self, z: Tensor, labels: Tensor | None = None, truncation: float = 1.0) -> Tensor:
        """(N, d) noise → (N, d) styles w̄ + ψ·(w − w̄), w̄ the mean style (of the class)."""
        z, told = self.parts(z, labels)
        mean = self.w_mean[torch.zeros(len(z), dtype=torch.int64, device=z.device) if labels is None else told]
        return mean + truncation * (self.generator.map(z, told) - mean)

    def parts(self, z: Tensor, labels: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Latents and classes → noise and what the generator is told beside it, on the device."""
        device = self.w_mean.device
        return z.to(device), None if labels is None else labels.to(device)

    def draw(self, ws: Tensor) -> Tensor:
        """(N, d) or (N, layers, d) styles → pictures (N, C, H, W) in [0, 1]."""
        ws = ws.to(self.w_mean.device)
        if ws.dim() == 2:
            ws = ws[:, None].expand(-1, self.layers, -1)
        return (self.generator.synthesise(ws) / 2 + 0.5).clamp(0, 1)

    def mix(self, coarse: Tensor, fine: Tensor, cut: int) -> Tensor:
        """Styles (N, layers, d) that are `coarse` before layer `cut` and `fine` from it on; both (N, d)."""
        first = (torch.arange(self.layers, device=coarse.device) < cut)[None, :, None]
        return torch.where(first, coarse[:, None], fine[:, None])

    def sample(
        self,
        seeds: Sequence[int],
        *,
        latents: Tensor | None = None,
        labels: Tensor | None = None,
        truncation: float | None = None,
    ) -> Iterator[Frame]:
        """One frame."""
        z = self.latents(seeds) if latents is None else latents
        yield Frame(self.draw(self.styles(z, labels, self._psi(truncation))), state=z, info={"calls": 1})

    def criticise(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        """(N, C, H, W) in [0, 1] → (N,) logits, shifted so that zero lies between real and fake.

        Pictures are judged one by one (the discriminator otherwise also looks at how alike a group is).
        """
        x = 2 * x.to(self.w_mean.device) - 1
        labels = None if labels is None else labels.to(x.device)
        single = [self.discriminator(x[i : i + 1], _at(labels, i)) for i in range(len(x))]
        return torch.cat(single) - self.verdict_zero

    def project(
        self, x: Tensor, seeds: Sequence[int], labels: Tensor | None = None, mask: Tensor | None = None,
        steps: int = PROJECTION_STEPS,
    ) -> Iterator[Frame]:  # fmt: skip
        """Looks for the style whose picture is nearest to x: the best of some random ones, then gradient descent.

        Args:
            x: (N, C, H, W). mask: (N, 1, H, W), 1 where the picture counts. steps: ≥ 1.

        Yields:
            Frames with `state` = w (N, d) and info "loss", the mean squared error where the mask is 1.
        """
        x = x.to(self.w_mean.device)
        mask = torch.ones_like(x[:, :1]) if mask is None else mask.to(x.device)
        w = torch.cat([self._nearest(x[i], mask[i], seeds[i], _at(labels, i)) for i in range(len(x))])
        w = w.clone().requires_grad_(True)
        optimizer = torch.optim.Adam([w], lr=0.06)
        for step in range(1, steps + 1):
            optimizer.param_groups[0]["lr"] = 0.06 * min(1.0, 2 * (1 - (step - 1) / steps))
            with torch.enable_grad():  # the engine runs every step without gradients; this is the one that needs them
                picture = self.draw(w)
                error = ((picture - x).square() * mask).flatten(1).sum(1) / (mask.flatten(1).sum(1) * len(x[0]) + 1e-8)
                stray = (w - self.w_mean.mean(0)).square().mean(1)
                (error + 2e-4 * stray).sum().backward()
            optimizer.step()
            optimizer.zero_grad()
            yield Frame(
                picture.detach(), step, steps, state=w.detach().clone(),
                info={"loss": error.mean().item(), "calls": PROJECTION_TRIES + step},
            )  # fmt: skip

    def repair(
        self, x: Tensor, mask: Tensor, seeds: Sequence[int], labels: Tensor | None = None
    ) -> Iterator[Frame]:
        """Projects what is known, and takes the rest from the picture found."""
        x, mask = x.to(self.w_mean.device), mask.to(self.w_mean.device)
        for frame in self.project(x, seeds, labels, mask):
            filled = mask * x + (1 - mask) * frame.images
            yield Frame(filled, frame.step, frame.total, state=frame.state, info=frame.info)

    def principal_directions(self, count: int = 8, samples: int = 2000) -> tuple[Tensor, Tensor]:
        """PCA of styles (Härkönen et al., "GANSpace", 2020): unit directions (count, d) and deviations (count,).

        With classes, every style is taken relative to its own class's mean, or PCA would mostly find the classes.
        """
        labels = torch.arange(samples) % max(1, self.classes)
        w = self.styles(self.latents(range(samples)), labels if self.classes else None)
        w = (w - self.w_mean[labels.to(w.device)]).double()
        _, s, directions = torch.linalg.svd(w - w.mean(0), full_matrices=False)
        sign = torch.sign(directions.gather(1, directions.abs().argmax(1, keepdim=True)))  # SVD leaves it open
        return (directions * sign)[:count].float(), (s[:count] / math.sqrt(samples - 1)).float()

    def _psi(self, asked: float | None) -> float:
        return self.controls[0].default if asked is None else asked

    def _drawn(self, streams: Sequence[torch.Generator]) -> Tensor:
        return normal(streams, (self.latent_size,))

    def _nearest(self, x: Tensor, mask: Tensor, seed: int, label: Tensor | None) -> Tensor:
        """The best of `PROJECTION_TRIES` styles of the seed's own stream: (1, d)."""
        z = self._drawn(generators([seed]) * PROJECTION_TRIES)
        if label is not None:
            label = label.expand(PROJECTION_TRIES)
        elif self.classes:
            label = torch.arange(PROJECTION_TRIES) % self.classes
        w = self.styles(z, label)
        error = ((self.draw(w) - x).square() * mask).flatten(1).sum(1)
        return w[error.argmin()][None]


def _at(labels: Tensor | None, i: int) -> Tensor | None:
    return None if labels is None else labels[i : i + 1]
