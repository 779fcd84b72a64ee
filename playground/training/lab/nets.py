"""Small networks of the plane whose weights come from a generator of their own.

torch draws initial weights from one stream that all threads of a server share; two visitors who start at the same
moment would disturb each other's. So layers are made empty here and filled from the learner's own generator, by the
same rule as torch's (uniform within ±1/√fan_in).
"""

from __future__ import annotations

import itertools
import math

import torch
from torch import Tensor, nn
from torch.nn.utils import skip_init


class Waves(nn.Module):
    """(N, d) → (N, d + waves): the point itself and sines of it, so that a small network can be fine-grained.

    Directions are normal with `turns` full waves per unit on average (Tancik et al., "Fourier features", 2020).
    """

    def __init__(self, size: int, waves: int, turns: float, init: torch.Generator) -> None:
        super().__init__()
        self.register_buffer("k", 2 * math.pi * turns * torch.randn(size, waves, generator=init))
        self.register_buffer("phase", 2 * math.pi * torch.rand(waves, generator=init))

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x, torch.addmm(self.phase, x, self.k).sin()], 1)


def linear(before: int, after: int, init: torch.Generator, zero: bool = False) -> nn.Linear:
    """A linear layer filled from `init`, or with zeros."""
    layer = skip_init(nn.Linear, before, after)
    bound = 0.0 if zero else 1 / math.sqrt(before)
    for weight in layer.parameters():
        nn.init.uniform_(weight, -bound, bound, generator=init)
    return layer


def mlp(
    sizes: tuple[int, ...],
    init: torch.Generator,
    bend: type[nn.Module] = nn.SiLU,
    waves: tuple[int, float] | None = None,
    zero: bool = False,
) -> nn.Sequential:
    """Linear layers with a bend between them.

    Args:
        sizes: from input to output. bend: the nonlinearity. waves: (number, turns per unit) put before the first layer.
        zero: the last layer begins at zero.
    """
    layers: list[nn.Module] = []
    if waves is not None:
        layers.append(Waves(sizes[0], *waves, init))
        sizes = (sizes[0] + waves[0], *sizes[1:])
    for a, b in itertools.pairwise(sizes[:-1]):
        layers += [linear(a, b, init), bend()]
    return nn.Sequential(*layers, linear(sizes[-2], sizes[-1], init, zero))
