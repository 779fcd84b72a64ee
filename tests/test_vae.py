"""The total correlation that keeps the latents of a β-VAE apart, against Gaussians whose own is known."""

from __future__ import annotations

import math

import pytest
import torch

from playground.models.vae import VAE, VAELearner, plain, total_correlation
from playground.training.recipe import Batch


@pytest.mark.parametrize("rho", [0.0, 0.4, 0.8])
def test_total_correlation_is_that_of_a_gaussian(rho):
    """Means N(0, C) under posteriors of variance ¼ make q(z) = N(0, C + I/4), whose KL to its margins is known."""
    stream = torch.Generator().manual_seed(0)
    covariance = torch.tensor([[1.0, rho], [rho, 1.0]])
    mean = torch.randn(3000, 2, generator=stream) @ torch.linalg.cholesky(covariance).T
    z = mean + 0.5 * torch.randn(3000, 2, generator=stream)
    exact = -0.5 * math.log(1 - (rho / 1.25) ** 2)
    assert total_correlation(z, mean, torch.full_like(mean, math.log(0.25))).item() == pytest.approx(exact, abs=0.02)


def test_latents_that_tell_of_one_another_are_pushed_apart():
    torch.manual_seed(0)
    stream = torch.Generator().manual_seed(0)
    x = torch.rand(16, 3, 16, 16, generator=stream)
    shape = {"shape": (3, 16, 16), "latent_size": 3, "net": "conv", "widths": (8, 8), "pixels": "gaussian"}
    told = {}
    for apart in (0.0, 1000.0):
        torch.manual_seed(0)
        learner = VAELearner(VAE(**shape), torch.device("cpu"), lr=3e-3, apart=apart)
        noise = torch.Generator().manual_seed(1)
        for step in range(40):
            learner.step(Batch(x, torch.zeros(16, dtype=torch.int64), noise, 16 * step, 0.5))
        with torch.no_grad():
            mean, log_var = learner.model._posterior(x)
        told[apart] = total_correlation(mean, mean, log_var).item()
    assert told[1000.0] < 0.7 * told[0.0]


@pytest.mark.parametrize("processes", [1, 2])
def test_codes_are_remembered_without_gaps_and_the_oldest_go_first(processes, monkeypatch):
    monkeypatch.setattr(plain, "LATELY", 10)
    torch.manual_seed(0)
    net = VAE((3, 16, 16), 3, net="conv", widths=(8, 8), pixels="gaussian")
    learner = VAELearner(net, torch.device("cpu"), apart=1.0)
    told = [torch.full((4, 3), float(step + 1)) for step in range(4)]
    for step, mean in enumerate(told):
        batch = Batch(torch.zeros(4, 3, 16, 16), torch.zeros(4), None, processes * 4 * step, 0.5, 0, processes)
        together, _ = learner._with_lately(mean, mean, batch.step)
        before = torch.cat(told[:step][::-1])[:10] if step else torch.zeros(0, 3)
        assert torch.equal(together[:4], mean) and together.min() > 0, "nothing that was never seen"
        assert torch.equal(together[4:].sort(0).values, before.sort(0).values)
