"""MNIST, read from the official IDX files (LeCun, Cortes and Burges, 1998; CC BY-SA 3.0).

Looks in `$PLAYGROUND_DATA/mnist`, then in the user's cache, and only then downloads. What is checked is the digest of
the *decompressed* bytes, since mirrors compress differently.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import urllib.request
from collections.abc import Callable
from pathlib import Path

import numpy as np

SOURCE = "https://ossci-datasets.s3.amazonaws.com/mnist/"
FILES = {  # split, part → file, md5 of the decompressed bytes
    ("train", "images"): ("train-images-idx3-ubyte.gz", "6bbc9ace898e44ae57da46a324031adb"),
    ("train", "labels"): ("train-labels-idx1-ubyte.gz", "a25bea736e30d166cdddb491f175f624"),
    ("test", "images"): ("t10k-images-idx3-ubyte.gz", "2646ac647ad5339dbf082846283269ea"),
    ("test", "labels"): ("t10k-labels-idx1-ubyte.gz", "27ae3e4e09519cfbb04c329615203637"),
}
LABELS = tuple("0123456789")


class DataError(ValueError):
    """A data file is missing, damaged or cannot be fetched; the message says what to do."""


def load(split: str, progress: Callable[[int, int], None] | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Images uint8 (N, 28, 28, 1) and labels int64 (N,) of "train" (60,000) or "test" (10,000).

    Args:
        progress: called with (bytes so far, bytes in all) while a missing file is downloaded.
    """
    if split not in ("train", "test"):
        raise DataError(f"MNIST has the splits train and test; {split!r} was asked for.")
    images = np.frombuffer(_read(split, "images", progress), np.uint8, offset=16).reshape(-1, 28, 28, 1)
    labels = np.frombuffer(_read(split, "labels", progress), np.uint8, offset=8).astype(np.int64)
    return images, labels


def folders() -> list[Path]:
    """Where the files are looked for, in order; the last one is where a download goes."""
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "playground" / "mnist"
    given = os.environ.get("PLAYGROUND_DATA")
    return [Path(given) / "mnist", cache] if given else [cache]


def _read(split: str, part: str, progress: Callable[[int, int], None] | None) -> bytes:
    name, digest = FILES[split, part]
    for folder in folders():
        if (folder / name).is_file():
            return _verified(folder / name, digest)
    path = folders()[-1] / name
    _download(SOURCE + name, path, progress)
    return _verified(path, digest)


def _verified(path: Path, digest: str) -> bytes:
    try:
        raw = gzip.decompress(path.read_bytes())
    except (OSError, EOFError) as error:
        raise DataError(
            f"{path} is not a readable gzip file ({error}). Delete it and run the command again."
        ) from error
    if hashlib.md5(raw, usedforsecurity=False).hexdigest() != digest:
        raise DataError(f"{path} is not the official file (its digest differs). Delete it and run the command again.")
    return raw


def _download(url: str, path: Path, progress: Callable[[int, int], None] | None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    try:
        with urllib.request.urlopen(url, timeout=30) as reply, part.open("wb") as file:
            total = int(reply.headers.get("Content-Length", 0))
            while chunk := reply.read(1 << 16):
                file.write(chunk)
                if progress:
                    progress(file.tell(), total)
    except OSError as error:
        raise DataError(
            f"Could not download {url} ({error}). Set PLAYGROUND_DATA to a folder that holds mnist/{path.name}."
        ) from error
    part.replace(path)
