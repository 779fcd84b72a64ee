"""Blocks that two or more families use."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor, nn


def grouped(channels: int) -> nn.Module:
    """Eight groups of channels, each normalised within its own picture (Wu and He, "Group normalization", 2018)."""
    return nn.GroupNorm(8, channels)


class Residual(nn.Module):
    """x + f(x) with two 3×3 convolutions (He et al., "Identity mappings", 2016): (N, C, H, W) → the same."""

    def __init__(self, channels: int, norm: Callable[[int], nn.Module] = grouped) -> None:
        super().__init__()
        self.norm1, self.norm2 = norm(channels), norm(channels)
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        h = self.conv1(F.silu(self.norm1(x)))
        return x + self.conv2(F.silu(self.norm2(h)))


def conv_down(
    channels: int, widths: tuple[int, ...], norm: Callable[[int], nn.Module] = grouped
) -> nn.Sequential:
    """Halves the side once per width, with a residual block after each: (N, C, H, W) → (N, widths[-1], H/2ⁿ, W/2ⁿ)."""
    layers: list[nn.Module] = []
    for width in widths:
        layers += [nn.Conv2d(channels, width, 4, stride=2, padding=1), Residual(width, norm)]
        channels = width
    return nn.Sequential(*layers, norm(channels), nn.SiLU())


def conv_up(widths: tuple[int, ...], channels: int) -> nn.Sequential:
    """Doubles the side once per width: (N, widths[0], H, W) → (N, channels, 2ⁿH, 2ⁿW).

    The last doubling is a pixel shuffle: four output pixels from one position, at a quarter of the cost.
    """
    layers: list[nn.Module] = []
    for here, following in itertools.pairwise(widths):
        layers += [Residual(here), nn.Upsample(scale_factor=2), nn.Conv2d(here, following, 3, padding=1)]
    last = widths[-1]
    layers += [Residual(last), nn.GroupNorm(8, last), nn.SiLU(), nn.Conv2d(last, 4 * channels, 3, padding=1)]
    return nn.Sequential(*layers, nn.PixelShuffle(2))


def mlp(sizes: tuple[int, ...]) -> nn.Sequential:
    """Linear layers with GELU between them (none after the last)."""
    layers: list[nn.Module] = []
    for a, b in itertools.pairwise(sizes):
        layers += [nn.Linear(a, b), nn.GELU()]
    return nn.Sequential(*layers[:-1])
