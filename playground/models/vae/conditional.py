"""Conditional VAE: say what you want, and z holds only what you did not say.

Encoder and decoder are told the attributes y of the picture x, so the code z need not carry them:

    log p(x|y) ≥ E_{q(z|x,y)}[log p(x|y,z)] − KL(q(z|x,y) ‖ N(0, I)).

Of a drawn face, sixteen attributes said, nothing is left but how far the head is turned, tilted and how large it is;
nobody tells the network, and its few latents find these three. A second head of the encoder, q(y|x), reads the
attributes from a picture, so that one that comes without a description has a code as well.

The decoder is built for such pictures: the attributes draw layers, y ↦ l_1 … l_K, each in a place of its own; the
code moves them, l_k(p) ↦ l_k(p + s_k(z, y, p)) for every place p of the picture, and the moved layers are put together.

Kingma et al., "Semi-supervised learning with deep generative models", 2014 (M2; here every picture has its labels);
Sohn, Lee and Yan, "Learning structured output representation using deep conditional generative models", 2015; the
decoder's convolutions are steered as in Perez et al., "FiLM", 2018, its layers moved as in Jaderberg et al., "Spatial
transformer networks", 2015.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import torch
import torch.nn.functional as F
from huggingface_hub import PyTorchModelHubMixin
from torch import Tensor, nn

from playground.api import Frame, Posterior
from playground.models.attributes import Attributes
from playground.models.classifier import Classifier, doubtful
from playground.models.layers import conv_down, mlp
from playground.models.vae.plain import TEMPERATURE, kl_to_prior, pseudo_gibbs
from playground.sampling import generators, normal
from playground.training.ema import average
from playground.training.precision import mixed
from playground.training.recipe import Batch

FAINT = 1e-3  # added to a picture's mean error, whose logarithm would else reward what nobody sees without end
READING = 200.0  # weight of −log q(y|x): next to thousands of pixels sixteen answers would count for nothing


class Steered(nn.Module):
    """Residual block whose middle is scaled and shifted by the code: (N, C, H, W), (N, e) → (N, C, H, W)."""

    def __init__(self, channels: int, code: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.GroupNorm(8, channels), nn.GroupNorm(8, channels)
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)
        self.steer = nn.Linear(code, 2 * channels)
        nn.init.zeros_(self.steer.weight)
        nn.init.zeros_(self.steer.bias)

    def forward(self, x: Tensor, e: Tensor) -> Tensor:
        scale, shift = self.steer(e)[:, :, None, None].chunk(2, 1)
        h = self.conv1(F.silu(self.norm1(x)))
        return x + self.conv2(F.silu(self.norm2(h) * (1 + scale) + shift))


class Decoder(nn.Module):
    """The attributes draw, the code moves: z (N, d) and y (N, size) → logits of a picture (N, C, H, W).

    Attributes are drawn on a few transparent layers; every layer but the last is slid and bent by a smooth field of
    shifts; then they are put together. So what a nose looks like is learned once, and not anew for every place.

    Args:
        shape: (C, H, W). free, size: d and the size of y. widths: channels per resolution, from H / 2^len to H / 2; a
            pixel shuffle doubles once more. layers: K, the still one included. top: channels at full size.
    """

    INK = 4  # channels of a layer: enough for three colours and how well they cover
    FIELD = 8  # a shift is told at 8×8 places; between them it is smooth

    def __init__(
        self, shape: Sequence[int], free: int, size: int, widths: Sequence[int], layers: int = 8, top: int = 24,
        code: int = 256,
    ) -> None:  # fmt: skip
        super().__init__()
        self.side, self.loose = shape[1], layers - 1
        side, ink = shape[1] // 2 ** len(widths), self.INK * layers
        self.draws = nn.Sequential(mlp((size, code, code)), nn.SiLU())
        self.moves = nn.Sequential(mlp((free + size, code, code)), nn.SiLU())
        self.first = nn.Sequential(nn.Linear(code, widths[0] * side * side), nn.Unflatten(1, (widths[0], side, side)))
        self.blocks = nn.ModuleList(Steered(width, code) for width in widths)
        self.ups = nn.ModuleList(nn.Conv2d(a, 4 * b, 3, padding=1) for a, b in itertools.pairwise([*widths, ink]))
        self.shifts = nn.Linear(code, 2 * self.loose * self.FIELD**2)
        nn.init.zeros_(self.shifts.bias)
        nn.init.normal_(self.shifts.weight, std=0.02 / code**0.5)  # to begin with, hardly anything moves
        self.join, self.steer = nn.Conv2d(ink, top, 3, padding=1), nn.Linear(code, 2 * top)
        over, to_pixels = nn.Conv2d(top, top, 3, padding=1), nn.Conv2d(top, shape[0], 3, padding=1)
        self.last = nn.Sequential(nn.SiLU(), over, nn.SiLU(), to_pixels)
        self.register_buffer("places", _places(self.side), persistent=False)
        self.register_buffer("smooth", _smooth(self.FIELD, self.side), persistent=False)

    def forward(self, z: Tensor, y: Tensor) -> Tensor:
        drawn, moved = self.draws(y), self.moves(torch.cat([z, y], 1))
        x = self.first(drawn).contiguous(memory_format=torch.channels_last)
        for block, up in zip(self.blocks, self.ups):
            x = F.pixel_shuffle(up(block(x, drawn)), 2)
        x = self.join(self.placed(x, self.shifts(moved)))
        scale, shift = self.steer(moved)[:, :, None, None].chunk(2, 1)
        return self.last(x * (1 + scale) + shift)

    def placed(self, layers: Tensor, shifts: Tensor) -> Tensor:
        """Layers where they belong: (N, K · INK, H, W) and (N, (K − 1) · 2 · FIELD²) → (N, K · INK, H, W).

        A shift says where a place takes its ink from, right and down, in halves of the picture's side.
        """
        n, k, side = len(layers), self.loose, self.side
        shift = shifts.float().reshape(2 * n * k, -1) @ self.smooth
        where = self.places + shift.reshape(n * k, 2, side, side).permute(0, 2, 3, 1)
        where = where.nan_to_num()  # after a diverged step; what is not a number would end the process in `grid_sample`
        ink = layers[:, : self.INK * k].float().reshape(n * k, self.INK, side, side)
        ink = F.grid_sample(ink, where, padding_mode="border", align_corners=False).reshape(n, -1, side, side)
        still = layers[:, self.INK * k :]
        return torch.cat([ink.to(still.dtype), still], 1).contiguous(memory_format=torch.channels_last)


def _places(side: int) -> Tensor:
    """Where the pixels are, (side, side, 2): x and y from −1 to 1, as `grid_sample` counts."""
    rows = (torch.arange(side) + 0.5) * 2 / side - 1
    return torch.stack(torch.meshgrid(rows, rows, indexing="xy"), -1)


def _smooth(coarse: int, side: int) -> Tensor:
    """What each of coarse² numbers adds to a smooth field of side² (bicubic): (coarse², side²)."""
    points = torch.eye(coarse**2).reshape(-1, 1, coarse, coarse)
    return F.interpolate(points, size=(side, side), mode="bicubic", align_corners=False).flatten(1)


class Encoder(nn.Module):
    """Picture → features, and from them q(y|x) and, given y, q(z|x, y)."""

    def __init__(self, shape: Sequence[int], latents: int, size: int, widths: Sequence[int], features: int) -> None:
        super().__init__()
        side = shape[1] // 2 ** len(widths)
        self.trunk = nn.Sequential(
            conv_down(shape[0], tuple(widths)), nn.Flatten(), nn.Linear(widths[-1] * side * side, features), nn.SiLU()
        )
        self.attributes = nn.Linear(features, size)
        self.posterior = mlp((features + size, features, 2 * latents))


class ConditionalVAE(nn.Module, PyTorchModelHubMixin):
    """Encoder, decoder, and a latent of z and the attributes.

    Its latent is [z, y]: d numbers of N(0, I), then a block per attribute (see `playground.models.attributes`).

    Args:
        shape: (C, H, W). heads, shares: the attributes, as in `Attributes`. free: d, the size of z.
        encoder, decoder: widths, each from the picture's side inwards. features: of the encoder.
        temperature: of the prior, unless another is asked for.
    """

    variational = True

    def __init__(
        self,
        shape: Sequence[int],
        heads: Sequence[tuple[str, Sequence[str]]],
        shares: Sequence[Sequence[float]],
        free: int = 6,
        encoder: Sequence[int] = (24, 48, 64, 96),
        decoder: Sequence[int] = (40, 80, 112, 128),
        features: int = 192,
        temperature: float = 1.0,
    ) -> None:
        super().__init__()
        self.attributes = Attributes(heads, shares)
        self.controls = (replace(TEMPERATURE, default=temperature), *self.attributes.fields)
        self.shape, self.free = tuple(shape), free
        self.latent_size = free + self.attributes.size
        self.encoder = Encoder(shape, free, self.attributes.size, encoder, features)
        self.decoder = Decoder(shape, free, self.attributes.size, tuple(decoder)[::-1])
        # Where the codes of the training pictures lie: m and Σ^½, so that a draw is m + Σ^½ε. The prior promises 0 and
        # I, but three degrees of freedom in four latents hang together, and poses no picture has were never learned.
        self.register_buffer("code_mean", torch.zeros(free))
        self.register_buffer("code_scale", torch.eye(free))
        self.register_buffer("kl_per_latent", torch.zeros(free))  # nats, of z; attributes have no posterior

    def latents(self, seeds: Sequence[int]) -> Tensor:
        """[z, y] of each seed, (N, d + size): standard normal, then one value of every attribute by its share."""
        streams = generators(seeds)
        z = normal(streams, (self.free,))
        return torch.cat([z, self.attributes.write(self.attributes.draw(streams))], 1)

    def asked(self, latents: Tensor) -> Tensor:
        """What the latents say: (N, A) positions of values."""
        return self.attributes.read(latents[:, self.free :])

    def wish(self, latents: Tensor, wishes: Mapping[str, str]) -> Tensor:
        """The latents with some attributes written over."""
        z, y = self._parts(latents)
        return torch.cat([z, self.attributes.wish(y, wishes)], 1)

    def sample(
        self,
        seeds: Sequence[int],
        *,
        latents: Tensor | None = None,
        labels: Tensor | None = None,
        temperature: float | None = None,
        **wishes: str,
    ) -> Iterator[Frame]:
        """One frame: the mean picture of temperature · z and the attributes, those wished for written over."""
        temperature = self.controls[0].default if temperature is None else temperature
        z, y = self._parts(self.wish(self.latents(seeds) if latents is None else latents, wishes))
        code = torch.cat([temperature * z, y], 1)
        yield Frame(self.decode(code), state=code, info={"calls": 1})

    def decode(self, code: Tensor) -> Tensor:
        """(N, d + size) → mean pictures (N, C, H, W) in [0, 1]."""
        z, y = self._parts(code.to(self.code_mean.device))
        z = z @ self.code_scale + self.code_mean
        return torch.sigmoid(self.decoder(z, self.attributes.settle(y)))

    def encode(self, x: Tensor) -> Posterior:
        """(N, C, H, W) → q(z|x, y) with y read from the picture, in the units of `decode`; y itself has no spread."""
        h = self.encoder.trunk(2 * x.to(self.code_mean.device) - 1)
        y = self._read(h)
        mean, log_var = self._posterior(h, y)
        back = torch.linalg.inv(self.code_scale)
        mean, std = (mean - self.code_mean) @ back, (log_var.exp() @ back.square()).sqrt()
        return Posterior(torch.cat([mean, y], 1), torch.cat([std, torch.zeros_like(y)], 1))

    def repair(
        self, x: Tensor, mask: Tensor, seeds: Sequence[int], labels: Tensor | None = None
    ) -> Iterator[Frame]:
        """Encode, draw z, decode, put the known pixels back, again."""
        return pseudo_gibbs(self, x.to(self.code_mean.device), mask.to(self.code_mean.device), seeds)

    def _parts(self, code: Tensor) -> tuple[Tensor, Tensor]:
        return code[:, : self.free], code[:, self.free :]

    def _read(self, h: Tensor) -> Tensor:
        """q(y|x) from features, (N, size)."""
        return torch.cat([b.softmax(1) for b in self.encoder.attributes(h).split(self.attributes.sizes, 1)], 1)

    def _posterior(self, h: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        mean, log_var = self.encoder.posterior(torch.cat([h, y.to(h.dtype)], 1)).float().chunk(2, 1)
        return mean, log_var.clamp(-12, 6)


class ConditionalLearner:
    """Gradient ascent on the bound, plus log q(y|x) for the encoder's second head.

    A nose a shade darker than the skin is next to nothing among thousands of pixels. So a pixel weighs more where the
    doubt of a reader lies, a classifier that has learned to tell noses apart (and is not the one that examines the
    pictures later). It only says where to look; what is to be seen there, the picture says.

    Args:
        model, device, lr: what is trained, where, and Adam's rate. reader: the classifier; it stays as it is.
        beta: weight of the KL term. decay: of the weights' average.
    """

    def __init__(
        self, model: ConditionalVAE, device: torch.device, reader: Classifier, lr: float = 1e-3, beta: float = 1.0,
        decay: float = 0.999,
    ) -> None:  # fmt: skip
        self.beta, self.decay = beta, decay
        self.reader = reader.to(device).eval().requires_grad_(False)
        self.model = model.to(device, memory_format=torch.channels_last)
        self.ema = deepcopy(model).requires_grad_(False)
        self.codes = nn.Module()  # mean and second moments of the raw codes; saved with the state
        self.codes.register_buffer("mean", torch.zeros(model.free, device=device))
        self.codes.register_buffer("square", torch.eye(model.free, device=device))
        self.modules: dict[str, nn.Module] = {"model": self.model, "ema": self.ema, "codes": self.codes}
        self.optimizers: dict[str, torch.optim.Optimizer] = {
            "model": torch.optim.Adam(model.parameters(), lr, betas=(0.9, 0.99))
        }

    def step(self, batch: Batch) -> dict[str, float]:
        model, x = self.model, batch.x.contiguous(memory_format=torch.channels_last)
        y = model.attributes.write(batch.y)
        with mixed(x.device):
            h = model.encoder.trunk(2 * x - 1)
            mean, log_var = model._posterior(h, y)
            logits = model.encoder.attributes(h)
        z = mean + torch.exp(0.5 * log_var) * batch.normal(*mean.shape)
        with mixed(x.device):
            picture = torch.sigmoid(model.decoder(z, y).float())
            care = doubtful(self.reader, picture, batch.y)
        gap = (picture - x).abs()
        error = (0.25 + 0.75 * care).mul(gap).mean()
        # Laplace pixels, to which a small error is an error, too; with the best scale for all of them, −log p(x|y,z)
        # is the number of values times the log of their mean absolute error
        reconstruction = x[0].numel() * (error + FAINT).log()
        kl = kl_to_prior(mean, log_var)
        heads = zip(logits.float().split(model.attributes.sizes, 1), batch.y.unbind(1))
        reading = torch.stack([F.cross_entropy(head, truth) for head, truth in heads]).sum()
        loss = reconstruction + self.beta * min(1.0, batch.done / 0.1 + 0.01) * kl.sum(1).mean() + READING * reading
        self._descend(loss)
        model.kl_per_latent.lerp_(kl.detach().mean(0), 0.01)
        m, spread = mean.detach(), log_var.detach().exp().mean(0)
        self.codes.mean.lerp_(m.mean(0), 0.005)
        self.codes.square.lerp_(m.T @ m / len(m) + spread.diag(), 0.005)
        average(self.ema, model, self.decay, batch.seen)
        return {"error": gap.mean().item(), "kl": kl.sum(1).mean().item(), "reading": reading.item()}

    def _descend(self, loss: Tensor) -> None:
        optimizer = self.optimizers["model"]
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), 2000.0)
        optimizer.step()

    @torch.no_grad()
    def save(self, folder: Path) -> None:
        """Writes config.json and model.safetensors, the averaged weights in half precision, which loses nothing here.

        Draws of z are put where the codes of the training pictures are: a Gaussian fitted after the training, as in
        Ghosh et al., "From variational to deterministic autoencoders", 2020.
        """
        self.ema.kl_per_latent.copy_(self.model.kl_per_latent)
        self.ema.code_mean.copy_(self.codes.mean)
        self.ema.code_scale.copy_(_root(self.codes.square - self.codes.mean.outer(self.codes.mean)))
        deepcopy(self.ema).half().save_pretrained(str(folder))


def _root(covariance: Tensor) -> Tensor:
    """Σ ↦ Σ^½, the symmetric root: of all that give Σ it turns the latents the least."""
    values, vectors = torch.linalg.eigh(covariance)
    return vectors * values.clamp(min=1e-6).sqrt() @ vectors.T
