"""Learning to predict the next pixel or word: stochastic gradient descent on −log p(x), all of a picture at once."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from playground.models import hub
from playground.models.autoregressive.base import PixelModel, turn
from playground.models.autoregressive.imagegpt import ImageGPT
from playground.models.autoregressive.tokens import drawing_loss
from playground.training.ema import average
from playground.training.precision import mixed
from playground.training.recipe import Batch, cosine

AVERAGE = 0.998  # decay of the averaged weights, which are the ones that are saved


class PixelLearner:
    """Binary pixels drawn anew from the grey levels at every step (dynamic binarisation).

    A network of several orders gets one of them per step, in turn.
    """

    def __init__(self, model: PixelModel, device: torch.device, lr: float = 2e-3, clip: float = 200.0) -> None:
        self.clip = clip
        self.model = model.to(device)
        self.averaged = deepcopy(model).requires_grad_(False)
        self.modules: dict[str, nn.Module] = {"model": self.model, "averaged": self.averaged}
        self.optimizers: dict[str, torch.optim.Optimizer] = {
            "model": torch.optim.AdamW(model.parameters(), lr, betas=(0.9, 0.99), weight_decay=0.0)
        }

    def step(self, batch: Batch) -> dict[str, float]:
        x = (batch.uniform(*batch.x.shape) < batch.x).float()
        order = batch.step % self.model.orders
        labels = batch.y if self.model.classes else None
        with mixed(x.device):
            turned = turn(x, order).contiguous(memory_format=torch.channels_last)
            logits = self.model._logits(turned, labels, order)
        loss = F.binary_cross_entropy_with_logits(logits.float(), turned, reduction="sum") / len(x)
        norm = descend(self.optimizers["model"], loss, self.model, self.clip)
        average(self.averaged, self.model, AVERAGE, batch.seen)
        return {"loss": loss.item(), "gradient": norm.item()}

    def save(self, folder: Path) -> None:
        """Writes config.json and model.safetensors: the averaged weights."""
        hub.save(self.averaged, folder)


class TokenLearner:
    """First the tokeniser, then the transformer on its words, then once more the decoder alone, to sharpen it.

    `CODING` and `POLISH` are where in the run the first stage ends and the last begins. The last leaves the encoder
    as it is, so words keep their meaning. `FEW` is the number of pictures in a step of the tokeniser.
    """

    CODING, POLISH, FEW = 0.29, 0.82, 8

    def __init__(self, model: ImageGPT, device: torch.device, lr_coder: float = 1e-3, lr: float = 1.5e-3) -> None:
        self.model, self.coder = model.to(device), model.coder
        self.rates = {"coder": lr_coder, "transformer": lr}
        self.averaged = deepcopy(model.transformer).requires_grad_(False)
        self.modules: dict[str, nn.Module] = {"model": self.model, "averaged": self.averaged}
        self.optimizers: dict[str, torch.optim.Optimizer] = {
            "coder": torch.optim.Adam(self.coder.parameters(), lr_coder, betas=(0.9, 0.99), fused=True),
            "transformer": torch.optim.AdamW(
                model.transformer.parameters(), lr, betas=(0.9, 0.95), weight_decay=0.05, fused=True
            ),
        }

    def step(self, batch: Batch) -> dict[str, float]:
        if batch.done < self.CODING:
            self._slow("coder", batch.done / self.CODING)
            return self.coding_step(batch.x)
        if batch.done >= self.POLISH:
            self._slow("coder", (batch.done - self.POLISH) / (1 - self.POLISH))
            return self.coding_step(batch.x, encoder=False)
        self._slow("transformer", (batch.done - self.CODING) / (self.POLISH - self.CODING))
        return self.word_step(batch)

    def coding_step(self, pictures: Tensor, encoder: bool = True) -> dict[str, float]:
        """Encode, round, decode, compare; a few pictures at a time, since it is steps that the coder needs.

        Args:
            encoder: whether it may still learn; without gradients its weights stay where they are.
        """
        losses = []
        for x in pictures.contiguous(memory_format=torch.channels_last).split(self.FEW):
            with mixed(x.device):
                with torch.set_grad_enabled(encoder):
                    code = self.coder.encode(x)
                y = self.coder.decode(code)
            loss = drawing_loss(x, y)
            descend(self.optimizers["coder"], loss, self.coder, 1.0)
            losses.append(loss.detach())
        return {"autoencoder": torch.stack(losses).mean().item()}

    def word_step(self, batch: Batch) -> dict[str, float]:
        """−log p of the next word, mean over places, in nats."""
        model = self.model
        with torch.no_grad():
            code = model.coder.encode(batch.x)
            model.mean_code.lerp_(code.mean(0), max(0.01, batch.x.shape[0] / (batch.seen + batch.x.shape[0])))
            tokens = model.coder.quantiser.word(code).flatten(1)
        with mixed(tokens.device):
            logits = model.transformer(tokens)
        loss = F.cross_entropy(logits.flatten(0, 1).float(), tokens.flatten())
        descend(self.optimizers["transformer"], loss, model.transformer, 1.0)
        average(self.averaged, model.transformer, AVERAGE, batch.seen)
        return {"loss": loss.item()}

    def _slow(self, name: str, done: float) -> None:
        for group in self.optimizers[name].param_groups:
            group["lr"] = self.rates[name] * cosine(done)

    def save(self, folder: Path) -> None:
        """Writes config.json and model.safetensors; the averaged transformer in half precision, to halve the file."""
        whole = deepcopy(self.model)
        whole.transformer = deepcopy(self.averaged).half()
        hub.save(whole, folder)


def descend(optimizer: torch.optim.Optimizer, loss: Tensor, model: nn.Module, clip: float) -> Tensor:
    """One clipped gradient step; returns the gradient's norm."""
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    norm = nn.utils.clip_grad_norm_(model.parameters(), clip)
    optimizer.step()
    return norm
