"""The page around the tabs: theme, style, scripts and header. Everything is inlined; nothing comes from elsewhere."""

from __future__ import annotations

import html
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from playground import __version__
from playground.engine import Engine, memory
from tabs._ui.guard import guard
from tabs._ui.markup import markup

ASSETS = Path(__file__).resolve().parents[2] / "assets"
SHARED = ("pg.js", "pg-page.js", "pg-widgets.js")  # in this order; the tabs' own scripts follow
TITLE = "The playground for generative models"


def theme() -> gr.themes.Base:
    """Gradio's base with system fonts and colours whose contrast passes WCAG AA, light and dark."""
    colours = {
        "button_primary_background_fill": "#0f766e",
        "button_primary_background_fill_hover": "#115e59",
        "button_primary_text_color": "#ffffff",
        "body_background_fill": "#f7f6f3",
        "body_text_color": "#1c1917",
        "body_text_color_subdued": "#57534e",
        "block_background_fill": "#ffffff",
        "block_label_text_color": "#44403c",
        "block_title_text_color": "#292524",
        "block_info_text_color": "#57534e",
        "border_color_primary": "#e4e1da",
        "input_background_fill": "#ffffff",
        "input_border_color": "#d6d3cd",
        "slider_color": "#0f766e",
    }
    dark = {
        "button_primary_background_fill_dark": "#0f766e",
        "button_primary_background_fill_hover_dark": "#115e59",
        "button_primary_text_color_dark": "#ffffff",
        "body_background_fill_dark": "#121314",
        "body_text_color_dark": "#f0eeea",
        "body_text_color_subdued_dark": "#b3aea6",
        "block_background_fill_dark": "#1b1d1f",
        "block_label_text_color_dark": "#d6d3cd",
        "block_title_text_color_dark": "#e7e5e0",
        "block_info_text_color_dark": "#b3aea6",
        "border_color_primary_dark": "#33373a",
        "input_background_fill_dark": "#222527",
        "input_border_color_dark": "#44494d",
        "slider_color_dark": "#2dd4bf",
    }
    shape = {"block_radius": "10px", "input_radius": "8px", "block_shadow": "none", "block_border_width": "0px"}
    shape |= {"input_border_width": "1px", "input_shadow": "none", "block_info_text_size": "12px"}
    fonts = ["system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif"]
    mono = ["ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace"]
    base = gr.themes.Base(primary_hue="teal", neutral_hue="stone", font=fonts, font_mono=mono)
    return base.set(**colours, **dark, **shape)


def css(tabs: Sequence[str]) -> str:
    """The style sheet, and the tabs' own."""
    files = [ASSETS / "style.css", *_own(tabs, "css")]
    return "\n".join(path.read_text(encoding="utf-8") for path in files)


def head(tabs: Sequence[str]) -> str:
    """Scripts of the page; they run before any component is there."""
    files = [*(ASSETS / name for name in SHARED), *_own(tabs, "js")]
    scripts = [path.read_text(encoding="utf-8") for path in files]
    scripts.append(f"pg.boot({json.dumps(list(tabs))})")
    icon = "<link rel='icon' href='data:,'>"
    return icon + "".join(f"<script>{script}</script>" for script in scripts)


def _own(tabs: Sequence[str], kind: str) -> list[Path]:
    """Each tab's file, `tab-<name>.<kind>`, followed by its further ones, `tab-<name>-<part>.<kind>`."""
    found = [[ASSETS / f"tab-{name}.{kind}", *sorted(ASSETS.glob(f"tab-{name}-*.{kind}"))] for name in tabs]
    return [path for paths in found for path in paths if path.is_file()]


def header(engine: Engine) -> gr.HTML:
    """Name, version, device, memory, and the two switches of a lecture room."""

    def pg_status(_: Any) -> dict[str, str]:
        return {"text": status(engine)}

    words = HEADER.replace("VERSION", html.escape(__version__)).replace("STATUS", html.escape(status(engine)))
    return markup(words, "pg.header(element, {server})", server_functions=[guard(pg_status)], elem_id="pg-header")


def status(engine: Engine) -> str:
    """ "cuda · 3.1 of 139.8 GB", or the process's own memory where the device has none to report."""
    used = memory(engine.device)
    if used:
        return f"{engine.device} · {used['used'] / 1e9:.1f} of {used['total'] / 1e9:.1f} GB"
    resident = _resident()
    return f"{engine.device} · {resident / 1e9:.1f} GB" if resident else str(engine.device)


def _resident() -> int:
    """Bytes of memory this process holds; 0 where the system does not say."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith("VmRSS")), 0)


HEADER = f"""
<header>
  <h1>{TITLE}</h1>
  <p><span class="pg-status" title="Device and memory">STATUS</span> · <span>version VERSION</span></p>
  <div>
    <button type="button" aria-pressed="false" title="Bigger type for a lecture room">Projector</button>
    <button type="button" aria-pressed="false" title="Dark or light page">Dark</button>
  </div>
</header>
"""
