"""What the modes that begin with a picture show: the forward process, SDEdit and inpainting."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from playground import render
from playground.api import PlaygroundError
from playground.sampling import normal
from tabs import _ui as ui
from tabs.diffusion import code
from tabs.diffusion.desk import Desk, Roll, film, sheet
from tabs.diffusion.lanes import main_lane

Values = Mapping[str, Any]
LEVELS = 41  # values of t that can be scrubbed
AT_ONCE = 7  # levels whose guesses are made in one turn on the device
ANSWERS = 3  # fillings of one hole


def levels() -> list[int]:
    """The t of each level, 0 to 999."""
    return torch.linspace(0, 999, LEVELS).round().long().tolist()


# ---------------------------------------------------------------------------------------------- forward


def forward(desk: Desk, values: Values) -> Iterator[ui.Shown]:
    """The picture at every level of noise, and what the network makes of each in one look."""
    model, name = desk.model(values["model"]), values["model"]
    x, times = desk.picture(values), levels()
    noise = normal([values["seed"]], model.latent_shape)
    clean = desk.engine.call(lambda: model.to_latents(x))
    x_t = torch.cat([model.noised(clean, t, noise) for t in times])
    strengths = [model.level(t) for t in times]
    noisy = torch.cat([desk.pixels(name, part) for part in x_t.split(AT_ONCE)])
    guess = torch.full_like(noisy, 0.5)
    data = {"clean": render.png_uri(x), "noise": render.png_uri(desk.pixels(name, noise)), "t": times,
            "alpha": [a for a, _ in strengths], "sigma": [s for _, s in strengths]}  # fmt: skip
    total, index = len(range(0, LEVELS, AT_ONCE)) + 1, nearest(times, values["t"])
    alpha, sigma = strengths[index]
    text = f"At t = {times[index]} the picture is multiplied by {alpha:.2f} and the noise by {sigma:.2f}."
    for step, begin in enumerate(range(0, LEVELS, AT_ONCE), 1):
        part = slice(begin, begin + AT_ONCE)
        guess[part] = desk.pixels(name, one_look(desk, name, x_t[part], times[part]))
        if step == 1:
            shown = data | {"film": film({"x_t": noisy, "x0": guess})}
            yield ui.Shown(noisy[index : index + 1], text, shown, step=step, total=total)
    still = torch.cat([x, desk.pixels(name, noise), noisy[index : index + 1], guess[index : index + 1]])
    yield ui.Shown(still, text, data | {"film": film({"x_t": noisy, "x0": guess})}, columns=4, step=total,
                   total=total, patch=patch_of(values, x), code=code.forward(values, times[index]))  # fmt: skip


def one_look(desk: Desk, name: str, x_t: Tensor, times: list[int]) -> Tensor:
    """x̂_0 of the network at each level, without a class, (N, *latent)."""
    model = desk.model(name)
    t = torch.tensor(times, device=model.device)
    v = desk.engine.call(lambda: model.predict(x_t, t, None))
    return torch.cat([model.split(x[None], u[None], level)[0] for x, u, level in zip(x_t, v, times)])


def nearest(times: list[int], t: int) -> int:
    """Index of the level nearest to t."""
    return min(range(len(times)), key=lambda i: abs(times[i] - t))


def patch_of(values: Values, x: Tensor) -> dict[str, str]:
    """The visitor's picture as the network sees it: small enough for the state and for a saved file."""
    return {"drawing": render.png_uri(x)} if values["source"] == "own" else {}


# ---------------------------------------------------------------------------------------------- from a drawing


def edit(desk: Desk, values: Values) -> Iterator[ui.Shown]:
    """SDEdit: noise the picture up to the start, then denoise from there."""
    from playground.models.diffusion import Settings

    model, x = desk.model(values["model"]), desk.picture(values)
    lane, labels = main_lane(values, desk.engine.card(values["model"])), desk.labels(values)
    settings = Settings(lane.scheduler, lane.steps, lane.guidance, lane.eta)
    run = desk.engine.steps(lambda: model.edit(x, [lane.seed], labels, values["start"], settings))
    roll, clock, data = Roll(), ui.Clock(), {"input": render.png_uri(x)}
    for frame in run:
        roll.add(frame)
        if clock.due() and frame.step < frame.total:
            text = f"Step {frame.step} of {frame.total}: the noise over it is at level t = {frame.info['t']:.0f}."
            yield ui.Shown(frame.images.cpu(), text, data | {"live": moment(frame)}, step=frame.step, total=frame.total)
    path = roll.path()
    taken = len(path) - 1
    told = {"film": film({"x_t": path.view("x_t"), "x0": path.view("x0")}),
            "t": [round(i["t"]) for i in path.info], "taken": taken, "steps": max(taken, lane.steps)}  # fmt: skip
    still = torch.cat([x, path.view("x_t")[:1], path.result])
    yield ui.Shown(still, edited(model, values, taken), data | told, code=code.edit(values, lane.label),
                   patch=patch_of(values, x), columns=3, step=taken + 1, total=taken + 1)  # fmt: skip


def moment(frame: Any) -> dict[str, Any]:
    """One moment of a run: noisy picture and guess side by side."""
    views = torch.cat([frame.views["x_t"][:1], frame.views["x0"][:1]]).cpu()
    h, w = views.shape[-2:]
    one = {"src": sheet(views, 2), "names": ["x_t", "x0"], "frames": 1, "columns": 2, "w": w, "h": h}
    return {"film": one, "step": frame.step, "total": frame.total, "t": frame.info["t"]}


def edited(model: Any, values: Values, taken: int) -> str:
    """The sentence under the result."""
    alpha, _ = model.level(values["start"])
    what = "Your picture" if values["source"] == "own" else f"Test picture {values['test']}"
    return (
        f"{what} was noised up to t = {values['start']}, where {100 * alpha**2:.0f} % of what one sees is still the "
        f"picture, and denoised from there in {taken} step{'s' * (taken > 1)}. Start higher, and the network is freer."
    )


# ---------------------------------------------------------------------------------------------- inpaint


def inpaint(desk: Desk, values: Values) -> Iterator[ui.Shown]:
    """Three answers for the same hole."""
    model, x = desk.model(values["model"]), desk.picture(values)
    hole = mask_of(values["mask"], x.shape[-2:])
    lane = main_lane(values, desk.engine.card(values["model"]))
    seeds = [(values["seed"] + i) % 2**32 for i in range(ANSWERS)]
    many, labels = x.expand(ANSWERS, -1, -1, -1), desk.labels(values, ANSWERS)
    known = (1 - hole).expand(ANSWERS, -1, -1, -1)
    run = desk.engine.steps(lambda: model.repair(many, known, seeds, labels, lane.steps, lane.guidance))
    frames, clock, data = [], ui.Clock(), {"input": render.png_uri(x), "seeds": seeds}
    for frame in run:
        frames.append(frame.images.cpu())
        if clock.due() and frame.step < frame.total:
            text = f"Step {frame.step} of {frame.total}: the hole is filled, noised and filled again."
            yield ui.Shown(frames[-1], text, data | {"film": answers(frames[-1:]), "step": frame.step},
                           step=frame.step, total=frame.total)  # fmt: skip
    share = 100 * float(hole.mean())
    text = (
        f"{share:.0f} % of the picture was painted over and made up again, three times with other noise (seeds "
        f"{seeds[0]} to {seeds[-1]}). What was not painted is kept as it was."
    )
    still = torch.cat([x * (1 - hole) + 0.5 * hole, frames[-1]])
    yield ui.Shown(still, text, data | {"film": answers(frames), "steps": len(frames)}, columns=ANSWERS + 1,
                   patch=patch_of(values, x), code=code.inpaint(values, lane.label),
                   step=len(frames), total=len(frames))  # fmt: skip


def answers(frames: list[Tensor]) -> dict[str, Any]:
    """One lane per answer."""
    return film({f"answer {i + 1}": torch.stack([f[i] for f in frames]) for i in range(ANSWERS)})


def mask_of(uri: str, size: tuple[int, int]) -> Tensor:
    """(1, 1, H, W), 1 where something is to be made up."""
    hole = (ui.read_picture(uri, (1, *size)) > 0.5).float()
    if not hole.any():
        raise PlaygroundError("Nothing is painted over yet. Paint over the part that is to be made up.")
    return hole
