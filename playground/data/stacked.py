"""Stacked MNIST: three digits at once, one in each colour channel, and so a thousand kinds of picture.

The classical test for a generator that forgets: how many of the thousand does it still make (Metz et al., "Unrolled
GANs", 2016; Srivastava et al., "VEEGAN", 2017)? Each picture takes three digits of MNIST's own split, drawn with a
fixed seed.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from playground.data import mnist

CHANNELS = ("red", "green", "blue")
STACKED = {"train": 60_000, "test": 10_000}
SEEDS = {"train": 0, "test": 1}


def load(split: str, progress: Callable[[int, int], None] | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Images uint8 (N, 28, 28, 3) and the digits int64 (N, 3) of "train" (60,000) or "test" (10,000)."""
    images, labels = mnist.load(split, progress)
    chosen = np.random.default_rng(SEEDS[split]).integers(len(images), size=(STACKED[split], len(CHANNELS)))
    return images[chosen, :, :, 0].transpose(0, 2, 3, 1), labels[chosen]
