"""The frame around a tab's stage: picture left, controls right, and everything that follows from the declared state.

The page's script (`assets/pg.js`) holds the state while the visitor plays. A gesture changes it, the newest state is
sent to `pg_draw`, and the answer replaces the picture; nothing goes through Gradio's queue except a run that streams.
"""

from __future__ import annotations

import html
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import gradio as gr
from gradio.components import Component

from playground import __version__, render
from playground.api import PlaygroundError
from playground.engine import Engine
from tabs._ui import controls
from tabs._ui.guard import explain, guard
from tabs._ui.markup import markup
from tabs._ui.state import KINDS, Shown, State

Draw = Callable[[dict[str, Any]], Shown]
Stream = Callable[[dict[str, Any]], Iterator[Shown]]
EVENTS = "{server, trigger, watch, props, events: ['apply', 'own', 'run', 'halt']}"
OWN_SHOWN = 24  # a visitor's own models in one list
LATEX = [{"left": "$$", "right": "$$", "display": True}, {"left": "$", "right": "$", "display": False}]
TOOLS = (  # action, label, key
    ("undo", "Undo", "Ctrl+Z"),
    ("redo", "Redo", "Ctrl+Shift+Z"),
    ("reset", "Reset", ""),
    ("save", "Save PNG", ""),
    ("open", "Open…", ""),
)


class Shell:
    """One tab's page.

    Args:
        state: the declaration.
        draw: a checked state → what is shown. Called for each gesture: well under 100 ms, no side effects.
        body: the tab's own HTML inside the stage; its script is `pg.stages[tab]` in `assets/tab-<tab>.js`.
        functions: further server functions for that script; each takes one JSON value and returns one.
        stream: a checked state → answers as a long run goes on; started by `tab.run()`, stopped by `tab.stop()`.
        follow: whether a change of the state starts the stream anew; else it is drawn, and the script starts a run.
        about: Markdown of the explanation, with LaTeX between dollars.
    """

    def __init__(
        self,
        state: State,
        engine: Engine,
        draw: Draw,
        *,
        body: str,
        functions: Sequence[Callable[[Any], Any]] = (),
        stream: Stream | None = None,
        follow: bool = True,
        about: str = "",
    ) -> None:
        self.state, self.engine, self.draw, self.stream = state, engine, draw, stream
        self.body, self.functions, self.about, self.follow = body, functions, about, follow
        self.parts: dict[str, Component] = {}
        self.titles = {c.name: c.title for c in engine.cards()}

    # ------------------------------------------------------------------ layout

    @contextmanager
    def layout(self, top: Sequence[str] = ()) -> Iterator[None]:
        """Stage left, whatever is made inside the `with` right; `top` names controls that stand above the stage."""
        with gr.Row(elem_classes="pg-row"):
            with gr.Column(elem_classes="pg-left", scale=3, min_width=320):
                for name in top:
                    self.control(name, classes="pg-segment")
                stage = self._stage()
            with gr.Column(elem_classes="pg-right", scale=1, min_width=300):
                yield
                if self.about:
                    with gr.Accordion("What is this?", open=False, elem_id=f"{self.state.tab}-about"):
                        gr.Markdown(self.about, latex_delimiters=LATEX)
        self._wire(stage)

    def control(self, name: str, classes: str = "") -> Component:
        """The component of one declared value, at the place where it is called."""
        field = self.state.field(name)
        part = controls.component(field, self.state.tab, self.titles, self.state.first()[name], classes)
        controls.report(field, part, self.state.tab)
        self.parts[name] = part
        return part

    def seed_row(self) -> None:
        """Number, dice and lock. A locked seed is kept by the dice, by R and by presets."""
        with gr.Row(elem_classes="pg-seed"):
            self.control("seed")
            script = f"pg.tab({json.dumps(self.state.tab)}).seedButtons(element)"
            markup(SEED_BUTTONS, script, elem_classes="pg-seed-buttons")

    @contextmanager
    def group(
        self, title: str, *, when: Mapping[str, Sequence[Any]] | None = None, folded: bool = False
    ) -> Iterator[None]:
        """Controls that belong together, with a reset of their own.

        Args:
            when: the group is there only while each named value is one of those listed.
            folded: behind a heading that opens it, for what a newcomer can leave alone.
        """
        slug = "".join(c if c.isalnum() else "-" for c in title.lower())
        before = set(self.parts)
        classes = ["pg-group", "pg-folded"] if folded else ["pg-group"]
        with gr.Column(elem_id=f"{self.state.tab}-group-{slug}", elem_classes=classes):
            if folded:
                with gr.Accordion(title, open=False):
                    yield
            else:
                yield
            names = [n for n in self.parts if n not in before]
            options = json.dumps({"names": names, "when": {k: list(v) for k, v in (when or {}).items()}})
            markup(
                f'<div class="pg-group-head"><h3>{"" if folded else html.escape(title)}</h3>'
                f'<button type="button" class="pg-link" aria-label="Reset {html.escape(title)}">Reset</button></div>',
                f"pg.tab({json.dumps(self.state.tab)}).group(element, {options})",
                elem_classes="pg-group-bar",
            )

    # ------------------------------------------------------------------ wiring

    def _stage(self) -> gr.HTML:
        spec = self.state.spec() | {"runs": self.stream is not None}
        spec |= {"streams": self.stream is not None and self.follow}
        mount = f"pg.tab({json.dumps(self.state.tab)}).mount(element, {json.dumps(spec)}, SERVER);"
        return markup(
            _escape(self._html()),
            mount.replace("SERVER", EVENTS),
            {},
            server_functions=[*self._server(), *(guard(f) for f in self.functions)],
            elem_id=f"{self.state.tab}-stage",
            elem_classes="pg-stage",
        )

    def _html(self) -> str:
        presets = "".join(
            f'<button type="button" class="pg-preset" data-preset="{i}" aria-pressed="false">'
            f'<small>{KINDS[p.kind]}</small><span>{html.escape(p.title)}</span></button>'
            for i, p in enumerate(self.state.presets)
        )
        tools = "".join(
            f'<button type="button" data-tool="{action}" title="{key or label}">{label}</button>'
            for action, label, key in TOOLS
        )
        return STAGE.replace("PRESETS", presets).replace("TOOLS", tools).replace("BODY", self.body)

    def _server(self) -> list[Callable[[Any], Any]]:
        def pg_draw(request: Any) -> Any:
            return self.answer(self.state.check(_part(request, "state")))

        def pg_restore(request: Any) -> Any:
            return {"state": self.state.restore(_part(request, "state"))}

        def pg_save(request: Any) -> Any:
            return self.saved(self.state.check(_part(request, "state")))

        return [guard(pg_draw), guard(pg_restore), guard(pg_save)]

    def answer(self, values: dict[str, Any]) -> dict[str, Any]:
        """One answer to the page, with the time it took."""
        start = time.perf_counter()
        return self._json(self.draw(values), start)

    def saved(self, values: dict[str, Any]) -> dict[str, Any]:
        """The picture drawn again, as a PNG that carries its recipe."""
        shown = self.draw(values)
        recipe = {"tab": self.state.tab, "state": {**values, **shown.patch}, "version": __version__}
        pixels = render.enlarge(render.sheet(shown.picture, shown.columns))
        name = f"{self.state.tab}-{shown.model or 'picture'}-{values.get('seed', 0)}.png"
        return {"name": name, "src": render.data_uri("image/png", render.png(pixels, recipe))}

    def _json(self, shown: Shown, start: float) -> dict[str, Any]:
        return {
            "picture": render.picture_uri(shown.picture, shown.columns),
            "sentence": shown.sentence,
            "data": shown.data,
            "code": shown.code,
            "patch": shown.patch,
            "disabled": shown.disabled,
            "step": shown.step,
            "total": shown.total,
            "facts": {
                "ms": round(1000 * (time.perf_counter() - start)),
                "model": shown.model,
                "device": str(self.engine.device),
            },
        }

    def _wire(self, stage: gr.HTML) -> None:
        tab, names = json.dumps(self.state.tab), json.dumps(list(self.parts))
        stage.apply(None, None, list(self.parts.values()), js=f"() => pg.tab({tab}).pull({names})", queue=False)
        if "model" in self.parts and isinstance(self.state.field("model"), controls.ModelField):
            stage.own(self._own, None, self.parts["model"], queue=False, show_progress="hidden")
        if self.stream is None:
            return
        free = {"concurrency_limit": None, "trigger_mode": "multiple"}  # the engine takes turns, the newest run wins
        run = stage.run(self._run, None, stage, show_progress="hidden", **free)
        halted = stage.halt(None, None, None, cancels=[run], queue=False)
        halted.then(None, None, None, js=f"() => pg.tab({tab}).halted()", queue=False)

    def _own(self, event: gr.EventData) -> Any:
        """The list of models with the visitor's own ones, whose names the page knows, at its end."""
        request = event._data if isinstance(event._data, dict) else {}
        asked = request.get("names")
        field = self.state.field("model")
        names = [name for name in asked[:OWN_SHOWN] if field.opens(name)] if isinstance(asked, list) else []
        own = [(self.engine.card(name).title, name) for name in names]
        return gr.update(choices=[*controls.named(field, self.titles), *own])

    def _run(self, event: gr.EventData) -> Iterator[dict[str, Any]]:
        """A run as a Gradio generator: closing the page or `tab.stop()` ends it within one step."""
        request = event._data if isinstance(event._data, dict) else {}
        ticket, start = request.get("ticket"), time.perf_counter()
        try:
            answer = {"error": "The run ended before its first step. Try other settings."}
            for shown in self.stream(self.state.check(_part(request, "state"))):
                answer = self._json(shown, start)
                yield {"ticket": ticket, "reply": answer, "end": shown.step >= shown.total}
            if "error" in answer or shown.step < shown.total:
                yield {"ticket": ticket, "reply": answer, "end": True}  # the page may skip all messages but the last
        except Exception as error:  # the guard of streams, see `tabs._ui.guard`
            yield {"ticket": ticket, "end": True, "reply": explain(error)}


def _part(request: Any, name: str) -> Any:
    if not isinstance(request, Mapping) or name not in request:
        raise PlaygroundError(f"The request lacks its {name!r}. Reload the page and try again.")
    return request[name]


def _escape(template: str) -> str:
    """The page's template engine must not read our braces as its own."""
    return template.replace("${", "$&#123;").replace("{{", "&#123;&#123;")


SEED_BUTTONS = """
<button type="button" data-seed="dice" title="Another seed (R)" aria-label="Another seed"><svg viewBox="0 0 20 20"
 aria-hidden="true"><rect x="2.5" y="2.5" width="15" height="15" rx="3"/><path stroke-width="2.6" stroke-linecap="round"
 d="M7 7h.01M13 7h.01M10 10h.01M7 13h.01M13 13h.01"/></svg></button>
<button type="button" data-seed="lock" title="Keep this seed" aria-label="Keep this seed" aria-pressed="false"><svg
 viewBox="0 0 20 20" aria-hidden="true"><rect x="4" y="9" width="12" height="8.5" rx="2"/><path class="pg-shut"
 d="M6.5 9V6.5a3.5 3.5 0 0 1 7 0V9"/><path class="pg-ajar" d="M6.5 9V5.5a3.5 3.5 0 0 1 6.8-1.2"/></svg></button>
"""

STAGE = """
<section class="pg-card">
  <div class="pg-presets" role="group" aria-label="Starting points">PRESETS</div>
  <p class="pg-lesson" hidden></p>
  <div class="pg-hero">
    <div class="pg-body">BODY</div>
    <div class="pg-error" role="alert" hidden><p></p><button type="button" class="pg-link">Close</button></div>
  </div>
  <div class="pg-progress pg-idle" hidden>
    <progress max="1" value="0" aria-label="Progress"></progress><span></span>
    <button type="button" data-tool="stop">Stop</button>
  </div>
  <p class="pg-sentence" aria-live="polite"></p>
  <p class="pg-facts"></p>
</section>
<div class="pg-tools" role="toolbar" aria-label="This picture">TOOLS
  <input type="file" accept="image/*" hidden aria-label="Open a saved picture">
</div>
<ol class="pg-history" aria-label="History"></ol>
<details class="pg-share"><summary>Link and Python</summary>
  <p><label>Link to exactly this <input class="pg-address" readonly></label></p>
  <pre tabindex="0" aria-label="The same in Python"><code></code></pre>
  <button type="button" class="pg-copy">Copy the code</button>
</details>
"""
