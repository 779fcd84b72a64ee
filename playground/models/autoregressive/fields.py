"""Which pixels a stack of masked convolutions can see, from its masks alone.

A pixel counts as seen if a path of kernel taps leads from it to the output. In the first PixelCNN every layer looks at
a square whose rows below and pixels to the right are masked. A step up may go sideways by as much as it goes up, and
a step within the row may only go left; so pixels far to the right, a few rows up, are never reached: a blind spot of
about a quarter of what should be seen. The gated PixelCNN's vertical stack has no such mask.

Van den Oord et al., "Conditional image generation with PixelCNN decoders", 2016, figure 1.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from playground.api import PlaygroundError


def earlier(row: int, column: int, shape: Sequence[int] = (28, 28)) -> Tensor:
    """All pixels before (row, column) in reading order, bool (H, W): what a causal network may see."""
    return torch.arange(shape[0] * shape[1]).view(*shape) < row * shape[1] + column


def blind_spot_field(
    layers: int, kernel: int, row: int, column: int, gated: bool, shape: Sequence[int] = (28, 28)
) -> Tensor:
    """The pixels that reach the output at (row, column), bool (H, W).

    Args:
        layers: convolutions one after the other, ≥ 1. kernel: side of their square, odd.
        gated: two stacks as in the gated PixelCNN; else one, masked, as in the first.
    """
    if layers < 1 or kernel < 3 or kernel % 2 == 0:
        raise PlaygroundError(f"{layers} layers of kernel {kernel} were asked for; it takes at least 1, and 3, 5, 7 ….")
    reach = kernel // 2
    wide, left = range(-reach, reach + 1), [(0, x) for x in range(-reach, 0)]
    above = [(y, x) for y in range(-reach, 0) for x in wide]
    within = [(0, x) for x in wide]  # the vertical stack's own row, which after its first layer knows no pixel of it
    here = torch.zeros(*shape, dtype=torch.bool)
    here[row, column] = True
    if not gated:
        for _ in range(layers - 1):
            here = spread(here, [*above, *left, (0, 0)])
        return spread(here, [*above, *left])
    vertical = torch.zeros_like(here)
    for _ in range(layers - 1):
        vertical = spread(vertical | here, [*above, *within])
        here = spread(here, [*left, (0, 0)])
    return spread(vertical | here, above) | spread(here, left)


def spread(field: Tensor, taps: Iterable[tuple[int, int]]) -> Tensor:
    """Where the taps (rows, columns) of every place in `field` lie, bool (H, W); what leaves the picture is lost."""
    height, width = field.shape
    seen = torch.zeros_like(field)
    for y, x in taps:
        target = seen[max(0, y) : height + min(0, y), max(0, x) : width + min(0, x)]
        target |= field[max(0, -y) : height + min(0, -y), max(0, -x) : width + min(0, -x)]
    return seen
