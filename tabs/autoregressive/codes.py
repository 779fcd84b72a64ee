"""The same modes for a network of codes: each place is a patch of the picture, chosen from a list of many."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from playground import render
from tabs import _ui as ui
from tabs.autoregressive import code
from tabs.autoregressive.desk import Desk, Lane
from tabs.autoregressive.lanes import Recipe
from tabs.autoregressive.wire import packed

Values = Mapping[str, Any]
ACROSS = 40  # patches in a row of the atlas
AT_ONCE = 50  # pictures decoded in one turn


def watch(desk: Desk, values: Values, recipe: Recipe, lane: Lane) -> ui.Shown:
    """A sample code by code: a film of the picture with so many codes known."""
    film = desk.keep(("film", recipe), lambda: growing(desk, recipe.model, lane.codes))
    rows, columns = desk.places(recipe.model)
    chance = chances(lane)
    data = {
        "kind": "codes", "w": columns, "h": rows, "path": None, "film": render.sprite({"so far": film}),
        "codes": lane.codes.tolist(), "logits": packed(lane.logits, np.float16), "kinds": lane.logits.shape[1],
    }  # fmt: skip
    first = int((lane.logits.argmax(1) == lane.codes).sum())
    text = (
        f"Seed {recipe.seed}, temperature {dict(recipe.settings)['temperature']:.2f}: {len(lane.codes)} words one "
        f"after the other, each out of {lane.logits.shape[1]}. {first} of them were the likeliest choice; the boldest "
        f"had a chance of one in {1 / float(chance.min()):,.0f}. A decoder turns the words into a face."
    )
    return ui.Shown(lane.x, text, data, code=code.sample(values, recipe))


def growing(desk: Desk, name: str, codes: Tensor) -> Tensor:
    """(D + 1, C, H, W): the picture with the first 0 … D codes; what is not known yet is left open."""
    many = codes.repeat(len(codes) + 1, 1)
    for i in range(len(many)):
        many[i, i:] = -1
    return decode(desk, name, many)


def decode(desk: Desk, name: str, codes: Tensor) -> Tensor:
    """(N, D) → (N, C, H, W) on the CPU, a few at a time."""
    model = desk.model(name)
    parts = [desk.engine.call(lambda p=part: model.decode_tokens(p)) for part in codes.split(AT_ONCE)]
    return torch.cat(parts).float().cpu().clamp(0, 1)


def chances(lane: Lane) -> Tensor:
    """(D,) probability of each code that was drawn, at temperature 1."""
    return torch.softmax(lane.logits, 1).gather(1, lane.codes[:, None])[:, 0]


def branch(desk: Desk, values: Values, chain: list[Recipe], lanes: list[Lane]) -> ui.Shown:
    """The sample and its branches; the distributions of the active one."""
    active = min(values["lane"], len(lanes) - 1)
    rows, columns = desk.places(values["model"])
    shown = []
    for i, (recipe, lane) in enumerate(zip(chain, lanes)):
        left = chain.index(recipe.parent) if recipe.parent else -1
        one = {"picture": render.picture_uri(lane.x), "codes": lane.codes.tolist(), "from": left, "at": recipe.place,
               "value": recipe.value, "seed": recipe.seed}  # fmt: skip
        shown.append(one | ({"logits": packed(lane.logits, np.float16)} if i == active else {}))
    data = {"kind": "codes", "w": columns, "h": rows, "path": None, "kinds": lanes[0].logits.shape[1],
            "lanes": shown}  # fmt: skip
    picture = torch.cat([lane.x for lane in lanes])
    return ui.Shown(picture, branched(chain, lanes), data, columns=4, code=code.branches(values, chain, coded=True))


def branched(chain: list[Recipe], lanes: list[Lane]) -> str:
    """The sentence under the row."""
    if len(chain) == 1:
        return (
            "Point at a patch of the face: the list shows which words the network thought likely there, given only the "
            "patches before it. Choose another, and the face goes on from there in another way."
        )
    recipe = chain[-1]
    row, column = divmod(recipe.place, math.isqrt(len(lanes[0].codes)))
    after = int((lanes[-1].codes != lanes[chain.index(recipe.parent)].codes).sum()) - 1
    return (
        f"The patch in row {row + 1}, column {column + 1} got another word. What came before it was kept, the rest "
        f"drawn again: {max(after, 0)} of the {len(lanes[0].codes) - recipe.place - 1} later words came out otherwise."
    )


def surprise(desk: Desk, values: Values, x: Tensor) -> ui.Shown:
    """Nats of every code of a picture."""
    name = values["model"]
    model = desk.model(name)
    nats = -desk.engine.call(lambda: model.token_log_prob(x)).float().cpu()[0]
    rows, columns = desk.places(name)
    kinds, total = desk.kinds(name), float(nats.sum())
    copy = decode(desk, name, desk.engine.call(lambda: model.encode_tokens(x)).cpu())
    data = {
        "kind": "codes", "w": columns, "h": rows, "input": render.picture_uri(x), "copy": render.picture_uri(copy),
        "nats": packed(nats), "total": total, "bpd": None, "usual": None, "most": math.log(kinds), "labels": [],
        "posterior": None, "classes": [], "orders": {},
    }  # fmt: skip
    heat = (nats / math.log(kinds)).clamp(0, 1).reshape(1, 1, rows, columns)
    large = torch.nn.functional.interpolate(heat, x.shape[-2:]).expand(-1, x.shape[1], -1, -1)
    row, column = divmod(int(nats.argmax()), columns)
    what = {"test": "This drawn face", "own": "Your picture", "sample": "Its own work"}[values["source"]]
    text = (
        f"{what} costs {total:.0f} nats in {nats.numel()} words, {total / nats.numel():.1f} each; guessing blindly "
        f"among {kinds} costs {math.log(kinds):.1f}. The boldest patch is in row {row + 1}, column {column + 1}. These "
        "are nats of words, not of pixels: they cannot be compared with those of a network of pixels."
    )
    patch = {"drawing": render.png_uri(x)} if values["source"] == "own" else {}
    return ui.Shown(torch.cat([x, large]), text, data, columns=2, patch=patch, code=code.token_surprise(values))


def atlas(desk: Desk, name: str) -> dict[str, Any]:
    """What every code looks like in the middle of a picture made of nothing else."""
    if not desk.coded(name):
        return {"model": name, "src": None}
    return desk.keep(("atlas", name), lambda: _atlas(desk, name))


def _atlas(desk: Desk, name: str) -> dict[str, Any]:
    kinds, (rows, columns) = desk.kinds(name), desk.places(name)
    pictures = decode(desk, name, torch.arange(kinds)[:, None].repeat(1, rows * columns))
    h, w = pictures.shape[-2] // rows, pictures.shape[-1] // columns
    top, left = rows // 2 * h, columns // 2 * w
    patches = pictures[..., top : top + h, left : left + w]
    return {"model": name, "src": render.picture_uri(patches, ACROSS), "columns": ACROSS, "w": w, "h": h}
