"""What the modes that begin with noise show: the run with its branches, schedulers side by side, between two noises."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from playground.api import Field, Frame, PlaygroundError, fields_by_name
from playground.sampling import lerp, normal, slerp
from tabs import _ui as ui
from tabs.diffusion import code, pictures
from tabs.diffusion.desk import Desk, Path, film, sheet
from tabs.diffusion.lanes import Lane, lanes_of, main_lane
from tabs.diffusion.shortcut import shortcut
from tabs.diffusion.state import SCHEDULERS, declare

Values = Mapping[str, Any]
COLUMNS = 6  # moments of a run on the contact sheet, the result included
PLACES = 7  # pictures from one noise to the other
NEAR = 0.03  # mean difference of pixels below which two results are called nearly the same
STILLS = 11  # moments of the walk that can be scrubbed
NOT_HERE = {  # mode → control → why it has no effect there
    "forward": {"label": "The network's guess is made here without telling it the class."},
    "schedulers": {"scheduler": "All of them are shown. Choose a row to go on with one."},
    "inpaint": {"scheduler": "Repairing has a rule of its own (RePaint).", "eta": "Repairing always adds fresh noise."},
}


def stream(desk: Desk, values: Values) -> Iterator[ui.Shown]:
    """A checked state → what is shown, picture by picture; the last one is the result."""
    for shown in RUNS[values["mode"]](desk, values):
        model = shown.model or values["model"]  # a mode may take another one that suits it
        yield replace(shown, model=model, disabled=disabled(desk, values | {"model": model}))


def last(run: Iterable[ui.Shown]) -> ui.Shown:
    """The result of a run."""
    for shown in run:
        final = shown
    return final


def disabled(desk: Desk, values: Values) -> dict[str, str]:
    """Controls without effect, and why."""
    off = {}
    if not desk.engine.card(values["model"]).labels:
        off = dict.fromkeys(("label", "guidance", "each"), "This model was taught no classes.")
    if values["scheduler"] != "DDIM" and values["mode"] != "schedulers":
        off["eta"] = "Only DDIM lets you choose. The other schedulers add all or none."
    return off | NOT_HERE.get(values["mode"], {})


# ---------------------------------------------------------------------------------------------- denoise


def denoise(desk: Desk, values: Values) -> Iterator[ui.Shown]:
    """The run, then each branch; what is kept from before is shown at once."""
    lanes = all_lanes(desk, values)
    fresh = [lane for lane in lanes if desk.known(lane) is None]
    total, done, clock = sum(lane.steps + 1 for lane in fresh) + 1, 0, ui.Clock()
    for number, lane in enumerate(lanes):
        for frame in desk.follow(lane):
            done += 1
            if clock.due():
                yield ui.Shown(frame.images.cpu(), progress(number, frame), {"live": live(number, frame)},
                               step=min(done, total - 1), total=total)  # fmt: skip
    paths = [desk.path(lane) for lane in lanes]
    shown = [
        told(lane, path, desk) | ({"film": path.film()} if lane in fresh else {}) for lane, path in zip(lanes, paths)
    ]
    yield ui.Shown(torch.cat([p.result for p in paths]), sentence(desk, lanes, paths), {"lanes": shown},
                   code=code.denoise(lanes, paths), columns=len(lanes), step=total, total=total)  # fmt: skip


def all_lanes(desk: Desk, values: Values) -> list[Lane]:
    """The run and its branches."""
    return lanes_of(values, desk.engine.card(values["model"]), branch_fields(desk))


def branch_fields(desk: Desk) -> Mapping[str, Field]:
    """The declared values that a branch may change."""
    return fields_by_name(declare(desk.engine).fields)


def live(number: int, frame: Frame) -> dict[str, Any]:
    """One moment of a lane: its three pictures side by side."""
    views = torch.cat([frame.views[name][:1] for name in ("x_t", "x0", "eps")]).cpu()
    h, w = views.shape[-2:]
    one = {"src": sheet(views, 3), "names": ["x_t", "x0", "eps"], "frames": 1, "columns": 3, "w": w, "h": h}
    return {"lane": number, "film": one, "step": frame.step, "total": frame.total, "t": frame.info["t"]}


def told(lane: Lane, path: Path, desk: Desk) -> dict[str, Any]:
    """What the page must know of a lane beside its film."""
    labels = desk.engine.card(lane.model).labels
    return {
        "key": lane.key, "t": [round(i["t"]) for i in path.info], "alpha": [i["alpha"] for i in path.info],
        "sigma": [i["sigma"] for i in path.info], "calls": int(path.info[-1]["calls"]), "ms": round(path.ms),
        "left": min(lane.step, len(path_of_parent(desk, lane)) - 1) if lane.parent else 0,
        "settings": {"scheduler": lane.scheduler, "steps": lane.steps, "guidance": lane.guidance, "eta": lane.eta,
                     "seed": lane.seed, "label": None if lane.label is None else labels[lane.label]},
    }  # fmt: skip


def path_of_parent(desk: Desk, lane: Lane) -> Path:
    """What the lane left."""
    return desk.path(lane.parent)


def progress(number: int, frame: Frame) -> str:
    """A sentence for a run under way."""
    who = "The run" if number == 0 else f"Branch {number}"
    return f"{who} is at step {frame.step} of {frame.total}: the noise is at level t = {frame.info['t']:.0f}."


def sentence(desk: Desk, lanes: list[Lane], paths: list[Path]) -> str:
    """What came out."""
    run, looks = lanes[0], int(paths[0].info[-1]["calls"])
    card = desk.engine.card(run.model)
    what = f"a {card.labels[run.label]}" if run.label is not None else ""
    told_to = f", asked for {what}," if run.label is not None else ""
    text = (
        f"{run.scheduler} turned the noise of seed {run.seed}{told_to} into this picture in {run.steps} "
        f"step{'s' * (run.steps > 1)}; the network was asked {looks} times."
    )
    channels, side, _ = desk.model(run.model).latent_shape
    if (channels, side) != card.shape[:2]:
        text += f" It works on a {side}×{side}×{channels} code of the picture; the lanes are decoded for looking."
    if len(lanes) > 1:
        text += f" {len(lanes) - 1} branch{'es go' if len(lanes) > 2 else ' goes'} another way from a step on."
    return text


# ---------------------------------------------------------------------------------------------- schedulers


def schedulers(desk: Desk, values: Values) -> Iterator[ui.Shown]:
    """Row by row: the same noise, the same network, another rule."""
    base = main_lane(values, desk.engine.card(values["model"]))
    lanes = [replace(base, scheduler=name, eta=values["eta"]).plain() for name in SCHEDULERS]
    total, done, clock = len(lanes) * (base.steps + 1) + 1, 0, ui.Clock()
    rows, finals, results = [], [], []
    for lane in lanes:
        for frame in desk.follow(lane):
            done += 1
            if clock.due():
                text = f"{lane.scheduler} is at step {frame.step} of {frame.total}."
                data = {"rows": rows, "names": list(SCHEDULERS)}
                yield ui.Shown(frame.images.cpu(), text, data, step=min(done, total - 1), total=total)
        done = (len(rows) + 1) * (base.steps + 1)
        path = desk.path(lane)
        results.append(path.result)
        finals.append(moments(path, values["view"]))
        rows = [*rows, row(lane, path, finals[-1], results[0])]
    data = {"rows": rows, "names": list(SCHEDULERS), "columns": column_heads(path)}
    yield ui.Shown(torch.cat(finals), compared(rows, base.steps), data, code=code.schedulers(base), columns=COLUMNS,
                   step=total, total=total)  # fmt: skip


def moments(path: Path, view: str) -> Tensor:
    """(COLUMNS, C, H, W): evenly spaced frames of a run and its result."""
    return path.view("x_t" if view == "noisy" else "x0")[spaced(len(path), COLUMNS)]


def spaced(length: int, count: int) -> list[int]:
    """`count` indices from the first to the last; some come twice where there are too few."""
    return [round(i * (length - 1) / (count - 1)) for i in range(count)]


def column_heads(path: Path) -> list[str]:
    """What stands over the columns."""
    return [f"t = {path.info[i]['t']:.0f}" for i in spaced(len(path), COLUMNS)[:-1]] + ["result"]


def row(lane: Lane, path: Path, stills: Tensor, first: Tensor) -> dict[str, Any]:
    """One scheduler's line of the sheet."""
    return {
        "name": lane.scheduler, "src": sheet(stills, COLUMNS), "calls": int(path.info[-1]["calls"]),
        "ms": round(path.ms), "apart": round(float((path.result - first).abs().mean()), 3),
    }  # fmt: skip


def compared(rows: list[dict[str, Any]], steps: int) -> str:
    """The sentence under the sheet."""
    near = [r["name"] for r in rows[1:] if r["apart"] < NEAR]
    text = f"{len(rows)} schedulers, one noise, {steps} step{'s' * (steps > 1)}. "
    if not near:
        return text + "All end at visibly different pictures: with few steps the rule matters; some add noise as well."
    text += f"{', '.join(near)} end{'s' * (len(near) == 1)} at nearly the same picture as DDIM"
    return text + ("." if len(near) == len(rows) - 1 else "; the others, most of which add noise on the way, do not.")


# ---------------------------------------------------------------------------------------------- between


def between(desk: Desk, values: Values) -> Iterator[ui.Shown]:
    """Two rows of pictures from noises between two seeds': on the great circle, and on the straight line."""
    model = desk.model(values["model"])
    a, b = normal([values["seed"], values["other"]], model.latent_shape)
    inner = torch.linspace(0, 1, PLACES)[1:-1]
    noises = torch.cat([torch.stack([a, b]), slerp(a, b, inner), lerp(a, b, inner)])  # the ends are in both rows
    run = walk_frames(desk, values, noises)
    total, clock, kept = values["steps"] + 2, ui.Clock(), {}
    text = "All places of both rows are denoised together."
    keep = {i + 1 for i in spaced(values["steps"] + 1, min(STILLS, values["steps"] + 1))}
    for frame in run:
        if frame.step not in keep:
            continue
        kept[frame.step] = pages = two_rows(desk.pixels(values["model"], frame.state))
        if frame.step < frame.total and clock.due():
            yield ui.Shown(pages[0], text, {"film": film_of([pages])}, step=frame.step, total=total)
    pages = [kept[step] for step in sorted(kept)]
    weak = float(lerp(a, b, torch.tensor([0.5])).norm() / slerp(a, b, torch.tensor([0.5])).norm())
    labels = [f"step {step} of {total - 1}" if step < total - 1 else "result" for step in sorted(kept)]
    yield ui.Shown(torch.cat(list(pages[-1])), halfway(values, weak), {"film": film_of(pages), "labels": labels},
                   code=code.between(values, desk.engine.card(values["model"])), columns=1,
                   step=total, total=total)  # fmt: skip


def walk_frames(desk: Desk, values: Values, noises: Tensor) -> Iterator[Frame]:
    """All places at once. The later noise, where a scheduler adds some, is the first seed's for every place."""
    from playground.models.diffusion import Settings

    model, n = desk.model(values["model"]), len(noises)
    lane, labels = main_lane(values, desk.engine.card(values["model"])), desk.labels(values, n)
    settings = Settings(lane.scheduler, lane.steps, lane.guidance, lane.eta, watch=False)
    return desk.engine.steps(
        lambda: model.sample([lane.seed] * n, latents=noises, labels=labels, **vars(settings))
    )  # fmt: skip


def two_rows(images: Tensor) -> tuple[Tensor, Tensor]:
    """Both ends and two walks → one wide picture per walk, (1, C, H, PLACES·W)."""
    inner = PLACES - 2
    walks = (images[2 : 2 + inner], images[2 + inner :])
    return tuple(torch.cat([images[:1], walk, images[1:2]]).permute(1, 2, 0, 3).flatten(2)[None] for walk in walks)


def film_of(pages: list[tuple[Tensor, Tensor]]) -> dict[str, Any]:
    """Both rows at each kept moment."""
    return film({"circle": torch.cat([p[0] for p in pages]), "line": torch.cat([p[1] for p in pages])})


def halfway(values: Values, weak: float) -> str:
    """The sentence under the rows."""
    return (
        f"From the noise of seed {values['seed']} to that of seed {values['other']}. Half-way, the straight line's "
        f"noise has only {100 * weak:.0f} % of the strength the network expects; the great circle keeps all of it."
    )


# ---------------------------------------------------------------------------------------------- server functions


def functions(desk: Desk, state: ui.State) -> list[Callable[[Any], Any]]:
    """What the page asks for beside the stream."""

    def diffusion_schedule(request: Any) -> dict[str, Any]:
        model = state.check({"model": request.get("model")} if isinstance(request, Mapping) else request)["model"]
        bars = desk.model(model).alpha_bar.cpu()
        grid = torch.linspace(0, len(bars) - 1, 101).round().long()
        return {"t": grid.tolist(), "bar": bars[grid].tolist()}

    def diffusion_film(request: Any) -> dict[str, Any]:
        if not isinstance(request, Mapping) or "state" not in request:
            raise PlaygroundError("The request lacks its state. Reload the page and try again.")
        lanes = all_lanes(desk, state.check(request["state"]))
        number = Field("lane", "int", 0, 0, len(lanes) - 1, label="The lane").check(request.get("lane"))
        return {"key": lanes[number].key, "film": desk.path(lanes[number]).film()}

    return [diffusion_schedule, diffusion_film]


RUNS: Mapping[str, Callable[[Desk, Values], Iterator[ui.Shown]]] = {
    "denoise": denoise,
    "forward": pictures.forward,
    "schedulers": schedulers,
    "from a drawing": pictures.edit,
    "inpaint": pictures.inpaint,
    "between": between,
    "shortcut": shortcut,
}
