"""What a pixel is allowed to see: the first PixelCNN's blind spot, the gated one without it, and a trained network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from playground.models.autoregressive import blind_spot_field
from tabs import _ui as ui
from tabs.autoregressive import code
from tabs.autoregressive.desk import Desk
from tabs.autoregressive.wire import bits_of

Values = Mapping[str, Any]
COLOURS = {"seen": (45, 212, 191), "blind": (249, 115, 22)}


def show(desk: Desk, values: Values) -> ui.Shown:
    """Three receptive fields of one pixel over a picture."""
    name = values["model"]
    x = desk.picture(values)
    height, width = x.shape[-2:]
    row, column = min(values["row"], height - 1), min(values["col"], width - 1)
    layers, kernel = values["layers"], int(values["kernel"])
    first, gated = (blind_spot_field(layers, kernel, row, column, g, (height, width)) for g in (False, True))
    own = desk.keep(("field", name, row, column), lambda: own_field(desk, name, row, column))
    before = row * width + column
    fields = {"first": first, "gated": gated, "own": own}
    data = {
        "w": width, "h": height, "row": row, "col": column, "bits": bits_of(x), "before": before,
        "fields": {k: bits_of(f) for k, f in fields.items()}, "title": desk.card(name).title,
    }  # fmt: skip
    picture = torch.cat([painted(x, f, gated | first, row, column) for f in fields.values()])
    text = words(row, column, before, {k: int(f.sum()) for k, f in fields.items()}, layers, kernel,
                 int((gated & ~first).sum()))  # fmt: skip
    return ui.Shown(picture, text, data, columns=3, code=code.fields(values, row, column))


def own_field(desk: Desk, name: str, row: int, column: int) -> Tensor:
    """Bool (H, W) of the trained network."""
    model = desk.model(name)
    return desk.engine.call(lambda: model.receptive_field(row, column)).cpu()


def words(row: int, column: int, before: int, seen: Mapping[str, int], layers: int, kernel: int, hidden: int) -> str:
    """The sentence under the three."""
    if not before:
        return "The very first pixel has nothing before it: its colour is the roll of a die that knows only the class."
    reach = f"{layers} layer{'s' * (layers > 1)} of {kernel} × {kernel}"
    blind = f"{hidden} of them lie in its blind spot" if hidden else "no blind spot shows at this place"
    return (
        f"Before row {row + 1}, column {column + 1} come {before} pixels. With {reach} the first PixelCNN sees "
        f"{seen['first']} of them, the gated one {seen['gated']}: {blind}. The trained network sees {seen['own']}."
    )


def painted(x: Tensor, field: Tensor, reach: Tensor, row: int, column: int) -> Tensor:
    """The field over the picture, (1, 3, H, W), for saving."""
    page = (0.35 + 0.4 * x[:, :1]).expand(-1, 3, -1, -1).clone()
    for where, colour in ((field, COLOURS["seen"]), (reach & ~field, COLOURS["blind"])):
        tint = torch.tensor(colour).view(1, 3, 1, 1) / 255
        page = torch.where(where[None, None], 0.35 * x[:, :1] + 0.6 * tint, page)
    page[..., row, column] = 1
    return page.clamp(0, 1)
