"""What the page shows as "the same in Python"; every snippet ends with the picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tabs.autoregressive.lanes import Recipe
from tabs.autoregressive.state import ENDINGS, UNTOLD

Values = Mapping[str, Any]
START = "from playground import Engine\nengine = Engine()"


def keywords(recipe: Recipe) -> str:
    """Settings as they stand in a call."""
    return "".join(f", {name}={value!r}" for name, value in recipe.settings)


def sample(values: Values, recipe: Recipe) -> str:
    """One run."""
    label = f", labels={recipe.label}" if recipe.label is not None else ""
    run = f'engine.run("{recipe.model}", [{recipe.seed}]{label}{keywords(recipe)})'
    return f"{START}\npicture = {run}.images"


def branches(values: Values, chain: Sequence[Recipe], coded: bool = False) -> str:
    """The sample, then each branch from the picture it leaves."""
    if len(chain) == 1:
        return sample(values, chain[0])
    root = chain[0]
    label = f", labels={root.label}" if root.label is not None else ""
    what = "state.long()" if coded else "images"
    lines = ["import torch", START, f'model = engine.model("{root.model}")',
             f'lanes = [engine.run("{root.model}", [{root.seed}]{label}{keywords(root)})]']  # fmt: skip
    told = f", torch.tensor([{root.label}])" if root.label is not None else ""
    order = dict(root.settings).get("order", "rows")
    if order != "rows":
        lines.append("from tabs.autoregressive.desk import desk_of; desk = desk_of(engine)")
    for recipe in chain[1:]:
        start = f"{recipe.place + 1}" if order == "rows" else f'desk.start("{root.model}", {recipe.place}, {order!r})'
        lines += [f"x = lanes[{chain.index(recipe.parent)}].{what}.clone()",
                  f"x.view(-1)[{recipe.place}] = {recipe.value}",
                  f"run = engine.steps(lambda: model.continue_from(x, {start}, [{recipe.seed}]{told}"
                  f"{keywords(recipe)}))", "lanes.append(list(run)[-1])"]  # fmt: skip
    return "\n".join([*lines, "picture = torch.cat([lane.images for lane in lanes])"])


def picture(values: Values) -> str:
    """Where the picture comes from."""
    keys = {
        "test": ("test",),
        "own": ("drawing",),
        "sample": ("seed", "label", "temperature", "top_k", "top_p", "order"),
    }
    given = {k: values[k] for k in ("model", "source", *keys[values["source"]])}
    return f"from tabs.autoregressive.desk import desk_of\nx = desk_of(engine).picture({given!r})"


def opened(values: Values) -> str:
    """Network and picture."""
    return f'import torch\n{START}\nmodel = engine.model("{values["model"]}")\n{picture(values)}'


def complete(values: Values, filters: bool, classes: int) -> str:
    """Eight repairs of one hole."""
    from tabs.autoregressive.pictures import HALVES

    cover = {
        "top": "mask[..., : x.shape[-2] // 2, :] = 0",
        "bottom": "mask[..., x.shape[-2] // 2 :, :] = 0",
        "left": "mask[..., : x.shape[-1] // 2] = 0",
        "right": "mask[..., x.shape[-1] // 2 :] = 0",
    }
    hole = {"hole": values["hole"], "mask": values["mask"]}
    if values["hole"] in HALVES:
        known = f"mask = torch.ones(1, 1, *x.shape[-2:])\n{cover[values['hole']]}  # 0 where it is to be made up"
    else:
        known = f"from tabs.autoregressive.pictures import hole_of\nmask = 1 - hole_of({hole!r}, x.shape[-2:])"
    told = values["told"] != UNTOLD and classes
    label = f"torch.full(({ENDINGS},), model.card.labels.index({values['told']!r}))" if told else "None"
    more = f", particles={values['particles']}, temperature={values['temperature']}" if filters else ""
    seeds = f"[({values['seed']} + i) % 2**32 for i in range({ENDINGS})]"
    return (
        f"{opened(values)}\n{known}\nx, mask = x.expand({ENDINGS}, -1, -1, -1), mask.expand({ENDINGS}, -1, -1, -1)\n"
        f"run = engine.steps(lambda: model.repair(x, mask, {seeds}, {label}{more}))\npicture = list(run)[-1].images"
    )


def surprise(values: Values, name: str, label: int | None) -> str:
    """Nats of every pixel."""
    told = "" if label is None else f", torch.tensor([{label}])"
    return f"{opened(values)}\npicture = engine.call(lambda: model.surprise(x{told}))  # nats of every pixel"


def token_surprise(values: Values) -> str:
    """Nats of every code."""
    return f"{opened(values)}\npicture = -engine.call(lambda: model.token_log_prob(x))  # nats of every code"


def fields(values: Values, row: int, column: int) -> str:
    """Three receptive fields."""
    where = f"{values['layers']}, {values['kernel']}, {row}, {column}"
    return (
        f"import torch\n{START}\nfrom playground.models.autoregressive import blind_spot_field\n"
        f'model = engine.model("{values["model"]}")\n'
        f"first, gated = (blind_spot_field({where}, gated=g) for g in (False, True))\n"
        f"own = engine.call(lambda: model.receptive_field({row}, {column}))\n"
        "picture = torch.stack([first, gated, own.cpu()]).float()"
    )
