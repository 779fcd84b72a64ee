"""The restricted Boltzmann machine, running: fantasy particles, its hidden units, and pixels that are held.

Every coin of a sweep comes from a stream named by (seed, particle, sweep). So the page may ask for sweeps in blocks of
any length, from any state, and gets what one long run would have given.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from playground import render
from playground.api import Field
from playground.sampling import generators
from tabs import _ui as ui
from tabs._ui.examples import digits
from tabs.energy.cells import COUNT, FREE, ON, pack_bits, unpack, unpack_bits
from tabs.energy.desk import Desk, Values, checked, tile

PARTICLES, ACROSS = 16, 4
MOST_BLOCK = 60
ABILITIES = ("sweep", "filters", "free_energy", "hidden")


def machine_of(desk: Desk, values: Values) -> str:
    """The checkpoint that runs here: the visitor's own machine where one is chosen, else the shipped one."""
    own = [name for name in [values["model"]] if desk.engine.own_card(name)]
    able = [name for name in desk.names(*ABILITIES, also=own) if name in own]
    return able[0] if able else desk.first(*ABILITIES, recipe="rbm-mnist")


# ---------------------------------------------------------------------------------------------- chains


def streams(seed: int, sweep: int) -> list[torch.Generator]:
    """One per particle, for one sweep."""
    return generators([(seed * 1_000_003 + particle * 8191 + sweep) % 2**63 for particle in range(PARTICLES)])


def beginning(model: nn.Module, values: Values) -> Tensor:
    """Binary (16, 784): test digits chosen by the seed, or the machine's own noise; held pixels as they are held."""
    if values["begin"] == "digits":
        order = torch.randperm(500, generator=torch.Generator().manual_seed(values["seed"]))[:PARTICLES]
        v = (digits()[0][order].flatten(1) > 0.5).float()
    else:
        v = model.start(model.latents([values["seed"] + i for i in range(PARTICLES)])).float().cpu()
    mask, known = held(values)
    return torch.where(mask, known, v)


def held(values: Values) -> tuple[Tensor, Tensor]:
    """Which pixels are held, bool (1, 784), and at what, float (1, 784)."""
    cells = unpack(values["clamp"])
    return (cells != FREE)[None], (cells == ON).float()[None]


def sweeps(model: nn.Module, v: Tensor, values: Values, first: int, count: int) -> tuple[Tensor, Tensor]:
    """`count` pictures with `skip` sweeps before each: binary states and p(v | h), (count, 16, 784) each.

    `first` is the number of sweeps behind `v`.
    """
    from playground.models.energy.rbm import gibbs

    weights, (mask, known) = model.weights(values["heat"]), held(values)
    fixed = (mask.expand(PARTICLES, -1).to(weights.W.device), known.expand(PARTICLES, -1).to(weights.W.device).double())
    v, states, chances = v.to(weights.W.device).double(), [], []
    for picture in range(count):
        for i in range(values["skip"]):
            v, p = gibbs(weights, v, streams(values["seed"], first + picture * values["skip"] + i), fixed)
        states.append(v.float().cpu())
        chances.append(torch.where(mask, known, p.float().cpu()))
    return torch.stack(states), torch.stack(chances)


# ---------------------------------------------------------------------------------------------- what is shown


def show_rbm(desk: Desk, values: Values) -> ui.Shown:
    """The particles after `sweeps` sweeps."""
    name = machine_of(desk, values)
    model, count = desk.model(name), values["sweeps"]

    def run() -> tuple[Tensor, Tensor, Tensor]:
        v = p = beginning(model, values)
        if count:
            states, chances = sweeps(model, v, dict(values) | {"skip": 1}, 0, count)
            v, p = states[-1], chances[-1]
        return v, p, model.hidden(v[:1].to(model.W.device)).cpu()

    v, p, hidden = desk.engine.call(run)
    picture = p.reshape(-1, 1, 28, 28)
    data = {"states": pack_rows(v), "sweep": count, "hidden": pack_bytes(hidden)}
    return ui.Shown(picture, started(values), data, model=name, code=code(name, values), columns=ACROSS)


def started(values: Values) -> str:
    """The sentence under the first picture."""
    where = "test digits" if values["begin"] == "digits" else "noise"
    return (
        f"Sixteen fantasy particles that began as {where}, seed {values['seed']}, after {values['sweeps']} sweeps. In "
        "each sweep all hidden units are thrown anew from the pixels, then all pixels from the hidden units."
    )


def block(desk: Desk, request: Any, state: ui.State) -> dict[str, Any]:
    """The next pictures of sixteen particles that stand at `chains`."""
    values = checked(request, state)
    given = {k: request.get(k) for k in ("chains", "sweep", "chosen", "count")}
    v = unpack_bits(Field("chains", "text", "", length=3000).check(given["chains"]), PARTICLES)
    first = Field("sweep", "int", 0, 0, 10**7, label="The sweep").check(given["sweep"])
    chosen = Field("chosen", "int", 0, 0, PARTICLES - 1, label="The particle").check(given["chosen"])
    count = Field("count", "int", 1, 1, MOST_BLOCK, label="The number of pictures").check(given["count"])
    name = machine_of(desk, values)
    model = desk.model(name)

    def run() -> tuple[Tensor, Tensor, Tensor, Tensor]:
        states, chances = sweeps(model, v, values, first, count)
        watched = torch.cat([v[chosen][None], states[:, chosen]]).to(model.W.device)
        return states, chances, model.hidden(watched).cpu(), model.free_energy(states[-1].to(model.W.device)).cpu()

    states, chances, hidden, energy = desk.engine.call(run)
    before = torch.cat([v[None], states[:-1]])
    changed = float((before != states).float().sum(2).mean())
    pages = torch.cat([tile(p.reshape(-1, 1, 28, 28), ACROSS) for p in chances])
    columns = min(8, count)
    return {
        "film": {"src": render.picture_uri(pages, columns, quality=86), "columns": columns},
        "count": count, "sweeps": [first + (i + 1) * values["skip"] for i in range(count)],
        "states": pack_rows(states.reshape(-1, COUNT)), "hidden": pack_bytes(hidden),
        "sentence": running(values, changed, float(energy.mean()), first),
        "lit": lit(hidden[-1]),
    }  # fmt: skip


def running(values: Values, changed: float, energy: float, sweep: int) -> str:
    """The sentence while it runs."""
    mask, known = held(values)
    on, off = int((mask & (known > 0.5)).sum()), int((mask & (known < 0.5)).sum())
    holding = f" {on} pixels are held on and {off} off; the other {COUNT - on - off} follow." if on + off else ""
    heat = values["heat"]
    mood = "" if heat == 1 else " Cold: it stays in one valley." if heat < 0.8 else (
        " Hot: the coins nearly decide alone." if heat > 1.3 else "")  # fmt: skip
    return (
        f"{changed:.0f} of 784 pixels change from one sweep to the next at temperature {heat:g}; mean free energy "
        f"{energy:.0f}.{holding}{mood} A digit turns into another only over many sweeps."
    )


def lit(hidden: Tensor) -> str:
    """How many hidden units are on."""
    return (
        f"{int((hidden > 0.5).sum())} of {len(hidden)} hidden units are likelier on than off. Filters: bright votes "
        "for ink, dark against it; the framed units are those most above their usual level."
    )


def filters(desk: Desk, request: Any, state: ui.State) -> dict[str, Any]:
    """Every hidden unit's weights as a picture, and how often it is on for test digits."""
    values = checked(request, state)
    name = machine_of(desk, values)

    def make() -> dict[str, Any]:
        model = desk.model(name)
        weights, usual = desk.engine.call(lambda: (
            model.filters().cpu(), model.hidden((digits()[0] > 0.5).float().to(model.W.device)).mean(0).cpu()
        ))  # fmt: skip
        columns = 25
        return {"src": render.png_uri(tile(pale(weights), columns)), "columns": columns, "mean": pack_bytes(usual)}

    return desk.keep(("filters", name), make)


def pale(weights: Tensor) -> Tensor:
    """(H, 1, 28, 28) weights → [0, 1], each on its own scale with 0 in the middle."""
    top = weights.abs().flatten(1).quantile(0.995, dim=1).clamp_min(1e-6)
    return (0.5 + 0.5 * weights / top[:, None, None, None]).clamp(0, 1)


def pack_rows(rows: Tensor) -> str:
    """Binary (N, 784) → base64 of N·98 bytes."""
    return pack_bits(rows)


def pack_bytes(chances: Tensor) -> str:
    """Numbers in [0, 1] → base64, a byte each."""
    return base64.b64encode(chances.mul(255).round().clamp(0, 255).numpy().astype(np.uint8).tobytes()).decode()


def functions(desk: Desk, state: ui.State) -> list[Callable[[Any], Any]]:
    """Server functions of this mode."""

    def energy_sweeps(request: Any) -> dict[str, Any]:
        return block(desk, request, state)

    def energy_filters(request: Any) -> dict[str, Any]:
        return filters(desk, request, state)

    return [energy_sweeps, energy_filters]


def code(name: str, values: Mapping[str, Any]) -> str:
    """The same in Python."""
    told = {k: values[k] for k in ("seed", "begin", "heat", "clamp")} | {"skip": 1}
    lines = [
        "from playground import Engine", "from tabs.energy.machine import beginning, sweeps",
        f'model = Engine().model("{name}")', f"values = {told}", "v = p = beginning(model, values)",
    ]  # fmt: skip
    if values["sweeps"]:
        lines.append(f"p = sweeps(model, v, values, 0, {values['sweeps']})[1][-1]")
    return "\n".join([*lines, "picture = p.reshape(-1, 1, 28, 28)"])
