"""What each mode of the flow tab shows: a checked state → `Shown`."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from playground import render
from playground.api import MAX_SEED
from playground.sampling import lerp, slerp
from tabs import _ui as ui
from tabs.flow import plane
from tabs.flow.desk import Desk, first_test_seed
from tabs.flow.plane import show_plane
from tabs.flow.state import ATTRIBUTES, CORNERS, FRAMES
from tabs.flow.surprise import show_surprise

SMALL = 1000  # numbers in a picture up to which many are made at once
WALL, ACROSS = {True: 32, False: 12}, {True: 8, False: 6}  # small pictures, large ones
OTHERS = 4  # further faces
SIDE = {True: 7, False: 5}  # pictures along each side of the corner grid
BINS, WIDEST = 40, 4.0  # of the histogram of z

Values = dict[str, Any]


def draw(desk: Desk, values: Values) -> ui.Shown:
    """The picture of a state. Where the model does not fit the mode, one that does is taken and said."""
    model = desk.fitting(values["model"], values["mode"])
    shown = MODES[values["mode"]](desk, values | {"model": model})
    change = {} if model == values["model"] else {"model": model}
    return replace(shown, model=model, patch={**shown.patch, **change})


def functions(desk: Desk, state: ui.State) -> list[Callable[[Any], Any]]:
    """Server functions of the page beside `pg_draw`."""

    def flow_journey(request: Any) -> dict[str, Any]:
        return plane.answer_journey(desk, state, request)

    def flow_point(request: Any) -> dict[str, Any]:
        return plane.answer_point(desk, state, request)

    def flow_heat(request: Any) -> dict[str, Any]:
        return plane.answer_heat(desk, state, request)

    def flow_back(request: Any) -> dict[str, Any]:
        return back_again(desk, plane.asked(state, request))

    def flow_truths(_: Any) -> dict[str, Any]:
        return plane.answer_truths()

    return [flow_journey, flow_point, flow_heat, flow_back, flow_truths]


def minus(value: float, digits: int = 0) -> str:
    """A number with a proper minus sign."""
    return f"{value:.{digits}f}".replace("-", "−")


def power(value: float) -> str:
    """7e-07 → 7·10⁻⁷."""
    digit, exponent = f"{value:.0e}".split("e")
    return digit + "·10" + str(int(exponent)).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))


def short(title: str) -> str:
    """A card's title up to its first comma."""
    return title.partition(",")[0]


def is_small(desk: Desk, name: str) -> bool:
    """Whether many pictures of a model can be made while somebody waits."""
    return math.prod(desk.engine.card(name).shape) <= SMALL


# ---------------------------------------------------------------------------------------------- pictures


def show_pictures(desk: Desk, values: Values) -> ui.Shown:
    """A picture and its noise, and how likely every flow of the same data finds it."""
    name, card = values["model"], desk.engine.card(values["model"])
    x = picture_of(desk, values)
    z = desk.noise_of(name, x, values["seed"])
    noise = (z.reshape(x.shape) / 6 + 0.5).clamp(0, 1)
    scores = [score(desk, other.name, x) for other in desk.cards("pictures") if other.data == card.data]
    mine = next(s for s in scores if s["name"] == name)
    data = {
        "kind": card.data, "input": render.png_uri(x), "z": render.png_uri(noise), "scores": scores,
        "histogram": histogram(z), "spread": float(z.std()), "share": float(z.square().mean()),
        "protocol": protocol(desk, name),
    }  # fmt: skip
    patch = {"drawing": data["input"]} if values["source"] == "drawing" else {}
    sentence = (
        f"{what_of(values)}: log p = {minus(mine['nats'])} nats, {mine['value']:.2f} bits per dimension under "
        f"{short(card.title)} (usual for test pictures: {mine['usual']:.2f}). Its noise has the mean square "
        f"{data['share']:.2f}; pure noise has 1."
    )
    disabled = {}
    if values["source"] != "test":
        disabled["test"] = "The picture shown is not a test picture."
    if values["source"] != "sample":
        disabled["temperature"] = "Only a sample has a temperature: choose Sample."
    lines = pictures_code(values | patch)
    return ui.Shown(torch.cat([x, noise]), sentence, data, code=lines, patch=patch, disabled=disabled, columns=2)


def back_again(desk: Desk, values: Values) -> dict[str, Any]:
    """The picture made from the noise, asked for apart: some flows take their time on the way back."""
    values = values | {"model": desk.fitting(values["model"], "pictures")}
    back, error = desk.back(values["model"], picture_of(desk, values), values["seed"])
    return {"back": render.png_uri(back), "off": error}


def picture_of(desk: Desk, values: Values) -> Tensor:
    """(1, C, H, W): the test picture, the drawing, or a sample of the model."""
    name, card = values["model"], desk.engine.card(values["model"])
    if values["source"] == "drawing":
        return ui.read_picture(values["drawing"], card.shape, card.data)
    if values["source"] == "sample":
        seed, heat = values["seed"], values["temperature"]
        return desk.recent(("sample", name, seed, heat), lambda: desk.sample(name, [seed], heat))
    return desk.examples(name, [values["test"]])


def what_of(values: Values) -> str:
    """The picture in words."""
    sample = f"The sample of seed {values['seed']}"
    return {"drawing": "Your picture", "sample": sample}.get(values["source"], f"Test picture {values['test']}")


def score(desk: Desk, name: str, x: Tensor) -> dict[str, Any]:
    """One model's verdict on one picture, beside its average on test pictures."""
    card = desk.engine.card(name)
    nats = float(desk.log_prob(name, x))
    value = -nats / (math.prod(card.shape) * math.log(2))
    return {"name": name, "label": short(card.title), "nats": nats, "value": value, "usual": desk.usual(name)}


def protocol(desk: Desk, name: str) -> str:
    """How the number came about."""
    bits, pixels = desk.model(name).bits, math.prod(desk.engine.card(name).shape)
    return (
        f"Uniform dequantisation of {2**bits} grey levels, one fixed draw of the noise; log p divided by {pixels} "
        f"values and ln 2. {bits} bits would be a model that knows nothing. The tick is the average of test pictures."
    )


def histogram(z: Tensor) -> list[float]:
    """Density of the values of z over [−WIDEST, WIDEST], (BINS,); the two ends hold what lies beyond."""
    counts = torch.histc(z.clamp(-WIDEST + 1e-4, WIDEST - 1e-4), BINS, -WIDEST, WIDEST)
    return (counts / (z.numel() * 2 * WIDEST / BINS)).tolist()


# ---------------------------------------------------------------------------------------------- samples


def show_samples(desk: Desk, values: Values) -> ui.Shown:
    """A wall of samples, and which of them the flow itself finds most and least likely."""
    name, heat = values["model"], values["temperature"]
    small = is_small(desk, name)
    first = min(values["seed"], MAX_SEED + 1 - WALL[small])
    seeds = list(range(first, first + WALL[small]))
    pictures = desk.sample(name, seeds, heat)
    bits = desk.bits(name, pictures)
    best, worst = int(bits.argmin()), int(bits.argmax())
    data = {
        "n": len(seeds), "columns": ACROSS[small], "seeds": seeds, "bits": [round(float(b), 3) for b in bits],
        "best": best, "worst": worst,
    }  # fmt: skip
    sentence = (
        f"{len(seeds)} samples at temperature {heat:.2f}, seeds {seeds[0]} to {seeds[-1]}. The flow finds them "
        f"{float(bits.mean()):.2f} bits per dimension likely on average; its own average on test pictures is "
        f"{desk.usual(name):.2f}."
    )
    run = f'picture = engine.run("{name}", range({first}, {first + len(seeds)}), temperature={heat}).images'
    lines = ["from playground import Engine", "engine = Engine()", run]
    return ui.Shown(pictures, sentence, data, code="\n".join(lines), columns=ACROSS[small])


# ---------------------------------------------------------------------------------------------- between


def show_between(desk: Desk, values: Values) -> ui.Shown:
    """From A to B through the noise and by fading, and everything between four corners."""
    name, around = values["model"], values["path"] == "great circle"
    pictures = desk.examples(name, [values[c] for c in CORNERS])
    codes = desk.encode(name, pictures)
    t = torch.linspace(0, 1, FRAMES)
    side, way = SIDE[is_small(desk, name)], slerp if around else lerp
    z = torch.cat([way(codes[0], codes[1], t), corner_grid(codes, side, around)])
    walk, grid = desk.decode(name, z).split([FRAMES, side**2])  # in one go: some flows decode pixel after pixel
    lanes = {"through the noise z": walk, "pixels faded": lerp(pictures[0], pictures[1], t)}
    half = {key: float(desk.bits(name, lane[[FRAMES // 2]])) for key, lane in lanes.items()}
    data = {
        "film": render.sprite(lanes, quality=92), "ends": [render.picture_uri(p[None]) for p in pictures],
        "grid": render.picture_uri(grid, side),
    }  # fmt: skip
    sentence = (
        f"From picture {values['a']} to picture {values['b']} in {FRAMES} places. Half-way, the picture through the "
        f"noise takes {half['through the noise z']:.2f} bits per dimension, the faded one {half['pixels faded']:.2f}."
    )
    disabled = {"seed": "Nothing is drawn by lot here: the corners are test pictures."}
    picture = torch.cat(list(lanes.values()))
    return ui.Shown(picture, sentence, data, columns=FRAMES, code=between_code(name, values), disabled=disabled)


def corner_grid(codes: Tensor, side: int, around: bool) -> Tensor:
    """(side², D): blends of four codes; `around` keeps the length of noise, w / √Σw²."""
    t = torch.linspace(0, 1, side)
    v, u = (w.reshape(-1) for w in torch.meshgrid(t, t, indexing="ij"))
    weights = torch.stack([(1 - v) * (1 - u), (1 - v) * u, v * (1 - u), v * u], 1)
    return (weights / weights.square().sum(1, keepdim=True).sqrt() if around else weights) @ codes


# ---------------------------------------------------------------------------------------------- faces


def show_faces(desk: Desk, values: Values) -> ui.Shown:
    """One face and a few others before and after the same step in z."""
    name = values["model"]
    seeds = [(values["seed"] + i) % (MAX_SEED + 1) for i in range(OTHERS + 1)]
    before = first_faces(desk, values, seeds)
    step = step_of(desk, values)
    after = desk.decode(name, desk.encode(name, before) + step)
    error = float((after - before).abs().max())
    moved = [f"{values[a]:+.1f} {a.replace('_', ' ')}" for a in ATTRIBUTES if values[a]]
    data = {
        "before": render.png_uri(before[:1]), "after": render.png_uri(after[:1]),
        "wall": render.picture_uri(torch.cat([before[1:], after[1:]]), OTHERS),
        "note": "after" if moved else f"there and back: largest error {power(error)}",
    }  # fmt: skip
    where = "A drawn face" if values["origin"] == "drawn" else "A sample"
    sentence = f"{where}, seed {values['seed']}, " + (
        f"moved in z by {', '.join(moved)}: {float(step.norm()):.0f} units; z itself is about "
        f"{math.sqrt(step.numel()):.0f} long."
        if moved
        else f"sent to its noise and back: no pixel is off by more than {power(error)}. Nothing is lost. Move a slider."
    )
    pair, drawn = torch.cat([before[:1], after[:1]]), values["origin"] == "drawn"
    disabled = {"temperature": "Only a sample has a temperature: choose Sample."} if drawn else {}
    return ui.Shown(pair, sentence, data, columns=2, code=faces_code(values), disabled=disabled)


def first_faces(desk: Desk, values: Values, seeds: list[int]) -> Tensor:
    """Drawn test faces, or samples, (N, 3, 64, 64)."""
    if values["origin"] == "sample":
        return desk.sample(values["model"], seeds, values["temperature"])
    return desk.faces([first_test_seed() + seed % 10_000 for seed in seeds])


def step_of(desk: Desk, values: Values) -> Tensor:
    """(D,): the sum of all directions at the strengths of their sliders."""
    size = math.prod(desk.engine.card(values["model"]).shape)
    return sum((values[a] * desk.direction(values["model"], a) for a in ATTRIBUTES if values[a]), torch.zeros(size))


# ---------------------------------------------------------------------------------------------- code


def start(name: str, *lines: str) -> str:
    """The same in Python; every snippet ends with `picture`."""
    head = ["import torch", "from playground import Engine", "engine = Engine()", f'model = engine.model("{name}")']
    return "\n".join([*head, *lines])


def desk_line(values: Values, *keys: str) -> list[str]:
    """The desk, and those values of the state that matter."""
    named = {k: values[k] for k in ("model", *keys)}
    return ["from tabs.flow.desk import desk_of", "desk = desk_of(engine)", f"values = {named}"]


def pictures_code(values: Values) -> str:
    """The picture that came back, and its log-likelihood."""
    own = ["from tabs._ui import read_picture",
           f'x = read_picture("{values["drawing"]}", model.card.shape, model.card.data)']  # fmt: skip
    sample = [f'x = engine.run("{values["model"]}", [{values["seed"]}], temperature={values["temperature"]}).images']
    test = ["from tabs.flow.desk import desk_of", f"x = desk_of(engine).examples(model.card.name, [{values['test']}])"]
    source = {"drawing": own, "sample": sample}.get(values["source"], test)
    return start(
        values["model"], *source,
        f"u = torch.rand(x.shape[1:], generator=torch.Generator().manual_seed({values['seed']}))  # dequantisation",
        "z, log_det = engine.call(lambda: model(model.dequantise(x.to(model.device), u.to(model.device))))",
        "noise = model.base_normal(z.flatten(1)).reshape(x.shape).cpu()",
        "picture = torch.cat([x, (noise / 6 + 0.5).clamp(0, 1)])",
        "back = engine.call(lambda: model.inverse(z))",
        "log_p = engine.call(lambda: model.log_prob(x))  # nats; bits/dim = -log_p / (x.numel() * 0.6931)",
    )  # fmt: skip


def between_code(name: str, values: Values) -> str:
    """The walk through z."""
    way = "slerp" if values["path"] == "great circle" else "lerp"
    return start(
        name, "from playground.sampling import lerp, slerp", "from tabs.flow.desk import desk_of",
        f"x = desk_of(engine).examples(model.card.name, [{values['a']}, {values['b']}])",
        "a, b = engine.call(lambda: model.encode(x).mean)",
        f"picture = engine.call(lambda: model.decode({way}(a, b, torch.linspace(0, 1, {FRAMES}))))",
    )  # fmt: skip


def faces_code(values: Values) -> str:
    """A face, and every attribute that was moved."""
    moved = [a for a in ATTRIBUTES if values[a]]
    return start(
        values["model"], *desk_line(values, "origin", "temperature"), "from tabs.flow.modes import first_faces",
        f"z = desk.encode(model.card.name, first_faces(desk, values, [{values['seed']}]))",
        *(f'z = z + {values[a]} * desk.direction(model.card.name, "{a}")' for a in moved),
        "picture = desk.decode(model.card.name, z)",
    )  # fmt: skip


MODES = {"plane": show_plane, "pictures": show_pictures, "samples": show_samples, "between": show_between,
         "faces": show_faces, "surprise": show_surprise}  # fmt: skip
