"""Pictures as bytes: tensors (N, C, H, W) in [0, 1] → JPEG for the page, PNG for the visitor's disk.

A live preview is a JPEG data URI (at 512 px ten to fifty times as fast to write as WebP or PNG); a contact sheet or a
whole trajectory is *one* picture, because sixteen small requests take longer than one large one.
"""

from __future__ import annotations

import base64
import io
import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from PIL import Image, PngImagePlugin
from torch import Tensor

RECIPE = "playground"  # keyword of the PNG text chunk that holds the recipe


def array(images: Tensor) -> np.ndarray:
    """(N, C, H, W) in [0, 1] → uint8 (N, H, W, 3)."""
    pixels = images.detach().float().clamp(0, 1).mul(255).round().to(torch.uint8).cpu()
    return pixels.expand(-1, 3, -1, -1).permute(0, 2, 3, 1).numpy()


def sheet(images: Tensor, columns: int | None = None, gap: int = 0, paper: int = 255) -> np.ndarray:
    """One uint8 (H, W, 3) picture with the images in reading order; near-square where `columns` is not given."""
    pixels = array(images)
    n, h, w, _ = pixels.shape
    columns = min(columns or math.ceil(math.sqrt(n)), n)
    rows = math.ceil(n / columns)
    page = np.full((rows * (h + gap) - gap, columns * (w + gap) - gap, 3), paper, np.uint8)
    for i in range(n):
        y, x = i // columns * (h + gap), i % columns * (w + gap)
        page[y : y + h, x : x + w] = pixels[i]
    return page


def enlarge(pixels: np.ndarray, least: int = 256) -> np.ndarray:
    """Whole-number nearest-neighbour enlargement until the shorter side has at least `least` pixels."""
    factor = max(1, math.ceil(least / min(pixels.shape[:2])))
    return pixels.repeat(factor, axis=0).repeat(factor, axis=1)


def data_uri(kind: str, content: bytes) -> str:
    """`data:` address of a picture, e.g. kind "image/jpeg"."""
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"


def jpeg(pixels: np.ndarray, quality: int = 88) -> bytes:
    """JPEG without colour subsampling, which would smear pictures of a few pixels."""
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "JPEG", quality=quality, subsampling=0)
    return out.getvalue()


def png(pixels: np.ndarray, recipe: Mapping[str, Any] | None = None) -> bytes:
    """PNG, with the recipe in its text chunk "playground"."""
    out, info = io.BytesIO(), PngImagePlugin.PngInfo()
    if recipe is not None:
        info.add_text(RECIPE, json.dumps(recipe, ensure_ascii=True, sort_keys=True))
    Image.fromarray(pixels).save(out, "PNG", pnginfo=info)
    return out.getvalue()


def picture_uri(images: Tensor, columns: int | None = None, quality: int = 88) -> str:
    """Live preview: the images (one, or a sheet of them) as a JPEG data URI at their own size."""
    return data_uri("image/jpeg", jpeg(sheet(images, columns), quality))


def png_uri(images: Tensor) -> str:
    """The first image, without loss: for a picture that becomes part of a recipe."""
    pixels = array(images[:1])[0]
    image = Image.fromarray(pixels[..., 0] if images.shape[1] == 1 else pixels)
    out = io.BytesIO()
    image.save(out, "PNG", optimize=True)
    return data_uri("image/png", out.getvalue())


def sprite(lanes: Mapping[str, Tensor], quality: int = 92, width: int = 8192) -> dict[str, Any]:
    """A filmstrip: every frame of every lane in one JPEG grid, lane after lane, for scrubbing without a request.

    Args:
        lanes: name → (T, C, H, W) in [0, 1], all of one size and length.

    Returns:
        {"src": data URI, "names": […], "frames": T, "columns": …, "w": …, "h": …}; frame t of lane k is cell k·T + t.
    """
    frames = torch.cat(list(lanes.values()))
    h, w = frames.shape[-2:]
    columns = min(math.ceil(math.sqrt(len(frames) * h / w)), max(1, width // w))
    src = data_uri("image/jpeg", jpeg(sheet(frames, columns), quality))
    each = len(frames) // len(lanes)
    return {"src": src, "names": list(lanes), "frames": each, "columns": columns, "w": w, "h": h}
