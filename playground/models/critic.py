"""The critic of the adversarial game, for the GAN and for whoever else plays it, and what keeps it calm.

Miyato and Koyama, "cGANs with projection discriminator", 2018; Karras et al., "Progressive growing of GANs", 2017
(deviation within a group as one more channel); Mescheder et al., "Which training methods for GANs do actually
converge?", 2018 (the gradient penalty); Zhao et al., "Differentiable augmentation", 2020 (for few pictures).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SLOPE = 0.2  # of the leaky ReLU


class Discriminator(nn.Module):
    """Picture in [−1, 1] → logit; with classes, plus ⟨embedding of the class, features⟩. No normalisation.

    Args:
        shape: (C, H, W). widths: channels per resolution, coarse to fine, as in the generator. classes: K, or 0.
    """

    def __init__(self, shape: Sequence[int], widths: Sequence[int], classes: int) -> None:
        super().__init__()
        sizes = (shape[0], *widths[::-1])
        self.down = nn.ModuleList(nn.Conv2d(a, b, 4, stride=2, padding=1) for a, b in itertools.pairwise(sizes))
        side = shape[1] // 2 ** len(widths)
        self.last = nn.Conv2d(widths[0] + 1, widths[0], 3, padding=1)
        self.features = nn.Linear(widths[0] * side * side, widths[0])
        self.logit = nn.Linear(widths[0], 1, bias=False)  # only differences of logits count
        self.labels = nn.Embedding(classes, widths[0]) if classes else None
        for layer in (*self.down, self.last, self.features):
            nn.init.kaiming_normal_(layer.weight, SLOPE)
            nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        """(N, C, H, W) and, where it is told, (N,) classes → (N,)."""
        return self.verdict(self.look(x), labels)

    def look(self, x: Tensor) -> Tensor:
        """(N, C, H, W) → features (N, widths[0])."""
        x = x.contiguous(memory_format=torch.channels_last)
        for conv in self.down:
            x = F.leaky_relu(conv(x), SLOPE)
        return self.conclude(x)

    def conclude(self, x: Tensor) -> Tensor:
        """What the last halving left, (N, widths[0], h, w) → features (N, widths[0])."""
        x = F.leaky_relu(self.last(torch.cat([x, _spread(x)], 1)), SLOPE)
        return F.leaky_relu(self.features(x.flatten(1)), SLOPE)

    def verdict(self, h: Tensor, labels: Tensor | None = None) -> Tensor:
        """Features → (N,) logits."""
        out = self.logit(h)[:, 0]
        if self.labels is not None and labels is not None:
            out = out + (self.labels(labels) * h).sum(1) / math.sqrt(h.shape[1])
        return out


def _spread(x: Tensor, group: int = 4) -> Tensor:
    """How different the pictures of a group of four are, as one more channel (minibatch deviation, Karras 2017).

    A batch that does not divide into groups (a single picture to be judged) gets zeros.
    """
    n, _, h, w = x.shape
    if n % group or n == 0:
        return x.new_zeros(n, 1, h, w)
    y = x.reshape(group, n // group, *x.shape[1:])
    deviation = (y - y.mean(0)).square().mean(0).add(1e-8).sqrt().mean((1, 2, 3))
    return deviation.repeat(group)[:, None, None, None].expand(n, 1, h, w)


def gradient_penalty(d: Discriminator, x: Tensor, labels: Tensor | None) -> Tensor:
    """E‖∇_x D(x)‖² (Mescheder et al. 2018)."""
    x = x.detach().requires_grad_(True)
    (gradient,) = torch.autograd.grad(d(x, labels).sum(), x, create_graph=True)
    return gradient.square().flatten(1).sum(1).mean()


def disturbed(x: Tensor, noise: torch.Generator, by: int = 4) -> Tensor:
    """Pictures in about [−1, 1], mirrored, moved and tinted at random, in a way that gradients pass.

    With few pictures a critic learns them by heart. Shown only disturbed ones, real and made alike, it cannot; and the
    generator does not learn to disturb, because what it makes is disturbed again.

    Args:
        x: (N, C, H, W). by: pixels that a batch is moved at most; what comes in at the border is repeated.
    """
    n = len(x)
    if torch.rand((), generator=noise) < 0.5:
        x = x.flip(3)
    dx, dy = torch.randint(-by, by + 1, (2,), generator=noise).tolist()
    padded = F.pad(x, (by, by, by, by), mode="replicate")
    x = padded[..., by + dy : by + dy + x.shape[-2], by + dx : by + dx + x.shape[-1]]
    light, colour = (torch.rand(2, n, 1, 1, 1, generator=noise) - 0.5).to(x.device).unbind(0)
    grey = x.mean(1, keepdim=True)
    return grey + (x - grey) * (1 + colour) + 0.5 * light
