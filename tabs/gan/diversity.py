"""An honest look at diversity: sixty-four samples, how far they are apart, what never occurs, and what they resemble.

Everything is held against as many real pictures seen by the same classifier, because sixty-four real pictures do not
show everything either.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from playground import metrics, render
from tabs import _ui as ui
from tabs.gan.desk import Desk, following
from tabs.gan.traits import Looks

COUNT, COLUMNS = 64, 8
LITTLE = 0.85  # a spread below this share of the real one is called narrow

Values = dict[str, Any]


@dataclass(frozen=True)
class Reference:
    """Sixty-four real pictures: their features (N, F), what was seen on them, and their mean distance apart."""

    features: Tensor
    looks: Looks
    spread: float


def reference(desk: Desk, name: str) -> Reference:
    """The real pictures that samples are held against."""

    def make() -> Reference:
        features, looks = desk.look(name, desk.spread_out(name, COUNT)[0])
        return Reference(features, looks, metrics.mean_pairwise_distance(features))

    return desk.keep(("reference", name), make)


def samples(desk: Desk, values: Values) -> tuple[Tensor, Tensor | None, list[int]]:
    """Sixty-four pictures from the seed on, every class in turn."""
    name, seeds = values["model"], following(values["seed"], COUNT)
    labels = desk.in_turn(name, COUNT)
    return desk.draw(name, desk.styles(name, seeds, labels, values["truncation"])), labels, seeds


def show(desk: Desk, values: Values) -> ui.Shown:
    """The wall, its spread and what is missing on it."""
    name = values["model"]
    made, labels, seeds = samples(desk, values)
    features, looks = desk.look(name, made)
    real = reference(desk, name)
    spread = metrics.mean_pairwise_distance(features)
    counts = tally(looks, real.looks)
    missing = [f"{row['name']}: {item['label']}" for row in counts for item in row["values"] if not item["made"]]
    unseen = [f"{row['name']}: {item['label']}" for row in counts for item in row["values"] if not item["real"]]
    wrong = None if labels is None else int((looks.answers["digit"] != labels).sum())
    data = {
        "made": render.picture_uri(made, COLUMNS), "n": COUNT, "columns": COLUMNS, "seeds": seeds,
        "spread": spread, "real_spread": real.spread, "counts": counts, "missing": missing, "unseen": unseen,
        "kinds": sum(len(row["values"]) for row in counts), "wrong": wrong,
        "worst": drift(looks, real.looks),
    }  # fmt: skip
    return ui.Shown(made, sentence(values, spread / real.spread, missing, unseen, wrong), data, columns=COLUMNS,
                    code=code(values, labels))  # fmt: skip


def tally(looks: Looks, real: Looks) -> list[dict[str, Any]]:
    """How many of the samples, and of as many real pictures, have each value of each attribute."""
    rows = []
    for head, values in looks.values.items():
        made, there = (torch.bincount(side.answers[head], minlength=len(values)).tolist() for side in (looks, real))
        items = [{"label": v, "made": m, "real": r} for v, m, r in zip(values, made, there)]
        rows.append({"name": head.replace("_", " "), "values": items})
    return rows


def drift(looks: Looks, real: Looks) -> dict[str, Any]:
    """The attribute whose shares differ most from those of the real pictures: its name, and by how much."""
    gaps = {}
    for head, values in looks.values.items():
        shares = [metrics.histogram(side.answers[head], len(values)) for side in (looks, real)]
        gaps[head] = metrics.total_variation(*shares)
    worst = max(gaps, key=lambda head: gaps[head])
    return {"name": worst.replace("_", " "), "share": gaps[worst]}


def sentence(values: Values, ratio: float, missing: list[str], unseen: list[str], wrong: int | None) -> str:
    """What the wall tells."""
    how = "about as far apart as"
    if not LITTLE < ratio < 1 / LITTLE:
        how = "nearer together than" if ratio < 1 else "farther apart than"
    lost = "every value the classifier knows occurs"
    if missing:
        lost = f"{len(missing)} of the values the classifier knows never occur ({len(unseen)} on the real ones)"
    off = "" if wrong is None else f" On {wrong} of them the classifier reads another digit than was asked for."
    return (
        f"{COUNT} samples from seed {values['seed']} at truncation {values['truncation']:.2f}. They are {how} as many "
        f"real pictures ({100 * ratio:.0f} % of their mean distance), and {lost}.{off}"
    )


def nearest(desk: Desk, values: Values) -> dict[str, Any]:
    """The nearest training picture of each sample, where an index of them is there."""
    name = values["model"]
    index = desk.index(name)
    if index is None:
        judge = desk.judge(name).card.name
        return {"none": f"No index of training pictures is here yet. Make it: python -m playground evaluate {judge}."}
    made, _, _ = samples(desk, values)
    features, _ = desk.look(name, made)
    found, distances = index.nearest(features)
    usual = desk.keep(("distance", name), lambda: float(index.nearest(reference(desk, name).features)[1].median()))
    pictures = np.stack([index.picture(i) for i in found[:, 0].tolist()])
    x = torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 255
    return {
        "nearest": render.picture_uri(x, COLUMNS), "distances": distances[:, 0].tolist(), "usual": usual,
        "searched": len(index), "n": COUNT, "columns": COLUMNS,
    }  # fmt: skip


def code(values: Values, labels: Tensor | None) -> str:
    """The wall and its spread in Python."""
    chosen = "" if labels is None else ", labels=[i % 10 for i in range(64)]"
    judge = "classifier-" + values["model"].partition("-")[2]
    return "\n".join(
        [
            "from playground import Engine, metrics",
            "engine = Engine()",
            f"seeds = [({values['seed']} + i) % 2**32 for i in range({COUNT})]",
            f'picture = engine.run("{values["model"]}", seeds, truncation={values["truncation"]}{chosen}).images',
            f'features = engine.call(lambda: engine.model("{judge}").features(picture))',
            "spread = metrics.mean_pairwise_distance(features)",
        ]
    )
