"""Pictures: a visitor trains a small network of digits, faces or drawings, and keeps it.

The training itself is a job of the engine (`playground.training.studio`): it goes on when the page is closed, and the
page asks once or twice a second how it stands. The state holds the plan, and the id of the job once there is one.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from playground import film, render
from playground.api import Field, PlaygroundError
from playground.engine import Engine
from playground.training.studio import Jobs, Plan, examples, parcel
from playground.training.studio.data import Store
from playground.training.studio.job import Job
from playground.training.studio.nets import BATCH, SAMPLE, loss_name
from playground.training.studio.plan import FIELDS as PLAN
from playground.training.studio.plan import NAMES, check_drawings, kept_aside, pack_drawing, unpack_drawings
from playground.training.studio.record import ACROSS, SAMPLES, read
from tabs import _ui as ui
from tabs.train.desk import Desk
from tabs.train.pictures_stage import ABOUT, BODY, PRESETS, TITLES

__all__ = ["ABOUT", "BODY", "FIELDS", "PRESETS", "draw", "functions", "groups", "stream"]

PREFIX = "pic_"
Values = Mapping[str, Any]
SHOWN = 8  # samples whose neighbours are shown
OF = {"mnist": "digits", "faces": "faces", "drawings": "drawings"}
UNDER_WAY = "The training is under way; its plan stands until it is over. Stop it to change something."
EXAMPLES = "examples"  # what the text of drawings says while they are the built-in ones


def FIELDS(engine: Engine) -> tuple[Field, ...]:
    """The plan's values, and the id of a job; the seed is the page's own."""
    own = [dataclasses.replace(f, name=PREFIX + f.name) for f in PLAN if f.name != "seed"]
    return (*own, Field("job", "text", "", length=16, label="Training"))


@lru_cache(maxsize=8)
def jobs_of(engine: Engine) -> Jobs:
    """The trainings of an engine's visitors: one at a time for every two cores, at most four."""
    few = 4 if engine.device.type == "cuda" else max(1, min(4, (os.cpu_count() or 1) // 2))
    return Jobs(engine, limit=few)


def groups(shell: ui.Shell) -> None:
    """The controls beside the stage."""
    shell.titles |= TITLES
    here = {"mode": ["pictures"]}

    def group(title: str, names: str, folded: bool = False, **when: list[Any]) -> None:
        with shell.group(title, when={**here, **{PREFIX + k: v for k, v in when.items()}}, folded=folded):
            for name in names.split():
                shell.control(PREFIX + name)

    group("What learns", "what data start")
    group("What it knows already", "freeze", start=["checkpoint"])
    group("Growing", "grow", data=["faces"])
    group("Kept aside", "held", data=["drawings"])
    group("How much", "updates pictures")
    group("Against learning by heart", "augment dropout decay ema")
    group("Class after class", "course replay", folded=True, data=["mnist"])
    group("Speed of learning", "rate", folded=True)


# ---------------------------------------------------------------------- the plan of a state


def plan_of(values: Values) -> Plan:
    """The plan of a checked state."""
    given = {f.name: values[PREFIX + f.name] for f in PLAN if f.name != "seed"}
    if given["data"] != "drawings":
        given["drawings"] = ""
    elif given["drawings"] == EXAMPLES:
        given["drawings"] = examples()
    return Plan.of({**given, **fitting(values), "seed": values["seed"]})


def fitting(values: Values) -> dict[str, Any]:
    """Values of the plan that cannot be meant as they stand, and what they become: nothing grows but a blank face."""
    changed: dict[str, Any] = {}
    what, data, start = (values[PREFIX + name] for name in ("what", "data", "start"))
    if values[PREFIX + "grow"] and not (data == "faces" and what in ("vae", "gan") and start == "scratch"):
        changed["grow"] = False
    if data != "mnist" and values[PREFIX + "course"] != "all":
        changed["course"] = "all"
    return changed


def values_of(plan: Plan) -> dict[str, Any]:
    """The plan as the page's state has it."""
    told = {PREFIX + f.name: getattr(plan, f.name) for f in PLAN if f.name != "seed"}
    if told[PREFIX + "drawings"] == examples():
        told[PREFIX + "drawings"] = EXAMPLES
    return {**told, "seed": plan.seed}


def cure(plan: Plan) -> dict[str, Any] | None:
    """What would mend a plan that goes wrong on purpose: the button's words, and values."""
    if plan.rate > 20:
        return {"label": "Cure: the usual learning rate", "values": {PREFIX + "rate": 1.0}}
    if plan.course != "all" and plan.replay == 0:
        return {"label": "Cure: replay, a third old pictures", "values": {PREFIX + "replay": 0.35}}
    if plan.data == "mnist" and plan.pictures <= 200 and not plan.augment:
        mended = {PREFIX + "augment": True, PREFIX + "dropout": 0.2, PREFIX + "decay": 0.3}
        return {"label": "Cure: moved pictures, dropout, weight decay", "values": mended}
    return None


# ---------------------------------------------------------------------- pictures


def draw(desk: Desk, values: Values) -> ui.Shown:
    """A training as it stands, or, before there is one, what it would learn from."""
    if values["job"]:
        return _of_job(jobs_of(desk.engine).store, jobs_of(desk.engine).find(values["job"]))
    patch = {PREFIX + name: value for name, value in fitting(values).items()}
    if values[PREFIX + "data"] == "drawings" and (why := _too_few(values)):
        blank = torch.zeros(1, 1, 28, 28)
        return ui.Shown(blank, why, {"cure": None}, code="# draw first", patch=patch, model="your drawings")
    plan = plan_of(values)
    store = jobs_of(desk.engine).store
    pictures = _examples_of(store, plan)
    known = _known(desk, plan)
    data = {"cure": cure(plan), "loss": loss_name(plan), "first": render.picture_uri(pictures, ACROSS), "known": None}
    if known is not None:
        data["known"] = render.data_uri("image/png", render.png(render.sheet(known, ACROSS)))
    return ui.Shown(
        known if known is not None else pictures, before(plan), data, code=code(plan), patch=patch, columns=ACROSS,
        model=plan.checkpoint or f"a blank {NAMES[plan.what]}", disabled=_disabled(plan),
    )  # fmt: skip


def stream(desk: Desk, values: Values) -> Iterator[ui.Shown]:
    """A training is no run of the page: it is asked how it stands."""
    yield draw(desk, values)


def _of_job(store: Store, job: Job) -> ui.Shown:
    """The film's last picture, or what it learns from, and the plan of the job in the controls."""
    frames = job.record.pictures()
    page = read(frames[-1][1]) if frames else render.sheet(_examples_of(store, job.plan), ACROSS)
    pixels = torch.from_numpy(np.array(page)).permute(2, 0, 1)[None].float() / 255
    drawn = render.picture_uri(_examples_of(store, job.plan), 8) if job.plan.data == "drawings" else None
    under_way = job.status in ("waiting", "running")
    held = {PREFIX + f.name: UNDER_WAY for f in PLAN if f.name != "seed"}
    data = {"cure": cure(job.plan), "loss": loss_name(job.plan), "first": None, "known": None, "drawn": drawn}
    return ui.Shown(
        pixels, told(job), data,
        code=code(job.plan), patch=values_of(job.plan), disabled=held if under_way else _disabled(job.plan), columns=1,
        model=job.model or f"a {NAMES[job.plan.what]} of {OF[job.plan.data]}",
    )  # fmt: skip


def _disabled(plan: Plan) -> dict[str, str]:
    reasons = {PREFIX + f.name: plan.why_not(f.name) for f in PLAN}
    return {name: why for name, why in reasons.items() if why}


def _too_few(values: Values) -> str:
    text = values[PREFIX + "drawings"]
    try:
        check_drawings(examples() if text == EXAMPLES else text, values[PREFIX + "held"])
    except PlaygroundError as error:
        return str(error)
    return ""


def _examples_of(store: Store, plan: Plan) -> Tensor:
    """Sixteen of the pictures that will be learned from, (16, C, H, W)."""
    if plan.data == "faces":
        return store.faces("train", SAMPLES).pictures(slice(None))
    if plan.data == "drawings":
        return unpack_drawings(plan.drawings)[0][:SAMPLES].float() / 255
    train = store.material(plan).train
    return train.pictures(torch.arange(min(SAMPLES, len(train))))


def _known(desk: Desk, plan: Plan) -> Tensor | None:
    """What the trained network it starts from draws from the film's seeds; None for a blank one."""
    name = plan.checkpoint
    if not name:
        return None

    def make() -> Tensor:
        labels = [i % 10 for i in range(SAMPLES)] if desk.engine.card(name).labels else None
        return desk.engine.run(name, range(SAMPLES), labels=labels, **SAMPLE[plan.what]).images.cpu()

    return desk.keep(("before", name), make)


# ---------------------------------------------------------------------- words


def before(plan: Plan) -> str:
    """Under the stage, before a training."""
    count = {"mnist": plan.pictures, "faces": min(plan.pictures, 2000)}.get(plan.data)
    if count is None:
        drawn = len(unpack_drawings(plan.drawings)[0])
        count = drawn - kept_aside(drawn, plan.held)
    batch = min(BATCH[plan.what] if plan.data != "faces" else 16, max(4, count // 4 * 4))
    looks = plan.updates * batch / max(1, count)
    who = f"{plan.checkpoint}, which is trained already," if plan.checkpoint else f"A blank {NAMES[plan.what]}"
    often = (
        f"each about {looks:.0f} times" if looks >= 2 else "each about once" if looks >= 0.7 else "not even all of them"
    )
    seen = f"{count:,} {OF[plan.data]}"
    return f"{who} will see {seen} in {plan.updates:,} updates of {batch} pictures, {often}. Press Train."


def told(job: Job) -> str:
    """Under the stage, of a training."""
    name, of = NAMES[job.plan.what], OF[job.plan.data]
    lines = job.record.lines.get("losses", [])
    start = f"A {name} of {of} after {job.update:,} of {job.plan.updates:,} updates"
    if len(lines) < 3 or lines[-1][1] is None:
        return f"{start}. {job.message}"
    lost = forgotten(job.plan, job.record.lines.get("class losses", []))
    return f"{start}: {lost or verdict(lines)}. {job.message}"


def forgotten(plan: Plan, lines: Sequence[Sequence[Any]]) -> str:
    """What has become of the first classes once others came: [[update, loss of digit 0, …, of digit 9] …], or ""."""
    first = plan.phases[0]
    begins = plan.updates / len(plan.phases)  # of the second part
    costs = [(update, sum(losses[k] for k in first) / len(first)) for update, *losses in lines if None not in losses]
    if len(plan.phases) < 2 or plan.what == "gan" or not costs or costs[-1][0] <= begins:  # a critic knows no classes
        return ""
    best, now = min(cost for _, cost in costs), costs[-1][1]
    known = f"the first digits, {first[0]} to {first[-1]}, cost {now:.3g} now and {best:.3g} at best"
    return f"it forgets; {known}" if now > best + 0.1 * abs(best) else f"it remembers; {known}"


def verdict(lines: Sequence[Sequence[Any]]) -> str:
    """What two losses say: [[update, of learned pictures, of pictures kept aside] …], at least one whole point."""
    whole = [point for point in lines if None not in point]
    if not whole:
        return "nothing was kept aside, so nobody can say whether it memorises"
    best, (_, train, held) = min(whole, key=lambda point: point[2]), whole[-1]
    if held > best[2] + 0.1 * abs(best[2]) and train < best[1] and held > train:
        return "it memorises; what it was never shown gets worse again while the rest improves"
    if held > train + 0.15 * abs(train):
        return "pictures it was never shown are known less well than those it learned from"
    return "pictures it was never shown are known about as well as those it learned from"


def code(plan: Plan) -> str:
    """The same in Python."""
    given = plan.told()
    if given.get("drawings") == examples():
        given["drawings"] = "EXAMPLES"
    elif "drawings" in given:
        given["drawings"] = "FILE"
    asked = ", ".join(f"{name}={value!r}" for name, value in given.items())
    asked = asked.replace("'EXAMPLES'", "examples()").replace("'FILE'", 'open("drawings.txt").read()')
    return "\n".join([
        "from playground import Engine", "from playground.training.studio import Jobs, Plan, examples",
        "jobs = Jobs(Engine())", f'name = jobs.start(Plan({asked}), "in-python")',
        "jobs.wait(name, 3600)", "print(jobs.find(name).message, jobs.find(name).model)",
    ])  # fmt: skip


# ---------------------------------------------------------------------- server functions


def functions(desk: Desk, state: ui.State) -> list[Callable[[Any], Any]]:
    """What the page's script asks for."""
    engine = desk.engine

    def jobs() -> Jobs:
        return jobs_of(engine)

    def train_start(request: Any) -> dict[str, Any]:
        """{"state", "owner"} → {"job": id}."""
        values = state.check(_part(request, "state"))
        return {"job": jobs().start(plan_of(values), _part(request, "owner"))}

    def train_look(request: Any) -> dict[str, Any]:
        """{"job", "since": update} → how it stands, with the film's pictures after `since`."""
        since = Field("since", "int", -1, -1, 10**9).check(
            request.get("since", -1) if isinstance(request, dict) else -1
        )
        return look(jobs(), jobs().find(_part(request, "job")), since)

    def train_stop(request: Any) -> dict[str, Any]:
        """{"job"} → {}: it stops after the present step."""
        jobs().stop(_part(request, "job"))
        return {"asked": True}

    def train_go(request: Any) -> dict[str, Any]:
        """{"job", "owner", "rate"?} → {}: it goes on from its last good state."""
        rate = request.get("rate") if isinstance(request, dict) else None
        jobs().go_on(_part(request, "job"), _part(request, "owner"), rate)
        return {"asked": True}

    def train_keep(request: Any) -> dict[str, Any]:
        """{"job", "kind": "gif" | "mp4" | "png" | "zip"} → {"name", "src"}."""
        return keep(jobs().find(_part(request, "job")), _part(request, "kind"))

    def train_use(request: Any) -> dict[str, Any]:
        """{"job"} → the model, as the pickers of all tabs have it."""
        return _model(engine, jobs().find(_part(request, "job")).adopted())

    def train_load(request: Any) -> dict[str, Any]:
        """{"file": data URI of a .zip} → the model in it."""
        return _model(engine, parcel.unpack(_bytes(_part(request, "file")), engine).name)

    def train_near(request: Any) -> dict[str, Any]:
        """{"job"} → {"src", "note", "alt"}: nearest neighbours of its last samples, or {"src": ""}."""
        return near(jobs().store, jobs().find(_part(request, "job")))

    def train_digit(request: Any) -> dict[str, Any]:
        """{"drawing": data URI, "label": 0…9} → {"packed"}: centred like the digits that networks know."""
        label = Field("label", "int", 0, 0, 9, label="The digit's name").check(_part(request, "label"))
        picture = ui.read_picture(_part(request, "drawing"), (1, 28, 28), "mnist")
        return {"packed": pack_drawing(picture, label)}

    def train_examples(_: Any) -> dict[str, Any]:
        """→ {"drawings"}: the built-in ones, packed."""
        return {"drawings": examples()}

    return [train_start, train_look, train_stop, train_go, train_keep, train_use, train_load, train_near, train_digit,
            train_examples]  # fmt: skip


def look(jobs: Jobs, job: Job, since: int) -> dict[str, Any]:
    """How a job stands, as JSON."""
    facts = dict(job.record.facts)
    return {
        "job": job.id,
        "status": job.status,
        "message": job.message,
        "again": job.resumable,
        "place": jobs.place(job.id),
        "update": job.update,
        "updates": job.plan.updates,
        "seconds": round(job.seconds, 1),
        "left": round(job.left, 1),
        "frames": [[update, _frame(path)] for update, path in job.record.pictures(since)],
        "lines": {name: list(points) for name, points in dict(job.record.lines).items()},
        "floor": facts.get("floor"),
        "near": "neighbours" in facts,
        "phases": len(job.plan.phases),
        "plan": values_of(job.plan),
        "model": job.model,
        "result": (job.folder / "result" / "README.md").is_file(),
        "sentence": told(job),
    }


def keep(job: Job, kind: Any) -> dict[str, Any]:
    """The film or the checkpoint as a file."""
    name = f"{job.plan.what}-{job.plan.data}-{job.update}"
    if kind == "zip":
        job.adopted()  # says so if there is none
        return {"name": f"{name}.zip", "src": render.data_uri("application/zip", parcel.pack(job.folder / "result"))}
    content = film.export(kind, job.record.film())
    return {"name": f"{name}.{kind}", "src": render.data_uri(film.KINDS[kind], content)}


def near(store: Store, job: Job) -> dict[str, Any]:
    """Three rows: samples, the nearest learned picture, the nearest kept aside; and what that says."""
    found, frames = job.record.facts.get("neighbours"), job.record.pictures()
    if not found or not frames:
        return {"src": ""}
    material = store.material(job.plan)
    page = torch.from_numpy(np.array(read(frames[-1][1]))).permute(2, 0, 1).float() / 255
    h, w = page.shape[1] // ACROSS, page.shape[2] // ACROSS
    cells = [page[:, (i // ACROSS) * h :][:, :h, (i % ACROSS) * w :][:, :, :w] for i in range(SHOWN)]
    rows = [torch.stack(cells), material.train.pictures(torch.tensor(found["train"][:SHOWN]))]
    if "held" in found:
        rows.append(material.held.pictures(torch.tensor(found["held"][:SHOWN])))
    rows = [row.expand(-1, 3, -1, -1) for row in rows]
    return {"src": render.data_uri("image/png", render.png(render.sheet(torch.cat(rows), SHOWN, gap=2, paper=128))),
            "note": near_note(found),
            "alt": "Rows: samples, the nearest picture it learned from, the nearest it never saw"}  # fmt: skip


def near_note(found: Mapping[str, Any]) -> str:
    """What the distances say."""
    rows = "Above: samples. Middle: the nearest picture it learned from."
    if "held" not in found:
        return f"{rows} Nothing was kept aside to compare with."
    if "asked" not in found:  # a training of an earlier version, which asked something else
        return f"{rows} Below: the nearest it never saw."
    chance = found["nearer"]
    doubt = 1 / found["asked"] ** 0.5  # two standard deviations of a share that is even
    verdict = "it copies" if chance > max(0.75, 0.5 + doubt) else (
        "no sign of copying" if chance < 0.5 + doubt else "it leans on what it learned"
    )
    return (
        f"{rows} Below: the nearest it never saw. Of as many pictures of both kinds, the one nearest to a sample is a "
        f"learned one in {100 * chance:.0f} % of cases ({found['asked']} samples; half is even): {verdict}."
    )


def _model(engine: Engine, name: str) -> dict[str, Any]:
    card = engine.card(name)
    return {"name": card.name, "title": card.title, "family": card.family, "data": card.data}


def _frame(path: Any) -> str:
    """Digits as the PNG they are; faces as a JPEG, a quarter of the size."""
    pixels = read(path)
    if pixels.shape[0] <= 28 * ACROSS:
        return render.data_uri("image/png", path.read_bytes())
    return render.data_uri("image/jpeg", render.jpeg(pixels))


def _part(request: Any, name: str) -> Any:
    if not isinstance(request, Mapping) or name not in request:
        raise PlaygroundError(f"The request lacks its {name!r}. Reload the page and try again.")
    return request[name]


def _bytes(source: Any) -> bytes:
    if not isinstance(source, str) or ";base64," not in source[:100]:
        raise PlaygroundError("That is not a file. Choose a .zip that was downloaded here.")
    if len(source) > parcel.LARGEST * 4 // 3 + 1000:
        raise PlaygroundError(f"The file is too large; at most {parcel.LARGEST // 2**20} MB are taken.")
    try:
        return base64.b64decode(source.partition(",")[2], validate=True)
    except (binascii.Error, ValueError):
        raise PlaygroundError("The file did not arrive whole. Try it again.") from None
