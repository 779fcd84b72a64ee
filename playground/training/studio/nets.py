"""The networks a visitor trains: small enough to show something within a minute, or the shipped ones to go on with.

Each family is a `Pupil`: the family's own learner, whose networks, losses and files are those of the shipped models,
with what the page adds around it. What a training shows (samples, losses of pictures kept aside) is asked of the
pupil, never of the learner.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from playground import registry
from playground.models import gan, vae
from playground.models.autoregressive.learner import PixelLearner
from playground.models.autoregressive.pixelcnn import PixelCNN
from playground.models.energy.persistent import RBMLearner
from playground.models.energy.rbm import RBM
from playground.training.ema import average
from playground.training.recipe import Batch, Learner, Recipe, cosine, flat, shipped
from playground.training.studio.plan import NAMES, Plan

BATCH = {"vae": 64, "gan": 32, "diffusion": 16, "pixelcnn": 16, "rbm": 64}
SAMPLE = {  # how each family is asked for samples while it learns: fewer steps than its own tab would take
    "vae": {}, "gan": {}, "diffusion": {"steps": 12, "watch": False}, "pixelcnn": {"watch": False},
    "rbm": {"sweeps": 80, "watch": False},
}  # fmt: skip
GROWN = "Loss, squared error a pixel"  # of a growing network, since nats change with the number of pixels
LOSS = {  # what the loss on the charts is
    "vae": "Loss, nats a picture (a bound)",
    "gan": "Loss of the critic",
    "diffusion": "Loss, squared error of the noise",
    "pixelcnn": "Loss, nats a picture",
    "rbm": "Loss, squared error a picture",
}
PAPERS = {
    "vae": (2013, "arXiv:1312.6114"), "gan": (2014, "arXiv:1406.2661"), "diffusion": (2020, "arXiv:2006.11239"),
    "pixelcnn": (2016, "arXiv:1606.05328"), "rbm": (2008, "Tieleman, ICML 2008"),
}  # fmt: skip
FAMILY = {"vae": "vae", "gan": "gan", "diffusion": "diffusion", "pixelcnn": "autoregressive", "rbm": "energy"}
KNOWN = 0.3  # of the usual learning rate suits a network that already knows something
AVERAGE = 0.995  # decay of the VAE's averaged weights


class Pupil:
    """A learner and what the page adds: dropout, weight decay, frozen layers, averaging, samples, losses.

    Args:
        base: the family's learner. plan: what is asked for.
        model: the network that learns. shown: the one that is shown and saved (averaged, where the family averages).

    Attributes:
        modules, optimizers: of the learner, as `Run` wants them.
    """

    classes = 0  # kinds of picture that can be asked for

    def __init__(self, base: Learner, plan: Plan, model: nn.Module, shown: nn.Module) -> None:
        self.base, self.plan, self.model, self.shown = base, plan, model, shown
        self.modules, self.optimizers = base.modules, base.optimizers
        self._learning = False  # dropout is there only inside a step
        if plan.freeze:
            self._freeze()
        if plan.dropout:
            for module in self.dropped():
                module.register_forward_hook(self._drop)
        for optimizer in self.optimizers.values():
            for group in optimizer.param_groups:
                group["lr"] *= plan.rate * (KNOWN if plan.start == "checkpoint" else 1.0)

    # ------------------------------------------------------------------ what a family says of itself

    def early(self) -> Sequence[nn.Module]:
        """Layers that are kept as they are when a trained network learns something new."""
        raise NotImplementedError

    def dropped(self) -> Sequence[nn.Module]:
        """Modules whose outputs dropout is applied to."""
        raise NotImplementedError

    def losses(self, x: Tensor, y: Tensor) -> Tensor:
        """(N,) losses of pictures (N, C, H, W), with the same noise at every asking."""
        raise NotImplementedError

    # ------------------------------------------------------------------ learning

    def step(self, batch: Batch) -> dict[str, float]:
        """One update of the family's learner, and what the plan adds to it."""
        self._learning = True
        try:
            losses = self.base.step(batch)
        finally:
            self._learning = False
        if self.plan.decay:
            self._shrink()
        self._follow(batch)
        return losses

    def save(self, folder: Path) -> None:
        """Writes config and weights as the family's checkpoints have them."""
        self.base.save(folder)

    def sample(self, seeds: Sequence[int], labels: Tensor | None = None) -> Iterator[Tensor]:
        """Pictures in the making, (N, C, H, W) in [0, 1]; the last one is the result."""
        labels = labels if self.classes else None
        for frame in self.shown.sample(seeds, labels=labels, **SAMPLE[self.plan.what]):
            yield frame.images

    def _follow(self, batch: Batch) -> None:
        if not self.plan.ema and self.shown is not self.model:
            average(self.shown, self.model, 0.0, batch.seen)

    @torch.no_grad()
    def _shrink(self) -> None:
        """Decoupled weight decay (Loshchilov and Hutter 2019): θ ← θ − η·λ·θ, biases and gains left alone."""
        for optimizer in self.optimizers.values():
            for group in optimizer.param_groups:
                for p in group["params"]:
                    if p.dim() > 1 and p.requires_grad:
                        p.mul_(max(0.0, 1 - group["lr"] * self.plan.decay))

    def _drop(self, module: nn.Module, given: Any, out: Tensor) -> Tensor:
        return F.dropout(out, self.plan.dropout) if self._learning else out

    def _freeze(self) -> None:
        """Frozen layers leave the optimisers altogether: their moments would only take room."""
        early = [p.requires_grad_(False) for layer in self.early() for p in layer.parameters()]
        kept = {id(p) for p in early}
        for optimizer in self.optimizers.values():
            for group in optimizer.param_groups:
                group["params"] = [p for p in group["params"] if id(p) not in kept]


class VAEPupil(Pupil):
    """Encoder and decoder; averaged weights, which the family's own learner does not keep."""

    def __init__(self, model: vae.Autoencoder, plan: Plan, device: torch.device) -> None:
        base = vae.VAELearner(model, device, beta=5.0 if plan.data == "faces" else 1.0)
        shown = deepcopy(base.model).requires_grad_(False)
        base.modules = {**base.modules, "shown": shown}
        super().__init__(base, plan, base.model, shown)

    def early(self) -> Sequence[nn.Module]:
        """The encoder but for its last layer: what strokes look like."""
        return [layer for layer in _layers(self.model.encoder)[:-1]]

    def dropped(self) -> Sequence[nn.Module]:
        """Every hidden layer."""
        return [m for m in self.model.modules() if isinstance(m, (nn.GELU, nn.SiLU))]

    def losses(self, x: Tensor, y: Tensor) -> Tensor:
        """−bound of the pictures, nats: one draw of the latent each."""
        noise, net = torch.Generator().manual_seed(1), self.shown
        if net.pixels == "bernoulli":
            x = (torch.rand(x.shape, generator=noise).to(x.device) < x).float()
        mean, log_var = net._posterior(x)
        z = mean + torch.exp(0.5 * log_var) * torch.randn(mean.shape, generator=noise).to(x.device)
        return vae.kl_to_prior(mean, log_var).sum(1) - net._log_pixels(x, net.decoder(z))

    def save(self, folder: Path) -> None:
        """The averaged network."""
        self.shown.save_pretrained(str(folder))

    def _follow(self, batch: Batch) -> None:
        average(self.shown, self.model, AVERAGE if self.plan.ema else 0.0, batch.seen)


class GANPupil(Pupil):
    """Generator and critic; the loss of a picture is how little the critic prefers it to fakes."""

    def __init__(self, model: gan.GAN, plan: Plan, device: torch.device) -> None:
        calm = {"gamma": 2.0, "penalty_every": 4, "lr": 6e-4}
        options = calm if plan.data == "faces" else {"gamma": 1.0, "penalty_every": 8, "lr": 1e-3}
        if isinstance(model, gan.AttributeGAN):
            base = gan.AttributeGANLearner(model, device, shipped("reader-faces"), **options)
        else:
            base = gan.GANLearner(model, device, **options)
        self.classes = model.classes
        super().__init__(base, plan, model.generator, base.ema)
        self.gan = model

    def early(self) -> Sequence[nn.Module]:
        """The critic's convolutions (Mo et al. 2020) and the mapping."""
        return [*self.base.model.discriminator.down, self.base.model.generator.mapping]

    def dropped(self) -> Sequence[nn.Module]:
        """The critic's convolutions; the generator keeps its units."""
        return [*self.base.model.discriminator.down]

    def sample(self, seeds: Sequence[int], labels: Tensor | None = None) -> Iterator[Tensor]:
        """One picture per seed, by the averaged generator."""
        w = self.shown.map(*self.gan.parts(self.gan.latents(seeds), labels if self.classes else None))
        yield (self.shown.synthesise(w[:, None].expand(-1, self.shown.layers, -1)) / 2 + 0.5).clamp(0, 1)

    def losses(self, x: Tensor, y: Tensor) -> Tensor:
        """softplus(D(fake) − D(x)): it falls on pictures the critic has learned by heart, and rises on others."""
        labels = y if self.classes else None
        for fake in self.sample(range(len(x)), labels):
            made = fake
        judge = self.gan.discriminator
        return F.softplus(judge(2 * made - 1, labels) - judge(2 * x - 1, labels))


class DiffusionPupil(Pupil):
    """A U-Net; the loss is the squared error of v at sixteen levels of noise."""

    def __init__(self, model: nn.Module, plan: Plan, device: torch.device) -> None:
        from playground.models.diffusion import Diffusion, DiffusionLearner

        base = DiffusionLearner(model, device, lr=1.5e-3, decay=0.99)
        self.classes = model.classes
        shown = Diffusion(base.ema, model.schedule).to(device)
        super().__init__(base, plan, model.unet, shown)

    def early(self) -> Sequence[nn.Module]:
        """The first convolutions and what the network makes of t."""
        unet = self.model
        return [unet.conv_in, unet.time_embedding, unet.down_blocks[0]]

    def dropped(self) -> Sequence[nn.Module]:
        """Where its residual blocks have a place for it."""
        return [m for m in self.model.modules() if isinstance(m, nn.Dropout)]

    def losses(self, x: Tensor, y: Tensor) -> Tensor:
        """Squared error of v, at sixteen levels of noise in turn."""
        noise, net, n = torch.Generator().manual_seed(1), self.shown, len(x)
        t = ((torch.arange(n) % 16 + 0.5) / 16 * len(net.alpha_bar)).long().to(x.device)
        bar = net.alpha_bar[t].reshape(-1, 1, 1, 1)
        eps, x0 = torch.randn(x.shape, generator=noise).to(x.device), 2 * x - 1
        v = net.predict(bar.sqrt() * x0 + (1 - bar).sqrt() * eps, t, y if self.classes else None)
        return (v - (bar.sqrt() * eps - (1 - bar).sqrt() * x0)).square().flatten(1).mean(1)

    def _follow(self, batch: Batch) -> None:
        if not self.plan.ema:
            average(self.base.ema, self.model, 0.0, batch.seen)


class PixelPupil(Pupil):
    """A PixelCNN of black and white pixels; the loss is exact."""

    def __init__(self, model: PixelCNN, plan: Plan, device: torch.device) -> None:
        base = PixelLearner(model, device, lr=3e-3)
        self.classes = model.classes
        super().__init__(base, plan, base.model, base.averaged)

    def early(self) -> Sequence[nn.Module]:
        """The first convolutions and half of the gated layers."""
        net = self.model
        return [net.vertical, net.horizontal, *net.layers[: len(net.layers) // 2]]

    def dropped(self) -> Sequence[nn.Module]:
        """The last hidden layers."""
        return [m for m in self.model.head if isinstance(m, nn.SiLU)]

    def losses(self, x: Tensor, y: Tensor) -> Tensor:
        """−log p of black and white pictures, nats."""
        x = (torch.rand(x.shape, generator=torch.Generator().manual_seed(1)).to(x.device) < x).float()
        logits = self.shown._logits(x, y if self.classes else None, 0)
        return F.binary_cross_entropy_with_logits(logits, x, reduction="none").flatten(1).sum(1)


class RBMPupil(Pupil):
    """A Boltzmann machine; the loss is what half a sweep there and back gets wrong."""

    def __init__(self, model: RBM, plan: Plan, device: torch.device) -> None:
        base = RBMLearner(model, device, lr=0.02 if plan.start == "checkpoint" else 0.1, decay=0.99)
        super().__init__(base, plan, base.pcd.model, base.pcd.shadow)

    def early(self) -> Sequence[nn.Module]:
        """It has one layer only."""
        return []

    def dropped(self) -> Sequence[nn.Module]:
        """Its units are thrown by chance anyway."""
        return []

    def sample(self, seeds: Sequence[int], labels: Tensor | None = None) -> Iterator[Tensor]:
        """Fantasies of the averaged machine."""
        machine = self.base.pcd.finished()
        for frame in machine.sample(seeds, **SAMPLE["rbm"]):
            yield frame.images

    def losses(self, x: Tensor, y: Tensor) -> Tensor:
        """Pixels that half a sweep there and back gets wrong, squared."""
        v = (torch.rand(x.shape, generator=torch.Generator().manual_seed(1)).to(x.device) < x).float()
        return (self.shown.visible(self.shown.hidden(v)) - v).square().flatten(1).sum(1)


def recipe_of(plan: Plan, checkpoints: Path, count: int) -> Recipe:
    """The plan as a recipe for `Run`.

    Args:
        checkpoints: folder of the shipped ones. count: pictures there are to learn from; a step takes no more.
    """
    batch = min(BATCH[plan.what], max(4, count // 4 * 4))
    if plan.data == "faces":
        batch = min(batch, 16)
    year, paper = PAPERS[plan.what]
    steady = plan.start == "checkpoint" or plan.course != "all" or plan.what == "gan" or plan.grow
    return Recipe(
        name="own", family=FAMILY[plan.what], data="faces" if plan.data == "faces" else "mnist",
        learner=lambda device: pupil(plan, checkpoints, device), images=plan.updates * batch, batch=batch,
        rate=flat if steady else cosine, title=title(plan), summary=summary(plan), year=year, paper=paper,
        conditional=plan.what in ("gan", "diffusion", "pixelcnn") and plan.data != "faces",
    )  # fmt: skip


def loss_name(plan: Plan) -> str:
    """What the losses on the charts are."""
    return GROWN if plan.grow and plan.what == "vae" else LOSS[plan.what]


def title(plan: Plan) -> str:
    """Short, for a picker."""
    of = {"mnist": "digits", "faces": "faces", "drawings": "drawings"}[plan.data]
    return f"Own {NAMES[plan.what]} of {of}"


def summary(plan: Plan) -> str:
    """A sentence for the card."""
    of = {"mnist": f"{plan.pictures} digits", "faces": "drawn faces", "drawings": "a visitor's drawings"}[plan.data]
    begun = f"went on from {plan.checkpoint}" if plan.checkpoint else "began from noise"
    return f"A small {NAMES[plan.what]} that a visitor trained on {of} for {plan.updates} updates. It {begun}."


def pupil(plan: Plan, checkpoints: Path, device: torch.device) -> Pupil:
    """The plan's learner, with first weights from torch's own stream or from a checkpoint."""
    from playground.training.studio import grow

    if plan.grow:
        return grow.Grower(plan, device)
    model = _known(plan, checkpoints) if plan.checkpoint else _blank(plan)
    kinds: dict[str, Callable[..., Pupil]] = {
        "vae": VAEPupil, "gan": GANPupil, "diffusion": DiffusionPupil, "pixelcnn": PixelPupil, "rbm": RBMPupil,
    }  # fmt: skip
    return kinds[plan.what](model, plan, device)


def _known(plan: Plan, checkpoints: Path) -> nn.Module:
    """A fresh copy of the shipped network, free to learn."""
    return registry.load(registry.read_card(checkpoints / plan.checkpoint)).train().requires_grad_(True)


def _blank(plan: Plan) -> nn.Module:
    if plan.data == "faces":
        if plan.what == "vae":
            return vae.VAE((3, 64, 64), 32, "conv", FACE_WIDTHS, "gaussian")
        return gan.GAN((3, 64, 64), FACE_WIDTHS[::-1], FACE_WIDTHS[::-1], latent_size=32, classes=0, squash=True)
    if plan.what == "diffusion":
        from playground.models.diffusion import Diffusion, schedule, unet

        return Diffusion(unet(28, 1, (16, 32, 48), (False, False, False), 10), schedule(pixels=True))
    return {
        "vae": lambda: vae.VAE(latent_size=16, widths=(400, 200)),
        "gan": lambda: gan.GAN(widths=(64, 32), critic=(64, 24), latent_size=32),
        "pixelcnn": lambda: PixelCNN(channels=24, layers=5),
        "rbm": lambda: RBM(hidden=200),
    }[plan.what]()


FACE_WIDTHS = (16, 32, 48, 64)


def _layers(net: nn.Module) -> list[nn.Module]:
    """The innermost layers with weights, in order."""
    return [m for m in net.modules() if not list(m.children()) and list(m.parameters())]
