"""What each mode of the VAE tab shows: a checked state → `Shown`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from playground import render
from playground.api import MAX_SEED, Posterior
from playground.sampling import normal
from tabs import _ui as ui
from tabs.vae.desk import GRID, Desk, first_test_seed
from tabs.vae.state import ATTRIBUTES, CORNERS, FRAMES, STRONGEST

DEAD = 0.01  # nats: a latent that carries less is called dead
COLUMNS = 9  # values across a row of the traversal
SIDE = 9  # pictures along each side of the corner grid
SAMPLES, ACROSS = 36, 9
OTHERS = 8

Values = dict[str, Any]


def draw(desk: Desk, values: Values) -> ui.Shown:
    """The picture of a state. Where the model does not fit the mode, one that does is taken and said."""
    model = fitting(desk, values)
    shown = MODES[values["mode"]](desk, values | {"model": model})
    change = {} if model == values["model"] else {"model": model}
    return replace(shown, model=model, patch={**shown.patch, **change})


def fitting(desk: Desk, values: Values) -> str:
    """The chosen model if it suits the mode, else the first that does."""
    limits = {"map": {"most": 2}, "sliders": {"least": 3}, "faces": {"data": "faces"}}.get(values["mode"], {})
    names = desk.names(**limits, also=[values["model"]])
    if not names:
        raise ui.PlaygroundError("No model for this mode is here yet. Train one: python -m playground train vae-faces.")
    favourite = "vae-mnist-2d" if "vae-mnist-2d" in names else names[0]
    return values["model"] if values["model"] in names else favourite


# ---------------------------------------------------------------------------------------------- map


def show_map(desk: Desk, values: Values) -> ui.Shown:
    """The decoded point, and how far the nearest example lies."""
    name, at = values["model"], torch.tensor([[values["x"], values["y"]]])
    atlas = desk.atlas(name)
    distance, index = (atlas.means - at).norm(dim=1).min(0)
    label = atlas.labels[int(index)]
    sentence = (
        f"The picture decoded at ({values['x']:.2f}, {values['y']:.2f}). "
        f"The nearest of {len(atlas.means)} test pictures is {'a ' + label if label else 'one'}, {distance:.2f} away"
        f"{': an empty region.' if distance > 0.5 else '.'}"
    )
    line = f"z = torch.tensor([[{values['x']}, {values['y']}]])"
    return ui.Shown(desk.decode(name, at), sentence, code=code(name, line))


def glimpse(desk: Desk, request: Any, state: ui.State) -> dict[str, Any]:
    """What lies under the pointer: only the picture, as fast as can be."""
    values = state.check({k: request.get(k) for k in ("model", "x", "y")} if isinstance(request, dict) else request)
    name = fitting(desk, values | {"mode": "map"})
    return {"picture": render.picture_uri(desk.decode(name, torch.tensor([[values["x"], values["y"]]])))}


def survey(desk: Desk, request: Any, state: ui.State) -> dict[str, Any]:
    """The map itself: points with their labels, and what every place decodes to."""
    name = state.check({"model": request.get("model")} if isinstance(request, dict) else request)["model"]
    atlas = desk.atlas(name)
    points = atlas.means[:, list(atlas.axes)].mul(100).round().div(100).tolist()
    return {
        "model": name,
        "limit": atlas.limit,
        "axes": [axis + 1 for axis in atlas.axes],
        "points": [[x, y, label] for (x, y), label in zip(points, atlas.labels)],
        "terrain": render.picture_uri(desk.terrain(name), GRID, quality=80),
    }


def functions(desk: Desk, state: ui.State) -> list[Callable[[Any], Any]]:
    """Server functions of the page beside `pg_draw`."""

    def vae_glimpse(request: Any) -> dict[str, Any]:
        return glimpse(desk, request, state)

    def vae_survey(request: Any) -> dict[str, Any]:
        return survey(desk, request, state)

    return [vae_glimpse, vae_survey]


# ---------------------------------------------------------------------------------------------- draw


def show_draw(desk: Desk, values: Values) -> ui.Shown:
    """Input, reconstruction, a draw from the posterior; the ellipse and the KL of each latent."""
    name, card = values["model"], desk.engine.card(values["model"])
    own = values["source"] == "drawing"
    x = ui.read_picture(values["drawing"], card.shape, card.data) if own else desk.examples(name, [values["test"]])
    q = desk.encode(name, x)
    z = q.mean + q.std * normal([values["seed"]], (q.mean.shape[1],))
    recon, again = desk.decode(name, torch.cat([q.mean, z])).split(1)
    kl = divergence(q)[0]
    first, second = desk.atlas(name).axes
    data = {
        "kind": card.data,
        "input": render.png_uri(x),
        "recon": render.picture_uri(recon),
        "again": render.picture_uri(again),
        "ellipse": [*q.mean[0, [first, second]].tolist(), *q.std[0, [first, second]].tolist()],
        "draw": z[0, [first, second]].tolist(),
        "kl": bars(desk, name, kl),
    }
    patch = {"drawing": data["input"]} if own else {}
    what = "Your picture" if own else f"Test picture {values['test']}"
    sentence = describe(desk, name, what, x, recon, kl)
    lines = code(name, *source_code(values | patch), "z = model.encode(x).mean")
    return ui.Shown(torch.cat([x, recon, again]), sentence, data, code=lines, patch=patch, columns=3)


def divergence(q: Posterior) -> Tensor:
    """KL(q ‖ N(0, 1)) of each latent in nats, (N, d); zero for a plain autoencoder, which has no posterior."""
    variance = q.std.square()
    kl = 0.5 * (q.mean.square() + variance - 1 - variance.clamp_min(1e-12).log())
    return torch.where(q.std > 0, kl, torch.zeros_like(kl))


def bars(desk: Desk, name: str, kl: Tensor) -> list[dict[str, Any]]:
    """One bar per latent, the strongest over the training set first."""
    usual = desk.model(name).kl_per_latent
    return [
        {"label": f"z{i + 1}", "value": float(kl[i]), "dim": float(usual[i]) < DEAD, "note": "dead"}
        for i in desk.strongest(name)
    ]


def describe(desk: Desk, name: str, what: str, x: Tensor, recon: Tensor, kl: Tensor) -> str:
    """The sentence under the pictures."""
    error = float((x - recon).square().mean())
    if not desk.model(name).variational:
        copy = f"{what} and its copy; mean squared error {error:.3f}."
        return f"{copy} A plain autoencoder has no ellipse: its code is one point."
    three = f"{what}, its reconstruction and a draw from its posterior;"
    return f"{three} mean squared error {error:.3f}, {kl.sum():.1f} nats in the code."


# ---------------------------------------------------------------------------------------------- samples


def show_samples(desk: Desk, values: Values) -> ui.Shown:
    """A wall of draws from the prior at the chosen temperature."""
    name, heat = values["model"], values["temperature"]
    wanted = ui.wishes(desk.engine, name, values)
    first = min(values["seed"], MAX_SEED + 1 - SAMPLES)
    seeds = list(range(first, first + SAMPLES))
    pictures = desk.engine.run(name, seeds, temperature=heat, **wanted).images.float().cpu()
    spread = float(pictures.std(0).mean())
    sentence = (
        f"{SAMPLES} draws from the prior{ui.spoken(wanted)} at temperature {heat:.2f}, seeds {seeds[0]} to "
        f"{seeds[-1]}; their pixels "
        f"vary by {spread:.2f} on average. Choose one to go on from it."
    )
    asked = f"temperature={heat}{ui.in_python(wanted)}"
    run = f'picture = engine.run("{name}", range({first}, {first + SAMPLES}), {asked}).images'
    lines = ["from playground import Engine", "engine = Engine()", run]
    data = {"n": SAMPLES, "columns": ACROSS, "seeds": seeds}
    return ui.Shown(pictures, sentence, data, code="\n".join(lines), columns=ACROSS)


# ---------------------------------------------------------------------------------------------- sliders


def show_sliders(desk: Desk, values: Values) -> ui.Shown:
    """The picture at the sliders, and a row of pictures for each of the strongest latents."""
    name = values["model"]
    base = starting_code(desk, values)
    known = desk.strongest(name)
    ranks = known[: len(STRONGEST)]
    z = base.clone()
    for latent, k in zip(ranks, STRONGEST):
        z[0, latent] += values[k]
    line = torch.linspace(-3, 3, COLUMNS)
    rows = z.repeat(len(ranks) * COLUMNS, 1)
    for i, latent in enumerate(ranks):
        rows[i * COLUMNS : (i + 1) * COLUMNS, latent] = line
    pictures = desk.decode(name, torch.cat([z, rows]))
    data = {
        "sheet": render.picture_uri(pictures[1:], COLUMNS),
        "columns": COLUMNS, "values": line.tolist(), "latents": [latent + 1 for latent in ranks],
        "base": base[0, ranks].tolist(), "now": z[0, ranks].tolist(),
    }  # fmt: skip
    moved = sum(values[k] != 0 for k in STRONGEST[: len(ranks)])
    start = f"test picture {values['test']}" if values["start"] == "test" else f"seed {values['seed']}"
    sentence = (
        f"{'The code' if not moved else f'{moved} of the latents moved away from the code'} of {start}. Rows: the "
        f"{len(ranks)} strongest of {len(known)} latents, each from −3 to 3 while the others rest."
    )
    idle = dict.fromkeys(STRONGEST[len(ranks) :], f"This network has {len(known)} latents only.")
    return ui.Shown(pictures[:1], sentence, data, code=sliders_code(desk, values, ranks), disabled=idle)


def starting_code(desk: Desk, values: Values) -> Tensor:
    """(1, d): mean code of the test picture, or the seed's draw from the prior."""
    name = values["model"]
    if values["start"] == "test":
        return desk.encode(name, desk.examples(name, [values["test"]])).mean
    model, wanted = desk.model(name), ui.wishes(desk.engine, name, values)
    return model.wish(model.latents([values["seed"]]), wanted) if wanted else model.latents([values["seed"]])


# ---------------------------------------------------------------------------------------------- between


def show_between(desk: Desk, values: Values) -> ui.Shown:
    """Two ways from A to B, the same walk through a plain autoencoder, and everything between four corners."""
    name = values["model"]
    pictures = desk.examples(name, [values[c] for c in CORNERS])
    codes = desk.encode(name, pictures).mean
    lanes = {"straight line": desk.walk(name, codes[:2], False), "great circle": desk.walk(name, codes[:2], True)}
    for other in contrast(desk, name):
        ends = desk.encode(other, pictures[:2]).mean
        lanes[desk.engine.card(other).title + ", straight"] = desk.walk(other, ends, False)
    grid = desk.decode(name, corner_grid(codes))
    half = float((0.5 * codes[0] + 0.5 * codes[1]).norm() / (0.5 * codes[0].norm() + 0.5 * codes[1].norm() + 1e-9))
    data = {
        "film": render.sprite(lanes), "ends": [render.picture_uri(p[None]) for p in pictures],
        "grid": render.picture_uri(grid, SIDE), "side": SIDE,
    }  # fmt: skip
    sentence = (
        f"From picture {values['a']} to picture {values['b']} in {FRAMES} places. Half-way, the straight line is only "
        f"{100 * half:.0f} % as far from the centre as its ends; the great circle keeps its distance."
    )
    still = torch.cat([lane[:: (len(lane) - 1) // 8] for lane in lanes.values()])
    return ui.Shown(still, sentence, data, columns=9, code=between_code(name, values))


def contrast(desk: Desk, name: str) -> list[str]:
    """Of the same data, one model of the other kind: the plain autoencoder beside a VAE, and the reverse."""
    mine = desk.model(name)
    others = desk.names(data=desk.engine.card(name).data)
    fit = [n for n in others if desk.model(n).variational != mine.variational]
    return sorted(fit, key=lambda n: abs(desk.model(n).latent_size - mine.latent_size))[:1]


def corner_grid(codes: Tensor) -> Tensor:
    """(SIDE², d): bilinear between four codes at top left, top right, bottom left, bottom right."""
    t = torch.linspace(0, 1, SIDE)
    v, u = (w.reshape(-1, 1) for w in torch.meshgrid(t, t, indexing="ij"))
    return (1 - v) * ((1 - u) * codes[0] + u * codes[1]) + v * ((1 - u) * codes[2] + u * codes[3])


# ---------------------------------------------------------------------------------------------- faces


def show_faces(desk: Desk, values: Values) -> ui.Shown:
    """One face and eight others before and after the same step in latent space."""
    name = values["model"]
    seeds = [(values["seed"] + i) % 2**32 for i in range(OTHERS + 1)]
    codes = face_codes(desk, name, seeds, values["origin"])
    directions = desk.directions(name)
    step = sum((values[a] * directions[a] for a in ATTRIBUTES), torch.zeros(codes.shape[1]))
    before, after = desk.decode(name, torch.cat([codes, codes + step])).split(len(seeds))
    wall = torch.cat([before[1:], after[1:]])
    data = {
        "before": render.picture_uri(before[:1]), "after": render.picture_uri(after[:1]),
        "wall": render.picture_uri(wall, OTHERS),
    }  # fmt: skip
    parts = [f"{values[a]:+.1f} {a.replace('_', ' ')}" for a in ATTRIBUTES if values[a]]
    where = "the code of a drawn face" if values["origin"] == "drawn" else "a draw from the prior"
    sentence = f"{where.capitalize()}, seed {values['seed']}, " + (
        f"moved by {', '.join(parts)}: {float(step.norm()):.1f} units of latent space."
        if parts
        else "as it is. Move a slider."
    )
    pair = torch.cat([before[:1], after[:1]])
    return ui.Shown(pair, sentence, data, columns=2, code=faces_code(values))


def face_codes(desk: Desk, name: str, seeds: list[int], origin: str) -> Tensor:
    """(N, d) codes of drawn test faces, or draws from the prior."""
    if origin == "prior":
        return desk.model(name).latents(seeds)
    return desk.encode(name, desk.faces([first_test_seed() + seed % 10_000 for seed in seeds])).mean


# ---------------------------------------------------------------------------------------------- code


def code(name: str, *lines: str) -> str:
    """The same in Python; every snippet ends with `picture`."""
    start = ["import torch", "from playground import Engine", "engine = Engine()", f'model = engine.model("{name}")']
    return "\n".join([*start, *lines, "picture = engine.call(lambda: model.decode(z))"])


def source_code(values: Values) -> list[str]:
    """Where the encoded picture comes from."""
    if values["source"] == "drawing":
        drawn = f'x = read_picture("{values["drawing"]}", model.card.shape, model.card.data)'
        return ["from tabs._ui import read_picture", drawn]
    return [example_code([values["test"]])]


def example_code(indices: list[int]) -> str:
    """Test pictures by their number."""
    return f"from tabs.vae.desk import desk_of; x = desk_of(engine).examples(model.card.name, {indices})"


def sliders_code(desk: Desk, values: Values, ranks: list[int]) -> str:
    """Start, then every slider that was moved."""
    test = values["start"] == "test"
    encoded = [example_code([values["test"]]), "z = model.encode(x).mean"]
    wanted = ui.wishes(desk.engine, values["model"], values)
    drawn = [f"z = model.latents([{values['seed']}])", *([f"z = model.wish(z, {wanted})"] if wanted else [])]
    first = encoded if test else drawn
    moves = [f"z[0, {latent}] += {values[k]}" for latent, k in zip(ranks, STRONGEST) if values[k]]
    return code(values["model"], *first, *moves)


def between_code(name: str, values: Values) -> str:
    """The straight walk."""
    ends = "a, b = model.encode(x).mean"
    walk = "z = torch.stack([torch.lerp(a, b, t) for t in torch.linspace(0, 1, 33)])"
    return code(name, example_code([values["a"], values["b"]]), ends, walk)


def faces_code(values: Values) -> str:
    """Start, then every attribute that was moved."""
    start = ["from tabs.vae.desk import desk_of", "from tabs.vae.modes import face_codes", "desk = desk_of(engine)",
             f'z = face_codes(desk, model.card.name, [{values["seed"]}], "{values["origin"]}")']  # fmt: skip
    moves = [f'z = z + {values[a]} * desk.directions(model.card.name)["{a}"]' for a in ATTRIBUTES if values[a]]
    return code(values["model"], *start, *moves)


MODES = {"map": show_map, "draw": show_draw, "samples": show_samples, "sliders": show_sliders, "between": show_between,
         "faces": show_faces}  # fmt: skip
