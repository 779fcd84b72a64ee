"""Numbers on their way to the page: compact enough to send with every gesture, exact enough to re-weight there."""

from __future__ import annotations

import base64

import numpy as np
import torch
from torch import Tensor

from playground import render


def bits_of(x: Tensor) -> str:
    """One character per place, "0" and "1" (black and white, no and yes), in raster order."""
    return "".join("1" if v else "0" for v in (x.flatten() > 0.5).tolist())


def packed(values: Tensor, kind: type = np.float32) -> str:
    """The numbers in base64: float32, or float16 where there are many."""
    return base64.b64encode(values.detach().cpu().numpy().astype(kind).tobytes()).decode("ascii")


def bytes_of(values: Tensor) -> str:
    """[0, 1] → one byte each, in base64."""
    return packed(values.clamp(0, 1).mul(255).round(), np.uint8)


def sheet(images: Tensor, columns: int) -> str:
    """Pictures in rows as a PNG data URI: JPEG's blocks of 8 pixels would mix neighbours of other sizes."""
    page = torch.from_numpy(render.sheet(images, columns)).permute(2, 0, 1)[None, : images.shape[1]]
    return render.png_uri(page.float() / 255)
