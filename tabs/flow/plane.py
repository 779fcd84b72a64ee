"""The plane: a lattice and some points on their way through the layers, and the density under the cursor.

The lattice carries its probability with it: every cell keeps the mass it set out with, however it is bent. So a cell's
shade is its mass over its present area, which is the change of variables, p(h') = p(h) / |det ∂h'/∂h|, to look at.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from playground.api import Field, PlaygroundError
from playground.data import densities
from playground.data.densities import EXTENT
from tabs import _ui as ui
from tabs.flow.desk import Desk
from tabs.flow.state import WAYS

Values = dict[str, Any]
LATTICE = 65  # corners along each side
LINES = range(8, 57, 6)  # those that are drawn as lines; the rim is bent too wildly to be read
REACH = 3.2  # the lattice of noise ends here: one draw in five hundred lies outside
POINTS = 400
COLDEST = 0.05  # below it the heat would be a needle
HEAT = 72  # cells along each side of the two densities beside the plane
MEASURED = 4000  # points of the data on which the gap is measured
FINE = 2048  # steps per unit in which places travel to the page
SOFT = 0.12  # density at which the heat has two thirds of its full strength
SIDE, ZOOM = 320, 2  # pixels of the picture that is saved, drawn twice as large first
ACCENT, INK = (15, 118, 110), (60, 56, 52)


@dataclass(frozen=True)
class Journey:
    """What the page scrubs. The first stage is where the journey begins: noise, or data.

    Attributes:
        lattice: (L+1, LATTICE, LATTICE, 2) corners, row by row from below.
        mass: (LATTICE−1, LATTICE−1) probability of each cell.
        points: (L+1, POINTS, 2).
    """

    lattice: Tensor
    mass: Tensor
    points: Tensor

    def at(self, place: float) -> tuple[Tensor, Tensor]:
        """Corners and points at a place between the stages, 0 to 1; from stage to stage in a straight line."""
        where = place * (len(self.lattice) - 1)
        k = min(int(where), len(self.lattice) - 2)
        corners, points = (torch.lerp(part[k], part[k + 1], where - k) for part in (self.lattice, self.points))
        return corners, points


def journey(desk: Desk, values: Values) -> Journey:
    """Lattice and points of one density, in the chosen direction."""
    key = ("journey", *(values[k] for k in ("model", "density", "way", "seed", "temperature")))
    return desk.recent(key, lambda: _journey(desk, values))


def _journey(desk: Desk, values: Values) -> Journey:
    name, label = values["model"], desk.density(values["model"], values["density"])
    noise = torch.Generator().manual_seed(values["seed"])
    outward, warmth = values["way"] == WAYS[0], max(values["temperature"], COLDEST)
    start = warmth * square(REACH) if outward else square(EXTENT)
    if outward:
        corners = desk.from_noise(name, start, label)
        points = desk.from_noise(name, values["temperature"] * torch.randn(POINTS, 2, generator=noise), label)
    else:
        corners, points = start, densities.sample(values["density"], POINTS, noise)
    mesh, dots = (desk.trip(name, part, label) for part in (corners, points))
    p = torch.exp(-0.5 * (start / warmth).square().sum(1)) / (2 * math.pi * warmth**2) if outward else mesh.log_p.exp()
    lattice, stages = mesh.places.reshape(-1, LATTICE, LATTICE, 2), dots.places
    if outward:
        lattice, stages = lattice.flip(0), stages.flip(0)
    return Journey(lattice, cells(p.reshape(LATTICE, LATTICE)) * areas(start.reshape(LATTICE, LATTICE, 2)), stages)


def cells(corners: Tensor) -> Tensor:
    """(S, S) values at the corners → (S−1, S−1) means of the cells."""
    return (corners[:-1, :-1] + corners[1:, :-1] + corners[:-1, 1:] + corners[1:, 1:]) / 4


def areas(corners: Tensor) -> Tensor:
    """(S, S, 2) corners → (S−1, S−1) areas of the cells, as two triangles each."""
    a, b, c, d = corners[:-1, :-1], corners[:-1, 1:], corners[1:, :-1], corners[1:, 1:]
    return (_cross(b - a, c - a).abs() + _cross(c - d, b - d).abs()) / 2


def _cross(u: Tensor, v: Tensor) -> Tensor:
    return u[..., 0] * v[..., 1] - u[..., 1] * v[..., 0]


def square(reach: float) -> Tensor:
    """(LATTICE², 2) corners of a regular lattice, row by row from below."""
    line = torch.linspace(-reach, reach, LATTICE)
    y, x = torch.meshgrid(line, line, indexing="ij")
    return torch.stack([x, y], -1).reshape(-1, 2)


# ------------------------------------------------------------------------------------------------ one point


def follow(desk: Desk, values: Values, point: Tensor) -> dict[str, Any]:
    """Everything that is said of one point (1, 2) of the data's plane."""
    label = desk.density(values["model"], values["density"])
    trip = desk.trip(values["model"], point, label)
    true = float(densities.log_density(values["density"], point))
    return {
        "x": [round(float(v), 4) for v in point[0]],
        "path": [[round(v, 4) for v in place] for place in trip.places[:, 0].tolist()],
        "dets": [round(float(v), 4) for v in trip.log_dets[:, 0]],
        "base": round(float(trip.base), 4),
        "log_p": round(float(trip.log_p), 4),
        "true": round(true, 4) if math.isfinite(true) else None,
    }


def point_at(desk: Desk, values: Values, request: Mapping[str, Any]) -> Tensor:
    """(1, 2) of the data's plane: the place asked for, or where the noise asked for goes to."""
    low = Field("x", "float", 0.0, -4 * EXTENT, 4 * EXTENT)
    x, y = (low.check(request.get(key)) for key in ("px", "py"))
    space = Field("space", "choice", "data", choices=("data", "noise")).check(request.get("space"))
    place = torch.tensor([[x, y]])
    if space == "data":
        return place
    return desk.from_noise(values["model"], place, desk.density(values["model"], values["density"]))


# ------------------------------------------------------------------------------------------------ heat and gap


def heat(desk: Desk, name: str, density: str) -> dict[str, Any]:
    """Both densities over the plane, and how far they are apart."""
    return desk.keep(("heat", name, density), lambda: _heat(desk, name, density))


def _heat(desk: Desk, name: str, density: str) -> dict[str, Any]:
    cell = 2 * EXTENT / HEAT
    line = torch.linspace(EXTENT - cell / 2, -EXTENT + cell / 2, HEAT)
    y, x = torch.meshgrid(line, -line, indexing="ij")  # row by row from the top, as a picture
    centres = torch.stack([x, y], -1).reshape(-1, 2)
    label = desk.density(name, density)
    learned = desk.trip(name, centres, label).log_p.exp()
    drawn = densities.sample(density, MEASURED, torch.Generator().manual_seed(1))
    gap = (densities.log_density(density, drawn) - desk.trip(name, drawn, label).log_p).double()
    return {
        "side": HEAT, "learned": packed(learned), "truth": packed(densities.log_density(density, centres).exp()),
        "inside": float(learned.sum()) * cell**2,
        "gap": float(gap.mean()), "doubt": float(gap.std() / MEASURED**0.5),
    }  # fmt: skip


def packed(p: Tensor) -> str:
    """Densities as softened bytes, in base 64."""
    return text(((1 - torch.exp(-p / SOFT)) * 255).round().to(torch.uint8).numpy())


def text(values: np.ndarray) -> str:
    """Raw bytes in base 64."""
    return base64.b64encode(np.ascontiguousarray(values).tobytes()).decode("ascii")


def shorts(values: Tensor) -> str:
    """Numbers as little-endian 16-bit integers in units of 1/FINE; what is too far stays at the rim."""
    units = values.nan_to_num(0).mul(FINE).round().clamp(-32767, 32767)
    return text(units.to(torch.int16).numpy().astype("<i2"))


# ------------------------------------------------------------------------------------------------ the tab


def show_plane(desk: Desk, values: Values) -> ui.Shown:
    """The stage at which the scrubber stands, and all that is known of the marked point."""
    point = torch.tensor([[values["x"], values["y"]]])
    known, apart = follow(desk, values, point), heat(desk, values["model"], values["density"])
    road = journey(desk, values)
    true = "zero" if known["true"] is None else f"{math.exp(known['true']):.3f}"
    sentence = (
        f"At ({values['x']:.2f}, {values['y']:.2f}) the flow’s density is {math.exp(known['log_p']):.3f}, the true one "
        f"{true}. Over the whole of “{values['density']}” it is {apart['gap']:.3f} nats away from the truth (KL)."
    ).replace("-", "−")
    disabled = {} if values["way"] == WAYS[0] else {"temperature": "It scales drawn noise; here data set out."}
    data = {"point": known, **{key: apart[key] for key in ("gap", "doubt", "inside")}}
    return ui.Shown(portrait(road, values), sentence, data, code=code(values), disabled=disabled)


def portrait(road: Journey, values: Mapping[str, Any]) -> Tensor:
    """The plane at the place of the scrubber as a picture, float (1, 3, SIDE, SIDE)."""
    corners, points = road.at(values["at"])
    size = SIDE * ZOOM
    page = Image.new("RGB", (size, size), "white")
    pen = ImageDraw.Draw(page)
    mesh = on_page(corners, size).numpy()
    if values["heat"]:
        _shade(pen, mesh, (road.mass / areas(corners).clamp_min(1e-9)).numpy())
    if values["grid"]:
        first, last = LINES[0], LINES[-1] + 1
        for i in LINES:
            for line in (mesh[i, first:last], mesh[first:last, i]):
                pen.line([tuple(p) for p in line], (140, 160, 158), ZOOM)
    if values["points"]:
        for x, y in on_page(points, size).tolist():
            pen.ellipse((x - 4, y - 4, x + 4, y + 4), INK)
    small = page.resize((SIDE, SIDE), Image.Resampling.LANCZOS)
    return torch.from_numpy(np.asarray(small, np.float32) / 255).permute(2, 0, 1)[None]


def on_page(points: Tensor, size: int) -> Tensor:
    """Places of the plane → pixels of a square page; what is far outside stays near its rim."""
    return ((points * torch.tensor([1.0, -1.0]) + EXTENT) * (size / (2 * EXTENT))).nan_to_num(0).clamp(-size, 2 * size)


def _shade(pen: ImageDraw.ImageDraw, corners: np.ndarray, p: np.ndarray) -> None:
    """Every cell in the strength of its density."""
    strength = (1 - np.exp(-p / SOFT)) * 0.8
    quads = np.stack([corners[:-1, :-1], corners[:-1, 1:], corners[1:, 1:], corners[1:, :-1]], 2)
    for i, j in zip(*np.nonzero(strength > 0.01)):
        colour = tuple(int(255 + strength[i, j] * (c - 255)) for c in ACCENT)
        pen.polygon([tuple(corner) for corner in quads[i, j]], fill=colour)


def code(values: Values) -> str:
    """The same in Python; the last two lines are the density under the mark."""
    named = {k: values[k] for k in ("model", "density", "way", "seed", "temperature", "at", "heat", "grid", "points")}
    return "\n".join([
        "import torch", "from playground import Engine", "from playground.data import densities",
        "from tabs.flow.desk import desk_of", "from tabs.flow.plane import journey, portrait",
        "engine = Engine()", f"values = {named}", "picture = portrait(journey(desk_of(engine), values), values)",
        f'model = engine.model("{values["model"]}")',
        f'label = torch.tensor([model.card.labels.index("{values["density"]}")])',
        f"log_p = model.log_prob(densities.to_picture(torch.tensor([[{values['x']}, {values['y']}]])), label)",
    ])  # fmt: skip


# ------------------------------------------------------------------------------------------------ server functions


def asked(state: ui.State, request: Any) -> Values:
    """The checked state of a request."""
    if not isinstance(request, Mapping) or "state" not in request:
        raise PlaygroundError("The request lacks its state. Reload the page and try again.")
    return state.check(request["state"])


def checked(desk: Desk, state: ui.State, request: Any) -> Values:
    """The state of a request, with a model of the plane."""
    values = asked(state, request)
    return values | {"model": desk.fitting(values["model"], "plane")}


def answer_journey(desk: Desk, state: ui.State, request: Any) -> dict[str, Any]:
    """All stages at once, packed."""
    road = journey(desk, checked(desk, state, request))
    return {
        "stages": len(road.lattice), "side": LATTICE, "lines": list(LINES), "points": POINTS, "fine": FINE,
        "reach": EXTENT, "soft": SOFT, "lattice": shorts(road.lattice), "dots": shorts(road.points),
        "mass": text(road.mass.numpy().astype("<f4")),
    }  # fmt: skip


def answer_point(desk: Desk, state: ui.State, request: Any) -> dict[str, Any]:
    """What is known of the place under the pointer."""
    values = checked(desk, state, request)
    return follow(desk, values, point_at(desk, values, request))


def answer_heat(desk: Desk, state: ui.State, request: Any) -> dict[str, Any]:
    """The learned and the true density over the whole plane, packed."""
    values = checked(desk, state, request)
    return heat(desk, values["model"], values["density"])


def answer_truths() -> dict[str, Any]:
    """The six densities in small, for the buttons."""
    side = 32
    line = torch.linspace(EXTENT, -EXTENT, side)
    y, x = torch.meshgrid(line, -line, indexing="ij")
    centres = torch.stack([x, y], -1).reshape(-1, 2)
    return {"side": side, "all": {n: packed(densities.log_density(n, centres).exp()) for n in densities.NAMES}}
