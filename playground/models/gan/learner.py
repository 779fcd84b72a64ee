"""How the two players learn: a step of D, a step of G, and now and then a penalty on steep gradients."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from playground.models.critic import disturbed, gradient_penalty
from playground.models.gan.network import GAN
from playground.training.ema import average
from playground.training.precision import mixed
from playground.training.recipe import Batch

AVERAGED = 4096  # styles whose mean is the mean style


def descend(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    """One clipped step of one player, whose weights are the optimiser's."""
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    nn.utils.clip_grad_norm_([p for group in optimizer.param_groups for p in group["params"]], 10.0)
    optimizer.step()


class GANLearner:
    """Alternating steps of D and G on the relativistic loss, R1 and R2 on every few steps of D.

    Args:
        few: the pictures are so few that D would learn them by heart: it sees them, and G's, disturbed.
        mixing: share of batches in which the styles of two draws are mixed. mapping: its rate, as a part of `lr`.
    """

    def __init__(
        self, model: GAN, device: torch.device, gamma: float, penalty_every: int, lr: float, decay: float = 0.9985,
        few: bool = False, mixing: float = 0.5, mapping: float = 0.2,
    ) -> None:  # fmt: skip
        self.gamma, self.penalty_every, self.decay, self.few, self.mixing = gamma, penalty_every, decay, few, mixing
        self.model = model.to(device, memory_format=torch.channels_last)
        g, d = model.generator, model.discriminator
        self.ema = deepcopy(g).requires_grad_(False)
        self.modules: dict[str, nn.Module] = {"model": model, "ema": self.ema}
        slow = [*g.mapping.parameters(), *g.labels.parameters()]
        rest = [p for name, p in g.named_parameters() if not name.startswith(("mapping", "labels"))]
        groups = [{"params": rest}, {"params": slow, "lr": mapping * lr}]
        self.optimizers: dict[str, torch.optim.Optimizer] = {
            "g": torch.optim.Adam(groups, lr, betas=(0.0, 0.99)),
            "d": torch.optim.Adam(d.parameters(), lr, betas=(0.0, 0.99)),
        }

    def step(self, batch: Batch) -> dict[str, float]:
        real = 2 * batch.x - 1
        fake, labels = self._fake(self._told(batch), batch)
        if self.few:
            real, fake = disturbed(real, batch.noise), disturbed(fake, batch.noise)
        losses = self._step_d(real, fake.detach(), labels, batch)
        losses |= self._step_g(real, fake, labels, batch.noise)
        average(self.ema, self.model.generator, self.decay, batch.seen)
        return losses

    def _told(self, batch: Batch) -> Tensor | None:
        """What both players are told of the pictures."""
        return batch.y if self.model.classes else None

    def _fake(self, labels: Tensor | None, batch: Batch) -> tuple[Tensor, Tensor | None]:
        """Pictures (N, C, H, W), and what D is told of them."""
        g = self.model.generator
        z = batch.normal(len(batch.x), g.latent_size)
        w = g.map(z, labels)
        self._remember_mean(w.detach().float(), labels)
        ws = w[:, None].expand(-1, g.layers, -1)
        if torch.rand((), generator=batch.noise) < self.mixing:  # style mixing, so that layers learn to stand alone
            other = batch.normal(len(batch.x), g.latent_size)
            cut = int(torch.randint(1, g.layers, (), generator=batch.noise))
            ws, labels = self._mixed(w, other, cut, labels)
        with mixed(z.device):
            return g.synthesise(ws).float(), labels

    def _mixed(self, w: Tensor, other: Tensor, cut: int, labels: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Styles of w before layer `cut` and of other noise, of the same class, from it on; what D is told."""
        return self.model.mix(w, self.model.generator.map(other, labels), cut), labels

    def _judge(self, x: Tensor, labels: Tensor | None) -> tuple[Tensor, Tensor]:
        """Logits (N,) and the features they come from."""
        d = self.model.discriminator
        with mixed(x.device):
            h = d.look(x)
            return d.verdict(h, labels).float(), h.float()

    def _step_d(self, real: Tensor, fake: Tensor, labels: Tensor | None, batch: Batch) -> dict[str, float]:
        (on_real, h), (on_fake, _) = self._judge(real, labels), self._judge(fake, labels)
        game = F.softplus(on_fake - on_real).mean()
        losses = {"d": game.item()}
        loss = game + self._misread(h, labels, losses)
        if batch.step % self.penalty_every == 0:  # rarely, and then for all the steps in between
            d = self.model.discriminator
            penalty = gradient_penalty(d, real, labels) + gradient_penalty(d, fake, labels)
            loss = loss + self.penalty_every * self.gamma / 2 * penalty
            losses["penalty"] = penalty.item()
        descend(self.optimizers["d"], loss)
        middle = (on_real.mean() + on_fake.mean()).detach() / 2
        self.model.verdict_zero.lerp_(middle, 0.01)
        return losses

    def _step_g(
        self, real: Tensor, fake: Tensor, labels: Tensor | None, noise: torch.Generator
    ) -> dict[str, float]:
        d = self.model.discriminator.requires_grad_(False)
        with torch.no_grad():
            on_real, _ = self._judge(real, labels)
        on_fake, h = self._judge(fake, labels)
        game = F.softplus(on_real - on_fake).mean()
        losses = {"g": game.item()}
        descend(self.optimizers["g"], game + self._missed(fake, h, labels, losses, noise))
        d.requires_grad_(True)
        return losses

    def _misread(self, h: Tensor, labels: Tensor | None, losses: dict[str, float]) -> Tensor | float:
        """A further loss of D on the features h of real pictures, written down by name; here there is none."""
        return 0.0

    def _missed(
        self, fake: Tensor, h: Tensor, labels: Tensor | None, losses: dict[str, float], noise: torch.Generator
    ) -> Tensor | float:
        """A further loss of G on what it made, in which D found the features h; here there is none."""
        return 0.0

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
        """Writes the averaged generator with its own mean style, and D as it stands, in half precision."""
        finished = deepcopy(self.model)
        finished.generator.load_state_dict(self.ema.state_dict())
        for k in range(len(finished.w_mean)):
            finished.w_mean[k] = self._mean_style(finished, k)
        finished.half().save_pretrained(str(folder))

    def _mean_style(self, model: GAN, k: int) -> Tensor:
        """(d,): mean of many styles, of class k."""
        z = torch.randn(AVERAGED, model.latent_size, generator=torch.Generator().manual_seed(k))
        z = z.to(model.w_mean.device)
        labels = torch.full((len(z),), k, device=z.device) if model.classes else None
        return model.generator.map(z, labels).mean(0)
