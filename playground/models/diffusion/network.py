"""The network that sees noise, and the loop that lowers it step by step.

A `Denoiser` is a U-Net with its noise schedule and, for latent diffusion, an autoencoder; a `Diffusion` is one that
knows every level, so that it can go on from anywhere, edit a picture and mend one. The symbols are those of the
package's opening: x_t = α_t x_0 + σ_t ε with α_t² + σ_t² = 1.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from playground.api import Field, Frame, PlaygroundError
from playground.sampling import generators, normal

SCHEDULERS: dict[str, tuple[str, dict[str, Any]]] = {  # name shown → diffusers class, what differs from its config
    "DDIM": ("DDIMScheduler", {}),
    "DDPM": ("DDPMScheduler", {}),
    "Euler": ("EulerDiscreteScheduler", {}),
    "Euler ancestral": ("EulerAncestralDiscreteScheduler", {}),
    "Heun": ("HeunDiscreteScheduler", {}),
    "DPM-Solver++": ("DPMSolverMultistepScheduler", {"algorithm_type": "dpmsolver++"}),
    "SDE-DPM-Solver++": ("DPMSolverMultistepScheduler", {"algorithm_type": "sde-dpmsolver++"}),
    "UniPC": ("UniPCMultistepScheduler", {}),
    "DEIS": ("DEISMultistepScheduler", {}),
    "LMS": ("LMSDiscreteScheduler", {}),
}
REPAIR_STEPS, REPAIR_ROUNDS = 50, 3

STEPS = Field("steps", "int", 30, 1, 100, 1, label="Steps", info="How many times the network looks at the picture.")
SCHEDULER = Field(
    "scheduler", "choice", "DDIM", choices=tuple(SCHEDULERS), label="Scheduler",
    info="The rule that turns the network's guess into the next, less noisy picture.",
)  # fmt: skip
GUIDANCE = Field(
    "guidance", "float", 1.5, 0.0, 10.0, 0.1, label="Guidance",
    info="1 follows the class as learned, more exaggerates it, 0 ignores it.",
)  # fmt: skip
ETA = Field("eta", "float", 0.0, 0.0, 1.0, 0.05, label="η", info="DDIM only: fresh noise per step; 1 is DDPM's share.")
WATCH = Field("watch", "bool", True, label="Keep every step", info="Off: only the result is decoded, a little faster.")


@dataclass(frozen=True)
class Settings:
    """How to denoise; the fields are the model's controls."""

    scheduler: str = "DDIM"
    steps: int = 30
    guidance: float = 1.0
    eta: float = 0.0
    watch: bool = True


class Denoiser(nn.Module):
    """A U-Net, a noise schedule and, for latent diffusion, an autoencoder.

    Args:
        unet: diffusers UNet2DModel; `num_class_embeds` = K + 1, the last one meaning "no class".
        schedule: the folder's scheduler config. autoencoder: diffusers AutoencoderDC, or None to work in pixels.
    """

    def __init__(self, unet: nn.Module, schedule: dict[str, Any], autoencoder: nn.Module | None = None) -> None:
        super().__init__()
        self.unet, self.schedule, self.autoencoder = unet, schedule, autoencoder
        size, channels = unet.config.sample_size, unet.config.in_channels
        self.latent_shape = self.shape = (channels, size, size)
        if autoencoder is not None:
            enlarged = size * 2 ** (len(autoencoder.config.decoder_block_out_channels) - 1)
            self.shape = (autoencoder.config.in_channels, enlarged, enlarged)
        self.classes = (unet.config.num_class_embeds or 1) - 1
        self.controls = (SCHEDULER, STEPS, *([GUIDANCE] if self.classes else []), ETA, WATCH)
        self.register_buffer("alpha_bar", _alpha_bar(schedule), persistent=False)  # (1000,) ᾱ_t

    # ---- sampling -------------------------------------------------------------------------------------------------

    def latents(self, seeds: Sequence[int]) -> Tensor:
        """x_T: the first noise each seed draws, (N, C, h, w)."""
        return normal(seeds, self.latent_shape)

    def sample(
        self,
        seeds: Sequence[int],
        *,
        latents: Tensor | None = None,
        labels: Tensor | None = None,
        **controls: Any,
    ) -> Iterator[Frame]:
        """From pure noise to pictures: one frame before each network call, and the result."""
        streams = generators(seeds)
        first = normal(streams, self.latent_shape)  # drawn even if replaced: the streams must stand where they would
        x = first if latents is None else latents
        return self.denoise(x.to(self.device), streams, labels, Settings(**controls))

    def denoise(
        self,
        x: Tensor,
        streams: Sequence[torch.Generator],
        labels: Tensor | None,
        settings: Settings,
        start: int | None = None,
    ) -> Iterator[Frame]:
        """Goes on from x_t to a picture.

        Args:
            x: (N, C, h, w), x_t in the variance-preserving convention of the opening.
            streams: one generator per sample, for schedulers that add noise.
            labels: int64 (N,) or None. start: the t of x (0…999); None means pure noise.

        Yields:
            Frames whose views are "x_t", "x0" (predicted clean picture) and "eps" (predicted noise), whose `state` is
            x_t, and whose info holds t, alpha, sigma and the number of network calls so far.
        """
        scheduler = self.scheduler(settings)
        begin = 0 if start is None else _first_at_or_below(scheduler, start)
        timesteps = scheduler.timesteps[begin:]
        calls = 0
        if start is not None and int(timesteps[0]) != start:  # the new grid has no such t: one exact DDIM step there
            x, calls = self._bridge(x, start, int(timesteps[0]), labels, settings), self._cost(settings)
        _begin_at(scheduler, begin)
        x = _into(scheduler, x, timesteps[0])
        total = sum(1 for i in range(len(timesteps)) if _shown(scheduler, i)) + 1
        step = 0
        for i, t in enumerate(timesteps):
            x_t = scheduler.scale_model_input(x, t)
            v = self.predict(x_t, t, labels, settings.guidance)
            calls += self._cost(settings)
            if _shown(scheduler, i):
                step += 1
                yield self._frame(x_t, v, float(t), step, total, calls, settings.watch)
            x = scheduler.step(v, t, x, **_extras(scheduler, settings, streams)).prev_sample
        image = self.to_pixels(x)
        lanes = {"x_t": image, "x0": image, "eps": torch.full_like(image, 0.5)} if settings.watch else {}
        yield Frame(image, total, total, lanes, x, {"t": 0.0, "alpha": 1.0, "sigma": 0.0, "calls": calls})

    def predict(self, x_t: Tensor, t: Tensor | int, labels: Tensor | None, guidance: float = 1.0) -> Tensor:
        """The guided v of the network at x_t, same shape."""
        if not self.classes:
            return self.unet(x_t, t).sample
        nothing = torch.full((len(x_t),), self.classes, device=x_t.device)
        asked = nothing if labels is None else labels.to(x_t.device)
        if guidance == 1.0 or labels is None:
            return self.unet(x_t, t, class_labels=asked).sample
        both = self.unet(torch.cat([x_t, x_t]), t, class_labels=torch.cat([asked, nothing])).sample
        with_class, without = both.chunk(2)
        return without + guidance * (with_class - without)

    def split(self, x_t: Tensor, v: Tensor, t: float) -> tuple[Tensor, Tensor]:
        """(x̂_0, ε̂) from v at t, both of x_t's shape."""
        alpha, sigma = self.level(t)
        x0, eps = alpha * x_t - sigma * v, sigma * x_t + alpha * v
        if self.autoencoder is None:
            x0 = x0.clamp(-1, 1)
        return x0, eps

    def level(self, t: float) -> tuple[float, float]:
        """(α_t, σ_t); t may lie between two of the 1000 levels."""
        low = min(int(t), len(self.alpha_bar) - 1)
        high = min(low + 1, len(self.alpha_bar) - 1)
        bar = float(torch.lerp(self.alpha_bar[low], self.alpha_bar[high], float(t) - int(t)))
        return bar**0.5, (1 - bar) ** 0.5

    def noised(self, x: Tensor, t: int, noise: Tensor) -> Tensor:
        """The forward process: x_t of latents x (see `to_latents`) with the given standard normal noise."""
        alpha, sigma = self.level(t)
        return alpha * x + sigma * noise.to(x.device)

    # ---- between pixels and latents ---------------------------------------------------------------------------------

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.alpha_bar.device

    def to_latents(self, picture: Tensor) -> Tensor:
        """(N, C, H, W) in [0, 1] → (N, *latent), the x_0 of the process."""
        x = 2 * picture.to(self.device) - 1
        if self.autoencoder is None:
            return x
        return self.autoencoder.encode(x).latent * self.autoencoder.config.scaling_factor

    def to_pixels(self, x: Tensor) -> Tensor:
        """(N, *latent) → (N, C, H, W) in [0, 1]."""
        if self.autoencoder is not None:
            x = self.autoencoder.decode(x / self.autoencoder.config.scaling_factor).sample
        return (x / 2 + 0.5).clamp(0, 1)

    def scheduler(self, settings: Settings) -> Any:
        """A fresh diffusers scheduler: it keeps the state of one run, so no two runs may share it."""
        import diffusers

        kind, changes = SCHEDULERS[settings.scheduler]
        allowed = {k: v for k, v in self.schedule.items() if not k.startswith("_")}
        scheduler = getattr(diffusers, kind).from_config(allowed | changes)
        scheduler.set_timesteps(settings.steps, device=self.device)
        return scheduler

    def _frame(
        self, x_t: Tensor, v: Tensor, t: float, step: int, total: int, calls: int, watch: bool
    ) -> Frame:
        alpha, sigma = self.level(t)
        info = {"t": t, "alpha": alpha, "sigma": sigma, "calls": calls}
        if not watch:
            blank = x_t.new_full((1, 1, 1, 1), 0.5).expand(len(x_t), *self.shape)
            return Frame(blank, step, total, {}, x_t, info)
        x0, eps = self.split(x_t, v, t)
        clean, noisy, noise = self.to_pixels(torch.cat([x0, x_t, eps])).chunk(3)
        return Frame(clean, step, total, {"x_t": noisy, "x0": clean, "eps": noise}, x_t, info)

    def _bridge(self, x: Tensor, t: int, s: int, labels: Tensor | None, settings: Settings) -> Tensor:
        x0, eps = self.split(x, self.predict(x, t, labels, settings.guidance), t)
        alpha, sigma = self.level(s)
        return alpha * x0 + sigma * eps

    def _cost(self, settings: Settings) -> int:
        """Network evaluations per step and picture: two with guidance."""
        return 2 if self.classes and settings.guidance != 1.0 else 1


class Diffusion(Denoiser):
    """A denoiser that knows every level between noise and picture."""

    def branch(
        self, state: Tensor, seeds: Sequence[int], labels: Tensor | None, start: int, step: int, settings: Settings
    ) -> Iterator[Frame]:
        """Goes on from the `state` of a frame, at its t = start and its `step`, with other settings.

        The noise streams are moved to where that frame left them (one draw for x_T, one a step), so a branch with the
        same one-step scheduler and the same settings repeats the run it left.
        """
        streams = generators(seeds)
        for _ in range(step):
            normal(streams, self.latent_shape)
        return self.denoise(state.to(self.device), streams, labels, settings, start)

    def edit(
        self, picture: Tensor, seeds: Sequence[int], labels: Tensor | None, start: int, settings: Settings
    ) -> Iterator[Frame]:
        """SDEdit: noise the picture (N, C, H, W) up to t = start (1…999), then denoise from there."""
        streams = generators(seeds)
        noise = normal(streams, self.latent_shape)
        return self.denoise(self.noised(self.to_latents(picture), start, noise), streams, labels, settings, start)

    def repair(
        self,
        x: Tensor,
        mask: Tensor,
        seeds: Sequence[int],
        labels: Tensor | None = None,
        steps: int = REPAIR_STEPS,
        guidance: float = 1.0,
    ) -> Iterator[Frame]:
        """Inpainting after RePaint: at every level the known part is replaced by the truth, noised to that level.

        Between levels the unknown part goes a step back up and down again (`REPAIR_ROUNDS` times), so that it can
        agree with what is known. Latent diffusion keeps code cells that are wholly known.
        """
        streams = generators(seeds)
        x, mask = x.to(self.device), mask.to(self.device)
        known = self.to_latents(mask * x + (1 - mask) * 0.5)
        keep = -F.adaptive_max_pool2d(-mask, self.latent_shape[-1])
        grid = torch.linspace(len(self.alpha_bar) - 1, 0, steps + 1).long().tolist()
        x_t, calls = normal(streams, self.latent_shape).to(self.device), 0
        for step, (t, s) in enumerate(itertools.pairwise(grid), 1):
            for _ in range(REPAIR_ROUNDS):
                x_t = keep * self.noised(known, t, normal(streams, self.latent_shape)) + (1 - keep) * x_t
                v = self.predict(x_t, t, labels, guidance)
                calls += self._cost(Settings(guidance=guidance))
                x0, eps = self.split(x_t, v, t)
                alpha, sigma = self.level(s) if s > 0 else (1.0, 0.0)
                x_s = alpha * x0 + sigma * eps
                x_t = self._renoise(x_s, s, t, streams)
            x_t = x_s
            guess = mask * x + (1 - mask) * self.to_pixels(keep * known + (1 - keep) * x0)
            yield Frame(guess, step, steps, state=x_t, info={"t": float(s), "calls": calls})

    def _renoise(self, x_s: Tensor, s: int, t: int, streams: Sequence[torch.Generator]) -> Tensor:
        """q(x_t | x_s) for t > s."""
        ratio = self.alpha_bar[t] / (self.alpha_bar[s] if s > 0 else 1.0)
        return ratio.sqrt() * x_s + (1 - ratio).sqrt() * normal(streams, self.latent_shape).to(x_s.device)


def _alpha_bar(schedule: dict[str, Any]) -> Tensor:
    import diffusers

    return diffusers.DDIMScheduler.from_config(schedule).alphas_cumprod.float()


def _first_at_or_below(scheduler: Any, start: int) -> int:
    """Index of the first t ≤ start; of its second visit where a second-order scheduler comes twice."""
    below = (scheduler.timesteps <= start).nonzero()
    if len(below) == 0:
        last = int(scheduler.timesteps[-1])
        raise PlaygroundError(
            f"There is no step left after t = {start}: this schedule ends at t = {last}. "
            "Choose more steps or start earlier."
        )
    index = int(below[0])
    return index + 1 if scheduler.order == 2 and index % 2 else index


def _begin_at(scheduler: Any, index: int) -> None:
    """Tells schedulers that count their own steps where to begin; DDPM and DDIM go by t alone."""
    if index and hasattr(scheduler, "set_begin_index"):
        scheduler.set_begin_index(index)


def _into(scheduler: Any, x: Tensor, t: Tensor) -> Tensor:
    """From the variance-preserving x_t to the scheduler's own scale (Euler and its kin use x_0 + σ ε).

    `scale_model_input` divides by that scale, so its effect on ones tells the factor; asked of a copy, because some
    schedulers note that it was called.
    """
    probe = deepcopy(scheduler).scale_model_input(torch.ones(1, device=x.device), t)
    return x / probe


def _shown(scheduler: Any, i: int) -> bool:
    """Second-order schedulers visit every level twice; the first visit is the one to show."""
    return scheduler.order == 1 or i % 2 == 0


def _extras(scheduler: Any, settings: Settings, streams: Sequence[torch.Generator]) -> dict[str, Any]:
    """The optional arguments this scheduler's `step` takes.

    Where a guess at the picture is clipped to its bounds, the guess at the noise has to follow (GLIDE does the same):
    left as it was, the two no longer add up to x_t, and guidance, which reaches beyond the bounds, spoils the digits.
    """
    import inspect

    clipped = bool(scheduler.config.get("clip_sample"))
    offered = {"generator": list(streams), "eta": settings.eta, "use_clipped_model_output": clipped}
    taken = inspect.signature(scheduler.step).parameters
    return {k: v for k, v in offered.items() if k in taken}
