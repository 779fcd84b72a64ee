"""A Plotly figure that is made only when the tab's script asks for it, since it is heavy and most never need it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import gradio as gr

from tabs._ui.guard import PlaygroundError
from tabs._ui.markup import markup


def plot(tab: str, figure: Callable[[Mapping[str, Any]], Any]) -> None:
    """A hidden figure; the script calls `pg.<tab>Plot(request)` and moves the box `<tab>-plot-box` onto the stage.

    Args:
        figure: a request, which anyone may send, → a Plotly figure, or None for none. A `PlaygroundError` gives none.
    """

    def answer(event: gr.EventData) -> Any:
        try:
            return figure(event._data if isinstance(event._data, dict) else {})
        except PlaygroundError:
            return None

    with gr.Column(elem_id=f"{tab}-plot-box", elem_classes="pg-plot-box"):
        shown = gr.Plot(None, show_label=False, elem_id=f"{tab}-plot")
        script = f"pg[{json.dumps(tab + 'Plot')}] = request => trigger('plot', request);"
        teller = markup("<span></span>", script, elem_classes="pg-teller")
    teller.plot(answer, None, shown, queue=False, show_progress="hidden")
