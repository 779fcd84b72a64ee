"""Data sets by name, all in one shape: pictures (N, C, H, W) and integer labels.

Faces are drawn on first use (from their seeds, so always the same) and kept as one `.npz` in the user's cache.
Points of the plane are drawn every time; each is a picture of two numbers.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from playground.data import densities, emoji, faces, mnist, stacked
from playground.data.mnist import DataError

NAMES = ("mnist", "faces", "manyfaces", "densities", "emoji", "stackedmnist")
CREDITS = {
    "mnist": "MNIST: Yann LeCun, Corinna Cortes and Christopher J. C. Burges (1998), CC BY-SA 3.0",
    "faces": "Cartoon faces drawn by this project from seeds, Apache-2.0",
    "manyfaces": "Cartoon faces drawn by this project from seeds, Apache-2.0",
    "densities": "Points of six densities drawn by this project, Apache-2.0",
    "emoji": "Noto Emoji: Google, Apache-2.0",
    "stackedmnist": "Three digits of MNIST (LeCun, Cortes and Burges, 1998, CC BY-SA 3.0) in one picture",
}
FACES = {
    ("faces", "train"): faces.TRAIN_SEEDS[:40_000],
    ("faces", "test"): faces.TEST_SEEDS,
    ("manyfaces", "train"): faces.JUDGE_SEEDS,
    ("manyfaces", "test"): faces.TEST_SEEDS,
}
POINTS_DRAWN = {"train": 120_000, "test": 30_000}  # of all six densities together


@dataclass(frozen=True)
class Dataset:
    """Pictures and labels.

    Attributes:
        images: uint8 (N, C, H, W), or float32 in [0, 1] where 256 levels are too few (points of the plane).
        labels: int64 (N,) classes, or (N, A) attribute indices.
        heads: attribute → its values, in label order ({"digit": …} for MNIST).
        captions: a few words for each picture, where there are any.
    """

    name: str
    images: Tensor
    labels: Tensor
    heads: dict[str, tuple[str, ...]]
    captions: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.images)

    def pictures(self, index: Tensor | slice) -> Tensor:
        """float32 pictures in [0, 1]."""
        found = self.images[index]
        return found if found.is_floating_point() else found.float() / 255


def load(name: str, split: str = "train", progress: Callable[[int, int], None] | None = None) -> Dataset:
    """The data set `name` (one of `NAMES`), split "train" or "test"."""
    captions: tuple[str, ...] = ()
    if name == "densities":
        return _points(split)
    if name == "mnist":
        images, labels = mnist.load(split, progress)
        heads = {"digit": mnist.LABELS}
    elif (name, split) in FACES:
        images, labels = _faces(FACES[name, split], split, progress)
        heads = dict(faces.ATTRIBUTES)
    elif name == "stackedmnist":
        images, labels = stacked.load(split, progress)
        heads = dict.fromkeys(stacked.CHANNELS, mnist.LABELS)
    elif name == "emoji":
        images, labels, captions = emoji.load(split, progress)
        heads = {"group": emoji.GROUPS}
    else:
        raise DataError(f"There is no data set {str(name)[:40]!r}. Known: {', '.join(NAMES)}.")
    tensor = torch.from_numpy(images.transpose(0, 3, 1, 2).copy())
    return Dataset(name, tensor, torch.from_numpy(labels.copy()), heads, captions)


def visible(name: str, labels: Tensor) -> Tensor:
    """Which of the attributes (N, A) a picture of the data set shows at all: bool (N, A)."""
    return torch.from_numpy(faces.visible(labels.numpy())) if name == "faces" else torch.ones_like(labels).bool()


def _points(split: str) -> Dataset:
    """As many points of each density, in turn; the label says which one."""
    each = POINTS_DRAWN[split] // len(densities.NAMES)
    streams = [torch.Generator().manual_seed(2 * k + (split == "test")) for k in range(len(densities.NAMES))]
    drawn = [densities.sample(name, each, stream) for name, stream in zip(densities.NAMES, streams)]
    points = torch.stack(drawn, 1).flatten(0, 1)
    labels = torch.arange(len(points)) % len(densities.NAMES)
    return Dataset("densities", densities.to_picture(points), labels, {"density": densities.NAMES})


def _faces(
    seeds: range, split: str, progress: Callable[[int, int], None] | None
) -> tuple[np.ndarray, np.ndarray]:
    path = _cache() / f"faces-{split}-{len(seeds)}-{_fingerprint()}.npz"
    if path.is_file():
        with np.load(path, allow_pickle=False) as stored:
            return stored["images"], stored["labels"]
    parts = []
    for start in range(0, len(seeds), 1000):
        parts.append(faces.dataset(seeds[start : start + 1000]))
        if progress:
            progress(start + 1000, len(seeds))
    images, labels = (np.concatenate(part) for part in zip(*parts))
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".part.npz")  # a killed process must not leave half a file under the final name
    np.savez(partial, images=images, labels=labels)
    partial.replace(path)
    return images, labels


def _fingerprint() -> str:
    """Changes whenever the drawing does, so an old cache is never taken for the present faces."""
    images, _ = faces.dataset(range(8))
    return hashlib.sha256(images.tobytes()).hexdigest()[:12]


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "playground" / "faces"
