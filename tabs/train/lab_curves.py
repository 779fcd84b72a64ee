"""The finished curves of all lanes as a Plotly figure: distances above, losses below."""

from __future__ import annotations

from typing import Any

from tabs.train.lab_bench import Bench

DASHES = ("solid", "dash", "dot", "dashdot")
LIGHT = ("#0f766e", "#1c1917", "#57534e", "#9a3412")
DARK = ("#2dd4bf", "#f0eeea", "#b3aea6", "#fdba74")


def curves(bench: Bench, dark: bool) -> Any:
    """Sliced Wasserstein over its floor (logarithmic), MMD², and each lane's losses, against updates."""
    import plotly.graph_objects as go  # heavy, and most visitors never ask for it
    from plotly.subplots import make_subplots

    ink, line, colours = ("#f0eeea", "#33373a", DARK) if dark else ("#1c1917", "#e4e1da", LIGHT)
    lanes = bench.lanes
    titles = ["Distance, × perfect samples", "MMD²", *(f"Losses of {lane.session.learner.title}" for lane in lanes)]
    rows = 1 + -(-len(lanes) // 2)
    chart = make_subplots(rows=rows, cols=2, subplot_titles=titles, horizontal_spacing=0.1, vertical_spacing=0.3 / rows)
    for i, lane in enumerate(lanes):
        told, title = lane.session.curves(), lane.session.learner.title
        pen = {"color": colours[i], "dash": DASHES[i], "width": 2}
        for column, name in enumerate(("times_floor", "mmd"), 1):
            chart.add_trace(go.Scatter(x=told["update"], y=told.get(name, []), name=title, line=pen, mode="lines",
                                       legendgroup=str(i), showlegend=column == 1), row=1, col=column)  # fmt: skip
        names = [n for n in told if any(n in m.losses for m in lane.session.moments)]
        for k, name in enumerate(names):
            own = {"color": colours[k % 4], "dash": DASHES[k % 4], "width": 1.6}
            chart.add_trace(go.Scatter(x=told["update"], y=told[name], name=f"{title}: {name}", line=own, mode="lines"),
                            row=2 + i // 2, col=1 + i % 2)  # fmt: skip
    for column, best in ((1, 1.0), (2, 0.0)):
        chart.add_hline(y=best, line={"color": ink, "width": 1, "dash": "dot"}, row=1, col=column)
    chart.update_yaxes(type="log", row=1, col=1)
    chart.update_xaxes(gridcolor=line, zeroline=False)
    chart.update_yaxes(gridcolor=line, zeroline=False)
    chart.update_layout(
        template="none", height=240 * rows, margin={"l": 48, "r": 8, "t": 32, "b": 32}, uirevision="stay",
        paper_bgcolor="rgba(0,0,0,0)", plot_bgcolor="rgba(0,0,0,0)", legend={"orientation": "h", "y": -0.12},
        font={"color": ink, "family": "system-ui, sans-serif", "size": 12},
    )  # fmt: skip
    chart.update_annotations(font_size=13)
    return chart
