"""Walkers on an energy over the plane: the whole walk is made in one answer, and the page plays it."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw
from torch import Tensor

from playground.api import Field, PlaygroundError
from playground.data import densities
from playground.data.densities import EXTENT, NAMES
from playground.sampling import normal
from tabs import _ui as ui
from tabs.energy.desk import Desk, Values, checked
from tabs.energy.regions import SIDE, Regions, divide, lattice
from tabs.energy.state import MOST_DROPPED

UNIT = 4000  # an int16 of 4000 is one plane unit
EDGE = 3.8  # as far from the middle as walkers start
CLIFF = 30.0  # the energy where an exact density is zero
BOWL, RIM = 10.0, 3.7  # steepness and beginning of the wall around that cliff
FINE = 321  # cells a side of the table that Gibbs reads: it asks 401 places per move
PIXELS = 384  # of the saved picture
ABILITIES = ("energy", "gradient")
COST = {"gibbs": 2}  # calls of the energy per move, where it is not one
WORDS = {"langevin": "Langevin steps", "mala": "MALA steps", "hmc": "HMC throws", "metropolis": "Metropolis steps",
         "gibbs": "Gibbs steps"}  # fmt: skip
ABSENT = "No network for the plane is here yet. Train it: python -m playground train ebm-2d."
Energy = Callable[[Tensor], Tensor]


# ---------------------------------------------------------------------------------------------- the landscape


def fitting(desk: Desk, values: Values) -> tuple[str, str]:
    """("learned" or "exact", the checkpoint's name): without a network the formula stands in."""
    names = desk.names(*ABILITIES, data="densities")
    if values["kind"] == "exact" or not names:
        return "exact", "the formula"
    return "learned", names[0]


def energy_of(desk: Desk, values: Values) -> Energy:
    """(N, 2) plane points → float64 (N,)."""
    kind, name = fitting(desk, values)
    density = values["density"]
    if kind == "exact":
        return lambda x: exact(density, x)
    model, label = desk.model(name), list(desk.engine.card(name).labels or NAMES).index(density)
    return lambda x: model.energy(x, label).double()


def exact(density: str, x: Tensor) -> Tensor:
    """−log p of the formula; where p is zero, a plateau with a wall around it."""
    log_p = densities.log_density(density, x.double())
    wall = CLIFF + BOWL * F.relu(x.double().abs() - RIM).square().sum(1)
    return torch.where(torch.isinf(log_p), wall, -log_p) + 0 * x.double().sum(1)


def grid_of(desk: Desk, values: Values, side: int = SIDE) -> Tensor:
    """The energy at the middles of side × side cells, float32 (side, side), lowest y first."""
    key = ("grid", *fitting(desk, values), values["density"], side)

    def read() -> Tensor:
        energy = energy_of(desk, values)
        return torch.cat([energy(part) for part in lattice(side).split(2**14)]).float().reshape(side, side).cpu()

    return desk.keep(key, lambda: desk.engine.call(read))


def tabled(grid: Tensor) -> Energy:
    """Reads the energy off a grid, with straight lines between its points."""
    page, reach = grid.double()[None, None], EXTENT * (1 - 1 / len(grid))  # middles of the outermost cells

    def energy(x: Tensor) -> Tensor:
        places = (x / reach)[None, None].double()
        return F.grid_sample(page, places, align_corners=True, padding_mode="border")[0, 0, 0] + 0 * x.sum(1)

    return energy


def regions_of(desk: Desk, density: str) -> Regions:
    """The parts in which walkers are counted."""
    return desk.keep(("regions", density), lambda: divide(density))


# ---------------------------------------------------------------------------------------------- the walk


def parse(text: str) -> list[tuple[float, float]]:
    """ "2.6,0;1,-1" → places of dropped walkers."""
    pairs = [part.split(",") for part in text.split(";") if part]
    one = Field("place", "float", 0.0, -EXTENT, EXTENT, label="The place of a dropped walker")
    if len(pairs) > MOST_DROPPED or any(len(pair) != 2 for pair in pairs):
        raise PlaygroundError(
            f"Dropped walkers are at most {MOST_DROPPED} pairs of numbers. Remove them and click again."
        )
    return [(one.check(x), one.check(y)) for x, y in pairs]


def begin(values: Values) -> tuple[Tensor, list[int]]:
    """Where walkers start, float64 (W, 2), and their seeds: the crowd first, then the visitor's own."""
    own, count, seed = parse(values["points"]), values["walkers"], values["seed"]
    if not own and not count:
        raise PlaygroundError("There is nobody to walk. Raise the number of walkers, or click on the map to drop one.")
    seeds = [(seed + 7919 * (i + 1)) % 2**32 for i in range(count)]
    if values["start"] == "here":
        crowd = torch.tensor([own[-1] if own else (0.0, 0.0)] * count).reshape(count, 2)
    else:
        crowd = EDGE * (2 * torch.special.ndtr(normal([s + 2**32 for s in seeds], (2,)).double()) - 1) if count else (
            torch.zeros(0, 2))  # fmt: skip
    seeds += [(seed + 104_729 * (i + 1)) % 2**32 for i in range(len(own))]
    return torch.cat([crowd.double(), torch.tensor(own, dtype=torch.float64).reshape(-1, 2)]), seeds


def moves_of(values: Values) -> int:
    """Moves of a run: an HMC throw asks for the slope `leaps` times, so at equal cost there are fewer of them."""
    return max(40, 2 * values["steps"] // values["leaps"]) if values["sampler"] == "hmc" else values["steps"]


def settings(values: Values) -> dict[str, Any]:
    """Keywords of the sampler."""
    own = {"leaps": values["leaps"]} if values["sampler"] == "hmc" else {}
    return {"step_size": values["step"], "temperature": values["temperature"], **own}


def walk(desk: Desk, values: Values) -> tuple[Any, str]:
    """The `Walk`, and why it ended early, or "". A chain that leaves is walked again up to its last good move."""
    from playground.models.energy.walkers import WALKS

    start, seeds = begin(values)
    energy = tabled(grid_of(desk, values, FINE)) if values["sampler"] == "gibbs" else energy_of(desk, values)
    calls = 0

    def counted(x: Tensor) -> Tensor:
        nonlocal calls
        calls += 1
        return energy(x)

    def run(moves: int) -> Any:
        return desk.engine.call(lambda: WALKS[values["sampler"]](counted, start, seeds, moves, **settings(values)))

    try:
        return run(moves_of(values)), ""
    except PlaygroundError as error:
        each = values["leaps"] if values["sampler"] == "hmc" else COST.get(values["sampler"], 1)
        done = (calls - 1) // each - 1
        if done < 0:
            raise
        return run(done), str(error)


# ---------------------------------------------------------------------------------------------- what is shown


def show_landscape(desk: Desk, values: Values) -> ui.Shown:
    """The walk, what it found, and how far that is from the truth."""
    kind, name = fitting(desk, values)
    told, bad = walk(desk, values)
    positions = told.positions.float().cpu()
    found = judge(desk, values, positions)
    tested = values["sampler"] not in ("langevin", "gibbs")
    data = {
        "map": f"{kind} {values['density']}", "shape": list(positions.shape[:2]), "crowd": values["walkers"],
        "walk": pack(positions.mul(UNIT).round().clamp(-32767, 32767).to(torch.int16)),
        "energy": pack((told.energies.cpu() - float(grid_of(desk, values).min())).float()),
        "accept": [round(v, 3) for v in told.chance.mean(1).tolist()] if tested else [],
        "accepted": accepted(values, told.acceptance), "bad": bad,
    }  # fmt: skip
    patch = {} if kind == values["kind"] else {"kind": kind}
    disabled = without_effect(values) | ({"kind": ABSENT} if patch else {})
    sentence = describe(desk, values, kind, told, found, bad)
    return ui.Shown(drawn(desk, values, positions), sentence, data, model=name, patch=patch, disabled=disabled,
                    code=code(values, kind, len(positions) - 1))  # fmt: skip


def without_effect(values: Values) -> dict[str, str]:
    """Controls that do nothing now, and why."""
    off = {}
    if values["sampler"] != "hmc":
        off["leaps"] = "Only HMC rolls in leaps."
    if values["sampler"] == "gibbs":
        off["step"] = "Gibbs has no step: it draws a whole coordinate anew."
    return off


def judge(desk: Desk, values: Values, positions: Tensor) -> dict[str, float]:
    """How well the second half of a walk covers the parts, and how often a walker changes from one to another."""
    parts = regions_of(desk, values["density"])
    where = parts.of(positions)  # (T + 1, W)
    late = where[len(where) // 2 :]
    share = torch.bincount(late.flatten(), minlength=len(parts.shares)) / late.numel()
    return {"wrong": 0.5 * float((share - parts.shares).abs().sum()), "changes": float(parts.changes(positions).mean()),
            "seen": int((share > 0).sum()), "parts": len(parts.shares)}  # fmt: skip


def describe(desk: Desk, values: Values, kind: str, told: Any, found: dict[str, float], bad: str) -> str:
    """The sentence under the map."""
    moves, walkers = len(told.positions) - 1, told.positions.shape[1]
    what = f"{walkers} walker{'s' * (walkers > 1)}, {moves} {WORDS[values['sampler']]}"
    size = "" if values["sampler"] == "gibbs" else f" of size {values['step']:g}"
    if bad:
        return f"{what}{size}, and then the chain left the plane: shown is all that went well. A smaller step keeps it."
    ground = f" on the {kind} energy of {values['density']} at temperature {values['temperature']:g}."
    kinds = "slices" if regions_of(desk, values["density"]).slices else "islands"
    seen = f" {found['seen']} of {found['parts']} {kinds} visited lately; "
    seen += f"{100 * found['wrong']:.0f} % of the time in the wrong one."
    return what + size + ground + seen + verdict(values, found, kinds)


def verdict(values: Values, found: dict[str, float], kinds: str) -> str:
    """Mixing or stuck, in words."""
    rate, one = found["changes"], kinds[:-1]
    if rate < 0.5 and found["wrong"] > 0.25:
        return f" Stuck: hardly any walker ever changes its {one} ({rate:.1f} changes each)."
    if rate < 0.5:
        why = "The shares look right only because walkers began everywhere"
        return f" {why}: each stays on its {one} ({rate:.1f} changes each)."
    if found["wrong"] < 0.2:
        return f" Mixing: {rate:.1f} changes of {one} each."
    if values["temperature"] > 1.5:
        why = "heat flattens the land, so these are not the shares at temperature 1"
        return f" {rate:.1f} changes of {one} each; {why}."
    return f" {rate:.1f} changes of {one} each; more steps would bring the shares closer."


def accepted(values: Values, rate: float) -> str:
    """What acceptance says of this sampler."""
    share = f"{100 * rate:.0f} % of the moves are taken. "
    return {
        "langevin": "Langevin takes every step and asks nothing: quick, but large steps make its valleys too wide.",
        "gibbs": "Gibbs has nothing to refuse: it draws one coordinate from its slice, and moves along axes only.",
        "metropolis": share + "A quarter to a half is healthy: near 100 % the steps are timid, near 0 % nobody moves.",
        "mala": share + "The same step as Langevin's, but asked about afterwards: exact. About 60 % is healthy.",
        "hmc": share + "Above 65 % is healthy; with fewer, the ball's path is followed too coarsely.",
    }[values["sampler"]]  # fmt: skip


def drawn(desk: Desk, values: Values, positions: Tensor) -> Tensor:
    """The energy with the walkers' last places and their trails, (1, 3, PIXELS, PIXELS)."""
    grid = grid_of(desk, values)
    if values["shade"] == "density":
        depth = ((grid.min() - grid) / values["temperature"]).exp().pow(0.6)
    else:
        depth = (1 - (grid - grid.min()) / 9).clamp_min(0).pow(1.2)
    depth = F.interpolate(depth.flip(0)[None, None], size=(PIXELS, PIXELS), mode="bilinear", align_corners=False)[0, 0]
    white, teal = torch.ones(3), torch.tensor([15, 118, 110]) / 255
    page = (white + (teal - white) * 0.78 * depth[..., None]).mul(255).round().to(torch.uint8).numpy()
    image = Image.fromarray(page)
    pen = ImageDraw.Draw(image)
    places = ((positions.clamp(-2 * EXTENT, 2 * EXTENT) / EXTENT + 1) * PIXELS / 2).tolist()
    for w in range(positions.shape[1]):
        own = w >= values["walkers"]
        trail = [(row[w][0], PIXELS - row[w][1]) for row in places]
        colour = (154, 52, 18) if own else (28, 25, 23)
        if own or len(trail) > 1:
            pen.line(trail if own else trail[-24:], fill=tuple((c + 255) // 2 for c in colour), width=1)
        x, y = trail[-1]
        radius = 5 if own else 3.5
        pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour, outline=(255, 255, 255))
    return torch.from_numpy(np.array(image)).permute(2, 0, 1)[None].float() / 255


def pack(values: Tensor) -> str:
    """Numbers → base64, little-endian."""
    return base64.b64encode(np.ascontiguousarray(values.numpy()).tobytes()).decode()


# ---------------------------------------------------------------------------------------------- map and surface


def survey(desk: Desk, request: Any, state: ui.State) -> dict[str, Any]:
    """The map: energies of SIDE × SIDE cells and the parts in which walkers are counted."""
    values = checked(request, state)
    grid, parts = grid_of(desk, values), regions_of(desk, values["density"])
    return {
        "key": f"{fitting(desk, values)[0]} {values['density']}", "n": SIDE, "cells": pack(grid),
        "low": float(grid.min()), "regions": pack((parts.cells + 128 * parts.core).to(torch.uint8)),
        "ring": parts.slices, "shares": parts.shares.tolist(), "centres": parts.centres.tolist(),
    }  # fmt: skip


def figure(desk: Desk, request: Any, state: ui.State) -> Any:
    """The energy as a Plotly surface with the walkers on it."""
    import plotly.graph_objects as go  # heavy, and most visitors stay on the map

    values, dark = checked(request, state), bool(request.get("dark"))
    at = places(request.get("at"))
    whole = grid_of(desk, values)
    low, top = float(whole.min()), 12.0
    grid = whole[1::2, 1::2] - low
    ink, line, accent, deep = ("#f0eeea", "#33373a", "#fdba74", "#2dd4bf") if dark else (
        "#1c1917", "#e4e1da", "#9a3412", "#0f766e")  # fmt: skip
    spot = lattice(SIDE).reshape(SIDE, SIDE, 2)[1::2, 1::2]
    heights = desk.engine.call(lambda: energy_of(desk, values)(at).float().cpu() - low) if len(at) else torch.zeros(0)
    axis = {"showbackground": False, "gridcolor": line, "zeroline": False, "tickfont": {"size": 10}}
    chart = go.Figure([
        go.Surface(x=spot[0, :, 0].tolist(), y=spot[:, 0, 1].tolist(), z=grid.clamp(max=top).tolist(), showscale=False,
                   colorscale=[[0, deep], [1, "#1b1d1f" if dark else "#ffffff"]], cmin=0, cmax=top, opacity=0.95,
                   contours={"z": {"show": True, "color": ink, "width": 1, "start": 1, "end": top - 1, "size": 2}},
                   hovertemplate="x %{x:.2f}, y %{y:.2f}<br>energy %{z:.2f}<extra></extra>"),
        go.Scatter3d(x=at[:, 0].tolist(), y=at[:, 1].tolist(), z=(heights.clamp(max=top) + 0.3).tolist(),
                     mode="markers", marker={"size": 4, "color": accent, "line": {"color": ink, "width": 1}},
                     hovertemplate="a walker<br>energy %{z:.2f}<extra></extra>"),
    ])  # fmt: skip
    chart.update_layout(
        template="none", height=460, margin={"l": 0, "r": 0, "t": 0, "b": 0}, showlegend=False, uirevision="stay",
        paper_bgcolor="rgba(0,0,0,0)", font={"color": ink, "family": "system-ui, sans-serif", "size": 12},
        scene={"xaxis": {**axis, "title": {"text": "x"}}, "yaxis": {**axis, "title": {"text": "y"}},
               "zaxis": {**axis, "title": {"text": "energy"}}, "aspectratio": {"x": 1, "y": 1, "z": 0.55},
               "camera": {"eye": {"x": 0.95, "y": -1.4, "z": 0.95}}},
    )  # fmt: skip
    return chart


def places(given: Any) -> Tensor:
    """Where the page says its walkers are, (N, 2) in the plane."""
    if not isinstance(given, list) or len(given) > 64:
        return torch.zeros(0, 2)
    good = [p for p in given if isinstance(p, list) and len(p) == 2 and all(isinstance(v, int | float) for v in p)]
    points = torch.tensor(good, dtype=torch.float32).reshape(-1, 2)
    return points[(points.abs() <= EXTENT).all(1)]


def functions(desk: Desk, state: ui.State) -> list[Callable[[Any], Any]]:
    """Server functions of this mode."""

    def energy_map(request: Any) -> dict[str, Any]:
        return survey(desk, request, state)

    return [energy_map]


def prepare(desk: Desk) -> None:
    """Maps and parts of every density, before the first visitor asks."""
    for density in NAMES:
        regions_of(desk, density)
        grid_of(desk, {"kind": "learned", "density": density})


NEEDED = ("density", "kind", "shade", "sampler", "step", "temperature", "walkers", "start", "points", "seed", "leaps",
          "steps")  # fmt: skip


def code(values: Mapping[str, Any], kind: str, moves: int) -> str:
    """The same in Python."""
    told = {k: values[k] for k in NEEDED} | {"kind": kind}
    ground = "tabled(grid_of(desk, values, FINE))" if values["sampler"] == "gibbs" else "energy_of(desk, values)"
    given = ", ".join(f"{k}={v}" for k, v in settings(values).items())
    return "\n".join([
        "from playground import Engine", f"from playground.models.energy.walkers import {values['sampler']}",
        "from tabs.energy.desk import desk_of",
        "from tabs.energy.landscape import FINE, begin, drawn, energy_of, grid_of, tabled", f"values = {told}",
        "desk = desk_of(Engine())", f"energy, (start, seeds) = {ground}, begin(values)",
        f"walk = {values['sampler']}(energy, start, seeds, {moves}, {given})",
        "picture = drawn(desk, values, walk.positions.float())",
    ])  # fmt: skip
