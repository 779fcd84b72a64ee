"""Progressive growing: first tiny pictures, then finer layers are faded in, one resolution after another.

At 8 × 8 a face is a blob of skin and hair, and that is learned in seconds. Then a network with one more layer takes
over what the small one knows, and while it is faded in,

    picture = (1 − α) · enlarge(small network's picture) + α · large network's picture,      α from 0 to 1,

so that nothing learned is lost in a jump. The layers they have in common are copied; unlike in the paper, the small
network's own copies go on learning until it has faded out.

Karras et al., "Progressive growing of GANs", 2017 (arXiv:1710.10196).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from playground.api import PlaygroundError
from playground.models import gan, vae
from playground.models.critic import Discriminator, gradient_penalty
from playground.models.gan.learner import descend
from playground.sampling import normal
from playground.training.ema import average
from playground.training.recipe import Batch
from playground.training.studio.nets import AVERAGE, FACE_WIDTHS, Pupil
from playground.training.studio.plan import Plan

SIDES = (8, 16, 32, 64)
STARTS = (0.0, 0.12, 0.3, 0.55)  # fraction of the run at which each begins: finer layers need longer
FADE = 0.1  # fraction of the run in which a network is faded in
LATENT = 32
BETA, GAMMA, PENALTY_EVERY = 5.0, 2.0, 4


class Stage(nn.Module):
    """Where the growing stands: number of the stage, and α of its network."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("number", torch.zeros((), dtype=torch.int64))
        self.register_buffer("alpha", torch.ones(()))


class Growth:
    """What both families share: networks of four sizes, their averages, and which two of them are in use.

    Args:
        nets: one network per side of `SIDES`. device: where they learn.
    """

    def __init__(self, nets: Sequence[nn.Module], device: torch.device) -> None:
        self.nets = [net.to(device) for net in nets]
        self.shown = [deepcopy(net).requires_grad_(False) for net in self.nets]
        self.stage = Stage().to(device)
        self.modules: dict[str, nn.Module] = {"stage": self.stage}
        self.modules |= {f"net{s}": net for s, net in zip(SIDES, self.nets)}
        self.modules |= {f"shown{s}": net for s, net in zip(SIDES, self.shown)}
        self.optimizers: dict[str, torch.optim.Optimizer] = {}
        self.decay = AVERAGE

    @property
    def number(self) -> int:
        """0 … 3, the stage."""
        return int(self.stage.number)

    def advance(self, done: float) -> None:
        """Sets stage and α for a fraction of the run; at the start of a stage the new network inherits."""
        now = sum(done >= start for start in STARTS) - 1
        while self.number < now:
            k = self.number + 1
            self.inherit(self.nets[k - 1], self.nets[k])
            self.shown[k].load_state_dict(self.nets[k].state_dict())
            self.stage.number.fill_(k)
        self.stage.alpha.fill_(1.0 if now == 0 else min(1.0, (done - STARTS[now]) / FADE))

    def pooled(self, x: Tensor, smaller: int = 0) -> Tensor:
        """Pictures (N, 3, 64, 64) at the side of this stage, or of one `smaller`."""
        return F.avg_pool2d(x, 64 // SIDES[self.number - smaller])

    def mixed(self, nets: Sequence[nn.Module], task: Callable[[nn.Module, bool], Tensor]) -> Tensor:
        """`task(net, small)` of this stage's network, faded with that of the one before.

        `small` says that the network is the one before; the task brings both results to one shape.
        """
        alpha = float(self.stage.alpha)
        large = task(nets[self.number], False)
        return large if alpha >= 1 else torch.lerp(task(nets[self.number - 1], True), large, alpha)

    def follow(self, seen: int) -> None:
        """The averages of the two networks in use."""
        for k in {max(0, self.number - 1), self.number}:
            average(self.shown[k], self.nets[k], self.decay, seen)

    def ripe(self) -> bool:
        """Whether the largest network has been faded in wholly."""
        return self.number == len(SIDES) - 1 and float(self.stage.alpha) >= 1

    def inherit(self, small: nn.Module, large: nn.Module) -> None:
        """Copies what the two have in common."""
        raise NotImplementedError

    def step(self, batch: Batch) -> dict[str, float]:
        """One update at the present stage."""
        raise NotImplementedError

    def sample(self, z: Tensor) -> Tensor:
        """(N, 32) latents → pictures (N, 3, 64, 64), enlarged while they are smaller."""
        raise NotImplementedError

    def losses(self, x: Tensor) -> Tensor:
        """(N,) losses of pictures (N, 3, 64, 64)."""
        raise NotImplementedError


class VAEGrowth(Growth):
    """The bound at every size; latents keep their meaning, so a face grows sharper from the same z."""

    def __init__(self, device: torch.device) -> None:
        nets = [vae.VAE((3, s, s), LATENT, "conv", FACE_WIDTHS[-k:], "gaussian") for k, s in enumerate(SIDES, 1)]
        super().__init__(nets, device)
        self.optimizers = {"nets": torch.optim.Adam([p for net in self.nets for p in net.parameters()], 1e-3)}

    def inherit(self, small: nn.Module, large: nn.Module) -> None:
        """The encoder from its end, the decoder from its beginning."""
        copy_common(_leaves(small.encoder)[::-1], _leaves(large.encoder)[::-1])
        copy_common(_leaves(small.decoder), _leaves(large.decoder))

    def step(self, batch: Batch) -> dict[str, float]:
        self.advance(batch.done)
        x, net = self.pooled(batch.x), self.nets[self.number]
        mean, log_var = self._posterior(self.nets, batch.x)
        z = mean + torch.exp(0.5 * log_var) * batch.normal(*mean.shape)
        logits = self._logits(self.nets, z)
        error = (x - torch.sigmoid(logits.detach())).square().mean()
        net.log_sigma_x.copy_(0.5 * error.log())
        kl = vae.kl_to_prior(mean, log_var).sum(1).mean()
        loss = kl * BETA * min(1.0, batch.done / 0.1 + 0.01) - net._log_pixels(x, logits).mean()
        optimizer = self.optimizers["nets"]
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_([p for group in optimizer.param_groups for p in group["params"]], 1000.0)
        optimizer.step()
        self.follow(batch.seen)
        return {"loss": loss.item(), "error": error.item(), "kl": kl.item()}

    def sample(self, z: Tensor) -> Tensor:
        """Decoded means."""
        return enlarge(torch.sigmoid(self._logits(self.shown, z.to(self.stage.alpha.device))))

    def losses(self, x: Tensor) -> Tensor:
        """Squared error of a pixel, through the mean of the code."""
        mean, _ = self._posterior(self.shown, x)
        return (torch.sigmoid(self._logits(self.shown, mean)) - self.pooled(x)).square().flatten(1).mean(1)

    def save(self, folder: Path) -> None:
        """The averaged largest network."""
        self.shown[-1].save_pretrained(str(folder))

    def _posterior(self, nets: Sequence[nn.Module], x: Tensor) -> tuple[Tensor, Tensor]:
        both = self.mixed(nets, lambda net, small: torch.cat(net._posterior(self.pooled(x, small)), 1))
        return tuple(both.chunk(2, 1))

    def _logits(self, nets: Sequence[nn.Module], z: Tensor) -> Tensor:
        return self.mixed(nets, lambda net, small: doubled(net.decoder(z)) if small else net.decoder(z))


class GANGrowth(Growth):
    """The relativistic game at every size; generator and critic fade together."""

    def __init__(self, device: torch.device, lr: float = 1e-3) -> None:
        widths = [FACE_WIDTHS[-k:][::-1] for k in range(1, len(SIDES) + 1)]
        nets = [gan.GAN((3, s, s), w, w, LATENT, classes=0, squash=True) for s, w in zip(SIDES, widths)]
        super().__init__(nets, device)
        for name, part in (("g", "generator"), ("d", "discriminator")):
            weights = [p for net in self.nets for p in getattr(net, part).parameters()]
            self.optimizers[name] = torch.optim.Adam(weights, lr, betas=(0.0, 0.99))

    def inherit(self, small: nn.Module, large: nn.Module) -> None:
        """Mapping, constant and coarse layers of G; D from its end."""
        g, h = small.generator, large.generator
        h.mapping.load_state_dict(g.mapping.state_dict())
        h.labels.load_state_dict(g.labels.state_dict())
        with torch.no_grad():
            h.constant.copy_(g.constant)
        for a, b in zip(g.convs, h.convs):
            if a.weight.shape != b.weight.shape or a.up != b.up:
                break
            b.load_state_dict(a.state_dict())
        copy_common(_leaves(small.discriminator)[::-1], _leaves(large.discriminator)[::-1])

    def step(self, batch: Batch) -> dict[str, float]:
        self.advance(batch.done)
        real = 2 * self.pooled(batch.x) - 1
        fake = self._draw(self.nets, batch.normal(len(real), LATENT))
        on_real, on_fake = self._judge(real), self._judge(fake.detach())
        loss_d = F.softplus(on_fake - on_real).mean()
        total = loss_d
        if (batch.seen // len(real)) % PENALTY_EVERY == 0:
            penalty = gradient_penalty(self._critic, real, None) + gradient_penalty(self._critic, fake, None)
            total = total + PENALTY_EVERY * GAMMA / 2 * penalty
        descend(self.optimizers["d"], total)
        for net in self.nets:
            net.discriminator.requires_grad_(False)
        loss_g = F.softplus(self._judge(real) - self._judge(fake)).mean()
        descend(self.optimizers["g"], loss_g)
        for net in self.nets:
            net.discriminator.requires_grad_(True)
        self.follow(batch.seen)
        return {"d": loss_d.item(), "g": loss_g.item()}

    def sample(self, z: Tensor) -> Tensor:
        """Pictures of the averaged generators."""
        return enlarge((self._draw(self.shown, z.to(self.stage.alpha.device)) / 2 + 0.5).clamp(0, 1))

    def losses(self, x: Tensor) -> Tensor:
        """softplus(D(fake) − D(x)), as in `GANPupil`."""
        fake = self._draw(self.shown, normal(range(len(x)), (LATENT,)).to(x.device))
        return F.softplus(self._judge(fake) - self._judge(2 * self.pooled(x) - 1))

    def save(self, folder: Path) -> None:
        """The averaged generator of the largest network, its critic and its mean style."""
        finished = self.shown[-1]
        z = torch.randn(4096, LATENT, generator=torch.Generator().manual_seed(0)).to(finished.w_mean.device)
        with torch.no_grad():
            finished.w_mean[0] = finished.generator.map(z, None).mean(0)
        finished.save_pretrained(str(folder))

    def _draw(self, nets: Sequence[nn.Module], z: Tensor) -> Tensor:
        def made(net: nn.Module, small: bool) -> Tensor:
            g = net.generator
            picture = g.synthesise(g.map(z, None)[:, None].expand(-1, g.layers, -1))
            return doubled(picture) if small else picture

        return self.mixed(nets, made)

    def _judge(self, x: Tensor) -> Tensor:
        return self.mixed(self.nets, lambda net, small: net.discriminator(F.avg_pool2d(x, 2) if small else x))

    def _critic(self, x: Tensor, labels: Tensor | None) -> Tensor:
        return self._judge(x)


class Grower(Pupil):
    """The pupil around a growth."""

    base: Growth

    def __init__(self, plan: Plan, device: torch.device) -> None:
        base = VAEGrowth(device) if plan.what == "vae" else GANGrowth(device)
        base.decay = AVERAGE if plan.ema else 0.0
        super().__init__(base, plan, base.nets[-1], base.shown[-1])

    def early(self) -> Sequence[nn.Module]:
        """Nothing is known already."""
        return []

    def dropped(self) -> Sequence[nn.Module]:
        """Hidden layers of the VAEs, or convolutions of the critics, of every size."""
        inside = [m for net in self.base.nets for m in net.modules()]
        if self.plan.what == "vae":
            return [m for m in inside if isinstance(m, nn.SiLU)]
        return [m for d in inside if isinstance(d, Discriminator) for m in d.down]

    def sample(self, seeds: Sequence[int], labels: Tensor | None = None) -> Iterator[Tensor]:
        """The same latents at every size."""
        yield self.base.sample(normal(seeds, (LATENT,)))

    def losses(self, x: Tensor, y: Tensor) -> Tensor:
        """Those of the growth."""
        return self.base.losses(x)

    def save(self, folder: Path) -> None:
        """The largest network, once it is there.

        Raises:
            PlaygroundError: it has not been faded in yet.
        """
        if not self.base.ripe():
            side = SIDES[self.base.number]
            raise PlaygroundError(
                f"The network has only grown to {side} × {side} pixels so far; a checkpoint of faces has 64 × 64. "
                "Let the training go on to its end."
            )
        self.base.save(folder)

    def _follow(self, batch: Batch) -> None:
        pass  # the growth averages by itself


def copy_common(small: Sequence[nn.Module], large: Sequence[nn.Module]) -> int:
    """Copies layer by layer as long as they are of one kind and size; returns how many were."""
    count = 0
    for a, b in zip(small, large):
        fits = type(a) is type(b) and all(p.shape == q.shape for p, q in zip(a.parameters(), b.parameters()))
        if not fits:
            break
        b.load_state_dict(a.state_dict())
        count += 1
    return count


def doubled(x: Tensor) -> Tensor:
    """Twice the side, every pixel four times."""
    return F.interpolate(x, scale_factor=2)


def enlarge(x: Tensor, side: int = 64) -> Tensor:
    """To the side of a finished face, in whole pixels."""
    return x if x.shape[-1] == side else F.interpolate(x, scale_factor=side // x.shape[-1])


def _leaves(net: nn.Module) -> list[nn.Module]:
    return [m for m in net.modules() if not list(m.children()) and list(m.parameters())]
