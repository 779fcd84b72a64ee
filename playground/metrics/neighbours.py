"""A compact index of training pictures, to show the nearest one beside a sample.

What is kept of a picture is its embedding (half precision) and either a thumbnail with 16 grey levels, two pixels
to a byte, or only the seed it can be drawn again from. Twenty thousand digits take about ten megabytes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from playground.metrics.distances import nearest

FILE = "index.safetensors"
Draw = Callable[[int], np.ndarray]


@dataclass(frozen=True)
class Index:
    """Training pictures that can be searched by their features.

    Attributes:
        embeddings: float16 (N, F).
        packed: uint8 (N, H, W/2), or (N, C, H, W/2) in colour: two levels a byte, the left one in the high half;
            empty if drawn.
        seeds: int64 (N,), what to draw the pictures from; empty if packed.
        draw: seed → uint8 (H, W, C); needed where pictures are drawn.
    """

    embeddings: Tensor
    packed: Tensor
    seeds: Tensor
    draw: Draw | None = None

    @classmethod
    def of_pictures(cls, embeddings: Tensor, images: Tensor) -> Index:
        """From features (N, F) and uint8 pictures with even W: (N, H, W) grey or (N, C, H, W) in colour."""
        return cls(embeddings.cpu().half(), pack(images.cpu()), torch.empty(0, dtype=torch.long))

    @classmethod
    def of_seeds(cls, embeddings: Tensor, seeds: Tensor, draw: Draw) -> Index:
        """From features (N, F) and the seeds (N,) of pictures that `draw` can draw."""
        return cls(embeddings.cpu().half(), torch.empty(0, dtype=torch.uint8), seeds.cpu().long(), draw)

    @classmethod
    def load(cls, folder: Path, draw: Draw | None = None) -> Index:
        """The index kept in a classifier's checkpoint folder."""
        return cls(**load_file(folder / FILE), draw=draw)

    def save(self, folder: Path) -> None:
        """Writes `index.safetensors`; the folder's card then needs its digest."""
        tensors = {"embeddings": self.embeddings, "packed": self.packed, "seeds": self.seeds}
        save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, folder / FILE)

    def __len__(self) -> int:
        return len(self.embeddings)

    def nearest(self, features: Tensor, k: int = 1) -> tuple[Tensor, Tensor]:
        """Indices and distances (M, k) of the pictures nearest to features (M, F), nearest first."""
        return nearest(features.cpu().float(), self.embeddings.float(), k)

    def picture(self, i: int) -> np.ndarray:
        """Training picture i, uint8 (H, W, C)."""
        if len(self.packed):
            pixels = unpack(self.packed[i])
            return (pixels[..., None] if pixels.dim() == 2 else pixels.permute(1, 2, 0)).numpy()
        if self.draw is None:
            raise ValueError("This index keeps seeds only; load it with the function that draws them.")
        return self.draw(int(self.seeds[i]))


def pack(images: Tensor) -> Tensor:
    """uint8 (…, W) → 16 grey levels, two a byte, (…, W/2); the left pixel in the high half."""
    levels = (images.float() / 17).round().to(torch.uint8)  # 255 = 15 · 17, so black and white stay exact
    return levels[..., 0::2] << 4 | levels[..., 1::2]


def unpack(packed: Tensor) -> Tensor:
    """The inverse of `pack`, but for the rounding to multiples of 17."""
    return torch.stack([packed >> 4, packed & 15], dim=-1).flatten(-2) * 17
