"""How the networks learn: noise a picture, guess what was added; for latent diffusion, first a code to do it in."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from playground.models.classifier import Classifier, apart, doubtful
from playground.models.diffusion.network import Diffusion
from playground.training.ema import average
from playground.training.precision import mixed
from playground.training.recipe import Batch, cosine


def schedule(pixels: bool) -> dict[str, Any]:
    """A thousand levels of noise; pixels have bounds, to which a guess is clipped, codes have none."""
    import diffusers

    scheduler = diffusers.DDIMScheduler(
        num_train_timesteps=1000, beta_schedule="linear", prediction_type="v_prediction",
        timestep_spacing="trailing", clip_sample=pixels,
    )  # fmt: skip
    return dict(scheduler.config)


def unet(size: int, channels: int, widths: Sequence[int], attention: Sequence[bool], classes: int) -> nn.Module:
    """diffusers' U-Net: a width and "with attention?" per resolution, K classes (0: none) and one for none."""
    import diffusers

    return diffusers.UNet2DModel(
        sample_size=size, in_channels=channels, out_channels=channels, block_out_channels=tuple(widths),
        layers_per_block=1, norm_num_groups=8, attention_head_dim=32, add_attention=any(attention),
        down_block_types=tuple("AttnDownBlock2D" if a else "DownBlock2D" for a in attention),
        up_block_types=tuple("AttnUpBlock2D" if a else "UpBlock2D" for a in reversed(attention)),
        num_class_embeds=classes + 1 if classes else None,
    )  # fmt: skip


class DiffusionLearner:
    """‖v − v̂‖² at a drawn t; one class label in ten is dropped so that guidance has something to compare with.

    Args:
        model, device, lr: what is trained, where, and Adam's rate. decay: of the weights' average.
        levels: mean and deviation of ln(σ_t / α_t), normal over the pictures (Karras et al., "Elucidating the design
            space of diffusion-based generative models", 2022): which noise is seen most. None: t is uniform.
    """

    def __init__(
        self, model: Diffusion, device: torch.device, lr: float, decay: float = 0.9995,
        levels: tuple[float, float] | None = None,
    ) -> None:  # fmt: skip
        self.levels = levels
        self.model = model.to(device, memory_format=torch.channels_last)
        self.ema = deepcopy(model.unet).requires_grad_(False)
        self.decay = decay
        if device.type == "cpu":
            _plain_attention(model.unet)
        self.modules: dict[str, nn.Module] = {"unet": model.unet, "ema": self.ema}
        adam = torch.optim.AdamW(model.unet.parameters(), lr, betas=(0.9, 0.99), weight_decay=0.0)
        self.optimizers: dict[str, torch.optim.Optimizer] = {"unet": adam}

    def step(self, batch: Batch) -> dict[str, float]:
        return self.denoising_step(2 * batch.x - 1, batch)

    def denoising_step(self, x0: Tensor, batch: Batch) -> dict[str, float]:
        """One step on latents x0 (N, C, h, w)."""
        model, n = self.model, len(x0)
        # stratified: one per n-th of the range, so that every batch sees all noise levels
        t = self._level((torch.arange(n, device=x0.device) + batch.uniform(n)) / n)
        bar = model.alpha_bar[t].reshape(-1, 1, 1, 1)
        eps = batch.normal(*x0.shape)
        x_t = bar.sqrt() * x0 + (1 - bar).sqrt() * eps
        target = bar.sqrt() * eps - (1 - bar).sqrt() * x0
        labels = {}
        if model.classes:
            dropped = batch.uniform(n) < 0.1
            labels["class_labels"] = torch.where(dropped, model.classes, batch.y)
        with mixed(x0.device):
            v = model.unet(x_t.contiguous(memory_format=torch.channels_last), t, **labels).sample
        loss = F.mse_loss(v.float(), target)
        descend(self.optimizers["unet"], loss, model.unet)
        average(self.ema, model.unet, self.decay, batch.seen)
        return {"loss": loss.item()}

    def _level(self, u: Tensor) -> Tensor:
        """Quantiles u in [0, 1) of the levels drawn, (N,) → t, int64 (N,)."""
        bar = self.model.alpha_bar
        if self.levels is None:
            return (u * len(bar)).long()
        mean, deviation = self.levels
        ratio = mean + deviation * torch.special.ndtri(u)  # ln(σ/α), which rises with t
        return torch.searchsorted(0.5 * ((1 - bar) / bar).log(), ratio).clamp(max=len(bar) - 1)

    def save(self, folder: Path) -> None:
        """A `DDIMPipeline` folder with the averaged weights."""
        import diffusers

        scheduler = diffusers.DDIMScheduler.from_config(self.model.schedule)
        diffusers.DDIMPipeline(self.ema, scheduler).save_pretrained(folder)


def autoencoder(widths: Sequence[int], codes: int, down: Sequence[int], up: Sequence[int]) -> nn.Module:
    """diffusers' deep compression autoencoder (Chen et al., 2024): 64×64×3 → a code of `codes` channels.

    Every halving of the side has a shortcut that only reorders numbers, so it learns soon; and nothing is convolved at
    full size, so it is quick.

    Args:
        widths: channels at full size (where nothing is done), at half, at a quarter, … down, up: residual blocks there.
    """
    import diffusers

    return diffusers.AutoencoderDC(
        latent_channels=codes, encoder_block_out_channels=tuple(widths), decoder_block_out_channels=tuple(widths),
        encoder_layers_per_block=(0, *down), decoder_layers_per_block=(0, *up),
        encoder_qkv_multiscales=((),) * len(widths), decoder_qkv_multiscales=((),) * len(widths),
    )  # fmt: skip


class LatentLearner(DiffusionLearner):
    """First the autoencoder, then diffusion in its code, then once more the decoder alone, to sharpen it.

    The autoencoder is taught by pixels and by a reader, a classifier that has learned to see the attributes beforehand
    (and is not the one that examines the pictures later): what it sees shall survive.

    `CODING` and `POLISH` are where in the run the first stage ends and the last begins. The last leaves the encoder
    as it is, so the code the U-Net has learned keeps its meaning, and shows the decoder codes as the U-Net makes them.
    """

    CODING, POLISH = 0.28, 0.9
    RATE = 2e-3  # of the autoencoder
    SEEN = 0.1  # weight of what the reader sees, beside that of pixels
    BLUR = 0.4  # of the code's spread: the most noise that the decoder has to forgive
    LAST = 200  # the levels below, where the polish takes its codes from
    LEVELS = (-0.2, 1.3)  # above, only the outline is decided, soon learned; below, the decoder forgives

    def __init__(self, model: Diffusion, device: torch.device, lr: float, reader: Classifier) -> None:
        super().__init__(model, device, lr, levels=self.LEVELS)
        self.reader = reader.to(device).eval().requires_grad_(False)
        self.coder, self.lr = model.autoencoder, lr
        self.register = nn.Module()  # the code's spread, kept with the state so that a resumed run has it
        self.register.register_buffer("spread", torch.ones((), device=device))
        self.modules |= {"coder": self.coder, "register": self.register}
        self.optimizers["coder"] = torch.optim.Adam(self.coder.parameters(), self.RATE, betas=(0.9, 0.95))

    def step(self, batch: Batch) -> dict[str, float]:
        if batch.done < self.CODING:
            self._slow(self.optimizers["coder"], self.RATE, batch.done / self.CODING)
            return self.coding_step(batch)
        if batch.done >= self.POLISH:
            self.coder.encoder.requires_grad_(False)
            self._slow(self.optimizers["coder"], self.RATE / 2, (batch.done - self.POLISH) / (1 - self.POLISH))
            return self.coding_step(batch, done=True)
        self._slow(self.optimizers["unet"], self.lr, (batch.done - self.CODING) / (self.POLISH - self.CODING))
        with torch.no_grad(), mixed(batch.x.device):
            code = self.coder.encode(2 * batch.x - 1).latent.float() / self.register.spread
        return self.denoising_step(code, batch)

    def coding_step(self, batch: Batch, done: bool = False) -> dict[str, float]:
        """|x − y| and how differently the reader sees them, where y = D(E(x) + noise).

        The noise makes the decoder forgiving, and whatever shall survive it has to fill much of the code: a nose that
        is a whisper there would be drowned until the last steps of denoising. The small pull keeps the code near zero.
        Half the weight of a pixel is the reader's doubt.
        """
        x = (2 * batch.x - 1).contiguous(memory_format=torch.channels_last)
        with mixed(x.device):
            z = self.coder.encode(x).latent
            y = self.coder.decode(self._denoised(z, batch) if done else self._noised(z, batch)).sample
            seen = apart(self.reader, batch.x, (y + 1) / 2)
            care = doubtful(self.reader, (y + 1) / 2, batch.y)
        z, gap = z.float(), (y.float() - x).abs()
        pixels = (0.5 + 0.5 * care).mul(gap).mean()
        descend(self.optimizers["coder"], pixels + self.SEEN * seen + 1e-3 * z.square().mean(), self.coder)
        self.register.spread.lerp_(z.detach().std(), 0.02)
        return {"pixels": gap.mean().item(), "seen": seen.item()}

    def _noised(self, z: Tensor, batch: Batch) -> Tensor:
        """Codes under noise, of each picture's own strength."""
        strength = self.BLUR * self.register.spread * batch.uniform(len(z)).reshape(-1, 1, 1, 1)
        return z + strength * batch.normal(*z.shape)

    @torch.no_grad()
    def _denoised(self, z: Tensor, batch: Batch) -> Tensor:
        """Codes as the U-Net's last looks leave them: noised to a low level, and its guess at what they were."""
        t = (batch.uniform(len(z)) * self.LAST).long()
        bar = self.model.alpha_bar[t].reshape(-1, 1, 1, 1)
        x_t = bar.sqrt() * z / self.register.spread + (1 - bar).sqrt() * batch.normal(*z.shape)
        v = self.ema(x_t.contiguous(memory_format=torch.channels_last), t).sample.float()
        return (bar.sqrt() * x_t - (1 - bar).sqrt() * v) * self.register.spread

    @staticmethod
    def _slow(optimizer: torch.optim.Optimizer, lr: float, done: float) -> None:
        for group in optimizer.param_groups:
            group["lr"] = lr * cosine(done)

    def save(self, folder: Path) -> None:
        """An `LDMPipeline` folder; half precision, which diffusers reads back as float32."""
        import diffusers

        self.coder.register_to_config(scaling_factor=1 / self.register.spread.item())
        scheduler = diffusers.DDIMScheduler.from_config(self.model.schedule)
        unet = deepcopy(self.ema).half()
        diffusers.LDMPipeline(vqvae=self.coder, unet=unet, scheduler=scheduler).save_pretrained(folder)


def _plain_attention(net: nn.Module) -> None:
    """Attention by two products and a softmax: in bfloat16 on a CPU torch's fused kernel costs a fifth of the step."""
    from diffusers.models.attention_processor import Attention, AttnProcessor

    for part in net.modules():
        if isinstance(part, Attention):
            part.set_processor(AttnProcessor())


def descend(optimizer: torch.optim.Optimizer, loss: Tensor, model: nn.Module) -> None:
    """One clipped gradient step."""
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
