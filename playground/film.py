"""Pictures one after another → a file to keep: GIF, MP4, or one PNG strip.

A GIF and a strip need nothing but Pillow. An MP4 needs ffmpeg: the program, or the package `imageio-ffmpeg`, which
brings it along.
"""

from __future__ import annotations

import importlib.util
import io
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from playground import render
from playground.api import PlaygroundError

LEAST = 256  # pixels of the shorter side of a moving picture; smaller ones are enlarged in whole steps
HOLD = 1.5  # seconds the last picture stands
WIDEST = 16_000  # pixels of a strip
KINDS = {"gif": "image/gif", "mp4": "video/mp4", "png": "image/png"}


def export(kind: str, frames: Sequence[np.ndarray], rate: float = 12.0) -> bytes:
    """The film as a file.

    Args:
        kind: "gif", "mp4" or "png" (a strip). frames: uint8 (H, W, 3) each, at least one. rate: pictures a second.
    """
    if kind not in KINDS:
        raise PlaygroundError(f"A film can be kept as {', '.join(KINDS)}; {str(kind)[:20]!r} was asked for.")
    if not len(frames):
        raise PlaygroundError("There is no picture in the film yet. Let the training begin first.")
    if kind == "png":
        return strip(frames)
    return gif(frames, rate) if kind == "gif" else mp4(frames, rate)


def gif(frames: Sequence[np.ndarray], rate: float = 12.0) -> bytes:
    """An endless GIF; the last picture stands a while."""
    pictures = [Image.fromarray(render.enlarge(frame, LEAST)).quantize(128) for frame in frames]
    times = [max(20, round(1000 / rate))] * (len(pictures) - 1) + [round(1000 * HOLD)]
    out = io.BytesIO()
    pictures[0].save(out, "GIF", save_all=True, append_images=pictures[1:], duration=times, loop=0)
    return out.getvalue()


def mp4(frames: Sequence[np.ndarray], rate: float = 12.0) -> bytes:
    """H.264 that every browser plays.

    Raises:
        PlaygroundError: there is no ffmpeg here.
    """
    program = ffmpeg()
    if not program:
        raise PlaygroundError(
            "An MP4 needs ffmpeg, which is not installed here. Take the GIF, or let whoever runs this page install it: "
            "pip install imageio-ffmpeg."
        )
    pictures = [_even(render.enlarge(frame, LEAST)) for frame in frames]
    pictures += [pictures[-1]] * round(rate * HOLD)
    height, width, _ = pictures[0].shape
    with tempfile.TemporaryDirectory() as folder:  # MP4 is written back and forth, so it cannot go into a pipe
        path = Path(folder) / "film.mp4"
        command = [
            program, "-loglevel", "error", "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}",
            "-r", f"{rate:g}", "-i", "-", "-c:v", "libx264", "-pix_fmt", "yuv420p", "-crf", "18",
            "-movflags", "+faststart", "-threads", "1", str(path),
        ]  # fmt: skip
        done = subprocess.run(command, input=b"".join(p.tobytes() for p in pictures), capture_output=True, check=False)
        if done.returncode or not path.is_file():
            reason = done.stderr.decode("utf-8", "replace").strip().splitlines()[-1:] or ["no reason given"]
            raise PlaygroundError(f"ffmpeg could not write the film ({reason[0][:120]}). Take the GIF instead.")
        return path.read_bytes()


def ffmpeg() -> str:
    """Where the program is, or ""."""
    if importlib.util.find_spec("imageio_ffmpeg"):
        import imageio_ffmpeg

        return imageio_ffmpeg.get_ffmpeg_exe()
    return shutil.which("ffmpeg") or ""


def strip(frames: Sequence[np.ndarray], gap: int = 4) -> bytes:
    """At most twenty-four pictures of the film side by side, first and last among them, as a PNG."""
    height, width, _ = frames[0].shape
    count = max(1, min(len(frames), 24, WIDEST // (width + gap)))
    chosen = [frames[round(i * (len(frames) - 1) / max(1, count - 1))] for i in range(count)]
    page = np.full((height, count * (width + gap) - gap, 3), 255, np.uint8)
    for i, frame in enumerate(chosen):
        page[:, i * (width + gap) : i * (width + gap) + width] = frame
    return render.png(page)


def _even(frame: np.ndarray) -> np.ndarray:
    """H.264 wants even sides: the last row or column is doubled where needed."""
    height, width, _ = frame.shape
    return np.pad(frame, ((0, height % 2), (0, width % 2), (0, 0)), "edge")
