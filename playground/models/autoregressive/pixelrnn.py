"""PixelRNN with row LSTMs: a recurrent network that walks down the picture, one row at a time.

Each layer is an LSTM whose time is the row. Its gates take the layer's input at the place and to its left (a masked
one-dimensional convolution, the *input-to-state* part) and the states of three places of the row above (the
*state-to-state* part), so that a state knows a triangle of pixels above it that reaches to the first row:

    [o_r, f_r, i_r, g_r] = σ(K_ss ∗ h_{r−1} + K_is ∗ x_r)     (tanh for g_r)
    c_r = f_r ⊙ c_{r−1} + i_r ⊙ g_r,     h_r = o_r ⊙ tanh(c_r).

To draw, the state-to-state part runs once per row, the rest place by place.

Van den Oord, Kalchbrenner and Kavukcuoglu, "Pixel recurrent neural networks", 2016 (arXiv:1601.06759), §3.1.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from playground.models.autoregressive.base import PixelModel
from playground.models.autoregressive.strip import Above, Left

ABOVE, WIDE, BEFORE = 3, 7, 3  # the first layer is the paper's 7×7 convolution, masked to earlier pixels


class PixelRNN(PixelModel):
    """Row LSTM of binary pixels, unconditional.

    Args:
        shape: (1, H, W). channels: C of the states and of what passes between layers. layers: of row LSTMs.
    """

    def __init__(self, shape: Sequence[int] = (1, 28, 28), channels: int = 64, layers: int = 3) -> None:
        super().__init__(shape, classes=0, orders=1)
        self.above = nn.Conv2d(1, channels, (ABOVE, WIDE))
        self.left = nn.Conv2d(1, channels, (1, BEFORE), bias=False)
        self.place = nn.Parameter(0.02 * torch.randn(channels, *self.shape[1:]))  # bias of every place
        self.layers = nn.ModuleList(RowLSTM(channels) for _ in range(layers))
        self.head = nn.Sequential(nn.SiLU(), nn.Linear(channels, 2 * channels), nn.SiLU(), nn.Linear(2 * channels, 1))

    def _logits(self, x: Tensor, labels: Tensor | None, order: int) -> Tensor:
        signed = 2 * x - 1
        h = self.above(F.pad(signed, (WIDE // 2, WIDE // 2, ABOVE, -1))) + self.left(F.pad(signed, (BEFORE, -1)))
        h = (h + self.place).permute(2, 0, 3, 1).contiguous()  # (H, N, W, C): a row is one block of memory
        for layer in self.layers:
            h = layer(h)
        return self.head(h).permute(1, 3, 0, 2)

    def cache(self, x: Tensor, labels: Tensor | None, order: int) -> PixelRNNCache:
        """Keeps the states of the row above; see `base.Cache`."""
        return PixelRNNCache(self, x)


class RowLSTM(nn.Module):
    """(H, N, W, C) → the same, with a residual connection around the recurrence."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels
        self.inputs = nn.Linear(2 * channels, 4 * channels)  # of the place to the left and the place itself
        self.states = nn.Linear(3 * channels, 4 * channels, bias=False)  # of three places in the row above
        self.out = nn.Linear(channels, channels, bias=False)
        with torch.no_grad():
            self.inputs.bias[channels : 2 * channels] += 1.0  # remember, until told otherwise

    def forward(self, x: Tensor) -> Tensor:
        seen = self.inputs(torch.cat([F.pad(x, (0, 0, 1, -1)), x], -1))  # (H, N, W, 4C)
        h = c = torch.zeros_like(x[0])
        rows = []
        for row in seen:
            h, c = cell(row + self.from_above(h), c)
            rows.append(h)
        return x + self.out(torch.stack(rows))

    def from_above(self, h: Tensor) -> Tensor:
        """State-to-state part of a row, from the states (N, W, C) of the row above: (N, W, 4C)."""
        around = F.pad(h, (0, 0, 1, 1))
        return self.states(torch.cat([around[:, :-2], h, around[:, 2:]], -1))


def cell(gates: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
    """One step of the LSTM: gates (…, 4C) before their nonlinearity, cell (…, C) → new state and cell (equation 3)."""
    channels = c.shape[-1]
    o, f, i = torch.sigmoid(gates[..., : 3 * channels]).chunk(3, -1)
    c = f * c + i * torch.tanh(gates[..., 3 * channels :])
    return o * torch.tanh(c), c


class PixelRNNCache:
    """The work already done for N pictures: states and cells of the row above, inputs of the present row."""

    def __init__(self, net: PixelRNN, x: Tensor) -> None:
        self.net, self.x = net, x.clone()
        self.above, self.left = Above(net.above, self.x), Left(net.left, self.x)
        self.layers = [_LayerCache(layer, *x.shape[::2]) for layer in net.layers]

    def start_row(self, row: int) -> None:
        """The state-to-state part of every layer at `row`."""
        self.row = row
        seen = self.above.row(self.x, row)[:, :, 0] + self.net.place[:, row]
        self.base = seen.permute(2, 0, 1).contiguous()  # (W, N, C)
        for layer in self.layers:
            layer.start_row()

    def logit(self, column: int) -> Tensor:
        """All layers at one place."""
        h = self.left.place(self.base[column], self.x, self.row, column)
        for layer in self.layers:
            h = layer.step(h, column)
        return self.net.head(h)[:, 0]

    def select(self, index: Tensor) -> None:
        """Picture j becomes a copy of picture index[j]."""
        self.x = self.x[index]
        self.base = self.base[:, index]
        for kept in (self.above, self.left, *self.layers):
            kept.select(index)


class _LayerCache:
    def __init__(self, layer: RowLSTM, count: int, width: int) -> None:
        self.layer, c = layer, layer.channels
        self.h = layer.out.weight.new_zeros(width, count, c)  # of the row above on the right, of this one on the left
        self.c = torch.zeros_like(self.h)
        self.line = self.h.new_zeros(count, (1 + width) * c)
        self.inputs, self.bias = layer.inputs.weight.T.contiguous(), layer.inputs.bias
        self.out = layer.out.weight.T.contiguous()

    def start_row(self) -> None:
        """What the finished row above says to this one."""
        told = self.layer.from_above(self.h.transpose(0, 1)) + self.bias
        self.told = told.transpose(0, 1).contiguous()  # (W, N, 4C)

    def step(self, x: Tensor, column: int) -> Tensor:
        """Input (N, C) of this layer at `column` → input of the next."""
        c = self.layer.channels
        self.line[:, (column + 1) * c : (column + 2) * c] = x
        gates = torch.addmm(self.told[column], self.line[:, column * c : (column + 2) * c], self.inputs)
        self.h[column], self.c[column] = cell(gates, self.c[column])
        return torch.addmm(x, self.h[column], self.out)

    def select(self, index: Tensor) -> None:
        """Picture j becomes a copy of picture index[j]."""
        self.h, self.c, self.told = self.h[:, index], self.c[:, index], self.told[:, index]
        self.line = self.line[index]
