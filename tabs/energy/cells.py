"""Pixels a visitor painted, as short text: 784 cells of 0, 1 or 2, two bits each, in URL-safe base64.

A whole picture of them is 262 characters, so that what is clamped, cut out or remembered travels in a link.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from playground.api import PlaygroundError

SIDE = 28
COUNT = SIDE * SIDE
FREE, ON, OFF = 0, 1, 2


def pack(cells: Sequence[int] | np.ndarray) -> str:
    """784 values of 0 … 3 → text; all zero is the empty text."""
    values = np.asarray(cells, np.uint8).reshape(COUNT // 4, 4)
    if not values.any():
        return ""
    packed = (values << np.array([0, 2, 4, 6], np.uint8)).sum(1, dtype=np.uint8)
    return base64.urlsafe_b64encode(packed.tobytes()).decode().rstrip("=")


def unpack(text: str) -> Tensor:
    """Text → uint8 (784,) of 0, 1 or 2."""
    if not text:
        return torch.zeros(COUNT, dtype=torch.uint8)
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise _unreadable() from None
    if len(raw) != COUNT // 4:
        raise _unreadable()
    packed = np.frombuffer(raw, np.uint8)
    cells = (packed[:, None] >> np.array([0, 2, 4, 6], np.uint8)) & 3
    if (cells == 3).any():
        raise _unreadable()
    return torch.from_numpy(cells.reshape(-1).copy())


def pack_bits(pixels: Tensor) -> str:
    """(784,) of 0 or 1 → 131 characters."""
    bits = np.packbits(pixels.reshape(-1).numpy().astype(np.uint8))
    return base64.urlsafe_b64encode(bits.tobytes()).decode().rstrip("=")


def unpack_bits(text: str, rows: int = 1) -> Tensor:
    """The reverse: float32 (rows, 784) of 0 or 1."""
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise _unreadable() from None
    if len(raw) != rows * COUNT // 8:
        raise _unreadable()
    return torch.from_numpy(np.unpackbits(np.frombuffer(raw, np.uint8)).reshape(rows, COUNT).astype(np.float32))


def _unreadable() -> PlaygroundError:
    return PlaygroundError("The painted pixels did not arrive whole. Clear them and paint again.")
