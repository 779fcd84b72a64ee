"""The first layer, while a picture is being drawn: what a row can see above it, and a pixel to its left.

A convolution masked to the earlier pixels is the sum of two: one over the rows above and one over the pixels to the
left in the same row. Drawing row by row, the first is done once per row for all its pixels, the second pixel by
pixel. Pixels are seen as −1 and 1; beyond the border stands 0, which is neither.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Above:
    """A convolution over the rows above, of pictures (N, H, W) in the making."""

    def __init__(self, convolution: nn.Conv2d, x: Tensor) -> None:
        count, height, self.width = x.shape
        self.convolution, (self.rows, wide) = convolution, convolution.kernel_size
        self.side = wide // 2
        self.signed = x.new_zeros(count, 1, self.rows + height, self.side + self.width + self.side)

    def row(self, x: Tensor, row: int) -> Tensor:
        """Its output at `row`, (N, C, 1, W)."""
        if row:
            self.signed[:, 0, self.rows + row - 1, self.side : self.side + self.width] = 2 * x[:, row - 1] - 1
        return self.convolution(self.signed[:, :, row : row + self.rows])

    def select(self, index: Tensor) -> None:
        """Picture j becomes a copy of picture index[j]."""
        self.signed = self.signed[index]


class Left:
    """A convolution over the pixels to the left, as one small matrix product per place."""

    def __init__(self, convolution: nn.Conv2d, x: Tensor) -> None:
        self.before = convolution.kernel_size[1]
        self.weight = convolution.weight[:, 0, 0].T.contiguous()  # (before, C)
        self.line = x.new_zeros(len(x), self.before + x.shape[2])  # what is read has been written, but for the border

    def place(self, base: Tensor, x: Tensor, row: int, column: int) -> Tensor:
        """Its output at a place plus `base` (C,) or (N, C): (N, C)."""
        if column:
            torch.add(-1, x[:, row, column - 1], alpha=2, out=self.line[:, self.before + column - 1])
        return torch.addmm(base, self.line[:, column : column + self.before], self.weight)

    def select(self, index: Tensor) -> None:
        """Picture j becomes a copy of picture index[j]."""
        self.line = self.line[index]
