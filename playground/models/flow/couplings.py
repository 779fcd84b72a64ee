"""Invertible layers whose log-determinant costs nothing.

A coupling layer keeps one part a of its input and moves the other part b by amounts that depend on a alone,

    a' = a,      b' = b ⊙ exp(s(a)) + t(a),      log |det| = Σ s(a),

so that its Jacobian is triangular, and since a is still there, the move can be undone: b = (b' − t(a)) ⊙ exp(−s(a)).
The networks s and t may be anything. NICE (Dinh et al., 2014) has t alone, RealNVP (2016) added s; the normalisation
by learned scales that start from a batch's statistics is Glow's "actnorm" (Kingma and Dhariwal, 2018).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from playground.models.flow.base import Layer
from playground.models.flow.splines import spline, unspline


class ActNorm(Layer):
    """Scale and shift per channel: h' = (h + b)·exp(s); the first training batch leaves with mean 0, deviation 1.

    Args:
        channels: size of dimension 1 of h, (N, channels, …).
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.shift, self.log_scale = nn.Parameter(torch.zeros(channels)), nn.Parameter(torch.zeros(channels))
        self.register_buffer("ready", torch.zeros((), dtype=torch.bool))

    def forward(self, h: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        if self.training and not self.ready:
            self._start(h.detach())
        log_det = self.log_scale.sum() * math.prod(h.shape[2:])
        return (h + _spread(self.shift, h)) * _spread(self.log_scale, h).exp(), log_det.expand(len(h))

    def inverse(self, h: Tensor, context: Tensor | None = None) -> Tensor:
        """h' → h."""
        return h * _spread(-self.log_scale, h).exp() - _spread(self.shift, h)

    @torch.no_grad()
    def _start(self, h: Tensor) -> None:
        values = h.transpose(0, 1).flatten(1)
        self.shift.copy_(-values.mean(1))
        self.log_scale.copy_(-torch.log(values.std(1, correction=0) + 1e-3))
        self.ready.fill_(True)


class Coupling(Layer):
    """The affine coupling layer, or with `additive` NICE's, which leaves volumes alone.

    Args:
        channels: size of dimension 1. changed: which of them move; the others stay and decide.
        net: (a (N, kept, …), context) → (N, 2·changed, …), or (N, changed, …) if additive.
        bound: s lies in (−bound, bound), so that no layer can blow up what the data never taught it.
    """

    def __init__(
        self, channels: int, changed: Sequence[int], net: nn.Module, bound: float = 2.0, additive: bool = False
    ) -> None:
        super().__init__()
        kept = [c for c in range(channels) if c not in set(changed)]
        self.net, self.bound, self.additive = net, bound, additive
        self.register_buffer("kept", torch.tensor(kept), persistent=False)
        self.register_buffer("changed", torch.tensor(list(changed)), persistent=False)

    def forward(self, h: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        s, t = self._move(h, context)
        b = h[:, self.changed]
        if s is None:
            return h.index_copy(1, self.changed, b + t), h.new_zeros(len(h))
        return h.index_copy(1, self.changed, b * s.exp() + t), s.flatten(1).sum(1)

    def inverse(self, h: Tensor, context: Tensor | None = None) -> Tensor:
        """h' → h."""
        s, t = self._move(h, context)
        b = h[:, self.changed] - t
        return h.index_copy(1, self.changed, b if s is None else b * (-s).exp())

    def _move(self, h: Tensor, context: Tensor | None) -> tuple[Tensor | None, Tensor]:
        out = self.net(h[:, self.kept], context).to(h.dtype)
        if self.additive:
            return None, out
        raw, t = out.chunk(2, dim=1)
        return self.bound * torch.tanh(raw / self.bound), t


class SplineCoupling(Layer):
    """b' = spline(b) with knots and slopes that depend on a (Durkan et al., "Neural spline flows", 2019).

    Args:
        channels, changed: as in `Coupling`. net: (a, context) → (N, changed·(3·pieces − 1)). reach: the spline's B.
    """

    def __init__(self, channels: int, changed: Sequence[int], net: nn.Module, reach: float) -> None:
        super().__init__()
        kept = [c for c in range(channels) if c not in set(changed)]
        self.net, self.reach = net, reach
        self.register_buffer("kept", torch.tensor(kept), persistent=False)
        self.register_buffer("changed", torch.tensor(list(changed)), persistent=False)

    def forward(self, h: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        b, log_slope = spline(h[:, self.changed], self._raw(h, context), self.reach)
        return h.index_copy(1, self.changed, b), log_slope.sum(1)

    def inverse(self, h: Tensor, context: Tensor | None = None) -> Tensor:
        """h' → h."""
        return h.index_copy(1, self.changed, unspline(h[:, self.changed], self._raw(h, context), self.reach))

    def _raw(self, h: Tensor, context: Tensor | None) -> Tensor:
        return self.net(h[:, self.kept], context).unflatten(1, (len(self.changed), -1))


def _spread(vector: Tensor, h: Tensor) -> Tensor:
    """(C,) → (1, C, 1, …), to go with h."""
    return vector.view(1, -1, *[1] * (h.dim() - 2))
