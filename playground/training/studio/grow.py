"""Progressive growing: first tiny pictures, then finer layers are faded in, one resolution after another.

At 8 × 8 a face is a blob of skin and hair, and that is learned in seconds. The network is there as a whole from the
beginning, but only its coarse rungs are used, and small heads (1×1 convolutions) paint what they have at hand. Then one
more rung is used, and while it is faded in,

    picture = (1 − α) · enlarge(picture of the rungs so far) + α · picture of one rung more,      α from 0 to 1,

so that nothing learned is lost in a jump. All rungs in use go on learning; the finest needs no head, so what has grown
is a plain network of its family. Encoder and critic grow the same way, read from their end.

Karras et al., "Progressive growing of GANs", 2017 (arXiv:1710.10196).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from playground.api import PlaygroundError
from playground.models import gan, vae
from playground.models.critic import SLOPE, gradient_penalty
from playground.models.gan.learner import descend
from playground.sampling import normal
from playground.training.ema import average
from playground.training.recipe import Batch
from playground.training.studio.nets import AVERAGE, FACE_WIDTHS, Pupil
from playground.training.studio.plan import Plan

SIDES = (8, 16, 32, 64)
TOP = len(SIDES) - 1
STARTS = (0.0, 0.1, 0.25, 0.45)  # fraction of the run at which each begins: finer layers need longer
FADE = 0.1  # fraction of the run in which a rung is faded in
LATENT = 32
RATE, BETA, GAMMA, PENALTY_EVERY = 2e-3, 5.0, 2.0, 4

Rung = Callable[[Tensor], Tensor]


def entered(x: Tensor, k: int, alpha: float, rungs: Sequence[Rung], read: nn.ModuleList) -> Tensor:
    """Down the rungs from number k: pictures (N, 3, s, s) at its side → what comes out of rung 0.

    Args:
        alpha: α; below 1 the pictures also enter one rung lower, at half the side. rungs: coarse to fine.
        read: the heads, 3 channels → those that a rung expects; the finest rung expects pictures.
    """
    h = rungs[k](x if k == TOP else read[k](x))
    if alpha < 1:
        h = torch.lerp(read[k - 1](F.avg_pool2d(x, 2)), h, alpha)
    for rung in reversed(rungs[:k]):
        h = rung(h)
    return h


def painted(h: Tensor, k: int, alpha: float, rungs: Sequence[Rung], paint: nn.ModuleList) -> Tensor:
    """Up the rungs to number k: what rung 0 begins with → pictures (N, 3, s, s) at its side, not yet squashed."""
    for rung in rungs[:k]:
        h = rung(h)
    fine = rungs[k](h) if k == TOP else paint[k](rungs[k](h))
    return fine if alpha >= 1 else torch.lerp(doubled(paint[k - 1](h)), fine, alpha)


class GrowingVAE(nn.Module):
    """A VAE of 64 × 64 pixels, and the heads by which its coarse layers alone are a VAE of smaller pictures."""

    def __init__(self) -> None:
        super().__init__()
        self.net = vae.VAE((3, 64, 64), LATENT, "conv", FACE_WIDTHS, "gaussian")
        coarse = FACE_WIDTHS[-2::-1]  # channels at the sides below 64
        self.read = nn.ModuleList(nn.Conv2d(3, c, 1) for c in coarse)
        self.paint = nn.ModuleList(nn.Sequential(nn.GroupNorm(8, c), nn.SiLU(), nn.Conv2d(c, 3, 1)) for c in coarse)

    def posterior(self, x: Tensor, k: int, alpha: float) -> tuple[Tensor, Tensor]:
        """Pictures in [0, 1] at side k → mean and log-variance, (N, 32) each."""
        down = self.net.encoder[0]
        rungs = [down[2 * i : 2 * i + 2] for i in reversed(range(len(SIDES)))]  # a convolution and a residual block
        h = down[2 * len(SIDES) :](entered(2 * x - 1, k, alpha, rungs, self.read))
        mean, log_var = self.net.encoder[1:](h).chunk(2, dim=1)
        return mean, log_var.clamp(-12, 6)

    def logits(self, z: Tensor, k: int, alpha: float) -> Tensor:
        """(N, 32) → logits of mean pictures at side k."""
        up = self.net.decoder[2]
        rungs = [*(up[3 * i : 3 * i + 3] for i in range(TOP)), up[3 * TOP :]]  # a residual block, and twice the side
        return painted(self.net.decoder[:2](z), k, alpha, rungs, self.paint)


class GrowingGAN(nn.Module):
    """A GAN of 64 × 64 pixels, and the heads by which its coarse layers alone are a GAN of smaller pictures."""

    def __init__(self) -> None:
        super().__init__()
        widths = FACE_WIDTHS[::-1]
        self.net = gan.GAN((3, 64, 64), widths, widths, LATENT, classes=0, squash=True)
        self.read = nn.ModuleList(nn.Conv2d(3, c, 1) for c in widths[1:])
        self.paint = nn.ModuleList(nn.Conv2d(c, 3, 1) for c in widths[1:])

    def draw(self, z: Tensor, k: int, alpha: float) -> Tensor:
        """(N, 32) noise → pictures at side k in [−1, 1]."""
        g = self.net.generator
        w = g.map(z, None)
        ups = [i for i, conv in enumerate(g.convs) if conv.up]  # each begins a rung; the first has the 4 × 4 before it
        rungs = [_styled(g.convs[a:b], w) for a, b in itertools.pairwise([0, *ups[1:], len(g.convs)])]
        start = g.constant.expand(len(z), -1, -1, -1).contiguous(memory_format=torch.channels_last)
        return torch.tanh(painted(start, k, alpha, rungs, self.paint))

    def judge(self, x: Tensor, k: int, alpha: float) -> Tensor:
        """Pictures at side k in [−1, 1] → logits (N,)."""
        d = self.net.discriminator
        rungs = [_leaky(conv) for conv in reversed(d.down)]
        return d.verdict(d.conclude(entered(x, k, alpha, rungs, self.read)))


def _styled(convs: Sequence[nn.Module], w: Tensor) -> Rung:
    def rung(x: Tensor) -> Tensor:
        for conv in convs:
            x = conv(x, w)
        return x

    return rung


def _leaky(conv: nn.Module) -> Rung:
    return lambda x: F.leaky_relu(conv(x), SLOPE)


class Stage(nn.Module):
    """Where the growing stands: number of the finest rung in use, and its α."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("number", torch.zeros((), dtype=torch.int64))
        self.register_buffer("alpha", torch.ones(()))


class Growth:
    """What both families share: the network that grows, its average, and where it stands.

    Args:
        net: a `GrowingVAE` or `GrowingGAN`. device: where it learns.
    """

    def __init__(self, net: nn.Module, device: torch.device) -> None:
        self.net = net.to(device)
        self.shown = deepcopy(self.net).requires_grad_(False)
        self.stage = Stage().to(device)
        self.modules: dict[str, nn.Module] = {"net": self.net, "shown": self.shown, "stage": self.stage}
        self.optimizers: dict[str, torch.optim.Optimizer] = {}
        self.decay = AVERAGE

    @property
    def at(self) -> tuple[int, float]:
        """Number of the finest rung in use, 0 … 3, and its α."""
        return int(self.stage.number), float(self.stage.alpha)

    def advance(self, done: float) -> None:
        """Sets both for a fraction of the run."""
        now = sum(done >= start for start in STARTS) - 1
        self.stage.number.fill_(now)
        self.stage.alpha.fill_(1.0 if now == 0 else min(1.0, (done - STARTS[now]) / FADE))

    def pooled(self, x: Tensor) -> Tensor:
        """Pictures (N, 3, 64, 64) at the present side."""
        return F.avg_pool2d(x, 64 // SIDES[self.at[0]])

    def ripe(self) -> bool:
        """Whether the finest rung has been faded in wholly."""
        return self.at == (TOP, 1.0)

    def step(self, batch: Batch) -> dict[str, float]:
        """One update at the present stage."""
        raise NotImplementedError

    def sample(self, z: Tensor) -> Tensor:
        """(N, 32) latents → pictures (N, 3, 64, 64), enlarged while they are smaller."""
        raise NotImplementedError

    def losses(self, x: Tensor) -> Tensor:
        """(N,) losses of pictures (N, 3, 64, 64)."""
        raise NotImplementedError

    def save(self, folder: Path) -> None:
        """The grown network as a checkpoint of its family."""
        raise NotImplementedError


class VAEGrowth(Growth):
    """The bound at every size; latents keep their meaning, so a face grows sharper from the same z."""

    def __init__(self, device: torch.device) -> None:
        super().__init__(GrowingVAE(), device)
        self.optimizers = {"net": torch.optim.Adam(self.net.parameters(), RATE)}

    def step(self, batch: Batch) -> dict[str, float]:
        self.advance(batch.done)
        x, net = self.pooled(batch.x), self.net.net
        mean, log_var = self.net.posterior(x, *self.at)
        z = mean + torch.exp(0.5 * log_var) * batch.normal(*mean.shape)
        logits = self.net.logits(z, *self.at)
        error = (x - torch.sigmoid(logits.detach())).square().mean()
        net.log_sigma_x.copy_(0.5 * error.log())
        kl = vae.kl_to_prior(mean, log_var).sum(1).mean()
        loss = kl * BETA * min(1.0, batch.done / 0.1 + 0.01) - net._log_pixels(x, logits).mean()
        optimizer = self.optimizers["net"]
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.net.parameters(), 1000.0)
        optimizer.step()
        average(self.shown, self.net, self.decay, batch.seen)
        return {"loss": loss.item(), "error": error.item(), "kl": kl.item()}

    def sample(self, z: Tensor) -> Tensor:
        """Decoded means."""
        return enlarge(torch.sigmoid(self.shown.logits(z.to(self.stage.alpha.device), *self.at)))

    def losses(self, x: Tensor) -> Tensor:
        """Squared error of a pixel, through the mean of the code."""
        x = self.pooled(x)
        mean, _ = self.shown.posterior(x, *self.at)
        return (torch.sigmoid(self.shown.logits(mean, *self.at)) - x).square().flatten(1).mean(1)

    def save(self, folder: Path) -> None:
        """The averaged network."""
        self.shown.net.save_pretrained(str(folder))


class GANGrowth(Growth):
    """The relativistic game at every size; generator and critic fade together."""

    def __init__(self, device: torch.device, lr: float = 1e-3) -> None:
        super().__init__(GrowingGAN(), device)
        net = self.net.net
        players = {"g": [net.generator, self.net.paint], "d": [net.discriminator, self.net.read]}
        self.optimizers = {
            name: torch.optim.Adam([p for part in parts for p in part.parameters()], lr, betas=(0.0, 0.99))
            for name, parts in players.items()
        }
        self._critic = nn.ModuleList(players["d"])

    def step(self, batch: Batch) -> dict[str, float]:
        self.advance(batch.done)
        real = 2 * self.pooled(batch.x) - 1
        fake = self.net.draw(batch.normal(len(real), LATENT), *self.at)
        on_real, on_fake = self._judge(real), self._judge(fake.detach())
        loss_d = F.softplus(on_fake - on_real).mean()
        total = loss_d
        if (batch.seen // len(real)) % PENALTY_EVERY == 0:
            penalty = gradient_penalty(self._judge, real, None) + gradient_penalty(self._judge, fake, None)
            total = total + PENALTY_EVERY * GAMMA / 2 * penalty
        descend(self.optimizers["d"], total)
        self._critic.requires_grad_(False)
        loss_g = F.softplus(self._judge(real) - self._judge(fake)).mean()
        descend(self.optimizers["g"], loss_g)
        self._critic.requires_grad_(True)
        average(self.shown, self.net, self.decay, batch.seen)
        return {"d": loss_d.item(), "g": loss_g.item()}

    def sample(self, z: Tensor) -> Tensor:
        """Pictures of the averaged generator."""
        return enlarge((self.shown.draw(z.to(self.stage.alpha.device), *self.at) / 2 + 0.5).clamp(0, 1))

    def losses(self, x: Tensor) -> Tensor:
        """softplus(D(fake) − D(x)), as in `GANPupil`."""
        fake = self.shown.draw(normal(range(len(x)), (LATENT,)).to(x.device), *self.at)
        return F.softplus(self._judge(fake) - self._judge(2 * self.pooled(x) - 1))

    def save(self, folder: Path) -> None:
        """The averaged generator, the critic and the mean style."""
        finished = self.shown.net
        z = torch.randn(4096, LATENT, generator=torch.Generator().manual_seed(0)).to(finished.w_mean.device)
        with torch.no_grad():
            finished.w_mean[0] = finished.generator.map(z, None).mean(0)
        finished.save_pretrained(str(folder))

    def _judge(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        return self.net.judge(x, *self.at)


class Grower(Pupil):
    """The pupil around a growth."""

    base: Growth

    def __init__(self, plan: Plan, device: torch.device) -> None:
        base = VAEGrowth(device) if plan.what == "vae" else GANGrowth(device)
        base.decay = AVERAGE if plan.ema else 0.0
        super().__init__(base, plan, base.net, base.shown)

    def early(self) -> Sequence[nn.Module]:
        """Nothing is known already."""
        return []

    def dropped(self) -> Sequence[nn.Module]:
        """Hidden layers of the VAE, or convolutions of the critic."""
        net = self.base.net.net
        return [m for m in net.modules() if isinstance(m, nn.SiLU)] if self.plan.what == "vae" else [
            *net.discriminator.down
        ]

    def sample(self, seeds: Sequence[int], labels: Tensor | None = None) -> Iterator[Tensor]:
        """The same latents at every size."""
        yield self.base.sample(normal(seeds, (LATENT,)))

    def losses(self, x: Tensor, y: Tensor) -> Tensor:
        """Those of the growth."""
        return self.base.losses(x)

    def save(self, folder: Path) -> None:
        """The network, once it has grown.

        Raises:
            PlaygroundError: its finest rung has not been faded in yet.
        """
        if not self.base.ripe():
            side = SIDES[self.base.at[0]]
            raise PlaygroundError(
                f"The network has only grown to {side} × {side} pixels so far; a checkpoint of faces has 64 × 64. "
                "Let the training go on to its end."
            )
        self.base.save(folder)

    def _follow(self, batch: Batch) -> None:
        pass  # the growth averages by itself


def doubled(x: Tensor) -> Tensor:
    """Twice the side, every pixel four times."""
    return F.interpolate(x, scale_factor=2)


def enlarge(x: Tensor, side: int = 64) -> Tensor:
    """To the side of a finished face, in whole pixels."""
    return x if x.shape[-1] == side else F.interpolate(x, scale_factor=side // x.shape[-1])
