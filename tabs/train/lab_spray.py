"""Points sprayed by hand ↔ text short enough for a link.

Points lie on a lattice of `SIDE` × `SIDE` cells, finer than the jitter with which they are learned (0.08), so nothing
is lost that could be seen. Their cells are sorted and the gaps between them written in a Rice code: a gap g is
⌊g / 2^k⌋ ones, a zero, and the last k bits of g, with the k that makes the whole shortest (Rice 1971). For 2,000 points
that is never more than 1,500 characters, wherever they lie.
"""

from __future__ import annotations

from playground.api import PlaygroundError
from playground.data.densities import EXTENT
from playground.training.lab.targets import MOST_POINTS

SIDE = 108  # cells a side
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"  # six bits each
LONGEST = 1500
KS = range(8)
DAMAGED = "The sprayed points did not arrive whole. Spray them again, or choose another target."


def pack(cells: list[int]) -> str:
    """Cells (row · SIDE + column, row 0 at the bottom, repeats allowed) → text; "" for none."""
    if not cells:
        return ""
    gaps = [b - a for a, b in zip([0, *sorted(cells)], sorted(cells))]
    k = min(KS, key=lambda k: sum((gap >> k) + 1 + k for gap in gaps))
    bits = "".join("1" * (gap >> k) + "0" + (f"{gap & (1 << k) - 1:0{k}b}" if k else "") for gap in gaps)
    bits += "1" * (-len(bits) % 6)  # an unfinished row of ones is no gap
    return LETTERS[k] + "".join(LETTERS[int(bits[i : i + 6], 2)] for i in range(0, len(bits), 6))


def unpack(text: str) -> list[int]:
    """Text → cells in order.

    Raises:
        PlaygroundError: not such a text, or more points than are allowed.
    """
    if not text:
        return []
    if len(text) > LONGEST or any(letter not in LETTERS for letter in text) or LETTERS.index(text[0]) not in KS:
        raise PlaygroundError(DAMAGED)
    k, bits = LETTERS.index(text[0]), "".join(f"{LETTERS.index(letter):06b}" for letter in text[1:])
    cells, cell, at = [], 0, 0
    while (stop := bits.find("0", at)) >= 0 and stop + k < len(bits):
        cell += (stop - at << k) + int(bits[stop + 1 : stop + 1 + k] or "0", 2)
        cells.append(cell)
        at = stop + 1 + k
    if len(cells) > MOST_POINTS or (cells and cells[-1] >= SIDE * SIDE):
        raise PlaygroundError(DAMAGED)
    return cells


def points(text: str) -> list[tuple[float, float]]:
    """Middles of the sprayed cells, in the plane."""
    unit = 2 * EXTENT / SIDE
    return [((cell % SIDE + 0.5) * unit - EXTENT, (cell // SIDE + 0.5) * unit - EXTENT) for cell in unpack(text)]
