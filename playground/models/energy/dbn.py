"""Deep belief network: machines upon machines, the step with which deep learning began.

A restricted Boltzmann machine learns features of pixels; a second one learns features of those features; and so on.
Each further layer replaces what the machine below thought of its own hidden units by something better. What comes out
is one model: an undirected machine at the top, and below it a one-way path down to the pixels,

    p(v, h¹, h², h³) = p(v | h¹) p(h¹ | h²) p(h², label, h³),        784 ← 500 ← 500 + 10 ↔ 2000.

The ten label units sit beside the last features. Hold one of them, let the top machine dream (Gibbs), and go down once:
a digit of that class. Give it a picture, go up once, and the label with the lowest free energy is its answer.

Here the layers' learning overlaps a little: a layer begins while the one below still settles. All of them learn with
persistent chains (`persistent`) where the paper used one-step contrastive divergence, and its slow fine-tuning
("wake-sleep") is left out.

Hinton, Osindero and Teh, "A fast learning algorithm for deep belief nets", Neural Computation, 2006.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from huggingface_hub import PyTorchModelHubMixin
from torch import Tensor, nn

from playground.api import Frame
from playground.data import Dataset
from playground.models import hub
from playground.models.energy.persistent import PCD
from playground.models.energy.rbm import (
    RBM,
    SWEEPS,
    TEMPERATURE,
    WATCH,
    Noise,
    free_energy,
    gibbs,
    later,
    normal_cdf,
    showings,
    uniforms,
)  # fmt: skip
from playground.sampling import normal
from playground.training.recipe import Batch

REPAIR_ROUNDS = 40
REPAIR_SWEEPS = 5  # of the top machine in each round
WINDOWS = ((0.0, 0.35), (0.05, 0.65), (0.3, 1.0))  # fraction of the run in which each layer learns


class DBN(nn.Module, PyTorchModelHubMixin):
    """Two layers of directed features under a machine with label units.

    Args:
        shape: (C, H, W) of a picture. widths: units of h¹, h², h³. classes: label units beside h².
    """

    controls = (replace(SWEEPS, default=200), TEMPERATURE, WATCH)

    def __init__(
        self, shape: Sequence[int] = (1, 28, 28), widths: Sequence[int] = (500, 500, 2000), classes: int = 10
    ) -> None:
        super().__init__()
        self.shape, self.classes = tuple(shape), classes
        first, second, top = widths
        self.layers = nn.ModuleList(
            [RBM(shape, first), RBM((first,), second), RBM((second + classes,), top, classes=classes)]
        )

    @property
    def top(self) -> RBM:
        """The machine over h², labels and h³."""
        return self.layers[2]

    def up(self, x: Tensor) -> list[Tensor]:
        """Pictures (N, C, H, W) → probabilities of h¹ and h², (N, H) each, every layer given the means below."""
        first = self.layers[0].hidden(x)
        return [first, self.layers[1].hidden(first)]

    def down(self, h: Tensor) -> Tensor:
        """h² (N, H), binary or means → mean pictures (N, C, H, W) in [0, 1]."""
        return self.layers[0].visible(self.layers[1].visible(h))

    def class_free_energies(self, x: Tensor) -> Tensor:
        """Free energy of the top machine with each label on, (N, K); the lowest is the answer."""
        h, weights = self.up(x)[-1].double(), self.top.weights()
        labels = torch.eye(self.classes, dtype=h.dtype, device=h.device)
        return torch.stack(
            [free_energy(weights, torch.cat([h, label.expand(len(h), -1)], 1)) for label in labels], 1
        ).float()

    def latents(self, seeds: Sequence[int]) -> Tensor:
        """Standard normal (N, H²), one stream per seed: where the top machine's chain starts."""
        return normal(seeds, (len(self.top.b) - self.classes,))

    def sample(
        self,
        seeds: Sequence[int],
        *,
        latents: Tensor | None = None,
        labels: Tensor | None = None,
        sweeps: int = 200,
        temperature: float = 1.0,
        watch: bool = True,
    ) -> Iterator[Frame]:
        """Gibbs sweeps of the top machine with the label held, seen through the way down. State: h², binary.

        As in `RBM.sample` the latent is the start and turns every later coin of its unit. No labels: they run free.
        """
        z = self.latents(seeds) if latents is None else latents
        turn = F.pad(normal_cdf(z.to(self.top.b.device)), (0, self.classes))
        v, held = self._start(turn, labels), None
        if labels is not None:
            held = (torch.arange(v.shape[1], device=v.device) >= v.shape[1] - self.classes, v)
        weights, streams, shown = self.top.weights(temperature), later(seeds), showings(sweeps, watch)
        for sweep in range(1, sweeps + 1):
            v, _ = gibbs(weights, v, streams, held, turn, self.classes)
            if sweep in shown:
                h = v[:, : -self.classes].float()
                info = {"sweep": sweep, "calls": sweep}
                yield Frame(self.down(h), shown[sweep], len(shown), state=h, info=info)

    def repair(self, x: Tensor, mask: Tensor, seeds: Sequence[int], labels: Tensor | None = None) -> Iterator[Frame]:
        """Up, a few sweeps of the top machine, down, known pixels back, and again. No labels: the net finds them."""
        x, mask = x.to(self.top.b.device), mask.to(self.top.b.device).expand_as(x)
        streams = later(seeds)
        turn = F.pad(normal_cdf(self.latents(seeds).to(x.device)), (0, self.classes))
        v = self._start(turn, labels)
        guess = torch.where(mask > 0, x, self.down(v[:, : -self.classes]))
        held = (torch.arange(v.shape[1], device=v.device) >= v.shape[1] - self.classes, v)
        for step in range(1, REPAIR_ROUNDS + 1):
            v[:, : -self.classes] = self._rise(guess, streams)
            for _ in range(REPAIR_SWEEPS if step < REPAIR_ROUNDS else 1):
                v, _ = gibbs(self.top.weights(), v, streams, None if labels is None else held, None, self.classes)
            guess = torch.where(mask > 0, x, self.down(v[:, : -self.classes]))
            yield Frame(guess, step, REPAIR_ROUNDS, info={"calls": step * REPAIR_SWEEPS})

    def own_scores(self, test: Dataset) -> dict[str, dict[str, Any]]:
        """Share of test pictures it names rightly."""
        answers = torch.cat(
            [
                self.class_free_energies(test.pictures(slice(i, i + 500)).to(self.top.b.device)).argmin(1).cpu()
                for i in range(0, len(test), 500)
            ]
        )
        share = (answers == test.labels).double().mean().item()
        protocol = "share of test pictures whose label has the lowest free energy in the top machine; no fine-tuning"
        return {"recognition": {"accuracy": share, "samples": len(test), "protocol": protocol}}

    def _start(self, turn: Tensor, labels: Tensor | None) -> Tensor:
        """Rows of the top machine: units on as often as in training, and the label wanted (or the first)."""
        v = (turn < torch.sigmoid(self.top.base.double())).double()
        chosen = torch.zeros(len(v), dtype=torch.long) if labels is None else labels
        v[:, -self.classes :] = F.one_hot(chosen.to(v.device), self.classes).double()
        return v

    def _rise(self, x: Tensor, noise: Noise) -> Tensor:
        """Binary h² drawn on the way up from pictures, float64 (N, H)."""
        v = x.flatten(1).double()
        for layer in self.layers[:2]:
            W, _, c = layer.weights()
            v = (uniforms(noise, len(v), W.shape[1]).to(v.device) < torch.sigmoid(v @ W + c)).double()
        return v


class DBNLearner:
    """Greedy: every layer learns to be a machine of what the layer below makes of the data.

    Args:
        lr: of the first layer, the second and the top.
    """

    def __init__(self, model: DBN, device: torch.device, lr: Sequence[float] = (0.1, 0.05, 0.05)) -> None:
        self.model, self.lr = model.to(device), lr
        self.pcds = [PCD(layer, device, lr=rate) for layer, rate in zip(model.layers, lr)]
        self.modules: dict[str, nn.Module] = {}
        self.optimizers: dict[str, torch.optim.Optimizer] = {}
        for number, pcd in enumerate(self.pcds, 1):
            self.modules |= {f"model{number}": pcd.model, f"shadow{number}": pcd.shadow, f"run{number}": pcd.run}
            self.optimizers[f"model{number}"] = pcd.optimizer

    @torch.no_grad()
    def step(self, batch: Batch) -> dict[str, float]:
        mean = batch.x.flatten(1).mean(0)
        v, losses = (batch.uniform(*batch.x.shape) < batch.x).float().flatten(1), {}
        for number, (pcd, rate, (begin, end)) in enumerate(zip(self.pcds, self.lr, WINDOWS), 1):
            if begin <= batch.done < end or (pcd.run.seen == 0 and batch.done >= begin):
                for group in pcd.optimizer.param_groups:  # a straight line down to zero within the window
                    group["lr"] = rate * max(0.02, (end - batch.done) / (end - begin))
                losses[f"reconstruction{number}"] = pcd.learn(v, mean, batch)
            if number == len(self.pcds) or batch.done < WINDOWS[number][0]:
                break
            means = pcd.shadow.hidden(v)
            v = (batch.uniform(*means.shape) < means).float()
            if number == len(self.pcds) - 1:
                v = torch.cat([v, F.one_hot(batch.y.flatten(), self.model.classes).float()], 1)
            mean = v.mean(0)
        return losses

    @torch.no_grad()
    def save(self, folder: Path) -> None:
        """Writes the averaged weights of all layers."""
        model = DBN(**self.model._hub_mixin_config)
        for layer, pcd in zip(model.layers, self.pcds):
            layer.load_state_dict(pcd.finished().state_dict())
        hub.save(model, folder)
