"""Kernel distance, path length and disentanglement against closed forms."""

import dataclasses
import math

import pytest
import torch

from playground import metrics
from playground.metrics.disentanglement import from_importance
from playground.sampling import lerp


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_kernel_distance_is_the_sum_over_pairs():
    a, b = normal(5, 3), normal(4, 3, seed=1)

    def k(x, y):
        return (float(x @ y) / 3 + 1) ** 3

    own = [sum(k(x, y) for x in c for y in c if x is not y) for c in (list(a), list(b))]
    wanted = own[0] / 20 + own[1] / 12 - 2 * sum(k(x, y) for x in a for y in b) / 20
    assert metrics.kernel_distance(a, b) == pytest.approx(wanted, rel=1e-5)


def test_kernel_distance_has_no_floor():
    """Clouds of one distribution: the mean over many pairs is zero, below the spread of a single one."""
    found = torch.tensor(
        [metrics.kernel_distance(normal(50, 4, seed=2 * i), normal(50, 4, seed=2 * i + 1)) for i in range(60)]
    )
    assert abs(found.mean()) < 3 * found.std() / math.sqrt(60)
    assert metrics.kernel_distance(normal(50, 4), normal(50, 4, seed=1) + 1) > 10 * found.std()


def test_gaussian_discrepancy_of_two_gaussians():
    """E k = w / sqrt(w² + 2) · exp(−δ² / (2 (w² + 2))) in one dimension."""
    width, shift = 1.5, 1.0
    a, b = normal(4000, 1), normal(4000, 1, seed=1) + shift
    peak = width / math.sqrt(width**2 + 2)
    wanted = 2 * peak * (1 - math.exp(-(shift**2) / (2 * (width**2 + 2))))
    assert metrics.gaussian_discrepancy(a, b, width) == pytest.approx(wanted, rel=0.15)
    with pytest.raises(ValueError, match="above zero"):
        metrics.gaussian_discrepancy(a, b, 0)
    with pytest.raises(ValueError, match="two points"):
        metrics.gaussian_discrepancy(a[:1], b, 1)


def test_path_length_of_a_linear_generator_is_the_length_of_the_way():
    matrix, a, b = normal(6, 4), normal(8, 4, seed=1), normal(8, 4, seed=2)
    wanted = ((b - a) @ matrix.T).square().sum(1).mean().item()
    found = metrics.path_length(lambda z: z @ matrix.T, a, b, lerp)
    assert found == pytest.approx(wanted, rel=1e-3)
    assert metrics.path_length(lambda z: torch.zeros(len(z), 2), a, b, lerp) == 0
    with pytest.raises(ValueError, match="step"):
        metrics.path_length(lambda z: z, a, b, lerp, step=2)


def factors(count=4000):
    stream = torch.Generator().manual_seed(3)
    return torch.stack([torch.randint(0, k, (count,), generator=stream) for k in (2, 4, 5)], 1)


def test_a_code_that_is_the_factors_has_the_whole_gap_and_a_copy_none():
    v = factors()
    assert metrics.mutual_information_gap(v + 1e-3 * normal(*v.shape), v) == pytest.approx(1, abs=0.02)
    twice = torch.cat([v, v], 1) + 1e-3 * normal(len(v), 6)
    assert metrics.mutual_information_gap(twice, v) == pytest.approx(0, abs=0.02)
    assert metrics.mutual_information_gap(normal(len(v), 5), v) < 0.02


def test_mutual_information_of_a_coin_and_its_sign():
    coin = torch.arange(4000) % 2
    code = torch.stack([coin * 2.0 - 1 + 0.01 * normal(4000), torch.zeros(4000)], 1)
    table = metrics.mutual_information(code, coin[:, None])
    assert table[0, 0].item() == pytest.approx(math.log(2), abs=1e-6) and table[1, 0] == 0
    assert metrics.entropy(coin[:, None]).item() == pytest.approx(math.log(2))


def test_dci_of_known_importances():
    assert dataclasses.astuple(from_importance(torch.eye(3))) == pytest.approx((1, 1, 1))
    even = from_importance(torch.ones(4, 3))
    assert even.disentanglement == pytest.approx(0, abs=1e-9) and even.completeness == pytest.approx(0, abs=1e-9)
    split = from_importance(torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 2.0]]))  # one factor on two latents
    assert split.disentanglement == pytest.approx(1)
    assert split.completeness == pytest.approx(0.5 * (1 - math.log(2) / math.log(3)) + 0.5)


def test_dci_of_a_linear_code():
    v = factors().float()
    neat, turned = metrics.dci(v, v), metrics.dci(v @ torch.linalg.qr(normal(3, 3)).Q, v)
    assert neat.disentanglement > 0.95 and neat.completeness > 0.95 and neat.informativeness > 0.99
    assert turned.informativeness > 0.99 and turned.disentanglement < neat.disentanglement - 0.2
    assert metrics.dci(normal(4000, 3, seed=9), v).informativeness < 0.05
