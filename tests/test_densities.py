"""The plane's densities: what is drawn and what is said of it agree, checked by sums over a grid."""

import math

import pytest
import torch

from playground import data as datasets
from playground.data import densities
from playground.metrics import sliced_wasserstein


def grid(side=501, reach=5.0):
    """Points of a fine grid, float64 (side², 2), and the area each stands for."""
    line = torch.linspace(-reach, reach, side, dtype=torch.float64)
    return torch.cartesian_prod(line, line), (line[1] - line[0]).item() ** 2


@pytest.mark.parametrize("name", densities.NAMES)
def test_the_density_is_one_in_all(name):
    points, area = grid()
    assert densities.log_density(name, points).exp().sum().item() * area == pytest.approx(1, abs=2e-3)


@pytest.mark.parametrize("name", densities.NAMES)
def test_draws_follow_the_density(name):
    """The mean of log p over draws is minus the entropy, which the grid gives as well."""
    points, area = grid()
    log = densities.log_density(name, points)
    entropy = -(log.exp() * log.clamp_min(-1e3)).sum().item() * area
    drawn = densities.sample(name, 20_000, torch.Generator().manual_seed(1))
    assert -densities.log_density(name, drawn).mean().item() == pytest.approx(entropy, abs=0.03)
    assert drawn.abs().max() < densities.EXTENT


def test_points_are_pictures_of_two_numbers():
    data = datasets.load("densities", "test")
    assert data.images.shape[1:] == (2, 1, 1) and data.images.dtype == torch.float32
    assert data.heads == {"density": densities.NAMES} and data.labels[:7].tolist() == [0, 1, 2, 3, 4, 5, 0]
    plane = densities.to_plane(data.pictures(slice(100)))
    assert torch.allclose(densities.to_picture(plane), data.images[:100], atol=1e-6)
    own = [densities.log_density(densities.NAMES[int(k)], p[None]) for k, p in zip(data.labels, plane)]
    assert torch.isfinite(torch.cat(own)).all()


def test_training_and_test_points_are_drawn_apart():
    train, test = (datasets.load("densities", split).images[..., 0, 0].double() for split in ("train", "test"))
    assert torch.cdist(test[:600], train, compute_mode="donot_use_mm_for_euclid_dist").min() > 0


def test_moving_a_cloud_costs_what_the_projections_say():
    """Shifted by v, each projection moves by |v · direction|, whose mean over the circle is |v| · 2/π."""
    cloud = torch.randn(500, 2, generator=torch.Generator().manual_seed(0))
    shift = torch.tensor([0.6, -0.8])
    assert sliced_wasserstein(cloud, cloud) == 0
    assert sliced_wasserstein(cloud, cloud + shift) == pytest.approx(2 / math.pi, rel=1e-3)
    with pytest.raises(ValueError, match="equal size"):
        sliced_wasserstein(cloud, cloud[1:])
