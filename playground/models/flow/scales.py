"""Several scales in one flow: squeeze pixels into channels, set half of the channels aside, go on with the rest.

A squeeze turns each 2×2 square into four channels, (C, H, W) → (4C, H/2, W/2). After each scale half of the channels
is finished and stays as it is (it is the fine detail of the latent), so that later layers, with a wider view, have
less to do (Dinh et al. 2016, §3.6).

Here every layer still takes and returns the whole picture: it finds its own part, transforms it, and lays it back to
where it was. So a latent number always sits at the pixels it came from.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from playground.models.flow.base import Layer


def squeeze(h: Tensor) -> Tensor:
    """(N, C, H, W) → (N, 4C, H/2, W/2); channel 4c + 2·row + column of the square."""
    return F.pixel_unshuffle(h, 2)


def unsqueeze(h: Tensor) -> Tensor:
    """(N, 4C, H, W) → (N, C, 2H, 2W)."""
    return F.pixel_shuffle(h, 2)


def take(h: Tensor, scale: int) -> tuple[Tensor, list[Tensor]]:
    """The whole (N, C, H, W) → what scale 0, 1, … works on, C·2^(scale+2) channels, and what was set aside."""
    aside = []
    for _ in range(scale):
        done, h = squeeze(h).chunk(2, dim=1)
        aside.append(done)
    return squeeze(h), aside


def put(h: Tensor, aside: list[Tensor]) -> Tensor:
    """The inverse of `take`."""
    h = unsqueeze(h)
    for done in reversed(aside):
        h = unsqueeze(torch.cat([done, h], 1))
    return h


class AtScale(Layer):
    """A layer at work on its scale's part of the picture."""

    def __init__(self, scale: int, inner: Layer) -> None:
        super().__init__()
        self.scale, self.inner = scale, inner

    def forward(self, h: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        part, aside = take(h, self.scale)
        part, log_det = self.inner(part, context)
        return put(part, aside), log_det

    def inverse(self, h: Tensor, context: Tensor | None = None) -> Tensor:
        """h' → h."""
        part, aside = take(h, self.scale)
        return put(self.inner.inverse(part, context), aside)


class ConvNet(nn.Module):
    """A coupling's network on feature maps: (N, inputs, H, W) → (N, outputs, H, W), zero at first.

    Digits and faces sit in the middle, so it is also told where it is: row and column are two more channels.

    Args:
        width: channels. blocks: residual blocks of two 3×3 convolutions; 0 for Glow's 3×3, 1×1, 3×3.
    """

    def __init__(self, inputs: int, outputs: int, width: int, blocks: int = 0) -> None:
        super().__init__()
        self.first = nn.Conv2d(inputs + 2, width, 3, padding=1)
        self.middle = nn.Conv2d(width, width, 1) if blocks == 0 else None
        self.blocks = nn.ModuleList(Block(width) for _ in range(blocks))
        self.last = nn.Conv2d(width, outputs, 3, padding=1)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    def forward(self, a: Tensor, context: Tensor | None = None) -> Tensor:
        h = self.first(torch.cat([a, _places(a)], 1).contiguous(memory_format=torch.channels_last))
        if self.middle is not None:
            h = self.middle(F.relu(h))
        for block in self.blocks:
            h = block(h)
        return self.last(F.relu(h))


class Block(nn.Module):
    """h + conv(relu(conv(relu(h)))): (N, C, H, W) → the same. No normalisation: a flow has its own."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(width, width, 3, padding=1), nn.Conv2d(width, width, 3, padding=1)
        nn.init.zeros_(self.conv2.bias)
        with torch.no_grad():
            self.conv2.weight.mul_(0.1)

    def forward(self, h: Tensor) -> Tensor:
        return h + self.conv2(F.relu(self.conv1(F.relu(h))))


def _places(h: Tensor) -> Tensor:
    """Row and column of each position of (N, C, H, W), in [−1, 1]: (N, 2, H, W)."""
    axes = [torch.linspace(-1, 1, size, dtype=h.dtype, device=h.device) for size in h.shape[2:]]
    return torch.stack(torch.meshgrid(*axes, indexing="ij")).expand(len(h), -1, -1, -1)
