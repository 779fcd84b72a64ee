"""Emoji: Google's Noto drawings on white, 32×32 (Apache-2.0).

Read from the official PNG files, `noto-emoji/png/128`, in `$PLAYGROUND_DATA` or the user's cache. The repository is
too large to be fetched behind somebody's back, so a missing folder is an error that says how to get it; what was read
is checked by its digest.

One picture per idea is kept. Left out are skin tones (their yellow sibling stays), flags, joined sequences that only
change the gender, the direction or the people of a family, and the pieces that sequences are made of. Every fifth, by
a hash of the code points, is held out, so that a picture never changes sides when others come or go.
"""

from __future__ import annotations

import hashlib
import os
import unicodedata
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from playground.data.mnist import DataError

SOURCE = "https://github.com/googlefonts/noto-emoji"
COMMIT = "b3e3051a088047d19fd4d49b1c3ac42fb8c3aaf8"
DIGEST = "e8b415de881e78e0e650e0b4006b3ab6d6911dfcb357e222d7eb70ee56b95045"  # sha256 of all pictures kept
SIDE, LARGE = 32, 128
HELD_OUT = 5  # one in so many
JOINER, KEYCAP = 0x200D, 0x20E3
GENDERS = (0x2640, 0x2642)  # after a joiner: a woman, a man
DIRECTION = 0x27A1  # after a joiner: facing right
MAN, WOMAN, ADULT = 0x1F468, 0x1F469, 0x1F9D1  # at the front of a sequence; the adult stands for all three
RELATIVES = (MAN, WOMAN, ADULT, 0x1F466, 0x1F467, 0x1F9D2, 0x1F91D)  # after a joiner: a family, or a couple
TONES = range(0x1F3FB, 0x1F400)
LETTERS = (range(0x1F1E6, 0x1F200), range(0xE0020, 0xE0080))  # that spell a flag
PIECES = (range(0x23, 0x3A), range(KEYCAP, KEYCAP + 1), range(0x1F9B0, 0x1F9B4), range(0xFE000, 0xFF000))
GROUPS = ("face", "person", "nature", "food", "place", "thing", "sign")
RANGES = (  # first code point → group, up to the next one: Unicode's own subheadings, coarsened
    (0x00000, "sign"), (0x0231A, "thing"), (0x023CF, "sign"), (0x023F0, "thing"), (0x023F8, "sign"),
    (0x02600, "nature"), (0x02602, "thing"), (0x02603, "nature"), (0x0260E, "thing"), (0x02611, "sign"),
    (0x02614, "thing"), (0x02618, "nature"), (0x0261D, "person"), (0x02620, "sign"), (0x02639, "face"),
    (0x02640, "sign"), (0x02692, "thing"), (0x02695, "sign"), (0x02696, "thing"), (0x0269B, "sign"),
    (0x026B0, "thing"), (0x026C4, "nature"), (0x026CE, "sign"), (0x026CF, "thing"), (0x026D4, "sign"),
    (0x026E9, "place"), (0x026F4, "thing"), (0x026F7, "person"), (0x026FA, "place"), (0x026FD, "thing"),
    (0x02705, "sign"), (0x02708, "thing"), (0x0270A, "person"), (0x0270F, "thing"), (0x02714, "sign"),
    (0x1F300, "nature"), (0x1F301, "place"), (0x1F302, "thing"), (0x1F303, "place"), (0x1F308, "nature"),
    (0x1F309, "place"), (0x1F30A, "nature"), (0x1F321, "thing"), (0x1F324, "nature"), (0x1F32D, "food"),
    (0x1F330, "nature"), (0x1F336, "food"), (0x1F337, "nature"), (0x1F33D, "food"), (0x1F33E, "nature"),
    (0x1F345, "food"), (0x1F380, "thing"), (0x1F382, "food"), (0x1F383, "thing"), (0x1F385, "person"),
    (0x1F386, "thing"), (0x1F3C2, "person"), (0x1F3C5, "thing"), (0x1F3C7, "person"), (0x1F3C8, "thing"),
    (0x1F3CA, "person"), (0x1F3CD, "thing"), (0x1F3D4, "place"), (0x1F3F1, "thing"), (0x1F400, "nature"),
    (0x1F440, "person"), (0x1F451, "thing"), (0x1F463, "person"), (0x1F484, "thing"), (0x1F485, "person"),
    (0x1F488, "thing"), (0x1F48B, "sign"), (0x1F48C, "thing"), (0x1F48F, "person"), (0x1F490, "nature"),
    (0x1F491, "person"), (0x1F492, "place"), (0x1F493, "sign"), (0x1F4A1, "thing"), (0x1F4A2, "sign"),
    (0x1F4A3, "thing"), (0x1F4A4, "sign"), (0x1F4AA, "person"), (0x1F4AB, "sign"), (0x1F4B0, "thing"),
    (0x1F500, "sign"), (0x1F50A, "thing"), (0x1F518, "sign"), (0x1F525, "thing"), (0x1F52F, "sign"),
    (0x1F54A, "nature"), (0x1F54B, "place"), (0x1F54E, "sign"), (0x1F56F, "thing"), (0x1F574, "person"),
    (0x1F576, "thing"), (0x1F577, "nature"), (0x1F579, "thing"), (0x1F57A, "person"), (0x1F587, "thing"),
    (0x1F590, "person"), (0x1F5A4, "sign"), (0x1F5A5, "thing"), (0x1F5E3, "person"), (0x1F5E8, "sign"),
    (0x1F5F3, "thing"), (0x1F5FA, "place"), (0x1F600, "face"), (0x1F645, "person"), (0x1F648, "nature"),
    (0x1F64B, "person"), (0x1F680, "thing"), (0x1F6AB, "sign"), (0x1F6AC, "thing"), (0x1F6AD, "sign"),
    (0x1F6B2, "thing"), (0x1F6B3, "sign"), (0x1F6B4, "person"), (0x1F6B7, "sign"), (0x1F6BD, "thing"),
    (0x1F6BE, "sign"), (0x1F6BF, "thing"), (0x1F6C2, "sign"), (0x1F6CB, "thing"), (0x1F6D0, "sign"),
    (0x1F6D2, "thing"), (0x1F6D5, "place"), (0x1F6D7, "thing"), (0x1F6DC, "sign"), (0x1F6DD, "thing"),
    (0x1F7E0, "sign"), (0x1F90C, "person"), (0x1F90D, "sign"), (0x1F90F, "person"), (0x1F910, "face"),
    (0x1F918, "person"), (0x1F920, "face"), (0x1F926, "person"), (0x1F927, "face"), (0x1F930, "person"),
    (0x1F93F, "thing"), (0x1F940, "nature"), (0x1F941, "thing"), (0x1F950, "food"), (0x1F970, "face"),
    (0x1F977, "person"), (0x1F978, "face"), (0x1F97B, "thing"), (0x1F980, "nature"), (0x1F9AF, "thing"),
    (0x1F9B0, "person"), (0x1F9BA, "thing"), (0x1F9C0, "food"), (0x1F9CC, "person"), (0x1F9D0, "face"),
    (0x1F9D1, "person"), (0x1F9E1, "sign"), (0x1F9E2, "thing"), (0x1FA75, "sign"), (0x1FA78, "thing"),
    (0x1FAB0, "nature"), (0x1FAC0, "person"), (0x1FACE, "nature"), (0x1FAD0, "food"), (0x1FAD6, "thing"),
    (0x1FAD8, "food"), (0x1FADE, "nature"), (0x1FADF, "thing"), (0x1FAE0, "face"), (0x1FAF0, "person"),
)  # fmt: skip


def load(
    split: str, progress: Callable[[int, int], None] | None = None
) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """Images uint8 (N, 32, 32, 3), groups int64 (N,) and captions of "train" (four in five) or "test".

    Args:
        progress: called with (pictures so far, pictures in all) while the files are read.
    """
    if split not in ("train", "test"):
        raise DataError(f"The emoji have the splits train and test; {split!r} was asked for.")
    images, every = _all(progress)
    chosen = [i for i, points in enumerate(every) if is_held_out(points) == (split == "test")]
    groups = np.array([GROUPS.index(group(every[i])) for i in chosen], np.int64)
    return images[chosen], groups, tuple(caption(every[i]) for i in chosen)


def _all(progress: Callable[[int, int], None] | None) -> tuple[np.ndarray, list[tuple[int, ...]]]:
    """All pictures kept and their code points: from the user's cache, or else from the PNG files."""
    path = _cache() / f"emoji-{DIGEST[:12]}.npz"
    if path.is_file():
        with np.load(path, allow_pickle=False) as stored:
            return stored["images"], [code_points(Path(name)) for name in stored["names"].tolist()]
    files = kept(folder())
    images = [shrunk(file, i, len(files), progress) for i, file in enumerate(files.values())]
    whole = np.stack(images) if images else np.empty(0, np.uint8)
    if hashlib.sha256(whole.tobytes()).hexdigest() != DIGEST:
        raise DataError(f"The emoji in {folder()} are not those of the commit {COMMIT[:12]}. {HOW}")
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".part.npz")  # a killed process must not leave half a file under the final name
    np.savez(partial, images=whole, names=np.array([file.name for file in files.values()]))
    partial.replace(path)
    return whole, list(files)


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "playground" / "emoji"


HOW = (
    f"Fetch them: git clone --filter=blob:none --no-checkout {SOURCE} && cd noto-emoji && git sparse-checkout set "
    f"png/128 && git checkout {COMMIT[:12]}. Then set PLAYGROUND_DATA to the folder that holds noto-emoji."
)


def folder() -> Path:
    """Where the PNG files are: in `$PLAYGROUND_DATA` or the user's cache."""
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "playground"
    given = os.environ.get("PLAYGROUND_DATA")
    places = [root / "noto-emoji" / "png" / str(LARGE) for root in ([Path(given)] if given else []) + [cache]]
    for place in places:
        if place.is_dir():
            return place
    raise DataError(f"There are no emoji in {' or '.join(map(str, places))}. {HOW}")


def kept(place: Path) -> dict[tuple[int, ...], Path]:
    """Code points → file, in the order of the code points, of the pictures that are kept."""
    files = {code_points(path): path for path in place.glob("emoji_u*.png")}
    return {points: files[points] for points in sorted(files) if is_kept(points)}


def code_points(path: Path) -> tuple[int, ...]:
    """What a file's name says: `emoji_u1f9d1_200d_1f33e.png` → (0x1F9D1, 0x200D, 0x1F33E)."""
    return tuple(int(part, 16) for part in path.stem.removeprefix("emoji_u").split("_"))


def is_kept(points: tuple[int, ...]) -> bool:
    """Whether a picture is an idea of its own (see the top)."""
    if any(point in TONES or any(point in letters for letters in LETTERS) for point in points):
        return False
    if len(points) == 1:
        return not any(points[0] in pieces for pieces in PIECES)
    joined = points[1:]
    return points[0] not in (MAN, WOMAN) and not any(p in (*GENDERS, DIRECTION, *RELATIVES) for p in joined)


def is_held_out(points: tuple[int, ...]) -> bool:
    """Whether a picture belongs to the test split."""
    digest = hashlib.sha256("-".join(f"{point:x}" for point in points).encode()).digest()
    return int.from_bytes(digest[:4], "big") % HELD_OUT == 0


def group(points: tuple[int, ...]) -> str:
    """One of `GROUPS`, by the first code point."""
    return [name for first, name in RANGES if first <= points[0]][-1]


def caption(points: tuple[int, ...]) -> str:
    """Unicode's names in lower case: "adult, ear of rice"; one that this Python does not know yet is its number."""
    named = [point for point in points if point not in (JOINER, 0xFE0F)]
    return ", ".join(unicodedata.name(chr(point), f"u+{point:x}").lower() for point in named)


def shrunk(path: Path, number: int, total: int, progress: Callable[[int, int], None] | None) -> np.ndarray:
    """uint8 (32, 32, 3): on white, each pixel the mean of 4×4."""
    try:
        with Image.open(path) as image:
            picture = np.asarray(image.convert("RGBA"), np.uint32)
    except OSError as error:
        raise DataError(f"{path} is not a readable picture ({error}). {HOW}") from error
    if picture.shape != (LARGE, LARGE, 4):
        raise DataError(f"{path} has the shape {picture.shape}; (128, 128, 4) was expected. {HOW}")
    colour, alpha = picture[..., :3], picture[..., 3:]
    on_white = colour * alpha + 255 * (255 - alpha)  # times 255; whole numbers, so that every machine agrees
    cell = LARGE // SIDE
    mean = on_white.reshape(SIDE, cell, SIDE, cell, 3).sum((1, 3))
    if progress:
        progress(number + 1, total)
    return ((mean + 255 * cell * cell // 2) // (255 * cell * cell)).astype(np.uint8)
