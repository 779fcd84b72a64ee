"""How likely a flow of digits finds what is no digit.

A likelihood is a density, and the densest place need not be where anything ever falls: draws of a Gaussian in D
dimensions lie on a shell |z|² ≈ D, far from its densest place at zero. So beside log p stands the other question, how
far |z|²/D is from where digits have it.

Nalisnick et al., "Do deep generative models know what they don't know?", 2019, and "Detecting out-of-distribution
inputs using typicality", 2019; Kirichenko et al., "Why normalizing flows fail to detect out-of-distribution data",
2020.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from playground import render
from tabs import _ui as ui
from tabs._ui.examples import digits
from tabs.flow.clothes import shirts
from tabs.flow.desk import Desk

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
SIDE, COLUMNS, NOISES, OWN = 28, 20, 16, 16
ACROSS = 8  # pictures in a row of what is saved
OWN_SEEDS = 900_000  # of the model's own samples


@dataclass(frozen=True)
class Group:
    """Pictures of one kind. about: what they are, in a few words."""

    name: str
    about: str
    pictures: Tensor


@dataclass(frozen=True)
class Outlook:
    """What a model says of a group, (N,) each: bits per dimension, and |z|²/D."""

    bits: Tensor
    shell: Tensor


@lru_cache(maxsize=1)  # constants, drawn once
def groups() -> tuple[Group, ...]:
    """The kinds of pictures, digits first."""
    images = digits()[0]
    noise = torch.rand(NOISES, 1, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    plain = torch.tensor([0.0, 0.5, 1.0]).reshape(3, 1, 1, 1).expand(3, 1, SIDE, SIDE)
    return (
        Group("test digits", "from MNIST's test pictures", images[3::12][:40]),
        Group("letters", "A to Z in a plain typeface", torch.stack([letter(c) for c in ALPHABET])),
        Group("shirts", "photographs, small and grey", shirts()),
        Group("inverted digits", "black on white", 1 - images[7::25]),
        Group("plain", "all black, all grey, all white", plain.contiguous()),
        Group("noise", "every pixel on its own", noise),
    )


def letter(character: str) -> Tensor:
    """White on black, (1, SIDE, SIDE), as high as a digit."""
    page = Image.new("L", (SIDE, SIDE))
    pen = ImageDraw.Draw(page)
    pen.text((SIDE / 2, SIDE / 2), character, fill=255, font=ImageFont.load_default(24), anchor="mm")
    return torch.frombuffer(bytearray(page.tobytes()), dtype=torch.uint8).float().reshape(1, SIDE, SIDE) / 255


def outlooks(desk: Desk, name: str) -> list[Outlook]:
    """A model's verdict on every group, and at the end on its own samples."""
    return desk.keep(("outlooks", name), lambda: [outlook(desk, name, g.pictures) for g in all_groups(desk, name)])


def all_groups(desk: Desk, name: str) -> list[Group]:
    """The groups, and the model's own samples."""
    own = desk.keep(("own", name), lambda: desk.sample(name, range(OWN_SEEDS, OWN_SEEDS + OWN), 1.0))
    return [*groups(), Group("its own samples", "made by this flow", own)]


def outlook(desk: Desk, name: str, x: Tensor) -> Outlook:
    """Bits per dimension and |z|²/D of some pictures."""
    return Outlook(desk.bits(name, x), desk.shell(name, x))


def told_apart(group: Tensor, reference: Tensor) -> float:
    """How often one of the group scores higher than one of the reference, ties half: the area under the ROC curve."""
    gap = group[:, None] - reference[None]
    return float((gap > 0).double().mean() + 0.5 * (gap == 0).double().mean())


def show_surprise(desk: Desk, values: dict[str, Any]) -> ui.Shown:
    """Every picture as a dot: how many bits it costs, and how far its noise is from the shell."""
    name = values["model"]
    every, found = everyone(desk, values), list(outlooks(desk, name))
    found += [outlook(desk, name, group.pictures) for group in every[len(found) :]]
    usual = found[0]
    middle = usual.shell.median()
    rows = [row(group, seen, usual, middle) for group, seen in zip(every, found)]
    pictures = torch.cat([group.pictures for group in every])
    data = {
        "rows": rows, "sheet": render.picture_uri(pictures, COLUMNS), "columns": COLUMNS, "n": len(pictures),
        "table": table(desk, rows), "shell": float(middle),
    }  # fmt: skip
    disabled = {"seed": "Nothing is drawn by lot here: the pictures are always the same."}
    return ui.Shown(
        strip(every), sentence(rows, float(middle)), data, columns=ACROSS, code=code(values), disabled=disabled
    )


def row(group: Group, seen: Outlook, usual: Outlook, middle: Tensor) -> dict[str, Any]:
    """One line of the plot."""
    far = told_apart((seen.shell - middle).abs(), (usual.shell - middle).abs())
    return {
        "name": group.name, "about": group.about, "bits": [round(float(b), 4) for b in seen.bits],
        "shell": [round(float(s), 4) for s in seen.shell], "mean": float(seen.bits.mean()),
        "by_bits": told_apart(seen.bits, usual.bits), "by_shell": far,
    }  # fmt: skip


def everyone(desk: Desk, values: Mapping[str, Any]) -> list[Group]:
    """All groups, and the visitor's drawing where there is one."""
    every, card = all_groups(desk, values["model"]), desk.engine.card(values["model"])
    if values["source"] != "drawing" or not values["drawing"]:
        return every
    return [*every, Group("your drawing", "", ui.read_picture(values["drawing"], card.shape, card.data))]


def strip(every: Sequence[Group]) -> Tensor:
    """The first few of every group, a row each, black where there are fewer."""
    rows = [group.pictures[:ACROSS] for group in every]
    return torch.cat([torch.cat([row, row.new_zeros(ACROSS - len(row), *row.shape[1:])]) for row in rows])


def table(desk: Desk, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Average bits per dimension of every group under every flow of digits."""
    cards = desk.cards("surprise")
    values = {card.name: [round(float(seen.bits.mean()), 2) for seen in outlooks(desk, card.name)] for card in cards}
    return {"models": [card.title.partition(",")[0] for card in cards], "names": [card.name for card in cards],
            "columns": list(values.values()), "groups": [r["name"] for r in rows][: len(groups()) + 1]}  # fmt: skip


def sentence(rows: list[dict[str, Any]], middle: float) -> str:
    """What is most surprising here."""
    likelier = [r for r in rows[1 : len(groups())] if min(r["bits"]) < rows[0]["mean"]]
    plain = next(r for r in rows if r["name"] == "plain")
    text = (
        f"Test digits cost {rows[0]['mean']:.2f} bits per dimension on average, an all-black picture "
        f"{plain['bits'][0]:.2f}; its |z|²/D is {plain['shell'][0]:.2f}, theirs {middle:.2f}. "
    )
    if not likelier:
        return text + "Here nothing foreign is likelier than an average digit."
    names = " and ".join("the black picture" if r["name"] == "plain" else f"some {r['name']}" for r in likelier[:3])
    return text + f"Likelier than an average digit: {names}. Dense does not mean “like the training pictures”."


def code(values: Mapping[str, Any]) -> str:
    """The same in Python: the picture, and the numbers of every group."""
    named = {key: values[key] for key in ("model", "source", "drawing")}
    return "\n".join([
        "from playground import Engine", "from tabs.flow.desk import desk_of",
        "from tabs.flow.surprise import everyone, outlook, strip", "desk = desk_of(Engine())", f"values = {named}",
        "groups = everyone(desk, values)", "picture = strip(groups)",
        'bits = {g.name: outlook(desk, values["model"], g.pictures).bits for g in groups}',
    ])  # fmt: skip
