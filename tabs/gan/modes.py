"""What each mode of the GAN tab shows: a checked state → `Shown`."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from playground import render
from playground.api import PlaygroundError
from playground.sampling import lattice
from tabs import _ui as ui
from tabs.gan import directions, diversity, project
from tabs.gan.desk import Desk, following
from tabs.gan.state import COMPONENTS
from tabs.gan.verdict import show_verdict

ACROSS, DOWN = 5, 3  # pictures of the mixing grid, without its margins
WALL = 9
TRAITED = ("faces", "mnist")  # data sets whose pictures have attributes that can be measured
PSI, PSI_COLUMNS = (0.0, 0.3, 0.6, 0.9, 1.2, 1.5), 3

Values = dict[str, Any]


def draw(desk: Desk, values: Values) -> ui.Shown:
    """The picture of a state."""
    shown = MODES[values["mode"]](desk, values)
    return replace(shown, model=values["model"], disabled={**without_effect(desk, values), **shown.disabled})


def without_effect(desk: Desk, values: Values) -> dict[str, str]:
    """Controls that do nothing now, and why."""
    reasons = {}
    if values["mode"] == "project" and values["source"] != "sample":
        reasons["truncation"] = "A search looks through all styles, so nothing is truncated."
    if values["mode"] == "diversity":
        reasons["label"] = "Every digit is asked for in turn here."
    if values["mode"] == "directions" and desk.engine.card(values["model"]).data not in TRAITED:
        reasons |= dict.fromkeys(("face_trait", "digit_trait", "strength"), "Nothing can be measured on such pictures.")
    if values["source"] != "test":
        reasons["test"] = "Another kind of picture is chosen above."
    elif values["mode"] in ("verdict", "project"):
        reasons["label"] = "A test picture is taken for the digit it is."
    return reasons


def asked(desk: Desk, values: Values) -> str:
    """ " of a 3" where the network is asked for a class, " with hat crown" for attributes, else nothing."""
    of = f" of a {values['label']}" if desk.engine.card(values["model"]).labels else ""
    return of + ui.spoken(wanted(desk, values))


def wanted(desk: Desk, values: Values) -> dict[str, str]:
    """Attributes that the network is asked for."""
    return ui.wishes(desk.engine, values["model"], values)


# ---------------------------------------------------------------------------------------------- walk


def place(values: Values) -> tuple[float, float]:
    """The position on the plane whose lattice points are seeds, seed = x + 100·y.

    It is counted from the row of the seed at hand, where x is the seed itself: (x, y) and (x − 100, y + 1) are the same
    place, and so no coordinate grows beyond what a float holds exactly.
    """
    return values["seed"] + values["dx"], values["dy"]


def latent(desk: Desk, values: Values) -> Tensor:
    """(1, d) noise at the position, with what is asked for."""
    model, asked_for = desk.model(values["model"]), wanted(desk, values)
    z = lattice(*place(values), model.latents)
    return model.wish(z, asked_for) if asked_for else z


def show_walk(desk: Desk, values: Values) -> ui.Shown:
    """The picture under the hand."""
    labels = desk.labels(values["model"], values["label"], 1)
    frame = desk.engine.run(
        values["model"], [values["seed"]], latents=latent(desk, values), truncation=values["truncation"],
        labels=None if labels is None else labels.tolist(),
    )  # fmt: skip
    dx, dy = values["dx"], values["dy"]
    at = f"seed {values['seed']}" if dx == dy == 0 else (
        f"a blend of four seeds, nearest to {values['seed']} ({abs(dx):.2f} {'right' if dx >= 0 else 'left'}, "
        f"{abs(dy):.2f} {'up' if dy >= 0 else 'down'})"
    )  # fmt: skip
    sentence = f"The generator's picture{asked(desk, values)} for {at}, truncation {values['truncation']:.2f}."
    return ui.Shown(frame.images.float().cpu(), sentence, code=walk_code(values, labels, wanted(desk, values)))


def walk_code(values: Values, labels: Tensor | None, asked_for: dict[str, str]) -> str:
    """The picture in Python."""
    chosen = "" if labels is None else f", labels={labels.tolist()}"
    x, y = place(values)
    return "\n".join(
        [
            "from playground import Engine",
            "from playground.sampling import lattice",
            "engine = Engine()",
            f'z = lattice({x!r}, {y!r}, engine.model("{values["model"]}").latents)',
            f'picture = engine.run("{values["model"]}", [{values["seed"]}], latents=z, '
            f"truncation={values['truncation']}{chosen}{ui.in_python(asked_for)}).images",
        ]
    )


def around(desk: Desk, values: Values) -> dict[str, Any]:
    """What stands beside the walk: the four seeds around the place, the mean picture, and a row of truncations."""
    name, model = values["model"], desk.model(values["model"])
    x, y = place(values)
    left, low = math.floor(x), math.floor(y)
    seeds = [(left + i + 100 * (low + j)) % 2**32 for j in (1, 0) for i in (0, 1)]  # as on a map: the upper ones first
    one, four = (desk.labels(name, values["label"], n) for n in (1, 4))
    corners = desk.styles(name, seeds, four, values["truncation"], wanted(desk, values))
    z = latent(desk, values)
    far = desk.engine.call(lambda: model.styles(z, one, 1.0)).float().cpu()
    mean = desk.engine.call(lambda: model.styles(z, one, 0.0)).float().cpu()
    row = torch.cat([mean + psi * (far - mean) for psi in PSI])
    pictures = desk.draw(name, torch.cat([corners, row]))
    return {
        "seeds": seeds,
        "corners": render.picture_uri(pictures[:4], 2),
        "mean": render.picture_uri(pictures[4:5]),
        "row": render.picture_uri(pictures[4:], PSI_COLUMNS),
        "psi": list(PSI),
        "columns": PSI_COLUMNS,
    }


# ---------------------------------------------------------------------------------------------- mix


def show_mix(desk: Desk, values: Values) -> ui.Shown:
    """A, B, their mixture, every cut between them, and a grid of more of both."""
    name, model = values["model"], desk.model(values["model"])
    cut = min(values["cut"], model.layers)
    a, b = (following(values[k], n) for k, n in (("seed", DOWN), ("seed_b", ACROSS)))
    labels = desk.labels(name, values["label"], DOWN + ACROSS)
    w = desk.styles(name, [*a, *b], labels, values["truncation"], wanted(desk, values))
    coarse, fine = w[:DOWN], w[DOWN:]
    cuts = torch.cat([model.mix(coarse[:1], fine[:1], k) for k in range(model.layers + 1)])
    grid = model.mix(coarse.repeat_interleave(ACROSS, 0), fine.repeat(DOWN, 1), cut)
    plain = w[:, None].expand(-1, model.layers, -1)
    pictures = desk.draw(name, torch.cat([plain, cuts, grid]))
    alone, row, mixed = pictures.split([DOWN + ACROSS, model.layers + 1, DOWN * ACROSS])
    page = mixing_page(alone[:DOWN], alone[DOWN:], mixed)
    data = {
        "a": render.picture_uri(alone[:1]), "b": render.picture_uri(alone[DOWN : DOWN + 1]),
        "mixed": render.picture_uri(row[cut : cut + 1]), "cuts": render.picture_uri(row, len(row)),
        "cut": cut, "layers": model.layers, "grid": render.picture_uri(page, ACROSS + 1), "columns": ACROSS + 1,
        "rows": DOWN + 1, "as": a, "bs": b,
    }  # fmt: skip
    saved = torch.cat([alone[:1], row[cut : cut + 1], alone[DOWN : DOWN + 1]])
    patch = {} if cut == values["cut"] else {"cut": cut}
    sentence = mix_sentence(values, cut, model.layers)
    return ui.Shown(saved, sentence, data, patch=patch, columns=3, code=mix_code(desk, values, cut))


def mixing_page(a: Tensor, b: Tensor, mixed: Tensor) -> Tensor:
    """The grid with its margins, row by row: an empty corner and the Bs, then each A and its mixtures."""
    rows = [torch.cat([torch.zeros_like(a[:1]), b])]
    rows += [torch.cat([a[i : i + 1], mixed[i * ACROSS : (i + 1) * ACROSS]]) for i in range(DOWN)]
    return torch.cat(rows)


def mix_sentence(values: Values, cut: int, layers: int) -> str:
    """What follows whom."""
    a, b = values["seed"], values["seed_b"]
    if cut in (0, layers):
        return f"All {layers} layers follow seed {b if cut == 0 else a}, so this is its own picture. Move the cut."
    first = "Layer 1 follows" if cut == 1 else f"Layers 1 to {cut} follow"
    last = f"layer {layers}" if cut == layers - 1 else f"layers {cut + 1} to {layers}"
    return f"{first} seed {a}, {last} seed {b}: coarse things from the left picture, fine things from the right one."


def mix_code(desk: Desk, values: Values, cut: int) -> str:
    """The mixture in Python."""
    seeds, mixed = f"[{values['seed']}, {values['seed_b']}]", f"ws = model.mix(w[:1], w[1:], {cut})"
    return wall_code(desk, values, seeds, 2, [mixed])


def wall_code(desk: Desk, values: Values, seeds: str, count: int, lines: list[str]) -> str:
    """Styles of some seeds, what is done to them, and their pictures."""
    more = wanted(desk, values)
    return "\n".join(
        [
            "import torch",
            "from playground import Engine",
            "from tabs.gan.desk import desk_of",
            "engine = Engine()",
            "desk = desk_of(engine)",
            f'name = "{values["model"]}"',
            "model = engine.model(name)",
            f"labels = desk.labels(name, {values['label']!r}, {count})",
            f"w = desk.styles(name, {seeds}, labels, {values['truncation']}{f', {more}' if more else ''})",
            *lines,
            "picture = desk.draw(name, ws)",
        ]
    )


# ---------------------------------------------------------------------------------------------- directions


def trait_of(desk: Desk, values: Values) -> str:
    """The attribute chosen for the data of the model."""
    return values["face_trait" if desk.engine.card(values["model"]).data == "faces" else "digit_trait"]


def step_of(desk: Desk, values: Values) -> Tensor:
    """(d,): all sliders together."""
    name = values["model"]
    step = torch.zeros(desk.model(name).latent_size)
    known = desk.engine.card(name).data in TRAITED
    for k, direction in zip(COMPONENTS, directions.components(desk, name)):
        step += values[k] * direction.sigma * direction.n
    if values["strength"] and known:
        trait = trait_of(desk, values)
        direction = directions.attribute(desk, name, trait)
        if direction is None:
            raise PlaygroundError(
                f"This network makes too few pictures with (or without) {trait!r} to find its direction. "
                "Choose another attribute, or set the strength to 0."
            )
        step += values["strength"] * direction.sigma * direction.n
    return step


def show_directions(desk: Desk, values: Values) -> ui.Shown:
    """Nine seeds before and after the same step: a real direction does the same to all of them."""
    name = values["model"]
    seeds = following(values["seed"], WALL)
    labels = desk.labels(name, values["label"], WALL)
    w = desk.styles(name, seeds, labels, values["truncation"], wanted(desk, values))
    step = step_of(desk, values)
    before, after = desk.draw(name, torch.cat([w, w + step])).split(WALL)
    data = {"before": render.picture_uri(before, 3), "after": render.picture_uri(after, 3), "seeds": seeds}
    data["faces"] = desk.engine.card(name).data == "faces"
    moved = [f"{values[k]:+.1f} σ along direction {k[1:]}" for k in COMPONENTS if values[k]]
    if values["strength"] and desk.engine.card(name).data in TRAITED:
        moved.append(f"{values['strength']:+.1f} σ towards {trait_of(desk, values)!r}".replace("'towards ", "'"))
    sentence = f"Nine seeds from {values['seed']}, " + (
        f"all moved by {' and '.join(moved)}. If the direction is real, the same thing changes on each." if moved
        else "as they are. Move a slider: if a direction is real, it changes the same thing on each."
    )  # fmt: skip
    lines = ["from tabs.gan.modes import step_of", "from tabs.gan.state import declare",
             f"ws = w + step_of(desk, declare(engine).check({moves(values)!r}))"]  # fmt: skip
    return ui.Shown(after, sentence, data, columns=3, code=wall_code(desk, values, repr(seeds), WALL, lines))


def moves(values: Values) -> Values:
    """The sliders that are not at rest, and what they refer to."""
    names = ("model", "face_trait", "digit_trait", "strength", *COMPONENTS)
    return {k: values[k] for k in names if values[k] != 0}


# ---------------------------------------------------------------------------------------------- a picture of one's own


def picture_of(desk: Desk, values: Values) -> tuple[Tensor, str, Values]:
    """The picture to be judged or searched for: (1, C, H, W), what it is, and what the state should keep of it."""
    name, card = values["model"], desk.engine.card(values["model"])
    if values["source"] == "drawing":
        if not values["drawing"]:
            raise PlaygroundError("Nothing is drawn yet. Draw on the pad, upload a picture, or take a test picture.")
        x = ui.read_picture(values["drawing"], card.shape, card.data)
        return x, "Your picture", {"drawing": render.png_uri(x)}
    if values["source"] == "sample":
        w = desk.styles(name, [values["seed"]], desk.labels(name, values["label"], 1), values["truncation"])
        return desk.draw(name, w), f"The sample of seed {values['seed']}", {}
    return desk.real(name, [values["test"]]), f"Test picture {values['test']}", {}


def show_project(desk: Desk, values: Values) -> ui.Shown:
    """What the search has found, or what it is to look for."""
    return project.shown(desk, *own_picture(desk, values))


def show_own_verdict(desk: Desk, values: Values) -> ui.Shown:
    """The discriminator on one's own picture, among others."""
    return show_verdict(desk, *own_picture(desk, values))


def search(desk: Desk, values: Values) -> Iterator[ui.Shown]:
    """The projection step by step; what other modes show stands there at once."""
    if values["mode"] != "project":
        yield draw(desk, values)
        return
    disabled = without_effect(desk, values)
    for shown in project.search(desk, *own_picture(desk, values)):
        yield replace(shown, disabled=disabled)


def own_picture(desk: Desk, values: Values) -> tuple[Values, Tensor, str, Values]:
    """The values with the picture's own class, the picture, what it is, and what has to be changed in the state."""
    x, what, patch = picture_of(desk, values)
    patch |= own_class(desk, values)
    return values | patch, x, what, patch


def own_class(desk: Desk, values: Values) -> Values:
    """A test digit is looked for among its own kind."""
    kind = desk.real_class(values["model"], values["test"]) if values["source"] == "test" else None
    known = desk.engine.card(values["model"]).labels
    return {} if kind is None or known[kind] == values["label"] else {"label": known[kind]}


MODES = {
    "walk": show_walk,
    "mix": show_mix,
    "directions": show_directions,
    "verdict": show_own_verdict,
    "project": show_project,
    "diversity": diversity.show,
}
