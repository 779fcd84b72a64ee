"""Whatever a visitor draws, drops or uploads → one float tensor of the model's shape.

Nothing is decoded before its header has said how large it is, and every way in which a file can be unusable ends in a
sentence about what to do.
"""

from __future__ import annotations

import base64
import binascii
import io
import warnings
from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from playground.api import PlaygroundError

MAX_PIXELS = 4_000_000
MAX_BYTES = 8_000_000
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP")
INK = 0.15  # darker than this is paper once a digit is white on black
BOX, SIDE = 20, 28  # MNIST: the digit fits a 20-pixel box, centred by its mass in 28 × 28


def read_picture(source: str | bytes, shape: Sequence[int], data: str = "") -> Tensor:
    """The picture as float32 (1, C, H, W) in [0, 1].

    Args:
        source: bytes of a file, or a data URI (a canvas drawing, a file read in the browser).
        shape: (C, H, W) of the model.
        data: the model's data set; "mnist" makes the digit white on black, scaled and centred as LeCun's were.

    Raises:
        PlaygroundError: not a picture, damaged, too large, or nothing drawn; the message says what to do.
    """
    channels, height, width = shape
    image = _decode(_content(source))
    if data == "mnist":
        grey = _digit(image)
    elif channels == 1:
        grey = _fit(_flatten(image, "white").convert("L"), width, height)
    else:
        colour = _fit(_flatten(image, "white"), width, height)
        return torch.from_numpy(np.asarray(colour, np.float32) / 255).permute(2, 0, 1)[None].contiguous()
    return torch.from_numpy(np.asarray(grey, np.float32) / 255)[None, None].contiguous()


def _content(source: str | bytes) -> bytes:
    if isinstance(source, str):
        head, comma, body = source.partition(",")
        if not comma or not head.startswith("data:image/") or not head.endswith(";base64"):
            raise PlaygroundError("That is not a picture. Use a PNG, JPEG, WebP, GIF or BMP file, or draw one.")
        try:
            source = base64.b64decode(body[: 2 * MAX_BYTES], validate=True)
        except (binascii.Error, ValueError):
            raise PlaygroundError("The picture did not arrive whole. Try it again.") from None
    if not isinstance(source, bytes) or len(source) > MAX_BYTES:
        raise PlaygroundError(f"The file is too large. At most {MAX_BYTES // 1_000_000} MB; make it smaller first.")
    return source


def _decode(content: bytes) -> Image.Image:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # the size is checked two lines below
            image = Image.open(io.BytesIO(content), formats=FORMATS)
        _check_size(*image.size)
        image.load()
        return ImageOps.exif_transpose(image)
    except Image.DecompressionBombError:
        raise _too_large("far") from None
    except UnidentifiedImageError:
        raise PlaygroundError("That is not a picture. Use a PNG, JPEG, WebP, GIF or BMP file, or draw one.") from None
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        if isinstance(error, PlaygroundError):
            raise
        raise PlaygroundError("The picture is damaged: it ends too early or its data is broken. Try another.") from None


def _check_size(width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise _too_large(f"{width} × {height}")
    if min(width, height) < 2:
        raise PlaygroundError(f"The picture is {width} × {height} pixels. It needs at least 2 × 2.")


def _too_large(size: str) -> PlaygroundError:
    measured = "is far too large" if size == "far" else f"has {size} pixels"
    return PlaygroundError(f"The picture {measured}; at most 4 million fit. Make it smaller, say 512 × 512.")


def _eight_bit(image: Image.Image) -> Image.Image:
    """16-bit and float greys → 8 bit (Pillow alone would clip them); palettes → RGBA; the rest untouched."""
    if image.mode.startswith(("I", "F")):
        grey = np.nan_to_num(np.asarray(image, np.float32))
        top = 65535.0 if grey.max() > 255 else 255.0 if grey.max() > 1 else 1.0
        return Image.fromarray((grey / top * 255).clip(0, 255).astype(np.uint8))
    return image.convert("RGBA") if image.mode in ("P", "PA", "LA") else image


def _flatten(image: Image.Image, paper: str) -> Image.Image:
    """RGB, transparent parts filled with paper."""
    image = _eight_bit(image)
    if image.mode != "RGBA":
        return image.convert("RGB")
    page = Image.new("RGBA", image.size, paper)
    return Image.alpha_composite(page, image).convert("RGB")


def _fit(image: Image.Image, width: int, height: int) -> Image.Image:
    """Middle of the picture, cropped to the aspect wanted and scaled."""
    return image if image.size == (width, height) else ImageOps.fit(image, (width, height), Image.Resampling.LANCZOS)


def _digit(image: Image.Image) -> Image.Image:
    ink = _ink(image)
    if ink.max() < INK:
        raise PlaygroundError("There is nothing on the picture yet. Draw a digit, a little thicker than a hair.")
    if ink.shape == (SIDE, SIDE):
        return Image.fromarray((ink * 255).round().astype(np.uint8))  # already the size of a digit: left as it is
    return _centred(_boxed(ink))


def _ink(image: Image.Image) -> np.ndarray:
    """(H, W) in [0, 1], ink bright: the paper is what stands along the border."""
    grey = np.asarray(_flatten(image, _paper(image)).convert("L"), np.float32) / 255
    border = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    return 1 - grey if np.median(border) > 0.5 else grey


def _paper(image: Image.Image) -> str:
    """Transparent pictures lie on whatever their ink stands out from."""
    image = _eight_bit(image)
    if image.mode != "RGBA":
        return "black"
    alpha = np.asarray(image.getchannel("A"), np.float32)
    grey = np.asarray(image.convert("RGB").convert("L"), np.float32)
    return "white" if (grey * alpha).sum() < 127 * alpha.sum() else "black"


def _boxed(ink: np.ndarray) -> Image.Image:
    """The inked part, scaled so that its longer side is 20 pixels."""
    ys, xs = np.nonzero(ink >= INK)
    part = ink[ys.min() : ys.max() + 1, xs.min() : xs.max() + 1]
    scale = BOX / max(part.shape)
    size = (max(1, round(part.shape[1] * scale)), max(1, round(part.shape[0] * scale)))
    small = Image.fromarray((part * 255).astype(np.uint8)).resize(size, Image.Resampling.BOX if scale < 1 else 1)
    return small


def _centred(digit: Image.Image) -> Image.Image:
    """Pasted so that the centre of mass lies in the middle of 28 × 28."""
    mass = np.asarray(digit, np.float32) + 1e-6
    x = (mass.sum(0) * np.arange(digit.width)).sum() / mass.sum()
    y = (mass.sum(1) * np.arange(digit.height)).sum() / mass.sum()
    corner = [round(SIDE / 2 - 0.5 - x), round(SIDE / 2 - 0.5 - y)]
    corner = [min(max(c, 0), SIDE - n) for c, n in zip(corner, digit.size)]
    page = Image.new("L", (SIDE, SIDE))
    page.paste(digit, tuple(corner))
    return page
