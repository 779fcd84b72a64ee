"""Parts of the plane, found from the exact density: islands of high density, or slices where there is only one.

A walk is judged by them: how much of its time it spends in each, beside what the density says.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from playground.data import densities
from playground.data.densities import EXTENT

SIDE = 128  # cells along each side of the map; the fields of the checkerboard end at cells' edges
BELOW = 2.5  # nats under the highest point at which an island ends
SLICES = 8


@dataclass(frozen=True)
class Regions:
    """A division of the plane.

    Attributes:
        cells: int64 (SIDE, SIDE), the part each cell belongs to; row 0 is the lowest y. core: bool, whether the cell is
            well inside its part: only who has been there counts as having arrived. shares: (K,) exact probability.
        centres: (K, 2). slices: whether the parts are slices around the middle rather than islands.
    """

    cells: Tensor
    core: Tensor
    shares: Tensor
    centres: Tensor
    slices: bool

    def of(self, points: Tensor) -> Tensor:
        """(…, 2) plane points → (…) parts; beyond the rim counts as the nearest cell."""
        return self.cells[self._index(points)]

    def changes(self, positions: Tensor) -> Tensor:
        """How often each walker arrived in another part: (T + 1, W, 2) → (W,). Wading off the shore is no change."""
        index = self._index(positions)
        where, arrived = self.cells[index], self.core[index]
        last, count = where[0].clone(), torch.zeros(positions.shape[1])
        for now, there in zip(where[1:], arrived[1:]):
            moved = there & (now != last)
            count += moved
            last = torch.where(moved, now, last)
        return count

    def _index(self, points: Tensor) -> tuple[Tensor, Tensor]:
        index = ((points + EXTENT) * (SIDE / (2 * EXTENT))).floor().clamp(0, SIDE - 1).long()
        return index[..., 1], index[..., 0]


def lattice(side: int = SIDE) -> Tensor:
    """Middles of side × side cells, (side², 2), row by row from the lowest y."""
    line = (torch.arange(side) + 0.5) * (2 * EXTENT / side) - EXTENT
    y, x = torch.meshgrid(line, line, indexing="ij")
    return torch.stack([x, y], -1).reshape(-1, 2)


def divide(name: str) -> Regions:
    """The parts of one density."""
    points = lattice()
    log_p = densities.log_density(name, points.double())
    islands = label((log_p > log_p.max() - BELOW).reshape(SIDE, SIDE).numpy())
    count = int(islands.max())
    p = log_p.exp() / log_p.exp().sum()
    if count > 1:
        cells, inside = nearest(points, torch.from_numpy(islands).flatten()), torch.from_numpy(islands > 0).flatten()
    else:
        angle = torch.atan2(points[:, 1], points[:, 0])
        turn = angle / (2 * torch.pi) * SLICES + 0.5
        cells, count = turn.floor().long() % SLICES, SLICES
        inside = (turn - turn.floor() - 0.5).abs() < 0.35
    shares = torch.zeros(count, dtype=torch.float64).index_add_(0, cells, p)
    sums = torch.zeros(count, 2, dtype=torch.float64).index_add_(0, cells, p[:, None] * points)
    centres = sums / shares[:, None]
    order = sorted(range(count), key=lambda k: (-round(float(centres[k, 1]), 1), float(centres[k, 0])))  # as one reads
    renamed = torch.empty(count, dtype=torch.int64)
    renamed[torch.tensor(order)] = torch.arange(count)
    return Regions(renamed[cells].reshape(SIDE, SIDE), inside.reshape(SIDE, SIDE), shares[order], centres[order],
                   int(islands.max()) == 1)  # fmt: skip


def label(inside: np.ndarray) -> np.ndarray:
    """Cells that hang together by their edges get one number from 1; outside is 0."""
    found, count = np.zeros(inside.shape, np.int64), 0
    for start in zip(*np.nonzero(inside)):
        if found[start]:
            continue
        count += 1
        found[start], stack = count, [start]
        while stack:
            i, j = stack.pop()
            for a, b in ((i + 1, j), (i - 1, j), (i, j + 1), (i, j - 1)):
                if 0 <= a < inside.shape[0] and 0 <= b < inside.shape[1] and inside[a, b] and not found[a, b]:
                    found[a, b] = count
                    stack.append((a, b))
    return found


def nearest(points: Tensor, islands: Tensor) -> Tensor:
    """(N,) numbers from 0 of the island nearest to each point; `islands` is 0 where there is none."""
    land = islands > 0
    places, names = points[land], islands[land] - 1
    return torch.cat([names[torch.cdist(part, places).argmin(1)] for part in points.split(2048)])
