"""One or two looks instead of fifty: a student that jumps where its teacher walked.

The teacher's deterministic path (DDIM's differential equation) leads every noise x_T to one picture, so there is a
function from any point of a path to its end,

    f(x_t, t) = α_t x_t − σ_t v(x_t, t) ≈ x_0,

and the student, which starts with the teacher's weights, learns it at two levels only. One look goes from T; two go
from T, are noised again to the middle level, and go from there (the consistency models' sampler, which diffusers
calls `LCMScheduler`). Two lessons are mixed:

* *Pairs.* The teacher walks some noises to their ends; the student is shown where to jump, ‖f(x_t, t) − x_0‖².
  A mean over what it cannot tell apart would be blurred, therefore
* *The game.* A small critic compares the student's jumps with real pictures (relativistic pairing, R1 and R2, as for
  `playground.models.gan`), on fresh noise as well.

So this is no pure consistency distillation: it also sees the training pictures. The data set's classifier, which
measures the distance to real pictures, has no part in it.

Luhman and Luhman, "Knowledge distillation in iterative generative models", 2021 (pairs); Song et al., "Consistency
models", 2023 (jumps from two levels); Sauer et al., "Adversarial diffusion distillation", 2023; Kang et al.,
"Distilling diffusion models into conditional GANs", 2024 (pairs and a critic).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from playground.api import Field, Frame
from playground.models.critic import Discriminator, gradient_penalty
from playground.models.diffusion.learners import descend
from playground.models.diffusion.network import WATCH, Denoiser, Diffusion, Settings
from playground.training.ema import average
from playground.training.precision import mixed
from playground.training.recipe import Batch

LEVELS = (999, 499)  # t of the first and of the second look
STEPS = Field("steps", "int", 2, 1, len(LEVELS), 1, label="Looks", info="How many times the network looks: 1 or 2.")
WALK = Settings("DPM-Solver++", steps=16, guidance=1.5, watch=False)  # the teacher's way, which passes both levels


class Student(Denoiser):
    """A denoiser that knows two levels only, and jumps from each straight to a picture."""

    def __init__(self, unet: nn.Module, schedule: dict[str, Any], autoencoder: nn.Module | None = None) -> None:
        super().__init__(unet, schedule, autoencoder)
        self.controls = (STEPS, WATCH)

    def sample(
        self, seeds: Sequence[int], *, latents: Tensor | None = None, labels: Tensor | None = None,
        steps: int = STEPS.default, watch: bool = True,
    ) -> Iterator[Frame]:  # fmt: skip
        """From pure noise to pictures in one look or two; a class that is not given is seed mod K."""
        if labels is None and self.classes:
            labels = torch.tensor([seed % self.classes for seed in seeds])
        return super().sample(seeds, latents=latents, labels=labels, steps=steps, watch=watch)

    def scheduler(self, settings: Settings) -> Any:
        """Jumps, and fresh noise between them."""
        import diffusers

        scheduler = diffusers.LCMScheduler.from_config(self.schedule)
        scheduler.set_timesteps(timesteps=list(LEVELS[: settings.steps]), device=self.device)
        return scheduler


class Pairs(nn.Module):
    """Ends of the teacher's paths, oldest overwritten first; part of the training state.

    Buffers hold float16 (K, M, C, h, w) per class (K = 1 without): where the path was at each of `LEVELS`, and its end.
    """

    def __init__(self, classes: int, rows: int, shape: Sequence[int]) -> None:
        super().__init__()
        for name in ("first", "second", "end"):
            self.register_buffer(name, torch.zeros(classes, rows, *shape, dtype=torch.float16))
        self.register_buffer("written", torch.zeros((), dtype=torch.int64))  # rows so far

    def add(self, first: Tensor, second: Tensor, end: Tensor) -> None:
        """One more row per class, from (K, C, h, w) each."""
        row = int(self.written) % self.end.shape[1]
        for buffer, value in ((self.first, first), (self.second, second), (self.end, end)):
            buffer[:, row] = value.half()
        self.written += 1

    def draw(self, classes: Tensor, second: Tensor, noise: torch.Generator) -> tuple[Tensor, Tensor]:
        """(x_t, x_0) of one path per class in int64 (N,), at the second level where bool (N,) `second` says so."""
        rows = torch.randint(min(int(self.written), self.end.shape[1]), classes.shape, generator=noise)
        rows = rows.to(classes.device)
        x_t = torch.where(second[:, None, None, None], self.second[classes, rows], self.first[classes, rows])
        return x_t.float(), self.end[classes, rows].float()


class StudentLearner:
    """Half of a batch are pairs of the teacher's, half are fresh; the critic sees both.

    Args:
        teacher: whose weights the student starts with, and whose paths it learns.
        critic: channels per resolution of the critic, coarse to fine. gamma: weight of its gradient penalty.
        fidelity: weight of the pairs beside the game. rows: paths kept per class. every: steps between two walks.
    """

    PENALTY_EVERY = 4
    SECOND = 3  # one in three jumps starts at the second level
    ALONE = 0.1  # part of the run over which the game comes to its full weight

    def __init__(
        self, teacher: Diffusion, device: torch.device, lr: float, critic: Sequence[int], gamma: float = 1.0,
        fidelity: float = 10.0, rows: int = 256, every: int = 12, decay: float = 0.998,
    ) -> None:  # fmt: skip
        self.teacher = teacher.to(device, memory_format=torch.channels_last)
        self.gamma, self.fidelity, self.every, self.decay = gamma, fidelity, every, decay
        unet = deepcopy(teacher.unet).requires_grad_(True).train()
        self.model = Student(unet, _jumping(teacher.schedule), teacher.autoencoder)
        self.ema = deepcopy(unet).requires_grad_(False)
        shape = teacher.latent_shape
        self.critic = Discriminator(shape, critic, teacher.classes).to(device, memory_format=torch.channels_last)
        self.pairs = Pairs(max(1, teacher.classes), rows, shape).to(device)
        self.modules: dict[str, nn.Module] = {
            "unet": unet, "ema": self.ema, "critic": self.critic, "pairs": self.pairs,
        }  # fmt: skip
        self.optimizers: dict[str, torch.optim.Optimizer] = {
            "unet": torch.optim.Adam(unet.parameters(), lr, betas=(0.0, 0.99)),
            "critic": torch.optim.Adam(self.critic.parameters(), 1e-3, betas=(0.0, 0.99)),
        }

    def step(self, batch: Batch) -> dict[str, float]:
        if batch.step % self.every == 0:
            self._walk(batch)
        with torch.no_grad(), mixed(batch.x.device):
            real = self.model.to_latents(batch.x).float()
        labels = batch.y if self.model.classes else None
        x_t, second, ends = self._questions(real, batch)
        fake = self._jump(x_t, second, labels)
        losses = self._judge(real, fake.detach(), labels, penalised=batch.step % self.PENALTY_EVERY == 0)
        return losses | self._learn(real, fake, ends, labels, batch)

    @torch.no_grad()
    def _walk(self, batch: Batch) -> None:
        """The teacher takes some noises of every class to their ends."""
        classes, times = max(1, self.model.classes), 1 if self.model.classes else len(batch.x)
        x = batch.normal(classes * times, *self.model.latent_shape)
        labels = torch.arange(classes, device=x.device).repeat(times) if self.model.classes else None
        first, places = x, {}
        with mixed(x.device):
            for frame in self.teacher.denoise(x, [], labels, WALK):
                places[int(frame.info["t"])] = frame.state
        path = [part.unflatten(0, (times, classes)) for part in (first, places[LEVELS[1]], places[0])]
        for row in zip(*path):
            self.pairs.add(*row)

    def _questions(self, real: Tensor, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        """x_t (N, C, h, w), whether each is at the second level (N,), and where the first N/2 of them have to end."""
        n, half = len(real), len(real) // 2
        second = (torch.arange(n) % self.SECOND == self.SECOND - 1).to(real.device)
        classes = batch.y[:half] if self.model.classes else torch.zeros(half, dtype=torch.int64, device=real.device)
        known, ends = self.pairs.draw(classes, second[:half], batch.noise)
        noise = batch.normal(*real[half:].shape)
        middle = self.model.noised(real[half:], LEVELS[1], noise)
        return torch.cat([known, torch.where(second[half:, None, None, None], middle, noise)]), second, ends

    def _jump(self, x_t: Tensor, second: Tensor, labels: Tensor | None) -> Tensor:
        """f(x_t, t), (N, C, h, w)."""
        t = torch.where(second, LEVELS[1], LEVELS[0])
        asked = {} if labels is None else {"class_labels": labels}
        with mixed(x_t.device):
            v = self.model.unet(x_t.contiguous(memory_format=torch.channels_last), t, **asked).sample.float()
        bar = self.model.alpha_bar[t].reshape(-1, 1, 1, 1)
        return bar.sqrt() * x_t - (1 - bar).sqrt() * v

    def _verdict(self, x: Tensor, labels: Tensor | None) -> Tensor:
        with mixed(x.device):
            return self.critic(x, labels).float()

    def _judge(self, real: Tensor, fake: Tensor, labels: Tensor | None, penalised: bool) -> dict[str, float]:
        """One step of the critic."""
        loss = F.softplus(self._verdict(fake, labels) - self._verdict(real, labels)).mean()
        losses = {"d": loss.item()}
        if penalised:
            penalty = gradient_penalty(self.critic, real, labels) + gradient_penalty(self.critic, fake, labels)
            loss = loss + self.PENALTY_EVERY * self.gamma / 2 * penalty
            losses["penalty"] = penalty.item()
        descend(self.optimizers["critic"], loss, self.critic)
        return losses

    def _learn(
        self, real: Tensor, fake: Tensor, ends: Tensor, labels: Tensor | None, batch: Batch
    ) -> dict[str, float]:
        """One step of the student."""
        critic = self.critic.requires_grad_(False)
        with torch.no_grad():
            on_real = self._verdict(real, labels)
        game = F.softplus(on_real - self._verdict(fake, labels)).mean()
        apart = F.mse_loss(fake[: len(ends)], ends)
        share = min(1.0, batch.done / self.ALONE)  # the pairs go first: far from any picture there is no game to win
        descend(self.optimizers["unet"], self.fidelity * apart + share * game, self.model.unet)
        critic.requires_grad_(True)
        average(self.ema, self.model.unet, self.decay, batch.seen)
        return {"pairs": apart.item(), "g": game.item()}

    def save(self, folder: Path) -> None:
        """A pipeline folder as the teacher's, with the averaged weights and the scheduler that jumps."""
        import diffusers

        scheduler = diffusers.LCMScheduler.from_config(self.model.schedule)
        if self.model.autoencoder is None:
            pipeline = diffusers.DDIMPipeline(self.ema, scheduler)
        else:
            unet = deepcopy(self.ema).half()
            pipeline = diffusers.LDMPipeline(vqvae=self.model.autoencoder, unet=unet, scheduler=scheduler)
        pipeline.save_pretrained(folder)
        scheduler.save_pretrained(folder / "scheduler")  # the pipeline would write the one that walks
        for part in folder.glob("*/config.json"):
            _forget_origin(part)


def _forget_origin(config: Path) -> None:
    """Takes out where on this machine the teacher was opened from, which diffusers notes."""
    kept = json.loads(config.read_text(encoding="utf-8"))
    kept.pop("_name_or_path", None)
    config.write_text(json.dumps(kept, indent=2) + "\n", encoding="utf-8")


def _jumping(schedule: dict[str, Any]) -> dict[str, Any]:
    """The teacher's levels of noise in the scheduler that jumps."""
    import diffusers

    kept = {key: value for key, value in schedule.items() if not key.startswith("_")}
    return dict(diffusers.LCMScheduler.from_config(kept).config) | {"_class_name": "LCMScheduler"}
