"""Directions in the space of styles: those along which styles vary most, and those the classifier points out.

    PCA         directions of largest variance, found without looking at a picture (Härkönen et al., "GANSpace", 2020)
    attributes  n ∝ (Σ + λI)⁻¹ (μ₁ − μ₀), the normal of the plane that best parts styles with the attribute from
                styles without it (Fisher 1936; Shen et al., "InterFaceGAN", 2019, use such a normal)

Whether a direction does what its name says is then measured on seeds that had no part in finding it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from tabs.gan.desk import Desk
from tabs.gan.state import COMPONENTS, REACH
from tabs.gan.traits import STROKES, Looks, has, head_of

POOL, POOL_SEEDS = 960, 500_000  # samples looked at, and the first of their seeds
FEWEST = 8  # samples with, and without, an attribute below which no direction is drawn
RIDGE = 0.1  # λ, as a share of the mean variance
TESTED, TESTED_SEEDS = 48, 600_000  # fresh samples on which directions are tried
STEPS = (-REACH, -REACH / 2, 0.0, REACH / 2, REACH)  # strengths at which an attribute is tried
PUSHED = 2.0  # σ by which a principal direction is tried
BATCH = 32  # pictures per turn on the device


@dataclass(frozen=True)
class Pool:
    """Samples that were looked at.

    Attributes:
        w: styles less the mean of their class, (N, d). looks: what was seen on their pictures.
        middle: stroke → its median. usual: stroke → its standard deviation.
    """

    w: Tensor
    looks: Looks
    middle: dict[str, float]
    usual: dict[str, float]


@dataclass(frozen=True)
class Direction:
    """A unit vector n (d,) and σ, the deviation of styles along it."""

    n: Tensor
    sigma: float


@dataclass(frozen=True)
class Dose:
    """How an attribute answers to its direction, on fresh samples.

    Attributes:
        shares: share of samples that have it at each of `STEPS`.
        flipped: of those without it at 0, the share that has it at the strongest step; None if all have it.
        kept: share of all other answers of the classifier that stay the same at the strongest step; None if none.
    """

    shares: list[float]
    flipped: float | None
    kept: float | None


def pool_of(desk: Desk, name: str) -> Pool:
    """The samples of a network that directions are found on."""
    return desk.keep(("pool", name), lambda: _pool(desk, name))


def _pool(desk: Desk, name: str) -> Pool:
    labels = desk.in_turn(name, POOL)
    w = desk.styles(name, range(POOL_SEEDS, POOL_SEEDS + POOL), labels, 1.0)
    looks = looked_at(desk, name, w)
    middle = {k: float(v.median()) for k, v in looks.measured.items()}
    usual = {k: float(v.std()) for k, v in looks.measured.items()}
    return Pool(centred(w, labels), looks, middle, usual)


def looked_at(desk: Desk, name: str, w: Tensor) -> Looks:
    """What is seen on the pictures of many styles, a turn on the device per few."""
    parts = [desk.look(name, desk.draw(name, piece))[1] for piece in w.split(BATCH)]
    answers = {head: torch.cat([part.answers[head] for part in parts]) for head in parts[0].answers}
    measured = {k: torch.cat([part.measured[k] for part in parts]) for k in parts[0].measured}
    return Looks(answers, parts[0].values, measured)


def centred(w: Tensor, labels: Tensor | None) -> Tensor:
    """Styles less their mean, class by class."""
    if labels is None:
        return w - w.mean(0)
    means = torch.stack([w[labels == k].mean(0) for k in range(int(labels.max()) + 1)])
    return w - means[labels]


# ------------------------------------------------------------------------------------------------ finding


def components(desk: Desk, name: str) -> list[Direction]:
    """The directions along which styles vary most, the strongest first."""
    return desk.keep(("components", name), lambda: _components(desk, name))


def _components(desk: Desk, name: str) -> list[Direction]:
    model = desk.model(name)
    if desk.engine.card(name).labels:  # classes differ most of all; wanted is what varies within one
        labels = desk.in_turn(name, POOL)
        w = centred(desk.styles(name, range(POOL_SEEDS, POOL_SEEDS + POOL), labels, 1.0), labels).double()
        _, s, rows = torch.linalg.svd(w, full_matrices=False)
        sign = rows.gather(1, rows.abs().argmax(1, keepdim=True)).sign()  # the decomposition leaves it open
        rows, s = (rows * sign).float(), (s / (len(w) - 1) ** 0.5).float()
    else:
        rows, s = (part.float().cpu() for part in desk.engine.call(lambda: model.principal_directions(len(COMPONENTS))))
    return [Direction(n, float(sigma)) for n, sigma in zip(rows[: len(COMPONENTS)], s)]


def attribute(desk: Desk, name: str, trait: str) -> Direction | None:
    """The direction of an attribute; None where too few samples have it, or too few lack it."""
    return desk.keep(("attribute", name, trait), lambda: _attribute(desk, name, trait))


def _attribute(desk: Desk, name: str, trait: str) -> Direction | None:
    pool = pool_of(desk, name)
    w, yes = pool.w.double(), has(trait, pool.looks, pool.middle)
    if head_of(trait) == "digit":  # the class is asked for, so it lies between the class means that were taken away
        return _towards(desk, name, trait)
    if min(int(yes.sum()), int((~yes).sum())) < FEWEST:
        return None
    within = torch.cat([w[yes] - w[yes].mean(0), w[~yes] - w[~yes].mean(0)])
    scatter = within.T @ within / len(within)
    scatter += RIDGE * scatter.diagonal().mean() * torch.eye(len(scatter), dtype=scatter.dtype)
    n = torch.linalg.solve(scatter, w[yes].mean(0) - w[~yes].mean(0))
    return _unit(n, w)


def _towards(desk: Desk, name: str, trait: str) -> Direction | None:
    """From the mean style of all samples to that of the samples the classifier takes for one digit."""
    pool, labels = pool_of(desk, name), desk.in_turn(name, POOL)
    yes = has(trait, pool.looks, pool.middle)
    if min(int(yes.sum()), int((~yes).sum())) < FEWEST:
        return None
    w = desk.styles(name, range(POOL_SEEDS, POOL_SEEDS + POOL), labels, 1.0).double()
    return _unit(w[yes].mean(0) - w[~yes].mean(0), w)


def _unit(n: Tensor, w: Tensor) -> Direction | None:
    length = n.norm()
    if not torch.isfinite(length) or length == 0:
        return None
    return Direction((n / length).float(), float((w @ (n / length)).std()))


# ------------------------------------------------------------------------------------------------ trying


def dose(desk: Desk, name: str, label: str, trait: str) -> Dose | None:
    """Whether the attribute obeys its direction, tried on fresh samples; None where there is no direction."""
    label = label if desk.engine.card(name).labels else ""
    return desk.keep(("dose", name, label, trait), lambda: _dose(desk, name, label, trait))


def _dose(desk: Desk, name: str, label: str, trait: str) -> Dose | None:
    direction = attribute(desk, name, trait)
    if direction is None:
        return None
    middle = pool_of(desk, name).middle
    looks = [looked_at(desk, name, fresh(desk, name, label) + k * direction.sigma * direction.n) for k in STEPS]
    yes = [has(trait, seen, middle) for seen in looks]
    without = ~yes[STEPS.index(0.0)]
    flipped = float(yes[-1][without].double().mean()) if without.any() else None
    others = [head for head in looks[0].answers if head != head_of(trait)]
    rest = looks[STEPS.index(0.0)]
    same = [float((looks[-1].answers[head] == rest.answers[head]).double().mean()) for head in others]
    return Dose([float(part.double().mean()) for part in yes], flipped, sum(same) / len(same) if same else None)


def fresh(desk: Desk, name: str, label: str) -> Tensor:
    """Styles (TESTED, d) of samples that no direction was found on."""
    labels = desk.labels(name, label, TESTED) if label else None
    return desk.styles(name, range(TESTED_SEEDS, TESTED_SEEDS + TESTED), labels, 1.0)


def meanings(desk: Desk, name: str, label: str) -> list[str]:
    """What each principal direction changes most, in words."""
    label = label if desk.engine.card(name).labels else ""
    return desk.keep(("meanings", name, label), lambda: _meanings(desk, name, label))


def _meanings(desk: Desk, name: str, label: str) -> list[str]:
    w, say = fresh(desk, name, label), (_in_strokes(desk, name) if pool_of(desk, name).middle else _in_answers)
    found = []
    for direction in components(desk, name):
        step = PUSHED * direction.sigma * direction.n
        found.append(say(looked_at(desk, name, w - step), looked_at(desk, name, w + step)))
    return found


def _in_answers(low: Looks, high: Looks) -> str:
    """The two heads whose answer changes on the largest share of pictures."""
    changed = {head: float((low.answers[head] != high.answers[head]).double().mean()) for head in low.answers}
    top = sorted(changed, key=lambda head: -changed[head])[:3]
    return ", ".join(f"{head.replace('_', ' ')} on {100 * changed[head]:.0f} %" for head in top)


def _in_strokes(desk: Desk, name: str) -> Callable[[Looks, Looks], str]:
    pool = pool_of(desk, name)
    lean = ("leaning left", "leaning right")
    words = {"thick strokes": ("thinner", "thicker"), "leans right": lean, "wide": ("narrower", "wider")}

    def say(low: Looks, high: Looks) -> str:
        moved = {k: float((high.measured[k] - low.measured[k]).mean()) / (pool.usual[k] + 1e-9) for k in STROKES}
        ranked = sorted(STROKES, key=lambda k: -abs(moved[k]))
        parts = [f"{words[k][moved[k] > 0]} by {abs(moved[k]):.1f} σ" for k in ranked]
        other = float((low.answers["digit"] != high.answers["digit"]).double().mean())
        return ", ".join(parts[:2]) + (f"; another digit on {100 * other:.0f} %" if other else "")

    return say
