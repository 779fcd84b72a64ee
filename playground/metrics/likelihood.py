"""Likelihood of a latent-variable model from importance weights.

With z_k ~ q(z|x) and log w_k = log p(x, z_k) − log q(z_k|x),

    log p(x) ≥ E[ log 1/K Σ_k w_k ] ≥ ELBO

which tightens as K grows (Burda, Grosse and Salakhutdinov 2016, https://arxiv.org/abs/1509.00519). K = 1 is the
ELBO.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor


def importance_bound(log_weights: Tensor) -> Tensor:
    """log w of shape (N, K) → the bound on log p(x) of each of N pictures, nats (N,)."""
    if not torch.isfinite(log_weights).all():
        raise ValueError("A log weight is NaN or infinite.")
    return torch.logsumexp(log_weights, dim=1) - math.log(log_weights.shape[1])


def bits_per_dimension(log_likelihood: float, dimensions: int) -> float:
    """Nats per picture (a log-likelihood, below zero for discrete data) → bits per pixel value."""
    return -log_likelihood / (dimensions * math.log(2))
