"""Monotone splines: what a coupling layer may do to a number beyond scaling and shifting it.

On [−B, B] the map is a chain of K rational-quadratic pieces through increasing knots (x_k, y_k) with slopes δ_k;
outside it is the identity. With w, h the piece's width and height, s = h/w and ξ = (x − x_k)/w in [0, 1],

    y = y_k + h·(s·ξ² + δ_k·ξ(1−ξ)) / D,      D = s + (δ_k + δ_{k+1} − 2s)·ξ(1−ξ),
    dy/dx = s²·(δ_{k+1}·ξ² + 2s·ξ(1−ξ) + δ_k·(1−ξ)²) / D²,

and a quadratic equation inverts it. Where an affine map can only stretch, a spline can tear a cloud into islands.

Durkan, Bekasov, Murray and Papamakarios, "Neural spline flows", 2019; the pieces are Gregory and Delbourgo's, 1982.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

SMALLEST = 1e-3  # width and height of a piece (as a share of all), and slope of a knot


@dataclass(frozen=True)
class Piece:
    """The piece each number falls into: left knot, size, and the slopes at its ends; all of the numbers' shape."""

    x: Tensor
    y: Tensor
    width: Tensor
    height: Tensor
    left: Tensor
    right: Tensor


def spline(x: Tensor, raw: Tensor, reach: float) -> tuple[Tensor, Tensor]:
    """y and log dy/dx of numbers x (…) under raw parameters (…, 3K − 1); the identity beyond ±reach."""
    inside = x.abs() < reach
    p = _piece(x.clamp(-reach, reach), raw, reach, by_height=False)
    s, xi = p.height / p.width, (x.clamp(-reach, reach) - p.x) / p.width
    both = xi * (1 - xi)
    below = s + (p.left + p.right - 2 * s) * both
    y = p.y + p.height * (s * xi.square() + p.left * both) / below
    log_slope = (
        2 * s.log() + (p.right * xi.square() + 2 * s * both + p.left * (1 - xi).square()).log() - 2 * below.log()
    )
    return torch.where(inside, y, x), torch.where(inside, log_slope, torch.zeros_like(x))


def unspline(y: Tensor, raw: Tensor, reach: float) -> Tensor:
    """The x whose `spline` is y: the root of a·ξ² + b·ξ + c = 0 that lies in [0, 1]."""
    p = _piece(y.clamp(-reach, reach), raw, reach, by_height=True)
    s, above = p.height / p.width, y.clamp(-reach, reach) - p.y
    bend = above * (p.left + p.right - 2 * s)
    a, b, c = p.height * (s - p.left) + bend, p.height * p.left - bend, -s * above
    xi = 2 * c / (-b - (b.square() - 4 * a * c).clamp_min(0).sqrt())
    return torch.where(y.abs() < reach, p.x + xi * p.width, y)


def _piece(v: Tensor, raw: Tensor, reach: float, by_height: bool) -> Piece:
    pieces = (raw.shape[-1] + 1) // 3
    widths, heights, slopes = raw.split([pieces, pieces, pieces - 1], -1)
    width, x = _knots(widths, reach)
    height, y = _knots(heights, reach)
    # softplus(0 + offset) = 1: raw zeros are the identity; the end knots have slope 1, to join the identity outside
    slope = F.pad(SMALLEST + F.softplus(slopes + math.log(math.expm1(1 - SMALLEST))), (1, 1), value=1.0)
    edges = y if by_height else x
    k = (torch.searchsorted(edges.detach().contiguous(), v.detach()[..., None], right=True) - 1).clamp(0, pieces - 1)
    x, y, width, height, left = (t.gather(-1, k)[..., 0] for t in (x, y, width, height, slope))
    return Piece(x, y, width, height, left, slope.gather(-1, k + 1)[..., 0])


def _knots(raw: Tensor, reach: float) -> tuple[Tensor, Tensor]:
    """Sizes of the pieces (…, K) and the left end of each."""
    share = SMALLEST + (1 - SMALLEST * raw.shape[-1]) * torch.softmax(raw, -1)
    sizes = 2 * reach * share
    return sizes, sizes.cumsum(-1) - sizes - reach
