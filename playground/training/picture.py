"""The losses of a run as a picture: a small SVG, one panel per loss, readable on light and on dark paper."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

Points = Sequence[tuple[int, float]]

WIDTH, PANEL, LEFT, TOP, RIGHT, BOTTOM = 720, 150, 74, 26, 16, 22  # pixels; margins are those of a panel
DRAWN = 240  # points of a line; more would not be seen at this width
PANELS = 8

STYLE = """
svg{font:12px system-ui,sans-serif;fill:#333;background:#fff}
.name{font-weight:600}.axis{stroke:#bbb;fill:none}.line{stroke:#2b6cb0;stroke-width:1.5;fill:none}
@media(prefers-color-scheme:dark){svg{fill:#ddd;background:#161616}.axis{stroke:#555}.line{stroke:#7ab8f5}}
"""


def draw(lines: Mapping[str, Points], title: str) -> str:
    """SVG text of at most 40 KB.

    Args:
        lines: name of a loss → [(pictures seen, value)…], each with at least one point; the first `PANELS` are drawn.
        title: what a reader without eyes is told the picture is.
    """
    panels = list(lines.items())[:PANELS]
    body = "".join(_panel(name, points, i * PANEL) for i, (name, points) in enumerate(panels))
    height = PANEL * len(panels)
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}"'
    return f'{head} role="img"><title>{escape(title)}</title><style>{STYLE}</style>{body}</svg>\n'


def _panel(name: str, points: Points, top: int) -> str:
    points = points[:: -(len(points) // DRAWN + 1)][::-1]  # counted from the end, whose value is told
    low, high = limits([value for _, value in points])
    last = max(points[-1][0], 1)
    x0, x1, y0, y1 = LEFT, WIDTH - RIGHT, top + PANEL - BOTTOM, top + TOP

    def place(seen: int, value: float) -> str:
        share = (min(max(value, low), high) - low) / (high - low)
        return f"{x0 + (x1 - x0) * seen / last:.1f},{y0 - (y0 - y1) * share:.1f}"

    path = " ".join(place(*point) for point in points)
    return (
        f'<text class="name" x="{x0}" y="{top + 16}">{escape(name)}</text>'
        f'<text x="{x1}" y="{top + 16}" text-anchor="end">last {points[-1][1]:.4g}</text>'
        f'<path class="axis" d="M{x0} {y1}V{y0}H{x1}"/>'
        f'<text x="{x0 - 6}" y="{y1 + 8}" text-anchor="end">{high:.4g}</text>'
        f'<text x="{x0 - 6}" y="{y0}" text-anchor="end">{low:.4g}</text>'
        f'<text x="{x1}" y="{y0 + 16}" text-anchor="end">{last:,} pictures</text>'
        f'<polyline class="line" points="{path}"/>'
    )


def limits(values: Sequence[float]) -> tuple[float, float]:
    """Lower and upper end of the axis: all values but the highest 2 %, which a first step would otherwise claim."""
    ordered = sorted(values)
    low, high = ordered[0], ordered[int(0.98 * (len(ordered) - 1))]
    return (low, high) if high > low else (low, low + max(abs(low), 1e-3))
