"""What the page shows as "the same in Python"."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from playground.api import ModelCard
from tabs.diffusion.desk import Path
from tabs.diffusion.lanes import Lane

if TYPE_CHECKING:
    from tabs.diffusion.shortcut import Race

Values = Mapping[str, Any]
START = "from playground import Engine\nengine = Engine()"
FULL = f"import torch\nfrom playground.models.diffusion import Settings\n{START}"


def settings_of(lane: Lane) -> str:
    """Keywords shared by `sample` and `Settings`."""
    return f'scheduler="{lane.scheduler}", steps={lane.steps}, guidance={lane.guidance}, eta={lane.eta}'


def sampled(lane: Lane) -> str:
    """Keywords of `engine.stream`."""
    label = "" if lane.label is None else f"labels={lane.label}, "
    settings = settings_of(lane) if lane.label is not None else settings_of(lane).replace("guidance=1.0, ", "")
    return label + settings


def denoise(lanes: Sequence[Lane], paths: Sequence[Path]) -> str:
    """The run, and each branch from a frame of the lane it left."""
    run = lanes[0]
    if len(lanes) == 1:
        lines = [START, f'frames = list(engine.stream("{run.model}", [{run.seed}], {sampled(run)}))']
        return "\n".join([*lines, "picture = frames[-1].images"])
    lines = [FULL, f'model = engine.model("{run.model}")']
    lines.append(f'lanes = [list(engine.stream("{run.model}", [{run.seed}], {sampled(run)}))]')
    for lane in lanes[1:]:
        number = lanes.index(lane.parent)
        index = min(lane.step, len(paths[number]) - 1) - 1
        label = "None" if lane.label is None else f"torch.tensor([{lane.label}])"
        lines.append(f"left = lanes[{number}][{index}]")
        lines.append(
            f"lanes.append(list(engine.steps(lambda: model.branch(left.state, [{lane.seed}], {label}, "
            f'int(left.info["t"]), left.step, Settings({settings_of(lane)})))))'
        )
    return "\n".join([*lines, "pictures = [lane[-1].images for lane in lanes]"])


def schedulers(base: Lane) -> str:
    """One run per scheduler."""
    settings = sampled(base).replace(f'"{base.scheduler}"', "name")
    return (
        f"{START}\nfrom playground.models.diffusion import SCHEDULERS\n"
        f'results = {{name: engine.run("{base.model}", [{base.seed}], {settings}).images for name in SCHEDULERS}}'
    )


def between(values: Values, card: ModelCard) -> str:
    """Noise on the great circle."""
    label = f"labels={card.labels.index(values['label'])}, " if card.labels else ""
    guidance = f", guidance={values['guidance']}" if card.labels else ""
    return (
        f"import torch\nfrom playground.sampling import slerp\n{START}\n"
        f'a, b = engine.model("{card.name}").latents([{values["seed"]}, {values["other"]}])\n'
        f"noise = slerp(a, b, torch.linspace(0, 1, 7))\n"
        f'pictures = engine.run("{card.name}", [{values["seed"]}] * 7, latents=noise, {label}'
        f'scheduler="{values["scheduler"]}", steps={values["steps"]}{guidance}, eta={values["eta"]}).images'
    )


def shortcut(race: Race, walk: Mapping[str, Any]) -> str:
    """A teacher's walk, and its student's one look and two, from the same seeds."""
    first, last = race.seeds[0], race.seeds[-1]
    seeds = f"range({first}, {last + 1})" if first < last else list(race.seeds)  # they may go around the end
    label = ""
    if race.labels is not None:
        label = f"labels={race.labels[0] if len(set(race.labels)) == 1 else list(race.labels)}, "
    settings = ", ".join(f"{name}={value!r}" for name, value in walk.items()).replace("'", '"')
    return (
        f'{START}\nseeds = {seeds}\nwalked = engine.run("{race.teacher}", seeds, {label}{settings}).images\n'
        f'one = engine.run("{race.student}", seeds, {label}steps=1).images\n'
        f'two = engine.run("{race.student}", seeds, {label}steps=2).images'
    )


def picture_lines(values: Values) -> str:
    """Where the picture comes from."""
    if values["source"] == "own":
        lines = ["from tabs._ui import read_picture", 'content = open("my-picture.png", "rb").read()']
        return "\n".join([*lines, "x = read_picture(content, model.card.shape, model.card.data)"])
    test = f'{{"model": "{values["model"]}", "source": "test", "test": {values["test"]}}}'
    return f"from tabs.diffusion.desk import Desk\nx = Desk(engine).picture({test})"


def forward(values: Values, t: int) -> str:
    """A picture at one level of noise."""
    return (
        f'{START}\nmodel = engine.model("{values["model"]}")\n{picture_lines(values)}\n'
        f"noise = model.latents([{values['seed']}])\n"
        f"noisy = engine.call(lambda: model.to_pixels(model.noised(model.to_latents(x), {t}, noise)))"
    )


def edit(values: Values, label: int | None) -> str:
    """SDEdit."""
    said = "None" if label is None else f"torch.tensor([{label}])"
    return (
        f'{FULL}\nmodel = engine.model("{values["model"]}")\n{picture_lines(values)}\n'
        f'settings = Settings("{values["scheduler"]}", {values["steps"]}, {values["guidance"]}, {values["eta"]})\n'
        f"frames = list(engine.steps(lambda: model.edit(x, [{values['seed']}], {said}, {values['start']}, settings)))\n"
        "picture = frames[-1].images"
    )


def inpaint(values: Values, label: int | None) -> str:
    """RePaint of the lower half; a painted mask is a tensor like that."""
    said = "None" if label is None else f"torch.tensor([{label}])"
    return (
        f'import torch\n{START}\nmodel = engine.model("{values["model"]}")\n{picture_lines(values)}\n'
        "mask = torch.ones(1, 1, *x.shape[-2:])\nmask[..., x.shape[-2] // 2 :, :] = 0  # 0 where it is to be made up\n"
        f"run = engine.steps(lambda: model.repair(x, mask, [{values['seed']}], {said}, {values['steps']}, "
        f"{values['guidance']}))\npicture = list(run)[-1].images"
    )
