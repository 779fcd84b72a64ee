"""The laboratory: up to four families learn the same points of the plane, side by side.

The page holds the plan of a run (target, learners, settings, what was turned when, how many updates) as the tab's
state; the lanes that carry it out stand on the desk under the page's ticket. Every answer brings the plan up to date,
so a link, a saved picture or a bench that was cleared away learns the same bits again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import gradio as gr

from playground.api import Field, PlaygroundError
from playground.data.densities import NAMES
from playground.engine import Engine
from playground.training.lab import PRESETS as EXPERIMENTS
from playground.training.lab import preset
from tabs import _ui as ui
from tabs.train import lab_words as words
from tabs.train.desk import Desk, desk_of
from tabs.train.lab_bench import Bench
from tabs.train.lab_curves import curves
from tabs.train.lab_page import BODY, PANEL
from tabs.train.lab_paint import picture
from tabs.train.lab_plan import LONGEST, LONGEST_TEXT, MOST_LANES, plan_of, said
from tabs.train.lab_wire import ground_json, lane_json, past_json
from tabs.train.lab_words import ABOUT

Values = Mapping[str, Any]
REACH = 0.2  # seconds of repeating between two reports
COUNT = Field("updates", "int", 10, 1, 200, label="Updates per moment")
UPDATE = Field("update", "int", 0, 0, LONGEST, label="The update")
LANE = Field("lane", "int", 0, 0, MOST_LANES - 1, label="The lane")
__all__ = ["ABOUT", "BODY", "FIELDS", "PRESETS", "draw", "functions", "groups", "stream"]


def FIELDS(engine: Engine) -> tuple[Field, ...]:
    """The values of this mode. All but the first are written by the page's script."""
    return (
        Field("target", "choice", "eight gaussians", choices=(*NAMES, "sprayed"), label="Points to learn"),
        Field("points", "text", "", length=LONGEST_TEXT, label="Sprayed points"),
        Field("learners", "text", "flow matching", length=LONGEST_TEXT, label="Learners"),
        Field("settings", "text", "", length=LONGEST_TEXT, label="Settings at the start"),
        Field("edits", "text", "", length=LONGEST_TEXT, label="What was turned, and when"),
        Field("updates", "text", "", length=60, label="Updates"),
    )


def _experiment(kind: str, name: str, title: str) -> ui.Preset:
    it = EXPERIMENTS[name]
    settings = ";".join(f"1.{k}={said(v)}" for k, v in it.settings.items())
    values = {"target": it.target, "learners": it.learner, "settings": settings}
    return ui.Preset(kind, title, f"{it.look} Press Play.", values)


PRESETS = (
    _experiment("works", "works", "Noise to heaps"),
    _experiment("fails", "mode collapse", "Mode collapse"),
    _experiment("fails", "vanishing gradient", "Vanishing gradient"),
    _experiment("fails", "posterior collapse", "Posterior collapse"),
    _experiment("fails", "exploding", "Exploding"),
    _experiment("surprises", "too few steps", "Too few steps"),
    ui.Preset("surprises", "Four families, one spiral", "The same points, the same clock, four ways to learn. See who "
              "finds the spiral first, who smears it, and who draws bridges. Press Play.",
              {"target": "spiral", "learners": "gan,vae,diffusion,autoregressive"}),
)  # fmt: skip


def draw(desk: Desk, values: Values) -> ui.Shown:
    """The picture of a run; where no bench has done it, it is done again."""
    plan = plan_of(values)

    def look(bench: Bench) -> ui.Shown:
        lanes = [(lane.session, lane.moment) for lane in bench.lanes]
        titles = ", ".join(dict.fromkeys(lane.session.learner.title for lane in bench.lanes))
        return ui.Shown(picture(lanes), words.sentence(bench), model=titles, code=words.code(plan),
                        columns=1 if len(lanes) == 1 else 2)  # fmt: skip

    return desk.shelf.view(plan, desk.engine.call, look)


def stream(desk: Desk, values: Values) -> Iterator[ui.Shown]:
    """Runs are stepped by the page; as a run of one picture."""
    yield draw(desk, values)


def groups(shell: ui.Shell) -> None:
    """The target, and the knobs of the chosen lane, which the page's script makes."""
    with shell.group("Points", when={"mode": ["laboratory"]}):
        shell.control("target")
    with gr.Column(elem_id="train-group-knobs", elem_classes="pg-group"):
        ui.markup(PANEL, "pg.train.panel(element)")
    ui.plot("train", partial(finished, desk_of(shell.engine)))


def finished(desk: Desk, request: Mapping[str, Any]) -> Any:
    """The finished curves as a plot to zoom into."""
    bench = desk.shelf.get(request.get("ticket"))
    if bench is None:
        return None
    with bench.lock:
        return curves(bench, bool(request.get("dark")))


# ---------------------------------------------------------------------------------------------- server functions


def functions(desk: Desk, state: ui.State) -> list[Callable[[Any], Any]]:
    """What the page asks for while a run goes on."""

    def train_reach(request: Any) -> dict[str, Any]:
        return reach(desk, state, request)

    def train_play(request: Any) -> dict[str, Any]:
        count, only = COUNT.check(_of(request, "updates")), _of(request, "only")
        if only is not None and not isinstance(only, str):
            raise PlaygroundError(f"{str(only)[:60]!r} is no part of an update. Choose G only, D only or both.")
        return _at(desk, request, lambda bench: bench.play(count, only, desk.engine.call))

    def train_part(request: Any) -> dict[str, Any]:
        return _at(desk, request, lambda bench: bench.part(desk.engine.call), slow=True)

    def train_turn(request: Any) -> dict[str, Any]:
        number, given = LANE.check(_of(request, "lane")), _of(request, "settings")
        return _at(desk, request, lambda bench: turn(desk, bench, number, given))

    def train_cure(request: Any) -> dict[str, Any]:
        return _at(desk, request, lambda bench: cure(desk, bench))

    def train_rewind(request: Any) -> dict[str, Any]:
        update = UPDATE.check(_of(request, "update"))
        return _at(desk, request, lambda bench: bench.rewind(update, desk.engine.call))

    return [train_reach, train_play, train_part, train_turn, train_cure, train_rewind]


def reach(desk: Desk, state: ui.State, request: Any) -> dict[str, Any]:
    """Works towards the state's run for a moment; the page asks again until it is "done"."""
    plan = plan_of(state.check(_of(request, "state")))
    bench = desk.shelf.get(_of(request, "ticket"))
    if bench is None:
        bench = Bench(plan, desk.engine.call)
        desk.shelf.put(_of(request, "ticket"), bench)
    with bench.lock:
        done = bench.reach(plan, desk.engine.call, REACH)
        made = sum(min(a.session.clock, b.updates) for a, b in zip(bench.lanes, plan.lanes))
        ground = {"ground": ground_json(bench)} if done or _of(request, "first") else {}
        past = [past_json(lane) for lane in bench.lanes]
        return report(bench) | ground | {
            "past": past, "done": done, "made": made, "of": sum(b.updates for b in plan.lanes)
        }  # fmt: skip


def turn(desk: Desk, bench: Bench, number: int, given: Any) -> list[int]:
    """Turns knobs of one lane."""
    if number >= len(bench.lanes) or not isinstance(given, Mapping) or not 1 <= len(given) <= 20:
        raise PlaygroundError("These settings fit no lane. Choose a lane and turn one of its knobs.")
    bench.change(number, dict(given), desk.engine.call)
    return [number]


def cure(desk: Desk, bench: Bench) -> list[int]:
    """Applies the cure of the experiment a run began from."""
    lesson = words.lesson(bench.plan(), bench.lanes)
    if not lesson or not lesson["cure"]:
        raise PlaygroundError("There is nothing to cure here. Take one of the failures above first.")
    bench.change(0, preset(lesson["name"]).cure, desk.engine.call)
    return [0]


def report(bench: Bench, moved: Sequence[int] | None = None, slow: bool = False) -> dict[str, Any]:
    """Where the run stands; `moved`: the lanes to be shown, all if not given; `slow`: in slow motion."""
    plan = bench.plan()
    lanes = [lane_json(lane) if moved is None or i in moved else None for i, lane in enumerate(bench.lanes)]
    for lane in bench.lanes:
        lane.told = lane.session.moments[-1].update
    return {"lanes": lanes, "texts": bench.texts(), "lesson": words.lesson(plan, bench.lanes),
            "sentence": words.sentence(bench, slow)}  # fmt: skip


def _at(
    desk: Desk, request: Any, task: Callable[[Bench], list[int] | None], slow: bool = False
) -> dict[str, Any]:
    """Does something at the page's bench and reports; "gone" where the bench was cleared away."""
    bench = desk.shelf.get(_of(request, "ticket"))
    if bench is None:
        return {"gone": True}
    with bench.lock:
        moved = task(bench)
        return report(bench, moved, slow)


def _of(request: Any, name: str) -> Any:
    if not isinstance(request, Mapping):
        raise PlaygroundError("The request was not understood. Reload the page and try again.")
    return request.get(name)
