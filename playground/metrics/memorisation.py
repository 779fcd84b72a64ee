"""Has the model learnt the pictures by heart?

The distance d of a sample to its nearest training picture says nothing by itself. Real pictures the model has
never seen (held out) show how near to the training set an honest picture lies. Were the samples fresh draws from
the same distribution, both sets of distances would have the same distribution:

    AUC            = P(d_sample < d_held-out) + ½ P(equal)         ½ if honest, → 1 for copies
    share within q = P(d_sample < q-quantile of d_held-out)        q if honest, → 1 for copies

AUC is the Mann–Whitney U statistic over its maximum; the test is that of Meehan, Chaudhuri and Dasgupta 2020,
https://arxiv.org/abs/2004.05675. Poor samples lie far from everything, so read it beside precision: an AUC below
½ is not a merit.

Blurred samples lie near to everything, which the AUC takes for copying. A paired question does not: of the n training
and n held-out pictures, is the one nearest to a sample from training? Blur moves both alike, so it is ½ for whoever
has learned no picture by heart (`nearest_is_train`).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from playground.metrics.distances import nearest


@dataclass(frozen=True)
class Memorisation:
    """Samples against held-out pictures, by their distance to the nearest training picture.

    Attributes:
        auc: chance that a sample lies nearer to the training set than a held-out picture; ½ is honest.
        within_1, within_50: share of samples nearer than the 1 % and the 50 % quantile of the held-out
            distances; 0.01 and 0.50 are honest.
    """

    auc: float
    within_1: float
    within_50: float


def memorisation(samples: Tensor, held_out: Tensor, train: Tensor) -> Memorisation:
    """Compares nearest-training-item distances of samples (M, F) with those of held-out items (N, F).

    Args:
        train: (T, F), what the model was trained on.
    """
    return compare_distances(to_nearest(samples, train), to_nearest(held_out, train))


def to_nearest(items: Tensor, train: Tensor) -> Tensor:
    """Distance of each of (N, F) items to the nearest of (T, F) training items: float64 (N,)."""
    return nearest(items.float(), train.float())[1][:, 0].double()


def nearest_is_train(samples: Tensor, train: Tensor, held_out: Tensor) -> float:
    """Chance that of n training and n held-out items the one nearest to a sample is from training; ½ is honest.

    Where there are more of one kind, n = min(T, N) of them are drawn; the chance over all such draws is exact.

    Args:
        samples: (M, F). train: (T, F). held_out: (N, F).
    """
    if len(train) > len(held_out):
        return 1 - nearest_is_train(samples, held_out, train)
    limit = to_nearest(samples, train)
    nearer = (torch.cdist(samples.double(), held_out.double()) < limit[:, None]).sum(1)  # k held out are nearer, (M,)
    some, drawn = torch.tensor(len(held_out)), torch.tensor(len(train))
    # P(none of them is among the n drawn) = C(N − k, n) / C(N, n)
    left = (some - nearer).clamp_min(len(train))
    log_chance = _log_choose(left, drawn) - _log_choose(some, drawn)
    return torch.where(some - nearer >= drawn, log_chance.exp(), 0.0).mean().item()


def _log_choose(n: Tensor, k: Tensor) -> Tensor:
    n, k = n.double(), k.double()
    return torch.lgamma(n + 1) - torch.lgamma(k + 1) - torch.lgamma(n - k + 1)


def compare_distances(of_samples: Tensor, of_held_out: Tensor) -> Memorisation:
    """The statistics from the two sets of distances, (M,) and (N,) float64."""
    if not (torch.isfinite(of_samples).all() and torch.isfinite(of_held_out).all()):
        raise ValueError("A distance is NaN or infinite.")
    low, middle = torch.quantile(of_held_out, torch.tensor([0.01, 0.5], dtype=of_held_out.dtype))
    return Memorisation(
        auc=chance_below(of_samples, of_held_out),
        within_1=(of_samples < low).double().mean().item(),
        within_50=(of_samples < middle).double().mean().item(),
    )


def chance_below(a: Tensor, b: Tensor) -> float:
    """P(a < b) + ½ P(a = b) over all pairs of (M,) and (N,) values."""
    ordered = b.sort().values
    not_above = torch.searchsorted(ordered, a, right=False)  # how many b lie below each a
    not_below = torch.searchsorted(ordered, a, right=True)  # … or equal it
    above = len(b) - (not_above + not_below).double() / 2
    return (above.mean() / len(b)).item()
