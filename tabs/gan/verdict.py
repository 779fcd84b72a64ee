"""What the discriminator says: to samples, to real pictures, to one's own.

Its answer is a logit without a unit. It was only ever trained to rank a real picture above a made one, so what is said
here is a rank as well: how many of the real and of the made pictures the discriminator finds less convincing.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from playground import render
from tabs import _ui as ui
from tabs.gan.desk import Desk, Verdicts, following

MADE, REAL, COLUMNS = 16, 8, 8  # pictures on the walls

Values = dict[str, Any]


def show_verdict(desk: Desk, values: Values, x: Tensor, what: str, patch: Values) -> ui.Shown:
    """One's own picture among real and made ones, and two walls in the order of conviction."""
    name = values["model"]
    usual = desk.verdicts(name)
    made, kinds, seeds = wall(desk, values)
    own = float(desk.criticise(name, x, desk.labels(name, values["label"], 1))[0])
    logits = desk.criticise(name, made, kinds)
    real, real_logits = desk.keep(("real wall", name), lambda: real_wall(desk, name))
    order = logits.argsort(descending=True, stable=True)
    data = {
        "input": render.png_uri(x), "own": own - usual.middle, "words": in_words(own, usual),
        "real": (usual.real - usual.middle).tolist(), "made": (usual.made - usual.middle).tolist(),
        "fakes": render.picture_uri(made[order], COLUMNS), "fake_logits": (logits[order] - usual.middle).tolist(),
        "seeds": [seeds[i] for i in order.tolist()],
        "reals": render.picture_uri(real, COLUMNS), "real_logits": (real_logits - usual.middle).tolist(),
        "columns": COLUMNS, "colour": x.shape[1] == 3,
    }  # fmt: skip
    sentence = (
        f"{what} before the discriminator, and below it {MADE} samples and {REAL} real pictures. Shown a real and a "
        f"made picture, it picks the real one in {100 * skill(usual):.0f} of 100 pairs; 50 would be guessing."
    )
    return ui.Shown(torch.cat([x, made[order][:7]]), sentence, data, patch=patch, columns=4, code=code(values))


def wall(desk: Desk, values: Values) -> tuple[Tensor, Tensor | None, list[int]]:
    """Samples from the seed on, of the class asked for."""
    name, seeds = values["model"], following(values["seed"], MADE)
    labels = desk.labels(name, values["label"], MADE)
    return desk.draw(name, desk.styles(name, seeds, labels, values["truncation"])), labels, seeds


def real_wall(desk: Desk, name: str) -> tuple[Tensor, Tensor]:
    """Real pictures and their logits, the most convincing first."""
    real, labels = desk.spread_out(name, REAL)
    logits = desk.criticise(name, real, labels)
    order = logits.argsort(descending=True, stable=True)
    return real[order], logits[order]


def skill(usual: Verdicts) -> float:
    """P(a real picture is ranked above a made one), ties counted half."""
    above = (usual.real[:, None] > usual.made[None]).double().mean()
    equal = (usual.real[:, None] == usual.made[None]).double().mean()
    return float(above + equal / 2)


def in_words(logit: float, usual: Verdicts) -> str:
    """The verdict as a sentence."""
    above_made = 100 * float((usual.made < logit).double().mean())
    above_real = 100 * float((usual.real < logit).double().mean())
    if logit < float(usual.made.min()):
        return "A fake, says the discriminator: less convincing than anything the generator makes."
    if logit > float(usual.real.max()):
        return "More than real, says the discriminator: more convincing than every real picture it was tried on."
    opinion = "Rather real" if logit > usual.middle else "Rather a fake"
    return (f"{opinion}, says the discriminator: more convincing than {above_made:.0f} of 100 made pictures and than "
            f"{above_real:.0f} of 100 real ones.")  # fmt: skip


def code(values: Values) -> str:
    """The verdict in Python."""
    kept = {k: values[k] for k in ("model", "seed", "truncation", "label", "source", "test", "drawing")}
    return "\n".join(
        [
            "from playground import Engine",
            "from tabs.gan.desk import desk_of",
            "from tabs.gan.modes import picture_of",
            "engine = Engine()",
            "desk = desk_of(engine)",
            f"picture, _, _ = picture_of(desk, {kept!r})",
            f"labels = desk.labels({values['model']!r}, {values['label']!r}, 1)",
            f"logit = desk.criticise({values['model']!r}, picture, labels)",
        ]
    )
