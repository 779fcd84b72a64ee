"""Learning a restricted Boltzmann machine with persistent chains.

The gradient of the log-likelihood is a difference of two averages: pull the energy of data down, push the energy of
the model's own fantasies up,

    ∂ log p(v) / ∂W = ⟨v hᵀ⟩_data − ⟨v hᵀ⟩_model.

The second average needs draws from the model. Persistent contrastive divergence keeps a few hundred chains running
through the whole training and lets each make one sweep per step: the weights move so little that the chains keep up
(Tieleman, "Training restricted Boltzmann machines using approximations to the likelihood gradient", 2008).

Both averages are taken around offsets μ (of pixels) and λ (of hidden units), half way between data and model. The
minimum is the same, but the gradient of the weights no longer hangs together with that of the biases (Cho, Raiko and
Ilin, "Enhanced gradient", 2011; Montavon and Müller 2012):

    ∂W = ⟨(v − μ)(h − λ)ᵀ⟩_data − ⟨(v − μ)(h − λ)ᵀ⟩_model,    ∂b = ⟨v⟩_data − ⟨v⟩_model − ∂W λ,    ∂c alike.
"""

from __future__ import annotations

import copy
from pathlib import Path

import torch
from torch import Tensor, nn

from playground.models import hub
from playground.models.energy.partition import ais
from playground.models.energy.rbm import RBM, throw
from playground.training.ema import average
from playground.training.precision import few_digits
from playground.training.recipe import Batch

MEAN_FLOOR = 0.002  # a pixel's mean is kept this far from 0 and 1, so that its logit stays small


class Persistent(nn.Module):
    """What a run carries along beside the weights: the chains' pixels (M, V), λ (H,), and pictures seen."""

    def __init__(self, chains: int, visible: int, hidden: int) -> None:
        super().__init__()
        self.register_buffer("v", torch.zeros(chains, visible))
        self.register_buffer("offset_v", torch.zeros(visible))
        self.register_buffer("offset_h", torch.full((hidden,), 0.5))
        self.register_buffer("mean", torch.zeros(visible))  # running mean of the data
        self.register_buffer("seen", torch.zeros((), dtype=torch.int64))


class PCD:
    """Learning of one machine: its chains, its optimiser, and a running average of its weights.

    Args:
        chains: M persistent chains. k: sweeps per step. lr: of stochastic gradient ascent. decay: of the average.
    """

    def __init__(
        self, model: RBM, device: torch.device, chains: int = 100, k: int = 1, lr: float = 0.1, decay: float = 0.9995
    ) -> None:
        self.model, self.k, self.decay = model.to(device), k, decay
        self.shadow = copy.deepcopy(self.model).requires_grad_(False)
        self.run = Persistent(chains, *model.W.shape).to(device)
        self.optimizer = torch.optim.SGD(model.parameters(), lr, momentum=0.5)

    @torch.no_grad()
    def learn(self, v: Tensor, mean: Tensor, batch: Batch) -> float:
        """One step on binary rows (N, V) whose means are (V,). → mean squared error of half a sweep there and back."""
        if self.run.seen == 0:
            self._begin(v, mean)
        model, run = self.model, self.run
        short = few_digits()  # products in bfloat16 are five times as fast; sums and weights stay float32
        W = model.W.to(short)
        h = torch.sigmoid((v.to(short) @ W).float() + model.c)
        fantasy = run.v
        for _ in range(self.k):
            inputs = (fantasy.to(short) @ W).float() + model.c
            coins = (batch.uniform(*inputs.shape) < torch.sigmoid(inputs)).to(short)
            fantasy, _ = throw((coins @ W.T).float() + model.b, batch.uniform(*fantasy.shape), model.classes)
        run.v.copy_(fantasy)
        theirs = torch.sigmoid((fantasy.to(short) @ W).float() + model.c)
        self._ascend(v, h, fantasy, theirs)
        run.seen += len(v)
        run.mean.lerp_(mean, max(0.001, len(v) / float(run.seen)))
        average(self.shadow, model, self.decay, int(run.seen))
        guess = torch.sigmoid((h[:20] @ model.W.T) + model.b)
        return (guess - v[:20]).square().sum(1).mean().item()

    def finished(self) -> RBM:
        """The averaged machine with its base rates."""
        model = copy.deepcopy(self.shadow)
        model.base.copy_(torch.logit(self.run.mean.clamp(MEAN_FLOOR, 1 - MEAN_FLOOR)))
        return model

    def _begin(self, v: Tensor, mean: Tensor) -> None:
        """Visible biases that alone give the units' means; chains start at data."""
        mean = mean.clamp(MEAN_FLOOR, 1 - MEAN_FLOOR)
        for model in (self.model, self.shadow):
            model.b.copy_(torch.logit(mean))
        self.run.offset_v.copy_(mean)
        self.run.v.copy_(v[torch.arange(len(self.run.v)) % len(v)])

    def _ascend(self, v: Tensor, h: Tensor, fantasy: Tensor, theirs: Tensor) -> None:
        run, model, rate = self.run, self.model, 0.01
        mean_v, mean_h, fantasy_v, fantasy_h = v.mean(0), h.mean(0), fantasy.mean(0), theirs.mean(0)
        run.offset_v.lerp_(0.5 * (mean_v + fantasy_v), rate)
        run.offset_h.lerp_(0.5 * (mean_h + fantasy_h), rate)
        mu, lam = run.offset_v, run.offset_h
        left = torch.cat([(v - mu) / len(v), (mu - fantasy) / len(fantasy)]).to(few_digits())
        right = torch.cat([h - lam, theirs - lam]).to(few_digits())
        W = (left.T @ right).float()  # one product for both averages: only their difference is rounded
        model.W.grad = -W
        model.b.grad = W @ lam - (mean_v - fantasy_v)
        model.c.grad = mu @ W - (mean_h - fantasy_h)
        self.optimizer.step()


class RBMLearner:
    """PCD on pixels that are thrown anew at every step (dynamic binarisation); the averaged weights are saved."""

    def __init__(self, model: RBM, device: torch.device, **options: float) -> None:
        self.pcd = PCD(model, device, **options)
        self.modules: dict[str, nn.Module] = {"model": self.pcd.model, "shadow": self.pcd.shadow, "run": self.pcd.run}
        self.optimizers: dict[str, torch.optim.Optimizer] = {"model": self.pcd.optimizer}

    def step(self, batch: Batch) -> dict[str, float]:
        v = (batch.uniform(*batch.x.shape) < batch.x).float().flatten(1)
        return {"reconstruction": self.pcd.learn(v, batch.x.flatten(1).mean(0), batch)}

    @torch.no_grad()
    def save(self, folder: Path) -> None:
        """Writes the averaged weights with their base rates and an estimate of log Z (finer after a longer run)."""
        model = self.pcd.finished()
        steps = int(self.pcd.run.seen // 500)
        model.log_z.fill_(ais(model, chains=100, steps=min(5000, max(100, steps))).log_z)
        hub.save(model, folder)
