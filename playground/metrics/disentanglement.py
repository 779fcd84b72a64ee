"""How neatly a code lays out the factors that pictures were drawn from.

*Mutual information gap* (Chen et al., "β-TCVAE", 2018, arXiv:1802.04942): for each factor v the latent that knows most
about it, minus the latent that knows second most, as a share of the factor's entropy,

    MIG = mean_v (I(z_1; v) − I(z_2; v)) / H(v).

*DCI* (Eastwood and Williams, "A framework for the quantitative evaluation of disentangled representations", 2018):
predict each factor from the code and look at the matrix R of importances. *Disentanglement*: each latent matters for
one factor. *Completeness*: each factor rests on one latent. *Informativeness*: how well the factor is predicted.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from playground.metrics.distances import check_features

BINS = 20  # of a latent, of equal width, as in Locatello et al. 2019


def mutual_information(code: Tensor, factors: Tensor) -> Tensor:
    """I(z_j; v_k) in nats from counts, (D, K); latents in `BINS` bins.

    Args:
        code: (N, D), N ≥ BINS. factors: int64 (N, K), each a class from 0 up.
    """
    (code,) = check_features(code=code)
    if len(code) != len(factors) or len(code) < BINS or factors.dim() != 2:
        raise ValueError(
            f"Need (N, D) codes and (N, K) factors, N ≥ {BINS}; given {tuple(code.shape)}, {tuple(factors.shape)}."
        )
    low, high = code.amin(0), code.amax(0)
    binned = ((code - low) / (high - low).clamp_min(1e-12) * BINS).long().clamp(max=BINS - 1)
    table = torch.empty(code.shape[1], factors.shape[1], dtype=torch.float64)
    for k, column in enumerate(factors.T):
        classes = int(column.max()) + 1
        for j, bins in enumerate(binned.T):
            joint = torch.bincount(bins * classes + column, minlength=BINS * classes).double().view(BINS, classes)
            joint /= joint.sum()
            both = joint.sum(1, keepdim=True) * joint.sum(0, keepdim=True)
            table[j, k] = torch.where(joint > 0, joint * (joint / both).log(), 0.0).sum()
    return table


def entropy(factors: Tensor) -> Tensor:
    """H(v_k) in nats from counts: int64 (N, K) → (K,)."""
    shares = [torch.bincount(column).double() / len(column) for column in factors.T]
    return torch.stack([-(p[p > 0] * p[p > 0].log()).sum() for p in shares])


def information_gaps(code: Tensor, factors: Tensor) -> Tensor:
    """(I(z_1; v) − I(z_2; v)) / H(v) of each factor: (N, D ≥ 2) codes, int64 (N, K) factors → (K,), in [0, 1].

    A factor that never varies gets NaN.
    """
    spread = entropy(factors)
    if code.shape[1] < 2 or not (spread > 1e-6).any():
        raise ValueError("A gap needs at least two latents and a factor that varies.")
    best = mutual_information(code, factors).topk(2, dim=0).values
    return torch.where(spread > 1e-6, (best[0] - best[1]) / spread, torch.nan)


def mutual_information_gap(code: Tensor, factors: Tensor) -> float:
    """MIG of (N, D ≥ 2) codes and int64 (N, K) factors, in [0, 1]; a factor that never varies does not count."""
    return information_gaps(code, factors).nanmean().item()


@dataclass(frozen=True)
class Dci:
    """All in [0, 1], higher is better."""

    disentanglement: float
    completeness: float
    informativeness: float


def dci(code: Tensor, factors: Tensor) -> Dci:
    """DCI with a linear probe: importance is the absolute weight of a standardised latent.

    Args:
        code: (N, D); factors: float (N, K) numbers, one column per factor (a class of several values: one-hot). The
            first half fits the probe, the second half is predicted.
    """
    (code,), (factors,) = check_features(code=code), check_features(factors=factors.float())  # widths may differ
    if len(code) != len(factors):
        raise ValueError(f"There are {len(code)} codes and {len(factors)} rows of factors.")
    code = (code - code.mean(0)) / code.std(0).clamp_min(1e-9)
    factors = (factors - factors.mean(0)) / factors.std(0).clamp_min(1e-9)
    half = len(code) // 2
    ridge = 1e-3 * half * torch.eye(code.shape[1], dtype=code.dtype)
    weights = torch.linalg.solve(code[:half].T @ code[:half] + ridge, code[:half].T @ factors[:half])  # (D, K)
    error = (code[half:] @ weights - factors[half:]).square().mean(0) / factors[half:].var(0).clamp_min(1e-9)
    return from_importance(weights.abs(), (1 - error).clamp(0, 1).mean().item())


def from_importance(importance: Tensor, informativeness: float = 1.0) -> Dci:
    """Disentanglement and completeness of a (D, K) matrix of importances ≥ 0; a latent counts by its share of it."""
    share = importance / importance.sum().clamp_min(1e-12)
    of_latent, of_factor = (_purity(share), share.sum(1)), (_purity(share.T), share.sum(0))
    scores = [(purity * weight).sum().item() for purity, weight in (of_latent, of_factor)]
    return Dci(scores[0], scores[1], informativeness)


def _purity(rows: Tensor) -> Tensor:
    """1 − entropy of each row (normalised, to the base of its length): 1 where one entry has everything."""
    if rows.shape[1] == 1:
        return torch.ones(len(rows), dtype=rows.dtype)
    p = rows / rows.sum(1, keepdim=True).clamp_min(1e-12)
    return 1 + torch.where(p > 0, p * p.clamp_min(1e-300).log(), 0.0).sum(1) / math.log(rows.shape[1])
