"""Gated PixelCNN: two stacks of masked convolutions that together see every earlier pixel.

The *vertical* stack at row r has seen all rows above r, as wide as it likes; the *horizontal* stack adds the pixels to
the left in the row itself. Each layer is a gate, with the class (and the order) as a bias,

    y = tanh(W_f ∗ x + V_f h) ⊙ σ(W_g ∗ x + V_g h)

and the horizontal one has a residual connection. The first PixelCNN had one stack of convolutions masked to the pixels
before the centre; however deep, it never saw a wedge of pixels up and to the right: its blind spot.

To draw, nothing is computed twice: the vertical stack runs once per row, on the few rows its kernels need; a pixel
costs the horizontal stack at one place, which is a handful of small matrix products.

Van den Oord et al., "Conditional image generation with PixelCNN decoders", 2016 (arXiv:1606.05328). Ours differs in
the residual connection of the vertical stack too, and in a bias per place in the first layer.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from playground.models.autoregressive.base import PixelModel
from playground.models.autoregressive.strip import Above, Left

CONDITION = 32  # size of the vector that stands for class and order
ABOVE, WIDE = 5, 9  # rows and columns that the first vertical convolution sees
BEFORE = 8  # pixels to the left that the first horizontal one sees


class PixelCNN(PixelModel):
    """Gated PixelCNN of binary pixels.

    Args:
        shape: (1, H, W). classes: K, 0 without. channels: C of both stacks. layers: gated layers after the first.
        rows, columns: size of the vertical kernels (columns odd). taps: of the horizontal ones, the present place
            included. dilations: of the vertical kernels, taken in turn: how many places lie between two that are seen.
        orders: how many of `base.ORDERS` it learns.
    """

    def __init__(
        self,
        shape: Sequence[int] = (1, 28, 28),
        classes: int = 10,
        channels: int = 64,
        layers: int = 8,
        rows: int = 2,
        columns: int = 3,
        taps: int = 2,
        dilations: Sequence[int] = (1, 2),
        orders: int = 1,
    ) -> None:
        super().__init__(shape, classes, orders)
        self.vertical = nn.Conv2d(1, channels, (ABOVE, WIDE))
        self.horizontal = nn.Conv2d(1, channels, (1, BEFORE))
        self.place = nn.Parameter(0.02 * torch.randn(orders, 2 * channels, *self.shape[1:]))  # bias of every place
        self.class_vectors = nn.Embedding(classes, CONDITION) if classes else None
        self.order_vectors = nn.Embedding(orders, CONDITION) if orders > 1 else None
        told = CONDITION if classes or orders > 1 else 0
        self.layers = nn.ModuleList(
            GatedLayer(channels, rows, columns, taps, dilations[i % len(dilations)], told) for i in range(layers)
        )
        self.head = nn.Sequential(
            nn.SiLU(), nn.Conv2d(channels, 2 * channels, 1), nn.SiLU(), nn.Conv2d(2 * channels, 1, 1)
        )
        self.to(memory_format=torch.channels_last)  # a third faster on a CPU

    def condition(self, labels: Tensor | None, order: int, count: int) -> Tensor | None:
        """The vector of class plus order, (N, 32), or None where there is neither."""
        vector = None if self.class_vectors is None else self.class_vectors(labels)
        if self.order_vectors is not None:
            own = self.order_vectors.weight[order].expand(count, -1)
            vector = own if vector is None else vector + own
        return vector

    def _logits(self, x: Tensor, labels: Tensor | None, order: int) -> Tensor:
        signed = 2 * x - 1  # beyond the border stands 0, which is neither black nor white
        v, h = self.place[order][None].chunk(2, 1)
        v = v + self.vertical(F.pad(signed, (WIDE // 2, WIDE // 2, ABOVE, -1)))
        h = h + self.horizontal(F.pad(signed, (BEFORE, -1)))
        told = self.condition(labels, order, len(x))
        for layer in self.layers:
            v, h = layer(v, h, told)
        return self.head(h)

    def cache(self, x: Tensor, labels: Tensor | None, order: int) -> PixelCNNCache:
        """Keeps v of the last rows and h of the present row; see `base.Cache`."""
        return PixelCNNCache(self, x, self.condition(labels, order, len(x)), order)


class GatedLayer(nn.Module):
    """v, h: (N, C, H, W) → the same. The vertical features join the horizontal ones before the gate (figure 2).

    Args:
        told: size of the condition vector, 0 without.
    """

    def __init__(self, channels: int, rows: int, columns: int, taps: int, dilation: int, told: int) -> None:
        super().__init__()
        self.above, self.side, self.taps = dilation * (rows - 1), dilation * (columns // 2), taps
        self.vertical = nn.Conv2d(channels, 2 * channels, (rows, columns), dilation=dilation)
        self.horizontal = nn.Conv2d(channels, 2 * channels, (1, taps))
        self.across = nn.Conv2d(channels, 2 * channels, 1, bias=False)
        self.out = nn.Conv2d(channels, channels, 1, bias=False)
        self.told = nn.Linear(told, 4 * channels, bias=False) if told else None

    def forward(self, v: Tensor, h: Tensor, condition: Tensor | None) -> tuple[Tensor, Tensor]:
        bias_v, bias_h = self.biases(condition)
        gated = gate(self.vertical(F.pad(v, (self.side, self.side, self.above, 0))) + bias_v)
        mixed = gate(self.horizontal(F.pad(h, (self.taps - 1, 0))) + self.across(gated) + bias_h)
        return v + gated, h + self.out(mixed)

    def biases(self, condition: Tensor | None) -> tuple[Tensor | float, Tensor | float]:
        """What class and order add before the two gates, (N, 2C, 1, 1) each."""
        if self.told is None:
            return 0.0, 0.0
        first, second = self.told(condition)[:, :, None, None].chunk(2, 1)
        return first, second


def gate(x: Tensor) -> Tensor:
    """(N, 2C, H, W) → (N, C, H, W): tanh of the first half times σ of the second (equation 2)."""
    value, door = x.chunk(2, 1)
    return torch.tanh(value) * torch.sigmoid(door)


class PixelCNNCache:
    """The work already done for N pictures.

    Per layer it keeps the last rows of v, (N, C, above + 1, W + 2·side), and h of the present row as
    (N, (taps − 1 + W)·C), so that the taps of a place lie side by side and one matrix product takes them all.
    """

    def __init__(self, net: PixelCNN, x: Tensor, condition: Tensor | None, order: int) -> None:
        self.net, self.x = net, x.clone()
        self.place = net.place[order].chunk(2)  # v's and h's, (C, H, W)
        self.above, self.left = Above(net.vertical, self.x), Left(net.horizontal, self.x)
        self.layers = [_LayerCache(layer, *x.shape[::2], layer.biases(condition)) for layer in net.layers]
        first, last = net.head[1], net.head[3]
        self.head = (first.bias, first.weight[:, :, 0, 0].T, last.bias, last.weight[:, :, 0, 0].T)

    def start_row(self, row: int) -> None:
        """The vertical stack at `row`, from the finished rows above."""
        self.row = row
        self.base = (self.place[1][:, row].T + self.net.horizontal.bias).contiguous()  # (W, C)
        v = self.above.row(self.x, row) + self.place[0][:, row : row + 1]
        for layer in self.layers:
            v = layer.start_row(v)

    def logit(self, column: int) -> Tensor:
        """The horizontal stack at `column`, from the pixels to its left."""
        h = self.left.place(self.base[column], self.x, self.row, column)
        for layer in self.layers:
            h = layer.step(h, column)
        bias, weight, last_bias, last = self.head
        return torch.addmm(last_bias, F.silu(torch.addmm(bias, F.silu(h), weight)), last)[:, 0]

    def select(self, index: Tensor) -> None:
        """Picture j becomes a copy of picture index[j]."""
        self.x = self.x[index]
        for kept in (self.above, self.left, *self.layers):
            kept.select(index)


class _LayerCache:
    def __init__(
        self, layer: GatedLayer, count: int, width: int, biases: tuple[Tensor | float, Tensor | float]
    ) -> None:
        self.layer, self.bias_v, self.bias_h = layer, *biases
        self.channels, self.side = layer.out.weight.shape[0], layer.side
        weight = layer.out.weight
        self.above = weight.new_zeros(count, self.channels, layer.above + 1, width + 2 * self.side)
        self.line = weight.new_zeros(count, (layer.taps - 1 + width) * self.channels)
        self.taps = layer.horizontal.weight[:, :, 0].permute(2, 1, 0).flatten(0, 1).contiguous()  # (taps·C, 2C)
        self.out = weight[:, :, 0, 0].T.contiguous()
        self.mixed = weight.new_zeros(count, 2 * self.channels)
        self.value = weight.new_zeros(count, self.channels)
        self.door = weight.new_zeros(count, self.channels)

    def start_row(self, v: Tensor) -> Tensor:
        """v of this row (N, C, 1, W) → v of the next layer; remembers what the horizontal gates will need."""
        layer = self.layer
        self.above = torch.cat([self.above[:, :, 1:], F.pad(v, (self.side, self.side))], 2)
        gated = gate(layer.vertical(self.above) + self.bias_v)  # (N, C, 1, W)
        joined = layer.across(gated) + self.bias_h + layer.horizontal.bias[:, None, None]
        self.joined = joined[:, :, 0].permute(2, 0, 1).contiguous()  # (W, N, 2C)
        return v + gated

    def step(self, h: Tensor, column: int) -> Tensor:
        """h (N, C) of this layer at `column` → h of the next."""
        c, end = self.channels, (column + self.layer.taps) * self.channels
        self.line[:, end - c : end] = h
        mixed = torch.addmm(self.joined[column], self.line[:, column * c : end], self.taps, out=self.mixed)
        torch.tanh(mixed[:, :c], out=self.value)
        self.value.mul_(torch.sigmoid(mixed[:, c:], out=self.door))
        return torch.addmm(h, self.value, self.out)

    def select(self, index: Tensor) -> None:
        """Picture j becomes a copy of picture index[j]."""
        self.above = self.above[index]
        self.line = self.line[index]
        self.joined = self.joined[:, index]
        if isinstance(self.bias_v, Tensor):
            self.bias_v, self.bias_h = self.bias_v[index], self.bias_h[index]
