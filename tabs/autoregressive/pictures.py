"""What the modes that begin with a picture show: a hole filled in many ways, and where a picture surprises."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from playground import render
from playground.api import PlaygroundError
from playground.models.autoregressive.base import ORDERS
from tabs import _ui as ui
from tabs._ui.examples import COUNT, digits
from tabs.autoregressive import code, codes
from tabs.autoregressive.desk import Desk, spread, takes
from tabs.autoregressive.state import ENDINGS, UNTOLD
from tabs.autoregressive.wire import bits_of, bytes_of, packed, sheet

Values = Mapping[str, Any]
COLUMNS = 4
USUAL = 20  # test digits whose mean cost is told beside the visitor's
HALVES = {"top": "upper half", "bottom": "lower half", "left": "left half", "right": "right half"}
WHY = {  # what the reading order means for each hole
    "top": "Everything given lies below the hole, and the network reads from the top: it cannot look down. So several "
           "attempts are made blindly, and those that foresaw the given pixels well are copied, the others dropped.",
    "bottom": "Everything given lies above the hole: the network has read it all before the first pixel is made up. "
              "This is what it was trained for, and one attempt would do.",
    "left": "Each row begins with the hole and ends with given pixels. What is given above helps at once; what stands "
            "to the right and below only decides which of the attempts live on.",
    "right": "Each row begins with given pixels, which the network has read when it comes to the hole. Only the given "
             "rows further down have to wait, and then decide which of the attempts live on.",
    "brush": "Given pixels above the hole and to its left are read before it. Those below and to its right come later: "
             "they decide which of the attempts live on.",
}  # fmt: skip


# ---------------------------------------------------------------------------------------------- complete


def complete(desk: Desk, values: Values) -> Iterator[ui.Shown]:
    """Eight ways to fill the same hole, row by row; the last answer says what they are."""
    name = values["model"]
    x = desk.picture(values)
    hole = hole_of(values, x.shape[-2:])
    seeds = list(spread(values["seed"], ENDINGS))
    settings = (values["told"], values["temperature"], particles_of(desk, values))
    key = ("complete", name, render.png_uri(x), bits_of(hole), tuple(seeds), *settings)
    found, total = [], 0
    if (kept := desk.known(key)) is None:
        for frame in repairs(desk, values, x, 1 - hole, seeds):
            found, total = frame.images.float().cpu(), frame.total
            if frame.step < total:
                yield ui.Shown(found, f"Row {frame.step} of {total}: eight attempts grow side by side.",
                               basics(x, hole, found, seeds, values["hole"]), columns=COLUMNS, step=frame.step,
                               total=total + 1)  # fmt: skip
        kept = desk.keep(key, lambda: found)
    text, cells = judged(desk, values, x, hole, kept)
    data = basics(x, hole, kept, seeds, values["hole"]) | {"cells": cells}
    yield ui.Shown(kept, text, data, columns=COLUMNS, patch=patch_of(values, x), step=total + 1, total=total + 1,
                   code=code.complete(values, filters(desk, name), desk.classes(name)))  # fmt: skip


def repairs(desk: Desk, values: Values, x: Tensor, known: Tensor, seeds: list[int]) -> Iterator[Any]:
    """The frames of the model's repair."""
    name, model, n = values["model"], desk.model(values["model"]), len(seeds)
    label = None if values["told"] == UNTOLD else desk.label(name, values["told"])
    labels = desk.labels(name, label, n)
    many, mask = x.expand(n, -1, -1, -1), known.expand(n, -1, -1, -1)
    more = {k: values[k] for k in ("particles", "temperature")} if filters(desk, name) else {}
    return desk.engine.steps(lambda: model.repair(many, mask, seeds, labels, **more))


def filters(desk: Desk, name: str) -> bool:
    """Whether its repair keeps several attempts alive."""
    return takes(desk.model(name).repair, "particles")


def particles_of(desk: Desk, values: Values) -> int:
    """How many attempts; 1 where the network makes no others."""
    return values["particles"] if filters(desk, values["model"]) else 1


def hole_of(values: Values, size: tuple[int, int]) -> Tensor:
    """(1, 1, H, W), 1 where something is to be made up."""
    height, width = size
    hole = torch.zeros(1, 1, height, width)
    if values["hole"] == "brush":
        if values["mask"]:
            hole = (ui.read_picture(values["mask"], (1, height, width)) > 0.5).float()
        if not hole.any():
            raise PlaygroundError("Nothing is covered yet. Paint over the part that is to be made up.")
        return hole
    rows, columns = slice(height), slice(width)
    if values["hole"] in ("top", "bottom"):
        rows = slice(height // 2) if values["hole"] == "top" else slice(height // 2, height)
    else:
        columns = slice(width // 2) if values["hole"] == "left" else slice(width // 2, width)
    hole[..., rows, columns] = 1
    return hole


def basics(x: Tensor, hole: Tensor, found: Tensor, seeds: list[int], hole_name: str) -> dict[str, Any]:
    """What the page shows in every step."""
    return {"input": render.png_uri(x), "hole": render.png_uri(hole), "sheet": sheet(found, COLUMNS),
            "columns": COLUMNS, "seeds": seeds, "why": WHY[hole_name]}  # fmt: skip


def patch_of(values: Values, x: Tensor) -> dict[str, str]:
    """The visitor's picture as the network sees it: small enough for the state and for a saved file."""
    return {"drawing": render.png_uri(x)} if values["source"] == "own" else {}


def judged(desk: Desk, values: Values, x: Tensor, hole: Tensor, found: Tensor) -> tuple[str, list[dict[str, Any]]]:
    """The sentence, and what stands under each of the eight."""
    name, model = values["model"], desk.model(values["model"])
    share = round(100 * float(hole.mean()))
    where = f"The {HALVES[values['hole']]} is covered" if values["hole"] in HALVES else f"{share} % are covered"
    if not hasattr(model, "log_prob"):
        return f"{where} and made up again, eight times with other dice. What was not covered is kept.", [{}] * ENDINGS
    readings = desk.read_as(name, found)
    *nats, original = (-desk.engine.call(lambda: model.log_prob(torch.cat([found, x])))).tolist()
    cells = [{"label": r, "nats": round(n, 1)} for r, n in zip(readings, nats)]
    seen = ", ".join(f"{n} × {r}" for r, n in Counter(readings).most_common() if r)
    usual = sum(nats) / len(nats)
    if filters(desk, name) and values["particles"] == 1:
        how = "each in a single attempt that sees only what stands above it and to its left"
    elif filters(desk, name):
        how = f"each the survivor of {values['particles']} attempts, weighed by how well they foresaw what was given"
    else:
        how = "each with other dice"
    return (
        f"{where}; eight endings, {how}. {'They read as ' + seen + '. ' if seen else ''}"
        f"On average they cost {usual:.0f} nats, the original {original:.0f} (less is likelier).",
        cells,
    )


# ---------------------------------------------------------------------------------------------- surprise


def surprise(desk: Desk, values: Values) -> ui.Shown:
    """Nats of every pixel, what the classes say up to each, and the total in each order."""
    name = values["model"]
    x = desk.picture(values)
    if desk.coded(name):
        return codes.surprise(desk, values, x)
    each = class_pixels(desk, name, x)  # (K, D)
    chosen = desk.label(name, values["told"]) if values["told"] != UNTOLD else None
    upto = each.cumsum(1)
    nats = -each[chosen] if chosen is not None else mixed(upto)
    total, dims = float(nats.sum()), nats.numel()
    height, width = x.shape[-2:]
    labels = list(desk.card(name).labels)
    data = {
        "kind": "pixels", "w": width, "h": height, "input": render.png_uri(x), "bits": bits_of(x),
        "nats": packed(nats), "total": total, "bpd": total / dims / math.log(2), "usual": usual(desk, name),
        "labels": labels, "posterior": bytes_of(torch.softmax(upto, 0).T) if labels else None,
        "classes": [-v for v in upto[:, -1].tolist()] if labels else [], "orders": orders(desk, name, x),
    }  # fmt: skip
    heat = (nats / 4).clamp(0, 1).reshape(1, 1, height, width)
    return ui.Shown(torch.cat([x, heat]), words(desk, values, x, nats, upto), data, columns=2,
                    patch=patch_of(values, x), code=code.surprise(values, name, chosen))  # fmt: skip


def class_pixels(desk: Desk, name: str, x: Tensor) -> Tensor:
    """log p(x_i | x_<i, y) of one picture, float64 (K, D) in reading order; (1, D) without classes."""
    model, k = desk.model(name), max(desk.classes(name), 1)
    labels = torch.arange(k) if desk.classes(name) else None
    many = x.expand(k, -1, -1, -1)
    logits = desk.engine.call(lambda: model.logits(many, labels)).double().cpu()
    return -F.binary_cross_entropy_with_logits(logits, many.double(), reduction="none").flatten(1)


def mixed(upto: Tensor) -> Tensor:
    """(K, D) log p(x_≤i | y) → (D,) nats of each pixel, classes mixed by what the pixels before say of them."""
    joint = torch.logsumexp(upto, 0) - math.log(len(upto))
    return -torch.diff(joint, prepend=joint.new_zeros(1))


def usual(desk: Desk, name: str) -> float | None:
    """Mean nats of a few test digits, made black and white as the visitor's picture is; told their class + log K."""
    model, k = desk.model(name), desk.classes(name)
    if desk.card(name).data != "mnist":
        return None

    def measure() -> float:
        numbers = range(0, COUNT, COUNT // USUAL)
        nats = []
        for part in (numbers[i : i + 10] for i in range(0, USUAL, 10)):
            x = torch.cat([desk.example(desk.card(name), n) for n in part])
            labels = torch.tensor([digits()[1][n] for n in part]) if k else None
            nats.append(desk.engine.call(lambda x=x, y=labels: model.surprise(x, y)).flatten(1).sum(1).cpu())
        return float(torch.cat(nats).mean()) + math.log(max(k, 1))

    return desk.keep(("usual", name), measure)


def orders(desk: Desk, name: str, x: Tensor) -> dict[str, Any]:
    """−log p(x) in each order, by the network that has learned them all; empty where there is none."""
    able = [name, *desk.names(lambda m: getattr(m, "orders", 1) > 1)]
    able = [n for n in able if getattr(desk.model(n), "orders", 1) > 1 and desk.card(n).shape == desk.card(name).shape]
    if not able:
        return {}
    model = desk.model(able[0])
    known = ORDERS[: model.orders]
    nats = [-float(desk.engine.call(lambda order=order: model.log_prob(x, order=order))[0]) for order in known]
    return {"model": desk.card(able[0]).title, "names": list(known), "nats": nats}


def words(desk: Desk, values: Values, x: Tensor, nats: Tensor, upto: Tensor) -> str:
    """The sentence: how much in all, how that compares, and where most of it sits."""
    what = {"test": f"Test picture {values['test']}", "own": "Your picture", "sample": f"Its own work of seed "
            f"{values['seed']}"}[values["source"]]  # fmt: skip
    total, width = float(nats.sum()), x.shape[-1]
    told = f", told that it is a {values['told']}," if values["told"] != UNTOLD and len(upto) > 1 else ""
    common = usual(desk, values["model"])
    beside = f" A usual test digit costs about {common:.0f}." if common else ""
    most = int(nats.argmax())
    row, column = divmod(most, width)
    share = float(nats.topk(max(1, nats.numel() // 20)).values.sum() / nats.sum().clamp_min(1e-9))
    return (
        f"{what}{told} costs {total:.1f} nats, {total / nats.numel() / math.log(2):.3f} bits per dimension.{beside} "
        f"The 5 % most surprising pixels hold {100 * share:.0f} % of it; the worst, in row {row + 1}, column "
        f"{column + 1}, had a chance of {percent(float(torch.exp(-nats[most])))}."
    )


def percent(share: float) -> str:
    """0.031 → "3.1 %"."""
    return f"{100 * share:.1f} %" if share >= 0.001 else "less than 0.1 %"
