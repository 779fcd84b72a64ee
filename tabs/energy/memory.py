"""Hopfield's memory: patterns a visitor stores, a damaged one that settles, and what happens when there are too many.

The memories travel in the state as short text, parted by dots: "t157" is a test digit, "p…" a drawing of 784 bits,
"n5" the fifth random pattern.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from playground import render
from playground.api import Field, Frame, PlaygroundError
from tabs import _ui as ui
from tabs._ui.examples import COUNT as DIGITS
from tabs._ui.examples import digits
from tabs.energy.cells import COUNT, pack_bits, unpack_bits
from tabs.energy.desk import Desk, Values, film, spread, tile
from tabs.energy.state import MOST_MEMORIES

FILM = 40  # moments that can be scrubbed
TRIED = 40  # memories on which recall is measured
SLOW, STRIDE = 14, 56  # looks at the first units asked, and how many between two looks
ROUNDS = 6  # times every unit is asked, at most
ACROSS = 20
RECALLED = 0.95  # overlap with a memory from which it counts as recalled
HEBB = 0.138  # patterns per unit that Hebb's rule holds, if they are random
ABILITIES = ("settle", "store")
UNITS, MOST_LOAD = 200, 0.3  # of the capacity curves: units, and the largest P / N drawn
LOADS = {  # P / N where they are measured
    "hebb": (0.02, 0.06, 0.1, 0.12, 0.14, 0.16, 0.2, 0.25, 0.3),
    "pseudo-inverse": (0.02, 0.1, 0.2, 0.3),
    "modern": (0.02, 0.15, 0.3),
}
RULES = {"hebb": "Hebb's rule", "pseudo-inverse": "The pseudo-inverse rule", "modern": "A modern Hopfield network"}


# ---------------------------------------------------------------------------------------------- memories


def parse(text: str) -> list[str]:
    """ "t0.t52.p…" → tokens, every one checked."""
    tokens = [token for token in text.split(".") if token]
    if not 1 <= len(tokens) <= MOST_MEMORIES:
        raise PlaygroundError(
            f"There are {len(tokens)} memories. From 1 to {MOST_MEMORIES} have room; add or forget some."
        )
    return tokens


def pattern(token: str) -> Tensor:
    """One token → ±1 (784,)."""
    if token.startswith("p"):
        return 2 * unpack_bits(token[1:])[0] - 1
    if token.startswith("n"):
        number = Field("noise", "int", 0, 0, 10**6, label="The number of a random pattern").check(token[1:])
        return torch.where(torch.rand(COUNT, generator=torch.Generator().manual_seed(number)) < 0.5, 1.0, -1.0)
    if not token.startswith("t"):
        raise PlaygroundError(f"The memory {token[:20]!r} is not understood. Forget it and store another.")
    number = Field("test", "int", 0, 0, DIGITS - 1, label="The number of a remembered test digit").check(token[1:])
    return torch.where(digits()[0][number].flatten() > 0.5, 1.0, -1.0)


def patterns(values: Values) -> Tensor:
    """(P, 784) of ±1."""
    return torch.stack([pattern(token) for token in parse(values["memories"])])


def bits(drawing: str) -> Tensor:
    """A drawing → ±1 (784,)."""
    if not drawing:
        raise PlaygroundError("The pad is empty. Draw a pattern on it first.")
    return torch.where(ui.read_picture(drawing, (1, 28, 28), "mnist").flatten() > 0.5, 1.0, -1.0)


def cue(values: Values, stored: Tensor) -> Tensor:
    """±1 (784,): what the network is shown, pixels turned over last."""
    noise = torch.Generator().manual_seed(values["seed"])
    if values["cue"] == "memory":
        start = stored[min(values["which"], len(stored)) - 1]
    elif values["cue"] == "all":
        votes = stored.sum(0)
        coins = torch.where(torch.rand(COUNT, generator=noise) < 0.5, 1.0, -1.0)
        start = torch.where(votes == 0, coins, votes.sign())
    elif values["cue"] == "noise":
        return torch.where(torch.rand(COUNT, generator=noise) < 0.5, 1.0, -1.0)
    else:
        start = bits(values["drawing"])
    return torch.where(torch.rand(COUNT, generator=noise) < values["flip"], -start, start)


# ---------------------------------------------------------------------------------------------- settling


def remembering(desk: Desk, values: Values, stored: Tensor) -> nn.Module:
    """A network that holds the patterns. Nothing of a checkpoint is needed but the wiring, so none has to be there."""
    from playground.models.energy.hopfield import Hopfield

    names = desk.names(*ABILITIES)
    return (desk.model(names[0]) if names else Hopfield()).store(stored, rule=values["rule"])


def settle(memory: nn.Module, start: Tensor, seed: int) -> Iterator[Frame]:
    """Unit after unit in random order until none wants to change; the first of them in slow motion."""
    state, asked = start[None], 0
    for part in range(SLOW):
        for frame in memory.settle(state, STRIDE, [seed + part + 1]):
            state, asked = frame.state, (part + 1) * STRIDE
            yield replace(frame, info={"updates": asked})
    for frame in memory.settle(state, ROUNDS * COUNT, [seed]):
        yield replace(frame, info={"updates": asked + frame.info["updates"]})


def show_hopfield(desk: Desk, values: Values) -> ui.Shown:
    """A cue settles; how near it is to each memory on the way, and how full the network is."""
    stored = patterns(values)
    memory, start = remembering(desk, values, stored), cue(values, stored)
    frames = list(desk.engine.steps(lambda: settle(memory, start, values["seed"])))
    states = torch.cat([start[None], *(frame.state.float().cpu() for frame in frames)])
    energy = desk.engine.call(lambda: memory.energy(states.to(desk.engine.device))).double().cpu()
    asked = [0, *(int(frame.info["updates"]) for frame in frames)]
    kept = spread(asked, FILM)
    overlaps = (states[kept] @ stored.T / COUNT).T  # (P, T)
    own = recall(desk, memory, stored, values)
    pictures = ((states + 1) / 2).reshape(-1, 1, 28, 28)
    data = {
        "film": film({"state": pictures[kept]}, quality=98), "captions": ["what the network holds"],
        "labels": [f"{asked[i]} asked" for i in kept], "x": [asked[i] for i in kept],
        "energy": [round(float(energy[i]), 2) for i in kept], "overlaps": overlaps.mul(1000).round().div(1000).tolist(),
        "memories": {"src": render.png_uri(tile((stored.reshape(-1, 1, 28, 28) + 1) / 2, ACROSS)), "columns": ACROSS},
        "neurons": COUNT, "own": {"x": len(stored) / COUNT, "y": own}, "note": MEMORIES_NOTE,
        "falls": falls(energy, states), "crowd": crowd(values, len(stored), own),
    }  # fmt: skip
    finals = torch.cat([pictures[:1], pictures[-1:]])
    return ui.Shown(finals, describe(values, stored, states), data, model=(desk.names(*ABILITIES) or ["hopfield"])[0],
                    disabled=no_effect(values), patch=fitted(values, stored), code=code(values), columns=2)  # fmt: skip


MEMORIES_NOTE = (
    "Bars: overlap of the state with each memory (hatched: with its negative). Choose one to begin with it; × forgets."
)


def fitted(values: Values, stored: Tensor) -> dict[str, int]:
    """A number of a memory that is not there becomes the last."""
    return {"which": len(stored)} if values["which"] > len(stored) else {}


def no_effect(values: Values) -> dict[str, str]:
    """Controls that do nothing now, and why."""
    off = {} if values["cue"] == "memory" else {"which": "Something else than a memory is begun with."}
    return off | ({"flip": "Noise is all damage already."} if values["cue"] == "noise" else {})


def falls(energy: Tensor, states: Tensor) -> str:
    """Under the energy curve."""
    changed = int((states[0] != states[-1]).sum())
    if changed == 0:
        return "The energy stays where it is: no unit wants to change. The cue itself is a resting place."
    return f"From {energy[0]:.1f} to {energy[-1]:.1f}, never rising: {changed} of 784 units changed their mind."


def describe(values: Values, stored: Tensor, states: Tensor) -> str:
    """The sentence: a memory, its negative, a mixture, or nothing known."""
    which, hurt = min(values["which"], len(stored)), values["flip"] and values["cue"] != "noise"
    begin = {
        "memory": f"Memory {which}",
        "all": "A mixture of all memories",
        "noise": "Noise",
        "drawing": "Your drawing",
    }
    damage = f" with {100 * values['flip']:.0f} % of its pixels turned over" if hurt else ""
    near = stored @ states[-1] / COUNT
    order = near.abs().argsort(descending=True).tolist()
    best = order[0]
    if near[best] > RECALLED:
        exact = "" if near[best] == 1 else ", but for a few pixels"
        other = values["cue"] == "memory" and best + 1 != which
        end = f"settled into memory {best + 1}{exact}{', which is another than the one begun with' * other}."
    elif near[best] < -RECALLED:
        end = f"settled into the negative of memory {best + 1}: with every pixel turned over the energy is the same."
    else:
        parts = ", ".join(f"{near[i]:+.2f} of memory {i + 1}" for i in order[:3])
        end = f"settled into a state nobody stored, a spurious memory: {parts}."
    many = "memory" if len(stored) == 1 else "memories"
    return f"{begin[values['cue']]}{damage} {end} {RULES[values['rule']]}, {len(stored)} {many}."


def recall(desk: Desk, memory: nn.Module, stored: Tensor, values: Values) -> float:
    """Share of the memories that come back when the damage is done to each of them."""
    stored = stored[spread(stored, TRIED)]
    noise = torch.Generator().manual_seed(values["seed"] + 1)
    cues = torch.where(torch.rand(stored.shape, generator=noise) < values["flip"], -stored, stored)
    seeds = [values["seed"] + i for i in range(len(stored))]
    for frame in desk.engine.steps(lambda: memory.settle(cues, ROUNDS * COUNT, seeds)):
        last = frame
    return float(((last.state.cpu() * stored).sum(1) / COUNT > RECALLED).float().mean())


def crowd(values: Values, count: int, own: float) -> str:
    """Where the visitor's network stands."""
    many = "memory" if count == 1 else "memories"
    return (
        f"Yours: {count} {many} on 784 pixels, P/N = {count / COUNT:.3f}; with {100 * values['flip']:.0f} % damage "
        f"{100 * own:.0f} % of them come back."
    )


# ---------------------------------------------------------------------------------------------- what the page asks


def functions(desk: Desk, state: ui.State) -> list[Callable[[Any], Any]]:
    """Server functions of this mode."""

    def energy_remember(request: Any) -> dict[str, Any]:
        drawing = request.get("drawing") if isinstance(request, Mapping) else None
        checked = Field("drawing", "text", "", length=400_000, label="The drawing").check(drawing)
        return {"token": "p" + pack_bits(bits(checked) > 0)}

    def energy_capacity(request: Any) -> dict[str, Any]:
        return curves(desk)

    return [energy_remember, energy_capacity]


def curves(desk: Desk) -> dict[str, Any]:
    """Recall of random patterns against their number, for every rule."""
    from playground.models.energy.hopfield import capacity_curve

    def point(rule: str, load: float, seed: int) -> tuple[float, float]:
        return desk.engine.call(lambda: capacity_curve(rule, units=UNITS, seed=seed, loads=[load]))[0]

    def make() -> dict[str, Any]:
        lines = []
        for rule, loads in LOADS.items():
            found = [point(rule, load, seed) for seed, load in enumerate(loads)]  # a turn each: nobody waits for all
            lines.append({"name": rule, "values": [[round(x, 4), round(y, 4)] for x, y in found]})
        return {"lines": lines, "most": MOST_LOAD, "note": CURVES_NOTE}

    return desk.keep(("capacity",), make)


CURVES_NOTE = (
    "Lines: random patterns. Hebb's rule breaks near 0.138 patterns per pixel. Digits overlap, and crowd it far sooner."
)


def prepare(desk: Desk) -> None:
    """The capacity curves, before the first visitor asks."""
    curves(desk)


def code(values: Mapping[str, Any]) -> str:
    """The same in Python."""
    keys: Sequence[str] = ("memories", "rule", "cue", "which", "flip", "seed")
    told = {k: values[k] for k in keys} | {"drawing": values["drawing"] if values["cue"] == "drawing" else ""}
    return "\n".join([
        "import torch", "from playground import Engine", "from tabs.energy.desk import desk_of",
        "from tabs.energy.memory import cue, patterns, remembering, settle", "desk = desk_of(Engine())",
        f"values = {told}", "stored = patterns(values)", "start = cue(values, stored)",
        f"frames = list(settle(remembering(desk, values, stored), start, {values['seed']}))",
        "picture = (torch.stack([start, frames[-1].state[0].cpu()]).reshape(-1, 1, 28, 28) + 1) / 2",
    ])  # fmt: skip
