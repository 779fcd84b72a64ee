"""A picture as a short list of whole numbers: an autoencoder whose code is rounded.

The encoder gives every patch of the picture a few numbers, *finite scalar quantisation* squashes number d into one of
L_d levels and rounds it, and the decoder makes the picture from what is left. The levels together are the code word:
(8, 5, 5, 5) levels make 1,000 words. Rounding has no gradient, so the gradient passes it as if it were not there. No
codebook is learned, so no word can die.

    ẑ_d = round( tanh(z_d + s_d) · h_d − o_d )    h_d = (L_d − 1)/2,  s_d = atanh(o_d / h_d),  o_d = ½ (L_d even) or 0

Mentzer et al., "Finite scalar quantization: VQ-VAE made simple", 2023 (arXiv:2309.15505).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from playground.models.layers import Residual, conv_down, conv_up


class Quantiser(nn.Module):
    """Numbers → levels → words, and back. Holds no weights.

    Args:
        levels: L_d of each number d.
    """

    def __init__(self, levels: Sequence[int]) -> None:
        super().__init__()
        sizes = torch.tensor(levels)
        self.words = math.prod(levels)
        offset = torch.where(sizes % 2 == 0, 0.5, 0.0)
        reach = (sizes - 1) / 2 * 1.001  # a little more, so that the outermost levels are reached
        basis = torch.cat([torch.ones(1, dtype=torch.int64), sizes.cumprod(0)[:-1]])
        for name, values in {
            "reach": reach,
            "offset": offset,
            "shift": torch.atanh(offset / reach),
            "middle": sizes // 2,
            "sizes": sizes,
            "basis": basis,
        }.items():
            self.register_buffer(name, values, persistent=False)

    def forward(self, z: Tensor) -> Tensor:
        """(…, d) raw numbers → (…, d) rounded, in [−1, 1], with the gradient of the unrounded."""
        bounded = torch.tanh(z + self.shift) * self.reach - self.offset
        rounded = bounded + (bounded.round() - bounded).detach()
        return rounded / self.middle

    def word(self, code: Tensor) -> Tensor:
        """(…, d) rounded numbers in [−1, 1] → (…) words 0 … words − 1."""
        level = (code * self.middle).round().long() + self.middle
        return (level * self.basis).sum(-1)

    def code(self, word: Tensor) -> Tensor:
        """(…) words → (…, d) rounded numbers in [−1, 1]."""
        level = word[..., None] // self.basis % self.sizes
        return (level - self.middle) / self.middle


class Tokeniser(nn.Module):
    """Pictures ↔ a grid of words.

    Args:
        shape: (C, H, W). widths: channels per halving of the side. levels: of the quantiser.
    """

    def __init__(self, shape: Sequence[int], widths: Sequence[int], levels: Sequence[int]) -> None:
        super().__init__()
        widths, last = tuple(widths), widths[-1]
        self.grid = (shape[1] // 2 ** len(widths), shape[2] // 2 ** len(widths))
        self.quantiser = Quantiser(levels)
        self.encoder = nn.Sequential(conv_down(shape[0], widths), nn.Conv2d(last, len(levels), 1))
        self.decoder = nn.Sequential(
            nn.Conv2d(len(levels), last, 3, padding=1), Residual(last), conv_up(widths[::-1], shape[0])
        )

    def encode(self, x: Tensor) -> Tensor:
        """(N, C, H, W) in [0, 1] → rounded numbers (N, h, w, d) in [−1, 1], differentiable."""
        z = self.encoder(2 * x - 1)
        return self.quantiser(z.permute(0, 2, 3, 1).float())

    def decode(self, code: Tensor) -> Tensor:
        """(N, h, w, d) in [−1, 1] → pictures (N, C, H, W) in [0, 1]."""
        return torch.sigmoid(self.decoder(code.permute(0, 3, 1, 2).contiguous()).float())


def edges(x: Tensor) -> tuple[Tensor, Tensor]:
    """Differences between neighbours, down and to the right."""
    return x[:, :, 1:] - x[:, :, :-1], x[:, :, :, 1:] - x[:, :, :, :-1]


def drawing_loss(x: Tensor, y: Tensor) -> Tensor:
    """|x − y| of pixels and edges keeps flat colours flat and thin lines sharp; (x − y)² finds rare colours sooner."""
    down, right = ((a - b).abs().mean() for a, b in zip(edges(x), edges(y)))
    return (x - y).abs().mean() + down + right + 4 * (x - y).square().mean()
