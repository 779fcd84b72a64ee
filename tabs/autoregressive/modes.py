"""What the modes that draw show: one sample as it comes about, and the branches that leave it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import torch

from playground.sampling import normal
from tabs import _ui as ui
from tabs.autoregressive import code, codes, fields, pictures
from tabs.autoregressive.desk import Desk, Lane, last
from tabs.autoregressive.lanes import Recipe, recipes
from tabs.autoregressive.wire import bits_of, packed

Values = Mapping[str, Any]


def draw(desk: Desk, values: Values) -> ui.Shown:
    """The picture of a state. Where the network does not fit the mode, one that does is taken and said."""
    return last(stream(desk, values))


def stream(desk: Desk, values: Values) -> Iterator[ui.Shown]:
    """The same in steps; only completing takes more than one."""
    model = desk.fitting(values)
    patch = {} if model == values["model"] else {"model": model}
    chosen = {**values, "model": model}
    if values["mode"] == "complete":
        run = pictures.complete(desk, chosen)
    else:
        run = iter([SHOW[values["mode"]](desk, chosen)])
    for shown in run:
        yield replace(shown, model=model, patch={**shown.patch, **patch}, disabled=disabled(desk, chosen))


def disabled(desk: Desk, values: Values) -> dict[str, str]:
    """Controls without effect, and why."""
    off, known, mode = {}, desk.settings(values), values["mode"]
    if "top_k" not in known:
        why = "A pixel is black or white: there is no long list to cut. Choose the network of faces."
        off |= dict.fromkeys(("top_k", "top_p"), why)
    if "order" not in known:
        off["order"] = "This network has learned one order: row by row, from the top left."
    if not desk.classes(values["model"]):
        off |= dict.fromkeys(("label", "told"), "This network was taught no classes.")
    if mode == "complete" and not pictures.filters(desk, values["model"]):
        off["particles"] = "This network makes one attempt."
    if values["source"] != "test":
        off["test"] = "Another picture stands here. Choose “Test” to come back to these."
    return off


# ---------------------------------------------------------------------------------------------- watch


def watch(desk: Desk, values: Values) -> ui.Shown:
    """A sample, with the probability at which each place was drawn and the dice that decided."""
    (recipe, *_) = lanes_of(desk, {**values, "branches": "[]"})
    lane = desk.lane(recipe)
    if desk.coded(recipe.model):
        return codes.watch(desk, values, recipe, lane)
    height, width = lane.x.shape[-2:]
    noise = normal([recipe.seed], lane.x.shape[1:]).flatten()
    data = {
        "kind": "pixels", "w": width, "h": height, "path": path_of(desk, recipe),
        "lane": told(lane), "dice": packed(torch.special.ndtr(noise.double())),
    }  # fmt: skip
    return ui.Shown(lane.x, summary(desk, recipe, lane), data, code=code.sample(values, recipe))


def summary(desk: Desk, recipe: Recipe, lane: Lane) -> str:
    """What came out, in numbers."""
    heat = dict(recipe.settings)["temperature"]
    white = torch.sigmoid(lane.logits / max(heat, 1e-6))
    bits = lane.x.flatten() > 0.5
    odds = int((torch.where(bits, white, 1 - white) < 0.5).sum())
    asked = f", asked for a {desk.card(recipe.model).labels[recipe.label]}" if recipe.label is not None else ""
    return (
        f"Seed {recipe.seed}{asked}, temperature {heat:.2f}: {bits.numel()} pixels one after the other, "
        f"{int(bits.sum())} of them white. At {odds} of them the die went against the odds."
    )


# ---------------------------------------------------------------------------------------------- branch


def branch(desk: Desk, values: Values) -> ui.Shown:
    """The sample and its branches, with what the network expected at each place of them."""
    chain = lanes_of(desk, values)
    lanes = [desk.lane(recipe) for recipe in chain]
    if desk.coded(values["model"]):
        return codes.branch(desk, values, chain, lanes)
    height, width = lanes[0].x.shape[-2:]
    data = {"kind": "pixels", "w": width, "h": height, "path": path_of(desk, chain[0]),
            "lanes": [told(lane) | origin(chain, i) for i, lane in enumerate(lanes)]}  # fmt: skip
    picture = torch.cat([lane.x for lane in lanes])
    return ui.Shown(picture, branched(chain, lanes), data, columns=4, code=code.branches(values, chain))


def branched(chain: list[Recipe], lanes: list[Lane]) -> str:
    """The sentence under the row."""
    if len(chain) == 1:
        return (
            "Point at a pixel: the bars say how likely black and white were there, given only the pixels before it. "
            "Choose the other value, and the picture goes on from there in another way."
        )
    recipe, parent = chain[-1], lanes[chain.index(chain[-1].parent)]
    row, column = divmod(recipe.place, lanes[0].x.shape[-1])
    after = int((lanes[-1].x != parent.x).sum()) - 1
    dice = "the same dice" if recipe.seed == recipe.parent.seed else f"the dice of seed {recipe.seed}"
    return (
        f"One pixel was made {'white' if recipe.value else 'black'} in row {row + 1}, column {column + 1}. Everything "
        f"before it was kept, the rest drawn again with {dice}: {max(after, 0)} later pixels came out otherwise."
    )


def lanes_of(desk: Desk, values: Values) -> list[Recipe]:
    """The recipes of a state's sample and branches."""
    name = values["model"]
    height, width = desk.places(name)
    return recipes(values, desk.card(name), desk.settings(values), height * width, desk.kinds(name))


def origin(chain: list[Recipe], index: int) -> dict[str, Any]:
    """Where a lane comes from, for the page."""
    recipe = chain[index]
    left = chain.index(recipe.parent) if recipe.parent else -1
    return {"from": left, "at": recipe.place, "value": recipe.value, "seed": recipe.seed}


# ---------------------------------------------------------------------------------------------- for the page


def told(lane: Lane) -> dict[str, str]:
    """A lane of pixels: its bits and the logits of white."""
    return {"bits": bits_of(lane.x), "logits": packed(lane.logits)}


def path_of(desk: Desk, recipe: Recipe) -> list[int] | None:
    """Raster indices in drawing order; None where it is row by row."""
    order = dict(recipe.settings).get("order", "rows")
    return None if order == "rows" else desk.path(recipe.model, order)


def functions(desk: Desk, state: ui.State) -> list[Callable[[Any], Any]]:
    """Server functions of the page beside `pg_draw`."""

    def autoregressive_codes(request: Any) -> dict[str, Any]:
        name = state.check({"model": request.get("model")} if isinstance(request, dict) else request)["model"]
        return codes.atlas(desk, name)

    return [autoregressive_codes]


SHOW: dict[str, Callable[[Desk, Values], ui.Shown]] = {
    "watch": watch, "branch": branch, "surprise": pictures.surprise, "what it sees": fields.show,
}  # fmt: skip
