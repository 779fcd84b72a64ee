"""Metrics against oracles: closed forms, scipy, and brute force."""

import math
import sys

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm
from scipy.stats import mannwhitneyu

from playground.metrics import (
    Index,
    bits_per_dimension,
    confidence,
    frechet_distance,
    frechet_floor,
    histogram,
    importance_bound,
    mean_pairwise_distance,
    memorisation,
    missing,
    nearest_is_train,
    prdc,
    total_variation,
)
from playground.metrics.distances import CHUNK, nearest
from playground.metrics.frechet import draws, frechet_from_moments, moments, symmetric_root
from playground.metrics.memorisation import chance_below
from playground.metrics.neighbours import pack, unpack


def cloud(n, f, seed, scale=1.0, shift=0.0):
    return torch.randn(n, f, generator=torch.Generator().manual_seed(seed)) * scale + shift


# ---------------------------------------------------------------------------------------------- Fréchet distance


def test_frechet_of_diagonal_gaussians_is_the_closed_form():
    """For diagonal covariances FD = Σ (μ_a − μ_b)² + (σ_a − σ_b)²."""
    mean_a, mean_b = torch.tensor([1.0, -2.0, 0.5]).double(), torch.tensor([0.0, 1.0, 0.5]).double()
    std_a, std_b = torch.tensor([1.0, 2.0, 0.1]).double(), torch.tensor([3.0, 0.5, 0.0]).double()
    expected = ((mean_a - mean_b) ** 2 + (std_a - std_b) ** 2).sum().item()
    given = frechet_from_moments(mean_a, torch.diag(std_a**2), mean_b, torch.diag(std_b**2))
    assert given == pytest.approx(expected, rel=1e-12)


def test_frechet_of_many_samples_approaches_the_closed_form():
    a, b = cloud(200_000, 3, 0), cloud(200_000, 3, 1, scale=2.0, shift=1.0)
    assert frechet_distance(a, b) == pytest.approx(3 * (1 + 1), rel=0.02)


def test_frechet_agrees_with_scipy_on_correlated_features():
    a = cloud(400, 12, 0) @ cloud(12, 12, 2)
    b = cloud(300, 12, 1) @ cloud(12, 12, 3) + 0.3
    (mean_a, cov_a), (mean_b, cov_b) = moments(a.double()), moments(b.double())
    cross = np.trace(sqrtm(cov_a.numpy() @ cov_b.numpy()).real)
    expected = ((mean_a - mean_b) ** 2).sum() + cov_a.trace() + cov_b.trace() - 2 * cross
    assert frechet_distance(a, b) == pytest.approx(expected.item(), rel=1e-9)


def test_frechet_is_symmetric_and_zero_for_equal_sets():
    a, b = cloud(200, 8, 0), cloud(250, 8, 1, shift=0.5)
    assert frechet_distance(a, b) == pytest.approx(frechet_distance(b, a), rel=1e-9)
    assert frechet_distance(a, a) == pytest.approx(0, abs=1e-9)


def test_frechet_survives_fewer_samples_than_features():
    a, b = cloud(10, 64, 0), cloud(12, 64, 1, shift=1.0)
    distance = frechet_distance(a, b)
    assert math.isfinite(distance) and distance > 64 * 0.5
    assert frechet_distance(a, a) == pytest.approx(0, abs=1e-6)


def test_frechet_of_a_single_feature():
    assert frechet_distance(cloud(500, 1, 0), cloud(500, 1, 0) + 2) == pytest.approx(4, rel=1e-5)


def test_symmetric_root_squares_back():
    matrix = torch.cov(cloud(50, 6, 0).double().T)
    torch.testing.assert_close(symmetric_root(matrix) @ symmetric_root(matrix), matrix)


def test_floor_falls_with_the_number_of_samples():
    train, test = cloud(4000, 8, 0), cloud(4000, 8, 1)
    assert frechet_floor(train, test, 100) > 3 * frechet_floor(train, test, 2000) > 0


def test_draws_are_repeatable_and_without_replacement():
    (first,), (again,) = draws(50, 50, [3]), draws(50, 50, [3])
    assert torch.equal(first, again) and torch.equal(first.sort().values, torch.arange(50))
    with pytest.raises(ValueError, match="there are 50"):
        draws(50, 51, [0])


@pytest.mark.parametrize("bad", [torch.full((5, 3), math.nan), torch.zeros(0, 3), torch.zeros(5), torch.zeros(5, 4)])
def test_bad_features_are_refused_rather_than_scored(bad):
    with pytest.raises(ValueError):
        frechet_distance(bad, torch.randn(5, 3))


# ----------------------------------------------------------------------------- precision, recall, density, coverage


def brute_force(real, samples, k):
    """The four formulas of the papers, pair by pair in numpy."""
    real, samples = real.double().numpy(), samples.double().numpy()

    def reach(points):
        return [np.sort(np.linalg.norm(points - p, axis=1))[k] for p in points]  # [0] is the point itself

    real_reach, sample_reach = reach(real), reach(samples)
    inside = np.array([[np.linalg.norm(y - x) <= r for x, r in zip(real, real_reach)] for y in samples])
    back = np.array([[np.linalg.norm(y - x) <= r for y, r in zip(samples, sample_reach)] for x in real])
    return inside.any(1).mean(), back.any(1).mean(), inside.sum() / (k * len(samples)), inside.any(0).mean()


@pytest.mark.parametrize("k", [1, 3, 5])
def test_prdc_agrees_with_brute_force(k):
    real, samples = cloud(60, 4, 0), cloud(45, 4, 1, scale=0.7, shift=0.4)
    found = prdc(real, samples, k)
    expected = brute_force(real, samples, k)
    assert (found.precision, found.recall, found.density, found.coverage) == pytest.approx(expected)


def test_prdc_is_the_same_across_chunk_borders(monkeypatch):
    monkeypatch.setattr(sys.modules["playground.metrics.prdc"], "CHUNK", 16)  # the name itself is the function
    real, samples = cloud(70, 2, 0), cloud(41, 2, 1, scale=1.3)
    found = prdc(real, samples, 3)
    expected = brute_force(real, samples, 3)
    assert (found.precision, found.recall, found.density, found.coverage) == pytest.approx(expected)


def test_prdc_of_identical_and_of_distant_sets():
    real = cloud(100, 3, 0)
    same, far = prdc(real, real, 5), prdc(real, real + 100, 5)
    assert same.precision == same.recall == same.coverage == 1
    assert far.precision == far.recall == far.density == far.coverage == 0


def test_a_dropped_mode_costs_recall_not_precision():
    real = torch.cat([cloud(200, 2, 0), cloud(200, 2, 1, shift=50)])
    found = prdc(real, cloud(200, 2, 2), 5)
    assert found.precision > 0.9 and found.recall < 0.55 and found.coverage < 0.55


def test_prdc_refuses_k_beyond_the_set():
    with pytest.raises(ValueError, match="k was 5"):
        prdc(torch.randn(5, 2), torch.randn(50, 2), 5)


# ------------------------------------------------------------------------------------------------- memorisation


def test_nearest_agrees_with_sorting_all_distances():
    queries, items = cloud(CHUNK + 20, 5, 0), cloud(300, 5, 1)
    indices, distances = nearest(queries, items, 4)
    expected = torch.cdist(queries.double(), items.double()).sort(1)
    assert torch.equal(indices, expected.indices[:, :4])
    torch.testing.assert_close(distances.double(), expected.values[:, :4], atol=1e-5, rtol=1e-5)


def test_a_copy_is_at_distance_zero_however_large_the_features():
    items = cloud(100, 32, 0, shift=1e4)
    assert nearest(items[40:45], items)[1].max() == 0


def test_auc_is_the_mann_whitney_statistic():
    a, b = cloud(70, 1, 0)[:, 0].round(decimals=1), cloud(90, 1, 1, shift=0.5)[:, 0].round(decimals=1)
    below = mannwhitneyu(b.numpy(), a.numpy()).statistic / (70 * 90)
    assert chance_below(a, b) == pytest.approx(below)


def test_honest_samples_copies_and_rubbish_are_told_apart():
    train, held_out, fresh = cloud(2000, 4, 0), cloud(1000, 4, 1), cloud(1000, 4, 2)
    honest = memorisation(fresh, held_out, train)
    assert honest.auc == pytest.approx(0.5, abs=0.04) and honest.within_50 == pytest.approx(0.5, abs=0.05)
    assert honest.within_1 == pytest.approx(0.01, abs=0.012)
    copies = memorisation(train[:500] + 1e-4, held_out, train)
    assert copies.auc > 0.99 and copies.within_1 > 0.99
    assert memorisation(fresh + 30, held_out, train).auc == 0


def test_the_nearest_of_as_many_is_from_training_as_often_as_chance_has_it():
    train, held_out, fresh = cloud(600, 4, 0), cloud(200, 4, 1), cloud(500, 4, 2)
    stream = torch.Generator().manual_seed(3)
    draws = []
    for _ in range(200):  # the same by drawing
        some = train[torch.randperm(600, generator=stream)[:200]]
        draws.append((torch.cdist(fresh, some).amin(1) < torch.cdist(fresh, held_out).amin(1)).float().mean())
    chance = nearest_is_train(fresh, train, held_out)
    assert chance == pytest.approx(torch.stack(draws).mean().item(), abs=0.01)
    assert chance == pytest.approx(0.5, abs=0.06), "fresh draws from the same cloud"
    assert nearest_is_train(fresh, held_out, train) == pytest.approx(1 - chance), "either kind may be the larger"
    assert nearest_is_train(train[:50] + 1e-5, train, held_out) > 0.33, "a third of the learned ones is drawn"
    assert nearest_is_train(train[:50] + 1e-5, train[:50], held_out) > 0.99


def test_blur_is_no_copying():
    train, held_out, fresh = cloud(1000, 4, 0), cloud(1000, 4, 1), cloud(1000, 4, 2)
    blurred = fresh * 0.5  # nearer the middle, where it is crowded
    assert memorisation(blurred, held_out, train).auc > 0.75, "the unpaired question is fooled"
    assert nearest_is_train(blurred, train, held_out) == pytest.approx(0.5, abs=0.08)


# ---------------------------------------------------------------------------------------------------- diversity


def test_mean_pairwise_distance_of_a_triangle():
    assert mean_pairwise_distance(torch.tensor([[0.0, 0], [3, 0], [0, 4]])) == pytest.approx(4)
    assert mean_pairwise_distance(torch.ones(10, 3)) == 0


def test_histogram_missing_and_total_variation():
    shares = histogram(torch.tensor([0, 0, 2, 2, 2, 2, 4, 4]), 5)
    assert shares.tolist() == [0.25, 0, 0.5, 0, 0.25]
    assert missing(shares) == [1, 3]
    assert total_variation(shares) == pytest.approx(0.4)  # uniform is 0.2 each: 0.05 + 0.3 + 0.05 above
    assert total_variation(shares, shares) == 0
    assert total_variation(histogram(torch.tensor([0]), 2), histogram(torch.tensor([1]), 2)) == 1


def test_confidence_is_the_mean_over_heads():
    sure, torn = torch.tensor([[100.0, 0, 0]]), torch.tensor([[1.0, 1.0]])
    assert confidence([sure, torn]).tolist() == pytest.approx([0.75])


# --------------------------------------------------------------------------------------------------- likelihood


def linear_gaussian_log_weights(x, count, widen):
    """p(z) = N(0,1), p(x|z) = N(z, ½) → p(x) = N(0, 3/2), p(z|x) = N(⅔x, ⅓); q is the posterior, widened."""
    posterior_std = math.sqrt(1 / 3)
    q = torch.distributions.Normal(x[:, None] * 2 / 3, posterior_std * widen)
    torch.manual_seed(0)
    z = q.sample((count,))[..., 0].T  # (N, K)
    log_joint = torch.distributions.Normal(0.0, 1.0).log_prob(z) + torch.distributions.Normal(
        z, math.sqrt(0.5)
    ).log_prob(x[:, None])
    return log_joint - q.log_prob(z)


def test_bound_is_exact_with_the_true_posterior():
    x = torch.tensor([-1.5, 0.0, 0.4, 3.0], dtype=torch.float64)
    evidence = torch.distributions.Normal(0.0, math.sqrt(1.5)).log_prob(x)
    torch.testing.assert_close(importance_bound(linear_gaussian_log_weights(x, 1, 1.0)), evidence)


def test_bound_tightens_with_more_samples_and_stays_below():
    x = torch.linspace(-2, 2, 400, dtype=torch.float64)
    evidence = torch.distributions.Normal(0.0, math.sqrt(1.5)).log_prob(x).mean()
    one, ten, many = (importance_bound(linear_gaussian_log_weights(x, k, 2.0)).mean() for k in (1, 10, 3000))
    assert one < ten < many <= evidence + 2e-3
    assert many == pytest.approx(evidence.item(), abs=2e-3)


def test_bound_survives_weights_that_would_overflow():
    assert importance_bound(torch.tensor([[-2000.0, -2000.0]])).item() == pytest.approx(-2000)
    with pytest.raises(ValueError, match="NaN"):
        importance_bound(torch.tensor([[math.nan, 0.0]]))


def test_bits_per_dimension_of_fair_coins_is_one():
    assert bits_per_dimension(784 * math.log(0.5), 784) == pytest.approx(1)


# ------------------------------------------------------------------------------------------------------ index


def test_packing_keeps_sixteen_levels_and_the_order_of_pixels():
    levels = (torch.arange(16) * 17).to(torch.uint8).reshape(1, 2, 8)
    assert torch.equal(unpack(pack(levels)), levels)
    picture = torch.arange(256).to(torch.uint8).reshape(1, 16, 16)
    assert (unpack(pack(picture)).int() - picture.int()).abs().max() <= 8


def test_index_of_pictures_finds_and_shows_them_again(tmp_path):
    images = (torch.rand(30, 28, 28, generator=torch.Generator().manual_seed(0)) * 255).to(torch.uint8)
    embeddings = cloud(30, 6, 0)
    Index.of_pictures(embeddings, images).save(tmp_path)
    index = Index.load(tmp_path)
    indices, distances = index.nearest(embeddings[[7, 3]], k=2)
    assert len(index) == 30 and indices[:, 0].tolist() == [7, 3]
    assert (distances[:, 0] < 0.01).all() and (distances[:, 0] < distances[:, 1]).all()
    shown = index.picture(7)
    assert shown.shape == (28, 28, 1) and shown.dtype == np.uint8
    assert np.abs(shown[..., 0].astype(int) - images[7].numpy().astype(int)).max() <= 8


def test_index_of_seeds_draws_the_picture(tmp_path):
    Index.of_seeds(cloud(4, 3, 0), torch.tensor([11, 22, 33, 44]), None).save(tmp_path)
    index = Index.load(tmp_path, draw=lambda seed: np.full((2, 2, 3), seed, np.uint8))
    assert (index.picture(2) == 33).all()
    with pytest.raises(ValueError, match="draws"):
        Index.load(tmp_path).picture(0)
