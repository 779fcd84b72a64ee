"""A small Boltzmann machine that learns in front of the visitor, from 500 digits, by contrastive divergence.

    W ← W + η (⟨v hᵀ⟩_data − ⟨v hᵀ⟩_after k sweeps)        (Hinton 2002)

A training is determined by its settings and seed, so it can be stopped, gone on with, linked and made again in Python.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from playground import render
from playground.api import PlaygroundError
from tabs import _ui as ui
from tabs._ui.examples import digits
from tabs.energy.desk import Desk, Values, double, tile
from tabs.energy.machine import pale
from tabs.energy.state import LONGEST_UPDATES

BATCH = 50
LOOK = 10  # updates between two looks
LONGER = 1500  # updates a run goes on for
RATE = 1 / 12  # seconds between two pictures
SHOWN = 10  # pictures in a row
TOO_LARGE = 12.0  # a weight beyond this decides alone what a unit does
DEAD, EARLY = 0.02, 40  # deviation below which a unit says the same of every digit; updates before one may be asked


@dataclass
class Course:
    """A training as it stands.

    Attributes:
        model: the machine. error: (updates, mean |v − p(v|h)|) at each look. fantasies: (SHOWN, 784) chains of its own,
            which only look on. bad: why it had to stop, or "".
    """

    model: nn.Module
    error: list[tuple[int, float]]
    fantasies: Tensor
    updates: int = 0
    bad: str = ""


def course(values: Values, until: int) -> Iterator[Course]:
    """The training from its start, a look every `LOOK` updates and at the last one."""
    from playground.models.energy.rbm import RBM, contrastive_divergence

    noise = torch.Generator().manual_seed(values["seed"])
    data = (digits()[0] > 0.5).float().flatten(1)
    model = RBM(hidden=values["hidden"]).requires_grad_(False)
    model.W.copy_(0.01 * torch.randn(model.W.shape, generator=noise))
    model.b.copy_(torch.logit(data.mean(0).clamp(0.01, 0.99)))
    own = torch.Generator().manual_seed(values["seed"] + 1)
    now = Course(model, [], (torch.rand(SHOWN, data.shape[1], generator=own) < data.mean(0)).float())
    yield now
    order, chains, recent = torch.empty(0, dtype=torch.int64), None, []
    while now.updates < until and not now.bad:
        if len(order) == 0:
            order = torch.randperm(len(data), generator=noise)
        batch, order = data[order[:BATCH]], order[BATCH:]
        step = contrastive_divergence(model, batch, values["k"], noise, chains if values["persistent"] else None)
        for name in ("W", "b", "c"):
            getattr(model, name).add_(values["rate"] * getattr(step, name))
        chains, now.updates = step.chains, now.updates + 1
        recent.append(step.error)
        if now.updates % LOOK == 0 or now.updates == until:
            now.error.append((now.updates, sum(recent) / len(recent)))
            recent = []
            now.bad = trouble(now, values)
            for _ in range(3):
                now.fantasies = model.sweep(now.fantasies, own) if not now.bad else now.fantasies
            yield now


def trouble(now: Course, values: Values) -> str:
    """Why a training cannot go on, or nothing."""
    largest = float(now.model.W.abs().max())
    said = now.model.hidden((digits()[0] > 0.5).float())
    deaf = float((said.std(0) < DEAD).float().mean())
    if not largest < TOO_LARGE:  # NaN too
        what = f"The weights have run away (one is {largest:.0f})"
    elif now.updates >= EARLY and deaf > 0.9:
        what = f"The first steps overshot: {100 * deaf:.0f} % of the hidden units now say the same of every digit"
    else:
        return ""
    advice = f"A learning rate of {values['rate']:g} is too large here. Try 0.2 and train again."
    return f"{what}, after {now.updates} updates. {advice}"


def stream(desk: Desk, values: Values) -> Iterator[ui.Shown]:
    """Goes on from the updates already made, at most twelve pictures a second."""
    start = values["updates"]
    if start >= LONGEST_UPDATES:
        raise PlaygroundError(
            f"{LONGEST_UPDATES} updates are the end of this course. Start afresh, or change a setting."
        )
    until, due = min(LONGEST_UPDATES, start + LONGER), 0.0
    total = until - start + 1
    for now in desk.engine.steps(lambda: course(values, until)):
        step = now.updates - start
        if step < 0 or (time.monotonic() < due and step < total - 1 and not now.bad):
            continue
        due = time.monotonic() + RATE
        shown = look(values, now, running=True)
        yield ui.Shown(**shown, step=total if now.bad else step + 1, total=total)
        if now.bad:
            return


def show_learn(desk: Desk, values: Values) -> ui.Shown:
    """The machine after `updates` updates."""
    for now in desk.engine.steps(lambda: course(values, values["updates"])):
        last = now
    return ui.Shown(**look(values, last, running=False))


def look(values: Values, now: Course, running: bool) -> dict[str, Any]:
    """What is shown of a training, as arguments of `Shown`."""
    columns = columns_of(values["hidden"])
    real = (digits()[0][25::50] > 0.5).float()
    returned = now.model.visible(now.model.hidden(real)).cpu()
    dreamt = now.model.visible(now.model.hidden(now.fantasies)).cpu()
    votes = pale(now.model.filters())
    page = torch.cat([real, returned, dreamt]).nan_to_num(0.5)
    error = now.error[-1][1] if now.error else None
    data = {
        "filters": render.picture_uri(double(tile(votes.nan_to_num(0.5), columns, 1.0))), "columns": columns,
        "pictures": render.picture_uri(double(tile(page, SHOWN))),
        "error": [[n, round(e, 4)] for n, e in now.error], "updates": now.updates, "bad": now.bad, "run": running,
        "note": note(now), "alt": f"{values['hidden']} filters, one per hidden unit: bright votes for ink",
    }  # fmt: skip
    return {
        "picture": tile(votes.nan_to_num(0.5), columns), "sentence": sentence(values, now, error), "data": data,
        "model": f"a machine of 784 × {values['hidden']}", "code": code(values, now.updates), "columns": 1,
    }  # fmt: skip


def columns_of(hidden: int) -> int:
    """Filters in a row of the sheet."""
    return max(4, min(10, round(hidden**0.5)))


def note(now: Course) -> str:
    """Under the curve."""
    if not now.error:
        return "Nothing learned yet: the weights are noise, and pictures come back as the average of all digits."
    first, last = now.error[0][1], now.error[-1][1]
    return f"Mean error of a pixel: {first:.3f} at first, {last:.3f} after {now.updates} updates."


def sentence(values: Values, now: Course, error: float | None) -> str:
    """Under the stage."""
    way = f"{'PCD' if values['persistent'] else 'CD'}-{values['k']}"
    if now.bad:
        return f"Stopped after {now.updates} updates of {way}: the learning rate {values['rate']:g} is too large."
    if error is None:
        return f"{values['hidden']} hidden units that have seen nothing yet. Press Train to let {way} begin."
    seen = now.updates * BATCH
    stage = "blurs of whole digits" if now.updates < 60 else "parts of digits"
    stage = "pieces: strokes, edges and spots" if now.updates > 300 else stage
    return (
        f"{now.updates} updates of {way} at rate {values['rate']:g}: every digit seen about {seen // 500} times. A "
        f"pixel comes back wrong by {error:.3f} on average. The filters are becoming {stage}."
    )


def code(values: Mapping[str, Any], updates: int) -> str:
    """The same in Python."""
    told = {k: values[k] for k in ("seed", "hidden", "k", "rate", "persistent")}
    return "\n".join([
        "from playground import Engine", "from tabs.energy.learn import columns_of, course, pale, tile",
        f"values = {told}", f"for now in Engine().steps(lambda: course(values, {updates})):", "    last = now",
        'picture = tile(pale(last.model.filters()), columns_of(values["hidden"]))',
    ])  # fmt: skip
