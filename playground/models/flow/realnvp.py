"""RealNVP: affine couplings, checkerboards and channels, several scales.

Coupling layers take turns in moving one half of the numbers: first the black fields of a checkerboard of pixels by
the white ones, then, once 2×2 squares have become channels, one half of the channels by the other. Half of them is
then finished, the rest goes on at half the resolution. Pixels are opened to all numbers by a logit first.

    h' = h_kept,   h' = h_moved ⊙ exp(s(h_kept)) + t(h_kept),      log |det| = Σ s(h_kept)

Dinh, Sohl-Dickstein and Bengio, "Density estimation using Real NVP", 2016. In a squeezed picture a checkerboard is
the channels {0, 3} against {1, 2}, which costs a quarter of a masked convolution at full size.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from playground.models.flow.base import Chain, PictureFlow
from playground.models.flow.couplings import ActNorm, Coupling
from playground.models.flow.pixels import Levels, Logit
from playground.models.flow.scales import AtScale, ConvNet

# of the four pixels of a square: those of one colour of a checkerboard, columns, rows
BOARD, COLUMNS, ROWS = ((0, 3), (1, 2)), ((0, 2), (1, 3)), ((0, 1), (2, 3))


class RealNVP(PictureFlow):
    """Two scales of affine couplings with residual networks.

    Args:
        shape: (C, H, W). couplings: per scale. widths: channels of their networks, per scale. blocks: residual blocks.
        alpha: how far black and white are kept from the ends of the logit.
    """

    def __init__(
        self,
        shape: Sequence[int] = (1, 28, 28),
        couplings: int = 8,
        widths: Sequence[int] = (48, 64),
        blocks: int = 2,
        alpha: float = 0.05,
    ) -> None:
        super().__init__()
        self.shape = tuple(shape)
        self.layers = nn.ModuleList([Chain(Levels(self.bits), Logit(alpha))])
        channels = 4 * shape[0]
        for scale, width in enumerate(widths):
            for i in range(couplings):
                changed = _channels(channels, i)
                net = ConvNet(channels - len(changed), 2 * len(changed), width, blocks)
                self.layers.append(AtScale(scale, Chain(ActNorm(channels), Coupling(channels, changed, net))))
            channels *= 2

    def show(self, h: Tensor, depth: int) -> Tensor:
        """As probabilities of white, which undoes the logit's stretching."""
        return torch.sigmoid(h)


def _channels(channels: int, turn: int) -> list[int]:
    """Which channels the `turn`th coupling moves: checkerboard twice, then columns, then rows, each both ways."""
    pattern = (BOARD, BOARD, COLUMNS, ROWS)[turn // 2 % 4]
    return [c for c in range(channels) if c % 4 in pattern[turn % 2]]
