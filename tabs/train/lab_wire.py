"""A moment as the page wants it: about 7 KB a lane.

Points are int16 in 1/4000 of the plane's unit, the field is a byte per place, arrows are float32; all in base64.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from playground.training.lab import Moment, Session
from tabs.train.lab_bench import Bench, Lane

UNIT = 4000  # an int16 of 4000 is one plane unit
SEEN = 6.0  # nats below the densest place of the target that still have a colour
FAR_OFF = 1.5  # plane units; a reconstruction farther off is the palest
RELATIVE = ("wasserstein clipped", "wasserstein penalty", "relativistic")  # losses in which only differences count
FIELDS = {
    "log density": "Colour: the density it has learned, exact.",
    "estimated log density": "Colour: the density it has learned, estimated from 256 codes.",
    "smoothed samples": "Colour: where its samples are, blurred. This family has no density at hand.",
    "reconstruction error": "Colour: where points come back nearly unchanged.",
}
LOGIT = "Colour: where the discriminator leans towards “real”; the line is where it is undecided."
CRITIC = "Colour: where the discriminator ranks points higher; only differences count. The line halves the plane."


def lane_json(lane: Lane) -> dict[str, Any]:
    """What the page draws of one lane now."""
    session = lane.session
    return moment_json(session, lane.moment) | {
        "whole": session.stage == 0, "trouble": session.trouble, "mends": mends(session) if session.trouble else None,
    }  # fmt: skip


def past_json(lane: Lane) -> list[dict[str, Any]]:
    """Moments of one lane that were recorded since the page was last told of it, the newest left out."""
    fresh = [m for m in lane.session.moments[:-1] if m.update > lane.told]
    return [moment_json(lane.session, m) | {"whole": True, "trouble": "", "mends": None} for m in fresh]


def moment_json(session: Session, moment: Moment) -> dict[str, Any]:
    """One moment of a session."""
    return {
        "update": moment.update, "part": moment.part, "says": moment.says, "losses": _short(moment.losses),
        "distances": _short(moment.distances), "force": _five(moment.force), "settings": moment.settings,
        "samples": points(moment.samples), "arrows": pack(moment.arrows.float()),
        "field": pack(shade(moment, top(session))),
        "clouds": {name: points(cloud[:256]) for name, cloud in moment.clouds.items()} if moment.part else {},
        "means": field_means(moment.field.kind, moment.settings),
    }  # fmt: skip


def ground_json(bench: Bench) -> dict[str, Any]:
    """What stays the same while lanes learn: points of the target, and what perfect samples would score."""
    session = bench.lanes[0].session
    return {"points": points(session.ruler.reference), "exact": _short(session.exact()), "unit": UNIT,
            "side": session.moments[-1].side}  # fmt: skip


def top(session: Session) -> float:
    """log p of the densest place of the target that was seen, in nats: where the colour is deepest."""
    return float(session.target.log_density(session.ruler.reference).max())


def shade(moment: Moment, highest: float) -> Tensor:
    """The field as bytes (side²), on a scale that stays the same while it learns.

    Densities: how deep the colour is, over the six nats below the target's densest place. Reconstruction error: none is
    deepest. Discriminator: its sureness t in [−1, 1], above zero towards real, as 127.5 + 127.5·sign(t)·√|t|, so that
    the place where it is undecided is found exactly. Where only differences count, t compares with the plane's middle
    value, and the plane's own spread is the scale.
    """
    values, kind = moment.field.values.double().nan_to_num(-1e3), moment.field.kind
    if kind == "discriminator":
        if moment.settings["loss"] in RELATIVE:
            values = (values - values.median()) / values.std().clamp_min(1e-9)
        sure = torch.tanh(values)
        return (127.5 + 127.5 * sure.sign() * sure.abs().sqrt()).round().to(torch.uint8)
    depth = 1 - values / FAR_OFF if kind == "reconstruction error" else 1 - (highest - values) / SEEN
    return depth.clamp(0, 1).mul(255).round().to(torch.uint8)


def field_means(kind: str, settings: Mapping[str, Any]) -> str:
    """What the colour of a lane shows."""
    if kind == "discriminator":
        return CRITIC if settings["loss"] in RELATIVE else LOGIT
    return FIELDS[kind]


def mends(session: Session) -> dict[str, Any]:
    """The learning rates this lane had before they were turned too high, or the usual ones."""
    usual = {f.name: f.default for f in session.learner.settings if f.name.startswith("lr")}
    now, back = session.settings, {}
    for name, default in usual.items():
        turned = [c.value for c in session.history.changes if c.name == name and c.value < now[name]]
        back[name] = min(turned[-1] if turned else default, default)
    return {name: value for name, value in back.items() if value != now[name]} or {
        name: value / 10 for name, value in now.items() if name in usual
    }


def points(cloud: Tensor) -> str:
    """(N, 2) plane points → base64 of int16."""
    return pack(cloud.mul(UNIT).round().clamp(-32767, 32767).to(torch.int16))


def pack(values: Tensor) -> str:
    """Numbers → base64, little-endian."""
    return base64.b64encode(np.ascontiguousarray(values.numpy()).tobytes()).decode()


def _short(values: dict[str, float]) -> dict[str, float | None]:
    return {name: _five(v) for name, v in values.items()}


def _five(value: float) -> float | None:
    """Five digits that count; None where there is no number."""
    return float(f"{value:.5g}") if math.isfinite(value) else None
