"""Generative adversarial network with a mapping network and one style per layer.

A generator G turns noise into pictures, a discriminator D tells them from real ones, and each learns from the other.
Here a small network first maps z to a style w, and w steers every convolution of G by scaling its input channels, so
that coarse layers decide on shape and fine layers on colour, and styles of two seeds can be mixed. The two play the
relativistic pairing game, where D only ever compares a real picture with a fake one,

    L_D = E[softplus(D(G(z)) − D(x))] + γ/2·(E‖∇D(x)‖² + E‖∇D(G(z))‖²),      L_G = E[softplus(D(x) − D(G(z)))],

which has no collapsed minimum to fall into; the gradient penalties R1 and R2 keep it from oscillating.

Goodfellow et al., "Generative adversarial nets", 2014; Karras et al., "StyleGAN", 2018, and "StyleGAN2", 2019 (styles
as weight scaling, truncation); Huang et al., "The GAN is dead; long live the GAN!", 2024 (R3GAN, the loss); Miyato and
Koyama, "cGANs with projection discriminator", 2018.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from copy import deepcopy
from pathlib import Path

import torch
import torch.nn.functional as F
from huggingface_hub import PyTorchModelHubMixin
from torch import Tensor, nn

from playground.api import Field, Frame
from playground.models.critic import SLOPE, Discriminator, disturbed, gradient_penalty
from playground.models.hub import from_folder
from playground.sampling import normal
from playground.training.ema import average
from playground.training.precision import mixed
from playground.training.recipe import Batch, Recipe, flat

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
        classes: K, or 0. squash: whether G ends in a tanh.
    """

    controls = (TRUNCATION,)

    def __init__(
        self,
        shape: Sequence[int] = (1, 28, 28),
        widths: Sequence[int] = (128, 64),
        critic: Sequence[int] = (128, 48),
        latent_size: int = 64,
        classes: int = 10,
        squash: bool = False,
    ) -> None:
        super().__init__()
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
        return normal(seeds, (self.latent_size,))

    def styles(self, z: Tensor, labels: Tensor | None = None, truncation: float = 1.0) -> Tensor:
        """(N, d) noise → (N, d) styles w̄ + ψ·(w − w̄), w̄ the mean style (of the class)."""
        z = z.to(self.w_mean.device)
        labels = None if labels is None else labels.to(z.device)
        mean = self.w_mean[torch.zeros(len(z), dtype=torch.int64, device=z.device) if labels is None else labels]
        return mean + truncation * (self.generator.map(z, labels) - mean)

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
        truncation: float = 1.0,
    ) -> Iterator[Frame]:
        """One frame."""
        z = self.latents(seeds) if latents is None else latents
        yield Frame(self.draw(self.styles(z, labels, truncation)), state=z, info={"calls": 1})

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

    def _nearest(self, x: Tensor, mask: Tensor, seed: int, label: Tensor | None) -> Tensor:
        """The best of `PROJECTION_TRIES` styles of the seed's own stream: (1, d)."""
        z = torch.randn(PROJECTION_TRIES, self.latent_size, generator=torch.Generator().manual_seed(int(seed)))
        if label is not None:
            label = label.expand(PROJECTION_TRIES)
        elif self.classes:
            label = torch.arange(PROJECTION_TRIES) % self.classes
        w = self.styles(z, label)
        error = ((self.draw(w) - x).square() * mask).flatten(1).sum(1)
        return w[error.argmin()][None]


def _at(labels: Tensor | None, i: int) -> Tensor | None:
    return None if labels is None else labels[i : i + 1]


def load(folder: Path) -> GAN:
    """The network of a checkpoint folder."""
    return from_folder(GAN, folder)


class GANLearner:
    """Alternating steps of D and G on the relativistic loss, R1 and R2 on every few steps of D.

    Args:
        few: the pictures are so few that D would learn them by heart: it sees them, and G's, disturbed.
    """

    def __init__(
        self, model: GAN, device: torch.device, gamma: float, penalty_every: int, lr: float, decay: float = 0.9985,
        few: bool = False,
    ) -> None:  # fmt: skip
        self.gamma, self.penalty_every, self.decay, self.few = gamma, penalty_every, decay, few
        self.model = model.to(device, memory_format=torch.channels_last)
        g, d = model.generator, model.discriminator
        self.ema = deepcopy(g).requires_grad_(False)
        self.modules: dict[str, nn.Module] = {"model": model, "ema": self.ema}
        slow = [*g.mapping.parameters(), *g.labels.parameters()]
        rest = [p for name, p in g.named_parameters() if not name.startswith(("mapping", "labels"))]
        groups = [{"params": rest}, {"params": slow, "lr": lr / 5}]
        self.optimizers: dict[str, torch.optim.Optimizer] = {
            "g": torch.optim.Adam(groups, lr, betas=(0.0, 0.99)),
            "d": torch.optim.Adam(d.parameters(), lr, betas=(0.0, 0.99)),
        }

    def step(self, batch: Batch) -> dict[str, float]:
        real = 2 * batch.x - 1
        labels = batch.y if self.model.classes else None
        fake = self._fake(labels, batch)
        if self.few:
            real, fake = disturbed(real, batch.noise), disturbed(fake, batch.noise)
        losses = self._step_d(real, fake.detach(), labels, batch)
        losses |= self._step_g(real, fake, labels)
        average(self.ema, self.model.generator, self.decay, batch.seen)
        return losses

    def _fake(self, labels: Tensor | None, batch: Batch) -> Tensor:
        g = self.model.generator
        z = batch.normal(len(batch.x), g.latent_size)
        w = g.map(z, labels)
        self._remember_mean(w.detach().float(), labels)
        ws = w[:, None].expand(-1, g.layers, -1)
        if torch.rand((), generator=batch.noise) < 0.5:  # style mixing, so that layers learn to stand alone
            other = g.map(batch.normal(len(batch.x), g.latent_size), labels)
            cut = int(torch.randint(1, g.layers, (), generator=batch.noise))
            ws = self.model.mix(w, other, cut)
        with mixed(z.device):
            return g.synthesise(ws).float()

    def _judge(self, x: Tensor, labels: Tensor | None) -> Tensor:
        with mixed(x.device):
            return self.model.discriminator(x, labels).float()

    def _step_d(self, real: Tensor, fake: Tensor, labels: Tensor | None, batch: Batch) -> dict[str, float]:
        on_real, on_fake = self._judge(real, labels), self._judge(fake, labels)
        loss = F.softplus(on_fake - on_real).mean()
        losses = {"d": loss.item()}
        if batch.step % self.penalty_every == 0:  # rarely, and then for all the steps in between
            d = self.model.discriminator
            penalty = gradient_penalty(d, real, labels) + gradient_penalty(d, fake, labels)
            loss = loss + self.penalty_every * self.gamma / 2 * penalty
            losses["penalty"] = penalty.item()
        self._descend("d", loss)
        middle = (on_real.mean() + on_fake.mean()).detach() / 2
        self.model.verdict_zero.lerp_(middle, 0.01)
        return losses

    def _step_g(self, real: Tensor, fake: Tensor, labels: Tensor | None) -> dict[str, float]:
        d = self.model.discriminator.requires_grad_(False)
        with torch.no_grad():
            on_real = self._judge(real, labels)
        loss = F.softplus(on_real - self._judge(fake, labels)).mean()
        self._descend("g", loss)
        d.requires_grad_(True)
        return {"g": loss.item()}

    def _descend(self, name: str, loss: Tensor) -> None:
        optimizer = self.optimizers[name]
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_([p for group in optimizer.param_groups for p in group["params"]], 10.0)
        optimizer.step()

    @torch.no_grad()
    def _remember_mean(self, w: Tensor, labels: Tensor | None) -> None:
        if labels is None:
            self.model.w_mean.lerp_(w.mean(0, keepdim=True), 0.005)
            return
        for k in range(self.model.classes):
            if (labels == k).any():
                self.model.w_mean[k].lerp_(w[labels == k].mean(0), 0.005)

    @torch.no_grad()
    def save(self, folder: Path) -> None:
        """Writes the averaged generator with its own mean style; D as it stands."""
        finished = deepcopy(self.model)
        finished.generator.load_state_dict(self.ema.state_dict())
        for k in range(len(finished.w_mean)):
            z = torch.randn(4096, finished.latent_size, generator=torch.Generator().manual_seed(k))
            z = z.to(finished.w_mean.device)
            labels = torch.full((len(z),), k, device=z.device) if finished.classes else None
            finished.w_mean[k] = finished.generator.map(z, labels).mean(0)
        finished.save_pretrained(str(folder))


RECIPES = (
    Recipe(
        name="gan-mnist", family="gan", data="mnist", images=800_000, batch=64, rate=flat, conditional=True,
        learner=lambda device: GANLearner(GAN(), device, gamma=1.0, penalty_every=8, lr=1e-3),
        title="GAN of digits", summary="A class-conditional GAN of 28×28 digits with styles and a projection critic.",
        year=2014, paper="arXiv:1406.2661",
    ),
    Recipe(
        name="gan-faces", family="gan", data="faces", images=600_000, batch=32, rate=flat,
        learner=lambda device: GANLearner(
            GAN((3, 64, 64), (192, 128, 80, 40), (256, 160, 80, 32), latent_size=128, classes=0, squash=True),
            device, gamma=2.0, penalty_every=4, lr=4e-4,
        ),
        title="GAN of faces", summary="A style-based GAN of 64×64 drawn faces: seven styles, truncation, style mixing.",
        year=2018, paper="arXiv:1812.04948",
    ),
    Recipe(
        name="gan-emoji", family="gan", data="emoji", images=400_000, batch=32, rate=flat,
        learner=lambda device: GANLearner(
            GAN((3, 32, 32), (160, 96, 48), (160, 96, 40), latent_size=96, classes=0, squash=True),
            device, gamma=2.0, penalty_every=4, lr=6e-4, few=True,
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
