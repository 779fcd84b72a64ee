"""Glow: a flow whose channels are mixed by a learned matrix between couplings.

One step of flow normalises the channels, mixes them by an invertible 1×1 convolution, and couples the halves:

    actnorm → W → affine coupling,      log |det| of the mixing = H·W·log |det W|,   W = P L (U + diag(s)),

where with a fixed permutation P and triangular L, U the determinant is just Σ log |s| and W can never become
singular. What is set aside after each scale is first standardised by what the rest of the picture says about it (the
"split prior" of the authors' code), which is one more affine coupling.

Kingma and Dhariwal, "Glow: Generative flow with invertible 1×1 convolutions", 2018. Like them this learns pictures of
32 grey levels per colour (5 bits).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from playground.models.flow.base import TEMPERATURE, WATCH, Chain, Layer, PictureFlow
from playground.models.flow.couplings import ActNorm, Coupling
from playground.models.flow.pixels import Levels
from playground.models.flow.scales import AtScale, ConvNet

STEPS_PER_LAYER = 4  # steps of flow that count as one layer for whoever watches


class Mixing(Layer):
    """Invertible 1×1 convolution, (N, C, H, W) → the same, as P L (U + diag(s)); W starts as a random rotation."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        rotation = torch.linalg.qr(torch.randn(channels, channels).double())[0]
        permutation, lower, upper = torch.linalg.lu(rotation)
        s = upper.diagonal()
        self.register_buffer("permutation", permutation.float())
        self.register_buffer("sign", s.sign().float())
        self.log_s = nn.Parameter(s.abs().log().float())
        self.lower, self.upper = nn.Parameter(lower.tril(-1).float()), nn.Parameter(upper.triu(1).float())

    def matrix(self) -> Tensor:
        """W, (C, C)."""
        lower = self.lower.tril(-1) + torch.eye(len(self.lower), dtype=self.lower.dtype, device=self.lower.device)
        return self.permutation @ lower @ (self.upper.triu(1) + torch.diag(self.sign * self.log_s.exp()))

    def forward(self, h: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        with torch.autocast(h.device.type, enabled=False):  # the invertible algebra itself stays exact
            mixed = F.conv2d(h, self.matrix()[:, :, None, None])
        return mixed, (self.log_s.sum() * h.shape[2] * h.shape[3]).expand(len(h))

    def inverse(self, h: Tensor, context: Tensor | None = None) -> Tensor:
        """h' → h."""
        inverse = torch.linalg.inv(self.matrix().double()).to(h.dtype)
        return F.conv2d(h, inverse[:, :, None, None])


class Glow(PictureFlow):
    """`scales` times `steps` steps of flow, half of the channels set aside after each scale.

    Args:
        shape: (C, H, W). steps: per scale. widths: channels of the coupling networks, per scale. bits: of the pixels.
    """

    controls = (dataclasses.replace(TEMPERATURE, default=0.7), WATCH)

    def __init__(
        self,
        shape: Sequence[int] = (3, 64, 64),
        steps: int = 8,
        widths: Sequence[int] = (64, 96, 120, 120),
        bits: int = 5,
    ) -> None:
        super().__init__()
        self.shape, self.bits = tuple(shape), bits
        self.layers = nn.ModuleList([Levels(bits)])
        channels = 4 * shape[0]
        for scale, width in enumerate(widths):
            flow = [_step(channels, width) for _ in range(steps)]
            for start in range(0, steps, STEPS_PER_LAYER):
                self.layers.append(AtScale(scale, Chain(*flow[start : start + STEPS_PER_LAYER])))
            if scale < len(widths) - 1:
                aside = range(channels // 2)
                prior = Coupling(channels, aside, ConvNet(channels // 2, channels, width))
                self.layers.append(AtScale(scale, prior))
                channels *= 2


def _step(channels: int, width: int) -> Chain:
    half = channels // 2
    return Chain(ActNorm(channels), Mixing(channels), Coupling(channels, range(half), ConvNet(half, channels, width)))
