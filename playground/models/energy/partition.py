"""How large Z is: annealed importance sampling for a restricted Boltzmann machine, from both sides.

A ladder of machines leads from one whose Z is known (no weights, only the pixels' base rates b_A) to the one in
question. With β from 0 to 1,

    log p*_β(v) = (1 − β) b_A·v + β b·v + Σ_j log(1 + exp(β (c_j + (vᵀW)_j))).

A chain starts with a draw at β = 0 and climbs: at each rung its weight is multiplied by p*_β'(v) / p*_β(v), then it
makes one Gibbs sweep at β'. The mean weight of many chains is an unbiased estimate of Z / Z₀ (Neal 2001). Its logarithm
is too low on average, never too high: the likelihood comes out too good. Chains that come down the same ladder from
draws of the machine itself err to the other side, so the two bracket the truth — as far as those draws, taken after
long Gibbs runs, are what they claim to be.

Salakhutdinov and Murray, "On the quantitative analysis of deep belief networks", 2008; Burda, Grosse and Salakhutdinov,
"Accurate and conservative estimates of MRF log-likelihood using reverse annealing", 2015; Grosse, Ghahramani and
Adams, "Sandwiching the marginal likelihood", 2015.
"""

from __future__ import annotations

import itertools
import math
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from playground.api import PlaygroundError
from playground.data import Dataset
from playground.models.energy.rbm import RBM, Weights, gibbs

LARGE = 100_000  # weights beyond which the annealing calculates in single precision
ENUMERABLE = 20  # units of the smaller side up to which all states are summed
SIGMAS = 3.0  # half width of an interval in standard errors


class Estimate(NamedTuple):
    """log Z in nats with an interval of ± 3 standard errors."""

    log_z: float
    low: float
    high: float


def ais(model: RBM, chains: int = 100, steps: int = 10_000, seed: int = 0) -> Estimate:
    """log Z by annealing upwards; too low on average.

    Args:
        chains: independent chains, all in one batch. steps: rungs of the ladder. seed: of the run's one stream.
    """
    return _estimate(climb(model, chains, steps, seed)[0])


def reverse_ais(
    model: RBM, chains: int = 100, steps: int = 10_000, seed: int = 0, start: Tensor | None = None, burn: int = 1000
) -> Estimate:
    """log Z by annealing downwards from draws of the model; too high on average.

    Args:
        start: (chains, V) draws of the model. None: the ends of an upward run of a tenth as many rungs, drawn anew by
            their weights, and then `burn` Gibbs sweeps.
    """
    noise = torch.Generator().manual_seed(seed + 1)
    v = settled(model, chains, max(1, steps // 10), seed, burn) if start is None else start
    log_weights, _ = _anneal(model, v.double(), torch.linspace(1, 0, steps + 1).tolist(), noise)
    mirrored = _estimate(log_weights - base_log_z(model))  # of Z₀ / Z, the unknown one below the line
    return Estimate(-mirrored.log_z, -mirrored.high, -mirrored.low)


def bracket(model: RBM, test: Dataset, chains: int = 100, steps: int = 10_000) -> dict[str, Any]:
    """Both estimates, and −log p of the test pictures between the lower end of one and the upper end of the other."""
    up, down = ais(model, chains, steps), reverse_ais(model, chains, steps)
    noise = torch.Generator().manual_seed(0)
    binary = (torch.rand(test.images.shape, generator=noise) < test.pictures(slice(None))).float()
    free = torch.cat([model.free_energy(part) for part in binary.split(1000)]).mean().item()
    return {
        "log_z": up.log_z, "low": up.low, "high": up.high,
        "log_z_reverse": down.log_z, "reverse_low": down.low, "reverse_high": down.high,
        "nats": free + up.log_z, "nats_at_least": free + up.low, "nats_at_most": free + down.high,
        "samples": len(binary), "chains": chains, "temperatures": steps,
        "protocol": f"log Z by annealed importance sampling, {steps} temperatures, {chains} chains, from the pixels' "
        "base rates; low, high: ± 3 standard errors; reverse: annealed downwards from draws of the model (chosen by "
        "weight among upward runs, then 1000 Gibbs sweeps), an upper bound on average as far as these are draws of it; "
        "nats: mean −log p of the test pictures, binarised once with a fixed seed, at the lower end of the one and the "
        "upper end of the other",
    }  # fmt: skip


def settled(model: RBM, chains: int, steps: int, seed: int, burn: int) -> Tensor:
    """Draws of the model, (chains, V): chosen by weight among the ends of an upward run, then `burn` sweeps on."""
    log_weights, v = climb(model, chains, steps, seed)
    noise = torch.Generator().manual_seed(seed + 2)
    v = v[torch.multinomial(torch.softmax(log_weights, 0), chains, replacement=True, generator=noise)]
    weights = model.weights(dtype=v.dtype)
    for _ in range(burn):
        v, _ = gibbs(weights, v, noise)
    return v


def climb(model: RBM, chains: int, steps: int, seed: int) -> tuple[Tensor, Tensor]:
    """An upward run: log weights (chains,), whose exponentials average to Z, and where the chains end, (chains, V)."""
    noise = torch.Generator().manual_seed(seed)
    rates = torch.sigmoid(model.base.double()).cpu()
    v = (torch.rand(chains, len(rates), generator=noise, dtype=torch.float64) < rates).double().to(model.base.device)
    log_weights, v = _anneal(model, v, torch.linspace(0, 1, steps + 1, dtype=torch.float64).tolist(), noise)
    return log_weights + base_log_z(model), v


def base_log_z(model: RBM) -> float:
    """log Z₀ of the machine at β = 0: Σ_i log(1 + exp b_A) + H log 2."""
    return F.softplus(model.base.double()).sum().item() + model.W.shape[1] * math.log(2)


def exact_log_z(model: RBM) -> float:
    """log Z by summing over all states of the smaller side.

    Raises:
        PlaygroundError: more than 20 units on both sides.
    """
    visible, hidden = model.W.shape
    small = min(visible, hidden)
    if small > ENUMERABLE:
        raise PlaygroundError(
            f"A machine of {visible} by {hidden} units has 2^{small} states to sum; at most 2^{ENUMERABLE} are "
            "counted. Use ais(...) for an estimate."
        )
    W, b, c = model.weights()
    if visible > hidden:  # the other way round: the formula is symmetric
        W, b, c = W.T, c, b
    states = torch.arange(2**small, device=W.device)[:, None] >> torch.arange(small, device=W.device) & 1
    return torch.logsumexp(_log_p(Weights(W, b, c), states.double()), 0).item()


def _log_p(weights: Weights, v: Tensor) -> Tensor:
    return v @ weights.b + F.softplus(v @ weights.W + weights.c).sum(1)


def _anneal(model: RBM, v: Tensor, betas: list[float], noise: torch.Generator) -> tuple[Tensor, Tensor]:
    """Along the ladder of `betas` from v: log weights (N,) and the last v.

    Upwards the weight of a rung is taken before the sweep at it, so v is drawn at the rung before. Downwards the draw
    at β comes first, and the same ratio is taken: both are p*_next(v) / p*_here(v) at a v drawn at `here`.
    """
    single = model.W.numel() > LARGE  # its rounding adds 1e-4 nats over 10,000 rungs; the weights add up in double
    W, b, c = model.weights(dtype=torch.float32 if single else torch.float64)
    v, base = v.to(W), model.base.to(W)
    visible, hidden = W.shape
    log_weights = torch.zeros(len(v), dtype=torch.float64, device=W.device)
    for here, after in itertools.pairwise(betas):
        inputs = torch.addmm(c, v, W)
        log_weights += (after - here) * (v @ (b - base))
        log_weights += (F.softplus(after * inputs) - F.softplus(here * inputs)).sum(1)
        coins = torch.rand(len(v), hidden + visible, generator=noise, dtype=W.dtype).to(W.device)
        h = (coins[:, :hidden] < torch.sigmoid(after * inputs)).to(W)
        p = torch.sigmoid((1 - after) * base + after * torch.addmm(b, h, W.T))
        v = (coins[:, hidden:] < p).to(W)
    return log_weights, v


def _estimate(log_weights: Tensor) -> Estimate:
    """log of the mean weight, ± 3 standard errors of it (first order: sd(w) / (√N mean w))."""
    count = len(log_weights)
    log_mean = torch.logsumexp(log_weights, 0) - math.log(count)
    relative = (log_weights - log_mean).exp().std() / math.sqrt(count)
    half = SIGMAS * relative.item()
    return Estimate(log_mean.item(), log_mean.item() - half, log_mean.item() + half)
