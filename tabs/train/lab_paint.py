"""Lanes as pictures, for what is saved: the field as colour, points of the target behind, samples and arrows above."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw
from torch import Tensor

from playground.data.densities import EXTENT
from playground.training.lab import Moment, Session
from tabs.train.lab_wire import shade, top
from tabs.train.lab_words import LENGTHS

PIXELS = 384
WELL, TEAL, INK, FAINT, COLD = (241, 239, 234), (15, 118, 110), (28, 25, 23), (150, 146, 140), (87, 83, 78)
DEEPEST, COLDEST = 0.62, 0.45  # of the accent in the field, and of the grey where a discriminator leans towards fake
LONGEST = 0.8  # plane units of an arrow


def picture(lanes: Iterable[tuple[Session, Moment]]) -> Tensor:
    """One picture per lane, (N, 3, PIXELS, PIXELS) in [0, 1]."""
    return torch.cat([drawn(session, moment) for session, moment in lanes])


def drawn(session: Session, moment: Moment) -> Tensor:
    """(1, 3, PIXELS, PIXELS)."""
    image = Image.fromarray(_ground(shade(moment, top(session)), moment))
    pen = ImageDraw.Draw(image)
    for x, y in _places(session.ruler.reference):
        pen.point([(x, y), (x + 1, y)], fill=FAINT)
    force = moment.arrows * LENGTHS[session.learner.name]
    force = force * (LONGEST / force.norm(dim=1, keepdim=True).clamp_min(1e-9)).clamp_max(1)
    for start, end in zip(_places(moment.arrows_from), _places(moment.arrows_from + force)):
        pen.line([start, end], fill=tuple(round((a + b) / 2) for a, b in zip(INK, TEAL)), width=1)
    for x, y in _places(moment.samples):
        pen.ellipse((x - 1.6, y - 1.6, x + 1.6, y + 1.6), fill=INK)
    return torch.from_numpy(np.array(image)).permute(2, 0, 1)[None].float() / 255


def _ground(field: Tensor, moment: Moment) -> np.ndarray:
    """The field in colour, (PIXELS, PIXELS, 3) bytes; rows from the top."""
    page = field.view(moment.side, moment.side).T.flip(0).float()[None, None] / 255
    page = F.interpolate(page, size=(PIXELS, PIXELS), mode="bilinear", align_corners=False)[0, 0, ..., None]
    well, teal, cold = (torch.tensor(colour).float() for colour in (WELL, TEAL, COLD))
    if moment.field.kind == "discriminator":
        sure = 2 * page - 1
        deep = torch.where(sure < 0, COLDEST * (cold - well), DEEPEST * (teal - well)) * sure.square()
    else:
        deep = DEEPEST * (teal - well) * page
    return (well + deep).round().to(torch.uint8).numpy()


def _places(cloud: Tensor) -> list[tuple[float, float]]:
    """Plane points → pixels; what is far off stays beyond the edge."""
    at = (cloud.clamp(-2 * EXTENT, 2 * EXTENT) / EXTENT + 1) * PIXELS / 2
    return [(x, PIXELS - y) for x, y in at.tolist()]
